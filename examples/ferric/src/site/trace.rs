//! `ferric trace`: prints the commands of hosts, from a running daemon or from a trace file.

use super::client::Client;
use super::command::{TraceAction, TraceArgs};
use super::replay;
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{self, Output};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use vtl::control::{CommandTrace, ControlRequest as Request};
use vtl::observer::{TraceEntry, TraceError, TraceReader, TraceRecord, TracedTaskManagement, UnitName, time_of_day};
use vtl::target::decode_lun;

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
        self.has_unit(&record.unit) && record.at_ms >= self.from_ms
    }

    fn has_all_units(&self) -> bool {
        self.library.is_none() && self.unit.is_none()
    }

    fn has_unit(&self, name: &UnitName) -> bool {
        self.library.is_none_or(|library| *name.library == *library) && self.unit.is_none_or(|unit| *name.unit == *unit)
    }
}

pub(super) fn run(options: &Options, arguments: &TraceArgs) -> Result<(), CliError> {
    if let Some(TraceAction::Replay(arguments)) = &arguments.action {
        return replay::run(options.output, arguments);
    }
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

/// Opens a trace file.
pub(super) fn open_file(path: &Path) -> Result<TraceReader<BufReader<File>>, CliError> {
    let file = File::open(path).map_err(TraceError::Read);
    file.and_then(|file| TraceReader::new(BufReader::new(file))).map_err(|error| file_error(path, &error))
}

/// The error of a trace file, with its place.
pub(super) fn file_error(path: &Path, error: &TraceError) -> CliError {
    match error {
        TraceError::Read(error) => CliError::system(error, format!("{}: {error}", path.display())),
        TraceError::Line { line, reason } => CliError::invalid(format!("{}:{line}: {reason}", path.display())),
        error => CliError::invalid(format!("{}: {error}", path.display())),
    }
}

/// Prints a note about the incomplete last line of a trace file.
pub(super) fn note_incomplete(output: Output, path: &Path, line: u64) {
    output.note(&format!("{}:{line}: the last line is incomplete", path.display()));
}

/// The names of the units and initiators in the lines of a trace file that were read.
#[derive(Default)]
struct Names {
    units: BTreeMap<(Arc<str>, u64), Arc<UnitName>>,
    initiators: BTreeMap<(Arc<str>, u32), Arc<str>>,
}

impl Names {
    fn learn(&mut self, record: &TraceRecord) {
        let (target, initiator) = (&record.target, &record.initiator);
        self.units.entry((Arc::clone(target), record.lun)).or_insert_with(|| Arc::clone(&record.unit));
        self.initiators.entry((Arc::clone(target), record.nexus)).or_insert_with(|| Arc::clone(initiator));
    }

    /// The unit of a function; `None` if it is for all units of the target, or the unit has had no command.
    fn unit(&self, request: &TracedTaskManagement) -> Option<&UnitName> {
        let unit = self.units.get(&(request.target.as_str().into(), request.lun))?;
        request.function.has_lun().then_some(&**unit)
    }

    /// A function as the lines of commands: time, unit, initiator, and its name.
    fn line(&self, request: &TracedTaskManagement) -> String {
        let TracedTaskManagement { at_ms, target, nexus, function, lun } = request;
        let place = match self.unit(request) {
            Some(unit) => unit.to_string(),
            None if function.has_lun() => format!("{target} LUN {}", decode_lun(*lun).unwrap_or_default()),
            None => target.clone(),
        };
        let initiator = self.initiators.get(&(target.as_str().into(), *nexus));
        let initiator = initiator.map_or_else(|| format!("I_T nexus {nexus}"), ToString::to_string);
        format!("{} {place} {initiator}: {}", time_of_day(*at_ms), function.name())
    }
}

fn print_function(output: Output, request: TracedTaskManagement, names: &Names) -> Result<(), CliError> {
    if output.is_json() {
        let entry = TraceEntry::TaskManagement(request);
        output::print_line(serde_json::to_string(&entry).map_err(std::io::Error::from)?)
    } else {
        output::print_line(names.line(&request))
    }
}

/// Prints the commands and task management functions of a trace file.
fn print_file(path: &Path, output: Output, filter: &Filter<'_>) -> Result<(), CliError> {
    let mut names = Names::default();
    for entry in open_file(path)? {
        match entry {
            Err(TraceError::Incomplete { line }) => note_incomplete(output, path, line),
            Err(error) => return Err(file_error(path, &error)),
            Ok(TraceEntry::Lost(lost)) => {
                output.note(&format!("{} were lost here", output::format_count(lost, "command")));
            }
            Ok(TraceEntry::Command(record)) => {
                names.learn(&record);
                let record = record.decode();
                if filter.is_wanted(&record) {
                    print_record(output, &record)?;
                }
            }
            Ok(TraceEntry::TaskManagement(request)) => {
                if names.unit(&request).map_or(filter.has_all_units(), |unit| filter.has_unit(unit)) {
                    print_function(output, request, &names)?;
                }
            }
            Ok(_) => {}
        }
    }
    Ok(())
}
