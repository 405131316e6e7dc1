//! Medium auxiliary memory: the attributes that a cartridge carries in its chip (SPC-5 §7.4, SSC-5 §6.6).
//!
//! Values are kept as READ ATTRIBUTE returns them. Live values (remaining capacity) are rendered by the drive.

use crate::error::StoreError;
use crate::integrity::crc32c;
use crate::media::MediaSpec;
use std::collections::BTreeMap;

/// ATTRIBUTE IDENTIFIER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttrId(pub u16);

/// FORMAT of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Numbers and opaque bytes.
    Binary,
    /// Left-justified, space-padded ASCII.
    Ascii,
    /// Text in the character set of attribute 0805h.
    Text,
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The drive, or nobody.
    Device,
    /// A host.
    Host,
}

/// Facts of one attribute.
#[derive(Clone, Copy, Debug)]
pub struct AttrSpec {
    /// Which.
    pub id: AttrId,
    /// How its bytes are to be read.
    pub format: Format,
    /// Its length; the longest, if `variable`.
    pub len: u16,
    /// Shorter values are allowed.
    pub variable: bool,
    /// Who writes it.
    pub writer: Writer,
    /// Each partition has its own.
    pub per_partition: bool,
}

const fn device(id: u16, format: Format, len: u16) -> AttrSpec {
    AttrSpec { id: AttrId(id), format, len, variable: false, writer: Writer::Device, per_partition: false }
}

const fn host(id: u16, format: Format, len: u16) -> AttrSpec {
    AttrSpec { id: AttrId(id), format, len, variable: false, writer: Writer::Host, per_partition: false }
}

const fn each_partition(mut spec: AttrSpec) -> AttrSpec {
    spec.per_partition = true;
    spec
}

const fn up_to(mut spec: AttrSpec) -> AttrSpec {
    spec.variable = true;
    spec
}

impl AttrId {
    /// Remaining capacity in partition, MiB; live.
    pub const REMAINING: Self = Self(0x0000);
    /// Maximum capacity in partition, MiB; live.
    pub const MAXIMUM: Self = Self(0x0001);
    /// TapeAlert flags of the current or last load.
    pub const TAPE_ALERT: Self = Self(0x0002);
    /// Load count.
    pub const LOAD_COUNT: Self = Self(0x0003);
    /// Bytes left in this memory; live.
    pub const MAM_SPACE: Self = Self(0x0004);
    /// Assigning organization of the format.
    pub const ORGANIZATION: Self = Self(0x0005);
    /// Density code the medium is formatted with.
    pub const FORMATTED_DENSITY: Self = Self(0x0006);
    /// Initialization count.
    pub const INITIALIZATION_COUNT: Self = Self(0x0007);
    /// Volume identifier.
    pub const VOLUME_IDENTIFIER: Self = Self(0x0008);
    /// Volume change reference.
    pub const VOLUME_CHANGE_REFERENCE: Self = Self(0x0009);
    /// Vendor and serial of the drive of the last load; the three before follow.
    pub const LAST_DRIVE: Self = Self(0x020a);
    /// MB written in the medium's life.
    pub const LIFE_WRITTEN: Self = Self(0x0220);
    /// MB read in the medium's life.
    pub const LIFE_READ: Self = Self(0x0221);
    /// MB written in the current or last load.
    pub const LOAD_WRITTEN: Self = Self(0x0222);
    /// MB read in the current or last load.
    pub const LOAD_READ: Self = Self(0x0223);
    /// Medium manufacturer.
    pub const MANUFACTURER: Self = Self(0x0400);
    /// Medium serial number.
    pub const SERIAL: Self = Self(0x0401);
    /// Length in metres.
    pub const LENGTH: Self = Self(0x0402);
    /// Width in tenths of a millimetre.
    pub const WIDTH: Self = Self(0x0403);
    /// Assigning organization of the medium.
    pub const MEDIUM_ORGANIZATION: Self = Self(0x0404);
    /// Medium density code.
    pub const DENSITY: Self = Self(0x0405);
    /// Manufacture date, YYYYMMDD.
    pub const MANUFACTURE_DATE: Self = Self(0x0406);
    /// Bytes of this memory.
    pub const MAM_CAPACITY: Self = Self(0x0407);
    /// 00h data, 01h cleaning, 80h WORM.
    pub const MEDIUM_TYPE: Self = Self(0x0408);
    /// Cleanings a cleaning cartridge is good for.
    pub const MEDIUM_TYPE_INFORMATION: Self = Self(0x0409);
    /// Barcode, as a host or library writes it.
    pub const BARCODE: Self = Self(0x0806);
}

