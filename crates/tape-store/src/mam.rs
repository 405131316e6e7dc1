//! Medium auxiliary memory (MAM): the attributes of a cartridge (SPC-4 §7.4).
//!
//! Values are stored as READ ATTRIBUTE returns them, except that capacities and byte counts (0000h, 0001h, 0220h to
//! 0223h) are in bytes here. The drive converts these, and computes the attributes that change with time.

use crate::cartridge::CartridgeKind;
use crate::error::StoreError;
use crate::integrity::crc32c;
use crate::media::{self, MediaSpec};
use crate::store::NewCartridge;
use std::collections::BTreeMap;

/// ATTRIBUTE IDENTIFIER of a MAM attribute (SPC-4 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttrId(pub u16);

/// FORMAT field of an attribute: how its value is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeFormat {
    /// BINARY (00b): a big-endian number or opaque bytes.
    Binary,
    /// ASCII (01b): left-aligned and padded with spaces.
    Ascii,
    /// TEXT (10b): in the character set that attribute 0805h names.
    Text,
}

/// The party that may write an attribute (READ ONLY bit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeWriter {
    /// The drive alone; for hosts the attribute is read-only.
    Drive,
    /// Hosts, with the WRITE ATTRIBUTE command.
    Host,
}

/// Description of one attribute: identifier, format, length and writer.
#[derive(Clone, Copy, Debug)]
pub struct AttrSpec {
    /// ATTRIBUTE IDENTIFIER of the attribute.
    pub id: AttrId,
    /// Name of the attribute in listings, in lower case; `ferric tape attr` accepts it.
    pub name: &'static str,
    /// The encoding of the value (FORMAT).
    pub format: AttributeFormat,
    /// Length of the value in bytes; the maximum if `variable` is set.
    pub len: u16,
    /// Whether shorter values are allowed.
    pub variable: bool,
    /// The party that may write the attribute.
    pub writer: AttributeWriter,
    /// Whether each partition has its own value.
    pub is_per_partition: bool,
}

const fn device(id: u16, name: &'static str, format: AttributeFormat, len: u16) -> AttrSpec {
    AttrSpec {
        id: AttrId(id),
        name,
        format,
        len,
        variable: false,
        writer: AttributeWriter::Drive,
        is_per_partition: false,
    }
}

const fn host(id: u16, name: &'static str, format: AttributeFormat, len: u16) -> AttrSpec {
    AttrSpec {
        id: AttrId(id),
        name,
        format,
        len,
        variable: false,
        writer: AttributeWriter::Host,
        is_per_partition: false,
    }
}

const fn per_partition(mut spec: AttrSpec) -> AttrSpec {
    spec.is_per_partition = true;
    spec
}

const fn variable_length(mut spec: AttrSpec) -> AttrSpec {
    spec.variable = true;
    spec
}

