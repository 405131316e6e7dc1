//! Read-write error recovery mode page, 01h (SSC-5 §8.3.5).

use scsi_core::mode::{PageDef, PageId};

/// All fields zero and fixed: the drive's own recovery.
pub(crate) const PAGE: PageDef = PageDef {
    id: PageId::page(0x01),
    default: &[0x01, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    changeable: &[0x01, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    saveable: false,
};
