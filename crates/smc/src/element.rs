//! Elements of a library: their types, addresses and contents.

use serde::{Deserialize, Serialize};
use tape_store::cartridge::{Barcode, CartridgeKind};

scsi_core::named_values! {
    /// ELEMENT TYPE CODE of SMC-3: 1 to 4.
    pub struct ElementType(u8);
    TRANSPORT = 1, "medium transport";
    STORAGE = 2, "storage";
    IMPORT_EXPORT = 3, "import/export";
    DRIVE = 4, "data transfer";
}

/// An ELEMENT ADDRESS of SMC-3: 0000h to FFFEh, unique in its library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ElementAddress(pub u16);

/// A fault of an element, set by an operator: the element cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementFault {
    /// The element is disabled: moves end with ILLEGAL REQUEST 3Bh/18h.
    Disabled,
    /// The robot cannot reach the element: moves end with HARDWARE ERROR 15h/01h.
    Blocked,
}

/// A defect of a barcode label, which the barcode reader cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelDefect {
    /// The cartridge has no label.
    Missing,
    /// The label is damaged or dirty.
    Unreadable,
}

/// A contiguous range of element addresses of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// The lowest address of the range.
    pub first: u16,
    /// Number of addresses; 0 if the library has no such elements.
    pub count: u16,
}

impl AddressRange {
    /// Returns the index of an address in this range, from 0; `None` if it is outside the range.
    #[must_use]
    pub fn index(&self, address: ElementAddress) -> Option<usize> {
        let index = address.0.checked_sub(self.first)?;
        (index < self.count).then_some(usize::from(index))
    }

    /// Returns all addresses of the range, ascending.
    pub fn addresses(&self) -> impl Iterator<Item = ElementAddress> + use<> {
        (self.first..self.first.saturating_add(self.count)).map(ElementAddress)
    }
}

/// The element addresses of a library, as in the element address assignment mode page (1Dh, SMC-3 §7.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementLayout {
    /// Medium transport elements: the robot.
    pub transport: AddressRange,
    /// Storage elements: the slots of the library.
    pub storage: AddressRange,
    /// Import/export elements: the I/O station.
    pub import_export: AddressRange,
    /// Data transfer elements: the drives.
    pub drives: AddressRange,
}

impl ElementLayout {
    /// Creates a layout with one robot. `first` has the first address of transport, storage, import/export and drive
    /// elements, `count` the number of storage, import/export and drive elements. Ranges are not checked; see
    /// [`Self::overlap`].
    #[must_use]
    pub const fn new(first: [u16; 4], count: [u16; 3]) -> Self {
        let ([transport, storage, import_export, drives], [slots, io_elements, bays]) = (first, count);
        Self {
            transport: AddressRange { first: transport, count: 1 },
            storage: AddressRange { first: storage, count: slots },
            import_export: AddressRange { first: import_export, count: io_elements },
            drives: AddressRange { first: drives, count: bays },
        }
    }

    /// Returns the element type of an address; `None` if no element has it.
    #[must_use]
    pub fn element_type(&self, address: ElementAddress) -> Option<ElementType> {
        self.ranges().into_iter().find(|(_, range)| range.index(address).is_some()).map(|(kind, _)| kind)
    }

    /// Returns the ranges of all four element types, ascending by type code.
    #[must_use]
    pub const fn ranges(&self) -> [(ElementType, AddressRange); 4] {
        [
            (ElementType::TRANSPORT, self.transport),
            (ElementType::STORAGE, self.storage),
            (ElementType::IMPORT_EXPORT, self.import_export),
            (ElementType::DRIVE, self.drives),
        ]
    }

    /// Returns the element type whose range begins closest below an address: the type that the address would have if
    /// the library had more elements. For error messages about addresses that do not exist.
    #[must_use]
    pub fn nearest_type(&self, address: ElementAddress) -> ElementType {
        let below = self.ranges().into_iter().filter(|(_, range)| range.first <= address.0);
        below.max_by_key(|(_, range)| range.first).map_or(ElementType::STORAGE, |(kind, _)| kind)
    }

    /// Returns two element types whose ranges overlap, or one type twice if its range goes beyond address FFFEh.
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

/// The properties of the cartridge in an element that READ ELEMENT STATUS reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementContent {
    /// Barcode of the cartridge, whether or not its label can be read.
    pub barcode: Barcode,
    /// The defect of the label; `None` if it can be read.
    pub label: Option<LabelDefect>,
    /// Kind of the cartridge, reported as MEDIUM TYPE.
    pub kind: CartridgeKind,
    /// SOURCE STORAGE ELEMENT ADDRESS: the storage element that the cartridge came from; `None` clears SVALID.
    pub source: Option<ElementAddress>,
    /// IMPEXP: an operator, not the robot, placed the cartridge here.
    pub by_operator: bool,
    /// No drive can load the cartridge, for instance because its files are damaged.
    pub unusable: bool,
}

impl ElementContent {
    /// Returns the barcode if the label can be read: the primary volume tag.
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
