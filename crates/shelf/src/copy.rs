//! Copies of cartridges from one shelf to another: the objects of the newest state, as they are.

use crate::Shelf;
use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::manifest::{Content, Manifest, ManifestState};
use crate::owned::{CommitError, OwnedCartridge};
use crate::protection::{self, Protection};
use crate::segment;
use crate::take::TakeError;
use crate::transfer::PARALLEL;

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use tokio::task::JoinHandle;

/// The state of a cartridge on another shelf from which a state was copied. Later states of the cartridge have it, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Number of the manifest on the other shelf.
    pub version: u64,
    /// Nonce of the manifest on the other shelf.
    pub nonce: String,
    /// Number of the manifest on this shelf that has the copied content.
    pub copied_as: u64,
}

/// The state on the other shelf after a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// Number of the state on the shelf from which it was copied.
    pub source_version: u64,
    /// Number of the state on the other shelf.
    pub version: u64,
    /// Length of the files of the cartridge in bytes.
    pub bytes: u64,
    /// Number of all segments of the state, copied or not.
    pub segments: u64,
    /// Segments that were copied; the others were on the other shelf.
    pub copied_segments: u64,
    /// Length of the files' parts in the copied segments, in bytes.
    pub copied_bytes: u64,
}

/// The reason why a cartridge was not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The first shelf has no files of the cartridge.
    #[error("cartridge {barcode} is not on the shelf")]
    Missing {
        /// The barcode.
        barcode: String,
    },
    /// The first shelf fails, or an object of it is damaged.
    #[error("shelf of the cartridge: {0}")]
    Source(ShelfError),
    /// The other shelf fails, or refuses a request.
    #[error("target shelf: {0}")]
    Target(#[from] ShelfError),
    /// A program uses the cartridge on the other shelf, or has taken it over meanwhile.
    #[error("target shelf: cartridge {barcode} is in use by {owner}")]
    InUse {
        /// The barcode.
        barcode: String,
        /// Name of the other program.
        owner: String,
    },
    /// The other shelf has a state of the cartridge that is newer, or that is not a former state of this cartridge.
    #[error(
        "the target shelf has another state of cartridge {barcode}: number {version}, of {owner}; remove it there first"
    )]
    OtherState {
        /// The barcode.
        barcode: String,
        /// Number of the state on the other shelf.
        version: u64,
        /// Name of the program that created it.
        owner: String,
    },
    /// The caller has ended the copy. What was copied stays, and the next copy continues after it.
    #[error("the copy was cancelled")]
    Cancelled,
}

impl From<TakeError> for CopyError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Missing { barcode } => Self::Missing { barcode },
            TakeError::InUse { barcode, owner } => Self::InUse { barcode, owner },
            TakeError::Shelf(error) => Self::Target(error),
        }
    }
}

impl From<CommitError> for CopyError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::TakenOver { barcode, owner } => Self::InUse { barcode, owner },
            CommitError::Shelf(error) => Self::Target(error),
        }
    }
}

/// Gets the bytes of the cartridge that are on the other shelf, and all its bytes. Breaks if the copy is to end.
pub type CopyProgress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + Send + 'a;

