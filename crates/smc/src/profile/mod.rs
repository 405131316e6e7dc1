//! Identities and behaviour of library models, as constants.

mod adic;
mod ferric;
mod generic;
mod hp;
mod ibm;
mod sources;
mod spectra;
mod stk;

pub use crate::mode::capabilities_1f::Capabilities;
pub use adic::{
    ADIC_SCALAR_I500, QUANTUM_SCALAR_I3_I6, QUANTUM_SCALAR_I40_I80, QUANTUM_SCALAR_I500, QUANTUM_SCALAR_I6000,
};
pub use ferric::FERRIC;
pub use generic::GENERIC;
pub use hp::{HP_MSL_G3, HP_MSL6480, HPE_MSL3040};
pub use ibm::{IBM_3573_TL, IBM_03584L32, IBM_TS4300};
pub use spectra::SPECTRA_PYTHON;
pub use stk::{STK_L20, STK_L40, STK_L80, STK_L180, STK_L700, STK_SL150, STK_SL500};

use crate::element::{ElementAddress, ElementLayout};
use scsi_core::asc::Asc;
use scsi_core::identity::{Identity, ModelStrings};
use scsi_core::inquiry::InquiryData;
use scsi_core::log::{FLAG_CONTROL, LIST_CONTROL, LogId};
use scsi_core::lu::AdmissionCheck;
use scsi_core::mode::ModePageDef;
use scsi_core::source::Sources;
use scsi_core::writer::PageWriter;
use tape_store::cartridge::CartridgeKind;

/// The form of the drive identifiers of a model in READ ELEMENT STATUS with DVCID. Numbers are bytes of the identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveIdentifier {
    /// T10 vendor ID designator: vendor, product and serial number, padded with spaces to this width.
    T10(usize),
    /// Vendor specific designator: the serial number, padded with spaces to this width.
    Serial(usize),
    /// NAA designator: the world wide name, eight bytes.
    Naa,
}

/// The form of the unit serial number of a model, made from the configured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialNumberFormat {
    /// The configured serial number, unchanged.
    AsIs,
    /// The number padded with leading zeros to twelve characters, and the first storage address in four hexadecimal
    /// digits.
    WithFirstStorage,
    /// The number padded with leading zeros to twelve characters, `_LL`, and the index of the logical library in one
    /// hexadecimal digit, from 0 on.
    WithLibrary,
    /// The number unchanged, `_LL`, and the number of the logical library in two decimal digits, from 01 on.
    WithPartition,
    /// The number unchanged, `_LL`, and the number of the logical library without leading zeros, from 1 on.
    WithNumber,
}

/// Format of VPD pages 80h (unit serial number) and 83h (device identification).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpdNaming {
    /// As in SPC-4: 80h has the serial number, 83h has T10 vendor ID, NAA and port designators.
    Standard,
    /// 80h has the vendor directly followed by the serial number, in 24 characters; 83h has one T10 vendor ID
    /// designator.
    VendorPrefix,
    /// 80h has the serial number; 83h has NAA and T10 vendor ID designators, in this order, and none of the port.
    NaaFirst,
    /// 80h has the serial number; 83h has NAA and port designators.
    NaaOnly,
}

/// MEDIUM TYPE codes of element descriptors (bits 2-0 of byte 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediumTypes {
    /// As in SMC-3: 1 data, 2 cleaning, 4 WORM.
    Smc3,
    /// 0 unspecified for data, 1 cleaning, 4 WORM.
    Quantum,
}

impl MediumTypes {
    pub(crate) const fn of(self, kind: CartridgeKind) -> u8 {
        match (self, kind) {
            (_, CartridgeKind::Worm) => 4,
            (Self::Smc3, CartridgeKind::Cleaning) => 2,
            (Self::Smc3, CartridgeKind::Data | CartridgeKind::Null) | (Self::Quantum, CartridgeKind::Cleaning) => 1,
            (Self::Quantum, CartridgeKind::Data | CartridgeKind::Null) => 0,
        }
    }
}

/// Model-dependent fields of log pages 0Dh (temperature) and 2Eh (TapeAlert).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPageOptions {
    /// Parameter control bytes of temperatures and of TapeAlert flags.
    pub control: (u8, u8),
    /// REFERENCE TEMPERATURE in degrees Celsius; `None` if the model does not report it.
    pub reference: Option<u8>,
}

impl LogPageOptions {
    /// Options of models without a capture: default parameter control bytes, no reference temperature.
    pub const DEFAULT: Self = Self { control: (LIST_CONTROL, FLAG_CONTROL), reference: None };
}

