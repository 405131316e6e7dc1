//! open(2) and close(2).

use super::command::Transfer;
use super::position::{LastTransfer, Position};
use super::{Drive, DriveState, OpenTape, Opening};
use crate::{Errno, ScsiDevice};
use core::time::Duration;
use scsi_core::SenseKey;

/// How long an open without O_NONBLOCK waits for a drive that becomes ready.
const READY_LIMIT: Duration = Duration::from_secs(120);
const READY_INTERVAL: Duration = Duration::from_secs(1);

/// Whether the drive has a tape that can be used.
enum Readiness {
    Ready { medium_changed: bool },
    NotReady,
    NoTape,
}

impl Drive {
    /// open(2) of a tape.
    ///
    /// # Errors
    /// EBUSY if the tape is open, ENXIO if the mode of the node is not defined, ENOMEDIUM if the drive has no tape, EIO
    /// if it is not ready, EROFS for access to write if the tape is write-protected, EINTR if a signal ended the wait.
    pub fn open(&mut self, device: &mut dyn ScsiDevice, opening: Opening) -> Result<OpenTape, Errno> {
        if self.is_open {
            return Err(Errno::EBUSY);
        }
        self.current_mode = opening.mode;
        match self.readiness(device, opening.nonblocking)? {
            Readiness::Ready { medium_changed } => {
                if medium_changed || !self.state.online {
                    self.position = Position::BEGINNING;
                }
                self.read_settings(device)?;
            }
            readiness if opening.nonblocking => {
                self.state = DriveState { no_tape: matches!(readiness, Readiness::NoTape), ..DriveState::default() };
                self.position = Position::UNKNOWN;
            }
            Readiness::NoTape => return Err(Errno::ENOMEDIUM),
            Readiness::NotReady => return Err(Errno::EIO),
        }
        if self.state.write_protected && opening.access.writes() && !opening.nonblocking {
            return Err(Errno::EROFS);
        }
        self.is_open = true;
        Ok(OpenTape { opening })
    }

    /// close(2) of the last descriptor of a tape. The tape is closed also if this fails.
    ///
    /// # Errors
    /// ENOSPC or EIO if data or its filemark could not be written.
    #[expect(clippy::needless_pass_by_value, reason = "closing ends the open tape")]
    pub fn close(&mut self, device: &mut dyn ScsiDevice, tape: OpenTape) -> Result<(), Errno> {
        self.is_open = false;
        let finished = if self.position.last == LastTransfer::Write { self.write_filemarks(device, 1) } else { Ok(()) };
        let rewound = if tape.opening.rewinds { self.rewind(device) } else { Ok(()) };
        finished.and(rewound)
    }

    fn readiness(&mut self, device: &mut dyn ScsiDevice, nonblocking: bool) -> Result<Readiness, Errno> {
        let (mut waited, mut medium_changed) = (Duration::ZERO, false);
        loop {
            let Err(refusal) = self.send(device, [0; 6], self.timeouts.normal) else {
                return Ok(Readiness::Ready { medium_changed });
            };
            let code = refusal.sense.as_ref().map(|sense| (sense.asc.code(), sense.asc.qualifier()));
            match refusal.key() {
                SenseKey::UNIT_ATTENTION => medium_changed = true,
                SenseKey::NOT_READY if code == Some((0x04, 0x01)) && !nonblocking && waited < READY_LIMIT => {
                    device.wait(READY_INTERVAL).map_err(|_| Errno::EINTR)?;
                    waited += READY_INTERVAL;
                }
                SenseKey::NOT_READY if code.is_some_and(|(code, _)| code == 0x3a) => return Ok(Readiness::NoTape),
                _ => return Ok(Readiness::NotReady),
            }
        }
    }

    /// READ BLOCK LIMITS and MODE SENSE(6) of the header and the block descriptor.
    fn read_settings(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        let (mut limits, mut mode) = ([0; 6], [0; 12]);
        let known = self.run(device, &[5, 0, 0, 0, 0, 0], Transfer::In(&mut limits), self.timeouts.normal).is_ok();
        let [_, a, b, c, d, e] = limits;
        let block_limits =
            if known { (u32::from_be_bytes([0, 0, d, e]), u32::from_be_bytes([0, a, b, c])) } else { (0, 0) };
        self.run(device, &[0x1a, 0, 0, 0, 12, 0], Transfer::In(&mut mode), self.timeouts.normal)?;
        let [_, _, specific, _, density, _, _, _, _, a, b, c] = mode;
        self.state = DriveState {
            online: true,
            no_tape: false,
            write_protected: specific & 0x80 != 0,
            block_length: u32::from_be_bytes([0, a, b, c]),
            block_limits,
            density,
            buffered_mode: specific >> 4 & 7,
        };
        Ok(())
    }
}
