//! Spacing over blocks and filemarks, and seeking: MTFSF, MTBSF, MTFSFM, MTBSFM, MTFSR, MTBSR, MTEOM, MTSEEK.

use super::command::{Refusal, Transfer, count24};
use super::options::Booleans;
use super::position::{Boundary, Number, Position};
use super::{Drive, count_within};
use crate::mtio::Operation;
use crate::{Errno, ScsiDevice};
use scsi_core::SenseKey;

/// CODE of SPACE(6).
pub(super) const BLOCKS: u8 = 0;
pub(super) const FILEMARKS: u8 = 1;
const END_OF_DATA: u8 = 3;
const SETMARKS: u8 = 4;
/// A count that no tape reaches, so that the drive counts the filemarks up to the end of data.
const ALL_FILEMARKS: i32 = 0x007f_ffff;

impl Drive {
    /// SPACE(6).
    pub(super) fn space(&mut self, device: &mut dyn ScsiDevice, code: u8, count: i32) -> Result<(), Refusal> {
        let [a, b, c] = count24(count);
        self.send(device, [0x11, code, a, b, c, 0], self.timeouts.long)
    }

    /// MTFSF and MTBSF, and MTFSFM and MTBSFM, which then go back over the last filemark in the other direction.
    pub(super) fn space_files(
        &mut self,
        device: &mut dyn ScsiDevice,
        operation: Operation,
        count: i32,
    ) -> Result<(), Errno> {
        let forward = operation == Operation::FSF || operation == Operation::FSFM;
        self.space_filemarks(device, if forward { count } else { count.saturating_neg() }, forward)?;
        match operation {
            Operation::FSFM => self.space_filemarks(device, -1, false),
            Operation::BSFM => self.space_filemarks(device, 1, true),
            _ => Ok(()),
        }
    }

    /// SPACE(6) over filemarks. `forward` says after which side of the last filemark the position is.
    fn space_filemarks(&mut self, device: &mut dyn ScsiDevice, count: i32, forward: bool) -> Result<(), Errno> {
        let Err(refusal) = self.space(device, FILEMARKS, count) else {
            self.position.pass_filemarks(count);
            if !forward {
                self.position.block = Number::UNKNOWN;
                self.position.boundary = Boundary::None;
            }
            return Ok(());
        };
        let moved = moved(&refusal, count);
        self.position.file.space(moved);
        self.position.block = if forward { Number::UNKNOWN } else { Number::ZERO };
        self.judge_end(&refusal);
        Err(refusal.into())
    }

    /// MTFSR and MTBSR: SPACE(6) over blocks.
    pub(super) fn space_blocks(&mut self, device: &mut dyn ScsiDevice, count: i32) -> Result<(), Errno> {
        let Err(refusal) = self.space(device, BLOCKS, count) else {
            self.position.block.space(count);
            self.position.boundary = Boundary::None;
            return Ok(());
        };
        if refusal.is_harmless() && refusal.filemark() {
            let position = &mut self.position;
            if count > 0 {
                position.pass_filemarks(1);
            } else {
                // Linux' driver counts down also from an unknown number.
                position.file = Number(position.file.0.saturating_sub(1));
                position.block = Number::UNKNOWN;
                position.boundary = Boundary::None;
            }
            return Err(Errno::EIO);
        }
        let residue = count_within(refusal.residue().unwrap_or(0), count);
        self.position.block.space(count);
        if count < 0 {
            // Linux' driver adds the residue also to an unknown number.
            self.position.block = Number(self.position.block.0.saturating_add(residue));
        } else {
            self.position.block.advance(residue.saturating_neg());
        }
        self.judge_end(&refusal);
        Err(refusal.into())
    }

    /// The end of data, or the beginning of the partition, which stopped a command.
    fn judge_end(&mut self, refusal: &Refusal) {
        let position = &mut self.position;
        position.boundary = Boundary::None;
        if refusal.is(SenseKey::BLANK_CHECK) {
            position.boundary = Boundary::EndOfData;
        }
    }

