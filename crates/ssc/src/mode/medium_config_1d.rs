//! Medium configuration mode page, 1Dh (SSC-4 §8.3.7): whether the medium is WORM.

use crate::media::MediaState;
use scsi_core::mode::{ModePageDef, PageId};
use tape_store::cartridge::CartridgeKind;

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x1d);
/// As reported by an empty LTO-10 drive. WORM mode label restrictions 01h: some format labels cannot be overwritten.
/// WORM mode filemark restrictions 02h: all filemarks before end of data can be overwritten, except the one nearest to
/// BOP.
const DEFAULT: [u8; 32] = super::page(ID, 32, &[(4, 0x01), (5, 0x02)]);

/// No field is changeable.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &DEFAULT, &[0; 32]);

/// WORMM.
const WORM: u8 = 0x01;

/// Renders whether the mounted medium is WORM.
pub(crate) fn render(media: &MediaState, page: &mut [u8]) {
    let Some(mounted) = media.threaded() else { return };
    if mounted.cartridge.kind() == CartridgeKind::Worm
        && let Some(worm) = page.get_mut(2)
    {
        *worm = WORM;
    }
}
