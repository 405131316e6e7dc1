//! The daemon: reads the command line and the configuration, opens a [`Site`] and its [`Portal`].
//!
//! The program `ferric-iscsid` calls [`main`], and `ferric serve iscsi` [`serve`].

mod arguments;
#[cfg(feature = "shelf")]
mod divided;
mod http;
mod inherited;
mod notify;
mod ready;
mod reload;
#[cfg(feature = "shelf")]
mod shared_site;
mod shelves;
#[cfg(feature = "shelf")]
mod site_copy;
mod sys;
#[cfg(not(feature = "shelf"))]
mod undivided;

use crate::Portal;
pub use arguments::{Arguments, after_help};
use arguments::{NAME, ProgramArguments};
use clap::{CommandFactory, Parser};
use command_line::temporary_dir::TemporaryDir;
#[cfg(feature = "shelf")]
use divided::Part;
use ready::PidFile;
use reload::Reloader;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};
#[cfg(not(feature = "shelf"))]
use undivided::Part;
use vtl::audit::{Actor, ActorKind};
use vtl::config::{Config, NotifySetup};
use vtl::control::socket::{self, ControlSocket};
use vtl::control::{ControlError, ControlRequest};
use vtl::data_dir::DataDir;
use vtl::frontend::{Frontend, SiteOptions};
use vtl::library::LibraryError;
use vtl::log_writer::{self, LogGuard, LogWriter};
use vtl::recent_log::RecentLog;
use vtl::site::{OpenSite, Site};
use vtl_stream::StreamSocket;

/// Runs the daemon with the command line of this process. Returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(written) = command_line::man::write_if_requested(definition, SECTION) {
        return exit(written);
    }
    if let Some(printed) = command_line::completion::print_if_requested(definition) {
        return exit(printed);
    }
    exit(serve(ProgramArguments::parse().arguments))
}

/// Section of the man page: daemons.
pub const SECTION: &str = "8";

/// The definition of the command line of `ferric-iscsid`.
#[must_use]
pub fn definition() -> clap::Command {
    ProgramArguments::command()
}

/// Serves a site until a signal ends this process. Must be called before the process has another thread.
///
/// # Errors
/// The daemon cannot be started, or ends by an error: the message for the user.
pub fn serve(arguments: Arguments) -> Result<(), String> {
    sys::limit_arenas();
    let inherited = inherited::listener()?;
    let (_log, recent) = start_log(arguments.log).map_err(|error| format!("cannot start the log thread: {error}"))?;
    if !arguments.allow_core_dumps {
        vtl::core_dumps::disable();
    }
    run(arguments, recent, inherited)
}

/// Prints an error, if any, and returns the exit code.
fn exit<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{NAME}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Starts logging to standard error. The last lines of the level info and above are kept, whatever `level` is.
fn start_log(level: tracing::Level) -> io::Result<(LogGuard, RecentLog)> {
    let (writer, guard) = LogWriter::stderr()?;
    let output = fmt::layer().with_ansi(io::stderr().is_terminal()).log_internal_errors(false);
    let output = output.with_writer(move || writer.clone());
    let recent = RecentLog::default();
    let kept = {
        let recent = recent.clone();
        fmt::layer().with_ansi(false).log_internal_errors(false).with_writer(move || recent.clone())
    };
    let output = output.with_filter(LevelFilter::from(level));
    registry().with(output).with(kept.with_filter(LevelFilter::INFO)).init();
    log_writer::log_panics();
    Ok((guard, recent))
}

