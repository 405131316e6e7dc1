//! Drive models as data: profiles of real drives, and of the drives in mhvtl.

mod generic;
mod hp;
mod ibm;
mod ibm_3592;
mod lto;
mod quantum;
mod sony;
mod sources;
mod stk;

pub use generic::GENERIC;
pub use hp::{ULTRIUM_5, ULTRIUM_6, ULTRIUM_7, ULTRIUM_8, ULTRIUM_9};
pub use ibm::{
    ULT3580_HH5, ULT3580_HH6, ULT3580_HH7, ULT3580_HH8, ULT3580_HH9, ULT3580_HHA, ULT3580_TD5, ULT3580_TD6,
    ULT3580_TD7, ULT3580_TD8, ULT3580_TD9, ULT3580_TDA,
};
pub use ibm_3592::{E05, E06, E07, E08, F55, F60, F70, J1A};
pub use lto::{
    ULT3580_TD1, ULT3580_TD2, ULT3580_TD3, ULT3580_TD4, ULTRIUM_1, ULTRIUM_2, ULTRIUM_3, ULTRIUM_4, ULTRIUM_HH2,
    ULTRIUM_HH3, ULTRIUM_HH4, ULTRIUM_HH5, ULTRIUM_HH6, ULTRIUM_HH7, ULTRIUM_HH8, ULTRIUM_HH9, ULTRIUM_HHA,
    ULTRIUM_TD1, ULTRIUM_TD2, ULTRIUM_TD3, ULTRIUM_TD4, ULTRIUM_TD5, ULTRIUM_TD6, ULTRIUM_TD7, ULTRIUM_TD8,
    ULTRIUM_TD9, ULTRIUM_TDA,
};
pub use quantum::{
    DLT7000, DLT8000, QUANTUM_HH5, QUANTUM_HH6, QUANTUM_HH7, QUANTUM_HH8, QUANTUM_HH9, SDLT_320, SDLT_600,
};
pub use sony::{SDX_300C, SDX_500C, SDX_500V, SDX_700C, SDX_700V, SDX_900V};
pub use stk::{T9840A, T9840B, T9840C, T9840D, T9940A, T9940B, T10000A, T10000B, T10000C};

use crate::block_protection::ProtectionMethod;
use scsi_core::dump::DumpSupport;
use scsi_core::identity::{Identity, ModelStrings};
use scsi_core::inquiry::InquiryData;
use scsi_core::log::LogId;
use scsi_core::lu::AdmissionCheck;
use scsi_core::mode::ModePageDef;
use scsi_core::source::Sources;
use scsi_core::writer::PageWriter;
use tape_store::cartridge::{Cartridge, CartridgeKind};
use tape_store::feature::Feature;
use tape_store::media::{IBM_3592, LTO_7, MediaSpec};

/// Support of a drive for one generation of media.
#[derive(Debug)]
pub struct MediaSupport {
    /// Medium type: generation, density code and native capacity.
    pub media: &'static MediaSpec,
    /// `true` if the drive reads and writes this medium; `false` if it only reads it.
    pub can_write: bool,
}

const fn rw(media: &'static MediaSpec) -> MediaSupport {
    MediaSupport { media, can_write: true }
}

const fn ro(media: &'static MediaSpec) -> MediaSupport {
    MediaSupport { media, can_write: false }
}

/// Medium type by its name in mhvtl.
#[expect(clippy::panic, reason = "evaluated at compile time: an unknown name does not compile")]
const fn media_by_name(name: &str) -> &'static MediaSpec {
    match tape_store::mhvtl::media::spec_by_name(name) {
        Some(media) => media,
        None => panic!("unknown medium"),
    }
}

/// Copy of a profile with another product identification.
const fn renamed(product: &'static str, drive: DriveProfile) -> DriveProfile {
    let sources = Sources { tables: &[sources::OTHER_NAME], sibling: Some(drive.name()) };
    DriveProfile { model: ModelStrings { product, ..drive.model }, sources, ..drive }
}

/// Writer of drives without vendor-specific VPD pages.
const fn no_vpd(_page: u8, _identity: &Identity, _w: &mut PageWriter) {}

