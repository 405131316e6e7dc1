//! `mam` and `mhvtl_data`: two lists of attributes. Identifier and length are little-endian; most values are as in READ
//! ATTRIBUTE, and [`StoredForm`] describes the others.
//!
//! An update changes only the values that differ in meaning: all others keep their bytes, unknown attributes too.

use super::media::{self, MhvtlMedium};
use super::packed;
use crate::cartridge::CartridgeKind;
use crate::error::StoreError;
use crate::mam::{self, AttrId, AttributeWriter, Flags, Mam, spec};
use crate::store::NewCartridge;
use std::collections::BTreeMap;
use time::{Date, Month};

/// Versions of the tape format and of the cartridge memory that are written.
const TAPE_FORMAT: u32 = 6;
const MAM_FORMAT: u32 = 4;

/// Attribute values by identifier, in stored form.
pub(super) type Attributes = BTreeMap<u16, Vec<u8>>;

/// Identifiers of attributes in `mhvtl_data`.
pub(super) mod id {
    pub(in crate::mhvtl) const DIRTY: u16 = 0x0001;
    pub(in crate::mhvtl) const FLAGS: u16 = 0x0002;
    pub(in crate::mhvtl) const MAX_PARTITIONS: u16 = 0x0003;
    pub(in crate::mhvtl) const PARTITIONS: u16 = 0x0004;
    pub(in crate::mhvtl) const MEDIA_TYPE: u16 = 0x0005;
    pub(in crate::mhvtl) const BITS_PER_MM: u16 = 0x0006;
    pub(in crate::mhvtl) const TRACKS: u16 = 0x0007;
    pub(in crate::mhvtl) const DENSITY_NAME: u16 = 0x0008;
    pub(in crate::mhvtl) const DESCRIPTION: u16 = 0x0009;
    /// VOLUME COHERENCY INFORMATION of partitions 1 to 3.
    pub(in crate::mhvtl) const COHERENCY: [u16; 3] = [0x000a, 0x000b, 0x000c];
    /// Formatted size of partitions 0 to 3 in bytes.
    pub(in crate::mhvtl) const SIZES: [u16; 4] = [0x000d, 0x000e, 0x000f, 0x0010];
}

/// Attributes that describe the density.
const DESCRIBING: [u16; 4] = [id::BITS_PER_MM, id::TRACKS, id::DENSITY_NAME, id::DESCRIPTION];
/// Bit of FLAGS: write-protected.
const WRITE_PROTECTED: u16 = 0x0002;
const COHERENCY: u16 = 0x080c;
const MAM_SPACE: u16 = 0x0004;

/// The conversion of a stored value to the value of READ ATTRIBUTE.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StoredForm {
    /// No conversion.
    Same,
    /// No conversion, but absent if all bytes are zero.
    IfSet,
    /// Text that ends at its first NUL; READ ATTRIBUTE pads it with spaces.
    Text,
    /// A number in the opposite byte order.
    Swapped,
    /// Seconds since 1970 in decimal; YYYYMMDD in READ ATTRIBUTE.
    Date,
    /// mhvtl's numbers for kinds of cartridges.
    Kind,
}

