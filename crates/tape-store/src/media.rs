//! Facts of each medium, in one table: density reports, mode block descriptors, cartridge memory and capacities use it.
//!
//! Sources: the Ultrium format summaries in the IBM LTO SCSI reference; bits per mm of LTO-9 and LTO-10, and the lengths
//! of LTO-10, from density reports and cartridge memories as FreeBSD's `mt` records them (commits 78adacd4ea and
//! 930486f9be5c); codes, tracks and density names of LTO-10 from IBM GA32-0928-08 as mhvtl quotes it (pull request 193).
//! IBM 3592: density codes, bits per mm, tracks and density names from FreeBSD's `mt`, which has those up to TS1140 from
//! IBM's 3592 SCSI reference of 2012; medium types from LTFS (`tape_drivers.h`); capacities from IBM's announcements.
//! Capacities are in bytes, where a megabyte is 10^6.

use crate::mhvtl;

/// Facts of one medium: a generation of LTO, or a medium of another family.
#[derive(Debug, PartialEq, Eq)]
pub struct MediaSpec {
    /// Name of the medium, such as `LTO-8`.
    pub name: &'static str,
    /// Last two characters of the barcode of a data cartridge (media identifier).
    pub suffix: &'static str,
    /// Last two characters of the barcode of a WORM cartridge; empty if the medium has none.
    pub worm_suffix: &'static str,
    /// PRIMARY DENSITY CODE of the recording format.
    pub density: u8,
    /// MEDIUM TYPE in the mode parameter header of IBM drives, for a data cartridge.
    pub medium_type: u8,
    /// BITS PER MM in the density report.
    pub bits_per_mm: u32,
    /// TRACKS in the density report.
    pub tracks: u16,
    /// Wraps: passes over the whole length, of which partitions consist. 0 if the medium has one partition only.
    pub wraps: u16,
    /// MEDIA WIDTH in tenths of a millimetre.
    pub width: u16,
    /// Length of the tape in metres.
    pub length: u16,
    /// Native capacity in bytes, without compression.
    pub capacity: u64,
    /// DENSITY NAME in the density report.
    pub density_name: &'static str,
    /// DESCRIPTION in the density report.
    pub description: &'static str,
    /// ASSIGNING ORGANIZATION in the density report.
    pub organization: &'static str,
    /// Maximum number of partitions on the medium.
    pub partitions: u8,
    /// Size of the cartridge memory in bytes.
    pub mam_capacity: u64,
    /// Whether drives can encrypt blocks on the medium; for LTO, from LTO-4 on.
    pub encryptable: bool,
    /// Densities that a drive can convert the medium to, permanently, by writing at the beginning of the medium.
    pub convertible_to: &'static [&'static Self],
}

impl MediaSpec {
    /// Generation of an Ultrium medium, such as `8` or `7M`; `None` for other families.
    #[must_use]
    pub fn generation(&self) -> Option<&'static str> {
        self.name.strip_prefix("LTO-")
    }
}

const fn lto(generation: &Generation) -> MediaSpec {
    MediaSpec {
        name: generation.name,
        suffix: generation.suffix,
        worm_suffix: generation.worm_suffix,
        density: generation.density,
        medium_type: generation.medium_type,
        bits_per_mm: generation.bits_per_mm,
        tracks: generation.tracks,
        wraps: generation.tracks / generation.channels,
        width: 127,
        length: generation.length,
        capacity: generation.gigabytes * 1_000_000_000,
        density_name: generation.density_name,
        description: generation.description,
        organization: "LTO-CVE",
        partitions: generation.partitions,
        mam_capacity: generation.mam_capacity,
        encryptable: generation.encryptable,
        convertible_to: generation.convertible_to,
    }
}

struct Generation {
    name: &'static str,
    suffix: &'static str,
    worm_suffix: &'static str,
    density: u8,
    medium_type: u8,
    bits_per_mm: u32,
    tracks: u16,
    channels: u16,
    length: u16,
    gigabytes: u64,
    density_name: &'static str,
    description: &'static str,
    partitions: u8,
    mam_capacity: u64,
    encryptable: bool,
    convertible_to: &'static [&'static MediaSpec],
}

