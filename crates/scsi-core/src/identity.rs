//! Identification of a logical unit: the strings of its model, its serial number and NAA, and the designators made of
//! them.

use crate::page_override::PageOverrides;
use crate::port::TargetPort;
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

/// The identity of one logical unit: INQUIRY strings, serial number, designator and target port, and the pages that are
/// not those of its model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Vendor, product and revision strings.
    pub strings: InquiryStrings,
    /// Unit serial number, in ASCII (VPD page 80h).
    pub serial: String,
    /// NAA designator of the logical unit, 8 bytes.
    pub naa: u64,
    /// The target port through which hosts reach the unit; the frontend supplies it.
    pub port: TargetPort,
    /// The pages of the unit that differ from those of its model.
    pub pages: PageOverrides,
}

impl Identity {
    /// The identity of a unit of a model, with its serial number, NAA designator and target port.
    #[must_use]
    pub fn new(strings: impl Into<InquiryStrings>, serial: impl Into<String>, naa: u64, port: TargetPort) -> Self {
        Self { strings: strings.into(), serial: serial.into(), naa, port, pages: PageOverrides::default() }
    }

    /// The same identity of a unit with these pages.
    #[must_use]
    pub fn with_pages(self, pages: PageOverrides) -> Self {
        Self { pages, ..self }
    }

    /// Writes the body of a T10 vendor ID designator: vendor, product and serial number.
    pub fn write_t10_vendor_id(&self, w: &mut PageWriter) {
        w.ascii(&self.strings.vendor, 8).ascii(&self.strings.product, 16).bytes(self.serial.as_bytes());
    }

    /// Writes the designators of VPD page 83h (SPC-4 §7.8.6): T10 vendor ID and NAA of the logical unit, then its
    /// relative target port, and the names of the target port and the target device.
    pub fn write_designators(&self, w: &mut PageWriter) {
        w.u8(0x02).u8(0x01).u8(0).length_u8(|w| self.write_t10_vendor_id(w));
        self.write_naa_designator(w);
        self.port.write_designators(w);
    }

    /// Writes the NAA designator of the logical unit for VPD page 83h.
    pub fn write_naa_designator(&self, w: &mut PageWriter) {
        w.u8(0x01).u8(0x03).u8(0).length_u8(|w| {
            w.u64(self.naa);
        });
    }
}
