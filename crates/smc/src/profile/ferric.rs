//! Our own.

use super::{ChangerProfile, DriveIdentifier, ElementDescriptorOptions, ModelStrings, STK_L700};

/// A library that nobody built, for who needs more elements than any model has: what SMC-3 says of a library that moves
/// and exchanges everything everywhere, drives that are told by their world wide names, and addresses for 65,000 slots below FFFFh.
pub const FERRIC: ChangerProfile = ChangerProfile {
    name: "Ferric",
    model: ModelStrings { vendor: "FERRIC", product: "VIRTUAL LIBRARY", revision: "0100" },
    first_addresses: [0, 0x0200, 0x0010, 0x0100],
    max_elements: [65_000, 240, 256],
    descriptors: ElementDescriptorOptions { drive: DriveIdentifier::Naa, ..STK_L700.descriptors },
    ..STK_L700
};
