//! Removal of segments and index pages that no recent manifest names, and of the heartbeats of former owners.
//!
//! Manifests and leases are never removed: that their names exist is what excludes a former owner, however late it is.

use crate::beat::Lease;
use crate::error::ShelfError;
use crate::index;
use crate::manifest::Manifest;
use crate::objects::StoredObject;
use crate::owned::{CommitError, OwnedCartridge};
use crate::record;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// Time for which the segments of a replaced manifest stay: a reader may still use it.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// The segments and index pages of one cartridge: the named ones, and the garbage, which no recent manifest names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Garbage {
    /// Segments and index pages that no recent manifest names, and heartbeats of former owners, that were removed unless it was
    /// only a test.
    pub objects: u64,
    /// Length of these objects in bytes.
    pub bytes: u64,
    /// Segments and index pages that were kept.
    pub kept_objects: u64,
    /// Length of the kept objects in bytes.
    pub kept_bytes: u64,
    /// The names of the objects whose removal the store denies, and the reasons. They are among the kept ones.
    pub denied: BTreeMap<String, String>,
}

impl OwnedCartridge {
    /// Removes the segments and index pages of the cartridge that no manifest of the time `kept_for` names ([`KEPT_FOR`]), and that
    /// are older. Only the owner of the lease does this: before each removal it looks for the lease of another program. Times are those of the store: no clock of this machine counts. With
    /// `is_test`, nothing is removed.
    ///
    /// # Errors
    /// [`CommitError::TakenOver`] if another program has the cartridge now: what was removed until then was garbage.
    /// [`ShelfError::Protected`] if the cartridge is retained by the clock of the store, or under a legal hold, and
    /// [`ShelfError::Malformed`] if a manifest is damaged: then nothing is removed. [`ShelfError::Store`] if the store fails.
    pub async fn remove_garbage(&mut self, kept_for: Duration, is_test: bool) -> Result<Garbage, CommitError> {
        let now = self.check_unprotected().await?;
        let beat = self.keys().beat(self.epoch());
        let is_old = |object: &StoredObject| now.duration_since(object.modified).is_ok_and(|age| age > kept_for);
        let mut named = self.named_since(is_old).await?;
        // No program looks at a heartbeat of another epoch than the newest.
        let own_beat = beat.rsplit_once('/').map(|(_, name)| name.to_owned());
        named.extend(own_beat);
        let mut garbage = Garbage::default();
        for directory in [self.keys().segments(), self.keys().pages(), self.keys().beats()] {
            for object in self.objects().list(&directory).await? {
                if named.contains(&object.name) || !is_old(&object) {
                    garbage.kept_objects += 1;
                    garbage.kept_bytes += object.len;
                    continue;
                }
                if !is_test {
                    // A program that was stopped meanwhile may have lost the cartridge.
                    self.check_lease().await?;
                    let removed = self.objects().remove(&format!("{directory}/{}", object.name)).await;
                    self.beat_if_due().await;
                    if let Err(ShelfError::Denied { key, reason, .. }) = removed {
                        garbage.denied.insert(key, reason);
                        garbage.kept_objects += 1;
                        garbage.kept_bytes += object.len;
                        continue;
                    }
                    removed?;
                }
                garbage.objects += 1;
                garbage.bytes += object.len;
            }
        }
        Ok(garbage)
    }

    /// Checks that the cartridge may lose objects, and returns the time of the store, which a heartbeat has.
    pub(crate) async fn check_unprotected(&mut self) -> Result<SystemTime, ShelfError> {
        self.beat().await?;
        let now = self.objects().modified(&self.keys().beat(self.epoch())).await?;
        match self.protection().reason(now) {
            Some(reason) => Err(ShelfError::Protected { barcode: self.keys().barcode().to_owned(), reason }),
            None => Ok(now),
        }
    }

    /// Fails if another program has created the lease of the next epoch.
    async fn check_lease(&self) -> Result<(), CommitError> {
        let key = self.keys().lease(self.epoch() + 1);
        let Some(other) = self.objects().get(&key).await? else { return Ok(()) };
        let Lease { owner, .. } = record::decode(&key, &other)?;
        Err(CommitError::TakenOver { barcode: self.keys().barcode().to_owned(), owner })
    }

