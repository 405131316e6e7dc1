//! A drive without a library: cartridges are inserted and removed by hand, or by a robot in another process.

use crate::config::{ConfigError, LibrarySetup};
use crate::control::ControlError;
use crate::data_dir::DataDir;
use crate::frontend::SiteOptions;
use crate::library::{LibraryError, LibraryParts, identities, missing_files};
use crate::locks::{lock, write};
use crate::observer::CommandObserver;
use crate::shared::Shared;
use crate::state_store::Transaction;
use crate::target::Target;
use crate::unit::{Device, Unit};
use smc::bay::BayStatus;
use ssc::drive::{Drive, LoadState};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tape_store::cartridge::{Barcode, CartridgeKind, RemoveError};

/// State key of the cartridge that is loaded again after a restart.
const LOADED_KEY: &str = "loaded";

/// A single drive, in a separate target without a changer. Dropping it shuts it down. This is the drive itself;
/// messages of mhvtl's library process are handled by `StandaloneDrive` in `mhvtld`.
pub struct Standalone {
    unit: Arc<Unit>,
    target: Arc<Target>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    _lock: Option<File>,
}

impl Standalone {
    /// Opens the first drive of a library's configuration, without the library. Its identity and its saved parameters
    /// are stored in `data`. A cartridge that was loaded before the restart is loaded again, if its [`Self::load`] call
    /// asked for that.
    ///
    /// # Errors
    /// Fails if `data` is in use or damaged, or the configuration has no drive.
    pub fn open(data: DataDir, setup: &LibrarySetup) -> Result<Self, LibraryError> {
        Self::open_with(data, setup, SiteOptions::default())
    }

