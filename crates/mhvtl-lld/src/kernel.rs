//! The module of the running kernel.

use crate::abi::{CommandHeader, HostAddress, MAX_LUNS, MAX_MINORS, POLL_HAS_COMMAND, PUT_COMMAND_GONE, SENSE_LEN};
use crate::{Command, CommandResponse, CompletionOutcome, Module, UnitDevice, sys};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where the driver is in sysfs; the name of its bus changed with 1.5 and 1.6.
const DRIVER_PATHS: [&str; 3] =
    ["sys/bus/mhvtl/drivers/mhvtl", "sys/bus/pseudo9/drivers/mhvtl", "sys/bus/pseudo/drivers/mhvtl"];

/// The loaded module.
#[derive(Clone, Debug)]
pub struct KernelModule {
    driver: PathBuf,
    /// The adapter, which has the host.
    adapter: PathBuf,
    /// All units of all hosts.
    scsi: PathBuf,
    devices: PathBuf,
    major: u32,
}

impl KernelModule {
    /// Finds the module.
    ///
    /// # Errors
    /// It is not loaded, or is none that we know.
    pub fn find() -> io::Result<Self> {
        Self::below(Path::new("/"))
    }

    /// As [`Self::find`], below another root.
    fn below(root: &Path) -> io::Result<Self> {
        let driver = DRIVER_PATHS.iter().map(|path| root.join(path)).find(|path| path.is_dir());
        let driver = driver.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the module mhvtl is not loaded: no driver mhvtl below /sys/bus")
        })?;
        let path = driver.join("major");
        let text = fs::read_to_string(&path)?;
        let major = text.trim().parse().map_err(|_| {
            let what = format!("{}: {:?} is no number", path.display(), text.trim());
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        let (adapter, scsi) = (driver.join("adapter0"), root.join("sys/class/scsi_device"));
        Ok(Self { driver, adapter, scsi, devices: root.join("dev"), major })
    }

    /// Whether the host has a unit at an address.
    fn has(&self, address: HostAddress) -> io::Result<bool> {
        let HostAddress { channel, target, lun } = address;
        for entry in fs::read_dir(self.adapter.as_path())? {
            let name = entry?.file_name();
            if let Some(host) = name.to_str().and_then(|name| name.strip_prefix("host")) {
                return Ok(self.scsi.join(format!("{host}:{channel}:{target}:{lun}")).exists());
            }
        }
        Ok(false)
    }

    /// Makes the node of a minor, unless it is there, and says where it is. One of another major, left by a module that was
    /// loaded before, is made anew. Whoever opens a unit need not ask for it.
    ///
    /// # Errors
    /// Something else has its name, or this user may not make it.
    pub fn create_node(&self, minor: u16) -> io::Result<PathBuf> {
        let path = self.devices.join(format!("mhvtl{minor}"));
        let device = libc::makedev(self.major, minor.into());
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_char_device() && found.rdev() == device => return Ok(path),
            Ok(found) if found.file_type().is_char_device() => fs::remove_file(&path)?,
            Ok(_) => {
                let what = format!("{} is no character device", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let name = CString::new(path.as_os_str().as_encoded_bytes())?;
        match sys::make_node(&name, device) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(path),
        }
    }
}

impl Module for KernelModule {
    type Device = KernelDevice;

    fn open(&self, minor: u16) -> io::Result<KernelDevice> {
        if minor >= MAX_MINORS {
            let what = format!("minor {minor} cannot be opened: they are below {MAX_MINORS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let file = OpenOptions::new().read(true).write(true).open(self.create_node(minor)?)?;
        Ok(KernelDevice { file, outstanding: BTreeSet::new(), waiting: None })
    }

    fn add_unit(&self, minor: u16, address: HostAddress) -> io::Result<()> {
        let HostAddress { channel, target, lun } = address;
        if lun >= MAX_LUNS || minor >= MAX_MINORS {
            let what = format!("minor {minor}, LUN {lun}: minors are below {MAX_MINORS}, LUNs below {MAX_LUNS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        // The module takes anything and says nothing of failures; the line must be whole.
        fs::write(self.driver.join("add_lu"), format!("add {minor} {channel} {target} {lun}\n"))?;
        if self.has(address)? {
            return Ok(());
        }
        let what =
            format!("the host did not take unit {minor} at {channel}:{target}:{lun}: nobody answered its INQUIRY");
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    }
}

/// The open device of a minor.
#[derive(Debug)]
pub struct KernelDevice {
    file: File,
    /// Commands that were handed out. The module falls over a question for data when the minor has no unit, so it is only
    /// asked about these.
    outstanding: BTreeSet<u64>,
    /// One that came while something else was asked.
    waiting: Option<Command>,
}

impl KernelDevice {
    /// Asks for a command into a header that says nothing, and gives that back if the module has left it alone.
    fn poll(&mut self) -> io::Result<Option<CommandHeader>> {
        /// No command has this number.
        const NOTHING: CommandHeader = CommandHeader { serial: u64::MAX, cdb: [0xff; 16], unused: u64::MAX };
        let mut header = NOTHING;
        match sys::poll(&self.file, &mut header)? {
            0 => Ok((header == NOTHING).then_some(header)),
            POLL_HAS_COMMAND => {
                self.outstanding.insert(header.serial);
                self.waiting = Some(Command::new(header.serial, header.cdb));
                Ok(Some(header))
            }
            other => Err(io::Error::other(format!("the module answered a question with {other}"))),
        }
    }
}

impl UnitDevice for KernelDevice {
    fn next_command(&mut self) -> io::Result<Option<Command>> {
        if self.waiting.is_none() {
            self.poll()?;
        }
        Ok(self.waiting.take())
    }

    fn fetch_data(&mut self, serial: u64, into: &mut [u8]) -> io::Result<()> {
        if !self.outstanding.contains(&serial) {
            return Err(io::ErrorKind::NotFound.into());
        }
        match sys::get_data(&self.file, serial, into) {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.raw_os_error() {
                Some(libc::EIO) => io::ErrorKind::UnexpectedEof.into(),
                Some(libc::ENOTTY) => io::ErrorKind::NotFound.into(),
                _ => error,
            }),
        }
    }

    fn complete(&mut self, serial: u64, answer: &CommandResponse<'_>) -> io::Result<CompletionOutcome> {
        if !self.outstanding.remove(&serial) {
            return Ok(CompletionOutcome::CommandGone);
        }
        let mut sense = [0; SENSE_LEN];
        sense.iter_mut().zip(answer.sense).for_each(|(to, from)| *to = *from);
        match sys::put_data(&self.file, serial, answer.status, answer.data, &sense)? {
            PUT_COMMAND_GONE => Ok(CompletionOutcome::CommandGone),
            _ => Ok(CompletionOutcome::Completed),
        }
    }

    fn take_over(&mut self, serials: RangeInclusive<u64>) -> io::Result<Vec<u64>> {
        // The module clears the header if the minor is no unit, and leaves it alone if there is no command.
        if self.waiting.is_none() && self.poll()?.is_none() {
            return Ok(Vec::new());
        }
        // One that has just come is nobody's but ours.
        let new = self.waiting.map(|command| command.serial);
        let serials: Vec<u64> = serials.filter(|serial| Some(*serial) != new).collect();
        self.outstanding.extend(&serials);
        Ok(serials)
    }

    fn remove_unit(&mut self, address: HostAddress) -> io::Result<()> {
        self.outstanding.clear();
        sys::remove_lu(&self.file, address).map(drop)
    }
}
