//! write(2), and filemarks.

use super::command::{Refusal, Transfer, count24};
use super::position::{Boundary, LastTransfer};
use super::{Drive, OpenTape};
use crate::{Errno, ScsiDevice};
use scsi_core::SenseKey;

impl Drive {
    /// write(2): one block, or in fixed block mode as many blocks as `data` has.
    ///
    /// Returns the number of bytes.
    ///
    /// # Errors
    /// EBADF if the tape is not open for writing, EINVAL for a length that the drive cannot write, EACCES if the tape is
    /// write-protected, ENOSPC at the end of the tape, EIO for any other failure.
    pub fn write(&mut self, device: &mut dyn ScsiDevice, tape: &OpenTape, data: &[u8]) -> Result<usize, Errno> {
        if !tape.opening.access.writes() {
            return Err(Errno::EBADF);
        }
        if self.position.boundary == Boundary::EarlyWarning {
            self.position.boundary = Boundary::EarlyWarningReported;
            return Err(Errno::ENOSPC);
        }
        let block = i32::try_from(self.state.block_length).map_err(|_| Errno::EINVAL)?;
        let len = i32::try_from(data.len()).map_err(|_| Errno::EINVAL)?;
        if block != 0 && len % block != 0 {
            return Err(Errno::EINVAL);
        }
        let count = if block == 0 { len } else { len / block };
        let [a, b, c] = count24(count);
        self.position.last = LastTransfer::Write;
        let written =
            self.run(device, &[0x0a, u8::from(block != 0), a, b, c, 0], Transfer::Out(data), self.timeouts.normal);
        let early_warning = match written {
            Ok(_) => false,
            Err(refusal) if is_complete(&refusal) => true,
            Err(refusal) => return Err(write_errno(&refusal)),
        };
        self.position.pass_blocks(if block == 0 { 1 } else { count });
        if early_warning {
            self.position.boundary = Boundary::EarlyWarning;
        }
        Ok(data.len())
    }

    /// WRITE FILEMARKS(6).
    pub(super) fn write_filemarks(&mut self, device: &mut dyn ScsiDevice, count: i32) -> Result<(), Errno> {
        let [a, b, c] = count24(count);
        match self.send(device, [0x10, 0, a, b, c, 0], self.timeouts.long) {
            Err(refusal) if !is_complete(&refusal) => return Err(write_errno(&refusal)),
            _ => self.position.pass_filemarks(count),
        }
        self.position.last = LastTransfer::None;
        Ok(())
    }
}

/// Whether the command is complete although it ended with CHECK CONDITION: early warning, and nothing left to write.
fn is_complete(refusal: &Refusal) -> bool {
    let sense = refusal.sense.as_ref();
    let key = refusal.key();
    sense.is_some_and(|sense| sense.eom)
        && (key == SenseKey::NO_SENSE || key == SenseKey::RECOVERED_ERROR)
        && refusal.residue().unwrap_or(0) == 0
}

fn write_errno(refusal: &Refusal) -> Errno {
    match refusal.key() {
        SenseKey::VOLUME_OVERFLOW => Errno::ENOSPC,
        SenseKey::DATA_PROTECT => Errno::EACCES,
        _ => Errno::EIO,
    }
}
