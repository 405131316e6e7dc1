//! A state of a cartridge that may be old, because a shelf that may have a newer one does not respond.

use std::io;
use tape_store::backend::{Backend, Folder, FolderProtection, Thawing};

/// A folder that is only read, so that nothing is written to an old state.
pub(crate) struct FormerState(Box<dyn Folder>);

impl FormerState {
    pub(crate) const fn new(folder: Box<dyn Folder>) -> Self {
        Self(folder)
    }
}

fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Folder for FormerState {
    fn lock(&mut self, _shared: bool) -> io::Result<()> {
        // An exclusive lock would create states on the shelf.
        self.0.lock(true)
    }

    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        self.0.open_read_only(name)
    }

    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(Box::new(Self(self.0.reopen()?)))
    }

    fn rename(&mut self, _from: &str, _to: &str) -> io::Result<()> {
        read_only()
    }

    fn open(&mut self, _name: &str) -> io::Result<Box<dyn Backend>> {
        read_only()
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.read(name)
    }

    fn replace(&mut self, _name: &str, _bytes: &[u8]) -> io::Result<()> {
        read_only()
    }

    fn remove(&mut self, _name: &str) -> io::Result<()> {
        read_only()
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn available(&mut self) -> Option<u64> {
        self.0.available()
    }

    fn may_wait(&self) -> bool {
        self.0.may_wait()
    }

    fn thaw(&mut self) -> Option<Box<dyn Thawing>> {
        self.0.thaw()
    }

    fn protection(&mut self) -> io::Result<Option<FolderProtection>> {
        read_only()
    }

    fn is_read_only(&self) -> bool {
        true
    }
}
