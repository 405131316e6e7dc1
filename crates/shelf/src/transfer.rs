//! Files of a cartridge to and from segments, and the verification of segments.

use crate::Shelf;
use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::manifest::{Content, Extent, FileContent};
use crate::owned::OwnedCartridge;
use crate::protection::Protection;
use crate::segment::{self, SEGMENT_LEN};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, IoSlice, IoSliceMut};
use tape_store::backend::Folder;
use tape_store::mam::Mam;
use tokio::task::{JoinError, JoinHandle};

/// Requests of a transfer that are in progress at the same time.
pub(crate) const PARALLEL: usize = 4;
/// Bytes of a file that one request reads.
const READ_LEN: u64 = 16 << 20;
/// Bytes that one request reads for a drive, which waits for all of them.
pub(crate) const FETCH_LEN: u64 = 4 << 20;

/// The error of a transfer between files and a shelf.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A file of the cartridge cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// Name of the file in its folder.
        file: String,
        /// The error of the storage.
        source: io::Error,
    },
    /// The store failed, or an object of the cartridge is damaged.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// Gets the bytes of each part of a transfer.
pub type Progress<'a> = dyn FnMut(u64) + Send + 'a;

fn file_error(file: &str) -> impl FnOnce(io::Error) -> TransferError {
    let file = file.to_owned();
    move |source| TransferError::File { file, source }
}

/// A part of a file: its name, offset and length in bytes.
type FilePart = (String, u64, u64);

/// A segment of a cartridge that is damaged or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedSegment {
    /// Name of the object in the store.
    pub key: String,
    /// The fault of the segment, in words.
    pub problem: String,
    /// The parts of the files that the segment has: name, offset and length in bytes.
    pub parts: Vec<(String, u64, u64)>,
}

/// The result of reading all segments of a cartridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Number of segments that were read.
    pub segments: u64,
    /// Bytes of the segments that are whole.
    pub bytes: u64,
    /// The segments that are not whole.
    pub damaged: Vec<DamagedSegment>,
}

impl OwnedCartridge {
    /// Puts the files of a folder on the shelf, in new segments, and returns the content that names them, for
    /// [`OwnedCartridge::commit`]. The caller locks the folder. `progress` gets the bytes of each part that was read. Nothing on
    /// the shelf changes but the new segments.
    ///
    /// # Errors
    /// [`TransferError::File`] if a file cannot be read or becomes shorter meanwhile, or [`TransferError::Shelf`]: with
    /// [`ShelfError::Protected`], the shelf has files of the cartridge that are retained by the clock of the store, or under a legal hold.
    pub async fn store_files(
        &mut self,
        folder: &mut dyn Folder,
        progress: &mut Progress<'_>,
    ) -> Result<Content, TransferError> {
        self.shelf().check_keys(self.keys().barcode()).await?;
        if !self.content().files.is_empty() {
            self.check_unprotected().await?;
        }
        if let Some(memory) = folder.read(Mam::FILE).map_err(file_error(Mam::FILE))?
            && let Some(protection) = Protection::of_memory(&memory, self.protection())
        {
            // The folder may be older than the state on the shelf: it releases no legal hold.
            let is_held = protection.is_held || self.protection().is_held;
            self.set_protection(Protection { is_held, ..protection });
        }
        let mut writer = SegmentWriter::new(self);
        let mut names = folder.list().map_err(file_error("the folder"))?;
        names.sort();
        for name in names {
            let Some(mut file) = folder.open_read_only(&name).map_err(file_error(&name))? else { continue };
            let len = file.len().map_err(file_error(&name))?;
            let mut content = FileContent { len, ..FileContent::default() };
            while let Some(left) = content.missing() {
                let (segment, buffer) = writer.segment()?;
                let (at, room) = (buffer.len(), SEGMENT_LEN - buffer.len());
                let part = usize::try_from(left).unwrap_or(room).min(room);
                buffer.resize(at + part, 0);
                let slot = buffer.get_mut(at..).unwrap_or_default();
                let got = file.read_at(len - left, &mut [IoSliceMut::new(slot)]).map_err(file_error(&name))?;
                if got < part {
                    return Err(file_error(&name)(io::ErrorKind::UnexpectedEof.into()));
                }
                content.extents.push(Extent { offset: len - left, len: part as u64, segment, at: at as u64 });
                progress(part as u64);
                writer.owned.beat_if_due().await;
                writer.put_if_full().await?;
            }
            writer.content.files.insert(name, content);
        }
        writer.finish().await
    }
}

impl FileContent {
    /// Bytes after the last extent; `None` if there are none.
    fn missing(&self) -> Option<u64> {
        let end = self.extents.last().map_or(0, |extent| extent.offset + extent.len);
        self.len.checked_sub(end).filter(|missing| *missing > 0)
    }
}

