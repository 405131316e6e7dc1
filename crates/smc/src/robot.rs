//! State of the robot and the doors: operator state, injected faults, and lifetime counters.

use crate::element::{ElementAddress, ElementFault, LabelDefect};
use scsi_core::template;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tape_store::cartridge::Barcode;

/// The state that operators set. It survives power loss, so the owner saves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorState {
    /// The robot is offline: NOT READY 04h/12h.
    pub offline: bool,
    /// The access door is open: NOT READY 04h/18h.
    pub door_open: bool,
    /// The I/O station is open, so the robot cannot reach its elements.
    pub station_open: bool,
    /// Elements that cannot be used, and why.
    #[serde(rename = "troubles")]
    pub element_faults: BTreeMap<ElementAddress, ElementFault>,
    /// Drive elements that are offline.
    pub drives_offline: BTreeSet<ElementAddress>,
    /// Labels that cannot be read, by barcode.
    #[serde(rename = "labels", with = "by_name")]
    pub label_defects: BTreeMap<Barcode, LabelDefect>,
}

/// Serialises label defects by barcode; reading checks each barcode.
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

/// A fault that the next robot operation of its type reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RobotFault {
    /// The robot cannot pick a cartridge, which stays in its element: HARDWARE ERROR 15h/01h.
    Pick,
    /// The robot cannot place a cartridge and returns it to its source: HARDWARE ERROR 15h/01h.
    Place,
    /// A drive rejects a cartridge, which is returned to its source: HARDWARE ERROR 53h/00h.
    Load,
    /// A drive does not unload its cartridge: HARDWARE ERROR 53h/01h.
    Unload,
}

/// The operations of a robot that an injected fault counts: those for which each given condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RobotMatcher {
    /// The kind of the operation; any if `None`.
    pub operation: Option<RobotFault>,
    /// The element at which the robot picks (`Pick`, `Unload`) or places (`Place`, `Load`); any if `None`.
    pub element: Option<ElementAddress>,
    /// Template of the barcode of the cartridge, with `*` and `?`; any if `None`.
    pub barcode: Option<String>,
}

impl RobotMatcher {
    /// Every operation of this kind.
    #[must_use]
    pub const fn of(operation: RobotFault) -> Self {
        Self { operation: Some(operation), element: None, barcode: None }
    }

    /// The same operations, if they are at this element.
    #[must_use]
    pub fn with_element(self, element: Option<ElementAddress>) -> Self {
        Self { element, ..self }
    }

    /// The same operations, if the barcode of their cartridge matches this template, with `*` and `?`.
    #[must_use]
    pub fn with_barcode(self, template: Option<String>) -> Self {
        Self { barcode: template, ..self }
    }

    pub(crate) fn matches(&self, operation: RobotFault, at: ElementAddress, barcode: Option<&str>) -> bool {
        let has_label = |wanted: &String| barcode.is_some_and(|barcode| template::matches(wanted, barcode));
        self.operation.is_none_or(|wanted| wanted == operation)
            && self.element.is_none_or(|element| element == at)
            && self.barcode.as_ref().is_none_or(has_label)
    }
}

/// The effect of an injected fault on an operation of the robot. The cartridge is in its source element afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RobotOutcome {
    /// The operation fails as [`RobotFault`] says.
    Fail,
    /// The robot grips a second cartridge: HARDWARE ERROR 3Bh/16h.
    DoublePick,
    /// The access door is opened, and stays open: NOT READY 04h/18h.
    OpenDoor,
}

/// The operation that fails, for error messages.
impl std::fmt::Display for RobotFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pick => "pick failed",
            Self::Place => "place failed",
            Self::Load => "load failed",
            Self::Unload => "unload failed",
        })
    }
}

/// Names of the lifetime counters of a library, as saved by the owner.
pub(crate) mod lifetime {
    /// Cartridges moved from one element to another.
    pub(crate) const MOVES: &str = "moves";
    /// Picks and pick retries.
    pub(crate) const PICKS: &str = "picks";
    pub(crate) const PICK_RETRIES: &str = "pick_retries";
    /// Places and place retries.
    pub(crate) const PLACES: &str = "places";
    pub(crate) const PLACE_RETRIES: &str = "place_retries";
    /// Labels read, and labels that could not be read.
    pub(crate) const TAGS_READ: &str = "tags_read";
    pub(crate) const INVALID_TAGS: &str = "invalid_tags";
    /// Openings of the access door and of the I/O station.
    pub(crate) const DOOR_OPENS: &str = "door_opens";
    pub(crate) const STATION_OPENS: &str = "station_opens";
    /// Inventory scans of the whole library.
    pub(crate) const SCANS: &str = "scans";
}
