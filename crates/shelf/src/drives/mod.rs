//! The drives of a site that other daemons serve than the one which runs its robots.
//!
//! The objects are below `sites/NAME/drives`: `LIBRARY/3/log/0000042` an entry of the log of drive 3, created once; `LIBRARY/3/head` a
//! hint to the newest entry; `setup/DAEMON` the setup of a daemon that serves drives.

mod log;
mod setup;

pub use log::{DriveEvent, DriveLog, DriveRefusal, DriveRequest, DriveSide, DriveState};
pub use setup::{DriveIdentity, DrivesSetup};

use crate::Shelf;

/// The place of a drive: the name of the site in the store, the name of the library, and the number of the drive in it, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DrivePlace {
    /// Name of the site in the store.
    pub site: String,
    /// Name of the library in the configuration.
    pub library: String,
    /// Number of the drive in the library, from 1.
    pub number: usize,
}

impl Shelf {
    /// The log of a drive, for one of the two daemons that continue it.
    #[must_use]
    pub fn drive_log(&self, place: &DrivePlace, side: DriveSide) -> DriveLog {
        let DrivePlace { site, library, number } = place;
        DriveLog::new(self.clone(), format!("sites/{site}/drives/{library}/{number}"), side)
    }
}
