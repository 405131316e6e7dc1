//! The changer driver: what `ioctl(2)` on `/dev/sch0` does with a medium changer.
//!
//! A program names an element by its type and its number within the type, from 0. [`Changer`] has the addresses of each
//! type, from the element address assignment page.
//!
//! Deviations: CHIOGELEM does not return the SCSI ID of drives (CGE_IDLUN).

mod request;
mod status;

pub use request::{Element, ElementType, Request};

use crate::device::sense;
use crate::{Errno, ScsiDevice};
use core::time::Duration;
use scsi_core::{Sense, SenseKey, Status};

/// Time limit of commands that move media.
const MOVE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Time limit of INITIALIZE ELEMENT STATUS.
const INITIALIZE_TIMEOUT: Duration = Duration::from_secs(3600);
/// Attempts of a command that a unit attention ended.
const ATTEMPTS: usize = 4;

/// First address and number of the elements of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Range {
    first: u16,
    count: u16,
}

/// The state that the driver `ch` keeps of one changer between calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changer {
    /// Transport, storage, import/export and data transfer elements.
    ranges: [Range; 4],
    /// Whether the changer refused to return volume tags: then the driver requests none.
    has_no_tags: bool,
}

impl Changer {
    /// Attaches a changer: reads its element address assignment page (1Dh).
    ///
    /// # Errors
    /// EIO if the changer does not return the page.
    pub fn attach(device: &mut dyn ScsiDevice) -> Result<Self, Errno> {
        let mut page = [0; 4 + 20];
        read(device, &[0x1a, 8, 0x1d, 0, 24, 0], &mut page, MOVE_TIMEOUT)?;
        let [_, _, _, _, 0x1d, _, rest @ ..] = page else { return Err(Errno::EIO) };
        let (ranges, _) = rest.as_chunks::<4>();
        let mut changer = Self::default();
        for (range, [a, b, c, d]) in changer.ranges.iter_mut().zip(ranges) {
            *range = Range { first: u16::from_be_bytes([*a, *b]), count: u16::from_be_bytes([*c, *d]) };
        }
        Ok(changer)
    }

    fn range(&self, kind: ElementType) -> Option<Range> {
        self.ranges.get(usize::try_from(kind.0).ok()?).copied()
    }

    /// The address of an element.
    fn address(&self, element: Element) -> Result<u16, Errno> {
        let range = self.range(element.kind).ok_or(Errno::EBADSLT)?;
        let unit = u16::try_from(element.unit).ok().filter(|unit| *unit < range.count).ok_or(Errno::EBADSLT)?;
        range.first.checked_add(unit).ok_or(Errno::EBADSLT)
    }

    /// ioctl(2) with a request of the changer driver. Returns the bytes for its argument; for CHIOGSTATUS one byte for
    /// each element.
    ///
    /// # Errors
    /// EBADSLT for an element that does not exist, EXFULL for a destination that is full, EBADE for a source that is
    /// empty, EINVAL for an unknown element type of CHIOGSTATUS or an element of CHIOGELEM that does not exist, EIO if the
    /// changer refuses.
    pub fn ioctl(&mut self, device: &mut dyn ScsiDevice, request: Request) -> Result<Vec<u8>, Errno> {
        let robot = self.address(Element::ROBOT)?.to_be_bytes();
        let moved = match request {
            Request::Move { from, to, invert } => {
                let ([a, b], [c, d], [e, f]) =
                    (robot, self.address(from)?.to_be_bytes(), self.address(to)?.to_be_bytes());
                run(device, &[0xa5, 0, a, b, c, d, e, f, 0, 0, invert.into(), 0], MOVE_TIMEOUT)
            }
            Request::Exchange { from, to, second, invert: [one, two] } => {
                let ([a, b], [c, d]) = (robot, self.address(from)?.to_be_bytes());
                let ([e, f], [g, h]) = (self.address(to)?.to_be_bytes(), self.address(second)?.to_be_bytes());
                let flags = u8::from(one) << 1 | u8::from(two);
                run(device, &[0xa6, 0, a, b, c, d, e, f, g, h, flags, 0], MOVE_TIMEOUT)
            }
            Request::Position { to, invert } => {
                let ([a, b], [c, d]) = (robot, self.address(to)?.to_be_bytes());
                run(device, &[0x2b, 0, a, b, c, d, 0, 0, invert.into(), 0], MOVE_TIMEOUT)
            }
            Request::Parameters => {
                let counts = [0].into_iter().chain(self.ranges.map(|range| u32::from(range.count)));
                return Ok(counts.flat_map(u32::to_le_bytes).collect());
            }
            Request::VendorParameters => return Ok(vec![0; request::VENDOR_PARAMETERS]),
            Request::ElementStatus(kind) => return self.status_of_type(device, kind),
            Request::Element(element, argument) => return self.element(device, element, argument),
            Request::Initialize => run(device, &[7, 0, 0, 0, 0, 0], INITIALIZE_TIMEOUT),
            Request::SetVolumeTag { element, tag, clear, alternate } => {
                let [a, b] = self.address(element)?.to_be_bytes();
                let action = if clear { 0xc } else { 8 } + u8::from(alternate);
                let mut parameters = [0; 40];
                parameters.iter_mut().zip(tag).for_each(|(byte, letter)| *byte = letter);
                let cdb = [0xb6, 0, a, b, 0, action, 0, 0, 0, 40, 0, 0];
                write(device, &cdb, &parameters, MOVE_TIMEOUT)
            }
        };
        moved.map(|()| Vec::new())
    }
}

fn run(device: &mut dyn ScsiDevice, cdb: &[u8], timeout: Duration) -> Result<(), Errno> {
    execute(device, cdb, &[], &mut [], timeout).map(drop)
}

fn write(device: &mut dyn ScsiDevice, cdb: &[u8], data: &[u8], timeout: Duration) -> Result<(), Errno> {
    execute(device, cdb, data, &mut [], timeout).map(drop)
}

fn read(device: &mut dyn ScsiDevice, cdb: &[u8], into: &mut [u8], timeout: Duration) -> Result<usize, Errno> {
    execute(device, cdb, &[], into, timeout)
}

/// Runs a command; a unit attention does not end it.
fn execute(
    device: &mut dyn ScsiDevice,
    cdb: &[u8],
    data_out: &[u8],
    data_in: &mut [u8],
    timeout: Duration,
) -> Result<usize, Errno> {
    for _ in 0..ATTEMPTS {
        let completion = device.transfer(cdb, data_out, data_in, timeout).map_err(|_| Errno::EIO)?;
        match sense(&completion) {
            // Linux' driver takes a reservation conflict for the end of the command.
            _ if completion.status == Status::GOOD || completion.status == Status::RESERVATION_CONFLICT => {
                return Ok(completion.data_in);
            }
            Some(sense) if sense.key == SenseKey::UNIT_ATTENTION => {}
            sense => return Err(errno(sense.as_ref())),
        }
    }
    Err(Errno::EIO)
}

/// The error of a command that the changer refused.
fn errno(sense: Option<&Sense>) -> Errno {
    match sense.map(|sense| (sense.asc.code(), sense.asc.qualifier())) {
        Some((0x21, 0x01)) => Errno::EBADSLT,
        Some((0x3b, 0x0d)) => Errno::EXFULL,
        Some((0x3b, 0x0e)) => Errno::EBADE,
        _ => Errno::EIO,
    }
}

#[cfg(test)]
mod tests;
