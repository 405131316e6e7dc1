//! Disconnect-reconnect mode page, 02h (SPC-5 §7.5.12). It has no effect with iSCSI, but hosts read it.

use super::{ModePageDef, PageId};

/// The page: all fields are zero and not changeable.
pub const PAGE: ModePageDef = ModePageDef::new(
    PageId::page(0x02),
    &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0x02, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);
