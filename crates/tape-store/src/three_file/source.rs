//! The tape and the cartridge memory of a cartridge whose files are in one folder: opened, checked and saved.

use super::{Recovery, TapeOptions, ThreeFile};
use crate::backend::{CommitPoint, Folder, Thawing};
use crate::cartridge::{CartridgeFacts, CartridgeKind, Format, MamSave, MediumSource, OpenMode};
use crate::cartridge_memory::{self, StoredMam};
use crate::error::StoreError;
use crate::mam::{AttrId, Flags, Mam};
use crate::medium::Medium;
use crate::store::NewCartridge;

/// Opens the folder of a cartridge, again for each load.
pub trait FolderOpener: Send {
    /// Opens the folder; it is not locked yet.
    ///
    /// # Errors
    /// [`StoreError::Cartridge`] if the folder is missing, or [`StoreError::Io`] if the storage fails.
    fn open(&mut self) -> Result<Box<dyn Folder>, StoreError>;
}

impl<F: FnMut() -> Result<Box<dyn Folder>, StoreError> + Send> FolderOpener for F {
    fn open(&mut self) -> Result<Box<dyn Folder>, StoreError> {
        self()
    }
}

/// A tape in the files of a folder ([`ThreeFile`]), with the cartridge memory next to it.
pub struct ThreeFileSource {
    folder: Box<dyn FolderOpener>,
    /// Whether the folder could only be read when the cartridge memory was read last.
    is_read_only: bool,
}

/// The facts of a cartridge, from its cartridge memory or reconstructed.
struct StoredFacts {
    format: Format,
    mam: Mam,
    /// The damage of the cartridge memory; the other fields are then reconstructed.
    mam_damage: Option<StoreError>,
}

impl ThreeFileSource {
    /// The tape in the folder that `folder` opens.
    #[must_use]
    pub fn new(folder: Box<dyn FolderOpener>) -> Self {
        Self { folder, is_read_only: false }
    }

    pub(crate) fn folder(&mut self) -> Result<Box<dyn Folder>, StoreError> {
        self.folder.open()
    }

    pub(crate) fn format(&mut self, facts: &mut CartridgeFacts) -> Result<Format, StoreError> {
        Ok(read_or_rebuild(facts, self.folder.open()?.as_mut())?.format)
    }

    pub(crate) fn open_three_file(&mut self, facts: &mut CartridgeFacts) -> Result<(ThreeFile, Recovery), StoreError> {
        let mut folder = self.folder.open()?;
        let of_mhvtl = cartridge_memory::read(folder.as_mut()).is_ok_and(|stored| stored.format() == Format::Mhvtl);
        if of_mhvtl && cartridge_memory::is_old_mhvtl_format(folder.as_mut())? {
            // A damaged cartridge is not converted.
            let (tape, recovery) = self.open_read_only(facts)?;
            if recovery.damaged {
                return Ok((tape, recovery));
            }
            drop(tape);
            folder.lock(false).map_err(StoreError::lock)?;
            cartridge_memory::upgrade(folder.as_mut())?;
        }
        // A drive refuses a cartridge without cartridge memory. A damaged one still identifies a cartridge.
        if let Err(missing @ StoreError::NoCartridgeMemory) = cartridge_memory::read(folder.as_mut()) {
            return Err(missing);
        }
        mount(facts, folder, false, false)
    }

    pub(crate) fn open_read_only(&mut self, facts: &mut CartridgeFacts) -> Result<(ThreeFile, Recovery), StoreError> {
        mount(facts, self.folder.open()?, true, false)
    }

    pub(crate) fn salvage(&mut self, facts: &mut CartridgeFacts, look_only: bool) -> Result<ThreeFile, StoreError> {
        let mut folder = self.folder.open()?;
        if !look_only && cartridge_memory::is_old_mhvtl_format(folder.as_mut())? {
            folder.lock(false).map_err(StoreError::lock)?;
            cartridge_memory::upgrade(folder.as_mut())?;
        }
        mount(facts, folder, look_only, true).map(|(tape, _)| tape)
    }
}

