//! The folder of a cartridge on a shelf, and the files of a taken one.

use super::recent::Seen;
use super::slot::{Slot, Use};
use super::snapshot::SnapshotFile;
use super::{Access, Unload};
use crate::ShelfError;
use crate::replica::Newest;
use rustix::fs::Advice;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use tape_store::backend::{Backend, CommitPoint, Folder, FolderProtection, MAX_SMALL_FILE, Thawing};

/// The folder of one cartridge: taken, or as the newest manifest shows it.
pub(crate) struct ShelfFolder {
    access: Access,
    barcode: String,
    view: View,
    /// The slot that this folder has locked.
    locked: Option<Arc<Slot>>,
}

enum View {
    Taken(Arc<Use>),
    Newest(Arc<Seen>),
    /// The shelf does not respond: the state that its replica has, with the access to the replica. It is only read.
    Replica(Box<Access>, Arc<Seen>),
}

impl ShelfFolder {
    /// The folder of a cartridge. If this process uses the cartridge, it shows the files of the process.
    pub(crate) fn open(access: Access, barcode: &str) -> io::Result<Self> {
        let recent = Arc::clone(&access.recent);
        let look = recent.look(barcode);
        let view = match access.in_use(barcode) {
            Some(taken) => View::Taken(taken),
            // A manifest without files is what a removed cartridge has left.
            None => match access.newest(&look, barcode)? {
                Some((seen, shelf)) if !seen.manifest().content.files.is_empty() => match shelf {
                    None => View::Newest(seen),
                    Some(shelf) => View::Replica(Box::new(access.replica(shelf)), seen),
                },
                _ => return Err(io::ErrorKind::NotFound.into()),
            },
        };
        Ok(Self { access, barcode: barcode.to_owned(), view, locked: None })
    }

    /// The folder of a cartridge that is taken.
    pub(crate) fn taken(access: Access, barcode: &str) -> io::Result<Self> {
        let view = View::Taken(access.acquire(barcode)?);
        Ok(Self { access, barcode: barcode.to_owned(), view, locked: None })
    }

