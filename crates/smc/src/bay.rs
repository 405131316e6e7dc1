//! The door of a drive, as a robot sees it.

use scsi_core::time::Now;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, InsertError, RemoveError};

/// What can be seen of a drive without asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BayStatus {
    /// The cartridge inside.
    pub barcode: Option<Barcode>,
    /// What that is for.
    pub kind: CartridgeKind,
    /// It is ejected, so that the robot can take it without help.
    pub accessible: bool,
}

impl Default for BayStatus {
    /// An empty drive.
    fn default() -> Self {
        Self { barcode: None, kind: CartridgeKind::Data, accessible: false }
    }
}

/// A drive's name, for the identifier of its element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BayName {
    /// VENDOR, PRODUCT and serial as a T10 designator has them: 8, 16 and up to 10 characters.
    pub t10: Vec<u8>,
    /// Serial number alone.
    pub serial: String,
    /// World wide name.
    pub naa: u64,
}

/// A drive as the robot uses it. Calls go from changer to drive and never back.
pub trait Bay: Send {
    /// Its name.
    fn name(&self) -> BayName;
    /// What is visible; never waits for the drive's I/O.
    fn status(&self) -> BayStatus;
    /// Whether a host keeps the cartridge in.
    fn removal_prevented(&self) -> bool;
    /// Takes the drive off line, or brings it back.
    fn set_online(&mut self, online: bool);
    /// Puts a cartridge in; the drive threads it.
    ///
    /// # Errors
    /// The bay is full; the cartridge comes back.
    fn insert(&mut self, cartridge: Cartridge, now: Now) -> Result<(), Box<InsertError>>;
    /// Takes the cartridge out, unloading it first if need be.
    ///
    /// # Errors
    /// There is none, or it must stay.
    fn remove(&mut self, now: Now) -> Result<Cartridge, RemoveError>;
}
