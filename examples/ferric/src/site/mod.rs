//! Commands to a running daemon, over the control socket in its data directory.

mod client;
mod command;
mod draw;
mod request;
mod rows;

use crate::failure::Failure;
use crate::output;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use client::Client;
use command::{Alert, Cartridge, Command, Drive, Pool, Slot};
use request::request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::PathBuf;
use vtl::control::{Request, SiteStatus};

/// Where the daemon is.
#[derive(Args)]
struct Daemon {
    /// Data directory of the daemon
    #[arg(long, value_name = "DIR", default_value = "./ferric-data")]
    data: PathBuf,
    /// Its control socket, if that is elsewhere
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// The library; not needed where there is only one
    #[arg(long, value_name = "NAME")]
    library: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A command, and the daemon it is for.
pub(crate) struct Site {
    daemon: Daemon,
    command: Command,
}

/// Each command takes the options of [`Daemon`] behind its name.
impl Subcommand for Site {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        let all = Command::augment_subcommands(clap::Command::new("site"));
        command.subcommands(all.get_subcommands().cloned().map(Daemon::augment_args))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Command::has_subcommand(name)
    }
}

impl FromArgMatches for Site {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let command = Command::from_arg_matches(matches)?;
        let options = matches.subcommand().map_or(matches, |(_, options)| options);
        Ok(Self { daemon: Daemon::from_arg_matches(options)?, command })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

pub(crate) fn run(Site { daemon, command }: Site) -> Result<(), Failure> {
    let path = daemon.socket.clone().unwrap_or_else(|| daemon.data.join(vtl::control::socket::FILE));
    let mut client = Client::connect(&path)?;
    match command {
        Command::Events => return client.follow(|event| output::line(event.to_string())),
        Command::Status => return show(&daemon, &mut client, draw::site, |status| json!(status)),
        Command::Library => return show(&daemon, &mut client, draw::libraries, |status| json!(status.libraries)),
        Command::Drive(Drive { drive: None, .. }) => return show(&daemon, &mut client, draw::drives, rows::drives),
        Command::Slot(Slot { element: None, .. }) => return show(&daemon, &mut client, draw::slots, rows::slots),
        Command::Alert(Alert { flag: None, .. }) => return show(&daemon, &mut client, draw::alerts, rows::alerts),
        Command::Pool(Pool { pool: None, .. }) => return list(&daemon, &mut client, &Request::Pools, draw::pools),
        Command::Cartridge(Cartridge { cartridge: None, .. }) => {
            return list(&daemon, &mut client, &Request::Cartridges, draw::cartridges);
        }
        _ => {}
    }
    let done = client.ask(&request(daemon.library, command))?;
    if daemon.json { output::json(&done) } else { said(&done) }
}

/// What was done, in words, where there is anything to say.
fn said(done: &Value) -> Result<(), Failure> {
    let part = |name: &str| done.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    if let Some(made) = done.get("made").and_then(Value::as_array) {
        return made.iter().filter_map(Value::as_str).try_for_each(output::line);
    }
    match (part("from"), part("to"), part("cartridge"), part("shelf")) {
        (Some(from), Some(to), ..) => output::line(format!("moved from element {from} to {to}")),
        (None, Some(to), ..) => output::line(format!("imported into element {to}")),
        (.., Some(cartridge), Some(shelf)) => output::line(format!("{cartridge} is on the shelf {shelf}")),
        _ => Ok(()),
    }
}

fn list<T: DeserializeOwned + Serialize>(
    daemon: &Daemon,
    client: &mut Client,
    request: &Request,
    draw: fn(&[T]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let rows: Vec<T> = serde_json::from_value(client.ask(request)?)?;
    if daemon.json { output::json(&rows) } else { draw(&rows) }
}

fn show(
    daemon: &Daemon,
    client: &mut Client,
    draw: fn(&SiteStatus) -> Result<(), Failure>,
    rows: fn(&SiteStatus) -> Value,
) -> Result<(), Failure> {
    let mut status: SiteStatus = serde_json::from_value(client.ask(&Request::Status)?)?;
    if let Some(name) = &daemon.library {
        status.libraries.retain(|library| library.name == *name);
        if status.libraries.is_empty() {
            return Err(Failure::Usage(format!("there is no library {name:?}")));
        }
    }
    if daemon.json { output::json(&rows(&status)) } else { draw(&status) }
}
