//! Sony AIT-1 to AIT-4, as mhvtl presents them; not compared with captures.

use super::{BEFORE_LTO_4, DriveProfile, Format, GENERIC, generic, medium, named, ro, rw};
use crate::mode;
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;

const fn ait(product: &'static str, name: &str, formats: &'static [Format]) -> DriveProfile {
    DriveProfile {
        model: Model { vendor: "SONY", product, revision: "0100" },
        inquiry: Inquiry { version: 0x05, ..generic::INQUIRY },
        formats,
        native: medium(name),
        mode_pages: mode::OLD_PAGES,
        worm: false,
        lacks: BEFORE_LTO_4,
        ..GENERIC
    }
}

/// AIT-1, which is of SCSI-2.
pub const SDX_300C: DriveProfile =
    DriveProfile { inquiry: generic::INQUIRY, lacks: GENERIC.lacks, ..ait("SDX-300C", "AIT1", &[rw(medium("AIT1"))]) };
/// AIT-2: writes AIT-1, too.
pub const SDX_500C: DriveProfile = ait("SDX-500C", "AIT2", &[rw(medium("AIT1")), rw(medium("AIT2"))]);
/// AIT-2.
pub const SDX_500V: DriveProfile = named("SDX-500V", SDX_500C);
/// AIT-3: writes AIT-2, reads AIT-1.
pub const SDX_700C: DriveProfile =
    ait("SDX-700C", "AIT3", &[ro(medium("AIT1")), rw(medium("AIT2")), rw(medium("AIT3"))]);
/// AIT-3.
pub const SDX_700V: DriveProfile = named("SDX-700V", SDX_700C);
/// AIT-4: writes AIT-3, reads AIT-2, takes cartridges that are written once.
pub const SDX_900V: DriveProfile = DriveProfile {
    worm: true,
    ..ait("SDX-900V", "AIT4", &[ro(medium("AIT2")), rw(medium("AIT3")), rw(medium("AIT4"))])
};
