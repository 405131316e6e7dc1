//! A drive without a library: cartridges come and go by hand, or by a robot that another process has.

use crate::clock;
use crate::config::{ConfigError, LibrarySetup};
use crate::data_dir::DataDir;
use crate::library::{LibraryError, LibraryParts, identities};
use crate::locks::lock;
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

/// Key of the cartridge that is loaded again after a restart.
const LOADED_KEY: &str = "loaded";

/// A drive of its own, behind a target of its own. It is shut down in order when this is dropped.
pub struct Standalone {
    unit: Arc<Unit>,
    target: Arc<Target>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    _lock: Option<File>,
}

impl Standalone {
    /// The first drive of a library's configuration, without the library. Its names and what hosts have saved in it are
    /// kept with the data; a cartridge that was to return is in it again.
    ///
    /// # Errors
    /// The data is in use or damaged, or there is no drive in the configuration.
    pub fn open(mut data: DataDir, setup: &LibrarySetup) -> Result<Self, LibraryError> {
        let held = data.lock.take();
        let shared = Arc::new(Shared::open(data, &setup.name, None)?);
        let target = Arc::new(Target::new(setup.name.clone(), Arc::clone(&shared.buffers)));
        let identities = identities(&shared, setup, &target, &[])?;
        let lun = identities.get(1).map_or(0, |identity| identity.lun);
        let parts = LibraryParts { shared: Arc::clone(&shared), target: Arc::clone(&target), identities, index: 0 };
        let drive = setup.drives.first().ok_or_else(|| no_drive_error(setup))?;
        let unit = parts.build_drive(setup, 0, drive)?;
        target.attach([(lun, Arc::clone(&unit))]);
        let served = Arc::clone(&unit);
        let thread = std::thread::Builder::new().name(unit.name()).spawn(move || served.run_thread());
        let thread = Mutex::new(Some(thread.map_err(LibraryError::Thread)?));
        let drive = Self { unit, target, shared, thread, _lock: held };
        if let Some(barcode) = drive.shared.state.get::<String>(LOADED_KEY)?.as_deref().and_then(Barcode::new)
            && let Err(error) = drive.load(&barcode, true)
        {
            tracing::warn!(%barcode, %error, "what was in the drive is not in it any more");
        }
        Ok(drive)
    }

    /// Its unit.
    #[must_use]
    pub const fn unit(&self) -> &Arc<Unit> {
        &self.unit
    }

    /// The target it is behind.
    #[must_use]
    pub const fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// What can be seen of it from outside. Does not wait for the command that it is running.
    #[must_use]
    pub fn status(&self) -> BayStatus {
        self.unit.bay_status()
    }

    /// Refuses what comes after the end.
    fn check_open(&self) -> Result<(), LibraryError> {
        let ended = self.shared.ended.load(Ordering::Acquire);
        if ended { Err(LibraryError::Refused("the drive is shut down".into())) } else { Ok(()) }
    }

    /// Calls with the drive. `None` after a panic, which leaves the drive in a defined state: see `Unit::recover_from_panic`.
    fn with<T>(&self, call: impl FnOnce(&mut Drive) -> T) -> Option<T> {
        let with = || {
            self.unit.with_device(|device| match device {
                Device::Drive(drive) => Some(call(drive)),
                Device::Changer(_) => None,
            })
        };
        catch_unwind(AssertUnwindSafe(with)).ok().flatten()
    }

