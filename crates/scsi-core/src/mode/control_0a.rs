//! Control mode page, 0Ah (SPC-4 §7.5.8).

use super::{ModePageDef, PageId};

/// Identifier of the control mode page.
pub const ID: PageId = PageId::page(0x0a);

/// The page: only D_SENSE is changeable. BUSY TIMEOUT PERIOD is FFFFh, as in LTO drives.
pub const PAGE: ModePageDef = ModePageDef::new(
    ID,
    &[0x0a, 0x0a, 0, 0x01, 0, 0, 0, 0, 0xff, 0xff, 0, 0],
    &[0x0a, 0x0a, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);

/// Returns whether D_SENSE selects descriptor format sense data.
#[must_use]
pub fn descriptor_sense(page: &[u8]) -> bool {
    page.get(2).is_some_and(|byte| byte & 0x04 != 0)
}
