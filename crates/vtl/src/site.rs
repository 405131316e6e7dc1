//! All libraries of a process, the shelves between them, and the targets they are behind.

use crate::buffers::Buffers;
use crate::config::{Config, LibrarySetup, PoolSetup, target_name};
use crate::data_dir::DataDir;
use crate::events::Event;
use crate::inventory::{self, Inventory};
use crate::library::{
    Library, LibraryError, LibraryParts, RemoteBayFactory, check_luns, check_new_cartridges, identities, random_hex,
};
use crate::locks::{lock, read, write};
use crate::shared::Shared;
use crate::state_store::{StateStore, Transaction};
use crate::target::Target;
use crate::unit::{Device, Unit};
use scsi_core::identity::InquiryStrings;
use smc::element::ElementType;
use std::fs::File;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::JoinHandle;

/// One row of the table that people see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitSummary {
    /// Its LUN.
    pub lun: usize,
    /// Vendor, product and revision.
    pub model: InquiryStrings,
    /// Unit serial number.
    pub serial: String,
    /// Barcode of the cartridge in a drive; for a changer how many cartridges it has.
    pub content: String,
}

/// Everything that one process serves.
pub struct Site {
    /// The name of its targets, as far as all have it.
    target_base: String,
    libraries: RwLock<Vec<Arc<Library>>>,
    targets: RwLock<Vec<Arc<Target>>>,
    pools: RwLock<Vec<PoolSetup>>,
    cartridge_directories: Vec<PathBuf>,
    /// Group that may read, and whether directories of cartridges are shared.
    permissions: (Option<String>, bool),
    /// What needs a person.
    warnings: RwLock<Vec<String>>,
    pub(crate) shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held by who makes cartridges.
    creation_lock: Mutex<()>,
    /// Held by who takes over a configuration.
    reload_lock: Mutex<()>,
}

