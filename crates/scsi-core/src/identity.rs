//! Identification of a logical unit: the strings of its model, its serial number and NAA, and the designators made of
//! them.

use crate::writer::PageWriter;

/// The identification strings of a model, as INQUIRY data and VPD pages return them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelStrings {
    /// T10 VENDOR IDENTIFICATION, at most 8 ASCII characters.
    pub vendor: &'static str,
    /// PRODUCT IDENTIFICATION, at most 16 ASCII characters.
    pub product: &'static str,
    /// PRODUCT REVISION LEVEL, at most 4 ASCII characters.
    pub revision: &'static str,
}

/// The identification strings of one unit: those of its model, unless the configuration overrides them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InquiryStrings {
    /// T10 VENDOR IDENTIFICATION, at most 8 ASCII characters.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION, at most 16 ASCII characters.
    pub product: String,
    /// PRODUCT REVISION LEVEL, at most 4 ASCII characters.
    pub revision: String,
}

impl From<ModelStrings> for InquiryStrings {
    fn from(model: ModelStrings) -> Self {
        Self { vendor: model.vendor.into(), product: model.product.into(), revision: model.revision.into() }
    }
}

/// The target port of a unit, for the designators of the port and of the target device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPort {
    /// PROTOCOL IDENTIFIER; 5h is iSCSI.
    pub protocol: u8,
    /// SCSI name string of the target device.
    pub device: String,
    /// SCSI name string of the target port.
    pub port: String,
}

/// The identity of one logical unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor, product and revision strings.
    pub strings: InquiryStrings,
    /// Unit serial number, in ASCII (VPD page 80h).
    pub serial: String,
    /// NAA designator of the logical unit, 8 bytes.
    pub naa: u64,
    /// The target port of the unit; `None` if the transport has no port names.
    pub port: Option<TargetPort>,
}

/// RELATIVE TARGET PORT IDENTIFIER of the only target port.
pub const RELATIVE_PORT: u16 = 1;

/// PIV and ASSOCIATION of a designator: target port, and target device.
const ASSOCIATION_TARGET_PORT: u8 = 0x90;
const ASSOCIATION_TARGET_DEVICE: u8 = 0xa0;

impl TargetPort {
    /// Writes a SCSI name string designator. The name is NUL-terminated and padded to a multiple of 4 bytes.
    fn write_scsi_name(&self, association: u8, name: &str, w: &mut PageWriter) {
        w.u8((self.protocol << 4) | 0x03).u8(association | 0x08).u8(0).length_u8(|w| {
            w.bytes(name.as_bytes()).zeros((name.len() + 1).next_multiple_of(4) - name.len());
        });
    }
}

impl Identity {
    /// Writes the body of a T10 vendor ID designator: vendor, product and serial number.
    pub fn write_t10_vendor_id(&self, w: &mut PageWriter) {
        w.ascii(&self.strings.vendor, 8).ascii(&self.strings.product, 16).bytes(self.serial.as_bytes());
    }

    /// Writes the designators of VPD page 83h (SPC-5 §7.7.6): T10 vendor ID and NAA of the logical unit, then its
    /// relative target port, and the names of the target port and the target device.
    pub fn write_designators(&self, w: &mut PageWriter) {
        w.u8(0x02).u8(0x01).u8(0).length_u8(|w| self.write_t10_vendor_id(w));
        w.u8(0x01).u8(0x03).u8(0).length_u8(|w| {
            w.u64(self.naa);
        });
        let Some(port) = &self.port else { return };
        w.u8((port.protocol << 4) | 0x01).u8(0x94).u8(0).length_u8(|w| {
            w.u16(0).u16(RELATIVE_PORT);
        });
        port.write_scsi_name(ASSOCIATION_TARGET_PORT, &port.port, w);
        port.write_scsi_name(ASSOCIATION_TARGET_DEVICE, &port.device, w);
    }

    /// Writes the body of VPD page 88h (SPC-5 §7.7.14): the only target port, with its name.
    pub fn write_scsi_ports(&self, w: &mut PageWriter) {
        w.u16(0).u16(RELATIVE_PORT).u16(0).u16(0).u16(0).length_u16(|w| {
            if let Some(port) = &self.port {
                port.write_scsi_name(ASSOCIATION_TARGET_PORT, &port.port, w);
            }
        });
    }
}
