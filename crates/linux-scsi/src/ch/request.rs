//! The requests of `linux/chio.h` and their structures.

use crate::Errno;
use scsi_core::named_values;

named_values! {
    /// A type of elements, as programs number them.
    pub struct ElementType(u32);
    TRANSPORT = 0, "CHET_MT";
    STORAGE = 1, "CHET_ST";
    IMPORT_EXPORT = 2, "CHET_IE";
    DATA_TRANSFER = 3, "CHET_DT";
}

/// An element, by its type and its number within the type, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// The type of the element.
    pub kind: ElementType,
    /// The number of the element within the type.
    pub unit: u32,
}

impl Element {
    /// The robot that all requests use.
    pub(super) const ROBOT: Self = Self { kind: ElementType::TRANSPORT, unit: 0 };
}

/// A request of `ioctl(2)` on a changer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// CHIOMOVE: move a medium to an empty element.
    Move {
        /// The element with the medium.
        from: Element,
        /// The empty element to which the medium is moved.
        to: Element,
        /// Turn the medium.
        invert: bool,
    },
    /// CHIOEXCHANGE: move a medium to an element, and the medium there to another one.
    Exchange {
        /// The element with the first medium.
        from: Element,
        /// The element with the second medium.
        to: Element,
        /// The element to which the second medium is moved.
        second: Element,
        /// Turn the first medium, and the second.
        invert: [bool; 2],
    },
    /// CHIOPOSITION: move the robot to an element.
    Position {
        /// The element before which the robot stops.
        to: Element,
        /// Turn the robot.
        invert: bool,
    },
    /// CHIOGPARAMS: the number of elements of each type.
    Parameters,
    /// CHIOGVPARAMS: the number of elements of the vendor-specific types.
    VendorParameters,
    /// CHIOGSTATUS: the status of all elements of a type.
    ElementStatus(ElementType),
    /// CHIOGELEM: the status of an element in the changer, with the argument of the program, whose other fields stay.
    Element(Element, [u8; GET_ELEMENT]),
    /// CHIOINITELEM: take the inventory of all elements.
    Initialize,
    /// CHIOSVOLTAG: set a volume tag.
    SetVolumeTag {
        /// The element with the medium.
        element: Element,
        /// The volume tag.
        tag: [u8; 36],
        /// Remove the tag instead.
        clear: bool,
        /// The alternate volume tag instead of the primary one.
        alternate: bool,
    },
}

/// Length in bytes of `struct changer_get_element`.
pub(super) const GET_ELEMENT: usize = 108;
/// Length in bytes of `struct changer_vendor_params`.
pub(super) const VENDOR_PARAMETERS: usize = 112;
/// Bit of the flags of a request: CM_INVERT, CE_INVERT1, CP_INVERT.
const INVERT: u32 = 1;
/// CE_INVERT2
const INVERT_SECOND: u32 = 2;
/// CSV_AVOLTAG, CSV_CLEARTAG
const ALTERNATE_TAG: u32 = 2;
const CLEAR_TAG: u32 = 4;

impl Request {
    /// Decodes a request with its argument; `None` if it is not a request of the changer driver.
    ///
    /// # Errors
    /// EFAULT if the argument is too short.
    pub fn decode(code: u32, argument: &[u8]) -> Result<Option<Self>, Errno> {
        let (numbers, _) = argument.as_chunks::<4>();
        let number = |index: usize| numbers.get(index).map(|bytes| u32::from_le_bytes(*bytes)).ok_or(Errno::EFAULT);
        let element = |index| Ok::<_, Errno>(Element { kind: ElementType(number(index)?), unit: number(index + 1)? });
        Ok(Some(match code {
            0x4014_6301 => Self::Move { from: element(0)?, to: element(2)?, invert: number(4)? & INVERT != 0 },
            0x401c_6302 => Self::Exchange {
                from: element(0)?,
                to: element(2)?,
                second: element(4)?,
                invert: [number(6)? & INVERT != 0, number(6)? & INVERT_SECOND != 0],
            },
            0x400c_6303 => Self::Position { to: element(0)?, invert: number(2)? & INVERT != 0 },
            0x8014_6306 => Self::Parameters,
            0x8070_6313 => Self::VendorParameters,
            crate::argument::CHIOGSTATUS => Self::ElementStatus(ElementType(number(0)?)),
            crate::argument::CHIOGELEM => {
                Self::Element(element(0)?, argument.first_chunk().copied().ok_or(Errno::EFAULT)?)
            }
            0x6311 => Self::Initialize,
            0x4030_6312 => Self::SetVolumeTag {
                element: element(0)?,
                tag: argument.get(8..).and_then(|tag| tag.first_chunk().copied()).ok_or(Errno::EFAULT)?,
                clear: number(11)? & CLEAR_TAG != 0,
                alternate: number(11)? & ALTERNATE_TAG != 0,
            },
            _ => return Ok(None),
        }))
    }
}
