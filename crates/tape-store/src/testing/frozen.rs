//! A cartridge whose store must thaw objects before it is loaded, for tests of drives.

use crate::backend::{ThawProgress, Thawing};
use crate::cartridge::{CartridgeFacts, MamSave, MediumSource, OpenMode};
use crate::error::StoreError;
use crate::mam::Mam;
use crate::medium::Medium;
use crate::three_file::Recovery;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state of a store with frozen objects, which a test sets.
#[derive(Clone, Debug, Default)]
pub struct FrozenState {
    /// Whether a load must wait for the thawing.
    pub is_frozen: bool,
    /// Whether the cartridge memory cannot be read while this is so.
    pub is_mam_frozen: bool,
    /// The objects that can be read.
    pub progress: ThawProgress,
    /// The error with which the thawing ends, if `is_frozen` is false.
    pub error: Option<io::ErrorKind>,
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

    fn check(&self, is_mam: bool) -> Result<(), StoreError> {
        let state = self.state();
        if state.is_frozen && (!is_mam || state.is_mam_frozen) {
            let source = Arc::new(io::Error::other("it must be thawed first"));
            return Err(StoreError::Io { operation: "reading".into(), source });
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
        self.0.state().is_frozen
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
