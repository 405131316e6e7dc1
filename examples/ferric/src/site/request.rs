//! Translates commands to requests of the control protocol.

use super::command::{
    AlertArgs, AlertState, CartridgeAction, CartridgeArgs, DoorName, DoorState, DriveArgs, FaultStep, ImportArgs,
    LabelState, OnlineState, PoolArgs, RequestCommand as Command, RoleName, SlotArgs, SlotState, TokenCommand,
};
use crate::output::Output;
use smc::element::{ElementFault, LabelDefect};
use smc::robot::RobotFault;
use vtl::control::{ControlRequest as Request, Door};
use vtl::tokens::Role;

impl From<DoorName> for Door {
    fn from(door: DoorName) -> Self {
        match door {
            DoorName::Access => Self::Access,
            DoorName::IoStation | DoorName::Station => Self::IoStation,
        }
    }
}

impl From<FaultStep> for RobotFault {
    fn from(fault: FaultStep) -> Self {
        match fault {
            FaultStep::Pick => Self::Pick,
            FaultStep::Place => Self::Place,
            FaultStep::Load => Self::Load,
            FaultStep::Unload => Self::Unload,
        }
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Read => Self::Read,
            RoleName::Operate => Self::Operate,
            RoleName::Admin => Self::Admin,
        }
    }
}

const fn element_fault(state: SlotState) -> Option<ElementFault> {
    match state {
        SlotState::Disable => Some(ElementFault::Disabled),
        SlotState::Block => Some(ElementFault::Blocked),
        SlotState::Enable => None,
    }
}

const fn label(state: LabelState) -> Option<LabelDefect> {
    match state {
        LabelState::Readable => None,
        LabelState::Missing => Some(LabelDefect::Missing),
        LabelState::Unreadable => Some(LabelDefect::Unreadable),
    }
}

/// The request of a command. Prints a warning if the command names elements by their former names.
pub(super) fn request(output: Output, library: Option<String>, command: Command) -> Request {
    let mut request = translate(library, command);
    let former = request.replace_former_element_names();
    output.warn_former(former.iter().map(|word| (word.former.as_str(), word.current.as_str())));
    request
}

fn translate(library: Option<String>, command: Command) -> Request {
    match command {
        Command::Load { cartridge, drive } => Request::Load { library, cartridge, drive },
        Command::Unload { drive } => Request::Unload { library, drive },
        Command::Move { from, to } => Request::Move { library, from, to },
        Command::Import(ImportArgs { cartridge, to, .. }) => {
            Request::Import { library, cartridge: cartridge.unwrap_or_default(), to }
        }
        Command::Export { from } => Request::Export { library, from },
        Command::Assign { cartridge, partition, to } => Request::Assign { cartridge, library: partition, to },
        Command::Door { door, state } => Request::Door { library, door: door.into(), open: state == DoorState::Open },
        Command::Robot { state } => Request::Online { library, drive: None, online: state == OnlineState::Online },
        Command::Drive(DriveArgs { drive: Some(drive), state: Some(state) }) => {
            Request::Online { library, drive: Some(drive), online: state == OnlineState::Online }
        }
        Command::Drive(DriveArgs { drive: Some(element), state: None }) => {
            Request::Find { library, element, drive: true }
        }
        Command::Slot(SlotArgs { element: Some(element), state: Some(state) }) => {
            Request::Element { library, element, fault: element_fault(state) }
        }
        Command::Slot(SlotArgs { element: Some(element), state: None }) => {
            Request::Find { library, element, drive: false }
        }
        Command::Drive(DriveArgs { drive: None, .. }) | Command::Slot(SlotArgs { element: None, .. }) => {
            Request::Status
        }
        Command::Label { cartridge, state } => Request::Label { library, cartridge, label: label(state) },
        Command::InjectFault { fault } | Command::Fail { fault } => {
            Request::InjectFault { library, fault: fault.into(), nth: None, count: None }
        }
        Command::Alert(AlertArgs { flag: Some(flag), state: Some(state), drive }) => {
            Request::Alert { library, drive, flag, raised: state == AlertState::Raise }
        }
        Command::Alert(AlertArgs { flag, drive, .. }) => Request::Alerts { library, drive, flag },
        Command::Status | Command::Library => Request::Status,
        Command::Pool(PoolArgs { pool: Some(pool), create: Some(count), .. }) => {
            Request::Create { pool, count: count.into() }
        }
        Command::Pool(PoolArgs { pool, .. }) => Request::Pools { pool },
        Command::Cartridge(CartridgeArgs { cartridge: Some(cartridge), action, reason, .. }) => match action {
            CartridgeAction { protect: Some(on), .. } => Request::Protect { cartridge, on },
            CartridgeAction { retain: Some(until), .. } => Request::Retain { cartridge, until },
            CartridgeAction { hold: Some(on), .. } => {
                Request::Hold { cartridge, on, reason: reason.unwrap_or_default() }
            }
            CartridgeAction { forget: true, .. } => Request::Forget { cartridge },
            CartridgeAction { delete: true, .. } => Request::Delete { cartridge },
            CartridgeAction { .. } => Request::Cartridges { cartridge: Some(cartridge) },
        },
        Command::Cartridge(CartridgeArgs { cartridge: None, .. }) => Request::Cartridges { cartridge: None },
        Command::Token(TokenCommand::Create { name, role }) => Request::TokenCreate { name, role: role.into() },
        Command::Token(TokenCommand::List) => Request::Tokens,
        Command::Token(TokenCommand::Remove { name }) => Request::TokenRemove { name },
        Command::Reload => Request::Reload,
    }
}
