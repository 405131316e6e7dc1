//! How long the drive takes: the model of its medium ([`DriveModel`]), which the [`TimeMode`] of the drive puts into effect,
//! and fixed durations of motions for tests ([`Delays`]). Without both, everything takes no time.
//!
//! The drive changes its state immediately, and its completion has the time at which the status is due
//! ([`Completion::due`](scsi_core::fault::Completion::due)). A load by a robot has no completion: the drive reports NOT
//! READY 04h/01h until the tape is threaded.

mod access_order;
mod drive_model;
mod drive_time;
mod stream;
mod tape_motion;
mod wrap_map;

pub use access_order::{Segment, locate_time, recommended_order};
pub use drive_model::{DriveModel, LoadHistory, OTHER, ROWS, TimingRow};
pub use drive_time::ModelledTime;
pub(crate) use drive_time::{DriveTime, MotionInProgress};
#[cfg(doc)]
use scsi_core::time::TimeMode;
use std::time::Duration;
pub(crate) use tape_motion::{TapeMotion, milliseconds};
pub use wrap_map::{PhysicalPosition, WrapEnd, WrapMap};

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
