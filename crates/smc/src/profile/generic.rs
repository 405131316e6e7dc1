//! A generic library, for identities without a known model. mhvtl has such a library, too.

use super::{ChangerProfile, DriveIdentifier, ElementDescriptorOptions, IBM_3573_TL, ModelStrings, STK_L700, sources};
use scsi_core::source::Sources;

/// A generic library: INQUIRY data and addresses as mhvtl presents its own, with as many elements as these addresses
/// allow.
pub const GENERIC: ChangerProfile = ChangerProfile {
    name: "Generic",
    model: ModelStrings { vendor: "FERRIC", product: "GENERIC LIBRARY", revision: "0100" },
    inquiry: IBM_3573_TL.inquiry,
    first_addresses: [0x02f0, 0x0400, 0x0300, 0x0001],
    max_elements: [64_511, 256, 751],
    descriptors: ElementDescriptorOptions { drive: DriveIdentifier::T10(34), ..STK_L700.descriptors },
    sources: Sources { tables: &[sources::FERRIC], sibling: None },
    ..STK_L700
};
