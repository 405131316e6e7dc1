//! Modelled durations of mechanical motions. All are zero unless the owner sets them.
//!
//! The drive changes its state immediately, and its completion has the time at which the status is due
//! ([`Completion::due`](scsi_core::fault::Completion::due)). A load by a robot has no completion: the drive reports NOT
//! READY 04h/01h until the tape is threaded.

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
}
