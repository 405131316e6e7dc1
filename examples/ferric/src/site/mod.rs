//! Commands to a running daemon, over the control socket in its data directory.

mod alarm;
mod audit;
pub(crate) mod client;
mod command;
mod configuration;
mod contents;
mod counters;
mod events;
mod faults;
mod former_words;
mod import;
mod job;
mod listing;
mod metrics;
mod notify;
mod replay;
mod request;
mod rows;
mod trace;

pub(crate) use client::SOCKET_VARIABLE;
pub(crate) use command::{Command, CopyArgs};
pub(crate) use configuration::{add_configuration, check_configuration, show_configuration};

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{self, print_line};
use client::Client;
use command::{
    AlertArgs, CartridgeAction, CartridgeArgs, CartridgeRead, DriveArgs, FaultAction, ImportArgs, PoolArgs,
    RequestCommand, SlotArgs, TokenCommand,
};
use request::request;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use vtl::control::{AlertStatus, CartridgeStatus, ControlRequest as Request, ElementStatus, PoolStatus, SiteStatus};
use vtl::inventory::Location;
use vtl::jobs::Work;
use vtl::recent_log::LogLines;
use vtl::sessions::IscsiSession;
use vtl::tokens::TokenStatus;

pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    match command {
        Command::Trace(arguments) => trace::run(options, &arguments),
        Command::Events(arguments) => events::run(options, arguments),
        Command::Counters => counters::run(options),
        Command::Audit(arguments) => audit::run(options, &arguments),
        Command::Metrics(arguments) => metrics::run(options, &arguments),
        Command::Job(command) => job::run(options, command),
        Command::Archive(arguments) => job::archive(options, arguments),
        Command::Recall(arguments) => job::recall(options, arguments),
        Command::Notify(action) => notify::run(options, action),
        Command::Fault(FaultAction::Step(fault)) => run_request(options, RequestCommand::InjectFault { fault }),
        Command::Fault(action) => faults::run(options, &action),
        Command::Alarm(command) => alarm::run(options, command),
        Command::Log => {
            let log: LogLines = Client::connect(options)?.request_as(&Request::Log)?;
            options.output.show(&log, |log| log.lines.iter().try_for_each(print_line))
        }
        Command::Sessions => {
            let sessions: Vec<IscsiSession> = Client::connect(options)?.request_as(&Request::Sessions)?;
            options.output.show(sessions.as_slice(), listing::print_sessions)
        }
        // Without a daemon.
        Command::Request(RequestCommand::Cartridge(CartridgeArgs {
            read: Some(CartridgeRead::Copy(arguments)),
            cartridge: None,
            ..
        })) => crate::shelf::copy(options.output, &arguments),
        Command::Request(RequestCommand::Import(ImportArgs { source: Some(source), .. })) => {
            import::run(options, source)
        }
        Command::Request(command) => run_request(options, command),
    }
}

/// Addresses of the iSCSI portals of the daemon that the options choose.
///
/// # Errors
/// No daemon answers.
pub(crate) fn portals(options: &Options) -> Result<Vec<SocketAddr>, CliError> {
    Ok(Client::connect(options)?.request_as::<SiteStatus>(&Request::Status)?.portals)
}

fn run_request(options: &Options, command: RequestCommand) -> Result<(), CliError> {
    use RequestCommand as Command;
    let Options { library, output, .. } = options;
    let command = former_words::replace(*output, command);
    let request = |command| request(*output, library.clone(), command);
    let mut client = Client::connect(options)?;
    match command {
        Command::Status => show(options, &mut client, listing::print_site, |status| json!(status)),
        Command::Library => show(options, &mut client, listing::print_libraries, |status| json!(status.libraries)),
        Command::Drive(DriveArgs { drive: None, state: None }) => {
            show(options, &mut client, listing::print_drives, rows::drives)
        }
        Command::Slot(SlotArgs { element: None, state: None }) => {
            show(options, &mut client, listing::print_slots, rows::slots)
        }
        Command::Drive(DriveArgs { state: None, .. }) => {
            let found = client.request_as(&request(command))?;
            show_one(options, &mut client, &found, listing::print_drives, rows::drives)
        }
        Command::Slot(SlotArgs { state: None, .. }) => {
            let found = client.request_as(&request(command))?;
            show_one(options, &mut client, &found, listing::print_slots, rows::slots)
        }
        Command::Alert(AlertArgs { state: None, .. }) => {
            let alerts = client.request_as::<Vec<AlertStatus>>(&request(command))?;
            output.show(alerts.as_slice(), listing::print_alerts)
        }
        Command::Token(TokenCommand::List) => {
            let tokens = client.request_as::<Vec<TokenStatus>>(&Request::Tokens)?;
            output.show(tokens.as_slice(), listing::print_tokens)
        }
        Command::Pool(PoolArgs { create: None, pool, .. }) => {
            output.show(pools(options, &mut client, pool)?.as_slice(), listing::print_pools)
        }
        Command::Cartridge(CartridgeArgs { read: Some(read), cartridge, .. }) => {
            contents::run(*output, &mut client, cartridge.as_deref(), read)
        }
        Command::Cartridge(CartridgeArgs {
            action: CartridgeAction { protect: None, retain: None, hold: None, delete: false, forget: false },
            ..
        }) => {
            let cartridges = cartridges(options, &mut client, &request(command))?;
            output.show(cartridges.as_slice(), listing::print_cartridges)
        }
        command => {
            if let Command::Cartridge(CartridgeArgs { cartridge, .. }) = &command {
                let only = Request::Cartridges { cartridge: cartridge.clone() };
                cartridges(options, &mut client, &only)?;
            }
            if let Command::Pool(PoolArgs { pool, .. }) = &command {
                pools(options, &mut client, pool.clone())?;
            }
            let done = match request(command) {
                Request::Create { pool, count } => job::do_work(*output, &mut client, Work::Create { pool, count })?,
                request => client.request(&request)?,
            };
            output.done(output.show(&done, print_result))?;
            refused_by_drive(&done)
        }
    }
}

