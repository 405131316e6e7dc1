//! Requests without a CDB: SendTargets and other text requests, NOP-Out, logout and task management.

use crate::{Error, Initiator, Pdu};
use iscsi::text;
use iscsi::wire::{self, FINAL_FLAG, NO_TAG, Opcode, as_layout};
use std::io::{Read, Write};
use zerocopy::IntoBytes;

impl<S: Read + Write> Initiator<S> {
    /// Logs in for discovery. Returns the `key=value` pairs of the response to SendTargets=All.
    ///
    /// # Errors
    /// The connection, the login or the request failed.
    pub fn send_targets(&mut self) -> Result<Vec<String>, Error> {
        let name = self.options.name.clone();
        self.negotiate(&[("InitiatorName", name.as_str()), ("SessionType", "Discovery")])?;
        let mut keys = Vec::new();
        text::push_pair(&mut keys, "SendTargets", "All");
        let answer = self.text(&keys)?;
        // TargetName and TargetAddress occur once per target, so the keys are not unique.
        let pairs = answer.split(|byte| *byte == 0).filter(|pair| !pair.is_empty());
        pairs.map(|pair| Ok(String::from_utf8(pair.to_vec())?)).collect()
    }

    /// Sends a Text Request and returns the keys of the response.
    ///
    /// # Errors
    /// The connection failed, or the response has another opcode.
    pub fn text(&mut self, keys: &[u8]) -> Result<Vec<u8>, Error> {
        let mut header: wire::RequestHeader = wire::with_opcode(Opcode::TEXT);
        header.flags = FINAL_FLAG;
        header.ttt = NO_TAG.into();
        let answer = self.request(header, keys)?;
        if answer.opcode() == Opcode::TEXT_RESPONSE {
            Ok(answer.data)
        } else {
            Err("the response is not a Text Response".into())
        }
    }

    /// Sends a NOP-Out with data, which requests a NOP-In.
    ///
    /// # Errors
    /// The connection failed.
    pub fn send_ping(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut header: wire::RequestHeader = wire::with_opcode(Opcode::NOP_OUT);
        header.flags = FINAL_FLAG;
        header.ttt = NO_TAG.into();
        self.send_request(header, data)
    }

    /// Sends a NOP-Out with data and waits for the NOP-In that returns it.
    ///
    /// # Errors
    /// The connection failed, or the target did not return the data.
    pub fn ping(&mut self, data: &[u8]) -> Result<(), Error> {
        self.send_ping(data)?;
        let answer = self.receive_status()?;
        if answer.opcode() == Opcode::NOP_IN && answer.data == data {
            Ok(())
        } else {
            Err("the response is not a NOP-In with the data of the NOP-Out".into())
        }
    }

    /// Logs out and closes the connection.
    ///
    /// # Errors
    /// The connection failed, or the response has another opcode.
    pub fn logout(mut self) -> Result<(), Error> {
        let mut header: wire::RequestHeader = wire::with_opcode(Opcode::LOGOUT);
        header.flags = FINAL_FLAG;
        let answer = self.request(header, &[])?;
        if answer.opcode() == Opcode::LOGOUT_RESPONSE {
            Ok(())
        } else {
            Err("the response is not a Logout Response".into())
        }
    }

    /// Sends a task management function request and returns its response code (RFC 7143 11.6.1). What the target still sends
    /// for tasks is dropped.
    ///
    /// # Errors
    /// [`crate::NoResponse`], the connection failed, or the response has another opcode.
    pub fn task_management(&mut self, function: u8, lun: u64, referenced: u32) -> Result<u8, Error> {
        let mut header: wire::TaskManagement = wire::with_opcode(Opcode(Opcode::TASK_MANAGEMENT.0 | 0x40));
        header.flags = FINAL_FLAG | function;
        header.lun = (lun << 48).into();
        let tag = self.next_tag();
        header.itt = tag.into();
        header.referenced_tag = referenced.into();
        if self.last_command.0 == referenced {
            header.ref_cmd_sn = self.last_command.1.into();
        }
        header.cmd_sn = self.cmd_sn.into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        self.send(header.as_bytes(), &[])?;
        let mut answer = self.receive_status()?;
        while answer.tag() != tag {
            answer = self.receive_status()?;
        }
        if answer.opcode() == Opcode::TASK_MANAGEMENT_RESPONSE {
            Ok(as_layout::<wire::TargetHeader>(&answer.header).response)
        } else {
            Err("the response is not a Task Management Function Response".into())
        }
    }

    fn request(&mut self, header: wire::RequestHeader, data: &[u8]) -> Result<Pdu, Error> {
        self.send_request(header, data)?;
        self.receive_status()
    }

    fn send_request(&mut self, mut header: wire::RequestHeader, data: &[u8]) -> Result<(), Error> {
        header.itt = self.next_tag().into();
        header.cmd_sn = self.next_cmd_sn().into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        wire::set_data_length(&mut header.data_length, data.len());
        self.send(header.as_bytes(), data)
    }
}