/// Every attribute, ascending.
pub const ATTRIBUTES: &[AttrSpec] = &[
    each_partition(device(0x0000, Format::Binary, 8)),
    each_partition(device(0x0001, Format::Binary, 8)),
    device(0x0002, Format::Binary, 8),
    device(0x0003, Format::Binary, 8),
    device(0x0004, Format::Binary, 8),
    device(0x0005, Format::Ascii, 8),
    device(0x0006, Format::Binary, 1),
    device(0x0007, Format::Binary, 2),
    device(0x0008, Format::Ascii, 32),
    device(0x0009, Format::Binary, 4),
    device(0x020a, Format::Ascii, 40),
    device(0x020b, Format::Ascii, 40),
    device(0x020c, Format::Ascii, 40),
    device(0x020d, Format::Ascii, 40),
    device(0x0220, Format::Binary, 8),
    device(0x0221, Format::Binary, 8),
    device(0x0222, Format::Binary, 8),
    device(0x0223, Format::Binary, 8),
    device(0x0400, Format::Ascii, 8),
    device(0x0401, Format::Ascii, 32),
    device(0x0402, Format::Binary, 4),
    device(0x0403, Format::Binary, 4),
    device(0x0404, Format::Ascii, 8),
    device(0x0405, Format::Binary, 1),
    device(0x0406, Format::Ascii, 8),
    device(0x0407, Format::Binary, 8),
    device(0x0408, Format::Binary, 1),
    device(0x0409, Format::Binary, 2),
    host(0x0800, Format::Ascii, 8),
    host(0x0801, Format::Ascii, 32),
    host(0x0802, Format::Ascii, 8),
    host(0x0803, Format::Text, 160),
    host(0x0804, Format::Ascii, 12),
    host(0x0805, Format::Binary, 1),
    host(0x0806, Format::Ascii, 32),
    host(0x0807, Format::Text, 80),
    host(0x0808, Format::Text, 160),
    each_partition(host(0x0809, Format::Ascii, 16)),
    host(0x080a, Format::Binary, 1),
    host(0x080b, Format::Ascii, 16),
    each_partition(up_to(host(0x080c, Format::Binary, 1023))),
    host(0x0820, Format::Binary, 36),
    host(0x0821, Format::Binary, 36),
    host(0x1623, Format::Binary, 1),
];

/// The facts of an attribute, if it exists.
#[must_use]
pub fn spec(id: AttrId) -> Option<&'static AttrSpec> {
    ATTRIBUTES.binary_search_by_key(&id, |spec| spec.id).ok().and_then(|at| ATTRIBUTES.get(at))
}

/// The attributes of one cartridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mam {
    values: BTreeMap<(AttrId, u8), Vec<u8>>,
}

/// What begins a file of attributes, and the version of what follows.
const MAGIC: &[u8; 8] = b"FERRICMA";
const VERSION: u32 = 1;

impl Mam {
    /// The memory of a new cartridge.
    #[must_use]
    pub fn new(media: &MediaSpec, cleaning: bool, serial: &str, date: &str) -> Self {
        let mut mam = Self::default();
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
        number(AttrId::MEDIUM_TYPE, u64::from(cleaning));
        number(AttrId::MEDIUM_TYPE_INFORMATION, if cleaning { 50 } else { 0 });
        mam.set_text(AttrId::ORGANIZATION, media.organization);
        mam.set_text(AttrId::MEDIUM_ORGANIZATION, media.organization);
        mam.set_text(AttrId::MANUFACTURER, "FERRIC");
        mam.set_text(AttrId::SERIAL, serial);
        mam.set_text(AttrId::MANUFACTURE_DATE, date);
        mam
    }

