//! The tape driver: what the system calls on `/dev/st0` and `/dev/nst0` do with a drive.
//!
//! [`Drive`] is the driver's state of one drive. It lives as long as the drive is attached: block length, options and
//! position stay when a tape is closed. [`Drive::open`] returns an [`OpenTape`], which every other call needs and
//! [`Drive::close`] consumes, so that there is no call on a tape that is not open.
//!
//! A write transfers directly from the memory of the program and returns when the drive has the data, as with Linux'
//! driver and host adapters that can use that memory. Writes of fixed blocks after a read of a part of a block are
//! buffered, and the call that flushes the buffer reports their errors.
//!
//! Deviations:
//! - There is no mode without direct transfer (the module parameter `try_direct_io=0` of Linux' driver), in which also
//!   writes in variable block mode return before the drive has the data.
//! - Without the option MT_ST_CAN_BSR, blocks that were read ahead are not spaced over; Linux' driver may fail then.
//! - After a failed MTSEEK to another partition, Linux' driver moves the tape to the block where that partition was left; the
//!   recorded cases do not show when. This one moves it at once.

mod command;
mod open;
mod operate;
mod options;
mod partitions;
mod position;
mod read;
mod settings;
mod space;
mod status;
#[cfg(test)]
mod tests;
mod write;

use crate::mtio::{Reply, Request};
use crate::{Errno, ScsiDevice};
use command::Timeouts;
use core::time::Duration;
use options::{Mode, Options};
use partitions::Partitions;
use position::Position;

/// The state that the driver `st` keeps of one drive between calls.
#[derive(Debug)]
pub struct Drive {
    modes: [Mode; 4],
    current_mode: ModeNumber,
    options: Options,
    timeouts: Timeouts,
    ready_limit: Duration,
    readiness: Readiness,
    state: DriveState,
    partitions: Partitions,
    position: Position,
    /// Bytes that a read in fixed block mode read ahead.
    read_ahead: Vec<u8>,
    /// Bytes of blocks that were written in fixed block mode and not yet sent to the drive.
    write_buffer: Vec<u8>,
    /// Whether fixed block mode transfers directly, as it does from open to the first read of a part of a block.
    transfers_directly: bool,
    recovered_errors: u16,
    cleaning_requested: bool,
    door: Door,
    reset: ResetState,
    is_open: bool,
}

/// The effect of a reset of the unit by this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResetState {
    /// No reset since the position was last found.
    None,
    /// The unit was reset, but no command has failed since.
    Reset,
    /// A command has failed since. Nothing but an operation that finds the position is allowed.
    PositionLost,
}

/// Whether the removal of the tape is prevented, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Unlocked,
    /// The driver, until the tape is closed.
    LockedByDriver,
    /// MTLOCK, until MTUNLOCK.
    Locked,
}

/// Whether the drive had a tape and was ready when it was last opened, loaded or unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Ready,
    NotReady,
    NoTape,
}

/// The settings of the drive, as it last reported them or accepted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct DriveState {
    write_protected: bool,
    /// Block length in bytes, 0 for variable.
    block_length: u32,
    /// Least and greatest block length in bytes.
    block_limits: (u32, u32),
    density: u8,
    /// BUFFERED MODE, 0 to 7.
    buffered_mode: u8,
}

/// How long an open waits for a drive that is not ready.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// The number of one of the four modes of a drive: 0 for `st0`, 1 for `st0l`, 2 for `st0m`, 3 for `st0a`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeNumber(u8);

impl ModeNumber {
    /// The mode with this number; `None` above 3.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < 4 { Some(Self(number)) } else { None }
    }

    /// The number, 0 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The letter at the end of the names of its nodes: none, `l`, `m` or `a`.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self.0 {
            0 => "",
            1 => "l",
            2 => "m",
            _ => "a",
        }
    }
}

/// The permitted operations on an open tape: the access mode of `open(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// O_RDONLY: the program may use read(2) only.
    Read,
    /// O_WRONLY: the program may use write(2) only.
    Write,
    /// O_RDWR: the program may use read(2) and write(2).
    ReadWrite,
}

impl Access {
    const fn reads(self) -> bool {
        !matches!(self, Self::Write)
    }

    const fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }
}

