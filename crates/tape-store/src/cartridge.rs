//! A cartridge: a value that the robot moves and a drive loads.

use crate::backend::{Folder, Thawing};
use crate::error::StoreError;
use crate::feature::Feature;
use crate::mam::{AttrId, Flags, Mam};
use crate::media::{self, MediaSpec};
use crate::medium::{Codec, CodecId, Medium, PartitionUsage};
use crate::three_file::{FolderOpener, Recovery, ThreeFile, ThreeFileSource};
use std::fmt;

/// Barcode of a cartridge: 1 to 16 characters of A-Z, 0-9, `-` and `_`. It is the name of the cartridge's folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Barcode(String);

impl Barcode {
    /// Checks the text; `None` if it is not a valid barcode.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        ((1..=16).contains(&text.len()) && text.bytes().all(valid)).then(|| Self(text.into()))
    }

    /// The barcode as text, without padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The medium that the last two characters (the media identifier) name, and the kind of the cartridge; `None` if
    /// the suffix is unknown.
    #[must_use]
    pub fn media(&self) -> Option<(&'static MediaSpec, CartridgeKind)> {
        Some((self.by_suffix()?.0, self.kind()))
    }

    /// The kind of cartridge that the barcode implies: `CLN…` is for cleaning, a WORM suffix is WORM, all others hold
    /// data.
    #[must_use]
    pub fn kind(&self) -> CartridgeKind {
        match self.by_suffix() {
            _ if self.0.starts_with("CLN") => CartridgeKind::Cleaning,
            Some((_, true)) => CartridgeKind::Worm,
            _ => CartridgeKind::Data,
        }
    }

    fn by_suffix(&self) -> Option<(&'static MediaSpec, bool)> {
        media::by_suffix(self.0.get(self.0.len().checked_sub(2)?..)?)
    }
}

impl fmt::Display for Barcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Barcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses a size such as `100MB`, `2.5 GB` or `64MiB` into bytes; `None` unless it is between 1 MB and 1 PiB.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim(), *unit)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 6)?;
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let bytes = whole.checked_mul(unit)?.checked_add(fraction.checked_mul(unit)? / 10_u64.pow(digits))?;
    (1_000_000..=1 << 50).contains(&bytes).then_some(bytes)
}

/// The kind of a cartridge: data, WORM, null or cleaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CartridgeKind {
    /// A data cartridge, which can be overwritten.
    Data,
    /// WORM: data can be appended but not overwritten.
    Worm,
    /// mhvtl's NULL medium: the index is stored, the data is discarded.
    Null,
    /// A cleaning cartridge, without data.
    Cleaning,
}

impl CartridgeKind {
    /// All kinds of cartridges, data first.
    pub const ALL: [Self; 4] = [Self::Data, Self::Worm, Self::Null, Self::Cleaning];

    /// The name in configuration files and listings: `data`, `worm`, `null` or `cleaning`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Worm => "worm",
            Self::Null => "null",
            Self::Cleaning => "cleaning",
        }
    }

    /// The kind with this [`name`](Self::name); `None` if there is none.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Format of a cartridge's files, as `docs/format.md` specifies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Ferric's native format: 32-byte index records, every codec, encryption. mhvtl refuses such a cartridge.
    #[default]
    Native,
    /// The format of mhvtl 1.8, readable and writable by it.
    Mhvtl,
}

impl Format {
    /// The name in configuration files, commands and listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Mhvtl => "mhvtl",
        }
    }

    /// The codec of converted and imported blocks if none is named.
    #[must_use]
    pub const fn default_codec(self) -> Codec {
        match self {
            Self::Native if Feature::Zstd.is_enabled() => Codec::zstd(1),
            Self::Native | Self::Mhvtl => self.fallback_codec(),
        }
    }

    /// The codec for blocks whose requested codec the format does not support.
    #[must_use]
    pub const fn fallback_codec(self) -> Codec {
        if Feature::Zlib.is_enabled() { Codec::zlib(1) } else { Codec::NONE }
    }

    /// Whether new blocks may be written with this codec.
    #[must_use]
    pub fn supports_codec(self, codec: CodecId) -> bool {
        match self {
            Self::Native => [CodecId::NONE, CodecId::ZLIB, CodecId::ZSTD].contains(&codec),
            Self::Mhvtl => [CodecId::NONE, CodecId::ZLIB].contains(&codec),
        }
    }

    /// Whether the format can store encrypted blocks.
    #[must_use]
    pub const fn supports_encryption(self) -> bool {
        matches!(self, Self::Native)
    }
}

