//! Arguments of the commands for a running daemon.

use crate::number::number;
use clap::{Args, Subcommand, ValueEnum};
use time::{Date, Month};

/// A command for a running daemon. An element is named `slot3`, `drive1` or `io2`, by its address, or by the barcode of the
/// cartridge in it.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show all libraries, drives, slots and shelves
    Status,
    /// List the libraries
    Library,
    /// List the drives, show one, or set one offline or online
    Drive(DriveArgs),
    /// List the slots and I/O elements, show one, or disable, block or enable one
    Slot(SlotArgs),
    /// Load a cartridge into a drive
    Load {
        /// The cartridge: its barcode, or the slot or I/O element that holds it
        cartridge: String,
        /// The drive, such as drive1 [default: the first empty drive]
        drive: Option<String>,
    },
    /// Unload a drive: move its cartridge back to the slot it came from, or to the first empty slot
    Unload {
        /// The drive, such as drive1, or the barcode of the cartridge in it
        drive: String,
    },
    /// Move a cartridge from one element to another
    Move {
        /// The element that holds the cartridge, such as slot3, or the barcode of the cartridge
        from: String,
        /// The destination, an empty element such as io1
        to: String,
    },
    /// Import a cartridge from the shelf into the I/O station
    Import {
        /// Barcode of the cartridge
        cartridge: String,
        /// The destination: an I/O element, or a slot while the access door is open [default: the first empty I/O element]
        to: Option<String>,
    },
    /// Export a cartridge from the I/O station to the shelf
    Export {
        /// The I/O element, such as io1 (or a slot while the access door is open), or the barcode of the cartridge in it
        from: String,
    },
    /// Open or close the access door or the I/O station
    Door {
        /// The door to open or close
        door: DoorName,
        /// New state of the door
        state: DoorState,
    },
    /// Set the robot offline or online
    Robot {
        /// New state of the robot
        state: OnlineState,
    },
    /// Make the barcode label of a cartridge missing, unreadable or readable
    Label {
        /// Barcode of the cartridge
        cartridge: String,
        /// New state of the label
        state: LabelState,
    },
    /// Inject a fault: the next operation of the robot of this kind fails
    Fault {
        /// The operation that fails
        fault: FaultStep,
    },
    // Former name of `fault`.
    #[command(hide = true)]
    Fail { fault: FaultStep },
    /// List the raised TapeAlert flags, show one flag, or raise or lower it
    Alert(AlertArgs),
    /// List the pools, show one, or create blank cartridges in it
    Pool(PoolArgs),
    /// List the cartridges, show one, or protect, retain, delete or forget it
    Cartridge(CartridgeArgs),
    /// Reload the configuration
    Reload,
    /// Print each event as one line of JSON, until interrupted
    Events,
}

#[derive(Args)]
pub(crate) struct DriveArgs {
    /// The drive, such as drive1, its address, or the barcode of the cartridge in it [default: list all]
    pub(super) drive: Option<String>,
    /// New state of the drive [default: show it]
    pub(super) state: Option<OnlineState>,
}

#[derive(Args)]
pub(crate) struct SlotArgs {
    /// The slot or I/O element, such as slot3 or io1, or the barcode of the cartridge in it [default: list all]
    pub(super) element: Option<String>,
    /// New state of the element [default: show it]
    pub(super) state: Option<SlotState>,
}

#[derive(Args)]
pub(crate) struct AlertArgs {
    /// The flag, 1 to 64 [default: list the raised flags]
    #[arg(value_parser = number::<u8>("the number of a TapeAlert flag", 1..=64))]
    pub(super) flag: Option<u8>,
    /// New state of the flag [default: show it]
    pub(super) state: Option<AlertState>,
    /// The drive that has the flag [default: the changer; for a list, the changer and all drives]
    #[arg(long)]
    pub(super) drive: Option<String>,
}

#[derive(Args)]
pub(crate) struct PoolArgs {
    /// Name of the pool [default: list all]
    pub(super) pool: Option<String>,
    /// Create this number of blank cartridges
    #[arg(long, value_name = "COUNT", requires = "pool", value_parser = cartridge_count())]
    pub(super) create: Option<u16>,
    // Former name of `--create`.
    #[arg(long, value_name = "COUNT", hide = true, requires = "pool", conflicts_with = "create", value_parser = cartridge_count())]
    pub(super) make: Option<u16>,
}

#[derive(Args)]
pub(crate) struct CartridgeArgs {
    /// Barcode of the cartridge [default: list all]
    pub(super) cartridge: Option<String>,
    // The change, if any. Not a doc comment: that would become the help text of the command.
    #[command(flatten)]
    pub(super) action: CartridgeAction,
}

#[derive(Args)]
#[group(id = "action", multiple = false, requires = "cartridge")]
pub(crate) struct CartridgeAction {
    /// Set or clear the write-protect tab
    #[arg(long, value_name = "on|off", value_parser = on_off)]
    pub(super) protect: Option<bool>,
    /// Retain the data until this day, YYYY-MM-DD (00:00 UTC); a later call can only extend it
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub(super) retain: Option<u64>,
    /// Delete the cartridge with all data; it must be on a shelf
    #[arg(long)]
    pub(super) delete: bool,
    /// Remove the cartridge from the inventory and keep its files; it must not be in a drive
    #[arg(long)]
    pub(super) forget: bool,
}

/// Parser of the number of cartridges to create.
fn cartridge_count() -> impl Fn(&str) -> Result<u16, String> + Clone + Send + Sync {
    number("a number of cartridges", 1..=10_000)
}

/// Parses the state of a switch.
fn on_off(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Ok(true),
        "off" | "no" | "false" | "0" => Ok(false),
        _ => Err("expected on or off".into()),
    }
}

/// Parses a day, as seconds from 1970 to its beginning in UTC.
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
    /// The access door: while it is open, operators reach all slots and the robot is not ready (2/04/18)
    Access,
    /// The I/O station
    IoStation,
    // Former name of `io-station`.
    #[value(hide = true)]
    Station,
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
    /// Return the element to service
    Enable,
    /// Refuse moves to and from the element (5/3B/18)
    Disable,
    /// Make the element unreachable for the robot (4/15/01)
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
    /// The robot does not pick a cartridge from a slot or an I/O element
    Pick,
    /// The robot does not place a cartridge in a slot or an I/O element
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
