//! A cartridge whose store must thaw objects before it is loaded, for tests of drives.

use crate::backend::{Backend, BeingThawed, Folder, ThawProgress, Thawing};
use crate::cartridge::{CartridgeFacts, MamSave, MediumSource, OpenMode};
use crate::error::StoreError;
use crate::mam::Mam;
use crate::medium::Medium;
use crate::three_file::Recovery;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state of a store with frozen objects, which a test sets.
#[derive(Clone, Debug, Default)]
pub struct FrozenState {
    /// Whether a load must wait for the thawing.
    pub is_frozen: bool,
    /// Whether the cartridge memory cannot be read while this is so.
    pub is_mam_frozen: bool,
    /// Whether the next look before a load does not find that it must wait: the load meets that.
    pub is_unnoticed: bool,
    /// The objects that can be read.
    pub progress: ThawProgress,
    /// The error with which the thawing ends, if `is_frozen` is false.
    pub error: Option<io::ErrorKind>,
    /// Offset in the file of the data of each partition from which on bytes are being thawed when they are read; none if `None`.
    pub frozen_data: Option<u64>,
    /// Number of thawings that were begun.
    pub begun: usize,
    /// Number of thawings that nothing waits for any longer.
    pub dropped: usize,
}

/// A store with frozen objects; clones share it.
#[derive(Clone, Debug, Default)]
pub struct FrozenStore(Arc<Mutex<FrozenState>>);

impl FrozenStore {
    /// The state, for reading and changing.
    pub fn state(&self) -> MutexGuard<'_, FrozenState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers of the thawings that were begun, and of the thawings that nothing waits for any longer.
    #[must_use]
    pub fn thawings(&self) -> (usize, usize) {
        let state = self.state();
        (state.begun, state.dropped)
    }

    /// The tape and the cartridge memory of `source` in this store.
    #[must_use]
    pub fn source(&self, source: Box<dyn MediumSource>) -> Box<dyn MediumSource> {
        Box::new(FrozenSource { source, store: self.clone() })
    }

    /// A folder in this store.
    #[must_use]
    pub fn folder(&self, folder: Box<dyn Folder>) -> Box<dyn Folder> {
        Box::new(FrozenFolder { folder, store: self.clone() })
    }

    fn check(&self, is_mam: bool) -> Result<(), StoreError> {
        let state = self.state();
        if state.is_frozen && (!is_mam || state.is_mam_frozen) {
            return Err(StoreError::BeingThawed(state.progress));
        }
        Ok(())
    }
}

struct FrozenSource {
    source: Box<dyn MediumSource>,
    store: FrozenStore,
}

struct FrozenThawing(FrozenStore);

impl Drop for FrozenThawing {
    fn drop(&mut self) {
        self.0.state().dropped += 1;
    }
}

impl Thawing for FrozenThawing {
    fn is_needed(&mut self) -> bool {
        let mut state = self.0.state();
        state.is_frozen && !std::mem::take(&mut state.is_unnoticed)
    }

    fn progress(&self) -> ThawProgress {
        self.0.state().progress
    }

    fn end(&mut self) -> Option<io::Result<()>> {
        let state = self.0.state();
        (!state.is_frozen).then(|| state.error.map_or(Ok(()), |error| Err(error.into())))
    }
}

impl MediumSource for FrozenSource {
    fn open(&mut self, facts: &mut CartridgeFacts, mode: OpenMode) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        self.store.check(false)?;
        self.source.open(facts, mode)
    }

    fn mam(&mut self, facts: &mut CartridgeFacts) -> Result<Mam, StoreError> {
        self.store.check(true)?;
        self.source.mam(facts)
    }

    fn save_mam(&mut self, mam: &Mam, save: MamSave) -> Result<(), StoreError> {
        self.source.save_mam(mam, save)
    }

    fn thaw(&mut self) -> Option<Box<dyn Thawing>> {
        self.store.state().begun += 1;
        Some(Box::new(FrozenThawing(self.store.clone())))
    }
}

struct FrozenFolder {
    folder: Box<dyn Folder>,
    store: FrozenStore,
}

impl FrozenFolder {
    fn file(&self, name: &str, file: Box<dyn Backend>) -> Box<dyn Backend> {
        let store = self.store.clone();
        if name.starts_with("data.") { Box::new(FrozenFile { file, store }) } else { file }
    }
}

impl Folder for FrozenFolder {
    fn lock(&mut self, shared: bool) -> io::Result<()> {
        self.folder.lock(shared)
    }

    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        Ok(self.folder.open_read_only(name)?.map(|file| self.file(name, file)))
    }

    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(self.store.folder(self.folder.reopen()?))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        let file = self.folder.open(name)?;
        Ok(self.file(name, file))
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.folder.read(name)
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.folder.replace(name, bytes)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn available(&mut self) -> Option<u64> {
        self.folder.available()
    }
}

struct FrozenFile {
    file: Box<dyn Backend>,
    store: FrozenStore,
}

impl Backend for FrozenFile {
    fn len(&mut self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let end = offset + into.iter().map(|slice| slice.len() as u64).sum::<u64>();
        let state = self.store.state();
        if state.frozen_data.is_some_and(|from| end > from) {
            return Err(BeingThawed(state.progress).into());
        }
        drop(state);
        self.file.read_at(offset, into)
    }

    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        self.file.write_at(offset, from)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}
