//! `ferric alarm`: the events that need a person, and their acknowledgement.

use super::client::Client;
use super::command::AlarmCommand;
use super::events::{line_of, time_text};
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::print_line;
use serde_json::json;
use vtl::alarms::{AcknowledgedAlarms, Alarm};
use vtl::control::ControlRequest as Request;

/// Most events in one request.
const MAX_EVENTS: usize = 1000;

pub(super) fn run(options: &Options, command: AlarmCommand) -> Result<(), CliError> {
    let mut client = Client::connect(options)?;
    match command {
        AlarmCommand::List { all } => {
            let mut alarms: Vec<Alarm> = client.request_as(&Request::Alarms)?;
            alarms.retain(|alarm| all || alarm.acknowledged.is_none());
            options.output.show(alarms.as_slice(), print)
        }
        AlarmCommand::Acknowledge { events, all } => {
            let events = if all { open(&mut client)? } else { events };
            let mut done = AcknowledgedAlarms { acknowledged: Vec::new() };
            for part in events.chunks(MAX_EVENTS) {
                let request = Request::Acknowledge { events: part.to_vec() };
                done.acknowledged.extend(client.request_as::<AcknowledgedAlarms>(&request)?.acknowledged);
            }
            options.output.done(options.output.show(&done, |_| Ok(())))
        }
    }
}

/// The alarms that are not acknowledged, each as `START/SEQ`.
fn open(client: &mut Client) -> Result<Vec<String>, CliError> {
    let alarms: Vec<Alarm> = client.request_as(&Request::Alarms)?;
    let open = alarms.into_iter().filter(|alarm| alarm.acknowledged.is_none());
    Ok(open.map(|Alarm { record, .. }| format!("{}/{}", record.start, record.seq)).collect())
}

fn print(alarms: &[Alarm]) -> Result<(), CliError> {
    if alarms.is_empty() {
        return print_line("there is no alarm that is not acknowledged");
    }
    for Alarm { record, acknowledged } in alarms {
        print_line(line_of(&json!(record)))?;
        if let Some(given) = acknowledged {
            print_line(format!("  acknowledged by {} at {}", given.by, time_text(given.at)))?;
        }
    }
    Ok(())
}
