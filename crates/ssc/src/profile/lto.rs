//! LTO-1 to LTO-4 drives of IBM and HP, and the names of IBM's drives of all generations in libraries of other vendors.
//!
//! Load matrix, capabilities and page lists are as in mhvtl; all else is as in later generations of the same vendor.
//! Not compared with captures.

use super::{
    DriveProfile, IBM_DUMP, MediaSupport, UNSUPPORTED_BEFORE_LTO_4, UNSUPPORTED_BEFORE_LTO_5, hp, ibm, renamed, ro, rw,
    sources,
};
use crate::{log, mode};
use scsi_core::dump::DumpSupport;
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::source::{SourceTable, Sources};
use tape_store::media::{LTO_1, LTO_2, LTO_3, LTO_4, MediaSpec};

struct Generation {
    native_media: &'static MediaSpec,
    supported_media: &'static [MediaSupport],
    worm: bool,
    encrypts: bool,
}

const GENERATION_1: Generation =
    Generation { native_media: &LTO_1, supported_media: &[rw(&LTO_1)], worm: false, encrypts: false };
const GENERATION_2: Generation =
    Generation { native_media: &LTO_2, supported_media: &[rw(&LTO_1), rw(&LTO_2)], worm: false, encrypts: false };
const GENERATION_3: Generation = Generation {
    native_media: &LTO_3,
    supported_media: &[ro(&LTO_1), rw(&LTO_2), rw(&LTO_3)],
    worm: true,
    encrypts: false,
};
const GENERATION_4: Generation = Generation {
    native_media: &LTO_4,
    supported_media: &[ro(&LTO_2), rw(&LTO_3), rw(&LTO_4)],
    worm: true,
    encrypts: true,
};

const fn sources_of(encrypts: bool) -> Sources {
    let tables: &[&SourceTable] =
        if encrypts { &[sources::LTO_4_ENCRYPTION, sources::AS_IN_MHVTL] } else { &[sources::AS_IN_MHVTL] };
    Sources { tables, sibling: None }
}

const fn ibm_profile(product: &'static str, generation: &Generation) -> DriveProfile {
    let Generation { native_media, supported_media, worm, encrypts } = *generation;
    DriveProfile {
        model: ModelStrings { vendor: "IBM", product, revision: "0100" },
        inquiry: InquiryData { version: 0x05, flags: [0x00, 0x10, 0x02], ..ibm::INQUIRY },
        supported_media,
        native_media,
        mode_pages: if encrypts { mode::IBM_4_PAGES } else { mode::IBM_3_PAGES },
        log_pages: if worm { log::COMMON_PAGES_AND_STATUS } else { log::COMMON_PAGES },
        vpd_pages: &[0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2, 0xc0, 0xc1],
        protection_methods: &[],
        worm,
        dump_support: IBM_DUMP,
        unsupported_commands: if encrypts { UNSUPPORTED_BEFORE_LTO_5 } else { UNSUPPORTED_BEFORE_LTO_4 },
        sources: sources_of(encrypts),
        ..ibm::ULT3580_TD5
    }
}

const fn hp_profile(product: &'static str, generation: &Generation) -> DriveProfile {
    let Generation { native_media, supported_media, worm, encrypts } = *generation;
    let mut inquiry = InquiryData { version: 0x05, flags: [0x00, 0x10, 0x02], ..hp::INQUIRY };
    if !worm {
        inquiry.vendor_specific = [0; 20];
    }
    DriveProfile {
        model: ModelStrings { vendor: "HP", product, revision: "0100" },
        inquiry,
        supported_media,
        native_media,
        mode_pages: mode::HP_4_PAGES,
        log_pages: log::COMMON_PAGES,
        vpd_pages: &[0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4],
        protection_methods: &[],
        worm,
        dump_support: DumpSupport::NONE,
        unsupported_commands: if encrypts { UNSUPPORTED_BEFORE_LTO_5 } else { UNSUPPORTED_BEFORE_LTO_4 },
        sources: sources_of(encrypts),
        ..hp::ULTRIUM_5
    }
}

