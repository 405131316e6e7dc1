//! Mapping of move errors to sense data and TapeAlert flags.

use crate::alert::Alert;
use crate::element::ElementAddress;
use crate::library::MoveError;
use crate::robot::RobotFault;
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};

/// Returns the sense data for a failed move. `field` returns the CDB byte of an element address.
pub(crate) fn sense(error: MoveError, field: impl Fn(ElementAddress) -> u16) -> Sense {
    let hardware = |asc| Sense::new(SenseKey::HARDWARE_ERROR, asc);
    match error {
        MoveError::NoElement(address) | MoveError::NotPossible { to: address, .. } => {
            Sense::illegal_request(Asc::INVALID_ELEMENT_ADDRESS).with_field_pointer(true, field(address), None)
        }
        MoveError::Disabled(address) => {
            Sense::illegal_request(Asc::ELEMENT_DISABLED).with_field_pointer(true, field(address), None)
        }
        MoveError::StationOpen(_) | MoveError::OtherPartition(_) => {
            Sense::new(SenseKey::NOT_READY, Asc::MEDIUM_NOT_PRESENT_TRAY_OPEN)
        }
        MoveError::SourceEmpty(_) => Sense::illegal_request(Asc::MEDIUM_SOURCE_ELEMENT_EMPTY),
        MoveError::DestinationFull(_) => Sense::illegal_request(Asc::MEDIUM_DESTINATION_ELEMENT_FULL),
        MoveError::Prevented(_) => Sense::illegal_request(Asc::MEDIUM_REMOVAL_PREVENTED_BY_DATA_TRANSFER_ELEMENT),
        MoveError::DriveRefused(_) | MoveError::RobotFailed(RobotFault::Load, _) => {
            hardware(Asc::MEDIA_LOAD_OR_EJECT_FAILED)
        }
        MoveError::DoublePick(_) => hardware(Asc::MECHANICAL_POSITIONING_OR_CHANGER_ERROR),
        MoveError::DoorOpened(_) => Sense::new(SenseKey::NOT_READY, Asc::LOGICAL_UNIT_NOT_READY_A_DOOR_IS_OPEN),
        MoveError::Refused(_) => hardware(Asc::LU_NOT_READY_MANUAL_INTERVENTION_REQUIRED),
        MoveError::RobotFailed(RobotFault::Unload, _) => hardware(Asc::UNLOAD_TAPE_FAILURE),
        MoveError::RobotFailed(RobotFault::Pick | RobotFault::Place, _) => hardware(Asc::MECHANICAL_POSITIONING_ERROR),
    }
}

/// Returns the TapeAlert flag that a failed move raises.
pub(crate) const fn alert(error: MoveError) -> Option<Alert> {
    match error {
        MoveError::RobotFailed(RobotFault::Pick, _) | MoveError::DoublePick(_) => Some(Alert::PICK_RETRY),
        MoveError::RobotFailed(RobotFault::Place, _) => Some(Alert::PLACE_RETRY),
        MoveError::RobotFailed(RobotFault::Load | RobotFault::Unload, _) | MoveError::DriveRefused(_) => {
            Some(Alert::LOAD_RETRY)
        }
        MoveError::DoorOpened(_) => Some(Alert::DOOR),
        _ => None,
    }
}
