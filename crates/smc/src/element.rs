//! Elements: where a cartridge can be.

use tape_store::cartridge::{Barcode, Cartridge, Kind};

scsi_core::named_values! {
    /// ELEMENT TYPE CODE.
    pub struct ElementType(u8);
    TRANSPORT = 1, "medium transport";
    STORAGE = 2, "storage";
    IMPORT_EXPORT = 3, "import/export";
    DRIVE = 4, "data transfer";
}

/// An ELEMENT ADDRESS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u16);

/// Addresses of one type: the first, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first address.
    pub first: u16,
    /// How many.
    pub count: u16,
}

impl Range {
    /// The index of an address in this range.
    #[must_use]
    pub fn index(&self, address: Address) -> Option<usize> {
        let index = address.0.checked_sub(self.first)?;
        (index < self.count).then_some(usize::from(index))
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + use<> {
        (self.first..self.first.saturating_add(self.count)).map(Address)
    }
}

/// Where the elements of a library are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Medium transport.
    pub transport: Range,
    /// Storage.
    pub storage: Range,
    /// Import/export.
    pub import_export: Range,
    /// Data transfer.
    pub drives: Range,
}

impl Layout {
    /// The type of an address.
    #[must_use]
    pub fn element_type(&self, address: Address) -> Option<ElementType> {
        self.ranges().into_iter().find(|(_, range)| range.index(address).is_some()).map(|(kind, _)| kind)
    }

    /// All four ranges, by type code.
    #[must_use]
    pub const fn ranges(&self) -> [(ElementType, Range); 4] {
        [
            (ElementType::TRANSPORT, self.transport),
            (ElementType::STORAGE, self.storage),
            (ElementType::IMPORT_EXPORT, self.import_export),
            (ElementType::DRIVE, self.drives),
        ]
    }

    /// Two types whose addresses overlap, or a type that runs past the last address.
    #[must_use]
    pub fn conflict(&self) -> Option<(ElementType, ElementType)> {
        let end = |range: &Range| u32::from(range.first) + u32::from(range.count);
        for (a, first) in self.ranges() {
            if end(&first) > 0xffff {
                return Some((a, a));
            }
            for (b, second) in self.ranges() {
                let apart = end(&first) <= second.first.into() || end(&second) <= first.first.into();
                if a < b && first.count > 0 && second.count > 0 && !apart {
                    return Some((a, b));
                }
            }
        }
        None
    }
}

/// What an element shows of its cartridge, wherever that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The label.
    pub barcode: Option<Barcode>,
    /// It is a cleaning cartridge.
    pub cleaning: bool,
    /// The storage element it came from.
    pub source: Option<Address>,
    /// An operator put it here, not the robot.
    pub by_operator: bool,
}

impl Content {
    /// What a cartridge shows.
    #[must_use]
    pub fn of(cartridge: &Cartridge, source: Option<Address>, by_operator: bool) -> Self {
        let cleaning = cartridge.kind() == Kind::Cleaning;
        Self { barcode: Some(cartridge.barcode().clone()), cleaning, source, by_operator }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_found() {
        let range = |first, count| Range { first, count };
        let layout = Layout {
            transport: range(0, 1),
            storage: range(1000, 20),
            import_export: range(10, 4),
            drives: range(500, 2),
        };
        assert_eq!(layout.conflict(), None);
        assert_eq!(layout.element_type(Address(1019)), Some(ElementType::STORAGE));
        assert_eq!(layout.element_type(Address(1020)), None);
        let overlapping = Layout { storage: range(1000, 20), drives: range(1019, 1), ..layout };
        assert_eq!(overlapping.conflict(), Some((ElementType::STORAGE, ElementType::DRIVE)));
        let beyond = Layout { storage: range(1000, 65_000), ..layout };
        assert!(beyond.conflict().is_some());
    }
}
