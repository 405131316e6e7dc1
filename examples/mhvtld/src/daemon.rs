//! The common parts of the daemons: mhvtl's command line, start and exit.

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use command_line::completion::{self, CompletionsArgument};
use command_line::trace::TraceArguments;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use vtl::config::Config;
use vtl::data_dir::{DataDir, DataDirError};

/// A daemon with mhvtl's command line.
pub struct Program {
    /// Name of the program, as in its help.
    pub name: &'static str,
    /// Description in its help, one sentence in the imperative.
    pub about: &'static str,
    /// Text after its help: examples and exit codes.
    pub after_help: &'static str,
}

impl Program {
    /// The definition of the command line.
    #[must_use]
    pub fn definition(&self) -> clap::Command {
        ProgramArguments::command().name(self.name).about(self.about).after_help(self.after_help)
    }
}

/// The drive daemon, which replaces `vtltape` of mhvtl.
pub const VTLTAPE: Program = Program {
    name: "vtltape",
    about: "Serve one drive of an mhvtl configuration through mhvtl's kernel module",
    after_help: "Examples:
  vtltape -q 11                # in the background
  vtltape -F -q 11 -v 1        # in the foreground, for a service manager

Exit codes:
  0  ended by a signal, or started in the background
  1  any error",
};

/// The library daemon, which replaces `vtllibrary` of mhvtl.
pub const VTLLIBRARY: Program = Program {
    name: "vtllibrary",
    about: "Serve one library of an mhvtl configuration through mhvtl's kernel module",
    after_help: "Examples:
  vtllibrary -q 10             # in the background
  vtllibrary -F -q 10 -v 1     # in the foreground, for a service manager

Exit codes:
  0  ended by a signal, or started in the background
  1  any error",
};

/// Directory with the data directories of the units, if the command line names none.
const DATA_DIRECTORY: &str = "/var/lib/ferric/mhvtl";

/// Section of the man pages: daemons.
pub const SECTION: &str = "8";

// The command line of a program that serves one drive or library. A doc comment would replace its description.
#[derive(Parser)]
#[command(version, max_term_width = command_line::HELP_WIDTH)]
struct ProgramArguments {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    _completions: CompletionsArgument,
}

/// The arguments of a daemon that serves one drive or library.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Number of the drive or library in device.conf
    #[arg(short = 'q', value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub unit: u16,
    /// Run in the foreground, without a fork
    #[arg(short = 'F')]
    pub foreground: bool,
    /// Log everything and run in the foreground
    #[arg(short = 'd')]
    pub debug: bool,
    /// Log level, 0 (errors and warnings) to 3 (everything); repeated levels add up [default: 0; without a number: 1]
    #[arg(short = 'v', value_name = "LEVEL", num_args = 0..=1, require_equals = false, default_missing_value = "1")]
    pub verbose: Vec<u8>,
    /// Report each change of state on this named pipe
    #[arg(short = 'f', value_name = "FIFO")]
    pub fifo: Option<PathBuf>,
    /// Directory of mhvtl's configuration [default: /etc/mhvtl, or the directory named in its mhvtl.conf]
    #[arg(long, value_name = "DIR")]
    pub mhvtl_config: Option<PathBuf>,
    /// Data directory; each unit uses the subdirectory named after its number [default: /var/lib/ferric/mhvtl]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Create a new site although the unit's directory has cartridges or identities but no state
    #[arg(long)]
    pub new_site: bool,
    /// Allow core dumps and debuggers; encryption keys are excluded from dumps
    #[arg(long)]
    pub allow_core_dumps: bool,
    /// Options of the trace file.
    #[command(flatten)]
    pub trace: TraceArguments,
}

impl Arguments {
    /// Parses a command line. Empty arguments are ignored: systemd passes one for an unset variable.
    fn parse(program: &Program, words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words = words.into_iter().filter(|word| !word.is_empty());
        ProgramArguments::from_arg_matches(&program.definition().try_get_matches_from(words)?)
            .map(|parsed| parsed.arguments)
    }

    /// The log level: 4 with `-d`, otherwise the sum of the `-v` levels.
    #[must_use]
    pub fn verbosity(&self) -> u8 {
        if self.debug { 4 } else { self.verbose.iter().copied().fold(0, u8::saturating_add) }
    }

    /// Opens the unit's data directory for a configuration.
    ///
    /// # Errors
    /// As [`DataDir::open_configured`].
    pub fn open_data(&self, config: &Config) -> Result<DataDir, DataDirError> {
        Ok(DataDir::open_configured(&self.folder(), config)?.with_new_site(self.new_site))
    }

    /// The unit's data directory: the subdirectory of `data` named after its number.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let data = self.data.clone().unwrap_or_else(|| DATA_DIRECTORY.into());
        data.join(self.unit.to_string())
    }
}