/// An insertion that was refused; the caller keeps the cartridge.
#[derive(Debug, thiserror::Error)]
#[error("cartridge {}: {reason}", .cartridge.barcode())]
pub struct InsertError {
    /// The cartridge, returned to the caller.
    pub cartridge: Cartridge,
    /// The reason of the refusal, for a log line.
    pub reason: &'static str,
}

/// The error of a drive that does not release its cartridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// The drive has no cartridge.
    #[error("the drive has no cartridge")]
    Empty,
    /// A host prevents removal (PREVENT ALLOW MEDIUM REMOVAL).
    #[error("a host prevents removal of the medium")]
    Prevented,
    /// The drive does not respond.
    #[error("the drive does not respond")]
    Unavailable,
}

/// The facts of a cartridge before its cartridge memory is read. Reading the cartridge memory replaces medium, kind
/// and capacity.
#[derive(Clone, Debug)]
pub struct CartridgeFacts {
    /// The barcode on the cartridge's label.
    pub barcode: Barcode,
    /// The medium: generation, density and native capacity.
    pub media: &'static MediaSpec,
    /// The kind of the cartridge: data, WORM, NULL or cleaning.
    pub kind: CartridgeKind,
    /// Capacity in bytes of stored data; 0 until it is known.
    pub capacity: u64,
}

impl CartridgeFacts {
    /// Takes medium, kind and capacity from a cartridge memory.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] or [`StoreError::Unsupported`] if it names no known medium.
    pub fn apply(&mut self, mam: &Mam) -> Result<(), StoreError> {
        (self.media, self.kind) = (mam.media()?, mam.kind());
        if let Some(capacity) = Some(mam.number(AttrId::MAXIMUM_CAPACITY)).filter(|bytes| *bytes > 0) {
            self.capacity = capacity;
        }
        Ok(())
    }
}

/// The access with which the medium of a cartridge is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading and writing, as a load does. Damage that a crash left is repaired, and older formats are converted.
    ReadWrite,
    /// For reading only: nothing is written, not even to recover from a crash.
    ReadOnly,
}

/// The files that are written when the cartridge memory of a cartridge is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MamSave {
    /// Only the cartridge memory itself, as during a load.
    Original,
    /// The cartridge memory and its copy, as at the unload.
    WithCopy,
    /// The cartridge memory and its copy, with an exclusive lock: the cartridge is in no drive.
    Exclusive,
    /// As [`Self::Exclusive`], for a change of the retention or of the legal hold: it counts, also beyond this machine, when the call
    /// ends. If it cannot be made durable there, the old cartridge memory and its copy are restored.
    Protection,
}

/// The storage of the tape and the cartridge memory of one cartridge.
///
/// A [`Cartridge`] opens its medium through this trait, again for each load; the creator of the cartridge supplies it.
/// [`ThreeFileSource`] stores the tape in the files of a folder, [`Cartridge::in_memory`] in memory. No lock
/// is held over the sources of different cartridges.
pub trait MediumSource: Send {
    /// Mounts the tape at the beginning of partition 0.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NoCartridgeMemory`], [`StoreError::Malformed`], or [`StoreError::Io`] if
    /// the storage fails.
    fn open(&mut self, facts: &mut CartridgeFacts, mode: OpenMode) -> Result<(Box<dyn Medium>, Recovery), StoreError>;
    /// Reads the cartridge memory, and takes medium, kind and capacity from it.
    ///
    /// # Errors
    /// [`StoreError::NoCartridgeMemory`], [`StoreError::Malformed`] or [`StoreError::Unsupported`] if it cannot be
    /// used, or [`StoreError::Io`] if the storage fails.
    fn mam(&mut self, facts: &mut CartridgeFacts) -> Result<Mam, StoreError>;
    /// The cartridge memory and `None`; if it is damaged, what can be reconstructed of it, and the damage.
    ///
    /// # Errors
    /// As [`Self::mam`], if nothing can be reconstructed.
    fn mam_or_rebuilt(&mut self, facts: &mut CartridgeFacts) -> Result<(Mam, Option<StoreError>), StoreError> {
        self.mam(facts).map(|mam| (mam, None))
    }
    /// Writes the cartridge memory, atomically and durably.
    ///
    /// # Errors
    /// [`StoreError::InUse`] for [`MamSave::Exclusive`] and [`MamSave::Protection`], or [`StoreError::Io`] if the storage fails; the old cartridge
    /// memory remains.
    fn save_mam(&mut self, mam: &Mam, save: MamSave) -> Result<(), StoreError>;
    /// Checks that [`Self::open`] would succeed and that the cartridge memory could be saved. Nothing is changed.
    ///
    /// # Errors
    /// The error that a load would return.
    fn probe(&mut self, facts: &mut CartridgeFacts) -> Result<(), StoreError> {
        self.open(facts, OpenMode::ReadOnly).map(drop)
    }
    /// The thawing of what a load needs ([`Folder::thaw`]); `None` if nothing must be thawed. An error of the storage is not
    /// reported here: the load meets it.
    fn thaw(&mut self) -> Option<Box<dyn Thawing>> {
        None
    }
    /// Whether the files could only be read when the cartridge memory was read last ([`Folder::is_read_only`]). It must not be
    /// saved then.
    fn is_read_only(&self) -> bool {
        false
    }
    /// The files of the tape, for tools that inspect and repair them; `None` if the tape is not in files.
    fn files(&mut self) -> Option<&mut ThreeFileSource> {
        None
    }
}

