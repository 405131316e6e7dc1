//! Control extension mode page, 0Ah/01h (SPC-4 §7.5.9).

use scsi_core::mode::{ModePageDef, PageId};

const ID: PageId = PageId { page: 0x0a, subpage: 0x01 };
const DEFAULT: [u8; 32] = super::subpage(ID, 32, &[]);

/// All fields are zero and fixed: the clock is set by SET TIMESTAMP, and sense data has no maximum length.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &DEFAULT, &[0; 32]);
