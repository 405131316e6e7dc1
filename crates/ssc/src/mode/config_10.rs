//! Device configuration mode page, 10h (SSC-4 §8.3.3). Values as captured from LTO-7 and LTO-9 drives.

use crate::media::MediaState;
use scsi_core::mode::{ModePageDef, PageId};

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x10);

/// SELECT DATA COMPRESSION is changeable and saveable, as the PS bit of real drives reports.
pub(crate) const PAGE: ModePageDef =
    ModePageDef::new(ID, &[0x10, 0x0e, 0, 0, 0, 0, 0x01, 0x2c, 0x40, 0, 0x10, 0, 0, 0, 0x01, 0x90], CHANGEABLE)
        .saveable();
/// HP's page: REWIND ON RESET 00b (LTO-4 reference).
pub(crate) const HP: ModePageDef =
    ModePageDef::new(ID, &[0x10, 0x0e, 0, 0, 0, 0, 0x01, 0x2c, 0x40, 0, 0x10, 0, 0, 0, 0x01, 0x80], CHANGEABLE)
        .saveable();
/// DLT's page, not saveable (DLT4000 user's manual, 8.4.9.2).
pub(crate) const DLT: ModePageDef = ModePageDef { saveable: false, ..PAGE };
const CHANGEABLE: &[u8] = &[0x10, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0];

/// SELECT DATA COMPRESSION, byte 14.
pub(super) const SELECT_COMPRESSION: u8 = 0x01;

/// Renders ACTIVE PARTITION.
pub(crate) fn render(media: &MediaState, page: &mut [u8]) {
    if let (Some(partition), Some(mounted)) = (page.get_mut(3), media.threaded()) {
        *partition = mounted.medium.position().partition;
    }
}
