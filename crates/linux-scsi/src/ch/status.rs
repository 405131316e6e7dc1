//! READ ELEMENT STATUS, for CHIOGSTATUS and CHIOGELEM.

use super::request::{Element, ElementType, GET_ELEMENT};
use super::{Changer, MOVE_TIMEOUT, read};
use crate::{Errno, ScsiDevice};

/// Bytes of the header of the data, and of the header of a page.
const HEADERS: usize = 16;
/// Most bytes of the descriptor of one element.
const MAX_DESCRIPTOR: usize = 512;
/// Length in bytes of a volume tag as the program gets it.
const TAG: usize = 36;
/// Bytes of a descriptor before its volume tags.
const FIXED: usize = 12;

/// Vendor-specific element types: CHET_V1 to CHET_V4.
const FIRST_VENDOR_TYPE: u32 = 4;
const LAST_VENDOR_TYPE: u32 = 7;
/// Offsets in `struct changer_get_element`.
const STATUS_AT: usize = 8;
const SOURCE_AT: usize = 16;
const PRIMARY_TAG_AT: usize = 32;
const ALTERNATE_TAG_AT: usize = 68;
const FLAGS_AT: usize = 104;

/// Flags of `cge_flags`.
const HAS_SOURCE: u32 = 4;
const HAS_PRIMARY_TAG: u32 = 0x10;
const HAS_ALTERNATE_TAG: u32 = 0x20;
const INVERTED: u32 = 2;

/// The descriptor of one element.
struct Descriptor {
    bytes: Vec<u8>,
    primary_tag: bool,
    alternate_tag: bool,
}

impl Changer {
    /// One byte for each element of a type: its flags. The four vendor-specific types have no elements.
    pub(super) fn status_of_type(&self, device: &mut dyn ScsiDevice, kind: ElementType) -> Result<Vec<u8>, Errno> {
        let count = match (self.range(kind), kind.0) {
            (Some(range), _) => range.count,
            (None, FIRST_VENDOR_TYPE..=LAST_VENDOR_TYPE) => 0,
            _ => return Err(Errno::EINVAL),
        };
        let flags = |unit| Ok(self.descriptor(device, Element { kind, unit }, false)?.flags());
        (0..u32::from(count)).map(flags).collect()
    }

    /// `struct changer_get_element`. Fields that `cge_flags` does not name stay as the program passed them.
    pub(super) fn element(
        &mut self,
        device: &mut dyn ScsiDevice,
        element: Element,
        mut argument: [u8; GET_ELEMENT],
    ) -> Result<Vec<u8>, Errno> {
        self.address(element).map_err(|_| Errno::EINVAL)?;
        let found = match self.descriptor(device, element, !self.has_no_tags) {
            Err(_) if !self.has_no_tags => {
                self.has_no_tags = true;
                self.descriptor(device, element, false)?
            }
            found => found?,
        };
        let mut flags = 0;
        let mut store = |at: usize, bytes: &[u8]| {
            argument.iter_mut().skip(at).zip(bytes).for_each(|(target, byte)| *target = *byte);
        };
        store(STATUS_AT, &u32::from(found.flags()).to_le_bytes());
        if let Some(source) = found.source().and_then(|address| self.element_at(address)) {
            flags |= HAS_SOURCE;
            store(SOURCE_AT, &[source.kind.0, source.unit].map(u32::to_le_bytes).concat());
        }
        if found.is_inverted() {
            flags |= INVERTED;
        }
        for (number, flag, at) in [(0, HAS_PRIMARY_TAG, PRIMARY_TAG_AT), (1, HAS_ALTERNATE_TAG, ALTERNATE_TAG_AT)] {
            if let Some(tag) = found.tag(number) {
                flags |= flag;
                store(at, &tag);
            }
        }
        store(FLAGS_AT, &u32::to_le_bytes(flags));
        Ok(argument.to_vec())
    }

    fn element_at(&self, address: u16) -> Option<Element> {
        (0..).zip(self.ranges).find_map(|(kind, range)| {
            let unit = address.checked_sub(range.first).filter(|unit| *unit < range.count)?;
            Some(Element { kind: ElementType(kind), unit: unit.into() })
        })
    }

    fn descriptor(&self, device: &mut dyn ScsiDevice, element: Element, tags: bool) -> Result<Descriptor, Errno> {
        let [a, b] = self.address(element)?.to_be_bytes();
        let code = u8::try_from(element.kind.0 + 1).map_err(|_| Errno::EBADSLT)? | u8::from(tags) << 4;
        let mut data = vec![0; HEADERS + MAX_DESCRIPTOR];
        let [.., high, low] = data.len().to_be_bytes();
        let len = read(device, &[0xb8, code, a, b, 0, 1, 0, 0, high, low, 0, 0], &mut data, MOVE_TIMEOUT)?;
        data.truncate(len);
        let [_, _, _, _, _, _, _, _, _, flags, ..] = *data.as_slice() else { return Err(Errno::EIO) };
        let bytes = data.split_off(HEADERS.min(data.len()));
        if bytes.len() < FIXED {
            return Err(Errno::EIO);
        }
        Ok(Descriptor { bytes, primary_tag: flags & 0x80 != 0, alternate_tag: flags & 0x40 != 0 })
    }
}

impl Descriptor {
    fn byte(&self, index: usize) -> u8 {
        self.bytes.get(index).copied().unwrap_or_default()
    }

    /// FULL, IMPEXP, EXCEPT, ACCESS, EXENAB, INENAB: the bits of CESTATUS.
    fn flags(&self) -> u8 {
        self.byte(2)
    }

    fn is_inverted(&self) -> bool {
        self.byte(9) & 0x40 != 0
    }

    /// SOURCE STORAGE ELEMENT ADDRESS, if SVALID is set.
    fn source(&self) -> Option<u16> {
        (self.byte(9) & 0x80 != 0).then(|| u16::from_be_bytes([self.byte(10), self.byte(11)]))
    }

    /// The primary (0) or alternate (1) volume tag; `None` if the changer does not return it.
    fn tag(&self, number: usize) -> Option<[u8; TAG]> {
        let (is_there, at) = match number {
            0 => (self.primary_tag, FIXED),
            _ if self.primary_tag => (self.alternate_tag, FIXED + TAG),
            _ => (self.alternate_tag, FIXED),
        };
        if !is_there {
            return None;
        }
        self.bytes.get(at..)?.first_chunk().copied()
    }
}
