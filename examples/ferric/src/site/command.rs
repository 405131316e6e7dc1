//! Arguments of the commands for a running daemon.

use super::import::ImportSource;
use crate::number::number;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use time::{Date, Month, Time};
use vtl::events::EventPosition;
use vtl::jobs::FormatName;

/// A command for a running daemon.
#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Request(RequestCommand),
    /// Print the commands that hosts have sent, decoded: the last 4,096 of the daemon, or those of a trace file
    #[command(
        after_help = "Examples:\n  ferric trace --unit drive1\n  ferric trace --since 5m\n  ferric trace --follow\n  ferric trace --file backup.trace --json\n  ferric trace replay backup.trace --compare"
    )]
    Trace(TraceArgs),
    /// Show how many commands each unit has executed, their errors, and how long they took
    #[command(after_help = "Examples:\n  ferric counters\n  ferric counters --library main --json")]
    Counters,
    /// Print the measurements of the site for Prometheus: counters and states of drives, changers, storage and iSCSI
    #[command(
        after_help = "Examples:\n  ferric metrics\n  ferric metrics --openmetrics\n  ferric metrics > ferric.prom"
    )]
    Metrics(MetricsArgs),
    /// Print the audit log: which change was made by whom, from where, with which result; or verify it
    #[command(
        after_help = "Examples:\n  ferric audit\n  ferric audit --since 2h --object V00001L8\n  ferric audit --actor root --json\n  ferric audit verify\n  ferric audit verify ./ferric-data"
    )]
    Audit(AuditArgs),
    /// Start, list, show and cancel jobs: work of the daemon that takes long
    #[command(
        subcommand,
        subcommand_value_name = "JOB",
        after_help = "Examples:\n  ferric job create scratch 20\n  ferric job list"
    )]
    Job(JobCommand),
    /// Move the files of cartridges that are not in drives from the directory of cartridges to a shelf on object storage
    #[command(
        after_help = "Examples:\n  ferric archive V00001L8 V00002L8\n  ferric archive V00003L8 --to archive --detach"
    )]
    Archive(ArchiveArgs),
    /// Move the files of cartridges that are not in drives from their shelves on object storage to the directory of cartridges
    #[command(after_help = "Examples:\n  ferric recall V00001L8 V00002L8")]
    Recall(RecallArgs),
    /// List the alarms: events that need a person; or acknowledge them
    #[command(subcommand, after_help = "Examples:\n  ferric alarm list\n  ferric alarm acknowledge --all")]
    Alarm(AlarmCommand),
    /// Print the last lines of the log of the daemon, of the levels info, warn and error
    #[command(after_help = "Examples:\n  ferric log\n  ferric log --json")]
    Log,
    /// List the open iSCSI sessions: initiator, target, since when, commands and bytes
    #[command(after_help = "Examples:\n  ferric sessions\n  ferric sessions --json")]
    Sessions,
    /// Show the notification targets, or test one
    #[command(subcommand, after_help = "Examples:\n  ferric notify list\n  ferric notify test operators")]
    Notify(NotifyAction),
    /// Make commands, motions of the robot or labels fail, by a script or once
    #[command(
        subcommand,
        after_help = "Examples:\n  ferric fault add examples/faults/read-error-on-restore.toml\n  ferric fault list\n  ferric fault clear\n  ferric fault load"
    )]
    Fault(FaultAction),
    /// Print a snapshot of the site, and then each event, until interrupted
    #[command(after_help = "Examples:\n  ferric events\n  ferric events --json\n  ferric events --since 1")]
    Events(EventsArgs),
}

