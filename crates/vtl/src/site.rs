//! A site: all libraries of a process, the shelves outside them, and the targets that have their logical units.

use crate::audit_trail::AuditTrail;
use crate::buffers::Buffers;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, LibrarySetup, PoolSetup, ShelfSetup, target_name};
use crate::configuration::{self, ConfigurationFile};
use crate::control::{ControlError, PROTOCOL_VERSION, ReloadHandler, ReloadReport};
use crate::data_dir::DataDir;
use crate::events::{Cause, Event, EventPosition, EventReader, Subject};
use crate::faults::Faults;
use crate::frontend::SiteOptions;
use crate::inventory::{self, Inventory};
use crate::jobs::Jobs;
use crate::library::{Library, LibraryError, LibraryParts, check_luns, check_new_cartridges, identities, random_hex};
use crate::locks::{lock, read, write};
use crate::metrics::PortalStatistics;
use crate::notifications::Notifications;
use crate::observer::{CommandObserver, TraceRing};
use crate::recent_log::RecentLog;
use crate::shared::Shared;
use crate::state_store::{StateStore, Transaction};
use crate::target::Target;
use crate::threads::Threads;
use crate::unit::{Device, Unit};
pub(crate) use partitions::SiteChassis;
use scsi_core::identity::InquiryStrings;
use smc::element::ElementType;
use std::fs::File;
use std::net::SocketAddr;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, Weak};
use tape_store::backend::FolderStore;

mod partitions;
mod power;
mod recorded;
mod reload;
mod robot_elsewhere;

/// One row of the table of logical units that operators see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitSummary {
    /// The LUN in the target.
    pub lun: usize,
    /// Vendor, product and revision of the standard INQUIRY data.
    pub model: InquiryStrings,
    /// Unit serial number (VPD page 80h).
    pub serial: String,
    /// Barcode of the cartridge in a drive or `empty`; for a changer the number of its cartridges.
    pub content: String,
}

/// All libraries, shelves and targets that one process serves.
pub struct Site {
    /// The common part of the target names.
    identifier: String,
    target_base: String,
    libraries: RwLock<Vec<Arc<Library>>>,
    targets: RwLock<Vec<Arc<Target>>>,
    /// The chassis of libraries that are partitions.
    pub(crate) chassis: RwLock<Vec<SiteChassis>>,
    pools: RwLock<Vec<PoolSetup>>,
    cartridge_directories: Vec<PathBuf>,
    /// The configured group with read access, and whether the cartridge directories are shared.
    permissions: (Option<String>, bool),
    /// The shelves on object storage, and the name of the one on which new cartridges are created.
    pub(crate) shelves: (Vec<ShelfSetup>, Option<String>),
    /// Conditions that need an operator.
    warnings: RwLock<Vec<String>>,
    /// The configuration in use as text, without secrets.
    pub(crate) configuration: RwLock<String>,
    /// Addresses and counters of the iSCSI portals that are open.
    pub(crate) portals: RwLock<Vec<(SocketAddr, Arc<dyn PortalStatistics>)>>,
    /// URLs of the HTTP APIs that are open.
    http_urls: RwLock<Vec<String>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) audit: Arc<AuditTrail>,
    threads: Threads,
    /// Held while cartridges are created.
    creation_lock: Mutex<()>,
    /// Held while a configuration is reloaded.
    reload_lock: Mutex<()>,
    reload_handler: Mutex<Option<Arc<ReloadHandler>>>,
    /// The last lines of the log of the program.
    pub(crate) recent_log: Mutex<Option<RecentLog>>,
    /// The configuration file of the program.
    pub(crate) configuration_file: Mutex<Option<Arc<dyn ConfigurationFile>>>,
    pub(crate) jobs: Jobs,
    /// This site, for the threads of jobs.
    handle: Weak<Self>,
    /// The faults that were added on demand.
    pub(crate) faults: Faults,
    /// Delivers events to notification targets.
    pub(crate) notifications: Mutex<Option<Arc<dyn Notifications>>>,
}

/// An open site. Dropping it shuts the site down; [`Site::shut_down`] does so and reports errors.
pub struct OpenSite {
    site: Arc<Site>,
    _lock: Option<File>,
}

impl Deref for OpenSite {
    type Target = Arc<Site>;

    fn deref(&self) -> &Arc<Site> {
        &self.site
    }
}

