//! Element address assignment mode page, 1Dh (SMC-3 §7.3.2).

use crate::element::ElementLayout;
use scsi_core::mode::{ModePageDef, PageId};

/// Identifier of the element address assignment page.
pub(crate) const ID: PageId = PageId::page(0x1d);

/// The page. Addresses come from the layout; hosts cannot change them.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(
    ID,
    &[0x1d, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0x1d, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);

/// Writes first address and number of transport, storage, import/export and drive elements.
pub(crate) fn render(layout: &ElementLayout, page: &mut [u8]) {
    let fields = layout.ranges().into_iter().flat_map(|(_, range)| [range.first, range.count]);
    for (slot, value) in page.get_mut(2..18).unwrap_or_default().chunks_exact_mut(2).zip(fields) {
        slot.copy_from_slice(&value.to_be_bytes());
    }
}