/// A command that is one request to the daemon. An element is named `slot3`, `drive1` or `io2`, by its address, or by the
/// barcode of the cartridge in it.
#[derive(Subcommand)]
pub(crate) enum RequestCommand {
    /// Show all libraries, drives, slots and shelves
    #[command(after_help = "Examples:\n  ferric status\n  ferric status --library main --json")]
    Status,
    /// List the libraries
    #[command(after_help = "Examples:\n  ferric library")]
    Library,
    /// List the drives, show one drive, or set a drive offline or online
    #[command(after_help = "Examples:\n  ferric drive\n  ferric drive drive1\n  ferric drive drive2 offline")]
    Drive(DriveArgs),
    /// List the slots and I/O elements, show one element, or disable, block or enable an element
    #[command(after_help = "Examples:\n  ferric slot\n  ferric slot io1\n  ferric slot slot5 disable")]
    Slot(SlotArgs),
    /// Load a cartridge into a drive
    #[command(
        after_help = "Examples:\n  ferric load V00001L8          # into the first empty drive\n  ferric load slot3 drive2"
    )]
    Load {
        /// The cartridge: its barcode, or the slot or I/O element that holds it
        cartridge: String,
        /// The drive, such as drive1 [default: the first empty drive]
        drive: Option<String>,
    },
    /// Unload a drive: move its cartridge back to the slot it came from, or to the first empty slot
    #[command(
        after_help = "Examples:\n  ferric unload drive1\n  ferric unload V00001L8        # the drive that holds this cartridge"
    )]
    Unload {
        /// The drive, such as drive1, or the barcode of the cartridge in it
        drive: String,
    },
    /// Move a cartridge from one element to another
    #[command(after_help = "Examples:\n  ferric move slot4 io1\n  ferric move V00005L8 slot24")]
    Move {
        /// The element that holds the cartridge, such as slot3, or the barcode of the cartridge
        from: String,
        /// The destination, an empty element such as io1
        to: String,
    },
    /// Import a cartridge from the shelf into the I/O station
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = "Examples:\n  ferric import V00004L8        # into the first empty I/O element\n  ferric import V00005L8 io2\n  ferric import mhvtl ./mhvtl/E01001L8"
    )]
    Import(ImportArgs),
    /// Export a cartridge from the I/O station to the shelf
    #[command(after_help = "Examples:\n  ferric export io1")]
    Export {
        /// The I/O element, such as io1 (or a slot while the access door is open), or the barcode of the cartridge in it
        from: String,
    },
    /// Assign a cartridge to another partition of its chassis
    ///
    /// A cartridge in the shared I/O station stays in its slot, and the other partition sees it. The robot moves any other cartridge.
    #[command(
        after_help = "Examples:\n  ferric assign B00001L9 archive          # into the first empty slot\n  ferric assign B00002L9 archive slot9"
    )]
    Assign {
        /// Barcode of the cartridge
        cartridge: String,
        /// The library that is the other partition
        partition: String,
        /// A slot or I/O element of the other partition [default: the first empty slot, or the same slot of a shared I/O station]
        to: Option<String>,
    },
    /// Open or close the access door or the I/O station
    #[command(after_help = "Examples:\n  ferric door io-station open\n  ferric door io-station close")]
    Door {
        /// The door to open or close
        door: DoorName,
        /// New state of the door
        state: DoorState,
    },
    /// Set the robot offline or online
    #[command(after_help = "Examples:\n  ferric robot offline\n  ferric robot online")]
    Robot {
        /// New state of the robot
        state: OnlineState,
    },
    /// Make the barcode label of a cartridge missing, unreadable or readable
    #[command(after_help = "Examples:\n  ferric label V00005L8 unreadable\n  ferric label V00005L8 readable")]
    Label {
        /// Barcode of the cartridge
        cartridge: String,
        /// New state of the label
        state: LabelState,
    },
    /// The next operation of the robot of this kind fails: a form of `ferric fault`.
    #[command(skip)]
    InjectFault { fault: FaultStep },
    // Former name of `fault`.
    #[command(hide = true)]
    Fail {
        #[command(subcommand)]
        fault: FaultStep,
    },
    /// List the raised TapeAlert flags, show one flag, or raise or lower it
    #[command(
        after_help = "Examples:\n  ferric alert\n  ferric alert 28 raise         # of the changer\n  ferric alert 3 raise --drive drive1"
    )]
    Alert(AlertArgs),
    /// List the pools, show one pool, or create blank cartridges in it
    #[command(after_help = "Examples:\n  ferric pool\n  ferric pool scratch --create 2")]
    Pool(PoolArgs),
    /// List the cartridges, show one cartridge or its contents, or protect, retain, hold, delete or forget it
    #[command(
        after_help = "Examples:\n  ferric cartridge\n  ferric cartridge V00001L8 --protect on\n  ferric cartridge V00002L8 --retain 2030-01-31\n  ferric cartridge V00002L8 --hold on --reason 'case 7'\n  ferric cartridge contents V00003L8"
    )]
    Cartridge(CartridgeArgs),
    /// Manage the tokens of the HTTP API
    #[command(subcommand, after_help = "Examples:\n  ferric token create monitoring > token\n  ferric token list")]
    Token(TokenCommand),
    /// Reload the configuration file of the daemon, as SIGHUP does
    #[command(after_help = "Examples:\n  ferric reload")]
    Reload,
}

