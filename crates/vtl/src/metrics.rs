//! The measurements of a site: counters and states at one time, for monitoring. Taking them waits for no unit.
//!
//! [`Site::metrics`] returns them as values; the crate `metrics` gives each its name and renders them for Prometheus.

mod process;

pub use process::ProcessMetrics;

use crate::inventory::{CartridgeRecord, Location};
use crate::library::Library;
use crate::locks::read;
use crate::notifications::NotifyStatus;
use crate::observer::{CommandCounters, HistogramCounts, TapePosition};
use crate::sessions::SessionState;
use crate::shelf_status::ShelfStatus;
use crate::site::Site;
use crate::unit::{DriveCounts, Unit};
use scsi_core::time::Instant;
use serde::{Deserialize, Serialize};
use smc::element::{ElementAddress, ElementFault, ElementLayout};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tape_store::cartridge::{Barcode, CartridgeKind};

/// The measurements of a site at one time: response to `metrics`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteMetrics {
    /// Version of the daemon's crates, such as `0.1.0`.
    pub release: String,
    /// Libraries, in order of the configuration.
    pub libraries: Vec<LibraryMetrics>,
    /// Number of cartridges by library, pool and state.
    pub cartridges: Vec<CartridgeCount>,
    /// Space of the file systems that the site writes to.
    pub directories: Vec<DirectorySpace>,
    /// Times that files of cartridges took to synchronise, in microseconds.
    pub sync_us: HistogramCounts,
    /// Corrupt records that were found, by directory.
    #[serde(default)]
    pub corrupt_records: Vec<CorruptRecordCount>,
    /// iSCSI portals, in the order in which they were opened.
    pub portals: Vec<PortalMetrics>,
    /// Notification targets, in order of the configuration.
    #[serde(default)]
    pub notify: Vec<NotifyStatus>,
    /// Shelves on object storage, in order of the configuration.
    #[serde(default)]
    pub shelves: Vec<ShelfStatus>,
    /// Memory and threads of the process.
    pub process: ProcessMetrics,
}

/// The measurements of a library: its changer, drives and elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryMetrics {
    /// Name of the library, unique in the site.
    pub name: String,
    /// The changer, as a unit that executes commands.
    pub changer: UnitMetrics,
    /// Moves of the robot since the start of the daemon, by hosts and operators.
    pub moves: MoveMetrics,
    /// Number of slots and I/O elements by state.
    pub elements: Vec<ElementCount>,
    /// Drives, in order of their element addresses.
    pub drives: Vec<DriveMetrics>,
}

/// The measurements that drives and changers have: commands, TapeAlert flags and states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitMetrics {
    /// Unit serial number (VPD page 80h).
    pub serial: String,
    /// False while an operator has set the unit offline.
    pub online: bool,
    /// True while the unit ends every command with HARDWARE ERROR 44h/00h, after an internal error.
    pub faulty: bool,
    /// Commands of hosts that wait, run or have a delayed status.
    pub queue_depth: usize,
    /// Commands of hosts since the start of the daemon.
    pub commands: CommandCounters,
    /// Raised TapeAlert flags: number from 1 to 64, and name in SSC or SMC.
    pub alerts: Vec<(u8, String)>,
}

/// Moves of a robot by their result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveMetrics {
    /// Number of moves that were done.
    pub done: u64,
    /// Moves that were refused before any motion, such as to a full element.
    pub refused: u64,
    /// Moves that a fault of the robot or of a drive has ended.
    pub failed: u64,
}

/// Number of elements of one type in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementCount {
    /// `slot` or `io`, as in the names of elements.
    pub element: String,
    /// `full`, `empty`, `disabled` or `blocked`.
    pub state: String,
    /// Number of elements of this type in this state.
    pub count: u64,
}

