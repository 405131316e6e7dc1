//! open(2) and close(2).

use super::command::Refusal;
use super::options::Booleans;
use super::position::{Boundary, LastTransfer, Number, Position};
use super::{Door, Drive, DriveState, OpenTape, Opening, Readiness};
use crate::mtio::Operation;
use crate::{Errno, ScsiDevice};
use core::time::Duration;
use scsi_core::SenseKey;

/// Time between two attempts to find the drive ready.
const READY_INTERVAL: Duration = Duration::from_secs(1);
/// ADDITIONAL SENSE CODE of a drive without a medium.
const MEDIUM_NOT_PRESENT: u8 = 0x3a;
/// Unit attentions that an open reads before it gives up.
const MAX_ATTENTIONS: u32 = 10;

impl Drive {
    /// open(2) of a tape.
    ///
    /// # Errors
    /// EBUSY if the tape is open, ENOMEDIUM if the drive has no tape, EIO if it is not ready, EROFS for access to write
    /// if the tape is write-protected, EINTR if a signal ended the wait.
    pub fn open(&mut self, device: &mut dyn ScsiDevice, opening: Opening) -> Result<OpenTape, Errno> {
        if self.is_open {
            return Err(Errno::EBUSY);
        }
        let former_mode = core::mem::replace(&mut self.current_mode, opening.mode);
        let is_new = self.find_readiness(device, opening.nonblocking)?;
        match self.readiness {
            Readiness::Ready => {
                if is_new {
                    self.start_tape(device);
                }
                self.read_settings(device);
                if is_new || former_mode != opening.mode {
                    self.apply_defaults(device);
                }
            }
            _ if opening.nonblocking => {
                self.state = DriveState { block_limits: self.state.block_limits, ..DriveState::default() };
                self.position = Position::UNKNOWN;
            }
            Readiness::NoTape => return Err(Errno::ENOMEDIUM),
            Readiness::NotReady => return Err(Errno::EIO),
        }
        if self.state.write_protected && opening.access.writes() && !opening.nonblocking {
            return Err(Errno::EROFS);
        }
        self.is_open = true;
        self.transfers_directly = true;
        Ok(OpenTape { opening })
    }

    /// close(2) of the last descriptor of a tape. The tape is closed also if this fails.
    ///
    /// # Errors
    /// ENOSPC or EIO if the filemark after data could not be written, or the tape could not be positioned.
    #[expect(clippy::needless_pass_by_value, reason = "closing ends the open tape")]
    pub fn close(&mut self, device: &mut dyn ScsiDevice, tape: OpenTape) -> Result<(), Errno> {
        self.is_open = false;
        let is_position_known = self.check_position();
        let flushed = self.flush_writes(device);
        self.write_buffer.clear();
        let finished = match self.position.last {
            // A partition that the next operation would change to is the one that is closed.
            LastTransfer::Write if self.partitions.is_change_pending() => Ok(()),
            LastTransfer::Write => self.finish_file(device),
            LastTransfer::Read => self.finish_reading(device, &tape),
            LastTransfer::None => Ok(()),
        };
        let rewound = if tape.opening.rewinds { self.check_ready().and_then(|()| self.rewind(device)) } else { Ok(()) };
        if self.door == Door::LockedByDriver {
            self.set_door(device, Door::Unlocked);
        }
        match is_position_known {
            Ok(()) => flushed.and(finished).and(rewound),
            // It is still unknown to programs.
            Err(errno) => {
                self.position = Position::UNKNOWN;
                if tape.opening.rewinds { rewound } else { Err(errno) }
            }
        }
    }

    /// The filemark after the last block, or two with the option: then the position is between them.
    fn finish_file(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        let two = self.has(Booleans::TWO_FM);
        self.write_filemarks(device, if two { 2 } else { 1 }, self.has(Booleans::NOWAIT_EOF))?;
        if two {
            self.space_files(device, Operation::BSF, 1)?;
            self.position.block = Number::ZERO;
        }
        self.position.boundary = Boundary::Filemark;
        Ok(())
    }

    /// System V semantics: the next file. BSD semantics: the position stays.
    fn finish_reading(&mut self, device: &mut dyn ScsiDevice, tape: &OpenTape) -> Result<(), Errno> {
        let crossed = matches!(self.position.boundary, Boundary::Filemark | Boundary::EndOfData);
        if !self.has(Booleans::SYSV) || tape.opening.rewinds {
            return self.end_transfers(device, Operation::NOP);
        }
        if self.position.boundary == Boundary::FilemarkPending {
            self.position.pass_filemarks(1);
            return Ok(());
        }
        if crossed { Ok(()) } else { self.space_files(device, Operation::FSF, 1) }
    }

    /// Locks the door before the first transfer of an open tape, with the option.
    pub(super) fn lock_for_transfer(&mut self, device: &mut dyn ScsiDevice) {
        if self.has(Booleans::AUTO_LOCK) && self.door == Door::Unlocked {
            self.set_door(device, Door::LockedByDriver);
        }
    }

    /// PREVENT ALLOW MEDIUM REMOVAL. Like Linux' driver, this does not report that the drive refuses.
    pub(super) fn set_door(&mut self, device: &mut dyn ScsiDevice, door: Door) {
        let prevent = u8::from(door != Door::Unlocked);
        if self.send(device, [0x1e, 0, 0, 0, prevent, 0], self.timeouts.normal).is_ok() {
            self.door = door;
        }
    }

    /// TEST UNIT READY until the drive is ready or the time is over. Returns whether there was a unit attention, after
    /// which nothing known about the tape is valid.
    fn find_readiness(&mut self, device: &mut dyn ScsiDevice, nonblocking: bool) -> Result<bool, Errno> {
        let (mut waited, mut attentions) = (Duration::ZERO, 0);
        loop {
            let Err(refusal) = self.send(device, [0; 6], self.timeouts.normal) else {
                self.readiness = Readiness::Ready;
                return Ok(attentions > 0);
            };
            if refusal.is(SenseKey::UNIT_ATTENTION) && attentions < MAX_ATTENTIONS {
                attentions += 1;
            } else if refusal.is(SenseKey::NOT_READY) && !nonblocking && waited < self.ready_limit {
                device.wait(READY_INTERVAL).map_err(|_| Errno::EINTR)?;
                waited += READY_INTERVAL;
            } else if refusal.has_no_sense() {
                return Err(Errno::EIO);
            } else {
                self.readiness = readiness_of(&refusal);
                return Ok(attentions > 0);
            }
        }
    }
}

fn readiness_of(refusal: &Refusal) -> Readiness {
    let no_tape = refusal.is(SenseKey::NOT_READY) && refusal.asc().is_some_and(|asc| asc.code() == MEDIUM_NOT_PRESENT);
    if no_tape { Readiness::NoTape } else { Readiness::NotReady }
}