impl Drop for OpenSite {
    fn drop(&mut self) {
        if let Err(error) = self.site.shut_down() {
            tracing::warn!(%error, "the site was not closed cleanly");
        }
    }
}

impl Site {
    /// Opens the site in a data directory, and creates what the configuration lists and the directory does not have.
    ///
    /// # Errors
    /// Fails if the directory is in use or damaged, or contains a library or a cartridge that does not fit the
    /// configuration.
    pub fn open(path: &Path, config: &Config) -> Result<OpenSite, LibraryError> {
        Self::open_data_dir(DataDir::open_configured(path, config)?, config)
    }

    /// Does the same as [`Self::open`], with any kind of storage.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_data_dir(data: DataDir, config: &Config) -> Result<OpenSite, LibraryError> {
        Self::open_with(data, config, SiteOptions::default())
    }

    /// Does the same as [`Self::open_data_dir`], with the options of a program that serves other hosts than itself.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(mut data: DataDir, config: &Config, options: SiteOptions) -> Result<OpenSite, LibraryError> {
        let faults = config.faults.read()?;
        data.arrange_shelves(config)?;
        let lock = data.lock.take();
        let name = config.libraries.first().map_or("main", |library| &library.name);
        let audit = Arc::new(AuditTrail::open(data.audit_directory(), options.clock.clone()));
        let shared = Arc::new(Shared::open(data, name, options)?);
        shared.events.set_auditor(Arc::clone(&audit));
        let identifier = site_suffix(&shared.state)?;
        let base = config.iscsi.iqn.clone().unwrap_or_else(|| format!("iqn.2026-01.org.ferric-vtl:{identifier}"));
        shared.forget_without_robot()?;
        check_libraries_kept(config, &shared.inventory())?;
        shared.report_unmounted_directories()?;
        shared.restore_places();
        shared.recheck_blank();
        let threads = Threads::new().map_err(LibraryError::Thread)?;
        let site = Arc::new_cyclic(|handle| Self {
            jobs: Jobs::default(),
            handle: Weak::clone(handle),
            reload_lock: Mutex::default(),
            reload_handler: Mutex::default(),
            recent_log: Mutex::default(),
            configuration_file: Mutex::default(),
            notifications: Mutex::default(),
            faults: Faults::default(),
            identifier,
            target_base: base,
            libraries: RwLock::default(),
            targets: RwLock::default(),
            chassis: RwLock::default(),
            pools: RwLock::new(config.pools.clone()),
            cartridge_directories: config.cartridge_directories.clone(),
            permissions: (config.group.clone(), config.shared_cartridges),
            shelves: (config.shelves.clone(), config.new_cartridges.clone()),
            warnings: RwLock::default(),
            configuration: RwLock::new(configuration::text_of(config)),
            portals: RwLock::default(),
            http_urls: RwLock::default(),
            shared,
            audit,
            threads,
            creation_lock: Mutex::default(),
        });
        let _ = site.shared.site.set(Weak::clone(&site.handle));
        let running = OpenSite { site: Arc::clone(&site), _lock: lock };
        site.finish_deletions(config.libraries.first().map_or("shelf", |library| library.shelf.as_str()))?;
        site.create_chassis(&config.chassis)?;
        for setup in &config.libraries {
            site.create_library(setup, &config.libraries)?;
        }
        site.set_configured_faults(faults)?;
        site.reconcile_or_warn();
        site.shared.store_directories()?;
        site.shared.store_learned()?;
        site.spawn_reconciler()?;
        let started = Event::Started { release: env!("CARGO_PKG_VERSION").into(), version: PROTOCOL_VERSION };
        site.shared.events.notify(Subject::new(Cause::site()), started);
        Ok(running)
    }

    /// Opens a library that is new in this site, and its target if that is new too.
    fn create_library(&self, setup: &LibrarySetup, all: &[LibrarySetup]) -> Result<(), LibraryError> {
        let setup = &self.with_added_slots(setup)?;
        let number = read(&self.libraries).len();
        let name = self.target_name(number, setup)?;
        let known = self.target(&name);
        let target = known.clone().unwrap_or_else(|| Arc::new(Target::new(&name, Arc::clone(&self.shared))));
        let identities = identities(&self.shared, setup, &target, all)?;
        let partition = self.partition(setup);
        let shared = Arc::clone(&self.shared);
        let parts = LibraryParts { shared, target: Arc::clone(&target), identities, index: number, partition };
        let library = Arc::new(Library::open(setup, parts)?);
        self.spawn_workers(&library.all_units())?;
        if known.is_none() {
            write(&self.targets).push(target);
        }
        write(&self.libraries).push(library);
        Ok(())
    }

    /// The name of a library's target. The drives of another site have one that differs from that of their robot.
    fn target_name(&self, number: usize, setup: &LibrarySetup) -> Result<String, ConfigError> {
        let name = target_name(&self.target_base, number, setup)?;
        Ok(self.shared.drives.daemon().map_or(name.clone(), |daemon| format!("{name}.{daemon}")))
    }

    /// Spawns one thread per unit, for the commands that may block.
    fn spawn_workers(&self, units: &[Arc<Unit>]) -> Result<(), LibraryError> {
        for unit in units {
            let (name, unit) = (unit.name().to_string(), Arc::clone(unit));
            self.spawn_thread(name, move || unit.run_thread())?;
        }
        Ok(())
    }

    /// Spawns the thread that calls [`Self::reconcile`] after each event.
    fn spawn_reconciler(&self) -> Result<(), LibraryError> {
        let (site, mut events) = (Weak::clone(&self.handle), self.subscribe());
        let reconcile = move || {
            while let Some(first) = events.next() {
                let concerned = events.try_iter().fold(first.event.concerns_policies(), |concerned, record| {
                    concerned || record.event.concerns_policies()
                });
                let Some(site) = site.upgrade() else { return };
                if concerned {
                    let _ = catch_unwind(AssertUnwindSafe(|| site.reconcile_or_warn()));
                }
            }
        };
        self.spawn_thread("site".into(), reconcile)
    }

    /// The identifier of the site: eight hexadecimal digits that were chosen when it was created.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// This site, for a thread that uses it; `None` while it is dropped.
    pub(crate) fn handle(&self) -> Option<Arc<Self>> {
        self.handle.upgrade()
    }

    /// Spawns a thread for which the shutdown of the site waits.
    pub(crate) fn spawn_thread(&self, name: String, run: impl FnOnce() + Send + 'static) -> Result<(), LibraryError> {
        self.threads.spawn(name, run).map_err(LibraryError::Thread)
    }

    /// Whether the site was shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    fn reconcile_or_warn(&self) {
        if let Err(error) = self.reconcile() {
            tracing::warn!(%error, "reconcile failed");
        }
    }

    pub(crate) fn creation_lock(&self) -> MutexGuard<'_, ()> {
        lock(&self.creation_lock)
    }

    /// Refuses libraries whose LUNs conflict or whose new cartridges do not fit.
    fn check_new_libraries(&self, setups: &[LibrarySetup]) -> Result<(), LibraryError> {
        let target = |(number, setup)| Ok((setup, self.target_name(number, setup)?));
        let targets: Vec<_> = setups.iter().enumerate().map(target).collect::<Result<_, LibraryError>>()?;
        check_luns(&self.shared, &targets, setups)?;
        setups.iter().try_for_each(|setup| check_new_cartridges(setup, &self.shared))
    }

    /// Adds one slot to a library.
    fn add_one_slot(&self, name: &str) -> Result<u16, LibraryError> {
        let _reloading = lock(&self.reload_lock);
        let unknown = || ControlError::not_found(format!("there is no library {name:?}")).with_library(name);
        let library = self.library(name).ok_or_else(unknown)?;
        let mut setup = library.setup();
        if let Some(partition) = &setup.partition {
            let message = format!(
                "library {name:?} is a partition of chassis {:?}; its slots are those of the configuration",
                partition.chassis.name
            );
            return Err(ControlError::conflict(message).with_library(name).into());
        }
        let slots = setup.layout.storage.count.saturating_add(1);
        let full = |error| ControlError::conflict(format!("library {name:?}: {error}")).with_library(name);
        setup.with_slots(slots).map_err(full)?;
        let mut change = Transaction::default();
        change.set(slots_key(name), &slots)?;
        self.shared.state.commit(change)?;
        library.add_elements(&setup, Vec::new())?;
        Ok(slots)
    }

    /// The configuration of a library with the slots that operators have added.
    fn with_added_slots(&self, setup: &LibrarySetup) -> Result<LibrarySetup, LibraryError> {
        let mut setup = setup.clone();
        let stored: Option<u16> = self.shared.state.get(&slots_key(&setup.name))?;
        if let Some(slots) = stored.filter(|slots| *slots > setup.layout.storage.count) {
            // The configured model may have changed and may allow fewer slots.
            if let Err(error) = setup.with_slots(slots) {
                tracing::warn!(library = setup.name, reason = error, "added slots do not fit the library model");
            }
        }
        Ok(setup)
    }

    /// The libraries, in the order of the configuration.
    #[must_use]
    pub fn libraries(&self) -> Vec<Arc<Library>> {
        read(&self.libraries).clone()
    }

    /// The library with this name; `None` if there is none.
    #[must_use]
    pub fn library(&self, name: &str) -> Option<Arc<Library>> {
        read(&self.libraries).iter().find(|library| library.name() == name).cloned()
    }

    /// The targets of the site, in the order of their creation.
    #[must_use]
    pub fn targets(&self) -> Vec<Arc<Target>> {
        read(&self.targets).clone()
    }

    /// The target with this name; `None` if there is none.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<Arc<Target>> {
        read(&self.targets).iter().find(|target| target.name() == name).cloned()
    }

    /// The scratch pools, in the order of the configuration.
    pub(crate) fn pools(&self) -> Vec<PoolSetup> {
        read(&self.pools).clone()
    }

    /// The conditions that need an operator, as [`Self::set_warnings`] has set them.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        read(&self.warnings).clone()
    }

    /// Sets the conditions that need an operator, one text each; the status shows them.
    pub fn set_warnings(&self, warnings: Vec<String>) {
        *write(&self.warnings) = warnings;
    }

    /// Addresses of the iSCSI portals that serve the targets, in the order in which they were opened.
    #[must_use]
    pub fn portals(&self) -> Vec<SocketAddr> {
        read(&self.portals).iter().map(|(address, _)| *address).collect()
    }

    /// Adds an iSCSI portal that serves the targets; the status shows its address, and the metrics its counters.
    pub fn add_portal(&self, address: SocketAddr, statistics: Arc<dyn PortalStatistics>) {
        write(&self.portals).push((address, statistics));
    }

    /// Removes an iSCSI portal that has closed.
    pub fn remove_portal(&self, address: SocketAddr) {
        write(&self.portals).retain(|(other, _)| *other != address);
    }

    /// URLs of the HTTP APIs of the site, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn http_urls(&self) -> Vec<String> {
        read(&self.http_urls).clone()
    }

    /// Adds the URL of an HTTP API that serves the site; the status shows it.
    pub fn add_http_url(&self, url: impl Into<String>) {
        write(&self.http_urls).push(url.into());
    }

    /// Removes the URL of an HTTP API that has closed.
    pub fn remove_http_url(&self, url: &str) {
        write(&self.http_urls).retain(|other| other != url);
    }

    /// The data buffers of this process.
    #[must_use]
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.shared.buffers
    }

    /// The source of time of the site.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// A copy of the inventory: the location of every cartridge.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.shared.inventory().clone()
    }

    /// Adds an observer that receives the record of each command from now on, until the site is shut down.
    pub fn add_observer(&self, observer: Arc<dyn CommandObserver>) {
        write(&self.shared.observers).push(observer);
    }

    /// The last commands of all units.
    #[must_use]
    pub fn trace(&self) -> &TraceRing {
        &self.shared.trace
    }

    /// Subscribes to the events of the site from now on, until it is shut down.
    #[must_use]
    pub fn subscribe(&self) -> EventReader {
        self.shared.events.reader(self.shared.events.position().seq)
    }

    /// The position after the latest event of the site.
    #[must_use]
    pub fn event_position(&self) -> EventPosition {
        self.shared.events.position()
    }

    /// The events of the site since it was opened, until it is shut down.
    #[must_use]
    pub fn events_since_start(&self) -> EventReader {
        self.shared.events.reader(0)
    }

    /// Sends an event of which only a frontend or the daemon is informed, such as a refused login.
    pub fn record(&self, subject: Subject, event: Event) {
        self.shared.events.notify(subject, event);
    }

    /// Sets what the request `reload` calls. Without it, the site has no configuration to reload. The handler must not
    /// own the site, which would never be dropped.
    pub fn set_reload_handler(&self, handler: Arc<ReloadHandler>) {
        *lock(&self.reload_handler) = Some(handler);
    }

    /// Calls the reload handler.
    pub(crate) fn call_reload_handler(&self) -> Result<ReloadReport, ControlError> {
        let handler = lock(&self.reload_handler).clone();
        handler.ok_or_else(|| ControlError::unavailable("this site has no configuration file"))?()
    }

    /// The table of a target's logical units, one row per LUN.
    #[must_use]
    pub fn overview(&self, target: &Target) -> Vec<UnitSummary> {
        let libraries = self.libraries();
        let row = |(lun, unit): (usize, Arc<Unit>)| {
            let library = libraries.iter().find(|library| Arc::ptr_eq(&library.changer_unit(), &unit));
            let content = match library {
                Some(library) => format!("{} cartridges", library.locations().len()),
                None => unit.bay_status().barcode.map_or_else(|| "empty".into(), |barcode| barcode.to_string()),
            };
            UnitSummary { lun, model: unit.identity().strings.clone(), serial: unit.identity().serial.clone(), content }
        };
        target.luns().into_iter().zip(target.units()).map(row).collect()
    }

    /// Writes buffered data to every medium and closes it; cartridges stay in their elements. No command runs
    /// afterwards. Further calls do nothing.
    ///
    /// # Errors
    /// Fails if buffered data or state could not be made durable; the message lists every failure.
    pub fn shut_down(&self) -> Result<(), LibraryError> {
        if self.shared.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.jobs.cancel_all();
        self.shared.stores.stop();
        self.shared.events.notify(Subject::new(Cause::site()), Event::Stopped);
        self.shared.events.close();
        *lock(&self.reload_handler) = None;
        *lock(&self.configuration_file) = None;
        let units: Vec<Arc<Unit>> = self.libraries().iter().flat_map(|library| library.all_units()).collect();
        units.iter().for_each(|unit| unit.stop());
        self.threads.join();
        // No command follows: an observer can write what it still has.
        write(&self.shared.observers).clear();
        let mut faults = Vec::new();
        for unit in units {
            let close = || {
                unit.with_saved(|device| match device {
                    Device::Drive(drive) => drive.shut_down().map(drop),
                    Device::Changer(_) => Ok(()),
                })
            };
            // If closing one drive fails, the others are still closed.
            let Ok((closed, stored)) = catch_unwind(AssertUnwindSafe(close)) else {
                faults.push(format!("{}: internal error", unit.name()));
                continue;
            };
            faults.extend(closed.err().map(|error| error.to_string()));
            faults.extend(stored.err().map(|error| error.to_string()));
        }
        faults.extend(self.shared.flush_stores().err().map(|error| error.to_string()));
        faults.extend(self.shared.store_learned().err().map(|error| error.to_string()));
        faults.extend(self.shared.store_directories().err().map(|error| error.to_string()));
        // A last attempt to store changes that are still pending.
        faults.extend(self.shared.state.commit(Transaction::default()).err().map(|error| error.to_string()));
        self.shared.state.close();
        if faults.is_empty() { Ok(()) } else { Err(LibraryError::Inconsistent(faults.join("; "))) }
    }
}

/// The random suffix of the target names of this site; generated once.
fn site_suffix(state: &StateStore) -> Result<String, LibraryError> {
    if let Some(suffix) = state.get("site")? {
        return Ok(suffix);
    }
    let (suffix, mut change) = (random_hex(4)?, Transaction::default());
    change.set("site", &suffix)?;
    state.commit(change)?;
    Ok(suffix)
}

/// State key of the number of slots in a library, if operators have added some.
fn slots_key(library: &str) -> String {
    format!("slots/{library}")
}

/// Refuses a configuration that lacks a library which contains cartridges.
fn check_libraries_kept(config: &Config, inventory: &Inventory) -> Result<(), LibraryError> {
    for (barcode, entry) in inventory {
        let inventory::Location::Element { library, .. } = &entry.location else { continue };
        if config.libraries.iter().all(|setup| setup.name != *library) {
            let message = format!(
                "library {library:?} is not configured, but contains cartridge {barcode}; keep it, or export the cartridge first"
            );
            return Err(match config.libraries.first() {
                Some(setup) => setup.shape_error(ElementType::TRANSPORT, message).into(),
                None => LibraryError::Inconsistent(message),
            });
        }
    }
    Ok(())
}
