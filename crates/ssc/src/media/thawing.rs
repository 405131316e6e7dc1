//! A load that waits until the store of the cartridge has thawed what it needs.
//!
//! The store is asked in the background. The drive looks at the state once a second, in [`crate::drive::Drive::poll_background`], and
//! reports NOT READY 04h/01h with the progress meanwhile. No command waits for the store. The cartridge can be unloaded and
//! removed; the restore requests stay in effect.

use super::Load;
use crate::device::DriveState;
use crate::fault;
use scsi_core::sense::Sense;
use scsi_core::time::Instant;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tape_store::backend::{ThawProgress, Thawing};
use tape_store::cartridge::Cartridge;
use tape_store::error::StoreError;

/// Time between two looks at the state of the thawing. They ask no store.
const POLL_PERIOD: Duration = Duration::from_secs(1);

/// A cartridge that is loaded when its store has thawed what the load needs.
pub(crate) struct ThawingLoad {
    pub(crate) cartridge: Cartridge,
    thawing: Box<dyn Thawing>,
    /// Time of the next look at the state.
    due: Instant,
    /// Whether the tape stays unthreaded: LOAD with HOLD=1.
    hold: bool,
}

impl ThawingLoad {
    /// NOT READY 04h/01h with the share of the objects that can be read.
    pub(super) fn not_ready(&self) -> Sense {
        fault::being_thawed(self.thawing.progress())
    }
}

impl super::MediaState {
    /// The load that waits for a thawing.
    pub(crate) fn thawing(&self) -> Option<ThawProgress> {
        if let Load::Thawing(thawing) = &self.load { Some(thawing.thawing.progress()) } else { None }
    }

    /// Time of the next look at a thawing; `None` if none is in progress.
    pub(crate) fn thawing_due(&self) -> Option<Instant> {
        if let Load::Thawing(thawing) = &self.load { Some(thawing.due) } else { None }
    }
}

impl DriveState {
    /// Begins a load that waits for the end of a thawing.
    pub(super) fn wait_for_thawing(&mut self, cartridge: Cartridge, thawing: Box<dyn Thawing>, hold: bool) {
        let due = self.health.last_seen.mono.saturating_add(POLL_PERIOD);
        self.media.load = Load::Thawing(Box::new(ThawingLoad { cartridge, thawing, due, hold }));
    }

    /// Looks at the state of a thawing at its time, and continues the load if it has ended. Returns whether it has.
    pub(crate) fn poll_thawing(&mut self, now: Instant, drive_name: &str) -> bool {
        let ended = match &mut self.media.load {
            Load::Thawing(thawing) if thawing.due <= now => {
                thawing.due = now.saturating_add(POLL_PERIOD);
                thawing.thawing.end()
            }
            _ => None,
        };
        let Some(ended) = ended else { return false };
        match std::mem::take(&mut self.media.load) {
            Load::Thawing(thawing) => self.continue_load(*thawing, ended, drive_name),
            other => self.media.load = other,
        }
        true
    }

    fn continue_load(&mut self, load: ThawingLoad, ended: io::Result<()>, drive_name: &str) {
        let ThawingLoad { cartridge, hold, .. } = load;
        match ended {
            Ok(()) => {
                tracing::info!(barcode = %cartridge.barcode(), "cartridge was thawed");
                if hold {
                    // The sense is that of an unusable cartridge, which each command reports.
                    let _ = self.hold_without_thawing(cartridge);
                } else {
                    self.mount_without_thawing(cartridge, drive_name);
                }
            }
            Err(error) => {
                // Its kind, such as that of a denied request, does not mean that the files are missing.
                let source = Arc::new(io::Error::other(error));
                let error = StoreError::Io { operation: "thawing the cartridge".into(), source };
                self.set_unusable(cartridge, &error);
            }
        }
    }
}
