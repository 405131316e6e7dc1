//! Informational exceptions control mode page, 1Ch (SPC-5 §7.5.13).

use super::{PageDef, PageId};

/// DEXCPT set: exceptions are polled as TapeAlert flags, as LTO drives and libraries ship. Reporting by
/// another method is refused until it exists.
pub const PAGE: PageDef = PageDef {
    id: PageId::page(0x1c),
    default: &[0x1c, 0x0a, 0x08, 0x04, 0, 0, 0, 0, 0, 0, 0, 0],
    changeable: &[0x1c, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    saveable: false,
};
