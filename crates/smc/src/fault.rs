//! Where refusals of the library become sense: the only place.

use crate::library::MoveError;
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};

/// Sense for a move that was not made. `field` is the CDB byte of an address.
pub(crate) fn sense(error: MoveError, field: impl Fn(crate::element::Address) -> u16) -> Sense {
    match error {
        MoveError::NoElement(address) => Sense::illegal(Asc::INVALID_ELEMENT_ADDRESS).at(true, field(address), None),
        MoveError::SourceEmpty => Sense::illegal(Asc::MEDIUM_SOURCE_ELEMENT_EMPTY),
        MoveError::DestinationFull => Sense::illegal(Asc::MEDIUM_DESTINATION_ELEMENT_FULL),
        MoveError::Prevented => Sense::illegal(Asc::MEDIUM_REMOVAL_PREVENTED_BY_DATA_TRANSFER_ELEMENT),
        MoveError::DriveRefused => Sense::new(SenseKey::HARDWARE_ERROR, Asc::DATA_TRANSFER_DEVICE_ERROR_LOAD_FAILED),
    }
}
