//! READ ELEMENT STATUS, for CHIOGSTATUS and CHIOGELEM.

use super::request::{Element, ElementType};
use super::{Changer, MOVE_TIMEOUT, Range, read};
use crate::{Errno, ScsiDevice};

/// Bytes of the header of the data, and of the header of a page.
const HEADERS: usize = 16;
/// Most bytes of the descriptor of one element.
const MAX_DESCRIPTOR: usize = 512;
/// Length in bytes of a volume tag as the program gets it.
const TAG: usize = 36;
/// Bytes of a descriptor before its volume tags.
const FIXED: usize = 12;

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
    /// One byte for each element of a type: its flags.
    pub(super) fn status_of_type(&self, device: &mut dyn ScsiDevice, kind: ElementType) -> Result<Vec<u8>, Errno> {
        let Range { count, .. } = self.range(kind).ok_or(Errno::EINVAL)?;
        let flags = |unit| Ok(self.descriptor(device, Element { kind, unit }, false)?.flags());
        (0..u32::from(count)).map(flags).collect()
    }

    /// `struct changer_get_element`.
    pub(super) fn element(&self, device: &mut dyn ScsiDevice, element: Element) -> Result<Vec<u8>, Errno> {
        let found = self.descriptor(device, element, true)?;
        let mut flags = 0;
        let source = found.source().and_then(|address| self.element_at(address));
        if source.is_some() {
            flags |= HAS_SOURCE;
        }
        if found.is_inverted() {
            flags |= INVERTED;
        }
        let source = source.unwrap_or(Element { kind: ElementType(0), unit: 0 });
        let numbers = [element.kind.0, element.unit, found.flags().into(), 0, source.kind.0, source.unit, 0, 0];
        let mut reply: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        for (tag, flag) in [(found.tag(0), HAS_PRIMARY_TAG), (found.tag(1), HAS_ALTERNATE_TAG)] {
            flags |= if tag.is_some() { flag } else { 0 };
            reply.extend(tag.unwrap_or([0; TAG]));
        }
        reply.extend(flags.to_le_bytes());
        Ok(reply)
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
