//! What the daemons have in common: arguments of mhvtl's, beginning and end.

use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use vtl::config::Config;
use vtl::data_dir::{DataDir, DataDirError};

/// The command line of mhvtl's daemons, and what ours take beside.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// Number of the unit in device.conf
    #[arg(short = 'q', value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub unit: u16,
    /// Stay in the foreground
    #[arg(short = 'F')]
    pub foreground: bool,
    /// Log everything, in the foreground
    #[arg(short = 'd')]
    pub debug: bool,
    /// How much to log, 0 to 3; once more each time it is given
    #[arg(short = 'v', value_name = "LEVEL", num_args = 0..=1, require_equals = false, default_missing_value = "1")]
    pub verbose: Vec<u8>,
    /// A named pipe that is told of every change of state
    #[arg(short = 'f', value_name = "FIFO")]
    pub fifo: Option<PathBuf>,
    /// mhvtl's configuration; without one, /etc/mhvtl, or the directory that mhvtl.conf there names
    #[arg(long, value_name = "DIR")]
    pub mhvtl_config: Option<PathBuf>,
    /// Directory for what must not be lost; each unit has one of its own in it
    #[arg(long, value_name = "DIR", default_value = "/var/lib/ferric/mhvtl")]
    pub data: PathBuf,
    /// Start a new site although the unit's directory has cartridges or identities without a state
    #[arg(long)]
    pub new_site: bool,
    /// Allow core dumps and debuggers; encryption keys are left out of dumps all the same
    #[arg(long)]
    pub allow_core_dumps: bool,
}

impl Arguments {
    /// Reads a command line. Empty words mean nothing: systemd makes one of an option that is not set.
    fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(words.into_iter().filter(|word| !word.is_empty()))
    }

    /// How much to log.
    #[must_use]
    pub fn verbosity(&self) -> u8 {
        if self.debug { 4 } else { self.verbose.iter().copied().fold(0, u8::saturating_add) }
    }

    /// The unit's data, for a configuration.
    ///
    /// # Errors
    /// As [`Data::open_configured`].
    pub fn open_data(&self, config: &Config) -> Result<DataDir, DataDirError> {
        Ok(DataDir::open_configured(&self.folder(), config)?.with_new_site(self.new_site))
    }

    /// Directory of the unit.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.data.join(self.unit.to_string())
    }
}

/// Runs a daemon of mhvtl's: here if it is to stay in the foreground, else as a process of its own, whose beginning is
/// waited for.
pub fn main(name: &str, run: impl FnOnce(&Arguments) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // mhvtl's daemons end with 1, whatever is wrong.
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    if !arguments.allow_core_dumps {
        vtl::core_dumps::disable();
    }
    if arguments.foreground || arguments.debug { exit(name, run(&arguments)) } else { exit(name, detach()) }
}

/// The end of a process.
pub fn exit(name: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{name}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Signals that a daemon lives with.
pub struct SignalWaiter(Signals);

impl SignalWaiter {
    /// Catches them from here on.
    ///
    /// # Errors
    /// They cannot be caught.
    pub fn new() -> io::Result<Self> {
        Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2]).map(Self)
    }

    /// Waits until the process is to end. On SIGHUP the configuration is read again, where that means something; other
    /// signals that mhvtl's daemons survive mean nothing.
    pub fn wait_for_exit(mut self, reload: impl Fn() -> Result<(), String>) {
        for signal in self.0.forever() {
            match signal {
                SIGTERM | SIGINT => return,
                SIGHUP => match reload() {
                    Ok(()) => tracing::info!("the configuration was read again"),
                    Err(error) => tracing::error!(error, "the configuration was not taken over"),
                },
                _ => {}
            }
        }
    }
}

/// Ends this process as if someone had asked for it.
pub fn request_exit() {
    let _ = signal_hook::low_level::raise(SIGTERM);
}

/// Says that everything is there. Output that cannot be written changes nothing.
pub fn print_ready(what: &str) {
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    // The process that has started this one in the background ends when it has read this.
    let _ = writeln!(io::stdout(), "{READY_LINE} {what}");
}

const READY_LINE: &str = "ready mhvtl";

/// The same program with the same arguments, in the background.
fn detach() -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).arg("-F").stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let mut line = String::new();
    child.stdout.take().map(|output| BufReader::new(output).read_line(&mut line)).transpose()?;
    if line.starts_with(READY_LINE) {
        return Ok(());
    }
    Err(format!("it did not begin: {}", child.wait()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtl::standalone::Standalone;

    #[test]
    fn a_new_site_is_started_where_one_was_only_if_asked_to() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[[library]]\nname = \"alone\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
        let config = vtl::config::parse("test", text).unwrap();
        let open = |option: &str| {
            let line = ["vtltape", "-q11", "--data", dir.path().to_str().unwrap(), option];
            let arguments = Arguments::parse(line.map(OsString::from)).unwrap();
            let drive = Standalone::open(arguments.open_data(&config).unwrap(), &config.libraries[0]);
            drive.map(|drive| drive.unit().identity().serial.clone()).map_err(|error| error.to_string())
        };
        let serial = open("").unwrap();
        assert_eq!(open("--new-site"), Ok(serial.clone()), "a site that is there is started, not replaced");
        ["state.1", "state.2"].iter().for_each(|name| std::fs::remove_file(dir.path().join("11").join(name)).unwrap());
        let refused = open("").unwrap_err();
        assert!(refused.contains("identities.toml") && refused.contains("--new-site"), "{refused}");
        assert_ne!(open("--new-site").unwrap(), serial);
    }

    #[test]
    fn mhvtls_command_lines() {
        let read = |line: &str| Arguments::parse(line.split(' ').map(OsString::from));
        // As mhvtl's units have it, without DAEMON_DEBUG.
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
