//! Power condition mode page, 1Ah (SPC-4 §7.5.13), as captured from an LTO-10 drive.

use scsi_core::mode::{ModePageDef, PageId};

const ID: PageId = PageId::page(0x1a);
/// IDLE_C after twenty minutes.
const DEFAULT: [u8; 40] = super::page(ID, 40, &[(3, 0x08), (18, 0x2e), (19, 0xe0)]);

/// Fixed, because the drive has one power condition; PS is set.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &DEFAULT, &[0; 40]).saveable();