/// One cartridge. The value cannot be cloned: its owner has the physical cartridge.
pub struct Cartridge {
    facts: CartridgeFacts,
    medium: Box<dyn MediumSource>,
    taken_over_by: Option<String>,
    /// Whether the folder could only be read when the tape was mounted last.
    is_tape_read_only: bool,
    /// Whether the folder could only be read when the cartridge memory was read last.
    is_mam_read_only: bool,
}

impl Cartridge {
    /// A cartridge with these facts, whose tape and cartridge memory `medium` opens.
    #[must_use]
    pub fn new(facts: CartridgeFacts, medium: Box<dyn MediumSource>) -> Self {
        Self { facts, medium, taken_over_by: None, is_tape_read_only: false, is_mam_read_only: false }
    }

    /// A cartridge with these facts, whose files are in the folder that `folder` opens. `capacity` is in bytes; 0 if
    /// unknown.
    #[must_use]
    pub fn in_folder(
        barcode: Barcode,
        media: &'static MediaSpec,
        kind: CartridgeKind,
        capacity: u64,
        folder: Box<dyn FolderOpener>,
    ) -> Self {
        Self::new(CartridgeFacts { barcode, media, kind, capacity }, Box::new(ThreeFileSource::new(folder)))
    }

    /// The barcode on the cartridge's label.
    #[must_use]
    pub const fn barcode(&self) -> &Barcode {
        &self.facts.barcode
    }