impl MediumSource for ThreeFileSource {
    fn open(&mut self, facts: &mut CartridgeFacts, mode: OpenMode) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        let (tape, recovery) = match mode {
            OpenMode::ReadWrite => self.open_three_file(facts)?,
            OpenMode::ReadOnly => self.open_read_only(facts)?,
        };
        Ok((Box::new(tape), recovery))
    }

    fn mam(&mut self, facts: &mut CartridgeFacts) -> Result<Mam, StoreError> {
        let mut folder = self.folder.open()?;
        let read = cartridge_memory::read(folder.as_mut());
        self.is_read_only = folder.is_read_only();
        apply(facts, &read?)
    }

    fn mam_or_rebuilt(&mut self, facts: &mut CartridgeFacts) -> Result<(Mam, Option<StoreError>), StoreError> {
        let mut folder = self.folder.open()?;
        let read = read_or_rebuild(facts, folder.as_mut());
        self.is_read_only = folder.is_read_only();
        let StoredFacts { mam, mam_damage, .. } = read?;
        Ok((mam, mam_damage))
    }

    fn thaw(&mut self) -> Option<Box<dyn Thawing>> {
        self.folder.open().ok()?.thaw()
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn save_mam(&mut self, mam: &Mam, save: MamSave) -> Result<(), StoreError> {
        let mut folder = self.folder.open()?;
        if matches!(save, MamSave::Exclusive | MamSave::Protection) {
            folder.lock(false).map_err(StoreError::lock)?;
        }
        match save {
            MamSave::Original => cartridge_memory::write(folder.as_mut(), mam),
            MamSave::WithCopy => cartridge_memory::write_both(folder.as_mut(), mam),
            MamSave::Exclusive => {
                cartridge_memory::write_both(folder.as_mut(), mam)?;
                commit_change(folder.as_mut())
            }
            MamSave::Protection => {
                let former = cartridge_memory::former_files(folder.as_mut())?;
                let saved = cartridge_memory::write_both(folder.as_mut(), mam).and_then(|()| {
                    folder.commit(CommitPoint::Protection).map_err(StoreError::io("committing the cartridge"))
                });
                saved.inspect_err(|_| cartridge_memory::restore(folder.as_mut(), &former))
            }
        }
    }

    fn probe(&mut self, facts: &mut CartridgeFacts) -> Result<(), StoreError> {
        let mut folder = self.folder.open()?;
        match read_or_rebuild(facts, folder.as_mut())?.mam_damage {
            Some(missing @ StoreError::NoCartridgeMemory) => return Err(missing),
            // A drive mounts it read-only.
            Some(_) => {}
            None if folder.is_read_only() => {}
            None => {
                folder.lock(false).map_err(StoreError::lock)?;
                folder.check_writable().map_err(StoreError::io("checking the cartridge's folder"))?;
                let numbers = 0..4;
                let names = numbers.flat_map(|number| ["data", "indx", "mark", "meta"].map(|part| (part, number)));
                for name in names.map(|(part, number)| format!("{part}.{number}")) {
                    // `open` would create a missing file.
                    let found =
                        folder.open_read_only(&name).and_then(|found| found.map(|_| folder.open(&name)).transpose());
                    found.map_err(StoreError::io(format!("opening {name}")))?;
                }
            }
        }
        drop(folder);
        self.open_read_only(facts).map(drop)
    }

    fn files(&mut self) -> Option<&mut ThreeFileSource> {
        Some(self)
    }
}

/// Commits a cartridge that was created or changed outside a drive.
pub(crate) fn commit_change(folder: &mut dyn Folder) -> Result<(), StoreError> {
    folder.commit(CommitPoint::Unload).map_err(StoreError::io("committing the cartridge"))
}

