//! Standard INQUIRY data as constants of a profile (SPC-4 §6.6.2).

use crate::identity::Identity;
use crate::page_override::OverriddenPage;
use crate::writer::PageWriter;

/// Offset of ADDITIONAL LENGTH, the number of bytes after it.
pub(crate) const ADDITIONAL_LENGTH: usize = 4;
/// Number of bytes up to PRODUCT REVISION LEVEL, which all INQUIRY data has.
pub(crate) const MIN_LENGTH: usize = 36;

/// A VERSION DESCRIPTOR of a model (SPC-4 §6.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionDescriptor {
    /// A standard that the model claims.
    Standard(u16),
    /// That of the transport protocol; left out if the target port has none.
    Transport,
}

impl VersionDescriptor {
    const fn value(self, identity: &Identity) -> Option<u16> {
        match self {
            Self::Standard(value) => Some(value),
            Self::Transport => identity.port.version_descriptor,
        }
    }
}

/// The standard INQUIRY data of a model, except for the identification strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InquiryData {
    /// PERIPHERAL DEVICE TYPE: 01h tape drive, 08h medium changer.
    pub device_type: u8,
    /// VERSION, from 03h (SPC) to 07h (SPC-5).
    pub version: u8,
    /// Byte 3: NORMACA, HISUP and RESPONSE DATA FORMAT.
    pub format: u8,
    /// Bytes 5 to 7: the flags of the device.
    pub flags: [u8; 3],
    /// Bytes 36 to 55, which are vendor specific.
    pub vendor_specific: [u8; 20],
    /// Offset in the INQUIRY data, 36 to 55, of the first 12 characters of the serial number; `None` if they are not
    /// there.
    pub serial_offset: Option<usize>,
    /// VERSION DESCRIPTORs from byte 58, at most 8.
    pub descriptors: &'static [VersionDescriptor],
    /// Length of the INQUIRY data in bytes.
    pub length: u8,
}

impl InquiryData {
    /// Renders the INQUIRY data with the overrides of the unit, truncated or zero-padded to `length` bytes, which also sets
    /// ADDITIONAL LENGTH.
    #[must_use]
    pub fn render(&self, identity: &Identity) -> Vec<u8> {
        identity.pages.apply(OverriddenPage::Inquiry, self.render_model(identity).into_vec())
    }

    /// Renders the INQUIRY data of the model.
    fn render_model(&self, identity: &Identity) -> PageWriter {
        let mut w = PageWriter::new();
        w.u8(self.device_type).u8(0x80).u8(self.version).u8(self.format).u8(self.length.saturating_sub(5));
        w.bytes(&self.flags);
        let model = &identity.strings;
        w.ascii(&model.vendor, 8).ascii(&model.product, 16).ascii(&model.revision, 4);
        let mut specific = self.vendor_specific;
        if let Some(at) = self.serial_offset {
            let slots = specific.iter_mut().skip(at.saturating_sub(36)).take(12);
            slots.zip(identity.serial.bytes()).for_each(|(slot, byte)| *slot = byte);
        }
        w.bytes(&specific).zeros(2);
        for descriptor in self.descriptors.iter().filter_map(|descriptor| descriptor.value(identity)) {
            w.u16(descriptor);
        }
        let mut page = PageWriter::new();
        let len = usize::from(self.length);
        page.bytes(w.as_slice().get(..len).unwrap_or(w.as_slice()));
        page.zeros(len - page.len());
        page
    }
}
