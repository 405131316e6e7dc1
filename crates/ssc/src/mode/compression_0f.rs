//! Data compression mode page, 0Fh (SSC-4 §8.3.2). Values as captured from LTO-7, -8 and -9 drives.

use super::config_10;
use scsi_core::mode::{ModePageDef, ModePages, PageId};

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x0f);

const DCE: u8 = 0x80;

/// DCE is changeable; DCC and DDE: the drive can compress and decompresses.
pub(crate) const PAGE: ModePageDef =
    ModePageDef::new(ID, &[0x0f, 0x0e, 0xc0, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0], CHANGEABLE);
/// HP's page: the default algorithm is 01h (LTO-3 reference).
pub(crate) const HP: ModePageDef =
    ModePageDef::new(ID, &[0x0f, 0x0e, 0xc0, 0x80, 0, 0, 0, 0x01, 0, 0, 0, 0x01, 0, 0, 0, 0], CHANGEABLE);
const CHANGEABLE: &[u8] = &[0x0f, 0x0e, DCE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Returns whether compression is enabled. DCE and SELECT DATA COMPRESSION of page 10h are one setting: the one that
/// differs from `before` is new, and the other is set to it.
pub(crate) fn synchronize(pages: &mut ModePages, before: bool) -> bool {
    let bit = |id, byte: usize, bit: u8| pages.current(id).get(byte).is_some_and(|value| value & bit != 0);
    let (here, there) = (bit(ID, 2, DCE), bit(config_10::ID, 14, config_10::SELECT_COMPRESSION));
    let now = if here == before { there } else { here };
    pages.set_bits(ID, 2, DCE, now);
    pages.set_bits(config_10::ID, 14, config_10::SELECT_COMPRESSION, now);
    now
}