impl AttrId {
    /// 0000h, REMAINING CAPACITY IN PARTITION: in bytes, as of the last save.
    pub const REMAINING_CAPACITY: Self = Self(0x0000);
    /// 0001h, MAXIMUM CAPACITY IN PARTITION: in bytes, of the whole cartridge.
    pub const MAXIMUM_CAPACITY: Self = Self(0x0001);
    /// 0002h, TAPEALERT FLAGS of the current or last load.
    pub const TAPE_ALERT: Self = Self(0x0002);
    /// 0003h, LOAD COUNT in the life of the cartridge.
    pub const LOAD_COUNT: Self = Self(0x0003);
    /// 0004h, MAM SPACE REMAINING in bytes; computed at each read.
    pub const MAM_SPACE_REMAINING: Self = Self(0x0004);
    /// 0005h, ASSIGNING ORGANIZATION of the recording format.
    pub const ORGANIZATION: Self = Self(0x0005);
    /// 0006h, FORMATTED DENSITY CODE: the density that the medium is written in.
    pub const FORMATTED_DENSITY: Self = Self(0x0006);
    /// 0007h, INITIALIZATION COUNT: how often the medium was formatted.
    pub const INITIALIZATION_COUNT: Self = Self(0x0007);
    /// 0008h, VOLUME IDENTIFIER, as written by the drive.
    pub const VOLUME_IDENTIFIER: Self = Self(0x0008);
    /// 0009h, VOLUME CHANGE REFERENCE: changes whenever the tape is written.
    pub const VOLUME_CHANGE_REFERENCE: Self = Self(0x0009);
    /// 020Ah, vendor and serial number of the drive of the last load; 020Bh to 020Dh are the loads before it.
    pub const LAST_DRIVE: Self = Self(0x020a);
    /// 0220h, TOTAL MBYTES WRITTEN IN MEDIUM LIFE; in bytes here.
    pub const LIFE_WRITTEN: Self = Self(0x0220);
    /// 0221h, TOTAL MBYTES READ IN MEDIUM LIFE; in bytes here.
    pub const LIFE_READ: Self = Self(0x0221);
    /// 0222h, TOTAL MBYTES WRITTEN IN CURRENT/LAST LOAD; in bytes here.
    pub const LOAD_WRITTEN: Self = Self(0x0222);
    /// 0223h, TOTAL MBYTES READ IN CURRENT/LAST LOAD; in bytes here.
    pub const LOAD_READ: Self = Self(0x0223);
    /// 0224h, LOGICAL POSITION OF FIRST ENCRYPTED BLOCK, per partition.
    pub const FIRST_ENCRYPTED_OBJECT: Self = Self(0x0224);
    /// 0225h, LOGICAL POSITION OF FIRST UNENCRYPTED BLOCK AFTER THE FIRST ENCRYPTED BLOCK, per partition.
    pub const FIRST_UNENCRYPTED: Self = Self(0x0225);
    /// 0340h, MEDIUM USAGE HISTORY; computed at each read.
    pub const MEDIUM_HISTORY: Self = Self(0x0340);
    /// 0341h, PARTITION USAGE HISTORY; computed at each read.
    pub const PARTITION_HISTORY: Self = Self(0x0341);
    /// 040Bh, densities that the medium supports; computed at each read.
    pub const DENSITIES: Self = Self(0x040b);
    /// 0400h, MEDIUM MANUFACTURER, eight characters.
    pub const MANUFACTURER: Self = Self(0x0400);
    /// 0401h, MEDIUM SERIAL NUMBER, 32 characters.
    pub const SERIAL: Self = Self(0x0401);
    /// 0402h, MEDIUM LENGTH in metres.
    pub const LENGTH: Self = Self(0x0402);
    /// 0403h, MEDIUM WIDTH in tenths of a millimetre.
    pub const WIDTH: Self = Self(0x0403);
    /// 0404h, ASSIGNING ORGANIZATION of the medium.
    pub const MEDIUM_ORGANIZATION: Self = Self(0x0404);
    /// 0405h, MEDIUM DENSITY CODE: the density that the medium was made for.
    pub const DENSITY: Self = Self(0x0405);
    /// 0406h, MEDIUM MANUFACTURE DATE, as YYYYMMDD.
    pub const MANUFACTURE_DATE: Self = Self(0x0406);
    /// 0407h, MAM CAPACITY: size of the cartridge memory in bytes.
    pub const MAM_CAPACITY: Self = Self(0x0407);
    /// 0408h, MEDIUM TYPE: 00h data, 01h cleaning, 80h WORM.
    pub const MEDIUM_TYPE: Self = Self(0x0408);
    /// 0409h, MEDIUM TYPE INFORMATION: for a cleaning cartridge, the cleanings that it allows.
    pub const MEDIUM_TYPE_INFORMATION: Self = Self(0x0409);
    /// 0806h, BARCODE, as written by a host.
    pub const BARCODE: Self = Self(0x0806);
    /// F001h, private to Ferric and not visible to hosts: a set of [`Flags`].
    pub const FLAGS: Self = Self(0xf001);
    /// F002h, private: size of each partition in bytes; absent if the partitions share the capacity evenly.
    pub const PARTITION_SIZE: Self = Self(0xf002);
    /// F003h, private: [`MediaSpec::name`] of the medium.
    pub const MEDIUM_NAME: Self = Self(0xf003);