/// A command for jobs. A job that was started continues if the command is interrupted.
#[derive(Subcommand)]
pub(crate) enum JobCommand {
    /// List the running jobs and the last jobs that have ended
    #[command(after_help = "Examples:\n  ferric job list")]
    List,
    /// Show the result of a job
    #[command(after_help = "Examples:\n  ferric job show 1\n  ferric job show 1 --json")]
    Show {
        /// Number of the job
        job: u64,
    },
    /// Cancel a job; cartridges that are done remain as they are
    #[command(after_help = "Examples:\n  ferric job cancel 1")]
    Cancel {
        /// Number of the job
        job: u64,
    },
    /// Create blank cartridges of a pool
    #[command(after_help = "Examples:\n  ferric job create scratch 20")]
    Create {
        /// Name of the pool
        pool: String,
        /// Number of cartridges, 1 to 10000
        #[arg(value_parser = cartridge_count())]
        count: u16,
        #[command(flatten)]
        detach: Detach,
    },
    /// Check every file of cartridges and the checksum of every object; not of cartridges in drives
    #[command(after_help = "Examples:\n  ferric job verify V00001L8 V00002L8")]
    Verify {
        /// Barcodes of the cartridges
        #[arg(required = true)]
        cartridges: Vec<String>,
        #[command(flatten)]
        detach: Detach,
    },
    /// Convert a cartridge that is not in a drive between the native and the mhvtl format
    #[command(after_help = "Examples:\n  ferric job convert V00001L8 --format mhvtl")]
    Convert {
        /// Barcode of the cartridge
        cartridge: String,
        /// Format to convert to
        #[arg(long, value_enum)]
        format: JobFormat,
        #[command(flatten)]
        detach: Detach,
    },
    /// Import cartridges from the shelf through the I/O station into empty slots
    #[command(after_help = "Examples:\n  ferric job import V00004L8 V00005L8")]
    Import {
        /// Barcodes of the cartridges
        #[arg(required = true)]
        cartridges: Vec<String>,
        #[command(flatten)]
        detach: Detach,
    },
    /// Export cartridges from slots through the I/O station to the shelf
    #[command(after_help = "Examples:\n  ferric job export V00006L8 V00007L8")]
    Export {
        /// Barcodes of the cartridges
        #[arg(required = true)]
        cartridges: Vec<String>,
        #[command(flatten)]
        detach: Detach,
    },
}

/// Arguments of `ferric archive`.
#[derive(Args)]
pub(crate) struct ArchiveArgs {
    /// Barcodes of the cartridges
    #[arg(required = true)]
    pub(super) cartridges: Vec<String>,
    /// Name of the shelf in the configuration [default: the only one]
    #[arg(long, value_name = "SHELF")]
    pub(super) to: Option<String>,
    #[command(flatten)]
    pub(super) detach: Detach,
}

/// Arguments of `ferric recall`.
#[derive(Args)]
pub(crate) struct RecallArgs {
    /// Barcodes of the cartridges
    #[arg(required = true)]
    pub(super) cartridges: Vec<String>,
    #[command(flatten)]
    pub(super) detach: Detach,
}

/// A command for alarms: events of the levels warn and error since the start of the daemon.
#[derive(Subcommand)]
pub(crate) enum AlarmCommand {
    /// List the alarms that are not acknowledged
    #[command(after_help = "Examples:\n  ferric alarm list\n  ferric alarm list --all --json")]
    List {
        /// List the acknowledged ones, too
        #[arg(long)]
        all: bool,
    },
    /// Acknowledge alarms, with your name; this clears no TapeAlert flag
    #[command(after_help = "Examples:\n  ferric alarm acknowledge 12 14\n  ferric alarm acknowledge --all")]
    Acknowledge {
        /// Numbers of the events, as ferric alarm list shows them
        #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "SEQ")]
        events: Vec<String>,
        /// Acknowledge all alarms that are not acknowledged
        #[arg(long)]
        all: bool,
    },
}

/// Whether a command waits for the end of its job.
#[derive(Args)]
pub(crate) struct Detach {
    /// Print the number of the job and do not wait for its end
    #[arg(long)]
    pub(super) detach: bool,
}

/// Format that a job converts a cartridge to.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum JobFormat {
    /// Ferric's format: compact, with every codec and with encryption
    Native,
    /// The format of mhvtl 1.8
    Mhvtl,
}

impl From<JobFormat> for FormatName {
    fn from(format: JobFormat) -> Self {
        match format {
            JobFormat::Native => Self::Native,
            JobFormat::Mhvtl => Self::Mhvtl,
        }
    }
}

