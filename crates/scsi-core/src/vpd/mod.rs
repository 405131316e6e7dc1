//! Vital product data: the pages that all device types have (SPC-4 §7.8). A device adds its own pages.

use crate::identity::Identity;
use crate::lu::SpcDevice;
use crate::mode::ModePage;
use crate::page_override::OverriddenPage;
use crate::sense::Sense;
use crate::writer::PageWriter;

/// Page code of Supported VPD Pages.
pub const SUPPORTED_00: u8 = 0x00;
/// Page code of Unit Serial Number.
pub const SERIAL_80: u8 = 0x80;
/// Page code of Device Identification.
pub const DEVICE_ID_83: u8 = 0x83;
/// Page code of SCSI Ports.
pub const PORTS_88: u8 = 0x88;
/// Page code of Management Network Addresses. The page is empty: the library manages the network addresses of its
/// drives.
pub const MANAGEMENT_85: u8 = 0x85;
/// Page code of Mode Page Policy.
pub const MODE_POLICY_87: u8 = 0x87;
/// Page code of Extended INQUIRY Data.
pub const EXTENDED_86: u8 = 0x86;

/// Renders one VPD page with its header, and the overrides of the unit applied to it.
///
/// # Errors
/// ILLEGAL REQUEST 24h/00h with a pointer to byte 2 for a page that the unit does not list.
pub fn render_page(
    code: u8,
    identity: &Identity,
    pages: &[ModePage],
    device: &dyn SpcDevice,
) -> Result<Vec<u8>, Sense> {
    let supported = supported(identity, device);
    if !supported.contains(&code) {
        return Err(Sense::invalid_field_in_cdb(2, None));
    }
    let mut w = PageWriter::new();
    w.u8(device.inquiry().device_type).u8(code);
    w.length_u16(|w| match code {
        SERIAL_80 | DEVICE_ID_83 if device.override_vpd_page(code, identity, w) => {}
        SUPPORTED_00 => {
            w.bytes(&supported);
        }
        SERIAL_80 => {
            w.bytes(identity.serial.as_bytes());
        }
        DEVICE_ID_83 => identity.write_designators(w),
        EXTENDED_86 => extended(device.supports_block_protection(), w),
        MODE_POLICY_87 => policy(pages, w),
        PORTS_88 => identity.port.write_scsi_ports(w),
        MANAGEMENT_85 => {}
        _ => device.write_vpd_page(code, identity, w),
    });
    Ok(identity.pages.apply(OverriddenPage::Vpd(code), w.into_vec()))
}

/// The codes of the VPD pages of a unit: the pages of its model and the added ones, without the absent ones.
fn supported(identity: &Identity, device: &dyn SpcDevice) -> Vec<u8> {
    let added = |page| if let OverriddenPage::Vpd(code) = page { Some(code) } else { None };
    identity.pages.list(device.vpd_pages(), OverriddenPage::Vpd, added)
}

/// Writes Extended INQUIRY data: SPT 001b if the device supports logical block protection, SIMPSUP, a maximum sense
/// length of 48 bytes, no microcode activation.
fn extended(protects: bool, w: &mut PageWriter) {
    w.u8(u8::from(protects) << 3).u8(0x01).zeros(7).u8(48).zeros(50);
}

/// Writes the policy of each per-nexus page, then that of all other pages (3Fh/FFh), which all I_T nexuses share.
fn policy(pages: &[ModePage], w: &mut PageWriter) {
    const PER_NEXUS: u8 = 0x03;
    for page in pages.iter().filter(|page| page.per_nexus) {
        w.u8(page.id.page).u8(page.id.subpage).u8(PER_NEXUS).u8(0);
    }
    w.u8(0x3f).u8(0xff).u8(0).u8(0);
}
