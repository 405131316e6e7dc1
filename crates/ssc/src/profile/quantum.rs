//! Quantum DLT7000 and DLT8000, SDLT 320 and SDLT 600, as mhvtl presents them; not compared with captures.

use super::{BEFORE_LTO_4, DriveProfile, Format, GENERIC, generic, medium, ro, rw};
use crate::mode;
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;

const DLT: &[Format] = &[ro(medium("DLT3")), rw(medium("DLT4"))];

const fn dlt(product: &'static str) -> DriveProfile {
    DriveProfile {
        model: Model { vendor: "QUANTUM", product, revision: "0100" },
        formats: DLT,
        native: medium("DLT4"),
        mode_pages: mode::DLT_PAGES,
        vpd_pages: &[0x00, 0x80, 0x83],
        worm: false,
        ..GENERIC
    }
}

/// Byte 36 of INQUIRY is the family.
const fn sdlt(product: &'static str, family: u8, name: &str, formats: &'static [Format], worm: bool) -> DriveProfile {
    let mut vendor_specific = [0; 20];
    vendor_specific[0] = family;
    DriveProfile {
        inquiry: Inquiry { version: 0x05, vendor_specific, ..generic::INQUIRY },
        formats,
        native: medium(name),
        mode_pages: mode::SINGLE_PAGES,
        vpd_pages: GENERIC.vpd_pages,
        worm,
        lacks: BEFORE_LTO_4,
        ..dlt(product)
    }
}

/// DLT7000: writes DLTtape IV, reads III.
pub const DLT7000: DriveProfile = dlt("DLT7000");
/// DLT8000: as a DLT7000.
pub const DLT8000: DriveProfile = dlt("DLT8000");
/// SDLT 320: writes SDLT 220 and 320, reads what came before.
pub const SDLT_320: DriveProfile =
    sdlt("SDLT 320", 0xb0, "SDLT320", &[ro(medium("SDLT1")), rw(medium("SDLT220")), rw(medium("SDLT320"))], false);
/// SDLT 600: writes SDLT 320 and 600, reads 220.
pub const SDLT_600: DriveProfile =
    sdlt("SDLT600", 0xc0, "SDLT600", &[ro(medium("SDLT220")), rw(medium("SDLT320")), rw(medium("SDLT600"))], true);
