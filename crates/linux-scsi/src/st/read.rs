//! read(2).

use super::command::{Transfer, count24};
use super::position::{Boundary, LastTransfer};
use super::{Drive, OpenTape};
use crate::{Errno, ScsiDevice};
use scsi_core::SenseKey;

impl Drive {
    /// read(2): the next block, or in fixed block mode as many blocks as fit.
    ///
    /// Returns the number of bytes, 0 at a filemark and at the end of data.
    ///
    /// # Errors
    /// EBADF if the tape is not open for reading, ENOMEM if the next block is longer than `buffer`, EINVAL if its length
    /// is not a multiple of the block length, EIO for any other failure.
    pub fn read(&mut self, device: &mut dyn ScsiDevice, tape: &OpenTape, buffer: &mut [u8]) -> Result<usize, Errno> {
        if !tape.opening.access.reads() {
            return Err(Errno::EBADF);
        }
        if self.position.boundary == Boundary::FilemarkPending {
            self.position.boundary = Boundary::Filemark;
            self.position.pass_filemarks(1);
            return Ok(0);
        }
        let length = self.state.block_length;
        let len = i32::try_from(buffer.len()).map_err(|_| Errno::EINVAL)?;
        let block = i32::try_from(length).map_err(|_| Errno::EINVAL)?;
        let count = if block == 0 { len } else { len / block };
        let [a, b, c] = count24(count);
        let cdb = [8, u8::from(length != 0), a, b, c, 0];
        self.position.last = LastTransfer::Read;
        let refusal = match self.run(device, &cdb, Transfer::In(buffer), self.timeouts.normal) {
            Ok(read) => {
                self.position.pass_blocks(if block == 0 { 1 } else { count });
                return Ok(read);
            }
            Err(refusal) => refusal,
        };
        let residue = refusal.residue().and_then(|residue| i32::try_from(residue).ok()).unwrap_or(count);
        let sense = refusal.sense.as_ref();
        if sense.is_some_and(|sense| sense.filemark) {
            self.position.pass_filemarks(1);
            let read = refusal.data_in;
            if read > 0 {
                self.position.boundary = Boundary::FilemarkPending;
            }
            return Ok(read);
        }
        if sense.is_some_and(|sense| sense.ili) && block == 0 {
            self.position.pass_blocks(1);
            return if residue < 0 { Err(Errno::ENOMEM) } else { Ok(refusal.data_in) };
        }
        if refusal.key() == SenseKey::BLANK_CHECK && self.position.boundary != Boundary::EndOfData {
            self.position.boundary = match self.position.boundary {
                Boundary::EndOfDataOnce | Boundary::Filemark => Boundary::EndOfData,
                _ => Boundary::EndOfDataOnce,
            };
            return Ok(refusal.data_in);
        }
        Err(Errno::EIO)
    }
}