    /// Does the same as [`Self::open`], with the source of time and the frontend of `options`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(mut data: DataDir, setup: &LibrarySetup, options: SiteOptions) -> Result<Self, LibraryError> {
        let lock_file = data.lock.take();
        let shared = Arc::new(Shared::open(data, &setup.name, options)?);
        let target = Arc::new(Target::new(&setup.name, Arc::clone(&shared)));
        let identities = identities(&shared, setup, &target, &[])?;
        let lun = identities.get(1).map_or(0, |identity| identity.lun);
        let parts = LibraryParts {
            shared: Arc::clone(&shared),
            target: Arc::clone(&target),
            identities,
            index: 0,
            partition: None,
        };
        let drive = setup.drives.first().ok_or_else(|| no_drive_error(setup))?;
        let unit = parts.build_drive(setup, 0, drive)?;
        target.attach([(lun, Arc::clone(&unit))]);
        let served = Arc::clone(&unit);
        let thread = std::thread::Builder::new().name(unit.name().to_string()).spawn(move || served.run_thread());
        let thread = Mutex::new(Some(thread.map_err(LibraryError::Thread)?));
        let drive = Self { unit, target, shared, thread, _lock: lock_file };
        if let Some(barcode) = drive.shared.state.get::<String>(LOADED_KEY)?.as_deref().and_then(Barcode::new)
            && let Err(error) = drive.load(&barcode, true)
        {
            tracing::warn!(%barcode, %error, "cartridge that was loaded before the restart cannot be reloaded");
        }
        Ok(drive)
    }

    /// The logical unit of the drive.
    #[must_use]
    pub const fn unit(&self) -> &Arc<Unit> {
        &self.unit
    }

    /// The target that has the drive.
    #[must_use]
    pub const fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The state of the bay: the cartridge in it and whether it can be removed. Does not wait for the current command.
    #[must_use]
    pub fn status(&self) -> BayStatus {
        self.unit.bay_status()
    }

    /// Reason why the drive ends every command with HARDWARE ERROR 44h/00h after an internal error, with the remedy;
    /// `None` if it does not. Does not wait for the current command.
    #[must_use]
    pub fn faulty(&self) -> Option<String> {
        self.unit.faulty()
    }

    /// Adds an observer that receives the record of each command from now on, until the drive is shut down.
    pub fn add_observer(&self, observer: Arc<dyn CommandObserver>) {
        write(&self.shared.observers).push(observer);
    }

    /// Refuses operator actions after the drive was shut down.
    fn check_open(&self) -> Result<(), LibraryError> {
        let ended = self.shared.ended.load(Ordering::Acquire);
        if ended { Err(ControlError::unavailable("the drive is shut down").into()) } else { Ok(()) }
    }

    /// Calls `call` with the drive. Returns `None` after a panic, which leaves the drive in a defined state.
    fn with<T>(&self, call: impl FnOnce(&mut Drive) -> T) -> Option<T> {
        let with = || {
            self.unit.with_device(|device| match device {
                Device::Drive(drive) => Some(call(drive)),
                Device::Changer(_) => None,
            })
        };
        catch_unwind(AssertUnwindSafe(with)).ok().flatten()
    }

    /// Stores which cartridge is loaded again after a restart. A panic becomes an error.
    fn store_loaded(&self, barcode: Option<&str>) -> Result<(), LibraryError> {
        let note = || {
            let mut change = Transaction::default();
            match barcode {
                Some(barcode) => change.set(LOADED_KEY, &barcode)?,
                None => change.remove(LOADED_KEY),
            }
            Ok(self.shared.state.commit(change)?)
        };
        catch_unwind(AssertUnwindSafe(note)).unwrap_or_else(|_| Err(internal_error()))
    }

    /// Inserts a cartridge, which the drive then loads. With `returns`, it is loaded again after a restart: the process
    /// that moves cartridges must know that.
    ///
    /// # Errors
    /// Fails if the drive is full, there is no such cartridge, or the state cannot be stored.
    pub fn load(&self, barcode: &Barcode, returns: bool) -> Result<(), LibraryError> {
        self.check_open()?;
        if self.status().barcode.is_some() {
            return Err(ControlError::conflict("the drive is full").into());
        }
        let store = &self.shared.store;
        let find = || {
            if store.exists(barcode).map_err(LibraryError::of(barcode))? {
                store.find(barcode).map_err(LibraryError::of(barcode))
            } else {
                Err(missing_files(barcode).into())
            }
        };
        let cartridge = catch_unwind(AssertUnwindSafe(find)).unwrap_or_else(|_| Err(internal_error()))?;
        let insert = |drive: &mut Drive| {
            if drive.loaded().is_some() {
                return Err(ControlError::conflict("the drive is full").into());
            }
            // Stored before the cartridge is inserted: a restart does not find a cartridge in the drive that never got
            // there.
            self.store_loaded(returns.then_some(barcode.as_str()))?;
            drive
                .insert_with_delay(cartridge, self.shared.now())
                .map_err(|refused| ControlError::conflict(refused.reason).into())
        };
        let loaded = self.with(insert).unwrap_or_else(|| {
            self.with(Drive::force_remove);
            Err(internal_error())
        });
        if loaded.is_err() && self.status().barcode.is_none() {
            // The caller keeps the cartridge: it must not be loaded after a restart.
            let _ = self.store_loaded(None);
        }
        loaded
    }

    /// Whether the drive can use its cartridge: the tape is threaded, or it is a cleaning cartridge.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let usable = |drive: &mut Drive| {
            drive.loaded().is_some_and(|(cartridge, threaded)| {
                threaded == LoadState::Threaded || cartridge.kind() == CartridgeKind::Cleaning
            })
        };
        self.with(usable).unwrap_or(false)
    }

    /// Presses the eject button: unloads the tape; the cartridge can then be removed.
    ///
    /// # Errors
    /// Fails if the drive is empty, a host prevents medium removal, or an internal error occurred.
    pub fn eject(&self) -> Result<(), RemoveError> {
        self.with(Drive::eject).unwrap_or(Err(RemoveError::Unavailable))
    }

    /// Removes the cartridge by hand, even if a host prevents medium removal. Returns its barcode; `None` if the drive
    /// is empty.
    ///
    /// # Errors
    /// Fails if the removal cannot be stored, or an internal error occurred.
    pub fn force_remove(&self) -> Result<Option<Barcode>, LibraryError> {
        self.check_open()?;
        let returns: Option<String> = self.shared.state.get(LOADED_KEY)?;
        let removed = self.store_loaded(None).and_then(|()| self.with(Drive::force_remove).ok_or_else(internal_error));
        if removed.is_err() && self.status().barcode.is_some() {
            // The cartridge is still in the drive, so it must be loaded after a restart.
            let _ = returns.map(|barcode| self.store_loaded(Some(&barcode)));
        }
        Ok(removed?.map(|cartridge| cartridge.barcode().clone()))
    }

    /// Writes buffered data to the medium and closes it. No command runs afterwards. Further calls do nothing.
    ///
    /// # Errors
    /// Fails if buffered data or state could not be made durable.
    pub fn shut_down(&self) -> Result<(), LibraryError> {
        if self.shared.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.unit.stop();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        // No command follows: an observer can write what it still has.
        write(&self.shared.observers).clear();
        let close = || {
            self.unit.with_saved(|device| match device {
                Device::Drive(drive) => drive.shut_down().map(drop),
                Device::Changer(_) => Ok(()),
            })
        };
        let closed = catch_unwind(AssertUnwindSafe(close));
        let _ = catch_unwind(AssertUnwindSafe(|| self.shared.state.close()));
        let (closed, stored) = closed.map_err(|_| internal_error())?;
        closed.map_err(|error| LibraryError::Inconsistent(error.to_string()))?;
        Ok(stored?)
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::warn!(%error, "the drive was not closed cleanly");
        }
    }
}

