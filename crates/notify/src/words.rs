//! Events in words, for mails to operators.

use vtl::clock::{self, day};
use vtl::control::Door;
use vtl::events::{Event, EventRecord};

/// A time in milliseconds since 1970 in UTC, such as `2026-11-21 23:49:22`.
pub(crate) fn time_text(milliseconds: u64) -> String {
    clock::time_text(milliseconds).unwrap_or_else(|| format!("{} s after 1970", milliseconds / 1000))
}

/// The event as one line in words: the objects, the change, and the initiator that has caused it.
#[must_use]
pub fn sentence(record: &EventRecord) -> String {
    let EventRecord { initiator, library, unit, barcode, event, .. } = record;
    let objects = [("library", library), ("", unit), ("cartridge", barcode)];
    let named = objects.iter().filter_map(|(kind, name)| Some(format!("{kind} {}", name.as_ref()?).trim().to_owned()));
    let mut text = named.collect::<Vec<_>>().join(", ");
    if !text.is_empty() {
        text += ": ";
    }
    text += &happened(event);
    if let Some(initiator) = initiator {
        text += &format!(" (initiator {initiator})");
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn happened(event: &Event) -> String {
    match event {
        Event::Started { release, .. } => format!("the daemon has started, release {release}"),
        Event::Stopped => "the daemon is stopping".into(),
        Event::Reloaded { changes } => format!("the configuration was reloaded, changes: {}", changes.len()),
        Event::Login { target, peer } => {
            let peer = peer.as_ref().map_or_else(String::new, |peer| format!(" from {peer}"));
            format!("login to target {target}{peer}")
        }
        Event::Logout { target } => format!("logout from target {target}"),
        Event::LoginRefused { peer, status, reason, suppressed } => {
            format!("login from {peer} refused with status {status}: {reason}{}", more(*suppressed))
        }
        Event::Loaded { from, to } => format!("loaded from {from} into {to}"),
        Event::Unloaded { from, to } => format!("unloaded from {from} to {to}"),
        Event::Moved { from, to } => format!("moved from {from} to {to}"),
        Event::Imported { from, to } => format!("imported from {from} to {to}"),
        Event::Exported { from, to } => format!("exported from {from} to {to}"),
        Event::AlertRaised { flag, name } => format!("TapeAlert flag {flag} raised: {name}"),
        Event::AlertCleared { flag, name } => format!("TapeAlert flag {flag} cleared: {name}"),
        Event::RetentionChanged { until } => format!("data retained until {}", day(*until)),
        Event::LegalHoldChanged { on: true, reason } => format!("under a legal hold: {reason}"),
        Event::LegalHoldChanged { on: false, reason } => format!("legal hold released: {reason}"),
        Event::RetentionEnforced { suppressed } => {
            format!("a command was refused that would overwrite data under retention{}", more(*suppressed))
        }
        Event::UnitFaulty { reason } => format!("faulty: {reason}"),
        Event::Unusable { reason } => format!("drives cannot use the cartridge: {reason}"),
        Event::Damaged { reason } => format!("the medium has an error, data may be lost: {reason}"),
        Event::DiskSpaceLow { directory, free_bytes } => {
            format!("only {} MiB are free on the file system of {directory}", free_bytes >> 20)
        }
        Event::Acknowledged { events, by } => format!("{by} has acknowledged events: {}", events.len()),
        Event::Created { pool } => format!("created in pool {pool}"),
        Event::Missed { missed } => format!("events that were not delivered to this target: {missed}"),
        Event::Test => "this is a test of the notification target; nothing has happened".into(),
        event => short(event),
    }
}

/// The events whose words have at most one value.
fn short(event: &Event) -> String {
    let text = match event {
        Event::TapeThawing { objects } => {
            return format!("the cartridge is being thawed by its store and is loaded afterwards; objects: {objects}");
        }
        Event::TapeLoaded => "the drive has loaded the tape",
        Event::TapeUnloaded { ejected: true } => "the drive has unloaded the tape and ejected the cartridge",
        Event::TapeUnloaded { ejected: false } => "the drive has unloaded the tape",
        Event::Door { door: Door::Access, open: true } => "the access door was opened",
        Event::Door { door: Door::Access, open: false } => "the access door was closed",
        Event::Door { door: Door::IoStation, open: true } => "the I/O station was opened",
        Event::Door { door: Door::IoStation, open: false } => "the I/O station was closed",
        Event::OperatorState { .. } => "an operator has changed doors, robot, drives, elements or labels",
        Event::ModeChanged { pages } => return format!("mode pages changed: {}", pages.join(", ")),
        Event::WriteProtectChanged { on: true } => "the write-protect tab was set",
        Event::WriteProtectChanged { on: false } => "the write-protect tab was cleared",
        Event::UnitRecovered => "the unit was reloaded, and executes commands again",
        Event::ReservationChanged { reservation: Some(_) } => "the unit was reserved",
        Event::ReservationChanged { reservation: None } => "the reservation was released",
        Event::EncryptionOn => "written blocks are encrypted from now on",
        Event::EncryptionOff => "written blocks are no longer encrypted",
        Event::RemovalAllowed => "no host prevents medium removal any longer",
        Event::JobStarted { job } => return format!("job {job} was started"),
        Event::JobEnded { job, state } => return format!("job {job} has ended: {}", state.word()),
        Event::Deleted => "deleted with its data",
        Event::Forgotten => "removed from the inventory; its files remain",
        Event::Usable => "drives can use the cartridge again",
        event => event.name(),
    };
    text.into()
}

fn more(suppressed: u64) -> String {
    if suppressed == 0 { String::new() } else { format!(", and {suppressed} more times") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of docs/control.md, one for each event: none is a mere name, none has a control character.
    #[test]
    fn every_event_has_words() {
        let page = include_str!("../../../docs/control.md");
        let mut sentences = Vec::new();
        for line in page.lines().filter(|line| line.starts_with("{\"seq\":") && !line.contains("\"lagged\"")) {
            let record: EventRecord = serde_json::from_str(line).unwrap();
            let text = sentence(&record);
            assert!(happened(&record.event) != record.event.name(), "{line}");
            sentences.push(text);
        }
        for expected in [
            "library main, drive1, cartridge V1L8: TapeAlert flag 6 raised: Write failure",
            "library main, cartridge V1L8: loaded from element 1000 into element 500",
            "cartridge V2L8: data retained until 2100-01-01",
            "login to target iqn.2026-01.org.ferric-vtl:3f2a from 192.0.2.7:40112 (initiator \
             iqn.1994-05.com.example:host,i,0x00023d000001)",
            "only 1023 MiB are free on the file system of /srv/tapes",
        ] {
            assert!(sentences.iter().any(|text| text == expected), "{expected}\n{sentences:#?}");
        }
        assert_eq!(time_text(1_795_307_362_000), "2026-11-22 00:29:22");
    }

    #[test]
    fn control_characters_are_not_in_the_text() {
        let line = r#"{"seq":1,"start":"s","at":0,"source":"site","event":"damaged","reason":"a\r\nBcc: x@y\u0007"}"#;
        let record: EventRecord = serde_json::from_str(line).unwrap();
        assert_eq!(sentence(&record), "the medium has an error, data may be lost: a  Bcc: x@y ");
    }
}
