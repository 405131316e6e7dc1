//! mhvtl's door of a [`vtl::site::Site`]: its kernel module on one side, the units of libraries on the other.
//!
//! Each unit has a thread, which asks the module for commands. The daemon `ferric-mhvtld` is this and its arguments.

mod messages;
mod seat;
mod verbs;

pub use messages::Messages;

use mhvtl_lld::abi::Address;
use mhvtl_lld::{Device, Module};
use seat::Served;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use vtl::config::mhvtl::Seat;
use vtl::host::Host;
use vtl::site::Site;

/// Why units cannot be served.
#[derive(Debug)]
pub enum DoorError {
    /// The module refused, for the unit of this minor.
    Module(u32, io::Error),
    /// There is no such unit at the site.
    Unknown(Seat),
}

impl std::fmt::Display for DoorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Module(minor, error) => write!(f, "unit {minor}: {error}"),
            Self::Unknown(Seat { library, unit, minor, .. }) => {
                write!(f, "unit {minor}: library {library:?} has no unit {unit}")
            }
        }
    }
}

impl std::error::Error for DoorError {}

/// Units that are served, until this is closed.
pub struct Door {
    /// In the order of their seats.
    units: Vec<(Arc<AtomicBool>, JoinHandle<()>)>,
}

fn address(seat: &Seat) -> Address {
    let [channel, target, lun] = seat.address;
    Address { channel, target, lun }
}

impl Door {
    /// Serves the units of a site that have a seat at the module, and makes them known to its host, one after the other.
    ///
    /// # Errors
    /// A device cannot be opened, the host did not take a unit, or there is no such unit. No unit is served then.
    pub fn open<M: Module + Clone + 'static>(module: &M, site: &Site, seats: &[Seat]) -> Result<Self, DoorError> {
        let mut door = Self { units: Vec::new() };
        let mut hosts: Vec<(String, Arc<Host>)> = Vec::new();
        for seat in seats {
            let unknown = || DoorError::Unknown(seat.clone());
            let failed = |error| DoorError::Module(seat.minor, error);
            let library = site.library(&seat.library).ok_or_else(unknown)?;
            // There is one initiator, the module's host.
            let host = match hosts.iter().find(|(target, _)| target == library.target().name()) {
                Some((_, host)) => Arc::clone(host),
                None => {
                    let host = Arc::new(Host::login(library.target(), 1));
                    hosts.push((library.target().name().into(), Arc::clone(&host)));
                    host
                }
            };
            let unit = library.unit(seat.unit).ok_or_else(unknown)?;
            let lun = library.target().lun_of(&unit).ok_or_else(unknown)?;
            let minor = u16::try_from(seat.minor).map_err(|_| failed(io::ErrorKind::InvalidInput.into()))?;
            let device = module.open(minor).map_err(failed)?;
            let served = Served::new(device, unit, host, lun, Arc::clone(site.buffers()));
            let (stop, at) = (Arc::<AtomicBool>::default(), address(seat));
            let serve = {
                let stop = Arc::clone(&stop);
                move || served.serve(at, &stop)
            };
            let thread = Builder::new().name(format!("mhvtl{minor}")).spawn(serve).map_err(failed)?;
            door.units.push((stop, thread));
            // The host looks at the unit now, and the thread answers.
            module.add(minor, at).map_err(failed)?;
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

    /// What ends each unit, in the order of their seats.
    fn stops(&self) -> Vec<Arc<AtomicBool>> {
        self.units.iter().map(|(stop, _)| Arc::clone(stop)).collect()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes a unit away; the module blocks while the host's other commands are not answered, so nobody waits for it but the
/// unit's own thread.
fn leave(device: &mut impl Device, address: Address) {
    if let Err(error) = device.remove(address) {
        tracing::warn!(%error, ?address, "the unit could not be taken away from the host");
    }
}
