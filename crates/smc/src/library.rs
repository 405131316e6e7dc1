//! The elements of one library and the moves between them. It knows nothing of commands.

use crate::bay::{Bay, BayStatus};
use crate::element::{ElementAddress, ElementContent, ElementFault, ElementLayout, ElementType};
use crate::profile::Capabilities;
use crate::robot::{OperatorState, RobotFault, lifetime};
use scsi_core::lifetime_counters::LifetimeCounters;
use scsi_core::time::Now;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use tape_store::cartridge::{Barcode, Cartridge, RemoveError};

/// Why a move was not made. Every cartridge is where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveError {
    /// No such element, or not one that holds cartridges.
    NoElement(ElementAddress),
    /// The library makes no such move; to this element.
    NotPossible(ElementAddress),
    /// An operator has disabled the element.
    Disabled(ElementAddress),
    /// The station of this import/export element is open.
    StationOpen,
    /// The source is empty.
    SourceEmpty,
    /// The destination is full.
    DestinationFull,
    /// A host of the drive prevents removal.
    Prevented,
    /// The drive did not take the cartridge.
    DriveRefused,
    /// The robot failed.
    RobotFailed(RobotFault),
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoElement(address) => write!(f, "element {} holds no cartridges", address.0),
            Self::NotPossible(address) => write!(f, "this model makes no such move to element {}", address.0),
            Self::Disabled(address) => write!(f, "element {} is disabled", address.0),
            Self::StationOpen => f.write_str("the import/export station is open"),
            Self::SourceEmpty => f.write_str("the source is empty"),
            Self::DestinationFull => f.write_str("the destination is full"),
            Self::Prevented => f.write_str("a host of the drive prevents removal"),
            Self::DriveRefused => f.write_str("the drive does not take the cartridge"),
            Self::RobotFailed(failure) => write!(f, "the robot failed ({failure:?})"),
        }
    }
}

/// Where a cartridge came from, and who put it where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceElement {
    /// The storage element it came from.
    pub address: Option<ElementAddress>,
    /// An operator put it here.
    pub by_operator: bool,
}

/// What is where: for the owner to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartridgeLocation {
    /// The element.
    pub address: ElementAddress,
    /// The cartridge in it.
    pub barcode: Barcode,
    /// How it came there.
    pub source_element: SourceElement,
}

/// Failures that are due at one time; more are not noted.
const FAILURES: usize = 64;

/// All elements. Slots and import/export elements hold cartridges themselves, bays have them in a drive, or, if that
/// does not take one back, in its mouth.
pub struct Library {
    layout: ElementLayout,
    capabilities: Capabilities,
    /// Also the mouths of drives.
    slots: BTreeMap<ElementAddress, Cartridge>,
    bays: Vec<Box<dyn Bay>>,
    source_elements: BTreeMap<ElementAddress, SourceElement>,
    location_index: BTreeMap<Barcode, ElementAddress>,
    /// Cartridges that came or went since the owner last asked.
    dirty: BTreeSet<Barcode>,
    pub(crate) operator_state: OperatorState,
    pub(crate) statistics: LifetimeCounters,
    injected_faults: VecDeque<RobotFault>,
    /// Cartridges that no drive can use.
    unusable: BTreeSet<Barcode>,
}

