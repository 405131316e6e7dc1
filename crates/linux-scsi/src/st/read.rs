//! read(2).
//!
//! In fixed block mode, a read whose length is not a multiple of the block length leaves a part of the last block, which
//! the next read gets. No block is read that no program asked for.

use super::command::{Refusal, Transfer, count24};
use super::options::Booleans;
use super::position::{Boundary, LastTransfer};
use super::{Drive, OpenTape};
use crate::mtio::Operation;
use crate::{Errno, ScsiDevice};
use scsi_core::SenseKey;

/// How a READ ended, with the number of bytes that it returned.
enum ReadEnd {
    /// All of the count, or the block.
    Complete(usize),
    /// A mark or the end of data stopped it; the position says which.
    Stopped(usize),
    Failed(Errno),
}

impl Drive {
    /// read(2): the next block, or in fixed block mode as many blocks as fit.
    ///
    /// Returns the number of bytes, 0 at a filemark and once at the end of data.
    ///
    /// # Errors
    /// EBADF if the tape is not open for reading, ENOMEDIUM or EIO if the drive is not ready, ENOMEM if the next block is
    /// longer than `buffer`, EINVAL for a length that is not a multiple of the block length if the driver does not
    /// buffer, EOVERFLOW for more than a command can transfer, EIO for any other failure.
    pub fn read(&mut self, device: &mut dyn ScsiDevice, tape: &OpenTape, buffer: &mut [u8]) -> Result<usize, Errno> {
        if !tape.opening.access.reads() {
            return Err(Errno::EBADF);
        }
        self.check_ready()?;
        if buffer.is_empty() {
            return Ok(0);
        }
        let (count, unit) = self.transfer_count(buffer.len())?;
        if unit == 1 && self.state.block_length == 0 && !self.accepts(u32::try_from(buffer.len()).unwrap_or(u32::MAX)) {
            return Err(Errno::EINVAL);
        }
        let whole = count.checked_mul(unit) == i32::try_from(buffer.len()).ok();
        if !whole && !self.has(Booleans::READ_AHEAD) {
            return Err(Errno::EINVAL);
        }
        self.change_partition(device)?;
        match self.position.boundary {
            Boundary::FilemarkPending => {
                self.position.pass_filemarks(1);
                return Ok(0);
            }
            Boundary::EndOfDataPending => {
                self.position.boundary = Boundary::EndOfData;
                return Ok(0);
            }
            Boundary::EndOfData => return Err(Errno::EIO),
            _ => {}
        }
        if self.state.block_length == 0 { self.read_block(device, buffer) } else { self.read_blocks(device, buffer) }
    }

    /// One block in variable block mode.
    fn read_block(&mut self, device: &mut dyn ScsiDevice, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self.read_command(device, buffer) {
            ReadEnd::Complete(len) | ReadEnd::Stopped(len) => Ok(len),
            ReadEnd::Failed(errno) => Err(errno),
        }
    }

    /// Blocks in fixed block mode: the rest of the last block, whole blocks, and a part of one more.
    fn read_blocks(&mut self, device: &mut dyn ScsiDevice, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut done = self.remainder.len().min(buffer.len());
        let rest = self.remainder.split_off(done);
        if let Some(target) = buffer.get_mut(..done) {
            target.copy_from_slice(&self.remainder);
        }
        self.remainder = rest;
        let block = usize::try_from(self.state.block_length).map_err(|_| Errno::EINVAL)?;
        let whole = (buffer.len() - done) / block * block;
        if whole > 0 {
            let Some(target) = buffer.get_mut(done..done + whole) else { return Err(Errno::EINVAL) };
            match self.read_command(device, target) {
                ReadEnd::Complete(len) => done += len,
                ReadEnd::Stopped(len) => return Ok(self.stopped(done, len)),
                ReadEnd::Failed(_) if done > 0 => return Ok(done),
                ReadEnd::Failed(errno) => return Err(errno),
            }
        }
        let Some(target) = buffer.get_mut(done..).filter(|target| !target.is_empty()) else { return Ok(done) };
        let mut last = vec![0; block];
        match self.read_command(device, &mut last) {
            ReadEnd::Complete(_) => {
                self.remainder = last.split_off(target.len());
                target.copy_from_slice(&last);
                Ok(done + target.len())
            }
            ReadEnd::Stopped(len) => Ok(self.stopped(done, len)),
            ReadEnd::Failed(_) if done > 0 => Ok(done),
            ReadEnd::Failed(errno) => Err(errno),
        }
    }

    /// The result of a read that a mark stopped after `done` and `len` bytes. The mark is reported by the next read if
    /// this one returns data.
    fn stopped(&mut self, done: usize, len: usize) -> usize {
        let position = &mut self.position;
        if done > 0 && len == 0 && position.boundary == Boundary::Filemark {
            position.boundary = Boundary::FilemarkPending;
        }
        done + len
    }

