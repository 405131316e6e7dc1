//! IBM TotalStorage Ultrium drives ULT3580-TD5 to -TDA (LTO-5 to LTO-10, full height) and -HH5 to -HHA (half height).
//!
//! Sources: revisions as reported by such drives in the field; INQUIRY bytes as captured from a ULT3580-HH8 with SAS,
//! with the version descriptor of the frontend instead of that of SAS; lists of VPD, mode and log pages as captured from LTO-6 to
//! LTO-10 drives; load matrix of the Ultrium specifications. Full-height and half-height drives differ in their names.
//! The LTO-10 drives have the pages of LTO-9; product identifications from LTFS (`ibm_tape.c`), revision from a report of
//! a ULT3580-TDA with Fibre Channel.

use super::{
    DriveProfile, IBM_DUMPS, Mechanism, MediaSupport, REED_SOLOMON_AND_CRC32C, REED_SOLOMON_ONLY,
    UNSUPPORTED_END_OF_WRAP, UNSUPPORTED_WITHOUT_ENCRYPTION, ro, rw, sources,
};
use crate::{log, mode};
use scsi_core::identity::{Identity, ModelStrings};
use scsi_core::inquiry::InquiryData;
use scsi_core::inquiry::VersionDescriptor::{Standard, Transport};
use scsi_core::log::LogId;
use scsi_core::lu::IBM_ORDER;
use scsi_core::source::Sources;
use scsi_core::writer::PageWriter;
use tape_store::media::{LTO_3, LTO_4, LTO_5, LTO_6, LTO_7, LTO_7M, LTO_8, LTO_9, LTO_10, LTO_10P, MediaSpec};

/// SPC-4, HISUP, PROTECT, MULTIP, CMDQUE; SAM-5, transport, SPC-4 and SSC-4.
pub(super) const INQUIRY: InquiryData = InquiryData {
    device_type: 0x01,
    version: 0x06,
    format: 0x12,
    flags: [0x01, 0x10, 0x02],
    vendor_specific: [0; 20],
    serial_offset: None,
    descriptors: &[Standard(0x00a0), Transport, Standard(0x0460), Standard(0x0520)],
    length: 70,
};

/// List of an LTO-7 drive, without the SAS page (90h) and pages of which only the code is known (03h, C2h, C3h, C7h,
/// C8h).
pub(super) const VPD_PAGES: &[u8] = &[0x00, 0x80, 0x83, 0x86, 0x87, 0x88, 0xb0, 0xb1, 0xb3, 0xb4, 0xb5, 0xc0, 0xc1];

/// Component levels (C0h: name, time, date and platform of the code) and drive serial numbers (C1h).
pub(super) fn vendor_vpd(page: u8, identity: &Identity, w: &mut PageWriter) {
    match page {
        0xc0 => {
            let revision = &identity.strings.revision;
            let product = &identity.strings.product;
            let generation = generation_of(product);
            let height = if product.contains("TD") { "fh" } else { "hh" };
            let platform = match identity.port.platform {
                "" => height.into(),
                transport => format!("{transport}_{height}"),
            };
            let (time, date) = build_of(revision);
            w.ascii(&format!("LTO{generation}_{revision}"), 12).ascii(time, 6).u8(0).ascii(date, 8);
            w.ascii(&platform, 12);
        }
        0xc1 => drop(w.ascii(&identity.serial, 12).ascii(&identity.serial, 12)),
        _ => {}
    }
}

/// Time and date of a code level, as captured from drives with this revision; of other revisions they are not known.
fn build_of(revision: &str) -> (&'static str, &'static str) {
    match revision {
        "S2S1" => ("141435", "20250227"),
        "Q387" => ("151000", "20230607"),
        _ => ("000000", "20230606"),
    }
}

/// Generation at the end of a product identification, such as "TD8", "HH8" or "TDA"; "0" if there is none.
fn generation_of(product: &str) -> char {
    let last = product.chars().last().filter(|_| product.ends_with("TDA") || product.ends_with("HHA"));
    last.or_else(|| product.chars().rev().find(char::is_ascii_digit)).unwrap_or('0')
}

struct Generation {
    native_media: &'static MediaSpec,
    supported_media: &'static [MediaSupport],
}

const fn ultrium(product: &'static str, revision: &'static str, generation: &Generation) -> DriveProfile {
    let Generation { native_media, supported_media } = generation;
    let since_7 = native_media.density >= LTO_7.density;
    let log_pages: &[LogId] = match native_media.density {
        density if density >= LTO_9.density => log::IBM_9_PAGES,
        _ if since_7 => log::IBM_7_PAGES,
        _ => log::IBM_PAGES,
    };
    DriveProfile {
        own_name: None,
        model: ModelStrings { vendor: "IBM", product, revision },
        mechanism: Mechanism::Ibm,
        inquiry: INQUIRY,
        supported_media,
        native_media,
        mode_pages: mode::IBM_PAGES,
        log_pages,
        vpd_pages: VPD_PAGES,
        vendor_vpd,
        check_order: IBM_ORDER,
        // stenc uses index 0 by default; IBM's drives accept it, HP's need 1.
        encryption_algorithms: (1, &[0]),
        raw_read_by_default: false,
        protection_methods: if since_7 { REED_SOLOMON_AND_CRC32C } else { REED_SOLOMON_ONLY },
        worm: true,
        dump_support: IBM_DUMPS,
        unsupported_commands: if since_7 { UNSUPPORTED_WITHOUT_ENCRYPTION } else { UNSUPPORTED_END_OF_WRAP },
        sources: sources_of(native_media),
    }
}