/// A site that was opened. It is shut down in order when this is dropped; [`Site::shut_down`] also says what was wrong.
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
    /// Opens the site of a data directory, making what the configuration names and the directory lacks.
    ///
    /// # Errors
    /// The directory is in use or damaged, or holds what the configuration has no place for.
    pub fn open(path: &Path, config: &Config) -> Result<OpenSite, LibraryError> {
        Self::open_data_dir(DataDir::open_configured(path, config)?, config)
    }

    /// As [`Self::open`], wherever the site keeps what it has.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_data_dir(data: DataDir, config: &Config) -> Result<OpenSite, LibraryError> {
        Self::open_inner(data, config, None)
    }

    /// As [`Self::of`], with drives that other processes serve: the site has the changers alone, and reaches each drive
    /// by the door that is made for it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_remote_drives(
        data: DataDir,
        config: &Config,
        doors: RemoteBayFactory,
    ) -> Result<OpenSite, LibraryError> {
        Self::open_inner(data, config, Some(doors))
    }

    fn open_inner(
        mut data: DataDir,
        config: &Config,
        elsewhere: Option<RemoteBayFactory>,
    ) -> Result<OpenSite, LibraryError> {
        let lock = data.lock.take();
        let name = config.libraries.first().map_or("main", |library| &library.name);
        let shared = Arc::new(Shared::open(data, name, elsewhere)?);
        let suffix = site_suffix(&shared.state)?;
        let base = config.iscsi.iqn.clone().unwrap_or_else(|| format!("iqn.2026-01.org.ferric-vtl:{suffix}"));
        check_libraries_kept(config, &shared.inventory())?;
        shared.report_unmounted_directories()?;
        shared.recheck_blank();
        let site = Arc::new(Self {
            reload_lock: Mutex::default(),
            target_base: base,
            libraries: RwLock::default(),
            targets: RwLock::default(),
            pools: RwLock::new(config.pools.clone()),
            cartridge_directories: config.cartridge_directories.clone(),
            permissions: (config.group.clone(), config.shared_cartridges),
            warnings: RwLock::default(),
            shared,
            threads: Mutex::default(),
            creation_lock: Mutex::default(),
        });
        let running = OpenSite { site: Arc::clone(&site), _lock: lock };
        site.finish_deletions()?;
        for setup in &config.libraries {
            site.create_library(setup, &config.libraries)?;
        }
        site.reconcile_or_warn();
        site.shared.note_directories()?;
        site.spawn_reconciler()?;
        Ok(running)
    }

    /// A library that is new here, and its target if that is, too.
    fn create_library(&self, setup: &LibrarySetup, all: &[LibrarySetup]) -> Result<(), LibraryError> {
        let setup = &self.with_added_slots(setup)?;
        let number = read(&self.libraries).len();
        let name = target_name(&self.target_base, number, setup)?;
        let known = self.target(&name);
        let target = known.clone().unwrap_or_else(|| Arc::new(Target::new(name, Arc::clone(&self.shared.buffers))));
        let identities = identities(&self.shared, setup, &target, all)?;
        let parts =
            LibraryParts { shared: Arc::clone(&self.shared), target: Arc::clone(&target), identities, index: number };
        let library = Arc::new(Library::open(setup, parts)?);
        self.spawn_workers(&library.all_units())?;
        if known.is_none() {
            write(&self.targets).push(target);
        }
        write(&self.libraries).push(library);
        Ok(())
    }

    /// One thread per unit, for what may block.
    fn spawn_workers(&self, units: &[Arc<Unit>]) -> Result<(), LibraryError> {
        for unit in units {
            let (name, unit) = (unit.name(), Arc::clone(unit));
            let thread = std::thread::Builder::new().name(name).spawn(move || unit.run_thread());
            self.threads().push(thread.map_err(LibraryError::Thread)?);
        }
        Ok(())
    }

    /// Has someone keep house, whenever something happens: see [`Self::reconcile`].
    fn spawn_reconciler(self: &Arc<Self>) -> Result<(), LibraryError> {
        let (site, mut events) = (Arc::downgrade(self), self.subscribe());
        let keep = move || {
            loop {
                let told = events.recv().is_ok();
                events.try_iter().for_each(drop);
                let Some(site) = site.upgrade() else { return };
                if !told {
                    if site.shared.events.is_closed() {
                        return;
                    }
                    // Too much happened at once.
                    events = site.subscribe();
                }
                let _ = catch_unwind(AssertUnwindSafe(|| site.reconcile_or_warn()));
            }
        };
        let thread = std::thread::Builder::new().name("site".into()).spawn(keep).map_err(LibraryError::Thread)?;
        self.threads().push(thread);
        Ok(())
    }

    /// It was shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    fn reconcile_or_warn(&self) {
        if let Err(error) = self.reconcile() {
            tracing::warn!(%error, "the site is not as it is configured");
        }
    }

    pub(crate) fn creation_lock(&self) -> MutexGuard<'_, ()> {
        lock(&self.creation_lock)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        lock(&self.threads)
    }

    /// Takes over a configuration while everything works: what is new in it appears, and hosts hear of it. Whether it
    /// changes or takes away what there is, is found out before anything is done.
    ///
    /// # Errors
    /// It does, which takes a restart; or what is new cannot be made, and what came before that is there.
    pub fn reload(&self, config: &Config) -> Result<(), LibraryError> {
        let _reloading = lock(&self.reload_lock);
        let refused = |message: String| Err(LibraryError::Refused(message));
        if self.is_shut_down() {
            return refused("the site is shut down".into());
        }
        if config.cartridge_directories != self.cartridge_directories {
            return refused("to change storage.cartridges takes a restart; nothing was changed".into());
        }
        if (&config.group, config.shared_cartridges) != (&self.permissions.0, self.permissions.1) {
            return refused("to change storage.group or storage.shared takes a restart; nothing was changed".into());
        }
        if config.iscsi.iqn.as_ref().is_some_and(|iqn| *iqn != self.target_base) {
            return refused("to change iscsi.iqn takes a restart; nothing was changed".into());
        }
        let setups =
            config.libraries.iter().map(|setup| self.with_added_slots(setup)).collect::<Result<Vec<_>, _>>()?;
        for (number, library) in self.libraries().iter().enumerate() {
            let name = library.name();
            let Some(setup) = setups.get(number) else {
                return refused(format!(
                    "library {name:?} is missing: to remove a library takes a restart; nothing was changed"
                ));
            };
            if setup.name != name {
                let message = format!(
                    "{:?} is in the place of library {name:?}: to rename, remove or reorder libraries takes a restart; \
                     nothing was changed",
                    setup.name
                );
                return Err(setup.error(setup.lines.library, "library.name", message).into());
            }
            if let Some(why) = library.reload_conflict(setup, &target_name(&self.target_base, number, setup)?) {
                return Err(why.into());
            }
        }
        self.check_new_libraries(&setups)?;
        let libraries = self.libraries();
        for (library, setup) in libraries.iter().zip(&setups) {
            let identities = identities(&self.shared, setup, library.target(), &config.libraries)?;
            let new = library.add_elements(setup, identities)?;
            self.spawn_workers(&new)?;
            library.create_listed_cartridges(setup)?;
        }
        for setup in config.libraries.iter().skip(libraries.len()) {
            self.create_library(setup, &config.libraries)?;
        }
        write(&self.pools).clone_from(&config.pools);
        self.reconcile_or_warn();
        self.shared.events.notify(Event::Reloaded);
        Ok(())
    }

    /// Refuses libraries whose LUNs or new cartridges have no place.
    fn check_new_libraries(&self, setups: &[LibrarySetup]) -> Result<(), LibraryError> {
        let target = |(number, setup)| Ok((setup, target_name(&self.target_base, number, setup)?));
        let targets: Vec<_> = setups.iter().enumerate().map(target).collect::<Result<_, LibraryError>>()?;
        check_luns(&self.shared, &targets, setups)?;
        setups.iter().try_for_each(|setup| check_new_cartridges(setup, &self.shared))
    }

    /// Gives a library one more slot, which it keeps. Its number, from 1.
    ///
    /// # Errors
    /// There is no such library, its model has no room for another, or it cannot be kept.
    pub fn add_slot(&self, name: &str) -> Result<u16, LibraryError> {
        let _reloading = lock(&self.reload_lock);
        let unknown = || LibraryError::Unknown(format!("there is no library {name:?}"));
        let library = self.library(name).ok_or_else(unknown)?;
        let mut setup = library.setup();
        let slots = setup.layout.storage.count.saturating_add(1);
        setup.with_slots(slots).map_err(|why| LibraryError::Refused(format!("library {name:?}: {why}")))?;
        let mut change = Transaction::default();
        change.set(slots_key(name), &slots)?;
        self.shared.state.commit(change)?;
        library.add_elements(&setup, Vec::new())?;
        Ok(slots)
    }

    /// A library as the configuration has it, with the slots that operators have given it beside.
    fn with_added_slots(&self, setup: &LibrarySetup) -> Result<LibrarySetup, LibraryError> {
        let mut setup = setup.clone();
        let kept: Option<u16> = self.shared.state.get(&slots_key(&setup.name))?;
        if let Some(slots) = kept.filter(|slots| *slots > setup.layout.storage.count) {
            // A model that has no room for them is another than it was.
            if let Err(why) = setup.with_slots(slots) {
                tracing::warn!(library = setup.name, why, "slots that were added are not there");
            }
        }
        Ok(setup)
    }

    /// The libraries, in the order of the configuration.
    #[must_use]
    pub fn libraries(&self) -> Vec<Arc<Library>> {
        read(&self.libraries).clone()
    }

    /// The library of a name.
    #[must_use]
    pub fn library(&self, name: &str) -> Option<Arc<Library>> {
        read(&self.libraries).iter().find(|library| library.name() == name).cloned()
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> Vec<Arc<Target>> {
        read(&self.targets).clone()
    }

    /// The target of a name.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<Arc<Target>> {
        read(&self.targets).iter().find(|target| target.name() == name).cloned()
    }

    /// The pools, in the order of the configuration.
    pub(crate) fn pools(&self) -> Vec<PoolSetup> {
        read(&self.pools).clone()
    }

    /// What needs a person, as the program that serves the site has set it.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        read(&self.warnings).clone()
    }

    /// Sets what needs a person: the status shows it.
    pub fn set_warnings(&self, warnings: Vec<String>) {
        *write(&self.warnings) = warnings;
    }

    /// The buffers of this process.
    #[must_use]
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.shared.buffers
    }

    /// Where every cartridge is.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.shared.inventory().clone()
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// What people see: one row per unit of a target.
    #[must_use]
    pub fn overview(&self, target: &Target) -> Vec<UnitSummary> {
        let row = |(lun, unit): (usize, Arc<Unit>)| {
            let content = unit.with_device(|device| match device {
                Device::Changer(changer) => format!("{} cartridges", changer.library().cartridge_count()),
                Device::Drive(drive) => {
                    drive.loaded().map_or_else(|| "empty".into(), |(cartridge, _)| cartridge.barcode().to_string())
                }
            });
            UnitSummary { lun, model: unit.identity().strings.clone(), serial: unit.identity().serial.clone(), content }
        };
        target.luns().into_iter().zip(target.units()).map(row).collect()
    }

    /// Synchronises and closes every medium; cartridges stay where they are. No command runs afterwards; a second call does
    /// nothing.
    ///
    /// # Errors
    /// What could not be made durable.
    pub fn shut_down(&self) -> Result<(), LibraryError> {
        if self.shared.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.shared.events.close();
        let units: Vec<Arc<Unit>> = self.libraries().iter().flat_map(|library| library.all_units()).collect();
        units.iter().for_each(|unit| unit.stop());
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            let _ = thread.join();
        }
        let mut faults = Vec::new();
        for unit in units {
            let close = || {
                unit.with_saved(|device| match device {
                    Device::Drive(drive) => drive.shut_down().map(drop),
                    Device::Changer(_) => Ok(()),
                })
            };
            // Whatever happens to one drive, the others are closed.
            let Ok((closed, kept)) = catch_unwind(AssertUnwindSafe(close)) else {
                faults.push(format!("{}: internal error", unit.name()));
                continue;
            };
            faults.extend(closed.err());
            faults.extend(kept.err().map(|error| error.to_string()));
        }
        faults.extend(self.shared.note_directories().err().map(|error| error.to_string()));
        // What could not be kept before has one more chance.
        faults.extend(self.shared.state.commit(Transaction::default()).err().map(|error| error.to_string()));
        self.shared.state.close();
        if faults.is_empty() { Ok(()) } else { Err(LibraryError::Inconsistent(faults.join("; "))) }
    }
}

/// What tells this site's targets from every other's; made once.
fn site_suffix(state: &StateStore) -> Result<String, LibraryError> {
    if let Some(suffix) = state.get("site")? {
        return Ok(suffix);
    }
    let (suffix, mut change) = (random_hex(4)?, Transaction::default());
    change.set("site", &suffix)?;
    state.commit(change)?;
    Ok(suffix)
}

/// Key of how many slots a library has, if operators have added some.
fn slots_key(library: &str) -> String {
    format!("slots/{library}")
}

/// Refuses a configuration that took away a library which holds cartridges.
fn check_libraries_kept(config: &Config, inventory: &Inventory) -> Result<(), LibraryError> {
    for (barcode, entry) in inventory {
        let inventory::Location::Element { library, .. } = &entry.location else { continue };
        if config.libraries.iter().all(|setup| setup.name != *library) {
            let message =
                format!("library {library:?} is gone, but holds cartridge {barcode}; keep it, or export first");
            return Err(match config.libraries.first() {
                Some(setup) => setup.shape_error(ElementType::TRANSPORT, message).into(),
                None => LibraryError::Inconsistent(message),
            });
        }
    }
    Ok(())
}
