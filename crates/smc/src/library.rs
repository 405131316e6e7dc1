//! The elements of one library and the moves between them, independent of SCSI commands.

use crate::bay::{Bay, BayStatus};
use crate::chassis::Partition;
use crate::element::{ElementAddress, ElementContent, ElementFault, ElementLayout, ElementType};
use crate::move_hook::{MoveHook, PlannedMove};
use crate::profile::Capabilities;
use crate::robot::{OperatorState, RobotFault, RobotMatcher, RobotOutcome, lifetime};
use crate::timing::RobotModel;
use scsi_core::injected_fault::{FaultList, FaultRule};
use scsi_core::lifetime_counters::LifetimeCounters;
use scsi_core::time::{Instant, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tape_store::cartridge::{Barcode, Cartridge, RemoveError};

/// The error of a move. Every cartridge is in its original element, unless a warning is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// The element does not exist or cannot hold a cartridge: ILLEGAL REQUEST 21h/01h.
    #[error("element {} does not exist or cannot hold a cartridge", .0.0)]
    NoElement(ElementAddress),
    /// The model does not support a move between these elements (mode page 1Fh): ILLEGAL REQUEST 21h/01h.
    #[error("this model does not support a move from element {} to element {}", .from.0, .to.0)]
    NotPossible {
        /// The source element of the move.
        from: ElementAddress,
        /// The destination element, to which the field pointer points.
        to: ElementAddress,
    },
    /// The element is disabled, or its drive is offline: ILLEGAL REQUEST 3Bh/18h.
    #[error("element {} is disabled", .0.0)]
    Disabled(ElementAddress),
    /// The I/O station is open, and this import/export element is in it: NOT READY 3Ah/02h.
    #[error("the robot cannot reach element {} while the I/O station is open", .0.0)]
    StationOpen(ElementAddress),
    /// Another partition of the chassis uses this slot of the shared I/O station: NOT READY 3Ah/02h, as if it were open for this
    /// partition.
    #[error("another partition uses element {}", .0.0)]
    OtherPartition(ElementAddress),
    /// The source element is empty: ILLEGAL REQUEST 3Bh/0Eh.
    #[error("source element {} is empty", .0.0)]
    SourceEmpty(ElementAddress),
    /// The destination element is full: ILLEGAL REQUEST 3Bh/0Dh.
    #[error("destination element {} is full", .0.0)]
    DestinationFull(ElementAddress),
    /// A host of the drive in this element prevents medium removal: ILLEGAL REQUEST 53h/03h.
    #[error("a host prevents medium removal from the drive in element {}", .0.0)]
    Prevented(ElementAddress),
    /// The drive in this element rejected the cartridge: HARDWARE ERROR 53h/00h.
    #[error("the drive in element {} rejects the cartridge", .0.0)]
    DriveRefused(ElementAddress),
    /// The robot failed at this element: HARDWARE ERROR 15h/01h, 53h/00h or 53h/01h; see [`RobotFault`].
    #[error("robot fault at element {}: {}", .1.0, .0)]
    RobotFailed(RobotFault, ElementAddress),
    /// The robot gripped a second cartridge at this element: HARDWARE ERROR 3Bh/16h.
    #[error("the robot picked two cartridges at element {}", .0.0)]
    DoublePick(ElementAddress),
    /// The access door was opened while the robot was at this element: NOT READY 04h/18h.
    #[error("the access door was opened during the move at element {}", .0.0)]
    DoorOpened(ElementAddress),
    /// The owner of the library has refused the move from this element ([`MoveHook`]): HARDWARE ERROR 04h/03h.
    #[error("the move from element {} was refused by the move command", .0.0)]
    Refused(ElementAddress),
}

impl MoveError {
    /// Whether a fault of the robot or of a drive has ended the move; otherwise it was refused before any motion.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        matches!(
            self,
            Self::DriveRefused(_)
                | Self::RobotFailed(..)
                | Self::DoublePick(_)
                | Self::DoorOpened(_)
                | Self::Refused(_)
        )
    }
}

