//! Vital product data: the pages that any unit answers (SPC-5 §7.7). A device adds its own.

use crate::identity::Identity;
use crate::lu::SpcDevice;
use crate::mode::ModePageDef;
use crate::sense::Sense;
use crate::writer::PageWriter;

/// Supported VPD pages.
pub const SUPPORTED_00: u8 = 0x00;
/// Unit serial number.
pub const SERIAL_80: u8 = 0x80;
/// Device identification.
pub const DEVICE_ID_83: u8 = 0x83;
/// SCSI ports.
pub const PORTS_88: u8 = 0x88;
/// Management network addresses: none, for a drive's are its library's.
pub const MANAGEMENT_85: u8 = 0x85;
/// Mode page policy.
pub const MODE_POLICY_87: u8 = 0x87;
/// Extended INQUIRY data.
pub const EXTENDED_86: u8 = 0x86;

/// Renders one page with its header.
///
/// # Errors
/// 5/24/00 at byte 2 for a page that the device does not list.
pub fn render_page(
    code: u8,
    identity: &Identity,
    pages: &[ModePageDef],
    device: &dyn SpcDevice,
) -> Result<PageWriter, Sense> {
    if !device.vpd_pages().contains(&code) {
        return Err(Sense::invalid_field_in_cdb(2, None));
    }
    let mut w = PageWriter::new();
    w.u8(device.inquiry().device_type).u8(code);
    w.length_u16(|w| match code {
        SERIAL_80 | DEVICE_ID_83 if device.override_vpd_page(code, identity, w) => {}
        SUPPORTED_00 => {
            w.bytes(device.vpd_pages());
        }
        SERIAL_80 => {
            w.bytes(identity.serial.as_bytes());
        }
        DEVICE_ID_83 => identity.write_designators(w),
        EXTENDED_86 => extended(device.supports_block_protection(), w),
        MODE_POLICY_87 => policy(pages, w),
        PORTS_88 => identity.write_scsi_ports(w),
        MANAGEMENT_85 => {}
        _ => device.write_vpd_page(code, identity, w),
    });
    Ok(w)
}

/// SPT 001b where logical blocks can be protected, SIMPSUP, and a sense length of 18 to 48 bytes; no microcode activation.
fn extended(protects: bool, w: &mut PageWriter) {
    w.u8(u8::from(protects) << 3).u8(0x01).zeros(7).u8(48).zeros(50);
}

/// Each page of which every nexus has its own, then all others (3Fh/FFh), which all share.
fn policy(pages: &[ModePageDef], w: &mut PageWriter) {
    const PER_NEXUS: u8 = 0x03;
    for page in pages.iter().filter(|page| page.per_nexus) {
        w.u8(page.id.page).u8(page.id.subpage).u8(PER_NEXUS).u8(0);
    }
    w.u8(0x3f).u8(0xff).u8(0).u8(0);
}