/// Identifier, length and form of each attribute, in the order in which they are written.
const ORDER: [(u16, u16, StoredForm); 39] = [
    (0x0000, 8, StoredForm::Same),
    (0x0001, 8, StoredForm::Same),
    (0x0002, 8, StoredForm::Same),
    (0x0003, 8, StoredForm::Same),
    (MAM_SPACE, 8, StoredForm::Same),
    (0x0005, 8, StoredForm::Text),
    (0x0006, 1, StoredForm::Same),
    (0x0007, 2, StoredForm::Same),
    (0x0009, 4, StoredForm::Same),
    (0x020a, 40, StoredForm::IfSet),
    (0x020b, 40, StoredForm::IfSet),
    (0x020c, 40, StoredForm::IfSet),
    (0x020d, 40, StoredForm::IfSet),
    (0x0220, 8, StoredForm::Same),
    (0x0221, 8, StoredForm::Same),
    (0x0222, 8, StoredForm::Same),
    (0x0223, 8, StoredForm::Same),
    (0x0400, 8, StoredForm::Text),
    (0x0401, 32, StoredForm::Text),
    (0x0402, 4, StoredForm::Same),
    (0x0403, 4, StoredForm::Same),
    (0x0404, 8, StoredForm::Text),
    (0x0405, 1, StoredForm::Same),
    (0x0406, 12, StoredForm::Date),
    (0x0407, 8, StoredForm::Same),
    (0x0408, 1, StoredForm::Kind),
    (0x0409, 2, StoredForm::Swapped),
    (0x0800, 8, StoredForm::IfSet),
    (0x0801, 32, StoredForm::IfSet),
    (0x0802, 8, StoredForm::IfSet),
    (0x0803, 160, StoredForm::IfSet),
    (0x0804, 12, StoredForm::IfSet),
    (0x0805, 1, StoredForm::Same),
    (0x0806, 32, StoredForm::IfSet),
    (0x0807, 80, StoredForm::IfSet),
    (0x0808, 160, StoredForm::IfSet),
    (0x080b, 16, StoredForm::IfSet),
    (COHERENCY, 70, StoredForm::IfSet),
    (0x1623, 1, StoredForm::Same),
];

/// Identifier and length of each attribute of `mhvtl_data`, in the order in which they are written.
const PRIVATE_ORDER: [(u16, u16); 16] = [
    (id::DIRTY, 1),
    (id::FLAGS, 2),
    (id::MAX_PARTITIONS, 1),
    (id::PARTITIONS, 1),
    (id::MEDIA_TYPE, 1),
    (id::COHERENCY[0], 70),
    (id::COHERENCY[1], 70),
    (id::COHERENCY[2], 70),
    (id::SIZES[0], 8),
    (id::SIZES[1], 8),
    (id::SIZES[2], 8),
    (id::SIZES[3], 8),
    (id::BITS_PER_MM, 4),
    (id::TRACKS, 2),
    (id::DENSITY_NAME, 8),
    (id::DESCRIPTION, 32),
];

/// The attributes of both files of a cartridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MhvtlMam {
    mam: Attributes,
    mhvtl_data: Attributes,
}

fn is_host_attribute(id: AttrId) -> bool {
    spec(id).is_some_and(|spec| spec.writer == AttributeWriter::Host)
}

impl MhvtlMam {
    /// Decodes `mam` and, if it exists, `mhvtl_data`. In format 4, `mam` is the packed structure.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] or [`StoreError::Unsupported`]; damage is never taken for an empty cartridge memory.
    pub(crate) fn decode(mam: &[u8], private: Option<&[u8]>) -> Result<Self, StoreError> {
        let fault = |what: String| StoreError::Malformed { file: super::MAM.into(), problem: what };
        let words = mam
            .first_chunk::<8>()
            .ok_or_else(|| fault(format!("has {} bytes, which is shorter than its version fields", mam.len())))?;
        let [tape, memory] = versions(words);
        match memory {
            MAM_FORMAT if (5..=TAPE_FORMAT + 1).contains(&tape) => {
                let (mam, private) =
                    (attributes(mam.get(8..).unwrap_or_default(), length), private.unwrap_or_default());
                Ok(Self { mam, mhvtl_data: attributes(private, private_length) })
            }
            2 | 3 => Self::unpack(mam).ok_or_else(|| fault(format!("has {} bytes, not 1024", mam.len()))),
            _ => Err(fault(format!("tape format {tape} with memory format {memory} is not supported"))),
        }
    }