    /// The cartridge for a change: it is taken, if it is not, until this folder is dropped or the use returned here ends.
    fn for_change(&self) -> io::Result<Arc<Use>> {
        match &self.view {
            View::Taken(taken) => Ok(Arc::clone(taken)),
            View::Newest(_) => self.access.acquire(&self.barcode),
            View::Replica(..) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    /// The state that the replica has, if the cartridge cannot be taken with this error because the shelf does not respond.
    fn replica_view(&self, error: &io::Error) -> Option<View> {
        let View::Newest(_) = self.view else { return None };
        error.get_ref()?.downcast_ref::<ShelfError>()?;
        self.access.shelf.mark_away(&self.barcode, error);
        let found = self.access.runtime.block_on(self.access.shelf.newest_either(&self.barcode));
        let Ok(Newest::Replica(shelf, found)) = found else { return None };
        let has_files = !found.manifest.content.files.is_empty();
        let access = Box::new(self.access.replica(*shelf));
        has_files.then(|| View::Replica(access, Arc::new(Seen::new(found))))
    }

    /// The cartridge that this process uses, if it does now.
    fn current(&self) -> Option<Arc<Use>> {
        match &self.view {
            View::Taken(taken) => Some(Arc::clone(taken)),
            View::Newest(_) => self.access.in_use(&self.barcode),
            View::Replica(..) => None,
        }
    }
}

impl Drop for ShelfFolder {
    fn drop(&mut self) {
        if let Some(slot) = self.locked.take() {
            slot.unlock();
        }
    }
}

impl Folder for ShelfFolder {
    fn lock(&mut self, shared: bool) -> io::Result<()> {
        let slot = self.access.slot(&self.barcode);
        if self.locked.is_some() {
            return Ok(());
        }
        if shared {
            // A reader sees one state of the cartridge, whatever a writer does.
            return if slot.is_locked() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) };
        }
        let taken = match self.for_change() {
            Ok(taken) => taken,
            Err(error) => {
                self.view = self.replica_view(&error).ok_or(error)?;
                return Ok(());
            }
        };
        if !slot.try_lock() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.locked = Some(slot);
        self.view = View::Taken(taken);
        Ok(())
    }

    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        if let Some(taken) = self.current() {
            let exists = taken.cartridge.has(name);
            return Ok(exists.then(|| Box::new(TakenFile { taken, name: name.to_owned() }) as _));
        }
        let (access, seen) = match &self.view {
            View::Taken(_) => return Ok(None),
            View::Newest(seen) => (&self.access, seen),
            View::Replica(access, seen) => (access.as_ref(), seen),
        };
        let file = SnapshotFile::open(access, seen, name);
        Ok(file.map(|file| Box::new(file) as _))
    }

    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        let view = match &self.view {
            View::Taken(taken) => View::Taken(Arc::clone(taken)),
            View::Newest(seen) => View::Newest(Arc::clone(seen)),
            View::Replica(access, seen) => View::Replica(access.clone(), Arc::clone(seen)),
        };
        Ok(Box::new(Self { access: self.access.clone(), barcode: self.barcode.clone(), view, locked: None }))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.for_change()?.cartridge.rename(from, to)
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        let taken = self.for_change()?;
        taken.cartridge.create(name)?;
        Ok(Box::new(TakenFile { taken, name: name.to_owned() }))
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open_read_only(name)? else { return Ok(None) };
        let len = file.len()?;
        if len > MAX_SMALL_FILE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} is longer than 1 MiB")));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let got = file.read_at(0, &mut [IoSliceMut::new(&mut bytes)])?;
        bytes.truncate(got);
        Ok(Some(bytes))
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.for_change()?.cartridge.replace(name, bytes)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.for_change()?.cartridge.remove(name)
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        if let Some(taken) = self.current() {
            return Ok(taken.cartridge.names());
        }
        Ok(match &self.view {
            View::Newest(seen) | View::Replica(_, seen) => seen.manifest().content.files.keys().cloned().collect(),
            View::Taken(_) => Vec::new(),
        })
    }

    fn available(&mut self) -> Option<u64> {
        let free = self.access.shared.free_disk_bytes()?;
        let removable = if let View::Taken(taken) = &self.view { taken.cartridge.removable_bytes() } else { 0 };
        Some(free.saturating_add(removable))
    }

    fn commit(&mut self, point: CommitPoint) -> io::Result<()> {
        let View::Taken(taken) = &self.view else { return Ok(()) };
        match point {
            CommitPoint::Unload => taken.commit_unload(self.access.shared.setup.unload),
            CommitPoint::Copy | CommitPoint::Protection => taken.commit_unload(Unload::Wait),
            _ => taken.cartridge.synchronised(),
        }
    }

    fn may_wait(&self) -> bool {
        true
    }

    fn append_may_wait(&self) -> bool {
        match &self.view {
            View::Taken(taken) => taken.cartridge.append_may_wait(),
            View::Newest(_) | View::Replica(..) => true,
        }
    }

    fn thaw(&mut self) -> Option<Box<dyn Thawing>> {
        let (shelf, segments) = match &self.view {
            View::Taken(taken) => (&self.access.shelf, taken.cartridge.missing_segments()),
            View::Newest(seen) => (&self.access.shelf, self.access.missing_segments(seen.manifest())),
            View::Replica(access, seen) => (&access.shelf, seen.manifest().content.segments()),
        };
        Some(Box::new(self.access.thaw(shelf, &self.barcode, &segments)?))
    }

    fn is_read_only(&self) -> bool {
        matches!(self.view, View::Replica(..))
    }

    fn protection(&mut self) -> io::Result<Option<FolderProtection>> {
        self.for_change()?.cartridge.protection()
    }

    fn is_copied(&self) -> bool {
        match &self.view {
            View::Taken(_) => false,
            View::Newest(seen) | View::Replica(_, seen) => seen.manifest().origin.is_some(),
        }
    }
}

/// A file of a taken cartridge.
struct TakenFile {
    taken: Arc<Use>,
    name: String,
}

impl Backend for TakenFile {
    fn len(&mut self) -> io::Result<u64> {
        self.taken.cartridge.len(&self.name)
    }

    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.taken.cartridge.read(&self.name, offset, into)
    }

    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        self.taken.cartridge.write(&self.name, offset, from)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.taken.cartridge.set_len(&self.name, len)
    }

    fn start_write_back(&mut self, offset: u64, len: u64) {
        // As for other files: the system begins to write pages that are declared unneeded.
        self.taken.cartridge.advise(&self.name, offset, len, Advice::DontNeed);
    }

    fn advise_read(&mut self, offset: u64, len: u64) {
        self.taken.cartridge.advise(&self.name, offset, len, Advice::WillNeed);
    }

    fn sync(&mut self) -> io::Result<()> {
        self.taken.cartridge.sync_file(&self.name)
    }
}