/// Model-dependent parts of element descriptors in READ ELEMENT STATUS (SMC-3 §6.11).
#[derive(Clone, Copy, Debug)]
pub struct ElementDescriptorOptions {
    /// Identifier of drives, with DVCID.
    pub drive: DriveIdentifier,
    /// Bytes at the end of each element descriptor: an empty identification descriptor (4), and on some models media
    /// domain and media type. 0, or 4 and more.
    pub tail_len: usize,
    /// Each descriptor ends with media domain and media type, and that of a drive has its transport domain and type, and
    /// its serial number also without DVCID; `drive` is then [`DriveIdentifier::Serial`].
    pub domains: bool,
    /// Codes of MEDIUM TYPE in each descriptor.
    pub medium_types: MediumTypes,
    /// Fill byte of the volume tag of an empty element: zero or space.
    pub empty_tag_fill: u8,
    /// Number of label characters that are reported: up to 32.
    pub label_len: usize,
    /// Additional sense codes, with EXCEPT, of a missing and of an unreadable label.
    pub label_exceptions: (Asc, Asc),
    /// Additional sense codes, with EXCEPT, of a cleaning cartridge with and without a readable label; `None` if the
    /// model does not report cleaning cartridges as exceptions.
    pub cleaning: Option<(Asc, Asc)>,
}

/// Identity and behaviour of one library model.
#[derive(Debug)]
pub struct ChangerProfile {
    /// Name of the model in configurations; unique.
    pub name: &'static str,
    /// Vendor (up to 8 characters), product (up to 16) and revision (4).
    pub model: ModelStrings,
    /// Standard INQUIRY data, without vendor, product and revision.
    pub inquiry: InquiryData,
    /// First address of transport, storage, import/export and drive elements, in this order.
    pub first_addresses: [u16; 4],
    /// Maximum number of storage, import/export and drive elements, in this order.
    pub max_elements: [u16; 3],
    /// Format of the unit serial number.
    pub serial: SerialNumberFormat,
    /// Format of VPD pages 80h and 83h.
    pub vpd_naming: VpdNaming,
    /// Codes of the supported VPD pages, ascending.
    pub vpd_pages: &'static [u8],
    /// Codes and bodies of vendor specific VPD pages.
    pub vendor_vpd: &'static [(u8, &'static [u8])],
    /// Supported mode pages, ascending by page code.
    pub mode_pages: &'static [ModePageDef],
    /// MODE SENSE with DBD 0 returns a block descriptor of zeros.
    pub block_descriptor: bool,
    /// Supported log pages, ascending by page code.
    pub log_pages: &'static [LogId],
    /// Model-dependent fields of the log pages.
    pub log_options: LogPageOptions,
    /// Supported moves and exchanges (mode page 1Fh).
    pub capabilities: Capabilities,
    /// Names of unsupported commands, as in [`scsi_core::command_spec::CommandSpec`]: they end with ILLEGAL REQUEST
    /// 20h/00h.
    pub unsupported_commands: &'static [&'static str],
    /// Model-dependent parts of READ ELEMENT STATUS.
    pub descriptors: ElementDescriptorOptions,
    /// PREVENT ALLOW MEDIUM REMOVAL also blocks moves to import/export elements: ILLEGAL REQUEST 53h/02h.
    pub prevents_export: bool,
    /// Order of the admission checks before a command (unit attention, reservation and others).
    pub check_order: &'static [AdmissionCheck],
    /// The sources of the data of the model, part by part.
    pub sources: Sources,
}

impl ChangerProfile {
    /// Returns the unit serial number that a device reports. `number` is the configured serial number, `library` the
    /// index of the logical library, from 0, and `storage` its first storage address.
    #[must_use]
    pub fn unit_serial(&self, number: &str, library: usize, storage: ElementAddress) -> String {
        match self.serial {
            SerialNumberFormat::AsIs => number.into(),
            SerialNumberFormat::WithFirstStorage => format!("{number:0>12}{:04X}", storage.0),
            SerialNumberFormat::WithNumber => format!("{number}_LL{}", library.saturating_add(1)),
            SerialNumberFormat::WithPartition => format!("{number}_LL{:02}", library.saturating_add(1)),
            SerialNumberFormat::WithLibrary => format!("{number:0>12}_LL{:X}", library & 0x0f),
        }
    }

    /// Writes VPD page 80h of a model with [`VpdNaming::VendorPrefix`].
    pub(crate) fn serial_page(identity: &Identity, w: &mut PageWriter) {
        w.ascii(&format!("{}{}", identity.strings.vendor, identity.serial), 24);
    }

