//! Constant mode pages of IBM drives, as captured from LTO-8 to LTO-10 drives.

use scsi_core::mode::{ModePageDef, PageId};

/// Protocol-specific logical unit, 18h.
pub(crate) const UNIT_18: ModePageDef =
    ModePageDef::new(PageId::page(0x18), &[0x18, 0x06, 0, 0, 0, 0, 0, 0], &[0; 8]).protocol_specific();
/// Protocol-specific port, 19h.
pub(crate) const PORT_19: ModePageDef =
    ModePageDef::new(PageId::page(0x19), &[0x19, 0x06, 0, 0, 0, 0, 0, 0], &[0; 8]).protocol_specific();
/// Behavior configuration, 2Fh (vendor specific).
pub(crate) const BEHAVIOUR_2F: ModePageDef =
    ModePageDef::new(PageId::page(0x2f), &[0x2f, 0x08, 0, 0x01, 0, 0x01, 0, 0, 0, 0x01], &[0; 10]).saveable();
