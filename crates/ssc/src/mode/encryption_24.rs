//! Vendor-specific mode page 24h of IBM drives: encryption capability and state.

use crate::encryption::{EncryptionMode, EncryptionState};
use scsi_core::mode::{ModePageDef, PageId};
use tape_store::feature::Feature;

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x24);
/// Byte 7: whether the drive is capable of encryption.
const DEFAULT: [u8; 8] = super::page(ID, 8, &[(7, if Feature::Encryption.is_enabled() { 0x01 } else { 0x00 })]);

/// No field is changeable.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &DEFAULT, &[0; 8]);

/// Byte 5, bit 2: encryption is enabled.
const ENCRYPTING: u8 = 0x04;

/// Renders whether the shared parameters enable encryption.
pub(crate) fn render(encryption: &EncryptionState, page: &mut [u8]) {
    if let Some(flags) = page.get_mut(5)
        && encryption.shared().encrypt != EncryptionMode::Disable
    {
        *flags |= ENCRYPTING;
    }
}
