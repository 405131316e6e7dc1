//! Where every cartridge of a site is: in an element of a library, or on a shelf outside.

use crate::keeper::{Change, KeepError, Keeper};
use serde::{Deserialize, Serialize};
use smc::element::Address;
use smc::library::{Origin, Place};
use std::collections::BTreeMap;

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

/// A cartridge as its site knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is.
    pub place: Where,
    /// Bytes it holds.
    pub size: u64,
}

/// Every cartridge that a site has, by barcode.
pub type Inventory = BTreeMap<String, Entry>;

const PREFIX: &str = "cartridge/";

/// Reads it.
pub(crate) fn read(keeper: &Keeper) -> Result<Inventory, KeepError> {
    keeper.all(PREFIX)
}

/// Notes where a cartridge is.
pub(crate) fn note(change: &mut Change, barcode: &str, entry: &Entry) -> Result<(), KeepError> {
    change.set(format!("{PREFIX}{barcode}"), entry)
}