    /// Decodes the cartridge memory at the beginning of `meta` in format 3.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub(crate) fn of_meta(meta: &[u8]) -> Result<Self, StoreError> {
        let whole =
            meta.first_chunk::<8>().map(versions).filter(|[tape, memory]| *tape == 3 && (2..=3).contains(memory));
        let fault = || StoreError::Malformed {
            file: super::PLAIN_META.into(),
            problem: "does not begin with a cartridge memory of format 3".into(),
        };
        whole.and_then(|_| Self::unpack(meta)).ok_or_else(fault)
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let (mam, private) = packed::unpack(bytes.first_chunk::<{ packed::SIZE }>()?);
        Some(Self { mam, mhvtl_data: private })
    }

    /// The medium that the attributes describe.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if mhvtl has no such medium.
    pub(crate) fn density(&self) -> Result<&'static MhvtlMedium, StoreError> {
        let byte =
            |list: &Attributes, id| list.get(&id).and_then(|value: &Vec<u8>| value.first().copied()).unwrap_or(0);
        let (code, density) = (byte(&self.mhvtl_data, id::MEDIA_TYPE), byte(&self.mam, 0x0405));
        let description = self.mhvtl_data.get(&id::DESCRIPTION).map_or_else(String::new, |value| text(value));
        media::find(code, density, &description).ok_or_else(|| StoreError::Malformed {
            file: super::MAM.into(),
            problem: format!("density {density:02X}h, media type {code} and {description:?} match no known medium"),
        })
    }

    /// The attributes as a drive presents them.
    pub(crate) fn to_mam(&self) -> Mam {
        let mut mam = Mam::default();
        for (id, _, form) in ORDER {
            let value = self.mam.get(&id).and_then(|stored| from_stored(id, form, stored));
            mam.set(AttrId(id), 0, &value.unwrap_or_default());
        }
        for (id, partition) in id::COHERENCY.into_iter().zip(1..) {
            let value = self.mhvtl_data.get(&id).and_then(|stored| from_stored(COHERENCY, StoredForm::IfSet, stored));
            mam.set(AttrId(COHERENCY), partition, &value.unwrap_or_default());
        }
        for (id, value) in self.mam.iter().filter(|(id, _)| is_extra(**id)) {
            mam.set(AttrId(*id), 0, value);
        }
        for (id, partition) in id::SIZES.into_iter().zip(0..) {
            if let Some(size) = self.mhvtl_data.get(&id).filter(|size| size.iter().any(|byte| *byte != 0)) {
                mam.set(AttrId::PARTITION_SIZE, partition, size);
            }
        }
        mam.set_flag(Flags::WRITE_PROTECTED, self.flags() & WRITE_PROTECTED != 0);
        mam.set_flag(Flags::LOADED, self.mhvtl_data.get(&id::DIRTY).is_some_and(|dirty| dirty.first() == Some(&1)));
        let null = self.mam.get(&AttrId::MEDIUM_TYPE.0).is_some_and(|value| value.as_slice() == [STORED_NULL]);
        mam.set_flag(Flags::NULL, null);
        mam
    }

    /// The files for a cartridge memory from another format.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if mhvtl has no such medium.
    pub(crate) fn of(mam: &Mam, partitions: u8) -> Result<Self, StoreError> {
        let media = mam.media()?;
        let what = || format!("mhvtl has no medium {}", media.name);
        let density = media::for_media(media)
            .ok_or_else(|| StoreError::Malformed { file: super::MAM.into(), problem: what() })?;
        let mut stored_mam = Self { mam: Attributes::new(), mhvtl_data: Attributes::new() };
        stored_mam.update(mam, partitions, density)?;
        Ok(stored_mam)
    }

    fn flags(&self) -> u16 {
        self.mhvtl_data.get(&id::FLAGS).and_then(|value| value.first_chunk()).copied().map_or(0, u16::from_le_bytes)
    }

    /// Applies a changed cartridge memory; `density` is the medium that it describes.
    ///
    /// # Errors
    /// [`StoreError::AttributeTooLarge`]; then nothing is changed.
    pub(crate) fn update(&mut self, mam: &Mam, partitions: u8, density: &MhvtlMedium) -> Result<(), StoreError> {
        let lacks_room = |id: AttrId, partition: u8, len: usize| match id.0 {
            COHERENCY => len > 70,
            // Attributes per partition that mhvtl cannot store are dropped if the drive wrote them.
            other => partition > 0 && is_host_attribute(id) && length(other).is_none(),
        };
        if let Some((id, partition, _)) =
            mam.iter().find(|(id, partition, value)| lacks_room(*id, *partition, value.len()))
        {
            return Err(StoreError::AttributeTooLarge { id: id.0, partition });
        }
        if self.density().is_ok_and(|was| !std::ptr::eq(was, density)) {
            self.mhvtl_data.retain(|id, _| !DESCRIBING.contains(id));
        }
        let before = self.to_mam();
        for (id, len, form) in ORDER {
            let stored = self.mam.entry(id).or_insert_with(|| vec![0; len.into()]);
            let value = mam.get(AttrId(id), 0);
            if value != before.get(AttrId(id), 0) || stored.len() != usize::from(len) {
                *stored = to_stored(form, value.unwrap_or_default(), len.into());
            }
        }
        self.mam.retain(|id, _| !is_extra(*id));
        for (id, _, value) in mam.iter().filter(|(id, partition, _)| *partition == 0 && is_extra(id.0)) {
            self.mam.insert(id.0, value.to_vec());
        }
        let stored_null = self.mam.get(&AttrId::MEDIUM_TYPE.0).is_some_and(|value| value.as_slice() == [STORED_NULL]);
        if mam.kind() == CartridgeKind::Null {
            self.mam.insert(AttrId::MEDIUM_TYPE.0, vec![STORED_NULL]);
        } else if stored_null {
            self.mam.insert(
                AttrId::MEDIUM_TYPE.0,
                to_stored(StoredForm::Kind, mam.get(AttrId::MEDIUM_TYPE, 0).unwrap_or_default(), 1),
            );
        }
        for (id, partition) in id::COHERENCY.into_iter().zip(1..) {
            self.mhvtl_data.insert(id, padded(mam.get(AttrId(COHERENCY), partition).unwrap_or_default(), 70));
        }
        for (id, partition) in id::SIZES.into_iter().zip(0..) {
            self.mhvtl_data.insert(id, padded(mam.get(AttrId::PARTITION_SIZE, partition).unwrap_or_default(), 8));
        }
        let protected = if mam.flags().contains(Flags::WRITE_PROTECTED) { WRITE_PROTECTED } else { 0 };
        self.mhvtl_data.insert(id::FLAGS, (self.flags() & !WRITE_PROTECTED | protected).to_le_bytes().to_vec());
        self.mhvtl_data.insert(id::DIRTY, vec![u8::from(mam.flags().contains(Flags::LOADED))]);
        self.mhvtl_data.insert(id::MAX_PARTITIONS, vec![density.partitions[0]]);
        self.mhvtl_data.insert(id::PARTITIONS, vec![partitions]);
        self.mhvtl_data.insert(id::MEDIA_TYPE, vec![density.code]);
        self.fill_density(density);
        self.count_space(density);
        Ok(())
    }

    /// Adds the attributes that describe the density, if they are missing.
    fn fill_density(&mut self, density: &MhvtlMedium) {
        let facts = &density.stored_spec;
        let mut lacks = |id, value: Vec<u8>| {
            self.mhvtl_data.entry(id).or_insert(value);
        };
        lacks(id::BITS_PER_MM, facts.bits_per_mm.to_be_bytes().to_vec());
        lacks(id::TRACKS, facts.tracks.to_be_bytes().to_vec());
        lacks(id::DENSITY_NAME, padded(facts.density_name.as_bytes(), 8));
        lacks(id::DESCRIPTION, padded(facts.description.as_bytes(), 32));
    }

    /// Computes MAM SPACE REMAINING: each attribute uses its length and five bytes.
    fn count_space(&mut self, density: &MhvtlMedium) {
        let number = |value: &Vec<u8>| value.iter().fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte));
        let recorded = self.mam.get(&AttrId::MAM_CAPACITY.0).map_or(0, number);
        // Releases up to 1.8-0 stored no capacity.
        let capacity = if recorded == 0 { density.stored_spec.mam_capacity } else { recorded };
        self.mam.insert(AttrId::MAM_CAPACITY.0, capacity.to_be_bytes().to_vec());
        let used: u64 = ORDER.iter().map(|(_, len, _)| u64::from(*len) + 5).sum();
        self.mam.insert(MAM_SPACE, capacity.saturating_sub(used).to_be_bytes().to_vec());
    }

    /// The content of `mam` and `mhvtl_data`; unknown attributes come last.
    pub(crate) fn encode(&self) -> [Vec<u8>; 2] {
        let mut mam = [TAPE_FORMAT.to_le_bytes(), MAM_FORMAT.to_le_bytes()].concat();
        put(&mut mam, &self.mam, ORDER.iter().map(|(id, len, _)| (*id, *len)));
        let mut private = Vec::new();
        put(&mut private, &self.mhvtl_data, PRIVATE_ORDER.into_iter());
        [mam, private]
    }
}

