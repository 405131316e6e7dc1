//! Files of the operating system. This is the only module of the pure crates that uses `std::fs`.

use super::{Backend, Folder, FolderStore, MAX_SMALL_FILE, SyncTimer, UnreadableDirectory};
use rustix::fs::{
    Advice, CWD, FlockOperation, OFlags, RenameFlags, StatVfs, fadvise, fdatasync, flock, renameat_with, statvfs,
};
use rustix::io::{preadv, pwritev};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Slices per call; below IOV_MAX of every system.
const IOV: usize = 64;

/// An open file of the operating system.
#[derive(Debug)]
pub struct OsFile(File, Option<Arc<dyn SyncTimer>>);

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

    fn start_write_back(&mut self, offset: u64, len: u64) {
        // Linux starts write-back of dirty pages that are declared unneeded, and keeps them until they are written.
        let _ = fadvise(&self.0, offset, NonZeroU64::new(len), Advice::DontNeed);
    }

    fn advise_read(&mut self, offset: u64, len: u64) {
        let _ = fadvise(&self.0, offset, NonZeroU64::new(len), Advice::WillNeed);
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut sync = || Ok(fdatasync(&self.0)?);
        match &self.1 {
            Some(timer) => timer.time(&mut sync)?,
            None => sync()?,
        }
        self.check_linked()
    }

    fn check_linked(&mut self) -> io::Result<()> {
        match self.0.metadata()?.nlink() {
            0 => Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed while it was open")),
            _ => Ok(()),
        }
    }
}

/// A directory with the files of one cartridge.
#[derive(Debug)]
pub struct OsFolder(PathBuf, Option<File>, FilePermissions, Option<Arc<dyn SyncTimer>>);

impl OsFolder {
    /// The folder at a path. Files created in it are accessible to the owner only.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path, None, FilePermissions::Private, None)
    }
}