/// Parses the command line of this process and runs a daemon, as [`start`] does. The exit code is 0, or 1 after any error.
pub fn main(program: &Program, run: impl FnOnce(&Arguments) -> Result<(), Box<dyn Error>>) -> ExitCode {
    if let Some(written) = command_line::man::write_if_requested(|| program.definition(), SECTION) {
        return exit(program.name, written.map_err(Into::into));
    }
    if let Some(printed) = completion::print_if_requested(|| program.definition()) {
        return exit(program.name, printed.map_err(Into::into));
    }
    let arguments = match Arguments::parse(program, std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // mhvtl's daemons exit with 1 after any error.
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    exit(program.name, start(&arguments, run))
}

/// Runs a daemon: in this process with `-F` or `-d`, otherwise in a background process; then it returns when that process
/// is ready.
///
/// # Errors
/// Those of `run`, or the background process did not start.
pub fn start(
    arguments: &Arguments,
    run: impl FnOnce(&Arguments) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    if !arguments.allow_core_dumps {
        vtl::core_dumps::disable();
    }
    if arguments.foreground || arguments.debug { run(arguments) } else { detach() }
}

/// Prints an error, if any, to standard error and returns the exit code: 0, or 1 after an error.
pub fn exit(name: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{name}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The signals that a daemon handles: SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2.
pub struct SignalWaiter(Signals);

impl SignalWaiter {
    /// Starts catching the signals.
    ///
    /// # Errors
    /// A signal handler cannot be installed.
    pub fn new() -> io::Result<Self> {
        Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2]).map(Self)
    }

    /// Waits for SIGTERM or SIGINT. SIGHUP calls `reload`; SIGUSR1 and SIGUSR2 are ignored: they do not end mhvtl's
    /// daemons either.
    pub fn wait_for_exit<E: fmt::Display>(mut self, reload: impl Fn() -> Result<(), E>) {
        for signal in self.0.forever() {
            match signal {
                SIGTERM | SIGINT => return,
                SIGHUP => match reload() {
                    Ok(()) => tracing::info!("configuration reloaded"),
                    Err(error) => tracing::warn!(%error, "reload failed"),
                },
                _ => {}
            }
        }
    }
}

/// Requests the end of this process: raises SIGTERM.
pub fn request_exit() {
    let _ = signal_hook::low_level::raise(SIGTERM);
}

/// Notifies the service manager and prints the ready line with this summary. Write errors are ignored.
pub fn print_ready(summary: &str) {
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    // The parent that started this process in the background exits when it has read this line.
    let _ = writeln!(io::stdout(), "{READY_LINE} {summary}");
}

const READY_LINE: &str = "ready mhvtl";

/// Starts this program in the background with the same arguments and waits for its ready line.
fn detach() -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut words = std::env::args_os();
    // By a link, the name is what chooses the daemon.
    words.next().map(|name| command.arg0(name));
    command.args(words).arg("-F").stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let mut line = String::new();
    child.stdout.take().map(|output| BufReader::new(output).read_line(&mut line)).transpose()?;
    if line.starts_with(READY_LINE) {
        return Ok(());
    }
    Err(format!("the background process did not start: {}", child.wait()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtl::standalone::Standalone;

    #[test]
    fn new_site_needs_option() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[[library]]\nname = \"alone\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
        let config = vtl::config::parse("test", text).unwrap();
        let open = |option: &str| {
            let line = ["vtltape", "-q11", "--data", dir.path().to_str().unwrap(), option];
            let arguments = Arguments::parse(&VTLTAPE, line.map(OsString::from)).unwrap();
            let drive = Standalone::open(arguments.open_data(&config).unwrap(), &config.libraries[0]);
            drive.map(|drive| drive.unit().identity().serial.clone()).map_err(|error| error.to_string())
        };
        let serial = open("").unwrap();
        assert_eq!(open("--new-site"), Ok(serial.clone()), "an existing site is opened, not replaced");
        ["state.1", "state.2"].iter().for_each(|name| std::fs::remove_file(dir.path().join("11").join(name)).unwrap());
        let refused = open("").unwrap_err();
        assert!(refused.contains("identities.toml") && refused.contains("--new-site"), "{refused}");
        assert_ne!(open("--new-site").unwrap(), serial);
    }

    #[test]
    fn help_matches_snapshots_and_examples_parse() {
        for program in [VTLTAPE, VTLLIBRARY] {
            let texts = command_line::help::texts(program.definition());
            insta::with_settings!({ snapshot_path => "../tests/help", prepend_module_to_snapshot => false, omit_expression => true }, {
                texts.iter().for_each(|(name, text)| insta::assert_snapshot!(name.as_str(), text));
            });
            assert_eq!(command_line::help::check_examples(program.name, || program.definition()), Ok(()));
        }
    }

    #[test]
    fn mhvtl_command_lines_are_parsed() {
        let read = |line: &str| Arguments::parse(&VTLTAPE, line.split(' ').map(OsString::from));
        // As in mhvtl's systemd units, with DAEMON_DEBUG unset.
        assert!(read("vtltape -F -q11 -v0 ").unwrap().foreground);
        assert_eq!(read("vtltape -F -q11 -v ").unwrap().verbosity(), 1);
        let unit = read("vtltape -F -q11 -v1").unwrap();
        assert_eq!((unit.unit, unit.foreground, unit.verbosity()), (11, true, 1));
        assert_eq!(read("vtltape -q 11 -v -v").unwrap().verbosity(), 2);
        assert_eq!(read("vtltape -d -q11 -v0").unwrap().verbosity(), 4);
        assert_eq!(read("vtltape -q11 -f/run/state").unwrap().fifo, Some("/run/state".into()));
        for wrong in ["vtltape", "vtltape -q0", "vtltape -q1025", "vtltape -qx", "vtltape -q11 -z"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
