//! HP and HPE StoreEver Ultrium drives: LTO-5 and LTO-6 with HP's mechanism, LTO-7 to LTO-9 with IBM's. Full-height and
//! half-height drives have the same product identification.
//!
//! Sources: HP LTO Ultrium drives technical reference manuals (LTO-3, LTO-4 and LTO-5, volume 3); an LTO-6 drive's lists of
//! VPD and log pages; captures of LTO-7 and LTO-9 drives (INQUIRY, VPD, mode and log pages), which respond like IBM's.
//! For LTO-8 no capture is available; it is interpolated.

use super::{
    DriveProfile, HP_DUMPS, IBM_DUMPS, Mechanism, MediaSupport, REED_SOLOMON_AND_CRC32C, REED_SOLOMON_ONLY,
    UNSUPPORTED_END_OF_WRAP, UNSUPPORTED_WITHOUT_ENCRYPTION, ibm, ro, rw, sources,
};
use crate::{log, mode};
use scsi_core::identity::{Identity, ModelStrings};
use scsi_core::inquiry::InquiryData;
use scsi_core::inquiry::VersionDescriptor::{Standard, Transport};
use scsi_core::lu::{HP_ORDER, IBM_ORDER};
use scsi_core::source::Sources;
use scsi_core::writer::PageWriter;
use tape_store::media::{LTO_3, LTO_4, LTO_5, LTO_6, LTO_7, LTO_7M, LTO_8, LTO_9, MediaSpec};

