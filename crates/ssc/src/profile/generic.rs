//! Generic drive that supports every medium, for unknown product identifications, as in mhvtl.

use super::{DriveProfile, Mechanism, MediaSupport, UNSUPPORTED_IN_SCSI_2, media_by_name, no_vpd, rw, sources};
use crate::{log, mode};
use scsi_core::dump::DumpSupport;
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::inquiry::VersionDescriptor::{Standard, Transport};
use scsi_core::lu::DEFAULT_ORDER;
use scsi_core::source::Sources;
use tape_store::media::{
    IBM_55F, IBM_60F, IBM_70F, IBM_E08, LTO_1, LTO_2, LTO_3, LTO_4, LTO_5, LTO_6, LTO_7, LTO_7M, LTO_8, LTO_9, LTO_10,
    LTO_10P,
};

/// As in mhvtl for drives that are not LTO: ADDR16 and WBUS16; SPC-3, transport and SSC.
pub(super) const INQUIRY: InquiryData = InquiryData {
    device_type: 0x01,
    version: 0x02,
    format: 0x02,
    flags: [0x00, 0x01, 0x20],
    vendor_specific: [0; 20],
    serial_offset: None,
    descriptors: &[Standard(0x0300), Transport, Standard(0x0200)],
    length: 64,
};

/// All media, by density code; media of several families share a code.
const ALL_MEDIA: &[MediaSupport] = &[
    rw(media_by_name("DDS1")),
    rw(media_by_name("DLT3")),
    rw(media_by_name("DLT4")),
    rw(media_by_name("DDS2")),
    rw(media_by_name("DDS3")),
    rw(media_by_name("DDS4")),
    rw(media_by_name("AIT1")),
    rw(media_by_name("AIT2")),
    rw(media_by_name("AIT3")),
    rw(media_by_name("AIT4")),
    rw(&LTO_1),
    rw(&LTO_2),
    rw(media_by_name("9840A")),
    rw(media_by_name("9840B")),
    rw(media_by_name("9940A")),
    rw(&LTO_3),
    rw(media_by_name("9940B")),
    rw(media_by_name("9840C")),
    rw(&LTO_4),
    rw(media_by_name("9840D")),
    rw(media_by_name("SDLT1")),
    rw(media_by_name("SDLT220")),
    rw(media_by_name("SDLT320")),
    rw(media_by_name("SDLT600")),
    rw(media_by_name("T10KA")),
    rw(media_by_name("T10KB")),
    rw(media_by_name("T10KC")),
    rw(media_by_name("J1A")),
    rw(media_by_name("E05")),
    rw(media_by_name("E06")),
    rw(media_by_name("E07")),
    rw(&IBM_E08),
    rw(&IBM_55F),
    rw(&IBM_60F),
    rw(&LTO_5),
    rw(&IBM_70F),
    rw(&LTO_6),
    rw(&LTO_7),
    rw(&LTO_7M),
    rw(&LTO_8),
    rw(&LTO_9),
    rw(&LTO_10),
    rw(&LTO_10P),
];

/// Generic drive for any medium. It is a SCSI-2 device, without persistent reservations and encryption.
pub const GENERIC: DriveProfile = DriveProfile {
    own_name: None,
    model: ModelStrings { vendor: "FERRIC", product: "VIRTUAL DRIVE", revision: "0100" },
    mechanism: Mechanism::Other,
    inquiry: INQUIRY,
    supported_media: ALL_MEDIA,
    native_media: &LTO_9,
    mode_pages: mode::COMMON_PAGES,
    log_pages: log::COMMON_PAGES,
    vpd_pages: &[0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2],
    vendor_vpd: no_vpd,
    check_order: DEFAULT_ORDER,
    encryption_algorithms: (1, &[]),
    raw_read_by_default: false,
    protection_methods: &[],
    worm: true,
    dump_support: DumpSupport::NONE,
    unsupported_commands: UNSUPPORTED_IN_SCSI_2,
    sources: Sources { tables: &[sources::FERRIC], sibling: None },
};
