//! Jobs that move cartridges between the slots of a library and its shelf, through the I/O station.

use crate::control::ControlError;
use crate::inventory::Location;
use crate::site::Site;
use smc::element::ElementType;
use tape_store::cartridge::Barcode;

impl Site {
    /// Imports a cartridge from the shelf into the first empty slot.
    ///
    /// # Errors
    /// As the requests `import` and `move`. If the move fails, the cartridge stays in the I/O station.
    pub(super) fn import_into_slot(&self, library: Option<&str>, cartridge: &str) -> Result<(), ControlError> {
        let imported = self.import(library, cartridge, None)?;
        let library = self.resolve_library(Some(&imported.library))?;
        let slot = library.first_empty(ElementType::STORAGE)?;
        library.move_cartridge(&imported.cartridge, &library.element_name(slot)).map(drop)
    }

    /// Exports a cartridge from a slot or an I/O element to the shelf.
    ///
    /// # Errors
    /// As the requests `move` and `export`. If the export fails, the cartridge stays in the I/O station.
    pub(super) fn export_from_slot(&self, library: Option<&str>, cartridge: &str) -> Result<(), ControlError> {
        let library = self.resolve_library_for(library, cartridge)?;
        let barcode = self.resolve_cartridge(cartridge)?;
        let address = library.resolve_element(cartridge)?;
        if library.layout().element_type(address) == Some(ElementType::STORAGE) {
            let io_element = library.first_empty(ElementType::IMPORT_EXPORT)?;
            library.move_cartridge(cartridge, &library.element_name(io_element))?;
        }
        library.export_cartridge(cartridge).map(drop).or_else(|error| {
            // The policy of the library may have exported it already.
            if self.is_on_shelf(&barcode) { Ok(()) } else { Err(error) }
        })
    }

    fn is_on_shelf(&self, barcode: &Barcode) -> bool {
        self.entry(barcode).is_ok_and(|entry| matches!(entry.location, Location::Shelf(_)))
    }
}
