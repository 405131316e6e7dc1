//! MTIOCGET and MTIOCPOS.

use super::options::Booleans;
use super::position::{Boundary, Number};
use super::{Drive, Readiness};
use crate::mtio::{GenericStatus, Operation, TapeStatus};
use crate::{Errno, ScsiDevice};

/// MT_ISSCSI2, for every drive after SCSI-1.
const SCSI_2_TAPE: i64 = 0x72;

impl Drive {
    /// MTIOCGET. The counter of recovered errors starts again.
    pub(super) fn status(&mut self, device: &mut dyn ScsiDevice) -> Result<TapeStatus, Errno> {
        if !self.mode().defined {
            return Err(Errno::ENXIO);
        }
        self.end_transfers(device, Operation::NOP)?;
        // Linux' driver changes the partition here, and returns the position in the new one from the next call on.
        let known = !self.partitions.is_change_pending();
        self.change_partition(device)?;
        let known_or = |number: Number| if known { number.0 } else { -1 };
        Ok(TapeStatus {
            kind: SCSI_2_TAPE,
            partition: self.partitions.next.into(),
            block_length: self.state.block_length,
            density: self.state.density,
            generic: self.generic_status(known),
            recovered_errors: core::mem::take(&mut self.recovered_errors),
            file: known_or(self.position.file),
            block: known_or(self.position.block),
        })
    }

    fn generic_status(&self, known: bool) -> GenericStatus {
        let position = &self.position;
        let boundary = if known { position.boundary } else { Boundary::None };
        let at_start_of_file = known && position.block == Number::ZERO;
        let is_end = matches!(boundary, Boundary::EarlyWarningReported | Boundary::EndOfDataOnce | Boundary::EndOfData);
        let buffers = self.mode().booleans.contains(Booleans::ASYNC_WRITES);
        [
            (GenericStatus::EOF, at_start_of_file && !position.is_beginning()),
            (GenericStatus::BOT, known && position.is_beginning()),
            (GenericStatus::EOT, boundary == Boundary::EarlyWarning),
            (GenericStatus::EOD, is_end),
            (GenericStatus::WR_PROT, self.state.write_protected),
            (GenericStatus::ONLINE, self.readiness == Readiness::Ready),
            (GenericStatus::DR_OPEN, self.readiness == Readiness::NoTape),
            (GenericStatus::IM_REP_EN, buffers || self.state.buffered_mode != 0),
            (GenericStatus::CLN, self.cleaning_requested),
        ]
        .into_iter()
        .filter_map(|(bit, set)| set.then_some(bit))
        .collect()
    }

    /// MTIOCPOS. Block 0 is the beginning of the first file.
    pub(super) fn block_number(&mut self, device: &mut dyn ScsiDevice) -> Result<i64, Errno> {
        if !self.mode().defined {
            return Err(Errno::ENXIO);
        }
        self.check_position()?;
        self.end_transfers(device, Operation::NOP)?;
        self.change_partition(device)?;
        let (_, block) = self.read_position(device)?;
        if block == 0 && self.partitions.current == 0 {
            (self.position.file, self.position.block) = (Number::ZERO, Number::ZERO);
        }
        Ok(block.into())
    }
}