/// The first list if this build encrypts blocks, else the second.
const fn if_encryption(with: &'static [&'static str], without: &'static [&'static str]) -> &'static [&'static str] {
    if Feature::Encryption.is_enabled() { with } else { without }
}

/// Unsupported commands of drives that support all of the table. A build without encryption lacks the commands that
/// control it, as drives before LTO-4 do.
const UNSUPPORTED_WITHOUT_ENCRYPTION: &[&str] = if_encryption(&[], &["SECURITY PROTOCOL IN", "SECURITY PROTOCOL OUT"]);
/// Unsupported commands of drives without READ END OF WRAP POSITION.
const UNSUPPORTED_END_OF_WRAP: &[&str] = if_encryption(
    &["READ END OF WRAP POSITION"],
    &["READ END OF WRAP POSITION", "SECURITY PROTOCOL IN", "SECURITY PROTOCOL OUT"],
);
/// Unsupported commands of drives that also lack append-only mode.
const UNSUPPORTED_BEFORE_LTO_5: &[&str] =
    if_encryption(&["READ END OF WRAP POSITION", "ALLOW OVERWRITE"], UNSUPPORTED_BEFORE_LTO_4);
/// Unsupported commands of drives that also lack encryption.
const UNSUPPORTED_BEFORE_LTO_4: &[&str] =
    &["READ END OF WRAP POSITION", "ALLOW OVERWRITE", "SECURITY PROTOCOL IN", "SECURITY PROTOCOL OUT"];
/// Unsupported commands of drives that also lack persistent reservations.
const UNSUPPORTED_IN_SCSI_2: &[&str] = &[
    "READ END OF WRAP POSITION",
    "ALLOW OVERWRITE",
    "SECURITY PROTOCOL IN",
    "SECURITY PROTOCOL OUT",
    "PERSISTENT RESERVE IN",
    "PERSISTENT RESERVE OUT",
];

/// Manufacturer of the drive mechanism, which determines the vendor-specific behavior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// IBM, also in drives sold by other vendors.
    Ibm,
    /// HP, for LTO drives up to LTO-6.
    Hp,
    /// Other manufacturers; only standard behavior is modelled.
    Other,
}

/// Logical block protection methods of LTO-5 and LTO-6.
const REED_SOLOMON_ONLY: &[ProtectionMethod] = &[ProtectionMethod::ReedSolomon];
/// Logical block protection methods since LTO-7.
const REED_SOLOMON_AND_CRC32C: &[ProtectionMethod] = &[ProtectionMethod::ReedSolomon, ProtectionMethod::Crc32c];

/// IBM LTO before LTO-5: force dump, read from buffer 01h (IBM Ultrium SCSI reference; LTFS).
const IBM_DUMP: DumpSupport = DumpSupport { force_dump: true, buffer: Some(0x01), error_history: false };
/// IBM LTO since LTO-5: error history as well.
const IBM_DUMPS: DumpSupport = DumpSupport { error_history: true, ..IBM_DUMP };
/// IBM 3592: buffer 00h (LTFS).
const IBM_3592_DUMP: DumpSupport = DumpSupport { buffer: Some(0x00), ..IBM_DUMP };
/// HP LTO since LTO-5: error history alone.
const HP_DUMPS: DumpSupport = DumpSupport { error_history: true, ..DumpSupport::NONE };

