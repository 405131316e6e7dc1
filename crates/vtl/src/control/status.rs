//! Status of a site, its libraries, cartridges and pools, as values of the control protocol.

use super::PROTOCOL_VERSION;
use crate::events::ReservationStatus;
use crate::inventory::Location;
use crate::library::{Elements, Library};
use crate::notifications::NotifyStatus;
use crate::shelf_status::ShelfStatus;
use crate::site::Site;
use scsi_core::time::TimeMode;
use serde::{Deserialize, Serialize};
use smc::element::{ElementAddress, ElementFault, ElementType, LabelDefect};
use ssc::timing::ModelledTime;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tape_store::backend::ThawProgress;

/// Status of a site: the response to the operation `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteStatus {
    /// Libraries, in order of the configuration.
    pub libraries: Vec<LibraryStatus>,
    /// Chassis whose partitions are libraries, in order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chassis: Vec<ChassisStatus>,
    /// Barcodes of the cartridges on each shelf, by name of the shelf.
    pub shelves: BTreeMap<String, Vec<String>>,
    /// Version of the control protocol; 1 if the daemon does not send it.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Warnings that need action by an operator, such as a portal that is open to the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Addresses of the iSCSI portals that serve the targets, such as `127.0.0.1:3260`; empty without iSCSI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub portals: Vec<SocketAddr>,
    /// URLs of the HTTP API, such as `http://127.0.0.1:8080`; empty without HTTP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<String>,
    /// Notification targets, in order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<NotifyStatus>,
    /// Shelves on object storage, in order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub object_shelves: Vec<ShelfStatus>,
}

/// Status of a chassis: its elements, and the partitions that have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChassisStatus {
    /// Name of the chassis, unique in the site.
    pub name: String,
    /// Model of the chassis and of the changers of its partitions.
    pub model: String,
    /// Serial number of the chassis.
    pub serial: String,
    /// Number of slots of all partitions, without those of the I/O station.
    pub slots: u16,
    /// Number of slots of the I/O station.
    pub import_export: u16,
    /// Number of drives of all partitions.
    pub drives: u16,
    /// True if each partition uses the whole I/O station; false if it is divided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared_station: bool,
    /// The partitions, in order of the configuration.
    pub partitions: Vec<PartitionStatus>,
}

/// A partition of a chassis, and its share of the elements: numbers of the first and the last one in the chassis, from 1; `None` if
/// it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionStatus {
    /// Name of the library that is the partition.
    pub library: String,
    /// Number of the partition in its chassis, from 1.
    pub number: u16,
    /// Unit serial number of its changer.
    pub serial: String,
    /// The slots of the chassis that the partition has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<[u16; 2]>,
    /// Its slots of the I/O station.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_export: Option<[u16; 2]>,
    /// The drives of the chassis that the partition has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drives: Option<[u16; 2]>,
}

const fn first_version() -> u32 {
    1
}

/// What hosts have set on a unit that restricts other hosts or operators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSettings {
    /// True while a host prevents medium removal (PREVENT ALLOW MEDIUM REMOVAL): from a drive, or through the doors and
    /// I/O elements of a library.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removal_prevented: bool,
    /// Reservation of the unit by a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<ReservationStatus>,
    /// True while a drive encrypts written blocks for at least one I_T nexus.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encrypting: bool,
}

/// Status of one library and its elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryStatus {
    /// Name of the library, unique in the site.
    pub name: String,
    /// Model of the library, or vendor and product identification if they differ from the model.
    pub model: String,
    /// Unit serial number of the changer.
    pub serial: String,
    /// iSCSI name of the target that has the library.
    pub target: String,
    /// LUN of the changer behind its target.
    pub lun: usize,
    /// True if the daemon serves only drives of the library: its robot and its cartridges are those of another daemon.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub robot_elsewhere: bool,
    /// Name of the chassis of which the library is a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chassis: Option<String>,
    /// Shelf of the cartridges outside the library.
    pub shelf: String,
    /// False while an operator has set the robot offline.
    pub online: bool,
    /// Reason why the changer ends every command with HARDWARE ERROR 44h/00h, after an internal error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faulty: Option<String>,
    /// True while the access door is open.
    pub door_open: bool,
    /// True while the I/O station is open.
    pub station_open: bool,
    /// Names of the raised TapeAlert flags of the changer.
    pub alerts: Vec<String>,
    /// The modelled time of the robot; absent with `time = "off"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<RobotTimeStatus>,
    /// What hosts have set on the changer.
    #[serde(flatten)]
    pub host_settings: HostSettings,
    /// Drives, in order of their element addresses.
    pub drives: Vec<DriveStatus>,
    /// Import/export elements, in order of their addresses.
    pub io_elements: Vec<ElementStatus>,
    /// Storage elements, in order of their addresses.
    pub slots: Vec<ElementStatus>,
}

