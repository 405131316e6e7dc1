//! Identities of real libraries, as data.

mod adic;
mod ferric;
mod generic;
mod hp;
mod ibm;
mod spectra;
mod stk;

pub use crate::mode::capabilities_1f::Capabilities;
pub use adic::ADIC_SCALAR_I500;
pub use ferric::FERRIC;
pub use generic::GENERIC;
pub use hp::{HP_MSL_G3, HPE_MSL3040};
pub use ibm::{IBM_3573_TL, IBM_03584L32};
pub use spectra::SPECTRA_PYTHON;
pub use stk::{STK_L180, STK_L700};

use crate::element::{ElementAddress, ElementLayout};
use scsi_core::asc::Asc;
use scsi_core::command_spec::CommandSpec;
use scsi_core::identity::{Identity, ModelStrings};
use scsi_core::inquiry::InquiryData;
use scsi_core::log::{FLAG_CONTROL, LIST_CONTROL, LogId};
use scsi_core::lu::AdmissionCheck;
use scsi_core::mode::ModePageDef;
use scsi_core::writer::PageWriter;

/// How a model names a drive in READ ELEMENT STATUS with DVCID: what, and in how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveIdentifier {
    /// Vendor, product and serial.
    T10(usize),
    /// Serial alone.
    Serial(usize),
    /// World wide name, eight bytes.
    Naa,
}

/// How a model makes its unit serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialNumberFormat {
    /// As it is.
    AsIs,
    /// Twelve characters, zeros in front, and the first storage address in four hexadecimal digits.
    WithFirstStorage,
    /// Twelve characters, zeros in front, and the number of the logical library.
    WithLibrary,
    /// As it is, and the number of the logical library in two digits, from 01 on.
    WithPartition,
}

/// VPD pages 80h and 83h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpdNaming {
    /// The serial number; T10 name, NAA and port.
    Standard,
    /// The vendor runs into the serial number, in 24 characters, and is not part of it in page 83h.
    VendorPrefix,
}

/// What SPC leaves open in log pages 0Dh and 2Eh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPageOptions {
    /// Control bytes of temperatures and of TapeAlert flags.
    pub control: (u8, u8),
    /// REFERENCE TEMPERATURE, if it reports one.
    pub reference: Option<u8>,
}

impl LogPageOptions {
    /// Nothing captured.
    pub const DEFAULT: Self = Self { control: (LIST_CONTROL, FLAG_CONTROL), reference: None };
}

/// What SMC leaves open in READ ELEMENT STATUS.
#[derive(Clone, Copy, Debug)]
pub struct ElementDescriptorOptions {
    /// How drives are named.
    pub drive: DriveIdentifier,
    /// Bytes at the end of each element descriptor: an empty identification descriptor, media domain and type.
    pub tail_len: usize,
    /// What fills the volume tag of an empty element.
    pub empty_tag_fill: u8,
    /// So many characters of a label are reported.
    pub label_len: usize,
    /// EXCEPT and this code where a label is missing, and where it cannot be read.
    pub label_exceptions: (Asc, Asc),
    /// EXCEPT and this code for a cleaning cartridge with a label that can be read, and for one without: of models that
    /// report it.
    pub cleaning: Option<(Asc, Asc)>,
}

