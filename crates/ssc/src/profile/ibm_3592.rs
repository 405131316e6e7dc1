//! IBM 3592 J1A and TS1120 to TS1140 (E05 to E07), as mhvtl presents them; not compared with captures.

use super::{BEFORE_LTO_4, BEFORE_LTO_5, DriveProfile, Format, GENERIC, IBM_3592_DUMP, generic, medium, rw};
use crate::{log, mode};
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::IBM_ORDER;

const fn drive(product: &'static str, name: &str, formats: &'static [Format]) -> DriveProfile {
    DriveProfile {
        model: Model { vendor: "IBM", product, revision: "0100" },
        inquiry: Inquiry { version: 0x05, ..generic::INQUIRY },
        formats,
        native: medium(name),
        mode_pages: mode::SINGLE_PAGES,
        log_pages: log::IBM_3592_PAGES,
        order: IBM_ORDER,
        algorithm: (1, &[0]),
        dumps: IBM_3592_DUMP,
        lacks: BEFORE_LTO_5,
        ..GENERIC
    }
}

/// 3592 J1A, which does not encrypt.
pub const J1A: DriveProfile = DriveProfile { lacks: BEFORE_LTO_4, ..drive("03592J1A", "J1A", &[rw(medium("J1A"))]) };
/// TS1120: takes JA and JB.
pub const E05: DriveProfile = drive("03592E05", "E05", &[rw(medium("J1A")), rw(medium("E05"))]);
/// TS1130: takes JA, JB and JC.
pub const E06: DriveProfile = drive("03592E06", "E06", &[rw(medium("J1A")), rw(medium("E05")), rw(medium("E06"))]);
/// TS1140: takes JB, JC and JK.
pub const E07: DriveProfile = drive("03592E07", "E07", &[rw(medium("E05")), rw(medium("E06")), rw(medium("E07"))]);
