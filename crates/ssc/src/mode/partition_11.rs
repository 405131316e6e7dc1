//! Medium partition mode page, 11h (SSC-5 §8.3.4). Layout as an LTO-6 or later drive returns it: four sizes.

use crate::device::State;
use crate::load::Load;
use scsi_core::mode::{PageDef, PageId};

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x11);

/// POFM set (partitions come with FORMAT MEDIUM), PSUM 11b, MEDIUM FORMAT RECOGNITION 03h, units of 10^9 bytes.
pub(crate) const PAGE: PageDef = PageDef {
    id: ID,
    default: &[0x11, 0x0e, 0, 0, 0x1c, 0x03, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    changeable: &[0x11, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    saveable: false,
};

const GB: u64 = 1_000_000_000;

/// MAXIMUM ADDITIONAL PARTITIONS, ADDITIONAL PARTITIONS DEFINED and the sizes of the mounted medium.
pub(crate) fn render(state: &State, page: &mut [u8]) {
    let [_, _, most, defined, _, _, _, _, sizes @ ..] = page else { return };
    let Load::Mounted(mounted) = &state.load else {
        *most = state.profile.native.partitions - 1;
        return;
    };
    *most = mounted.cartridge.media().partitions - 1;
    *defined = mounted.medium.partitions() - 1;
    for (partition, size) in (0..mounted.medium.partitions()).zip(sizes.chunks_exact_mut(2)) {
        let bytes = mounted.medium.usage(partition).map_or(0, |usage| usage.capacity);
        let units = u16::try_from(bytes.div_ceil(GB)).unwrap_or(u16::MAX);
        size.copy_from_slice(&units.to_be_bytes());
    }
}