impl Folder for OsFolder {
    fn lock(&mut self, shared: bool) -> io::Result<()> {
        // Replaces a lock that the same value already holds.
        let folder = self.1.take().map_or_else(|| File::open(&self.0), Ok)?;
        let operation =
            if shared { FlockOperation::NonBlockingLockShared } else { FlockOperation::NonBlockingLockExclusive };
        flock(&folder, operation)?;
        self.1 = Some(folder);
        Ok(())
    }

    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        match open_regular(OpenOptions::new().read(true), &self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(Box::new(OsFile(opened?, None)))),
        }
    }

    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(Box::new(Self(self.0.clone(), None, self.2, self.3.clone())))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))?;
        sync_folder(&self.0)
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match open_regular(&mut options, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = self.2.create(options.create(true).truncate(false), &path)?;
                sync_folder(&self.0)?;
                Ok(Box::new(OsFile(file, self.3.clone())))
            }
            opened => Ok(Box::new(OsFile(opened?, self.3.clone()))),
        }
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match open_regular(OpenOptions::new().read(true), &self.0.join(name)) {
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
        replace_with(&self.0.join(name), bytes, self.2)
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

    fn check_writable(&mut self) -> io::Result<()> {
        Ok(rustix::fs::access(&self.0, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
    }

    fn fingerprint(&mut self) -> io::Result<Option<u64>> {
        let mut hasher = DefaultHasher::new();
        let mut note = |name: &OsStr, data: &fs::Metadata| {
            let change = (data.ctime(), data.ctime_nsec());
            (name, data.dev(), data.ino(), data.len(), data.mode(), change).hash(&mut hasher);
        };
        note(self.0.as_os_str(), &fs::metadata(&self.0)?);
        let mut entries = fs::read_dir(&self.0)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            note(&entry.file_name(), &entry.metadata()?);
        }
        Ok(Some(hasher.finish()))
    }
}

/// Opens a regular file; refuses anything else. Opening a FIFO would block until another process opens it.
fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    match file.metadata()?.file_type() {
        kind if kind.is_file() => Ok(file),
        kind if kind.is_dir() => Err(rustix::io::Errno::ISDIR.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// A directory of a file system with one folder for each cartridge.
#[derive(Debug)]
pub struct OsFolderStore(PathBuf, FilePermissions, Option<File>, Option<Arc<dyn SyncTimer>>);

impl OsFolderStore {
    /// The store in the directory at `path`, which is created if it does not exist. The directory, and what is created
    /// in it, is accessible to the owner only.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn at(path: &Path) -> io::Result<Self> {
        create_private_folders(path)?;
        Ok(Self::at_unchecked(path))
    }

    /// Uses the permissions of the umask for what is created in the directory, for directories shared with other
    /// programs.
    #[must_use]
    pub fn with_umask_permissions(self) -> Self {
        Self(self.0, FilePermissions::Umask, self.2, self.3)
    }
}

impl OsFolderStore {
    /// The store in the directory at `path`, which is not checked: if it is missing or unusable, each call fails.
    #[must_use]
    pub fn at_unchecked(path: &Path) -> Self {
        Self(path.to_path_buf(), FilePermissions::Private, None, None)
    }

    /// Marks the directory as served by a daemon while the value exists: [`serving_process`] then reports this process.
    /// Several processes may serve one directory.
    ///
    /// # Errors
    /// The directory cannot be opened, another program has an exclusive lock on it, or its file system has no locks.
    pub fn mark_served(&mut self) -> io::Result<()> {
        let directory = File::open(&self.0)?;
        lock_shared(&directory)?;
        self.2 = Some(directory);
        Ok(())
    }

    /// Fails if the directory of cartridges cannot be read. The error is never `NotFound`: whether it contains a
    /// cartridge is then unknown.
    fn check(&self) -> io::Result<()> {
        let named = |error| io::Error::other(UnreadableDirectory(format!("{}: {error}", self.0.display())));
        fs::read_dir(&self.0).map(drop).map_err(named)
    }
}

/// Attempts to take a lock that [`serving_process`] may hold for a moment.
const ATTEMPTS: usize = 100_000;

fn lock_shared(directory: &File) -> io::Result<()> {
    let mut locked = flock(directory, FlockOperation::NonBlockingLockShared);
    for _ in 1..ATTEMPTS {
        if locked != Err(rustix::io::Errno::WOULDBLOCK) {
            break;
        }
        std::hint::spin_loop();
        locked = flock(directory, FlockOperation::NonBlockingLockShared);
    }
    Ok(locked?)
}

/// The process that serves the cartridges of a directory (name and process id); `None` if there is none. A daemon that
/// serves a directory does not expect other processes to change its cartridges.
///
/// # Errors
/// The directory cannot be opened.
pub fn serving_process(path: &Path) -> io::Result<Option<String>> {
    let directory = File::open(path)?;
    // Another caller may hold the exclusive lock for a moment; a shared lock then fails and is tried again.
    for _ in 0..ATTEMPTS {
        if flock(&directory, FlockOperation::NonBlockingLockExclusive) != Err(rustix::io::Errno::WOULDBLOCK) {
            return Ok(None);
        }
        if flock(&directory, FlockOperation::NonBlockingLockShared).is_ok() {
            flock(&directory, FlockOperation::Unlock)?;
            return Ok(Some(holder(&directory).unwrap_or_else(|| "another process".into())));
        }
        std::hint::spin_loop();
    }
    Ok(None)
}

/// Name and process id of the process with a shared lock on a directory, from `/proc/locks`.
fn holder(directory: &File) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let inode = directory.metadata().ok()?.ino().to_string();
    let own = rustix::process::getpid().to_string();
    let of_line = |line: &str| {
        // `5: FLOCK  ADVISORY  READ 31984 fe:00:10133507 0 EOF`
        let mut words = line.split_whitespace().skip(1);
        let (kind, _, access, process) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let of_inode = words.next()?.rsplit(':').next()? == inode;
        (kind == "FLOCK" && access == "READ" && of_inode).then(|| process.to_owned())
    };
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let holders: Vec<String> = locks.lines().filter_map(of_line).collect();
    let process = holders.iter().find(|process| **process != own).or(holders.first())?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(format!("{} (process {process})", name.trim()))
}

impl FolderStore for OsFolderStore {
    fn set_sync_timer(&mut self, timer: Arc<dyn SyncTimer>) {
        self.3 = Some(timer);
    }

    fn list(&self) -> io::Result<Vec<String>> {
        names(&self.0, |kind| kind.is_dir())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let path = self.0.join(name);
        let metadata = fs::metadata(&path).or_else(|error| self.check().and(Err(error)));
        let is_folder = metadata?.is_dir();
        if is_folder {
            Ok(Box::new(OsFolder(path, None, self.1, self.3.clone())))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let path = self.0.join(name);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        self.1.create_folder(&path).map_err(named)?;
        sync_folder(&self.0)?;
        Ok(Box::new(OsFolder(path, None, self.1, self.3.clone())))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync_folder(&self.0),
        }
    }

    fn create_replacement(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.remove_replacement(name)?;
        let folder = self.create(&replacement_name(name))?;
        let path = self.0.join(replacement_name(name));
        match fs::metadata(self.0.join(name)) {
            Ok(old) => {
                // Only root may change the owner. New files in the folder get its owner.
                let _ = chown(&path, Some(old.uid()), Some(old.gid()));
                fs::set_permissions(&path, Permissions::from_mode((old.mode() | 0o700) & 0o7777))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                chown_to_folder_owner(&self.0, &File::open(&path)?)?;
            }
            Err(error) => return Err(error),
        }
        Ok(folder)
    }

    fn replace(&self, name: &str) -> io::Result<()> {
        exchange_folders(&self.0.join(replacement_name(name)), &self.0.join(name))?;
        // Now it is the old one.
        self.remove_replacement(name).map_err(|error| {
            let old = self.0.join(replacement_name(name));
            io::Error::new(error.kind(), format!("replaced, but the old files in {} remain: {error}", old.display()))
        })
    }

    fn remove_replacement(&self, name: &str) -> io::Result<()> {
        self.remove(&replacement_name(name))
    }

    fn is_occupied(&self, name: &str) -> io::Result<bool> {
        match fs::symlink_metadata(self.0.join(name)) {
            Ok(_) => Ok(true),
            Err(error) => {
                self.check()?;
                if error.kind() == io::ErrorKind::NotFound { Ok(false) } else { Err(error) }
            }
        }
    }
}

/// Permissions of files and directories that are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilePermissions {
    /// Owner only; in a directory with the set-group-ID bit, the group may read.
    Private,
    /// As the umask of the process allows.
    Umask,
}

