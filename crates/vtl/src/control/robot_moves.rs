//! Operator commands that move cartridges: load, unload, move, import, export. Each acts exactly on the named object or is
//! refused.

use super::resolve::is_usable;
use crate::clock;
use crate::inventory::Location;
use crate::library::{Library, LibraryError};
use crate::site::Site;
use serde_json::{Value, json};
use smc::changer::Changer;
use smc::element::{ElementAddress, ElementType};
use std::sync::Arc;
use tape_store::cartridge::Barcode;

fn refuse<T>(why: String) -> Result<T, LibraryError> {
    Err(LibraryError::Refused(why))
}

impl Library {
    /// Moves a cartridge; source and destination are resolved while the changer is held, so that no host moves anything
    /// meanwhile.
    fn robot_move(
        &self,
        ends: impl FnOnce(&Changer) -> Result<(ElementAddress, ElementAddress), LibraryError>,
    ) -> Result<Value, LibraryError> {
        self.operate(|changer| {
            Ok(ends(changer).and_then(|(from, to)| {
                let barcode = self.barcode_at(changer, from)?;
                if from == to {
                    return refuse(format!("{barcode} is in {} already", self.element_name(to)));
                }
                let moved = changer.move_medium(from, to, clock::now());
                moved.map_err(|why| self.operator_error(changer, why, Some(from), Some(to)))?;
                let names = [from, to].map(|address| self.element_name(address));
                let mut done = json!({
                    "cartridge": barcode.as_str(), "library": self.name(),
                    "from": from, "from_element": names[0], "to": to, "to_element": names[1],
                });
                if let (Some(reason), Some(fields)) = (self.refused_by_drive(to), done.as_object_mut()) {
                    fields.insert("refused".into(), reason.into());
                }
                Ok(done)
            }))
        })?
    }

    /// Reason why the drive at an element cannot use its cartridge; `None` if it can.
    fn refused_by_drive(&self, address: ElementAddress) -> Option<String> {
        let index = self.layout().drives.index(address)?;
        self.drives().get(index)?.refused()
    }

    /// The cartridge in an element.
    fn barcode_at(&self, changer: &Changer, address: ElementAddress) -> Result<Barcode, LibraryError> {
        if self.layout().transport.index(address).is_some() {
            return refuse(
                "the robot holds no cartridge between moves; name a slot, a drive, an I/O element or a barcode".into(),
            );
        }
        let content = changer.content(address);
        content.map(|content| content.barcode).ok_or_else(|| LibraryError::Refused(self.empty_element_error(address)))
    }

    pub(super) fn move_cartridge(&self, from: &str, to: &str) -> Result<Value, LibraryError> {
        self.robot_move(|changer| Ok((self.resolve_element_in(changer, from)?, self.resolve_element_in(changer, to)?)))
    }

    pub(super) fn load(&self, cartridge: &str, drive: Option<&str>) -> Result<Value, LibraryError> {
        self.robot_move(|changer| {
            let from = self.resolve_element_in(changer, cartridge)?;
            let barcode = self.barcode_at(changer, from)?;
            if self.layout().drives.index(from).is_some() {
                let from = self.element_name(from);
                return refuse(format!("{barcode} is in {from} already; for another drive: ferric move {from} DRIVE"));
            }
            let to = match drive {
                Some(drive) => self.resolve_drive_in(changer, drive)?,
                None => self.first_empty_in(changer, ElementType::DRIVE)?,
            };
            Ok((from, to))
        })
    }

    pub(super) fn unload(&self, drive: &str) -> Result<Value, LibraryError> {
        self.robot_move(|changer| {
            let from = self.resolve_drive_in(changer, drive).map_err(|error| match error {
                LibraryError::Refused(why) => {
                    LibraryError::Refused(format!("{why}; to move a cartridge elsewhere: ferric move {drive} TO"))
                }
                other => other,
            })?;
            let source = changer.content(from).and_then(|content| content.source);
            let is_free = |source: &ElementAddress| is_usable(changer, *source) && !changer.library().is_full(*source);
            // An empty drive is reported before the lack of a free slot.
            self.barcode_at(changer, from)?;
            Ok((from, source.filter(is_free).map_or_else(|| self.first_empty_in(changer, ElementType::STORAGE), Ok)?))
        })
    }

