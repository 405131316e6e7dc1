//! Responses of the control protocol: one type for each request.

use super::{
    AlertStatus, CartridgeStatus, CommandTrace, Door, PoolStatus, SiteStatus, Subscription, UnitCommandCounters,
};
use crate::alarms::{AcknowledgedAlarms, Alarm};
use crate::configuration::{CheckedConfiguration, ConfigurationText};
use crate::contents::{CartridgeContents, TapeFiles};
use crate::faults::{ClearedFaults, FaultStatus};
use crate::jobs::JobStatus;
use crate::metrics::SiteMetrics;
use crate::models::Models;
use crate::notifications::{NotifyStatus, NotifyTest};
use crate::recent_log::LogLines;
use crate::sessions::IscsiSession;
use crate::shelf_status::ShelfStatus;
use crate::tokens::{CreatedToken, RemovedToken, TokenStatus};
use audit::{Record, Verified};
use serde::{Deserialize, Serialize};
use smc::element::{ElementFault, LabelDefect};
use smc::robot::RobotFault;

/// Response to a request, one variant for each; in JSON, the value in the variant.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ControlResponse {
    /// The status of the whole site.
    Status(SiteStatus),
    /// The element that a name stands for.
    Find(FoundElement),
    /// A move between two elements was done.
    Move(MovedCartridge),
    /// A cartridge was moved into a drive.
    Load(MovedCartridge),
    /// A cartridge was moved out of a drive.
    Unload(MovedCartridge),
    /// A cartridge was moved from the shelf into a library.
    Import(ImportedCartridge),
    /// A cartridge was moved from a library to the shelf.
    Export(ExportedCartridge),
    /// A cartridge was assigned to another partition of its chassis.
    Assign(AssignedCartridge),
    /// The state of a door after the request.
    Door(DoorStatus),
    /// The state of the robot or a drive after the request.
    Online(OnlineStatus),
    /// The fault of an element after the request.
    Element(ElementFaultStatus),
    /// The label of a cartridge after the request.
    Label(LabelStatus),
    /// The next operation of the robot of this kind fails.
    InjectFault(InjectedFault),
    /// The faults that a script has added.
    FaultAdd(Vec<FaultStatus>),
    /// The faults of scripts, in the order in which they were added.
    FaultList(Vec<FaultStatus>),
    /// The names of the faults that were ended.
    FaultClear(ClearedFaults),
    /// The state of a TapeAlert flag after the request.
    Alert(AlertStatus),
    /// The raised TapeAlert flags, or the state of one flag.
    Alerts(Vec<AlertStatus>),
    /// The events that need a person.
    Alarms(Vec<Alarm>),
    /// Events that need a person were acknowledged.
    Acknowledge(AcknowledgedAlarms),
    /// The status of all cartridges or of one.
    Cartridges(Vec<CartridgeStatus>),
    /// The use and the MAM of a cartridge.
    CartridgeContents(Box<CartridgeContents>),
    /// A part of the map of the files on a cartridge.
    CartridgeFiles(TapeFiles),
    /// The status of all pools or of one.
    Pools(Vec<PoolStatus>),
    /// Cartridges were created in a pool.
    Create(CreatedCartridges),
    /// The write-protect tab of a cartridge after the request.
    Protect(ProtectStatus),
    /// The retention of a cartridge after the request.
    Retain(RetentionStatus),
    /// The legal hold of a cartridge after the request.
    Hold(HoldStatus),
    /// A cartridge was deleted with its data.
    Delete(RemovedCartridge),
    /// A cartridge was removed from the inventory.
    Forget(RemovedCartridge),
    /// The job that was started.
    StartJob(JobStatus),
    /// The status of the jobs, or of one.
    Jobs(Vec<JobStatus>),
    /// A job ends as soon as possible.
    CancelJob(JobStatus),
    /// The last commands that hosts have sent.
    Trace(CommandTrace),
    /// The counters of the commands of each unit.
    Counters(Vec<UnitCommandCounters>),
    /// The measurements of the whole site.
    Metrics(Box<SiteMetrics>),
    /// Records of the audit log.
    Audit(Vec<Record>),
    /// The audit log is intact up to a record.
    AuditVerify(Verified),
    /// The tokens of the HTTP API.
    Tokens(Vec<TokenStatus>),
    /// A token of the HTTP API was created.
    TokenCreate(CreatedToken),
    /// A token of the HTTP API was removed.
    TokenRemove(RemovedToken),
    /// The last lines of the log of the program.
    Log(LogLines),
    /// The open iSCSI sessions of all portals.
    Sessions(Vec<IscsiSession>),
    /// The state of each notification target.
    NotifyList(Vec<NotifyStatus>),
    /// The state of each shelf on object storage.
    ShelfList(Vec<ShelfStatus>),
    /// A test event was delivered to a notification target.
    NotifyTest(NotifyTest),
    /// The configuration in use as text.
    Configuration(ConfigurationText),
    /// The models that a configuration can name.
    Models(Models),
    /// The findings in a text that is no configuration in use.
    ConfigurationCheck(CheckedConfiguration),
    /// The configuration was reloaded, with these changes.
    Reload(ReloadReport),
    /// The events of the site from a position on.
    Events(Subscription),
}

/// The element that a name stands for: response to `find`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundElement {
    /// Address of the element, as in SMC commands.
    pub address: u16,
    /// Name of the element, such as `slot3`.
    pub element: String,
    /// Name of the library that has the element.
    pub library: String,
}

