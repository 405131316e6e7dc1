//! The one table of media facts: density reports, mode block descriptors, cartridge memory and capacity read it.
//!
//! Sources: Ultrium format summaries as the IBM LTO SCSI reference prints them; LTO-9 bits per mm as captured from
//! an LTO-9 drive's report. Capacities are the makers' 10^6 bytes.

use crate::mhvtl;

/// Facts of one generation of media.
#[derive(Debug, PartialEq, Eq)]
pub struct MediaSpec {
    /// What people call it.
    pub name: &'static str,
    /// The last two characters of a data cartridge's barcode.
    pub suffix: &'static str,
    /// Those of one that is written once; empty where there is none.
    pub worm_suffix: &'static str,
    /// Density code.
    pub density: u8,
    /// MEDIUM TYPE of a data cartridge as IBM drives report it.
    pub medium_type: u8,
    /// Bits per mm.
    pub bits_per_mm: u32,
    /// Number of tracks.
    pub tracks: u16,
    /// Passes over the whole length; what partitions are made of. 0 where it cannot have more than one.
    pub wraps: u16,
    /// Width in tenths of a millimetre.
    pub width: u16,
    /// Length of the tape in metres.
    pub length: u16,
    /// Native capacity in bytes.
    pub capacity: u64,
    /// DENSITY NAME.
    pub density_name: &'static str,
    /// DESCRIPTION of the density.
    pub description: &'static str,
    /// ASSIGNING ORGANIZATION.
    pub organization: &'static str,
    /// Most partitions it can have.
    pub partitions: u8,
    /// Bytes of cartridge memory.
    pub mam_capacity: u64,
    /// Whether drives can encrypt blocks on it. For LTO, from LTO-4 on.
    pub encryptable: bool,
    /// Other densities that a drive can give it, for good, by writing at its beginning.
    pub convertible_to: &'static [&'static Self],
}

impl MediaSpec {
    /// The generation of an Ultrium medium: "8", or "7M".
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

/// LTO-1.
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
/// LTO-2.
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
/// LTO-3: read by LTO-5 drives.
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
/// LTO-4.
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
/// LTO-5.
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
/// LTO-6.
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
/// LTO-7.
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
/// LTO-7 type M: an LTO-7 cartridge that an LTO-8 drive initialised at the density of its own.
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
/// LTO-8.
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
/// LTO-9.
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
    // As tools read it from a cartridge.
    mam_capacity: 32736,
    encryptable: true,
    convertible_to: &[],
});

/// Every generation, oldest first.
pub const ALL: &[&MediaSpec] = &[&LTO_1, &LTO_2, &LTO_3, &LTO_4, &LTO_5, &LTO_6, &LTO_7, &LTO_7M, &LTO_8, &LTO_9];

/// Between early warning and the end an LTO-9 drive reports 49 MB; a small cartridge keeps a sixteenth.
#[must_use]
pub const fn early_warning(capacity: u64) -> u64 {
    let share = capacity / 16;
    if share < 49_000_000 { share } else { 49_000_000 }
}

/// Suffixes of other families, as mhvtl's labels have them: the medium, and whether it is written once.
const OTHER_SUFFIXES: [(&str, &str, bool); 24] = [
    ("D7", "DLT4", false),
    ("JA", "J1A", false),
    ("JB", "E05", false),
    ("JC", "E06", false),
    ("JK", "E07", false),
    ("JW", "E05", true),
    ("JX", "E05", true),
    ("JY", "E07", true),
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

/// The generation whose cartridges carry this suffix, and whether those are written once.
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

/// Every suffix that says what a cartridge is.
pub fn suffixes() -> impl Iterator<Item = &'static str> {
    let ours = ALL.iter().flat_map(|spec| [spec.suffix, spec.worm_suffix]).filter(|suffix| !suffix.is_empty());
    ours.chain(OTHER_SUFFIXES.iter().map(|(suffix, ..)| *suffix))
}

/// The medium of this name: a generation of ours, or one that only mhvtl makes.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static MediaSpec> {
    all_media().find(|spec| spec.name.eq_ignore_ascii_case(name))
}

/// Names of all media that a cartridge can be made of.
pub fn names() -> impl Iterator<Item = &'static str> {
    all_media().map(|spec| spec.name)
}

fn all_media() -> impl Iterator<Item = &'static MediaSpec> {
    let others = mhvtl::media::MHVTL_MEDIA.iter().map(mhvtl::media::MhvtlMedium::media);
    ALL.iter().copied().chain(others.filter(|spec| !ALL.contains(spec)))
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
        assert_eq!(by_suffix("JY").map(|(media, once)| (media.name, once)), Some(("E07", true)));
        assert!(suffixes.iter().all(|suffix| suffixes.iter().filter(|other| *other == suffix).count() == 1));
        assert_eq!(by_suffix("L8"), Some((&LTO_8, false)));
        assert_eq!(by_suffix("LY"), Some((&LTO_8, true)));
        assert!(by_suffix("").is_none() && by_suffix("XX").is_none());
    }
}
