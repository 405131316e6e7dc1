//! SCSI commands: SCSI Command, R2T, Data-Out, Data-In and SCSI Response (RFC 7143 §11.3 to §11.8).

use crate::{Error, Initiator, NoResponse};
use iscsi::wire::{self, FINAL_FLAG, Opcode, as_layout};
use std::io::{Read, Write};
use zerocopy::IntoBytes;

/// Status, sense data and data-in of a completed command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandResponse {
    /// SCSI status code; 0 is GOOD.
    pub status: u8,
    /// Sense data; empty if the target sent none.
    pub sense: Vec<u8>,
    /// Data-in that the target sent.
    pub data: Vec<u8>,
    /// Residual count in bytes: positive for an underflow, negative for an overflow (RFC 7143 11.4.5).
    pub residual: i64,
}

impl CommandResponse {
    /// Sense key, ASC and ASCQ of fixed-format sense data.
    #[must_use]
    pub fn sense_codes(&self) -> Option<(u8, u8, u8)> {
        Some((self.sense.get(2)? & 0x0f, *self.sense.get(12)?, *self.sense.get(13)?))
    }

    /// INFORMATION field of fixed-format sense data; `None` if its VALID bit is 0. It is negative only with the ILI bit,
    /// for a block that is longer than requested.
    #[must_use]
    pub fn information(&self) -> Option<i64> {
        let information = u32::from_be_bytes(self.sense.get(3..7)?.try_into().ok()?);
        let is_signed = self.sense.get(2)? & 0x20 != 0;
        let value = if is_signed { i64::from(information.cast_signed()) } else { i64::from(information) };
        (self.sense.first()? & 0x80 != 0).then_some(value)
    }
}

/// Direction and length of the data of a command.
#[derive(Clone, Copy, Debug)]
pub enum Transfer<'a> {
    /// The command transfers no data.
    None,
    /// Data-out: these bytes are sent to the target.
    Out(&'a [u8]),
    /// Data-in: at most this number of bytes is received.
    In(usize),
}

impl<S: Read + Write> Initiator<S> {
    /// Sends one command and waits for its response.
    ///
    /// # Errors
    /// The connection failed, or the target broke the protocol.
    pub fn command(&mut self, lun: u64, cdb: &[u8], transfer: Transfer<'_>) -> Result<CommandResponse, Error> {
        let tag = self.start(lun, cdb, transfer)?;
        self.finish(tag, transfer)
    }

    /// Sends a command with as much immediate data as negotiated. Returns its initiator task tag.
    ///
    /// # Errors
    /// The connection failed.
    pub fn start(&mut self, lun: u64, cdb: &[u8], transfer: Transfer<'_>) -> Result<u32, Error> {
        let mut header: wire::ScsiCommand = wire::with_opcode(Opcode::COMMAND);
        let (flags, expected, data): (u8, usize, &[u8]) = match transfer {
            Transfer::None => (0, 0, &[]),
            Transfer::In(len) => (0x40, len, &[]),
            Transfer::Out(data) => (0x20, data.len(), data),
        };
        let immediate_len =
            if self.options.immediate { data.len().min(self.first_burst).min(self.max_send) } else { 0 };
        header.flags = FINAL_FLAG | flags | 0x01;
        header.lun = (lun << 48).into();
        header.expected_length = u32::try_from(expected)?.into();
        for (slot, byte) in header.cdb.iter_mut().zip(cdb) {
            *slot = *byte;
        }
        let extension = extended_cdb(cdb)?;
        header.ahs_length = u8::try_from(extension.len() / 4)?;
        let tag = self.next_tag();
        header.itt = tag.into();
        self.last_command = (tag, self.next_cmd_sn());
        header.cmd_sn = self.last_command.1.into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        wire::set_data_length(&mut header.data_length, immediate_len);
        self.send(&[header.as_bytes(), &extension].concat(), data.get(..immediate_len).unwrap_or_default())?;
        Ok(tag)
    }

    /// Waits for the response to a command and sends the data that R2Ts request.
    ///
    /// # Errors
    /// [`NoResponse`], the connection failed, or the target broke the protocol.
    pub fn finish(&mut self, tag: u32, transfer: Transfer<'_>) -> Result<CommandResponse, Error> {
        self.finish_while(tag, transfer, |_, _| Err(NoResponse.into()))
    }