/// Arguments of `ferric audit`.
#[derive(Args)]
pub(crate) struct AuditArgs {
    /// Verify that every record is there, in order and unchanged [default: print the records]
    #[arg(conflicts_with_all = ["since", "object", "actor"])]
    pub(super) action: Option<AuditAction>,
    /// Data directory whose files are verified; no daemon may use it meanwhile [default: the log of the daemon]
    pub(super) directory: Option<PathBuf>,
    /// Only the records of the last seconds, minutes or hours, such as 90s, 5m or 2h, or since a time such as
    /// 2026-11-29T09:48:00Z or a day
    #[arg(long, value_name = "TIME", value_parser = parse_begin)]
    pub(super) since: Option<Begin>,
    /// Only the records of this barcode, library, pool, unit or element, such as V00001L8 or main/drive1
    #[arg(long, value_name = "NAME")]
    pub(super) object: Option<String>,
    /// Only the records of this user, token or initiator port
    #[arg(long, value_name = "NAME")]
    pub(super) actor: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum AuditAction {
    /// Check the hash chain; ends with 1 and the first fault if it is broken
    Verify,
}

/// The begin of a range of time: a time span before now, or a time.
#[derive(Clone, Copy)]
pub(crate) enum Begin {
    Ago(Duration),
    /// Seconds since 1970.
    At(u64),
}

impl Begin {
    /// The begin in milliseconds since 1970; `now` is the present time.
    pub(super) fn begin(self, now: u64) -> u64 {
        match self {
            Self::Ago(span) => now.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
            Self::At(seconds) => seconds.saturating_mul(1000),
        }
    }
}

/// Parses a time span before now, a time, or a day.
fn parse_begin(text: &str) -> Result<Begin, String> {
    let begin = parse_date(text).or_else(|_| parse_time(text)).map(Begin::At);
    begin.or_else(|_| parse_time_span(text).map(Begin::Ago)).map_err(|_| {
        "expected a number with s, m or h, such as 5m or 2h, a time such as 2026-11-30T09:48:00Z, or a day such as \
         2026-11-30"
            .to_owned()
    })
}

/// Parses a time such as `2026-11-30T09:48:00Z` (RFC 3339), as seconds since 1970. A blank may replace the `T`, as in the
/// lines of `ferric audit`; the zone is UTC.
fn parse_time(text: &str) -> Result<u64, String> {
    let wrong = || "expected a time such as 2026-11-30T09:48:00Z".to_owned();
    let (day, time) = text.strip_suffix(['Z', 'z']).unwrap_or(text).split_once(['T', 't', ' ']).ok_or_else(wrong)?;
    let parts: Option<Vec<u8>> = time.split(':').map(|part| part.parse().ok().filter(|_| part.len() == 2)).collect();
    let (hour, minute, second) = match parts.as_deref() {
        Some([hour, minute]) => (*hour, *minute, 0),
        Some([hour, minute, second]) => (*hour, *minute, *second),
        _ => return Err(wrong()),
    };
    let time = Time::from_hms(hour, minute, second).map_err(|_| wrong())?;
    let of_day = (time - Time::MIDNIGHT).whole_seconds();
    Ok(parse_date(day)? + u64::try_from(of_day).map_err(|_| wrong())?)
}

/// Options of `ferric metrics`.
#[derive(Args)]
pub(crate) struct MetricsArgs {
    /// Print OpenMetrics 1.0 instead of the text format of Prometheus, which the textfile collector of node_exporter reads
    #[arg(long)]
    pub(super) openmetrics: bool,
}

#[derive(Args)]
pub(crate) struct EventsArgs {
    /// Begin after the event of this number instead of with a snapshot: SEQ, or START/SEQ with the identifier of the
    /// start of the daemon. If the daemon no longer has all of these events, it begins with a snapshot
    #[arg(long, value_name = "SEQ", value_parser = parse_position)]
    pub(super) since: Option<EventPosition>,
}

/// Parses a position in the events: the number of an event, after the start of the daemon and a slash if that is given.
fn parse_position(text: &str) -> Result<EventPosition, String> {
    text.parse().map_err(|_| "expected the number of an event, such as 12 or 5f1c0d2e3a4b5c6d/12".into())
}

#[derive(Args)]
pub(crate) struct DriveArgs {
    /// The drive, such as drive1, its address, or the barcode of the cartridge in it [default: list all]
    pub(super) drive: Option<String>,
    /// New state of the drive [default: show it]
    pub(super) state: Option<OnlineState>,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TraceArgs {
    #[command(subcommand)]
    pub(super) action: Option<TraceAction>,
    /// Wait for further commands and print them, until interrupted
    #[arg(long, conflicts_with = "file")]
    pub(super) follow: bool,
    /// Print only commands to this unit: changer, or a drive such as drive1
    #[arg(long)]
    pub(super) unit: Option<String>,
    /// Print only the commands of the last seconds, minutes or hours, such as 90s, 5m or 2h, or since a time such as
    /// 2026-11-30T09:48:00Z or a day [default: all that the daemon has]
    #[arg(long, value_name = "TIME", value_parser = parse_begin, conflicts_with = "file")]
    pub(super) since: Option<Begin>,
    /// Read a file that a daemon has written with --trace, instead of asking a daemon
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum TraceAction {
    /// Send the commands of a trace file to a library in memory, and compare the results
    #[command(
        after_help = "Examples:\n  ferric trace replay backup.trace\n  ferric trace replay backup.trace --compare\n  ferric trace replay drive.trace --config site.toml"
    )]
    Replay(ReplayArgs),
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// A file that a daemon has written with --trace
    pub(super) file: PathBuf,
    /// Stop at the first status, sense or data that differs from the trace, with exit code 1
    #[arg(long)]
    pub(super) compare: bool,
    /// The configuration of the libraries [default: that in the trace]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// Parses a number of seconds, minutes or hours.
fn parse_time_span(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number with s, m or h, such as 90s, 5m or 2h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
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
    /// Number of the TapeAlert flag, 1 to 64 [default: list the raised flags]
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
    /// Create this number of blank cartridges, 1 to 10000
    #[arg(long, value_name = "COUNT", requires = "pool", value_parser = cartridge_count())]
    pub(super) create: Option<u16>,
    // Former name of `--create`.
    #[arg(long, value_name = "COUNT", hide = true, requires = "pool", conflicts_with = "create", value_parser = cartridge_count())]
    pub(super) make: Option<u16>,
}

#[derive(Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(super) source: Option<ImportSource>,
    /// Barcode of the cartridge
    #[arg(required = true)]
    pub(super) cartridge: Option<String>,
    /// The destination: an I/O element, or a slot while the access door is open [default: the first empty I/O element]
    pub(super) to: Option<String>,
}

#[derive(Args)]
pub(crate) struct CartridgeArgs {
    #[command(subcommand)]
    pub(super) read: Option<CartridgeRead>,
    /// Barcode of the cartridge [default: list all]
    pub(super) cartridge: Option<String>,
    // The change, if any. Not a doc comment: that would become the help text of the command.
    #[command(flatten)]
    pub(super) action: CartridgeAction,
    /// Reason of --hold, for the audit log
    #[arg(long, value_name = "TEXT", requires = "hold")]
    pub(super) reason: Option<String>,
}

/// A command that reads the files of a cartridge.
#[derive(Subcommand)]
pub(crate) enum CartridgeRead {
    /// Copy cartridges from one shelf on object storage to another
    #[command(
        after_help = "Examples:\n  ferric cartridge copy V00001L8 --from file://$PWD/shelf --to file://$PWD/second"
    )]
    Copy(CopyArgs),
    /// Show the use and the attributes (MAM) of a cartridge that is not in a drive
    #[command(after_help = "Examples:\n  ferric cartridge contents V00003L8")]
    Contents {
        /// Barcode of the cartridge
        cartridge: String,
    },
    /// List the files on a cartridge that is not in a drive: blocks, bytes, smallest and largest block
    #[command(
        after_help = "Examples:\n  ferric cartridge files V00003L8\n  ferric cartridge files V00003L8 --partition 0 --json"
    )]
    Files {
        /// Barcode of the cartridge
        cartridge: String,
        /// Number of the partition, from 0
        #[arg(long, default_value_t = 0)]
        partition: u8,
    },
}