    /// The value of an attribute; `partition` counts only where each has its own.
    #[must_use]
    pub fn get(&self, id: AttrId, partition: u8) -> Option<&[u8]> {
        self.values.get(&Self::key(id, partition)).map(Vec::as_slice)
    }

    /// Sets an attribute; an empty value removes it.
    pub fn set(&mut self, id: AttrId, partition: u8, value: &[u8]) {
        if value.is_empty() {
            self.values.remove(&Self::key(id, partition));
        } else {
            self.values.insert(Self::key(id, partition), value.to_vec());
        }
    }

    /// The number in a binary attribute.
    #[must_use]
    pub fn number(&self, id: AttrId) -> u64 {
        self.get(id, 0).unwrap_or_default().iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
    }

    /// Sets a binary attribute in its own width.
    pub fn set_number(&mut self, id: AttrId, value: u64) {
        let width = spec(id).map_or(8, |spec| usize::from(spec.len)).min(8);
        self.set(id, 0, value.to_be_bytes().get(8 - width..).unwrap_or_default());
    }

    /// Sets a text attribute, padded with spaces or cut.
    pub fn set_text(&mut self, id: AttrId, text: &str) {
        let width = spec(id).map_or(text.len(), |spec| usize::from(spec.len));
        let value: Vec<u8> = text.bytes().chain(std::iter::repeat(b' ')).take(width).collect();
        self.set(id, 0, &value);
    }

    /// Bytes all values take: their lengths and five bytes of header each.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.values.values().map(|value| value.len() as u64 + 5).sum()
    }

    fn key(id: AttrId, partition: u8) -> (AttrId, u8) {
        let own = spec(id).is_some_and(|spec| spec.per_partition);
        (id, if own { partition } else { 0 })
    }

    /// The file of these attributes.
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

    /// Reads what [`Self::encode`] wrote. Unknown attributes keep their bytes.
    ///
    /// # Errors
    /// [`StoreError::Format`] with what is wrong; damage is never read as a fresh memory.
    pub fn decode(file: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let fault = |what: &str| StoreError::Format { file: file.into(), what: what.into() };
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| fault("shorter than its header"))?;
        if crc32c(body) != u32::from_le_bytes(*crc) {
            return Err(fault("its checksum is wrong"));
        }
        let rest = body.strip_prefix(MAGIC).ok_or_else(|| fault("not a file of cartridge attributes"))?;
        let (version, mut rest) = rest.split_first_chunk::<4>().ok_or_else(|| fault("shorter than its header"))?;
        if u32::from_le_bytes(*version) != VERSION {
            return Err(fault("written by a newer version"));
        }
        let mut mam = Self::default();
        while let Some(([id_low, id_high, partition, _, len_low, len_high], after)) = rest.split_first_chunk::<6>() {
            let len = usize::from(u16::from_le_bytes([*len_low, *len_high]));
            let (value, after) = after.split_at_checked(len).ok_or_else(|| fault("an attribute is cut short"))?;
            let id = AttrId(u16::from_le_bytes([*id_low, *id_high]));
            mam.values.insert((id, *partition), value.to_vec());
            rest = after;
        }
        if rest.is_empty() { Ok(mam) } else { Err(fault("an attribute is cut short")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::LTO_8;

    #[test]
    fn the_table_ascends() {
        assert!(ATTRIBUTES.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn round_trip_and_damage() {
        let mut mam = Mam::new(&LTO_8, false, "S1", "20260101");
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
    fn an_empty_value_removes() {
        let mut mam = Mam::default();
        mam.set(AttrId::BARCODE, 0, b"X");
        mam.set(AttrId::BARCODE, 0, b"");
        assert_eq!(mam.get(AttrId::BARCODE, 0), None);
        assert_eq!(mam.used(), 0);
    }
}
