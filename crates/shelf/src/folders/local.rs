//! The local directory of a cartridge: its files, which may have holes, and the record of what they are.

use crate::error::ShelfError;
use crate::record;
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tape_store::backend::Folder;
use tape_store::backend::file::{OsFolder, create_private_folders};

/// Name of the record in the directory of a cartridge; the files of the cartridge are in the folder `files` beside it.
const RECORD: &str = "record";

/// The relation of the local files of a cartridge to its manifest. It holds after the program has ended at any moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LocalRecord {
    /// Epoch of the lease under which the files were used.
    pub(crate) epoch: u64,
    /// Number and nonce of a manifest of the cartridge.
    pub(crate) version: u64,
    pub(crate) nonce: String,
    /// Whether the cartridge was released: the files have nothing that the manifest does not have.
    pub(crate) is_released: bool,
    /// Nonce of that lease, and of the later leases that this machine has asked for: one of them may have become the newest epoch.
    pub(crate) leases: Vec<String>,
    pub(crate) files: BTreeMap<String, LocalFile>,
}

/// The relation of one local file to the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LocalFile {
    /// The bytes before this offset are those of the manifest.
    pub(crate) shelved: u64,
    /// The parts of them that the local file has, if the cartridge was released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cached: Vec<Range<u64>>,
}

impl LocalRecord {
    /// Bytes that the local files have, and the shelf has, too.
    pub(crate) fn cached_bytes(&self) -> u64 {
        self.files.values().flat_map(|file| &file.cached).map(|part| part.end.saturating_sub(part.start)).sum()
    }
}

/// The local directory of one cartridge.
#[derive(Clone, Debug)]
pub(crate) struct LocalDirectory {
    path: PathBuf,
}

impl LocalDirectory {
    /// The directory at a path, which need not exist.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// The folder with the files.
    pub(crate) fn folder(&self) -> OsFolder {
        OsFolder::at(self.files())
    }

    /// The record; `None` if there is none, or it is damaged, so that the files mean nothing.
    pub(crate) fn record(&self) -> io::Result<Option<LocalRecord>> {
        match fs::read(self.path.join(RECORD)) {
            Ok(bytes) => match record::decode(RECORD, &bytes) {
                Ok(record) => Ok(Some(record)),
                Err(error) => {
                    // They may be the only copy of data that is not on the shelf.
                    let path = self.set_aside("damaged")?;
                    tracing::warn!(path = %path.display(), %error, "the local files have no record, and were set aside");
                    Ok(None)
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the record, atomically and durably.
    pub(crate) fn store(&self, new: &LocalRecord) -> io::Result<()> {
        let bytes = record::encode(RECORD, new).map_err(|error: ShelfError| io::Error::other(error))?;
        OsFolder::at(self.path.clone()).replace(RECORD, &bytes)
    }

    /// Removes all files, and creates the directory without a record.
    pub(crate) fn create_empty(&self) -> io::Result<()> {
        self.remove()?;
        create_private_folders(&self.files())
    }

    /// Removes the directory.
    pub(crate) fn remove(&self) -> io::Result<()> {
        // The record is first: files without it mean nothing.
        for removed in [fs::remove_file(self.path.join(RECORD)), fs::remove_dir_all(&self.path)] {
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Moves the directory beside the others, where nothing uses it. Returns its new path.
    pub(crate) fn set_aside(&self, reason: &str) -> io::Result<PathBuf> {
        let path = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{reason}-{number}"));
            PathBuf::from(name)
        };
        let target = (1..).map(path).find(|path| !path.exists()).ok_or(io::ErrorKind::AlreadyExists)?;
        fs::rename(&self.path, &target)?;
        File::open(target.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(target)
    }

    /// Opens a file, and creates it if it does not exist.
    pub(crate) fn open(&self, name: &str) -> io::Result<SparseFile> {
        drop(self.folder().open(name)?);
        let file = OpenOptions::new().read(true).write(true).open(self.files().join(name))?;
        Ok(SparseFile(file))
    }

    /// Removes a file durably; a missing one is not an error.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        self.folder().remove(name)?;
        File::open(self.files())?.sync_all()
    }

    /// The names of the files.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        self.folder().list()
    }
}

/// A local file that may have holes.
#[derive(Debug)]
pub(crate) struct SparseFile(File);

impl SparseFile {
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Fills the slices; returns how many bytes the file had.
    pub(crate) fn read_slices(&self, mut offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut done = 0;
        for slice in into {
            let mut rest: &mut [u8] = slice;
            while !rest.is_empty() {
                match self.0.read_at(rest, offset) {
                    Ok(0) => return Ok(done),
                    Ok(got) => {
                        done += got;
                        offset += got as u64;
                        rest = rest.get_mut(got..).unwrap_or_default();
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(done)
    }

    pub(crate) fn write_slices(&self, mut offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        for slice in from {
            self.0.write_all_at(slice, offset)?;
            offset += slice.len() as u64;
        }
        Ok(())
    }

    /// The bytes of a range, all of which the file has.
    pub(crate) fn read_range(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// Tells the system how a range is used next.
    pub(crate) fn advise(&self, offset: u64, len: u64, advice: Advice) {
        let _ = fadvise(&self.0, offset, NonZeroU64::new(len), advice);
    }

    /// Gives the space of a range back to the file system; the length stays.
    pub(crate) fn punch(&self, range: &Range<u64>) -> io::Result<()> {
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.0, mode, range.start, range.end - range.start)?)
    }
}
