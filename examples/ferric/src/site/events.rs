//! `ferric events`: prints a snapshot of the site, and then each event.

use super::client::Client;
use super::command::EventsArgs;
use super::listing;
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{Output, print_line};
use serde_json::Value;
use vtl::control::SiteStatus;

pub(super) fn run(options: &Options, arguments: EventsArgs) -> Result<(), CliError> {
    let output = options.output;
    let is_resumed = arguments.since.is_some();
    Client::connect(options)?.subscribe(
        arguments.since,
        |position| print_begin(output, position, is_resumed),
        |event| print_event(output, event),
    )
}

/// Prints where the subscription begins: the snapshot, and the last event that it includes.
fn print_begin(output: Output, position: &Value, is_resumed: bool) -> Result<(), CliError> {
    if output.is_json() {
        return print_line(position.to_string());
    }
    let Some(snapshot) = position.get("snapshot") else { return Ok(()) };
    if is_resumed {
        output.note("the daemon no longer has all events after --since; a snapshot replaces them");
    }
    print_snapshot(snapshot)?;
    print_line(format!("\nevents after {}/{}:", text(position, "start"), text(position, "seq")))
}

fn print_snapshot(snapshot: &Value) -> Result<(), CliError> {
    let status: SiteStatus = serde_json::from_value(snapshot.clone())?;
    listing::print_site(&status)
}

/// Prints an event as a line: time, number, name, and its other members. A snapshot, which replaces lost events, follows
/// the line.
fn print_event(output: Output, event: &Value) -> Result<(), CliError> {
    if output.is_json() {
        return print_line(event.to_string());
    }
    print_line(line_of(event))?;
    event.get("snapshot").map_or(Ok(()), print_snapshot)
}

pub(super) fn line_of(event: &Value) -> String {
    let at = event.get("at").and_then(Value::as_u64).unwrap_or_default();
    let mut line = format!("{} {} {}", time_text(at), text(event, "seq"), text(event, "event"));
    // The members of every event, then those of this one.
    let envelope = ["library", "unit", "barcode", "source", "initiator"];
    let shown = |name: &str| !["at", "seq", "start", "event", "snapshot"].contains(&name) && !envelope.contains(&name);
    let own = event.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).filter(|name| shown(name));
    for name in envelope.into_iter().filter(|name| event.get(name).is_some()).chain(own) {
        line += &format!(" {name}={}", text(event, name));
    }
    line
}

/// A member of an event. A location is the address of an element, or `shelf/` and the name of a shelf.
fn text(event: &Value, name: &str) -> String {
    match event.get(name) {
        Some(Value::String(text)) if text.contains(' ') => format!("{text:?}"),
        Some(Value::String(text)) => text.clone(),
        Some(value) => match (value.pointer("/element/address"), value.get("shelf").and_then(Value::as_str)) {
            (Some(address), _) => address.to_string(),
            (None, Some(shelf)) => format!("shelf/{shelf}"),
            (None, None) => value.to_string(),
        },
        None => String::new(),
    }
}

/// A time in milliseconds since 1970 in UTC, such as `2026-11-21 23:49:22Z`.
pub(super) fn time_text(milliseconds: u64) -> String {
    let time = vtl::clock::time_text(milliseconds).map(|time| format!("{time}Z"));
    time.unwrap_or_else(|| format!("{} s", milliseconds / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn event_is_a_line() {
        let element = |address| json!({ "element": { "library": "main", "address": address, "by_operator": false } });
        let event = json!({
            "seq": 3, "start": "5f1c", "at": 1_795_307_362_000_u64, "source": "operator", "library": "main",
            "barcode": "V1L8", "event": "exported", "from": element(10), "to": { "shelf": "main" },
        });
        assert_eq!(
            line_of(&event),
            "2026-11-22 00:29:22Z 3 exported library=main barcode=V1L8 source=operator from=10 to=shelf/main"
        );
        let event = json!({
            "seq": 8, "start": "5f1c", "at": 0, "source": "unit", "unit": "drive1", "event": "alert_raised", "flag": 6,
            "name": "Write failure",
        });
        assert_eq!(
            line_of(&event),
            "1970-01-01 00:00:00Z 8 alert_raised unit=drive1 source=unit flag=6 name=\"Write failure\""
        );
    }
}
