//! Moves the files of a cartridge between a directory and a shelf, so that after an interruption one complete state of the
//! cartridge is found: that of the directory if its folder has files, otherwise that of the shelf.

use crate::backend::{Backend, CommitPoint, Folder, FolderProtection, FolderStore};
use crate::cartridge_memory::{self, is_tape_file};
use crate::error::StoreError;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::ControlFlow;

/// Bytes that are copied between two calls of the progress.
const PIECE: usize = 1 << 20;

/// Length of all files of a folder in bytes.
///
/// # Errors
/// [`StoreError::Io`] if the storage fails.
pub fn files_len(folder: &mut dyn Folder) -> Result<u64, StoreError> {
    list(folder)?.iter().try_fold(0, |sum, name| {
        let len = folder.open_read_only(name).and_then(|file| file.map_or(Ok(0), |mut file| file.len()));
        Ok(sum + len.map_err(StoreError::io(format!("getting the length of {name}")))?)
    })
}

/// Moves the cartridge `name` from a directory to a shelf. What the shelf has of the cartridge is replaced. The files of the
/// directory are removed in one step, after the shelf has made the copy durable. `progress` receives the number of bytes of each
/// piece that is copied, and can stop the copy.
///
/// # Errors
/// [`StoreError::InUse`] if another program or daemon uses the cartridge; [`StoreError::Cartridge`] if the shelf has another state
/// of it; [`StoreError::Stopped`] if `progress` has stopped the copy; [`StoreError::TakenOver`] if another daemon has the cartridge
/// of the shelf now; or [`StoreError::Io`] if the storage
/// fails. Then the directory has the cartridge, unless the error says that old files remain.
pub fn move_to_shelf(
    directory: &dyn FolderStore,
    shelf: &dyn FolderStore,
    name: &str,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut from = open(directory, name)?;
    from.lock(false).map_err(StoreError::lock)?;
    let created = match shelf.create(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => shelf.open(name),
        created => created,
    };
    let mut to = created.map_err(StoreError::io("creating the cartridge on the shelf"))?;
    to.lock(false).map_err(StoreError::lock)?;
    check_same(from.as_mut(), to.as_mut(), name)?;
    let copied = remove_files(to.as_mut())
        .and_then(|()| copy_files(from.as_mut(), to.as_mut(), progress))
        .and_then(|()| directory.create_replacement(name).map(drop).map_err(StoreError::io("preparing the removal")));
    if let Err(error) = copied {
        // If this fails, too, what the shelf has is ignored, and removed at the next attempt.
        let _ = empty(to.as_mut());
        return Err(error);
    }
    // The folder is exchanged for an empty one: it never has a part of the files.
    let replaced = directory.replace(name).map_err(StoreError::io("removing the files of the directory"));
    if replaced.is_err() && has_files(directory, name)? {
        let _ = empty(to.as_mut());
        let _ = directory.remove_replacement(name);
        return replaced;
    }
    // An empty folder is no cartridge.
    let _ = directory.remove(name);
    replaced
}

/// Moves the cartridge `name` from a shelf to a directory. Its folder gets all files in one step, after they were made durable;
/// then the files of the shelf are removed. `progress` receives the number of bytes of each piece that is copied, and can stop
/// the copy.
///
/// # Errors
/// As [`move_to_shelf`]; or [`StoreError::Cartridge`] if the directory has the cartridge; or [`StoreError::Protected`] if the store
/// of the shelf would not remove the files, because it enforces a retention or a legal hold. The shelf has the cartridge then,
/// unless the removal there has failed: then the directory has it, and the shelf its former state.
pub fn move_from_shelf(
    shelf: &dyn FolderStore,
    directory: &dyn FolderStore,
    name: &str,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut from = open(shelf, name)?;
    from.lock(false).map_err(StoreError::lock)?;
    let protection = from.protection().map_err(StoreError::io("reading the retention of the cartridge"))?;
    if let Some(FolderProtection { reason, .. }) = protection.filter(|protection| protection.in_store) {
        return Err(StoreError::Protected { reason });
    }
    prepare_folder(directory, name)?;
    let created = directory.create_replacement(name).map_err(StoreError::io("creating the folder of the cartridge"));
    let replaced = created
        .and_then(|mut to| copy_files(from.as_mut(), to.as_mut(), progress))
        .and_then(|()| directory.replace(name).map_err(StoreError::io("adding the folder of the cartridge")));
    if replaced.is_err() && !has_files(directory, name)? {
        let _ = directory.remove_replacement(name);
        let _ = directory.remove(name);
        return replaced;
    }
    let emptied = empty(from.as_mut());
    if let Err(StoreError::TakenOver { .. }) = &emptied {
        // The copy is that of before: the other daemon may have written since. Nothing has used it.
        let _ = directory.remove(name);
    }
    emptied.and(replaced)
}