/// Cartridges of the site, or of the library that is named.
fn cartridges(options: &Options, client: &mut Client, request: &Request) -> Result<Vec<CartridgeStatus>, CliError> {
    let mut cartridges: Vec<CartridgeStatus> = client.request_as(request)?;
    let Some(library) = &options.library else { return Ok(cartridges) };
    let shelves = status(options, client)?.shelves;
    let is_there = |cartridge: &CartridgeStatus| match &cartridge.location {
        Location::Element { library: name, .. } => name == library,
        Location::Shelf(shelf) => shelves.contains_key(shelf),
    };
    cartridges.retain(is_there);
    match request {
        Request::Cartridges { cartridge: Some(one) } if cartridges.is_empty() => {
            Err(CliError::not_found(format!("{one} is neither in library {library:?} nor on its shelf")))
        }
        _ => Ok(cartridges),
    }
}

/// Pools of the site, or of the library that is named.
fn pools(options: &Options, client: &mut Client, pool: Option<String>) -> Result<Vec<PoolStatus>, CliError> {
    let one = pool.clone();
    let mut pools: Vec<PoolStatus> = client.request_as(&Request::Pools { pool })?;
    let Some(library) = &options.library else { return Ok(pools) };
    status(options, client)?;
    pools.retain(|pool| pool.library == *library);
    match one {
        Some(one) if pools.is_empty() => {
            Err(CliError::not_found(format!("pool {one} does not belong to library {library:?}")))
        }
        _ => Ok(pools),
    }
}

/// Prints the result of a change: created barcodes, a new token, or both ends of a move; nothing for other changes.
fn print_result(done: &Value) -> Result<(), CliError> {
    let part = |name: &str| done.get(name).and_then(Value::as_str);
    if let Some(created) = done.get("created").and_then(Value::as_array) {
        return created.iter().filter_map(Value::as_str).try_for_each(output::print_line);
    }
    if let Some(token) = part("token") {
        return output::print_line(token);
    }
    let Some(cartridge) = part("cartridge") else { return Ok(()) };
    let shelf = part("shelf").map(|shelf| format!("shelf {shelf}"));
    let end = |name: &str| part(name).map(str::to_owned).or_else(|| shelf.clone()).unwrap_or_default();
    // Only an assignment to another partition is between two libraries.
    let [from, to] = part("from_library")
        .zip(part("library"))
        .map_or_else(Default::default, |(from, to)| [from, to].map(|library| format!("{library}/")));
    output::print_line(format!("{cartridge}: {from}{} -> {to}{}", end("from_element"), end("to_element")))
}

/// A cartridge that was moved into a drive which cannot use it: the move was done, and the command fails.
fn refused_by_drive(done: &Value) -> Result<(), CliError> {
    let part = |name: &str| done.get(name).and_then(Value::as_str).unwrap_or_default();
    match part("refused") {
        "" => Ok(()),
        reason => {
            let (drive, cartridge) = (part("to_element"), part("cartridge"));
            Err(CliError::conflict(format!("{drive} cannot use {cartridge}, which stays in it: {reason}")))
        }
    }
}

/// The status of the site; with `--library`, of that library and its shelf.
fn status(options: &Options, client: &mut Client) -> Result<SiteStatus, CliError> {
    let mut status: SiteStatus = client.request_as(&Request::Status)?;
    if let Some(name) = &options.library {
        let names: Vec<String> = status.libraries.iter().map(|library| format!("{:?}", library.name)).collect();
        let similar = names.iter().find(|other| other.eq_ignore_ascii_case(&format!("{:?}", name.trim())));
        let instead = match similar {
            Some(similar) => format!("did you mean {similar}?"),
            None => format!("the site has {}", names.join(", ")),
        };
        status.libraries.retain(|library| library.name == *name);
        status.chassis.retain(|chassis| chassis.partitions.iter().any(|partition| partition.library == *name));
        status.shelves.retain(|shelf, _| status.libraries.iter().any(|library| library.shelf == *shelf));
        if status.libraries.is_empty() {
            return Err(CliError::not_found(format!("there is no library {name:?}; {instead}")));
        }
    }
    Ok(status)
}

fn show(
    options: &Options,
    client: &mut Client,
    draw: fn(&SiteStatus) -> Result<(), CliError>,
    rows: fn(&SiteStatus) -> Value,
) -> Result<(), CliError> {
    let status = status(options, client)?;
    options.output.show(&rows(&status), |_| draw(&status))
}

/// The element that a name stands for, from the daemon.
#[derive(Deserialize)]
struct ResolvedElement {
    library: String,
    address: u16,
    element: String,
}

/// As [`show`], for one element.
fn show_one(
    options: &Options,
    client: &mut Client,
    found: &ResolvedElement,
    draw: fn(&SiteStatus) -> Result<(), CliError>,
    rows: fn(&SiteStatus) -> Value,
) -> Result<(), CliError> {
    let mut status = status(options, client)?;
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
        return Err(CliError::invalid(format!("{element} is neither a slot nor an I/O element: see ferric {instead}")));
    }
    options.output.show(&rows(&status), |_| draw(&status))
}
