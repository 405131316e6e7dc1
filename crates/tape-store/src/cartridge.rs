//! What a robot moves and a drive loads.

use crate::backend::Folder;
use crate::cartridge_memory::{self, StoredMam};
use crate::encrypt;
use crate::error::StoreError;
use crate::mam::{AttrId, Flags, Mam};
use crate::media::{self, MediaSpec};
use crate::medium::{Codec, CodecId, Medium, PartitionUsage};
use crate::store::NewCartridge;
use crate::three_file::{Recovery, TapeOptions, ThreeFile};
use std::fmt;

/// The label of a cartridge: 1 to 16 characters of A-Z, 0-9, `-` and `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Barcode(String);

impl Barcode {
    /// The label, if it is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        ((1..=16).contains(&text.len()) && text.bytes().all(valid)).then(|| Self(text.into()))
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the label says of its cartridge: the generation by its last two characters, and what it is for.
    #[must_use]
    pub fn media(&self) -> Option<(&'static MediaSpec, CartridgeKind)> {
        Some((self.by_suffix()?.0, self.kind()))
    }

    /// What the label says that its cartridge is for: data, if nothing else.
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

/// Bytes of a size such as `100MB`, `2.5 GB` or `64MiB`: from 1 MB to 1 PiB.
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

/// What a cartridge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CartridgeKind {
    /// Data, to be overwritten at will.
    Data,
    /// Data that is written once.
    Worm,
    /// Nothing: its data is not kept, only how long each block was.
    Null,
    /// Cleaning.
    Cleaning,
}

impl CartridgeKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Data, Self::Worm, Self::Null, Self::Cleaning];

    /// Its name in configurations and listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Worm => "worm",
            Self::Null => "null",
            Self::Cleaning => "cleaning",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How the files of a cartridge are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Ours: compact, every codec, real encryption. mhvtl refuses it.
    #[default]
    Native,
    /// As mhvtl 1.8 reads and writes them.
    Mhvtl,
}

impl Format {
    /// Its name in configurations and listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "ferric",
            Self::Mhvtl => "mhvtl",
        }
    }

    /// What blocks are compressed with if a codec cannot be used.
    #[must_use]
    pub const fn fallback_codec(self) -> Codec {
        Codec::zlib(1)
    }

    /// Whether blocks of this level may be written with a codec.
    #[must_use]
    pub fn supports_codec(self, codec: CodecId) -> bool {
        match self {
            Self::Native => [CodecId::NONE, CodecId::ZLIB, CodecId::ZSTD].contains(&codec),
            Self::Mhvtl => [CodecId::NONE, CodecId::ZLIB].contains(&codec),
        }
    }

    /// Whether blocks of this level may be sealed.
    #[must_use]
    pub const fn supports_encryption(self) -> bool {
        matches!(self, Self::Native)
    }
}

/// A cartridge that was not taken.
#[derive(Debug)]
pub struct InsertError {
    /// It, to be kept.
    pub cartridge: Cartridge,
    /// Why, for a log.
    pub reason: &'static str,
}

/// Why a drive does not give its cartridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveError {
    /// There is none.
    Empty,
    /// A host of the drive prevents removal.
    Prevented,
    /// The drive does not answer.
    Unavailable,
}

/// One cartridge. It cannot be copied: there is one of it, and whoever has the value has the cartridge.
pub struct Cartridge {
    barcode: Barcode,
    media: &'static MediaSpec,
    kind: CartridgeKind,
    capacity: u64,
    folder: Box<dyn FolderOpener>,
}

/// A cartridge's folder, to be opened anew at each load.
pub trait FolderOpener: Send {
    /// The folder.
    ///
    /// # Errors
    /// The storage failed.
    fn open(&mut self) -> Result<Box<dyn Folder>, StoreError>;
}

impl<F: FnMut() -> Result<Box<dyn Folder>, StoreError> + Send> FolderOpener for F {
    fn open(&mut self) -> Result<Box<dyn Folder>, StoreError> {
        self()
    }
}

impl Cartridge {
    /// A cartridge whose files are in this folder.
    #[must_use]
    pub fn new(
        barcode: Barcode,
        media: &'static MediaSpec,
        kind: CartridgeKind,
        capacity: u64,
        folder: Box<dyn FolderOpener>,
    ) -> Self {
        Self { barcode, media, kind, capacity, folder }
    }

    /// Its label.
    #[must_use]
    pub const fn barcode(&self) -> &Barcode {
        &self.barcode
    }

    /// Its generation.
    #[must_use]
    pub const fn media(&self) -> &'static MediaSpec {
        self.media
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> CartridgeKind {
        self.kind
    }

