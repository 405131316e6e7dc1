//! Modelled durations of mechanical motions. All are zero unless the owner sets them.
//!
//! The drive changes its state immediately and reports how long the completion is to be delayed; the caller delays it.
//! A load by a robot has no completion: the drive reports NOT READY 04h/01h until the tape is threaded.

use scsi_core::cdb::{Cdb, Opcode};
use std::time::Duration;

/// A mechanical motion of a drive that may take time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Load: thread the tape and position it at the beginning of partition 0.
    Load,
    /// Unload: rewind and unthread the tape.
    Unload,
    /// Rewind to the beginning of the partition.
    Rewind,
    /// Position to a block or filemark (LOCATE and SPACE).
    Position,
}

/// Duration of each motion; zero by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// Duration of a load ([`Motion::Load`]).
    pub load: Duration,
    /// Duration of an unload ([`Motion::Unload`]).
    pub unload: Duration,
    /// Duration of a rewind ([`Motion::Rewind`]).
    pub rewind: Duration,
    /// Duration of LOCATE or SPACE ([`Motion::Position`]).
    pub position: Duration,
}

impl Motion {
    /// The motion that a command causes; `None` if it causes none of them.
    #[must_use]
    pub fn of_command(cdb: &[u8]) -> Option<Self> {
        let cdb = Cdb::new(cdb);
        let [_, _, _, _, flags, ..] = cdb.bytes();
        match cdb.opcode() {
            Opcode::LOAD_UNLOAD if flags & 0x01 == 0 => Some(Self::Unload),
            Opcode::LOAD_UNLOAD => Some(Self::Load),
            Opcode::REWIND => Some(Self::Rewind),
            Opcode::LOCATE_10 | Opcode::LOCATE_16 | Opcode::SPACE_6 | Opcode::SPACE_16 => Some(Self::Position),
            _ => None,
        }
    }
}

impl Delays {
    /// Duration of a motion, for changing.
    pub const fn delay_mut(&mut self, motion: Motion) -> &mut Duration {
        match motion {
            Motion::Load => &mut self.load,
            Motion::Unload => &mut self.unload,
            Motion::Rewind => &mut self.rewind,
            Motion::Position => &mut self.position,
        }
    }

    /// Delay of the completion of a command.
    #[must_use]
    pub fn delay_of_command(&self, cdb: &[u8]) -> Duration {
        match Motion::of_command(cdb) {
            Some(Motion::Load) => self.load,
            Some(Motion::Unload) => self.unload,
            Some(Motion::Rewind) => self.rewind,
            Some(Motion::Position) => self.position,
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_by_command() {
        let mut delays = Delays::default();
        for (motion, seconds) in [(Motion::Load, 1), (Motion::Unload, 2), (Motion::Rewind, 3), (Motion::Position, 4)] {
            *delays.delay_mut(motion) = Duration::from_secs(seconds);
        }
        let seconds = |cdb: [u8; 16]| delays.delay_of_command(&cdb).as_secs();
        for (opcode, flags, expected) in [
            (0x1b, 1, 1),
            (0x1b, 0, 2),
            (0x01, 0, 3),
            (0x11, 0, 4),
            (0x2b, 0, 4),
            (0x92, 0, 4),
            (0x08, 0, 0),
            (0xff, 0, 0),
        ] {
            assert_eq!(seconds([opcode, 0, 0, 0, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), expected, "{opcode:02x}");
        }
    }
}