/// Facts of one model.
#[derive(Debug)]
pub struct ChangerProfile {
    /// The name a configuration uses.
    pub name: &'static str,
    /// Vendor, product and revision.
    pub model: ModelStrings,
    /// Standard INQUIRY data.
    pub inquiry: InquiryData,
    /// First address of transport, storage, import/export and drive elements.
    pub first_addresses: [u16; 4],
    /// Most storage, import/export and drive elements the model can have.
    pub max_elements: [u16; 3],
    /// How its serial number is made.
    pub serial: SerialNumberFormat,
    /// How VPD pages carry it.
    pub vpd_naming: VpdNaming,
    /// VPD pages, ascending.
    pub vpd_pages: &'static [u8],
    /// Bodies of VPD pages of its own.
    pub vendor_vpd: &'static [(u8, &'static [u8])],
    /// Mode pages, ascending.
    pub mode_pages: &'static [ModePageDef],
    /// MODE SENSE without DBD shows a block descriptor, of zeros.
    pub block_descriptor: bool,
    /// Log pages, ascending.
    pub log_pages: &'static [LogId],
    /// What its log pages look like.
    pub log_options: LogPageOptions,
    /// What it moves.
    pub capabilities: Capabilities,
    /// Names of the commands it does not have.
    pub unsupported_commands: &'static [&'static str],
    /// READ ELEMENT STATUS.
    pub descriptors: ElementDescriptorOptions,
    /// While a host prevents removal, nothing is moved to an import/export element either.
    pub prevents_export: bool,
    /// Order of the checks before a command.
    pub check_order: &'static [AdmissionCheck],
}

impl ChangerProfile {
    /// The unit serial number that a device with this number reports, in the logical library of this index, whose storage
    /// begins there.
    #[must_use]
    pub fn unit_serial(&self, number: &str, library: usize, storage: ElementAddress) -> String {
        match self.serial {
            SerialNumberFormat::AsIs => number.into(),
            SerialNumberFormat::WithFirstStorage => format!("{number:0>12}{:04X}", storage.0),
            SerialNumberFormat::WithPartition => format!("{number}_LL{:02}", library.saturating_add(1)),
            SerialNumberFormat::WithLibrary => format!("{number:0>12}_LL{:X}", library & 0x0f),
        }
    }

    /// Whether this model does not have a command.
    pub(crate) fn lacks_command(&self, spec: &CommandSpec) -> bool {
        self.unsupported_commands.contains(&spec.name)
    }

    /// VPD page 80h of a model whose vendor is part of the number.
    pub(crate) fn serial_page(identity: &Identity, w: &mut PageWriter) {
        w.ascii(&format!("{}{}", identity.strings.vendor, identity.serial), 24);
    }

    /// VPD page 83h of such a model: one designator, vendor and number.
    pub(crate) fn designator_page(identity: &Identity, w: &mut PageWriter) {
        w.u8(0x02).u8(0x01).u8(0).length_u8(|w| {
            w.ascii(&identity.strings.vendor, 8).ascii(&identity.serial, 24);
        });
    }

    /// Addresses of a library of this model.
    ///
    /// # Errors
    /// The kind of element of which there are too many, and how many there may be.
    pub fn layout(&self, storage: u16, import_export: u16, drives: u16) -> Result<ElementLayout, (&'static str, u16)> {
        let [most_storage, most_import_export, most_drives] = self.max_elements;
        let counts = [
            ("slots", storage, most_storage),
            ("import/export slots", import_export, most_import_export),
            ("drives", drives, most_drives),
        ];
        if let Some((kind, _, most)) = counts.into_iter().find(|(_, count, most)| count > most) {
            return Err((kind, most));
        }
        Ok(ElementLayout::new(self.first_addresses, [storage, import_export, drives]))
    }
}

/// Every model.
pub const ALL: &[&ChangerProfile] = &[
    &STK_L180,
    &STK_L700,
    &IBM_03584L32,
    &IBM_3573_TL,
    &HP_MSL_G3,
    &HPE_MSL3040,
    &SPECTRA_PYTHON,
    &ADIC_SCALAR_I500,
    &FERRIC,
    &GENERIC,
];

/// The model with this configuration name.
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
            // A library that never exchanges does not have the command, and the other way round.
            assert_eq!(
                profile.capabilities.exchanges_any(),
                !profile.unsupported_commands.contains(&"EXCHANGE MEDIUM")
            );
            assert!(profile.descriptors.tail_len == 0 || profile.descriptors.tail_len >= 4, "{}", profile.name);
        }
    }
}