/// Status of a drive and its element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveStatus {
    /// Status of the data transfer element of the drive.
    #[serde(flatten)]
    pub element: ElementStatus,
    /// Product identification of the drive.
    pub model: String,
    /// Unit serial number of the drive.
    pub serial: String,
    /// LUN of the drive behind the target of its library; 0 if another daemon serves the drive.
    pub lun: usize,
    /// Name of the daemon that serves the drive, if it is another one. Of such a drive, this daemon shows only the element and the
    /// identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<String>,
    /// False while an operator has set the drive offline.
    pub online: bool,
    /// Reason why the drive ends every command with HARDWARE ERROR 44h/00h, after an internal error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faulty: Option<String>,
    /// True if the drive has ejected the cartridge, so that the robot can take it.
    pub ejected: bool,
    /// Reason why the drive cannot use its cartridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The objects of the cartridge while its store thaws them, and its load waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thawing: Option<ThawStatus>,
    /// True while a tape is threaded, so that hosts can access it.
    #[serde(default)]
    pub threaded: bool,
    /// Names of the raised TapeAlert flags of the drive.
    #[serde(default)]
    pub alerts: Vec<String>,
    /// The time that hardware would have taken, if the drive models it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeStatus>,
    /// What hosts have set on the drive.
    #[serde(flatten)]
    pub host_settings: HostSettings,
}

/// How many objects of a cartridge can be read, while its load waits for the others to be thawed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThawStatus {
    /// Objects that can be read now.
    pub ready: u64,
    /// Objects that the load needs.
    pub objects: u64,
}

impl From<ThawProgress> for ThawStatus {
    fn from(ThawProgress { ready, objects }: ThawProgress) -> Self {
        Self { ready, objects }
    }
}

/// The time that hardware would have taken for what a drive has done since the daemon started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeStatus {
    /// Use of the time by the unit: `counted`, `real` or `scaled:N`.
    pub mode: String,
    /// The modelled time in milliseconds, without scaling.
    pub modelled_ms: u64,
    /// Times that the tape stopped and repositioned between transfers.
    pub repositions: u64,
}

impl TimeStatus {
    /// The status of a unit in this mode; `None` if that is [`TimeMode::Off`].
    fn new(mode: TimeMode, time: ModelledTime) -> Option<Self> {
        let modelled_ms = u64::try_from(time.total.as_millis()).unwrap_or(u64::MAX);
        mode.is_on().then(|| Self { mode: mode.to_string(), modelled_ms, repositions: time.repositions })
    }
}

/// The time that hardware would have taken for the motions of a robot since the daemon started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RobotTimeStatus {
    /// Use of the time by the robot: `counted`, `real` or `scaled:N`.
    pub mode: String,
    /// The modelled time in milliseconds, without scaling.
    pub modelled_ms: u64,
}

impl RobotTimeStatus {
    /// The status of a robot in this mode; `None` if that is [`TimeMode::Off`].
    fn new(mode: TimeMode, total: Duration) -> Option<Self> {
        let modelled_ms = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
        mode.is_on().then(|| Self { mode: mode.to_string(), modelled_ms })
    }
}

