//! What people do at a library: doors, labels, elements and drives taken out of use, and cartridges put in and taken out.

use crate::alert::Alert;
use crate::bay::Bay;
use crate::changer::{Changer, OperatorError};
use crate::element::{ElementAddress, ElementFault, ElementLayout, ElementType, LabelDefect};
use crate::library::{MoveError, SourceElement};
use crate::robot::{OperatorState, RobotFault, lifetime};
use scsi_core::asc::Asc;
use scsi_core::fault::Save;
use scsi_core::time::Now;
use tape_store::cartridge::{Barcode, Cartridge};

impl Changer {
    /// Brings back what operators had set before a restart.
    pub fn restore_operator_state(&mut self, condition: OperatorState) {
        for address in &condition.drives_offline {
            if let Some(bay) = self.state.library.bay_mut(*address) {
                bay.set_online(false);
            }
        }
        self.state.library.operator_state = condition;
        self.raise_operator_alerts();
        self.update_alerts_and_counters();
    }

    /// Flags stand for as long as their causes do.
    fn raise_operator_alerts(&mut self) {
        let condition = &self.state.library.operator_state;
        let causes = [
            (Alert::OFFLINE, condition.offline),
            (Alert::DOOR, condition.door_open),
            (Alert::STATION, condition.station_open),
            (Alert::DRIVE_OFFLINE, !condition.drives_offline.is_empty()),
            (Alert::UNREADABLE_LABELS, !condition.label_defects.is_empty()),
        ];
        for (alert, is) in causes {
            if is && !self.state.alerts.raised_flags().is_set(alert) {
                self.state.alerts.raise(alert);
            } else if !is {
                self.state.alerts.clear_flag(alert);
            }
        }
    }

    /// A condition was set: flags follow, and the owner keeps it.
    fn operator_state_changed(&mut self) {
        self.state.operator_state_changed = true;
        self.lu.request_save(Save::INVENTORY);
        self.raise_operator_alerts();
        self.update_alerts_and_counters();
    }

    /// Takes the robot off line (2/04/12), or brings it back: then every nexus hears 28/00.
    pub fn set_online(&mut self, online: bool) {
        if self.state.library.operator_state.offline == online {
            self.state.library.operator_state.offline = !online;
            if online {
                self.lu.attentions.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
            }
            self.operator_state_changed();
        }
    }

    /// Opens the access door (2/04/18), or closes it: then the library is scanned and every nexus hears 28/00.
    ///
    /// # Errors
    /// A host keeps it locked.
    pub fn set_access_door(&mut self, open: bool) -> Result<(), OperatorError> {
        if self.state.library.operator_state.door_open == open {
            return Ok(());
        }
        if open && self.lu.removal_prevented() {
            return Err(OperatorError::Prevented);
        }
        self.state.library.operator_state.door_open = open;
        if open {
            self.state.library.statistics.add(lifetime::DOOR_OPENS, 1);
        } else {
            self.state.library.statistics.add(lifetime::SCANS, 1);
            self.lu.attentions.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
        }
        self.operator_state_changed();
        Ok(())
    }

    /// Opens the import/export station, or closes it: then every nexus hears 28/01.
    ///
    /// # Errors
    /// A host keeps it locked.
    pub fn set_io_station(&mut self, open: bool) -> Result<(), OperatorError> {
        if open && self.lu.removal_prevented() {
            return Err(OperatorError::Prevented);
        }
        self.state.set_io_station(&mut self.lu, open);
        self.update_alerts_and_counters();
        Ok(())
    }

