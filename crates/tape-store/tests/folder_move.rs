//! Cartridges that move between a directory and a shelf, with an end of the program at each call of the storage.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tape_store::backend::file::OsFolderStore;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::backend::{Backend, CommitPoint, Folder, FolderStore};
use tape_store::error::StoreError;
use tape_store::folder_move::{files_len, move_from_shelf, move_to_shelf};

const NAME: &str = "A1L8";

type Files = BTreeMap<String, Vec<u8>>;

/// The calls of all stores. From one of them on, all fail: the program has ended.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU64>, Arc<AtomicU64>);

impl Calls {
    fn ending_after(calls: u64) -> Self {
        Self(Arc::default(), Arc::new(AtomicU64::new(calls)))
    }

    fn count(&self) -> io::Result<()> {
        let ended = self.0.fetch_add(1, Ordering::Relaxed) >= self.1.load(Ordering::Relaxed);
        if ended { Err(io::Error::other("the program has ended")) } else { Ok(()) }
    }
}

/// A store whose calls are counted. What a folder of it had at its last commit is kept.
struct Counted<'a> {
    store: &'a dyn FolderStore,
    calls: Calls,
    committed: Arc<Mutex<Option<Files>>>,
}

struct CountedFolder(Box<dyn Folder>, Calls, Arc<Mutex<Option<Files>>>);
struct CountedFile(Box<dyn Backend>, Calls);

impl Counted<'_> {
    fn folder(&self, folder: Box<dyn Folder>) -> Box<dyn Folder> {
        Box::new(CountedFolder(folder, self.calls.clone(), Arc::clone(&self.committed)))
    }
}

impl FolderStore for Counted<'_> {
    fn list(&self) -> io::Result<Vec<String>> {
        self.calls.count().and_then(|()| self.store.list())
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.calls.count().and_then(|()| self.store.open(name)).map(|folder| self.folder(folder))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.calls.count().and_then(|()| self.store.create(name)).map(|folder| self.folder(folder))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.calls.count().and_then(|()| self.store.remove(name))
    }
    fn create_replacement(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.calls.count().and_then(|()| self.store.create_replacement(name)).map(|folder| self.folder(folder))
    }
    fn replace(&self, name: &str) -> io::Result<()> {
        self.calls.count().and_then(|()| self.store.replace(name))
    }
    fn remove_replacement(&self, name: &str) -> io::Result<()> {
        self.calls.count().and_then(|()| self.store.remove_replacement(name))
    }
}

impl Folder for CountedFolder {
    fn lock(&mut self, shared: bool) -> io::Result<()> {
        self.1.count().and_then(|()| self.0.lock(shared))
    }
    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        let file = self.1.count().and_then(|()| self.0.open_read_only(name))?;
        Ok(file.map(|file| Box::new(CountedFile(file, self.1.clone())) as _))
    }
    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        self.1.count().and_then(|()| self.0.reopen())
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.1.count().and_then(|()| self.0.rename(from, to))
    }
    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        let file = self.1.count().and_then(|()| self.0.open(name))?;
        Ok(Box::new(CountedFile(file, self.1.clone())))
    }
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.1.count().and_then(|()| self.0.read(name))
    }
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.1.count().and_then(|()| self.0.replace(name, bytes))
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.1.count().and_then(|()| self.0.remove(name))
    }
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.1.count().and_then(|()| self.0.list())
    }
    fn available(&mut self) -> Option<u64> {
        self.0.available()
    }
    fn commit(&mut self, point: CommitPoint) -> io::Result<()> {
        self.1.count()?;
        assert_eq!(point, CommitPoint::Copy);
        *self.2.lock().unwrap() = Some(content(self.0.as_mut()));
        self.0.commit(point)
    }
}

impl Backend for CountedFile {
    fn len(&mut self) -> io::Result<u64> {
        self.1.count().and_then(|()| self.0.len())
    }
    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.1.count().and_then(|()| self.0.read_at(offset, into))
    }
    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        self.1.count().and_then(|()| self.0.write_at(offset, from))
    }
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.1.count().and_then(|()| self.0.set_len(len))
    }
    fn sync(&mut self) -> io::Result<()> {
        self.1.count().and_then(|()| self.0.sync())
    }
}

/// Name and bytes of all files of a folder.
fn content(folder: &mut dyn Folder) -> Files {
    let names = folder.list().unwrap();
    let file = |name: String| {
        let mut file = folder.open_read_only(&name).unwrap().unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        assert_eq!(file.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).unwrap(), bytes.len());
        (name, bytes)
    };
    names.into_iter().map(file).collect()
}

/// The files in a store; none if the folder is missing.
fn files_in(store: &dyn FolderStore) -> Files {
    store.open(NAME).map_or_else(|_| Files::new(), |mut folder| content(folder.as_mut()))
}

fn put(store: &dyn FolderStore, files: &Files) {
    let mut folder = store.create(NAME).unwrap();
    for (name, bytes) in files {
        folder.open(name).unwrap().write_at(0, &[IoSlice::new(bytes)]).unwrap();
    }
}

