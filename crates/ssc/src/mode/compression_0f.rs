//! Data compression mode page, 0Fh (SSC-5 §8.3.2). Values as captured from LTO-7, -8 and -9 drives.

use scsi_core::mode::{PageDef, PageId};

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x0f);

const DCE: u8 = 0x80;

/// DCE may be changed; DCC says that the drive compresses, DDE that it decompresses.
pub(crate) const PAGE: PageDef =
    PageDef::new(ID, &[0x0f, 0x0e, 0xc0, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0], CHANGEABLE);
/// HP names the default algorithm (LTO-3 reference).
pub(crate) const HP: PageDef =
    PageDef::new(ID, &[0x0f, 0x0e, 0xc0, 0x80, 0, 0, 0, 0x01, 0, 0, 0, 0x01, 0, 0, 0, 0], CHANGEABLE);
const CHANGEABLE: &[u8] = &[0x0f, 0x0e, DCE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Whether blocks are to be compressed.
pub(crate) fn enabled(page: &[u8]) -> bool {
    page.get(2).is_some_and(|byte| byte & DCE != 0)
}
