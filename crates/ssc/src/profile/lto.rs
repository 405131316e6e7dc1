//! IBM TotalStorage Ultrium drives ULT3580-TD5 to -TD9 (LTO-5 to LTO-9, full height).
//!
//! Sources: revisions H971, KAJ8, MA71, MA21 and PA60 as reported by such drives in the field; INQUIRY layout as
//! captured from LTO-6, -7, -9 and -10 drives of the same firmware family, without PROTECT and with the version
//! descriptors of iSCSI in the place of SAS; load matrix of the Ultrium specifications.

use super::{DriveProfile, Format};
use crate::{log, mode};
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::IBM_ORDER;
use tape_store::media::{LTO_3, LTO_4, LTO_5, LTO_6, LTO_7, LTO_8, LTO_9, MediaSpec};

/// SPC-4, HISUP, MULTIP, CMDQUE; SAM-5, iSCSI, SPC-4 and SSC-4. PROTECT follows with logical block protection.
const INQUIRY: Inquiry = Inquiry {
    device_type: 0x01,
    version: 0x06,
    format: 0x12,
    flags: [0x00, 0x10, 0x02],
    vendor_specific: [0; 20],
    serial_at: None,
    descriptors: &[0x00a0, 0x0960, 0x0460, 0x0520],
    length: 70,
};

const VPD_PAGES: &[u8] = &[0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2, 0xb3];

const fn rw(media: &'static MediaSpec) -> Format {
    Format { media, writable: true }
}

const fn ro(media: &'static MediaSpec) -> Format {
    Format { media, writable: false }
}

const fn ultrium(
    product: &'static str,
    revision: &'static str,
    native: &'static MediaSpec,
    formats: &'static [Format],
) -> DriveProfile {
    DriveProfile {
        model: Model { vendor: "IBM", product, revision },
        inquiry: INQUIRY,
        formats,
        native,
        mode_pages: mode::LTO_PAGES,
        log_pages: log::LTO_PAGES,
        vpd_pages: VPD_PAGES,
        order: IBM_ORDER,
        // stenc names index 0 unless told otherwise; IBM's drives take it, HP's want 1.
        algorithm: (1, &[0]),
    }
}

/// LTO-5: writes LTO-5 and LTO-4, reads LTO-3.
pub const ULT3580_TD5: DriveProfile = ultrium("ULT3580-TD5", "H971", &LTO_5, &[ro(&LTO_3), rw(&LTO_4), rw(&LTO_5)]);
/// LTO-6: writes LTO-6 and LTO-5, reads LTO-4.
pub const ULT3580_TD6: DriveProfile = ultrium("ULT3580-TD6", "KAJ8", &LTO_6, &[ro(&LTO_4), rw(&LTO_5), rw(&LTO_6)]);
/// LTO-7: writes LTO-7 and LTO-6, reads LTO-5.
pub const ULT3580_TD7: DriveProfile = ultrium("ULT3580-TD7", "MA71", &LTO_7, &[ro(&LTO_5), rw(&LTO_6), rw(&LTO_7)]);
/// LTO-8: writes LTO-8 and LTO-7.
pub const ULT3580_TD8: DriveProfile = ultrium("ULT3580-TD8", "MA21", &LTO_8, &[rw(&LTO_7), rw(&LTO_8)]);
/// LTO-9: writes LTO-9 and LTO-8.
pub const ULT3580_TD9: DriveProfile = ultrium("ULT3580-TD9", "PA60", &LTO_9, &[rw(&LTO_8), rw(&LTO_9)]);
