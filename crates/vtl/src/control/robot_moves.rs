//! Operator commands that move cartridges: load, unload, move, import, export. Each acts exactly on the named object or is
//! refused.

use super::{ControlError, ExportedCartridge, ImportedCartridge, MovedCartridge};
use crate::events::Cause;
use crate::inventory::Location;
use crate::library::{Elements, Library, LibraryError};
use crate::site::Site;
use smc::element::{ElementAddress, ElementType};
use std::sync::Arc;
use tape_store::cartridge::Barcode;

impl Library {
    /// Moves a cartridge; source and destination are resolved in the turn of the request, so that no host moves anything
    /// meanwhile.
    fn robot_move(
        &self,
        ends: impl FnOnce(&Elements) -> Result<(ElementAddress, ElementAddress), ControlError>,
    ) -> Result<MovedCartridge, ControlError> {
        let changer = self.changer_unit();
        let turn = changer.operator_turn()?;
        let elements = self.elements();
        let (from, to) = ends(&elements)?;
        let barcode = self.barcode_at(&elements, from)?;
        let [from_element, to_element] = [from, to].map(|address| self.element_name(address));
        if from == to {
            return Err(self.already_in(&barcode, &to_element, ""));
        }
        self.move_in_turn(&turn, from, to).map_err(|error| ControlError::from(error).with_barcode(barcode.as_str()))?;
        Ok(MovedCartridge {
            cartridge: barcode.to_string(),
            from: from.0,
            from_element,
            library: self.name().into(),
            refused: self.drive_at(to).and_then(|drive| drive.refused()),
            to: to.0,
            to_element,
        })
    }

    /// The error of a cartridge that is where it is to be moved; `advice` follows the message.
    fn already_in(&self, barcode: &Barcode, element: &str, advice: &str) -> ControlError {
        ControlError::conflict(format!("{barcode} is in {element} already{advice}"))
            .with_library(self.name())
            .with_element(element)
            .with_barcode(barcode.as_str())
    }

    /// The cartridge in an element.
    fn barcode_at(&self, elements: &Elements, address: ElementAddress) -> Result<Barcode, ControlError> {
        if self.layout().transport.index(address).is_some() {
            let message =
                "the robot holds no cartridge between moves; name a slot, a drive, an I/O element or a barcode";
            return Err(ControlError::invalid(message).with_library(self.name()).with_element("robot"));
        }
        let content = elements.content(address);
        content.map(|content| content.barcode.clone()).ok_or_else(|| self.empty_element_error(address))
    }

    pub(crate) fn move_cartridge(&self, from: &str, to: &str) -> Result<MovedCartridge, ControlError> {
        self.robot_move(|elements| {
            Ok((self.resolve_element_in(elements, from)?, self.resolve_element_in(elements, to)?))
        })
    }

    pub(super) fn load(&self, cartridge: &str, drive: Option<&str>) -> Result<MovedCartridge, ControlError> {
        self.robot_move(|elements| {
            let from = self.resolve_element_in(elements, cartridge)?;
            let barcode = self.barcode_at(elements, from)?;
            if self.layout().drives.index(from).is_some() {
                let from = self.element_name(from);
                return Err(self.already_in(
                    &barcode,
                    &from,
                    &format!("; for another drive: ferric move {from} DRIVE"),
                ));
            }
            let to = match drive {
                Some(drive) => self.resolve_drive_in(elements, drive)?,
                None => self.first_empty_in(elements, ElementType::DRIVE)?,
            };
            Ok((from, to))
        })
    }

    pub(super) fn unload(&self, drive: &str) -> Result<MovedCartridge, ControlError> {
        self.robot_move(|elements| {
            let from = self.resolve_drive_in(elements, drive).map_err(|mut error| {
                // The text names an element or a cartridge outside the drives.
                if self.resolve_element_in(elements, drive).is_ok() {
                    error.message = format!("{}; to move a cartridge elsewhere: ferric move {drive} TO", error.message);
                }
                error
            })?;
            let source = elements.content(from).and_then(|content| content.source);
            // An empty drive is reported before the lack of a free slot.
            self.barcode_at(elements, from)?;
            Ok((
                from,
                source
                    .filter(|source| elements.is_free(*source))
                    .map_or_else(|| self.first_empty_in(elements, ElementType::STORAGE), Ok)?,
            ))
        })
    }