    /// Makes it one of another density, of as large a part of that as it was of its own: in its memory, which is to be saved,
    /// and here.
    pub fn convert_density(&mut self, media: &'static MediaSpec, mam: &mut Mam) {
        let capacity = u128::from(self.capacity) * u128::from(media.capacity) / u128::from(self.media.capacity.max(1));
        self.capacity = u64::try_from(capacity).unwrap_or(self.capacity);
        self.media = media;
        mam.set(AttrId::MEDIUM_NAME, 0, media.name.as_bytes());
        mam.set_number(AttrId::FORMATTED_DENSITY, media.density.into());
        mam.set_number(AttrId::MAXIMUM_CAPACITY, self.capacity);
        (0..4).for_each(|partition| mam.set(AttrId::PARTITION_SIZE, partition, &[]));
        mam.set(AttrId::SET_CAPACITY_BYTES, 0, &[]);
    }

    /// Bytes it holds, as stored.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Mounts the tape at the beginning of partition 0. A cartridge in an older format of mhvtl takes the present one.
    ///
    /// # Errors
    /// [`StoreError::InUse`], what is damaged, or the failure of the storage.
    pub fn open(&mut self) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        self.open_three_file().map(|(tape, recovery)| (Box::new(tape) as _, recovery))
    }

    /// As [`Self::open`], for who wants to know more than a drive does.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_three_file(&mut self) -> Result<(ThreeFile, Recovery), StoreError> {
        let mut folder = self.folder.open()?;
        let of_mhvtl = cartridge_memory::read(folder.as_mut()).is_ok_and(|kept| kept.format() == Format::Mhvtl);
        if of_mhvtl && cartridge_memory::is_old_mhvtl_format(folder.as_mut())? {
            // What is damaged is left as it is.
            let (tape, recovery) = self.open_read_only()?;
            if recovery.damaged {
                return Ok((tape, recovery));
            }
            drop(tape);
            folder.lock(false).map_err(StoreError::lock)?;
            cartridge_memory::upgrade(folder.as_mut())?;
        }
        // A drive does not take a cartridge without a memory; one that is damaged says at least that it is a cartridge.
        if let Err(missing @ StoreError::NoCartridgeMemory) = cartridge_memory::read(folder.as_mut()) {
            return Err(missing);
        }
        self.mount(folder, false, false)
    }

    /// As [`Self::open`], but writes nothing, neither now nor later.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_read_only(&mut self) -> Result<(ThreeFile, Recovery), StoreError> {
        let folder = self.folder.open()?;
        self.mount(folder, true, false)
    }

    /// Checks that [`Self::open`] would mount the tape, and that its memory could be saved, without changing anything.
    ///
    /// # Errors
    /// Those that a drive would meet.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        let mut folder = self.folder.open()?;
        match self.read_or_rebuild_facts(folder.as_mut())?.mam_damage {
            Some(missing @ StoreError::NoCartridgeMemory) => return Err(missing),
            // A drive opens it to be read only.
            Some(_) => {}
            None => {
                folder.lock(false).map_err(StoreError::lock)?;
                folder.check_writable().map_err(StoreError::io("checking the cartridge's folder"))?;
                let numbers = 0..4;
                let names = numbers.flat_map(|number| ["data", "indx", "mark", "meta"].map(|part| (part, number)));
                for name in names.map(|(part, number)| format!("{part}.{number}")) {
                    // Opening would create one that does not exist.
                    let found =
                        folder.open_read_only(&name).and_then(|found| found.map(|_| folder.open(&name)).transpose());
                    found.map_err(StoreError::io(format!("opening {name}")))?;
                }
            }
        }
        drop(folder);
        self.open_read_only().map(drop)
    }

    /// Whether no object is on the tape, in any partition. A damaged tape is not blank: objects may be lost that
    /// [`Self::repair`] restores.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn is_blank(&mut self) -> Result<bool, StoreError> {
        let (tape, recovery) = self.open_read_only()?;
        if recovery.damaged {
            return Ok(false);
        }
        let mut partitions = 0..tape.partitions();
        partitions.try_fold(true, |blank, partition| Ok(blank && tape.usage(partition)?.objects == 0))
    }

    /// Opens a damaged tape by its index alone, whatever its watermarks say. Nothing can be written until
    /// [`ThreeFile::cut_before`] has made it whole, and not even that if it is only to be looked at.
    ///
    /// # Errors
    /// [`StoreError::InUse`], there is no tape at all, or the storage failed.
    pub fn salvage(&mut self, look_only: bool) -> Result<ThreeFile, StoreError> {
        let mut folder = self.folder.open()?;
        if !look_only && cartridge_memory::is_old_mhvtl_format(folder.as_mut())? {
            folder.lock(false).map_err(StoreError::lock)?;
            cartridge_memory::upgrade(folder.as_mut())?;
        }
        self.mount(folder, look_only, true).map(|(tape, _)| tape)
    }

    /// The folder of its files, opened anew.
    pub(crate) fn folder(&mut self) -> Result<Box<dyn Folder>, StoreError> {
        self.folder.open()
    }

    fn mount(
        &mut self,
        mut folder: Box<dyn Folder>,
        read_only: bool,
        salvage: bool,
    ) -> Result<(ThreeFile, Recovery), StoreError> {
        let CartridgeFacts { format: level, mam, mam_damage: damage } = self.read_or_rebuild_facts(folder.as_mut())?;
        let ours = level == Format::Native || cartridge_memory::is_last_writer(folder.as_mut())?;
        // Without its memory nothing says whether it may be written.
        let read_only = read_only || damage.is_some();
        let shape = TapeOptions {
            format: level,
            capacity: self.capacity,
            partition_sizes: mam.partition_sizes(),
            read_only,
            salvage,
            trust_watermarks: ours,
            discard_data: mam.kind() == CartridgeKind::Null,
            entropy: encrypt::system_entropy,
        };
        let mut files = folder.reopen().map_err(StoreError::io("opening the cartridge"))?;
        let (tape, recovery) = ThreeFile::open(folder, shape)?;
        if !ours && !read_only && !recovery.damaged {
            cartridge_memory::record_ownership(files.as_mut())?;
        }
        Ok((tape, recovery))
    }

    /// The memory, and how the files are written; if it is missing or damaged, what can be known of it all the same: its second
    /// copy, or what the label and the files say.
    fn read_or_rebuild_facts(&mut self, folder: &mut dyn Folder) -> Result<CartridgeFacts, StoreError> {
        let damage = match cartridge_memory::read(folder).and_then(|kept| Ok((kept.format(), self.apply_facts(&kept)?)))
        {
            Ok((level, mam)) => return Ok(CartridgeFacts { format: level, mam, mam_damage: None }),
            Err(damage @ (StoreError::Malformed { .. } | StoreError::NoCartridgeMemory)) => damage,
            Err(other) => return Err(other),
        };
        if !cartridge_memory::exists(folder)? {
            return Err(damage);
        }
        let (level, partitions) = cartridge_memory::detect_format(folder)?;
        let copy = cartridge_memory::read_copy(folder)?.filter(|copy| level == Format::Native && copy.media().is_ok());
        let mam = match copy {
            Some(copy) => self.apply_facts(&StoredMam::Native(copy))?,
            None => self.rebuilt(level, &cartridge_memory::data_lengths(folder, partitions)?),
        };
        Ok(CartridgeFacts { format: level, mam, mam_damage: Some(damage) })
    }

    /// A memory of what the label says, or who made this value, and of the bytes of data in each partition. Nothing may be written by
    /// it.
    fn rebuilt(&mut self, level: Format, data: &[u64]) -> Mam {
        if let (Some((media, kind)), 0) = (self.barcode.media(), self.capacity) {
            (self.media, self.kind) = (media, kind);
        }
        if self.capacity == 0 {
            self.capacity = self.media.capacity;
        }
        // It held at least what is on it.
        let used = data.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
        self.capacity = self.capacity.max(used);
        let Self { media, kind, capacity, .. } = *self;
        let mut mam = Mam::new(&NewCartridge { media, kind, serial: "", manufactured: 0, capacity, format: level });
        // When it was made, by whom and with which number is not known.
        for id in [AttrId::SERIAL, AttrId::MANUFACTURE_DATE, AttrId::MANUFACTURER, AttrId::WORM_IDENTITY] {
            mam.set(id, 0, &[]);
        }
        if data.len() > 1 {
            // How it was divided is not known: each partition holds what is in it, and an equal share of the rest.
            let share = (capacity - used) / data.len() as u64;
            for (partition, bytes) in (0..).zip(data) {
                mam.set(AttrId::PARTITION_SIZE, partition, &(bytes + share).to_be_bytes());
            }
        }
        let label = self.barcode.to_string();
        mam.set_text(AttrId::VOLUME_IDENTIFIER, &label);
        mam.set_flag(Flags::WRITE_PROTECTED, true);
        mam
    }

    /// The cartridge's memory; if it is missing or damaged, what can be known of it all the same, and the damage. Then the
    /// tape can be read, and nothing can be written, until it is repaired.
    ///
    /// # Errors
    /// There is no cartridge, or the storage failed.
    pub fn mam_or_rebuilt(&mut self) -> Result<(Mam, Option<StoreError>), StoreError> {
        let mut folder = self.folder.open()?;
        let CartridgeFacts { mam, mam_damage: damage, .. } = self.read_or_rebuild_facts(folder.as_mut())?;
        Ok((mam, damage))
    }

    /// Reads the cartridge's memory. What it says of the cartridge counts from here on.
    ///
    /// # Errors
    /// It is missing or damaged, or the storage failed.
    pub fn mam(&mut self) -> Result<Mam, StoreError> {
        let kept = cartridge_memory::read(self.folder.open()?.as_mut())?;
        self.apply_facts(&kept)
    }

    fn apply_facts(&mut self, kept: &StoredMam) -> Result<Mam, StoreError> {
        let mam = kept.mam()?;
        (self.media, self.kind) = (mam.media()?, mam.kind());
        if let Some(capacity) = Some(mam.number(AttrId::MAXIMUM_CAPACITY)).filter(|bytes| *bytes > 0) {
            self.capacity = capacity;
        }
        Ok(mam)
    }

    /// How its files are written.
    ///
    /// # Errors
    /// As [`Self::mam`].
    pub fn format(&mut self) -> Result<Format, StoreError> {
        let mut folder = self.folder.open()?;
        Ok(self.read_or_rebuild_facts(folder.as_mut())?.format)
    }

    /// Refuses a cartridge that mhvtl may have loaded: it locks nothing, but notes the load.
    ///
    /// # Errors
    /// [`StoreError::NotUnloaded`], or as [`Self::mam`].
    pub fn check_unloaded(&mut self) -> Result<(), StoreError> {
        let noted = self.mam()?.flags().contains(Flags::LOADED) && self.format()? == Format::Mhvtl;
        if noted { Err(StoreError::NotUnloaded) } else { Ok(()) }
    }

    /// Why nothing is to be written on it at a time, in seconds since 1970, if so.
    ///
    /// # Errors
    /// As [`Self::mam`].
    pub fn write_protection(&mut self, now: u64) -> Result<Option<&'static str>, StoreError> {
        let mam = self.mam()?;
        Ok(match self.kind {
            CartridgeKind::Cleaning => Some("it is for cleaning"),
            CartridgeKind::Worm => Some("it is a WORM cartridge"),
            _ if mam.number(AttrId::RETAINED_UNTIL) > now => Some("it is retained"),
            CartridgeKind::Data | CartridgeKind::Null => {
                mam.flags().contains(Flags::WRITE_PROTECTED).then_some("its write-protect tab is set")
            }
        })
    }

    /// As [`Self::save_mam`], but not while someone uses the cartridge.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or as [`Self::save_mam`].
    pub fn save_mam_exclusive(&mut self, mam: &Mam) -> Result<(), StoreError> {
        let mut folder = self.folder.open()?;
        folder.lock(false).map_err(StoreError::lock)?;
        cartridge_memory::write_both(folder.as_mut(), mam)
    }

    /// Sets or clears the write-protect tab, while nobody uses the cartridge.
    ///
    /// # Errors
    /// As [`Self::save_mam_exclusive`].
    pub fn set_write_protect_tab(&mut self, on: bool) -> Result<(), StoreError> {
        let mut mam = self.mam()?;
        mam.set_flag(Flags::WRITE_PROTECTED, on);
        self.save_mam_exclusive(&mam)
    }

    /// Locks what is written on it until a time, in seconds since 1970. Nobody makes that earlier.
    ///
    /// # Errors
    /// It is locked for longer already, mhvtl's files have no place for it, or as [`Self::save_mam_exclusive`].
    pub fn retain_until(&mut self, until: u64) -> Result<(), StoreError> {
        let barcode = self.barcode.to_string();
        let refused = |what| Err(StoreError::Cartridge { barcode, problem: what });
        if self.format()? == Format::Mhvtl {
            return refused("files of level mhvtl have no place for a retention date");
        }
        let mut mam = self.mam()?;
        if mam.number(AttrId::RETAINED_UNTIL) > until {
            return refused("is retained for longer already");
        }
        mam.set_number(AttrId::RETAINED_UNTIL, until);
        self.save_mam_exclusive(&mam)
    }

    /// Notes that the tape was written outside a drive: what is left of it, and the volume change reference.
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

    /// Writes the cartridge's memory, atomically and durably.
    ///
    /// # Errors
    /// The storage failed; the old memory stands.
    pub fn save_mam(&mut self, mam: &Mam) -> Result<(), StoreError> {
        cartridge_memory::write(self.folder.open()?.as_mut(), mam)
    }

    /// As [`Self::save_mam`], and the second copy of it too.
    ///
    /// # Errors
    /// The storage failed.
    pub fn save_mam_and_copy(&mut self, mam: &Mam) -> Result<(), StoreError> {
        cartridge_memory::write_both(self.folder.open()?.as_mut(), mam)
    }
}

/// What is known of a cartridge.
struct CartridgeFacts {
    format: Format,
    mam: Mam,
    /// What is wrong with its memory, if so: then the rest is from elsewhere.
    mam_damage: Option<StoreError>,
}

impl fmt::Debug for Cartridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cartridge({} {} {:?})", self.barcode, self.media.name, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