    /// The names of the segments and pages that the newest manifest names, or one that was the newest in the time that counts.
    async fn named_since(&mut self, is_old: impl Fn(&StoredObject) -> bool) -> Result<BTreeSet<String>, ShelfError> {
        let mut versions = Vec::new();
        for object in self.objects().list(&self.keys().manifests()).await? {
            if let Ok(version) = object.name.parse::<u64>() {
                versions.push((version, is_old(&object)));
            }
        }
        versions.sort_unstable();
        let (mut named, mut pages) = (BTreeSet::new(), BTreeSet::new());
        name_all(self.newest(), &mut named);
        // A manifest counts until the next one exists: the last old one was the newest when the time began.
        let first = versions.iter().rposition(|(_, is_old)| *is_old).unwrap_or_default();
        for (version, _) in versions.get(first..).unwrap_or_default() {
            let key = self.keys().manifest(*version);
            let manifest = Manifest::decode(self.keys(), *version, &self.objects().get_existing(&key).await?)?;
            name_all(&manifest, &mut named);
            // Manifests share their pages, so that each page is read once.
            for page in manifest.content.files.values().flat_map(|file| &file.pages) {
                if pages.insert(page.clone()) {
                    let extents = index::read_page(self.objects(), &self.keys().page(page), page).await?;
                    named.extend(extents.into_iter().map(|extent| extent.segment));
                }
            }
            self.beat_if_due().await;
        }
        named.extend(self.page_names().values().flatten().cloned());
        Ok(named)
    }
}

fn name_all(manifest: &Manifest, named: &mut BTreeSet<String>) {
    for file in manifest.content.files.values() {
        named.extend(file.pages.iter().cloned());
        named.extend(file.extents.iter().map(|extent| extent.segment.clone()));
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::{Content, Extent, FileContent};
    use crate::{Shelf, ShelfOptions};
    use object_store::memory::InMemory;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    fn content(segments: &[&str]) -> Content {
        let extent = |(at, segment): (u64, &&str)| Extent { offset: at, len: 1, segment: (*segment).into(), at: 0 };
        let extents: Vec<Extent> = (0..).zip(segments).map(extent).collect();
        let file = FileContent { len: extents.len() as u64, extents, ..FileContent::default() };
        Content { files: [("data.0".to_owned(), file)].into() }
    }

    #[tokio::test]
    async fn only_what_no_recent_manifest_names_is_removed() {
        let count = AtomicU64::new(0);
        let entropy = Arc::new(move |into: &mut [u8]| {
            into[15] = count.fetch_add(1, Ordering::Relaxed).to_le_bytes()[0];
            Ok(())
        });
        let shelf = Shelf::new(Arc::new(InMemory::new()), "site", ShelfOptions::new("test"), entropy).unwrap();
        shelf.add("V00001L8", Content::default()).await.unwrap();
        let former = shelf.take("V00001L8").await.unwrap();
        let former_beat = former.keys().beat(former.epoch());
        { former }.release(Content::default()).await.unwrap();
        let mut owned = shelf.take("V00001L8").await.unwrap();
        assert!(shelf.objects().get(&former_beat).await.unwrap().is_some());
        for segment in ["a", "b", "c", "left"] {
            let key = owned.keys().segment(segment);
            shelf.objects().create(&key, segment.into()).await.unwrap();
        }
        owned.commit(content(&["a", "b"])).await.unwrap();
        owned.commit(content(&["a"])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        owned.commit(content(&["a", "c"])).await.unwrap();

        // Everything is younger than a day.
        let found = owned.remove_garbage(super::KEPT_FOR, false).await.unwrap();
        assert_eq!((found.objects, found.kept_objects), (0, 6));
        // When the time began, the manifest with "a" was the newest one.
        let short = Duration::from_millis(150);
        let test = owned.remove_garbage(short, true).await.unwrap();
        assert_eq!((test.objects, test.kept_objects), (3, 3));
        assert_eq!(owned.remove_garbage(short, false).await.unwrap(), test);
        let left: Vec<String> = shelf
            .objects()
            .list(&owned.keys().segments())
            .await
            .unwrap()
            .into_iter()
            .map(|object| object.name)
            .collect();
        assert_eq!(left, ["a", "c"]);
        assert!(shelf.objects().get(&former_beat).await.unwrap().is_none());
        assert!(shelf.objects().get(&owned.keys().beat(owned.epoch())).await.unwrap().is_some());
        assert_eq!(owned.remove_garbage(short, false).await.unwrap().objects, 0);
    }

    #[tokio::test]
    async fn a_program_that_has_lost_the_cartridge_removes_nothing() {
        let count = AtomicU64::new(0);
        let entropy = Arc::new(move |into: &mut [u8]| {
            into[15] = count.fetch_add(1, Ordering::Relaxed).to_le_bytes()[0];
            Ok(())
        });
        let options = ShelfOptions::new("test").with_beat(Duration::from_millis(20));
        let shelf = Shelf::new(Arc::new(InMemory::new()), "site", options, entropy).unwrap();
        shelf.add("V00001L8", Content::default()).await.unwrap();
        let mut stopped = shelf.take("V00001L8").await.unwrap();
        for segment in ["a", "b"] {
            shelf.objects().create(&stopped.keys().segment(segment), segment.into()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let taken = shelf.take("V00001L8").await.unwrap();
        let error = stopped.remove_garbage(Duration::ZERO, false).await.unwrap_err().to_string();
        assert_eq!(error, "cartridge V00001L8 was taken over by test");
        assert_eq!(shelf.objects().list(&taken.keys().segments()).await.unwrap().len(), 2);
    }
}