/// The cartridge memory that mhvtl's own tool creates for a new cartridge.
///
/// # Errors
/// [`StoreError::Cartridge`] if mhvtl has no such medium.
pub(crate) fn blank(barcode: &str, new: &NewCartridge<'_>) -> Result<MhvtlMam, StoreError> {
    let none = || StoreError::Cartridge { barcode: barcode.into(), problem: "is of a medium that mhvtl does not have" };
    let density = media::for_media(new.media).ok_or_else(none)?;
    let mut stored_mam = MhvtlMam { mam: Attributes::new(), mhvtl_data: Attributes::new() };
    let mut mam = Mam::default();
    for id in [0x0002, 0x0003, 0x0007, 0x0009, 0x0220, 0x0221, 0x0222, 0x0223] {
        mam.set_number(AttrId(id), 0);
    }
    mam.set_number(AttrId::REMAINING_CAPACITY, new.capacity);
    mam.set_number(AttrId::MAXIMUM_CAPACITY, new.capacity);
    density.describe_in(&mut mam);
    mam.set_text(AttrId::MANUFACTURER, "linuxVTL");
    mam.set_text(AttrId::SERIAL, new.serial);
    mam.set(AttrId(0x0800), 0, b"vtl-1.8 ");
    mam.set(AttrId(0x0802), 0, b"6\0\0\0\0\0\0\0");
    mam.set(AttrId::BARCODE, 0, format!("{barcode:<31}\0").as_bytes());
    super::set_kind(&mut mam, new.kind);
    stored_mam.update(&mam, density.partitions[1], density)?;
    stored_mam.mam.insert(AttrId::MANUFACTURE_DATE.0, padded(new.manufactured.to_string().as_bytes(), 12));
    Ok(stored_mam)
}