    /// F004h, private, WORM cartridges only: objects in each partition at the last unload.
    pub const WORM_OBJECTS: Self = Self(0xf004);
    /// F005h, private, WORM cartridges only: the serial number at manufacture, for the WORM integrity check.
    pub const WORM_IDENTITY: Self = Self(0xf005);
    /// F006h, private: the capacity in bytes that SET CAPACITY set; absent for the full capacity.
    pub const SET_CAPACITY_BYTES: Self = Self(0xf006);

    /// F007h, private: objects that could not be written, in the medium's life.
    pub const WRITE_FAILURES: Self = Self(0xf007);
    /// F008h, private: objects that could not be read, in the medium's life.
    pub const READ_FAILURES: Self = Self(0xf008);

    /// F009h, private: the time until which the cartridge is retained, in seconds since 1970.
    pub const RETAINED_UNTIL: Self = Self(0xf009);
    /// F00Ah, private: 1 while the cartridge is under a legal hold.
    pub const LEGAL_HOLD: Self = Self(0xf00a);

    /// Whether the attribute is private to Ferric: hosts do not see it, and it uses no MAM space.
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.0 >= 0xf000
    }
}

bitflags::bitflags! {
    /// State of a cartridge for which SCSI has no attribute.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// The write-protect tab is set.
        const WRITE_PROTECTED = 1;
        /// The data is discarded: mhvtl's NULL medium.
        const NULL = 2;
        /// The cartridge was loaded and has not been unloaded cleanly.
        const LOADED = 4;
    }
}

