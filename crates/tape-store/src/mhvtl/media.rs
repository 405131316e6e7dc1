//! The values that mhvtl stores in the cartridge memory of each medium. Some values differ from the real media,
//! so they are kept here; [`crate::media`] has the real ones.

use crate::mam::{AttrId, Mam};
use crate::media::{self, MediaSpec};

/// One medium that mhvtl can create, with its name and codes there.
#[derive(Debug)]
pub struct MhvtlMedium {
    /// Name of the medium for mhvtl's tools.
    pub name: &'static str,
    /// MEDIA TYPE: private attribute 0005h of mhvtl.
    pub code: u8,
    /// Maximum number of partitions, and the number in a new cartridge memory.
    pub partitions: [u8; 2],
    /// Facts as mhvtl stores them; the density name is padded with spaces.
    pub stored_spec: MediaSpec,
    /// The real facts, if [`crate::media`] has the medium.
    real_spec: Option<&'static MediaSpec>,
}

impl MhvtlMedium {
    /// The real facts of the medium if they are known, otherwise the facts that mhvtl stores.
    #[must_use]
    pub const fn media(&'static self) -> &'static MediaSpec {
        match self.real_spec {
            Some(media) => media,
            None => &self.stored_spec,
        }
    }

    /// Sets the attributes that describe the medium. The capacity is unchanged.
    pub fn describe_in(&'static self, mam: &mut Mam) {
        let facts = &self.stored_spec;
        for (id, value) in [
            (AttrId::FORMATTED_DENSITY, facts.density.into()),
            (AttrId::DENSITY, facts.density.into()),
            (AttrId::LENGTH, facts.length.into()),
            (AttrId::WIDTH, facts.width.into()),
            (AttrId::MAM_CAPACITY, facts.mam_capacity),
        ] {
            mam.set_number(id, value);
        }
        mam.set_text(AttrId::ORGANIZATION, facts.organization);
        mam.set(AttrId::MEDIUM_NAME, 0, self.media().name.as_bytes());
    }
}

/// The medium with this name, for tables evaluated at compile time.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "slices have no iterators at compile time")]
pub const fn spec_by_name(name: &str) -> Option<&'static MediaSpec> {
    let (name, mut row) = (name.as_bytes(), 0);
    while row < MHVTL_MEDIA.len() {
        let (other, mut at) = (MHVTL_MEDIA[row].name.as_bytes(), 0);
        while at < name.len() && at < other.len() && name[at] == other[at] {
            at += 1;
        }
        if at == name.len() && at == other.len() {
            return Some(MHVTL_MEDIA[row].media());
        }
        row += 1;
    }
    None
}

/// The medium that a cartridge memory describes. Media type codes changed between releases of mhvtl, so density code
/// and description are compared first; the media type decides between equal ones, or if there is no description.
#[must_use]
pub fn find(code: u8, density: u8, description: &str) -> Option<&'static MhvtlMedium> {
    let described = || {
        MHVTL_MEDIA
            .iter()
            .filter(|row| row.stored_spec.density == density && row.stored_spec.description == description)
    };
    let by_code = || MHVTL_MEDIA.iter().find(|row| row.code == code && row.stored_spec.density == density);
    described().find(|row| row.code == code).or_else(|| described().next()).or_else(by_code)
}

/// The medium with this name, as mhvtl's tools accept it; `None` if it is unknown.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static MhvtlMedium> {
    MHVTL_MEDIA.iter().find(|row| row.name == name)
}

/// The row of mhvtl's table that stores a medium; `None` if mhvtl has no such medium.
#[must_use]
pub fn for_media(media: &MediaSpec) -> Option<&'static MhvtlMedium> {
    MHVTL_MEDIA.iter().find(|row| row.media() == media)
}

