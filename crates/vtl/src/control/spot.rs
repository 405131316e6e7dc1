//! How people name an element.

use crate::library::{Library, LibraryError};
use smc::changer::Changer;
use smc::element::{Address, ElementType, Range};
use tape_store::cartridge::Barcode;

impl Library {
    /// The element that is meant: an address, a kind and a number from 1 (`slot3`, `drive1`, `port2`), or a cartridge.
    ///
    /// # Errors
    /// There is no such element, or no such cartridge in the library.
    pub fn spot(&self, text: &str) -> Result<Address, LibraryError> {
        self.changer(|changer| self.find(changer, text))
    }

    /// As [`Self::spot`], for who has the changer.
    pub(crate) fn find(&self, changer: &Changer, text: &str) -> Result<Address, LibraryError> {
        let unknown = |what: String| LibraryError::Unknown(format!("library {:?} has no {what}", self.name()));
        if let Ok(number) = text.parse::<u16>() {
            let known = self.layout().element_type(Address(number)).is_some();
            return if known { Ok(Address(number)) } else { Err(unknown(format!("element {number}"))) };
        }
        let layout = self.layout();
        for (word, range) in [("slot", layout.storage), ("drive", layout.drives), ("port", layout.import_export)] {
            if let Some(Ok(number)) = text.strip_prefix(word).map(str::parse::<u16>) {
                return nth(range, number).ok_or_else(|| unknown(format!("{text}: there are {}", range.count)));
            }
        }
        let place = Barcode::new(text).and_then(|barcode| changer.library().place_of(&barcode));
        place
            .map(|place| place.address)
            .ok_or_else(|| unknown(format!("{text:?}: name an address, slot1, drive1, port1, or a cartridge in it")))
    }

    /// The first element of a kind that is empty and can be used.
    ///
    /// # Errors
    /// There is none.
    pub fn first_empty(&self, kind: ElementType) -> Result<Address, LibraryError> {
        self.changer(|changer| self.empty(changer, kind))
    }

    /// As [`Self::first_empty`], for who has the changer.
    pub(crate) fn empty(&self, changer: &Changer, kind: ElementType) -> Result<Address, LibraryError> {
        let layout = self.layout();
        let (range, name) = match kind {
            ElementType::DRIVE => (layout.drives, "drive"),
            ElementType::IMPORT_EXPORT => (layout.import_export, "import/export element"),
            _ => (layout.storage, "slot"),
        };
        let library = changer.library();
        let condition = library.condition();
        let usable = |address: &Address| {
            !condition.troubles.contains_key(address) && !condition.drives_offline.contains(address)
        };
        let empty = range.addresses().find(|address| usable(address) && !library.is_full(*address));
        empty.ok_or_else(|| LibraryError::Door(format!("no {name} of library {:?} is empty", self.name())))
    }
}

/// The nth of a range, from 1.
fn nth(range: Range, number: u16) -> Option<Address> {
    let index = number.checked_sub(1).filter(|index| *index < range.count)?;
    Some(Address(range.first + index))
}