/// The source storage element of a cartridge, and whether an operator placed it in its current element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceElement {
    /// The last storage element of the cartridge; `None` if it was in none since import.
    pub address: Option<ElementAddress>,
    /// An operator, not the robot, placed the cartridge (IMPEXP).
    pub by_operator: bool,
}

/// The location of one cartridge, for the owner to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartridgeLocation {
    /// Address of the element that holds the cartridge.
    pub address: ElementAddress,
    /// Barcode of the cartridge in it.
    pub barcode: Barcode,
    /// The source storage element, and IMPEXP.
    pub source_element: SourceElement,
}

/// Moves of the robot since power-on, by their result. An exchange is one move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoveCounts {
    /// Number of moves that were done.
    pub done: u64,
    /// Moves that were refused before any motion, such as to a full element.
    pub refused: u64,
    /// Moves that a fault of the robot or of a drive has ended; the cartridge is in its source element.
    pub failed: u64,
}

impl MoveCounts {
    /// Counts a move with this result.
    pub(crate) const fn add(&mut self, result: &Result<(), MoveError>) {
        match result {
            Ok(()) => self.done += 1,
            Err(error) if error.is_fault() => self.failed += 1,
            Err(_) => self.refused += 1,
        }
    }
}

/// The elements of a library. Storage and import/export elements hold their cartridges here; a drive element holds its
/// cartridge in the drive, or in the load slot of the drive if the drive rejects a cartridge that is returned to it.
pub struct Library {
    layout: ElementLayout,
    capabilities: Capabilities,
    /// Cartridges in storage and import/export elements and in the load slots of drives.
    slots: BTreeMap<ElementAddress, Cartridge>,
    bays: Vec<Box<dyn Bay>>,
    source_elements: BTreeMap<ElementAddress, SourceElement>,
    location_index: BTreeMap<Barcode, ElementAddress>,
    /// Cartridges whose location changed since [`Self::take_dirty`] was last called.
    dirty: BTreeSet<Barcode>,
    pub(crate) operator_state: OperatorState,
    pub(crate) statistics: LifetimeCounters,
    injected_faults: FaultList<RobotMatcher, RobotOutcome>,
    /// TapeAlert flags of injected faults that the changer has not raised yet.
    injected_alerts: Vec<u8>,
    move_hook: Option<Box<dyn MoveHook>>,
    /// The place of the library in a chassis; `None` if it is not a partition.
    partition: Option<Partition>,
    /// Cartridges that no drive can load.
    unusable: BTreeSet<Barcode>,
}

impl Library {
    /// Creates an empty library. `capabilities` limit its moves; `bays` has one bay per drive element, ascending by
    /// address.
    #[must_use]
    pub fn new(layout: ElementLayout, capabilities: Capabilities, bays: Vec<Box<dyn Bay>>) -> Self {
        Self {
            layout,
            capabilities,
            slots: BTreeMap::new(),
            bays,
            source_elements: BTreeMap::new(),
            location_index: BTreeMap::new(),
            dirty: BTreeSet::new(),
            operator_state: OperatorState::default(),
            statistics: LifetimeCounters::default(),
            injected_faults: FaultList::default(),
            injected_alerts: Vec::new(),
            move_hook: None,
            partition: None,
            unusable: BTreeSet::new(),
        }
    }

    /// Returns the element addresses of the library.
    #[must_use]
    pub const fn layout(&self) -> &ElementLayout {
        &self.layout
    }

    /// Extends the library to a layout with more elements. `bays` are those of the new drives. Returns false, and
    /// changes nothing, if the layout moves or removes existing elements.
    pub(crate) fn extend(&mut self, layout: ElementLayout, bays: Vec<Box<dyn Bay>>) -> bool {
        let pairs = self.layout.ranges().into_iter().zip(layout.ranges());
        let keeps_existing =
            pairs.into_iter().all(|((_, old), (_, new))| old.first == new.first && old.count <= new.count);
        let drives = self.bays.len() + bays.len() == usize::from(layout.drives.count);
        let extends = keeps_existing && drives && layout.overlap().is_none();
        if extends {
            self.layout = layout;
            self.bays.extend(bays);
        }
        extends
    }