/// Status of an element and the cartridge in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementStatus {
    /// Number among the elements of its type, from 1, as in `slot3`.
    pub number: usize,
    /// Element address (SMC-3 READ ELEMENT STATUS).
    pub address: u16,
    /// Barcode of the cartridge in the element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cartridge: Option<String>,
    /// Kind of the cartridge: `data`, `worm`, `cleaning` or `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Address of the storage element from which the cartridge came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<u16>,
    /// Defect of the barcode label, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelDefect>,
    /// Fault that an operator has set for the element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ElementFault>,
    /// Reason why no drive can use the cartridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// Status of a cartridge: an item of the response to `cartridges`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartridgeStatus {
    /// Barcode of the cartridge, unique in the site.
    pub cartridge: String,
    /// Element or shelf that has the cartridge.
    pub location: Location,
    /// Name of its element, such as `slot3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// Name of the shelf on object storage that has the files of the cartridge; `None` if they are in the directory of
    /// cartridges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shelf_name: Option<String>,
    /// Number of bytes that are on the local disk only, and not on that shelf yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unshelved_bytes: Option<u64>,
    /// Native capacity, in bytes, without compression.
    pub size: u64,
    /// Kind of the cartridge: `data`, `worm`, `null` or `cleaning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Defect of the barcode label of a cartridge in a library, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelDefect>,
    /// Remaining uses of a cleaning cartridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanings_left: Option<u64>,
    /// True if nothing is written on the cartridge, as of its last unload. `None` for a cleaning cartridge, or if
    /// unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blank: Option<bool>,
    /// Pool whose pattern the barcode matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// True if the write-protect tab is set.
    pub write_protected: bool,
    /// End of the retention in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<u64>,
    /// True if the cartridge is under a legal hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
    /// Reason why no drive can use the cartridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// Number of loads; for a cleaning cartridge, number of cleanings.
    pub loads: u64,
}

/// Status of a pool: an item of the response to `pools`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Name of the pool, unique in the site.
    pub pool: String,
    /// Pattern of the barcodes in the pool, such as `S#####L8`.
    pub pattern: String,
    /// Name of the library for new cartridges.
    pub library: String,
    /// Capacity of a new cartridge in bytes.
    pub size: u64,
    /// Number of cartridges of the pool in the whole site.
    pub cartridges: usize,
    /// Number of blank cartridges in the library and on its shelf, not counting those in drives.
    pub scratch: usize,
    /// Number of blank cartridges that the site maintains (`pool.scratch`).
    pub wanted: usize,
}

impl Site {
    /// Returns the current status of the site.
    #[must_use]
    pub fn status(&self) -> SiteStatus {
        let mut shelves: BTreeMap<String, Vec<String>> =
            self.libraries().iter().map(|library| (library.shelf().to_owned(), Vec::new())).collect();
        for (barcode, entry) in self.inventory() {
            if let Location::Shelf(shelf) = entry.location {
                shelves.entry(shelf).or_default().push(barcode);
            }
        }
        let libraries = self.libraries().iter().map(|library| library.status()).collect();
        let (warnings, portals) = (self.warnings(), self.portals());
        let (http, notify) = (self.http_urls(), self.notify_status());
        let (version, object_shelves) = (PROTOCOL_VERSION, self.shelf_status());
        let chassis = self.chassis_status();
        SiteStatus { libraries, chassis, shelves, version, warnings, portals, http, notify, object_shelves }
    }
}

impl Library {
    /// The model name, or vendor and product identification if the configuration changes them.
    fn model(&self) -> String {
        let (known, own) = (self.profile(), &self.identity().strings);
        if own.product == known.model.product { known.name.into() } else { format!("{} {}", own.vendor, own.product) }
    }

    /// Returns the status of the library after its last change. Does not wait for a unit: during a move, its cartridge is
    /// shown in the source element.
    #[must_use]
    pub fn status(&self) -> LibraryStatus {
        let all = self.elements();
        let elements = |kind| self.element_statuses(&all, kind, 0).collect();
        LibraryStatus {
            drives: self.drive_statuses(&all),
            io_elements: elements(ElementType::IMPORT_EXPORT),
            slots: elements(ElementType::STORAGE),
            ..self.summary_of(&all)
        }
    }

    /// Returns the status without the elements: the lists of drives, I/O elements and slots are empty.
    #[must_use]
    pub fn summary(&self) -> LibraryStatus {
        self.summary_of(&self.elements())
    }

    /// Returns the status of the drives, in order of their element addresses.
    #[must_use]
    pub fn drive_status(&self) -> Vec<DriveStatus> {
        self.drive_statuses(&self.elements())
    }

