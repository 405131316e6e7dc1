//! The elements of a library as of its last durable change, for readers that do not wait for the changer.

use super::{Library, cartridge_media};
use crate::inventory::{CartridgeRecord, Location};
use smc::element::{ElementAddress, ElementContent, ElementLayout};
use smc::library::CartridgeLocation;
use smc::robot::OperatorState;
use std::collections::{BTreeMap, BTreeSet};
use tape_store::cartridge::Barcode;

/// The elements of a library, the cartridges in them, and what operators have set.
pub(crate) struct Elements {
    pub(crate) layout: ElementLayout,
    pub(crate) operator_state: OperatorState,
    contents: BTreeMap<ElementAddress, ElementContent>,
    /// Elements of the shared I/O station that other partitions of the chassis use.
    pub(crate) taken: BTreeSet<ElementAddress>,
}

impl Elements {
    /// The visible part of the cartridge in an element; `None` if it is empty or does not exist.
    pub(crate) fn content(&self, address: ElementAddress) -> Option<&ElementContent> {
        self.contents.get(&address)
    }

    /// The element that holds a cartridge; `None` if it is not in the library.
    pub(crate) fn address_of(&self, barcode: &Barcode) -> Option<ElementAddress> {
        self.contents.iter().find(|(_, content)| content.barcode == *barcode).map(|(address, _)| *address)
    }

    /// Whether an element is empty, and neither disabled, nor blocked, nor offline, nor used by another partition.
    pub(crate) fn is_free(&self, address: ElementAddress) -> bool {
        let state = &self.operator_state;
        !self.contents.contains_key(&address)
            && !state.element_faults.contains_key(&address)
            && !state.drives_offline.contains(&address)
            && !self.taken.contains(&address)
    }
}

impl Library {
    /// The elements as of the last durable change. During a move, its cartridge is in the source element.
    pub(crate) fn elements(&self) -> Elements {
        let operator_state = self.shared.operator_state(&self.name);
        let content = |(name, entry): (&String, &CartridgeRecord)| {
            let (address, source_element) = entry.location.element_in(&self.name)?;
            let barcode = Barcode::new(name)?;
            let content = ElementContent {
                label: operator_state.label_defects.get(&barcode).copied(),
                kind: cartridge_media(&barcode, entry).1,
                source: source_element.address,
                by_operator: source_element.by_operator,
                unusable: false,
                barcode,
            };
            Some((address, content))
        };
        let contents = self.shared.inventory().iter().filter_map(content).collect();
        Elements { layout: self.layout(), contents, operator_state, taken: self.taken_elements() }
    }

    /// The elements of the shared I/O station that other partitions of the chassis use.
    fn taken_elements(&self) -> BTreeSet<ElementAddress> {
        let Some(partition) = &self.partition else { return BTreeSet::new() };
        let station = self.layout().import_export;
        let is_taken =
            |address: &ElementAddress| station.index(*address).is_some_and(|index| partition.is_taken(index));
        station.addresses().filter(is_taken).collect()
    }

    /// The addresses of the elements that hold a cartridge.
    pub(crate) fn full_elements(&self) -> Vec<ElementAddress> {
        let address = |entry: &CartridgeRecord| entry.location.element_in(&self.name).map(|(address, _)| address);
        self.shared.inventory().values().filter_map(address).collect()
    }

    /// What operators have set in the library.
    pub(crate) fn operator_state(&self) -> OperatorState {
        self.shared.operator_state(&self.name)
    }

    /// All cartridges in the library, with their locations.
    #[must_use]
    pub fn locations(&self) -> Vec<(Barcode, Location)> {
        let location = |(name, entry): (&String, &CartridgeRecord)| {
            let (address, source_element) = entry.location.element_in(&self.name)?;
            let barcode = Barcode::new(name)?;
            let location = CartridgeLocation { address, barcode: barcode.clone(), source_element };
            Some((barcode, Location::from_changer(&self.name, &location)))
        };
        self.shared.inventory().iter().filter_map(location).collect()
    }
}