/// LTO-1 (Ultrium 1), density code 40h.
pub const LTO_1: MediaSpec = lto(&Generation {
    name: "LTO-1",
    suffix: "L1",
    worm_suffix: "",
    density: 0x40,
    medium_type: 0x18,
    bits_per_mm: 4880,
    tracks: 384,
    channels: 8,
    length: 609,
    gigabytes: 100,
    density_name: "U-18",
    description: "Ultrium 1/8T",
    partitions: 1,
    mam_capacity: 4096,
    encryptable: false,
    convertible_to: &[],
});
/// LTO-2 (Ultrium 2), density code 42h.
pub const LTO_2: MediaSpec = lto(&Generation {
    name: "LTO-2",
    suffix: "L2",
    worm_suffix: "",
    density: 0x42,
    medium_type: 0x28,
    bits_per_mm: 7398,
    tracks: 512,
    channels: 8,
    length: 609,
    gigabytes: 200,
    density_name: "U-28",
    description: "Ultrium 2/8T",
    partitions: 1,
    mam_capacity: 4096,
    encryptable: false,
    convertible_to: &[],
});
/// LTO-3 (Ultrium 3), density code 44h; LTO-5 drives read it.
pub const LTO_3: MediaSpec = lto(&Generation {
    name: "LTO-3",
    suffix: "L3",
    worm_suffix: "LT",
    density: 0x44,
    medium_type: 0x38,
    bits_per_mm: 9638,
    tracks: 704,
    channels: 16,
    length: 680,
    gigabytes: 400,
    density_name: "U-316",
    description: "Ultrium 3/16T",
    partitions: 1,
    mam_capacity: 4096,
    encryptable: false,
    convertible_to: &[],
});
/// LTO-4 (Ultrium 4), density code 46h; the first with encryption.
pub const LTO_4: MediaSpec = lto(&Generation {
    name: "LTO-4",
    suffix: "L4",
    worm_suffix: "LU",
    density: 0x46,
    medium_type: 0x48,
    bits_per_mm: 12725,
    tracks: 896,
    channels: 16,
    length: 820,
    gigabytes: 800,
    density_name: "U-416",
    description: "Ultrium 4/16T",
    partitions: 1,
    mam_capacity: 8192,
    encryptable: true,
    convertible_to: &[],
});
/// LTO-5 (Ultrium 5), density code 58h; the first with partitions.
pub const LTO_5: MediaSpec = lto(&Generation {
    name: "LTO-5",
    suffix: "L5",
    worm_suffix: "LV",
    density: 0x58,
    medium_type: 0x58,
    bits_per_mm: 15142,
    tracks: 1280,
    channels: 16,
    length: 846,
    gigabytes: 1500,
    density_name: "U-516",
    description: "Ultrium 5/16T",
    partitions: 2,
    mam_capacity: 8192,
    encryptable: true,
    convertible_to: &[],
});
/// LTO-6 (Ultrium 6), density code 5Ah.
pub const LTO_6: MediaSpec = lto(&Generation {
    name: "LTO-6",
    suffix: "L6",
    worm_suffix: "LW",
    density: 0x5a,
    medium_type: 0x68,
    bits_per_mm: 15142,
    tracks: 2176,
    channels: 16,
    length: 846,
    gigabytes: 2500,
    density_name: "U-616",
    description: "Ultrium 6/16T",
    partitions: 4,
    mam_capacity: 16384,
    encryptable: true,
    convertible_to: &[],
});
/// LTO-7 (Ultrium 7), density code 5Ch.
pub const LTO_7: MediaSpec = lto(&Generation {
    name: "LTO-7",
    suffix: "L7",
    worm_suffix: "LX",
    density: 0x5c,
    medium_type: 0x78,
    bits_per_mm: 19107,
    tracks: 3584,
    channels: 32,
    length: 960,
    gigabytes: 6000,
    density_name: "U-732",
    description: "Ultrium 7/32T",
    partitions: 4,
    mam_capacity: 16384,
    encryptable: true,
    convertible_to: &[&LTO_7M],
});
/// LTO-7 type M: an LTO-7 cartridge initialised by an LTO-8 drive, density code 5Dh.
pub const LTO_7M: MediaSpec = lto(&Generation {
    name: "LTO-7M",
    suffix: "M8",
    worm_suffix: "",
    density: 0x5d,
    medium_type: 0x78,
    bits_per_mm: 19107,
    tracks: 5376,
    channels: 32,
    length: 960,
    gigabytes: 9000,
    density_name: "U-732",
    description: "Ultrium M8/32T",
    partitions: 4,
    mam_capacity: 16384,
    encryptable: true,
    convertible_to: &[],
});
/// LTO-8 (Ultrium 8), density code 5Eh.
pub const LTO_8: MediaSpec = lto(&Generation {
    name: "LTO-8",
    suffix: "L8",
    worm_suffix: "LY",
    density: 0x5e,
    medium_type: 0x88,
    bits_per_mm: 20669,
    tracks: 6656,
    channels: 32,
    length: 960,
    gigabytes: 12000,
    density_name: "U-832",
    description: "Ultrium 8/32T",
    partitions: 4,
    mam_capacity: 16384,
    encryptable: true,
    convertible_to: &[],
});
/// LTO-9 (Ultrium 9), density code 60h.
pub const LTO_9: MediaSpec = lto(&Generation {
    name: "LTO-9",
    suffix: "L9",
    worm_suffix: "LZ",
    density: 0x60,
    medium_type: 0x98,
    bits_per_mm: 23031,
    tracks: 8960,
    channels: 32,
    length: 1035,
    gigabytes: 18000,
    density_name: "U-932",
    description: "Ultrium 9/32T",
    partitions: 4,
    // MAM CAPACITY that tools read from LTO-9 cartridges.
    mam_capacity: 32736,
    encryptable: true,
    convertible_to: &[],
});
/// LTO-10 (Ultrium 10), density code 62h.
pub const LTO_10: MediaSpec = lto(&LTO_10_FORMAT);
/// LTO-10 Premium: a cartridge with a longer, thinner tape, density code 63h. It has no WORM form.
pub const LTO_10P: MediaSpec = lto(&Generation {
    name: "LTO-10P",
    suffix: "PA",
    worm_suffix: "",
    density: 0x63,
    medium_type: 0xa9,
    bits_per_mm: 22441,
    length: 1337,
    gigabytes: 40000,
    density_name: "U1032P",
    ..LTO_10_FORMAT
});

