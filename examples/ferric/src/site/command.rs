//! The commands, as people write them.

use crate::number::number;
use clap::{Args, Subcommand, ValueEnum};
use time::{Date, Month};

/// What can be done at a running library. An element is `slot3`, `drive1`, `io2`, its address, or the barcode of the cartridge
/// in it.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show what is where
    Status,
    /// List the libraries
    Library,
    /// List the drives, show one, or take it off line
    Drive(DriveArgs),
    /// List the slots and I/O elements, show one, or take it out of use
    Slot(SlotArgs),
    /// Load a cartridge into a drive
    Load {
        /// The cartridge: its barcode, or the slot or I/O element that holds it
        cartridge: String,
        /// The drive, such as drive1 [default: the first that is empty]
        drive: Option<String>,
    },
    /// Bring the cartridge in a drive back to the slot it came from, or to the first empty slot
    Unload {
        /// The drive, such as drive1, or the barcode of the cartridge in it
        drive: String,
    },
    /// Move a cartridge from one element to another
    Move {
        /// The element that holds the cartridge, such as slot3, or its barcode
        from: String,
        /// The empty element that it goes to, such as io1
        to: String,
    },
    /// Put a cartridge from the shelf into the I/O station
    Import {
        /// Barcode of the cartridge
        cartridge: String,
        /// The element: an I/O element, or a slot while the access door is open [default: the first I/O element that is empty]
        to: Option<String>,
    },
    /// Take a cartridge out of the I/O station and put it on the shelf
    Export {
        /// The I/O element, such as io1 (a slot while the access door is open), or the barcode of the cartridge in it
        from: String,
    },
    /// Open or close the access door or the I/O station
    Door {
        /// The door
        door: DoorName,
        /// Open or close it
        state: DoorState,
    },
    /// Take the robot off line or bring it back
    Robot {
        /// Its new state
        state: OnlineState,
    },
    /// Make the label of a cartridge missing or unreadable to the barcode reader, or readable again
    Label {
        /// Barcode of the cartridge
        cartridge: String,
        /// What the barcode reader finds
        state: LabelState,
    },
    /// Inject a fault: the robot fails the next time it does this
    #[command(alias = "fail")]
    Fault {
        /// The step that fails
        failure: FaultStep,
    },
    /// List the TapeAlert flags that are raised, show one, or raise or lower it
    Alert(AlertArgs),
    /// List the pools, show one, or make blank cartridges of it
    Pool(PoolArgs),
    /// List the cartridges, show one, or protect, retain or delete it
    Cartridge(CartridgeArgs),
    /// Have the daemon read its configuration again
    Reload,
    /// Print each event as it happens, as one line of JSON
    Events,
}

#[derive(Args)]
pub(crate) struct DriveArgs {
    /// The drive, such as drive1, its address, or the barcode of the cartridge in it [default: list all]
    pub(super) drive: Option<String>,
    /// Its new state [default: show it]
    pub(super) state: Option<OnlineState>,
}

#[derive(Args)]
pub(crate) struct SlotArgs {
    /// The slot or I/O element, such as slot3 or io1, or the barcode of the cartridge in it [default: list all]
    pub(super) element: Option<String>,
    /// Its new state [default: show it]
    pub(super) state: Option<SlotState>,
}

#[derive(Args)]
pub(crate) struct AlertArgs {
    /// The flag, 1 to 64 [default: list those that are raised]
    #[arg(value_parser = number::<u8>("the number of a TapeAlert flag", 1..=64))]
    pub(super) flag: Option<u8>,
    /// Raise or lower it [default: show it]
    pub(super) state: Option<AlertState>,
    /// Of this drive [default: of the library; a list has those of the drives as well]
    #[arg(long)]
    pub(super) drive: Option<String>,
}

#[derive(Args)]
pub(crate) struct PoolArgs {
    /// The pool [default: list all]
    pub(super) pool: Option<String>,
    /// Make this many blank cartridges
    #[arg(long, value_name = "COUNT", requires = "pool", value_parser = number::<u16>("a number of cartridges", 1..=10_000))]
    pub(super) create: Option<u16>,
}

#[derive(Args)]
pub(crate) struct CartridgeArgs {
    /// Barcode of the cartridge [default: list all]
    pub(super) cartridge: Option<String>,
    /// What becomes of it
    #[command(flatten)]
    pub(super) action: CartridgeAction,
}

#[derive(Args)]
#[group(id = "action", multiple = false, requires = "cartridge")]
pub(crate) struct CartridgeAction {
    /// Set or clear the write-protect tab
    #[arg(long, value_name = "on|off", value_parser = on_off)]
    pub(super) protect: Option<bool>,
    /// Retain the data on it until this day, YYYY-MM-DD; the day can be made later, not earlier
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub(super) retain: Option<u64>,
    /// Delete it with all data on it; it must be on a shelf
    #[arg(long)]
    pub(super) delete: bool,
    /// Take it out of the inventory, wherever it is but in a drive; its files stay as they are
    #[arg(long)]
    pub(super) forget: bool,
}

/// Whether a switch is on.
fn on_off(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Ok(true),
        "off" | "no" | "false" | "0" => Ok(false),
        _ => Err("expected on or off".into()),
    }
}

/// The beginning of a day, UTC, in seconds since 1970.
fn parse_date(text: &str) -> Result<u64, String> {
    let wrong = || "expected a day such as 2030-01-31".to_owned();
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<u16>().ok());
    let mut next = || parts.next().flatten().ok_or_else(wrong);
    let (year, month, day) = (next()?, next()?, next()?);
    let month = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok()).ok_or_else(wrong)?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).map_err(|_| wrong())?);
    u64::try_from(date.map_err(|_| wrong())?.midnight().assume_utc().unix_timestamp()).map_err(|_| wrong())
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum DoorName {
    /// The access door, behind which all elements are
    Access,
    /// The I/O station
    #[value(name = "io-station", alias = "station")]
    IoStation,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum DoorState {
    Open,
    Close,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum OnlineState {
    Online,
    Offline,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum SlotState {
    /// It can be used again
    Enable,
    /// Moves to and from it are refused (5/3B/18)
    Disable,
    /// The robot cannot reach it (4/15/01)
    Block,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LabelState {
    Readable,
    Missing,
    Unreadable,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum FaultStep {
    /// It does not pick a cartridge from a slot or an I/O element
    Pick,
    /// It does not place a cartridge in a slot or an I/O element
    Place,
    /// A drive does not load the cartridge
    Load,
    /// A drive does not unload its cartridge
    Unload,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum AlertState {
    Raise,
    Lower,
}