/// Data of one drive model: identity, supported media, pages, commands and differences in behavior.
#[derive(Debug)]
pub struct DriveProfile {
    /// Name of the model in a configuration, if it is not the product identification, which another vendor's drive has.
    pub own_name: Option<&'static str>,
    /// Vendor identification, product identification and product revision level of INQUIRY.
    pub model: ModelStrings,
    /// Manufacturer of the drive mechanism.
    pub mechanism: Mechanism,
    /// Standard INQUIRY data apart from the identification strings.
    pub inquiry: InquiryData,
    /// Supported media, ascending by density code.
    pub supported_media: &'static [MediaSupport],
    /// Native media generation; the default density.
    pub native_media: &'static MediaSpec,
    /// Supported mode pages, ascending by page and subpage code.
    pub mode_pages: &'static [ModePageDef],
    /// Supported log pages, ascending by page and subpage code.
    pub log_pages: &'static [LogId],
    /// Codes of supported VPD pages, ascending.
    pub vpd_pages: &'static [u8],
    /// Writes the body of a vendor-specific VPD page.
    pub vendor_vpd: fn(page: u8, identity: &Identity, w: &mut PageWriter),
    /// Order of the admission checks before a command.
    pub check_order: &'static [AdmissionCheck],
    /// ALGORITHM INDEX that SECURITY PROTOCOL IN reports, and further values that SECURITY PROTOCOL OUT accepts for it.
    pub encryption_algorithms: (u8, &'static [u8]),
    /// Whether blocks that are written with RDMC 00b can be read raw: RDMC_C is 5h if so, otherwise 4h.
    pub raw_read_by_default: bool,
    /// Supported methods of logical block protection; empty without support.
    pub protection_methods: &'static [ProtectionMethod],
    /// Whether the drive supports WORM cartridges.
    pub worm: bool,
    /// Commands with which hosts read the diagnostic dump.
    pub dump_support: DumpSupport,
    /// Names of commands in [`crate::table::COMMANDS`] that the model does not support.
    pub unsupported_commands: &'static [&'static str],
    /// The sources of the data of the model, part by part.
    pub sources: Sources,
}

impl DriveProfile {
    /// Whether the model has a command of [`crate::table::COMMANDS`], by its name.
    pub(crate) fn has_command(&self, name: &str) -> bool {
        !self.unsupported_commands.contains(&name)
            && (!name.ends_with(" RECOMMENDED ACCESS ORDER") || self.has_access_order())
    }

    /// Whether the drive recommends access orders: IBM's full-height LTO drives since LTO-9 (IBM LTO SCSI reference,
    /// table A.1), and IBM's 3592 since TS1140.
    fn has_access_order(&self) -> bool {
        const MODELS: &[&str] = &[
            "ULT3580-TD9",
            "ULTRIUM-TD9",
            "ULT3580-TDA",
            "ULTRIUM-TDA",
            "03592E07",
            "03592E08",
            "0359255E",
            "0359255F",
            "0359260E",
            "0359260F",
            "0359260S",
            "0359270F",
            "0359270S",
        ];
        MODELS.contains(&self.model.product)
    }

    /// Name of the model in a configuration, such as `ULT3580-TD8` or `QUANTUM ULTRIUM-HH8`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.own_name {
            Some(name) => name,
            None => self.model.product,
        }
    }

    pub(crate) fn is_hp_mechanism(&self) -> bool {
        self.mechanism == Mechanism::Hp
    }

    /// Whether this is an LTO-7 or later drive; IBM built all of them.
    pub(crate) fn is_ibm_since_lto_7(&self) -> bool {
        self.mechanism == Mechanism::Ibm && self.native_media.density >= LTO_7.density
    }

    /// MEDIUM TYPE code of a cartridge.
    pub(crate) fn medium_type(&self, cartridge: &Cartridge) -> u8 {
        self.medium_type_of(cartridge.media(), cartridge.kind())
    }

    /// MEDIUM TYPE code: with IBM's mechanisms it names the generation, with HP's only whether the cartridge is WORM.
    pub(crate) fn medium_type_of(&self, media: &MediaSpec, kind: CartridgeKind) -> u8 {
        const WORM: u8 = 0x04;
        /// 3592: JB has 92h, JX A2h.
        const WORM_3592: u8 = 0x10;
        match (self.mechanism, kind) {
            (Mechanism::Other, CartridgeKind::Worm) if IBM_3592.contains(&media) => media.medium_type + WORM_3592,
            (Mechanism::Other, _) if IBM_3592.contains(&media) => media.medium_type,
            (Mechanism::Ibm, CartridgeKind::Worm) => media.medium_type | WORM,
            (Mechanism::Ibm, _) => media.medium_type,
            (Mechanism::Hp, CartridgeKind::Worm) => 0x01,
            (Mechanism::Hp | Mechanism::Other, _) => 0x00,
        }
    }
}

