//! Ferric's own library model.

use super::{ChangerProfile, DriveIdentifier, ElementDescriptorOptions, ModelStrings, STK_L700, sources};
use scsi_core::source::Sources;

/// Ferric's own library model, for more elements than any real model has. It supports all moves and exchanges of SMC-3
/// between storage, import/export and drive elements, identifies drives by world wide name, and has addresses for
/// 65,000 slots below FFFFh.
pub const FERRIC: ChangerProfile = ChangerProfile {
    name: "Ferric",
    model: ModelStrings { vendor: "FERRIC", product: "VIRTUAL LIBRARY", revision: "0100" },
    first_addresses: [0, 0x0200, 0x0010, 0x0100],
    max_elements: [65_000, 240, 256],
    descriptors: ElementDescriptorOptions { drive: DriveIdentifier::Naa, ..STK_L700.descriptors },
    sources: Sources { tables: &[sources::FERRIC], sibling: None },
    ..STK_L700
};