/// The measurements of a drive: bytes, blocks, errors, loads and position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveMetrics {
    /// Name of the drive in its library, such as `drive1`.
    pub name: String,
    /// The drive, as a unit that executes commands.
    #[serde(flatten)]
    pub unit: UnitMetrics,
    /// Bytes of the blocks that hosts have written since the start of the daemon.
    pub written_bytes: u64,
    /// Bytes that these blocks occupy on the medium, after compression.
    pub written_to_medium_bytes: u64,
    /// Bytes of the blocks that hosts have read since the start of the daemon.
    pub read_bytes: u64,
    /// Bytes that these blocks occupy on the medium.
    pub read_from_medium_bytes: u64,
    /// Sizes of the blocks that hosts have written: up to 1 byte, up to 2, up to 4, and so on.
    pub written_sizes: HistogramCounts,
    /// Sizes of the blocks that hosts have read, of which only the transferred bytes count: up to 1 byte, up to 2, and so
    /// on.
    pub read_sizes: HistogramCounts,
    /// Filemarks that hosts have written since the start of the daemon.
    pub filemarks: u64,
    /// Blocks and filemarks that could not be read: damaged data, or a failure of the storage.
    pub read_failures: u64,
    /// Blocks and filemarks that could not be written.
    pub write_failures: u64,
    /// True while a tape is threaded, so that hosts can access it.
    pub threaded: bool,
    /// Position of the threaded tape after the last command.
    pub position: Option<TapePosition>,
    /// Loads since the start of the daemon.
    pub loads: u64,
    /// Cleanings in the life of the drive; they are kept when the daemon restarts.
    pub cleanings: u64,
}

/// Number of cartridges in one library, pool and state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartridgeCount {
    /// Name of the library that has the cartridges; empty for those on shelves.
    pub library: String,
    /// Name of the pool; empty for cartridges of no pool.
    pub pool: String,
    /// `blank`, `written`, `unknown` (in a drive, or not read since), `cleaning` or `unusable`.
    pub state: String,
    /// Number of cartridges in this library, pool and state.
    pub count: u64,
}

/// Corrupt records in one directory of cartridges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorruptRecordCount {
    /// The directory, as the configuration names it; the data directory if it names none; empty for cartridges in memory.
    pub directory: String,
    /// Records that a drive could not read, or that a job of verification found damaged, since the start of the daemon. A
    /// record that is found again counts again.
    pub found: u64,
}

/// Space of the file system of one directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectorySpace {
    /// The directory, as the configuration names it.
    pub directory: String,
    /// Free space in bytes for the daemon.
    pub free_bytes: u64,
    /// Size of the file system in bytes.
    pub size_bytes: u64,
}

/// The measurements of an iSCSI portal: connections, sessions, logins and bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalMetrics {
    /// Address and port of the portal.
    pub address: SocketAddr,
    /// Its counters since it was opened.
    #[serde(flatten)]
    pub counters: PortalCounters,
}

/// The counters of an iSCSI portal since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalCounters {
    /// Open connections, logged in or not.
    pub connections: u64,
    /// Open normal sessions with a target.
    pub sessions: u64,
    /// Logins to targets that were accepted.
    pub logins: u64,
    /// Logins that were refused, by status class and detail in hexadecimal digits, such as `0201` (RFC 7143 §11.13.5).
    pub logins_refused: BTreeMap<String, u64>,
    /// Bytes that were received from initiators, with the headers of PDUs.
    pub received_bytes: u64,
    /// Bytes that were sent to initiators, with the headers of PDUs.
    pub sent_bytes: u64,
}

/// The counters and the sessions of an iSCSI portal. The portal supplies it to the site with its address.
pub trait PortalStatistics: Send + Sync {
    /// The counters at this time. It must not wait for an initiator.
    fn counters(&self) -> PortalCounters;

    /// The open normal sessions, in any order. It must not wait for an initiator.
    fn sessions(&self) -> Vec<SessionState>;

    /// Closes all connections without a word to the initiators, and serves none until this monotonic time: an injected loss of
    /// power. It must not wait. By default, it does nothing.
    fn lose_power(&self, _until: Instant) {}
}

impl Site {
    /// Measures the site. Waits for no unit; the cost grows with the number of elements and cartridges.
    #[must_use]
    pub fn metrics(&self) -> SiteMetrics {
        SiteMetrics {
            release: env!("CARGO_PKG_VERSION").into(),
            libraries: self.libraries().iter().map(|library| library.metrics()).collect(),
            cartridges: self.count_cartridges(),
            directories: self.shared.disk_space.measure(),
            sync_us: self.shared.sync_times.counts(),
            corrupt_records: self.shared.corrupt_records.counts(),
            portals: self.portal_metrics(),
            notify: self.notify_status(),
            shelves: self.shelf_status(),
            process: ProcessMetrics::of_this_process(),
        }
    }

    fn portal_metrics(&self) -> Vec<PortalMetrics> {
        let portals = read(&self.portals).clone();
        portals
            .iter()
            .map(|(address, portal)| PortalMetrics { address: *address, counters: portal.counters() })
            .collect()
    }

