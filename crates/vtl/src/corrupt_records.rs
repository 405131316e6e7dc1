//! Counts of the corrupt records that were found, by the directory of their cartridges.

use crate::locks::lock;
use crate::metrics::CorruptRecordCount;
use crate::shared::Shared;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use tape_store::cartridge::Barcode;

/// The counts of a site since its start. A directory without a corrupt record has the count 0.
#[derive(Debug, Default)]
pub(crate) struct CorruptRecords(Mutex<BTreeMap<String, u64>>);

impl CorruptRecords {
    pub(crate) fn new(directories: impl Iterator<Item = String>) -> Self {
        Self(Mutex::new(directories.map(|directory| (directory, 0)).collect()))
    }

    pub(crate) fn counts(&self) -> Vec<CorruptRecordCount> {
        let count =
            |(directory, found): (&String, &u64)| CorruptRecordCount { directory: directory.clone(), found: *found };
        lock(&self.0).iter().map(count).collect()
    }
}

impl Shared {
    /// Adds records of a cartridge that were found corrupt.
    pub(crate) fn count_corrupt_records(&self, barcode: &Barcode, found: u64) {
        if found == 0 {
            return;
        }
        // Cartridges are in a configured directory, or in that of the data directory.
        let holds = |directory: &&String| {
            let path = Path::new(directory);
            [path.to_owned(), path.join("cartridges")].iter().any(|path| path.join(barcode.as_str()).is_dir())
        };
        let mut counts = lock(&self.corrupt_records.0);
        let directory = counts.keys().find(holds).cloned().unwrap_or_default();
        *counts.entry(directory).or_default() += found;
    }
}
