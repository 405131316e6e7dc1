//! What was found of cartridges a moment ago, so that the several looks of one load need the store once.
//!
//! A manifest here may be old: another daemon may have created a newer one. It is shown to readers, and a taking begins with it, which
//! does not depend on its age.

use super::lock;
use crate::manifest::Manifest;
use crate::take::FoundManifest;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Time for which a manifest counts as the newest one.
const REMEMBERED: Duration = Duration::from_secs(2);
/// Cartridges of which something is remembered.
const MAX_CARTRIDGES: usize = 16;

/// A manifest that was the newest one, and the small files that were read of it.
pub(crate) struct Seen {
    pub(crate) found: FoundManifest,
    small_files: Mutex<BTreeMap<String, Bytes>>,
}

impl Seen {
    pub(crate) fn new(found: FoundManifest) -> Self {
        Self { found, small_files: Mutex::default() }
    }

    pub(crate) const fn manifest(&self) -> &Manifest {
        &self.found.manifest
    }

    /// The bytes of a small file, if it was read.
    pub(crate) fn small_file(&self, name: &str) -> Option<Bytes> {
        lock(&self.small_files).get(name).cloned()
    }

    pub(crate) fn add_small_file(&self, name: &str, bytes: Bytes) {
        lock(&self.small_files).insert(name.to_owned(), bytes);
    }
}

#[derive(Default)]
struct Content {
    seen: BTreeMap<String, (Instant, Arc<Seen>)>,
    /// The look at each cartridge that is in progress, and that may be remembered.
    looks: BTreeMap<String, u64>,
    last_look: u64,
}

/// The manifests that were found in the last seconds.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Content>);

/// A look at the newest manifest of a cartridge. It begins before the question whether this process uses the cartridge, so that
/// none that this process replaces meanwhile is remembered.
pub(crate) struct Look<'a> {
    recent: &'a Recent,
    barcode: &'a str,
    number: u64,
}

impl Recent {
    pub(crate) fn look<'a>(&'a self, barcode: &'a str) -> Look<'a> {
        let mut content = lock(&self.0);
        content.last_look += 1;
        let number = content.last_look;
        content.looks.insert(barcode.to_owned(), number);
        Look { recent: self, barcode, number }
    }

    /// Forgets a cartridge that this process changes from now on, and returns what was remembered.
    pub(crate) fn forget(&self, barcode: &str) -> Option<Arc<Seen>> {
        let mut content = lock(&self.0);
        content.looks.remove(barcode);
        content.seen.remove(barcode).filter(|(found, _)| found.elapsed() < REMEMBERED).map(|(_, seen)| seen)
    }
}

impl Look<'_> {
    /// What was found a moment ago.
    pub(crate) fn remembered(&self) -> Option<Arc<Seen>> {
        let content = lock(&self.recent.0);
        let (found, seen) = content.seen.get(self.barcode)?;
        (found.elapsed() < REMEMBERED).then(|| Arc::clone(seen))
    }

    /// Remembers what was found, unless this process has used the cartridge since the look began.
    pub(crate) fn remember(&self, seen: &Arc<Seen>) {
        let mut content = lock(&self.recent.0);
        if content.looks.get(self.barcode) != Some(&self.number) {
            return;
        }
        content.seen.retain(|_, (found, _)| found.elapsed() < REMEMBERED);
        if content.seen.len() == MAX_CARTRIDGES
            && let Some(oldest) = content.seen.iter().min_by_key(|(_, (found, _))| *found).map(|(name, _)| name.clone())
        {
            content.seen.remove(&oldest);
        }
        content.seen.insert(self.barcode.to_owned(), (Instant::now(), Arc::clone(seen)));
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let mut content = lock(&self.recent.0);
        if content.looks.get(self.barcode) == Some(&self.number) {
            content.looks.remove(self.barcode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Content, ManifestState};

    fn seen(version: u64) -> Arc<Seen> {
        let manifest = Manifest {
            barcode: "V00001L8".into(),
            version,
            epoch: 0,
            nonce: version.to_string(),
            owner: "a".into(),
            state: ManifestState::Closed,
            content: Content::default(),
            origin: None,
            protection: crate::Protection::default(),
        };
        Arc::new(Seen::new(FoundManifest { manifest, pages: BTreeMap::new() }))
    }

    #[test]
    fn what_was_found_is_remembered_until_this_process_uses_the_cartridge() {
        let recent = Recent::default();
        let version = || recent.look("V00001L8").remembered().map(|seen| seen.manifest().version);
        recent.look("V00001L8").remember(&seen(1));
        assert_eq!(version(), Some(1));
        assert!(recent.look("V00002L8").remembered().is_none());
        let look = recent.look("V00001L8");
        assert_eq!(recent.forget("V00001L8").map(|seen| seen.manifest().version), Some(1));
        // This look has found what this process may have replaced since.
        look.remember(&seen(1));
        drop(look);
        assert_eq!((version(), recent.forget("V00001L8").is_none()), (None, true));
        for number in 0..MAX_CARTRIDGES + 5 {
            recent.look(&format!("V{number:05}L8")).remember(&seen(1));
        }
        assert!(recent.look("V00004L8").remembered().is_none() && recent.look("V00005L8").remembered().is_some());
        assert!(lock(&recent.0).looks.is_empty());
    }
}
