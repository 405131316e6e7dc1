//! The set of cartridges in a folder store: created, listed, removed and opened by barcode.

use crate::backend::{FolderStore, UnreadableDirectory};
use crate::cartridge::{Barcode, Cartridge, CartridgeFacts, CartridgeKind, Format, MediumSource};
use crate::cartridge_memory;
use crate::compare::{Difference, compare};
use crate::convert::{Conversion, convert};
use crate::error::StoreError;
use crate::mam::AttrId;
use crate::media::{LTO_8, MediaSpec};
use crate::three_file::{FolderOpener, ThreeFileSource, commit_change};
use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

/// All cartridges of a site, each in a folder named by its barcode.
pub struct TapeStore {
    folders: Arc<dyn FolderStore>,
    media: Arc<dyn MediaFactory>,
}

/// Decides how the media of a store are opened. The owner of the store supplies it; [`ThreeFiles`] is the default.
pub trait MediaFactory: Send + Sync {
    /// The medium of the cartridge whose cartridge memory is in this folder. The folder is opened at the first use.
    fn source(&self, barcode: &Barcode, folder: Box<dyn FolderOpener>) -> Box<dyn MediumSource>;
}

/// Media in the files of the folder, in the native format or in that of mhvtl ([`crate::three_file`]).
#[derive(Clone, Copy, Debug)]
pub struct ThreeFiles;

impl MediaFactory for ThreeFiles {
    fn source(&self, _barcode: &Barcode, folder: Box<dyn FolderOpener>) -> Box<dyn MediumSource> {
        Box::new(ThreeFileSource::new(folder))
    }
}

/// Properties of a cartridge to be created: those of [`Self::data`], changed with the methods.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NewCartridge<'a> {
    /// The medium: generation and density.
    pub media: &'static MediaSpec,
    /// The kind of the cartridge.
    pub kind: CartridgeKind,
    /// MEDIUM SERIAL NUMBER, up to 32 characters.
    pub serial: &'a str,
    /// Time of manufacture, in seconds since 1970.
    pub manufactured: i64,
    /// Capacity in bytes of stored data.
    pub capacity: u64,
    /// Format of the cartridge's files.
    pub format: Format,
}

impl<'a> NewCartridge<'a> {
    /// A data cartridge in the native format, with the native capacity of its medium, no serial number, and a
    /// manufacture date of 1970.
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

    /// The same properties, with another kind of cartridge.
    #[must_use]
    pub const fn with_kind(self, kind: CartridgeKind) -> Self {
        Self { kind, ..self }
    }

    /// The same properties, with a MEDIUM SERIAL NUMBER of up to 32 characters.
    #[must_use]
    pub const fn with_serial(self, serial: &'a str) -> Self {
        Self { serial, ..self }
    }

    /// The same properties, with a time of manufacture in seconds since 1970.
    #[must_use]
    pub const fn with_manufactured(self, manufactured: i64) -> Self {
        Self { manufactured, ..self }
    }

    /// The same properties, with a capacity in bytes of stored data.
    #[must_use]
    pub const fn with_capacity(self, capacity: u64) -> Self {
        Self { capacity, ..self }
    }

    /// The same properties, with another format of the files.
    #[must_use]
    pub const fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }
}

impl TapeStore {
    /// The cartridges in the folders of this store.
    #[must_use]
    pub fn new(folders: Box<dyn FolderStore>) -> Self {
        Self::of_shared(folders.into())
    }

    /// The cartridges in the folders of a store that the caller uses, too: to move folders that no cartridge has opened.
    #[must_use]
    pub fn of_shared(folders: Arc<dyn FolderStore>) -> Self {
        Self { folders, media: Arc::new(ThreeFiles) }
    }

    /// The same store, whose media `media` opens.
    #[must_use]
    pub fn with_media(self, media: Arc<dyn MediaFactory>) -> Self {
        Self { media, ..self }
    }

    /// Barcodes of all cartridges, ascending. Folders whose name is not a barcode are skipped.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails.
    pub fn list(&self) -> Result<Vec<Barcode>, StoreError> {
        let names = self.folders.list().map_err(StoreError::io("listing cartridges"))?;
        Ok(names.iter().filter_map(|name| Barcode::new(name)).collect())
    }

