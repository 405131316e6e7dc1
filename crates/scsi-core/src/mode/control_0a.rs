//! Control mode page, 0Ah (SPC-5 §7.5.10).

use super::{ModePageDef, PageId};

/// Identifier of the page.
pub const ID: PageId = PageId::page(0x0a);

/// D_SENSE may be set; everything else is fixed. Busy timeout FFFFh as LTO drives have it.
pub const PAGE: ModePageDef = ModePageDef::new(
    ID,
    &[0x0a, 0x0a, 0, 0x01, 0, 0, 0, 0, 0xff, 0xff, 0, 0],
    &[0x0a, 0x0a, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);

/// Whether D_SENSE asks for descriptor format.
#[must_use]
pub fn descriptor_sense(page: &[u8]) -> bool {
    page.get(2).is_some_and(|byte| byte & 0x04 != 0)
}