fn run(mut arguments: Arguments, recent: RecentLog, inherited: Option<TcpListener>) -> Result<(), String> {
    let shared_site = join_site(&mut arguments)?;
    let text = arguments.read_config_text()?;
    let mut config = arguments.read_config(text.as_deref())?;
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
    let part = Part::of(&arguments, shared_site.as_ref(), &mut config)?;
    let site = open(&arguments, &config, &part).map_err(|error| error.to_string())?;
    site.set_recent_log(recent);
    arguments.trace.start(|path, data_len| site.trace_to(path, data_len)).map_err(|error| error.to_string())?;
    let drives = part.start(&site, &arguments, text.as_deref())?;
    let portal = open_portal(&site, &config, inherited)?;
    let http = http::open(&site, &config.http)?;
    let notifier = Arc::new(notify::open(&site, &config.notify)?);
    report_warnings(&site, &portal, &config);
    let reloader = Arc::new(Reloader::new(&arguments, &config, text, &site, &portal, &notifier));
    site.set_configuration_file(Arc::clone(&reloader) as _);
    site.set_reload_handler(Arc::new(move || reloader.reload()));
    let control = arguments.data_directory().join(socket::FILE_NAME);
    let _control = ControlSocket::open(&control, &site).map_err(|error| format!("{}: {error}", control.display()))?;
    let stream = open_stream(&arguments, &site)?;
    #[cfg(feature = "shelf")]
    let copiers = site_copy::start(&site, &config.shelves, &arguments, shared_site.as_ref())?;
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
    ready::report_stop();
    portal.close();
    drop(stream);
    drop(drives);
    part.stop();
    let closed = site.shut_down().map_err(|error| error.to_string());
    #[cfg(feature = "shelf")]
    drop(copiers);
    // Its subscribers have received all events.
    drop(http);
    notifier.close();
    closed.and(leave_site(shared_site))
}

/// Serves iSCSI on the socket of the service manager, or else on the address of the configuration.
fn open_portal(site: &Arc<Site>, config: &Config, inherited: Option<TcpListener>) -> Result<Arc<Portal>, String> {
    let bind = &config.iscsi.bind;
    let (opened, place) = match inherited {
        Some(listener) => (Portal::on_listener(site, &config.iscsi, listener), "the socket of the service manager"),
        None => (Portal::open(site, &config.iscsi), bind.as_str()),
    };
    opened.map(Arc::new).map_err(|error| format!("cannot listen on {place}: {error}"))
}

/// With `--stream`, serves commands on a Unix socket.
fn open_stream(arguments: &Arguments, site: &Arc<Site>) -> Result<Option<StreamSocket>, String> {
    let open = |path: &PathBuf| {
        StreamSocket::open(path, site).map_err(|error| format!("--stream: {}: {error}", path.display()))
    };
    arguments.stream.as_ref().map(open).transpose()
}

/// With `--site`, takes the site in the object store for this daemon, and restores its files if they are not here.
#[cfg(feature = "shelf")]
fn join_site(arguments: &mut Arguments) -> Result<Option<shared_site::SharedSite>, String> {
    let Some(url) = arguments.site.clone().filter(|_| !arguments.print_config) else { return Ok(None) };
    shared_site::SharedSite::join(&url, arguments).map(Some).map_err(|error| format!("--site: {error}"))
}

#[cfg(not(feature = "shelf"))]
fn join_site(arguments: &mut Arguments) -> Result<Option<std::convert::Infallible>, String> {
    match arguments.site {
        Some(_) => Err("--site: this daemon was built without the feature shelf".into()),
        None => Ok(None),
    }
}

/// Releases the site in the object store.
///
/// # Errors
/// Another daemon has taken it over.
#[cfg(feature = "shelf")]
fn leave_site(shared_site: Option<shared_site::SharedSite>) -> Result<(), String> {
    shared_site.map_or(Ok(()), shared_site::SharedSite::leave)
}

#[cfg(not(feature = "shelf"))]
fn leave_site(_: Option<std::convert::Infallible>) -> Result<(), String> {
    Ok(())
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

fn open(arguments: &Arguments, config: &Config, part: &Part) -> Result<OpenSite, LibraryError> {
    let directory = arguments.data_directory();
    if std::fs::metadata(&directory).is_ok_and(|data| !data.is_dir()) {
        return Err(ControlError::invalid(format!("--data: {} is not a directory", directory.display())).into());
    }
    let data = DataDir::open_configured(&directory, config)?;
    let data = shelves::open(data, &directory, config)?;
    let options = part.options(SiteOptions::default().with_frontend(Frontend::ISCSI));
    Site::open_with(data.with_new_site(arguments.new_site), config, options)
}

/// Raises the limit on open files to its maximum: each connection needs two descriptors, each loaded cartridge three.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
