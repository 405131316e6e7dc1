//! Elements: where a cartridge can be.

use serde::{Deserialize, Serialize};
use tape_store::cartridge::{Barcode, CartridgeKind};

scsi_core::named_values! {
    /// ELEMENT TYPE CODE.
    pub struct ElementType(u8);
    TRANSPORT = 1, "medium transport";
    STORAGE = 2, "storage";
    IMPORT_EXPORT = 3, "import/export";
    DRIVE = 4, "data transfer";
}

/// An ELEMENT ADDRESS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ElementAddress(pub u16);

/// What keeps an element from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementFault {
    /// An operator has disabled it: 5/3B/18.
    Disabled,
    /// The robot cannot get there: 4/15/01.
    Blocked,
}

/// What the barcode reader makes of a label that it cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelDefect {
    /// There is none.
    Missing,
    /// It is damaged.
    Unreadable,
}

/// Addresses of one type: the first, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// The first address.
    pub first: u16,
    /// How many.
    pub count: u16,
}

impl AddressRange {
    /// The index of an address in this range.
    #[must_use]
    pub fn index(&self, address: ElementAddress) -> Option<usize> {
        let index = address.0.checked_sub(self.first)?;
        (index < self.count).then_some(usize::from(index))
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = ElementAddress> + use<> {
        (self.first..self.first.saturating_add(self.count)).map(ElementAddress)
    }
}

/// Where the elements of a library are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementLayout {
    /// Medium transport.
    pub transport: AddressRange,
    /// Storage.
    pub storage: AddressRange,
    /// Import/export.
    pub import_export: AddressRange,
    /// Data transfer.
    pub drives: AddressRange,
}

impl ElementLayout {
    /// One robot, and so many storage, import/export and drive elements, from the first address of each of the four.
    #[must_use]
    pub const fn new(first: [u16; 4], count: [u16; 3]) -> Self {
        let ([transport, storage, import_export, drives], [slots, ports, bays]) = (first, count);
        Self {
            transport: AddressRange { first: transport, count: 1 },
            storage: AddressRange { first: storage, count: slots },
            import_export: AddressRange { first: import_export, count: ports },
            drives: AddressRange { first: drives, count: bays },
        }
    }

    /// The type of an address.
    #[must_use]
    pub fn element_type(&self, address: ElementAddress) -> Option<ElementType> {
        self.ranges().into_iter().find(|(_, range)| range.index(address).is_some()).map(|(kind, _)| kind)
    }

    /// All four ranges, by type code.
    #[must_use]
    pub const fn ranges(&self) -> [(ElementType, AddressRange); 4] {
        [
            (ElementType::TRANSPORT, self.transport),
            (ElementType::STORAGE, self.storage),
            (ElementType::IMPORT_EXPORT, self.import_export),
            (ElementType::DRIVE, self.drives),
        ]
    }

    /// The type whose elements an address would be among, if there were more of them.
    #[must_use]
    pub fn nearest_type(&self, address: ElementAddress) -> ElementType {
        let below = self.ranges().into_iter().filter(|(_, range)| range.first <= address.0);
        below.max_by_key(|(_, range)| range.first).map_or(ElementType::STORAGE, |(kind, _)| kind)
    }

    /// Two types whose addresses overlap, or a type that runs past the last address.
    #[must_use]
    pub fn overlap(&self) -> Option<(ElementType, ElementType)> {
        let end = |range: &AddressRange| u32::from(range.first) + u32::from(range.count);
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementContent {
    /// Who it is, label or not.
    pub barcode: Barcode,
    /// What the barcode reader sees instead of that, if it cannot read it.
    pub label: Option<LabelDefect>,
    /// What it is for.
    pub kind: CartridgeKind,
    /// The storage element it came from.
    pub source: Option<ElementAddress>,
    /// An operator put it here, not the robot.
    pub by_operator: bool,
    /// No drive can use it.
    pub unusable: bool,
}

impl ElementContent {
    /// What the barcode reader reads.
    #[must_use]
    pub fn tag(&self) -> Option<&Barcode> {
        self.label.is_none().then_some(&self.barcode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_types_are_detected() {
        let range = |first, count| AddressRange { first, count };
        let layout = ElementLayout {
            transport: range(0, 1),
            storage: range(1000, 20),
            import_export: range(10, 4),
            drives: range(500, 2),
        };
        assert_eq!(layout.overlap(), None);
        assert_eq!(layout.element_type(ElementAddress(1019)), Some(ElementType::STORAGE));
        assert_eq!(layout.element_type(ElementAddress(1020)), None);
        let overlapping = ElementLayout { storage: range(1000, 20), drives: range(1019, 1), ..layout };
        assert_eq!(overlapping.overlap(), Some((ElementType::STORAGE, ElementType::DRIVE)));
        let beyond = ElementLayout { storage: range(1000, 65_000), ..layout };
        assert!(beyond.overlap().is_some());
    }
}
