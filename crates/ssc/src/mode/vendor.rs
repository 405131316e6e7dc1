//! Constant mode pages of IBM drives, as captured from LTO-8 to LTO-10 drives, with iSCSI as the protocol.

use scsi_core::mode::{ModePageDef, PageId};

/// Protocol-specific logical unit, 18h: PROTOCOL IDENTIFIER 5h, iSCSI.
pub(crate) const UNIT_18: ModePageDef =
    ModePageDef::new(PageId::page(0x18), &[0x18, 0x06, 0x05, 0, 0, 0, 0, 0], &[0; 8]);
/// Protocol-specific port, 19h: PROTOCOL IDENTIFIER 5h, iSCSI.
pub(crate) const PORT_19: ModePageDef =
    ModePageDef::new(PageId::page(0x19), &[0x19, 0x06, 0x05, 0, 0, 0, 0, 0], &[0; 8]);
/// Behavior configuration, 2Fh (vendor specific).
pub(crate) const BEHAVIOUR_2F: ModePageDef =
    ModePageDef::new(PageId::page(0x2f), &[0x2f, 0x08, 0, 0x01, 0, 0x01, 0, 0, 0, 0x01], &[0; 10]).saveable();
