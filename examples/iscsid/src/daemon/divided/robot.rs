//! The daemon that runs a site, and lets other daemons serve some of its drives.

use super::remote_drive::{RemoteBay, RemoteDrive};
use super::{open, stop_daemon};
use shelf::{DriveIdentity, DrivePlace, DriveSide, DrivesSetup, Shelf, ShelfError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape_store::cartridge::Barcode;
use tokio::runtime::Runtime;
use vtl::config::Config;
use vtl::library::RemoteBayFactory;
use vtl::site::Site;

/// The drives that the configuration assigns to other daemons: their names by library and number.
type Daemons = BTreeMap<(String, usize), String>;

/// The robots of a site in which other daemons serve some of the drives.
pub(crate) struct Robot {
    runtime: Mutex<Option<Runtime>>,
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
        self.stop();
    }
}

impl Robot {
    /// Opens the store for the drives of other daemons; `None` if there are no such daemons, and there were none. `epoch` is that of the lease of
    /// the site.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub(crate) fn open(url: &str, site: &str, epoch: u64, config: &Config) -> Result<Option<Self>, String> {
        let daemons = daemons(config);
        let (runtime, shelf) = open(url)?;
        if daemons.is_empty() {
            let former = runtime.block_on(shelf.drives_daemons(site)).map_err(|error| format!("--site: {error}"))?;
            if former.is_empty() {
                return Ok(None);
            }
        }
        let (runtime, daemons, drives) = (Mutex::new(Some(runtime)), Arc::new(daemons), Arc::default());
        Ok(Some(Self { runtime, shelf, site: site.to_owned(), epoch, daemons, drives }))
    }

    /// Creates the bays of the drives of other daemons.
    pub(crate) fn bay_factory(&self) -> RemoteBayFactory {
        let (shelf, site, epoch) = (self.shelf.clone(), self.site.clone(), self.epoch);
        let (daemons, drives) = (Arc::clone(&self.daemons), Arc::clone(&self.drives));
        let handle = self.runtime().as_ref().map(|runtime| runtime.handle().clone());
        Box::new(move |library, number, name| {
            let place = DrivePlace { site: site.clone(), library: library.to_owned(), number };
            let daemon = daemons.get(&(library.to_owned(), number)).map_or("", String::as_str);
            let label = format!("{library}/drive{number} of {daemon}");
            let lease = (shelf.clone(), format!("{site}.drives.{daemon}"));
            let handle = handle.clone().unwrap_or_else(tokio::runtime::Handle::current);
            let remote =
                Arc::new(RemoteDrive::new(handle, label, lease, shelf.drive_log(&place, DriveSide::Robot(epoch))));
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

    /// Tells the other daemons what they need to know, corrects the inventory by what their drives have, and follows the drives from
    /// now on. To be called before hosts and operators reach the site. `configuration` is the text of the configuration file.
    ///
    /// # Errors
    /// The store fails, or another daemon runs the site.
    pub(crate) fn start(&self, site: &Site, configuration: &str) -> Result<(), String> {
        let runtime = self.runtime();
        let Some(runtime) = &*runtime else { return Ok(()) };
        let drives: Vec<(DriveIdentity, Arc<RemoteDrive>)> = {
            let drives = self.drives.lock().unwrap_or_else(PoisonError::into_inner);
            drives.iter().map(|drive| (drive.identity.clone(), Arc::clone(&drive.remote))).collect()
        };
        let failed = |error: ShelfError| format!("--site: {error}");
        runtime.block_on(self.put_setups(&drives, configuration)).map_err(failed)?;
        for (identity, remote) in drives {
            let loaded = runtime.block_on(remote.begin()).map_err(failed)?;
            correct(site, &identity, loaded.as_deref());
            remote.start();
            runtime.spawn(async move {
                let error = remote.follow().await;
                tracing::error!(%error, "this daemon stops");
                stop_daemon();
            });
        }
        Ok(())
    }

    fn runtime(&self) -> MutexGuard<'_, Option<Runtime>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all requests: moves that wait for another daemon fail.
    pub(crate) fn stop(&self) {
        if let Some(runtime) = self.runtime().take() {
            // A store in a directory may hang in a system call.
            runtime.shutdown_background();
        }
    }

    /// Puts the setups of the other daemons. One that serves no drive any longer gets an empty one, so that it ends.
    async fn put_setups(
        &self,
        drives: &[(DriveIdentity, Arc<RemoteDrive>)],
        configuration: &str,
    ) -> Result<(), ShelfError> {
        let mut setups = self.setups(drives, configuration);
        for daemon in self.shelf.drives_daemons(&self.site).await? {
            let empty = DrivesSetup { configuration: configuration.to_owned(), drives: Vec::new() };
            setups.entry(daemon).or_insert(empty);
        }
        for (daemon, setup) in setups {
            self.shelf.put_drives_setup(&self.site, &daemon, &setup).await?;
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

/// Corrects the inventory by what a drive of another daemon has: the state of the site may have been restored from an old copy.
fn correct(site: &Site, drive: &DriveIdentity, barcode: Option<&str>) {
    let DriveIdentity { library, number, .. } = drive;
    if let Err(error) = site.correct_drive(library, *number, barcode.and_then(Barcode::new).as_ref()) {
        tracing::warn!(library, drive = number, barcode, %error, "the inventory cannot have what the drive of another daemon has");
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
