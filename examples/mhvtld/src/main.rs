//! `ferric-mhvtld`: mhvtl's configuration, a [`Site`], and its [`Door`].

use clap::Parser;
use mhvtl_lld::Kernel;
use mhvtl_lld::queue::Queue;
use mhvtld::{Door, Messages};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use vtl::config::{mhvtl, parse};
use vtl::control::socket::{self, Control};
use vtl::site::Site;

/// Serves the libraries and drives of mhvtl's configuration at mhvtl's kernel module, in the place of its daemons.
#[derive(Parser)]
#[command(name = "ferric-mhvtld", version)]
struct Arguments {
    /// mhvtl's configuration
    #[arg(long, value_name = "DIR", default_value = "/etc/mhvtl")]
    mhvtl_config: PathBuf,
    /// Directory for what must not be lost: where cartridges are, reservations, counters
    #[arg(long, value_name = "DIR", default_value = "/var/lib/ferric")]
    data: PathBuf,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: tracing::Level,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_max_level(arguments.log).with_writer(io::stderr).init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "ferric-mhvtld: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let imported = mhvtl::import(&arguments.mhvtl_config).map_err(|error| error.to_string())?;
    imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
    let name = format!("what was made of {}", arguments.mhvtl_config.display());
    let config = parse(&name, &imported.text).map_err(|error| error.to_string())?;
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])
        .map_err(|error| format!("signals cannot be caught: {error}"))?;
    let module = Kernel::find().map_err(|error| error.to_string())?;
    let site = Site::open(&arguments.data, &config).map_err(|error| error.to_string())?;
    let control = arguments.data.join(socket::FILE);
    let no_reload = || Err("mhvtl's configuration is read at the start".into());
    let _control = Control::open(&control, &site, Arc::new(no_reload))
        .map_err(|error| format!("{}: {error}", control.display()))?;
    let door = Door::open(&module, &site, &imported.seats).map_err(|error| error.to_string())?;
    let queue = Queue::open().map_err(|error| format!("mhvtl's message queue: {error}"))?;
    let over = || {
        // As if someone had ended the daemon.
        let _ = signal_hook::low_level::raise(SIGTERM);
    };
    let messages = Messages::open(queue, &site, &door, &imported.seats, over).map_err(|error| error.to_string())?;
    writeln!(io::stdout(), "ready mhvtl {} units", imported.seats.len()).map_err(|error| error.to_string())?;
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    signals.forever().next();
    drop(messages);
    door.close();
    site.shut_down().map_err(|error| error.to_string())
}