    /// The element that a cartridge from the shelf is to come into.
    fn import_destination(&self, to: Option<&str>) -> Result<ElementAddress, ControlError> {
        let Some(to) = to else {
            return self.first_empty(ElementType::IMPORT_EXPORT);
        };
        let address = self.resolve_element(to)?;
        match self.layout().element_type(address) {
            Some(ElementType::IMPORT_EXPORT | ElementType::STORAGE) => Ok(address),
            _ => {
                let name = self.element_name(address);
                let message = format!(
                    "{name} is not reached from outside; name an I/O element, or a slot while the access door is open"
                );
                Err(ControlError::invalid(message).with_library(self.name()).with_element(name))
            }
        }
    }

    pub(crate) fn export_cartridge(&self, from: &str) -> Result<ExportedCartridge, ControlError> {
        let elements = self.elements();
        let address = self.resolve_element_in(&elements, from)?;
        let barcode = self.barcode_at(&elements, address)?;
        let element = self.element_name(address);
        if self.layout().drives.index(address).is_some() {
            let message = format!("{barcode} is in {element}; unload it first: ferric unload {element}");
            return Err(ControlError::conflict(message)
                .with_library(self.name())
                .with_element(element)
                .with_barcode(barcode.as_str()));
        }
        // Export this cartridge, even if a host moves cartridges meanwhile.
        self.export_barcode(address, &barcode)?;
        Ok(ExportedCartridge {
            cartridge: barcode.to_string(),
            from: address.0,
            from_element: element,
            library: self.name().into(),
            shelf: self.shelf().into(),
        })
    }
}

impl Site {
    pub(crate) fn import(
        &self,
        library: Option<&str>,
        cartridge: &str,
        to: Option<&str>,
    ) -> Result<ImportedCartridge, ControlError> {
        let barcode = self.resolve_barcode(cartridge)?;
        let place = self.shared.inventory().get(barcode.as_str()).map(|entry| entry.location.clone());
        let library = match &place {
            Some(place @ Location::Element { .. }) => {
                let message = format!("{barcode} is in {} already", self.location_name(place));
                return Err(ControlError::conflict(message).with_barcode(barcode.as_str()));
            }
            Some(Location::Shelf(shelf)) => self.library_with_shelf(library, shelf)?,
            None => self.resolve_library(library)?,
        };
        if let Some(place @ Location::Shelf(shelf)) = &place
            && shelf != library.shelf()
        {
            let place = self.location_name(place);
            let (name, own) = (library.name(), library.shelf());
            let message = format!("{barcode} is on {place}; library {name:?} imports from shelf {own:?}");
            return Err(ControlError::conflict(message).with_library(name).with_barcode(barcode.as_str()));
        }
        let to = library.import_destination(to)?;
        if place.is_none() {
            // Its files may have been created outside the daemon.
            let _reserved = self.shared.reservations.reserve_for(&Cause::operator(), &barcode)?;
            self.take_over(&barcode, library.shelf())?;
            let blank = self.shared.inventory().get(barcode.as_str()).and_then(|entry| entry.blank);
            library.import(to, &barcode)?;
            library.remember_new(to, &barcode, blank);
        } else {
            library.import(to, &barcode)?;
        }
        Ok(ImportedCartridge {
            cartridge: barcode.to_string(),
            library: library.name().into(),
            shelf: library.shelf().into(),
            to: to.0,
            to_element: library.element_name(to),
        })
    }

    /// The library that is named, or the only one with this shelf.
    fn library_with_shelf(&self, name: Option<&str>, shelf: &str) -> Result<Arc<Library>, ControlError> {
        let with = self.libraries().into_iter().filter(|library| library.shelf() == shelf);
        match (name, with.collect::<Vec<_>>().as_slice()) {
            (None, [only]) => Ok(Arc::clone(only)),
            _ => self.resolve_library(name),
        }
    }

    /// Adds a cartridge that is not in the inventory to the shelf, if its files exist.
    fn take_over(&self, barcode: &Barcode, shelf: &str) -> Result<(), ControlError> {
        if !self.shared.store.exists(barcode).map_err(LibraryError::of(barcode))? {
            let message = match self.shared.suggest_barcode(barcode.as_str()) {
                Some(similar) => format!("there is no cartridge {barcode}; did you mean {similar}?"),
                None => format!("there is no cartridge {barcode}; ferric cartridge lists the existing ones"),
            };
            return Err(ControlError::not_found(message).with_barcode(barcode.as_str()));
        }
        Ok(self.take_over_cartridge(barcode, shelf)?)
    }
}
