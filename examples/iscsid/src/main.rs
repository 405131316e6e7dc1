//! `ferric-iscsid`: serves tape libraries over iSCSI. Reads the command line and the configuration, opens a [`Site`]
//! and its [`Portal`].

mod arguments;
mod http;
mod notify;
mod ready;
mod sys;

use arguments::Arguments;
use clap::{CommandFactory, Parser};
use command_line::temporary_dir::TemporaryDir;
use iscsid::Portal;
use notify::Notifier;
use ready::PidFile;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use vtl::audit::{Actor, ActorKind};
use vtl::config::{Config, NotifySetup};
use vtl::control::socket::{self, ControlSocket};
use vtl::control::{ControlError, ControlRequest, ReloadChange, ReloadReport};
use vtl::data_dir::DataDir;
use vtl::frontend::{Frontend, SiteOptions};
use vtl::library::LibraryError;
use vtl::log_writer::{self, LogGuard, LogWriter};
use vtl::observer::TraceFile;
use vtl::site::{OpenSite, Site};

fn main() -> ExitCode {
    sys::limit_arenas();
    if let Some(written) = command_line::man::write_if_requested(Arguments::command, "8") {
        return exit(written);
    }
    if let Some(printed) = command_line::completion::print_if_requested(Arguments::command) {
        return exit(printed);
    }
    let arguments = Arguments::parse();
    let _log = match start_log(arguments.log) {
        Ok(guard) => guard,
        Err(error) => return exit(Err(format!("cannot start the log thread: {error}"))),
    };
    if !arguments.allow_core_dumps {
        vtl::core_dumps::disable();
    }
    exit(run(arguments))
}

/// Prints an error, if any, and returns the exit code.
fn exit<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "ferric-iscsid: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Starts logging to standard error.
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
    // Signals are caught before anything is opened, so that none ends the process with unsynchronised data.
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| format!("cannot catch signals: {error}"))?;
    raise_descriptor_limit();
    // Removed after everything else is closed.
    let _temporary = use_temporary_data_dir(&mut arguments)?;
    let ready = arguments.ready_fd.map(ready::descriptor).transpose().map_err(|error| error.to_string())?;
    let site = open(&arguments, &config).map_err(|error| error.to_string())?;
    let add_trace = |path: &_, data_len| {
        site.add_observer(Arc::new(TraceFile::create(path, data_len)?));
        Ok(())
    };
    arguments.trace.start(add_trace).map_err(|error| error.to_string())?;
    let bind = &config.iscsi.bind;
    let portal = Portal::open(&site, &config.iscsi).map_err(|error| format!("cannot listen on {bind}: {error}"))?;
    let portal = Arc::new(portal);
    let http = http::open(&site, &config.http)?;
    let notifier = Arc::new(notify::open(&site, &config.notify)?);
    report_warnings(&site, &portal, &config);
    let handler = {
        let (arguments, site, portal) = (arguments.clone(), Arc::downgrade(&site), Arc::clone(&portal));
        let (current, notifier) = (Mutex::new(config.clone()), Arc::clone(&notifier));
        move || match site.upgrade() {
            Some(site) => {
                let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
                reload(&arguments, &site, &portal, &notifier, &mut current)
            }
            None => Err(ControlError::unavailable("the daemon is shutting down")),
        }
    };
    site.set_reload_handler(Arc::new(handler));
    let control = arguments.data_directory().join(socket::FILE_NAME);
    let _control = ControlSocket::open(&control, &site).map_err(|error| format!("{}: {error}", control.display()))?;
    let _pid_file = arguments.pid_file.as_deref().map(PidFile::write).transpose()?;
    ready::print_overview(&site, portal.address(), &config.iscsi.advertise);
    ready::report_ready(&arguments, ready, &site, portal.address(), &control).map_err(|error| error.to_string())?;
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        if let Err(error) = site.control_as(&Actor::new(ActorKind::Signal, "SIGHUP"), &ControlRequest::Reload) {
            tracing::warn!(%error, "reload failed");
        }
    }
    portal.close();
    let closed = site.shut_down().map_err(|error| error.to_string());
    // Its subscribers have received all events.
    drop(http);
    notifier.close();
    closed
}

/// Prefix of the names of temporary data directories.
const EPHEMERAL_PREFIX: &str = "ferric-ephemeral-";

/// With `--ephemeral`, creates a temporary directory and uses it as the data directory.
fn use_temporary_data_dir(arguments: &mut Arguments) -> Result<Option<TemporaryDir>, String> {
    if !arguments.ephemeral {
        return Ok(None);
    }
    let created = TemporaryDir::create(&std::env::temp_dir(), EPHEMERAL_PREFIX, 0o700);
    let created = created.map_err(|error| format!("--ephemeral: cannot create a temporary directory: {error}"))?;
    arguments.set_data_directory(created.path());
    Ok(Some(created))
}

/// Logs the warnings about the configuration and adds them to the status of the site.
fn report_warnings(site: &Site, portal: &Portal, config: &Config) {
    let mut warnings = config.iscsi.warnings(portal.address().ip());
    let addresses = site.http_urls().into_iter().filter_map(|url| http::address(&url));
    warnings.extend(addresses.flat_map(|address| config.http.warnings(address.ip())));
    warnings.extend(config.notify.iter().filter_map(NotifySetup::warning));
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    site.set_warnings(warnings);
}

fn open(arguments: &Arguments, config: &Config) -> Result<OpenSite, LibraryError> {
    let directory = arguments.data_directory();
    if std::fs::metadata(&directory).is_ok_and(|data| !data.is_dir()) {
        return Err(ControlError::invalid(format!("--data: {} is not a directory", directory.display())).into());
    }
    let data = DataDir::open_configured(&directory, config)?;
    let options = SiteOptions::default().with_frontend(Frontend::ISCSI);
    Site::open_with(data.with_new_site(arguments.new_site), config, options)
}

/// Reads the configuration again and applies it. `current` is the configuration that is in use.
fn reload(
    arguments: &Arguments,
    site: &Site,
    portal: &Portal,
    notifier: &Notifier,
    current: &mut Config,
) -> Result<ReloadReport, ControlError> {
    let Some(path) = arguments.config_path() else {
        return Err(ControlError::unavailable("the daemon was started without a configuration file"));
    };
    let invalid = |message| ControlError::invalid(message).with_file(path.display().to_string());
    let config = arguments.read_config().map_err(invalid)?;
    ControlError::check_restart([
        ("iscsi.bind", arguments.bind.is_none() && config.iscsi.bind != current.iscsi.bind),
        ("iscsi.buffer_memory", config.iscsi.limits.buffer_memory != current.iscsi.limits.buffer_memory),
        ("http", config.http != current.http),
    ])?;
    let plan = notify::plan(&config.notify)?;
    let result = site.reload(&config);
    // Also after an error: what was applied before it must be served.
    portal.reload(site, &config.iscsi);
    let targets = notifier.reload(plan);
    report_warnings(site, portal, &config);
    let access_changed = current.iscsi != config.iscsi;
    *current = config;
    let mut report = result?;
    report.changes.extend(targets?);
    if access_changed {
        report.changes.push(ReloadChange::AccessChanged);
    }
    Ok(report)
}

/// Raises the limit on open files to its maximum: each connection needs two descriptors, each loaded cartridge three.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