/// All standard and private attributes, ascending by identifier.
pub const ATTRIBUTES: &[AttrSpec] = &[
    per_partition(device(0x0000, "remaining capacity", AttributeFormat::Binary, 8)),
    per_partition(device(0x0001, "maximum capacity", AttributeFormat::Binary, 8)),
    device(0x0002, "TapeAlert flags", AttributeFormat::Binary, 8),
    device(0x0003, "load count", AttributeFormat::Binary, 8),
    device(0x0004, "MAM space remaining", AttributeFormat::Binary, 8),
    device(0x0005, "assigning organization", AttributeFormat::Ascii, 8),
    device(0x0006, "formatted density code", AttributeFormat::Binary, 1),
    device(0x0007, "initialization count", AttributeFormat::Binary, 2),
    device(0x0008, "volume identifier", AttributeFormat::Ascii, 32),
    device(0x0009, "volume change reference", AttributeFormat::Binary, 4),
    device(0x020a, "device at last load", AttributeFormat::Ascii, 40),
    device(0x020b, "device at load-1", AttributeFormat::Ascii, 40),
    device(0x020c, "device at load-2", AttributeFormat::Ascii, 40),
    device(0x020d, "device at load-3", AttributeFormat::Ascii, 40),
    device(0x0220, "bytes written in medium life", AttributeFormat::Binary, 8),
    device(0x0221, "bytes read in medium life", AttributeFormat::Binary, 8),
    device(0x0222, "bytes written in current or last load", AttributeFormat::Binary, 8),
    device(0x0223, "bytes read in current or last load", AttributeFormat::Binary, 8),
    per_partition(device(0x0224, "first encrypted block", AttributeFormat::Binary, 8)),
    per_partition(device(0x0225, "first unencrypted block after it", AttributeFormat::Binary, 8)),
    device(0x0340, "medium usage history", AttributeFormat::Binary, 90),
    per_partition(device(0x0341, "partition usage history", AttributeFormat::Binary, 60)),
    device(0x0400, "medium manufacturer", AttributeFormat::Ascii, 8),
    device(0x0401, "medium serial number", AttributeFormat::Ascii, 32),
    device(0x0402, "medium length, m", AttributeFormat::Binary, 4),
    device(0x0403, "medium width, 0.1 mm", AttributeFormat::Binary, 4),
    device(0x0404, "assigning organization of the medium", AttributeFormat::Ascii, 8),
    device(0x0405, "medium density code", AttributeFormat::Binary, 1),
    device(0x0406, "manufacture date", AttributeFormat::Ascii, 8),
    device(0x0407, "MAM capacity", AttributeFormat::Binary, 8),
    device(0x0408, "medium type", AttributeFormat::Binary, 1),
    device(0x0409, "medium type information", AttributeFormat::Binary, 2),
    device(0x040b, "supported density codes", AttributeFormat::Binary, 10),
    host(0x0800, "application vendor", AttributeFormat::Ascii, 8),
    host(0x0801, "application name", AttributeFormat::Ascii, 32),
    host(0x0802, "application version", AttributeFormat::Ascii, 8),
    host(0x0803, "user medium text label", AttributeFormat::Text, 160),
    host(0x0804, "date and time last written", AttributeFormat::Ascii, 12),
    host(0x0805, "text localization identifier", AttributeFormat::Binary, 1),
    host(0x0806, "barcode", AttributeFormat::Ascii, 32),
    host(0x0807, "owning host textual name", AttributeFormat::Text, 80),
    host(0x0808, "media pool", AttributeFormat::Text, 160),
    per_partition(host(0x0809, "partition user text label", AttributeFormat::Ascii, 16)),
    host(0x080a, "load/unload at partition", AttributeFormat::Binary, 1),
    host(0x080b, "application format version", AttributeFormat::Ascii, 16),
    per_partition(variable_length(host(0x080c, "volume coherency information", AttributeFormat::Binary, 1023))),
    host(0x0820, "medium globally unique identifier", AttributeFormat::Binary, 36),
    host(0x0821, "media pool globally unique identifier", AttributeFormat::Binary, 36),
    host(0x1623, "volume locked", AttributeFormat::Binary, 1),
    device(0xf001, "flags", AttributeFormat::Binary, 1),
    per_partition(device(0xf002, "partition size", AttributeFormat::Binary, 8)),
    variable_length(device(0xf003, "medium", AttributeFormat::Ascii, 16)),
    per_partition(device(0xf004, "objects at the last unload (WORM)", AttributeFormat::Binary, 8)),
    device(0xf005, "serial number at manufacture (WORM)", AttributeFormat::Ascii, 32),
    device(0xf006, "scaled capacity", AttributeFormat::Binary, 8),
    device(0xf007, "objects not written in medium life", AttributeFormat::Binary, 8),
    device(0xf008, "objects not read in medium life", AttributeFormat::Binary, 8),
    device(0xf009, "retained until", AttributeFormat::Binary, 8),
    device(0xf00a, "legal hold", AttributeFormat::Binary, 1),
];

/// Vendor-specific host attributes (SPC-4 §7.4.2.1): 1400h to 17FFh, except those in [`ATTRIBUTES`].
static VENDOR_ATTRIBUTES: [AttrSpec; 0x400] = vendor_attributes();
const FIRST_VENDOR_ATTRIBUTE: u16 = 0x1400;

const fn vendor_attributes() -> [AttrSpec; 0x400] {
    let mut specs =
        [variable_length(host(FIRST_VENDOR_ATTRIBUTE, "vendor-specific", AttributeFormat::Binary, 1023)); 0x400];
    let mut at = 0_u16;
    #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
    while at < 0x400 {
        specs[at as usize].id = AttrId(FIRST_VENDOR_ATTRIBUTE + at);
        at += 1;
    }
    specs
}

/// The description of an attribute; `None` if the identifier is not supported.
#[must_use]
pub fn spec(id: AttrId) -> Option<&'static AttrSpec> {
    let named = ATTRIBUTES.binary_search_by_key(&id, |spec| spec.id).ok().and_then(|at| ATTRIBUTES.get(at));
    named.or_else(|| VENDOR_ATTRIBUTES.get(usize::from(id.0.checked_sub(FIRST_VENDOR_ATTRIBUTE)?)))
}

