//! Delivery to a program.

use crate::Delivery;
use std::sync::Arc;
use std::time::Duration;
use vtl::events::EventRecord;
use vtl::external_program::run;
use vtl::scsi_core::time::Timestamp;

/// A program that runs once for each event.
pub(crate) struct Program {
    pub(crate) command: Vec<String>,
    pub(crate) timeout: Duration,
}

/// The environment of a program: the members of the event that are short texts.
fn environment(record: &EventRecord) -> Vec<(&'static str, String)> {
    let EventRecord { seq, start, at, initiator, library, unit, barcode, event, .. } = record;
    let source = serde_json::to_value(record.source).ok().and_then(|source| source.as_str().map(str::to_owned));
    let optional = [
        ("FERRIC_EVENT_SOURCE", source),
        ("FERRIC_EVENT_INITIATOR", initiator.clone()),
        ("FERRIC_EVENT_LIBRARY", library.clone()),
        ("FERRIC_EVENT_UNIT", unit.clone()),
        ("FERRIC_EVENT_BARCODE", barcode.clone()),
    ];
    let mut all = vec![
        ("FERRIC_EVENT", event.name().to_owned()),
        ("FERRIC_EVENT_LEVEL", event.level().to_string()),
        ("FERRIC_EVENT_SEQ", seq.to_string()),
        ("FERRIC_EVENT_START", start.clone()),
        ("FERRIC_EVENT_AT", at.to_string()),
    ];
    // A NUL character cannot be in the environment.
    all.extend(optional.into_iter().map(|(name, value)| (name, value.unwrap_or_default().replace('\0', ""))));
    all
}

impl Delivery for Program {
    fn deliver(&self, events: &[Arc<EventRecord>], _now: Timestamp) -> Result<String, String> {
        let Some(record) = events.first() else { return Ok(String::new()) };
        let mut input = serde_json::to_vec(record).map_err(|error| error.to_string())?;
        input.push(b'\n');
        let output = run(&self.command, &[], &environment(record), &input, self.timeout);
        let output = output.map_err(|error| error.to_string())?;
        if !output.is_empty() {
            let program = self.command.first().map(String::as_str);
            tracing::info!(program, event = record.event.name(), output, "notify command");
        }
        Ok("exit status 0".into())
    }
}
