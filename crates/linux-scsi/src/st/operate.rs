//! The operations of MTIOCTOP.

use super::command::count24;
use super::position::{LastTransfer, Position};
use super::{Drive, OpenTape};
use crate::mtio::{Operation, TapeOperation};
use crate::{Errno, ScsiDevice};

impl Drive {
    pub(super) fn operate(
        &mut self,
        device: &mut dyn ScsiDevice,
        _tape: &OpenTape,
        request: TapeOperation,
    ) -> Result<(), Errno> {
        let count = request.count;
        let moves = [Operation::REW, Operation::OFFL, Operation::BSF, Operation::BSFM, Operation::SEEK];
        if moves.contains(&request.operation) && self.position.last == LastTransfer::Write {
            self.write_filemarks(device, 1)?;
        }
        match request.operation {
            Operation::NOP => Ok(()),
            Operation::REW => self.rewind(device),
            Operation::WEOF => self.write_filemarks(device, count),
            Operation::FSF => self.space_filemarks(device, count),
            Operation::BSF => self.space_filemarks(device, count.saturating_neg()),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// REWIND.
    pub(super) fn rewind(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        self.send(device, [1, 0, 0, 0, 0, 0], self.timeouts.long)?;
        self.position = Position::BEGINNING;
        Ok(())
    }

    /// SPACE(6) over filemarks.
    fn space_filemarks(&mut self, device: &mut dyn ScsiDevice, count: i32) -> Result<(), Errno> {
        let [a, b, c] = count24(count);
        self.send(device, [0x11, 1, a, b, c, 0], self.timeouts.long)?;
        self.position.pass_filemarks(count);
        self.position.last = LastTransfer::None;
        if count < 0 {
            self.position.block = -1;
            self.position.boundary = super::position::Boundary::None;
        }
        Ok(())
    }
}
