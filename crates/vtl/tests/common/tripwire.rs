//! A panic at a step that a test counts down to: a log line, or a call of the storage.

use std::io::{self, IoSlice, IoSliceMut};
use std::sync::atomic::{AtomicI64, Ordering};
use tape_store::backend::{Backend, Folder, FolderStore};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Steps until the panic; negative if there is none.
static STEPS: AtomicI64 = AtomicI64::new(-1);

/// Makes the step after `steps` others panic once.
pub(crate) fn panic_after(steps: i64) {
    STEPS.store(steps, Ordering::SeqCst);
}

/// Cancels the panic. Returns whether it has occurred.
pub(crate) fn disarm_panic() -> bool {
    STEPS.swap(-1, Ordering::SeqCst) < 0
}

fn step() {
    let due = STEPS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |steps| (steps >= 0).then_some(steps - 1));
    // Values are dropped while a panic unwinds: another panic would abort the process.
    assert!(due != Ok(0) || std::thread::panicking(), "the panic that the test wants");
}

/// A log in which every line, at any level, is a step.
pub(crate) struct Log;

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        step();
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Storage in which each call is two steps, before and after it.
pub(crate) struct Tripwire<T: ?Sized>(pub(crate) Box<T>);

impl<T: ?Sized> Tripwire<T> {
    fn call_shared<R>(&self, call: impl FnOnce(&T) -> R) -> R {
        step();
        let done = call(&self.0);
        step();
        done
    }

    fn call<R>(&mut self, call: impl FnOnce(&mut T) -> R) -> R {
        step();
        let done = call(&mut self.0);
        step();
        done
    }
}

impl Backend for Tripwire<dyn Backend> {
    fn len(&mut self) -> io::Result<u64> {
        self.call(|file| file.len())
    }
    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.call(|file| file.read_at(offset, into))
    }
    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        self.call(|file| file.write_at(offset, from))
    }
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.call(|file| file.set_len(len))
    }
    fn sync(&mut self) -> io::Result<()> {
        self.call(|file| file.sync())
    }
}

fn file(file: Box<dyn Backend>) -> Box<dyn Backend> {
    Box::new(Tripwire(file))
}

pub(crate) fn folder(folder: Box<dyn Folder>) -> Box<dyn Folder> {
    Box::new(Tripwire(folder))
}

impl Folder for Tripwire<dyn Folder> {
    fn lock(&mut self, shared: bool) -> io::Result<()> {
        self.call(|folder| folder.lock(shared))
    }
    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        Ok(self.call(|folder| folder.open_read_only(name))?.map(file))
    }
    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        self.call(|again| again.reopen()).map(folder)
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.call(|folder| folder.rename(from, to))
    }
    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        self.call(|folder| folder.open(name)).map(file)
    }
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.call(|folder| folder.read(name))
    }
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.call(|folder| folder.replace(name, bytes))
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.call(|folder| folder.remove(name))
    }
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.call(|folder| folder.list())
    }
    fn available(&mut self) -> Option<u64> {
        self.call(|folder| folder.available())
    }
}

impl FolderStore for Tripwire<dyn FolderStore> {
    fn list(&self) -> io::Result<Vec<String>> {
        self.call_shared(|shelves| shelves.list())
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.call_shared(|shelves| shelves.open(name)).map(folder)
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.call_shared(|shelves| shelves.create(name)).map(folder)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.call_shared(|shelves| shelves.remove(name))
    }
}
