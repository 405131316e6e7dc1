//! `ferric run`: runs a program with tape drives and a changer, without kernel drivers, privileges or a network.

mod library;
mod portal;
mod preload;
mod program;
mod snapshot;
mod start;

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::print_line;
use clap::Args;
use command_line::trace::TraceArguments;
use library::Library;
use portal::LoginArguments;
use run_frontend::{DriveNumbers, Frontend, NodeLine};
use serde_json::json;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use vtl::clock::Clock;

/// Exit code if the options do not apply together.
const USAGE: u8 = 2;
/// Exit code if the command was not run.
const NOT_RUN: u8 = 125;
/// Exit code if the command cannot be executed, or cannot be served.
const NOT_EXECUTABLE: u8 = 126;

/// Run a command with tape drives and a medium changer
///
/// The command and the programs that it starts see /dev/nst0, /dev/st0, /dev/sg0, /dev/sch0 and so on, backed by a library
/// that exists only while the command runs. It needs no kernel driver, no privilege and no network.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Configuration file (TOML) of the library [default: an STK L700 with two LTO-8 drives]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep the library in this directory [default: in memory, until the command ends]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Use all targets of this iSCSI portal, such as that of ferric-iscsid, instead of a library of the command
    #[arg(long, value_name = "ADDR:PORT")]
    portal: Option<String>,
    #[command(flatten)]
    login: LoginArguments,
    /// Node of the first drive, such as /dev/nst4; again for the next drive [default: /dev/nst0]
    #[arg(long, value_name = "NODE", value_parser = drive_number)]
    drive: Vec<u16>,
    /// Load this cartridge into an empty drive first; can be repeated
    #[arg(long, value_name = "BARCODE")]
    load: Vec<String>,
    /// Add the faults of this script, after --load
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    #[command(flatten)]
    trace: TraceArguments,
    /// Begin with a copy of the library in this directory, made by --snapshot or --keep
    #[arg(long, value_name = "DIR")]
    restore: Option<PathBuf>,
    /// Copy the library to this directory when the command has ended
    #[arg(long, value_name = "DIR")]
    snapshot: Option<PathBuf>,
    /// Print the device nodes, before the command if there is one
    #[arg(long)]
    print: bool,
    /// The command and its arguments
    #[arg(
        required_unless_present = "print",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "Examples:
  ferric run -- sh -c 'mtx -f /dev/sg0 load 1 0 && tar -cf /dev/nst0 /etc'
  ferric run --load V00001L8 -- mt -f /dev/nst0 status
  ferric run --keep ./tapes -- mtx -f /dev/sg0 status
  ferric run --faults slow-drive.toml --load V00001L8 -- tar -cf /dev/nst0 /etc
  ferric run --print

Environment of the command:
  FERRIC_CHANGER    node of the changer for mtx, such as /dev/sg0; FERRIC_CHANGER1 for the second
  FERRIC_DRIVE0     node of the first drive that does not rewind, such as /dev/nst0; FERRIC_DRIVE1 for the second
  FERRIC_DRIVE0_SG  generic node of the first drive, such as /dev/sg1
  FERRIC_SOCKET     control socket of the command's own library, which ferric status, ferric fault and others use

Exit codes:
  that of the command; 128 and the number of the signal that ended it
  2    the command line is wrong
  125  the command was not run
  126  the command cannot be executed, or cannot be served
  127  the command does not exist";

/// Parses the node of a drive: `/dev/nst4`, `/dev/st4` or the same without `/dev/`.
fn drive_number(text: &str) -> Result<u16, String> {
    let name = text.strip_prefix("/dev/").unwrap_or(text);
    let digits = name.strip_prefix("nst").or_else(|| name.strip_prefix("st"));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| *number < MAX_DRIVES);
    number.ok_or_else(|| format!("expected a tape node from /dev/nst0 to /dev/nst{}", MAX_DRIVES - 1))
}

/// Number of drives that Linux' tape driver can have.
const MAX_DRIVES: u16 = 2048;

/// Runs the command and returns its exit code.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> ExitCode {
    match execute(options, arguments) {
        Ok(code) => code,
        Err(NotRun { code, error }) => {
            options.output.error(&error);
            ExitCode::from(code)
        }
    }
}

/// Reason why the command was not run, with the exit code.
struct NotRun {
    code: u8,
    error: CliError,
}

impl From<CliError> for NotRun {
    fn from(error: CliError) -> Self {
        Self { code: NOT_RUN, error }
    }
}

fn execute(options: &Options, arguments: &Arguments) -> Result<ExitCode, NotRun> {
    portal::check(options, arguments).map_err(|error| NotRun { code: USAGE, error })?;
    let program = arguments.command.first().map(|name| program::find(name)).transpose()?;
    let preload = preload::library()?;
    let library = Library::open(options, arguments)?;
    let nodes = library.nodes(&DriveNumbers(arguments.drive.clone()));
    let frontend = Frontend::open(nodes, Clock::real())
        .map_err(|error| CliError::system(&error, format!("cannot create the directory of the devices: {error}")))?;
    let lines = frontend.nodes().listing();
    if arguments.print {
        print_nodes(options, &lines)?;
    }
    let control = library.open_control(frontend.directory())?;
    let code = match &program {
        None => Ok(ExitCode::SUCCESS),
        Some(program) => {
            let environment = start::environment(&frontend, &preload, &lines, control.as_ref());
            start::run(program, &arguments.command, environment)
        }
    };
    drop(control);
    frontend.close();
    library.close(arguments.snapshot.as_deref())?;
    code
}

fn print_nodes(options: &Options, lines: &[NodeLine]) -> Result<(), CliError> {
    let rows: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| {
            let NodeLine { node, generic, is_changer, model, serial } = line;
            json!({ "node": node, "generic": generic, "changer": is_changer, "model": model, "serial": serial })
        })
        .collect();
    options.output.show(&rows, |_| {
        lines.iter().try_for_each(|line| {
            let node = line.node.as_deref().unwrap_or("-");
            print_line(format!("{node:<12} {:<10} {:<26} {}", line.generic, line.model, line.serial).trim_end())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::drive_number;

    #[test]
    fn nodes_of_drives() {
        for (text, number) in [("/dev/nst4", 4), ("st0", 0), ("/dev/st31", 31)] {
            assert_eq!(drive_number(text), Ok(number));
        }
        for text in ["/dev/sg0", "/dev/nst", "nst-1", "/dev/nst2048", "/dev/nst0a"] {
            assert_eq!(drive_number(text), Err("expected a tape node from /dev/nst0 to /dev/nst2047".into()));
        }
    }
}
