//! A site whose robots are in another process: what a program does for the robot at the drives of the site.

use super::Site;
use crate::control::ControlError;
use crate::events::Cause;
use crate::inventory;
use crate::library::{Library, LibraryError, existing_cartridge};
use crate::state_store::Transaction;
use smc::bay::BayStatus;
use smc::element::ElementAddress;
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
        if library.elements().content(address).is_some_and(|content| content.barcode == *barcode) {
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
        if let Some(content) = library.elements().content(address) {
            let barcode = content.barcode.clone();
            library.act_at(&Cause::site(), Some(address), None, |changer| {
                changer.remove_for_robot(address, self.shared.now()).map(drop)
            })?;
            self.remove_record(&barcode)?;
        }
        Ok(())
    }

    /// Removes the cartridges that are in no drive from the inventory: a robot had taken them when the process ended.
    ///
    /// # Errors
    /// The change cannot be stored.
    pub fn forget_removed_for_robot(&self) -> Result<(), LibraryError> {
        let is_outside = |name: &str| {
            let barcode = Barcode::new(name)?;
            let is_in_drive = self.libraries().iter().any(|library| library.elements().address_of(&barcode).is_some());
            (!is_in_drive).then_some(barcode)
        };
        self.inventory().keys().filter_map(|name| is_outside(name)).try_for_each(|barcode| self.remove_record(&barcode))
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
        self.shared.state.commit(change)?;
        inventory.remove(barcode.as_str());
        drop(inventory);
        self.shared.unusable.remove(barcode);
        Ok(())
    }
}
