//! The log lines of events: `info` for the life of the service, `debug` for changes that hosts make to a unit. Events
//! that need a person are logged where they are found.

use super::{Event, EventRecord};
use crate::inventory::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Logs an event if it has a line. A panic of the log must not undo what the event reports.
pub(super) fn log(record: &EventRecord) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        log_service(record);
        log_unit_change(record);
    }));
}

fn log_service(record: &EventRecord) {
    let EventRecord { initiator, library, unit, barcode, event, .. } = record;
    let (initiator, library, unit, barcode) =
        (initiator.as_deref(), library.as_deref(), unit.as_deref(), barcode.as_deref());
    let moved = |what: &'static str, from: &Location, to: &Location| {
        tracing::info!(library, barcode, initiator, %from, %to, "{what}");
    };
    match event {
        Event::Started { release, .. } => tracing::info!(release, "start"),
        Event::Stopped => tracing::info!("stop"),
        Event::Reloaded { changes } => tracing::info!(changes = changes.len(), "reload"),
        Event::Login { target, peer } => tracing::info!(initiator, target, peer, "login"),
        Event::Logout { target } => tracing::info!(initiator, target, "logout"),
        Event::Loaded { from, to } => moved("load", from, to),
        Event::Unloaded { from, to } => moved("unload", from, to),
        Event::TapeLoaded => tracing::info!(library, unit, barcode, initiator, "tape load"),
        Event::TapeUnloaded { ejected } => tracing::info!(library, unit, barcode, initiator, ejected, "tape unload"),
        Event::Moved { from, to } => moved("move", from, to),
        Event::Imported { from, to } => moved("import", from, to),
        Event::Exported { from, to } => moved("export", from, to),
        Event::Door { door, open } => tracing::info!(library, ?door, open, "door"),
        Event::JobStarted { job } => tracing::info!(job, "job start"),
        Event::JobEnded { job, state } => tracing::info!(job, state = state.word(), "job end"),
        _ => {}
    }
}

fn log_unit_change(record: &EventRecord) {
    let EventRecord { initiator, library, unit, event, .. } = record;
    let (initiator, library, unit) = (initiator.as_deref(), library.as_deref(), unit.as_deref());
    let change = match event {
        Event::ModeChanged { .. } => "mode changed",
        Event::ReservationChanged { .. } => "reservation changed",
        Event::EncryptionOn => "encryption on",
        Event::EncryptionOff => "encryption off",
        _ => return,
    };
    tracing::debug!(library, unit, initiator, "{change}");
}