impl Shelf {
    /// Copies the newest state of a cartridge to another shelf, where it becomes the newest state. The cartridge can be in use on this
    /// shelf. On the other one it is taken meanwhile. Each segment is compared with its checksums before it is put there.
    /// Segments that are there are not copied again, so that an interrupted copy continues.
    ///
    /// The state on the other shelf is replaced if it is a former state of this cartridge: one that was copied from this shelf and
    /// not changed since, or from which this cartridge was copied. The data key is wrapped with the current key of the other shelf,
    /// or copied as it is if neither shelf was opened with keys.
    ///
    /// # Errors
    /// [`CopyError`]; then the other shelf has the state of before.
    pub async fn copy_cartridge(
        &self,
        barcode: &str,
        to: &Self,
        progress: &mut CopyProgress<'_>,
    ) -> Result<Copied, CopyError> {
        let source = self.newest(barcode).await.map_err(CopyError::Source)?;
        let missing = || CopyError::Missing { barcode: barcode.to_owned() };
        let source = source.filter(|source| !source.content.files.is_empty()).ok_or_else(missing)?;
        let segments = source.content.segments().len() as u64;
        if let Some(there) = to.newest(barcode).await? {
            let is_same = there.content == source.content && there.state == ManifestState::Closed;
            if is_same && to.is_protected_as(&there, source.protection) {
                to.lock_manifest(&there).await?;
                let (source_version, version, bytes) = (source.version, there.version, source.content.bytes());
                return Ok(Copied { source_version, version, bytes, segments, copied_segments: 0, copied_bytes: 0 });
            }
            // Before it is taken, which creates states.
            self.check_former_state(&source, there, to).await?;
        }
        to.add(barcode, Content::default()).await?;
        let mut owned = to.take(barcode).await?;
        let former = owned.content().clone();
        match self.put_copy(&source, &mut owned, progress).await {
            Ok((copied_segments, copied_bytes)) => {
                // It may have been removed while it was copied.
                let now = self.newest(barcode).await;
                if now.as_ref().is_ok_and(|now| now.as_ref().is_none_or(|now| now.content.files.is_empty())) {
                    let _ = owned.release(former).await;
                    return Err(missing());
                }
                owned.set_origin(source.version, &source.nonce);
                owned.set_protection(source.protection);
                owned.release(source.content.clone()).await?;
                if former.files.is_empty() {
                    // The catalog is only a hint.
                    if let Err(error) = to.add_to_catalog(barcode).await {
                        tracing::warn!(barcode, %error, "the catalog of the target shelf lacks the cartridge; ferric shelf catalog --rebuild");
                    }
                }
                let (source_version, version, bytes) = (source.version, owned.version(), source.content.bytes());
                Ok(Copied { source_version, version, bytes, segments, copied_segments, copied_bytes })
            }
            Err(error) => {
                // The former state stays, and the cartridge can be taken again at once.
                let _ = owned.release(former).await;
                Err(error)
            }
        }
    }

    /// Whether a state of this shelf is protected for as long as `wanted`, and by the store if this shelf has locks.
    fn is_protected_as(&self, state: &Manifest, wanted: Protection) -> bool {
        let locks = self.options.object_lock && self.objects().has_object_lock();
        let now = state.protection;
        now.is_as_long_as(&wanted) && (now.in_store || now.is_none() || !locks)
    }

    /// Locks a manifest as it records it, if the store enforces that: the request after its creation may have failed.
    async fn lock_manifest(&self, manifest: &Manifest) -> Result<(), ShelfError> {
        if manifest.protection.in_store {
            let key = CartridgeKeys::new(&manifest.barcode).manifest(manifest.version);
            protection::lock(self.objects().clone(), vec![key], manifest.protection).await?;
        }
        Ok(())
    }

    /// Puts the key and the segments of a state on the shelf of `owned`. Returns the number of the segments that were not there, and
    /// the bytes of their parts.
    async fn put_copy(
        &self,
        source: &Manifest,
        owned: &mut OwnedCartridge,
        progress: &mut CopyProgress<'_>,
    ) -> Result<(u64, u64), CopyError> {
        let there = owned.newest().clone();
        self.check_former_state(source, there.clone(), owned.shelf()).await?;
        self.copy_key(&source.barcode, &source.content, owned.shelf(), there.content.files.is_empty()).await?;
        let present = there.content.segments();
        let (mut copied, mut copied_bytes, mut done) = (0, 0, 0);
        let mut count = |(was_copied, bytes): (bool, u64)| {
            if was_copied {
                copied += 1;
                copied_bytes += bytes;
            }
            done += bytes;
            match progress(done, source.content.bytes()) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(CopyError::Cancelled),
            }
        };
        let mut running = Running::default();
        for (segment, bytes) in source.content.segments() {
            if present.contains_key(&segment) {
                count((false, bytes))?;
                continue;
            }
            if running.0.len() == PARALLEL {
                count(running.finish_first(owned).await?)?;
            }
            running.0.push_back(tokio::spawn(copy_segment(
                self.clone(),
                owned.shelf().clone(),
                source.barcode.clone(),
                segment,
                bytes,
            )));
        }
        while !running.0.is_empty() {
            count(running.finish_first(owned).await?)?;
        }
        Ok((copied, copied_bytes))
    }

    /// Refuses to replace another state than a former one of this cartridge.
    async fn check_former_state(&self, source: &Manifest, there: Manifest, to: &Self) -> Result<(), CopyError> {
        if self.is_former_state(source, &there, to).await? {
            return Ok(());
        }
        let Manifest { barcode, version, owner, .. } = there;
        Err(CopyError::OtherState { barcode, version, owner })
    }

    /// Whether the state `there` on the shelf `to` is a former state of this cartridge, or no state.
    async fn is_former_state(&self, source: &Manifest, there: &Manifest, to: &Self) -> Result<bool, CopyError> {
        if there.content.files.is_empty() || there.content == source.content {
            return Ok(true);
        }
        let barcode = &source.barcode;
        if let Some(origin) = &there.origin {
            let known = self.manifest(barcode, origin.version).await.map_err(CopyError::Source)?;
            let is_of_this = known.is_some_and(|known| known.nonce == origin.nonce);
            let copy = to.manifest(barcode, origin.copied_as).await?;
            if is_of_this && copy.is_some_and(|copy| copy.content == there.content) {
                return Ok(true);
            }
        }
        let Some(origin) = &source.origin else { return Ok(false) };
        let known = to.manifest(barcode, origin.version).await?;
        Ok(known.is_some_and(|known| known.nonce == origin.nonce && known.content == there.content))
    }
}

