//! Where refusals of the library become sense and alerts: the only place.

use crate::alert::Alert;
use crate::element::Address;
use crate::library::MoveError;
use crate::robot::Failure;
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};

/// Sense for a move that was not made. `field` is the CDB byte of an address.
pub(crate) fn sense(error: MoveError, field: impl Fn(Address) -> u16) -> Sense {
    let hardware = |asc| Sense::new(SenseKey::HARDWARE_ERROR, asc);
    match error {
        MoveError::NoElement(address) | MoveError::NotPossible(address) => {
            Sense::illegal(Asc::INVALID_ELEMENT_ADDRESS).at(true, field(address), None)
        }
        MoveError::Disabled(address) => Sense::illegal(Asc::ELEMENT_DISABLED).at(true, field(address), None),
        MoveError::StationOpen => Sense::new(SenseKey::NOT_READY, Asc::MEDIUM_NOT_PRESENT_TRAY_OPEN),
        MoveError::SourceEmpty => Sense::illegal(Asc::MEDIUM_SOURCE_ELEMENT_EMPTY),
        MoveError::DestinationFull => Sense::illegal(Asc::MEDIUM_DESTINATION_ELEMENT_FULL),
        MoveError::Prevented => Sense::illegal(Asc::MEDIUM_REMOVAL_PREVENTED_BY_DATA_TRANSFER_ELEMENT),
        MoveError::DriveRefused | MoveError::Failed(Failure::Load) => hardware(Asc::MEDIA_LOAD_OR_EJECT_FAILED),
        MoveError::Failed(Failure::Unload) => hardware(Asc::UNLOAD_TAPE_FAILURE),
        MoveError::Failed(Failure::Pick | Failure::Place) => hardware(Asc::MECHANICAL_POSITIONING_ERROR),
    }
}

/// The flag that such a failure raises.
pub(crate) const fn alert(error: MoveError) -> Option<Alert> {
    match error {
        MoveError::Failed(Failure::Pick) => Some(Alert::PICK_RETRY),
        MoveError::Failed(Failure::Place) => Some(Alert::PLACE_RETRY),
        MoveError::Failed(Failure::Load | Failure::Unload) | MoveError::DriveRefused => Some(Alert::LOAD_RETRY),
        _ => None,
    }
}