fn cartridge() -> Files {
    let data: Vec<u8> = (0..(1 << 20) + 77_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let files = [("ferric.mam", vec![1; 300]), ("data.0", data), ("indx.0", vec![3; 64]), ("empty", Vec::new())];
    files.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

/// The remains of an interrupted copy of [`cartridge`], and another file.
fn former() -> Files {
    [("ferric.mam".to_owned(), vec![1; 100]), ("data.1".to_owned(), vec![8; 9])].into()
}

type Move = fn(&dyn FolderStore, &dyn FolderStore) -> Result<(), StoreError>;

const ARCHIVE: Move = |directory, shelf| move_to_shelf(directory, shelf, NAME, &mut |_| ControlFlow::Continue(()));
const RECALL: Move = |directory, shelf| move_from_shelf(shelf, directory, NAME, &mut |_| ControlFlow::Continue(()));

/// Ends the program after each number of calls. Then the directory has all files or none, and if it has none, the shelf has
/// all: those of its last commit, and the files as they are now. The next attempt completes the move.
fn end_at_each_call(is_archive: bool, former_state: Option<&Files>) -> u64 {
    let (all, run) = (cartridge(), if is_archive { ARCHIVE } else { RECALL });
    for calls in 0.. {
        let home = tempfile::tempdir().unwrap();
        let (directory, shelf) = (OsFolderStore::at(home.path()).unwrap(), MemoryFolderStore::default());
        let (source, target): (&dyn FolderStore, &dyn FolderStore) =
            if is_archive { (&directory, &shelf) } else { (&shelf, &directory) };
        put(source, &all);
        former_state.iter().for_each(|files| put(target, files));
        let on_shelf = if is_archive { former_state.cloned().unwrap_or_default() } else { all.clone() };
        let (ending, committed) = (Calls::ending_after(calls), Arc::new(Mutex::new(Some(on_shelf))));
        let counted = |store, committed| Counted { store, calls: ending.clone(), committed };
        let done = run(&counted(&directory, Arc::default()), &counted(&shelf, Arc::clone(&committed)));
        let left = files_in(&directory);
        for shelved in [files_in(&shelf), committed.lock().unwrap().clone().unwrap()] {
            assert!(left == all || (left.is_empty() && shelved == all), "call {calls}");
        }
        if done.is_err() {
            let again = run(&directory, &shelf);
            // The recall was complete but for the removal on the shelf.
            assert!(again.is_ok() || (!is_archive && left == all) || (is_archive && left.is_empty()), "call {calls}");
        }
        let (source, target) = (files_in(source), files_in(target));
        assert!(target == all, "call {calls}");
        assert!(source.is_empty() || (!is_archive && done.is_err() && left == all), "call {calls}");
        // Otherwise the last calls have failed, which remove leftovers.
        if ending.0.load(Ordering::Relaxed) <= calls {
            done.unwrap();
            assert_eq!(directory.list().unwrap(), if is_archive { vec![] } else { vec![NAME.to_owned()] });
            return calls;
        }
    }
    unreachable!()
}

#[test]
fn another_state_on_the_shelf_is_not_replaced() {
    let home = tempfile::tempdir().unwrap();
    let (directory, shelf) = (OsFolderStore::at(home.path()).unwrap(), MemoryFolderStore::default());
    let other: Files = [("ferric.mam".to_owned(), vec![9; 300]), ("data.0".to_owned(), vec![8; 9])].into();
    put(&directory, &cartridge());
    put(&shelf, &other);
    let problem = "the shelf has another state of it, which only `ferric shelf archive` replaces";
    assert!(
        matches!(ARCHIVE(&directory, &shelf), Err(StoreError::Cartridge { problem: found, .. }) if found == problem)
    );
    assert!(files_in(&directory) == cartridge() && files_in(&shelf) == other);
}

#[test]
fn an_interrupted_move_leaves_one_complete_state() {
    assert!(end_at_each_call(true, None) > 20);
    assert!(end_at_each_call(true, Some(&former())) > 20);
    assert!(end_at_each_call(false, None) > 20);
    // An empty folder of an earlier attempt.
    assert!(end_at_each_call(false, Some(&Files::new())) > 20);
}

#[test]
fn a_stopped_move_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (directory, shelf) = (OsFolderStore::at(home.path()).unwrap(), MemoryFolderStore::default());
    put(&directory, &cartridge());
    let len = files_len(directory.open(NAME).unwrap().as_mut()).unwrap();
    for stop_at in [1, len / 2, len] {
        let mut bytes = 0;
        let mut progress = |more| {
            bytes += more;
            if bytes >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        assert!(matches!(move_to_shelf(&directory, &shelf, NAME, &mut progress), Err(StoreError::Stopped)));
        assert_eq!((files_in(&directory), files_in(&shelf)), (cartridge(), Files::new()));
        assert_eq!(directory.list().unwrap(), [NAME]);
    }
    let (mut bytes, stopped) = (0, AtomicBool::new(false));
    ARCHIVE(&directory, &shelf).unwrap();
    let mut progress = |more| {
        bytes += more;
        stopped.store(true, Ordering::Relaxed);
        ControlFlow::Break(())
    };
    assert!(matches!(move_from_shelf(&shelf, &directory, NAME, &mut progress), Err(StoreError::Stopped)));
    assert!(stopped.load(Ordering::Relaxed) && bytes > 0);
    assert_eq!((files_in(&directory), files_in(&shelf)), (Files::new(), cartridge()));
    assert!(directory.list().unwrap().is_empty());
}

#[test]
fn a_cartridge_in_use_or_in_both_places_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (directory, shelf) = (OsFolderStore::at(home.path()).unwrap(), MemoryFolderStore::default());
    put(&directory, &cartridge());
    let mut used = directory.open(NAME).unwrap();
    used.lock(true).unwrap();
    assert!(matches!(ARCHIVE(&directory, &shelf), Err(StoreError::InUse)));
    drop(used);
    put(&shelf, &former());
    let refused = RECALL(&directory, &shelf).unwrap_err().to_string();
    assert_eq!(refused, "cartridge A1L8: exists in the directory already");
    assert_eq!((files_in(&directory), files_in(&shelf)), (cartridge(), former()));
}