/// The error of a call that panicked; the log has the location.
fn internal_error() -> LibraryError {
    ControlError::internal("internal error; see the log").into()
}

fn no_drive_error(setup: &LibrarySetup) -> ConfigError {
    setup.shape_error(smc::element::ElementType::DRIVE, "the library has no drive".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::host::Host;
    use tape_store::media::LTO_8;
    use tape_store::store::NewCartridge;

    fn open(path: &std::path::Path) -> Standalone {
        let config =
            parse("test", "[[library]]\nname = \"alone\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n").unwrap();
        Standalone::open(DataDir::open(path).unwrap(), &config.libraries[0]).unwrap()
    }

    #[test]
    fn load_eject_and_force_remove() {
        let dir = tempfile::tempdir().unwrap();
        let drive = open(dir.path());
        let label = Barcode::new("A00001L8").unwrap();
        assert!(drive.load(&label, true).unwrap_err().to_string().contains("files of cartridge A00001L8 are missing"));
        let new = NewCartridge::data(&LTO_8).with_capacity(64 << 20);
        drive.shared.store.create(&label, &new).unwrap();
        drive.load(&label, true).unwrap();
        assert!(drive.load(&label, true).is_err());
        let (host, lun) = (Host::login(drive.target(), 1), drive.target().luns()[0]);
        host.clear_unit_attentions();
        assert_eq!(host.command_with_data(lun, &[0x0a, 0, 0, 0, 5, 0], b"block").into_result(), Ok(Vec::new()));
        assert_eq!(host.command(lun, &[0x1e, 0, 0, 0, 1, 0], 0).into_result(), Ok(Vec::new()));
        assert_eq!(drive.eject(), Err(RemoveError::Prevented));
        drop(host);
        // The cartridge is loaded again with its data, and the drive has the same identity.
        let serial = drive.unit().identity().serial.clone();
        drive.shut_down().unwrap();
        drop(drive);
        let drive = open(dir.path());
        assert_eq!((drive.status().barcode, drive.unit().identity().serial.clone()), (Some(label.clone()), serial));
        let host = Host::login(drive.target(), 1);
        host.clear_unit_attentions();
        assert_eq!(host.command(lun, &[0x08, 0, 0, 0, 5, 0], 5).into_result(), Ok(b"block".to_vec()));
        drive.eject().unwrap();
        assert!(drive.status().accessible);
        assert_eq!(drive.force_remove().unwrap(), Some(label.clone()));
        assert_eq!(drive.force_remove().unwrap(), None);
        // A cartridge that is not loaded after a restart.
        drive.load(&label, false).unwrap();
        drop((host, drive));
        assert_eq!(open(dir.path()).status().barcode, None);
    }
}
