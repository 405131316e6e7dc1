//! Commands of a media changer: MOVE MEDIUM and READ ELEMENT STATUS.

use super::{Host, HostError, bytes_at};
use scsi_core::asc::Asc;
use smc::element::ElementType;

/// An element as READ ELEMENT STATUS reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Element type code, such as storage element.
    pub kind: ElementType,
    /// Element address in the library.
    pub address: u16,
    /// FULL: the element contains a cartridge.
    pub full: bool,
    /// ASC and ASCQ of an element with EXCEPT set, such as 83h/00h.
    pub exception: Option<Asc>,
    /// SOURCE STORAGE ELEMENT ADDRESS; `None` if SVALID is not set.
    pub source: Option<u16>,
    /// Primary volume tag without trailing spaces; `None` if the element is empty or the tag could not be read.
    pub barcode: Option<String>,
}

/// Allocation length that is sufficient for 65,535 elements.
const MAX_ELEMENT_STATUS_LEN: usize = 16 << 20;

impl Host {
    /// Moves a cartridge from one element to another (MOVE MEDIUM, default transport element).
    ///
    /// # Errors
    /// Fails if the changer does not return GOOD: the source is empty (5/3Bh/0Eh), the destination full (5/3Bh/0Dh), an
    /// address invalid (5/21h/01h), and others.
    pub fn move_medium(&self, lun: usize, source: u16, destination: u16) -> Result<(), HostError> {
        let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
        self.run_named_command("MOVE MEDIUM", lun, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0], 0).map(drop)
    }

    /// Returns all elements, with the volume tags (READ ELEMENT STATUS with VOLTAG).
    ///
    /// # Errors
    /// Fails if the changer does not return GOOD, or the data is too short.
    pub fn element_status(&self, lun: usize) -> Result<Vec<Element>, HostError> {
        let name = "READ ELEMENT STATUS";
        let data = self.run_named_command(
            name,
            lun,
            &[0xb8, 0x10, 0, 0, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0, 0],
            MAX_ELEMENT_STATUS_LEN,
        )?;
        let (mut elements, mut rest) = (Vec::new(), data.get(8..).unwrap_or_default());
        while !rest.is_empty() {
            let page = parse_page(rest).ok_or_else(|| HostError::short_data(name, lun))?;
            elements.extend(page.elements);
            rest = page.rest;
        }
        Ok(elements)
    }
}

struct ElementStatusPage<'a> {
    elements: Vec<Element>,
    rest: &'a [u8],
}

/// Parses one element status page (SMC-3 §6.12.3).
fn parse_page(bytes: &[u8]) -> Option<ElementStatusPage<'_>> {
    let [kind, flags] = bytes_at(bytes, 0)?;
    let length = usize::from(u16::from_be_bytes(bytes_at(bytes, 2)?));
    let [a, b, c] = bytes_at(bytes, 5)?;
    let count = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    let (descriptors, rest) = bytes.get(8..)?.split_at_checked(count)?;
    let has_tags = flags & 0x80 != 0;
    let elements = descriptors.chunks(length.max(1)).map(|bytes| parse_element(ElementType(kind), bytes, has_tags));
    Some(ElementStatusPage { elements: elements.collect::<Option<_>>()?, rest })
}

fn parse_element(kind: ElementType, bytes: &[u8], has_tag: bool) -> Option<Element> {
    let [flags] = bytes_at(bytes, 2)?;
    let [valid] = bytes_at(bytes, 9)?;
    let exception = Asc(u16::from_be_bytes(bytes_at(bytes, 4)?));
    let source = u16::from_be_bytes(bytes_at(bytes, 10)?);
    let tag = if has_tag { bytes.get(12..44)? } else { &[] };
    let tag = String::from_utf8_lossy(tag).trim_end_matches([' ', '\0']).to_owned();
    let full = flags & 0x01 != 0;
    Some(Element {
        kind,
        address: u16::from_be_bytes(bytes_at(bytes, 0)?),
        full,
        exception: (flags & 0x04 != 0).then_some(exception),
        source: (valid & 0x80 != 0).then_some(source),
        barcode: Some(tag).filter(|tag| full && !tag.is_empty()),
    })
}
