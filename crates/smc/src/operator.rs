//! What people do at a library: doors, labels, elements and drives taken out of use, and cartridges put in and taken out.

use crate::alert::Alert;
use crate::bay::Bay;
use crate::changer::{Changer, DoorError};
use crate::element::{Address, ElementType, Label, Layout, Trouble};
use crate::library::{MoveError, Origin};
use crate::robot::{Condition, Failure, lifetime};
use scsi_core::asc::Asc;
use scsi_core::fault::Save;
use scsi_core::time::Now;
use tape_store::cartridge::{Barcode, Cartridge};

impl Changer {
    /// Brings back what operators had set before a restart.
    pub fn restore(&mut self, condition: Condition) {
        for address in &condition.drives_offline {
            if let Some(bay) = self.state.library.bay_mut(*address) {
                bay.set_online(false);
            }
        }
        self.state.library.condition = condition;
        self.raise_conditions();
        self.settle();
    }

    /// Flags stand for as long as their causes do.
    fn raise_conditions(&mut self) {
        let condition = &self.state.library.condition;
        let causes = [
            (Alert::OFFLINE, condition.offline),
            (Alert::DOOR, condition.door_open),
            (Alert::STATION, condition.station_open),
            (Alert::DRIVE_OFFLINE, !condition.drives_offline.is_empty()),
            (Alert::UNREADABLE_LABELS, !condition.labels.is_empty()),
        ];
        for (alert, is) in causes {
            if is && !self.state.alerts.all().is_set(alert) {
                self.state.alerts.raise(alert);
            } else if !is {
                self.state.alerts.lower(alert);
            }
        }
    }

    /// A condition was set: flags follow, and the owner keeps it.
    fn conditions_changed(&mut self) {
        self.state.condition_changed = true;
        self.lu.save(Save::INVENTORY);
        self.raise_conditions();
        self.settle();
    }

    /// Takes the robot off line (2/04/12), or brings it back: then every nexus hears 28/00.
    pub fn set_online(&mut self, online: bool) {
        if self.state.library.condition.offline == online {
            self.state.library.condition.offline = !online;
            if online {
                self.lu.attention.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
            }
            self.conditions_changed();
        }
    }

    /// Opens the access door (2/04/18), or closes it: then the library is scanned and every nexus hears 28/00.
    ///
    /// # Errors
    /// A host keeps it locked.
    pub fn set_door(&mut self, open: bool) -> Result<(), DoorError> {
        if self.state.library.condition.door_open == open {
            return Ok(());
        }
        if open && self.lu.removal_prevented() {
            return Err(DoorError::Prevented);
        }
        self.state.library.condition.door_open = open;
        if open {
            self.state.library.statistics.add(lifetime::DOOR_OPENS, 1);
        } else {
            self.state.library.statistics.add(lifetime::SCANS, 1);
            self.lu.attention.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
        }
        self.conditions_changed();
        Ok(())
    }

    /// Opens the import/export station, or closes it: then every nexus hears 28/01.
    ///
    /// # Errors
    /// A host keeps it locked.
    pub fn set_station(&mut self, open: bool) -> Result<(), DoorError> {
        if open && self.lu.removal_prevented() {
            return Err(DoorError::Prevented);
        }
        self.state.set_station(&mut self.lu, open);
        self.settle();
        Ok(())
    }

    /// Puts an element out of use, or back into use: every nexus hears 3B/18 or 3B/19 where hosts could not use it.
    ///
    /// # Errors
    /// There is no such element.
    pub fn set_trouble(&mut self, address: Address, trouble: Option<Trouble>) -> Result<(), DoorError> {
        self.known(address)?;
        let troubles = &mut self.state.library.condition.troubles;
        let before = match trouble {
            Some(trouble) => troubles.insert(address, trouble),
            None => troubles.remove(&address),
        };
        if before != trouble {
            let asc = match (before, trouble) {
                (_, Some(Trouble::Disabled)) => Some(Asc::ELEMENT_DISABLED),
                (Some(Trouble::Disabled), _) => Some(Asc::ELEMENT_ENABLED),
                _ => None,
            };
            asc.into_iter().for_each(|asc| self.lu.attention.raise_all(asc));
            self.conditions_changed();
        }
        Ok(())
    }

    /// Takes a drive off line, for the robot and for its hosts, or brings it back.
    ///
    /// # Errors
    /// There is no such drive.
    pub fn set_drive_online(&mut self, address: Address, online: bool) -> Result<(), DoorError> {
        let bay = self.state.library.bay_mut(address).ok_or(DoorError::Element(MoveError::NoElement(address)))?;
        bay.set_online(online);
        let offline = &mut self.state.library.condition.drives_offline;
        let changed = if online { offline.remove(&address) } else { offline.insert(address) };
        if changed {
            self.conditions_changed();
        }
        Ok(())
    }

    /// Damages the label of a cartridge in the library or takes it off; none makes it readable again, wherever it is. False
    /// if there is no such cartridge.
    pub fn set_label(&mut self, barcode: &Barcode, label: Option<Label>) -> bool {
        if label.is_some() && self.state.library.place_of(barcode).is_none() {
            return false;
        }
        let labels = &mut self.state.library.condition.labels;
        let before = match label {
            Some(label) => labels.insert(barcode.clone(), label),
            None => labels.remove(barcode),
        };
        if before != label {
            self.conditions_changed();
        }
        true
    }

    /// The next time that the robot does such a thing, it fails.
    pub fn fail_next(&mut self, failure: Failure) {
        self.state.library.fail_next(failure);
    }