    /// Writes VPD page 83h of a model with [`VpdNaming::NaaFirst`].
    pub(crate) fn naa_first(identity: &Identity, w: &mut PageWriter) {
        identity.write_naa_designator(w);
        w.u8(0x02).u8(0x01).u8(0).length_u8(|w| identity.write_t10_vendor_id(w));
    }

    /// Writes VPD page 83h of a model with [`VpdNaming::NaaOnly`].
    pub(crate) fn naa_only(identity: &Identity, w: &mut PageWriter) {
        identity.write_naa_designator(w);
        identity.port.write_designators(w);
    }

    /// Writes VPD page 83h of a model with [`VpdNaming::VendorPrefix`]: one designator with vendor and serial number.
    pub(crate) fn designator_page(identity: &Identity, w: &mut PageWriter) {
        w.u8(0x02).u8(0x01).u8(0).length_u8(|w| {
            w.ascii(&identity.strings.vendor, 8).ascii(&identity.serial, 24);
        });
    }

    /// Returns the element addresses of a library of this model with these numbers of elements.
    ///
    /// # Errors
    /// The type of element that exceeds the maximum of the model, and this maximum.
    pub fn layout(&self, storage: u16, import_export: u16, drives: u16) -> Result<ElementLayout, (&'static str, u16)> {
        let [max_storage, max_import_export, max_drives] = self.max_elements;
        let counts = [
            ("slots", storage, max_storage),
            ("import/export slots", import_export, max_import_export),
            ("drives", drives, max_drives),
        ];
        if let Some((kind, _, max)) = counts.into_iter().find(|(_, count, max)| count > max) {
            return Err((kind, max));
        }
        Ok(ElementLayout::new(self.first_addresses, [storage, import_export, drives]))
    }
}

/// All library models, in the order of listings.
pub const ALL: &[&ChangerProfile] = &[
    &STK_L180,
    &STK_L700,
    &STK_L20,
    &STK_L40,
    &STK_L80,
    &STK_SL150,
    &STK_SL500,
    &IBM_03584L32,
    &IBM_3573_TL,
    &IBM_TS4300,
    &HP_MSL_G3,
    &HP_MSL6480,
    &HPE_MSL3040,
    &SPECTRA_PYTHON,
    &ADIC_SCALAR_I500,
    &QUANTUM_SCALAR_I500,
    &QUANTUM_SCALAR_I40_I80,
    &QUANTUM_SCALAR_I3_I6,
    &QUANTUM_SCALAR_I6000,
    &FERRIC,
    &GENERIC,
];

/// Returns the model with this configuration name; `None` if it is unknown. Case matters.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static ChangerProfile> {
    ALL.iter().copied().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::COMMANDS;

    #[test]
    fn largest_layout_of_each_model_has_no_overlap() {
        for profile in ALL {
            let [storage, import_export, drives] = profile.max_elements;
            assert_eq!(profile.layout(storage, import_export, drives).unwrap().overlap(), None, "{}", profile.name);
            assert_eq!(profile.layout(storage + 1, 0, 1), Err(("slots", storage)), "{}", profile.name);
        }
    }

    #[test]
    fn every_profile_is_consistent() {
        for profile in ALL {
            let ModelStrings { vendor, product, revision } = profile.model;
            assert!(vendor.len() <= 8 && product.len() <= 16 && revision.len() == 4, "{}", profile.name);
            assert!(profile.mode_pages.iter().all(ModePageDef::is_consistent), "{}", profile.name);
            assert!(profile.mode_pages.windows(2).all(|pair| pair[0].id < pair[1].id), "{}", profile.name);
            assert!(profile.vpd_pages.windows(2).all(|pair| pair[0] < pair[1]), "{}", profile.name);
            assert!(profile.log_pages.windows(2).all(|pair| pair[0] < pair[1]), "{}", profile.name);
            let vendor_pages = profile.vendor_vpd.iter().map(|(page, _)| page);
            assert!(vendor_pages.clone().all(|page| profile.vpd_pages.contains(page)), "{}", profile.name);
            for name in profile.unsupported_commands {
                assert!(COMMANDS.specs().iter().any(|spec| spec.name == *name), "{}: {name}", profile.name);
            }
            // A model without exchanges does not support the command, and vice versa.
            assert_eq!(
                profile.capabilities.exchanges_any(),
                !profile.unsupported_commands.contains(&"EXCHANGE MEDIUM")
            );
            let serial_drives = matches!(profile.descriptors.drive, DriveIdentifier::Serial(_));
            assert!(!profile.descriptors.domains || serial_drives, "{}", profile.name);
            assert!(profile.descriptors.tail_len == 0 || profile.descriptors.tail_len >= 4, "{}", profile.name);
        }
    }
}