#[expect(clippy::too_many_arguments, reason = "the columns of a table")]
const fn row(
    name: &'static str,
    code: u8,
    density: u8,
    gigabytes: u64,
    [length, width, tracks]: [u16; 3],
    bits_per_mm: u32,
    [density_name, description, organization]: [&'static str; 3],
    mam_capacity: u64,
    partitions: [u8; 2],
    encryptable: bool,
    known: Option<&'static MediaSpec>,
) -> MhvtlMedium {
    let stored = MediaSpec {
        name,
        suffix: "",
        worm_suffix: "",
        density,
        medium_type: 0,
        bits_per_mm,
        tracks,
        wraps: 0,
        convertible_to: &[],
        width,
        length,
        capacity: gigabytes * 1_000_000_000,
        density_name,
        description,
        organization,
        partitions: partitions[0],
        mam_capacity,
        encryptable,
    };
    MhvtlMedium { name, code, partitions, stored_spec: stored, real_spec: known }
}

/// All media of mhvtl, in the order of its tool. Columns: name, code, density, GB, length, width, tracks, bits per mm,
/// density name, description, organization, size of the cartridge memory, partitions (maximum and new), whether drives
/// encrypt (9840 and 9940: as mhvtl's drives report; of the real ones only the 9840D does).
#[rustfmt::skip]
pub static MHVTL_MEDIA: [MhvtlMedium; 36] = [
    row("LTO1", 1, 0x40, 100, [384, 127, 1], 4880, ["U-18  ", "Ultrium 1/8T", "LTO-CVE"], 4096, [1, 1], false, Some(&media::LTO_1)),
    row("LTO2", 3, 0x42, 200, [512, 127, 1], 7398, ["U-28  ", "Ultrium 2/8T", "LTO-CVE"], 4096, [1, 1], false, Some(&media::LTO_2)),
    row("LTO3", 5, 0x44, 400, [704, 127, 1], 9638, ["U-316 ", "Ultrium 3/16T", "LTO-CVE"], 4096, [1, 1], false, Some(&media::LTO_3)),
    row("LTO4", 8, 0x46, 800, [896, 127, 1], 12725, ["U-416 ", "Ultrium 4/16T", "LTO-CVE"], 4096, [1, 1], true, Some(&media::LTO_4)),
    row("LTO5", 11, 0x58, 1500, [1280, 127, 1], 15142, ["U-516 ", "Ultrium 5/16T", "LTO-CVE"], 8192, [2, 2], true, Some(&media::LTO_5)),
    row("LTO6", 14, 0x5a, 2500, [2176, 127, 1], 18441, ["U-616 ", "Ultrium 6/16T", "LTO-CVE"], 8192, [2, 2], true, Some(&media::LTO_6)),
    row("LTO7", 17, 0x5c, 6000, [960, 127, 1], 19107, ["U-732 ", "Ultrium 7/32T", "LTO-CVE"], 8192, [4, 2], true, Some(&media::LTO_7)),
    row("LTO8", 20, 0x5e, 12000, [960, 127, 1], 19107, ["U-832 ", "Ultrium 8/32T", "LTO-CVE"], 8192, [4, 2], true, Some(&media::LTO_8)),
    row("LTO9", 23, 0x60, 18000, [960, 127, 1], 19107, ["U-932 ", "Ultrium 9/32T", "LTO-CVE"], 16384, [4, 2], true, Some(&media::LTO_9)),
    row("AIT1", 35, 0x30, 35, [384, 80, 1], 4567, ["AIT-1 ", "AdvIntelligentTape1", "SONY"], 8192, [1, 1], false, None),
    row("AIT2", 37, 0x31, 50, [384, 80, 1], 6102, ["AIT-2 ", "AdvIntelligentTape2", "SONY"], 8192, [1, 1], false, None),
    row("AIT3", 39, 0x32, 100, [384, 80, 1], 6102, ["AIT-3 ", "AdvIntelligentTape3", "SONY"], 8192, [1, 1], false, None),
    row("AIT4", 41, 0x33, 200, [384, 80, 1], 6102, ["AIT-4 ", "AdvIntelligentTape4", "SONY"], 8192, [1, 1], false, None),
    row("DLT3", 55, 0x19, 10, [1024, 127, 1], 2048, ["DLT-III", "DLTtape III", "QUANTUM"], 8192, [1, 1], false, None),
    row("DLT4", 57, 0x1b, 20, [1024, 127, 1], 2048, ["DLT-IV", "DLTtape IV", "QUANTUM"], 8192, [1, 1], false, None),
    row("SDLT1", 59, 0x48, 100, [1024, 127, 1], 133_000, ["SDLT-1", "SDLT I media", "QUANTUM"], 8192, [1, 1], false, None),
    row("SDLT220", 61, 0x48, 110, [1024, 127, 1], 133_000, ["SDLT220", "SDLT I media", "QUANTUM"], 8192, [1, 1], false, None),
    row("SDLT320", 63, 0x49, 160, [1024, 127, 1], 190_000, ["SDLT320", "SDLT I media", "QUANTUM"], 8192, [1, 1], false, None),
    row("SDLT600", 65, 0x4a, 300, [1024, 127, 1], 233_000, ["SDLT600", "SDLT II media", "QUANTUM"], 8192, [1, 1], false, None),
    row("9840A", 81, 0x42, 1, [1024, 127, 288], 0, ["R-20", "Raven 20 GB", "STK"], 8192, [1, 1], true, None),
    row("9840B", 83, 0x42, 1, [1024, 127, 288], 0, ["R-20", "Raven 20 GB", "STK"], 8192, [1, 1], true, None),
    row("9840C", 85, 0x45, 1, [1024, 127, 288], 0, ["R-40", "Raven 40 GB", "STK"], 8192, [1, 1], true, None),
    row("9840D", 87, 0x46, 1, [1024, 127, 576], 0, ["R-75", "Raven 75 GB", "STK"], 8192, [1, 1], true, None),
    row("9940A", 89, 0x43, 1, [1024, 127, 288], 0, ["P-60", "PeakCapacity 60 GB", "STK"], 8192, [1, 1], true, None),
    row("9940B", 91, 0x44, 1, [1024, 127, 576], 0, ["P-200", "PeakCapacity 200 GB", "STK"], 8192, [1, 1], true, None),
    row("T10KA", 44, 0x4a, 500, [1024, 127, 1], 233_000, ["T10000A", "STK T10KA media", "STK"], 8192, [1, 1], true, None),
    row("T10KB", 47, 0x4b, 1000, [1024, 127, 1], 233_000, ["T10000B", "STK T10KB media", "STK"], 8192, [1, 1], true, None),
    row("T10KC", 50, 0x4c, 5000, [1024, 127, 1], 233_000, ["T10000C", "STK T10KC media", "STK"], 8192, [1, 1], true, None),
    row("DDS1", 71, 0x13, 2, [1024, 127, 1], 233_000, ["DDS1", "4MM DDS-1 media", "HP"], 8192, [1, 1], false, None),
    row("DDS2", 73, 0x24, 4, [1024, 127, 1], 233_000, ["DDS2", "4MM DDS-2 media", "HP"], 8192, [1, 1], false, None),
    row("DDS3", 75, 0x25, 12, [1024, 127, 1], 233_000, ["DDS3", "4MM DDS-3 media", "HP"], 8192, [1, 1], false, None),
    row("DDS4", 77, 0x26, 20, [1024, 127, 1], 233_000, ["DDS4", "4MM DDS-4 media", "HP"], 8192, [1, 1], false, None),
    row("J1A", 26, 0x51, 300, [1024, 127, 1], 233_000, ["3592J1A", "3592 J1A media", "IBM"], 8192, [1, 1], true, Some(&media::IBM_J1A)),
    row("E05", 29, 0x52, 700, [1024, 127, 1], 233_000, ["3592E05", "3592 E05 media", "IBM"], 8192, [1, 1], true, Some(&media::IBM_E05)),
    row("E06", 31, 0x53, 1000, [1024, 127, 1], 2048, ["3592E06", "3592 E06 media", "IBM"], 8192, [1, 1], true, Some(&media::IBM_E06)),
    row("E07", 33, 0x54, 4000, [1024, 127, 1], 2048, ["3592E07", "3592 E07 media", "IBM"], 8192, [1, 1], true, Some(&media::IBM_E07)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_type_code_is_checked_against_density() {
        // Code 20 was 3592-JA before LTO-8 was added.
        assert_eq!(find(20, 0x51, "3592 J1A media").map(|row| row.name), Some("J1A"));
        assert_eq!(find(20, 0x5e, "Ultrium 8/32T").map(|row| row.media().name), Some("LTO-8"));
        // Two media have the same description: the media type decides.
        assert_eq!(find(83, 0x42, "Raven 20 GB").map(|row| row.name), Some("9840B"));
        assert_eq!(find(14, 0x5a, "").map(|row| row.name), Some("LTO6"));
        assert!(find(14, 0x5e, "").is_none());
    }

    #[test]
    fn every_generation_has_a_row() {
        // Not in the release of mhvtl whose codes the table has.
        let absent = ["LTO-7M", "LTO-10", "LTO-10P"];
        for media in media::ALL {
            let density = for_media(media).map(|row| row.stored_spec.density);
            assert_eq!(density, (!absent.contains(&media.name)).then_some(media.density), "{}", media.name);
        }
    }
}
