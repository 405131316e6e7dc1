//! A site on a disk that a test controls.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod commands;

use tape_store::backend::faulty::FaultyFolder;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::Barcode;
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::inventory::Location;
use vtl::site::{OpenSite, Site};

/// The disk of a site, which can be opened again.
#[derive(Clone, Default)]
pub(crate) struct Disk(pub(crate) MemoryFolderStore, pub(crate) FaultyFolder);

impl Disk {
    pub(crate) fn start(&self, text: &str) -> Result<OpenSite, String> {
        let data = DataDir::from_folders(Box::new(self.0.clone()), Box::new(self.1.clone()));
        Site::open_data_dir(data, &parse("f", text).map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())
    }
}

pub(crate) fn barcode(text: &str) -> Barcode {
    Barcode::new(text).unwrap()
}

/// The location of a cartridge in the inventory, and whether it is blank.
pub(crate) fn record_of(site: &Site, name: &str) -> (Location, Option<bool>) {
    let entry = site.inventory().remove(name).unwrap_or_else(|| panic!("no {name}"));
    (entry.location, entry.blank)
}

pub(crate) fn in_slot(library: &str, address: u16) -> Location {
    Location::Element { library: library.into(), address, source: None, by_operator: false }
}

/// The location in an element, moved there by the robot.
pub(crate) fn in_slot_from(library: &str, address: u16, source: u16) -> Location {
    Location::Element { library: library.into(), address, source: Some(source), by_operator: false }
}
