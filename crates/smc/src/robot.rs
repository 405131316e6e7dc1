//! The robot and the doors around it: what operators and faults have done to a library.

use crate::element::{ElementAddress, ElementFault, LabelDefect};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tape_store::cartridge::Barcode;

/// What operators have set. It lasts through a loss of power, so the owner keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorState {
    /// The robot is off line.
    pub offline: bool,
    /// The access door is open.
    pub door_open: bool,
    /// The import/export station is open.
    pub station_open: bool,
    /// Elements that cannot be used.
    #[serde(rename = "troubles")]
    pub element_faults: BTreeMap<ElementAddress, ElementFault>,
    /// Drives that are off line.
    pub drives_offline: BTreeSet<ElementAddress>,
    /// Labels that cannot be read, by the cartridge's own name.
    #[serde(rename = "labels", with = "by_name")]
    pub label_defects: BTreeMap<Barcode, LabelDefect>,
}

/// Labels in a file: a barcode is checked as it is read.
mod by_name {
    use super::{BTreeMap, Barcode, Deserialize, LabelDefect};
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(labels: &BTreeMap<Barcode, LabelDefect>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(labels.iter().map(|(barcode, label)| (barcode.as_str(), label)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Barcode, LabelDefect>, D::Error> {
        let named = BTreeMap::<String, LabelDefect>::deserialize(from)?;
        let check = |(name, label): (String, LabelDefect)| {
            let barcode = Barcode::new(&name).ok_or_else(|| D::Error::custom(format!("{name:?} is not a barcode")));
            Ok((barcode?, label))
        };
        named.into_iter().map(check).collect()
    }
}

/// A failure of the robot that is yet to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RobotFault {
    /// It cannot grip a cartridge: 4/15/01, which stays where it was.
    Pick,
    /// It cannot put one down: 4/15/01, and brings it back.
    Place,
    /// A drive does not take the cartridge: 4/53/00, which goes back.
    Load,
    /// A drive does not give its cartridge: 4/53/01.
    Unload,
}

/// Names of what a library counts for life.
pub(crate) mod lifetime {
    /// Cartridges brought from one element to another.
    pub(crate) const MOVES: &str = "moves";
    /// Cartridges gripped, and second attempts at that.
    pub(crate) const PICKS: &str = "picks";
    pub(crate) const PICK_RETRIES: &str = "pick_retries";
    /// Cartridges put down, and second attempts at that.
    pub(crate) const PLACES: &str = "places";
    pub(crate) const PLACE_RETRIES: &str = "place_retries";
    /// Labels read, and labels that could not be.
    pub(crate) const TAGS_READ: &str = "tags_read";
    pub(crate) const INVALID_TAGS: &str = "invalid_tags";
    /// Times that the access door and the import/export station were opened.
    pub(crate) const DOOR_OPENS: &str = "door_opens";
    pub(crate) const STATION_OPENS: &str = "station_opens";
    /// Inventories taken of the whole library.
    pub(crate) const SCANS: &str = "scans";
}
