//! The elements of one library and the moves between them. It knows nothing of commands.

use crate::bay::{Bay, BayStatus};
use crate::element::{Address, Content, ElementType, Layout};
use scsi_core::time::Now;
use std::collections::BTreeMap;
use tape_store::cartridge::{Barcode, Cartridge, WhyNot};

/// Why a move was not made. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveError {
    /// No such element, or not one that holds cartridges.
    NoElement(Address),
    /// The source is empty.
    SourceEmpty,
    /// The destination is full.
    DestinationFull,
    /// A host of the drive prevents removal.
    Prevented,
    /// The drive did not take the cartridge; it is back where it was.
    DriveRefused,
}

/// Where a cartridge came from, and who put it where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The storage element it came from.
    pub source: Option<Address>,
    /// An operator put it here.
    pub by_operator: bool,
}

/// What is where: for the owner to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The element.
    pub address: Address,
    /// The cartridge in it.
    pub barcode: Barcode,
    /// How it came there.
    pub origin: Origin,
}

/// All elements. Slots and import/export elements hold cartridges themselves, bays have them in a drive.
pub struct Library {
    layout: Layout,
    slots: BTreeMap<Address, Cartridge>,
    bays: Vec<Box<dyn Bay>>,
    origins: BTreeMap<Address, Origin>,
}

impl Library {
    /// An empty library of this layout, one bay per drive element.
    #[must_use]
    pub const fn new(layout: Layout, bays: Vec<Box<dyn Bay>>) -> Self {
        Self { layout, slots: BTreeMap::new(), bays, origins: BTreeMap::new() }
    }

    /// Where its elements are.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The bay of a drive element.
    #[must_use]
    pub fn bay(&self, address: Address) -> Option<&dyn Bay> {
        self.bays.get(self.layout.drives.index(address)?).map(AsRef::as_ref)
    }

    /// What an element holds, if it holds anything.
    #[must_use]
    pub fn content(&self, address: Address) -> Option<Content> {
        let origin = self.origins.get(&address).copied().unwrap_or_default();
        if let Some(cartridge) = self.slots.get(&address) {
            return Some(Content::of(cartridge, origin.source, origin.by_operator));
        }
        let BayStatus { barcode, cleaning, .. } = self.bay(address)?.status();
        barcode.map(|barcode| Content { barcode: Some(barcode), cleaning, source: origin.source, by_operator: false })
    }

