//! The bytes below a tape: five calls per file, and a folder of files per cartridge.

pub mod file;
pub mod memory;

#[cfg(any(test, feature = "testing"))]
pub mod faulty;

use std::io::{self, IoSlice, IoSliceMut};

/// One file. Errors are the storage's own; reading beyond the end is not one.
pub trait Backend: Send {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The storage failed.
    fn len(&mut self) -> io::Result<u64>;
    /// Fills the slices from `offset`; says how many bytes there were.
    ///
    /// # Errors
    /// The storage failed.
    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    /// Writes all slices at `offset`.
    ///
    /// # Errors
    /// The storage failed; an unknown part may have been written.
    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()>;
    /// Cuts or extends the file.
    ///
    /// # Errors
    /// The storage failed.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Begins to put so many bytes on the disk, without waiting: a later [`Self::sync`] will have less to do.
    fn start_write_back(&mut self, _offset: u64, _len: u64) {}
    /// These bytes will be read soon.
    fn advise_read(&mut self, _offset: u64, _len: u64) {}
    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// The storage failed: nothing since the last success may be relied upon.
    fn sync(&mut self) -> io::Result<()>;
    /// Checks that the file is still in its folder: what is written to one that was removed is lost when it is closed.
    ///
    /// # Errors
    /// It was removed, or the storage failed.
    fn check_linked(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Whether the file is empty.
    ///
    /// # Errors
    /// The storage failed.
    fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A file that keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct DiscardFile;

impl Backend for DiscardFile {
    fn len(&mut self) -> io::Result<u64> {
        Ok(0)
    }
    fn read_at(&mut self, _offset: u64, _into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(0)
    }
    fn write_at(&mut self, _offset: u64, _from: &[IoSlice<'_>]) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One cartridge's files.
pub trait Folder: Send {
    /// Keeps others away as long as this value lives: everyone, or, if shared, everyone who does not share.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: someone uses it.
    fn lock(&mut self, shared: bool) -> io::Result<()>;
    /// Opens a file to be read only, if it exists.
    ///
    /// # Errors
    /// The storage failed.
    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>>;
    /// Another value for the same folder, without the lock.
    ///
    /// # Errors
    /// The storage failed.
    fn reopen(&mut self) -> io::Result<Box<dyn Folder>>;
    /// Gives a file another name, atomically and durably.
    ///
    /// # Errors
    /// The storage failed.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Opens a file, made if it is not there.
    ///
    /// # Errors
    /// The storage failed.
    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>>;
    /// The content of a small file, if it exists.
    ///
    /// # Errors
    /// The storage failed.
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Puts a whole file in place, atomically and durably: a crash leaves the old or the new one.
    ///
    /// # Errors
    /// The storage failed; the old content stands.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// The storage failed.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Names of its files.
    ///
    /// # Errors
    /// The storage failed.
    fn list(&mut self) -> io::Result<Vec<String>>;
    /// Bytes that can still be written here; `None` if there is no such limit.
    fn available(&mut self) -> Option<u64>;
    /// Checks that files can be created and replaced here, without doing so.
    ///
    /// # Errors
    /// They cannot, or the storage failed.
    fn check_writable(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// A number that differs after a file was created, removed or changed in any way, its permissions included; `None` if
    /// the storage does not tell.
    ///
    /// # Errors
    /// The storage failed.
    fn fingerprint(&mut self) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

/// The first of `DEVICE_INFORMATION`, `DEVICE_INFORMATION.1`, `DEVICE_INFORMATION.2` and so on that no file in a folder has.
///
/// # Errors
/// The storage failed.
pub fn free_name(folder: &mut dyn Folder, name: &str) -> io::Result<String> {
    let names = folder.list()?;
    let all = std::iter::once(name.to_owned()).chain((1_u32..).map(|number| format!("{name}.{number}")));
    let mut free = all.filter(|candidate| !names.contains(candidate));
    free.next().ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

/// Folders by name.
pub trait FolderStore: Send {
    /// Names of all folders.
    ///
    /// # Errors
    /// The storage failed.
    fn list(&mut self) -> io::Result<Vec<String>>;
    /// A folder that exists.
    ///
    /// # Errors
    /// The storage failed, or it does not exist.
    fn open(&mut self, name: &str) -> io::Result<Box<dyn Folder>>;
    /// A new folder.
    ///
    /// # Errors
    /// The storage failed, or it exists.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Folder>>;
    /// Removes a folder with its files; none is no fault.
    ///
    /// # Errors
    /// The storage failed; some of the files may be gone.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Whether this name is in use: by a folder, or by something else that prevents a folder of this name.
    ///
    /// # Errors
    /// The storage failed, and it is unknown.
    fn is_occupied(&mut self, name: &str) -> io::Result<bool> {
        match self.open(name) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The directory of cartridges itself cannot be read, so that it is unknown whether a cartridge is in it: carried by the
/// errors of [`FolderStore`].
#[derive(Debug, thiserror::Error)]
#[error("directory {0}")]
pub(crate) struct UnreadableDirectory(pub(crate) String);

/// The longest small file that [`Folder::read`] takes into memory.
pub const MAX_SMALL_FILE: u64 = 1 << 20;
