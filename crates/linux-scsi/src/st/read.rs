//! read(2).
//!
//! In fixed block mode, a read whose length is a multiple of the block length transfers directly. Any other read goes
//! through the buffer of the driver: it reads ahead, and the operation after the reads goes back over the blocks that no
//! program got.

use super::command::{Refusal, Transfer, count24};
use super::options::Booleans;
use super::position::{Boundary, LastTransfer, Number};
use super::space::{BLOCKS, FILEMARKS};
use super::{Drive, OpenTape};
use crate::mtio::Operation;
use crate::{Errno, ScsiDevice};
use scsi_core::SenseKey;

/// Bytes that a buffered read reads ahead, or one block if that is longer.
const READ_AHEAD: usize = 32 << 10;
/// Operations that count files from the filemark that was read ahead, although the tape is before it again.
const COUNTS_FILES: [Operation; 5] = [Operation::FSF, Operation::BSF, Operation::FSFM, Operation::BSFM, Operation::EOM];

impl Drive {
    /// read(2): the next block, or in fixed block mode as many blocks as fit.
    ///
    /// Returns the number of bytes, 0 at a filemark and once at the end of data.
    ///
    /// # Errors
    /// EBADF if the tape is not open for reading, ENOMEDIUM or EIO if the drive is not ready, ENOMEM if the next block is
    /// longer than `buffer`, EINVAL for a length that the drive cannot read, or that is not a multiple of the block length if
    /// the driver does not buffer, EIO for any other failure.
    pub fn read(&mut self, device: &mut dyn ScsiDevice, tape: &OpenTape, buffer: &mut [u8]) -> Result<usize, Errno> {
        if !tape.opening.access.reads() {
            return Err(Errno::EBADF);
        }
        self.check_ready()?;
        self.check_position()?;
        if buffer.is_empty() {
            return Ok(0);
        }
        self.flush_writes(device)?;
        self.change_partition(device)?;
        let (count, unit) = self.transfer_count(buffer.len())?;
        let whole = count.checked_mul(unit) == i32::try_from(buffer.len()).ok();
        if !whole && !self.has(Booleans::READ_AHEAD) {
            return Err(Errno::EINVAL);
        }
        self.lock_for_transfer(device);
        if self.state.block_length == 0 { self.read_block(device, buffer) } else { self.read_blocks(device, buffer) }
    }

    /// The event of the last read that is not reported yet: the number of bytes is 0, or the read fails.
    fn report_boundary(&mut self) -> Option<Result<usize, Errno>> {
        let position = &mut self.position;
        match position.boundary {
            Boundary::FilemarkPending => {
                position.pass_filemarks(1);
                Some(Ok(0))
            }
            Boundary::EndOfDataOnce => {
                position.boundary = Boundary::EndOfData;
                Some(Ok(0))
            }
            Boundary::EndOfData => Some(Err(Errno::EIO)),
            _ => None,
        }
    }

    /// One block in variable block mode.
    fn read_block(&mut self, device: &mut dyn ScsiDevice, buffer: &mut [u8]) -> Result<usize, Errno> {
        if let Some(reported) = self.report_boundary() {
            return reported;
        }
        self.read_command(device, buffer)
    }

    /// Blocks in fixed block mode: the blocks that were read ahead, then more. An error drops what the read got before it.
    fn read_blocks(&mut self, device: &mut dyn ScsiDevice, buffer: &mut [u8]) -> Result<usize, Errno> {
        let block = usize::try_from(self.state.block_length).map_err(|_| Errno::EINVAL)?;
        // After a read of a part of a block, all reads are buffered until the tape is closed.
        self.transfers_directly &= buffer.len().is_multiple_of(block);
        let is_direct = self.transfers_directly && self.read_ahead.is_empty();
        let (mut done, mut is_stopped) = (0, false);
        while let Some(target) = buffer.get_mut(done..).filter(|target| !target.is_empty()) {
            if !self.read_ahead.is_empty() {
                let len = target.len().min(self.read_ahead.len());
                for (byte, ahead) in target.iter_mut().zip(self.read_ahead.drain(..len)) {
                    *byte = ahead;
                }
                done += len;
                continue;
            }
            if is_stopped || done > 0 && self.position.boundary == Boundary::FilemarkPending {
                return Ok(done);
            }
            if let Some(reported) = self.report_boundary() {
                return reported;
            }
            if is_direct {
                return self.read_command(device, target);
            }
            is_stopped = self.fill_read_ahead(device, (READ_AHEAD / block).max(1) * block)?;
        }
        Ok(done)
    }

    /// Reads ahead. Returns whether something stopped the command.
    fn fill_read_ahead(&mut self, device: &mut dyn ScsiDevice, wanted: usize) -> Result<bool, Errno> {
        let mut ahead = vec![0; wanted];
        let len = self.read_command(device, &mut ahead)?;
        ahead.truncate(len);
        self.read_ahead = ahead;
        Ok(len < wanted)
    }