    /// Raises a TapeAlert flag, as if its cause had come about.
    pub fn raise_alert(&mut self, alert: Alert) {
        self.state.alerts.raise(alert);
        self.settle();
    }

    /// Lowers a TapeAlert flag, as if its cause were gone.
    pub fn lower_alert(&mut self, alert: Alert) {
        self.state.alerts.lower(alert);
    }

    /// Puts a cartridge into an import/export element, or through the open access door into a slot. Every nexus hears of
    /// it: 28/01 where the station was closed before and is closed again; else when its door is closed.
    ///
    /// # Errors
    /// Doors are locked or closed, the element full or none; the cartridge comes back.
    pub fn import(
        &mut self,
        address: Address,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (DoorError, Box<Cartridge>)> {
        if let Err(error) = self.reach(address) {
            return Err((error, Box::new(cartridge)));
        }
        let origin = Origin { source: None, by_operator: true };
        let put = self.state.library.put(address, cartridge, origin, now);
        put.map_err(|(error, cartridge)| (DoorError::Element(error), cartridge))?;
        self.reached(address);
        Ok(())
    }

    /// Puts a cartridge that is new into an empty slot, as if the library had been filled and scanned: every nexus hears
    /// 28/00.
    ///
    /// # Errors
    /// The element is no slot, or full; the cartridge comes back.
    pub fn stock(
        &mut self,
        address: Address,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (DoorError, Box<Cartridge>)> {
        if self.state.library.layout().storage.index(address).is_none() {
            return Err((DoorError::Element(MoveError::NoElement(address)), Box::new(cartridge)));
        }
        let put = self.state.library.put(address, cartridge, Origin::default(), now);
        put.map_err(|(error, cartridge)| (DoorError::Element(error), cartridge))?;
        self.scanned();
        Ok(())
    }

    /// Gives the library more elements: a layout in which every element that there is keeps its address, and the bays of
    /// the drives that are new. Every nexus hears 28/00. False, and nothing is done, if the layout is another.
    pub fn extend(&mut self, layout: Layout, bays: Vec<Box<dyn Bay>>) -> bool {
        let extended = self.state.library.extend(layout, bays);
        if extended {
            self.scanned();
        }
        extended
    }

    /// What is where is not what it was.
    fn scanned(&mut self) {
        self.lu.attention.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
        self.lu.save(Save::INVENTORY);
        self.settle();
    }

    /// Takes the cartridge out of an import/export element, or through the open access door out of a slot. Every nexus
    /// hears of it, as for [`Self::import`].
    ///
    /// # Errors
    /// Doors are locked or closed, the element empty or none.
    pub fn export(&mut self, address: Address, now: Now) -> Result<Cartridge, DoorError> {
        self.reach(address)?;
        let (cartridge, _) = self.state.library.take(address, now).map_err(DoorError::Element)?;
        self.reached(address);
        Ok(cartridge)
    }

    /// Takes a cartridge out of a slot or an import/export element, whatever doors are closed, because the site does not
    /// know it any more. Raises UNIT ATTENTION 28h/00h.
    ///
    /// # Errors
    /// It is in a drive, or the element is empty.
    pub fn forget(&mut self, address: Address, now: Now) -> Result<(), DoorError> {
        if self.known(address)? == ElementType::DRIVE {
            return Err(DoorError::Element(MoveError::NotPossible(address)));
        }
        self.state.library.take(address, now).map_err(DoorError::Element)?;
        self.scanned();
        Ok(())
    }

    /// Has the robot move a cartridge, as MOVE MEDIUM does.
    ///
    /// # Errors
    /// The robot cannot work, or the move cannot be made; the cartridge is where it was.
    pub fn move_medium(&mut self, source: Address, destination: Address, now: Now) -> Result<(), DoorError> {
        if self.state.not_ready().is_some() {
            return Err(DoorError::NotReady);
        }
        self.lu.save(Save::INVENTORY);
        let moved = self.state.library.move_medium(source, destination, now);
        if let Some(alert) = moved.err().and_then(crate::fault::alert) {
            self.state.alerts.raise(alert);
        }
        self.settle();
        moved.map_err(DoorError::Element)
    }

    fn known(&self, address: Address) -> Result<ElementType, DoorError> {
        let kind = self.state.library.layout().element_type(address);
        kind.ok_or(DoorError::Element(MoveError::NoElement(address)))
    }

    /// Whether hands get to an element.
    fn reach(&self, address: Address) -> Result<(), DoorError> {
        let condition = &self.state.library.condition;
        match self.known(address)? {
            ElementType::IMPORT_EXPORT if condition.station_open || condition.door_open => Ok(()),
            ElementType::IMPORT_EXPORT if self.lu.removal_prevented() => Err(DoorError::Prevented),
            ElementType::IMPORT_EXPORT => Ok(()),
            ElementType::STORAGE if condition.door_open => Ok(()),
            ElementType::STORAGE => Err(DoorError::Closed),
            _ => Err(DoorError::Element(MoveError::NoElement(address))),
        }
    }

    /// Hands were in there.
    fn reached(&mut self, address: Address) {
        let condition = &self.state.library.condition;
        if !condition.station_open && !condition.door_open {
            self.state.library.statistics.add(lifetime::STATION_OPENS, 1);
            self.lu.attention.raise_all(Asc::IMPORT_OR_EXPORT_ELEMENT_ACCESSED);
        }
        tracing::debug!(element = address.0, "reached into by an operator");
        self.lu.save(Save::INVENTORY);
        self.settle();
    }
}
