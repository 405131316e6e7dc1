//! Device capabilities mode page, 1Fh (SMC-3 §7.3.3): what this library really can do.

use scsi_core::mode::{PageDef, PageId};

/// Storage, import/export and drive elements store cartridges; a barcode reader is there; any of the three moves to any,
/// and any two exchange. The transport element is no end of a move.
pub(crate) const PAGE: PageDef = PageDef::new(
    PageId::page(0x1f),
    &[0x1f, 0x12, 0x0e, 0x02, 0, 0x0e, 0x0e, 0x0e, 0, 0, 0, 0, 0, 0x0e, 0x0e, 0x0e, 0, 0, 0, 0],
    &[0x1f, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);
