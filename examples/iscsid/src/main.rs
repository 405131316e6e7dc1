//! `ferric-iscsid`: tape libraries behind iSCSI targets. Arguments, a [`Site`], and its [`Door`].

use clap::Parser;
use iscsid::Door;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use vtl::config::{Advertise, Config};
use vtl::control::socket::{self, Control};
use vtl::log_writer::{self, LogGuard, LogWriter};
use vtl::site::Site;

/// Serves virtual tape libraries over iSCSI: a medium changer at LUN 0, tape drives from LUN 1.
#[derive(Clone, Parser)]
#[command(name = "ferric-iscsid", version, after_help = EXAMPLES)]
struct Arguments {
    /// Directory that keeps the library: cartridges, their places, serial numbers
    #[arg(long, value_name = "DIR", default_value = "./ferric-data")]
    data: PathBuf,
    /// Configuration (TOML); without one, an STK L700 with two LTO-8 drives
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Configuration of mhvtl in this directory, as it stands, in the place of one of ours; its cartridges, where they are
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    mhvtl_config: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:3260]
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<String>,
    /// Show the configuration in effect and exit
    #[arg(long)]
    print_config: bool,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: tracing::Level,
}

const EXAMPLES: &str = "Examples:
  ferric-iscsid                                   the default library, kept in ./ferric-data
  ferric-iscsid --data /srv/tapes --bind 0.0.0.0:3260
  ferric-iscsid --config ferric.toml --print-config
  ferric-iscsid --bind 127.0.0.1:0                prints \"ready iscsi ADDR:PORT IQN\" with the port it got";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let _log = match start_log(arguments.log) {
        Ok(guard) => guard,
        Err(error) => {
            let _ = writeln!(io::stderr(), "ferric-iscsid: no thread for the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run(&arguments) {
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

fn run(arguments: &Arguments) -> Result<(), String> {
    let mut config = read_config(arguments)?;
    if let Some(bind) = &arguments.bind {
        config.iscsi.bind.clone_from(bind);
    }
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
    if arguments.mhvtl_config.is_some() {
        vtl::config::mhvtl::create_homes(&config).map_err(|error| error.to_string())?;
    }
    let site = Site::open(&arguments.data, &config).map_err(|error| error.to_string())?;
    let bind = &config.iscsi.bind;
    let door = Door::open(&site, &config.iscsi).map_err(|error| format!("cannot listen on {bind}: {error}"))?;
    let door = Arc::new(door);
    let reload = {
        let (arguments, site, door) = (arguments.clone(), Arc::clone(&site), Arc::clone(&door));
        let bind = config.iscsi.bind.clone();
        Arc::new(move || reload(&arguments, &site, &door, &bind))
    };
    let control = arguments.data.join(socket::FILE);
    let _control = Control::open(&control, &site, Arc::clone(&reload) as _)
        .map_err(|error| format!("{}: {error}", control.display()))?;
    let shown = match &config.iscsi.advertise {
        Advertise::Portal(address) => address.clone(),
        Advertise::Connection | Advertise::Nothing => reachable(door.address()).to_string(),
    };
    greet(&site, door.address(), &shown);
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        if let Err(error) = reload() {
            tracing::error!(%error, "the configuration was not taken over");
        }
    }
    door.close();
    site.shut_down().map_err(|error| error.to_string())
}

/// Reads the configuration again and takes it over.
fn reload(arguments: &Arguments, site: &Site, door: &Door, bind: &str) -> Result<(), String> {
    if arguments.config.is_none() && arguments.mhvtl_config.is_none() {
        return Err("the daemon was started without a configuration file".into());
    }
    let config = read_config(arguments)?;
    if arguments.bind.is_none() && config.iscsi.bind != bind {
        return Err("to change iscsi.bind takes a restart; nothing was changed".into());
    }
    let taken = site.reload(&config).map_err(|error| error.to_string());
    // Also where something could not be made: what came before it is there.
    door.refresh(site, &config.iscsi);
    taken
}

/// Each connection takes two descriptors, each loaded cartridge three: take as many as the system allows.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn read_config(arguments: &Arguments) -> Result<Config, String> {
    if let Some(directory) = &arguments.mhvtl_config {
        let imported = vtl::config::mhvtl::import(directory).map_err(|error| error.to_string())?;
        imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
        return imported.config().map_err(|error| error.to_string());
    }
    let Some(path) = &arguments.config else { return Ok(Config::default()) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    vtl::config::parse(&name, &text).map_err(|error| error.to_string())
}

/// An address that a person can connect to, where the daemon listens on all of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    let local: IpAddr = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(if address.ip().is_unspecified() { local } else { address.ip() }, address.port())
}

/// What people read goes to stderr, then one line for programs to stdout: the address, and every target's name. Output
/// that cannot be written changes nothing.
fn greet(site: &Site, address: SocketAddr, shown: &str) {
    let _ = io::stderr().write_all(overview(site, shown).as_bytes());
    let names: Vec<String> = site.targets().iter().map(|target| target.name().to_owned()).collect();
    let _ = writeln!(io::stdout(), "ready iscsi {address} {}", names.join(" "));
    let _ = io::stdout().flush();
    // Without a supervisor that asked for it this does nothing.
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
}

/// Every unit, and how to connect from Linux.
fn overview(site: &Site, shown: &str) -> String {
    let mut text = String::new();
    for target in site.targets() {
        text += &format!("{}\nLUN  Vendor   Product           Rev   Serial      Loaded\n", target.name());
        for unit in site.overview(&target) {
            let model = unit.model;
            text += &format!(
                "{:>3}  {:<8} {:<16}  {:<4}  {:<10}  {}\n",
                unit.lun, model.vendor, model.product, model.revision, unit.serial, unit.content
            );
        }
        text += "\n";
    }
    text += &format!("To connect from Linux:\n  iscsiadm -m discovery -t sendtargets -p {shown}\n");
    for target in site.targets() {
        text += &format!("  iscsiadm -m node -T {} -p {shown} --login\n", target.name());
    }
    text
}