/// The arguments of an open of a tape: the flags of `open(2)`, and the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The access mode of the flags.
    pub access: Access,
    /// Whether the flags have O_NONBLOCK: the drive need not be ready.
    pub nonblocking: bool,
    /// The mode that the node stands for.
    pub mode: ModeNumber,
    /// Whether the node is an `st` node: the tape is rewound when it is closed. `nst` nodes do not rewind.
    pub rewinds: bool,
    /// Whether the program may set the options of the driver (capability CAP_SYS_ADMIN).
    pub privileged: bool,
}

/// An open tape. [`Drive::close`] ends it; a drive whose `OpenTape` is dropped stays busy.
#[derive(Debug)]
#[must_use = "a drive is busy until its open tape is closed"]
pub struct OpenTape {
    opening: Opening,
}

impl Default for Drive {
    fn default() -> Self {
        Self::new()
    }
}

impl Drive {
    /// The state when the driver attaches a drive, with the defaults of Linux' driver. Sends no command.
    #[must_use]
    pub fn new() -> Self {
        Self {
            modes: Mode::initial(),
            current_mode: ModeNumber(0),
            options: Options::INITIAL,
            timeouts: Timeouts::INITIAL,
            ready_limit: READY_LIMIT,
            readiness: Readiness::NotReady,
            state: DriveState::default(),
            partitions: Partitions::INITIAL,
            position: Position::UNKNOWN,
            read_ahead: Vec::new(),
            write_buffer: Vec::new(),
            transfers_directly: true,
            recovered_errors: 0,
            cleaning_requested: false,
            door: Door::Unlocked,
            reset: ResetState::None,
            is_open: false,
        }
    }

    /// Sets how long an open without O_NONBLOCK waits for a drive that is not ready or has no tape. Linux' driver waits
    /// two minutes, which is the default.
    pub const fn set_ready_limit(&mut self, limit: Duration) {
        self.ready_limit = limit;
    }

    /// Fails unless the drive has a tape and is ready, and the mode of the tape is defined.
    fn check_ready(&self) -> Result<(), Errno> {
        match self.readiness {
            _ if !self.mode().defined => Err(Errno::ENXIO),
            Readiness::Ready => Ok(()),
            Readiness::NotReady => Err(Errno::EIO),
            Readiness::NoTape => Err(Errno::ENOMEDIUM),
        }
    }

    /// This host has reset the unit: the next command that fails makes the position unknown, until an operation such as MTREW
    /// finds it.
    pub const fn notice_reset(&mut self) {
        if matches!(self.reset, ResetState::None) {
            self.reset = ResetState::Reset;
        }
    }

    /// A command has failed.
    fn notice_failure(&mut self) {
        if self.reset != ResetState::None {
            self.reset = ResetState::PositionLost;
            self.position = Position::UNKNOWN;
            self.read_ahead.clear();
            self.write_buffer.clear();
        }
    }

    /// Fails after a reset by this host, before the position is found: then read(2), write(2) and ioctl(2) with requests of
    /// other drivers are not allowed either.
    ///
    /// # Errors
    /// EIO.
    pub fn check_position(&mut self) -> Result<(), Errno> {
        if self.reset != ResetState::PositionLost {
            return Ok(());
        }
        self.position = Position::UNKNOWN;
        Err(Errno::EIO)
    }

    /// Whether a program has the tape open; a second open gets EBUSY.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// ioctl(2) with a request of the tape driver.
    ///
    /// # Errors
    /// EINVAL for an invalid argument or position, ENOSYS for an unknown operation, EPERM without the privilege for
    /// MTSETDRVBUFFER, EACCES for a write-protected tape, ENOSPC at the end of the tape, EIO if the drive refuses.
    pub fn ioctl(&mut self, device: &mut dyn ScsiDevice, tape: &OpenTape, request: Request) -> Result<Reply, Errno> {
        match request {
            Request::Operate(operation) => self.operate(device, tape, operation).map(|()| Reply::Done),
            Request::Status => self.status(device).map(Reply::Status),
            Request::Position => self.block_number(device).map(Reply::Position),
        }
    }
}

/// A residue, limited to the size of its count.
fn count_within(residue: i32, count: i32) -> i32 {
    residue.clamp(0, count.saturating_abs())
}