const fn sources_of(native_media: &MediaSpec) -> Sources {
    match native_media.density {
        density if density < LTO_7.density => {
            Sources { tables: &[sources::IBM, sources::IBM_BEFORE_LTO_7], sibling: Some("Ultrium 7-SCSI") }
        }
        density if density < LTO_9.density => Sources { tables: &[sources::IBM], sibling: Some("Ultrium 7-SCSI") },
        density if density == LTO_9.density => Sources { tables: &[sources::IBM], sibling: Some("Ultrium 9-SCSI") },
        _ => Sources { tables: &[sources::IBM_LTO_10], sibling: Some("Ultrium 9-SCSI") },
    }
}

const GENERATION_5: Generation =
    Generation { native_media: &LTO_5, supported_media: &[ro(&LTO_3), rw(&LTO_4), rw(&LTO_5)] };
const GENERATION_6: Generation =
    Generation { native_media: &LTO_6, supported_media: &[ro(&LTO_4), rw(&LTO_5), rw(&LTO_6)] };
const GENERATION_7: Generation =
    Generation { native_media: &LTO_7, supported_media: &[ro(&LTO_5), rw(&LTO_6), rw(&LTO_7)] };
const GENERATION_8: Generation =
    Generation { native_media: &LTO_8, supported_media: &[rw(&LTO_7), rw(&LTO_7M), rw(&LTO_8)] };
const GENERATION_9: Generation = Generation { native_media: &LTO_9, supported_media: &[rw(&LTO_8), rw(&LTO_9)] };
/// LTO-10 drives neither read nor write older media.
const GENERATION_10: Generation = Generation { native_media: &LTO_10, supported_media: &[rw(&LTO_10), rw(&LTO_10P)] };

/// IBM ULT3580-TD5, full height: writes LTO-5 and LTO-4, reads LTO-3.
pub const ULT3580_TD5: DriveProfile = ultrium("ULT3580-TD5", "H971", &GENERATION_5);
/// IBM ULT3580-TD6, full height: writes LTO-6 and LTO-5, reads LTO-4.
pub const ULT3580_TD6: DriveProfile = ultrium("ULT3580-TD6", "KAJ8", &GENERATION_6);
/// IBM ULT3580-TD7, full height: writes LTO-7 and LTO-6, reads LTO-5.
pub const ULT3580_TD7: DriveProfile = ultrium("ULT3580-TD7", "MA71", &GENERATION_7);
/// IBM ULT3580-TD8, full height: writes LTO-8, LTO-7, and LTO-7 cartridges initialized as type M.
pub const ULT3580_TD8: DriveProfile = ultrium("ULT3580-TD8", "MA21", &GENERATION_8);
/// IBM ULT3580-TD9, full height: writes LTO-9 and LTO-8.
pub const ULT3580_TD9: DriveProfile = ultrium("ULT3580-TD9", "PA60", &GENERATION_9);
/// IBM ULT3580-TDA, full height: writes LTO-10 and LTO-10 Premium.
pub const ULT3580_TDA: DriveProfile = ultrium("ULT3580-TDA", "S57A", &GENERATION_10);

/// IBM ULT3580-HH5, half height: writes LTO-5 and LTO-4, reads LTO-3.
pub const ULT3580_HH5: DriveProfile = ultrium("ULT3580-HH5", "C7R3", &GENERATION_5);
/// IBM ULT3580-HH6, half height: writes LTO-6 and LTO-5, reads LTO-4.
pub const ULT3580_HH6: DriveProfile = ultrium("ULT3580-HH6", "D2DB", &GENERATION_6);
/// IBM ULT3580-HH7, half height: writes LTO-7 and LTO-6, reads LTO-5.
pub const ULT3580_HH7: DriveProfile = ultrium("ULT3580-HH7", "MA71", &GENERATION_7);
/// IBM ULT3580-HH8, half height: writes LTO-8, LTO-7, and LTO-7 cartridges initialized as type M.
pub const ULT3580_HH8: DriveProfile = ultrium("ULT3580-HH8", "MA71", &GENERATION_8);
/// IBM ULT3580-HH9, half height: writes LTO-9 and LTO-8.
pub const ULT3580_HH9: DriveProfile = ultrium("ULT3580-HH9", "R3G1", &GENERATION_9);
/// IBM ULT3580-HHA, half height: writes LTO-10 and LTO-10 Premium. The revision is that of a full-height drive.
pub const ULT3580_HHA: DriveProfile = ultrium("ULT3580-HHA", "S57A", &GENERATION_10);
