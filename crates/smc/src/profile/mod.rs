//! Identities of real libraries, as data.

use crate::element::{Layout, Range};
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::{Check, DEFAULT_ORDER};

/// How a model names a drive in READ ELEMENT STATUS with DVCID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveIdentifier {
    /// Vendor, product and serial, 34 bytes.
    T10,
    /// Serial alone, 32 bytes.
    Serial,
}

/// How a model makes its unit serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialForm {
    /// As it is.
    Plain,
    /// Twelve characters, zeros in front, and the first storage address in four hexadecimal digits.
    WithFirstStorage,
}

/// Facts of one model.
#[derive(Debug)]
pub struct ChangerProfile {
    /// The name a configuration uses.
    pub name: &'static str,
    /// Vendor, product and revision.
    pub model: Model,
    /// Standard INQUIRY data.
    pub inquiry: Inquiry,
    /// First address of transport, storage, import/export and drive elements.
    pub first: [u16; 4],
    /// Most storage, import/export and drive elements the model can have.
    pub most: [u16; 3],
    /// How its serial number is made.
    pub serial: SerialForm,
    /// VPD pages, ascending.
    pub vpd_pages: &'static [u8],
    /// How drives are named.
    pub drive_identifier: DriveIdentifier,
    /// Bytes at the end of each element descriptor: an empty identification descriptor, media domain and type.
    pub descriptor_tail: usize,
    /// Order of the checks before a command.
    pub order: &'static [Check],
}

impl ChangerProfile {
    /// The unit serial number that a device with this number reports.
    #[must_use]
    pub fn unit_serial(&self, number: &str) -> String {
        let [_, first_storage, ..] = self.first;
        match self.serial {
            SerialForm::Plain => number.into(),
            SerialForm::WithFirstStorage => format!("{number:0>12}{first_storage:04X}"),
        }
    }

    /// Addresses of a library of this model.
    ///
    /// # Errors
    /// The kind of element of which there are too many, and how many there may be.
    pub fn layout(&self, storage: u16, import_export: u16, drives: u16) -> Result<Layout, (&'static str, u16)> {
        let [most_storage, most_import_export, most_drives] = self.most;
        let counts = [
            ("slots", storage, most_storage),
            ("import/export slots", import_export, most_import_export),
            ("drives", drives, most_drives),
        ];
        if let Some((kind, _, most)) = counts.into_iter().find(|(_, count, most)| count > most) {
            return Err((kind, most));
        }
        let [transport_first, storage_first, import_export_first, drives_first] = self.first;
        Ok(Layout {
            transport: Range { first: transport_first, count: 1 },
            storage: Range { first: storage_first, count: storage },
            import_export: Range { first: import_export_first, count: import_export },
            drives: Range { first: drives_first, count: drives },
        })
    }
}

/// StorageTek L700. Addresses and counts: L700e/L180 SCSI reference, 8th edition (cells 1000 to 1677, drives 500 to
/// 519, CAP 10 to 55, hand 0); identification and descriptor tail: ACSLS SCSI reference for the same family. Byte 55
/// bit 0 says that there is a barcode reader, as tools of the time look for it.
pub const STK_L700: ChangerProfile = ChangerProfile {
    name: "STK L700",
    model: Model { vendor: "STK", product: "L700", revision: "0310" },
    inquiry: Inquiry {
        device_type: 0x08,
        version: 0x03,
        format: 0x02,
        flags: [0x00, 0x00, 0x02],
        vendor_specific: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
        serial_at: None,
        descriptors: &[],
        length: 56,
    },
    first: [0, 1000, 10, 500],
    most: [678, 46, 20],
    serial: SerialForm::Plain,
    vpd_pages: &[0x00, 0x80, 0x83],
    drive_identifier: DriveIdentifier::Serial,
    descriptor_tail: 8,
    order: DEFAULT_ORDER,
};

/// IBM TS3500 (3584) frame L32. INQUIRY, DVCID and drive addresses: IBM's SCSI reference for the 3584 and its
/// successors; revision 2C02 and version 3 as reported by such a library; storage and import/export addresses as its
/// addressing of drives (0101h) suggests.
pub const IBM_03584L32: ChangerProfile = ChangerProfile {
    name: "IBM 03584L32",
    model: Model { vendor: "IBM", product: "03584L32", revision: "2C02" },
    inquiry: Inquiry {
        device_type: 0x08,
        version: 0x03,
        format: 0x02,
        flags: [0x00, 0x20, 0x02],
        // Plant of manufacture, serial number, and two ASCII zeros.
        vendor_specific: *b"00            00\0\0\0\0",
        serial_at: Some(38),
        descriptors: &[],
        length: 58,
    },
    first: [1, 0x0401, 0x0301, 0x0101],
    most: [6887, 255, 192],
    serial: SerialForm::WithFirstStorage,
    vpd_pages: &[0x00, 0x80, 0x83],
    drive_identifier: DriveIdentifier::T10,
    descriptor_tail: 4,
    order: DEFAULT_ORDER,
};

/// Every model.
pub const ALL: &[&ChangerProfile] = &[&STK_L700, &IBM_03584L32];

/// The model with this configuration name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static ChangerProfile> {
    ALL.iter().copied().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_library_of_each_model_has_room_for_its_addresses() {
        for profile in ALL {
            let [storage, import_export, drives] = profile.most;
            assert_eq!(profile.layout(storage, import_export, drives).unwrap().conflict(), None, "{}", profile.name);
            assert_eq!(profile.layout(storage + 1, 0, 1), Err(("slots", storage)), "{}", profile.name);
            assert_eq!(profile.model.revision.len(), 4);
        }
    }
}
