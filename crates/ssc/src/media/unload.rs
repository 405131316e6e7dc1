//! Unload of the cartridge, by a command or by the owner of the drive, and after a panic.

use super::{Load, MediumFault};
use crate::alert::Alert;
use crate::command::access_order::AccessOrder;
use crate::device::DriveState;
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};
use tape_store::cartridge::Cartridge;
use tape_store::error::StoreError;

impl Load {
    /// A cartridge whose SSC commands end with HARDWARE ERROR 44h/00h until it is loaded again.
    pub(crate) const fn failed(cartridge: Cartridge) -> Self {
        Self::Unusable(cartridge, Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE))
    }

    fn close_after_panic(self) -> Self {
        match self {
            Self::Mounted(mounted) | Self::Verifying(mounted, _) => Self::failed(mounted.cartridge),
            Self::LoadedNotThreaded(loaded) => Self::failed(loaded.cartridge),
            Self::Threading(_, then) => then.close_after_panic(),
            Self::Thawing(thawing) => Self::failed(thawing.cartridge),
            Self::Empty | Self::Ejected(_) | Self::Unusable(..) => self,
        }
    }
}

impl DriveState {
    /// Unloads the cartridge and returns it. It is unloaded even if the result is an error, which is the failure to
    /// make its data durable.
    pub(crate) fn unmount(&mut self) -> Option<(Cartridge, Result<(), StoreError>)> {
        let load = std::mem::take(&mut self.media.load);
        self.media.moving = None;
        self.access_order = AccessOrder::default();
        self.end_load(load)
    }

    fn end_load(&mut self, load: Load) -> Option<(Cartridge, Result<(), StoreError>)> {
        match load {
            Load::Empty => None,
            Load::Ejected(cartridge) | Load::Unusable(cartridge, _) => Some((cartridge, Ok(()))),
            Load::LoadedNotThreaded(loaded) => Some((loaded.cartridge, Ok(()))),
            // The requests to the store stay in effect.
            Load::Thawing(thawing) => Some((thawing.cartridge, Ok(()))),
            Load::Mounted(mounted) | Load::Verifying(mounted, _) => Some(self.demount(*mounted)),
            Load::Threading(_, then) => self.end_load(*then),
        }
    }

    /// Ends the load of a tape, and counts it.
    fn demount(&mut self, mut mounted: Mounted) -> (Cartridge, Result<(), StoreError>) {
        mounted.drain();
        self.count_demount(&mounted);
        let (cartridge, result) = mounted.unload(self.health.alerts.raised_flags().bits());
        match &result {
            Ok(()) => {}
            Err(StoreError::TakenOver { owner }) => self.report_taken_over(&cartridge, owner.clone()),
            Err(error) => {
                let (barcode, reason) = (cartridge.barcode().clone(), format!("not unloaded cleanly: {error}"));
                self.health.report(MediumFault { barcode, reason, unusable: false });
                tracing::warn!(barcode = %cartridge.barcode(), %error, "cartridge was not unloaded cleanly");
                self.health.alerts.raise(Alert::DIRECTORY_INVALID);
            }
        }
        (cartridge, result)
    }

    /// Counts the work of the load of a tape.
    pub(super) fn count_demount(&mut self, mounted: &Mounted) {
        let statistics = crate::log::volume_statistics(self, mounted);
        self.health.count_demount(statistics, mounted.counters);
        let medium = (mounted.cartridge.media(), mounted.cartridge.kind());
        self.health.count_motion(self.time.take_uncounted_motion(), medium);
    }
}

impl DriveState {
    /// Closes the tape after a command panicked, without writing to it, and abandons the background operation.
    pub(crate) fn close_after_panic(&mut self) {
        if let Some(mounted) = self.media.opened() {
            self.health.earlier_loads = self.health.earlier_loads.plus(mounted.counters);
        }
        self.media.moving = None;
        self.media.load = std::mem::take(&mut self.media.load).close_after_panic();
    }
}