    /// The medium: generation, density and native capacity.
    #[must_use]
    pub const fn media(&self) -> &'static MediaSpec {
        self.facts.media
    }

    /// The kind of the cartridge: data, WORM, NULL or cleaning.
    #[must_use]
    pub const fn kind(&self) -> CartridgeKind {
        self.facts.kind
    }

    /// Name of the daemon that has taken over the cartridge, if the last use of the cartridge memory, or the last opening of
    /// the tape, failed for this reason.
    #[must_use]
    pub fn taken_over_by(&self) -> Option<&str> {
        self.taken_over_by.as_deref()
    }

    fn recording_owner<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let owner = result.as_ref().err().and_then(StoreError::taken_over_by);
        self.taken_over_by = owner.map(str::to_owned);
        result
    }

    /// Changes the density of the cartridge, here and in `mam`, which the caller saves. The capacity remains the same
    /// fraction of the native capacity.
    pub fn convert_density(&mut self, media: &'static MediaSpec, mam: &mut Mam) {
        let facts = &mut self.facts;
        let capacity =
            u128::from(facts.capacity) * u128::from(media.capacity) / u128::from(facts.media.capacity.max(1));
        facts.capacity = u64::try_from(capacity).unwrap_or(facts.capacity);
        facts.media = media;
        mam.set(AttrId::MEDIUM_NAME, 0, media.name.as_bytes());
        mam.set_number(AttrId::FORMATTED_DENSITY, media.density.into());
        mam.set_number(AttrId::MAXIMUM_CAPACITY, facts.capacity);
        (0..4).for_each(|partition| mam.set(AttrId::PARTITION_SIZE, partition, &[]));
        mam.set(AttrId::SET_CAPACITY_BYTES, 0, &[]);
    }

    /// Capacity in bytes of stored data; 0 until it is known.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.facts.capacity
    }

    /// Mounts the tape at the beginning of partition 0. A cartridge in an older format of mhvtl is converted to the
    /// present one first.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NoCartridgeMemory`], [`StoreError::Malformed`], or [`StoreError::Io`] if
    /// the storage fails.
    pub fn open(&mut self) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        let opened = self.medium.open(&mut self.facts, OpenMode::ReadWrite);
        self.is_tape_read_only = opened.as_ref().is_ok_and(|(_, recovery)| recovery.read_only_folder);
        self.recording_owner(opened)
    }

    /// Begins the thawing of what a load needs, in a store whose objects must be thawed before they are read ([`Folder::thaw`]).
    /// `None` if nothing must be thawed.
    pub fn thaw(&mut self) -> Option<Box<dyn Thawing>> {
        self.medium.thaw()
    }

    /// Whether the files could only be read when the tape was mounted last, or when the cartridge memory was read last
    /// ([`Folder::is_read_only`]). The cartridge memory cannot be saved then: its original may be another one.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.is_tape_read_only || self.is_mam_read_only
    }

    fn save(&mut self, mam: &Mam, save: MamSave) -> Result<(), StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly(
                "its files are a copy, because the store of the original does not respond",
            ));
        }
        let saved = self.medium.save_mam(mam, save);
        self.recording_owner(saved)
    }

    /// As [`Self::open`], with the concrete type, for tools that inspect objects.
    ///
    /// # Errors
    /// As [`Self::open`]; [`StoreError::Cartridge`] if the tape is not in files.
    pub fn open_three_file(&mut self) -> Result<(ThreeFile, Recovery), StoreError> {
        let (files, facts) = self.files()?;
        files.open_three_file(facts)
    }

    /// As [`Self::open_three_file`], but read-only: nothing is written, not even to recover from a crash.
    ///
    /// # Errors
    /// As [`Self::open_three_file`].
    pub fn open_read_only(&mut self) -> Result<(ThreeFile, Recovery), StoreError> {
        let (files, facts) = self.files()?;
        files.open_read_only(facts)
    }

    /// Opens a damaged tape by its index alone, regardless of its watermarks. Nothing can be written until
    /// [`ThreeFile::cut_before`] has repaired each partition; with `look_only`, nothing can be written at all.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Malformed`] if there is no tape, [`StoreError::Cartridge`] if the tape is
    /// not in files, or [`StoreError::Io`] if the storage fails.
    pub fn salvage(&mut self, look_only: bool) -> Result<ThreeFile, StoreError> {
        let (files, facts) = self.files()?;
        files.salvage(facts, look_only)
    }

    /// Opens the folder of its files again.
    pub(crate) fn folder(&mut self) -> Result<Box<dyn Folder>, StoreError> {
        self.files()?.0.folder()
    }

    fn files(&mut self) -> Result<(&mut ThreeFileSource, &mut CartridgeFacts), StoreError> {
        let barcode = &self.facts.barcode;
        let not_in_files =
            || StoreError::Cartridge { barcode: barcode.to_string(), problem: "its tape is not in files" };
        let files = self.medium.files().ok_or_else(not_in_files)?;
        Ok((files, &mut self.facts))
    }

    /// Checks that [`Self::open`] would succeed and that the cartridge memory could be saved. Nothing is changed.
    ///
    /// # Errors
    /// The error that a load would return.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.medium.probe(&mut self.facts)
    }

    /// Whether no partition has an object. A damaged tape is not blank: [`Self::repair`] may restore its objects. If
    /// [`Self::is_read_only`] returns `true` afterwards, the files were a copy, and the original may have objects.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn is_blank(&mut self) -> Result<bool, StoreError> {
        let (tape, recovery) = self.medium.open(&mut self.facts, OpenMode::ReadOnly)?;
        self.is_tape_read_only = recovery.read_only_folder;
        if recovery.damaged {
            return Ok(false);
        }
        let mut partitions = 0..tape.partitions();
        partitions.try_fold(true, |blank, partition| Ok(blank && tape.usage(partition)?.objects == 0))
    }

    /// The cartridge memory and `None`; if it is missing or damaged, what can be reconstructed of it, and the damage.
    /// The tape can then be read but not written, until it is repaired.
    ///
    /// # Errors
    /// [`StoreError::NoCartridgeMemory`] if there is no cartridge, or [`StoreError::Io`] if the storage fails.
    pub fn mam_or_rebuilt(&mut self) -> Result<(Mam, Option<StoreError>), StoreError> {
        let read = self.medium.mam_or_rebuilt(&mut self.facts);
        self.is_mam_read_only = self.medium.is_read_only();
        self.recording_owner(read)
    }

    /// Reads the cartridge memory, and takes medium, kind and capacity from it.
    ///
    /// # Errors
    /// [`StoreError::NoCartridgeMemory`], [`StoreError::Malformed`] or [`StoreError::Unsupported`] if it cannot be
    /// used, or [`StoreError::Io`] if the storage fails.
    pub fn mam(&mut self) -> Result<Mam, StoreError> {
        let read = self.medium.mam(&mut self.facts);
        self.is_mam_read_only = self.medium.is_read_only();
        self.recording_owner(read)
    }

    /// The format of the cartridge's files.
    ///
    /// # Errors
    /// As [`Self::mam`]; [`StoreError::Cartridge`] if the tape is not in files.
    pub fn format(&mut self) -> Result<Format, StoreError> {
        let (files, facts) = self.files()?;
        files.format(facts)
    }

    fn is_in_mhvtl_format(&mut self) -> Result<bool, StoreError> {
        let Some(files) = self.medium.files() else { return Ok(false) };
        Ok(files.format(&mut self.facts)? == Format::Mhvtl)
    }

    /// Refuses a cartridge in mhvtl's format that mhvtl may have loaded: mhvtl takes no file lock, but records the load
    /// in the cartridge memory.
    ///
    /// # Errors
    /// [`StoreError::NotUnloaded`], or as [`Self::mam`].
    pub fn check_unloaded(&mut self) -> Result<(), StoreError> {
        let marked_loaded = self.mam()?.flags().contains(Flags::LOADED) && self.is_in_mhvtl_format()?;
        if marked_loaded { Err(StoreError::NotUnloaded) } else { Ok(()) }
    }

    /// The reason of the write protection at a time in seconds since 1970; `None` without write protection.
    ///
    /// # Errors
    /// As [`Self::mam`].
    pub fn write_protection(&mut self, now: u64) -> Result<Option<&'static str>, StoreError> {
        let mam = self.mam()?;
        Ok(match self.facts.kind {
            CartridgeKind::Cleaning => Some("cleaning cartridge"),
            CartridgeKind::Worm => Some("WORM cartridge"),
            _ if mam.is_held() => Some("cartridge is under a legal hold"),
            _ if mam.number(AttrId::RETAINED_UNTIL) > now => Some("cartridge is retained"),
            CartridgeKind::Data | CartridgeKind::Null => {
                mam.flags().contains(Flags::WRITE_PROTECTED).then_some("write-protect tab is set")
            }
        })
    }

    /// As [`Self::save_mam_and_copy`], with an exclusive lock of the cartridge.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or as [`Self::save_mam_and_copy`].
    pub fn save_mam_exclusive(&mut self, mam: &Mam) -> Result<(), StoreError> {
        self.save(mam, MamSave::Exclusive)
    }

    /// Sets or clears the write-protect tab, with an exclusive lock of the cartridge.
    ///
    /// # Errors
    /// As [`Self::save_mam_exclusive`].
    pub fn set_write_protect_tab(&mut self, on: bool) -> Result<(), StoreError> {
        let mut mam = self.mam()?;
        mam.set_flag(Flags::WRITE_PROTECTED, on);
        self.save_mam_exclusive(&mam)
    }

    /// Protects the cartridge against overwriting until a time in seconds since 1970. The time can be extended, never
    /// reduced.
    ///
    /// # Errors
    /// [`StoreError::Retained`] if it is already retained for longer, [`StoreError::Cartridge`] if it is in mhvtl's
    /// format, which cannot store the time; or as [`Self::save_mam_exclusive`].
    pub fn retain_until(&mut self, until: u64) -> Result<(), StoreError> {
        let barcode = self.facts.barcode.to_string();
        if self.is_in_mhvtl_format()? {
            let problem = "mhvtl format cannot store a retention date";
            return Err(StoreError::Cartridge { barcode, problem });
        }
        let mut mam = self.mam()?;
        if mam.number(AttrId::RETAINED_UNTIL) > until {
            return Err(StoreError::Retained { barcode });
        }
        mam.set_number(AttrId::RETAINED_UNTIL, until);
        self.save(&mam, MamSave::Protection)
    }

    /// Sets or releases the legal hold: while it is set, the data can be neither overwritten nor deleted. The retention stays as it
    /// is.
    ///
    /// # Errors
    /// [`StoreError::Cartridge`] if it is in mhvtl's format, which cannot store the hold; or as [`Self::save_mam_exclusive`].
    pub fn set_legal_hold(&mut self, on: bool) -> Result<(), StoreError> {
        if self.is_in_mhvtl_format()? {
            let problem = "mhvtl format cannot store a legal hold";
            return Err(StoreError::Cartridge { barcode: self.facts.barcode.to_string(), problem });
        }
        let mut mam = self.mam()?;
        mam.set_number(AttrId::LEGAL_HOLD, u64::from(on));
        self.save(&mam, MamSave::Protection)
    }

    /// Updates REMAINING CAPACITY and VOLUME CHANGE REFERENCE after the tape was written outside a drive.
    ///
    /// # Errors
    /// As [`Self::save_mam_exclusive`].
    pub fn record_external_write(&mut self, usage: PartitionUsage) -> Result<(), StoreError> {
        let mut mam = self.mam()?;
        mam.set_number(AttrId::REMAINING_CAPACITY, usage.capacity.saturating_sub(usage.used));
        let next = mam.number(AttrId::VOLUME_CHANGE_REFERENCE).wrapping_add(1) & 0xffff_ffff;
        mam.set_number(AttrId::VOLUME_CHANGE_REFERENCE, next.max(1));
        self.save_mam_exclusive(&mam)
    }

    /// Writes the cartridge memory, atomically and durably.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails; the old cartridge memory remains.
    pub fn save_mam(&mut self, mam: &Mam) -> Result<(), StoreError> {
        self.save(mam, MamSave::Original)
    }

    /// As [`Self::save_mam`], and writes its copy too.
    ///
    /// # Errors
    /// As [`Self::save_mam`].
    pub fn save_mam_and_copy(&mut self, mam: &Mam) -> Result<(), StoreError> {
        self.save(mam, MamSave::WithCopy)
    }
}

