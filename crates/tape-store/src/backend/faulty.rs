//! A disk that fails, for tests: it counts calls down to an error, and a crash keeps what was synchronised and any
//! subset, torn or whole, of what was not.

use super::{Backend, Folder};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::SetLen(len) => image.resize(*len, 0),
        Change::Write { at, bytes } => {
            let end = at + bytes.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            if let Some(slot) = image.get_mut(*at..end) {
                slot.copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Debug, Default)]
struct FileState {
    durable: Vec<u8>,
    since: Vec<Change>,
    live: Vec<u8>,
}

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<String, FileState>,
    calls: u64,
    fails_at: Option<u64>,
    error: Option<io::ErrorKind>,
    available: Option<u64>,
    bytes_read: u64,
}

/// A folder on a disk that fails.
#[derive(Clone, Debug, Default)]
pub struct FaultyFolder(Arc<Mutex<Disk>>);

impl FaultyFolder {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls that change or synchronise something, so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.disk().calls
    }

    /// The bytes of a file, as a reader sees them.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.disk().files.get(name).map(|file| file.live.clone()).unwrap_or_default()
    }

    /// Bytes that were read, so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.disk().bytes_read
    }

    /// So many bytes can still be written.
    pub fn set_available(&self, bytes: u64) {
        self.disk().available = Some(bytes);
    }

    /// From call number `at` on, such calls fail with this error.
    pub fn fail_at(&self, at: Option<u64>, error: io::ErrorKind) {
        let mut disk = self.disk();
        (disk.fails_at, disk.error) = (at, Some(error));
    }

    /// The folder after a loss of power. For each change that was not synchronised, `choose(len)` says how many of its
    /// bytes reached the disk; a change of length counts as one byte.
    #[must_use]
    pub fn crash(&self, mut choose: impl FnMut(usize) -> usize) -> Self {
        let disk = self.disk();
        let mut after = Disk::default();
        for (name, file) in &disk.files {
            let mut image = file.durable.clone();
            for change in &file.since {
                match change {
                    Change::SetLen(_) if choose(1) == 0 => {}
                    Change::SetLen(_) => apply(&mut image, change),
                    Change::Write { at, bytes } => {
                        let kept = bytes.get(..choose(bytes.len()).min(bytes.len())).unwrap_or_default().to_vec();
                        if !kept.is_empty() {
                            apply(&mut image, &Change::Write { at: *at, bytes: kept });
                        }
                    }
                }
            }
            after.files.insert(name.clone(), FileState { durable: image.clone(), since: Vec::new(), live: image });
        }
        Self(Arc::new(Mutex::new(after)))
    }

    fn change(&self, name: &str, change: Option<Change>) -> io::Result<()> {
        let mut disk = self.disk();
        disk.calls += 1;
        if disk.fails_at.is_some_and(|at| disk.calls > at) {
            return Err(disk.error.unwrap_or(io::ErrorKind::Other).into());
        }
        let file = disk.files.entry(name.into()).or_default();
        match change {
            Some(change) => {
                apply(&mut file.live, &change);
                file.since.push(change);
            }
            None => {
                file.durable.clone_from(&file.live);
                file.since.clear();
            }
        }
        Ok(())
    }
}

struct FaultyFile {
    name: String,
    folder: FaultyFolder,
}

fn usize_of(value: u64) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

impl Backend for FaultyFile {
    fn len(&mut self) -> io::Result<u64> {
        Ok(self.folder.disk().files.get(&self.name).map_or(0, |file| file.live.len() as u64))
    }

    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut disk = self.folder.disk();
        disk.bytes_read += into.iter().map(|slice| slice.len() as u64).sum::<u64>();
        let Some(file) = disk.files.get(&self.name) else { return Ok(0) };
        let mut live = super::memory::MemoryFile::new(file.live.get(usize_of(offset)?..).unwrap_or_default().to_vec());
        live.read_at(0, into)
    }

    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes = from.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.folder.change(&self.name, Some(Change::Write { at: usize_of(offset)?, bytes }))
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.folder.change(&self.name, Some(Change::SetLen(usize_of(len)?)))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.folder.change(&self.name, None)
    }
}

impl Folder for FaultyFolder {
    fn lock(&mut self, _shared: bool) -> io::Result<()> {
        Ok(())
    }

    fn view(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        if self.disk().files.contains_key(name) { Ok(Some(self.open(name)?)) } else { Ok(None) }
    }

    fn again(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(Box::new(self.clone()))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.change(from, None)?;
        let mut disk = self.disk();
        let file = disk.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.files.insert(to.into(), file);
        Ok(())
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        self.disk().files.entry(name.into()).or_default();
        Ok(Box::new(FaultyFile { name: name.into(), folder: self.clone() }))
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.disk().files.get(name).map(|file| file.live.clone()))
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(name, None)?;
        let whole = FileState { durable: bytes.to_vec(), since: Vec::new(), live: bytes.to_vec() };
        self.disk().files.insert(name.into(), whole);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.disk().files.remove(name);
        Ok(())
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.disk().files.keys().cloned().collect())
    }

    fn available(&mut self) -> Option<u64> {
        self.disk().available
    }
}
