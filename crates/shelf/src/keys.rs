//! Names of the objects of a shelf.

use crc_fast::{CrcAlgorithm, checksum};

/// The names of the objects of one cartridge, relative to the prefix of the shelf.
#[derive(Clone, Debug)]
pub(crate) struct CartridgeKeys {
    barcode: String,
    root: String,
}

impl CartridgeKeys {
    /// Two hexadecimal digits before the barcode distribute the cartridges over the partitions of the store.
    pub(crate) fn new(barcode: &str) -> Self {
        let hash = checksum(CrcAlgorithm::Crc32Iscsi, barcode.as_bytes()) & 0xff;
        Self { barcode: barcode.to_owned(), root: format!("{hash:02x}/{barcode}") }
    }

    /// The two hexadecimal digits: the directory of the cartridge, and its shard in the catalog.
    pub(crate) fn hash(&self) -> &str {
        self.root.get(..2).unwrap_or_default()
    }

    pub(crate) fn barcode(&self) -> &str {
        &self.barcode
    }

    /// A manifest: created once, never replaced.
    pub(crate) fn manifest(&self, version: u64) -> String {
        format!("{}/m/{version:08}", self.root)
    }

    /// The lease of an epoch: created once, never replaced.
    pub(crate) fn lease(&self, epoch: u64) -> String {
        format!("{}/l/{epoch:07}", self.root)
    }

    /// The newest heartbeat of an epoch; it is replaced.
    pub(crate) fn beat(&self, epoch: u64) -> String {
        format!("{}/beat/{epoch:07}", self.root)
    }

    /// A segment, by its name: created once, never replaced.
    pub(crate) fn segment(&self, name: &str) -> String {
        format!("{}/seg/{name}", self.root)
    }

    /// The wrapped data key of the cartridge: created once, and replaced when it is wrapped with another key.
    pub(crate) fn key(&self) -> String {
        format!("{}/key", self.root)
    }

    /// The directory of the manifests.
    pub(crate) fn manifests(&self) -> String {
        format!("{}/m", self.root)
    }

    /// The directory of the leases.
    pub(crate) fn leases(&self) -> String {
        format!("{}/l", self.root)
    }

    /// The directory of the heartbeats.
    pub(crate) fn beats(&self) -> String {
        format!("{}/beat", self.root)
    }

    /// The directory of the segments.
    pub(crate) fn segments(&self) -> String {
        format!("{}/seg", self.root)
    }

    /// The directory of the index pages.
    pub(crate) fn pages(&self) -> String {
        format!("{}/ix", self.root)
    }

    /// A page of the index of a file, by its name: created once, never replaced.
    pub(crate) fn page(&self, name: &str) -> String {
        format!("{}/ix/{name}", self.root)
    }

    /// The number of a recent manifest, from which newer ones are looked for; it is replaced, and may be old.
    pub(crate) fn head(&self) -> String {
        format!("{}/head", self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_documentation() {
        let keys = CartridgeKeys::new("V00001L8");
        let root = keys.head().trim_end_matches("/head").to_owned();
        assert_eq!(root.len(), "ab/V00001L8".len());
        assert_eq!(keys.manifest(42), format!("{root}/m/00000042"));
        assert_eq!(keys.lease(7), format!("{root}/l/0000007"));
        assert_eq!(keys.beat(7), format!("{root}/beat/0000007"));
        assert_ne!(CartridgeKeys::new("V00002L8").head().get(..2), root.get(..2));
    }
}
