//! Requests of the control protocol.

use crate::events::EventPosition;
use crate::jobs::Work;
use crate::tokens::Role;
use audit::Filter;
use serde::{Deserialize, Serialize};
use smc::element::{ElementFault, LabelDefect};
use smc::robot::RobotFault;

/// Request of the control protocol. `library` may be `None` if the site has one library, or if a barcode identifies it.
/// An element is named by its address, by its type and number from 1 (`slot3`, `drive1`, `io2`), or by the barcode of
/// the cartridge in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlRequest {
    /// Requests the status of the whole site: [`SiteStatus`](super::SiteStatus).
    Status,
    /// Resolves the name of an element: its library, address and name.
    Find {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Name, address or barcode.
        element: String,
        /// True to accept only a drive.
        #[serde(default)]
        drive: bool,
    },
    /// Moves a cartridge between two elements with the robot.
    Move {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Element that holds the cartridge, or its barcode.
        from: String,
        /// Destination element, which must be empty.
        to: String,
    },
    /// Loads a cartridge into a drive.
    Load {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Barcode, or the element that holds the cartridge.
        cartridge: String,
        /// Drive; the first empty one if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
    },
    /// Unloads a drive: moves its cartridge to the slot it came from, or to the first empty slot.
    Unload {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Drive, or the barcode of the cartridge in it.
        drive: String,
    },
    /// Imports a cartridge from the shelf into an import/export element. A cartridge whose files were created outside
    /// the daemon is added to the shelf first.
    Import {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Barcode of the cartridge.
        cartridge: String,
        /// Import/export element, or a slot while the access door is open; the first empty import/export element if
        /// `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Exports a cartridge to the shelf, from an import/export element, or from a slot while the access door is open.
    Export {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Element, or the barcode of the cartridge in it.
        from: String,
    },
    /// Assigns a cartridge to another partition of its chassis. One in a slot of the shared I/O station stays there; the robot moves
    /// any other one.
    Assign {
        /// Barcode of the cartridge.
        cartridge: String,
        /// Library that is the other partition.
        library: String,
        /// Slot or I/O element of that library; its first empty slot if `None`, or the same slot of the shared I/O station.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Opens or closes a door; that of the chassis, if the library is a partition.
    Door {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Door to open or close.
        door: Door,
        /// True opens the door, false closes it.
        open: bool,
    },
    /// Sets the robot or a drive online or offline.
    Online {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Drive; the robot if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// True sets it online, false offline.
        online: bool,
    },
    /// Sets or clears the fault of a slot or import/export element.
    Element {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Element by name, address or barcode.
        element: String,
        /// New fault; `None` returns the element to service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<ElementFault>,
    },
    /// Sets or clears the defect of a barcode label.
    Label {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Barcode of the cartridge.
        cartridge: String,
        /// New defect; `None` makes the label readable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<LabelDefect>,
    },
    /// Injects a fault: makes operations of the robot of the given kind fail.
    InjectFault {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Operation that fails.
        fault: RobotFault,
        /// Number of the first such operation that fails, from 1; the next one if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u32>,
        /// Number of such operations that fail, at least 1; one if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u32>,
    },
    /// Adds the faults of a script, or none of them: see [`crate::faults`].
    FaultAdd {
        /// The script, as TOML.
        text: String,
    },
    /// Lists the faults that were added by scripts, and how often they have occurred.
    FaultList,
    /// Ends a fault that was added by a script, or all of them.
    FaultClear {
        /// Name of the fault; all of them if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Raises or clears a TapeAlert flag of a changer or drive.
    Alert {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Drive; the changer if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// Number of the flag, 1 to 64.
        flag: u8,
        /// True raises the flag, false clears it.
        raised: bool,
    },
    /// Requests the events of the levels `warn` and `error`: a list of [`Alarm`](crate::alarms::Alarm).
    Alarms,
    /// Acknowledges events of these levels.
    Acknowledge {
        /// Their numbers, each as `SEQ`, or `START/SEQ` with the identifier of the start of the daemon.
        events: Vec<String>,
    },
    /// Requests the raised TapeAlert flags, or the state of one flag: a list of [`AlertStatus`](super::AlertStatus).
    Alerts {
        /// Library; all libraries if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Drive; changers and all drives if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// Number of one flag, 1 to 64, of the given drive, or else of the changers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flag: Option<u8>,
    },
    /// Requests the status of all cartridges or of one: a list of [`CartridgeStatus`](super::CartridgeStatus).
    Cartridges {
        /// Barcode; all cartridges if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cartridge: Option<String>,
    },
    /// Requests the use and the MAM of a cartridge that is not in a drive:
    /// [`CartridgeContents`](crate::contents::CartridgeContents).
    CartridgeContents {
        /// Barcode of the cartridge.
        cartridge: String,
    },
    /// Requests a part of the map of the files on a cartridge that is not in a drive:
    /// [`TapeFiles`](crate::contents::TapeFiles).
    CartridgeFiles {
        /// Barcode of the cartridge.
        cartridge: String,
        /// Number of the partition, 0 by default.
        #[serde(default)]
        partition: u8,
        /// Logical object number of the first object of the part, 0 by default.
        #[serde(default)]
        object: u64,
        /// Most files in the response, at most and by default 1,000. It has at most 500,000 objects, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<usize>,
    },
    /// Requests the status of all pools or of one: a list of [`PoolStatus`](super::PoolStatus).
    Pools {
        /// Name of the pool; all pools if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pool: Option<String>,
    },
    /// Creates blank cartridges of a pool.
    Create {
        /// Name of the pool.
        pool: String,
        /// Number of cartridges, 1 to 10,000.
        count: usize,
    },
    /// Sets or clears the write-protect tab of a cartridge that is not in a drive.
    Protect {
        /// Barcode of the cartridge.
        cartridge: String,
        /// True sets the tab, false clears it.
        on: bool,
    },
    /// Retains the data on a cartridge until a time.
    Retain {
        /// Barcode of the cartridge.
        cartridge: String,
        /// End of the retention in seconds since 1970.
        until: u64,
    },
    /// Sets or releases the legal hold of a cartridge that is not in a drive: while it is set, the data can be neither overwritten nor
    /// deleted, and the hold has no end.
    Hold {
        /// Barcode of the cartridge.
        cartridge: String,
        /// True sets the hold, false releases it.
        on: bool,
        /// Reason for the audit log, which is not empty.
        reason: String,
    },
    /// Deletes a cartridge on a shelf, with all its data.
    Delete {
        /// Barcode of the cartridge.
        cartridge: String,
    },
    /// Removes a cartridge that is not in a drive from the inventory; its files remain.
    Forget {
        /// Barcode of the cartridge.
        cartridge: String,
    },
    /// Starts a job: work that takes long, of which the response does not wait for the end.
    StartJob {
        /// The work of the job.
        work: Work,
    },
    /// Requests the status of the jobs that run or have ended lately, or of one: a list of
    /// [`JobStatus`](crate::jobs::JobStatus).
    Jobs {
        /// Number of the job; all jobs if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<u64>,
        /// Time to wait for the end of this job, in milliseconds, at most 1,000; no time by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// Cancels a job. The cartridges that are done remain as they are.
    CancelJob {
        /// Number of the job.
        job: u64,
    },
    /// Requests the last commands that hosts have sent: [`CommandTrace`](super::CommandTrace).
    Trace {
        /// Library; all libraries if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// `changer`, or a drive such as `drive1`; all units if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// Number of the last command that the client has; the last commands if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
        /// Most commands in the response, at most and by default 1,000.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<usize>,
        /// Time to wait for a command after `since`, in milliseconds, at most 1,000; no time by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// Requests the counters of the commands of each unit: a list of
    /// [`UnitCommandCounters`](super::UnitCommandCounters).
    Counters {
        /// Library; all libraries if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
    },
    /// Requests the measurements of the whole site: [`SiteMetrics`](crate::metrics::SiteMetrics).
    Metrics,
    /// Requests records of the audit log: a list of [`Record`](audit::Record).
    Audit {
        /// The records that the client wants: by number, time, object and actor.
        #[serde(default)]
        filter: Filter,
        /// Most records in the response, at most and by default 1,000.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<usize>,
    },
    /// Checks the hash chain of the audit log: [`Verified`](audit::Verified), or the place where it is broken.
    AuditVerify,
    /// Requests the tokens of the HTTP API: a list of [`TokenStatus`](crate::tokens::TokenStatus).
    Tokens,
    /// Creates a token of the HTTP API.
    TokenCreate {
        /// Name of the token, 1 to 32 of a-z, 0-9, - and _.
        name: String,
        /// The requests that a client with the token may make.
        role: Role,
    },
    /// Removes a token of the HTTP API.
    TokenRemove {
        /// Name of the token.
        name: String,
    },
    /// Requests the last lines of the log of the daemon: [`LogLines`](crate::recent_log::LogLines).
    Log,
    /// Requests the open iSCSI sessions: a list of [`IscsiSession`](crate::sessions::IscsiSession).
    Sessions,
    /// Requests the state of each notification target: a list of [`NotifyStatus`](crate::notifications::NotifyStatus).
    NotifyList,
    /// Requests the state of each shelf on object storage: a list of [`ShelfStatus`](crate::shelf_status::ShelfStatus).
    ShelfList,
    /// Sends a test event to a notification target, and waits for the result.
    NotifyTest {
        /// Name of the target.
        target: String,
    },
    /// Requests the configuration in use as text: [`ConfigurationText`](crate::configuration::ConfigurationText).
    Configuration,
    /// Adds chassis, libraries and pools to the end of the configuration file of the daemon, and reloads it.
    ConfigurationAdd {
        /// Tables `[[chassis]]`, `[[library]]` and `[[pool]]`, without commands.
        text: String,
    },
    /// Requests the models that a configuration can name: [`Models`](crate::models::Models).
    Models,
    /// Checks a text as a configuration, without a change:
    /// [`CheckedConfiguration`](crate::configuration::CheckedConfiguration).
    ConfigurationCheck {
        /// The text, in the form of a configuration file.
        text: String,
    },
    /// Reloads the configuration of the daemon.
    Reload,
    /// Subscribes to the events after a position; on the socket, one per line, and the connection then accepts no
    /// further request.
    Events {
        /// The last event that the client has. If it is `None`, of an earlier start of the daemon, or too old, the
        /// response has a snapshot of the site instead of the missing events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<EventPosition>,
    },
}

impl ControlRequest {
    /// Whether the request changes what hosts find in a library: its cartridges, elements, doors, units and faults.
    #[must_use]
    pub const fn changes_library(&self) -> bool {
        matches!(
            self,
            Self::Move { .. }
                | Self::Load { .. }
                | Self::Unload { .. }
                | Self::Import { .. }
                | Self::Export { .. }
                | Self::Assign { .. }
                | Self::Door { .. }
                | Self::Online { .. }
                | Self::Element { .. }
                | Self::Label { .. }
                | Self::InjectFault { .. }
                | Self::FaultAdd { .. }
                | Self::FaultClear { .. }
                | Self::Alert { .. }
                | Self::Create { .. }
                | Self::Protect { .. }
                | Self::Retain { .. }
                | Self::Hold { .. }
                | Self::Delete { .. }
                | Self::Forget { .. }
        )
    }

    /// Whether the request changes something, and so has an audit record.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        match self {
            Self::Status
            | Self::Find { .. }
            | Self::Alerts { .. }
            | Self::Cartridges { .. }
            | Self::Pools { .. }
            | Self::Jobs { .. }
            | Self::Trace { .. }
            | Self::Counters { .. }
            | Self::Metrics
            | Self::Audit { .. }
            | Self::AuditVerify
            | Self::Tokens
            | Self::NotifyList
            | Self::FaultList
            | Self::ShelfList
            | Self::Sessions
            | Self::Configuration
            | Self::ConfigurationCheck { .. }
            | Self::Models
            | Self::Log
            | Self::Alarms
            | Self::CartridgeContents { .. }
            | Self::CartridgeFiles { .. }
            | Self::Events { .. } => false,
            Self::Move { .. }
            | Self::Load { .. }
            | Self::Unload { .. }
            | Self::Import { .. }
            | Self::Export { .. }
            | Self::Assign { .. }
            | Self::Door { .. }
            | Self::Online { .. }
            | Self::Element { .. }
            | Self::Label { .. }
            | Self::InjectFault { .. }
            | Self::FaultAdd { .. }
            | Self::FaultClear { .. }
            | Self::Alert { .. }
            | Self::Create { .. }
            | Self::Protect { .. }
            | Self::Retain { .. }
            | Self::Hold { .. }
            | Self::Delete { .. }
            | Self::Forget { .. }
            | Self::StartJob { .. }
            | Self::CancelJob { .. }
            | Self::TokenCreate { .. }
            | Self::TokenRemove { .. }
            | Self::NotifyTest { .. }
            | Self::ConfigurationAdd { .. }
            | Self::Acknowledge { .. }
            | Self::Reload => true,
        }
    }
}

/// Door of a library that operators open and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The access door. While it is open, operators reach all slots and the robot is not ready.
    Access,
    /// The import/export station (mail slot).
    IoStation,
}
