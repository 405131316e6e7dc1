//! What the daemons have in common: arguments of mhvtl's, its lock files, beginning and end.

use clap::Parser;
use rustix::fs::{FlockOperation, flock};
use signal_hook::consts::SIGTERM;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

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
    /// mhvtl's configuration
    #[arg(long, value_name = "DIR", default_value = "/etc/mhvtl")]
    pub mhvtl_config: PathBuf,
    /// Directory for what must not be lost; each unit has one of its own in it
    #[arg(long, value_name = "DIR", default_value = "/var/lib/ferric/mhvtl")]
    pub data: PathBuf,
}

impl Arguments {
    /// How much to log.
    #[must_use]
    pub fn level(&self) -> u8 {
        if self.debug { 4 } else { self.verbose.iter().copied().fold(0, u8::saturating_add) }
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
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // mhvtl's daemons end with 1, whatever is wrong.
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
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

/// Ends this process as if someone had asked for it.
pub fn end() {
    let _ = signal_hook::low_level::raise(SIGTERM);
}

/// Says that everything is there.
///
/// # Errors
/// Nobody listens.
pub fn ready(what: &str) -> io::Result<()> {
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    // Who has begun this process in the background goes away when it has read this.
    writeln!(io::stdout(), "{READY} {what}")
}

const READY: &str = "ready mhvtl";

/// The same program with the same arguments, in the background.
fn detach() -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).arg("-F").stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let mut line = String::new();
    child.stdout.take().map(|output| BufReader::new(output).read_line(&mut line)).transpose()?;
    if line.starts_with(READY) {
        return Ok(());
    }
    Err(format!("it did not begin: {}", child.wait()?).into())
}

/// Where mhvtl's daemons keep a file for each unit that is served.
const LOCKS: &str = "/var/lock/mhvtl";

/// The lock file of a unit, which keeps daemons of mhvtl and ours off each other; gone when this is dropped.
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of a unit. A file whose process is gone is taken over.
    ///
    /// # Errors
    /// The unit is served by another process, or the file cannot be made.
    pub fn take(unit: u32) -> Result<Self, String> {
        Self::take_in(Path::new(LOCKS), unit)
    }

    fn take_in(folder: &Path, unit: u32) -> Result<Self, String> {
        let path = folder.join(format!("mhvtl{unit}"));
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() || server_of(unit).is_some() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder =
                server_of(unit).map_or_else(|| holder.trim().to_owned(), |process| format!("process {process}"));
            return Err(format!("{}: unit {unit} is served already, by {holder}", path.display()));
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "process {}", std::process::id()).map_err(failed)?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The process of mhvtl's that serves a unit: its lock file is empty, and says nothing of whether it lives.
fn server_of(unit: u32) -> Option<u32> {
    let serves = |process: u32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let program = words.next()?;
        let named = program.ends_with("vtltape") || program.ends_with("vtllibrary");
        let words: Vec<_> = words.collect();
        let number = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("-q")? {
            "" => words.get(at + 1)?.parse::<u32>().ok(),
            number => number.parse().ok(),
        });
        (named && number == Some(unit) && process != std::process::id()).then_some(process)
    };
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter_map(serves).find(|process| !is_parent(*process))
}

/// Who begins a daemon in the background has its command line.
fn is_parent(process: u32) -> bool {
    std::os::unix::process::parent_id() == process
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_for_a_unit() {
        let dir = tempfile::tempdir().unwrap();
        // What a daemon of mhvtl's has left behind.
        fs::write(dir.path().join("mhvtl9011"), "").unwrap();
        let lock = Lock::take_in(dir.path(), 9011).unwrap();
        let refused = Lock::take_in(dir.path(), 9011).map(drop).unwrap_err();
        assert!(refused.contains("unit 9011 is served already, by process"), "{refused}");
        assert!(Lock::take_in(dir.path(), 9012).is_ok());
        drop(lock);
        assert!(!dir.path().join("mhvtl9011").exists());
        assert!(Lock::take_in(dir.path(), 9011).is_ok());
    }

    #[test]
    fn mhvtls_command_lines() {
        let read = |line: &str| Arguments::try_parse_from(line.split(' '));
        let unit = read("vtltape -F -q11 -v1").unwrap();
        assert_eq!((unit.unit, unit.foreground, unit.level()), (11, true, 1));
        assert_eq!(read("vtltape -q 11 -v -v").unwrap().level(), 2);
        assert_eq!(read("vtltape -d -q11 -v0").unwrap().level(), 4);
        assert_eq!(read("vtltape -q11 -f/run/state").unwrap().fifo, Some("/run/state".into()));
        for wrong in ["vtltape", "vtltape -q0", "vtltape -q1025", "vtltape -qx", "vtltape -q11 -z"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
