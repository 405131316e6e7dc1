//! A place for cartridges: created, listed and opened by barcode.

use crate::backend::{Folder, Shelves};
use crate::cartridge::{Barcode, Cartridge, Kind, MAM_FILE};
use crate::error::StoreError;
use crate::mam::Mam;
use crate::media::MediaSpec;
use std::sync::{Arc, Mutex, PoisonError};

/// A cartridge exists once it has its memory, which is the last thing that making one writes.
fn is_whole(folder: &mut dyn Folder) -> Result<bool, StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    Ok(names.iter().any(|name| name == MAM_FILE))
}

/// All cartridges of a library, wherever in it they are.
pub struct TapeStore {
    shelves: Arc<Mutex<Box<dyn Shelves>>>,
}

/// What a new cartridge is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewCartridge<'a> {
    /// Its generation.
    pub media: &'static MediaSpec,
    /// What it is for.
    pub kind: Kind,
    /// Medium serial number, up to 32 characters.
    pub serial: &'a str,
    /// Manufacture date, YYYYMMDD.
    pub date: &'a str,
}

impl TapeStore {
    /// The cartridges on these shelves.
    #[must_use]
    pub fn new(shelves: Box<dyn Shelves>) -> Self {
        Self { shelves: Arc::new(Mutex::new(shelves)) }
    }

    fn with<T>(&self, what: &str, call: impl FnOnce(&mut dyn Shelves) -> std::io::Result<T>) -> Result<T, StoreError> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        call(shelves.as_mut()).map_err(StoreError::io(what))
    }

    /// Barcodes of all cartridges, ascending. Folders whose name is no barcode are not cartridges.
    ///
    /// # Errors
    /// The storage failed.
    pub fn list(&self) -> Result<Vec<Barcode>, StoreError> {
        let names = self.with("listing cartridges", |shelves| shelves.list())?;
        Ok(names.iter().filter_map(|name| Barcode::new(name)).collect())
    }

    /// Makes a cartridge. One whose making was cut short (a folder without its memory) is made again.
    ///
    /// # Errors
    /// It exists, or the storage failed.
    pub fn create(&self, barcode: &Barcode, new: &NewCartridge<'_>) -> Result<(), StoreError> {
        let name = barcode.as_str();
        let mut folder = match self.with("making a cartridge", |shelves| shelves.create(name)) {
            Ok(folder) => folder,
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                self.with("opening a cartridge", |shelves| shelves.open(name))?
            }
            Err(other) => return Err(other),
        };
        if is_whole(folder.as_mut())? {
            return Err(StoreError::Cartridge { barcode: name.into(), what: "exists already" });
        }
        let mam = Mam::new(new.media, new.kind == Kind::Cleaning, new.serial, new.date);
        folder.replace(MAM_FILE, &mam.encode()).map_err(StoreError::io("writing ferric.mam"))
    }

    /// Whether a cartridge was made, and made whole.
    ///
    /// # Errors
    /// The storage failed.
    pub fn exists(&self, barcode: &Barcode) -> Result<bool, StoreError> {
        match self.with("opening a cartridge", |shelves| shelves.open(barcode.as_str())) {
            Ok(mut folder) => is_whole(folder.as_mut()),
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// The one value of a cartridge. Whoever calls sees to it that there is only one.
    #[must_use]
    pub fn cartridge(&self, barcode: &Barcode, media: &'static MediaSpec, kind: Kind, capacity: u64) -> Cartridge {
        let shelves = Self { shelves: Arc::clone(&self.shelves) };
        let name = barcode.clone();
        let open = move || {
            let what = format!("opening cartridge {name}");
            shelves.with(&what, |shelves| shelves.open(name.as_str()))
        };
        Cartridge::new(barcode.clone(), media, kind, capacity, Box::new(open))
    }
}
