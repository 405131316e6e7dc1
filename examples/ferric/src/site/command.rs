//! The commands, as people write them.

use clap::{Args, Subcommand, ValueEnum};
use time::{Date, Month};

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
    /// List the pools, or make blank cartridges of one
    Pool(Pool),
    /// List the cartridges, or protect, retain or throw away one
    Cartridge(Cartridge),
    /// Have the daemon read its configuration again
    Reload,
    /// Follow what happens
    Events,
}

#[derive(Args)]
pub(crate) struct Drive {
    /// The drive
    #[arg(requires = "state")]
    pub(super) drive: Option<String>,
    /// Which
    pub(super) state: Option<Line>,
}

#[derive(Args)]
pub(crate) struct Slot {
    /// The slot, or another element
    #[arg(requires = "state")]
    pub(super) element: Option<String>,
    /// What becomes of it
    pub(super) state: Option<Use>,
}

#[derive(Args)]
pub(crate) struct Alert {
    /// The flag, 1 to 64
    #[arg(requires = "state")]
    pub(super) flag: Option<u8>,
    /// Which
    pub(super) state: Option<Flag>,
    /// Of this drive instead of the library
    #[arg(long)]
    pub(super) drive: Option<String>,
}

#[derive(Args)]
pub(crate) struct Pool {
    /// The pool
    #[arg(requires = "make")]
    pub(super) pool: Option<String>,
    /// Make so many blank cartridges
    #[arg(long, value_name = "COUNT", requires = "pool")]
    pub(super) make: Option<usize>,
}

#[derive(Args)]
pub(crate) struct Cartridge {
    /// The cartridge
    #[arg(requires = "action")]
    pub(super) cartridge: Option<String>,
    /// What becomes of it
    #[command(flatten)]
    pub(super) action: Action,
}

#[derive(Args)]
#[group(id = "action", multiple = false)]
pub(crate) struct Action {
    /// Set or clear the write-protect tab
    #[arg(long, value_name = "on|off", value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) protect: Option<bool>,
    /// Lock what is on it until this day, YYYY-MM-DD; nobody can make that earlier
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(super) retain: Option<u64>,
    /// Throw it away with all that is on it; it must be on a shelf
    #[arg(long)]
    pub(super) delete: bool,
    /// Take it out of the inventory, wherever it is but in a drive; its files stay as they are
    #[arg(long)]
    pub(super) forget: bool,
}

/// The beginning of a day, UTC, in seconds since 1970.
fn day(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no day such as 2030-01-31");
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<u16>().ok());
    let mut next = || parts.next().flatten().ok_or_else(wrong);
    let (year, month, day) = (next()?, next()?, next()?);
    let month = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok()).ok_or_else(wrong)?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).map_err(|_| wrong())?);
    u64::try_from(date.map_err(|_| wrong())?.midnight().assume_utc().unix_timestamp()).map_err(|_| wrong())
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