    /// The same as [`Self::finish`], but whenever no PDU has arrived within the read timeout, it calls `idle` with the number
    /// of read timeouts since the last PDU, and goes on if that succeeds. `idle` may send pings ([`Self::send_ping`]).
    ///
    /// # Errors
    /// That of `idle`, the connection failed, or the target broke the protocol.
    pub fn finish_while(
        &mut self,
        tag: u32,
        transfer: Transfer<'_>,
        mut idle: impl FnMut(&mut Self, u32) -> Result<(), Error>,
    ) -> Result<CommandResponse, Error> {
        let out = if let Transfer::Out(data) = transfer { data } else { &[] };
        let mut reply = CommandResponse::default();
        let mut idle_periods = 0;
        loop {
            let pdu = match self.receive_status() {
                Err(error) if error.is::<NoResponse>() => {
                    idle_periods += 1;
                    idle(self, idle_periods)?;
                    continue;
                }
                received => received?,
            };
            idle_periods = 0;
            if pdu.opcode() == Opcode::NOP_IN {
                continue;
            }
            if pdu.tag() != tag {
                return Err(format!("unexpected tag {:x}, expected {tag:x}: {:?}", pdu.tag(), pdu.opcode()).into());
            }
            match pdu.opcode() {
                Opcode::R2T => self.send_data(&as_layout(&pdu.header), out)?,
                Opcode::DATA_IN => {
                    let header: wire::DataIn = as_layout(&pdu.header);
                    if header.buffer_offset.get() as usize != reply.data.len() {
                        return Err("the buffer offset of a Data-In is not the end of the previous one".into());
                    }
                    reply.data.extend_from_slice(&pdu.data);
                    if header.flags & 0x01 != 0 {
                        reply.status = header.status;
                        reply.residual = residual(header.flags, header.residual.get());
                        return Ok(reply);
                    }
                }
                Opcode::RESPONSE => {
                    let header: wire::ScsiResponse = as_layout(&pdu.header);
                    reply.status = header.status;
                    reply.residual = residual(header.flags, header.residual.get());
                    reply.sense = pdu.data.get(2..).unwrap_or_default().to_vec();
                    return Ok(reply);
                }
                other => return Err(format!("unexpected {other:?}").into()),
            }
        }
    }

    fn send_data(&mut self, r2t: &wire::TargetHeader, data: &[u8]) -> Result<(), Error> {
        let (start, len) = (r2t.word_40.get() as usize, r2t.word_44.get() as usize);
        let wanted = data.get(start..start + len).ok_or("an R2T requests data beyond the Data-Out")?;
        let parts = wanted.chunks(self.max_send);
        let last = parts.len().saturating_sub(1);
        let mut offset = start;
        for (number, part) in parts.enumerate() {
            let mut header: wire::DataOut = wire::with_opcode(Opcode::DATA_OUT);
            header.flags = if number == last { FINAL_FLAG } else { 0 };
            (header.lun, header.itt, header.ttt) = (r2t.lun, r2t.itt, r2t.ttt);
            header.exp_stat_sn = self.exp_stat_sn.into();
            header.data_sn = u32::try_from(number)?.into();
            header.buffer_offset = u32::try_from(offset)?.into();
            wire::set_data_length(&mut header.data_length, part.len());
            self.send(header.as_bytes(), part)?;
            offset += part.len();
        }
        Ok(())
    }
}

/// Additional header segment with the bytes of a CDB from byte 16 on (RFC 7143 §11.2.2.3), padded to whole words. Empty for
/// a CDB that fits into the basic header.
fn extended_cdb(cdb: &[u8]) -> Result<Vec<u8>, Error> {
    let Some(rest) = cdb.get(CDB_FIELD..).filter(|rest| !rest.is_empty()) else { return Ok(Vec::new()) };
    if rest.len() > MAX_EXTENSION {
        return Err(format!("a CDB has at most {} bytes, not {}", CDB_FIELD + MAX_EXTENSION, cdb.len()).into());
    }
    // AHSLength counts the reserved byte.
    let [high, low] = u16::try_from(rest.len() + 1)?.to_be_bytes();
    let mut segment = [&[high, low, EXTENDED_CDB, 0], rest].concat();
    segment.resize(segment.len().next_multiple_of(4), 0);
    Ok(segment)
}

/// Length in bytes of the CDB field of the basic header segment.
const CDB_FIELD: usize = 16;
/// Most bytes of a CDB that an additional header segment has: a CDB has at most 260 bytes.
const MAX_EXTENSION: usize = 244;
/// AHSType of an extended CDB.
const EXTENDED_CDB: u8 = 1;

fn residual(flags: u8, count: u32) -> i64 {
    match flags & 0x06 {
        0x02 => i64::from(count),
        0x04 => -i64::from(count),
        _ => 0,
    }
}
