//! write(2), and filemarks.

use super::command::{Refusal, Transfer, count24};
use super::options::Booleans;
use super::position::{Boundary, LastTransfer, Number};
use super::{Drive, OpenTape};
use crate::mtio::Operation;
use crate::{Errno, ScsiDevice};
use scsi_core::SenseKey;

/// The end of a WRITE or WRITE FILEMARKS.
enum Written {
    All,
    /// Early warning or the end of the medium: this many of the count were not written.
    EndOfMedium {
        unwritten: i32,
    },
    Failed(Refusal),
}

impl Written {
    /// Judges a refusal of a command for `count` blocks, bytes or filemarks.
    fn from_refusal(refusal: Refusal, count: i32) -> Self {
        let is_overflow = refusal.is(SenseKey::VOLUME_OVERFLOW);
        if !refusal.eom() || !(refusal.is_harmless() || is_overflow) {
            return Self::Failed(refusal);
        }
        match refusal.residue().unwrap_or(if is_overflow { count } else { 0 }) {
            unwritten if (0..=count).contains(&unwritten) => Self::EndOfMedium { unwritten },
            _ => Self::Failed(refusal),
        }
    }
}

impl Drive {
    /// write(2): one block, or in fixed block mode as many blocks as `data` has.
    ///
    /// Returns the number of bytes, which is less than the length of `data` at the end of the medium.
    ///
    /// # Errors
    /// EBADF if the tape is not open for writing, ENOMEDIUM or EIO if the drive is not ready, EACCES if the tape is
    /// write-protected, EINVAL for a length that the drive cannot write, ENOSPC at early warning (every second write) and
    /// at the end of the medium, EIO for any other failure.
    pub fn write(&mut self, device: &mut dyn ScsiDevice, tape: &OpenTape, data: &[u8]) -> Result<usize, Errno> {
        if !tape.opening.access.writes() {
            return Err(Errno::EBADF);
        }
        self.check_ready()?;
        self.check_position()?;
        if data.is_empty() {
            return Ok(0);
        }
        if self.state.write_protected {
            return Err(Errno::EACCES);
        }
        if self.position.last == LastTransfer::Read {
            self.end_transfers(device, Operation::NOP)?;
        }
        self.change_partition(device)?;
        let (count, unit) = self.transfer_count(data.len())?;
        if count.checked_mul(unit) != i32::try_from(data.len()).ok() {
            return Err(Errno::EINVAL);
        }
        self.lock_for_transfer(device);
        if self.position.boundary == Boundary::EarlyWarning {
            self.position.boundary = Boundary::EarlyWarningReported;
            return Err(Errno::ENOSPC);
        }
        self.position.last = LastTransfer::Write;
        let is_buffered = self.state.block_length != 0 && !self.transfers_directly && self.has(Booleans::BUFFER_WRITES);
        if !is_buffered {
            return self.write_command(device, data, (count, unit));
        }
        self.write_buffer.extend_from_slice(data);
        if self.write_buffer.len() >= self.options.write_threshold {
            self.flush_writes(device)?;
        }
        Ok(data.len())
    }

    /// Writes the buffered blocks. After an error they stay in the buffer for the next call, as in Linux' driver.
    pub(super) fn flush_writes(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        if self.write_buffer.is_empty() {
            return Ok(());
        }
        let blocks = core::mem::take(&mut self.write_buffer);
        let transfer = self.transfer_count(blocks.len())?;
        match self.write_command(device, &blocks, transfer) {
            Ok(written) if written < blocks.len() => Err(Errno::ENOSPC),
            Ok(_) => Ok(()),
            Err(errno) => {
                self.write_buffer = blocks;
                Err(errno)
            }
        }
    }

    /// WRITE(6) of all of `data`: a count of units, and the bytes of a unit.
    fn write_command(
        &mut self,
        device: &mut dyn ScsiDevice,
        data: &[u8],
        (count, unit): (i32, i32),
    ) -> Result<usize, Errno> {
        let [a, b, c] = count24(count);
        let fixed = self.state.block_length != 0;
        let written = self.run(device, &[0x0a, fixed.into(), a, b, c, 0], Transfer::Out(data), self.timeouts.normal);
        let written = written.map_or_else(|refusal| Written::from_refusal(refusal, count), |_| Written::All);
        let position = &mut self.position;
        match written {
            Written::All => {
                position.pass_blocks(if fixed { count } else { 1 });
                position.after_transfer();
                Ok(data.len())
            }
            Written::EndOfMedium { unwritten } => {
                position.boundary = Boundary::EarlyWarning;
                let bytes = count.saturating_sub(unwritten).saturating_mul(unit);
                if bytes == 0 {
                    return Err(Errno::ENOSPC);
                }
                position.pass_blocks(if fixed { count.saturating_sub(unwritten) } else { 1 });
                usize::try_from(bytes).map_err(|_| Errno::EIO)
            }
            Written::Failed(refusal) => {
                position.block = Number::UNKNOWN;
                Err(refusal.into())
            }
        }
    }

    /// WRITE FILEMARKS(6). Filemarks that were written before an error count.
    pub(super) fn write_filemarks(
        &mut self,
        device: &mut dyn ScsiDevice,
        count: i32,
        immediate: bool,
    ) -> Result<(), Errno> {
        if self.state.write_protected {
            return Err(Errno::EACCES);
        }
        let [a, b, c] = count24(count);
        let written = self.send(device, [0x10, immediate.into(), a, b, c, 0], self.timeouts.normal);
        let written = written.map_or_else(|refusal| Written::from_refusal(refusal, count), |()| Written::All);
        let position = &mut self.position;
        position.last = LastTransfer::None;
        match written {
            Written::All | Written::EndOfMedium { unwritten: 0 } => {
                position.write_filemarks(count);
                Ok(())
            }
            Written::EndOfMedium { unwritten } => {
                if unwritten < count {
                    position.write_filemarks(count.saturating_sub(unwritten));
                }
                Err(Errno::EIO)
            }
            Written::Failed(refusal) => {
                position.boundary = Boundary::None;
                Err(refusal.into())
            }
        }
    }

    /// The count of a transfer of `len` bytes, and the bytes of each unit: blocks, or single bytes in variable mode, in which
    /// the drive has to accept `len` as the length of a block.
    pub(super) fn transfer_count(&self, len: usize) -> Result<(i32, i32), Errno> {
        if self.state.block_length == 0 && !self.accepts(u32::try_from(len).unwrap_or(u32::MAX)) {
            return Err(Errno::EINVAL);
        }
        let len = i32::try_from(len).map_err(|_| Errno::EINVAL)?;
        let block = i32::try_from(self.state.block_length).map_err(|_| Errno::EINVAL)?;
        Ok(if block == 0 { (len, 1) } else { (len / block, block) })
    }
}
