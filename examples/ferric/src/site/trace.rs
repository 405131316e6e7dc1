//! `ferric trace`: prints the commands of hosts, from a running daemon or from a trace file.

use super::client::Client;
use super::command::TraceArgs;
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{self, Output};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use vtl::control::{CommandTrace, ControlRequest as Request};
use vtl::observer::TraceRecord;

/// Time that one request of `--follow` waits for a command, in milliseconds.
const WAIT_MS: u64 = 1000;

/// Which commands are printed.
struct Filter<'a> {
    library: Option<&'a str>,
    unit: Option<&'a str>,
    /// Time of the first command, in milliseconds since 1970.
    from_ms: u64,
}

impl Filter<'_> {
    fn is_wanted(&self, record: &TraceRecord) -> bool {
        self.library.is_none_or(|library| *record.unit.library == *library)
            && self.unit.is_none_or(|unit| *record.unit.unit == *unit)
            && record.at_ms >= self.from_ms
    }
}

pub(super) fn run(options: &Options, arguments: &TraceArgs) -> Result<(), CliError> {
    let now_ms = vtl::clock::Clock::real().now().wall.0;
    let filter = Filter {
        library: options.library.as_deref(),
        unit: arguments.unit.as_deref(),
        from_ms: arguments.since.map_or(0, |since| since.begin(now_ms)),
    };
    match &arguments.file {
        Some(path) => print_file(path, options.output, &Filter { from_ms: 0, ..filter }),
        None => print_site(options, arguments.follow, &filter),
    }
}

fn print_record(output: Output, record: &TraceRecord) -> Result<(), CliError> {
    if output.is_json() {
        output::print_line(serde_json::to_string(record).map_err(std::io::Error::from)?)
    } else {
        output::print_line(record.to_string())
    }
}

fn print_site(options: &Options, follow: bool, filter: &Filter<'_>) -> Result<(), CliError> {
    let mut client = Client::connect(options)?;
    let request = |since, max, wait_ms| Request::Trace {
        library: filter.library.map(str::to_owned),
        unit: filter.unit.map(str::to_owned),
        since,
        max,
        wait_ms,
    };
    // Without --follow, the commands that arrive from now on are left out: a busy host would make the list endless.
    let end = client.request_as::<CommandTrace>(&request(None, Some(1), None))?.last;
    let (mut since, mut wait_ms) = (0, None);
    while follow || since < end {
        let trace: CommandTrace = client.request_as(&request(Some(since), None, wait_ms))?;
        if trace.lost > 0 && since > 0 {
            options.output.note(&format!("{} were lost", output::format_count(trace.lost, "command")));
        }
        let is_wanted = |record: &TraceRecord| (follow || record.seq <= end) && filter.is_wanted(record);
        let wanted = trace.commands.into_iter().filter(is_wanted);
        wanted.map(TraceRecord::decode).try_for_each(|record| print_record(options.output, &record))?;
        (since, wait_ms) = (trace.last, follow.then_some(WAIT_MS));
    }
    Ok(())
}

/// Prints a trace file. Its first line names the format.
fn print_file(path: &Path, output: Output, filter: &Filter<'_>) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::system(&error, format!("{}: {error}", path.display()));
    let mut lines = BufReader::new(File::open(path).map_err(failed)?).lines().zip(1..);
    let invalid = |number: u32, reason: &str| CliError::invalid(format!("{}:{number}: {reason}", path.display()));
    let header = lines.next().map(|(line, _)| line.map_err(failed)).transpose()?.unwrap_or_default();
    let header: Value = serde_json::from_str(&header).unwrap_or_default();
    if header.get("format").and_then(Value::as_str) != Some("ferric-trace") {
        return Err(invalid(1, "not a trace file: the first line has no \"format\": \"ferric-trace\""));
    }
    if header.get("version").and_then(Value::as_u64) != Some(1) {
        return Err(invalid(1, "unknown version of the trace format; this ferric reads version 1"));
    }
    let mut lines = lines.peekable();
    while let Some((line, number)) = lines.next() {
        let value: Value = match serde_json::from_str(&line.map_err(failed)?) {
            Ok(value) => value,
            // The daemon is writing the file, or was killed.
            Err(error) if error.is_eof() && lines.peek().is_none() => {
                output.note(&format!("{}:{number}: the last line is incomplete", path.display()));
                break;
            }
            Err(error) => return Err(invalid(number, &error.to_string())),
        };
        if let Some(lost) = value.get("lost").and_then(Value::as_u64) {
            output.note(&format!("{} were lost here", output::format_count(lost, "command")));
            continue;
        }
        let record: TraceRecord = serde_json::from_value(value).map_err(|error| invalid(number, &error.to_string()))?;
        let record = record.decode();
        if filter.is_wanted(&record) {
            print_record(output, &record)?;
        }
    }
    Ok(())
}