const LTO_10_FORMAT: Generation = Generation {
    name: "LTO-10",
    suffix: "LA",
    worm_suffix: "LH",
    density: 0x62,
    medium_type: 0xa8,
    bits_per_mm: 21657,
    tracks: 15104,
    channels: 32,
    length: 1035,
    gigabytes: 30000,
    density_name: "U1032A",
    description: "Ultrium 10/32T",
    partitions: 4,
    // As LTO-9; not known of LTO-10.
    mam_capacity: 32736,
    encryptable: true,
    convertible_to: &[],
};

struct Format3592 {
    name: &'static str,
    density: u8,
    medium_type: u8,
    bits_per_mm: u32,
    tracks: u16,
    length: u16,
    gigabytes: u64,
    density_name: &'static str,
    description: &'static str,
    encryptable: bool,
    convertible_to: &'static [&'static MediaSpec],
}

const fn ibm_3592(format: &Format3592) -> MediaSpec {
    MediaSpec {
        name: format.name,
        suffix: "",
        worm_suffix: "",
        density: format.density,
        medium_type: format.medium_type,
        bits_per_mm: format.bits_per_mm,
        tracks: format.tracks,
        wraps: 0,
        width: 127,
        length: format.length,
        capacity: format.gigabytes * 1_000_000_000,
        density_name: format.density_name,
        description: format.description,
        organization: "IBM",
        partitions: 1,
        // As in mhvtl; not known.
        mam_capacity: 8192,
        encryptable: format.encryptable,
        convertible_to: format.convertible_to,
    }
}

