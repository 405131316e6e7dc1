//! The space that the local files of a shelf use for bytes that the shelf has.

use super::local::LocalDirectory;
use super::lock;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A local directory that no drive uses.
struct Unused {
    barcode: String,
    bytes: u64,
}

#[derive(Default)]
struct Content {
    /// Bytes of all local files that are on the shelf, too.
    bytes: u64,
    /// Directories of released cartridges, the one that was used first at the front.
    unused: VecDeque<Unused>,
}

/// Counts the cached bytes of a shelf, and removes those of released cartridges when they are too many.
pub(crate) struct Cache {
    directory: PathBuf,
    limit: u64,
    content: Mutex<Content>,
}

impl Cache {
    /// The cache in a directory, up to `limit` bytes. It counts what an earlier process has left.
    pub(crate) fn open(directory: &Path, limit: u64) -> io::Result<Self> {
        let mut content = Content::default();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let Ok(barcode) = entry.file_name().into_string() else { continue };
            let record = LocalDirectory::at(entry.path()).record().ok().flatten();
            if let Some(record) = record.filter(|record| record.is_released) {
                let bytes = record.cached_bytes();
                content.bytes += bytes;
                content.unused.push_back(Unused { barcode, bytes });
            }
        }
        Ok(Self { directory: directory.into(), limit, content: Mutex::new(content) })
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn bytes(&self) -> u64 {
        lock(&self.content).bytes
    }

    pub(crate) fn add(&self, bytes: u64) {
        let mut content = lock(&self.content);
        content.bytes = content.bytes.saturating_add(bytes);
    }

    pub(crate) fn remove(&self, bytes: u64) {
        let mut content = lock(&self.content);
        content.bytes = content.bytes.saturating_sub(bytes);
    }

    /// A drive uses this cartridge from now on: its directory is not removed. Its bytes stay counted.
    pub(crate) fn claim(&self, barcode: &str) {
        lock(&self.content).unused.retain(|unused| unused.barcode != barcode);
    }

    /// The cartridge was released, with so many counted bytes.
    pub(crate) fn release(&self, barcode: &str, bytes: u64) {
        lock(&self.content).unused.push_back(Unused { barcode: barcode.to_owned(), bytes });
    }

    /// Whether the cache has no room for so many more bytes, after directories of released cartridges were removed.
    pub(crate) fn is_full_with(&self, bytes: u64) -> bool {
        let mut content = lock(&self.content);
        while content.bytes.saturating_add(bytes) > self.limit {
            if !self.remove_oldest_of(&mut content) {
                return true;
            }
        }
        false
    }

    /// Removes the directory of the cartridge that was released first. `false`: there is none.
    pub(crate) fn remove_oldest(&self) -> bool {
        self.remove_oldest_of(&mut lock(&self.content))
    }

    fn remove_oldest_of(&self, content: &mut Content) -> bool {
        let Some(oldest) = content.unused.pop_front() else { return false };
        if let Err(error) = LocalDirectory::at(self.directory.join(&oldest.barcode)).remove() {
            tracing::warn!(barcode = oldest.barcode, %error, "cached files cannot be removed");
        }
        content.bytes = content.bytes.saturating_sub(oldest.bytes);
        true
    }

    /// The bytes of released cartridges, which [`Self::remove_oldest`] can remove.
    pub(crate) fn unused_bytes(&self) -> u64 {
        lock(&self.content).unused.iter().map(|unused| unused.bytes).sum()
    }
}
