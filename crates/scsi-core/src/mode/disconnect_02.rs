//! Disconnect-reconnect mode page, 02h (SPC-5 §7.5.12): of no meaning to iSCSI, but asked for.

use super::{PageDef, PageId};

/// All fields zero and fixed.
pub const PAGE: PageDef = PageDef {
    id: PageId::page(0x02),
    default: &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    changeable: &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    saveable: false,
};