/// Whether it is a host attribute unknown to mhvtl; such attributes are stored after the others.
fn is_extra(id: u16) -> bool {
    length(id).is_none() && spec(AttrId(id)).is_some_and(|spec| spec.writer == AttributeWriter::Host)
}

fn versions(words: &[u8; 8]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = *words;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

fn length(id: u16) -> Option<usize> {
    ORDER.iter().find(|row| row.0 == id).map(|row| row.1.into())
}

fn private_length(id: u16) -> Option<usize> {
    PRIVATE_ORDER.iter().find(|row| row.0 == id).map(|row| row.1.into())
}

/// Decodes the attributes of a file. mhvtl overwrites it in place without truncating it. So the list ends at the first
/// attribute that repeats an identifier, is too long or is truncated: what follows is left over from a longer list.
fn attributes(mut bytes: &[u8], known: fn(u16) -> Option<usize>) -> Attributes {
    let mut list = Attributes::new();
    while let Some(([id_low, id_high, len_low, len_high], after)) = bytes.split_first_chunk::<4>() {
        let id = u16::from_le_bytes([*id_low, *id_high]);
        let len = usize::from(u16::from_le_bytes([*len_low, *len_high]));
        let Some((value, after)) = after.split_at_checked(len) else { break };
        if list.contains_key(&id) || known(id).is_some_and(|most| len > most || len == 0) {
            break;
        }
        list.insert(id, value.to_vec());
        bytes = after;
    }
    // Release 1.8-0 writes an empty attribute with identifier 0 between the others.
    list.retain(|_, value| !value.is_empty());
    list
}

fn put(file: &mut Vec<u8>, list: &Attributes, order: impl Iterator<Item = (u16, u16)> + Clone) {
    let mut attribute = |id: u16, value: &[u8]| {
        file.extend_from_slice(&id.to_le_bytes());
        file.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        file.extend_from_slice(value);
    };
    for (id, len) in order.clone() {
        let value = list.get(&id).map_or_else(Vec::new, Clone::clone);
        attribute(id, &padded(&value, len.into()));
    }
    for (id, value) in list.iter().filter(|(id, _)| order.clone().all(|(known, _)| known != **id)) {
        attribute(*id, value);
    }
}

const STORED_WORM: u8 = 1;
const STORED_NULL: u8 = 2;
const STORED_CLEANING: u8 = 6;

/// The value of READ ATTRIBUTE; `None` if the attribute is not set.
fn from_stored(id: u16, form: StoredForm, stored: &[u8]) -> Option<Vec<u8>> {
    let width = spec(AttrId(id)).map_or(stored.len(), |spec| spec.len.into());
    match form {
        StoredForm::Same => Some(stored.to_vec()),
        StoredForm::IfSet => stored.iter().any(|byte| *byte != 0).then(|| stored.to_vec()),
        StoredForm::Text => {
            let text = text(stored);
            (!text.is_empty()).then(|| format!("{text:<width$}").into_bytes())
        }
        StoredForm::Swapped => Some(stored.iter().rev().copied().collect()),
        StoredForm::Date => Some(date(&text(stored)).into_bytes()).filter(|date| date.len() == width),
        StoredForm::Kind => Some(match stored {
            [STORED_WORM] => vec![0x80],
            [STORED_CLEANING] => vec![0x01],
            [STORED_NULL] => vec![0x00],
            other => other.to_vec(),
        }),
    }
}

fn to_stored(form: StoredForm, value: &[u8], len: usize) -> Vec<u8> {
    match form {
        StoredForm::Same | StoredForm::IfSet => padded(value, len),
        StoredForm::Text => padded(text(value).as_bytes(), len),
        StoredForm::Swapped => padded(&value.iter().rev().copied().collect::<Vec<_>>(), len),
        StoredForm::Date => padded(seconds(&text(value)).as_bytes(), len),
        StoredForm::Kind => vec![match value {
            [0x80] => STORED_WORM,
            [0x01] => STORED_CLEANING,
            [other] => *other,
            _ => 0,
        }],
    }
}

/// Text up to its first NUL, without padding.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).trim_end().to_owned()
}

