//! Runs cases with system calls on the nodes of a unit.

use crate::sys;
use linux_scsi::Errno;
use linux_scsi::node::Node;
use linux_scsi::sg::ioctl::Address;
use linux_scsi::st::Access;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tape_script::memory::Memory;
use tape_script::run::Calls;
use tape_script::script::{NodeKind, Opening};

/// The nodes of one unit.
pub(crate) struct System {
    /// The directory of the unit in sysfs.
    device: PathBuf,
    address: Address,
    files: HashMap<char, File>,
}

impl System {
    /// The unit that has a directory in sysfs, such as `/sys/class/scsi_tape/st0/device`.
    ///
    /// # Errors
    /// The directory does not exist, or its name is not an address.
    pub(crate) fn new(device: &Path) -> Result<Self, String> {
        let path = fs::canonicalize(device).map_err(|error| format!("{}: {error}", device.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let numbers: Option<Vec<u32>> = name.split(':').map(|number| number.parse().ok()).collect();
        let Some(&[host, channel, target, lun]) = numbers.as_deref() else {
            return Err(format!("{}: not the directory of a unit", path.display()));
        };
        Ok(Self { device: path, address: Address { host, channel, target, lun }, files: HashMap::new() })
    }

    /// The unit with a LUN of an iSCSI target.
    ///
    /// # Errors
    /// The kernel has no such unit.
    pub(crate) fn of_target(target: &str, lun: usize) -> Result<Self, String> {
        let missing = || format!("no unit with LUN {lun} of {target}");
        for entry in fs::read_dir("/sys/bus/scsi/devices").map_err(|error| error.to_string())?.flatten() {
            let Ok(path) = fs::canonicalize(entry.path()) else { continue };
            // There are also directories of targets, whose names have letters.
            let is_lun = entry.file_name().to_string_lossy().split(':').nth(3) == Some(&lun.to_string());
            let session = path.iter().map(|part| part.to_string_lossy()).find(|part| part.starts_with("session"));
            let name = session.and_then(|session| {
                fs::read_to_string(Path::new("/sys/class/iscsi_session").join(&*session).join("targetname")).ok()
            });
            if is_lun && name.is_some_and(|name| name.trim() == target) {
                return Self::new(&path);
            }
        }
        Err(missing())
    }

    /// The open file of a name.
    pub(crate) fn file(&mut self, file: char) -> Result<&mut File, Errno> {
        self.files.get_mut(&file).ok_or(Errno::EBADF)
    }

    /// The number of the node of a driver.
    fn number(&self, class: &str, prefix: &str) -> Result<u16, Errno> {
        let entries = fs::read_dir(self.device.join(class)).map_err(|error| errno(&error))?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).next().ok_or(Errno::ENODEV)
    }

    fn path(&self, node: NodeKind) -> Result<String, Errno> {
        let node = match node {
            NodeKind::Tape { mode, rewinds } => Node::Tape { drive: self.number("scsi_tape", "st")?, mode, rewinds },
            NodeKind::Generic => Node::Generic(self.number("scsi_generic", "sg")?),
            NodeKind::Changer => Node::Changer(self.number("scsi_changer", "sch")?),
            NodeKind::Block => return Ok(format!("/dev/bsg/{}", self.address)),
        };
        Ok(format!("/dev/{}", node.name()))
    }
}

/// The error number of a failed system call.
pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().and_then(|number| u16::try_from(number).ok()).unwrap_or(u16::MAX))
}

impl Calls for System {
    fn address(&self) -> Address {
        self.address
    }

    fn open(&mut self, file: char, opening: Opening) -> Result<(), Errno> {
        let path = self.path(opening.node)?;
        let mut options = OpenOptions::new();
        options.read(opening.access != Access::Write).write(opening.access != Access::Read);
        let flag = |set: bool, flag: i32| if set { flag } else { 0 };
        options.custom_flags(flag(opening.nonblocking, libc::O_NONBLOCK) | flag(opening.exclusive, libc::O_EXCL));
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

    fn ioctl(&mut self, file: char, request: u32, memory: &mut Memory, argument: u64) -> Result<u32, Errno> {
        let called = sys::ioctl(self.file(file)?, request, memory, argument).map_err(|error| errno(&error))?;
        u32::try_from(called).map_err(|_| Errno::EIO)
    }
}
