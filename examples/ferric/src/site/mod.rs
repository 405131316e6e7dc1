//! Commands to a running daemon, over the control socket in its data directory.

mod client;
mod command;
mod former_words;
mod listing;
mod request;
mod rows;

use crate::cli_error::CliError;
use crate::output;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use client::Client;
use command::{AlertArgs, CartridgeAction, CartridgeArgs, Command, DriveArgs, PoolArgs, SlotArgs};
use request::request;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use vtl::control::{AlertStatus, CartridgeStatus, ElementStatus, PoolStatus, Request, SiteStatus};
use vtl::inventory::Location;

// Where the daemon is. Not a doc comment: that would become the help text of every command.
#[derive(Args)]
struct DaemonOptions {
    /// Data directory of the daemon
    #[arg(long, value_name = "DIR", default_value = "./ferric-data")]
    data: PathBuf,
    /// Control socket of the daemon [default: control.sock in its data directory]
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// Library; required if the site has several and no barcode identifies it
    #[arg(long, value_name = "NAME")]
    library: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A command, and the daemon it is for.
pub(crate) struct SiteCommand {
    daemon: DaemonOptions,
    command: Command,
}

/// Each command takes the options of [`DaemonOptions`] after its name.
impl Subcommand for SiteCommand {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        let all = Command::augment_subcommands(clap::Command::new("site"));
        command.subcommands(all.get_subcommands().cloned().map(DaemonOptions::augment_args))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Command::has_subcommand(name)
    }
}

impl FromArgMatches for SiteCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let command = Command::from_arg_matches(matches)?;
        let options = matches.subcommand().map_or(matches, |(_, options)| options);
        Ok(Self { daemon: DaemonOptions::from_arg_matches(options)?, command })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

pub(crate) fn run(SiteCommand { daemon, command }: SiteCommand) -> Result<(), CliError> {
    if daemon.library.is_some() && matches!(command, Command::Reload | Command::Events) {
        return Err(CliError::Usage("reload and events concern the whole site; leave out --library".into()));
    }
    let command = former_words::replace(command);
    let path = daemon.socket.clone().unwrap_or_else(|| daemon.data.join(vtl::control::socket::FILE_NAME));
    let mut client = Client::connect(&path)?;
    match command {
        Command::Events => client.subscribe(|event| output::print_line(event.to_string())),
        Command::Status => show(&daemon, &mut client, listing::print_site, |status| json!(status)),
        Command::Library => show(&daemon, &mut client, listing::print_libraries, |status| json!(status.libraries)),
        Command::Drive(DriveArgs { drive: None, state: None }) => {
            show(&daemon, &mut client, listing::print_drives, rows::drives)
        }
        Command::Slot(SlotArgs { element: None, state: None }) => {
            show(&daemon, &mut client, listing::print_slots, rows::slots)
        }
        Command::Drive(DriveArgs { state: None, .. }) => {
            let found = client.request_as(&request(daemon.library.clone(), command))?;
            show_one(&daemon, &mut client, &found, listing::print_drives, rows::drives)
        }
        Command::Slot(SlotArgs { state: None, .. }) => {
            let found = client.request_as(&request(daemon.library.clone(), command))?;
            show_one(&daemon, &mut client, &found, listing::print_slots, rows::slots)
        }
        Command::Alert(AlertArgs { state: None, .. }) => {
            let alerts = client.request_as::<Vec<AlertStatus>>(&request(daemon.library, command))?;
            if daemon.json { output::print_json(&alerts) } else { listing::print_alerts(&alerts) }
        }
        Command::Pool(PoolArgs { create: None, pool, .. }) => {
            let pools = pools(&daemon, &mut client, pool)?;
            if daemon.json { output::print_json(&pools) } else { listing::print_pools(&pools) }
        }
        Command::Cartridge(CartridgeArgs {
            action: CartridgeAction { protect: None, retain: None, delete: false, forget: false },
            ..
        }) => {
            let cartridges = cartridges(&daemon, &mut client, &request(None, command))?;
            if daemon.json { output::print_json(&cartridges) } else { listing::print_cartridges(&cartridges) }
        }
        command => {
            if let Command::Cartridge(CartridgeArgs { cartridge, .. }) = &command {
                let only = Request::Cartridges { cartridge: cartridge.clone() };
                cartridges(&daemon, &mut client, &only)?;
            }
            if let Command::Pool(PoolArgs { pool, .. }) = &command {
                pools(&daemon, &mut client, pool.clone())?;
            }
            let done = client.request(&request(daemon.library, command))?;
            output::done(if daemon.json { output::print_json(&done) } else { print_result(&done) })?;
            refused_by_drive(&done)
        }
    }
}