/// Copies of segments that are in progress, ended when they are dropped.
#[derive(Default)]
struct Running(VecDeque<JoinHandle<Result<(bool, u64), CopyError>>>);

impl Running {
    /// Waits for the copy that began first, with a heartbeat in each period.
    async fn finish_first(&mut self, owned: &mut OwnedCartridge) -> Result<(bool, u64), CopyError> {
        let Some(request) = self.0.pop_front() else { return Ok((false, 0)) };
        owned.beat_while(request).await?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Copies a segment unless it is there. Returns whether it was copied, and `bytes`, the length of its parts.
async fn copy_segment(
    from: Shelf,
    to: Shelf,
    barcode: String,
    name: String,
    bytes: u64,
) -> Result<(bool, u64), CopyError> {
    let key = CartridgeKeys::new(&barcode).segment(&name);
    // An object of this name is complete, and has the same bytes: it is created in one step, and its name has a nonce.
    if to.objects().exists(&key).await? {
        return Ok((false, bytes));
    }
    let missing = || ShelfError::malformed(&key, "it is missing");
    let object = async { from.objects().get_long(&key).await?.ok_or_else(missing) };
    let object = object.await.map_err(CopyError::Source)?;
    segment::check(&key, &name, &object).map_err(CopyError::Source)?;
    to.objects().create_segment(&key, object).await?;
    Ok((true, bytes))
}

impl Content {
    /// The segments that have the bytes of the files, ascending by name, and the length of their parts in bytes.
    #[must_use]
    pub fn segments(&self) -> BTreeMap<String, u64> {
        let mut segments: BTreeMap<String, u64> = BTreeMap::new();
        for extent in self.files.values().flat_map(|file| &file.extents) {
            *segments.entry(extent.segment.clone()).or_default() += extent.len;
        }
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyRing, ShelfOptions, WrappingKey};
    use object_store::memory::InMemory;
    use std::io::IoSlice;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use tape_store::backend::FolderStore;
    use tape_store::backend::memory::MemoryFolderStore;

    const BARCODE: &str = "V00001L8";

    fn shelf(name: &'static str) -> Shelf {
        let count = AtomicU64::new(1);
        let entropy = Arc::new(move |into: &mut [u8]| {
            let bytes = count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            into.fill(name.as_bytes()[0]);
            into.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(slot, byte)| *slot = *byte);
            Ok(())
        });
        let options = ShelfOptions::new(name).with_beat(Duration::from_millis(20));
        Shelf::new(Arc::new(InMemory::new()), "site", options, entropy).unwrap()
    }

    fn ring(byte: u8, former: &[u8]) -> KeyRing {
        let key = |byte: u8| WrappingKey::new(&[byte; 32]).unwrap();
        KeyRing::new(key(byte), former.iter().map(|byte| key(*byte)).collect())
    }

    /// Replaces the files of the cartridge. Each changed file is in a new segment; the other files stay.
    async fn write(shelf: &Shelf, files: &[(&str, &str)]) {
        shelf.add(BARCODE, Content::default()).await.unwrap();
        let mut owned = shelf.take(BARCODE).await.unwrap();
        let mut content = Content::default();
        for (name, text) in files {
            let former = owned.content().files.get(*name).filter(|file| file.len == text.len() as u64).cloned();
            let file = match former {
                Some(file) => file,
                None => {
                    let mut folder = MemoryFolderStore::default().create("f").unwrap();
                    folder.open(name).unwrap().write_at(0, &[IoSlice::new(text.as_bytes())]).unwrap();
                    owned.store_files(folder.as_mut(), &mut |_| {}).await.unwrap().files.remove(*name).unwrap()
                }
            };
            content.files.insert((*name).to_owned(), file);
        }
        owned.release(content).await.unwrap();
    }

    async fn read(shelf: &Shelf, name: &str) -> String {
        let newest = shelf.newest(BARCODE).await.unwrap().unwrap();
        String::from_utf8(shelf.read_extents(BARCODE, &newest.content.files[name]).await.unwrap()).unwrap()
    }

    async fn copy(from: &Shelf, to: &Shelf) -> Result<(u64, u64), CopyError> {
        let copied = from.copy_cartridge(BARCODE, to, &mut |_, _| ControlFlow::Continue(())).await?;
        assert_eq!(
            from.newest(BARCODE).await.unwrap().unwrap().content,
            to.newest(BARCODE).await.unwrap().unwrap().content
        );
        Ok((copied.segments, copied.copied_segments))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cartridge_that_is_removed_while_it_is_copied_is_not_on_the_other_shelf() {
        let (a, b) = (shelf("a"), shelf("b"));
        write(&a, &[("data.0", "one"), ("mark.0", "two")]).await;
        let mut has_removed = false;
        let removed = a.clone();
        let mut progress = |_, _| {
            if !std::mem::replace(&mut has_removed, true) {
                let remove = async { removed.take(BARCODE).await.unwrap().release(Content::default()).await.unwrap() };
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(remove));
            }
            ControlFlow::Continue(())
        };
        let copied = a.copy_cartridge(BARCODE, &b, &mut progress).await;
        assert!(matches!(copied, Err(CopyError::Missing { .. })), "{copied:?}");
        assert!(b.newest(BARCODE).await.unwrap().unwrap().content.files.is_empty());
        // It is there again.
        write(&a, &[("data.0", "three")]).await;
        assert_eq!(copy(&a, &b).await.unwrap(), (1, 1));
    }

    #[tokio::test]
    async fn a_state_replaces_the_one_that_it_was_copied_from_and_no_other() {
        let (a, b) = (shelf("a"), shelf("b"));
        assert!(matches!(copy(&a, &b).await, Err(CopyError::Missing { .. })));
        write(&a, &[("data.0", "one"), ("mark.0", "")]).await;
        assert_eq!(copy(&a, &b).await.unwrap(), (1, 1));
        assert_eq!(copy(&a, &b).await.unwrap(), (1, 0));
        write(&a, &[("data.0", "one"), ("data.1", "second")]).await;
        assert_eq!(copy(&a, &b).await.unwrap(), (2, 1));
        assert_eq!(read(&b, "data.1").await, "second");
        // The other shelf is used instead of this one, and the cartridge returns.
        write(&b, &[("data.0", "one"), ("data.1", "changed there")]).await;
        let error = copy(&a, &b).await.unwrap_err().to_string();
        assert!(error.starts_with("the target shelf has another state of cartridge V00001L8: number "), "{error}");
        assert!(error.ends_with(", of b; remove it there first"), "{error}");
        assert_eq!(copy(&b, &a).await.unwrap(), (2, 1));
        assert_eq!(read(&a, "data.1").await, "changed there");
        write(&a, &[("data.0", "three")]).await;
        assert_eq!(copy(&a, &b).await.unwrap(), (1, 1));
        // Both are changed.
        write(&a, &[("data.0", "on a")]).await;
        write(&b, &[("data.0", "b has it")]).await;
        assert!(matches!(copy(&a, &b).await, Err(CopyError::OtherState { .. })));
        assert!(matches!(copy(&b, &a).await, Err(CopyError::OtherState { .. })));
        assert_eq!((read(&a, "data.0").await, read(&b, "data.0").await), ("on a".into(), "b has it".into()));
        // A removed cartridge is no state.
        write(&b, &[]).await;
        assert_eq!(copy(&a, &b).await.unwrap(), (1, 1));
    }

    #[tokio::test]
    async fn the_catalog_of_the_target_has_the_copy() {
        let (a, b) = (shelf("a"), shelf("b"));
        b.begin_catalog().await.unwrap();
        write(&a, &[("data.0", "one")]).await;
        copy(&a, &b).await.unwrap();
        assert_eq!(b.catalog().await.unwrap().unwrap(), [BARCODE]);
    }

    #[tokio::test]
    async fn a_cancelled_copy_continues_and_its_target_is_as_before() {
        let (a, b) = (shelf("a"), shelf("b"));
        write(&a, &[("data.0", "zero"), ("data.1", "1"), ("data.2", "22"), ("data.3", "333")]).await;
        let mut seen = Vec::new();
        let cancelled = a
            .copy_cartridge(BARCODE, &b, &mut |done, all| {
                seen.push((done, all));
                if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await;
        assert!(matches!(cancelled, Err(CopyError::Cancelled)));
        assert_eq!(seen, [(4, 10), (5, 10)]);
        assert!(b.newest(BARCODE).await.unwrap().unwrap().content.files.is_empty());
        let (segments, copied) = copy(&a, &b).await.unwrap();
        assert!(segments == 4 && copied <= 2, "{copied} copied again");
        assert_eq!(read(&b, "data.0").await, "zero");
    }

    #[tokio::test]
    async fn a_damaged_or_missing_segment_is_not_copied() {
        let (a, b) = (shelf("a"), shelf("b"));
        write(&a, &[("data.0", "one")]).await;
        copy(&a, &b).await.unwrap();
        write(&a, &[("data.0", "other")]).await;
        let content = a.newest(BARCODE).await.unwrap().unwrap().content;
        let key = CartridgeKeys::new(BARCODE).segment(&content.files["data.0"].extents[0].segment);
        let whole = a.objects().get(&key).await.unwrap().unwrap();
        let mut damaged = whole.to_vec();
        damaged[21] ^= 1;
        a.objects().replace(&key, damaged.into()).await.unwrap();
        let error = copy(&a, &b).await.unwrap_err().to_string();
        assert_eq!(error, format!("shelf of the cartridge: {key} is damaged: its BLAKE3 hash differs"));
        a.objects().remove(&key).await.unwrap();
        assert!(copy(&a, &b).await.unwrap_err().to_string().ends_with("is damaged: it is missing"));
        assert_eq!(read(&b, "data.0").await, "one");
        a.objects().replace(&key, whole).await.unwrap();
        copy(&a, &b).await.unwrap();
    }

    #[tokio::test]
    async fn a_cartridge_in_use_is_copied_but_not_replaced() {
        let (a, b) = (shelf("a"), shelf("b"));
        write(&a, &[("data.0", "one")]).await;
        let mut at_source = a.take(BARCODE).await.unwrap();
        copy(&a, &b).await.unwrap();
        let content = at_source.content().clone();
        at_source.release(content).await.unwrap();
        write(&a, &[("data.0", "other")]).await;
        let at_target = b.take(BARCODE).await.unwrap();
        let beats = tokio::spawn(at_target.heartbeats());
        let error = copy(&a, &b).await.unwrap_err().to_string();
        assert_eq!(error, "target shelf: cartridge V00001L8 is in use by b");
        beats.abort();
        copy(&a, &b).await.unwrap();
    }

    #[tokio::test]
    async fn a_data_key_is_wrapped_for_the_target() {
        let plain = shelf("p");
        write(&plain, &[("data.0", "in clear")]).await;
        let (a, b) = (shelf("a").with_keys(ring(1, &[])), shelf("b"));
        write(&a, &[("data.0", "secret")]).await;
        let copy_error = async |from: &Shelf, to: &Shelf| copy(from, to).await.unwrap_err().to_string();
        assert_eq!(
            copy_error(&a, &b).await,
            "target shelf: cartridge V00001L8: it is encrypted, and the shelf has no key"
        );
        assert!(b.newest(BARCODE).await.unwrap().unwrap().content.files.is_empty());
        let b = b.with_keys(ring(2, &[]));
        copy(&a, &b).await.unwrap();
        assert_eq!(read(&b, "data.0").await, "secret");
        // The key of the source is not needed for the copy, nor that of before.
        let rotated = a.clone().with_keys(ring(3, &[1]));
        let mut owned = rotated.take(BARCODE).await.unwrap();
        assert!(owned.rewrap_key().await.unwrap());
        write(&rotated, &[("data.0", "another secret")]).await;
        copy(&rotated, &b).await.unwrap();
        assert_eq!(read(&b, "data.0").await, "another secret");
        let d = shelf("d").with_keys(ring(2, &[]));
        assert!(copy_error(&plain, &d).await.contains("its data is not encrypted, but the target shelf is"));
        // Programs without keys copy the object.
        let without = |shelf: &Shelf| Shelf { data_keys: Arc::default(), ..shelf.clone() };
        let c = shelf("c");
        copy(&without(&rotated), &c).await.unwrap();
        assert_eq!(read(&c.clone().with_keys(ring(3, &[])), "data.0").await, "another secret");
        let other = shelf("o").with_keys(ring(1, &[]));
        write(&other, &[("data.0", "x")]).await;
        write(&other, &[]).await;
        copy(&rotated, &other.with_keys(ring(1, &[]))).await.unwrap();
        rotated.take(BARCODE).await.unwrap().destroy_key().await.unwrap();
        assert!(copy_error(&rotated, &d).await.contains("its key was destroyed"));
    }
}
