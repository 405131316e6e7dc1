//! MTIOCGET and MTIOCPOS.

use super::Drive;
use super::command::Transfer;
use super::position::Boundary;
use crate::mtio::{GenericStatus, TapeStatus};
use crate::{Errno, ScsiDevice};

/// MT_ISSCSI2, for every drive after SCSI-1.
const SCSI_2_TAPE: i64 = 0x72;

impl Drive {
    pub(super) fn status(&mut self, _device: &mut dyn ScsiDevice) -> Result<TapeStatus, Errno> {
        Ok(TapeStatus {
            kind: SCSI_2_TAPE,
            partition: 0,
            block_length: self.state.block_length,
            density: self.state.density,
            generic: self.generic_status(),
            recovered_errors: core::mem::take(&mut self.recovered_errors),
            file: self.position.file,
            block: self.position.block,
        })
    }

    fn generic_status(&self) -> GenericStatus {
        let at_beginning = self.position.file == 0 && self.position.block == 0;
        [
            (GenericStatus::EOF, self.position.boundary == Boundary::Filemark),
            (GenericStatus::BOT, at_beginning),
            (GenericStatus::EOT, self.position.boundary == Boundary::EndOfMedium),
            (GenericStatus::EOD, self.position.boundary == Boundary::EndOfData),
            (GenericStatus::WR_PROT, self.state.write_protected),
            (GenericStatus::ONLINE, self.state.online),
            (GenericStatus::DR_OPEN, self.state.no_tape),
            (GenericStatus::IM_REP_EN, self.state.online),
        ]
        .into_iter()
        .filter_map(|(bit, set)| set.then_some(bit))
        .collect()
    }

    /// READ POSITION, short form.
    pub(super) fn tell(&mut self, device: &mut dyn ScsiDevice) -> Result<i64, Errno> {
        let mut position = [0; 20];
        self.run(device, &[0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0], Transfer::In(&mut position), self.timeouts.normal)?;
        let [flags, _, _, _, a, b, c, d, ..] = position;
        if flags & 4 != 0 {
            return Err(Errno::EIO);
        }
        Ok(u32::from_be_bytes([a, b, c, d]).into())
    }
}