    /// What is where, ascending by address.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let all = self.layout.ranges().into_iter().flat_map(|(_, range)| range.addresses());
        let mut places: Vec<Place> = all
            .filter_map(|address| {
                let barcode = self.content(address)?.barcode?;
                let origin = self.origins.get(&address).copied().unwrap_or_default();
                Some(Place { address, barcode, origin })
            })
            .collect();
        places.sort_by_key(|place| place.address);
        places
    }

    /// Puts a cartridge in an element from outside: at start, or by an operator.
    ///
    /// # Errors
    /// The element does not exist or is full; the cartridge comes back.
    pub fn put(
        &mut self,
        address: Address,
        cartridge: Cartridge,
        origin: Origin,
        now: Now,
    ) -> Result<(), (MoveError, Box<Cartridge>)> {
        if self.content(address).is_some() {
            return Err((MoveError::DestinationFull, Box::new(cartridge)));
        }
        match self.layout.element_type(address) {
            Some(ElementType::DRIVE) => self.insert(address, cartridge, now)?,
            Some(_) => drop(self.slots.insert(address, cartridge)),
            None => return Err((MoveError::NoElement(address), Box::new(cartridge))),
        }
        self.origins.insert(address, origin);
        Ok(())
    }

    /// Takes a cartridge out of an element.
    ///
    /// # Errors
    /// There is none, or a drive must keep it.
    pub fn take(&mut self, address: Address, now: Now) -> Result<(Cartridge, Origin), MoveError> {
        let cartridge = match self.layout.element_type(address) {
            Some(ElementType::DRIVE) => self.remove(address, now)?,
            Some(_) => self.slots.remove(&address).ok_or(MoveError::SourceEmpty)?,
            None => return Err(MoveError::NoElement(address)),
        };
        Ok((cartridge, self.origins.remove(&address).unwrap_or_default()))
    }

    fn insert(&mut self, address: Address, cartridge: Cartridge, now: Now) -> Result<(), (MoveError, Box<Cartridge>)> {
        let bay = self.layout.drives.index(address).and_then(|index| self.bays.get_mut(index));
        match bay {
            Some(bay) => {
                bay.insert(cartridge, now).map_err(|refused| (MoveError::DriveRefused, Box::new(refused.cartridge)))
            }
            None => Err((MoveError::NoElement(address), Box::new(cartridge))),
        }
    }

    fn remove(&mut self, address: Address, now: Now) -> Result<Cartridge, MoveError> {
        let bay = self.layout.drives.index(address).and_then(|index| self.bays.get_mut(index));
        bay.ok_or(MoveError::NoElement(address))?.remove(now).map_err(|why| match why {
            WhyNot::Empty => MoveError::SourceEmpty,
            WhyNot::Prevented => MoveError::Prevented,
        })
    }

    /// Whether an element can hold a cartridge at the end of a move.
    fn holds(&self, address: Address) -> Result<(), MoveError> {
        match self.layout.element_type(address) {
            Some(kind) if kind != ElementType::TRANSPORT => Ok(()),
            _ => Err(MoveError::NoElement(address)),
        }
    }

    /// Moves a cartridge. A source that is its own destination is a move of nothing, and allowed.
    ///
    /// # Errors
    /// See [`MoveError`]; the cartridge is where it was.
    pub fn move_medium(&mut self, source: Address, destination: Address, now: Now) -> Result<(), MoveError> {
        self.holds(source)?;
        self.holds(destination)?;
        if self.content(source).is_none() {
            return Err(MoveError::SourceEmpty);
        }
        if source == destination {
            return Ok(());
        }
        if self.content(destination).is_some() {
            return Err(MoveError::DestinationFull);
        }
        let (cartridge, origin) = self.take(source, now)?;
        self.place(source, destination, cartridge, origin, now)
    }

    /// Exchanges: what is at `first` goes to `second`, what is at `source` to `first`. All is checked before any moves.
    ///
    /// # Errors
    /// See [`MoveError`]; every cartridge is where it was.
    pub fn exchange(&mut self, source: Address, first: Address, second: Address, now: Now) -> Result<(), MoveError> {
        for address in [source, first, second] {
            self.holds(address)?;
        }
        if self.content(source).is_none() || self.content(first).is_none() {
            return Err(MoveError::SourceEmpty);
        }
        if second != source && self.content(second).is_some() {
            return Err(MoveError::DestinationFull);
        }
        let locked = |address| self.bay(address).is_some_and(Bay::locked);
        if locked(source) || locked(first) {
            return Err(MoveError::Prevented);
        }
        if source == first {
            return self.move_medium(first, second, now);
        }
        let (displaced, displaced_origin) = self.take(first, now)?;
        let (cartridge, origin) = match self.take(source, now) {
            Ok(taken) => taken,
            Err(why) => {
                self.put_back(first, displaced, displaced_origin, now);
                return Err(why);
            }
        };
        if let Err(why) = self.place(source, first, cartridge, origin, now) {
            self.put_back(first, displaced, displaced_origin, now);
            return Err(why);
        }
        self.place(first, second, displaced, displaced_origin, now)
    }

    /// Puts a cartridge that was taken from `source` into `destination`, or back.
    fn place(
        &mut self,
        source: Address,
        destination: Address,
        cartridge: Cartridge,
        old: Origin,
        now: Now,
    ) -> Result<(), MoveError> {
        let from_storage = self.layout.element_type(source) == Some(ElementType::STORAGE);
        let origin = Origin { source: if from_storage { Some(source) } else { old.source }, by_operator: false };
        match self.put(destination, cartridge, origin, now) {
            Ok(()) => Ok(()),
            Err((why, cartridge)) => {
                self.put_back(source, *cartridge, old, now);
                Err(why)
            }
        }
    }

    /// Undoes a `take`. If even the source no longer takes it, it stays in the transport element, where it is seen.
    fn put_back(&mut self, source: Address, cartridge: Cartridge, origin: Origin, now: Now) {
        if let Err((_, cartridge)) = self.put(source, cartridge, origin, now) {
            let transport = Address(self.layout.transport.first);
            tracing::warn!(barcode = %cartridge.barcode(), "cartridge is left in the transport element");
            self.slots.insert(transport, *cartridge);
            self.origins.insert(transport, origin);
        }
    }
}

#[cfg(test)]
mod tests;