/// IBM 3592 of the first generation, on a JA cartridge, density code 51h.
pub const IBM_J1A: MediaSpec = ibm_3592(&Format3592 {
    name: "J1A",
    density: 0x51,
    medium_type: 0x91,
    bits_per_mm: 11800,
    tracks: 512,
    length: 610,
    gigabytes: 300,
    density_name: "3592A1",
    description: "3592 J1A media",
    encryptable: true,
    convertible_to: &[],
});
/// IBM 3592 as TS1120 writes it on a JB cartridge, density code 52h.
pub const IBM_E05: MediaSpec = ibm_3592(&Format3592 {
    name: "E05",
    density: 0x52,
    medium_type: 0x92,
    bits_per_mm: 11800,
    tracks: 896,
    length: 825,
    gigabytes: 700,
    density_name: "3592A2",
    description: "3592 E05 media",
    encryptable: true,
    convertible_to: &[],
});
/// IBM 3592 as TS1130 writes it on a JB cartridge, density code 53h.
pub const IBM_E06: MediaSpec = ibm_3592(&Format3592 {
    name: "E06",
    density: 0x53,
    medium_type: 0x92,
    bits_per_mm: 13452,
    tracks: 1152,
    length: 825,
    gigabytes: 1000,
    density_name: "3592A3",
    description: "3592 E06 media",
    encryptable: true,
    convertible_to: &[],
});
/// IBM 3592 as TS1140 writes it on a JC cartridge, density code 54h.
pub const IBM_E07: MediaSpec = ibm_3592(&Format3592 {
    name: "E07",
    density: 0x54,
    medium_type: 0x93,
    bits_per_mm: 19686,
    tracks: 2560,
    length: 880,
    gigabytes: 4000,
    density_name: "3592A4",
    description: "3592 E07 media",
    encryptable: true,
    convertible_to: &[],
});
/// IBM 3592 as TS1150 writes it on a JD cartridge, density code 55h.
pub const IBM_E08: MediaSpec = ibm_3592(&Format3592 {
    name: "E08",
    density: 0x55,
    medium_type: 0x94,
    bits_per_mm: 20670,
    tracks: 5120,
    length: 1072,
    gigabytes: 10_000,
    density_name: "3592A5",
    description: "",
    encryptable: true,
    convertible_to: &[&IBM_55F],
});
/// IBM 3592 as TS1155 writes it on a JD cartridge, density code 56h.
pub const IBM_55F: MediaSpec = ibm_3592(&Format3592 {
    name: "55F",
    density: 0x56,
    medium_type: 0x94,
    bits_per_mm: 20670,
    tracks: 7680,
    length: 1072,
    gigabytes: 15_000,
    density_name: "3592B5",
    description: "",
    encryptable: true,
    convertible_to: &[],
});
/// IBM 3592 as TS1160 writes it on a JE cartridge, density code 57h. The length is that of a JD cartridge.
pub const IBM_60F: MediaSpec = ibm_3592(&Format3592 {
    name: "60F",
    density: 0x57,
    medium_type: 0x95,
    bits_per_mm: 21850,
    tracks: 8704,
    length: 1072,
    gigabytes: 20_000,
    density_name: "3592A6",
    description: "",
    encryptable: true,
    convertible_to: &[],
});
/// IBM 3592 as TS1170 writes it on a JF cartridge, density code 59h. The number of tracks is not known, and reported as
/// zero; the length is that of a JD cartridge.
pub const IBM_70F: MediaSpec = ibm_3592(&Format3592 {
    name: "70F",
    density: 0x59,
    medium_type: 0x96,
    bits_per_mm: 21850,
    tracks: 0,
    length: 1072,
    gigabytes: 50_000,
    density_name: "3592A7",
    description: "",
    encryptable: true,
    convertible_to: &[],
});

/// Every recording format of IBM 3592, oldest first.
pub const IBM_3592: &[&MediaSpec] = &[&IBM_J1A, &IBM_E05, &IBM_E06, &IBM_E07, &IBM_E08, &IBM_55F, &IBM_60F, &IBM_70F];

/// Every LTO generation, oldest first.
pub const ALL: &[&MediaSpec] =
    &[&LTO_1, &LTO_2, &LTO_3, &LTO_4, &LTO_5, &LTO_6, &LTO_7, &LTO_7M, &LTO_8, &LTO_9, &LTO_10, &LTO_10P];

/// Bytes between early warning and the end of a partition of this capacity: 49 MB, as an LTO-9 drive reports it, but at
/// most a sixteenth of the capacity.
#[must_use]
pub const fn early_warning(capacity: u64) -> u64 {
    let share = capacity / 16;
    if share < 49_000_000 { share } else { 49_000_000 }
}