    /// Creates a cartridge. A folder without cartridge memory is left over from an interrupted creation and is reused.
    ///
    /// # Errors
    /// [`StoreError::Cartridge`] if it exists or its name is occupied, or [`StoreError::Io`] if the storage fails.
    pub fn create(&self, barcode: &Barcode, new: &NewCartridge<'_>) -> Result<(), StoreError> {
        let name = barcode.as_str();
        let mut folder = match self.folders.create(name).map_err(StoreError::io("creating a cartridge")) {
            Ok(folder) => folder,
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                let opened = self.folders.open(name).map_err(StoreError::io("opening a cartridge"));
                opened.map_err(|error| missing(barcode, error))?
            }
            Err(other) => return Err(other),
        };
        if cartridge_memory::exists(folder.as_mut())? {
            return Err(StoreError::Cartridge { barcode: name.into(), problem: "exists already" });
        }
        cartridge_memory::create(folder.as_mut(), name, new)?;
        commit_change(folder.as_mut())
    }

    /// Whether a cartridge exists; one whose creation was interrupted does not.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails.
    pub fn exists(&self, barcode: &Barcode) -> Result<bool, StoreError> {
        match self.folders.open(barcode.as_str()).map_err(StoreError::io("opening a cartridge")) {
            Ok(mut folder) => cartridge_memory::exists(folder.as_mut()),
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(other) => Err(missing(barcode, other)),
        }
    }

    /// Whether the barcode is in use as a name: by a cartridge's folder or by anything else.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails; then it is unknown.
    pub fn is_occupied(&self, barcode: &Barcode) -> Result<bool, StoreError> {
        self.folders.is_occupied(barcode.as_str()).map_err(StoreError::io("looking for a cartridge"))
    }

    /// Whether no object is on a cartridge's tape, as [`Cartridge::is_blank`] reports it. `None` if a data or index
    /// file is not empty: such a file is not opened, so that this is fast. `None`, too, if the files are a copy
    /// ([`Cartridge::is_read_only`]).
    ///
    /// # Errors
    /// [`StoreError::Io`] if the cartridge does not exist or the storage fails.
    pub fn is_blank(&self, barcode: &Barcode) -> Result<Option<bool>, StoreError> {
        let mut folder = self.folders.open(barcode.as_str()).map_err(StoreError::io("opening a cartridge"))?;
        let failed = || StoreError::io("checking a cartridge's files");
        let names = folder.list().map_err(failed())?;
        for name in names.iter().filter(|name| name.starts_with("data") || name.starts_with("indx")) {
            if let Some(mut file) = folder.open_read_only(name).map_err(failed())?
                && !file.is_empty().map_err(failed())?
            {
                return Ok(None);
            }
        }
        // The cartridge memory overrides these facts.
        let (media, kind) = barcode.media().unwrap_or((&LTO_8, CartridgeKind::Data));
        let mut cartridge = self.cartridge(barcode, media, kind, 0);
        let blank = cartridge.is_blank().ok();
        Ok(blank.filter(|_| !cartridge.is_read_only()))
    }

    /// A number that changes when a file of the cartridge is created, removed or changed in any way; `None` if the
    /// storage does not provide one.
    #[must_use]
    pub fn fingerprint(&self, barcode: &Barcode) -> Option<u64> {
        let opened = self.folders.open(barcode.as_str()).map_err(StoreError::io("opening a cartridge"));
        opened.map_or(Some(0), |mut folder| folder.fingerprint().unwrap_or(Some(0)))
    }

    /// Removes a cartridge with all its data. The caller must ensure that no drive or process uses it.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails; some of its files may already be removed.
    pub fn remove(&self, barcode: &Barcode) -> Result<(), StoreError> {
        self.folders.remove(barcode.as_str()).map_err(StoreError::io("removing a cartridge"))
    }

    /// The cartridge with this barcode, with the facts of its cartridge memory. The caller must ensure that only one
    /// value per cartridge exists.
    ///
    /// # Errors
    /// [`StoreError::Cartridge`] if it does not exist; the damage of its cartridge memory if its barcode does not name
    /// a medium; or [`StoreError::Io`] if the storage fails.
    pub fn find(&self, barcode: &Barcode) -> Result<Cartridge, StoreError> {
        let opened = self.folders.open(barcode.as_str()).map_err(StoreError::io("opening a cartridge"));
        let mut folder = opened.map_err(|error| missing(barcode, error))?;
        match cartridge_memory::read(folder.as_mut())
            .and_then(|stored| stored.mam())
            .and_then(|mam| Ok((mam.media()?, mam)))
        {
            Ok((media, mam)) => Ok(self.cartridge(barcode, media, mam.kind(), mam.number(AttrId::MAXIMUM_CAPACITY))),
            Err(damage) => {
                let (media, kind) = barcode.media().ok_or_else(|| damage.clone())?;
                let mut cartridge = self.cartridge(barcode, media, kind, 0);
                // Fails if nothing in the folder identifies a cartridge.
                cartridge.mam_or_rebuilt().map_err(|_| damage)?;
                Ok(cartridge)
            }
        }
    }

    /// Converts a cartridge in place: its files are written anew beside the old ones, and replace them in one step when they
    /// are complete. The cartridge is locked meanwhile. Parameters are those of [`convert()`](crate::convert::convert).
    ///
    /// # Errors
    /// As [`convert()`](crate::convert::convert); the cartridge is then unchanged.
    pub fn convert(
        &self,
        cartridge: &mut Cartridge,
        conversion: Conversion,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let name = cartridge.barcode().as_str().to_owned();
        let failed = || StoreError::io("replacing the files of the cartridge");
        let folder = self.folders.create_replacement(&name).map_err(failed())?;
        // The lock is held until the replacement, so that no other program changes the cartridge.
        let done = convert(cartridge, folder, conversion, progress)
            .and_then(|_locked| self.folders.replace(&name).map_err(failed()));
        done.inspect_err(|_| {
            let _ = self.folders.remove_replacement(&name);
        })
    }

    /// Copies a cartridge, usually of another store, into a folder that is to replace the folder of the barcode in this store, or to
    /// become it. Nothing changes in this store until [`Self::commit_copy`]; returns the copy, to be compared. Parameters are those of
    /// [`convert()`](crate::convert::convert).
    ///
    /// # Errors
    /// As [`convert()`](crate::convert::convert); nothing remains of the copy then.
    pub fn prepare_copy(
        &self,
        barcode: &Barcode,
        source: &mut Cartridge,
        conversion: Conversion,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Cartridge, StoreError> {
        let failed = || StoreError::io(format!("copying cartridge {barcode}"));
        let mut folder = self.folders.create_replacement(barcode.as_str()).map_err(failed())?;
        let done = folder.reopen().map_err(failed()).and_then(|folder| convert(source, folder, conversion, progress));
        if let Err(error) = done {
            let _ = self.discard_copy(barcode);
            return Err(error);
        }
        let shared = Mutex::new(folder);
        let open = move || {
            let mut folder = shared.lock().unwrap_or_else(PoisonError::into_inner);
            folder.reopen().map_err(StoreError::io("opening the copy of a cartridge"))
        };
        Ok(Cartridge::in_folder(barcode.clone(), source.media(), source.kind(), source.capacity(), Box::new(open)))
    }

    /// Copies a cartridge as [`Self::prepare_copy`], and compares the copy with it. An equal copy is committed ([`Self::commit_copy`]), and
    /// nothing remains of another one. `progress` receives the stored bytes twice: of the copy, and of the comparison.
    ///
    /// # Errors
    /// As [`Self::prepare_copy`], [`compare()`](crate::compare::compare) and [`Self::commit_copy`].
    pub fn copy_compared(
        &self,
        barcode: &Barcode,
        source: &mut Cartridge,
        conversion: Conversion,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Difference>, StoreError> {
        let mut copy = self.prepare_copy(barcode, source, conversion, progress)?;
        let difference = compare(source, &mut copy, progress).map(|compared| compared.difference);
        if matches!(difference, Ok(None)) {
            self.commit_copy(barcode)?;
        } else {
            let _ = self.discard_copy(barcode);
        }
        difference
    }

    /// Replaces the cartridge with this barcode by the copy of [`Self::prepare_copy`] in one step, or makes the copy the cartridge if
    /// there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails, or has no copy.
    pub fn commit_copy(&self, barcode: &Barcode) -> Result<(), StoreError> {
        let failed = || StoreError::io(format!("replacing cartridge {barcode} by its copy"));
        match self.folders.create(barcode.as_str()) {
            // An empty folder is no cartridge.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed()(error)),
        }
        self.folders.replace(barcode.as_str()).map_err(failed())
    }

    /// Removes what [`Self::prepare_copy`] has left, also in a process that was killed.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails.
    pub fn discard_copy(&self, barcode: &Barcode) -> Result<(), StoreError> {
        let removed = self.folders.remove_replacement(barcode.as_str());
        removed.map_err(StoreError::io(format!("removing the copy of cartridge {barcode}")))
    }

    /// Removes the files of a cartridge in mhvtl's format that only this crate reads: mhvtl has written none of them.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails.
    pub fn remove_own_files(&self, barcode: &Barcode) -> Result<(), StoreError> {
        let removed = self.folders.open(barcode.as_str()).and_then(|mut folder| {
            let is_own = |name: &String| name == cartridge_memory::OWNER || name.starts_with("mark.");
            folder.list()?.iter().filter(|name| is_own(name)).try_for_each(|name| folder.remove(name))
        });
        removed.map_err(StoreError::io(format!("removing files of cartridge {barcode}")))
    }

    /// A cartridge with the given facts; the folder is opened at the first use. The caller must ensure that only one
    /// value per cartridge exists.
    #[must_use]
    pub fn cartridge(
        &self,
        barcode: &Barcode,
        media: &'static MediaSpec,
        kind: CartridgeKind,
        capacity: u64,
    ) -> Cartridge {
        let folders = Arc::clone(&self.folders);
        let name = barcode.clone();
        let open = move || {
            let what = format!("opening cartridge {name}");
            folders.open(name.as_str()).map_err(StoreError::io(&what)).map_err(|error| missing(&name, error))
        };
        let facts = CartridgeFacts { barcode: barcode.clone(), media, kind, capacity };
        Cartridge::new(facts, self.media.source(barcode, Box::new(open)))
    }
}

/// Replaces the I/O error of a missing or unusable folder by one that names the cartridge.
fn missing(barcode: &Barcode, error: StoreError) -> StoreError {
    let StoreError::Io { source, .. } = &error else { return error };
    let what = match source.kind() {
        io::ErrorKind::NotFound => "its files are missing",
        io::ErrorKind::NotADirectory => "a file has the name of its folder",
        _ if source.get_ref().is_some_and(|error| error.is::<UnreadableDirectory>()) => {
            "a directory of cartridges cannot be read"
        }
        _ => return error,
    };
    StoreError::Cartridge { barcode: barcode.to_string(), problem: what }
}