/// Collects the content of segments and puts them on the shelf.
struct SegmentWriter<'a> {
    owned: &'a mut OwnedCartridge,
    content: Content,
    name: String,
    buffer: Vec<u8>,
    running: VecDeque<JoinHandle<Result<(), ShelfError>>>,
}

impl<'a> SegmentWriter<'a> {
    fn new(owned: &'a mut OwnedCartridge) -> Self {
        Self { owned, content: Content::default(), name: String::new(), buffer: Vec::new(), running: VecDeque::new() }
    }

    /// Name and content of the segment that is being filled.
    fn segment(&mut self) -> Result<(String, &mut Vec<u8>), ShelfError> {
        if self.buffer.is_empty() {
            self.name = self.owned.next_segment()?;
        }
        Ok((self.name.clone(), &mut self.buffer))
    }

    async fn put_if_full(&mut self) -> Result<(), ShelfError> {
        if self.buffer.len() < SEGMENT_LEN { Ok(()) } else { self.put().await }
    }

    async fn put(&mut self) -> Result<(), ShelfError> {
        let data_key = self.owned.shelf().data_key_for_writing(self.owned.keys().barcode()).await?;
        let object = segment::encode(&self.name, &self.buffer, data_key.as_deref())?;
        // Its memory is used again: the kernel clears the pages of a new one.
        self.buffer.clear();
        // The next object is ready before the wait, so that the store always has work.
        if self.running.len() == PARALLEL {
            self.finish_first().await?;
        }
        let (objects, key) = (self.owned.objects().clone(), self.owned.keys().segment(&self.name));
        self.running.push_back(tokio::spawn(async move { objects.create_segment(&key, object).await }));
        Ok(())
    }

    async fn finish(mut self) -> Result<Content, TransferError> {
        if !self.buffer.is_empty() {
            self.put().await?;
        }
        while !self.running.is_empty() {
            self.finish_first().await?;
        }
        Ok(std::mem::take(&mut self.content))
    }

    /// Waits for the request that began first, with a heartbeat in each period.
    async fn finish_first(&mut self) -> Result<(), ShelfError> {
        let Some(request) = self.running.pop_front() else { return Ok(()) };
        self.owned.beat_while(request).await?
    }
}

impl Drop for SegmentWriter<'_> {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}

/// The error of a request that did not end by itself.
pub(crate) fn interrupted(ended: JoinError) -> ShelfError {
    ShelfError::Interrupted(ended.to_string())
}

impl Shelf {
    /// Writes the files of a content to a folder, and makes them durable. Existing files of these names are replaced.
    /// `progress` gets the bytes of each part that was written.
    ///
    /// # Errors
    /// [`TransferError::Shelf`] if the store fails or a segment is damaged, or [`TransferError::File`]. Some of the files may
    /// then be written.
    pub async fn fetch_files(
        &self,
        barcode: &str,
        content: &Content,
        folder: &mut dyn Folder,
        progress: &mut Progress<'_>,
    ) -> Result<(), TransferError> {
        for (name, file) in &content.files {
            let mut target = folder.open(name).map_err(file_error(name))?;
            target.set_len(0).and_then(|()| target.set_len(file.len)).map_err(file_error(name))?;
            let mut pieces = pieces(file, READ_LEN);
            let mut running = VecDeque::new();
            loop {
                while running.len() < PARALLEL
                    && let Some(piece) = pieces.next()
                {
                    running.push_back((piece.offset, self.spawn_read(barcode, piece)));
                }
                let Some((offset, request)) = running.pop_front() else { break };
                let bytes = request.await.map_err(interrupted)??;
                target.write_at(offset, &[IoSlice::new(&bytes)]).map_err(file_error(name))?;
                progress(bytes.len() as u64);
            }
            target.sync().map_err(file_error(name))?;
        }
        Ok(())
    }

    /// The bytes of extents that follow one another, fetched by several requests at the same time.
    pub(crate) async fn read_extents(&self, barcode: &str, part: &FileContent) -> Result<Vec<u8>, ShelfError> {
        let mut bytes = Vec::new();
        let mut pieces = pieces(part, FETCH_LEN);
        let mut running = VecDeque::new();
        loop {
            while running.len() < PARALLEL
                && let Some(piece) = pieces.next()
            {
                running.push_back(self.spawn_read(barcode, piece));
            }
            let Some(request) = running.pop_front() else { return Ok(bytes) };
            bytes.extend_from_slice(&request.await.map_err(interrupted)??);
        }
    }