    /// Setmarks, which no drive of SSC-2 and later has.
    pub(super) fn space_setmarks(&mut self, device: &mut dyn ScsiDevice, count: i32) -> Result<(), Errno> {
        self.position.boundary = Boundary::None;
        Ok(self.space(device, SETMARKS, count)?)
    }

    /// MTWSM.
    pub(super) fn write_setmarks(&mut self, device: &mut dyn ScsiDevice, count: i32) -> Result<(), Errno> {
        self.position.boundary = Boundary::None;
        let [a, b, c] = count24(count);
        Ok(self.send(device, [0x10, 2, a, b, c, 0], self.timeouts.normal)?)
    }

    /// MTEOM: counts the filemarks up to the end of data, unless the option says not to.
    pub(super) fn space_to_end(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        if self.has(Booleans::FAST_MTEOM) {
            self.position.file = Number::UNKNOWN;
        } else if let Err(refusal) = self.space(device, FILEMARKS, ALL_FILEMARKS) {
            let moved = moved(&refusal, ALL_FILEMARKS);
            self.position.file.advance(moved);
        }
        self.space(device, END_OF_DATA, 0)?;
        self.position.block = Number::UNKNOWN;
        self.position.boundary = Boundary::EndOfData;
        Ok(())
    }

    /// MTSEEK: LOCATE(10), with the partition of MTSETPART. If that fails, the tape is at the block at which the partition
    /// was left.
    pub(super) fn seek(&mut self, device: &mut dyn ScsiDevice, block: i32) -> Result<(), Errno> {
        if !self.partitions.is_change_pending() {
            return self.locate(device, block.cast_unsigned());
        }
        self.leave_partition(device)?;
        let located = self.locate(device, block.cast_unsigned());
        if located.is_err() {
            // Like Linux' driver, this reports the first error only.
            let _ = self.enter_partition(device);
        }
        located
    }

    /// LOCATE(10) in the partition of the next operation. File and block are known only at the beginning.
    pub(super) fn locate(&mut self, device: &mut dyn ScsiDevice, block: u32) -> Result<(), Errno> {
        let changes = self.partitions.is_change_pending();
        let vendor_address = !self.has(Booleans::SCSI2LOGICAL);
        let flags = u8::from(vendor_address) << 2 | u8::from(changes) << 1 | u8::from(self.has(Booleans::NOWAIT));
        let [a, b, c, d] = block.to_be_bytes();
        let partition = if changes { self.partitions.next } else { 0 };
        let cdb = [0x2b, flags, 0, a, b, c, d, 0, partition, 0];
        let done = self.run(device, &cdb, Transfer::None, self.timeouts.long);
        self.position = Position::UNKNOWN;
        done?;
        self.partitions.current = self.partitions.next;
        if block == 0 {
            self.position = Position::BEGINNING;
        }
        Ok(())
    }

    /// READ POSITION, short form: the partition, and the logical block number in it.
    pub(super) fn read_position(&mut self, device: &mut dyn ScsiDevice) -> Result<(u8, u32), Errno> {
        let mut position = [0; 20];
        let action = u8::from(!self.has(Booleans::SCSI2LOGICAL));
        let cdb = [0x34, action, 0, 0, 0, 0, 0, 0, 0, 0];
        self.run(device, &cdb, Transfer::In(&mut position), self.timeouts.normal)?;
        let [flags, partition, _, _, a, b, c, d, ..] = position;
        if flags & 4 != 0 {
            return Err(Errno::EIO);
        }
        Ok((partition, u32::from_be_bytes([a, b, c, d])))
    }
}

/// How far a command for `count` moved; negative towards the beginning.
fn moved(refusal: &Refusal, count: i32) -> i32 {
    let residue = count_within(refusal.residue().unwrap_or(0), count);
    if count < 0 { count.saturating_add(residue) } else { count.saturating_sub(residue) }
}
