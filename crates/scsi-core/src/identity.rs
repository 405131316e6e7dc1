//! Who a unit is: strings of the model, numbers of the one device, and designators made of both.

use crate::writer::PageWriter;

/// The strings of a model, as INQUIRY and VPD pages carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelStrings {
    /// T10 VENDOR IDENTIFICATION, at most 8 characters.
    pub vendor: &'static str,
    /// PRODUCT IDENTIFICATION, at most 16 characters.
    pub product: &'static str,
    /// PRODUCT REVISION LEVEL, at most 4 characters.
    pub revision: &'static str,
}

/// The strings of one unit: those of its model, or what stands in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InquiryStrings {
    /// T10 VENDOR IDENTIFICATION, at most 8 characters of ASCII.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION, at most 16.
    pub product: String,
    /// PRODUCT REVISION LEVEL, at most 4.
    pub revision: String,
}

impl From<ModelStrings> for InquiryStrings {
    fn from(model: ModelStrings) -> Self {
        Self { vendor: model.vendor.into(), product: model.product.into(), revision: model.revision.into() }
    }
}

/// The target port that leads to a unit, for the designators that name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPort {
    /// PROTOCOL IDENTIFIER, 5 for iSCSI.
    pub protocol: u8,
    /// SCSI name string of the target device.
    pub device: String,
    /// SCSI name string of the target port.
    pub port: String,
}

/// One unit among all of its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it calls itself.
    pub strings: InquiryStrings,
    /// Unit serial number.
    pub serial: String,
    /// NAA designator of the logical unit, eight bytes.
    pub naa: u64,
    /// The port it is reached through, if the transport has names.
    pub port: Option<TargetPort>,
}

/// RELATIVE TARGET PORT IDENTIFIER of the only port.
pub const RELATIVE_PORT: u16 = 1;

/// PIV and ASSOCIATION of a designator: target port, and target device.
const ASSOCIATION_TARGET_PORT: u8 = 0x90;
const ASSOCIATION_TARGET_DEVICE: u8 = 0xa0;

impl TargetPort {
    /// A SCSI name string, which ends with a zero and is padded to a multiple of four.
    fn write_scsi_name(&self, association: u8, name: &str, w: &mut PageWriter) {
        w.u8((self.protocol << 4) | 0x03).u8(association | 0x08).u8(0).length_u8(|w| {
            w.bytes(name.as_bytes()).zeros((name.len() + 1).next_multiple_of(4) - name.len());
        });
    }
}

impl Identity {
    /// VENDOR, PRODUCT and serial, as a T10 vendor ID designator holds them.
    pub fn write_t10_vendor_id(&self, w: &mut PageWriter) {
        w.ascii(&self.strings.vendor, 8).ascii(&self.strings.product, 16).bytes(self.serial.as_bytes());
    }

    /// The designators of VPD page 83h (SPC-5 §7.7.6): T10 name and NAA of the unit, then its port and device.
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

    /// VPD page 88h (SPC-5 §7.7.14): the one target port, by its name.
    pub fn write_scsi_ports(&self, w: &mut PageWriter) {
        w.u16(0).u16(RELATIVE_PORT).u16(0).u16(0).u16(0).length_u16(|w| {
            if let Some(port) = &self.port {
                port.write_scsi_name(ASSOCIATION_TARGET_PORT, &port.port, w);
            }
        });
    }
}
