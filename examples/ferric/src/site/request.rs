//! What a command asks of the daemon.

use super::command::{
    Action, Alert, Cartridge, Command, Doors, Drive, Failures, Flag, Labels, Line, Pool, Slot, State, Use,
};
use smc::element::{Label, Trouble};
use smc::robot::Failure;
use vtl::control::{Door, Request};

impl From<Doors> for Door {
    fn from(door: Doors) -> Self {
        match door {
            Doors::Access => Self::Access,
            Doors::Station => Self::Station,
        }
    }
}

impl From<Failures> for Failure {
    fn from(failure: Failures) -> Self {
        match failure {
            Failures::Pick => Self::Pick,
            Failures::Place => Self::Place,
            Failures::Load => Self::Load,
            Failures::Unload => Self::Unload,
        }
    }
}

const fn trouble(state: Use) -> Option<Trouble> {
    match state {
        Use::Disable => Some(Trouble::Disabled),
        Use::Block => Some(Trouble::Blocked),
        Use::Enable => None,
    }
}

const fn label(state: Labels) -> Option<Label> {
    match state {
        Labels::Readable => None,
        Labels::Missing => Some(Label::Missing),
        Labels::Unreadable => Some(Label::Unreadable),
    }
}

pub(super) fn request(library: Option<String>, command: Command) -> Request {
    match command {
        Command::Load { cartridge, drive } => Request::Load { library, cartridge, drive },
        Command::Unload { drive } => Request::Unload { library, drive },
        Command::Move { from, to } => Request::Move { library, from, to },
        Command::Import { cartridge, to } => Request::Import { library, cartridge, to },
        Command::Export { from } => Request::Export { library, from },
        Command::Door { door, state } => Request::Door { library, door: door.into(), open: state == State::Open },
        Command::Robot { state } => Request::Online { library, drive: None, online: state == Line::Online },
        Command::Drive(Drive { drive: Some(drive), state: Some(state) }) => {
            Request::Online { library, drive: Some(drive), online: state == Line::Online }
        }
        Command::Drive(Drive { drive: Some(element), state: None }) => Request::Find { library, element, drive: true },
        Command::Slot(Slot { element: Some(element), state: Some(state) }) => {
            Request::Element { library, element, trouble: trouble(state) }
        }
        Command::Slot(Slot { element: Some(element), state: None }) => Request::Find { library, element, drive: false },
        Command::Drive(Drive { drive: None, .. }) | Command::Slot(Slot { element: None, .. }) => Request::Status,
        Command::Label { cartridge, state } => Request::Label { library, cartridge, label: label(state) },
        Command::Fault { failure } => Request::Fail { library, failure: failure.into() },
        Command::Alert(Alert { flag: Some(flag), state: Some(state), drive }) => {
            Request::Alert { library, drive, flag, raised: state == Flag::Raise }
        }
        Command::Alert(Alert { flag, drive, .. }) => Request::Alerts { library, drive, flag },
        Command::Status | Command::Library => Request::Status,
        Command::Pool(Pool { pool: Some(pool), make: Some(count) }) => Request::Make { pool, count: count.into() },
        Command::Pool(Pool { pool, .. }) => Request::Pools { pool },
        Command::Cartridge(Cartridge { cartridge: Some(cartridge), action }) => match action {
            Action { protect: Some(on), .. } => Request::Protect { cartridge, on },
            Action { retain: Some(until), .. } => Request::Retain { cartridge, until },
            Action { forget: true, .. } => Request::Forget { cartridge },
            Action { delete: true, .. } => Request::Delete { cartridge },
            Action { .. } => Request::Cartridges { cartridge: Some(cartridge) },
        },
        Command::Cartridge(Cartridge { cartridge: None, .. }) => Request::Cartridges { cartridge: None },
        Command::Reload => Request::Reload,
        Command::Events => Request::Events,
    }
}
