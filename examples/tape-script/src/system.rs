//! Runs cases with system calls on the nodes of a tape.

use crate::sys;
use linux_scsi::Errno;
use linux_scsi::node::Node;
use linux_scsi::st::ModeNumber;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use tape_script::run::Calls;

/// The nodes of one tape, named by its number: `/dev/st0`, `/dev/nst0` and those of the other modes.
pub(crate) struct System {
    number: u16,
    files: HashMap<char, File>,
}

impl System {
    pub(crate) fn new(number: u16) -> Self {
        Self { number, files: HashMap::new() }
    }

    /// The open file of a name.
    pub(crate) fn file(&mut self, file: char) -> Result<&mut File, Errno> {
        self.files.get_mut(&file).ok_or(Errno::EBADF)
    }
}

/// The error number of a failed system call.
pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().and_then(|number| u16::try_from(number).ok()).unwrap_or(u16::MAX))
}

impl Calls for System {
    fn open(&mut self, file: char, rewinds: bool, mode: u8, access: &str, nonblocking: bool) -> Result<(), Errno> {
        let mode = ModeNumber::new(mode).ok_or(Errno::ENXIO)?;
        let path = format!("/dev/{}", Node::Tape { drive: self.number, mode, rewinds }.name());
        let mut options = OpenOptions::new();
        options.read(access.contains('r')).write(access.contains('w'));
        if nonblocking {
            options.custom_flags(libc::O_NONBLOCK);
        }
        let opened = options.open(path).map_err(|error| errno(&error))?;
        self.files.insert(file, opened);
        Ok(())
    }

    fn close(&mut self, file: char) -> Result<(), Errno> {
        let file = self.files.remove(&file).ok_or(Errno::EBADF)?;
        sys::close(file).map_err(|error| errno(&error))
    }

    fn duplicate(&mut self, file: char, duplicate: char) -> Result<(), Errno> {
        let copy = self.file(file)?.try_clone().map_err(|error| errno(&error))?;
        self.files.insert(duplicate, copy);
        Ok(())
    }

    fn read(&mut self, file: char, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.file(file)?.read(buffer).map_err(|error| errno(&error))
    }

    fn write(&mut self, file: char, data: &[u8]) -> Result<usize, Errno> {
        self.file(file)?.write(data).map_err(|error| errno(&error))
    }

    fn ioctl(&mut self, file: char, request: u32, argument: &mut [u8]) -> Result<(), Errno> {
        sys::ioctl(self.file(file)?, request, argument).map_err(|error| errno(&error))
    }
}