impl Library {
    /// An empty library of this layout, one bay per drive element, that moves what these capabilities say.
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
            injected_faults: VecDeque::new(),
            unusable: BTreeSet::new(),
        }
    }

    /// Where its elements are.
    #[must_use]
    pub const fn layout(&self) -> &ElementLayout {
        &self.layout
    }

    /// Takes a layout with more elements, and the bays of new drives. False if it moves, or takes away, what there is.
    pub(crate) fn extend(&mut self, layout: ElementLayout, bays: Vec<Box<dyn Bay>>) -> bool {
        let grown = self.layout.ranges().into_iter().zip(layout.ranges());
        let keeps = grown.into_iter().all(|((_, old), (_, new))| old.first == new.first && old.count <= new.count);
        let drives = self.bays.len() + bays.len() == usize::from(layout.drives.count);
        let extends = keeps && drives && layout.overlap().is_none();
        if extends {
            self.layout = layout;
            self.bays.extend(bays);
        }
        extends
    }

    /// What operators have done to it.
    #[must_use]
    pub const fn operator_state(&self) -> &OperatorState {
        &self.operator_state
    }

    /// The bay of a drive element.
    #[must_use]
    pub fn bay(&self, address: ElementAddress) -> Option<&dyn Bay> {
        self.bays.get(self.layout.drives.index(address)?).map(AsRef::as_ref)
    }

    pub(crate) fn bay_mut(&mut self, address: ElementAddress) -> Option<&mut (dyn Bay + 'static)> {
        self.bays.get_mut(self.layout.drives.index(address)?).map(AsMut::as_mut)
    }

    /// What an element holds, if it holds anything.
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

    /// Whether an element holds a cartridge.
    #[must_use]
    pub fn is_full(&self, address: ElementAddress) -> bool {
        self.slots.contains_key(&address) || self.bay(address).is_some_and(|bay| bay.status().barcode.is_some())
    }

    /// The place of a cartridge, if it is in the library.
    #[must_use]
    pub fn location_of(&self, barcode: &Barcode) -> Option<CartridgeLocation> {
        let address = *self.location_index.get(barcode)?;
        let origin = self.source_elements.get(&address).copied().unwrap_or_default();
        Some(CartridgeLocation { address, barcode: barcode.clone(), source_element: origin })
    }

    /// What is where, ascending by barcode.
    #[must_use]
    pub fn locations(&self) -> Vec<CartridgeLocation> {
        self.location_index.keys().filter_map(|barcode| self.location_of(barcode)).collect()
    }

    /// How many cartridges there are.
    #[must_use]
    pub fn cartridge_count(&self) -> usize {
        self.location_index.len()
    }

    /// Cartridges that came, went or moved since this was last asked; without a place they are outside.
    pub fn take_dirty(&mut self) -> Vec<(Barcode, Option<CartridgeLocation>)> {
        let touched = std::mem::take(&mut self.dirty);
        touched.into_iter().map(|barcode| (barcode.clone(), self.location_of(&barcode))).collect()
    }

    /// Names the cartridges that no drive can use: their elements are reported with an exception, 30h/00h.
    pub fn set_unusable(&mut self, cartridges: BTreeSet<Barcode>) {
        self.unusable = cartridges;
    }

    /// The next time that the robot does such a thing, it fails.
    pub fn inject_fault(&mut self, failure: RobotFault) {
        if self.injected_faults.len() < FAILURES {
            self.injected_faults.push_back(failure);
        }
    }

    /// Takes a failure that is due, if this is one.
    fn take_injected_fault(&mut self, failure: RobotFault) -> Result<(), MoveError> {
        match self.injected_faults.iter().position(|due| *due == failure) {
            Some(at) => {
                self.injected_faults.remove(at);
                Err(MoveError::RobotFailed(failure))
            }
            None => Ok(()),
        }
    }

    /// Puts a cartridge in an element from outside: at start, or by an operator.
    ///
    /// # Errors
    /// The element does not exist or is full; the cartridge comes back.
    pub fn add_cartridge(
        &mut self,
        address: ElementAddress,
        cartridge: Cartridge,
        origin: SourceElement,
        now: Now,
    ) -> Result<(), (MoveError, Box<Cartridge>)> {
        if self.is_full(address) {
            return Err((MoveError::DestinationFull, Box::new(cartridge)));
        }
        let barcode = cartridge.barcode().clone();
        match self.layout.element_type(address) {
            Some(ElementType::DRIVE) => self.insert(address, cartridge, now)?,
            Some(_) => drop(self.slots.insert(address, cartridge)),
            None => return Err((MoveError::NoElement(address), Box::new(cartridge))),
        }
        self.source_elements.insert(address, origin);
        self.dirty.insert(barcode.clone());
        self.location_index.insert(barcode, address);
        Ok(())
    }

    /// Takes a cartridge out of an element.
    ///
    /// # Errors
    /// There is none, or a drive must keep it.
    pub fn remove_cartridge(
        &mut self,
        address: ElementAddress,
        now: Now,
    ) -> Result<(Cartridge, SourceElement), MoveError> {
        let cartridge = match (self.slots.remove(&address), self.layout.element_type(address)) {
            (Some(cartridge), _) => cartridge,
            (None, Some(ElementType::DRIVE)) => self.remove(address, now)?,
            (None, Some(_)) => return Err(MoveError::SourceEmpty),
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
            Some(bay) => {
                bay.insert(cartridge, now).map_err(|refused| (MoveError::DriveRefused, Box::new(refused.cartridge)))
            }
            None => Err((MoveError::NoElement(address), Box::new(cartridge))),
        }
    }

    fn remove(&mut self, address: ElementAddress, now: Now) -> Result<Cartridge, MoveError> {
        self.bay_mut(address).ok_or(MoveError::NoElement(address))?.remove(now).map_err(|why| match why {
            RemoveError::Empty => MoveError::SourceEmpty,
            RemoveError::Prevented => MoveError::Prevented,
            RemoveError::Unavailable => MoveError::RobotFailed(RobotFault::Unload),
        })
    }

    /// The type of an element that can be an end of a move now.
    fn move_end_type(&self, address: ElementAddress) -> Result<ElementType, MoveError> {
        let kind = self.layout.element_type(address).filter(|kind| *kind != ElementType::TRANSPORT);
        let kind = kind.ok_or(MoveError::NoElement(address))?;
        if self.operator_state.element_faults.get(&address) == Some(&ElementFault::Disabled)
            || self.operator_state.drives_offline.contains(&address)
        {
            return Err(MoveError::Disabled(address));
        }
        Ok(kind)
    }

    /// Whether the robot gets to these elements.
    fn check_reachable(&self, ends: &[ElementAddress]) -> Result<(), MoveError> {
        let kind = |address: &ElementAddress| self.layout.element_type(*address);
        if self.operator_state.station_open && ends.iter().any(|end| kind(end) == Some(ElementType::IMPORT_EXPORT)) {
            return Err(MoveError::StationOpen);
        }
        let blocked =
            |end: &ElementAddress| self.operator_state.element_faults.get(end) == Some(&ElementFault::Blocked);
        if ends.iter().any(blocked) { Err(MoveError::RobotFailed(RobotFault::Pick)) } else { Ok(()) }
    }

    /// Moves a cartridge. A source that is its own destination is a move of nothing, and allowed.
    ///
    /// # Errors
    /// See [`MoveError`]; the cartridge is where it was.
    pub fn move_medium(
        &mut self,
        source: ElementAddress,
        destination: ElementAddress,
        now: Now,
    ) -> Result<(), MoveError> {
        let (from, to) = (self.move_end_type(source)?, self.move_end_type(destination)?);
        if source != destination && !self.capabilities.moves(from, to) {
            return Err(MoveError::NotPossible(destination));
        }
        if !self.is_full(source) {
            return Err(MoveError::SourceEmpty);
        }
        if source == destination {
            return Ok(());
        }
        if self.is_full(destination) {
            return Err(MoveError::DestinationFull);
        }
        self.check_reachable(&[source, destination])?;
        let (cartridge, origin) = self.pick_cartridge(source, now)?;
        self.place_or_return(source, destination, cartridge, origin, now)
    }

    /// Exchanges: what is at `first` goes to `second`, what is at `source` to `first`. All is checked before any moves.
    ///
    /// # Errors
    /// See [`MoveError`]; every cartridge is where it was.
    pub fn exchange(
        &mut self,
        source: ElementAddress,
        first: ElementAddress,
        second: ElementAddress,
        now: Now,
    ) -> Result<(), MoveError> {
        let [from, to, away] = [self.move_end_type(source)?, self.move_end_type(first)?, self.move_end_type(second)?];
        for (from, to, end) in [(from, to, first), (to, away, second)] {
            if !self.capabilities.exchanges(from, to) {
                return Err(MoveError::NotPossible(end));
            }
        }
        if !self.is_full(source) || !self.is_full(first) {
            return Err(MoveError::SourceEmpty);
        }
        if second != source && self.is_full(second) {
            return Err(MoveError::DestinationFull);
        }
        let locked = |address| self.bay(address).is_some_and(Bay::removal_prevented);
        if locked(source) || locked(first) {
            return Err(MoveError::Prevented);
        }
        if source == first {
            return self.move_medium(first, second, now);
        }
        self.check_reachable(&[source, first, second])?;
        let (displaced, displaced_origin) = self.pick_cartridge(first, now)?;
        let (cartridge, origin) = match self.pick_cartridge(source, now) {
            Ok(taken) => taken,
            Err(why) => {
                self.put_back(first, displaced, displaced_origin, now);
                return Err(why);
            }
        };
        // Away first: while that fails, both still have a place to go back to.
        if let Err(why) = self.place_or_return(first, second, displaced, displaced_origin, now) {
            self.put_back(source, cartridge, origin, now);
            return Err(why);
        }
        let Err((why, cartridge)) = self.try_place(source, first, cartridge, origin, now) else { return Ok(()) };
        match self.remove_cartridge(second, now) {
            Ok((displaced, _)) => self.put_back(first, displaced, displaced_origin, now),
            Err(stays) => tracing::warn!(%stays, element = second.0, "an exchange could not be undone"),
        }
        self.put_back(if self.is_full(source) { first } else { source }, *cartridge, origin, now);
        Err(why)
    }

    /// Grips the cartridge of an element.
    fn pick_cartridge(&mut self, source: ElementAddress, now: Now) -> Result<(Cartridge, SourceElement), MoveError> {
        let is_drive = self.layout.element_type(source) == Some(ElementType::DRIVE);
        let gripped = self.take_injected_fault(if is_drive { RobotFault::Unload } else { RobotFault::Pick });
        if gripped.is_err() {
            self.statistics.add(lifetime::PICK_RETRIES, 1);
        }
        gripped?;
        let taken = self.remove_cartridge(source, now)?;
        self.statistics.add(lifetime::PICKS, 1);
        Ok(taken)
    }

    /// Puts a cartridge that was taken from `source` into `destination`, or back.
    fn place_or_return(
        &mut self,
        source: ElementAddress,
        destination: ElementAddress,
        cartridge: Cartridge,
        old: SourceElement,
        now: Now,
    ) -> Result<(), MoveError> {
        self.try_place(source, destination, cartridge, old, now).map_err(|(why, cartridge)| {
            self.put_back(source, *cartridge, old, now);
            why
        })
    }

    /// Puts a cartridge that was taken from `source` into `destination`, or gives it back.
    fn try_place(
        &mut self,
        source: ElementAddress,
        destination: ElementAddress,
        cartridge: Cartridge,
        old: SourceElement,
        now: Now,
    ) -> Result<(), (MoveError, Box<Cartridge>)> {
        let is_drive = self.layout.element_type(destination) == Some(ElementType::DRIVE);
        if let Err(why) = self.take_injected_fault(if is_drive { RobotFault::Load } else { RobotFault::Place }) {
            self.statistics.add(lifetime::PLACE_RETRIES, 1);
            return Err((why, Box::new(cartridge)));
        }
        let from_storage = self.layout.element_type(source) == Some(ElementType::STORAGE);
        let origin =
            SourceElement { address: if from_storage { Some(source) } else { old.address }, by_operator: false };
        self.add_cartridge(destination, cartridge, origin, now)?;
        self.statistics.add(lifetime::PLACES, 1);
        self.statistics.add(lifetime::MOVES, 1);
        Ok(())
    }

    /// Undoes a `take`. If the drive it came from does not take it any more, it stays in the mouth of that.
    fn put_back(&mut self, source: ElementAddress, cartridge: Cartridge, origin: SourceElement, now: Now) {
        if let Err((_, cartridge)) = self.add_cartridge(source, cartridge, origin, now) {
            let barcode = cartridge.barcode().clone();
            self.set_content(source, *cartridge, origin);
            tracing::warn!(%barcode, "cartridge stays ejected in the drive");
        }
    }

    /// Puts a cartridge into an element, or the mouth of a drive, whose bay is not called.
    fn set_content(&mut self, address: ElementAddress, cartridge: Cartridge, origin: SourceElement) {
        let barcode = cartridge.barcode().clone();
        self.slots.insert(address, cartridge);
        self.source_elements.insert(address, origin);
        self.dirty.insert(barcode.clone());
        self.location_index.insert(barcode, address);
    }

    /// Puts every cartridge back to its place after an operation that was cut short, possibly by a panic: one that is
    /// elsewhere is taken from there, one whose value was lost comes from `find`, and one that has no place is taken out.
    /// Without `drives`, no bay is called: what belongs into a drive stays in the mouth of that. Returns the cartridges that
    /// were taken out.
    pub fn restore_locations(
        &mut self,
        places: &[CartridgeLocation],
        drives: bool,
        now: Now,
        mut find: impl FnMut(&Barcode) -> Option<Cartridge>,
    ) -> Vec<Barcode> {
        self.rebuild_index();
        let wanted: BTreeMap<&Barcode, ElementAddress> =
            places.iter().map(|place| (&place.barcode, place.address)).collect();
        let is_misplaced = |(barcode, address): &(&Barcode, &ElementAddress)| wanted.get(*barcode) != Some(*address);
        let misplaced: Vec<ElementAddress> =
            self.location_index.iter().filter(is_misplaced).map(|(_, address)| *address).collect();
        let mut taken = BTreeMap::new();
        for address in misplaced {
            if !drives && !self.slots.contains_key(&address) {
                continue;
            }
            if let Ok((cartridge, _)) = self.remove_cartridge(address, now) {
                taken.insert(cartridge.barcode().clone(), cartridge);
            }
        }
        for place in places {
            if self.location_index.contains_key(&place.barcode) {
                continue;
            }
            let Some(cartridge) = taken.remove(&place.barcode).or_else(|| find(&place.barcode)) else { continue };
            if drives {
                self.put_back(place.address, cartridge, place.source_element, now);
            } else {
                self.set_content(place.address, cartridge, place.source_element);
            }
        }
        taken.into_keys().collect()
    }

    /// Looks which elements hold which cartridges.
    fn rebuild_index(&mut self) {
        self.location_index = self.slots.iter().map(|(address, held)| (held.barcode().clone(), *address)).collect();
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
