//! Operator actions: doors, offline states, element faults, label defects, import and export of cartridges.

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
    /// Restores the operator state from before a restart.
    pub fn restore_operator_state(&mut self, operator_state: OperatorState) {
        for address in &operator_state.drives_offline {
            if let Some(bay) = self.state.library.bay_mut(*address) {
                bay.set_online(false);
            }
        }
        let is_open = operator_state.station_open;
        self.state.library.operator_state = operator_state;
        if is_open {
            // For the other partitions of a chassis, too.
            self.state.set_io_station(&mut self.lu, true);
        }
        self.raise_operator_alerts();
        self.update_alerts_and_counters();
    }

    /// Raises and clears the TapeAlert flags that depend on the operator state.
    fn raise_operator_alerts(&mut self) {
        let operator_state = &self.state.library.operator_state;
        let causes = [
            (Alert::OFFLINE, operator_state.offline),
            (Alert::DOOR, operator_state.door_open),
            (Alert::STATION, operator_state.station_open),
            (Alert::DRIVE_OFFLINE, !operator_state.drives_offline.is_empty()),
            (Alert::UNREADABLE_LABELS, !operator_state.label_defects.is_empty()),
        ];
        for (alert, active) in causes {
            if active && !self.state.alerts.raised_flags().is_set(alert) {
                self.state.alerts.raise(alert);
            } else if !active {
                self.state.alerts.clear_flag(alert);
            }
        }
    }

    /// Updates TapeAlert flags after a change of the operator state and requests that it be saved.
    fn operator_state_changed(&mut self) {
        self.state.operator_state_changed = true;
        self.lu.request_save(Save::INVENTORY);
        self.raise_operator_alerts();
        self.update_alerts_and_counters();
    }

    /// Sets the robot offline (NOT READY 04h/12h) or online, which raises UNIT ATTENTION 28h/00h for every nexus. Online,
    /// a changer that is faulty after a panic is reloaded, which raises 29h/04h.
    pub fn set_online(&mut self, online: bool) {
        if online {
            self.lu.recover();
        }
        if self.state.library.operator_state.offline == online {
            self.state.library.operator_state.offline = !online;
            if online {
                self.lu.attentions.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
            }
            self.operator_state_changed();
        }
    }

    /// Opens the access door (NOT READY 04h/18h) or closes it, which counts as an inventory scan and raises UNIT
    /// ATTENTION 28h/00h for every nexus.
    ///
    /// # Errors
    /// [`OperatorError::Prevented`] on opening while a host prevents removal.
    pub fn set_access_door(&mut self, open: bool) -> Result<(), OperatorError> {
        if self.state.library.operator_state.door_open == open {
            return Ok(());
        }
        if open && self.state.is_locked(&self.lu) {
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

    /// Opens the I/O station or closes it, which raises UNIT ATTENTION 28h/01h for every nexus.
    ///
    /// # Errors
    /// [`OperatorError::Prevented`] on opening while a host prevents removal.
    pub fn set_io_station(&mut self, open: bool) -> Result<(), OperatorError> {
        if open && self.state.is_locked(&self.lu) {
            return Err(OperatorError::Prevented);
        }
        self.state.set_io_station(&mut self.lu, open);
        self.update_alerts_and_counters();
        Ok(())
    }

    /// Sets or clears the fault of an element. Disabling raises UNIT ATTENTION 3Bh/18h and enabling again 3Bh/19h, for
    /// every nexus.
    ///
    /// # Errors
    /// [`MoveError::NoElement`] if the element does not exist.
    pub fn set_element_fault(
        &mut self,
        address: ElementAddress,
        fault: Option<ElementFault>,
    ) -> Result<(), OperatorError> {
        self.element_type_of(address)?;
        let faults = &mut self.state.library.operator_state.element_faults;
        let before = match fault {
            Some(fault) => faults.insert(address, fault),
            None => faults.remove(&address),
        };
        if before != fault {
            let asc = match (before, fault) {
                (_, Some(ElementFault::Disabled)) => Some(Asc::ELEMENT_DISABLED),
                (Some(ElementFault::Disabled), _) => Some(Asc::ELEMENT_ENABLED),
                _ => None,
            };
            asc.into_iter().for_each(|asc| self.lu.attentions.raise_all(asc));
            self.operator_state_changed();
        }
        Ok(())
    }

    /// Sets a drive offline or online, for the robot and for its hosts.
    ///
    /// # Errors
    /// [`MoveError::NoElement`] if the address is not a drive.
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

    /// Sets the label defect of a cartridge in the library. `None` makes the label readable again, even if the
    /// cartridge has left the library. Returns false if the cartridge is not in the library.
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

    /// Makes the next such operation of the robot fail. Returns false if
    /// [`MAX_RULES`](scsi_core::injected_fault::MAX_RULES) faults are pending already.
    #[must_use]
    pub fn inject_fault(&mut self, fault: RobotFault) -> bool {
        self.state.library.inject_fault(fault)
    }

    /// Raises a TapeAlert flag as if its cause had occurred.
    pub fn raise_alert(&mut self, alert: Alert) {
        self.state.alerts.raise(alert);
        self.update_alerts_and_counters();
    }

    /// Clears a TapeAlert flag as if its cause were corrected.
    pub fn clear_alert(&mut self, alert: Alert) {
        self.state.alerts.clear_flag(alert);
    }

    /// Inserts a cartridge into an import/export element, or into a slot through the open access door. If station and
    /// door are closed, the operator opens and closes the station for it, which raises UNIT ATTENTION 28h/01h for every
    /// nexus; else the unit attention is raised when the station or the door is closed.
    ///
    /// # Errors
    /// The door is locked or closed, or the element is full or cannot be reached. The error returns the cartridge.
    pub fn import(
        &mut self,
        address: ElementAddress,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (OperatorError, Box<Cartridge>)> {
        if let Err(error) = self.check_operator_access(address) {
            return Err((error, Box::new(cartridge)));
        }
        let source_element = SourceElement { address: None, by_operator: true };
        let put = self.state.library.add_cartridge(address, cartridge, source_element, now);
        put.map_err(|(error, cartridge)| (OperatorError::Element(error), cartridge))?;
        self.operator_accessed(address);
        Ok(())
    }

    /// Adds a new cartridge to an empty slot, as if the library had been filled and scanned. Raises UNIT ATTENTION
    /// 28h/00h for every nexus.
    ///
    /// # Errors
    /// The element is not a slot or is full. The error returns the cartridge.
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

    /// Inserts a cartridge into a drive, as a robot in another process does.
    ///
    /// # Errors
    /// The element is not a drive, is full, or its drive does not take the cartridge; or the cartridge is in another element. The
    /// error returns the cartridge.
    pub fn insert_for_robot(
        &mut self,
        address: ElementAddress,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (OperatorError, Box<Cartridge>)> {
        if self.state.library.layout().drives.index(address).is_none() {
            return Err((OperatorError::Element(MoveError::NoElement(address)), Box::new(cartridge)));
        }
        if self.state.library.location_of(cartridge.barcode()).is_some() {
            return Err((OperatorError::Element(MoveError::DriveRefused(address)), Box::new(cartridge)));
        }
        let put = self.state.library.add_cartridge(address, cartridge, SourceElement::default(), now);
        put.map_err(|(error, cartridge)| (OperatorError::Element(error), cartridge))?;
        self.report_inventory_change();
        Ok(())
    }

    /// Takes the cartridge out of a drive, as a robot in another process does. A loaded tape is unloaded first.
    ///
    /// # Errors
    /// The element is not a drive or is empty, a host of the drive prevents removal, or the drive cannot unload.
    pub fn remove_for_robot(&mut self, address: ElementAddress, now: Now) -> Result<Cartridge, OperatorError> {
        if self.state.library.layout().drives.index(address).is_none() {
            return Err(OperatorError::Element(MoveError::NoElement(address)));
        }
        let (cartridge, _) = self.state.library.remove_cartridge(address, now).map_err(OperatorError::Element)?;
        self.report_inventory_change();
        Ok(cartridge)
    }

    /// Gives a cartridge to another partition of the chassis: takes it out of a slot or an import/export element, and raises UNIT
    /// ATTENTION 28h/00h for every nexus. Returns its source element, too.
    ///
    /// # Errors
    /// The robot is not ready, or the element is not a slot or import/export element, is empty or cannot be reached.
    pub fn give_to_partition(
        &mut self,
        address: ElementAddress,
        now: Now,
    ) -> Result<(Cartridge, SourceElement), OperatorError> {
        self.check_partition_access(address)?;
        let given = self.state.library.remove_cartridge(address, now).map_err(OperatorError::Element)?;
        self.report_inventory_change();
        Ok(given)
    }

    /// Checks that [`Self::receive_from_partition`] would accept a cartridge in an element.
    ///
    /// # Errors
    /// As [`Self::receive_from_partition`].
    pub fn check_receives(&self, address: ElementAddress) -> Result<(), OperatorError> {
        self.check_partition_access(address)?;
        if self.state.library.is_full(address) {
            return Err(OperatorError::Element(MoveError::DestinationFull(address)));
        }
        Ok(())
    }

    /// Receives a cartridge from another partition of the chassis in a slot or an import/export element, and raises UNIT ATTENTION
    /// 28h/00h for every nexus.
    ///
    /// # Errors
    /// The robot is not ready, or the element is not a slot or import/export element, is full or cannot be reached. The error returns
    /// the cartridge.
    pub fn receive_from_partition(
        &mut self,
        address: ElementAddress,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (OperatorError, Box<Cartridge>)> {
        if let Err(error) = self.check_receives(address) {
            return Err((error, Box::new(cartridge)));
        }
        // For its new partition, a cartridge in the I/O station comes from outside.
        let by_operator = self.state.library.layout().import_export.index(address).is_some();
        let source_element = SourceElement { address: None, by_operator };
        let put = self.state.library.add_cartridge(address, cartridge, source_element, now);
        put.map_err(|(error, cartridge)| (OperatorError::Element(error), cartridge))?;
        self.report_inventory_change();
        Ok(())
    }

    /// Checks that the robot is ready and can reach a slot or an import/export element.
    fn check_partition_access(&self, address: ElementAddress) -> Result<(), OperatorError> {
        if self.lu.is_faulty() {
            return Err(OperatorError::Faulty);
        }
        if self.state.not_ready().is_some() {
            return Err(OperatorError::NotReady);
        }
        match self.element_type_of(address)? {
            ElementType::STORAGE | ElementType::IMPORT_EXPORT => {
                self.state.library.check_ends(&[address]).map_err(OperatorError::Element)
            }
            _ => Err(OperatorError::Element(MoveError::NoElement(address))),
        }
    }

    /// Corrects the inventory without a motion: the drive in another process has the cartridge from the element `from`, or none. Another
    /// cartridge that the inventory has in the drive is put into its source element, or else into a free slot.
    ///
    /// # Errors
    /// The element is not a drive, `from` is empty, or there is no free slot: nothing is changed.
    pub fn correct_drive(
        &mut self,
        address: ElementAddress,
        from: Option<ElementAddress>,
        now: Now,
    ) -> Result<(), OperatorError> {
        let library = &mut self.state.library;
        let layout = *library.layout();
        if layout.drives.index(address).is_none() {
            return Err(OperatorError::Element(MoveError::NoElement(address)));
        }
        if let Some(from) = from
            && !library.is_full(from)
        {
            return Err(OperatorError::Element(MoveError::SourceEmpty(from)));
        }
        let stale = library.content(address);
        let slot = stale.as_ref().map(|stale| {
            let is_free = |slot: &ElementAddress| !library.is_full(*slot) || Some(*slot) == from;
            let own = stale.source.filter(|own| layout.storage.index(*own).is_some());
            own.into_iter().chain(layout.storage.addresses()).find(is_free)
        });
        if slot == Some(None) {
            return Err(OperatorError::Element(MoveError::DestinationFull(address)));
        }
        let found = from.map(|from| library.remove_cartridge(from, now)).transpose().map_err(OperatorError::Element)?;
        if let Some(slot) = slot.flatten() {
            let (stale, _) = library.remove_cartridge(address, now).map_err(OperatorError::Element)?;
            let put = library.add_cartridge(slot, stale, SourceElement::default(), now);
            put.map_err(|(error, _)| OperatorError::Element(error))?;
        }
        if let Some((cartridge, source)) = found {
            let slot = from.filter(|from| layout.storage.index(*from).is_some());
            let put = library.add_cartridge(address, cartridge, SourceElement { address: slot, ..source }, now);
            put.map_err(|(error, _)| OperatorError::Element(error))?;
        }
        self.report_inventory_change();
        Ok(())
    }

    /// Adds elements to the library. In `layout` every existing element keeps its address; `bays` are those of the new
    /// drives. Raises UNIT ATTENTION 28h/00h for every nexus. Returns false, and changes nothing, if the layout moves
    /// or removes an element.
    pub fn add_elements(&mut self, layout: ElementLayout, bays: Vec<Box<dyn Bay>>) -> bool {
        let extended = self.state.library.extend(layout, bays);
        if extended {
            self.report_inventory_change();
        }
        extended
    }

    /// Raises UNIT ATTENTION 28h/00h for every nexus and requests that the inventory be saved.
    fn report_inventory_change(&mut self) {
        self.lu.attentions.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
        self.lu.request_save(Save::INVENTORY);
        self.update_alerts_and_counters();
    }

    /// Removes the cartridge from an import/export element, or from a slot through the open access door. Unit
    /// attentions as for [`Self::import`].
    ///
    /// # Errors
    /// The door is locked or closed, or the element is empty or cannot be reached.
    pub fn export(&mut self, address: ElementAddress, now: Now) -> Result<Cartridge, OperatorError> {
        self.check_operator_access(address)?;
        let (cartridge, _) = self.state.library.remove_cartridge(address, now).map_err(OperatorError::Element)?;
        self.operator_accessed(address);
        Ok(cartridge)
    }

    /// Removes a cartridge that the site no longer has from a slot or an import/export element, regardless of doors.
    /// Raises UNIT ATTENTION 28h/00h for every nexus.
    ///
    /// # Errors
    /// The element is a drive ([`MoveError::NotPossible`]), is empty, or does not exist.
    pub fn discard(&mut self, address: ElementAddress, now: Now) -> Result<(), OperatorError> {
        if self.element_type_of(address)? == ElementType::DRIVE {
            return Err(OperatorError::Element(MoveError::NotPossible { from: address, to: address }));
        }
        self.state.library.remove_cartridge(address, now).map_err(OperatorError::Element)?;
        self.report_inventory_change();
        Ok(())
    }

    /// Moves a cartridge with the robot, as MOVE MEDIUM does.
    ///
    /// # Errors
    /// [`OperatorError::Faulty`], [`OperatorError::NotReady`], or the [`MoveError`] of the move; the cartridge is in its source element.
    pub fn move_medium(
        &mut self,
        source: ElementAddress,
        destination: ElementAddress,
        now: Now,
    ) -> Result<(), OperatorError> {
        if self.lu.is_faulty() {
            return Err(OperatorError::Faulty);
        }
        if self.state.not_ready().is_some() {
            return Err(OperatorError::NotReady);
        }
        self.lu.request_save(Save::INVENTORY);
        let moved = self.state.library.move_medium(source, destination, now);
        self.state.count_move(moved);
        if moved.is_ok() && source != destination {
            let time = self.state.library.move_time(source, destination);
            self.state.count_time(time);
        }
        if let Some(alert) = moved.err().and_then(crate::fault::alert) {
            self.state.alerts.raise(alert);
        }
        self.state.library.take_injected_alerts().into_iter().for_each(|flag| self.state.alerts.raise(Alert(flag)));
        if matches!(moved, Err(MoveError::DoorOpened(_))) {
            self.operator_state_changed();
        }
        self.update_alerts_and_counters();
        moved.map_err(OperatorError::Element)
    }

    fn element_type_of(&self, address: ElementAddress) -> Result<ElementType, OperatorError> {
        let kind = self.state.library.layout().element_type(address);
        kind.ok_or(OperatorError::Element(MoveError::NoElement(address)))
    }

    /// Checks that an operator can reach an element.
    fn check_operator_access(&self, address: ElementAddress) -> Result<(), OperatorError> {
        let operator_state = &self.state.library.operator_state;
        match self.element_type_of(address)? {
            ElementType::IMPORT_EXPORT if operator_state.station_open || operator_state.door_open => Ok(()),
            ElementType::IMPORT_EXPORT if self.state.is_locked(&self.lu) => Err(OperatorError::Prevented),
            ElementType::IMPORT_EXPORT => Ok(()),
            ElementType::STORAGE if operator_state.door_open => Ok(()),
            ElementType::STORAGE => Err(OperatorError::AccessDoorClosed),
            _ => Err(OperatorError::Element(MoveError::NoElement(address))),
        }
    }

    /// Records that an operator inserted or removed a cartridge.
    fn operator_accessed(&mut self, address: ElementAddress) {
        let operator_state = &self.state.library.operator_state;
        if !operator_state.station_open && !operator_state.door_open {
            self.state.library.statistics.add(lifetime::STATION_OPENS, 1);
            self.lu.attentions.raise_all(Asc::IMPORT_OR_EXPORT_ELEMENT_ACCESSED);
        }
        tracing::debug!(element = address.0, "operator accessed element");
        self.lu.request_save(Save::INVENTORY);
        self.update_alerts_and_counters();
    }
}
