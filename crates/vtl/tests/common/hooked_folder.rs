//! A folder in memory that calls a function before each write to its files.

use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use tape_store::backend::memory::MemoryFolder;
use tape_store::backend::{Backend, Folder};

/// The function that is called.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// A folder, or a file of it, with its hook.
pub(crate) struct Hooked<T: ?Sized>(Box<T>, Hook);

/// An empty folder with this hook.
pub(crate) fn folder(hook: Hook) -> Box<dyn Folder> {
    Box::new(Hooked(Box::<MemoryFolder>::default() as Box<dyn Folder>, hook))
}

impl Backend for Hooked<dyn Backend> {
    fn len(&mut self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }
    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        (self.1)();
        self.0.write_at(offset, from)
    }
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        (self.1)();
        self.0.set_len(len)
    }
    fn sync(&mut self) -> io::Result<()> {
        (self.1)();
        self.0.sync()
    }
}

impl Folder for Hooked<dyn Folder> {
    fn lock(&mut self, shared: bool) -> io::Result<()> {
        self.0.lock(shared)
    }
    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        let file = self.0.open_read_only(name)?;
        Ok(file.map(|file| Box::new(Hooked(file, Arc::clone(&self.1))) as Box<dyn Backend>))
    }
    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(Box::new(Self(self.0.reopen()?, Arc::clone(&self.1))))
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        (self.1)();
        self.0.rename(from, to)
    }
    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        Ok(Box::new(Hooked(self.0.open(name)?, Arc::clone(&self.1))))
    }
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.read(name)
    }
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        (self.1)();
        self.0.replace(name, bytes)
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        (self.1)();
        self.0.remove(name)
    }
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn available(&mut self) -> Option<u64> {
        self.0.available()
    }
}
