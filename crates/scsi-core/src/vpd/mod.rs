//! Vital product data: the pages that any unit answers (SPC-5 §7.7). A device adds its own.

use crate::identity::Identity;
use crate::lu::Device;
use crate::sense::Sense;
use crate::writer::PageWriter;

/// Supported VPD pages.
pub const SUPPORTED_00: u8 = 0x00;
/// Unit serial number.
pub const SERIAL_80: u8 = 0x80;
/// Device identification.
pub const DEVICE_ID_83: u8 = 0x83;
/// Extended INQUIRY data.
pub const EXTENDED_86: u8 = 0x86;

/// Renders one page with its header.
///
/// # Errors
/// 5/24/00 at byte 2 for a page that the device does not list.
pub fn page(code: u8, identity: &Identity, device: &dyn Device) -> Result<PageWriter, Sense> {
    if !device.vpd_pages().contains(&code) {
        return Err(Sense::cdb_field(2, None));
    }
    let mut w = PageWriter::new();
    w.u8(device.inquiry().device_type).u8(code);
    w.length_u16(|w| match code {
        SUPPORTED_00 => {
            w.bytes(device.vpd_pages());
        }
        SERIAL_80 => {
            w.bytes(identity.serial.as_bytes());
        }
        DEVICE_ID_83 => identity.designators(w),
        EXTENDED_86 => extended(w),
        _ => device.vpd(code, identity, w),
    });
    Ok(w)
}

/// SIMPSUP, and a sense length of 18 to 48 bytes; no protection information, no microcode activation.
fn extended(w: &mut PageWriter) {
    w.u8(0).u8(0x01).zeros(7).u8(48).zeros(50);
}
