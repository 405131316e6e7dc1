//! What of a shelf waits for its store, for the status of a daemon.

use super::{Access, lock};
use crate::StoreFailure;
use std::collections::BTreeMap;
use tape_store::backend::{ThawProgress, Thawing};

/// A taken cartridge with data that no manifest names yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnshelvedCartridge {
    /// The barcode of the cartridge, which is its name on the shelf.
    pub(super) barcode: String,
    /// Bytes of its files that are on this machine only.
    pub(super) bytes: u64,
}

/// What of a shelf waits for its store. Its methods never wait for the store.
pub(super) struct ShelfMonitor {
    access: Access,
}

impl ShelfMonitor {
    pub(super) const fn new(access: Access) -> Self {
        Self { access }
    }

    /// The taken cartridges with data that no manifest names yet, ascending by barcode.
    pub(super) fn unshelved(&self) -> Vec<UnshelvedCartridge> {
        let slots: Vec<_> = lock(&self.access.slots).values().cloned().collect();
        let unshelved = slots.iter().filter_map(|slot| {
            let bytes = slot.cartridge()?.unshelved_bytes();
            Some(UnshelvedCartridge { barcode: slot.barcode().to_owned(), bytes })
        });
        unshelved.filter(|cartridge| cartridge.bytes > 0).collect()
    }

    /// The taken cartridges whose last attempt to put them on the shelf has failed, and the reason.
    pub(super) fn unreleased(&self) -> BTreeMap<String, String> {
        let slots: Vec<_> = lock(&self.access.slots).values().cloned().collect();
        let failed = slots.iter().filter(|slot| slot.cartridge().is_some());
        failed.filter_map(|slot| Some((slot.barcode().to_owned(), slot.failure()?))).collect()
    }

    /// The cartridges whose data the store is thawing because a read needs it, and its progress.
    pub(super) fn thawing(&self) -> BTreeMap<String, ThawProgress> {
        let thawings = lock(&self.access.shared.thawings);
        let thawings = thawings.iter().filter(|(_, thawing)| !thawing.has_ended());
        thawings.map(|(barcode, thawing)| (barcode.clone(), thawing.progress())).collect()
    }

    /// Bytes of all taken cartridges that no manifest names yet.
    #[cfg(test)]
    pub(super) fn unshelved_bytes(&self) -> u64 {
        self.unshelved().iter().map(|cartridge| cartridge.bytes).sum()
    }

    /// Bytes of the local files that are on the shelf, too.
    pub(super) fn cached_bytes(&self) -> u64 {
        self.access.shared.cache.bytes()
    }

    /// The most bytes that the local files may use for what the shelf has.
    pub(super) fn cache_limit(&self) -> u64 {
        self.access.shared.cache.limit()
    }

    /// The failure of the store, if its last request has failed.
    pub(super) fn failure(&self) -> Option<StoreFailure> {
        self.access.shelf.objects().failure()
    }
}
