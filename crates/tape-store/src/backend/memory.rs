//! Files in memory, shared by all handles: for tests, and for libraries that need no durability.

use super::{Backend, Folder, FolderStore};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Bytes = Arc<Mutex<Vec<u8>>>;
type Files = Arc<Mutex<BTreeMap<String, Bytes>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One file in memory, shared by its handles.
#[derive(Clone, Debug, Default)]
pub struct MemoryFile(Bytes);

impl MemoryFile {
    /// A file with this content.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(bytes)))
    }

    /// A copy of the file's content.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        lock(&self.0).clone()
    }
}

fn usize_of(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

impl Backend for MemoryFile {
    fn len(&mut self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }

    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let bytes = lock(&self.0);
        let mut rest = bytes.get(usize_of(offset)?..).unwrap_or_default();
        let mut done = 0;
        for slice in into {
            let take = slice.len().min(rest.len());
            let (now, later) = rest.split_at(take);
            if let Some(slot) = slice.get_mut(..take) {
                slot.copy_from_slice(now);
            }
            rest = later;
            done += take;
        }
        Ok(done)
    }

    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        let mut bytes = lock(&self.0);
        let mut at = usize_of(offset)?;
        for slice in from {
            let end = at + slice.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if let Some(slot) = bytes.get_mut(at..end) {
                slot.copy_from_slice(slice);
            }
            at = end;
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        lock(&self.0).resize(usize_of(len)?, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One folder in memory, shared by its clones.
#[derive(Clone, Debug, Default)]
pub struct MemoryFolder {
    files: Files,
}

impl Folder for MemoryFolder {
    fn lock(&mut self, _shared: bool) -> io::Result<()> {
        Ok(())
    }

    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        Ok(lock(&self.files).get(name).map(|bytes| Box::new(MemoryFile(Arc::clone(bytes))) as _))
    }

    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(Box::new(self.clone()))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut files = lock(&self.files);
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.into(), file);
        Ok(())
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        Ok(Box::new(MemoryFile(lock(&self.files).entry(name.into()).or_default().clone())))
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(lock(&self.files).get(name).map(|bytes| lock(bytes).clone()))
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        lock(&self.files).insert(name.into(), MemoryFile::new(bytes.to_vec()).0);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        lock(&self.files).remove(name);
        Ok(())
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(lock(&self.files).keys().cloned().collect())
    }

    fn available(&mut self) -> Option<u64> {
        None
    }
}

/// A store of folders in memory, shared by its clones.
#[derive(Clone, Debug, Default)]
pub struct MemoryFolderStore {
    folders_by_name: Arc<Mutex<BTreeMap<String, MemoryFolder>>>,
    replacements: Arc<Mutex<BTreeMap<String, MemoryFolder>>>,
}

impl FolderStore for MemoryFolderStore {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.folders_by_name).keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let folder = lock(&self.folders_by_name).get(name).cloned();
        folder.map(|folder| Box::new(folder) as _).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let mut folders = lock(&self.folders_by_name);
        if folders.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let folder = MemoryFolder::default();
        folders.insert(name.into(), folder.clone());
        Ok(Box::new(folder))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.folders_by_name).remove(name);
        Ok(())
    }

    fn create_replacement(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let folder = MemoryFolder::default();
        lock(&self.replacements).insert(name.into(), folder.clone());
        Ok(Box::new(folder))
    }

    fn replace(&self, name: &str) -> io::Result<()> {
        let new = lock(&self.replacements).remove(name).ok_or(io::ErrorKind::NotFound)?;
        let folders = lock(&self.folders_by_name);
        let old = folders.get(name).ok_or(io::ErrorKind::NotFound)?;
        // Not the folder itself: a cartridge in an element has opened it.
        let files = std::mem::take(&mut *lock(&new.files));
        *lock(&old.files) = files;
        Ok(())
    }

    fn remove_replacement(&self, name: &str) -> io::Result<()> {
        lock(&self.replacements).remove(name);
        Ok(())
    }
}