    /// Returns the state that operators set: doors, offline states, faults and label defects.
    #[must_use]
    pub const fn operator_state(&self) -> &OperatorState {
        &self.operator_state
    }

    /// Returns the bay of a drive element; `None` if the address is not a drive.
    #[must_use]
    pub fn bay(&self, address: ElementAddress) -> Option<&dyn Bay> {
        self.bays.get(self.layout.drives.index(address)?).map(AsRef::as_ref)
    }

    /// Returns how long the drive in this element takes until the robot can take its cartridge; no time for other elements.
    #[must_use]
    pub fn time_until_removal(&self, address: ElementAddress, now: Now) -> Duration {
        self.bay(address).map_or(Duration::ZERO, |bay| bay.time_until_removal(now))
    }

    pub(crate) fn bay_mut(&mut self, address: ElementAddress) -> Option<&mut (dyn Bay + 'static)> {
        self.bays.get_mut(self.layout.drives.index(address)?).map(AsMut::as_mut)
    }

    /// Returns the reported properties of the cartridge in an element; `None` if it is empty or does not exist.
    #[must_use]
    pub fn content(&self, address: ElementAddress) -> Option<ElementContent> {
        let (barcode, kind) = match self.slots.get(&address) {
            Some(cartridge) => (cartridge.barcode().clone(), cartridge.kind()),
            None => {
                let BayStatus { barcode, kind, .. } = self.bay(address)?.status();
                (barcode?, kind)
            }
        };
        let SourceElement { address: source, by_operator } =
            self.source_elements.get(&address).copied().unwrap_or_default();
        let label = self.operator_state.label_defects.get(&barcode).copied();
        let unusable = self.unusable.contains(&barcode);
        Some(ElementContent { barcode, label, kind, source, by_operator, unusable })
    }

    /// Returns whether an element holds a cartridge.
    #[must_use]
    pub fn is_full(&self, address: ElementAddress) -> bool {
        self.slots.contains_key(&address) || self.bay(address).is_some_and(|bay| bay.status().barcode.is_some())
    }

    /// Returns the location of a cartridge; `None` if it is not in the library.
    #[must_use]
    pub fn location_of(&self, barcode: &Barcode) -> Option<CartridgeLocation> {
        let address = *self.location_index.get(barcode)?;
        let source_element = self.source_elements.get(&address).copied().unwrap_or_default();
        Some(CartridgeLocation { address, barcode: barcode.clone(), source_element })
    }

    /// Returns the locations of all cartridges, ascending by barcode.
    #[must_use]
    pub fn locations(&self) -> Vec<CartridgeLocation> {
        self.location_index.keys().filter_map(|barcode| self.location_of(barcode)).collect()
    }

    /// Returns the number of cartridges in the library.
    #[must_use]
    pub fn cartridge_count(&self) -> usize {
        self.location_index.len()
    }

