//! Vendor-specific mode page 24h of IBM drives: whether the drive can encrypt, and whether it does.

use crate::device::DriveState;
use crate::encryption::EncryptionMode;
use scsi_core::mode::{ModePageDef, PageId};

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x24);
/// Byte 7: capable of encryption.
const DEFAULT: [u8; 8] = super::page(ID, 8, &[(7, 0x01)]);

/// Nothing may be changed.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &DEFAULT, &[0; 8]);

/// Byte 5, bit 2: blocks are being encrypted.
const ENCRYPTING: u8 = 0x04;

/// Whether what all nexuses share encrypts.
pub(crate) fn render(state: &DriveState, page: &mut [u8]) {
    if let Some(flags) = page.get_mut(5)
        && state.encryption.shared().encrypt != EncryptionMode::Disable
    {
        *flags |= ENCRYPTING;
    }
}