    /// Notes which cartridge is loaded again after a restart. A panic is an error.
    fn note_loaded(&self, barcode: Option<&str>) -> Result<(), LibraryError> {
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

    /// Puts a cartridge in, which the drive threads. If it `returns`, it is in the drive again after a restart: who moves
    /// cartridges must know of that.
    ///
    /// # Errors
    /// The drive is full, there is no such cartridge, or that it returns cannot be kept.
    pub fn load(&self, barcode: &Barcode, returns: bool) -> Result<(), LibraryError> {
        self.check_open()?;
        if self.status().barcode.is_some() {
            return Err(LibraryError::Refused("the drive is full".into()));
        }
        let store = &self.shared.store;
        let find = || {
            if store.exists(barcode).map_err(LibraryError::of(barcode))? {
                store.find(barcode).map_err(LibraryError::of(barcode))
            } else {
                Err(LibraryError::Unknown(format!("the files of cartridge {barcode} are missing")))
            }
        };
        let cartridge = catch_unwind(AssertUnwindSafe(find)).unwrap_or_else(|_| Err(internal_error()))?;
        let insert = |drive: &mut Drive| {
            if drive.loaded().is_some() {
                return Err(LibraryError::Refused("the drive is full".into()));
            }
            // Durable before the cartridge is in the drive: a cartridge that is not in it after all is not found in it.
            self.note_loaded(returns.then_some(barcode.as_str()))?;
            drive
                .insert_with_delay(cartridge, clock::now())
                .map_err(|refused| LibraryError::Refused(refused.reason.into()))
        };
        let loaded = self.with(insert).unwrap_or_else(|| {
            self.with(Drive::force_remove);
            Err(internal_error())
        });
        if loaded.is_err() && self.status().barcode.is_none() {
            // The caller keeps the cartridge: it is not in the drive after a restart, either.
            let _ = self.note_loaded(None);
        }
        loaded
    }

    /// Whether it can use the cartridge in it: the tape is threaded, or it was cleaned with it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let usable = |drive: &mut Drive| {
            drive.loaded().is_some_and(|(cartridge, threaded)| {
                threaded == LoadState::Threaded || cartridge.kind() == CartridgeKind::Cleaning
            })
        };
        self.with(usable).unwrap_or(false)
    }

    /// The button of the drive: its tape is unloaded, and its cartridge waits to be taken.
    ///
    /// # Errors
    /// There is none, a host prevents removal, or an internal error ended it.
    pub fn eject(&self) -> Result<(), RemoveError> {
        self.with(Drive::eject).unwrap_or(Err(RemoveError::Unavailable))
    }

    /// Takes the cartridge out by hand, whatever hosts prevent.
    ///
    /// # Errors
    /// That it is gone cannot be kept.
    pub fn force_remove(&self) -> Result<Option<Barcode>, LibraryError> {
        self.check_open()?;
        let returns: Option<String> = self.shared.state.get(LOADED_KEY)?;
        let pulled = self.note_loaded(None).and_then(|()| self.with(Drive::force_remove).ok_or_else(internal_error));
        if pulled.is_err() && self.status().barcode.is_some() {
            // It is in the drive still, and so it will be after a restart.
            let _ = returns.map(|barcode| self.note_loaded(Some(&barcode)));
        }
        Ok(pulled?.map(|cartridge| cartridge.barcode().clone()))
    }

    /// Synchronises and closes the medium. No command runs afterwards; a second call does nothing.
    ///
    /// # Errors
    /// What could not be made durable.
    pub fn shut_down(&self) -> Result<(), LibraryError> {
        if self.shared.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.unit.stop();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        let close = || {
            self.unit.with_saved(|device| match device {
                Device::Drive(drive) => drive.shut_down().map(drop),
                Device::Changer(_) => Ok(()),
            })
        };
        let closed = catch_unwind(AssertUnwindSafe(close));
        let _ = catch_unwind(AssertUnwindSafe(|| self.shared.state.close()));
        let (closed, kept) = closed.map_err(|_| internal_error())?;
        closed.map_err(LibraryError::Inconsistent)?;
        Ok(kept?)
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::warn!(%error, "the drive was not closed cleanly");
        }
    }
}

/// A call panicked; the log has the place.
fn internal_error() -> LibraryError {
    LibraryError::Refused("an internal error of this program".into())
}

fn no_drive_error(setup: &LibrarySetup) -> ConfigError {
    setup.shape_error(smc::element::ElementType::DRIVE, "there is no drive in it".into())
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
        let new = NewCartridge { capacity: 64 << 20, ..NewCartridge::data(&LTO_8) };
        drive.shared.store.create(&label, &new).unwrap();
        drive.load(&label, true).unwrap();
        assert!(drive.load(&label, true).is_err());
        let (host, lun) = (Host::login(drive.target(), 1), drive.target().luns()[0]);
        host.clear_unit_attentions();
        assert_eq!(host.command_with_data(lun, &[0x0a, 0, 0, 0, 5, 0], b"block").into_result(), Ok(Vec::new()));
        assert_eq!(host.command(lun, &[0x1e, 0, 0, 0, 1, 0], 0).into_result(), Ok(Vec::new()));
        assert_eq!(drive.eject(), Err(RemoveError::Prevented));
        drop(host);
        // It returns, with what was written, and the drive has its names still.
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
        // One that does not return.
        drive.load(&label, false).unwrap();
        drop((host, drive));
        assert_eq!(open(dir.path()).status().barcode, None);
    }
}
