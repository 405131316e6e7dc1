//! The frontend of a [`vtl::site::Site`] for mhvtl's kernel module: libraries and drives become SCSI devices of this
//! host.
//!
//! Each unit has a thread that polls the module for commands. The daemons add command lines: [`site_daemon`] serves a whole
//! configuration, [`library_daemon`] one library and [`drive_daemon`] one drive.

pub mod daemon;
pub mod drive_daemon;
pub mod fifo;
pub mod library_daemon;
pub mod lock;
pub mod log;
mod messages;
pub mod notifications;
pub mod remote_bay;
pub mod remote_drives;
pub mod site_daemon;
pub mod site_messages;
pub mod standalone_drive;
mod unit_server;
pub mod verbs;

pub use messages::{MessageHandler, MessageListener, Reply};

use lock::Lock;
use mhvtl_lld::abi::HostAddress;
use mhvtl_lld::{Module, UnitDevice};
use scsi_core::command_spec::CommandRef;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use unit_server::UnitServer;
use vtl::config::mhvtl::DeviceSlot;
use vtl::host::Host;
use vtl::site::Site;
use vtl::unit::Unit;

/// An error that prevents units from being served.
#[derive(Debug)]
pub enum FrontendError {
    /// The kernel module or the system returned an error for the unit with this minor number.
    Module(u32, io::Error),
    /// The site has no unit for this device slot.
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

/// Units that are served through the kernel module, until [`Frontend::close`] or drop.
pub struct Frontend {
    /// Stop flag and thread of each unit, in the order of the attachments.
    units: Vec<(Arc<AtomicBool>, JoinHandle<()>)>,
}

/// A function that is called before each command, with its CDB and its row in the table of the device type.
pub type CommandHook = Box<dyn FnMut(&[u8], Option<CommandRef>) + Send>;

/// A unit to serve through the kernel module.
pub struct Attachment {
    /// Minor number of the unit's device node.
    pub minor: u16,
    /// SCSI address of the unit on the host: channel, target and LUN.
    pub address: HostAddress,
    /// The unit that executes the commands.
    pub unit: Arc<Unit>,
    /// The login of the module's SCSI host to the unit's target.
    pub host: Arc<Host>,
    /// LUN of the unit within its target.
    pub lun: usize,
    /// Called before each command, with its CDB and its row.
    pub before: Option<CommandHook>,
    /// Called after each command, whatever its status is.
    pub after: Option<Box<dyn FnMut() + Send>>,
    /// Lock file of the unit, which records the current command.
    pub lock: Option<Lock>,
}

impl Attachment {
    /// Attaches a unit of the target that `host` is logged in to.
    ///
    /// # Errors
    /// The number of the slot is not a valid minor number, or the target does not have the unit.
    pub fn new(slot: &DeviceSlot, unit: Arc<Unit>, host: Arc<Host>) -> Result<Self, FrontendError> {
        let lun = host.target().lun_of(&unit).ok_or_else(|| FrontendError::Unknown(slot.clone()))?;
        let [channel, target, logical_unit] = slot.address;
        let address = HostAddress { channel, target, lun: logical_unit };
        Ok(Self { minor: minor(slot)?, address, unit, host, lun, before: None, after: None, lock: None })
    }
}

fn minor(slot: &DeviceSlot) -> Result<u16, FrontendError> {
    u16::try_from(slot.minor).map_err(|_| FrontendError::Module(slot.minor, io::ErrorKind::InvalidInput.into()))
}

/// Attaches the units of a site that have a device slot, in the order of the slots.
///
/// # Errors
/// The site has no unit for a slot, or the number of a slot is not a valid minor number.
pub fn attachments(site: &Site, slots: &[DeviceSlot]) -> Result<Vec<Attachment>, FrontendError> {
    let mut hosts: Vec<Arc<Host>> = Vec::new();
    let attach = |slot: &DeviceSlot| {
        let unknown = || FrontendError::Unknown(slot.clone());
        let library = site.library(&slot.library).ok_or_else(unknown)?;
        // All units of a target share one I_T nexus: the module's host is the only initiator.
        let existing = hosts.iter().find(|host| Arc::ptr_eq(host.target(), library.target())).cloned();
        let host = existing.unwrap_or_else(|| {
            let host = Arc::new(Host::login(library.target(), 1));
            hosts.push(Arc::clone(&host));
            host
        });
        Attachment::new(slot, library.unit(slot.unit).ok_or_else(unknown)?, host)
    };
    slots.iter().map(attach).collect()
}

impl Frontend {
    /// Starts to serve units and adds them to the module's SCSI host, one after the other.
    ///
    /// # Errors
    /// A device cannot be opened, a thread cannot be spawned, or the host rejects a unit. No unit is served then.
    pub fn open<M: Module + Clone + 'static>(module: &M, attachments: Vec<Attachment>) -> Result<Self, FrontendError> {
        let mut frontend = Self { units: Vec::new() };
        for unit in attachments {
            let (minor, address) = (unit.minor, unit.address);
            let failed = |error| FrontendError::Module(minor.into(), error);
            let server = UnitServer::new(module.open(minor).map_err(failed)?, unit);
            let stop = Arc::<AtomicBool>::default();
            let serve = {
                let stop = Arc::clone(&stop);
                move || server.serve(&stop)
            };
            let thread = Builder::new().name(format!("mhvtl{minor}")).spawn(serve).map_err(failed)?;
            frontend.units.push((stop, thread));
            // The host scans the unit now; the thread answers its commands.
            module.add_unit(minor, address).map_err(failed)?;
        }
        Ok(frontend)
    }

    /// Removes the units from the host and ends their threads, after the commands they are executing.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.units.iter().for_each(|(stop, _)| stop.store(true, Ordering::Release));
        for (_, thread) in self.units.drain(..) {
            let _ = thread.join();
        }
    }

    /// The flag that stops each unit when set, in the order of the attachments.
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

/// Removes a unit from the host. The module blocks until the host's other commands are answered, so only the thread of
/// the unit itself may call this.
fn remove_unit(device: &mut impl UnitDevice, address: HostAddress) {
    if let Err(error) = device.remove_unit(address) {
        tracing::warn!(%error, ?address, "cannot remove the unit from the host");
    }
}