    /// READ(6) for all of `target`.
    fn read_command(&mut self, device: &mut dyn ScsiDevice, target: &mut [u8]) -> ReadEnd {
        let Ok((count, unit)) = self.transfer_count(target.len()) else { return ReadEnd::Failed(Errno::EINVAL) };
        let fixed = self.state.block_length != 0;
        let sili = !fixed && self.has(Booleans::SILI);
        let [a, b, c] = count24(count);
        self.position.last = LastTransfer::Read;
        let flags = u8::from(fixed) | u8::from(sili) << 1;
        let refusal = match self.run(device, &[8, flags, a, b, c, 0], Transfer::In(target), self.timeouts.normal) {
            Ok(len) => {
                let position = &mut self.position;
                position.pass_blocks(if fixed { count } else { 1 });
                position.boundary = Boundary::None;
                return ReadEnd::Complete(len);
            }
            Err(refusal) => refusal,
        };
        self.judge_read(device, &refusal, count, unit)
    }

    fn judge_read(&mut self, device: &mut dyn ScsiDevice, refusal: &Refusal, count: i32, unit: i32) -> ReadEnd {
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
                return ReadEnd::Stopped(0);
            }
            position.boundary = Boundary::FilemarkPending;
            return ReadEnd::Stopped(bytes);
        }
        if refusal.is_harmless() && refusal.ili() {
            return self.judge_other_length(device, residue.unwrap_or(0), count, unit);
        }
        if refusal.is_harmless() && refusal.eom() {
            position.pass_blocks(if fixed { blocks } else { 1 });
            position.boundary = Boundary::EarlyWarning;
            return ReadEnd::Complete(bytes);
        }
        let is_blank = refusal.is(SenseKey::BLANK_CHECK);
        if refusal.eom() && (is_blank || refusal.is(SenseKey::MEDIUM_ERROR)) {
            return self.end_of_partition();
        }
        if is_blank && fixed && blocks > 0 && residue.is_some() {
            position.pass_blocks(blocks);
            position.boundary = Boundary::EndOfDataPending;
            return ReadEnd::Stopped(bytes);
        }
        position.block = None;
        if is_blank && position.boundary == Boundary::Filemark {
            position.boundary = Boundary::EndOfData;
            return ReadEnd::Stopped(0);
        }
        ReadEnd::Failed(Errno::EIO)
    }

    /// A block of another length than requested. In fixed block mode, the driver goes back before it.
    fn judge_other_length(&mut self, device: &mut dyn ScsiDevice, residue: i32, count: i32, unit: i32) -> ReadEnd {
        let position = &mut self.position;
        if self.state.block_length == 0 {
            position.pass_blocks(1);
            position.boundary = Boundary::None;
            let len = usize::try_from(count.saturating_sub(residue)).unwrap_or(0);
            return if residue < 0 { ReadEnd::Failed(Errno::ENOMEM) } else { ReadEnd::Complete(len) };
        }
        let blocks = count.saturating_sub(residue).clamp(0, count);
        position.pass_blocks(blocks);
        position.boundary = Boundary::None;
        let [a, b, c] = count24(-1);
        let back = self.send(device, [0x11, 0, a, b, c, 0], self.timeouts.long);
        match (blocks, back) {
            (0, _) => ReadEnd::Failed(Errno::EIO),
            (_, _) => ReadEnd::Stopped(usize::try_from(blocks.saturating_mul(unit)).unwrap_or(0)),
        }
    }

    /// The end of the partition, or the end of data after early warning: reads return 0 bytes twice.
    fn end_of_partition(&mut self) -> ReadEnd {
        let position = &mut self.position;
        match position.boundary {
            Boundary::EndOfData => return ReadEnd::Failed(Errno::EIO),
            Boundary::EndOfDataOnce => position.boundary = Boundary::EndOfData,
            _ => {
                position.pass_filemarks(1);
                position.boundary = Boundary::EndOfDataOnce;
            }
        }
        ReadEnd::Stopped(0)
    }

    /// Ends a sequence of reads before another operation: drops the rest of a block, and goes back before a filemark that
    /// no read has reported.
    pub(super) fn end_reading(&mut self, device: &mut dyn ScsiDevice, _next: Operation) -> Result<(), Errno> {
        self.remainder.clear();
        let position = &mut self.position;
        if position.last != LastTransfer::Read {
            return Ok(());
        }
        if position.boundary == Boundary::FilemarkPending {
            position.boundary = Boundary::None;
            let [a, b, c] = count24(-1);
            self.send(device, [0x11, 1, a, b, c, 0], self.timeouts.long)?;
        }
        Ok(())
    }
}
