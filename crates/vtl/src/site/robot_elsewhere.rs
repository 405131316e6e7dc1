//! Drives and robots in different processes: the actions of a robot in another process at the drives of a site, and the correction of
//! an inventory by what such drives have.

use super::Site;
use crate::control::ControlError;
use crate::events::Cause;
use crate::inventory::{self, CartridgeRecord, Location};
use crate::library::{Library, LibraryError, existing_cartridge};
use crate::state_store::Transaction;
use smc::bay::BayStatus;
use smc::changer::OperatorError;
use smc::element::ElementAddress;
use smc::library::MoveError;
use std::sync::Arc;
use tape_store::cartridge::Barcode;

impl Site {
    /// The drives that the site serves itself: the name of the library, and the number of the drive in it, from 1.
    #[must_use]
    pub fn served_drives(&self) -> Vec<(String, usize)> {
        let of = |library: &Arc<Library>| {
            let numbers = library.drives().into_iter().filter_map(|unit| Some(unit.drive_index()? + 1));
            numbers.map(|number| (library.name().to_owned(), number)).collect::<Vec<_>>()
        };
        self.libraries().iter().flat_map(of).collect()
    }

    /// The bay of a drive: the cartridge in it, and whether it can be taken. `None` if the site does not serve such a drive. Does
    /// not wait for the drive.
    #[must_use]
    pub fn bay_status(&self, library: &str, number: usize) -> Option<BayStatus> {
        let (library, address) = self.served_drive(library, number).ok()?;
        Some(library.drive_at(address)?.bay_status())
    }

    /// Inserts a cartridge into a drive for the robot, which is in another process, and adds it to the inventory. Does nothing if
    /// it is in the drive.
    ///
    /// # Errors
    /// The drive is full, the files of the cartridge are missing or in use, or the change cannot be stored.
    pub fn insert_for_robot(&self, library: &str, number: usize, barcode: &Barcode) -> Result<(), LibraryError> {
        let (library, address) = self.served_drive(library, number)?;
        if library.changer(|changer| changer.content(address)).is_some_and(|content| content.barcode == *barcode) {
            return Ok(());
        }
        self.take_over_cartridge(barcode, library.shelf())?;
        let cartridge = existing_cartridge(&self.shared, barcode, &self.entry(barcode)?)?;
        let inserted = library.act_at(&Cause::site(), None, Some(address), |changer| {
            changer.insert_for_robot(address, cartridge, self.shared.now()).map_err(|(error, _)| error)
        });
        if inserted.is_err() {
            self.remove_record(barcode)?;
        }
        inserted
    }

    /// Unloads a drive if it has a tape, takes the cartridge out for the robot, which is in another process, and removes it from the
    /// inventory. Does nothing if the drive is empty.
    ///
    /// # Errors
    /// With the code `locked` if a host prevents medium removal; if the tape cannot be unloaded, or the change cannot be stored.
    pub fn remove_for_robot(&self, library: &str, number: usize) -> Result<(), LibraryError> {
        let (library, address) = self.served_drive(library, number)?;
        let removed = library.act_at(&Cause::site(), Some(address), None, |changer| {
            match changer.remove_for_robot(address, self.shared.now()) {
                Ok(cartridge) => Ok(Some(cartridge)),
                Err(OperatorError::Element(MoveError::SourceEmpty(_))) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        removed.map_or(Ok(()), |cartridge| self.remove_record(cartridge.barcode()))
    }

    /// Corrects the inventory, without a motion: the drive, which another process serves, has this cartridge, or none. Another
    /// cartridge that the inventory has in the drive is put into its slot, or a free one. To be called before hosts and operators reach
    /// the site.
    ///
    /// # Errors
    /// There is no such drive, the cartridge is unknown or in another library, no slot is free, or the change cannot be stored.
    pub fn correct_drive(&self, library: &str, number: usize, barcode: Option<&Barcode>) -> Result<(), LibraryError> {
        let unknown = || ControlError::not_found(format!("there is no drive{number} in a library {library:?}"));
        let library = self.library(library).ok_or_else(unknown)?;
        let address = number.checked_sub(1).and_then(|index| library.layout().drives.addresses().nth(index));
        let address = address.ok_or_else(unknown)?;
        let current = library.changer(|changer| changer.content(address)).map(|content| content.barcode);
        if current.as_ref() == barcode {
            return Ok(());
        }
        let from = barcode.and_then(|barcode| library.elements().address_of(barcode));
        let outside = match barcode.filter(|_| from.is_none()) {
            Some(barcode) => Some(existing_cartridge(&self.shared, barcode, &self.shelf_entry(barcode)?)?),
            None => None,
        };
        library.act_at(&Cause::site(), from, Some(address), |changer| {
            let now = self.shared.now();
            changer.correct_drive(address, from, now)?;
            outside.map_or(Ok(()), |cartridge| {
                changer.insert_for_robot(address, cartridge, now).map_err(|(error, _)| error)
            })
        })
    }

    /// The record of a cartridge that is on a shelf.
    fn shelf_entry(&self, barcode: &Barcode) -> Result<CartridgeRecord, LibraryError> {
        let entry = self.entry(barcode)?;
        match entry.location {
            Location::Shelf(_) => Ok(entry),
            Location::Element { library, .. } => {
                Err(ControlError::conflict(format!("{barcode} is in library {library:?}")).into())
            }
        }
    }

    fn served_drive(&self, name: &str, number: usize) -> Result<(Arc<Library>, ElementAddress), ControlError> {
        let unknown =
            || ControlError::not_found(format!("this daemon does not serve drive{number} of library {name:?}"));
        let library = self.library(name).ok_or_else(unknown)?;
        let address = number.checked_sub(1).and_then(|index| library.layout().drives.addresses().nth(index));
        let address = address.filter(|address| library.drive_at(*address).is_some()).ok_or_else(unknown)?;
        Ok((library, address))
    }

    /// Removes a cartridge that is on a shelf from the inventory: the site has nothing to do with it until a robot brings it again.
    fn remove_record(&self, barcode: &Barcode) -> Result<(), LibraryError> {
        let mut change = Transaction::default();
        inventory::remove(&mut change, barcode.as_str());
        let mut inventory = self.shared.inventory();
        let location = inventory.get(barcode.as_str()).map(|entry| &entry.location);
        if !matches!(location, Some(Location::Shelf(_))) {
            return Ok(());
        }
        self.shared.state.commit(change)?;
        inventory.remove(barcode.as_str());
        drop(inventory);
        self.shared.unusable.remove(barcode);
        Ok(())
    }
}