/// Arguments of `ferric cartridge copy`.
#[derive(Args)]
pub(crate) struct CopyArgs {
    /// Barcodes of the cartridges
    #[arg(required = true)]
    pub(crate) cartridges: Vec<String>,
    /// URL of the shelf that has the cartridges, such as s3://BUCKET/PREFIX or file:///DIRECTORY
    #[arg(long, value_name = "URL")]
    pub(crate) from: String,
    /// URL of the other shelf
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// Key of the shelf, 64 hexadecimal digits: file:PATH, variable:NAME or "command:PROGRAM ARGUMENT..."; without it, the
    /// wrapped data keys are copied as they are
    #[arg(long, value_name = "PLACE")]
    pub(crate) key: Option<String>,
    /// A key of before; may be given several times
    #[arg(long = "former-key", value_name = "PLACE", requires = "key")]
    pub(crate) former_keys: Vec<String>,
    /// Key of the other shelf, which wraps the data keys there [default: that of --key]
    #[arg(long, value_name = "PLACE", requires = "key")]
    pub(crate) to_key: Option<String>,
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
    /// Set or release the legal hold: while it is set, the data cannot be overwritten or deleted
    #[arg(long, value_name = "on|off", value_parser = on_off, requires = "reason")]
    pub(super) hold: Option<bool>,
    /// Delete the cartridge with all data; it must be on a shelf
    #[arg(long)]
    pub(super) delete: bool,
    /// Remove the cartridge from the inventory and keep its files; it must not be in a drive
    #[arg(long)]
    pub(super) forget: bool,
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token and print it; it cannot be shown again
    #[command(
        after_help = "Examples:\n  ferric token create backup-server --role operate\n  ferric token create monitoring > token"
    )]
    Create {
        /// Name of the token: 1 to 32 of a-z, 0-9, - and _
        name: String,
        /// The requests that a client with the token may make
        #[arg(long, value_enum, default_value_t = RoleName::Read)]
        role: RoleName,
    },
    /// List the names and roles of the tokens
    #[command(after_help = "Examples:\n  ferric token list")]
    List,
    /// Remove a token: its client is refused from now on
    #[command(after_help = "Examples:\n  ferric token remove backup-server")]
    Remove {
        /// Name of the token
        name: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    /// Read status, lists, events and traces
    Read,
    /// Also move cartridges, and set doors, drives, elements, labels and tabs
    Operate,
    /// Also delete and retain cartridges, inject faults, add libraries, reload the configuration, read the log and manage tokens
    Admin,
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

/// What to do with notification targets.
#[derive(Subcommand)]
pub(crate) enum NotifyAction {
    /// List the notification targets: what is delivered, what waits, and the last error
    #[command(after_help = "Examples:\n  ferric notify list\n  ferric notify list --json")]
    List,
    /// Send a test event to a notification target and report the result
    #[command(after_help = "Examples:\n  ferric notify test operators")]
    Test {
        /// Name of the target in the configuration
        target: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum DoorName {
    /// The access door: while it is open, operators reach all slots and the robot is not ready (2/04/18)
    Access,
    /// The I/O station, also called mail slot
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

/// What to do with faults.
#[derive(Subcommand)]
pub(crate) enum FaultAction {
    /// Add the faults of a script, or none of them
    #[command(
        after_help = "Examples:\n  ferric fault add examples/faults/read-error-on-restore.toml\n  ferric fault add --fault 'kind = \"busy\", drive = \"drive1\", count = 3'"
    )]
    Add(FaultAddArgs),
    /// List the faults of scripts, and how often they have occurred
    #[command(after_help = "Examples:\n  ferric fault list\n  ferric fault list --json")]
    List,
    /// End a fault of a script and remove it from the list, or all of them
    #[command(after_help = "Examples:\n  ferric fault clear 'bad block'\n  ferric fault clear")]
    Clear {
        /// Name of the fault; all by default
        name: Option<String>,
    },
    #[command(flatten)]
    Step(FaultStep),
}

#[derive(Args)]
pub(crate) struct FaultAddArgs {
    /// Script of faults, or - for standard input
    #[arg(required_unless_present = "faults")]
    pub(super) file: Option<PathBuf>,
    /// A fault as the keys of its table, separated by commas; can be repeated
    #[arg(long = "fault", value_name = "KEYS", conflicts_with = "file")]
    pub(super) faults: Vec<String>,
}

#[derive(Clone, Copy, Subcommand)]
pub(crate) enum FaultStep {
    /// Fail to pick a cartridge from a slot or an I/O element
    #[command(after_help = "Examples:\n  ferric fault pick")]
    Pick,
    /// Fail to place a cartridge in a slot or an I/O element
    #[command(after_help = "Examples:\n  ferric fault place")]
    Place,
    /// Fail to load a cartridge into a drive
    #[command(after_help = "Examples:\n  ferric fault load")]
    Load,
    /// Fail to unload a cartridge from a drive
    #[command(after_help = "Examples:\n  ferric fault unload")]
    Unload,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum AlertState {
    Raise,
    Lower,
}
