//! mhvtl's door of a [`vtl::site::Site`]: its kernel module on one side, the units of libraries on the other.
//!
//! Each unit has a thread, which asks the module for commands. The daemon `ferric-mhvtld` is this and its arguments.

pub mod daemon;
pub mod fifo;
pub mod lock;
pub mod log;
mod messages;
pub mod remote_bay;
pub mod remote_drives;
pub mod site_messages;
pub mod standalone_drive;
mod unit_server;
pub mod verbs;

pub use messages::{MessageHandler, MessageListener, Reply};

use lock::Lock;
use mhvtl_lld::abi::HostAddress;
use mhvtl_lld::{Module, UnitDevice};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use unit_server::UnitServer;
use vtl::config::mhvtl::DeviceSlot;
use vtl::host::Host;
use vtl::site::Site;
use vtl::unit::Unit;

/// Why units cannot be served.
#[derive(Debug)]
pub enum FrontendError {
    /// The module refused, for the unit of this minor.
    Module(u32, io::Error),
    /// There is no such unit at the site.
    Unknown(DeviceSlot),
}

impl std::fmt::Display for FrontendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Module(minor, error) => write!(f, "unit {minor}: {error}"),
            Self::Unknown(DeviceSlot { library, unit, minor, .. }) => {
                write!(f, "unit {minor}: library {library:?} has no unit {unit}")
            }
        }
    }
}

impl std::error::Error for FrontendError {}

/// Units that are served, until this is closed.
pub struct Frontend {
    /// In the order that they were given.
    units: Vec<(Arc<AtomicBool>, JoinHandle<()>)>,
}

/// What is done before a command, with its CDB.
pub type CommandHook = Box<dyn FnMut(&[u8]) + Send>;

/// A unit that is to be served at the module.
pub struct Attachment {
    /// Its minor.
    pub minor: u16,
    /// Where the host has it.
    pub address: HostAddress,
    /// It.
    pub unit: Arc<Unit>,
    /// The module's host, as the unit's target knows it.
    pub host: Arc<Host>,
    /// Its LUN there.
    pub lun: usize,
    /// Called before each command, with its CDB.
    pub before: Option<CommandHook>,
    /// Called after each command.
    pub after: Option<Box<dyn FnMut() + Send>>,
    /// Where the command is noted that it is at.
    pub lock: Option<Lock>,
}

impl Attachment {
    /// A unit behind its target, with the module's host logged in there.
    ///
    /// # Errors
    /// The seat's number cannot be a minor, or the target has no such unit.
    pub fn new(seat: &DeviceSlot, unit: Arc<Unit>, host: Arc<Host>) -> Result<Self, FrontendError> {
        let lun = host.target().lun_of(&unit).ok_or_else(|| FrontendError::Unknown(seat.clone()))?;
        let [channel, target, logical_unit] = seat.address;
        let address = HostAddress { channel, target, lun: logical_unit };
        Ok(Self { minor: minor(seat)?, address, unit, host, lun, before: None, after: None, lock: None })
    }
}

fn minor(seat: &DeviceSlot) -> Result<u16, FrontendError> {
    u16::try_from(seat.minor).map_err(|_| FrontendError::Module(seat.minor, io::ErrorKind::InvalidInput.into()))
}

/// Units of a site that have a seat at the module, in the order of their seats.
///
/// # Errors
/// There is no such unit.
pub fn attachments(site: &Site, seats: &[DeviceSlot]) -> Result<Vec<Attachment>, FrontendError> {
    let mut hosts: Vec<Arc<Host>> = Vec::new();
    let place = |seat: &DeviceSlot| {
        let unknown = || FrontendError::Unknown(seat.clone());
        let library = site.library(&seat.library).ok_or_else(unknown)?;
        // There is one initiator, the module's host.
        let known = hosts.iter().find(|host| Arc::ptr_eq(host.target(), library.target())).cloned();
        let host = known.unwrap_or_else(|| {
            let host = Arc::new(Host::login(library.target(), 1));
            hosts.push(Arc::clone(&host));
            host
        });
        Attachment::new(seat, library.unit(seat.unit).ok_or_else(unknown)?, host)
    };
    seats.iter().map(place).collect()
}

impl Frontend {
    /// Serves units, and makes them known to the module's host, one after the other.
    ///
    /// # Errors
    /// A device cannot be opened, or the host did not take a unit. No unit is served then.
    pub fn open<M: Module + Clone + 'static>(module: &M, placed: Vec<Attachment>) -> Result<Self, FrontendError> {
        let mut door = Self { units: Vec::new() };
        for unit in placed {
            let (minor, address) = (unit.minor, unit.address);
            let failed = |error| FrontendError::Module(minor.into(), error);
            let served = UnitServer::new(module.open(minor).map_err(failed)?, unit);
            let stop = Arc::<AtomicBool>::default();
            let serve = {
                let stop = Arc::clone(&stop);
                move || served.serve(&stop)
            };
            let thread = Builder::new().name(format!("mhvtl{minor}")).spawn(serve).map_err(failed)?;
            door.units.push((stop, thread));
            // The host looks at the unit now, and the thread answers.
            module.add_unit(minor, address).map_err(failed)?;
        }
        Ok(door)
    }

    /// Takes the units away from the host and ends their threads.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.units.iter().for_each(|(stop, _)| stop.store(true, Ordering::Release));
        for (_, thread) in self.units.drain(..) {
            let _ = thread.join();
        }
    }

    /// What ends each unit, in the order that they were given.
    #[must_use]
    pub fn stop_flags(&self) -> Vec<Arc<AtomicBool>> {
        self.units.iter().map(|(stop, _)| Arc::clone(stop)).collect()
    }
}

impl Drop for Frontend {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes a unit away; the module blocks while the host's other commands are not answered, so nobody waits for it but the
/// unit's own thread.
fn remove_unit(device: &mut impl UnitDevice, address: HostAddress) {
    if let Err(error) = device.remove_unit(address) {
        tracing::warn!(%error, ?address, "the unit could not be taken away from the host");
    }
}
