//! Where every cartridge of a site is: in an element of a library, or on a shelf outside.

use crate::config::CartridgeSetup;
use crate::state_store::{StateError, StateStore, Transaction};
use serde::{Deserialize, Serialize};
use smc::element::ElementAddress;
use smc::library::{CartridgeLocation, SourceElement};
use std::collections::{BTreeMap, BTreeSet};
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind};
use tape_store::media::MediaSpec;

/// Where a cartridge is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In an element.
    Element {
        /// Of this library.
        library: String,
        /// Its address.
        address: u16,
        /// The storage element it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<u16>,
        /// An operator put it there.
        #[serde(default)]
        by_operator: bool,
    },
    /// Outside, on a shelf of this name.
    Shelf(String),
}

impl Location {
    /// An element of a library.
    pub(crate) fn from_changer(library: &str, place: &CartridgeLocation) -> Self {
        Self::Element {
            library: library.into(),
            address: place.address.0,
            source: place.source_element.address.map(|source| source.0),
            by_operator: place.source_element.by_operator,
        }
    }

    /// The element, if it is one of this library, and how the cartridge came there.
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

/// What a cartridge is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaKind {
    /// The name of its medium.
    pub medium: String,
    /// What it is for: the name of that.
    pub kind: String,
}

/// A cartridge as its site knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartridgeRecord {
    /// Where it is.
    #[serde(rename = "place")]
    pub location: Location,
    /// Bytes it holds.
    pub size: u64,
    /// Nothing is written on it; unknown since it was last in a drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blank: Option<bool>,
    /// The library that it left for the shelf.
    #[serde(rename = "left", default, skip_serializing_if = "Option::is_none")]
    pub exported_from: Option<String>,
    /// What it is, unless its label says so.
    #[serde(rename = "what", default, skip_serializing_if = "Option::is_none")]
    pub media_kind: Option<MediaKind>,
}

impl CartridgeRecord {
    /// A new cartridge at a place.
    pub(crate) fn new(place: Location, setup: &CartridgeSetup) -> Self {
        let entry =
            Self { location: place, size: setup.size, blank: Some(true), exported_from: None, media_kind: None };
        entry.with_media_kind(&setup.barcode, setup.media, setup.kind)
    }

    /// A cartridge that came to be beside the site.
    pub(crate) fn from_cartridge(place: Location, cartridge: &Cartridge) -> Self {
        let entry =
            Self { location: place, size: cartridge.capacity(), blank: None, exported_from: None, media_kind: None };
        entry.with_media_kind(cartridge.barcode(), cartridge.media(), cartridge.kind())
    }

    fn with_media_kind(mut self, barcode: &Barcode, media: &MediaSpec, kind: CartridgeKind) -> Self {
        let what = MediaKind { medium: media.name.into(), kind: kind.name().into() };
        self.media_kind = barcode.media().is_none_or(|label| label != (media, kind)).then_some(what);
        self
    }

    /// What the cartridge is, and what it is for.
    pub(crate) fn media(&self, barcode: &Barcode) -> Option<(&'static MediaSpec, CartridgeKind)> {
        match &self.media_kind {
            None => barcode.media(),
            Some(what) => Some((tape_store::media::by_name(&what.medium)?, CartridgeKind::by_name(&what.kind)?)),
        }
    }

    /// It came from there to where it is now, in or out of this library.
    pub(crate) fn record_move(&mut self, library: &str, from: &Location, is_drive: impl Fn(ElementAddress) -> bool) {
        self.exported_from = matches!(self.location, Location::Shelf(_)).then(|| library.into());
        let was_in_drive = |place: &Location| place.element_in(library).is_some_and(|(address, _)| is_drive(address));
        if was_in_drive(from) || was_in_drive(&self.location) {
            self.blank = None;
        }
    }
}

/// Every cartridge that a site has, by barcode.
pub type Inventory = BTreeMap<String, CartridgeRecord>;

const CARTRIDGE_PREFIX: &str = "cartridge/";
/// Cartridges that an operator has thrown away.
const DELETION_PREFIX: &str = "going/";

/// Cartridges that an operator has had forgotten: a configuration that lists them does not bring them back.
const FORGOTTEN_PREFIX: &str = "dismissed/";

/// A cartridge is not to be known any more; its files stay.
pub(crate) fn mark_forgotten(change: &mut Transaction, barcode: &str) -> Result<(), StateError> {
    change.remove(cartridge_key(barcode));
    change.set(forgotten_key(barcode), &true)
}

/// Key of a cartridge that was dismissed.
pub(crate) fn forgotten_key(barcode: &str) -> String {
    format!("{FORGOTTEN_PREFIX}{barcode}")
}

/// Cartridges that were dismissed and have not come back.
pub(crate) fn forgotten_cartridges(state: &StateStore) -> Result<BTreeSet<String>, StateError> {
    Ok(state.get_prefix::<bool>(FORGOTTEN_PREFIX)?.into_keys().collect())
}

/// Key of a cartridge.
pub(crate) fn cartridge_key(barcode: &str) -> String {
    format!("{CARTRIDGE_PREFIX}{barcode}")
}

/// The cartridge of a key, if it is one's.
pub(crate) fn barcode_from_key(key: &str) -> Option<&str> {
    key.strip_prefix(CARTRIDGE_PREFIX)
}

/// Key of a cartridge whose files are to go.
pub(crate) fn deletion_key(barcode: &str) -> String {
    format!("{DELETION_PREFIX}{barcode}")
}

/// Reads it.
pub(crate) fn load(state: &StateStore) -> Result<Inventory, StateError> {
    state.get_prefix(CARTRIDGE_PREFIX)
}

/// A cartridge is no more; its files are to go.
pub(crate) fn mark_for_deletion(change: &mut Transaction, barcode: &str) -> Result<(), StateError> {
    change.remove(cartridge_key(barcode));
    change.set(deletion_key(barcode), &true)
}

/// Its files have gone.
pub(crate) fn clear_deletion_mark(change: &mut Transaction, barcode: &str) {
    change.remove(deletion_key(barcode));
}

/// Cartridges whose files are to go.
pub(crate) fn pending_deletions(state: &StateStore) -> Result<Vec<String>, StateError> {
    Ok(state.get_prefix::<bool>(DELETION_PREFIX)?.into_keys().collect())
}

/// Takes back that a cartridge is there.
pub(crate) fn remove(change: &mut Transaction, barcode: &str) {
    change.remove(cartridge_key(barcode));
}

/// Notes where a cartridge is: its files stay, whatever was meant to become of them.
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
        let what = r#"{"medium":"T10KB","kind":"cleaning"}"#;
        let entry: CartridgeRecord =
            serde_json::from_str(&format!(r#"{{"place":{{"shelf":"main"}},"size":64,"what":{what}}}"#)).unwrap();
        let barcode = Barcode::new("V00001L8").unwrap();
        assert_eq!(
            entry.media(&barcode).map(|(media, kind)| (media.name, kind)),
            Some(("T10KB", CartridgeKind::Cleaning))
        );
    }
}
