//! Device capabilities mode page, 1Fh (SMC-3 §7.3.3). Moves and exchanges are checked against it.

use crate::element::{ElementLayout, ElementType};
use scsi_core::mode::{ModePageDef, PageId};

/// Identifier of the device capabilities page.
pub(crate) const ID: PageId = PageId::page(0x1f);

/// The page; [`Capabilities::render`] fills it.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &LONG, &LONG);
/// The page in the shorter SCSI-2 layout.
pub(crate) const SHORT: ModePageDef = ModePageDef::new(ID, &HEADER, &HEADER);

const LONG: [u8; 20] = [0x1f, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const HEADER: [u8; 16] = [0x1f, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Capabilities of a library model, in the bit layout of mode page 1Fh (SMC-3 §7.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Byte 2: element types that can store volumes: drive (bit 3), import/export (2), storage (1), transport (0).
    pub stores: u8,
    /// Byte 3: automatic drive cleaning (ACE, bit 2), barcode reader (VTRP, bit 1), S2C (bit 0).
    pub features: u8,
    /// Bytes 4 to 7: supported moves from transport, storage, import/export and drive elements; destination bits as in
    /// `stores`.
    pub moves: [u8; 4],
    /// Bytes 12 to 15: supported exchanges, in the layout of `moves`.
    pub exchanges: [u8; 4],
}

impl Capabilities {
    /// Returns whether a cartridge can be moved from one element type to another.
    #[must_use]
    pub fn moves(&self, from: ElementType, to: ElementType) -> bool {
        allows(&self.moves, from, to)
    }

    /// Returns whether the library supports exchanges between two element types.
    #[must_use]
    pub fn exchanges(&self, from: ElementType, to: ElementType) -> bool {
        allows(&self.exchanges, from, to)
    }

    /// Returns whether the library supports any exchange.
    #[must_use]
    pub fn exchanges_any(&self) -> bool {
        self.exchanges != [0; 4]
    }

    /// Returns the capabilities of a library with this layout: element types without elements are cleared.
    pub(crate) fn limited_to(&self, layout: &ElementLayout) -> Self {
        let counts = layout.ranges().map(|(_, range)| range.count);
        let bits = counts.iter().rev().fold(0, |bits, count| bits << 1 | u8::from(*count > 0));
        let only = |rows: [u8; 4]| {
            let mut rows = rows;
            for (row, count) in rows.iter_mut().zip(counts) {
                *row &= if count > 0 { bits } else { 0 };
            }
            rows
        };
        Self {
            stores: self.stores & bits,
            features: self.features,
            moves: only(self.moves),
            exchanges: only(self.exchanges),
        }
    }

    /// Writes the capabilities into the page.
    pub(crate) fn render(&self, page: &mut [u8]) {
        let [a, b, c, d] = self.moves;
        let [e, f, g, h] = self.exchanges;
        let fields = [self.stores, self.features, a, b, c, d, 0, 0, 0, 0, e, f, g, h];
        page.iter_mut().skip(2).zip(fields).for_each(|(slot, value)| *slot = value);
    }
}

fn allows(rows: &[u8; 4], from: ElementType, to: ElementType) -> bool {
    let row = rows.get(usize::from(from.0.wrapping_sub(1))).copied().unwrap_or(0);
    row >> to.0.saturating_sub(1) & 1 == 1
}
