//! The location of every cartridge of a site: an element of a library, or a shelf outside the libraries.

use crate::config::CartridgeSetup;
pub use crate::shelved::{MemoryFacts, Shelved};
use crate::state_store::{StateError, StateStore, Transaction};
use serde::{Deserialize, Serialize};
use smc::element::ElementAddress;
use smc::library::{CartridgeLocation, SourceElement};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind};
use tape_store::media::MediaSpec;

/// Location of a cartridge: an element or a shelf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In an element of a library.
    Element {
        /// Name of the library that has the element.
        library: String,
        /// Element address, as in SMC commands.
        address: u16,
        /// Source storage element address (SMC SVALID); `None` if it is not valid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<u16>,
        /// An operator, not the robot, has put the cartridge into the element.
        #[serde(default)]
        by_operator: bool,
    },
    /// Outside the libraries, on the shelf with this name.
    Shelf(String),
}

impl fmt::Display for Location {
    /// The element by its address, without its library, or the shelf.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element { address, .. } => write!(f, "element {address}"),
            Self::Shelf(shelf) => write!(f, "shelf {shelf}"),
        }
    }
}

impl Location {
    /// Converts the location that a changer of this library reports.
    pub(crate) fn from_changer(library: &str, location: &CartridgeLocation) -> Self {
        Self::Element {
            library: library.into(),
            address: location.address.0,
            source: location.source_element.address.map(|source| source.0),
            by_operator: location.source_element.by_operator,
        }
    }

    /// The element address and the source element, if the cartridge is in this library.
    pub(crate) fn element_in(&self, wanted: &str) -> Option<(ElementAddress, SourceElement)> {
        match self {
            Self::Element { library, address, source, by_operator } if library == wanted => {
                let origin = SourceElement { address: source.map(ElementAddress), by_operator: *by_operator };
                Some((ElementAddress(*address), origin))
            }
            _ => None,
        }
    }
}

/// Medium and kind of a cartridge whose barcode does not name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaKind {
    /// Name of the medium, such as `LTO-8`.
    pub medium: String,
    /// Name of the cartridge kind: `data`, `worm`, `null` or `cleaning`.
    pub kind: String,
}

/// The inventory record of a cartridge: its location, size and use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartridgeRecord {
    /// Current location of the cartridge.
    #[serde(rename = "place")]
    pub location: Location,
    /// Native capacity of the cartridge in bytes.
    pub size: u64,
    /// Whether no data is recorded; `None` until the tape is read again, after the cartridge has been in a drive, or, on a shelf on
    /// object storage, where another site can have written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blank: Option<bool>,
    /// Library from which the cartridge was exported to the shelf.
    #[serde(rename = "left", default, skip_serializing_if = "Option::is_none")]
    pub exported_from: Option<String>,
    /// Medium and kind; `None` if the barcode names them.
    #[serde(rename = "what", default, skip_serializing_if = "Option::is_none")]
    pub media_kind: Option<MediaKind>,
    /// The shelf on object storage that has its files, with the facts of its cartridge memory; `None` if the files are in a
    /// directory, or their place is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shelved: Option<Box<Shelved>>,
    /// Number of the last change of the cartridge by this process. Facts that were read before it are not remembered.
    #[serde(skip)]
    pub(crate) last_change: u64,
}

impl CartridgeRecord {
    /// The record of a cartridge of which only the location and the size are known.
    pub(crate) const fn at(location: Location, size: u64) -> Self {
        Self { location, size, blank: None, exported_from: None, media_kind: None, shelved: None, last_change: 0 }
    }

    /// The record of a new, blank cartridge.
    pub(crate) fn new(location: Location, setup: &CartridgeSetup) -> Self {
        let (size, blank) = (setup.size, Some(true));
        let entry = Self { blank, ..Self::at(location, size) };
        entry.with_media_kind(&setup.barcode, setup.media, setup.kind)
    }

    /// The record of a cartridge that was created outside the site.
    pub(crate) fn from_cartridge(location: Location, cartridge: &Cartridge) -> Self {
        let entry = Self::at(location, cartridge.capacity());
        entry.with_media_kind(cartridge.barcode(), cartridge.media(), cartridge.kind())
    }

    fn with_media_kind(mut self, barcode: &Barcode, media: &MediaSpec, kind: CartridgeKind) -> Self {
        let media_kind = MediaKind { medium: media.name.into(), kind: kind.name().into() };
        self.media_kind = barcode.media().is_none_or(|label| label != (media, kind)).then_some(media_kind);
        self
    }

    /// Medium and kind of the cartridge; `None` if neither the record nor the barcode names a known medium.
    pub(crate) fn media(&self, barcode: &Barcode) -> Option<(&'static MediaSpec, CartridgeKind)> {
        match &self.media_kind {
            None => barcode.media(),
            Some(media_kind) => {
                Some((tape_store::media::by_name(&media_kind.medium)?, CartridgeKind::by_name(&media_kind.kind)?))
            }
        }
    }