/// IBM ULT3580-TD1, full height: writes LTO-1.
pub const ULT3580_TD1: DriveProfile = ibm_profile("ULT3580-TD1", &GENERATION_1);
/// IBM ULT3580-TD2, full height: writes LTO-2 and LTO-1.
pub const ULT3580_TD2: DriveProfile = ibm_profile("ULT3580-TD2", &GENERATION_2);
/// IBM ULT3580-TD3, full height: writes LTO-3 and LTO-2, reads LTO-1.
pub const ULT3580_TD3: DriveProfile = ibm_profile("ULT3580-TD3", &GENERATION_3);
/// IBM ULT3580-TD4, full height: writes LTO-4 and LTO-3, reads LTO-2.
pub const ULT3580_TD4: DriveProfile = ibm_profile("ULT3580-TD4", &GENERATION_4);

/// HP Ultrium 1-SCSI: writes LTO-1.
pub const ULTRIUM_1: DriveProfile = hp_profile("Ultrium 1-SCSI", &GENERATION_1);
/// HP Ultrium 2-SCSI: writes LTO-2 and LTO-1.
pub const ULTRIUM_2: DriveProfile = hp_profile("Ultrium 2-SCSI", &GENERATION_2);
/// HP Ultrium 3-SCSI: writes LTO-3 and LTO-2, reads LTO-1.
pub const ULTRIUM_3: DriveProfile = hp_profile("Ultrium 3-SCSI", &GENERATION_3);
/// HP Ultrium 4-SCSI: writes LTO-4 and LTO-3, reads LTO-2.
pub const ULTRIUM_4: DriveProfile = hp_profile("Ultrium 4-SCSI", &GENERATION_4);

/// IBM LTO-1 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD1: DriveProfile = renamed("ULTRIUM-TD1", ULT3580_TD1);
/// IBM LTO-2 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD2: DriveProfile = renamed("ULTRIUM-TD2", ULT3580_TD2);
/// IBM LTO-3 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD3: DriveProfile = renamed("ULTRIUM-TD3", ULT3580_TD3);
/// IBM LTO-4 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD4: DriveProfile = renamed("ULTRIUM-TD4", ULT3580_TD4);
/// IBM LTO-5 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD5: DriveProfile = renamed("ULTRIUM-TD5", ibm::ULT3580_TD5);
/// IBM LTO-6 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD6: DriveProfile = renamed("ULTRIUM-TD6", ibm::ULT3580_TD6);
/// IBM LTO-7 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD7: DriveProfile = renamed("ULTRIUM-TD7", ibm::ULT3580_TD7);
/// IBM LTO-8 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD8: DriveProfile = renamed("ULTRIUM-TD8", ibm::ULT3580_TD8);
/// IBM LTO-9 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TD9: DriveProfile = renamed("ULTRIUM-TD9", ibm::ULT3580_TD9);
/// IBM LTO-10 drive, full height, as named in libraries of other vendors.
pub const ULTRIUM_TDA: DriveProfile = renamed("ULTRIUM-TDA", ibm::ULT3580_TDA);
/// IBM LTO-2 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HH2: DriveProfile = renamed("ULTRIUM-HH2", ULT3580_TD2);
/// IBM LTO-3 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HH3: DriveProfile = renamed("ULTRIUM-HH3", ULT3580_TD3);
/// IBM LTO-4 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HH4: DriveProfile = renamed("ULTRIUM-HH4", ULT3580_TD4);
/// IBM LTO-5 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HH5: DriveProfile = renamed("ULTRIUM-HH5", ibm::ULT3580_HH5);
/// IBM LTO-6 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HH6: DriveProfile = renamed("ULTRIUM-HH6", ibm::ULT3580_HH6);
/// IBM LTO-7 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HH7: DriveProfile = renamed("ULTRIUM-HH7", ibm::ULT3580_HH7);
/// IBM LTO-8 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HH8: DriveProfile = renamed("ULTRIUM-HH8", ibm::ULT3580_HH8);
/// IBM LTO-9 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HH9: DriveProfile = renamed("ULTRIUM-HH9", ibm::ULT3580_HH9);
/// IBM LTO-10 drive, half height, as named in libraries of other vendors.
pub const ULTRIUM_HHA: DriveProfile = renamed("ULTRIUM-HHA", ibm::ULT3580_HHA);
