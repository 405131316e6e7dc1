//! Commands of SMC: layout, parsing and execution of each in one file.

pub(crate) mod element_status;
pub(crate) mod exchange;
pub(crate) mod initialize;
pub(crate) mod move_medium;
pub(crate) mod position;

use crate::element::Address;
use crate::library::Library;
use scsi_core::asc::Asc;
use scsi_core::command::SpcCommand;
use scsi_core::sense::Sense;

/// What a row of the table runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A command of SPC.
    Spc(SpcCommand),
    /// TEST UNIT READY.
    TestUnitReady,
    /// INITIALIZE ELEMENT STATUS, with range or without.
    InitializeElementStatus,
    /// POSITION TO ELEMENT.
    PositionToElement,
    /// MOVE MEDIUM.
    MoveMedium,
    /// EXCHANGE MEDIUM.
    ExchangeMedium,
    /// READ ELEMENT STATUS.
    ReadElementStatus,
}

/// MEDIUM TRANSPORT ADDRESS in bytes 2-3: the transport element, or zero for the default one.
fn transport(library: &Library, address: Address) -> Result<(), Sense> {
    if address == Address(0) || library.layout().transport.index(address).is_some() {
        return Ok(());
    }
    Err(Sense::illegal(Asc::INVALID_ELEMENT_ADDRESS).at(true, 2, None))
}