fn mount(
    facts: &mut CartridgeFacts,
    mut folder: Box<dyn Folder>,
    read_only: bool,
    salvage: bool,
) -> Result<(ThreeFile, Recovery), StoreError> {
    let mut stored = read_or_rebuild(facts, folder.as_mut())?;
    if !read_only && !folder.is_read_only() && stored.mam_damage.is_none() {
        folder.lock(false).map_err(StoreError::lock)?;
        // Until then, another program may have changed the cartridge.
        stored = read_or_rebuild(facts, folder.as_mut())?;
    }
    // Also if the store did not respond to the lock.
    let read_only_folder = folder.is_read_only();
    let read_only = read_only || read_only_folder;
    let StoredFacts { format, mam, mam_damage: damage } = stored;
    let last_writer = format == Format::Native || cartridge_memory::is_last_writer(folder.as_mut())?;
    // Without valid cartridge memory, the write-protect tab and the kind are unknown.
    let read_only = read_only || damage.is_some();
    let options = TapeOptions {
        format,
        capacity: facts.capacity,
        partition_sizes: mam.partition_sizes(),
        read_only,
        salvage,
        trust_watermarks: last_writer,
        discard_data: mam.kind() == CartridgeKind::Null,
    };
    let mut files = folder.reopen().map_err(StoreError::io("opening the cartridge"))?;
    let (tape, mut recovery) = ThreeFile::open(folder, options)?;
    recovery.read_only_folder = read_only_folder;
    if !last_writer && !read_only && !recovery.damaged {
        cartridge_memory::record_ownership(files.as_mut())?;
    }
    Ok((tape, recovery))
}

/// The facts of the cartridge: from its cartridge memory; if that is missing or damaged, from the copy, or else from the
/// barcode and the files.
fn read_or_rebuild(facts: &mut CartridgeFacts, folder: &mut dyn Folder) -> Result<StoredFacts, StoreError> {
    let damage = match cartridge_memory::read(folder).and_then(|stored| Ok((stored.format(), apply(facts, &stored)?))) {
        Ok((format, mam)) => return Ok(StoredFacts { format, mam, mam_damage: None }),
        Err(damage @ (StoreError::Malformed { .. } | StoreError::NoCartridgeMemory)) => damage,
        Err(other) => return Err(other),
    };
    if !cartridge_memory::exists(folder)? {
        return Err(damage);
    }
    let (format, partitions) = cartridge_memory::detect_format(folder)?;
    let copy = cartridge_memory::read_copy(folder)?.filter(|copy| format == Format::Native && copy.media().is_ok());
    let mam = match copy {
        Some(copy) => apply(facts, &StoredMam::Native(copy))?,
        None => rebuild(facts, format, &cartridge_memory::data_lengths(folder, partitions)?),
    };
    Ok(StoredFacts { format, mam, mam_damage: Some(damage) })
}

fn apply(facts: &mut CartridgeFacts, stored: &StoredMam) -> Result<Mam, StoreError> {
    let mam = stored.mam()?;
    facts.apply(&mam)?;
    Ok(mam)
}

/// A cartridge memory with what the barcode (or else the creator of the cartridge) and the lengths of the data files
/// imply. It is write-protected.
fn rebuild(facts: &mut CartridgeFacts, format: Format, data: &[u64]) -> Mam {
    if let (Some((media, kind)), 0) = (facts.barcode.media(), facts.capacity) {
        (facts.media, facts.kind) = (media, kind);
    }
    if facts.capacity == 0 {
        facts.capacity = facts.media.capacity;
    }
    // The cartridge holds at least the data that is on it.
    let used = data.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    facts.capacity = facts.capacity.max(used);
    let CartridgeFacts { media, kind, capacity, .. } = *facts;
    let mut mam = Mam::new(&NewCartridge { media, kind, serial: "", manufactured: 0, capacity, format });
    // Serial number, manufacturer and manufacture date are lost.
    for id in [AttrId::SERIAL, AttrId::MANUFACTURE_DATE, AttrId::MANUFACTURER, AttrId::WORM_IDENTITY] {
        mam.set(id, 0, &[]);
    }
    if data.len() > 1 {
        // The sizes of the partitions are lost: each gets its data and an equal share of the rest.
        let share = (capacity - used) / data.len() as u64;
        for (partition, bytes) in (0..).zip(data) {
            mam.set(AttrId::PARTITION_SIZE, partition, &(bytes + share).to_be_bytes());
        }
    }
    let label = facts.barcode.to_string();
    mam.set_text(AttrId::VOLUME_IDENTIFIER, &label);
    mam.set_flag(Flags::WRITE_PROTECTED, true);
    mam
}