/// Profiles of all drive models. Their names are unique; product identifications are not.
pub const ALL: &[&DriveProfile] = &[
    &ULT3580_TD5,
    &ULT3580_TD6,
    &ULT3580_TD7,
    &ULT3580_TD8,
    &ULT3580_TD9,
    &ULT3580_TDA,
    &ULT3580_HH5,
    &ULT3580_HH6,
    &ULT3580_HH7,
    &ULT3580_HH8,
    &ULT3580_HH9,
    &ULT3580_HHA,
    &ULTRIUM_5,
    &ULTRIUM_6,
    &ULTRIUM_7,
    &ULTRIUM_8,
    &ULTRIUM_9,
    &ULT3580_TD1,
    &ULT3580_TD2,
    &ULT3580_TD3,
    &ULT3580_TD4,
    &ULTRIUM_TD1,
    &ULTRIUM_TD2,
    &ULTRIUM_TD3,
    &ULTRIUM_TD4,
    &ULTRIUM_TD5,
    &ULTRIUM_TD6,
    &ULTRIUM_TD7,
    &ULTRIUM_TD8,
    &ULTRIUM_TD9,
    &ULTRIUM_TDA,
    &ULTRIUM_HH2,
    &ULTRIUM_HH3,
    &ULTRIUM_HH4,
    &ULTRIUM_HH5,
    &ULTRIUM_HH6,
    &ULTRIUM_HH7,
    &ULTRIUM_HH8,
    &ULTRIUM_HH9,
    &ULTRIUM_HHA,
    &ULTRIUM_1,
    &ULTRIUM_2,
    &ULTRIUM_3,
    &ULTRIUM_4,
    &J1A,
    &E05,
    &E06,
    &E07,
    &E08,
    &F55,
    &F60,
    &F70,
    &T10000A,
    &T10000B,
    &T10000C,
    &T9840A,
    &T9840B,
    &T9840C,
    &T9840D,
    &T9940A,
    &T9940B,
    &QUANTUM_HH5,
    &QUANTUM_HH6,
    &QUANTUM_HH7,
    &QUANTUM_HH8,
    &QUANTUM_HH9,
    &DLT7000,
    &DLT8000,
    &SDLT_320,
    &SDLT_600,
    &SDX_300C,
    &SDX_500C,
    &SDX_500V,
    &SDX_700C,
    &SDX_700V,
    &SDX_900V,
    &GENERIC,
];

/// Finds the model with this name, which for most models is the product identification (without trailing spaces).
#[must_use]
pub fn by_product(product: &str) -> Option<&'static DriveProfile> {
    ALL.iter().copied().find(|profile| profile.name() == product)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::COMMANDS;

    #[test]
    fn every_profile_is_consistent() {
        for profile in ALL {
            let name = profile.name();
            assert!(
                profile.model.vendor.len() <= 8
                    && profile.model.product.len() <= 16
                    && profile.model.revision.len() == 4,
                "{name}"
            );
            assert_eq!(by_product(name).map(|found| found.model), Some(profile.model), "{name} is not unique");
            assert!(profile.mode_pages.iter().all(ModePageDef::is_consistent), "{name}");
            assert!(profile.mode_pages.windows(2).all(|pair| pair[0].id < pair[1].id), "{name}");
            assert!(profile.log_pages.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            assert!(profile.vpd_pages.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            let densities: Vec<u8> = profile.supported_media.iter().map(|format| format.media.density).collect();
            // Media of different families may share a density code.
            assert!(densities.windows(2).all(|pair| pair[0] <= pair[1]), "{name}");
            let distinct = |at: usize| {
                profile.supported_media[..at].iter().all(|other| other.media != profile.supported_media[at].media)
            };
            assert!((0..profile.supported_media.len()).all(distinct), "{name}");
            for lacking in profile.unsupported_commands {
                assert!(COMMANDS.specs().iter().any(|spec| spec.name == *lacking), "{name}: {lacking}");
            }
            assert!(
                profile.supported_media.iter().any(|format| format.can_write && format.media == profile.native_media),
                "{name}"
            );
            assert_eq!(profile.inquiry.flags[0] & 1 == 1, !profile.protection_methods.is_empty(), "{name}: PROTECT");
            assert_eq!(profile.vpd_pages.contains(&0xb5), !profile.protection_methods.is_empty(), "{name}: page B5h");
            let crc32c = profile.protection_methods.contains(&ProtectionMethod::Crc32c);
            let since_7 = profile.mechanism != Mechanism::Other && profile.native_media.density >= 0x5c;
            assert_eq!(crc32c, since_7, "{name}: CRC-32C since LTO-7");
        }
    }
}