    /// The element that a cartridge from the shelf is to come into.
    fn import_destination(&self, to: Option<&str>) -> Result<ElementAddress, LibraryError> {
        let Some(to) = to else {
            return self.first_empty(ElementType::IMPORT_EXPORT);
        };
        let address = self.resolve_element(to)?;
        match self.layout().element_type(address) {
            Some(ElementType::IMPORT_EXPORT | ElementType::STORAGE) => Ok(address),
            _ => refuse(format!(
                "{} is not reached from outside; name an I/O element, or a slot while the access door is open",
                self.element_name(address)
            )),
        }
    }

    pub(super) fn export_cartridge(&self, from: &str) -> Result<Value, LibraryError> {
        let (address, barcode) = self.changer(|changer| {
            let address = self.resolve_element_in(changer, from)?;
            Ok::<_, LibraryError>((address, self.barcode_at(changer, address)?))
        })?;
        let element = self.element_name(address);
        if self.layout().drives.index(address).is_some() {
            return refuse(format!("{barcode} is in {element}; unload it first: ferric unload {element}"));
        }
        // Export this cartridge, even if a host moves cartridges meanwhile.
        self.export_barcode(address, &barcode)?;
        Ok(json!({
            "cartridge": barcode.as_str(), "library": self.name(),
            "from": address, "from_element": element, "shelf": self.shelf(),
        }))
    }
}

impl Site {
    pub(super) fn import(
        &self,
        library: Option<&str>,
        cartridge: &str,
        to: Option<&str>,
    ) -> Result<Value, LibraryError> {
        let barcode = self.resolve_barcode(cartridge)?;
        let place = self.shared.inventory().get(barcode.as_str()).map(|entry| entry.location.clone());
        let library = match &place {
            Some(place @ Location::Element { .. }) => {
                return refuse(format!("{barcode} is in {} already", self.location_name(place)));
            }
            Some(Location::Shelf(shelf)) => self.library_with_shelf(library, shelf)?,
            None => self.resolve_library(library)?,
        };
        if let Some(place @ Location::Shelf(shelf)) = &place
            && shelf != library.shelf()
        {
            let place = self.location_name(place);
            let (name, own) = (library.name(), library.shelf());
            return refuse(format!("{barcode} is on {place}; library {name:?} imports from shelf {own:?}"));
        }
        let to = library.import_destination(to)?;
        if place.is_none() {
            // Its files may have been created outside the daemon.
            self.take_over(&barcode, library.shelf())?;
        }
        library.import(to, &barcode)?;
        Ok(json!({
            "cartridge": barcode.as_str(), "library": library.name(),
            "shelf": library.shelf(), "to": to, "to_element": library.element_name(to),
        }))
    }

    /// The library that is named, or the only one with this shelf.
    fn library_with_shelf(&self, name: Option<&str>, shelf: &str) -> Result<Arc<Library>, LibraryError> {
        let with = self.libraries().into_iter().filter(|library| library.shelf() == shelf);
        match (name, with.collect::<Vec<_>>().as_slice()) {
            (None, [only]) => Ok(Arc::clone(only)),
            _ => self.resolve_library(name),
        }
    }

    /// Adds a cartridge that is not in the inventory to the shelf, if its files exist.
    fn take_over(&self, barcode: &Barcode, shelf: &str) -> Result<(), LibraryError> {
        if !self.shared.store.exists(barcode).map_err(LibraryError::of(barcode))? {
            return Err(LibraryError::Unknown(match self.shared.suggest_barcode(barcode.as_str()) {
                Some(similar) => format!("there is no cartridge {barcode}; did you mean {similar}?"),
                None => format!("there is no cartridge {barcode}; ferric cartridge lists the existing ones"),
            }));
        }
        self.take_over_cartridge(barcode, shelf)
    }
}