    /// READ(6) for all of `target`. Returns the number of bytes; the position says what stopped it.
    fn read_command(&mut self, device: &mut dyn ScsiDevice, target: &mut [u8]) -> Result<usize, Errno> {
        let (count, unit) = self.transfer_count(target.len())?;
        let fixed = self.state.block_length != 0;
        let sili = !fixed && self.has(Booleans::SILI);
        let [a, b, c] = count24(count);
        self.position.last = LastTransfer::Read;
        let flags = u8::from(fixed) | u8::from(sili) << 1;
        let refusal = match self.run(device, &[8, flags, a, b, c, 0], Transfer::In(target), self.timeouts.normal) {
            Ok(len) => {
                let position = &mut self.position;
                position.pass_blocks(if fixed { count } else { 1 });
                position.after_transfer();
                return Ok(len);
            }
            Err(refusal) => refusal,
        };
        self.judge_read(device, &refusal, count, unit)
    }

    fn judge_read(
        &mut self,
        device: &mut dyn ScsiDevice,
        refusal: &Refusal,
        count: i32,
        unit: i32,
    ) -> Result<usize, Errno> {
        let fixed = self.state.block_length != 0;
        let residue = refusal.residue();
        let blocks = count.saturating_sub(residue.unwrap_or(0)).clamp(0, count);
        let bytes = usize::try_from(blocks.saturating_mul(unit)).unwrap_or(0);
        let position = &mut self.position;
        if refusal.is_harmless() && refusal.filemark() {
            let read = if fixed { blocks } else { 0 };
            position.pass_blocks(read);
            if read == 0 {
                position.pass_filemarks(1);
                return Ok(0);
            }
            position.boundary = Boundary::FilemarkPending;
            return Ok(bytes);
        }
        if refusal.is_harmless() && refusal.ili() {
            return self.judge_other_length(device, residue.unwrap_or(0), count, unit);
        }
        if refusal.is_harmless() && refusal.eom() {
            position.pass_blocks(if fixed { blocks } else { 1 });
            position.boundary = Boundary::EarlyWarning;
            return Ok(bytes);
        }
        let is_blank = refusal.is(SenseKey::BLANK_CHECK);
        if refusal.eom() && (is_blank || refusal.is(SenseKey::MEDIUM_ERROR)) {
            return Ok(self.end_of_partition());
        }
        if refusal.has_no_sense() && !fixed {
            // Linux' driver counts the block that it did not get.
            position.pass_blocks(1);
            return Err(Errno::EIO);
        }
        position.block = Number::UNKNOWN;
        if is_blank && position.boundary == Boundary::Filemark {
            position.boundary = Boundary::EndOfData;
            return Ok(0);
        }
        Err(Errno::EIO)
    }

    /// A block of another length than requested. In fixed block mode, the driver goes back before it.
    fn judge_other_length(
        &mut self,
        device: &mut dyn ScsiDevice,
        residue: i32,
        count: i32,
        unit: i32,
    ) -> Result<usize, Errno> {
        let position = &mut self.position;
        if self.state.block_length == 0 {
            position.pass_blocks(1);
            position.after_transfer();
            let len = usize::try_from(count.saturating_sub(residue)).unwrap_or(0);
            return if residue < 0 { Err(Errno::ENOMEM) } else { Ok(len) };
        }
        let blocks = count.saturating_sub(residue).clamp(0, count);
        position.pass_blocks(blocks);
        position.after_transfer();
        // Like Linux' driver, this does not report that the drive cannot go back.
        let _ = self.space(device, BLOCKS, -1);
        match blocks {
            0 => Err(Errno::EIO),
            _ => Ok(usize::try_from(blocks.saturating_mul(unit)).unwrap_or(0)),
        }
    }

    /// The end of the partition, or the end of data after early warning: reads return 0 bytes twice.
    fn end_of_partition(&mut self) -> usize {
        let position = &mut self.position;
        position.pass_filemarks(1);
        position.boundary = Boundary::EndOfDataOnce;
        0
    }

    /// Ends a sequence of transfers before another operation: writes the buffered blocks, or goes back before a filemark
    /// that no read has reported, and over the blocks that were read ahead.
    pub(super) fn end_transfers(&mut self, device: &mut dyn ScsiDevice, next: Operation) -> Result<(), Errno> {
        if self.position.last != LastTransfer::Read {
            return self.flush_writes(device);
        }
        let block = usize::try_from(self.state.block_length).map_err(|_| Errno::EINVAL)?;
        let ahead = self.read_ahead.len().checked_div(block).unwrap_or(0);
        self.read_ahead.clear();
        if self.position.boundary == Boundary::FilemarkPending {
            if let Err(refusal) = self.space(device, FILEMARKS, -1) {
                self.position.pass_filemarks(1);
                return Err(refusal.into());
            }
            self.position.boundary = Boundary::None;
            if COUNTS_FILES.contains(&next) {
                self.position.file.advance(1);
            }
        }
        let back = i32::try_from(ahead).map_err(|_| Errno::EINVAL)?.saturating_neg();
        if back != 0 && self.has(Booleans::CAN_BSR) {
            self.space(device, BLOCKS, back)?;
            self.position.pass_blocks(back);
        }
        Ok(())
    }
}
