//! What a site looks like at one moment.

use crate::inventory::Location;
use crate::library::Library;
use crate::site::Site;
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use smc::changer::Changer;
use smc::element::{ElementAddress, ElementFault, ElementType, LabelDefect};
use std::collections::BTreeMap;
use std::sync::Arc;
use tape_store::cartridge::Barcode;

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteStatus {
    /// The libraries.
    pub libraries: Vec<LibraryStatus>,
    /// Cartridges on each shelf.
    pub shelves: BTreeMap<String, Vec<String>>,
    /// What needs a person, such as a portal that is open to the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryStatus {
    /// Its name.
    pub name: String,
    /// Its model.
    pub model: String,
    /// Unit serial number of its changer.
    pub serial: String,
    /// The target it is behind.
    pub target: String,
    /// LUN of its changer.
    pub lun: usize,
    /// Its shelf.
    pub shelf: String,
    /// The robot works.
    pub online: bool,
    /// The access door is open.
    pub door_open: bool,
    /// The import/export station is open.
    pub station_open: bool,
    /// Names of the TapeAlert flags that are raised.
    pub alerts: Vec<String>,
    /// Its drives.
    pub drives: Vec<DriveStatus>,
    /// Its import/export elements.
    pub io_elements: Vec<ElementStatus>,
    /// Its slots.
    pub slots: Vec<ElementStatus>,
}

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveStatus {
    /// Its element.
    #[serde(flatten)]
    pub element: ElementStatus,
    /// Its model.
    pub model: String,
    /// Unit serial number.
    pub serial: String,
    /// LUN.
    pub lun: usize,
    /// Hosts and robot can use it.
    pub online: bool,
    /// Its cartridge waits to be taken.
    pub ejected: bool,
    /// Why it cannot use the cartridge in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// A tape is threaded: hosts can read it.
    #[serde(default)]
    pub threaded: bool,
    /// Names of the TapeAlert flags that are raised.
    #[serde(default)]
    pub alerts: Vec<String>,
}

/// An element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementStatus {
    /// Its number among its kind, from 1.
    pub number: usize,
    /// Its address.
    pub address: u16,
    /// The cartridge in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cartridge: Option<String>,
    /// What that is for: `data`, `worm`, `cleaning`, `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The storage element it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<u16>,
    /// What is wrong with its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelDefect>,
    /// What is wrong with the element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ElementFault>,
    /// Why no drive can use the cartridge in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// A cartridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartridgeStatus {
    /// Its label.
    pub cartridge: String,
    /// Where it is.
    pub location: Location,
    /// The name of the element it is in, such as `slot3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// Bytes it holds.
    pub size: u64,
    /// What it is for: `data`, `worm`, `null`, `cleaning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is wrong with its barcode label, if it is in a library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelDefect>,
    /// Number of cleanings that a cleaning cartridge is still good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanings_left: Option<u64>,
    /// Nothing is written on it; unknown since it was last in a drive. Not given for a cleaning cartridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blank: Option<bool>,
    /// The pool that its label is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Its write-protect tab is set.
    pub write_protected: bool,
    /// What is on it stays, until then: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<u64>,
    /// Why no drive can use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// How often it was loaded; of a cleaning cartridge, how often it cleaned.
    pub loads: u64,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub pool: String,
    /// Labels of its cartridges.
    pub pattern: String,
    /// Where new ones appear.
    pub library: String,
    /// Bytes that a new one holds.
    pub size: u64,
    /// How many there are, wherever they are.
    pub cartridges: usize,
    /// How many blank ones are at hand.
    pub scratch: usize,
    /// How many there are to be.
    pub wanted: usize,
}

impl Site {
    /// What everything looks like now.
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
        SiteStatus { libraries, shelves, warnings: self.warnings() }
    }
}

impl Library {
    /// What people call its model.
    fn model(&self) -> String {
        let (known, own) = (self.profile(), &self.identity().strings);
        if own.product == known.model.product { known.name.into() } else { format!("{} {}", own.vendor, own.product) }
    }

    /// What it looks like now.
    #[must_use]
    pub fn status(&self) -> LibraryStatus {
        // Before the changer is held: whoever changes the LUNs waits for it.
        let lun = self.lun();
        let unit = self.changer_unit();
        let drives: Vec<_> = self.drives().into_iter().map(|unit| (self.target().lun_of(&unit), unit)).collect();
        self.changer(|changer| {
            let elements = |kind| element_statuses(changer, kind, |barcode| self.unusable_reason(barcode));
            let drives = elements(ElementType::DRIVE).into_iter().zip(drives);
            let condition = changer.library().operator_state();
            let drive = |(element, (lun, unit)): (ElementStatus, (Option<usize>, Arc<Unit>))| DriveStatus {
                online: !condition.drives_offline.contains(&ElementAddress(element.address)),
                ejected: unit.bay_status().accessible,
                refused: unit.refused(),
                threaded: unit.is_threaded(),
                alerts: super::alerts::raised_flag_names(&unit, true),
                element,
                model: unit.identity().strings.product.clone(),
                serial: unit.identity().serial.clone(),
                lun: lun.unwrap_or_default(),
            };
            LibraryStatus {
                name: self.name().into(),
                model: self.model(),
                serial: self.identity().serial.clone(),
                target: self.target().name().into(),
                lun,
                shelf: self.shelf().into(),
                online: !condition.offline,
                door_open: condition.door_open,
                station_open: condition.station_open,
                alerts: super::alerts::raised_flag_names(&unit, false),
                drives: drives.map(drive).collect(),
                io_elements: elements(ElementType::IMPORT_EXPORT),
                slots: elements(ElementType::STORAGE),
            }
        })
    }
}

fn element_statuses(
    changer: &Changer,
    kind: ElementType,
    unusable: impl Fn(&Barcode) -> Option<String>,
) -> Vec<ElementStatus> {
    let layout = changer.library().layout();
    let range = layout.ranges().into_iter().find(|(other, _)| *other == kind);
    let addresses = range.into_iter().flat_map(|(_, range)| range.addresses());
    let troubles = &changer.library().operator_state().element_faults;
    let status = |(index, address): (usize, ElementAddress)| {
        let content = changer.content(address);
        ElementStatus {
            number: index + 1,
            address: address.0,
            cartridge: content.as_ref().map(|content| content.barcode.to_string()),
            kind: content.as_ref().map(|content| content.kind.name().into()),
            source: content.as_ref().and_then(|content| content.source).map(|source| source.0),
            label: content.as_ref().and_then(|content| content.label),
            fault: troubles.get(&address).copied(),
            unusable: content.as_ref().and_then(|content| unusable(&content.barcode)),
        }
    };
    addresses.enumerate().map(status).collect()
}
