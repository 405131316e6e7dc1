//! How long mechanics take: nothing, unless an owner says otherwise.
//!
//! A drive changes its state at once and knows how long the answer is to wait; who runs it waits. Threading a tape that a
//! robot has put in has no answer: until then the drive is becoming ready.

use crate::command::Command;
use crate::table::COMMANDS;
use scsi_core::cdb::Cdb;
use std::time::Duration;

/// Motions of the mechanics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Threading a tape.
    Load,
    /// Taking it out of the path.
    Unload,
    /// To the beginning of the partition.
    Rewind,
    /// To a block or filemark.
    Position,
}

/// How long each takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// See [`Motion::Load`].
    pub load: Duration,
    /// See [`Motion::Unload`].
    pub unload: Duration,
    /// See [`Motion::Rewind`].
    pub rewind: Duration,
    /// See [`Motion::Position`].
    pub position: Duration,
}

impl Delays {
    /// The delay of a motion, to be changed.
    pub const fn delay_mut(&mut self, motion: Motion) -> &mut Duration {
        match motion {
            Motion::Load => &mut self.load,
            Motion::Unload => &mut self.unload,
            Motion::Rewind => &mut self.rewind,
            Motion::Position => &mut self.position,
        }
    }

    /// How long the answer of a command waits.
    #[must_use]
    pub fn delay_of_command(&self, cdb: &[u8]) -> Duration {
        let cdb = Cdb::new(cdb);
        let [_, _, _, _, flags, ..] = cdb.bytes();
        match COMMANDS.find(&cdb).map(|row| row.command) {
            Ok(Command::LoadUnload) if flags & 0x01 == 0 => self.unload,
            Ok(Command::LoadUnload) => self.load,
            Ok(Command::Rewind) => self.rewind,
            Ok(Command::Locate | Command::Space) => self.position,
            _ => Duration::ZERO,
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
