//! Errors of moves and doors, for operators: they name the elements, and the cartridges in them.

use super::{ControlError, ErrorCode};
use crate::library::Library;
use smc::changer::{Changer, OperatorError};
use smc::element::{ElementAddress, ElementFault};
use smc::library::MoveError;
use smc::robot::RobotFault;

/// The code of an error of an operator action. An element that an operator has taken out of service is a conflict; a
/// robot or drive that failed is unavailable.
pub(crate) const fn operator_error_code(error: OperatorError) -> ErrorCode {
    match error {
        OperatorError::Prevented | OperatorError::Element(MoveError::Prevented(_)) => ErrorCode::Locked,
        OperatorError::AccessDoorClosed
        | OperatorError::NotReady
        | OperatorError::Element(
            MoveError::Disabled(_)
            | MoveError::StationOpen(_)
            | MoveError::OtherPartition(_)
            | MoveError::SourceEmpty(_)
            | MoveError::DestinationFull(_),
        ) => ErrorCode::Conflict,
        OperatorError::Element(MoveError::NoElement(_) | MoveError::NotPossible { .. }) => ErrorCode::Invalid,
        OperatorError::Faulty
        | OperatorError::Element(
            MoveError::DriveRefused(_)
            | MoveError::RobotFailed(..)
            | MoveError::DoublePick(_)
            | MoveError::DoorOpened(_)
            | MoveError::Refused(_),
        ) => ErrorCode::Unavailable,
    }
}

impl Library {
    pub(super) fn empty_element_error(&self, address: ElementAddress) -> ControlError {
        let name = self.element_name(address);
        ControlError::conflict(format!("{name} is empty")).with_library(self.name()).with_element(name)
    }

    /// Translates the error of a move to one that names its elements.
    pub(crate) fn operator_error(
        &self,
        changer: &Changer,
        why: OperatorError,
        from: Option<ElementAddress>,
        to: Option<ElementAddress>,
    ) -> ControlError {
        let name = |end: Option<ElementAddress>| end.map_or_else(|| "the element".into(), |end| self.element_name(end));
        let condition = changer.library().operator_state();
        let blocked = |end: &ElementAddress| condition.element_faults.get(end) == Some(&ElementFault::Blocked);
        let is_blocked = [from, to].into_iter().flatten().find(blocked);
        let code = match why {
            OperatorError::Element(MoveError::RobotFailed(..)) if is_blocked.is_some() => ErrorCode::Conflict,
            why => operator_error_code(why),
        };
        let message = match why {
            OperatorError::Prevented => {
                let what = from.or(to).map_or_else(|| "the library".into(), |end| self.element_name(end));
                format!("{what} is locked: a host prevents medium removal (PREVENT ALLOW MEDIUM REMOVAL)")
            }
            OperatorError::AccessDoorClosed => format!(
                "{} is reached through the access door, which is closed; use an I/O element, or open it: ferric door access \
                 open",
                name(from.or(to))
            ),
            OperatorError::Faulty => {
                "the changer is faulty after an internal error; to use it again: ferric robot online".into()
            }
            OperatorError::NotReady if condition.door_open => {
                "the access door is open; close it: ferric door access close".into()
            }
            OperatorError::NotReady => "the robot is offline; to set it online: ferric robot online".into(),
            OperatorError::Element(error) => self.move_error(changer, error, from, to),
        };
        let error = ControlError::new(code, message).with_library(self.name());
        let concerned = match why {
            OperatorError::Element(MoveError::DestinationFull(_) | MoveError::DriveRefused(_)) => to,
            OperatorError::Element(
                MoveError::NoElement(address)
                | MoveError::NotPossible { to: address, .. }
                | MoveError::Disabled(address)
                | MoveError::OtherPartition(address),
            ) => Some(address),
            _ => is_blocked.or(from).or(to),
        };
        match concerned {
            Some(address) => error.with_element(self.element_name(address)),
            None => error,
        }
    }

    fn move_error(
        &self,
        changer: &Changer,
        error: MoveError,
        from: Option<ElementAddress>,
        to: Option<ElementAddress>,
    ) -> String {
        let name = |end: Option<ElementAddress>| end.map_or_else(|| "the element".into(), |end| self.element_name(end));
        let condition = changer.library().operator_state();
        let blocked = |end: &ElementAddress| condition.element_faults.get(end) == Some(&ElementFault::Blocked);
        match error {
            MoveError::NoElement(address) => format!("{} holds no cartridges", self.element_name(address)),
            MoveError::NotPossible { .. } => {
                format!("the model {} moves no cartridge from {} to {}", self.profile().name, name(from), name(to))
            }
            MoveError::Disabled(address) if condition.drives_offline.contains(&address) => {
                let drive = self.element_name(address);
                format!("{drive} is offline; to set it online: ferric drive {drive} online")
            }
            MoveError::Disabled(address) => {
                let element = self.element_name(address);
                format!("{element} is disabled; enable it: ferric slot {element} enable")
            }
            MoveError::StationOpen(_) => "the I/O station is open; close it: ferric door io-station close".into(),
            MoveError::OtherPartition(address) => format!(
                "another partition of the chassis uses {}; name another I/O element, or wait until it is empty",
                self.element_name(address)
            ),
            MoveError::SourceEmpty(_) => format!("{} is empty", name(from)),
            MoveError::DestinationFull(_) => {
                let content = to.and_then(|to| changer.content(to)).map(|content| content.barcode.to_string());
                format!("{} holds {}", name(to), content.as_deref().unwrap_or("a cartridge"))
            }
            MoveError::Prevented(_) => {
                format!("a host prevents medium removal from {} (PREVENT ALLOW MEDIUM REMOVAL)", name(from))
            }
            MoveError::Refused(_) => {
                format!(
                    "the move command of library {:?} has failed; the log of the daemon has the reason",
                    self.name()
                )
            }
            MoveError::DoublePick(address) => {
                format!("the robot picked two cartridges at {}", self.element_name(address))
            }
            MoveError::DoorOpened(_) => {
                "the access door was opened during the move; close it: ferric door access close".into()
            }
            MoveError::DriveRefused(_) => format!("{} did not accept the cartridge", name(to)),
            MoveError::RobotFailed(failure, _) => match [from, to].into_iter().flatten().find(blocked) {
                Some(end) => {
                    let end = self.element_name(end);
                    format!("the robot cannot reach {end}, which is blocked; unblock it: ferric slot {end} enable")
                }
                None => match failure {
                    RobotFault::Pick => format!("the robot failed to pick the cartridge from {}", name(from)),
                    RobotFault::Place => format!("the robot failed to place the cartridge in {}", name(to)),
                    RobotFault::Load => format!("{} failed to load the cartridge", name(to)),
                    RobotFault::Unload => format!("{} failed to unload its cartridge", name(from)),
                },
            },
        }
    }
}
