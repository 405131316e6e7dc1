//! Files of the operating system: the only place under the four pure crates where `std::fs` is used.

use super::{Backend, Folder, MAX_SMALL_FILE, Shelves};
use rustix::fs::{
    Advice, CWD, FlockOperation, RenameFlags, StatVfs, fadvise, fdatasync, flock, renameat_with, statvfs,
};
use rustix::io::{preadv, pwritev};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Slices in one call, below every system's IOV_MAX.
const IOV: usize = 64;

/// One open file.
#[derive(Debug)]
pub struct OsFile(File);

impl Backend for OsFile {
    fn len(&mut self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&mut self, mut offset: u64, mut into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut done = 0;
        IoSliceMut::advance_slices(&mut into, 0);
        while !into.is_empty() {
            let chunk = into.len().min(IOV);
            let got = match preadv(&self.0, into.get_mut(..chunk).unwrap_or_default(), offset) {
                Ok(0) => break,
                Ok(got) => got,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            done += got;
            offset += got as u64;
            IoSliceMut::advance_slices(&mut into, got);
        }
        Ok(done)
    }

    fn write_at(&mut self, mut offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        let mut slices: smallvec::SmallVec<[IoSlice<'_>; 8]> = from.iter().copied().collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let chunk = rest.len().min(IOV);
            let done = match pwritev(&self.0, rest.get(..chunk).unwrap_or_default(), offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(done) => done,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset += done as u64;
            IoSlice::advance_slices(&mut rest, done);
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn start_writing(&mut self, offset: u64, len: u64) {
        // Linux begins to write dirty pages that will not be needed, and keeps them until they are written.
        let _ = fadvise(&self.0, offset, NonZeroU64::new(len), Advice::DontNeed);
    }

    fn will_read(&mut self, offset: u64, len: u64) {
        let _ = fadvise(&self.0, offset, NonZeroU64::new(len), Advice::WillNeed);
    }

    fn sync(&mut self) -> io::Result<()> {
        fdatasync(&self.0)?;
        self.check_linked()
    }

    fn check_linked(&mut self) -> io::Result<()> {
        match self.0.metadata()?.nlink() {
            0 => Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed while it was open")),
            _ => Ok(()),
        }
    }
}

/// One directory of files.
#[derive(Debug)]
pub struct OsFolder(PathBuf, Option<File>);

impl OsFolder {
    /// The folder at a path.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path, None)
    }
}

impl Folder for OsFolder {
    fn lock(&mut self, shared: bool) -> io::Result<()> {
        // The same value may ask again, and then otherwise.
        let folder = self.1.take().map_or_else(|| File::open(&self.0), Ok)?;
        let how = if shared { FlockOperation::NonBlockingLockShared } else { FlockOperation::NonBlockingLockExclusive };
        flock(&folder, how)?;
        self.1 = Some(folder);
        Ok(())
    }

    fn view(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        match File::open(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(Box::new(OsFile(opened?)))),
        }
    }

    fn again(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(Box::new(Self::at(self.0.clone())))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))?;
        sync_folder(&self.0)
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options.create(true).truncate(false).open(&path)?;
                sync_folder(&self.0)?;
                Ok(Box::new(OsFile(file)))
            }
            opened => Ok(Box::new(OsFile(opened?))),
        }
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_SMALL_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_SMALL_FILE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} is longer than 1 MiB")));
        }
        Ok(Some(bytes))
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.0.join(name), bytes)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        names(&self.0, |kind| kind.is_file())
    }

    fn available(&mut self) -> Option<u64> {
        let StatVfs { f_bavail, f_frsize, .. } = statvfs(&self.0).ok()?;
        Some(f_bavail.saturating_mul(f_frsize))
    }
}

/// A directory of cartridges.
#[derive(Debug)]
pub struct OsShelves(PathBuf);

impl OsShelves {
    /// The directory at `path`, made if it is not there.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn at(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self(path.to_path_buf()))
    }
}

impl OsShelves {
    /// The directory at `path`, whether it exists or not: what is wrong with it is an error of each call.
    #[must_use]
    pub fn unchecked(path: &Path) -> Self {
        Self(path.to_path_buf())
    }
}

impl Shelves for OsShelves {
    fn list(&mut self) -> io::Result<Vec<String>> {
        names(&self.0, |kind| kind.is_dir())
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Folder>> {
        let path = self.0.join(name);
        let is_folder = fs::metadata(&path)?.is_dir();
        if is_folder { Ok(Box::new(OsFolder::at(path))) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    fn create(&mut self, name: &str) -> io::Result<Box<dyn Folder>> {
        let path = self.0.join(name);
        fs::create_dir(&path)?;
        sync_folder(&self.0)?;
        Ok(Box::new(OsFolder::at(path)))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync_folder(&self.0),
        }
    }
}

/// Puts a whole file in place, atomically and durably: a new file beside it, synchronised, renamed over it, and the
/// folder synchronised.
///
/// # Errors
/// The storage failed; the old content stands.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&fresh, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Exchanges two folders of one directory in one step, durably.
///
/// # Errors
/// The storage failed; nothing changed.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?;
    sync_folder(other.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn names(path: &Path, wanted: impl Fn(fs::FileType) -> bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if wanted(entry.file_type()?)
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