    /// Puts an element out of use, or back into use: every nexus hears 3B/18 or 3B/19 where hosts could not use it.
    ///
    /// # Errors
    /// There is no such element.
    pub fn set_element_fault(
        &mut self,
        address: ElementAddress,
        trouble: Option<ElementFault>,
    ) -> Result<(), OperatorError> {
        self.element_type_of(address)?;
        let troubles = &mut self.state.library.operator_state.element_faults;
        let before = match trouble {
            Some(trouble) => troubles.insert(address, trouble),
            None => troubles.remove(&address),
        };
        if before != trouble {
            let asc = match (before, trouble) {
                (_, Some(ElementFault::Disabled)) => Some(Asc::ELEMENT_DISABLED),
                (Some(ElementFault::Disabled), _) => Some(Asc::ELEMENT_ENABLED),
                _ => None,
            };
            asc.into_iter().for_each(|asc| self.lu.attentions.raise_all(asc));
            self.operator_state_changed();
        }
        Ok(())
    }

    /// Takes a drive off line, for the robot and for its hosts, or brings it back.
    ///
    /// # Errors
    /// There is no such drive.
    pub fn set_drive_online(&mut self, address: ElementAddress, online: bool) -> Result<(), OperatorError> {
        let bay = self.state.library.bay_mut(address).ok_or(OperatorError::Element(MoveError::NoElement(address)))?;
        bay.set_online(online);
        let offline = &mut self.state.library.operator_state.drives_offline;
        let changed = if online { offline.remove(&address) } else { offline.insert(address) };
        if changed {
            self.operator_state_changed();
        }
        Ok(())
    }

    /// Damages the label of a cartridge in the library or takes it off; none makes it readable again, wherever it is. False
    /// if there is no such cartridge.
    pub fn set_label_defect(&mut self, barcode: &Barcode, label: Option<LabelDefect>) -> bool {
        if label.is_some() && self.state.library.location_of(barcode).is_none() {
            return false;
        }
        let labels = &mut self.state.library.operator_state.label_defects;
        let before = match label {
            Some(label) => labels.insert(barcode.clone(), label),
            None => labels.remove(barcode),
        };
        if before != label {
            self.operator_state_changed();
        }
        true
    }

    /// The next time that the robot does such a thing, it fails.
    pub fn inject_fault(&mut self, failure: RobotFault) {
        self.state.library.inject_fault(failure);
    }

    /// Raises a TapeAlert flag, as if its cause had come about.
    pub fn raise_alert(&mut self, alert: Alert) {
        self.state.alerts.raise(alert);
        self.update_alerts_and_counters();
    }

    /// Lowers a TapeAlert flag, as if its cause were gone.
    pub fn clear_alert(&mut self, alert: Alert) {
        self.state.alerts.clear_flag(alert);
    }

