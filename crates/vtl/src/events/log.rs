//! The log lines of events: `warn` for what needs a person, `info` for the life of the service and changes by operators,
//! `debug` for changes that hosts make to a unit. Events that mean lost data or service are logged where they are found.
//!
//! Texts are recorded as strings, which the log writes in quotes, so that a program can parse a line.

use super::{Event, EventRecord, Subject};
use crate::control::Door;
use crate::inventory::Location;
use smc::element::ElementAddress;
use smc::robot::OperatorState;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tape_store::cartridge::Barcode;

/// Logs an event if it has a line, except those of [`log_of_library`]. A panic of the log must not undo what the event
/// reports.
pub(super) fn log(record: &EventRecord) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        log_warning(record);
        log_service(record);
        log_session(record);
        log_operator(record);
        log_unit_change(record);
    }));
}

/// Logs a move of a cartridge, or what operators have set in a library. `name_of` returns the name of an element, such as
/// `slot1`.
pub(crate) fn log_of_library(subject: &Subject, event: &Event, name_of: impl Fn(ElementAddress) -> String) {
    let _ = catch_unwind(AssertUnwindSafe(|| match event {
        Event::OperatorState { state } => log_operator_state(subject, state, name_of),
        event => log_move(subject, event, name_of),
    }));
}

fn log_move(subject: &Subject, event: &Event, name_of: impl Fn(ElementAddress) -> String) {
    let name_of = |location: &Location| match location {
        Location::Element { address, .. } => name_of(ElementAddress(*address)),
        shelf @ Location::Shelf(_) => shelf.to_string(),
    };
    let Some((from, to)) = event.locations() else { return };
    let (from, to) = (&*name_of(from), &*name_of(to));
    let (unit, what) = match event {
        Event::Loaded { .. } => (to, "load"),
        Event::Unloaded { .. } => (from, "unload"),
        Event::Imported { .. } => ("changer", "import"),
        Event::Exported { .. } => ("changer", "export"),
        _ => ("changer", "move"),
    };
    let initiator = subject.cause.initiator.as_deref().map(initiator_name);
    let (library, barcode) = (subject.library.as_deref(), subject.barcode.as_deref());
    tracing::info!(library, unit, barcode, initiator, from, to, "{what}");
}

fn log_operator_state(subject: &Subject, state: &OperatorState, name_of: impl Fn(ElementAddress) -> String) {
    let names = |addresses: &mut dyn Iterator<Item = &ElementAddress>| {
        addresses.map(|address| name_of(*address)).collect::<Vec<_>>().join(" ")
    };
    let drives_offline = &*names(&mut state.drives_offline.iter());
    let element_faults = &*names(&mut state.element_faults.keys());
    let label_defects = &*state.label_defects.keys().map(Barcode::as_str).collect::<Vec<_>>().join(" ");
    let (library, robot_offline) = (subject.library.as_deref(), state.offline);
    tracing::info!(library, robot_offline, drives_offline, element_faults, label_defects, "operator state");
}

/// The iSCSI name in the name of an initiator port, as in the lines of commands; other names have no ISID.
fn initiator_name(port: &str) -> &str {
    port.split_once(",i,").map_or(port, |(name, _)| name)
}

/// The ISID in the name of an initiator port.
fn isid(port: &str) -> Option<&str> {
    port.split_once(",i,").map(|(_, isid)| isid)
}

fn log_warning(record: &EventRecord) {
    let EventRecord { initiator, library, unit, barcode, event, .. } = record;
    let (initiator, library, unit, barcode) =
        (initiator.as_deref().map(initiator_name), library.as_deref(), unit.as_deref(), barcode.as_deref());
    match event {
        Event::AlertRaised { flag, name } => {
            tracing::warn!(library, unit, barcode, flag, name = name.as_str(), "TapeAlert flag raised");
        }
        Event::RetentionEnforced { suppressed } => {
            tracing::warn!(library, unit, barcode, initiator, suppressed, "retention enforced");
        }
        _ => {}
    }
}

fn log_service(record: &EventRecord) {
    let EventRecord { library, unit, barcode, initiator, event, .. } = record;
    let (initiator, library, unit, barcode) =
        (initiator.as_deref().map(initiator_name), library.as_deref(), unit.as_deref(), barcode.as_deref());
    match event {
        Event::Started { release, .. } => tracing::info!(release = release.as_str(), "start"),
        Event::Stopped => tracing::info!("stop"),
        Event::Reloaded { changes } => tracing::info!(changes = changes.len(), "reload"),
        Event::TapeThawing { objects } => {
            tracing::info!(library, unit, barcode, initiator, objects, "tape load waits until the cartridge is thawed");
        }
        Event::TapeLoaded => tracing::info!(library, unit, barcode, initiator, "tape load"),
        Event::TapeUnloaded { ejected } => tracing::info!(library, unit, barcode, initiator, ejected, "tape unload"),
        Event::JobStarted { job } => tracing::info!(job, "job start"),
        Event::JobEnded { job, state } => tracing::info!(job, state = state.word(), "job end"),
        _ => {}
    }
}

fn log_session(record: &EventRecord) {
    let port = record.initiator.as_deref();
    let (initiator, isid) = (port.map(initiator_name), port.and_then(isid));
    match &record.event {
        Event::Login { target, peer } => {
            tracing::info!(initiator, isid, target = target.as_str(), peer = peer.as_deref(), "login");
        }
        Event::Logout { target } => tracing::info!(initiator, isid, target = target.as_str(), "logout"),
        _ => {}
    }
}

fn log_operator(record: &EventRecord) {
    let EventRecord { library, unit, barcode, event, .. } = record;
    let (library, unit, barcode) = (library.as_deref(), unit.as_deref(), barcode.as_deref());
    match event {
        Event::Door { door, open } => {
            let door = if *door == Door::Access { "access" } else { "io_station" };
            tracing::info!(library, door, open, "door");
        }
        Event::AlertCleared { flag, name } => {
            tracing::info!(library, unit, barcode, flag, name = name.as_str(), "TapeAlert flag cleared");
        }
        Event::WriteProtectChanged { on } => tracing::info!(library, barcode, on, "write protection"),
        Event::LegalHoldChanged { on, reason } => {
            tracing::info!(library, barcode, on, reason = reason.as_str(), "legal hold");
        }
        Event::RetentionChanged { until } => tracing::info!(library, barcode, until, "retention"),
        _ => {}
    }
}

fn log_unit_change(record: &EventRecord) {
    let EventRecord { initiator, library, unit, event, .. } = record;
    let (initiator, library, unit) = (initiator.as_deref().map(initiator_name), library.as_deref(), unit.as_deref());
    let change = match event {
        Event::ModeChanged { .. } => "mode changed",
        Event::ReservationChanged { .. } => "reservation changed",
        Event::EncryptionOn => "encryption on",
        Event::EncryptionOff => "encryption off",
        _ => return,
    };
    tracing::debug!(library, unit, initiator, "{change}");
}
