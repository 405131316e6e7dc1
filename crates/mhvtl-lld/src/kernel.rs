//! The module that the running kernel has loaded.

use crate::abi::{CommandHeader, HostAddress, MAX_LUNS, MAX_MINORS, POLL_HAS_COMMAND, PUT_COMMAND_GONE, SENSE_LEN};
use crate::{Command, CommandResponse, CompletionOutcome, Module, UnitDevice, sys};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Paths of the driver in sysfs; the name of its bus changed with mhvtl 1.5 and 1.6.
const DRIVER_PATHS: [&str; 3] =
    ["sys/bus/mhvtl/drivers/mhvtl", "sys/bus/pseudo9/drivers/mhvtl", "sys/bus/pseudo/drivers/mhvtl"];

/// The loaded kernel module of mhvtl, with the device numbers that sysfs shows.
#[derive(Clone, Debug)]
pub struct KernelModule {
    driver: PathBuf,
    /// The adapter, parent of the SCSI host.
    adapter: PathBuf,
    /// Directory of all units of all SCSI hosts.
    scsi: PathBuf,
    devices: PathBuf,
    major: u32,
}

impl KernelModule {
    /// Finds the loaded module.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the module is not loaded, [`io::ErrorKind::InvalidData`] if its major number is
    /// invalid.
    pub fn find() -> io::Result<Self> {
        Self::below(Path::new("/"))
    }

    /// As [`Self::find`], in another root directory.
    fn below(root: &Path) -> io::Result<Self> {
        let driver = DRIVER_PATHS.iter().map(|path| root.join(path)).find(|path| path.is_dir());
        let driver = driver.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "kernel module mhvtl is not loaded: no driver mhvtl below /sys/bus; run modprobe mhvtl",
            )
        })?;
        let path = driver.join("major");
        let text = fs::read_to_string(&path)?;
        let major = text.trim().parse().map_err(|_| {
            let message = format!("{}: {:?} is not a number", path.display(), text.trim());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        let (adapter, scsi) = (driver.join("adapter0"), root.join("sys/class/scsi_device"));
        Ok(Self { driver, adapter, scsi, devices: root.join("dev"), major })
    }

    /// Returns whether the SCSI host has a unit at an address.
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

    /// Creates the device node of a minor unless it exists, and returns its path. A node with another major, left by a
    /// module that was loaded earlier, is replaced. [`Module::open`] does this as well.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if the path exists and is not a character device; an error of the system if the
    /// node cannot be created.
    pub fn create_node(&self, minor: u16) -> io::Result<PathBuf> {
        let path = self.devices.join(format!("mhvtl{minor}"));
        let device = libc::makedev(self.major, minor.into());
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.file_type().is_char_device() && metadata.rdev() == device => return Ok(path),
            Ok(metadata) if metadata.file_type().is_char_device() => fs::remove_file(&path)?,
            Ok(_) => {
                let message = format!("{} exists and is not a character device", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
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
            let message = format!("minor {minor} is out of range, expected less than {MAX_MINORS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let file = OpenOptions::new().read(true).write(true).open(self.create_node(minor)?)?;
        Ok(KernelDevice { file, outstanding: BTreeSet::new(), polled: None })
    }

    fn add_unit(&self, minor: u16, address: HostAddress) -> io::Result<()> {
        let HostAddress { channel, target, lun } = address;
        if lun >= MAX_LUNS || minor >= MAX_MINORS {
            let message =
                format!("minor {minor}, LUN {lun}: expected a minor below {MAX_MINORS} and a LUN below {MAX_LUNS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // The module does not check the line and reports no failure.
        fs::write(self.driver.join("add_lu"), format!("add {minor} {channel} {target} {lun}\n"))?;
        if self.has(address)? {
            return Ok(());
        }
        let message =
            format!("the SCSI host did not add unit {minor} at {channel}:{target}:{lun}: no response to INQUIRY");
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    }
}

/// The open device of a minor of the kernel module.
#[derive(Debug)]
pub struct KernelDevice {
    file: File,
    /// Commands that were returned and not completed. GET_DATA crashes the module if the minor has no unit, so it is
    /// only used for these.
    outstanding: BTreeSet<u64>,
    /// A command that [`Self::poll`] returned to another caller than `next_command`.
    polled: Option<Command>,
}

impl KernelDevice {
    /// Polls for a command. Returns the header of the command, or the unchanged header if there is no command; `None`
    /// if the module cleared the header, because the minor is not a unit.
    fn poll(&mut self) -> io::Result<Option<CommandHeader>> {
        /// Header without a command: no command has this serial number.
        const NO_COMMAND: CommandHeader = CommandHeader { serial: u64::MAX, cdb: [0xff; 16], unused: u64::MAX };
        let mut header = NO_COMMAND;
        match sys::poll(&self.file, &mut header)? {
            0 => Ok((header == NO_COMMAND).then_some(header)),
            POLL_HAS_COMMAND => {
                self.outstanding.insert(header.serial);
                self.polled = Some(Command::new(header.serial, header.cdb));
                Ok(Some(header))
            }
            other => Err(io::Error::other(format!("VTL_POLL_AND_GET_HEADER returned {other}, expected 0 or 254"))),
        }
    }
}

impl UnitDevice for KernelDevice {
    fn next_command(&mut self) -> io::Result<Option<Command>> {
        if self.polled.is_none() {
            self.poll()?;
        }
        Ok(self.polled.take())
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

    fn complete(&mut self, serial: u64, response: &CommandResponse<'_>) -> io::Result<CompletionOutcome> {
        if !self.outstanding.remove(&serial) {
            return Ok(CompletionOutcome::CommandGone);
        }
        let mut sense = [0; SENSE_LEN];
        sense.iter_mut().zip(response.sense).for_each(|(to, from)| *to = *from);
        match sys::put_data(&self.file, serial, response.status, response.data, &sense)? {
            PUT_COMMAND_GONE => Ok(CompletionOutcome::CommandGone),
            _ => Ok(CompletionOutcome::Completed),
        }
    }

    fn take_over(&mut self, serials: RangeInclusive<u64>) -> io::Result<Vec<u64>> {
        // The module clears the header if the minor is not a unit, and does not change it if there is no command.
        if self.polled.is_none() && self.poll()?.is_none() {
            return Ok(Vec::new());
        }
        // The command that was just polled belongs to this process.
        let new = self.polled.map(|command| command.serial);
        let serials: Vec<u64> = serials.filter(|serial| Some(*serial) != new).collect();
        self.outstanding.extend(&serials);
        Ok(serials)
    }

    fn remove_unit(&mut self, address: HostAddress) -> io::Result<()> {
        self.outstanding.clear();
        sys::remove_lu(&self.file, address).map(drop)
    }
}
