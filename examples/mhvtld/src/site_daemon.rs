//! The daemon of a whole configuration: reads mhvtl's configuration, opens a [`Site`] and serves it through a [`Frontend`].
//!
//! The program `ferric-mhvtld` calls [`main`], and `ferric serve mhvtl` [`serve`].

use crate::daemon::{self, SignalWaiter};
use crate::fifo::Fifo;
use crate::lock::Lock;
use crate::log::Log;
use crate::notifications::Notifications;
use crate::{Frontend, MessageListener, attachments, site_messages};
use clap::{Args, CommandFactory, Parser};
use command_line::completion::{self, CompletionsArgument};
use command_line::data_dir;
use command_line::trace::TraceArguments;
use mhvtl_lld::KernelModule;
use mhvtl_lld::queue::Queue;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use vtl::config::{HttpSetup, mhvtl};
use vtl::control::ControlError;
use vtl::control::socket::{self, ControlSocket};
use vtl::data_dir::DataDir;
use vtl::site::Site;
use vtl_http::HttpServer;

// The command line of `ferric-mhvtld`. A doc comment would replace its description.
#[derive(Parser)]
#[command(name = NAME, version, max_term_width = command_line::HELP_WIDTH, after_help = EXAMPLES)]
struct ProgramArguments {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    _completions: CompletionsArgument,
}

/// Name of the daemon as a program.
const NAME: &str = "ferric-mhvtld";

/// Serve all libraries and drives of an mhvtl configuration through mhvtl's kernel module
#[derive(Args)]
pub struct Arguments {
    /// Directory of mhvtl's configuration [default: /etc/mhvtl, or the directory named in its mhvtl.conf]
    #[arg(long, value_name = "DIR")]
    mhvtl_config: Option<PathBuf>,
    /// Data directory: inventory, reservations and counters [default: $FERRIC_DATA, else /var/lib/ferric]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the HTTP API and the console, a loopback address: every user of the machine may then operate the site
    /// [default: no HTTP]
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    /// TOML file with notify tables: targets that receive the events of the site; SIGHUP reads it again [default: none]
    #[arg(long, value_name = "FILE")]
    notify: Option<PathBuf>,
    /// Create a new site although the data directory has cartridges or identities but no state
    #[arg(long)]
    new_site: bool,
    /// Allow core dumps and debuggers; encryption keys are excluded from dumps
    #[arg(long)]
    allow_core_dumps: bool,
    /// Log level, 0 (errors and warnings) to 3 (everything)
    #[arg(short, value_name = "LEVEL", default_value_t = 0)]
    verbose: u8,
    #[command(flatten)]
    trace: TraceArguments,
}

impl Arguments {
    /// Replaces the data directory, regardless of the command line and the environment.
    pub fn set_data_directory(&mut self, directory: &Path) {
        self.data = Some(directory.into());
    }
}

const EXAMPLES: &str = "Examples:
  ferric-mhvtld
  ferric-mhvtld --mhvtl-config /etc/mhvtl --data /srv/tapes -v 1
  ferric-mhvtld --http 127.0.0.1:8080
  ferric-mhvtld --notify /etc/ferric/notify.toml

Environment:
  FERRIC_DATA  data directory, if --data is not given

Exit codes:
  0  ended by a signal
  1  not started, or ended by an error
  2  the command line is wrong";

/// Runs the daemon with the command line of this process. Returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(written) = command_line::man::write_if_requested(definition, daemon::SECTION) {
        return daemon::exit(NAME, written.map_err(Into::into));
    }
    if let Some(printed) = completion::print_if_requested(definition) {
        return daemon::exit(NAME, printed.map_err(Into::into));
    }
    daemon::exit(NAME, serve(&ProgramArguments::parse().arguments))
}

/// The definition of the command line of `ferric-mhvtld`.
#[must_use]
pub fn definition() -> clap::Command {
    ProgramArguments::command()
}

/// Serves all units of a configuration until a signal ends this process.
///
/// # Errors
/// The daemon cannot be started, or ends by an error.
pub fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let log = Log::start(arguments.verbose);
    if !arguments.allow_core_dumps {
        vtl::core_dumps::disable();
    }
    run(arguments, &log)
}

