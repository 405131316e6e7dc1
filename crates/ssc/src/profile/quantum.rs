//! Quantum LTO drives ULTRIUM-HH5 to -HH9 (LTO-5 to LTO-9, half height), and DLT7000 and DLT8000, SDLT 320 and SDLT 600,
//! as in mhvtl; not compared with captures.
//!
//! Sources of the LTO drives: product identifications from LTFS (`quantum_tape.c`); revision of ULTRIUM-HH7 from LTFS issue
//! 443. Everything else is that of IBM's drive of the same name, as LTFS expects (pull request 209), with IBM's revision.

use super::{
    DriveProfile, GENERIC, MediaSupport, UNSUPPORTED_BEFORE_LTO_4, generic, lto, media_by_name, ro, rw, sources,
};
use crate::mode;
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::source::Sources;

const DLT: &[MediaSupport] = &[ro(media_by_name("DLT3")), rw(media_by_name("DLT4"))];

const fn dlt(product: &'static str) -> DriveProfile {
    DriveProfile {
        model: ModelStrings { vendor: "QUANTUM", product, revision: "0100" },
        supported_media: DLT,
        native_media: media_by_name("DLT4"),
        mode_pages: mode::DLT_PAGES,
        vpd_pages: &[0x00, 0x80, 0x83],
        worm: false,
        sources: Sources { tables: &[sources::DLT, sources::AS_IN_MHVTL], sibling: None },
        ..GENERIC
    }
}

/// Profile of an SDLT drive; byte 36 of INQUIRY is the product family.
const fn sdlt(
    product: &'static str,
    family: u8,
    name: &str,
    supported_media: &'static [MediaSupport],
    worm: bool,
) -> DriveProfile {
    let mut vendor_specific = [0; 20];
    vendor_specific[0] = family;
    DriveProfile {
        inquiry: InquiryData { version: 0x05, vendor_specific, ..generic::INQUIRY },
        supported_media,
        native_media: media_by_name(name),
        mode_pages: mode::SINGLE_PARTITION_PAGES,
        vpd_pages: GENERIC.vpd_pages,
        worm,
        unsupported_commands: UNSUPPORTED_BEFORE_LTO_4,
        sources: Sources { tables: &[sources::AS_IN_MHVTL], sibling: None },
        ..dlt(product)
    }
}

/// IBM's drive with this product identification, as Quantum sells it.
const fn of_ibm(own_name: &'static str, drive: DriveProfile) -> DriveProfile {
    let sources = Sources { tables: &[sources::QUANTUM], sibling: Some(drive.name()) };
    DriveProfile {
        own_name: Some(own_name),
        model: ModelStrings { vendor: "QUANTUM", ..drive.model },
        sources,
        ..drive
    }
}

/// Quantum ULTRIUM-HH5, half height: writes LTO-5 and LTO-4, reads LTO-3.
pub const QUANTUM_HH5: DriveProfile = of_ibm("QUANTUM ULTRIUM-HH5", lto::ULTRIUM_HH5);
/// Quantum ULTRIUM-HH6, half height: writes LTO-6 and LTO-5, reads LTO-4.
pub const QUANTUM_HH6: DriveProfile = of_ibm("QUANTUM ULTRIUM-HH6", lto::ULTRIUM_HH6);
/// Quantum ULTRIUM-HH7, half height: writes LTO-7 and LTO-6, reads LTO-5.
pub const QUANTUM_HH7: DriveProfile = DriveProfile {
    model: ModelStrings { vendor: "QUANTUM", product: "ULTRIUM-HH7", revision: "K4K5" },
    ..of_ibm("QUANTUM ULTRIUM-HH7", lto::ULTRIUM_HH7)
};
/// Quantum ULTRIUM-HH8, half height: writes LTO-8, LTO-7 and LTO-7 of type M.
pub const QUANTUM_HH8: DriveProfile = of_ibm("QUANTUM ULTRIUM-HH8", lto::ULTRIUM_HH8);
/// Quantum ULTRIUM-HH9, half height: writes LTO-9 and LTO-8.
pub const QUANTUM_HH9: DriveProfile = of_ibm("QUANTUM ULTRIUM-HH9", lto::ULTRIUM_HH9);

/// Quantum DLT7000: writes DLTtape IV, reads DLTtape III.
pub const DLT7000: DriveProfile = dlt("DLT7000");
/// Quantum DLT8000: writes DLTtape IV, reads DLTtape III.
pub const DLT8000: DriveProfile = dlt("DLT8000");
/// Quantum SDLT 320: writes SDLT 220 and SDLT 320, reads earlier SDLT media.
pub const SDLT_320: DriveProfile = sdlt(
    "SDLT 320",
    0xb0,
    "SDLT320",
    &[ro(media_by_name("SDLT1")), rw(media_by_name("SDLT220")), rw(media_by_name("SDLT320"))],
    false,
);
/// Quantum SDLT 600: writes SDLT 320 and SDLT 600, reads SDLT 220; supports WORM.
pub const SDLT_600: DriveProfile = sdlt(
    "SDLT600",
    0xc0,
    "SDLT600",
    &[ro(media_by_name("SDLT220")), rw(media_by_name("SDLT320")), rw(media_by_name("SDLT600"))],
    true,
);
