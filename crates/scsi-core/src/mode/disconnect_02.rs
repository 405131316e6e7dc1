//! Disconnect-reconnect mode page, 02h (SPC-5 §7.5.12): of no meaning to iSCSI, but asked for.

use super::{ModePageDef, PageId};

/// All fields zero and fixed.
pub const PAGE: ModePageDef = ModePageDef::new(
    PageId::page(0x02),
    &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);
