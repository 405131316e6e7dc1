//! Transport geometry parameters mode page, 1Eh (SMC-3 §7.3.5): one transport element, which does not rotate media.

use scsi_core::mode::{ModePageDef, PageId};

/// The page: ROTATE 0, member number 0.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(PageId::page(0x1e), &[0x1e, 0x02, 0, 0], &[0x1e, 0x02, 0, 0]);
