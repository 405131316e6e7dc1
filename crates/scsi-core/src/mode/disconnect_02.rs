//! Disconnect-reconnect mode page, 02h (SPC-5 §7.5.12): of no meaning to iSCSI, but asked for.

use super::{PageDef, PageId};

/// All fields zero and fixed.
pub const PAGE: PageDef = PageDef::new(
    PageId::page(0x02),
    &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);
