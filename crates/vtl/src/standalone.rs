//! A drive without a library: cartridges come and go by hand, or by a robot that another process has.

use crate::clock;
use crate::config::{ConfigError, LibrarySetup};
use crate::data_dir::Data;
use crate::library::{LibraryError, Parts, identities};
use crate::locks::lock;
use crate::shared::Shared;
use crate::state_store::Change;
use crate::target::Target;
use crate::unit::{Device, Unit};
use smc::bay::BayStatus;
use ssc::drive::{Drive, Threaded};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tape_store::cartridge::{Barcode, Kind, WhyNot};

/// Key of the cartridge that is loaded again after a restart.
const LOADED: &str = "loaded";

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
    pub fn open(mut data: Data, setup: &LibrarySetup) -> Result<Self, LibraryError> {
        let held = data.lock.take();
        let shared = Arc::new(Shared::open(data, &setup.name, None)?);
        let target = Arc::new(Target::new(setup.name.clone(), Arc::clone(&shared.buffers)));
        let identities = identities(&shared, setup, &target, &[])?;
        let lun = identities.get(1).map_or(0, |identity| identity.lun);
        let parts = Parts { shared: Arc::clone(&shared), target: Arc::clone(&target), identities, number: 0 };
        let drive = setup.drives.first().ok_or_else(|| no_drive(setup))?;
        let unit = parts.drive(setup, 0, drive)?;
        target.attach([(lun, Arc::clone(&unit))]);
        let served = Arc::clone(&unit);
        let thread = std::thread::Builder::new().name(unit.name()).spawn(move || served.serve());
        let thread = Mutex::new(Some(thread.map_err(LibraryError::Thread)?));
        let drive = Self { unit, target, shared, thread, _lock: held };
        if let Some(barcode) = drive.shared.state.get::<String>(LOADED)?.as_deref().and_then(Barcode::new)
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
    fn still_open(&self) -> Result<(), LibraryError> {
        let ended = self.shared.ended.load(Ordering::Acquire);
        if ended { Err(LibraryError::Door("the drive is shut down".into())) } else { Ok(()) }
    }

    /// Calls with the drive. `None` after a panic, which leaves the drive in a defined state: see `Unit::recover`.
    fn with<T>(&self, call: impl FnOnce(&mut Drive) -> T) -> Option<T> {
        let with = || {
            self.unit.with(|device| match device {
                Device::Drive(drive) => Some(call(drive)),
                Device::Changer(_) => None,
            })
        };
        catch_unwind(AssertUnwindSafe(with)).ok().flatten()
    }

    /// Notes which cartridge is loaded again after a restart. A panic is an error.
    fn note_loaded(&self, barcode: Option<&str>) -> Result<(), LibraryError> {
        let note = || {
            let mut change = Change::default();
            match barcode {
                Some(barcode) => change.set(LOADED, &barcode)?,
                None => change.remove(LOADED),
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
        self.still_open()?;
        if self.status().barcode.is_some() {
            return Err(LibraryError::Door("the drive is full".into()));
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
                return Err(LibraryError::Door("the drive is full".into()));
            }
            // Durable before the cartridge is in the drive: a cartridge that is not in it after all is not found in it.
            self.note_loaded(returns.then_some(barcode.as_str()))?;
            drive.insert_at(cartridge, clock::now()).map_err(|refused| LibraryError::Door(refused.why.into()))
        };
        let loaded = self.with(insert).unwrap_or_else(|| {
            self.with(Drive::pull);
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
            drive
                .loaded()
                .is_some_and(|(cartridge, threaded)| threaded == Threaded::Yes || cartridge.kind() == Kind::Cleaning)
        };
        self.with(usable).unwrap_or(false)
    }

    /// The button of the drive: its tape is unloaded, and its cartridge waits to be taken.
    ///
    /// # Errors
    /// There is none, a host prevents removal, or an internal error ended it.
    pub fn eject(&self) -> Result<(), WhyNot> {
        self.with(Drive::eject).unwrap_or(Err(WhyNot::NoAnswer))
    }

    /// Takes the cartridge out by hand, whatever hosts prevent.
    ///
    /// # Errors
    /// That it is gone cannot be kept.
    pub fn take(&self) -> Result<Option<Barcode>, LibraryError> {
        self.still_open()?;
        let returns: Option<String> = self.shared.state.get(LOADED)?;
        let pulled = self.note_loaded(None).and_then(|()| self.with(Drive::pull).ok_or_else(internal_error));
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
            self.unit.change(|device| match device {
                Device::Drive(drive) => drive.shut_down().map(drop),
                Device::Changer(_) => Ok(()),
            })
        };
        let closed = catch_unwind(AssertUnwindSafe(close));
        let _ = catch_unwind(AssertUnwindSafe(|| self.shared.state.close()));
        let (closed, kept) = closed.map_err(|_| internal_error())?;
        closed.map_err(LibraryError::Inventory)?;
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
    LibraryError::Door("an internal error of this program".into())
}

fn no_drive(setup: &LibrarySetup) -> ConfigError {
    setup.shape_error(smc::element::ElementType::DRIVE, "there is no drive in it".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::host::Host;
    use tape_store::media::LTO_8;
    use tape_store::shelf::NewCartridge;

    fn open(path: &std::path::Path) -> Standalone {
        let config =
            parse("test", "[[library]]\nname = \"alone\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n").unwrap();
        Standalone::open(Data::at(path).unwrap(), &config.libraries[0]).unwrap()
    }

    #[test]
    fn by_hand() {
        let dir = tempfile::tempdir().unwrap();
        let drive = open(dir.path());
        let label = Barcode::new("A00001L8").unwrap();
        assert!(drive.load(&label, true).unwrap_err().to_string().contains("files of cartridge A00001L8 are missing"));
        let new = NewCartridge { capacity: 64 << 20, ..NewCartridge::data(&LTO_8) };
        drive.shared.store.create(&label, &new).unwrap();
        drive.load(&label, true).unwrap();
        assert!(drive.load(&label, true).is_err());
        let (host, lun) = (Host::login(drive.target(), 1), drive.target().luns()[0]);
        host.settle();
        assert_eq!(host.send(lun, &[0x0a, 0, 0, 0, 5, 0], b"block").good(), Ok(Vec::new()));
        assert_eq!(host.command(lun, &[0x1e, 0, 0, 0, 1, 0], 0).good(), Ok(Vec::new()));
        assert_eq!(drive.eject(), Err(WhyNot::Prevented));
        drop(host);
        // It returns, with what was written, and the drive has its names still.
        let serial = drive.unit().identity().serial.clone();
        drive.shut_down().unwrap();
        drop(drive);
        let drive = open(dir.path());
        assert_eq!((drive.status().barcode, drive.unit().identity().serial.clone()), (Some(label.clone()), serial));
        let host = Host::login(drive.target(), 1);
        host.settle();
        assert_eq!(host.command(lun, &[0x08, 0, 0, 0, 5, 0], 5).good(), Ok(b"block".to_vec()));
        drive.eject().unwrap();
        assert!(drive.status().accessible);
        assert_eq!(drive.take().unwrap(), Some(label.clone()));
        assert_eq!(drive.take().unwrap(), None);
        // One that does not return.
        drive.load(&label, false).unwrap();
        drop((host, drive));
        assert_eq!(open(dir.path()).status().barcode, None);
    }
}
