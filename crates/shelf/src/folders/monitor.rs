//! What of a shelf waits for its store, for the status of a daemon.

use super::{Access, lock};
use crate::StoreFailure;
use std::fmt;

/// A taken cartridge with data that no manifest names yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnshelvedCartridge {
    /// The barcode of the cartridge, which is its name on the shelf.
    pub barcode: String,
    /// Bytes of its files that are on this machine only.
    pub bytes: u64,
}

/// What of a shelf waits for its store. Its methods never wait for the store. It can be used after the [`ShelfFolders`] were
/// dropped, and then shows what these have left.
///
/// [`ShelfFolders`]: super::ShelfFolders
#[derive(Clone)]
pub struct ShelfMonitor {
    access: Access,
}

impl fmt::Debug for ShelfMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShelfMonitor").field("shelf", &self.access.shelf).finish_non_exhaustive()
    }
}

impl ShelfMonitor {
    pub(super) const fn new(access: Access) -> Self {
        Self { access }
    }

    /// The taken cartridges with data that no manifest names yet, ascending by barcode.
    #[must_use]
    pub fn unshelved(&self) -> Vec<UnshelvedCartridge> {
        let slots: Vec<_> = lock(&self.access.slots).values().cloned().collect();
        let unshelved = slots.iter().filter_map(|slot| {
            let bytes = slot.cartridge()?.unshelved_bytes();
            Some(UnshelvedCartridge { barcode: slot.barcode().to_owned(), bytes })
        });
        unshelved.filter(|cartridge| cartridge.bytes > 0).collect()
    }

    /// Bytes of all taken cartridges that no manifest names yet.
    #[must_use]
    pub fn unshelved_bytes(&self) -> u64 {
        self.unshelved().iter().map(|cartridge| cartridge.bytes).sum()
    }

    /// Bytes of the local files that are on the shelf, too.
    #[must_use]
    pub fn cached_bytes(&self) -> u64 {
        self.access.shared.cache.bytes()
    }

    /// The most bytes that the local files may use for what the shelf has.
    #[must_use]
    pub fn cache_limit(&self) -> u64 {
        self.access.shared.cache.limit()
    }

    /// The failure of the store, if its last request has failed.
    #[must_use]
    pub fn failure(&self) -> Option<StoreFailure> {
        self.access.shelf.objects().failure()
    }
}
