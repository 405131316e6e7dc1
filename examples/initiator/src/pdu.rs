//! Sending and receiving PDUs: padding, digests, StatSN and MaxCmdSN, and the response to NOP-In.

use crate::{Error, Initiator, NoResponse};
use iscsi::digest::{crc32c_bytes, padded_digest};
use iscsi::wire::{self, BHS, BasicHeader, FINAL_FLAG, NO_TAG, Opcode, as_layout};
use std::io::{self, IoSlice, Read, Write};
use zerocopy::IntoBytes;

/// A PDU as received, without digests and padding.
#[derive(Clone, Debug)]
pub struct Pdu {
    /// Basic header segment, 48 bytes.
    pub header: [u8; BHS],
    /// Data segment, without padding and digest.
    pub data: Vec<u8>,
}

impl Pdu {
    fn basic(&self) -> BasicHeader {
        as_layout(&self.header)
    }

    /// The opcode in the header.
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        self.basic().opcode()
    }

    /// The initiator task tag in the header.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.basic().itt.get()
    }
}

impl<S: Read + Write> Initiator<S> {
    /// Sends a PDU with this header, and adds padding and digests.
    ///
    /// # Errors
    /// The connection failed.
    pub fn send(&mut self, header: &[u8], data: &[u8]) -> Result<(), Error> {
        let pad = data.len().next_multiple_of(4) - data.len();
        let (header_digest, data_digest) =
            (self.digests && self.options.header_digest, self.digests && self.options.data_digest);
        let (head_crc, data_crc) = (crc32c_bytes(header), padded_digest(data));
        let parts = [
            header,
            if header_digest { &head_crc } else { &[] },
            data,
            [0; 3].get(..pad).unwrap_or_default(),
            if data_digest && !data.is_empty() { &data_crc } else { &[] },
        ];
        let mut slices: Vec<IoSlice<'_>> =
            parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let sent = self.stream.write_vectored(rest)?;
            if sent == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            IoSlice::advance_slices(&mut rest, sent);
        }
        Ok(())
    }

    /// Receives a PDU and checks its digests.
    ///
    /// # Errors
    /// [`NoResponse`] if no PDU begins within the read timeout of the stream. The connection failed, a digest is wrong, or
    /// the data segment is longer than declared.
    pub fn receive(&mut self) -> Result<Pdu, Error> {
        let mut header = [0; BHS];
        let begun = self.receive_some(&mut header)?;
        self.stream.read_exact(header.get_mut(begun..).unwrap_or_default())?;
        let basic: BasicHeader = as_layout(&header);
        if self.digests && self.options.header_digest {
            let mut received_digest = [0; 4];
            self.stream.read_exact(&mut received_digest)?;
            if received_digest != crc32c_bytes(&header) {
                return Err("the header digest of a PDU is wrong".into());
            }
        }
        let len = basic.data_len();
        if len > self.options.max_recv as usize {
            return Err("a data segment is longer than the declared MaxRecvDataSegmentLength".into());
        }
        let mut data = vec![0; len.next_multiple_of(4)];
        self.stream.read_exact(&mut data)?;
        data.truncate(len);
        if self.digests && self.options.data_digest && len > 0 {
            let mut received_digest = [0; 4];
            self.stream.read_exact(&mut received_digest)?;
            if received_digest != padded_digest(&data) {
                return Err("the data digest of a PDU is wrong".into());
            }
        }
        Ok(Pdu { header, data })
    }

    /// Receives the first bytes of a PDU, and returns their number.
    fn receive_some(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            return match self.stream.read(buffer) {
                Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(len) => Ok(len),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(NoResponse.into()),
                    _ => Err(error.into()),
                },
            };
        }
    }

    /// Responds to a NOP-In that requests it, with an immediate NOP-Out without Initiator Task Tag (RFC 7143 11.18).
    fn respond_to_nop_in(&mut self, request: &wire::TargetHeader) -> Result<(), Error> {
        if request.ttt.get() == NO_TAG {
            return Ok(());
        }
        let mut header: wire::RequestHeader = wire::with_opcode(Opcode(Opcode::NOP_OUT.0 | 0x40));
        header.flags = FINAL_FLAG;
        (header.lun, header.itt, header.ttt) = (request.lun, NO_TAG.into(), request.ttt);
        header.cmd_sn = self.cmd_sn.into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        self.send(header.as_bytes(), &[])
    }

    /// Receives a PDU of the full-feature phase, checks its StatSN and records its MaxCmdSN. Responds to each NOP-In that
    /// requests it.
    pub(crate) fn receive_status(&mut self) -> Result<Pdu, Error> {
        let mut pdu = self.receive()?;
        while pdu.opcode() == Opcode::NOP_IN && pdu.tag() == NO_TAG {
            self.respond_to_nop_in(&as_layout(&pdu.header))?;
            pdu = self.receive()?;
        }
        let numbers: wire::TargetHeader = as_layout(&pdu.header);
        let uses_stat_sn = match pdu.opcode() {
            Opcode::DATA_IN => numbers.flags & 0x01 != 0,
            Opcode::R2T => false,
            _ => true,
        };
        if uses_stat_sn {
            if numbers.stat_sn.get() != self.exp_stat_sn {
                return Err(format!("StatSN {}, expected {}", numbers.stat_sn, self.exp_stat_sn).into());
            }
            self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
        }
        if wire::serial_before(self.max_cmd_sn, numbers.max_cmd_sn.get()) {
            self.max_cmd_sn = numbers.max_cmd_sn.get();
        }
        Ok(pdu)
    }
}