    fn spawn_read(&self, barcode: &str, piece: Extent) -> JoinHandle<Result<Vec<u8>, ShelfError>> {
        let (shelf, keys) = (self.clone(), CartridgeKeys::new(barcode));
        tokio::spawn(async move {
            let (keys, piece) = (&keys, &piece);
            shelf.read_segment_either(keys.barcode(), |shelf| async move { shelf.read_extent(keys, piece).await }).await
        })
    }

    async fn read_extent(&self, keys: &CartridgeKeys, extent: &Extent) -> Result<Vec<u8>, ShelfError> {
        let (key, name) = (keys.segment(&extent.segment), &extent.segment);
        let range = extent.at..extent.at.saturating_add(extent.len);
        let data_key = async {
            if segment::is_encrypted(name) { self.data_key(keys.barcode()).await.map(Some) } else { Ok(None) }
        };
        let stored = self.objects().get_range(&key, segment::object_range(name, &range).0);
        let (data_key, stored) = tokio::try_join!(data_key, stored)?;
        let stored = stored.ok_or_else(|| ShelfError::malformed(&key, "it is missing"))?;
        segment::decode_range(&key, name, &range, &stored, data_key.as_deref())
    }

    /// Reads all segments that a content names, and compares them with their checksums. `progress` gets the bytes of each.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn verify(
        &self,
        barcode: &str,
        content: &Content,
        progress: &mut Progress<'_>,
    ) -> Result<Verification, ShelfError> {
        self.verify_segments(barcode, content, |_| true, progress).await
    }

    /// A random sample of the segments that a content names: this part of them in percent, rounded up.
    ///
    /// # Errors
    /// [`ShelfError::Random`] if there are no random bytes.
    pub fn sample(&self, content: &Content, percent: u8) -> Result<BTreeSet<String>, ShelfError> {
        let mut segments = Vec::new();
        for segment in content.segments().into_keys() {
            segments.push((self.nonce()?, segment));
        }
        segments.sort_unstable();
        let count = (segments.len() * usize::from(percent)).div_ceil(100);
        Ok(segments.into_iter().take(count).map(|(_, segment)| segment).collect())
    }

    /// As [`Self::verify`], for the segments whose names `choose` accepts.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn verify_segments(
        &self,
        barcode: &str,
        content: &Content,
        choose: impl Fn(&str) -> bool + Send,
        progress: &mut Progress<'_>,
    ) -> Result<Verification, ShelfError> {
        let keys = CartridgeKeys::new(barcode);
        // The parts of files in each segment, and the length that its content has at least.
        let mut segments: BTreeMap<&str, (Vec<FilePart>, u64)> = BTreeMap::new();
        for (name, file) in &content.files {
            for extent in file.extents.iter().filter(|extent| choose(&extent.segment)) {
                let (parts, end) = segments.entry(&extent.segment).or_default();
                parts.push((name.clone(), extent.offset, extent.len));
                *end = (*end).max(extent.at.saturating_add(extent.len));
            }
        }
        let mut verification = Verification::default();
        for (segment, (parts, end)) in segments {
            let key = keys.segment(segment);
            verification.segments += 1;
            let checked = match self.objects().get_long(&key).await? {
                Some(object) => segment::check(&key, segment, &object),
                None => Err(ShelfError::malformed(&key, "it is missing")),
            };
            let checked = match checked {
                Ok(len) if len < end => Err(ShelfError::malformed(&key, "it is shorter than its manifest says")),
                other => other,
            };
            progress(parts.iter().map(|(_, _, len)| len).sum());
            match checked {
                Ok(bytes) => verification.bytes += bytes,
                Err(ShelfError::Malformed { key, problem }) => {
                    verification.damaged.push(DamagedSegment { key, problem, parts });
                }
                Err(other) => return Err(other),
            }
        }
        Ok(verification)
    }
}

/// The extents of a file, in pieces of at most `most` bytes.
fn pieces(file: &FileContent, most: u64) -> impl Iterator<Item = Extent> + '_ {
    let step = usize::try_from(most).unwrap_or(usize::MAX);
    file.extents.iter().flat_map(move |extent| {
        (0..extent.len).step_by(step).map(move |from| Extent {
            offset: extent.offset + from,
            len: most.min(extent.len - from),
            segment: extent.segment.clone(),
            at: extent.at + from,
        })
    })
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "test data")]
mod tests {
    use super::*;
    use crate::ShelfOptions;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tape_store::backend::FolderStore;
    use tape_store::backend::memory::MemoryFolderStore;