fn padded(value: &[u8], len: usize) -> Vec<u8> {
    value.iter().copied().chain(std::iter::repeat(0)).take(len).collect()
}

/// Converts decimal seconds since 1970 to YYYYMMDD; other text is returned unchanged.
fn date(stored: &str) -> String {
    let seconds = stored.parse().ok().filter(|_| stored.len() > 8);
    seconds.map_or_else(|| stored.into(), mam::date)
}

/// Converts YYYYMMDD to decimal seconds since 1970 at midnight; other text is returned unchanged.
fn seconds(date: &str) -> String {
    let part = |range: std::ops::Range<usize>| date.get(range).and_then(|digits| digits.parse::<u16>().ok());
    let day = || {
        let month = Month::try_from(u8::try_from(part(4..6)?).ok()?).ok()?;
        Date::from_calendar_date(part(0..4)?.into(), month, u8::try_from(part(6..8)?).ok()?).ok()
    };
    day().map_or_else(|| date.into(), |day| day.midnight().assume_utc().unix_timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        assert_eq!(date("1700000000"), "20231114");
        assert_eq!(seconds("20231114"), "1699920000");
        for odd in ["", "20231114", "20231332", "when?"] {
            assert_eq!(date(odd), odd);
        }
        assert_eq!(seconds("20231332"), "20231332");
    }

    #[test]
    fn stale_bytes_after_the_list_are_ignored() {
        let file = b"\x03\0\x01\0\x04\0\0\0\0\x05\0\x01\0\x14\x03\0\x01\0\x09\x01\0\x01\0\x01";
        let list = attributes(file, private_length);
        assert_eq!(list, Attributes::from([(3, vec![4]), (5, vec![20])]));
        assert_eq!(attributes(b"\x03\0\x02\0\x04\x04", private_length), Attributes::new());
        assert_eq!(attributes(b"\x03\0\x01\0\x04\x55\x55\xff\xff", private_length), Attributes::from([(3, vec![4])]));
    }
}
