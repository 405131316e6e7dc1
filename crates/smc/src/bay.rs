//! The interface of the robot to a drive: status, insertion and removal of a cartridge.

use crate::robot::RobotFault;
use scsi_core::time::Now;
use std::time::Duration;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, InsertError, RemoveError};

/// The status of a drive as the robot can detect it, without a command to the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BayStatus {
    /// Barcode of the cartridge in the drive; `None` if the drive is empty.
    pub barcode: Option<Barcode>,
    /// Kind of that cartridge; `Data` if the drive is empty.
    pub kind: CartridgeKind,
    /// The cartridge is ejected, so the robot can pick it without unloading the drive. This is ACCESS of a data
    /// transfer element in READ ELEMENT STATUS.
    pub accessible: bool,
}

impl Default for BayStatus {
    /// Returns the status of an empty drive.
    fn default() -> Self {
        Self { barcode: None, kind: CartridgeKind::Data, accessible: false }
    }
}

/// Identification of a drive, for the identification descriptor of its element (READ ELEMENT STATUS with DVCID).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BayName {
    /// T10 vendor ID designator: vendor (8 characters), product (16) and serial number (up to 10).
    pub t10: Vec<u8>,
    /// Unit serial number of the drive.
    pub serial: String,
    /// World wide name: an eight-byte NAA designator.
    pub naa: u64,
}

/// A drive bay as the robot uses it. The changer calls the drive; the drive never calls the changer.
pub trait Bay: Send {
    /// Returns the identification of the drive.
    fn name(&self) -> BayName;
    /// Returns the status of the drive. Never waits for the drive's I/O.
    fn status(&self) -> BayStatus;
    /// Returns whether a host of the drive prevents removal (PREVENT ALLOW MEDIUM REMOVAL).
    fn removal_prevented(&self) -> bool;
    /// Sets the drive offline or online for its hosts.
    fn set_online(&mut self, online: bool);
    /// Inserts a cartridge, which the drive then threads.
    ///
    /// # Errors
    /// The drive already holds a cartridge or rejects this one. The error returns the cartridge.
    fn insert(&mut self, cartridge: Cartridge, now: Now) -> Result<(), Box<InsertError>>;
    /// Removes the cartridge, unloading it first if it is loaded.
    ///
    /// # Errors
    /// See [`RemoveError`]: the drive is empty, a host prevents removal, or the drive cannot be reached.
    fn remove(&mut self, now: Now) -> Result<Cartridge, RemoveError>;
    /// Tells the drive that, by an injected fault, it has rejected a cartridge ([`RobotFault::Load`]) or has not released its cartridge
    /// ([`RobotFault::Unload`]): it raises TapeAlert 55 or 56. By default, nothing happens.
    fn report_failure(&mut self, _fault: RobotFault) {}
    /// Returns how long the drive takes from now on until the robot can take its cartridge. By default, no time.
    fn time_until_removal(&self, _now: Now) -> Duration {
        Duration::ZERO
    }
}