/// Media identifiers of other families, as on labels of mhvtl, and of newer 3592 cartridges: suffix, medium, and whether it
/// is WORM.
const OTHER_SUFFIXES: [(&str, &str, bool); 29] = [
    ("D7", "DLT4", false),
    ("JA", "J1A", false),
    ("JB", "E05", false),
    ("JC", "E06", false),
    ("JD", "E08", false),
    ("JE", "60F", false),
    ("JF", "70F", false),
    ("JK", "E07", false),
    ("JV", "60F", true),
    ("JW", "E05", true),
    ("JX", "E05", true),
    ("JY", "E07", true),
    ("JZ", "E08", true),
    ("S1", "SDLT220", false),
    ("S2", "SDLT320", false),
    ("S3", "SDLT600", false),
    ("TA", "T10KA", false),
    ("TB", "T10KB", false),
    ("TC", "T10KC", false),
    ("TU", "9940B", false),
    ("TV", "9940A", false),
    ("TW", "9840D", false),
    ("TX", "9840C", false),
    ("TY", "9840B", false),
    ("TZ", "9840A", false),
    ("X1", "AIT1", false),
    ("X2", "AIT2", false),
    ("X3", "AIT3", false),
    ("X4", "AIT4", false),
];

/// The medium with this barcode suffix, and whether the suffix is that of WORM cartridges; `None` if it is unknown.
#[must_use]
pub fn by_suffix(suffix: &str) -> Option<(&'static MediaSpec, bool)> {
    let data = || ALL.iter().find(|spec| spec.suffix == suffix).map(|spec| (*spec, false));
    let once = || ALL.iter().find(|spec| spec.worm_suffix == suffix).map(|spec| (*spec, true));
    let other = || {
        let (_, name, once) = OTHER_SUFFIXES.iter().find(|(known, ..)| *known == suffix)?;
        Some((by_name(name)?, *once))
    };
    if suffix.is_empty() { None } else { data().or_else(once).or_else(other) }
}

/// All barcode suffixes that identify a medium.
pub fn suffixes() -> impl Iterator<Item = &'static str> {
    let lto = ALL.iter().flat_map(|spec| [spec.suffix, spec.worm_suffix]).filter(|suffix| !suffix.is_empty());
    lto.chain(OTHER_SUFFIXES.iter().map(|(suffix, ..)| *suffix))
}

/// The medium with this name: an LTO generation or another medium of mhvtl; `None` if it is unknown.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static MediaSpec> {
    all_media().find(|spec| spec.name.eq_ignore_ascii_case(name))
}

/// Names of all media that a cartridge can have.
pub fn names() -> impl Iterator<Item = &'static str> {
    all_media().map(|spec| spec.name)
}

fn all_media() -> impl Iterator<Item = &'static MediaSpec> {
    let others = mhvtl::media::MHVTL_MEDIA.iter().map(mhvtl::media::MhvtlMedium::media);
    let known = ALL.iter().chain(IBM_3592).copied();
    known.chain(others.filter(|spec| !ALL.contains(spec) && !IBM_3592.contains(spec)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_and_suffixes_are_unique_and_ascend() {
        assert!(ALL.windows(2).all(|pair| pair[0].density < pair[1].density));
        let suffixes: Vec<_> = suffixes().collect();
        assert!(suffixes.iter().all(|suffix| by_suffix(suffix).is_some()));
        assert_eq!(by_suffix("TB").map(|(media, once)| (media.name, once)), Some(("T10KB", false)));
        for (suffix, name, once) in
            [("JD", "E08", false), ("JZ", "E08", true), ("JE", "60F", false), ("JF", "70F", false)]
        {
            assert_eq!(by_suffix(suffix).map(|(media, worm)| (media.name, worm)), Some((name, once)));
        }
        assert!(IBM_3592.windows(2).all(|pair| pair[0].density < pair[1].density));
        assert_eq!(by_suffix("JY").map(|(media, once)| (media.name, once)), Some(("E07", true)));
        assert!(suffixes.iter().all(|suffix| suffixes.iter().filter(|other| *other == suffix).count() == 1));
        assert_eq!(by_suffix("L8"), Some((&LTO_8, false)));
        assert_eq!(by_suffix("LY"), Some((&LTO_8, true)));
        assert_eq!(by_suffix("LA"), Some((&LTO_10, false)));
        assert_eq!(by_suffix("LH"), Some((&LTO_10, true)));
        assert_eq!(by_suffix("PA"), Some((&LTO_10P, false)));
        assert!(by_suffix("").is_none() && by_suffix("XX").is_none());
    }
}
