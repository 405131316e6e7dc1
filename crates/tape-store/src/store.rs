//! A place for cartridges: created, listed and opened by barcode.

use crate::backend::{FolderStore, UnreadableDirectory};
use crate::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use crate::cartridge_memory;
use crate::error::StoreError;
use crate::mam::AttrId;
use crate::media::{LTO_8, MediaSpec};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// All cartridges of a library, wherever in it they are.
pub struct TapeStore {
    folders: Arc<Mutex<Box<dyn FolderStore>>>,
}

/// What a new cartridge is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewCartridge<'a> {
    /// Its generation.
    pub media: &'static MediaSpec,
    /// What it is for.
    pub kind: CartridgeKind,
    /// Medium serial number, up to 32 characters.
    pub serial: &'a str,
    /// When it was made: seconds since 1970.
    pub manufactured: i64,
    /// Bytes it holds, as stored.
    pub capacity: u64,
    /// How its files are written.
    pub format: Format,
}

impl NewCartridge<'_> {
    /// A data cartridge of level `ferric` and native capacity, without a serial number, made in 1970.
    #[must_use]
    pub const fn data(media: &'static MediaSpec) -> Self {
        Self {
            media,
            kind: CartridgeKind::Data,
            serial: "",
            manufactured: 0,
            capacity: media.capacity,
            format: Format::Native,
        }
    }
}

impl TapeStore {
    /// The cartridges on these shelves.
    #[must_use]
    pub fn new(shelves: Box<dyn FolderStore>) -> Self {
        Self { folders: Arc::new(Mutex::new(shelves)) }
    }

    fn with<T>(
        &self,
        what: &str,
        call: impl FnOnce(&mut dyn FolderStore) -> std::io::Result<T>,
    ) -> Result<T, StoreError> {
        let mut shelves = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        call(shelves.as_mut()).map_err(StoreError::io(what))
    }

    /// Barcodes of all cartridges, ascending. Folders whose name is not a barcode are not cartridges.
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
                let opened = self.with("opening a cartridge", |shelves| shelves.open(name));
                opened.map_err(|error| missing(barcode, error))?
            }
            Err(other) => return Err(other),
        };
        if cartridge_memory::exists(folder.as_mut())? {
            return Err(StoreError::Cartridge { barcode: name.into(), problem: "exists already" });
        }
        cartridge_memory::create(folder.as_mut(), name, new)
    }

    /// Whether a cartridge was made, and made whole.
    ///
    /// # Errors
    /// The storage failed.
    pub fn exists(&self, barcode: &Barcode) -> Result<bool, StoreError> {
        match self.with("opening a cartridge", |shelves| shelves.open(barcode.as_str())) {
            Ok(mut folder) => cartridge_memory::exists(folder.as_mut()),
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(other) => Err(missing(barcode, other)),
        }
    }

    /// Whether a cartridge has this barcode as the name of its folder, or something else has that name.
    ///
    /// # Errors
    /// The storage failed, and it is unknown.
    pub fn is_occupied(&self, barcode: &Barcode) -> Result<bool, StoreError> {
        self.with("looking for a cartridge", |shelves| shelves.is_occupied(barcode.as_str()))
    }

    /// Whether no object is on a cartridge's tape: what [`Cartridge::is_blank`] says, or `None` if that cannot be told at
    /// once. Files of data or index that are not empty are not opened, so that this is fast.
    ///
    /// # Errors
    /// It does not exist, or the storage failed.
    pub fn is_blank(&self, barcode: &Barcode) -> Result<Option<bool>, StoreError> {
        let mut folder = self.with("opening a cartridge", |shelves| shelves.open(barcode.as_str()))?;
        let failed = || StoreError::io("looking at a cartridge's files");
        let names = folder.list().map_err(failed())?;
        for name in names.iter().filter(|name| name.starts_with("data") || name.starts_with("indx")) {
            if let Some(mut file) = folder.open_read_only(name).map_err(failed())?
                && !file.is_empty().map_err(failed())?
            {
                return Ok(None);
            }
        }
        // The memory says what it is; without one, the label does.
        let (media, kind) = barcode.media().unwrap_or((&LTO_8, CartridgeKind::Data));
        Ok(self.cartridge(barcode, media, kind, 0).is_blank().ok())
    }

    /// A number that differs after a file of a cartridge was changed in any way, or its folder appeared or went; `None` if
    /// the storage does not tell.
    #[must_use]
    pub fn fingerprint(&self, barcode: &Barcode) -> Option<u64> {
        let opened = self.with("opening a cartridge", |shelves| shelves.open(barcode.as_str()));
        opened.map_or(Some(0), |mut folder| folder.fingerprint().unwrap_or(Some(0)))
    }

    /// Removes a cartridge with all that is on it. Whoever calls sees to it that nobody has it.
    ///
    /// # Errors
    /// The storage failed; some of its files may be gone.
    pub fn remove(&self, barcode: &Barcode) -> Result<(), StoreError> {
        self.with("removing a cartridge", |shelves| shelves.remove(barcode.as_str()))
    }

    /// The one value of a cartridge whose files are there, as its memory describes it. Whoever calls sees to it that there
    /// is only one.
    ///
    /// # Errors
    /// It is not there, or its memory is damaged and its label says nothing of what it is.
    pub fn find(&self, barcode: &Barcode) -> Result<Cartridge, StoreError> {
        let opened = self.with("opening a cartridge", |shelves| shelves.open(barcode.as_str()));
        let mut folder = opened.map_err(|error| missing(barcode, error))?;
        match cartridge_memory::read(folder.as_mut())
            .and_then(|kept| kept.mam())
            .and_then(|mam| Ok((mam.media()?, mam)))
        {
            Ok((media, mam)) => Ok(self.cartridge(barcode, media, mam.kind(), mam.number(AttrId::MAXIMUM_CAPACITY))),
            Err(damage) => {
                let (media, kind) = barcode.media().ok_or_else(|| damage.clone())?;
                let mut cartridge = self.cartridge(barcode, media, kind, 0);
                // What else is known of it counts; without anything, it is no cartridge.
                cartridge.mam_or_rebuilt().map_err(|_| damage)?;
                Ok(cartridge)
            }
        }
    }

    /// The one value of a cartridge. Whoever calls sees to it that there is only one.
    #[must_use]
    pub fn cartridge(
        &self,
        barcode: &Barcode,
        media: &'static MediaSpec,
        kind: CartridgeKind,
        capacity: u64,
    ) -> Cartridge {
        let shelves = Self { folders: Arc::clone(&self.folders) };
        let name = barcode.clone();
        let open = move || {
            let what = format!("opening cartridge {name}");
            shelves.with(&what, |shelves| shelves.open(name.as_str())).map_err(|error| missing(&name, error))
        };
        Cartridge::new(barcode.clone(), media, kind, capacity, Box::new(open))
    }
}

/// Says of a cartridge whose folder does not exist, or is something else, what is wrong with it.
fn missing(barcode: &Barcode, error: StoreError) -> StoreError {
    let StoreError::Io { source, .. } = &error else { return error };
    let what = match source.kind() {
        io::ErrorKind::NotFound => "its files are missing",
        io::ErrorKind::NotADirectory => "a file is in the place of its folder",
        _ if source.get_ref().is_some_and(|error| error.is::<UnreadableDirectory>()) => {
            "a directory of cartridges cannot be read"
        }
        _ => return error,
    };
    StoreError::Cartridge { barcode: barcode.to_string(), problem: what }
}
