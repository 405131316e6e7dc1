//! The character device of mhvtl's kernel module, a SCSI host whose units are programs.
//!
//! A unit has a number, its *minor*. [`Module::add_unit`] makes it known to the host's SCSI layer; [`Device::next_command`] hands out its
//! commands, [`Device::fetch_data`] what came with one, [`Device::complete`] takes the answer. Nothing of it blocks, and nothing
//! tells of a command that has come: whoever serves a unit asks, as often as [`poll_interval::wait`] says.
//!
//! [`KernelModule`] is the real module, [`simulator::Simulator`] one in this process, with all that is peculiar about it.
//!
//! ```
//! use mhvtl_lld::simulator::{Asked, Simulator};
//! use mhvtl_lld::{Answer, Device, Module, abi::Address};
//!
//! let module = Simulator::default();
//! let mut device = module.open(11)?;
//! let adding = std::thread::spawn({
//!     let module = module.clone();
//!     move || module.add(11, Address { channel: 0, target: 1, lun: 0 })
//! });
//! // The host looks at the unit with INQUIRY; the unit answers.
//! let command = loop {
//!     if let Some(command) = device.next()? { break command }
//! };
//! assert_eq!(command.cdb(), [0x12, 0, 0, 0, 36, 0]);
//! device.complete(command.serial, &Answer { data: &[1; 36], ..Answer::default() })?;
//! adding.join().unwrap()?;
//! let asked = module.send(11, &[0; 6], Asked::Nothing);
//! let command = device.next()?.unwrap();
//! device.complete(command.serial, &Answer { status: 2, sense: &[0x70, 0, 6], ..Answer::default() })?;
//! assert_eq!(asked.wait().sense[2], 6);
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

/// A command of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// The module's number for it.
    pub serial: u64,
    cdb: [u8; 16],
}

impl Command {
    /// Its CDB, of the length that its group has.
    ///
    /// The SCSI layer puts the LUN into bits 7 to 5 of byte 1 of the first INQUIRY; they are cleared here.
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

/// What a command came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandResponse<'a> {
    /// SAM status.
    pub status: u8,
    /// Data for the host; what is more than it takes is cut by the module. Also with sense.
    pub data: &'a [u8],
    /// Sense data, at most [`abi::SENSE_LEN`] bytes.
    pub sense: &'a [u8],
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionOutcome {
    /// The host has it.
    Completed,
    /// The command was no more: aborted, or expired and answered GOOD by the module.
    CommandGone,
}

/// The module.
pub trait Module: Send + Sync {
    /// The unit of a minor.
    type Device: UnitDevice;

    /// Opens the device of a minor, whether or not it is a unit of the host yet.
    ///
    /// # Errors
    /// There is no such minor, or the device cannot be made.
    fn open(&self, minor: u16) -> io::Result<Self::Device>;

    /// Makes the minor a unit of the host. It returns when the host has looked at the unit, so another thread must serve it
    /// meanwhile.
    ///
    /// # Errors
    /// The address cannot be, or the host did not take the unit.
    fn add_unit(&self, minor: u16, address: HostAddress) -> io::Result<()>;
}

/// A unit, as its server has it.
pub trait UnitDevice: Send {
    /// The next command, if there is one. Each is handed out once.
    ///
    /// # Errors
    /// The module failed.
    fn next_command(&mut self) -> io::Result<Option<Command>>;

    /// Fetches what came with a command, from its beginning: as much as there is, up to the length of `into`. How much
    /// there is, the module does not say: it is in the CDB.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if there is less, or nothing; [`io::ErrorKind::NotFound`] if the command is no more.
    fn fetch_data(&mut self, serial: u64, into: &mut [u8]) -> io::Result<()>;

    /// Answers a command.
    ///
    /// # Errors
    /// The module failed.
    fn complete(&mut self, serial: u64, answer: &CommandResponse<'_>) -> io::Result<CompletionOutcome>;

    /// Takes over commands that were handed out to a process before this one, which is gone: those among these numbers that
    /// may be, which can be completed now. There is none if the minor is no unit. One that no command has completes as
    /// [`CompletionOutcome::CommandGone`].
    ///
    /// # Errors
    /// The module failed.
    fn take_over(&mut self, serials: RangeInclusive<u64>) -> io::Result<Vec<u64>>;

    /// Takes the unit at an address away from the host, this or another; none is no fault.
    ///
    /// # Errors
    /// The module failed.
    fn remove_unit(&mut self, address: HostAddress) -> io::Result<()>;
}