    fn count_cartridges(&self) -> Vec<CartridgeCount> {
        let (pools, unusable) = (self.pools(), self.shared.unusable.barcodes());
        let mut counts: BTreeMap<(String, &str, &'static str), u64> = BTreeMap::new();
        for (name, entry) in &*self.shared.inventory() {
            let library = match &entry.location {
                Location::Element { library, .. } => library.clone(),
                Location::Shelf(_) => String::new(),
            };
            let pool = pools.iter().find(|pool| pool.pattern.number(name).is_some()).map_or("", |pool| &pool.name);
            let barcode = Barcode::new(name);
            let is_unusable = barcode.as_ref().is_none_or(|barcode| unusable.contains(barcode));
            let state = if is_unusable { "unusable" } else { cartridge_state(barcode.as_ref(), entry) };
            *counts.entry((library, pool, state)).or_default() += 1;
        }
        let count = |((library, pool, state), count): ((String, &str, &str), u64)| CartridgeCount {
            library,
            pool: pool.into(),
            state: state.into(),
            count,
        };
        counts.into_iter().map(count).collect()
    }
}

fn cartridge_state(barcode: Option<&Barcode>, entry: &CartridgeRecord) -> &'static str {
    let kind = barcode.and_then(|barcode| entry.media(barcode)).map(|(_, kind)| kind);
    match entry.blank {
        _ if kind == Some(CartridgeKind::Cleaning) => "cleaning",
        Some(true) => "blank",
        Some(false) => "written",
        None => "unknown",
    }
}

impl Library {
    /// The number of slots and I/O elements in each state that occurs.
    fn count_elements(
        &self,
        layout: &ElementLayout,
        faults: &BTreeMap<ElementAddress, ElementFault>,
    ) -> Vec<ElementCount> {
        let full = self.full_elements();
        let mut counts = Vec::new();
        for (element, range) in [("io", layout.import_export), ("slot", layout.storage)] {
            let is_here = |address: &ElementAddress| range.index(*address).is_some();
            let faulty = |fault| faults.iter().filter(|(address, other)| is_here(address) && **other == fault).count();
            let full = full.iter().filter(|address| is_here(address) && !faults.contains_key(address)).count();
            let (blocked, disabled) = (faulty(ElementFault::Blocked), faulty(ElementFault::Disabled));
            let empty = usize::from(range.count).saturating_sub(blocked + disabled + full);
            for (state, count) in [("blocked", blocked), ("disabled", disabled), ("empty", empty), ("full", full)] {
                if count > 0 {
                    counts.push(ElementCount { element: element.into(), state: state.into(), count: count as u64 });
                }
            }
        }
        counts
    }

    fn metrics(&self) -> LibraryMetrics {
        let (operator_state, layout) = (self.operator_state(), self.layout());
        let changer = self.changer_unit();
        let moves = changer.move_counts();
        let offline = &operator_state.drives_offline;
        let drives = self.drives();
        let is_online = |drive: &Unit| {
            let address = drive.drive_index().and_then(|index| layout.drives.addresses().nth(index));
            address.is_none_or(|address| !offline.contains(&address))
        };
        LibraryMetrics {
            name: self.name().into(),
            changer: unit_metrics(&changer, !operator_state.offline, false),
            moves: MoveMetrics { done: moves.done, refused: moves.refused, failed: moves.failed },
            elements: self.count_elements(&layout, &operator_state.element_faults),
            drives: drives.iter().map(|drive| drive_metrics(drive, is_online(drive))).collect(),
        }
    }
}

fn unit_metrics(unit: &Unit, online: bool, is_drive: bool) -> UnitMetrics {
    UnitMetrics {
        serial: unit.identity().serial.clone(),
        online,
        faulty: unit.faulty().is_some(),
        queue_depth: unit.queue_depth(),
        commands: unit.counters(),
        alerts: crate::control::raised_flags(unit)
            .map(|flag| (flag, crate::control::flag_name(flag, is_drive)))
            .collect(),
    }
}

fn drive_metrics(unit: &Arc<Unit>, online: bool) -> DriveMetrics {
    let DriveCounts { counters, written_sizes, read_sizes, position, loads, cleanings, modelled: _ } =
        unit.drive_counts();
    let threaded = unit.is_threaded();
    DriveMetrics {
        name: unit.name().unit.to_string(),
        unit: unit_metrics(unit, online, true),
        written_bytes: counters.written_by_host,
        written_to_medium_bytes: counters.written_to_medium,
        read_bytes: counters.read_by_host,
        read_from_medium_bytes: counters.read_from_medium,
        written_sizes,
        read_sizes,
        filemarks: counters.filemarks,
        read_failures: counters.read_failures,
        write_failures: counters.write_failures,
        threaded,
        position: position.filter(|_| threaded),
        loads,
        cleanings,
    }
}
