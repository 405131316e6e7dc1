//! A daemon that serves drives of a site for the daemon that runs it.

use super::{open, stop_daemon};
use shelf::{
    DriveEvent, DriveLog, DrivePlace, DriveRefusal, DriveRequest, DriveSide, DriveState, DrivesSetup, Shelf, ShelfError,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tape_store::cartridge::Barcode;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;
use vtl::config::{Config, TransferPolicy};
use vtl::control::{ControlError, ErrorCode};
use vtl::library::LibraryError;
use vtl::site::Site;

/// Time between two looks for the setup of a site whose daemon has not run yet.
const SETUP_WAIT: Duration = Duration::from_secs(1);
/// Time between two looks whether the site has other drives for this daemon.
const SETUP_PERIOD: Duration = Duration::from_secs(10);
/// Time in which requests that run end when the daemon stops.
const STOP: Duration = Duration::from_secs(10);

/// The setup of this daemon in the store. Waits until the daemon that runs the site has put it there.
///
/// # Errors
/// The store fails.
pub(crate) fn setup_of(url: &str, site: &str, daemon: &str) -> Result<DrivesSetup, String> {
    let (runtime, shelf) = open(url)?;
    let mut waits = false;
    let found = runtime.block_on(async {
        loop {
            if let Some(setup) = shelf.drives_setup(site, daemon).await? {
                return Ok::<_, ShelfError>(setup);
            }
            if !std::mem::replace(&mut waits, true) {
                tracing::warn!(site, daemon, "waiting for the daemon that runs the site, with drives for this one");
            }
            tokio::time::sleep(SETUP_WAIT).await;
        }
    });
    runtime.shutdown_background();
    found.map_err(|error| error.to_string())
}

/// Leaves only the drives of a daemon in the configuration of a site, with their identities. The robots, the cartridges and the pools
/// are for the daemon that runs the site.
///
/// # Errors
/// The daemon that runs the site has no drives for this one any longer.
pub(crate) fn for_daemon(config: &mut Config, daemon: &str, setup: &DrivesSetup) -> Result<(), String> {
    if setup.drives.is_empty() {
        return Err(format!("--drives: no drive of the site has daemon = {daemon:?}"));
    }
    config.pools.clear();
    for library in &mut config.libraries {
        library.cartridges.clear();
        library.move_command = None;
        (library.export, library.import) = (TransferPolicy::Manual, TransferPolicy::Manual);
        for (number, drive) in (1..).zip(&mut library.drives) {
            let known = setup.drives.iter().find(|known| known.library == library.name && known.number == number);
            if let Some(known) = known {
                (drive.names.serial, drive.names.naa) = (Some(known.serial.clone()), Some(known.naa.clone()));
            }
        }
    }
    config.libraries.retain(|library| library.drives.iter().any(|drive| drive.daemon.as_deref() == Some(daemon)));
    Ok(())
}

/// Does at the drives of this daemon what the robot requests, until it is dropped.
pub(crate) struct DriveDaemon {
    runtime: Option<Runtime>,
    is_stopped: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for DriveDaemon {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        if let Some(runtime) = self.runtime.take() {
            let tasks = std::mem::take(&mut self.tasks);
            let ended = async {
                for task in tasks {
                    let _ = task.await;
                }
            };
            let _ = runtime.block_on(async { tokio::time::timeout(STOP, ended).await });
            runtime.shutdown_background();
        }
    }
}

impl DriveDaemon {
    /// Starts with the drives of a site, which have the cartridges of their logs on return. To be called before hosts reach the drives.
    /// The names are those of the site in the store and of this daemon; `epoch` is that of its lease.
    ///
    /// # Errors
    /// The store fails, or another daemon serves the drives.
    pub(crate) fn start(url: &str, (name, daemon): (&str, &str), epoch: u64, site: &Arc<Site>) -> Result<Self, String> {
        let (runtime, shelf) = open(url)?;
        let is_stopped = Arc::<AtomicBool>::default();
        let mut tasks = Vec::new();
        let mut drives = Vec::new();
        for (library, number) in site.served_drives() {
            let place = DrivePlace { site: name.to_owned(), library, number };
            let log = shelf.drive_log(&place, DriveSide::Drive(daemon.to_owned(), epoch));
            let is_stopped = Arc::clone(&is_stopped);
            let mut served =
                ServedDrive { site: Arc::clone(site), log, place: place.clone(), is_stopped, is_failing: false };
            drives.push((place.library, place.number));
            runtime.block_on(served.begin()).map_err(|error| format!("--drives: {error}"))?;
            tasks.push(runtime.spawn(served.serve()));
        }
        let watch = watch_setup(shelf, name.to_owned(), daemon.to_owned(), drives, Arc::clone(&is_stopped));
        tasks.push(runtime.spawn(watch));
        Ok(Self { runtime: Some(runtime), is_stopped, tasks })
    }
}

/// Stops the daemon when the site has other drives for it.
async fn watch_setup(
    shelf: Shelf,
    site: String,
    daemon: String,
    mut drives: Vec<(String, usize)>,
    is_stopped: Arc<AtomicBool>,
) {
    drives.sort();
    let mut last = Instant::now();
    while !is_stopped.load(Ordering::Acquire) {
        tokio::time::sleep(SETUP_WAIT).await;
        if last.elapsed() < SETUP_PERIOD {
            continue;
        }
        last = Instant::now();
        let Ok(Some(setup)) = shelf.drives_setup(&site, &daemon).await else { continue };
        let mut newest: Vec<_> = setup.drives.into_iter().map(|drive| (drive.library, drive.number)).collect();
        newest.sort();
        if newest != drives {
            tracing::error!(site, daemon, "the site has other drives for this daemon, which stops; start it again");
            return stop_daemon();
        }
    }
}

/// A drive of this daemon, and its log.
struct ServedDrive {
    site: Arc<Site>,
    place: DrivePlace,
    log: DriveLog,
    is_stopped: Arc<AtomicBool>,
    /// Whether the last comparison with the log has failed, which is logged once.
    is_failing: bool,
}

impl ServedDrive {
    async fn serve(mut self) {
        let mut is_failing = false;
        while !self.is_stopped.load(Ordering::Acquire) {
            match self.step().await {
                Ok(()) => is_failing = false,
                Err(error @ ShelfError::Superseded { .. }) => {
                    tracing::error!(%error, "this daemon stops");
                    return stop_daemon();
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(library = self.place.library, drive = self.place.number, %error, "the log of a drive cannot be read");
                    }
                }
            }
            tokio::time::sleep(self.log.period()).await;
        }
    }

    /// Notes the start of this daemon, and puts the cartridge of the log into the drive.
    async fn begin(&mut self) -> Result<(), ShelfError> {
        self.log.begin().await?;
        self.compare().await
    }

    async fn step(&mut self) -> Result<(), ShelfError> {
        self.log.follow().await?;
        match self.log.state().request.clone() {
            Some(DriveRequest::Insert(barcode)) => self.insert(barcode).await,
            Some(DriveRequest::Remove) => {
                let is_same = |state: &DriveState| state.request == Some(DriveRequest::Remove);
                match self.log.add(|state| is_same(state).then_some(DriveEvent::Removing)).await? {
                    true => self.remove().await,
                    false => Ok(()),
                }
            }
            Some(DriveRequest::Removing) => self.remove().await,
            None => self.compare().await,
        }
    }

    /// Inserts the cartridge of a request, and answers.
    async fn insert(&mut self, barcode: String) -> Result<(), ShelfError> {
        let inserted = self.insert_here(&barcode).await;
        if let Err(reason) = &inserted {
            tracing::warn!(
                library = self.place.library,
                drive = self.place.number,
                barcode,
                reason,
                "cartridge refused"
            );
        }
        let answer = match inserted {
            Ok(()) => DriveEvent::Inserted,
            Err(reason) => DriveEvent::Refused(DriveRefusal::Other(reason)),
        };
        let is_same = |state: &DriveState| state.request == Some(DriveRequest::Insert(barcode.clone()));
        // A request that was withdrawn meanwhile is undone by the next step.
        self.log.add(|state| is_same(state).then(|| answer.clone())).await.map(drop)
    }

    async fn remove(&mut self) -> Result<(), ShelfError> {
        let answer = match self.remove_here().await {
            Ok(()) => DriveEvent::Removed,
            Err(error) => DriveEvent::Refused(match ControlError::from(error) {
                ControlError { code: ErrorCode::Locked, .. } => DriveRefusal::Prevented,
                other => DriveRefusal::Other(other.message),
            }),
        };
        let is_same = |state: &DriveState| state.request == Some(DriveRequest::Removing);
        self.log.add(|state| is_same(state).then(|| answer.clone())).await.map(drop)
    }

    /// Makes the drive have the cartridge of the log, and notes whether it is ejected.
    async fn compare(&mut self) -> Result<(), ShelfError> {
        let Some(bay) = self.site.bay_status(&self.place.library, self.place.number) else { return Ok(()) };
        let here = bay.barcode.map(|barcode| barcode.to_string());
        let there = self.log.state().cartridge.clone();
        if here == there {
            let event = match bay.accessible {
                true => DriveEvent::Ejected,
                false => DriveEvent::Loaded,
            };
            let differs = |state: &DriveState| {
                state.cartridge.is_some() && state.request.is_none() && state.is_ejected != bay.accessible
            };
            // `add` reads the log again.
            if !differs(self.log.state()) {
                return Ok(());
            }
            return self.log.add(|state| differs(state).then(|| event.clone())).await.map(drop);
        }
        let changed = match (here, there) {
            (Some(_), _) => self.remove_here().await.map_err(|error| error.to_string()),
            (None, Some(barcode)) => self.insert_here(&barcode).await,
            (None, None) => Ok(()),
        };
        if let Err(reason) = &changed
            && !self.is_failing
        {
            tracing::warn!(
                library = self.place.library,
                drive = self.place.number,
                reason,
                "drive has another cartridge than its log"
            );
        }
        self.is_failing = changed.is_err();
        if self.is_failing {
            tokio::time::sleep(SETUP_WAIT).await;
        }
        Ok(())
    }

    async fn insert_here(&self, barcode: &str) -> Result<(), String> {
        let Some(barcode) = Barcode::new(barcode) else { return Err(format!("{barcode:?} is not a barcode")) };
        let (site, place) = (Arc::clone(&self.site), self.place.clone());
        let insert = move || site.insert_for_robot(&place.library, place.number, &barcode);
        let inserted = spawn_blocking(insert).await.map_err(|error| error.to_string())?;
        inserted.map_err(|error| error.to_string())
    }

    async fn remove_here(&self) -> Result<(), LibraryError> {
        let (site, place) = (Arc::clone(&self.site), self.place.clone());
        let removed = spawn_blocking(move || site.remove_for_robot(&place.library, place.number)).await;
        removed.unwrap_or_else(|error| Err(ControlError::internal(error.to_string()).into()))
    }
}
