//! Access to the character devices of mhvtl's kernel module, a SCSI host adapter whose logical units are programs.
//!
//! A unit has a number, its *minor*. [`Module::add_unit`] adds it to the SCSI host; [`UnitDevice::next_command`]
//! returns its commands, [`UnitDevice::fetch_data`] the Data-Out bytes of a command, and [`UnitDevice::complete`] sends
//! the response. Only `add_unit` blocks. The module does not signal new commands: the server of a unit polls, at the
//! interval of [`poll_interval::poll_interval`].
//!
//! [`KernelModule`] is the real module, [`simulator::Simulator`] an imitation in this process, with the limits and
//! peculiarities of the module.
//!
//! ```
//! use mhvtl_lld::simulator::{HostTransfer, Simulator};
//! use mhvtl_lld::{CommandResponse, Module, UnitDevice, abi::HostAddress};
//!
//! let module = Simulator::default();
//! let mut device = module.open(11)?;
//! let adding = std::thread::spawn({
//!     let module = module.clone();
//!     move || module.add_unit(11, HostAddress { channel: 0, target: 1, lun: 0 })
//! });
//! // The host sends INQUIRY to the unit; the unit responds.
//! let command = loop {
//!     if let Some(command) = device.next_command()? { break command }
//! };
//! assert_eq!(command.cdb(), [0x12, 0, 0, 0, 36, 0]);
//! device.complete(command.serial, &CommandResponse { data: &[1; 36], ..CommandResponse::default() })?;
//! adding.join().unwrap()?;
//! let sent = module.send(11, &[0; 6], HostTransfer::NoData);
//! let command = device.next_command()?.unwrap();
//! device.complete(command.serial, &CommandResponse { status: 2, sense: &[0x70, 0, 6], ..CommandResponse::default() })?;
//! assert_eq!(sent.wait().sense[2], 6);
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod abi;
mod kernel;
pub mod poll_interval;
pub mod queue;
pub mod simulator;
mod sys;

pub use kernel::{KernelDevice, KernelModule};

use abi::HostAddress;
use std::io;
use std::ops::RangeInclusive;

/// A command that the host sent to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Serial number that the module assigned to the command.
    pub serial: u64,
    cdb: [u8; 16],
}

impl Command {
    /// The CDB, of the length of its operation code's group.
    ///
    /// The host's SCSI layer sets bits 7 to 5 of byte 1 of the first INQUIRY to the LUN; they are cleared here.
    #[must_use]
    pub fn cdb(&self) -> &[u8] {
        let [opcode, ..] = self.cdb;
        self.cdb.get(..abi::cdb_len(opcode)).unwrap_or(&self.cdb)
    }

    pub(crate) const fn new(serial: u64, mut cdb: [u8; 16]) -> Self {
        const INQUIRY: u8 = 0x12;
        let [opcode, flags, ..] = &mut cdb;
        if *opcode == INQUIRY {
            *flags &= 0x1f;
        }
        Self { serial, cdb }
    }
}

/// The response to a command of a host: status, sense data and Data-In.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandResponse<'a> {
    /// SAM status of the command.
    pub status: u8,
    /// Data-In bytes for the host, also with sense data. The module truncates them to the host's buffer.
    pub data: &'a [u8],
    /// Sense data, at most [`abi::SENSE_LEN`] bytes.
    pub sense: &'a [u8],
}

/// The effect of a response on the command of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionOutcome {
    /// The module passed the response to the host.
    Completed,
    /// The command no longer exists: the host aborted it, or it timed out and the module completed it with GOOD status.
    CommandGone,
}

/// mhvtl's kernel module, or its simulator in tests: the source of the devices of units.
pub trait Module: Send + Sync {
    /// The open device of a minor.
    type Device: UnitDevice;

    /// Opens the device of a minor, whether or not the host has the unit already.
    ///
    /// # Errors
    /// The minor is out of range, or the device node cannot be created or opened.
    fn open(&self, minor: u16) -> io::Result<Self::Device>;

    /// Adds the unit of a minor to the SCSI host. Returns when the host has scanned the unit, so another thread must
    /// serve the unit's commands in the meantime.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if the minor or the LUN is out of range, [`io::ErrorKind::TimedOut`] if the host
    /// did not add the unit, because the unit did not respond to INQUIRY.
    fn add_unit(&self, minor: u16, address: HostAddress) -> io::Result<()>;
}

/// The device of a unit, for its server.
pub trait UnitDevice: Send {
    /// Returns the next command of the unit, if any. Each command is returned once.
    ///
    /// # Errors
    /// An error of the module.
    fn next_command(&mut self) -> io::Result<Option<Command>>;

    /// Copies the Data-Out bytes of a command, from their beginning, into `into`. The module does not report their
    /// number: it follows from the CDB.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer bytes than `into` holds; [`io::ErrorKind::NotFound`] if the
    /// command no longer exists.
    fn fetch_data(&mut self, serial: u64, into: &mut [u8]) -> io::Result<()>;

    /// Completes a command with a response.
    ///
    /// # Errors
    /// An error of the module.
    fn complete(&mut self, serial: u64, response: &CommandResponse<'_>) -> io::Result<CompletionOutcome>;

    /// Takes over commands that the module returned to an earlier process that has ended. Returns the numbers in
    /// `serials` that may be such commands; they can be completed now. The result is empty if the minor is not a unit.
    /// A number that is not that of a command completes as [`CompletionOutcome::CommandGone`].
    ///
    /// # Errors
    /// An error of the module.
    fn take_over(&mut self, serials: RangeInclusive<u64>) -> io::Result<Vec<u64>>;

    /// Removes the unit at an address, which need not be this one, from the SCSI host. No effect if there is none.
    ///
    /// # Errors
    /// An error of the module.
    fn remove_unit(&mut self, address: HostAddress) -> io::Result<()>;
}
