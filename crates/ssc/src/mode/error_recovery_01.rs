//! Read-write error recovery mode page, 01h (SSC-4 §8.3.5). IBM's values are as captured from LTO-9 and LTO-10 drives,
//! HP's as in its LTO-3 reference.

use scsi_core::mode::{ModePageDef, PageId};

const ID: PageId = PageId::page(0x01);
const FIXED: &[u8] = &[0x01, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// IBM's page: TB, EER and the retry count are set. No field is changeable.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &[0x01, 0x0a, 0x28, 0xff, 0, 0, 0, 0, 0, 0, 0, 0], FIXED);
/// Page of other families: all fields are zero.
pub(crate) const ALL_ZERO: ModePageDef = ModePageDef::new(ID, FIXED, FIXED);
/// HP's page, with retry counts.
pub(crate) const HP: ModePageDef = ModePageDef::new(ID, &[0x01, 0x0a, 0, 0x15, 0, 0, 0, 0, 0x0a, 0, 0, 0], FIXED);
