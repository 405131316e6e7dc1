//! A site on a disk that a test has in its hands.
#![allow(dead_code, reason = "each test file uses its own part")]

use tape_store::backend::faulty::FaultyFolder;
use tape_store::backend::memory::MemoryShelves;
use tape_store::cartridge::Barcode;
use vtl::config::parse;
use vtl::data_dir::Data;
use vtl::inventory::Where;
use vtl::site::{Running, Site};

/// The disk of a site, for a second start.
#[derive(Clone, Default)]
pub(crate) struct Disk(pub(crate) MemoryShelves, pub(crate) FaultyFolder);

impl Disk {
    pub(crate) fn start(&self, text: &str) -> Result<Running, String> {
        let data = Data::of(Box::new(self.0.clone()), Box::new(self.1.clone()));
        Site::of(data, &parse("f", text).map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    }
}

pub(crate) fn barcode(text: &str) -> Barcode {
    Barcode::new(text).unwrap()
}

/// What the site says of a cartridge: where it is, and whether it is blank.
pub(crate) fn of(site: &Site, name: &str) -> (Where, Option<bool>) {
    let entry = site.inventory().remove(name).unwrap_or_else(|| panic!("no {name}"));
    (entry.place, entry.blank)
}

pub(crate) fn in_slot(library: &str, address: u16) -> Where {
    Where::Element { library: library.into(), address, source: None, by_operator: false }
}

/// In an element, where the robot brought it.
pub(crate) fn in_slot_from(library: &str, address: u16, source: u16) -> Where {
    Where::Element { library: library.into(), address, source: Some(source), by_operator: false }
}
