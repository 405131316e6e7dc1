//! Commands to a running daemon, over the control socket in its data directory.

mod client;
mod draw;

use crate::failure::Failure;
use crate::output;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand, ValueEnum};
use client::Client;
use serde_json::Value;
use std::path::PathBuf;
use vtl::control::{Door, Request, SiteStatus};

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

/// What can be done at a running library. An element is an address, `slot3`, `drive1`, `port2`, or a cartridge in it.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show what is where
    Status,
    /// List the libraries
    Library,
    /// List the drives, or take one off line
    Drive(Drive),
    /// List the slots, or take one out of use
    Slot(Slot),
    /// Load a cartridge into a drive, the first empty one if none is named
    Load {
        /// The cartridge, or where it is
        cartridge: String,
        /// The drive
        drive: Option<String>,
    },
    /// Bring the cartridge of a drive back to its slot
    Unload {
        /// The drive, or the cartridge in it
        drive: String,
    },
    /// Move a cartridge
    Move {
        /// From here
        from: String,
        /// To here
        to: String,
    },
    /// Put a cartridge from the shelf into the import/export station
    Import {
        /// The cartridge
        cartridge: String,
        /// The element; a slot if the access door is open
        to: Option<String>,
    },
    /// Take a cartridge out of the import/export station to the shelf
    Export {
        /// The element, or the cartridge in it
        from: String,
    },
    /// Open or close a door
    Door {
        /// Which
        door: Doors,
        /// Whether it is to be open
        state: State,
    },
    /// Take the robot off line or bring it back
    Robot {
        /// Which
        state: Line,
    },
    /// Make a label unreadable, or readable again
    Label {
        /// The cartridge
        cartridge: String,
        /// What is wrong with its label
        state: Labels,
    },
    /// Have the robot fail the next time it does such a thing
    Fail {
        /// Which thing
        failure: Failures,
    },
    /// List the TapeAlert flags of the libraries, or raise or lower one
    Alert(Alert),
    /// Follow what happens
    Events,
}

#[derive(Args)]
pub(crate) struct Drive {
    /// The drive
    #[arg(requires = "state")]
    drive: Option<String>,
    /// Which
    state: Option<Line>,
}

#[derive(Args)]
pub(crate) struct Slot {
    /// The slot, or another element
    #[arg(requires = "state")]
    element: Option<String>,
    /// What becomes of it
    state: Option<Use>,
}

#[derive(Args)]
pub(crate) struct Alert {
    /// The flag, 1 to 64
    #[arg(requires = "state")]
    flag: Option<u8>,
    /// Which
    state: Option<Flag>,
    /// Of this drive instead of the library
    #[arg(long)]
    drive: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Doors {
    Access,
    Station,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum State {
    Open,
    Close,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Line {
    Online,
    Offline,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Use {
    Enable,
    Disable,
    Block,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Labels {
    Readable,
    Missing,
    Unreadable,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Failures {
    Pick,
    Place,
    Load,
    Unload,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Flag {
    Raise,
    Lower,
}

pub(crate) fn run(Site { daemon, command }: Site) -> Result<(), Failure> {
    let path = daemon.socket.clone().unwrap_or_else(|| daemon.data.join(vtl::control::socket::FILE));
    let mut client = Client::connect(&path)?;
    match command {
        Command::Events => return client.follow(|event| output::line(event.to_string())),
        Command::Status => return show(&daemon, &mut client, draw::site),
        Command::Library => return show(&daemon, &mut client, draw::libraries),
        Command::Drive(Drive { drive: None, .. }) => return show(&daemon, &mut client, draw::drives),
        Command::Slot(Slot { element: None, .. }) => return show(&daemon, &mut client, draw::slots),
        Command::Alert(Alert { flag: None, .. }) => return show(&daemon, &mut client, draw::alerts),
        _ => {}
    }
    let done = client.ask(&request(daemon.library, command))?;
    if daemon.json { output::json(&done) } else { said(&done) }
}

/// What was done, in words, where there is anything to say.
fn said(done: &Value) -> Result<(), Failure> {
    let part = |name: &str| done.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match (part("from"), part("to"), part("cartridge"), part("shelf")) {
        (Some(from), Some(to), ..) => output::line(format!("moved from element {from} to {to}")),
        (None, Some(to), ..) => output::line(format!("imported into element {to}")),
        (.., Some(cartridge), Some(shelf)) => output::line(format!("{cartridge} is on the shelf {shelf}")),
        _ => Ok(()),
    }
}

fn show(daemon: &Daemon, client: &mut Client, draw: fn(&SiteStatus) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut status: SiteStatus = serde_json::from_value(client.ask(&Request::Status)?)?;
    if let Some(name) = &daemon.library {
        status.libraries.retain(|library| library.name == *name);
        if status.libraries.is_empty() {
            return Err(Failure::Usage(format!("there is no library {name:?}")));
        }
    }
    if daemon.json { output::json(&status) } else { draw(&status) }
}

fn request(library: Option<String>, command: Command) -> Request {
    use smc::element::{Label, Trouble};
    use smc::robot::Failure;
    match command {
        Command::Load { cartridge, drive } => Request::Load { library, cartridge, drive },
        Command::Unload { drive } => Request::Unload { library, drive },
        Command::Move { from, to } => Request::Move { library, from, to },
        Command::Import { cartridge, to } => Request::Import { library, cartridge, to },
        Command::Export { from } => Request::Export { library, from },
        Command::Door { door, state } => {
            let door = match door {
                Doors::Access => Door::Access,
                Doors::Station => Door::Station,
            };
            Request::Door { library, door, open: state == State::Open }
        }
        Command::Robot { state } => Request::Online { library, drive: None, online: state == Line::Online },
        Command::Drive(Drive { drive, state }) => {
            Request::Online { library, drive, online: state == Some(Line::Online) }
        }
        Command::Slot(Slot { element, state }) => {
            let trouble = match state {
                Some(Use::Disable) => Some(Trouble::Disabled),
                Some(Use::Block) => Some(Trouble::Blocked),
                Some(Use::Enable) | None => None,
            };
            Request::Element { library, element: element.unwrap_or_default(), trouble }
        }
        Command::Label { cartridge, state } => {
            let label = match state {
                Labels::Readable => None,
                Labels::Missing => Some(Label::Missing),
                Labels::Unreadable => Some(Label::Unreadable),
            };
            Request::Label { library, cartridge, label }
        }
        Command::Fail { failure } => {
            let failure = match failure {
                Failures::Pick => Failure::Pick,
                Failures::Place => Failure::Place,
                Failures::Load => Failure::Load,
                Failures::Unload => Failure::Unload,
            };
            Request::Fail { library, failure }
        }
        Command::Alert(Alert { flag, state, drive }) => {
            Request::Alert { library, drive, flag: flag.unwrap_or_default(), raised: state == Some(Flag::Raise) }
        }
        Command::Status | Command::Library => Request::Status,
        Command::Events => Request::Events,
    }
}