    /// Returns at most `limit` elements of a type for which `wanted` is true, in order of their numbers, beginning
    /// after the number `after`.
    pub fn element_page(
        &self,
        kind: ElementType,
        after: usize,
        limit: usize,
        wanted: impl FnMut(&ElementStatus) -> bool,
    ) -> Vec<ElementStatus> {
        self.element_statuses(&self.elements(), kind, after).filter(wanted).take(limit).collect()
    }

    fn drive_statuses(&self, all: &Elements) -> Vec<DriveStatus> {
        let (condition, setup) = (&all.operator_state, self.setup());
        let drive = |element: ElementStatus| {
            let online = !condition.drives_offline.contains(&ElementAddress(element.address));
            let Some(unit) = self.drive_at(ElementAddress(element.address)) else {
                return self.status_elsewhere(element, online);
            };
            let lun = self.target().lun_of(&unit);
            let mode =
                unit.drive_index().and_then(|index| setup.drives.get(index)).map_or(TimeMode::Off, |drive| drive.time);
            Some(DriveStatus {
                online,
                daemon: None,
                faulty: unit.faulty(),
                ejected: unit.bay_status().accessible,
                refused: unit.refused(),
                thawing: unit.thawing().map(ThawStatus::from),
                threaded: unit.is_threaded(),
                alerts: super::alerts::raised_flag_names(&unit, true),
                time: TimeStatus::new(mode, unit.drive_counts().modelled),
                host_settings: unit.host_settings(),
                element,
                model: unit.identity().strings.product.clone(),
                serial: unit.identity().serial.clone(),
                lun: lun.unwrap_or_default(),
            })
        };
        self.element_statuses(all, ElementType::DRIVE, 0).filter_map(drive).collect()
    }

    /// The status of a drive that another daemon serves for this robot; `None` if another kind of process serves it.
    fn status_elsewhere(&self, element: ElementStatus, online: bool) -> Option<DriveStatus> {
        let (index, setup) = (element.number.checked_sub(1)?, self.setup());
        let drive = setup.drives.get(index)?;
        self.has_robot().then_some(())?;
        Some(DriveStatus {
            online,
            daemon: Some(drive.daemon.clone()?),
            model: drive.strings.product.clone(),
            serial: self.drive_serial(index),
            element,
            lun: 0,
            faulty: None,
            ejected: false,
            refused: None,
            thawing: None,
            threaded: false,
            alerts: Vec::new(),
            time: None,
            host_settings: HostSettings::default(),
        })
    }

    fn summary_of(&self, all: &Elements) -> LibraryStatus {
        let (unit, condition) = (self.changer_unit(), &all.operator_state);
        LibraryStatus {
            name: self.name().into(),
            model: self.model(),
            serial: self.identity().serial.clone(),
            target: self.target().name().into(),
            lun: self.lun(),
            chassis: self.setup().partition.map(|partition| partition.chassis.name),
            shelf: self.shelf().into(),
            online: !condition.offline,
            faulty: unit.faulty(),
            door_open: condition.door_open,
            station_open: condition.station_open,
            alerts: super::alerts::raised_flag_names(&unit, false),
            time: RobotTimeStatus::new(self.setup().time, unit.modelled_time()),
            host_settings: unit.host_settings(),
            robot_elsewhere: !self.has_robot(),
            drives: Vec::new(),
            io_elements: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// The status of each element of a type whose number is above `after`, in order of their numbers.
    fn element_statuses<'a>(
        &'a self,
        elements: &'a Elements,
        kind: ElementType,
        after: usize,
    ) -> impl Iterator<Item = ElementStatus> + 'a {
        let range = elements.layout.ranges().into_iter().find(|(other, _)| *other == kind);
        let addresses = range.into_iter().flat_map(|(_, range)| range.addresses());
        addresses.enumerate().skip(after).map(|(index, address)| {
            let content = elements.content(address);
            ElementStatus {
                number: index + 1,
                address: address.0,
                cartridge: content.map(|content| content.barcode.to_string()),
                kind: content.map(|content| content.kind.name().into()),
                source: content.and_then(|content| content.source).map(|source| source.0),
                label: content.and_then(|content| content.label),
                fault: elements.operator_state.element_faults.get(&address).copied(),
                unusable: content.and_then(|content| self.unusable_reason(&content.barcode)),
            }
        })
    }
}