    /// Puts a cartridge into an import/export element, or through the open access door into a slot. Every nexus hears of
    /// it: 28/01 where the station was closed before and is closed again; else when its door is closed.
    ///
    /// # Errors
    /// Doors are locked or closed, the element full or none; the cartridge comes back.
    pub fn import(
        &mut self,
        address: ElementAddress,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (OperatorError, Box<Cartridge>)> {
        if let Err(error) = self.check_operator_access(address) {
            return Err((error, Box::new(cartridge)));
        }
        let origin = SourceElement { address: None, by_operator: true };
        let put = self.state.library.add_cartridge(address, cartridge, origin, now);
        put.map_err(|(error, cartridge)| (OperatorError::Element(error), cartridge))?;
        self.operator_accessed(address);
        Ok(())
    }

    /// Puts a cartridge that is new into an empty slot, as if the library had been filled and scanned: every nexus hears
    /// 28/00.
    ///
    /// # Errors
    /// The element is no slot, or full; the cartridge comes back.
    pub fn populate(
        &mut self,
        address: ElementAddress,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (OperatorError, Box<Cartridge>)> {
        if self.state.library.layout().storage.index(address).is_none() {
            return Err((OperatorError::Element(MoveError::NoElement(address)), Box::new(cartridge)));
        }
        let put = self.state.library.add_cartridge(address, cartridge, SourceElement::default(), now);
        put.map_err(|(error, cartridge)| (OperatorError::Element(error), cartridge))?;
        self.report_inventory_change();
        Ok(())
    }

    /// Gives the library more elements: a layout in which every element that there is keeps its address, and the bays of
    /// the drives that are new. Every nexus hears 28/00. False, and nothing is done, if the layout is another.
    pub fn add_elements(&mut self, layout: ElementLayout, bays: Vec<Box<dyn Bay>>) -> bool {
        let extended = self.state.library.extend(layout, bays);
        if extended {
            self.report_inventory_change();
        }
        extended
    }

    /// What is where is not what it was.
    fn report_inventory_change(&mut self) {
        self.lu.attentions.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
        self.lu.request_save(Save::INVENTORY);
        self.update_alerts_and_counters();
    }

    /// Takes the cartridge out of an import/export element, or through the open access door out of a slot. Every nexus
    /// hears of it, as for [`Self::import`].
    ///
    /// # Errors
    /// Doors are locked or closed, the element empty or none.
    pub fn export(&mut self, address: ElementAddress, now: Now) -> Result<Cartridge, OperatorError> {
        self.check_operator_access(address)?;
        let (cartridge, _) = self.state.library.remove_cartridge(address, now).map_err(OperatorError::Element)?;
        self.operator_accessed(address);
        Ok(cartridge)
    }

    /// Takes a cartridge out of a slot or an import/export element, whatever doors are closed, because the site does not
    /// know it any more. Raises UNIT ATTENTION 28h/00h.
    ///
    /// # Errors
    /// It is in a drive, or the element is empty.
    pub fn discard(&mut self, address: ElementAddress, now: Now) -> Result<(), OperatorError> {
        if self.element_type_of(address)? == ElementType::DRIVE {
            return Err(OperatorError::Element(MoveError::NotPossible(address)));
        }
        self.state.library.remove_cartridge(address, now).map_err(OperatorError::Element)?;
        self.report_inventory_change();
        Ok(())
    }

    /// Has the robot move a cartridge, as MOVE MEDIUM does.
    ///
    /// # Errors
    /// The robot cannot work, or the move cannot be made; the cartridge is where it was.
    pub fn move_medium(
        &mut self,
        source: ElementAddress,
        destination: ElementAddress,
        now: Now,
    ) -> Result<(), OperatorError> {
        if self.state.not_ready().is_some() {
            return Err(OperatorError::NotReady);
        }
        self.lu.request_save(Save::INVENTORY);
        let moved = self.state.library.move_medium(source, destination, now);
        if let Some(alert) = moved.err().and_then(crate::fault::alert) {
            self.state.alerts.raise(alert);
        }
        self.update_alerts_and_counters();
        moved.map_err(OperatorError::Element)
    }

    fn element_type_of(&self, address: ElementAddress) -> Result<ElementType, OperatorError> {
        let kind = self.state.library.layout().element_type(address);
        kind.ok_or(OperatorError::Element(MoveError::NoElement(address)))
    }

    /// Whether hands get to an element.
    fn check_operator_access(&self, address: ElementAddress) -> Result<(), OperatorError> {
        let condition = &self.state.library.operator_state;
        match self.element_type_of(address)? {
            ElementType::IMPORT_EXPORT if condition.station_open || condition.door_open => Ok(()),
            ElementType::IMPORT_EXPORT if self.lu.removal_prevented() => Err(OperatorError::Prevented),
            ElementType::IMPORT_EXPORT => Ok(()),
            ElementType::STORAGE if condition.door_open => Ok(()),
            ElementType::STORAGE => Err(OperatorError::AccessDoorClosed),
            _ => Err(OperatorError::Element(MoveError::NoElement(address))),
        }
    }

    /// Hands were in there.
    fn operator_accessed(&mut self, address: ElementAddress) {
        let condition = &self.state.library.operator_state;
        if !condition.station_open && !condition.door_open {
            self.state.library.statistics.add(lifetime::STATION_OPENS, 1);
            self.lu.attentions.raise_all(Asc::IMPORT_OR_EXPORT_ELEMENT_ACCESSED);
        }
        tracing::debug!(element = address.0, "reached into by an operator");
        self.lu.request_save(Save::INVENTORY);
        self.update_alerts_and_counters();
    }
}
