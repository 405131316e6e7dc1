//! Disconnect-reconnect mode page, 02h (SPC-4 §7.5.10). It has no effect with iSCSI, but hosts read it.

use super::{ModePageDef, PageId};

/// The page: all fields are zero and not changeable.
pub const PAGE: ModePageDef = ModePageDef::new(
    PageId::page(0x02),
    &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);