impl fmt::Debug for Cartridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cartridge({} {} {:?})", self.facts.barcode, self.facts.media.name, self.facts.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::FolderStore;
    use crate::backend::faulty::FaultyFolder;
    use crate::backend::memory::MemoryFolderStore;
    use crate::store::{NewCartridge, TapeStore};

    /// The cartridge memory that was read from a copy is not saved to the original, which responds again.
    #[test]
    fn the_cartridge_memory_of_a_copy_is_not_saved() {
        let (folders, barcode) = (MemoryFolderStore::default(), Barcode::new("A00001L8").unwrap());
        TapeStore::new(Box::new(folders.clone())).create(&barcode, &NewCartridge::data(&media::LTO_8)).unwrap();
        let (mut created, mut disk) = (folders.open("A00001L8").unwrap(), FaultyFolder::default());
        for name in created.list().unwrap() {
            disk.replace(&name, &created.read(&name).unwrap().unwrap()).unwrap();
        }
        let folder = disk.clone();
        let open = move || Ok(Box::new(folder.clone()) as Box<dyn Folder>);
        let mut cartridge = Cartridge::in_folder(barcode, &media::LTO_8, CartridgeKind::Data, 1 << 30, Box::new(open));
        type Read = fn(&mut Cartridge) -> Result<Mam, StoreError>;
        for read in [Cartridge::mam as Read, |cartridge| cartridge.mam_or_rebuilt().map(|(mam, _)| mam)] {
            disk.set_read_only(true);
            let mam = read(&mut cartridge).unwrap();
            assert!(cartridge.is_read_only());
            disk.set_read_only(false);
            let before = disk.bytes("ferric.mam");
            for save in [Cartridge::save_mam, Cartridge::save_mam_and_copy, Cartridge::save_mam_exclusive] {
                let mut changed = mam.clone();
                changed.set_flag(Flags::WRITE_PROTECTED, true);
                assert!(matches!(save(&mut cartridge, &changed), Err(StoreError::ReadOnly(_))));
            }
            assert_eq!(disk.bytes("ferric.mam"), before);
            // That of the original is saved.
            cartridge.set_write_protect_tab(false).unwrap();
        }
        disk.set_read_only(true);
        assert!(matches!(cartridge.set_write_protect_tab(true), Err(StoreError::ReadOnly(_))));
    }

    #[test]
    fn barcodes_are_validated() {
        for good in ["A", "E01001L8", "CLNU01L8", "A-B_C"] {
            assert!(Barcode::new(good).is_some(), "{good}");
        }
        for bad in ["", "e01001l8", "A/B", "..", "A B", "12345678901234567"] {
            assert!(Barcode::new(bad).is_none(), "{bad}");
        }
    }
}
