//! Starts the command, passes signals to it, and waits for its end.

use super::portal::SECRETS;
use super::{NOT_EXECUTABLE, NotRun};
use crate::cli_error::CliError;
use crate::site::SOCKET_VARIABLE;
use linux_scsi::call::DIRECTORY_VARIABLE;
use run_frontend::{Frontend, NodeLine};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use vtl::control::socket::ControlSocket;

/// Added to the number of a signal.
const SIGNALLED: i32 = 128;

/// Signals that are passed to the command.
const PASSED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// The variables that the command gets in addition to those of this process.
pub(crate) fn environment(
    frontend: &Frontend,
    preload: &Path,
    lines: &[NodeLine],
    control: Option<&ControlSocket>,
) -> Vec<(String, OsString)> {
    let mut libraries = preload.as_os_str().to_owned();
    if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        libraries.push(":");
        libraries.push(others);
    }
    let mut variables =
        vec![(DIRECTORY_VARIABLE.to_owned(), frontend.directory().into()), ("LD_PRELOAD".to_owned(), libraries)];
    variables.extend(control.map(|control| (SOCKET_VARIABLE.to_owned(), control.path().into())));
    for (index, line) in lines.iter().filter(|line| line.is_changer).enumerate() {
        let name = if index == 0 { "FERRIC_CHANGER".into() } else { format!("FERRIC_CHANGER{index}") };
        variables.push((name, line.generic.clone().into()));
    }
    let drives =
        lines.iter().filter(|line| !line.is_changer).filter_map(|line| Some((line.node.as_ref()?, &line.generic)));
    for (index, (node, generic)) in drives.enumerate() {
        variables.push((format!("FERRIC_DRIVE{index}"), node.into()));
        variables.push((format!("FERRIC_DRIVE{index}_SG"), generic.into()));
    }
    variables
}

/// Runs the command to its end.
///
/// # Errors
/// It cannot be executed.
pub(crate) fn run(
    program: &Path,
    command: &[OsString],
    environment: Vec<(String, OsString)>,
) -> Result<ExitCode, NotRun> {
    let failed = |error: &io::Error| NotRun {
        code: NOT_EXECUTABLE,
        error: CliError::system(error, format!("{}: {error}", program.display())),
    };
    // An ignored signal stays ignored, also for the command (`nohup`).
    let ignored = ignored_signals();
    let passed =
        PASSED.into_iter().filter(|signal| ignored.checked_shr(signal.unsigned_abs() - 1).unwrap_or(0) & 1 == 0);
    let mut signals = Signals::new(passed).map_err(|error| failed(&error))?;
    let mut start = Command::new(program);
    if let Some((name, arguments)) = command.split_first() {
        start.arg0(name).args(arguments);
    }
    for removed in SECRETS.into_iter().chain([SOCKET_VARIABLE]) {
        start.env_remove(removed);
    }
    let mut child = start.envs(environment).spawn().map_err(|error| failed(&error))?;
    let handle = signals.handle();
    let forward = i32::try_from(child.id()).ok().and_then(Pid::from_raw).map(|process| {
        // A terminal sends the signals of its keys to the command as well.
        let has_terminal = io::stdin().is_terminal();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let is_key = signal == SIGINT || signal == SIGQUIT;
                if let Some(signal) = Signal::from_named_raw(signal).filter(|_| !(is_key && has_terminal)) {
                    let _ = kill_process(process, signal);
                }
            }
        })
    });
    let status = child.wait().map_err(|error| failed(&error));
    handle.close();
    if let Some(thread) = forward {
        let _ = thread.join();
    }
    Ok(exit_code(status?))
}

/// The signals that this process ignores, as bits from signal 1 on.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNALLED + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