/// Length 96 as in the LTO-3 reference; byte 40: WORM cartridges are supported.
pub(super) const INQUIRY: InquiryData = InquiryData {
    device_type: 0x01,
    version: 0x06,
    format: 0x02,
    flags: [0x01, 0x10, 0x02],
    vendor_specific: [0, 0, 0, 0, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    serial_offset: None,
    descriptors: &[Standard(0x00a0), Transport, Standard(0x0460), Standard(0x0520)],
    length: 96,
};

/// Bytes 38 and 40 to 42, and the version descriptors as captured from LTO-7 drives: SAM-5, transport, SPC-4, SSC-4, ADT-2
/// and ADC-3.
const INQUIRY_LTO_7: InquiryData = InquiryData {
    descriptors: &[Standard(0x00a2), Transport, Standard(0x0460), Standard(0x0520), Standard(0x0a28), Standard(0x0502)],
    vendor_specific: [0, 0, 0x6a, 0, 0x01, 0x6c, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ..ibm::INQUIRY
};

/// Bytes 38 and 40 to 42 as captured from LTO-9 drives; the version descriptors are those of LTO-7.
const INQUIRY_LTO_9: InquiryData = InquiryData {
    vendor_specific: [0, 0, 0x6b, 0, 0x01, 0x8c, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ..INQUIRY_LTO_7
};

/// List of an LTO-6 drive without the SAS page (90h) and C8h, and with B2h and B5h, because the drive supports logical
/// block protection.
const VPD_PAGES: &[u8] =
    &[0x00, 0x80, 0x83, 0x85, 0x86, 0x87, 0x88, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4];

/// Pages C0h to C4h: component, version, date and variant of each, 92 bytes.
fn vendor_vpd(page: u8, identity: &Identity, w: &mut PageWriter) {
    const COMPONENTS: [&str; 5] = ["Firmware", "Hardware", "PCA", "Mechanism", "Head Assy"];
    let component = page.checked_sub(0xc0).and_then(|at| COMPONENTS.get(usize::from(at)));
    let Some(component) = component else { return };
    let version = if page == 0xc0 { identity.strings.revision.as_str() } else { "1" };
    // Each field ends with a zero byte.
    let mut field = |text: &str, len: usize| {
        let text = text.as_bytes().get(..len - 1).unwrap_or(text.as_bytes());
        w.bytes(text).zeros(len - text.len());
    };
    field(component, 26);
    field(version, 19);
    field("2012/01/01 00:00", 24);
    field("", 23);
}

/// IBM's list, and two further pages of HP's drives with IBM's mechanism.
const VPD_PAGES_LTO_7: &[u8] =
    &[0x00, 0x80, 0x83, 0x86, 0x87, 0x88, 0xb0, 0xb1, 0xb3, 0xb4, 0xb5, 0xc0, 0xc1, 0xcc, 0xd0];

/// As captured from LTO-7 and LTO-9 drives: CCh has the product family name with its compressed capacity in GB, D0h is
/// the same on both.
fn vendor_vpd_lto_7(page: u8, identity: &Identity, w: &mut PageWriter) {
    match page {
        0xcc => {
            let product = match identity.strings.product.as_str() {
                "Ultrium 7-SCSI" => "ULTRIUM-7 15000",
                "Ultrium 8-SCSI" => "ULTRIUM-8 30000",
                "Ultrium 9-SCSI" => "ULTRIUM-9 45000",
                other => other,
            };
            w.u32(2).ascii(&identity.strings.vendor, 8).ascii(product, 16).ascii(&identity.strings.revision, 4);
        }
        0xd0 => drop(w.bytes(&[0x00, 0x40, 0x82, 0x00, 0x3c, 0x00, 0xff, 0xff, 0x00, 0x78, 0, 0, 0, 0, 0, 0])),
        _ => ibm::vendor_vpd(page, identity, w),
    }
}

struct Generation {
    native_media: &'static MediaSpec,
    supported_media: &'static [MediaSupport],
}

const fn built_by_hp(product: &'static str, revision: &'static str, generation: &Generation) -> DriveProfile {
    let Generation { native_media, supported_media } = generation;
    DriveProfile {
        own_name: None,
        model: ModelStrings { vendor: "HP", product, revision },
        mechanism: Mechanism::Hp,
        inquiry: INQUIRY,
        supported_media,
        native_media,
        mode_pages: mode::HP_PAGES,
        log_pages: log::HP_PAGES,
        vpd_pages: VPD_PAGES,
        vendor_vpd,
        check_order: HP_ORDER,
        encryption_algorithms: (1, &[]),
        // As stenc shows it for an LTO-6 drive.
        raw_read_by_default: true,
        protection_methods: REED_SOLOMON_ONLY,
        worm: true,
        dump_support: HP_DUMPS,
        unsupported_commands: UNSUPPORTED_END_OF_WRAP,
        sources: Sources { tables: &[sources::BUILT_BY_HP], sibling: None },
    }
}

const fn built_by_ibm(model: ModelStrings, generation: &Generation) -> DriveProfile {
    let Generation { native_media, supported_media } = generation;
    DriveProfile {
        own_name: None,
        model,
        mechanism: Mechanism::Ibm,
        inquiry: INQUIRY_LTO_7,
        supported_media,
        native_media,
        mode_pages: mode::IBM_PAGES,
        log_pages: log::IBM_7_PAGES,
        vpd_pages: VPD_PAGES_LTO_7,
        vendor_vpd: vendor_vpd_lto_7,
        check_order: IBM_ORDER,
        encryption_algorithms: (1, &[]),
        raw_read_by_default: false,
        protection_methods: REED_SOLOMON_AND_CRC32C,
        worm: true,
        dump_support: IBM_DUMPS,
        unsupported_commands: UNSUPPORTED_WITHOUT_ENCRYPTION,
        sources: Sources { tables: &[sources::SINCE_LTO_7], sibling: None },
    }
}

/// HP Ultrium 5-SCSI: writes LTO-5 and LTO-4, reads LTO-3.
pub const ULTRIUM_5: DriveProfile = built_by_hp(
    "Ultrium 5-SCSI",
    "Z6ED",
    &Generation { native_media: &LTO_5, supported_media: &[ro(&LTO_3), rw(&LTO_4), rw(&LTO_5)] },
);
/// HP Ultrium 6-SCSI: writes LTO-6 and LTO-5, reads LTO-4.
pub const ULTRIUM_6: DriveProfile = built_by_hp(
    "Ultrium 6-SCSI",
    "35GD",
    &Generation { native_media: &LTO_6, supported_media: &[ro(&LTO_4), rw(&LTO_5), rw(&LTO_6)] },
);
/// HP Ultrium 7-SCSI: writes LTO-7 and LTO-6, reads LTO-5.
pub const ULTRIUM_7: DriveProfile = built_by_ibm(
    ModelStrings { vendor: "HP", product: "Ultrium 7-SCSI", revision: "Q387" },
    &Generation { native_media: &LTO_7, supported_media: &[ro(&LTO_5), rw(&LTO_6), rw(&LTO_7)] },
);
/// HPE Ultrium 8-SCSI: writes LTO-8, LTO-7 and LTO-7 of type M. The revision is one of IBM's for this generation.
pub const ULTRIUM_8: DriveProfile = DriveProfile {
    sources: Sources { tables: &[sources::HPE_LTO_8], sibling: Some("Ultrium 7-SCSI") },
    ..built_by_ibm(
        ModelStrings { vendor: "HPE", product: "Ultrium 8-SCSI", revision: "MA71" },
        &Generation { native_media: &LTO_8, supported_media: &[rw(&LTO_7), rw(&LTO_7M), rw(&LTO_8)] },
    )
};
/// HPE Ultrium 9-SCSI: writes LTO-9 and LTO-8.
pub const ULTRIUM_9: DriveProfile = DriveProfile {
    inquiry: INQUIRY_LTO_9,
    log_pages: log::IBM_9_PAGES,
    ..built_by_ibm(
        ModelStrings { vendor: "HPE", product: "Ultrium 9-SCSI", revision: "S2S1" },
        &Generation { native_media: &LTO_9, supported_media: &[rw(&LTO_8), rw(&LTO_9)] },
    )
};