/// A completed move: response to `move`, `load` and `unload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedCartridge {
    /// Barcode of the cartridge, unique in the site.
    pub cartridge: String,
    /// Address of the source element.
    pub from: u16,
    /// Name of the source element, such as `slot3`.
    pub from_element: String,
    /// Name of the library, unique in the site.
    pub library: String,
    /// Reason why the drive cannot use the cartridge, which is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Address of the destination element.
    pub to: u16,
    /// Name of the destination element, such as `drive1`.
    pub to_element: String,
}

/// A completed import of a cartridge from a shelf: response to `import`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedCartridge {
    /// Barcode of the cartridge, unique in the site.
    pub cartridge: String,
    /// Name of the library, unique in the site.
    pub library: String,
    /// Name of the shelf that the cartridge was on.
    pub shelf: String,
    /// Address of the destination element.
    pub to: u16,
    /// Name of the destination element, such as `io1`.
    pub to_element: String,
}

/// A completed export of a cartridge to a shelf: response to `export`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedCartridge {
    /// Barcode of the cartridge, unique in the site.
    pub cartridge: String,
    /// Address of the source element.
    pub from: u16,
    /// Name of the source element, such as `io1`.
    pub from_element: String,
    /// Name of the library, unique in the site.
    pub library: String,
    /// Name of the shelf that the cartridge is on.
    pub shelf: String,
}

/// A cartridge that was assigned to another partition of its chassis: response to `assign`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedCartridge {
    /// Barcode of the cartridge, unique in the site.
    pub cartridge: String,
    /// Name of the library that had the cartridge.
    pub from_library: String,
    /// Address of its element in that library.
    pub from: u16,
    /// Name of its element in that library, such as `io1`.
    pub from_element: String,
    /// Name of the library that has the cartridge.
    pub library: String,
    /// Address of its element in this library.
    pub to: u16,
    /// Name of its element in this library, such as `slot3`.
    pub to_element: String,
}

/// State of a door: response to `door`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorStatus {
    /// The door of the library.
    pub door: Door,
    /// Name of the library, unique in the site.
    pub library: String,
    /// True if the door is open.
    pub open: bool,
}

/// State of the robot or a drive: response to `online`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineStatus {
    /// Name of the drive, such as `drive1`; `None` for the robot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
    /// Name of the library, unique in the site.
    pub library: String,
    /// True if it is online.
    pub online: bool,
}

/// Fault of an element: response to `element`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementFaultStatus {
    /// Name of the element, such as `slot3`.
    pub element: String,
    /// The fault that is set; `None` if the element is in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ElementFault>,
    /// Name of the library, unique in the site.
    pub library: String,
}

/// Label of a cartridge: response to `label`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelStatus {
    /// Barcode of the cartridge, unique in the site.
    pub barcode: String,
    /// The defect of the label; `None` if it is readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelDefect>,
}

/// A fault that the robot will have: response to `inject_fault`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedFault {
    /// The operation that fails next time.
    pub fault: RobotFault,
    /// Name of the library, unique in the site.
    pub library: String,
}

/// New cartridges of a pool: response to `create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedCartridges {
    /// Barcodes of the new cartridges, in ascending order.
    pub created: Vec<String>,
}

/// Write-protect tab of a cartridge: response to `protect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectStatus {
    /// Barcode of the cartridge, unique in the site.
    pub barcode: String,
    /// True if the tab is set.
    pub write_protected: bool,
}

/// Retention of a cartridge: response to `retain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionStatus {
    /// Barcode of the cartridge, unique in the site.
    pub barcode: String,
    /// End of the retention in seconds since 1970.
    pub retained_until: u64,
}

/// Legal hold of a cartridge: response to `hold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldStatus {
    /// Barcode of the cartridge, unique in the site.
    pub barcode: String,
    /// True if the cartridge is under a legal hold.
    pub legal_hold: bool,
}

/// A cartridge that is no longer in the inventory: response to `delete` and `forget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedCartridge {
    /// Barcode of the cartridge, unique in the site.
    pub barcode: String,
}

/// The changes by a reload of the configuration: response to `reload`. A change that requires a restart is an error
/// instead, which lists the settings in [`ErrorFields::restart_required`](super::ErrorFields::restart_required).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// The changes in the order in which they were made; empty if the configuration is as before.
    pub changes: Vec<ReloadChange>,
}

/// One change that a reload has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReloadChange {
    /// A library was added at the end.
    LibraryAdded {
        /// Name of the new library.
        library: String,
    },
    /// Elements were added to a library. UNIT ATTENTION 3Fh/0Eh is raised where LUNs were added.
    ElementsAdded {
        /// Name of the library, unique in the site.
        library: String,
        /// Number of new slots.
        slots: u16,
        /// Number of new import/export elements.
        import_export: u16,
        /// Number of new drives.
        drives: u16,
    },
    /// The transfer policies or the move command of a library were changed.
    PoliciesChanged {
        /// Name of the library, unique in the site.
        library: String,
    },
    /// Cartridges that the configuration lists were created.
    CartridgesCreated {
        /// Name of the library, unique in the site.
        library: String,
        /// Number of new cartridges.
        count: usize,
    },
    /// A scratch pool was added, changed or removed.
    PoolChanged {
        /// Name of the pool.
        pool: String,
    },
    /// Faults of the configuration were added, changed or removed.
    FaultsChanged,
    /// A notification target was added, changed or removed.
    NotifyTargetChanged {
        /// Name of the target.
        target: String,
    },
    /// The access rules of the frontend were changed; they apply to new connections.
    AccessChanged,
}
