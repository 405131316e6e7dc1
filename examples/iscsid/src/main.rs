//! `ferric-iscsid`: tape libraries behind iSCSI targets. Arguments, a [`Site`], and its [`Door`].

mod arguments;
mod ready;
mod sys;
mod use_temporary_data_dir;

use arguments::Arguments;
use clap::Parser;
use iscsid::Portal;
use ready::PidFile;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use use_temporary_data_dir::Ephemeral;
use vtl::config::{Config, IscsiSetup};
use vtl::control::socket::{self, ControlSocket};
use vtl::data_dir::DataDir;
use vtl::library::LibraryError;
use vtl::log_writer::{self, LogGuard, LogWriter};
use vtl::site::{OpenSite, Site};

fn main() -> ExitCode {
    sys::limit_arenas();
    let arguments = Arguments::parse();
    let _log = match start_log(arguments.log) {
        Ok(guard) => guard,
        Err(error) => {
            let _ = writeln!(io::stderr(), "ferric-iscsid: cannot start the log thread: {error}");
            return ExitCode::FAILURE;
        }
    };
    if !arguments.allow_core_dumps {
        vtl::core_dumps::disable();
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "ferric-iscsid: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Begins to log to standard error.
fn start_log(level: tracing::Level) -> io::Result<LogGuard> {
    let (writer, guard) = LogWriter::stderr()?;
    let colours = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_max_level(level).with_ansi(colours).log_internal_errors(false);
    log.with_writer(move || writer.clone()).init();
    log_writer::log_panics();
    Ok(guard)
}

fn run(mut arguments: Arguments) -> Result<(), String> {
    let config = arguments.read_config()?;
    if arguments.print_config {
        return match write!(io::stdout(), "{config}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
            _ => Ok(()),
        };
    }
    // Signals are caught before anything is opened, so that none ends the process unsynchronised.
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| format!("signals cannot be caught: {error}"))?;
    raise_descriptor_limit();
    // Removed when everything else is closed.
    let _temporary = ephemeral(&mut arguments)?;
    let ready = arguments.ready_fd.map(ready::descriptor).transpose().map_err(|error| error.to_string())?;
    let site = open(&arguments, &config).map_err(|error| error.to_string())?;
    let bind = &config.iscsi.bind;
    let door = Portal::open(&site, &config.iscsi).map_err(|error| format!("cannot listen on {bind}: {error}"))?;
    let door = Arc::new(door);
    report_warnings(&site, &door, &config.iscsi);
    let reload = {
        let (arguments, site, door) = (arguments.clone(), Arc::clone(&site), Arc::clone(&door));
        let (bind, memory) = (config.iscsi.bind.clone(), config.iscsi.limits.buffer_memory);
        Arc::new(move || reload(&arguments, &site, &door, &bind, memory))
    };
    let control = arguments.data.join(socket::FILE_NAME);
    let _control = ControlSocket::open(&control, &site, Arc::clone(&reload) as _)
        .map_err(|error| format!("{}: {error}", control.display()))?;
    let _pid_file = arguments.pid_file.as_deref().map(PidFile::write).transpose()?;
    ready::print_overview(&site, door.address(), &config.iscsi.advertise);
    ready::report_ready(&arguments, ready, &site, door.address(), &control).map_err(|error| error.to_string())?;
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        // A defect in a reload does not end the service of what is there.
        let outcome = catch_unwind(AssertUnwindSafe(|| reload())).unwrap_or_else(|_| Err("internal error".into()));
        if let Err(error) = outcome {
            tracing::error!(%error, "the configuration was not taken over");
        }
    }
    door.close();
    site.shut_down().map_err(|error| error.to_string())
}

/// The temporary directory of a site that is not kept, which becomes that of the data.
fn ephemeral(arguments: &mut Arguments) -> Result<Option<Ephemeral>, String> {
    if !arguments.ephemeral {
        return Ok(None);
    }
    let created = Ephemeral::create().map_err(|error| format!("--ephemeral: no temporary directory: {error}"))?;
    arguments.data = created.path().into();
    Ok(Some(created))
}

/// Logs what an operator should know of the portal, and has the status show it.
fn report_warnings(site: &Site, door: &Portal, setup: &IscsiSetup) {
    let warnings = setup.warnings(door.address().ip());
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    site.set_warnings(warnings);
}

fn open(arguments: &Arguments, config: &Config) -> Result<OpenSite, LibraryError> {
    if std::fs::metadata(&arguments.data).is_ok_and(|data| !data.is_dir()) {
        return Err(LibraryError::Unknown(format!("--data: {} is not a directory", arguments.data.display())));
    }
    let data = DataDir::open_configured(&arguments.data, config)?;
    Site::open_data_dir(data.with_new_site(arguments.new_site), config)
}

/// Reads the configuration again and takes it over.
fn reload(arguments: &Arguments, site: &Site, door: &Portal, bind: &str, memory: Option<u64>) -> Result<(), String> {
    if !arguments.has_config_file() {
        return Err("the daemon was started without a configuration file".into());
    }
    let config = arguments.read_config()?;
    if arguments.bind.is_none() && config.iscsi.bind != bind {
        return Err("to change iscsi.bind takes a restart; nothing was changed".into());
    }
    if config.iscsi.limits.buffer_memory != memory {
        return Err("to change iscsi.buffer_memory takes a restart; nothing was changed".into());
    }
    let taken = site.reload(&config).map_err(|error| error.to_string());
    // Also where something could not be made: what came before it is there.
    door.reload(site, &config.iscsi);
    report_warnings(site, door, &config.iscsi);
    taken
}

/// Each connection takes two descriptors, each loaded cartridge three: take as many as the system allows.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
