//! The end of the load of a cartridge that another daemon has taken over, in a store that several daemons share.
//!
//! The drive drops the tape without writing to it, as if the medium had been removed: commands for the medium end with NOT
//! READY 3Ah/00h. The cartridge stays in the drive until it is unloaded; a load opens it again.

use super::{Load, MediaState, MediumFault};
use crate::alert::Alert;
use crate::device::DriveState;
use crate::fault;
use scsi_core::nexus::NexusId;
use tape_store::cartridge::Cartridge;
use tape_store::error::StoreError;

impl MediaState {
    /// Name of the daemon that has taken over the loaded cartridge; `None` if none has, or the tape is dropped already.
    pub(crate) fn taken_over_by(&self) -> Option<&str> {
        match self.load.after_threading() {
            Load::Mounted(mounted) | Load::Verifying(mounted, _) => mounted.taken_over_by(),
            Load::LoadedNotThreaded(loaded) => loaded.cartridge.taken_over_by(),
            Load::Empty | Load::Ejected(_) | Load::Unusable(..) | Load::Threading(..) | Load::Thawing(_) => None,
        }
    }
}

impl DriveState {
    /// Ends the load of a cartridge that was taken over. Returns the nexus of the last write since the last synchronisation;
    /// its data is lost.
    pub(crate) fn drop_tape(&mut self) -> Option<NexusId> {
        let owner = self.media.taken_over_by()?.to_owned();
        let (cartridge, lost_by) = self.close_without_writing()?;
        self.report_taken_over(&cartridge, owner);
        self.media.load = Load::Unusable(cartridge, fault::taken_over());
        lost_by
    }

    fn close_without_writing(&mut self) -> Option<(Cartridge, Option<NexusId>)> {
        let mut load = std::mem::take(&mut self.media.load);
        if let Load::Threading(_, then) = load {
            load = *then;
        }
        match load {
            Load::Mounted(mounted) | Load::Verifying(mounted, _) => {
                self.count_demount(&mounted);
                Some((mounted.cartridge, mounted.unsynchronised_writer))
            }
            Load::LoadedNotThreaded(loaded) => Some((loaded.cartridge, None)),
            Load::Empty | Load::Ejected(_) | Load::Unusable(..) | Load::Threading(..) | Load::Thawing(_) => {
                self.media.load = load;
                None
            }
        }
    }

    /// Reports to the log and to the owner of the drive that another daemon has the cartridge.
    pub(super) fn report_taken_over(&mut self, cartridge: &Cartridge, owner: String) {
        let barcode = cartridge.barcode().clone();
        tracing::error!(%barcode, owner, "cartridge was taken over by another daemon, tape is dropped");
        self.health.alerts.raise(Alert::FORCED_EJECT);
        let reason = StoreError::TakenOver { owner }.to_string();
        self.health.report(MediumFault { barcode, reason, unusable: true });
    }
}