    /// Returns the cartridges that were imported, exported or moved since the last call. `None`: the cartridge is no
    /// longer in the library.
    pub fn take_dirty(&mut self) -> Vec<(Barcode, Option<CartridgeLocation>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|barcode| (barcode.clone(), self.location_of(&barcode))).collect()
    }

    /// Sets the cartridges that no drive can load. READ ELEMENT STATUS reports their elements with EXCEPT and 30h/00h.
    pub fn set_unusable(&mut self, cartridges: BTreeSet<Barcode>) {
        self.unusable = cartridges;
    }

    /// Sets what is called before each move of the robot, by MOVE MEDIUM, EXCHANGE MEDIUM or an operator.
    pub fn set_move_hook(&mut self, hook: Option<Box<dyn MoveHook>>) {
        self.move_hook = hook;
    }

    /// Makes the library a partition of a chassis: it shares the robot and, if that is not divided, the I/O station. The library is
    /// empty.
    pub fn set_partition(&mut self, partition: Option<Partition>) {
        self.partition = partition;
    }

    /// Returns the place of the library in its chassis; `None` if it is not a partition.
    #[must_use]
    pub const fn partition(&self) -> Option<&Partition> {
        self.partition.as_ref()
    }

    /// Returns whether another partition of the chassis uses an element: a slot of the shared I/O station.
    pub(crate) fn is_taken(&self, address: ElementAddress) -> bool {
        let index = self.layout.import_export.index(address);
        self.partition.as_ref().zip(index).is_some_and(|(partition, index)| partition.is_taken(index))
    }

    /// Makes this partition the user of an element, before a cartridge is put there. Only a slot of a shared I/O station can have
    /// another user.
    fn claim(&self, address: ElementAddress) -> Result<(), MoveError> {
        let index = self.layout.import_export.index(address);
        match self.partition.as_ref().zip(index) {
            Some((partition, index)) if !partition.claim(index) => Err(MoveError::OtherPartition(address)),
            _ => Ok(()),
        }
    }

    /// Releases the empty slots of a shared I/O station for the other partitions. The owner of the library calls it as soon as the
    /// changes are durable: until then, a slot could become full again.
    pub fn release_empty_slots(&mut self) {
        let Some(partition) = &self.partition else { return };
        let is_empty = |address: &ElementAddress| !self.slots.contains_key(address);
        let station = self.layout.import_export;
        station
            .addresses()
            .filter(is_empty)
            .filter_map(|address| station.index(address))
            .for_each(|index| partition.release(index));
    }

    /// Returns the time that the robot takes for a move. In a partition, the distance is that in the chassis.
    pub(crate) fn move_time(&self, source: ElementAddress, destination: ElementAddress) -> Duration {
        let partition = self.partition.as_ref();
        let destination =
            partition.map_or(destination, |partition| partition.address_in_chassis(&self.layout, destination));
        self.move_time_in_chassis(source, destination)
    }

    /// Returns the time that the robot takes for a move to an element with this address in the chassis.
    pub(crate) fn move_time_in_chassis(&self, source: ElementAddress, destination: ElementAddress) -> Duration {
        let (layout, source) = match &self.partition {
            Some(partition) => (partition.chassis().layout(), partition.address_in_chassis(&self.layout, source)),
            None => (&self.layout, source),
        };
        RobotModel::of(layout).move_time(layout, source, destination)
    }

    /// Returns the time that the robot takes for a scan of this many elements.
    pub(crate) fn scan_time(&self, elements: usize) -> Duration {
        let layout = self.partition.as_ref().map_or(&self.layout, |partition| partition.chassis().layout());
        RobotModel::of(layout).scan_time(elements)
    }

    /// Makes the robot busy for a motion that begins at the end of an unload. Returns the time from now until its end: the robot of
    /// a chassis serves one partition after the other.
    pub(crate) fn reserve_robot(&self, now: Instant, unload: Duration, motion: Duration) -> Duration {
        match &self.partition {
            Some(partition) if !motion.is_zero() => partition.reserve_robot(now, unload, motion),
            _ => unload.saturating_add(motion),
        }
    }

    /// Calls the hook for these moves, in their order.
    fn call_move_hook(&mut self, moves: &[(ElementAddress, ElementAddress)]) -> Result<(), MoveError> {
        for (source, destination) in moves {
            let planned = self.planned_move(*source, *destination);
            if let (Some(hook), Some(planned)) = (&mut self.move_hook, planned)
                && !hook.before_move(&planned)
            {
                return Err(MoveError::Refused(*source));
            }
        }
        Ok(())
    }

    fn planned_move(&self, source: ElementAddress, destination: ElementAddress) -> Option<PlannedMove> {
        let end = |address: ElementAddress| {
            let (kind, range) = self.layout.ranges().into_iter().find(|(_, range)| range.index(address).is_some())?;
            Some((kind, u16::try_from(range.index(address)?).ok()?.checked_add(1)?))
        };
        Some(PlannedMove {
            source: end(source)?,
            destination: end(destination)?,
            barcode: self.content(source)?.barcode,
        })
    }

    /// Makes the next such operation of the robot fail. Returns false if
    /// [`MAX_RULES`](scsi_core::injected_fault::MAX_RULES) faults are pending already.
    #[must_use]
    pub fn inject_fault(&mut self, fault: RobotFault) -> bool {
        self.injected_faults.push(FaultRule::once(RobotMatcher::of(fault), RobotOutcome::Fail))
    }

    /// Adds a rule by which operations of the robot fail. Returns false if
    /// [`MAX_RULES`](scsi_core::injected_fault::MAX_RULES) rules are pending.
    pub fn inject_fault_rule(&mut self, rule: FaultRule<RobotMatcher, RobotOutcome>) -> bool {
        self.injected_faults.push(rule)
    }

    /// Number of rules that [`Self::inject_fault_rule`] can still add.
    #[must_use]
    pub fn free_fault_rules(&self) -> usize {
        self.injected_faults.free()
    }

    /// Takes the TapeAlert flags of the rules that were applied since the last call.
    pub(crate) fn take_injected_alerts(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.injected_alerts)
    }

    /// Fails at this element, with this cartridge, by the injected fault for this operation, if there is one.
    fn take_injected_fault(
        &mut self,
        fault: RobotFault,
        at: ElementAddress,
        barcode: Option<&Barcode>,
        now: Now,
    ) -> Result<(), MoveError> {
        let barcode = barcode.map(Barcode::as_str);
        let fired = self.injected_faults.take(now.mono, |matcher| matcher.matches(fault, at, barcode));
        let Some(fired) = fired else { return Ok(()) };
        self.injected_alerts.extend(fired.alerts);
        Err(match fired.outcome {
            RobotOutcome::Fail => {
                if let Some(bay) = self.bay_mut(at) {
                    bay.report_failure(fault);
                }
                MoveError::RobotFailed(fault, at)
            }
            RobotOutcome::DoublePick => MoveError::DoublePick(at),
            RobotOutcome::OpenDoor => {
                self.operator_state.door_open = true;
                self.statistics.add(lifetime::DOOR_OPENS, 1);
                MoveError::DoorOpened(at)
            }
        })
    }

    /// Adds a cartridge to an element: at start, or when an operator inserts it. Does not check doors.
    ///
    /// # Errors
    /// The element does not exist, is full, or its drive rejects the cartridge. The error returns the cartridge.
    pub fn add_cartridge(
        &mut self,
        address: ElementAddress,
        cartridge: Cartridge,
        source_element: SourceElement,
        now: Now,
    ) -> Result<(), (MoveError, Box<Cartridge>)> {
        if self.is_full(address) {
            return Err((MoveError::DestinationFull(address), Box::new(cartridge)));
        }
        if let Err(error) = self.claim(address) {
            return Err((error, Box::new(cartridge)));
        }
        let barcode = cartridge.barcode().clone();
        match self.layout.element_type(address) {
            Some(ElementType::DRIVE) => self.insert(address, cartridge, now)?,
            Some(_) => drop(self.slots.insert(address, cartridge)),
            None => return Err((MoveError::NoElement(address), Box::new(cartridge))),
        }
        self.source_elements.insert(address, source_element);
        self.dirty.insert(barcode.clone());
        self.location_index.insert(barcode, address);
        Ok(())
    }

    /// Removes the cartridge from an element. A loaded cartridge is unloaded first.
    ///
    /// # Errors
    /// The element does not exist or is empty, a host of the drive prevents removal, or the drive cannot unload.
    pub fn remove_cartridge(
        &mut self,
        address: ElementAddress,
        now: Now,
    ) -> Result<(Cartridge, SourceElement), MoveError> {
        let cartridge = match (self.slots.remove(&address), self.layout.element_type(address)) {
            (Some(cartridge), _) => cartridge,
            (None, Some(ElementType::DRIVE)) => self.remove(address, now)?,
            (None, Some(_)) => return Err(MoveError::SourceEmpty(address)),
            (None, None) => return Err(MoveError::NoElement(address)),
        };
        self.location_index.remove(cartridge.barcode());
        self.dirty.insert(cartridge.barcode().clone());
        Ok((cartridge, self.source_elements.remove(&address).unwrap_or_default()))
    }

    fn insert(
        &mut self,
        address: ElementAddress,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (MoveError, Box<Cartridge>)> {
        match self.bay_mut(address) {
            Some(bay) => bay
                .insert(cartridge, now)
                .map_err(|refused| (MoveError::DriveRefused(address), Box::new(refused.cartridge))),
            None => Err((MoveError::NoElement(address), Box::new(cartridge))),
        }
    }

    fn remove(&mut self, address: ElementAddress, now: Now) -> Result<Cartridge, MoveError> {
        self.bay_mut(address).ok_or(MoveError::NoElement(address))?.remove(now).map_err(|error| match error {
            RemoveError::Empty => MoveError::SourceEmpty(address),
            RemoveError::Prevented => MoveError::Prevented(address),
            RemoveError::Unavailable => MoveError::RobotFailed(RobotFault::Unload, address),
        })
    }

    /// Returns the type of an element that can be source or destination of a move.
    fn move_end_type(&self, address: ElementAddress) -> Result<ElementType, MoveError> {
        let kind = self.layout.element_type(address).filter(|kind| *kind != ElementType::TRANSPORT);
        let kind = kind.ok_or(MoveError::NoElement(address))?;
        if self.operator_state.element_faults.get(&address) == Some(&ElementFault::Disabled)
            || self.operator_state.drives_offline.contains(&address)
        {
            return Err(MoveError::Disabled(address));
        }
        if self.is_taken(address) {
            return Err(MoveError::OtherPartition(address));
        }
        Ok(kind)
    }

    /// Checks that the robot can reach these elements.
    fn check_reachable(&self, ends: &[ElementAddress]) -> Result<(), MoveError> {
        let in_station = |end: &&ElementAddress| self.layout.element_type(**end) == Some(ElementType::IMPORT_EXPORT);
        if let Some(end) = ends.iter().find(in_station).filter(|_| self.operator_state.station_open) {
            return Err(MoveError::StationOpen(*end));
        }
        let faults = &self.operator_state.element_faults;
        match ends.iter().find(|end| faults.get(end) == Some(&ElementFault::Blocked)) {
            Some(end) => Err(MoveError::RobotFailed(RobotFault::Pick, *end)),
            None => Ok(()),
        }
    }

    /// Checks that these elements can be source or destination of a move, and that the robot can reach them.
    pub(crate) fn check_ends(&self, ends: &[ElementAddress]) -> Result<(), MoveError> {
        ends.iter().try_for_each(|end| self.move_end_type(*end).map(drop))?;
        self.check_reachable(ends)
    }

    /// Moves a cartridge. A move with the same source and destination is allowed and does nothing.
    ///
    /// # Errors
    /// See [`MoveError`]; the cartridge is in its source element.
    pub fn move_medium(
        &mut self,
        source: ElementAddress,
        destination: ElementAddress,
        now: Now,
    ) -> Result<(), MoveError> {
        let (from, to) = (self.move_end_type(source)?, self.move_end_type(destination)?);
        if source != destination && !self.capabilities.moves(from, to) {
            return Err(MoveError::NotPossible { from: source, to: destination });
        }
        if !self.is_full(source) {
            return Err(MoveError::SourceEmpty(source));
        }
        if source == destination {
            return Ok(());
        }
        if self.is_full(destination) {
            return Err(MoveError::DestinationFull(destination));
        }
        self.check_reachable(&[source, destination])?;
        self.call_move_hook(&[(source, destination)])?;
        let (cartridge, source_element) = self.pick_cartridge(source, now)?;
        self.place_or_return(source, destination, cartridge, source_element, now)
    }

    /// Exchanges cartridges as EXCHANGE MEDIUM does: moves the cartridge in `first` to `second` and the cartridge in
    /// `source` to `first`. All elements are checked before the first motion.
    ///
    /// # Errors
    /// See [`MoveError`]; the robot has returned every cartridge to its original element.
    pub fn exchange(
        &mut self,
        source: ElementAddress,
        first: ElementAddress,
        second: ElementAddress,
        now: Now,
    ) -> Result<(), MoveError> {
        let [from, to, displaced_to] =
            [self.move_end_type(source)?, self.move_end_type(first)?, self.move_end_type(second)?];
        if !self.capabilities.exchanges(from, to) {
            return Err(MoveError::NotPossible { from: source, to: first });
        }
        if !self.capabilities.exchanges(to, displaced_to) {
            return Err(MoveError::NotPossible { from: first, to: second });
        }
        if let Some(empty) = [source, first].into_iter().find(|address| !self.is_full(*address)) {
            return Err(MoveError::SourceEmpty(empty));
        }
        if second != source && self.is_full(second) {
            return Err(MoveError::DestinationFull(second));
        }
        let locked = |address: &ElementAddress| self.bay(*address).is_some_and(Bay::removal_prevented);
        if let Some(drive) = [source, first].into_iter().find(locked) {
            return Err(MoveError::Prevented(drive));
        }
        if source == first {
            return self.move_medium(first, second, now);
        }
        self.check_reachable(&[source, first, second])?;
        self.call_move_hook(&[(first, second), (source, first)])?;
        let (displaced, displaced_source) = self.pick_cartridge(first, now)?;
        let (cartridge, source_element) = match self.pick_cartridge(source, now) {
            Ok(picked) => picked,
            Err(error) => {
                self.put_back(first, displaced, displaced_source, now);
                return Err(error);
            }
        };
        // The displaced cartridge is placed first: if that fails, both original elements are still empty.
        if let Err(error) = self.place_or_return(first, second, displaced, displaced_source, now) {
            self.put_back(source, cartridge, source_element, now);
            return Err(error);
        }
        let Err((error, cartridge)) = self.try_place(source, first, cartridge, source_element, now) else {
            return Ok(());
        };
        match self.remove_cartridge(second, now) {
            Ok((displaced, _)) => self.put_back(first, displaced, displaced_source, now),
            Err(error) => tracing::warn!(%error, element = second.0, "exchange cannot be undone"),
        }
        self.put_back(if self.is_full(source) { first } else { source }, *cartridge, source_element, now);
        Err(error)
    }

    /// Picks the cartridge from an element.
    fn pick_cartridge(&mut self, source: ElementAddress, now: Now) -> Result<(Cartridge, SourceElement), MoveError> {
        let is_drive = self.layout.element_type(source) == Some(ElementType::DRIVE);
        let fault = if is_drive { RobotFault::Unload } else { RobotFault::Pick };
        let barcode = self.content(source).map(|content| content.barcode);
        let result = self.take_injected_fault(fault, source, barcode.as_ref(), now);
        if result.is_err() {
            self.statistics.add(lifetime::PICK_RETRIES, 1);
        }
        result?;
        let picked = self.remove_cartridge(source, now)?;
        self.statistics.add(lifetime::PICKS, 1);
        Ok(picked)
    }

    /// Places a cartridge that was picked from `source` into `destination`, or returns it to `source`.
    fn place_or_return(
        &mut self,
        source: ElementAddress,
        destination: ElementAddress,
        cartridge: Cartridge,
        previous: SourceElement,
        now: Now,
    ) -> Result<(), MoveError> {
        self.try_place(source, destination, cartridge, previous, now).map_err(|(error, cartridge)| {
            self.put_back(source, *cartridge, previous, now);
            error
        })
    }

    /// Places a cartridge that was picked from `source` into `destination`. The error returns the cartridge.
    fn try_place(
        &mut self,
        source: ElementAddress,
        destination: ElementAddress,
        cartridge: Cartridge,
        previous: SourceElement,
        now: Now,
    ) -> Result<(), (MoveError, Box<Cartridge>)> {
        let is_drive = self.layout.element_type(destination) == Some(ElementType::DRIVE);
        let fault = if is_drive { RobotFault::Load } else { RobotFault::Place };
        if let Err(error) = self.take_injected_fault(fault, destination, Some(cartridge.barcode()), now) {
            self.statistics.add(lifetime::PLACE_RETRIES, 1);
            return Err((error, Box::new(cartridge)));
        }
        let from_storage = self.layout.element_type(source) == Some(ElementType::STORAGE);
        let source_element =
            SourceElement { address: if from_storage { Some(source) } else { previous.address }, by_operator: false };
        self.add_cartridge(destination, cartridge, source_element, now)?;
        self.statistics.add(lifetime::PLACES, 1);
        self.statistics.add(lifetime::MOVES, 1);
        Ok(())
    }

    /// Returns a picked cartridge to `source`. If `source` is a drive that rejects it, the cartridge stays in the load
    /// slot.
    fn put_back(&mut self, source: ElementAddress, cartridge: Cartridge, source_element: SourceElement, now: Now) {
        if let Err((_, cartridge)) = self.add_cartridge(source, cartridge, source_element, now) {
            let barcode = cartridge.barcode().clone();
            self.set_content(source, *cartridge, source_element);
            tracing::warn!(%barcode, element = source.0, "cartridge left ejected in drive");
        }
    }

    /// Puts a cartridge into an element, or into the load slot of a drive without calling its bay.
    fn set_content(&mut self, address: ElementAddress, cartridge: Cartridge, source_element: SourceElement) {
        let barcode = cartridge.barcode().clone();
        self.slots.insert(address, cartridge);
        self.source_elements.insert(address, source_element);
        self.dirty.insert(barcode.clone());
        self.location_index.insert(barcode, address);
    }

    /// Restores every cartridge to its location in `locations` after an interrupted operation, possibly a panic. A
    /// cartridge in another element is moved; one whose value was lost is obtained from `find`; one without a location
    /// is removed from the library. If `drives` is false, no bay is called, and a cartridge that belongs into a drive
    /// is put into its load slot. Returns the barcodes of the removed cartridges.
    pub fn restore_locations(
        &mut self,
        locations: &[CartridgeLocation],
        drives: bool,
        now: Now,
        mut find: impl FnMut(&Barcode) -> Option<Cartridge>,
    ) -> Vec<Barcode> {
        self.rebuild_index();
        let wanted: BTreeMap<&Barcode, ElementAddress> =
            locations.iter().map(|location| (&location.barcode, location.address)).collect();
        let is_misplaced = |(barcode, address): &(&Barcode, &ElementAddress)| wanted.get(*barcode) != Some(*address);
        let misplaced: Vec<ElementAddress> =
            self.location_index.iter().filter(is_misplaced).map(|(_, address)| *address).collect();
        let mut picked = BTreeMap::new();
        for address in misplaced {
            if !drives && !self.slots.contains_key(&address) {
                continue;
            }
            if let Ok((cartridge, _)) = self.remove_cartridge(address, now) {
                picked.insert(cartridge.barcode().clone(), cartridge);
            }
        }
        for location in locations {
            if self.location_index.contains_key(&location.barcode) {
                continue;
            }
            let Some(cartridge) = picked.remove(&location.barcode).or_else(|| find(&location.barcode)) else {
                continue;
            };
            if drives {
                self.put_back(location.address, cartridge, location.source_element, now);
            } else {
                self.set_content(location.address, cartridge, location.source_element);
            }
        }
        picked.into_keys().collect()
    }

    /// Rebuilds the index of cartridge locations from the elements.
    fn rebuild_index(&mut self) {
        self.location_index =
            self.slots.iter().map(|(address, cartridge)| (cartridge.barcode().clone(), *address)).collect();
        for address in self.layout.drives.addresses() {
            if let Some(barcode) = self.bay(address).and_then(|bay| bay.status().barcode) {
                self.location_index.entry(barcode).or_insert(address);
            }
        }
        let full: BTreeSet<ElementAddress> = self.location_index.values().copied().collect();
        self.source_elements.retain(|address, _| full.contains(address));
    }
}

#[cfg(test)]
mod tests;
