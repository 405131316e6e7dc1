//! Reloads the configuration of an open site.

use super::Site;
use crate::config::{Config, ConfigError, LibrarySetup, PoolReplica, PoolSetup, target_name};
use crate::control::{ControlError, ReloadChange, ReloadReport};
use crate::events::{Cause, Event, Subject};
use crate::library::{Library, LibraryError, identities};
use crate::locks::{lock, read, write};

impl Site {
    /// Reloads the configuration while the site is in use: adds libraries, slots, drives and cartridges, and raises
    /// UNIT ATTENTION 3Fh/0Eh where LUNs are added. Changes that require a restart are refused before anything is
    /// changed. Returns what was changed.
    ///
    /// # Errors
    /// Fails if the configuration changes or removes something, which requires a restart; or if an addition cannot be
    /// created, in which case earlier additions remain.
    pub fn reload(&self, config: &Config) -> Result<ReloadReport, LibraryError> {
        let _reloading = lock(&self.reload_lock);
        if self.is_shut_down() {
            return Err(ControlError::unavailable("the site is shut down").into());
        }
        if self.shared.drives.daemon().is_some() {
            let message = "this daemon serves drives of another site; restart it to use another configuration";
            return Err(ControlError::conflict(message).into());
        }
        self.check_settings_kept(config)?;
        let setups =
            config.libraries.iter().map(|setup| self.with_added_slots(setup)).collect::<Result<Vec<_>, _>>()?;
        self.check_libraries_unchanged(&setups)?;
        self.check_chassis_unchanged(&config.chassis)?;
        self.check_no_new_daemons(&setups)?;
        self.check_new_libraries(&setups)?;
        let faults = config.faults.read()?;
        let mut changes = Vec::new();
        let libraries = self.libraries();
        for (library, setup) in libraries.iter().zip(&setups) {
            let identities = identities(&self.shared, setup, library.target(), &config.libraries)?;
            changes.extend(library_changes(library, setup));
            let new = library.add_elements(setup, identities)?;
            self.spawn_workers(&new)?;
            self.extend_faults(library, &new);
            let count = library.create_listed_cartridges(setup)?;
            if count > 0 {
                changes.push(ReloadChange::CartridgesCreated { library: library.name().into(), count });
            }
        }
        self.create_chassis(&config.chassis)?;
        for setup in config.libraries.iter().skip(libraries.len()) {
            self.create_library(setup, &config.libraries)?;
            if let Some(library) = self.library(&setup.name) {
                self.extend_faults(&library, &library.all_units());
            }
            changes.push(ReloadChange::LibraryAdded { library: setup.name.clone() });
        }
        if self.set_configured_faults(faults)? {
            changes.push(ReloadChange::FaultsChanged);
        }
        changes.extend(pool_changes(&read(&self.pools), &config.pools));
        write(&self.pools).clone_from(&config.pools);
        self.set_configuration(config);
        self.reconcile_or_warn();
        self.shared.events.notify(Subject::new(Cause::operator()), Event::Reloaded { changes: changes.clone() });
        Ok(ReloadReport { changes })
    }

    /// Refuses new drives that another daemon is to serve.
    fn check_no_new_daemons(&self, setups: &[LibrarySetup]) -> Result<(), ConfigError> {
        let before = |setup: &LibrarySetup| self.library(&setup.name).map_or(0, |library| library.setup().drives.len());
        let new = |setup: &LibrarySetup| setup.drives.iter().skip(before(setup)).find_map(|drive| drive.daemon.clone());
        match setups.iter().find_map(|setup| Some((setup, new(setup)?))) {
            None => Ok(()),
            Some((setup, daemon)) => {
                let message = format!(
                    "library {:?} has a new drive of the daemon {daemon:?}; this requires a restart; nothing was changed",
                    setup.name
                );
                Err(setup.error(setup.lines.drives, "drive.daemon", message))
            }
        }
    }

    /// Refuses changes of settings that are used only at the start.
    fn check_settings_kept(&self, config: &Config) -> Result<(), ControlError> {
        let (group, shared) = &self.permissions;
        let (shelves, new_cartridges) = &self.shelves;
        let same_shelves = shelves.len() == config.shelves.len()
            && shelves.iter().zip(&config.shelves).all(|(before, after)| before.equals(after));
        let settings = [
            ("storage.cartridges", config.cartridge_directories != self.cartridge_directories),
            ("storage.group", config.group != *group),
            ("storage.shared", config.shared_cartridges != *shared),
            ("storage.new_cartridges", config.new_cartridges != *new_cartridges),
            ("shelf", !same_shelves),
            ("pool.replica", pool_replicas(&config.pools) != pool_replicas(&read(&self.pools))),
            ("iscsi.iqn", config.iscsi.iqn.as_ref().is_some_and(|iqn| *iqn != self.target_base)),
        ];
        ControlError::check_restart(settings)
    }

    /// Refuses changes of existing libraries other than additions.
    fn check_libraries_unchanged(&self, setups: &[LibrarySetup]) -> Result<(), LibraryError> {
        for (number, library) in self.libraries().iter().enumerate() {
            let name = library.name();
            let Some(setup) = setups.get(number) else {
                return Err(ControlError::conflict(format!(
                    "library {name:?} is missing: removing a library requires a restart; nothing was changed"
                ))
                .with_library(name)
                .with_restart_required("library")
                .into());
            };
            let conflict = if setup.name == name {
                library.reload_conflict(setup, &target_name(&self.target_base, number, setup)?)
            } else {
                let message = format!(
                    "expected library {name:?}, found {:?}: renaming, removing or reordering libraries requires a \
                     restart; nothing was changed",
                    setup.name
                );
                Some(setup.error(setup.lines.library, "library.name", message))
            };
            if let Some(error) = conflict {
                return Err(ControlError::conflict(error.to_string())
                    .with_library(name)
                    .with_file(error.file)
                    .with_restart_required(error.key)
                    .into());
            }
        }
        Ok(())
    }
}

/// The changes of a new configuration in an existing library, without its cartridges.
fn library_changes(library: &Library, new: &LibrarySetup) -> Vec<ReloadChange> {
    let (old, mut changes) = (library.setup(), Vec::new());
    let added = [
        new.layout.storage.count - old.layout.storage.count,
        new.layout.import_export.count - old.layout.import_export.count,
        new.layout.drives.count - old.layout.drives.count,
    ];
    let name = library.name().to_owned();
    if let [slots, import_export, drives] = added
        && added != [0; 3]
    {
        changes.push(ReloadChange::ElementsAdded { library: name.clone(), slots, import_export, drives });
    }
    if (new.import, new.export, &new.move_command) != (old.import, old.export, &old.move_command) {
        changes.push(ReloadChange::PoliciesChanged { library: name });
    }
    changes
}

/// The patterns of the pools that have replicas, and the replicas.
fn pool_replicas(pools: &[PoolSetup]) -> Vec<(String, PoolReplica)> {
    pools.iter().filter_map(|pool| Some((pool.pattern.to_string(), pool.replica.clone()?))).collect()
}

/// The pools that a new configuration adds, changes or removes.
fn pool_changes(old: &[PoolSetup], new: &[PoolSetup]) -> Vec<ReloadChange> {
    let differs = |pool: &&PoolSetup, others: &[PoolSetup]| !others.contains(pool);
    let added = new.iter().filter(|pool| differs(pool, old));
    let removed = old.iter().filter(|pool| !new.iter().any(|other| other.name == pool.name));
    added.chain(removed).map(|pool| ReloadChange::PoolChanged { pool: pool.name.clone() }).collect()
}