    fn shelf(store: &Arc<InMemory>) -> Shelf {
        let count = AtomicU64::new(1);
        let entropy = Arc::new(move |into: &mut [u8]| {
            let bytes = count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            into.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(slot, byte)| *slot = *byte);
            Ok(())
        });
        Shelf::new(store.clone(), "site", ShelfOptions::new("test"), entropy).unwrap()
    }

    fn write(folder: &mut dyn Folder, name: &str, bytes: &[u8]) {
        folder.open(name).unwrap().write_at(0, &[IoSlice::new(bytes)]).unwrap();
    }

    fn read(folder: &mut dyn Folder, name: &str) -> Vec<u8> {
        let mut file = folder.open_read_only(name).unwrap().unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).unwrap();
        bytes
    }

    /// Three files: empty, small, and longer than a segment.
    fn files() -> Vec<(&'static str, Vec<u8>)> {
        let long = (0..SEGMENT_LEN + 300_000).map(|at| (at * 3 + at / 1013) as u8).collect();
        vec![("data.0", long), ("ferric.mam", b"the cartridge memory".to_vec()), ("mark.0", Vec::new())]
    }

    /// A new cartridge that is taken, with the content of [`files`], which is not committed.
    async fn stored(shelf: &Shelf, folders: &MemoryFolderStore) -> (OwnedCartridge, Content) {
        let mut source = folders.create("source").unwrap();
        files().iter().for_each(|(name, bytes)| write(source.as_mut(), name, bytes));
        shelf.add("V00001L8", Content::default()).await.unwrap();
        let mut owned = shelf.take("V00001L8").await.unwrap();
        let content = owned.store_files(source.as_mut(), &mut |_| {}).await.unwrap();
        (owned, content)
    }

    #[tokio::test]
    async fn files_return_from_the_shelf_as_they_were() {
        let (store, folders) = (Arc::new(InMemory::new()), MemoryFolderStore::default());
        let shelf = shelf(&store);
        let (mut owned, content) = stored(&shelf, &folders).await;
        owned.release(content).await.unwrap();

        let manifest = shelf.newest("V00001L8").await.unwrap().unwrap();
        let mut target = folders.create("target").unwrap();
        write(target.as_mut(), "ferric.mam", &[b'x'; 100]);
        shelf.fetch_files("V00001L8", &manifest.content, target.as_mut(), &mut |_| {}).await.unwrap();
        for (name, bytes) in files() {
            assert!(read(target.as_mut(), name) == bytes, "{name}");
        }
        let verification = shelf.verify("V00001L8", &manifest.content, &mut |_| {}).await.unwrap();
        assert_eq!((verification.segments, verification.damaged), (2, vec![]));
        assert_eq!(verification.bytes, SEGMENT_LEN as u64 + 300_000 + 20);
        let content = &manifest.content;
        for (percent, segments) in [(0, 0), (1, 1), (50, 1), (51, 2), (100, 2)] {
            let sample = shelf.sample(content, percent).unwrap();
            let choose = |segment: &str| sample.contains(segment);
            let verification = shelf.verify_segments("V00001L8", content, choose, &mut |_| {}).await.unwrap();
            assert_eq!((sample.len() as u64, verification.segments), (segments, segments), "{percent} percent");
        }
    }

    #[tokio::test]
    async fn a_damaged_segment_is_named_with_the_parts_of_the_files() {
        let (store, folders) = (Arc::new(InMemory::new()), MemoryFolderStore::default());
        let shelf = shelf(&store);
        let (_owned, content) = stored(&shelf, &folders).await;
        let last = content.files["data.0"].extents[1].clone();
        let key = Path::from(format!("site/{}", CartridgeKeys::new("V00001L8").segment(&last.segment)));
        let mut object = store.get(&key).await.unwrap().bytes().await.unwrap().to_vec();
        object[100] ^= 1;
        store.put(&key, object.into()).await.unwrap();
        let verification = shelf.verify("V00001L8", &content, &mut |_| {}).await.unwrap();
        let [damaged] = verification.damaged.as_slice() else { panic!("{verification:?}") };
        assert!(key.as_ref().ends_with(&damaged.key));
        assert_eq!(damaged.problem, "its BLAKE3 hash differs");
        assert_eq!(
            damaged.parts,
            [("data.0".to_owned(), SEGMENT_LEN as u64, 300_000), ("ferric.mam".to_owned(), 0, 20)]
        );
        let mut target = folders.create("target").unwrap();
        let error = shelf.fetch_files("V00001L8", &content, target.as_mut(), &mut |_| {}).await.unwrap_err();
        assert!(error.to_string().ends_with("chunk 0 is damaged"), "{error}");
        store.delete(&key).await.unwrap();
        assert_eq!(shelf.verify("V00001L8", &content, &mut |_| {}).await.unwrap().damaged[0].problem, "it is missing");
    }
}