/// In a directory with this bit, new files get the directory's group.
const SET_GROUP_ID: u32 = 0o2000;

impl FilePermissions {
    /// Mode of a file or directory to be created at a path: for the owner only, for the group too, or subject to the
    /// umask.
    fn mode(self, path: &Path, [owner, group, umask]: [u32; 3]) -> u32 {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let grants = || fs::metadata(parent).is_ok_and(|parent| parent.mode() & SET_GROUP_ID != 0);
        match self {
            Self::Umask => umask,
            Self::Private if grants() => group,
            Self::Private => owner,
        }
    }

    fn create(self, options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        let mode = self.mode(path, [0o600, 0o640, 0o666]);
        let file = options.mode(mode).open(path)?;
        if self == Self::Private {
            // The umask may have removed the permissions of the group.
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(file)
    }

    fn create_folder(self, path: &Path) -> io::Result<()> {
        let mode = self.mode(path, [0o700, 0o2750, 0o777]);
        fs::DirBuilder::new().mode(mode).create(path)?;
        if self == Self::Private { fs::set_permissions(path, Permissions::from_mode(mode)) } else { Ok(()) }
    }
}

/// Creates a directory and its missing parents, accessible to the owner only.
///
/// # Errors
/// One of the directories cannot be created.
pub fn create_private_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) {
        create_private_folders(parent)?;
    }
    match FilePermissions::Private.create_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created,
    }
}

/// Replaces a whole file, atomically and durably: writes a new file next to it, synchronises it, renames it, and
/// synchronises the folder. Owner and permissions of the old file are preserved. A file without predecessor gets the
/// permissions of the umask and, if root creates it, the owner of the folder.
///
/// # Errors
/// The storage fails; the old content remains.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, FilePermissions::Umask)
}

fn replace_with(path: &Path, bytes: &[u8], access: FilePermissions) -> io::Result<()> {
    let fresh = path.with_extension("new");
    // Left over from an interrupted call. Removing it first ensures that no symbolic link is followed.
    let _ = fs::remove_file(&fresh);
    let mut file = access.create(OpenOptions::new().write(true).create_new(true), &fresh)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(old) = fs::metadata(path) {
        // Only root may change the owner.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
        file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    } else {
        chown_to_folder_owner(folder, &file)?;
    }
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&fresh, path)?;
    sync_folder(folder)
}

/// Gives a file that root just created to the owner of its folder, whose programs use it. Without the privilege, the
/// owner is unchanged.
///
/// # Errors
/// The owner of the file or the folder cannot be read.
pub fn chown_to_folder_owner(folder: &Path, file: &File) -> io::Result<()> {
    let owner = fs::metadata(folder)?;
    if owner.uid() != file.metadata()?.uid() {
        let _ = fchown(file, Some(owner.uid()), Some(owner.gid()));
    }
    Ok(())
}

/// Name of the folder that is to replace a folder. It is not a barcode, so that no store lists it as a cartridge.
fn replacement_name(name: &str) -> String {
    format!("{name}.convert")
}

/// Exchanges two folders of one directory, atomically and durably. If this fails, nothing has changed.
fn exchange_folders(one: &Path, other: &Path) -> io::Result<()> {
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