/// Refuses to replace a cartridge by another one of the same barcode, or by an older state of it. Each use of a cartridge changes
/// its cartridge memory.
fn check_same(from: &mut dyn Folder, to: &mut dyn Folder, barcode: &str) -> Result<(), StoreError> {
    for name in cartridge_memory::NAMES {
        let failed = || StoreError::io(format!("reading {name}"));
        let Some(present) = to.read(name).map_err(failed())? else { continue };
        let same = from.read(name).map_err(failed())?;
        // An interrupted copy may have a part of it.
        if same.is_none_or(|same| !same.starts_with(&present)) {
            let problem = "the shelf has another state of it, which only `ferric shelf archive` replaces";
            return Err(StoreError::Cartridge { barcode: barcode.into(), problem });
        }
    }
    Ok(())
}

fn open(store: &dyn FolderStore, name: &str) -> Result<Box<dyn Folder>, StoreError> {
    store.open(name).map_err(StoreError::io("opening the cartridge"))
}

fn list(folder: &mut dyn Folder) -> Result<Vec<String>, StoreError> {
    folder.list().map_err(StoreError::io("listing a cartridge's files"))
}

/// Ensures that a directory has an empty folder, which a complete one can replace.
fn prepare_folder(directory: &dyn FolderStore, name: &str) -> Result<(), StoreError> {
    match directory.create(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if has_files(directory, name)? {
                return Err(StoreError::Cartridge { barcode: name.into(), problem: "exists in the directory already" });
            }
            Ok(())
        }
        created => created.map(drop).map_err(StoreError::io("creating the folder of the cartridge")),
    }
}

fn has_files(store: &dyn FolderStore, name: &str) -> Result<bool, StoreError> {
    Ok(!list(open(store, name)?.as_mut())?.is_empty())
}

/// Copies all files into an empty folder, and makes them durable there, also beyond this machine if the store promises that. The
/// files of the tape are first: a folder with a part of the files has no cartridge memory.
fn copy_files(
    from: &mut dyn Folder,
    to: &mut dyn Folder,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut names = list(from)?;
    names.sort_by_key(|name| (!is_tape_file(name), name.clone()));
    let mut piece = vec![0; PIECE];
    for name in names {
        let failed = || StoreError::io(format!("copying {name}"));
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let mut source = from.open_read_only(&name).and_then(|file| file.ok_or_else(missing)).map_err(failed())?;
        let mut target = to.open(&name).map_err(failed())?;
        if copy_file(source.as_mut(), target.as_mut(), &mut piece, progress).map_err(failed())?.is_break() {
            return Err(StoreError::Stopped);
        }
    }
    to.commit(CommitPoint::Copy).map_err(StoreError::io("committing the copy"))
}

fn copy_file(
    from: &mut dyn Backend,
    to: &mut dyn Backend,
    piece: &mut [u8],
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let (len, mut at) = (from.len()?, 0);
    while at < len {
        let got = from.read_at(at, &mut [IoSliceMut::new(piece)])?;
        let Some(bytes) = piece.get(..got).filter(|bytes| !bytes.is_empty()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        to.write_at(at, &[IoSlice::new(bytes)])?;
        at += got as u64;
        if progress(got as u64).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    to.sync().map(ControlFlow::Continue)
}

fn remove_files(folder: &mut dyn Folder) -> Result<(), StoreError> {
    for name in list(folder)? {
        folder.remove(&name).map_err(StoreError::io(format!("removing {name}")))?;
    }
    Ok(())
}

/// Removes all files of a folder, durably, also beyond this machine if the store promises that.
fn empty(folder: &mut dyn Folder) -> Result<(), StoreError> {
    remove_files(folder)?;
    folder.commit(CommitPoint::Copy).map_err(StoreError::io("committing the removal"))
}