/// Cartridges of the site, or of the library that is named.
fn cartridges(
    daemon: &DaemonOptions,
    client: &mut Client,
    request: &Request,
) -> Result<Vec<CartridgeStatus>, CliError> {
    let mut cartridges: Vec<CartridgeStatus> = client.request_as(request)?;
    let Some(library) = &daemon.library else { return Ok(cartridges) };
    let shelves = status(daemon, client)?.shelves;
    let is_there = |cartridge: &CartridgeStatus| match &cartridge.location {
        Location::Element { library: name, .. } => name == library,
        Location::Shelf(shelf) => shelves.contains_key(shelf),
    };
    cartridges.retain(is_there);
    match request {
        Request::Cartridges { cartridge: Some(one) } if cartridges.is_empty() => {
            Err(CliError::Usage(format!("{one} is neither in library {library:?} nor on its shelf")))
        }
        _ => Ok(cartridges),
    }
}

/// Pools of the site, or of the library that is named.
fn pools(daemon: &DaemonOptions, client: &mut Client, pool: Option<String>) -> Result<Vec<PoolStatus>, CliError> {
    let one = pool.clone();
    let mut pools: Vec<PoolStatus> = client.request_as(&Request::Pools { pool })?;
    let Some(library) = &daemon.library else { return Ok(pools) };
    status(daemon, client)?;
    pools.retain(|pool| pool.library == *library);
    match one {
        Some(one) if pools.is_empty() => Err(CliError::Usage(format!("pool {one} is not of library {library:?}"))),
        _ => Ok(pools),
    }
}

/// What was done, in words, where there is anything to say.
fn print_result(done: &Value) -> Result<(), CliError> {
    let part = |name: &str| done.get(name).and_then(Value::as_str);
    if let Some(created) = done.get("created").and_then(Value::as_array) {
        return created.iter().filter_map(Value::as_str).try_for_each(output::print_line);
    }
    let Some(cartridge) = part("cartridge") else { return Ok(()) };
    let shelf = part("shelf").map(|shelf| format!("shelf {shelf}"));
    let end = |name: &str| part(name).map(str::to_owned).or_else(|| shelf.clone()).unwrap_or_default();
    output::print_line(format!("{cartridge}: {} -> {}", end("from_element"), end("to_element")))
}

/// A cartridge that was moved into a drive which cannot use it: the move was done, and the command fails.
fn refused_by_drive(done: &Value) -> Result<(), CliError> {
    let part = |name: &str| done.get(name).and_then(Value::as_str).unwrap_or_default();
    match part("refused") {
        "" => Ok(()),
        reason => {
            let (drive, cartridge) = (part("to_element"), part("cartridge"));
            Err(CliError::Usage(format!("{drive} cannot use {cartridge}, which stays in it: {reason}")))
        }
    }
}

/// What the daemon has, or only the library that is named and its shelf.
fn status(daemon: &DaemonOptions, client: &mut Client) -> Result<SiteStatus, CliError> {
    let mut status: SiteStatus = client.request_as(&Request::Status)?;
    if let Some(name) = &daemon.library {
        let names: Vec<String> = status.libraries.iter().map(|library| format!("{:?}", library.name)).collect();
        let similar = names.iter().find(|other| other.eq_ignore_ascii_case(&format!("{:?}", name.trim())));
        let instead = match similar {
            Some(similar) => format!("did you mean {similar}?"),
            None => format!("the site has {}", names.join(", ")),
        };
        status.libraries.retain(|library| library.name == *name);
        status.shelves.retain(|shelf, _| status.libraries.iter().any(|library| library.shelf == *shelf));
        if status.libraries.is_empty() {
            return Err(CliError::Usage(format!("there is no library {name:?}; {instead}")));
        }
    }
    Ok(status)
}

fn show(
    daemon: &DaemonOptions,
    client: &mut Client,
    draw: fn(&SiteStatus) -> Result<(), CliError>,
    rows: fn(&SiteStatus) -> Value,
) -> Result<(), CliError> {
    let status = status(daemon, client)?;
    if daemon.json { output::print_json(&rows(&status)) } else { draw(&status) }
}

/// An element that the daemon has found.
#[derive(Deserialize)]
struct ResolvedElement {
    library: String,
    address: u16,
    element: String,
}

/// As [`show`], for one element.
fn show_one(
    daemon: &DaemonOptions,
    client: &mut Client,
    found: &ResolvedElement,
    draw: fn(&SiteStatus) -> Result<(), CliError>,
    rows: fn(&SiteStatus) -> Value,
) -> Result<(), CliError> {
    let mut status = status(daemon, client)?;
    status.libraries.retain(|library| library.name == found.library);
    let mut shown = false;
    for library in &mut status.libraries {
        let mut keep = |element: &ElementStatus| {
            let is = element.address == found.address;
            shown |= is;
            is
        };
        library.slots.retain(&mut keep);
        library.io_elements.retain(&mut keep);
        library.drives.retain(|drive| keep(&drive.element));
    }
    if !shown || rows(&status).as_array().is_none_or(Vec::is_empty) {
        let instead = if found.element.starts_with("drive") { "drive" } else { "robot" };
        let element = &found.element;
        return Err(CliError::Usage(format!("{element} is neither a slot nor an I/O element: see ferric {instead}")));
    }
    if daemon.json { output::print_json(&rows(&status)) } else { draw(&status) }
}