/// MEDIUM TYPE values (SPC-4 §7.4.2.3.5).
const MEDIUM_TYPE_CLEANING: u64 = 0x01;
const MEDIUM_TYPE_WORM: u64 = 0x80;

/// A time in seconds since 1970 as YYYYMMDD.
pub(crate) fn date(seconds: i64) -> String {
    let day = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{:04}{:02}{:02}", day.year(), u8::from(day.month()), day.day())
}

fn big_endian(value: &[u8]) -> u64 {
    value.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// The MAM attributes of one cartridge, with a value per partition where the attribute has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mam {
    values: BTreeMap<(AttrId, u8), Vec<u8>>,
}

/// Beginning of an attribute file, and the version of its format.
const MAGIC: &[u8; 8] = b"FERRICMA";
const VERSION: u32 = 2;

impl Mam {
    /// Name of the file with the cartridge memory of a cartridge in native format.
    pub const FILE: &str = "ferric.mam";

    /// Name of the copy of this file, as of the last unload; used if the first file is damaged.
    pub const COPY: &str = "ferric.mam.copy";

    /// Whether the cartridge is under a legal hold: its data is protected until an operator releases the hold.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.number(AttrId::LEGAL_HOLD) != 0
    }

    /// The time in seconds since 1970 until which the data must be neither overwritten nor deleted: the end of the retention,
    /// [`u64::MAX`] during a legal hold, 0 without both.
    #[must_use]
    pub fn protected_until(&self) -> u64 {
        if self.is_held() { u64::MAX } else { self.number(AttrId::RETAINED_UNTIL) }
    }

    /// The attributes of a newly manufactured cartridge.
    #[must_use]
    pub fn new(new: &NewCartridge<'_>) -> Self {
        let mut mam = Self::default();
        let media = new.media;
        let cleaning = new.kind == CartridgeKind::Cleaning;
        let mut number = |id: AttrId, value: u64| mam.set_number(id, value);
        number(AttrId::LOAD_COUNT, 0);
        number(AttrId::TAPE_ALERT, 0);
        number(AttrId::INITIALIZATION_COUNT, u64::from(!cleaning));
        number(AttrId::VOLUME_CHANGE_REFERENCE, 0);
        for id in [AttrId::LIFE_WRITTEN, AttrId::LIFE_READ, AttrId::LOAD_WRITTEN, AttrId::LOAD_READ] {
            number(id, 0);
        }
        number(AttrId::LENGTH, media.length.into());
        number(AttrId::WIDTH, media.width.into());
        number(AttrId::DENSITY, media.density.into());
        number(AttrId::FORMATTED_DENSITY, media.density.into());
        number(AttrId::MAM_CAPACITY, media.mam_capacity);
        number(AttrId::MAXIMUM_CAPACITY, new.capacity);
        number(AttrId::REMAINING_CAPACITY, new.capacity);
        number(AttrId::MEDIUM_TYPE_INFORMATION, if cleaning { 50 } else { 0 });
        mam.set(AttrId::MEDIUM_NAME, 0, media.name.as_bytes());
        mam.set_text(AttrId::ORGANIZATION, media.organization);
        mam.set_text(AttrId::MEDIUM_ORGANIZATION, media.organization);
        mam.set_text(AttrId::MANUFACTURER, "FERRIC");
        mam.set_text(AttrId::SERIAL, new.serial);
        mam.set_text(AttrId::MANUFACTURE_DATE, &date(new.manufactured));
        mam.set_kind(new.kind);
        if new.kind == CartridgeKind::Worm {
            mam.set_text(AttrId::WORM_IDENTITY, new.serial);
        }
        mam
    }

    /// The medium that attribute F003h names.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if the name is missing or unknown.
    pub fn media(&self) -> Result<&'static MediaSpec, StoreError> {
        let name = String::from_utf8_lossy(self.get(AttrId::MEDIUM_NAME, 0).unwrap_or_default());
        media::by_name(&name).ok_or_else(|| StoreError::Malformed {
            file: "cartridge memory".into(),
            problem: format!("unknown medium {name:?}"),
        })
    }

    /// The kind of the cartridge: from MEDIUM TYPE and the NULL flag.
    #[must_use]
    pub fn kind(&self) -> CartridgeKind {
        match self.number(AttrId::MEDIUM_TYPE) {
            MEDIUM_TYPE_CLEANING => CartridgeKind::Cleaning,
            MEDIUM_TYPE_WORM => CartridgeKind::Worm,
            _ if self.flags().contains(Flags::NULL) => CartridgeKind::Null,
            _ => CartridgeKind::Data,
        }
    }

    /// Sets MEDIUM TYPE and the NULL flag for this kind.
    pub fn set_kind(&mut self, kind: CartridgeKind) {
        let medium_type = match kind {
            CartridgeKind::Data | CartridgeKind::Null => 0,
            CartridgeKind::Cleaning => MEDIUM_TYPE_CLEANING,
            CartridgeKind::Worm => MEDIUM_TYPE_WORM,
        };
        self.set_number(AttrId::MEDIUM_TYPE, medium_type);
        self.set_flag(Flags::NULL, kind == CartridgeKind::Null);
    }

    /// The state flags of the cartridge.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags::from_bits_truncate(self.get(AttrId::FLAGS, 0).and_then(|value| value.first().copied()).unwrap_or(0))
    }

    /// Sets or clears a state flag.
    pub fn set_flag(&mut self, flag: Flags, on: bool) {
        let mut flags = self.flags();
        flags.set(flag, on);
        self.set(AttrId::FLAGS, 0, &[flags.bits()]);
    }

    /// Size of each partition in bytes; empty if the partitions share the capacity evenly.
    #[must_use]
    pub fn partition_sizes(&self) -> Vec<u64> {
        (0..4).map_while(|partition| self.get(AttrId::PARTITION_SIZE, partition).map(big_endian)).collect()
    }

    /// The value of an attribute; `None` if it is not set. `partition` is ignored for attributes of the whole medium.
    #[must_use]
    pub fn get(&self, id: AttrId, partition: u8) -> Option<&[u8]> {
        self.values.get(&Self::key(id, partition)).map(Vec::as_slice)
    }

    /// The vendor-specific attributes that hosts wrote, ascending by identifier.
    pub fn vendor_attributes(&self) -> impl Iterator<Item = &'static AttrSpec> {
        let ids = self.values.keys().map(|(id, _)| *id).filter(|id| ATTRIBUTES.iter().all(|spec| spec.id != *id));
        ids.filter_map(spec)
    }

    /// All attributes with their partition and value, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (AttrId, u8, &[u8])> {
        self.values.iter().map(|((id, partition), value)| (*id, *partition, value.as_slice()))
    }

    /// Sets the value of an attribute; an empty value removes it.
    pub fn set(&mut self, id: AttrId, partition: u8, value: &[u8]) {
        if value.is_empty() {
            self.values.remove(&Self::key(id, partition));
        } else {
            self.values.insert(Self::key(id, partition), value.to_vec());
        }
    }

    /// The number in a binary attribute; 0 if it is not set.
    #[must_use]
    pub fn number(&self, id: AttrId) -> u64 {
        big_endian(self.get(id, 0).unwrap_or_default())
    }

    /// The number in a binary attribute of a partition; 0 if it is not set.
    #[must_use]
    pub fn partition_number_value(&self, id: AttrId, partition: u8) -> u64 {
        big_endian(self.get(id, partition).unwrap_or_default())
    }

    /// Sets a binary attribute, in the width that the attribute has.
    pub fn set_number(&mut self, id: AttrId, value: u64) {
        let width = spec(id).map_or(8, |spec| usize::from(spec.len)).min(8);
        self.set(id, 0, value.to_be_bytes().get(8 - width..).unwrap_or_default());
    }

    /// Sets an ASCII or text attribute: padded with spaces or truncated to the length of the attribute.
    pub fn set_text(&mut self, id: AttrId, text: &str) {
        let width = spec(id).map_or(text.len(), |spec| usize::from(spec.len));
        let value: Vec<u8> = text.bytes().chain(std::iter::repeat(b' ')).take(width).collect();
        self.set(id, 0, &value);
    }

    /// MAM space in bytes that all attributes use: each its value and a five-byte header. Private attributes use none.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let seen = self.values.iter().filter(|((id, _), _)| !id.is_private());
        seen.map(|(_, value)| value.len() as u64 + 5).sum()
    }

    fn key(id: AttrId, partition: u8) -> (AttrId, u8) {
        let own = spec(id).is_some_and(|spec| spec.is_per_partition);
        (id, if own { partition } else { 0 })
    }

    /// The content of an attribute file with these attributes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        for ((id, partition), value) in &self.values {
            let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&id.0.to_le_bytes());
            bytes.extend_from_slice(&[*partition, 0]);
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(value.get(..usize::from(len)).unwrap_or(value));
        }
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes an attribute file. Unknown attributes keep their bytes.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if the file is damaged, [`StoreError::Unsupported`] if its version is unknown.
    pub fn decode(file: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let fault = |what: &str| StoreError::Malformed { file: file.into(), problem: what.into() };
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| fault("shorter than its header"))?;
        if crc32c(body) != u32::from_le_bytes(*crc) {
            return Err(fault("checksum mismatch"));
        }
        let rest = body.strip_prefix(MAGIC).ok_or_else(|| fault("not a file of cartridge attributes"))?;
        let (version, mut rest) = rest.split_first_chunk::<4>().ok_or_else(|| fault("shorter than its header"))?;
        if u32::from_le_bytes(*version) != VERSION {
            let what = format!("version {} is not supported; expected {VERSION}", u32::from_le_bytes(*version));
            return Err(StoreError::Unsupported { file: file.into(), problem: what });
        }
        let mut mam = Self::default();
        while let Some(([id_low, id_high, partition, _, len_low, len_high], after)) = rest.split_first_chunk::<6>() {
            let len = usize::from(u16::from_le_bytes([*len_low, *len_high]));
            let (value, after) = after.split_at_checked(len).ok_or_else(|| fault("attribute is truncated"))?;
            let id = AttrId(u16::from_le_bytes([*id_low, *id_high]));
            mam.values.insert((id, *partition), value.to_vec());
            rest = after;
        }
        if rest.is_empty() { Ok(mam) } else { Err(fault("attribute is truncated")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::LTO_8;

    #[test]
    fn attribute_table_is_sorted() {
        assert!(ATTRIBUTES.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn round_trip_and_damage() {
        let mut mam =
            Mam::new(&NewCartridge { serial: "S1", manufactured: 1_700_000_000, ..NewCartridge::data(&LTO_8) });
        mam.set(AttrId(0x080c), 1, b"ltfs");
        mam.set(AttrId(0x080c), 0, b"zero");
        let bytes = mam.encode();
        let again = Mam::decode("m", &bytes).unwrap();
        assert_eq!(again, mam);
        assert_eq!(again.get(AttrId(0x080c), 1), Some(&b"ltfs"[..]));
        assert_eq!(again.number(AttrId::LENGTH), 960);
        assert_eq!(again.get(AttrId::LENGTH, 3), Some(&[0, 0, 3, 0xc0][..]));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert!(Mam::decode("m", &bad).is_err(), "byte {at}");
            assert!(Mam::decode("m", &bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "19700101");
        assert_eq!(date(951_782_400), "20000229");
        assert_eq!(date(1_798_761_599), "20261231");
    }

    #[test]
    fn empty_value_removes_the_attribute() {
        let mut mam = Mam::default();
        mam.set(AttrId::BARCODE, 0, b"X");
        mam.set(AttrId::BARCODE, 0, b"");
        assert_eq!(mam.get(AttrId::BARCODE, 0), None);
        assert_eq!(mam.used_bytes(), 0);
    }
}
