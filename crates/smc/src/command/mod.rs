//! Commands of SMC: layout, parsing and execution of each in one file.

pub(crate) mod element_information;
pub(crate) mod element_status;
pub(crate) mod exchange;
pub(crate) mod import_export;
pub(crate) mod initialize;
pub(crate) mod move_medium;
pub(crate) mod position;
pub(crate) mod volume_tag;

use crate::device::ChangerState;
use crate::element::{ElementAddress, ElementType};
use crate::fault;
use crate::library::{Library, MoveError};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::SpcCommand;
use scsi_core::fault::Outcome;
use scsi_core::lu::Lu;
use scsi_core::sense::Sense;

/// What a row of the table runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A command of SPC.
    Spc(SpcCommand),
    /// TEST UNIT READY.
    TestUnitReady,
    /// INITIALIZE ELEMENT STATUS.
    InitializeElementStatus,
    /// INITIALIZE ELEMENT STATUS WITH RANGE, 37h and E7h.
    InitializeRange,
    /// OPEN/CLOSE IMPORT/EXPORT ELEMENT.
    OpenCloseImportExport,
    /// POSITION TO ELEMENT.
    PositionToElement,
    /// MOVE MEDIUM.
    MoveMedium,
    /// EXCHANGE MEDIUM.
    ExchangeMedium,
    /// READ ELEMENT STATUS.
    ReadElementStatus,
    /// REPORT ELEMENT INFORMATION.
    ReportElementInformation,
    /// SEND VOLUME TAG.
    SendVolumeTag,
    /// REQUEST VOLUME ELEMENT ADDRESS.
    RequestVolumeElementAddress,
}

impl Command {
    /// Whether it is refused while the robot cannot work.
    pub(crate) fn needs_robot(self, cdb: &Cdb) -> bool {
        match self {
            Self::Spc(_) | Self::ReportElementInformation => false,
            Self::ReadElementStatus => cdb.bytes()[6] & element_status::CURDATA == 0,
            _ => true,
        }
    }
}

/// What a move ends with: its failure becomes sense, and raises a flag.
fn finish_move(
    state: &mut ChangerState,
    result: Result<(), MoveError>,
    field: impl Fn(ElementAddress) -> u16,
) -> Outcome {
    let Err(error) = result else { return Ok(()) };
    if let Some(alert) = fault::alert(error) {
        state.alerts.raise(alert);
    }
    Err(fault::sense(error, field).into())
}

/// Some models keep the robot from filling the station while a host prevents removal.
fn check_export(state: &ChangerState, lu: &Lu, destination: ElementAddress) -> Result<(), Sense> {
    let exports = state.library.layout().element_type(destination) == Some(ElementType::IMPORT_EXPORT);
    if state.profile.prevents_export && exports && lu.removal_prevented() {
        return Err(Sense::illegal_request(Asc::MEDIUM_REMOVAL_PREVENTED));
    }
    Ok(())
}

/// MEDIUM TRANSPORT ADDRESS in bytes 2-3: the transport element, or zero for the default one.
fn transport(library: &Library, address: ElementAddress) -> Result<(), Sense> {
    if address == ElementAddress(0) || library.layout().transport.index(address).is_some() {
        return Ok(());
    }
    Err(Sense::illegal_request(Asc::INVALID_ELEMENT_ADDRESS).with_field_pointer(true, 2, None))
}
