//! `ferric fault`: the faults of scripts.

use super::client::Client;
use super::command::{FaultAction, FaultAddArgs};
use super::configuration::read;
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::print_line;
use vtl::control::ControlRequest as Request;
use vtl::faults::{ClearedFaults, FaultStatus};

/// Adds, lists or clears faults of scripts.
pub(super) fn run(options: &Options, action: &FaultAction) -> Result<(), CliError> {
    let (request, is_change) = match action {
        FaultAction::Add(arguments) => (Request::FaultAdd { text: script(arguments)? }, true),
        FaultAction::List | FaultAction::Step(_) => (Request::FaultList, false),
        FaultAction::Clear { name } => {
            let request = Request::FaultClear { name: name.clone() };
            let cleared: ClearedFaults = Client::connect(options)?.request_as(&request)?;
            return options.output.done(options.output.show(&cleared, |shown| {
                shown.cleared.iter().try_for_each(|name| print_line(format!("{name}: cleared")))
            }));
        }
    };
    let faults: Vec<FaultStatus> = Client::connect(options)?.request_as(&request)?;
    let shown = options
        .output
        .show(faults.as_slice(), |faults| faults.iter().try_for_each(|fault| print_line(fault_text(fault))));
    if is_change { options.output.done(shown) } else { shown }
}

/// The text of a script: that of the file, or the faults of the command line.
fn script(arguments: &FaultAddArgs) -> Result<String, CliError> {
    match &arguments.file {
        Some(file) => read(file),
        None => Ok(inline_script(&arguments.faults)),
    }
}

/// The faults of the command line, each the keys of a table, as a script.
fn inline_script(faults: &[String]) -> String {
    let table = |keys: &String| match keys.trim().strip_prefix('{') {
        Some(_) => keys.trim().to_owned(),
        None => format!("{{ {} }}", keys.trim()),
    };
    format!("fault = [{}]", faults.iter().map(table).collect::<Vec<_>>().join(", "))
}

/// A fault as one line: its name and kind, and how often it has occurred.
fn fault_text(status: &FaultStatus) -> String {
    let FaultStatus { name, fault, matched, fired, active, .. } = status;
    let state = if *active { "active" } else { "finished" };
    format!("{name}: {}, {state}, {fired} of {matched} failed", fault.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtl::FaultScript;

    #[test]
    fn faults_of_the_command_line_are_a_script() {
        let text = inline_script(&["kind = \"busy\", count = 3".into(), "{ kind = \"delay\", delay_ms = 5 }".into()]);
        let script = FaultScript::parse(&text).unwrap();
        let kinds: Vec<_> = script.faults.iter().map(|fault| (fault.kind.as_str(), fault.count)).collect();
        assert_eq!(kinds, [("busy", Some(3)), ("delay", None)]);
    }
}
