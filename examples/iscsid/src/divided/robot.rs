//! The daemon that runs a site, and lets other daemons serve some of its drives.

use super::remote_drive::{RemoteBay, RemoteDrive};
use super::{open, stop_daemon};
use shelf::{DriveIdentity, DrivePlace, DrivesSetup, Shelf};
use smc::element::ElementAddress;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;
use vtl::config::Config;
use vtl::inventory::Location;
use vtl::library::RemoteBayFactory;
use vtl::site::Site;

/// The drives that the configuration assigns to other daemons: their names by library and number.
type Daemons = BTreeMap<(String, usize), String>;

/// The robots of a site in which other daemons serve some of the drives.
pub(crate) struct Robot {
    runtime: Option<Runtime>,
    shelf: Shelf,
    site: String,
    epoch: u64,
    daemons: Arc<Daemons>,
    drives: Arc<Mutex<Vec<Drive>>>,
}

/// A drive of another daemon.
struct Drive {
    identity: DriveIdentity,
    remote: Arc<RemoteDrive>,
}

impl Drop for Robot {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A store in a directory may hang in a system call.
            runtime.shutdown_background();
        }
    }
}

impl Robot {
    /// Opens the store for the drives of other daemons; `None` if the configuration has none. `epoch` is that of the lease of
    /// the site.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub(crate) fn open(url: &str, site: &str, epoch: u64, config: &Config) -> Result<Option<Self>, String> {
        let daemons = daemons(config);
        if daemons.is_empty() {
            return Ok(None);
        }
        let (runtime, shelf) = open(url)?;
        let (runtime, daemons, drives) = (Some(runtime), Arc::new(daemons), Arc::default());
        Ok(Some(Self { runtime, shelf, site: site.to_owned(), epoch, daemons, drives }))
    }

    /// Creates the bays of the drives of other daemons.
    pub(crate) fn bay_factory(&self) -> RemoteBayFactory {
        let (shelf, site, epoch) = (self.shelf.clone(), self.site.clone(), self.epoch);
        let (daemons, drives) = (Arc::clone(&self.daemons), Arc::clone(&self.drives));
        let handle = self.runtime.as_ref().map(|runtime| runtime.handle().clone());
        Box::new(move |library, number, name| {
            let place = DrivePlace { site: site.clone(), library: library.to_owned(), number };
            let daemon = daemons.get(&(library.to_owned(), number)).map_or("", String::as_str);
            let label = format!("{library}/drive{number} of {daemon}");
            let handle = handle.clone().unwrap_or_else(tokio::runtime::Handle::current);
            let remote = Arc::new(RemoteDrive::new(handle, label, shelf.drive_log(&place, epoch)));
            let identity = DriveIdentity {
                library: library.to_owned(),
                number,
                serial: name.serial.clone(),
                naa: format!("{:016x}", name.naa),
            };
            let drive = Drive { identity, remote: Arc::clone(&remote) };
            drives.lock().unwrap_or_else(PoisonError::into_inner).push(drive);
            Box::new(RemoteBay::new(remote, name))
        })
    }

    /// Tells the other daemons what they need to know, and follows their drives from now on. `configuration` is the text of the
    /// configuration file.
    ///
    /// # Errors
    /// The store fails, or another daemon runs the site.
    pub(crate) fn start(&self, site: &Site, configuration: &str) -> Result<(), String> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let drives: Vec<(DriveIdentity, Arc<RemoteDrive>)> = {
            let drives = self.drives.lock().unwrap_or_else(PoisonError::into_inner);
            drives.iter().map(|drive| (drive.identity.clone(), Arc::clone(&drive.remote))).collect()
        };
        for (daemon, setup) in self.setups(&drives, configuration) {
            let put = self.shelf.put_drives_setup(&self.site, &daemon, &setup);
            runtime.block_on(put).map_err(|error| format!("--site: {error}"))?;
        }
        for (identity, remote) in drives {
            let loaded = runtime.block_on(remote.begin()).map_err(|error| format!("--site: {error}"))?;
            if let Some(barcode) = loaded {
                adopt(site, &identity, &barcode);
            }
            runtime.spawn(async move {
                let error = remote.follow().await;
                tracing::error!(%error, "this daemon stops");
                stop_daemon();
            });
        }
        Ok(())
    }

    fn setups(
        &self,
        drives: &[(DriveIdentity, Arc<RemoteDrive>)],
        configuration: &str,
    ) -> BTreeMap<String, DrivesSetup> {
        let mut setups = BTreeMap::new();
        for (identity, _) in drives {
            let Some(daemon) = self.daemons.get(&(identity.library.clone(), identity.number)) else { continue };
            let new = || DrivesSetup { configuration: configuration.to_owned(), drives: Vec::new() };
            setups.entry(daemon.clone()).or_insert_with(new).drives.push(identity.clone());
        }
        setups
    }
}

/// Puts a cartridge that is in a drive of another daemon there in the inventory, too: the robot has moved it, and the state of the
/// site was restored from a copy which is older.
fn adopt(site: &Site, drive: &DriveIdentity, barcode: &str) {
    let Some(library) = site.library(&drive.library) else { return };
    let Some(to) = drive.number.checked_sub(1).and_then(|index| library.layout().drives.addresses().nth(index)) else {
        return;
    };
    let from = match site.inventory().get(barcode).map(|record| record.location.clone()) {
        Some(Location::Element { library, address, .. }) if library == drive.library => ElementAddress(address),
        _ => return,
    };
    if from == to {
        return;
    }
    match library.move_medium(from, to) {
        Ok(()) => tracing::info!(
            library = drive.library,
            barcode,
            drive = drive.number,
            "the drive of another daemon has it already"
        ),
        Err(error) => {
            tracing::warn!(library = drive.library, barcode, drive = drive.number, %error, "cartridge must leave the drive")
        }
    }
}

fn daemons(config: &Config) -> Daemons {
    let of = |library: &vtl::config::LibrarySetup| {
        let name = library.name.clone();
        let drives = (1..).zip(library.drives.clone());
        drives.filter_map(move |(number, drive)| Some(((name.clone(), number), drive.daemon?))).collect::<Vec<_>>()
    };
    config.libraries.iter().flat_map(of).collect()
}
