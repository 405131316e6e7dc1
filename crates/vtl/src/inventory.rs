//! Where every cartridge of a site is: in an element of a library, or on a shelf outside.

use crate::config::CartridgeSetup;
use crate::state_store::{Change, StateError, StateStore};
use serde::{Deserialize, Serialize};
use smc::element::Address;
use smc::library::{Origin, Place};
use std::collections::{BTreeMap, BTreeSet};
use tape_store::cartridge::{Barcode, Cartridge, Kind};
use tape_store::media::MediaSpec;

/// Where a cartridge is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Where {
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

impl Where {
    /// An element of a library.
    pub(crate) fn of(library: &str, place: &Place) -> Self {
        Self::Element {
            library: library.into(),
            address: place.address.0,
            source: place.origin.source.map(|source| source.0),
            by_operator: place.origin.by_operator,
        }
    }

    /// The element, if it is one of this library, and how the cartridge came there.
    pub(crate) fn element_of(&self, wanted: &str) -> Option<(Address, Origin)> {
        match self {
            Self::Element { library, address, source, by_operator } if library == wanted => {
                let origin = Origin { source: source.map(Address), by_operator: *by_operator };
                Some((Address(*address), origin))
            }
            _ => None,
        }
    }
}

/// What a cartridge is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct What {
    /// The name of its medium.
    pub medium: String,
    /// What it is for: the name of that.
    pub kind: String,
}

/// A cartridge as its site knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is.
    pub place: Where,
    /// Bytes it holds.
    pub size: u64,
    /// Nothing is written on it; unknown since it was last in a drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blank: Option<bool>,
    /// The library that it left for the shelf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// What it is, unless its label says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<What>,
}

impl Entry {
    /// A new cartridge at a place.
    pub(crate) fn new(place: Where, setup: &CartridgeSetup) -> Self {
        let entry = Self { place, size: setup.size, blank: Some(true), left: None, what: None };
        entry.of(&setup.barcode, setup.media, setup.kind)
    }

    /// A cartridge that came to be beside the site.
    pub(crate) fn found(place: Where, cartridge: &Cartridge) -> Self {
        let entry = Self { place, size: cartridge.capacity(), blank: None, left: None, what: None };
        entry.of(cartridge.barcode(), cartridge.media(), cartridge.kind())
    }

    fn of(mut self, barcode: &Barcode, media: &MediaSpec, kind: Kind) -> Self {
        let what = What { medium: media.name.into(), kind: kind.name().into() };
        self.what = barcode.media().is_none_or(|label| label != (media, kind)).then_some(what);
        self
    }

    /// What the cartridge is, and what it is for.
    pub(crate) fn media(&self, barcode: &Barcode) -> Option<(&'static MediaSpec, Kind)> {
        match &self.what {
            None => barcode.media(),
            Some(what) => Some((tape_store::media::by_name(&what.medium)?, Kind::by_name(&what.kind)?)),
        }
    }

    /// It came from there to where it is now, in or out of this library.
    pub(crate) fn note_move(&mut self, library: &str, from: &Where, is_drive: impl Fn(Address) -> bool) {
        self.left = matches!(self.place, Where::Shelf(_)).then(|| library.into());
        let was_in_drive = |place: &Where| place.element_of(library).is_some_and(|(address, _)| is_drive(address));
        if was_in_drive(from) || was_in_drive(&self.place) {
            self.blank = None;
        }
    }
}

/// Every cartridge that a site has, by barcode.
pub type Inventory = BTreeMap<String, Entry>;

const PREFIX: &str = "cartridge/";
/// Cartridges that an operator has thrown away.
const GOING: &str = "going/";

/// Cartridges that an operator has had forgotten: a configuration that lists them does not bring them back.
const DISMISSED: &str = "dismissed/";

/// A cartridge is not to be known any more; its files stay.
pub(crate) fn dismiss(change: &mut Change, barcode: &str) -> Result<(), StateError> {
    change.remove(key_of(barcode));
    change.set(dismissed_key(barcode), &true)
}

/// Key of a cartridge that was dismissed.
pub(crate) fn dismissed_key(barcode: &str) -> String {
    format!("{DISMISSED}{barcode}")
}

/// Cartridges that were dismissed and have not come back.
pub(crate) fn dismissed(state: &StateStore) -> Result<BTreeSet<String>, StateError> {
    Ok(state.all::<bool>(DISMISSED)?.into_keys().collect())
}

/// Key of a cartridge.
pub(crate) fn key_of(barcode: &str) -> String {
    format!("{PREFIX}{barcode}")
}

/// The cartridge of a key, if it is one's.
pub(crate) fn barcode_of(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX)
}

/// Key of a cartridge whose files are to go.
pub(crate) fn going_key(barcode: &str) -> String {
    format!("{GOING}{barcode}")
}

/// Reads it.
pub(crate) fn read(state: &StateStore) -> Result<Inventory, StateError> {
    state.all(PREFIX)
}

/// A cartridge is no more; its files are to go.
pub(crate) fn forget(change: &mut Change, barcode: &str) -> Result<(), StateError> {
    change.remove(key_of(barcode));
    change.set(going_key(barcode), &true)
}

/// Its files have gone.
pub(crate) fn forgotten(change: &mut Change, barcode: &str) {
    change.remove(going_key(barcode));
}

/// Cartridges whose files are to go.
pub(crate) fn going(state: &StateStore) -> Result<Vec<String>, StateError> {
    Ok(state.all::<bool>(GOING)?.into_keys().collect())
}

/// Takes back that a cartridge is there.
pub(crate) fn withdraw(change: &mut Change, barcode: &str) {
    change.remove(key_of(barcode));
}

/// Notes where a cartridge is: its files stay, whatever was meant to become of them.
pub(crate) fn note(change: &mut Change, barcode: &str, entry: &Entry) -> Result<(), StateError> {
    change.remove(going_key(barcode));
    change.remove(dismissed_key(barcode));
    change.set(key_of(barcode), entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_before_have_what_their_labels_say() {
        let entry: Entry = serde_json::from_str(r#"{"place":{"shelf":"main"},"size":64}"#).unwrap();
        let media = |name: &str| entry.media(&Barcode::new(name).unwrap()).map(|(media, kind)| (media.name, kind));
        assert_eq!(media("V00001LY"), Some(("LTO-8", Kind::Worm)));
        assert_eq!(media("ARCHIVE"), None);
        let what = r#"{"medium":"T10KB","kind":"cleaning"}"#;
        let entry: Entry =
            serde_json::from_str(&format!(r#"{{"place":{{"shelf":"main"}},"size":64,"what":{what}}}"#)).unwrap();
        let barcode = Barcode::new("V00001L8").unwrap();
        assert_eq!(entry.media(&barcode).map(|(media, kind)| (media.name, kind)), Some(("T10KB", Kind::Cleaning)));
    }
}
