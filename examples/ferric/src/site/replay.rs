//! `ferric trace replay`: sends the commands of a trace file to a library in memory, and compares the results.

use super::command::ReplayArgs;
use super::trace::{file_error, note_incomplete};
use crate::cli_error::CliError;
use crate::output::{self, Output, format_count};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use vtl::config::{Config, parse, read_text};
use vtl::frontend::Frontend;
use vtl::observer::{OrderedTrace, TraceEntry, TraceRecord, TracedSite};
use vtl::replay::{Difference, Replay, Replayed};

/// Most cartridges that a note names.
const MAX_NAMES: usize = 5;

/// Counts of the replayed entries of a trace.
#[derive(Default)]
struct Summary {
    commands: u64,
    different: u64,
    left_out: BTreeMap<&'static str, u64>,
    /// Commands of which the trace has only the first bytes that the host sent.
    cut: u64,
    first: Option<Box<Difference>>,
}

pub(super) fn run(output: Output, arguments: &ReplayArgs) -> Result<(), CliError> {
    let path = &arguments.file;
    let mut entries = entries(path, output)?.peekable();
    let traced = match entries.peek() {
        Some(Ok(TraceEntry::Site(traced))) => Some(traced.clone()),
        Some(Err(_)) => return entries.next().transpose().map(drop),
        _ => None,
    };
    let (config, frontend) = libraries(arguments, traced.as_ref())?;
    if let Some(traced) = &traced {
        note_contents(output, traced);
    }
    // A trace without libraries begins with a command.
    let start =
        traced.as_ref().map_or_else(|| entries.peek().and_then(time_of).unwrap_or_default(), |traced| traced.at_ms);
    let mut replay = Replay::open(&config, frontend, start).map_err(|error| CliError::invalid(error.to_string()))?;
    let mut summary = Summary::default();
    for entry in entries {
        let entry = entry?;
        summary.count(&entry);
        summary.add(replay.replay(&entry).map_err(|error| CliError::conflict(error.to_string()))?);
        if arguments.compare && summary.first.is_some() {
            break;
        }
    }
    if !arguments.compare || summary.first.is_none() {
        summary.add(replay.finish().map_err(|error| CliError::conflict(error.to_string()))?);
    }
    summary.print(output)?;
    match &summary.first {
        Some(_) if arguments.compare => Err(CliError::conflict("the replay differs from the trace")),
        _ => Ok(()),
    }
}

/// The entries of a trace file in the order in which they began. A note tells of an incomplete last line.
fn entries(path: &Path, output: Output) -> Result<impl Iterator<Item = Result<TraceEntry, CliError>>, CliError> {
    let trace = OrderedTrace::open(path).map_err(|error| file_error(path, &error))?;
    trace.incomplete_line().into_iter().for_each(|line| note_incomplete(output, path, line));
    Ok(trace.map(move |entry| entry.map_err(|error| file_error(path, &error))))
}

/// The time of a command.
fn time_of(entry: &Result<TraceEntry, CliError>) -> Option<u64> {
    match entry {
        Ok(TraceEntry::Command(record)) => Some(record.at_ms),
        _ => None,
    }
}

/// The libraries of the replay, and their frontend.
fn libraries(arguments: &ReplayArgs, traced: Option<&TracedSite>) -> Result<(Config, Frontend), CliError> {
    let invalid = |error: &dyn std::fmt::Display| CliError::invalid(error.to_string());
    let frontend = traced.map_or(Frontend::ISCSI, TracedSite::frontend);
    if let Some(path) = &arguments.config {
        let name = path.display().to_string();
        let text = read_text(path).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
        return Ok((parse(&name, &text).map_err(|error| invalid(&error))?, frontend));
    }
    let Some(traced) = traced else {
        let name = arguments.file.display();
        return Err(CliError::invalid(format!(
            "{name}: the trace has no libraries; name a configuration with --config"
        )));
    };
    Ok((traced.config().map_err(|error| invalid(&error))?, frontend))
}

/// Prints notes about what the trace does not have: the data that was on cartridges, and the cartridges outside the libraries.
fn note_contents(output: Output, traced: &TracedSite) {
    let names = |barcodes: &BTreeSet<String>| {
        let named: Vec<&str> = barcodes.iter().take(MAX_NAMES).map(String::as_str).collect();
        let more = barcodes.len().saturating_sub(MAX_NAMES);
        if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
    };
    if !traced.written.is_empty() {
        output.note(&format!("blank in the replay, and perhaps not when the trace began: {}", names(&traced.written)));
    }
    if !traced.on_shelves.is_empty() {
        output.note(&format!("missing in the replay, because they were on a shelf: {}", names(&traced.on_shelves)));
    }
}

impl Summary {
    fn count(&mut self, entry: &TraceEntry) {
        if let TraceEntry::Command(record) = entry {
            self.commands += 1;
            let recorded = u64::try_from(record.data_out.len()).unwrap_or(u64::MAX);
            self.cut += u64::from(recorded > 0 && recorded < record.bytes_out);
        }
    }

    fn add(&mut self, ended: Vec<Replayed>) {
        for replayed in ended {
            match replayed {
                Replayed::Same => {}
                Replayed::LeftOut(what) => *self.left_out.entry(what).or_default() += 1,
                Replayed::Different(difference) => {
                    self.different += 1;
                    self.first.get_or_insert(difference);
                }
            }
        }
    }

    fn print(&self, output: Output) -> Result<(), CliError> {
        if output.is_json() {
            let first = self.first.as_deref().map(|first| {
                json!({ "record": first.record.clone().map(TraceRecord::decode), "difference": first.kind.to_string() })
            });
            let summary = json!({
                "commands": self.commands, "different": self.different, "left_out": self.left_out,
                "cut_commands": self.cut, "first_difference": first,
            });
            return output::print_line(summary.to_string());
        }
        if let Some(first) = &self.first {
            if let Some(record) = first.record.clone().map(TraceRecord::decode) {
                output::print_line(format!("command {}: {record}", record.seq))?;
            }
            output::print_line(format!("  {}", first.kind))?;
        }
        output::print_line(format!(
            "{}, {} of them different",
            format_count(self.commands, "command"),
            self.different
        ))?;
        self.left_out.iter().for_each(|(what, count)| output.note(&format!("left out: {what} ({count})")));
        if self.cut > 0 {
            let commands = format_count(self.cut, "command");
            output.note(&format!(
                "of {commands}, the trace has only the first bytes of the data; the rest was zero (--trace-data)"
            ));
        }
        Ok(())
    }
}