    /// Updates the record after a move from `from` to the current location, into, within or out of this library. Another site can
    /// have written a cartridge on a shelf on object storage while it was outside the libraries.
    pub(crate) fn record_move(
        &mut self,
        library: &str,
        from: &Location,
        is_on_object_shelf: bool,
        is_drive: impl Fn(ElementAddress) -> bool,
    ) {
        self.exported_from = matches!(self.location, Location::Shelf(_)).then(|| library.into());
        let was_in_drive =
            |location: &Location| location.element_in(library).is_some_and(|(address, _)| is_drive(address));
        let is_outside = |location: &Location| matches!(location, Location::Shelf(_));
        let was_elsewhere = is_on_object_shelf && (is_outside(from) || is_outside(&self.location));
        if was_elsewhere || was_in_drive(from) || was_in_drive(&self.location) {
            self.blank = None;
            self.forget_facts();
        }
    }
}

/// All cartridges of a site, by barcode.
pub type Inventory = BTreeMap<String, CartridgeRecord>;

const CARTRIDGE_PREFIX: &str = "cartridge/";
/// Key prefix of deleted cartridges whose files are not removed yet.
const DELETION_PREFIX: &str = "going/";

/// Key prefix of forgotten cartridges: a configuration that lists them does not create them again.
const FORGOTTEN_PREFIX: &str = "dismissed/";

/// Removes a cartridge from the inventory and keeps its files.
pub(crate) fn mark_forgotten(change: &mut Transaction, barcode: &str) -> Result<(), StateError> {
    change.remove(cartridge_key(barcode));
    change.set(forgotten_key(barcode), &true)
}

/// State key of a forgotten cartridge.
pub(crate) fn forgotten_key(barcode: &str) -> String {
    format!("{FORGOTTEN_PREFIX}{barcode}")
}

/// The barcodes of forgotten cartridges that have not been added again.
pub(crate) fn forgotten_cartridges(state: &StateStore) -> Result<BTreeSet<String>, StateError> {
    Ok(state.get_prefix::<bool>(FORGOTTEN_PREFIX)?.into_keys().collect())
}

/// State key of a cartridge.
pub(crate) fn cartridge_key(barcode: &str) -> String {
    format!("{CARTRIDGE_PREFIX}{barcode}")
}

/// The barcode in a state key; `None` if it is not the key of a cartridge.
pub(crate) fn barcode_from_key(key: &str) -> Option<&str> {
    key.strip_prefix(CARTRIDGE_PREFIX)
}

/// State key of a cartridge whose files are to be removed.
pub(crate) fn deletion_key(barcode: &str) -> String {
    format!("{DELETION_PREFIX}{barcode}")
}

/// Reads the inventory from the state.
pub(crate) fn load(state: &StateStore) -> Result<Inventory, StateError> {
    state.get_prefix(CARTRIDGE_PREFIX)
}

/// Removes a cartridge from the inventory and marks its files for removal.
pub(crate) fn mark_for_deletion(change: &mut Transaction, barcode: &str) -> Result<(), StateError> {
    change.remove(cartridge_key(barcode));
    change.set(deletion_key(barcode), &true)
}

/// Removes the mark: the files of the cartridge have been removed.
pub(crate) fn clear_deletion_mark(change: &mut Transaction, barcode: &str) {
    change.remove(deletion_key(barcode));
}

/// The barcodes of cartridges whose files are to be removed.
pub(crate) fn pending_deletions(state: &StateStore) -> Result<Vec<String>, StateError> {
    Ok(state.get_prefix::<bool>(DELETION_PREFIX)?.into_keys().collect())
}

/// Removes the record of a cartridge.
pub(crate) fn remove(change: &mut Transaction, barcode: &str) {
    change.remove(cartridge_key(barcode));
}

/// Stores the record of a cartridge, and removes its marks for deletion and as forgotten.
pub(crate) fn insert(change: &mut Transaction, barcode: &str, entry: &CartridgeRecord) -> Result<(), StateError> {
    change.remove(deletion_key(barcode));
    change.remove(forgotten_key(barcode));
    change.set(cartridge_key(barcode), entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_media_kind_use_barcode() {
        let entry: CartridgeRecord = serde_json::from_str(r#"{"place":{"shelf":"main"},"size":64}"#).unwrap();
        let media = |name: &str| entry.media(&Barcode::new(name).unwrap()).map(|(media, kind)| (media.name, kind));
        assert_eq!(media("V00001LY"), Some(("LTO-8", CartridgeKind::Worm)));
        assert_eq!(media("ARCHIVE"), None);
        let media_kind = r#"{"medium":"T10KB","kind":"cleaning"}"#;
        let entry: CartridgeRecord =
            serde_json::from_str(&format!(r#"{{"place":{{"shelf":"main"}},"size":64,"what":{media_kind}}}"#)).unwrap();
        let barcode = Barcode::new("V00001L8").unwrap();
        assert_eq!(
            entry.media(&barcode).map(|(media, kind)| (media.name, kind)),
            Some(("T10KB", CartridgeKind::Cleaning))
        );
    }
}