fn run(arguments: &Arguments, log: &Log) -> Result<(), Box<dyn Error>> {
    let directory = data_dir::chosen(arguments.data.clone()).unwrap_or_else(|| data_dir::SYSTEM.into());
    let imported = mhvtl::import(&mhvtl::resolve_directory(arguments.mhvtl_config.as_deref())?)?;
    imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
    let config = imported.config()?;
    let signals = SignalWaiter::new()?;
    let module = KernelModule::find()?;
    let locks = imported.device_slots.iter().map(|slot| Lock::acquire(slot.minor)).collect::<Result<Vec<_>, _>>()?;
    let data = DataDir::open_configured(&directory, &config)?.with_new_site(arguments.new_site);
    let site = Site::open_data_dir(data, &config)?;
    site.set_recent_log(log.recent().clone());
    arguments.trace.start(|path, data_len| site.trace_to(path, data_len))?;
    let control = directory.join(socket::FILE_NAME);
    let notify = arguments.notify.as_deref().map(|file| Notifications::open(&site, file, &config)).transpose()?;
    let reloaded = notify.clone();
    site.set_reload_handler(Arc::new(move || match &reloaded {
        Some(notify) => notify.reload(),
        None => Err(ControlError::conflict("changing mhvtl's configuration requires a restart")),
    }));
    let _control = ControlSocket::open(&control, &site).map_err(|error| format!("{}: {error}", control.display()))?;
    let http = open_http(arguments.http, &site, &config.http)?;
    let mut attachments = attachments(&site, &imported.device_slots)?;
    attachments.iter_mut().zip(locks).for_each(|(unit, lock)| unit.lock = Some(lock));
    for (unit, slot) in attachments.iter_mut().zip(&imported.device_slots) {
        let fifo = Fifo::create(unit.minor, slot.fifo.as_deref())?;
        match site.library(&slot.library) {
            Some(library) if slot.unit == 0 => fifo.subscribe(&site, &library)?,
            _ => unit.before = Some(fifo.command_hook()),
        }
    }
    let frontend = Frontend::open(&module, attachments)?;
    let queue = Queue::open().map_err(|error| format!("cannot open mhvtl's message queue: {error}"))?;
    let handlers = site_messages::message_handlers(&site, &frontend, &imported.device_slots, log)?;
    let messages = MessageListener::open(&queue, handlers, daemon::request_exit)?;
    let url = http.as_ref().map(|http| format!(", {}", http.url())).unwrap_or_default();
    daemon::print_ready(&format!("{} units{url}", imported.device_slots.len()));
    signals.wait_for_exit(|| site_messages::reload(&site));
    frontend.close();
    drop((messages, http));
    site_messages::save_contents(&site, &imported.contents_files);
    let closed = site.shut_down();
    if let Some(notify) = notify {
        notify.close();
    }
    Ok(closed?)
}

/// Serves the HTTP API if there is an address for it.
fn open_http(
    listen: Option<SocketAddr>,
    site: &Arc<Site>,
    setup: &HttpSetup,
) -> Result<Option<HttpServer>, Box<dyn Error>> {
    let Some(listen) = listen else { return Ok(None) };
    if !listen.ip().is_loopback() {
        return Err(format!("--http: {listen} is open to the network; use a loopback address").into());
    }
    let opened = HttpServer::open(site, &setup.clone().with_listen(listen.to_string()));
    opened.map_err(|error| format!("cannot serve HTTP on {listen}: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use command_line::help;

    #[test]
    fn help_matches_snapshot() {
        let texts = help::texts(definition());
        insta::with_settings!({ snapshot_path => "../tests/help", prepend_module_to_snapshot => false, omit_expression => true }, {
            texts.iter().for_each(|(name, text)| insta::assert_snapshot!(name.as_str(), text));
        });
    }

    #[test]
    fn http_is_served_on_loopback_addresses() {
        let config = vtl::config::parse("f", "[library]\nslots = 2\n").unwrap();
        let site = Site::open_data_dir(DataDir::in_memory(), &config).unwrap();
        let open = |listen: &str| open_http(Some(listen.parse().unwrap()), &site, &config.http);
        let served = open("127.0.0.1:0").unwrap().unwrap();
        assert!(served.url().starts_with("http://127.0.0.1:"), "{}", served.url());
        let refused = open("0.0.0.0:0").err().unwrap().to_string();
        assert_eq!(refused, "--http: 0.0.0.0:0 is open to the network; use a loopback address");
        assert!(open_http(None, &site, &config.http).unwrap().is_none());
    }

    #[test]
    fn examples_parse() {
        assert_eq!(help::check_examples(NAME, definition), Ok(()));
    }
}
