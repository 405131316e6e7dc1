//! Transport geometry parameters mode page, 1Eh (SMC-3 §7.3.5): one transport element that does not rotate media.

use scsi_core::mode::{ModePageDef, PageId};

/// ROTATE=0, member 0.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(PageId::page(0x1e), &[0x1e, 0x02, 0, 0], &[0x1e, 0x02, 0, 0]);
