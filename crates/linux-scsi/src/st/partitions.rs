//! Partitions: MTSETPART, MTMKPART, and the change of the partition before the next operation.

use super::command::Transfer;
use super::options::Booleans;
use super::position::{LastTransfer, Position};
use super::{Drive, Readiness};
use crate::{Errno, ScsiDevice};

/// Most partitions of a tape that the driver can use.
pub(super) const MAX_PARTITIONS: u8 = 4;
/// Length of the header, the block descriptor and the page 11h, Medium Partition, for four partitions.
const WITH_PARTITIONS: usize = 12 + 8 + 2 * 4;

/// The partition of the position, and the one that the next operation uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partitions {
    /// Number of partitions of the tape; `None` until it was read.
    pub(super) count: Option<u8>,
    /// The partition of the position.
    pub(super) current: u8,
    /// The partition for the next operation.
    pub(super) next: u8,
    /// The logical block number at which each partition was left, and the last transfer there.
    left_at: [(u32, LastTransfer); MAX_PARTITIONS as usize],
}

impl Partitions {
    /// A tape that no partition was selected on.
    pub(super) const INITIAL: Self =
        Self { count: None, current: 0, next: 0, left_at: [(0, LastTransfer::None); MAX_PARTITIONS as usize] };

    fn left_at(&self, partition: u8) -> (u32, LastTransfer) {
        self.left_at.get(usize::from(partition)).copied().unwrap_or((0, LastTransfer::None))
    }

    /// Whether the next operation changes the partition first.
    pub(super) const fn is_change_pending(&self) -> bool {
        self.current != self.next
    }
}

impl Drive {
    /// MTSETPART: the partition changes with the next operation.
    pub(super) fn set_partition(&mut self, device: &mut dyn ScsiDevice, number: i32) -> Result<(), Errno> {
        if !self.has(Booleans::CAN_PARTITIONS) {
            return Err(Errno::EINVAL);
        }
        let number = u8::try_from(number).map_err(|_| Errno::EINVAL)?;
        let count = match self.partitions.count {
            Some(count) => count,
            None if self.readiness != Readiness::Ready => return Err(Errno::EIO),
            None => self.read_partition_count(device)?,
        };
        if number >= count.min(MAX_PARTITIONS) {
            return Err(Errno::EINVAL);
        }
        self.partitions.next = number;
        Ok(())
    }

    /// Changes to the partition of MTSETPART, to the block where it was left.
    pub(super) fn change_partition(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        if !self.partitions.is_change_pending() {
            return Ok(());
        }
        self.leave_partition(device)?;
        self.enter_partition(device)
    }

    /// Moves to the block at which the next partition was left, after the current one was left.
    pub(super) fn enter_partition(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        let (block, last) = self.partitions.left_at(self.partitions.next);
        let located = self.locate(device, block);
        if located.is_err() {
            // Linux' driver then takes the position as the beginning of the partition, wherever the drive is.
            self.partitions.current = self.partitions.next;
            self.position = Position::BEGINNING;
        }
        self.position.last = last;
        located
    }

    /// Remembers the block at which the current partition is left; block 0 if the drive is in another partition, as it is after
    /// MTUNLOAD and MTLOAD.
    pub(super) fn leave_partition(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        let (partition, block) = self.read_position(device)?;
        let block = if partition == self.partitions.current { block } else { 0 };
        if let Some(left_at) = self.partitions.left_at.get_mut(usize::from(self.partitions.current)) {
            *left_at = (block, self.position.last);
        }
        Ok(())
    }

    /// Begins with another tape: at its beginning, with the number of its partitions if the driver uses them.
    pub(super) fn start_tape(&mut self, device: &mut dyn ScsiDevice) {
        self.position = Position::BEGINNING;
        self.partitions = Partitions::INITIAL;
        if self.has(Booleans::CAN_PARTITIONS) {
            // Without the page, the number stays unknown.
            let _ = self.read_partition_count(device);
        }
    }

    /// Reads the number of partitions from the page 11h, Medium Partition.
    fn read_partition_count(&mut self, device: &mut dyn ScsiDevice) -> Result<u8, Errno> {
        let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, additional, ..] = self.partition_page(device)?;
        Ok(*self.partitions.count.insert(additional.saturating_add(1)))
    }

    fn partition_page(&mut self, device: &mut dyn ScsiDevice) -> Result<[u8; WITH_PARTITIONS], Errno> {
        let mut page = [0; WITH_PARTITIONS];
        self.run(device, &[0x1a, 0, 0x11, 0, 28, 0], Transfer::In(&mut page), self.timeouts.normal)?;
        Ok(page)
    }

    /// MTMKPART: formats the tape with two partitions if `size` is not zero. A positive size is that of partition 1 in
    /// megabytes, a negative one that of partition 0. The drive selects the sizes if the size is 1 or -1.
    pub(super) fn make_partitions(&mut self, device: &mut dyn ScsiDevice, size: i32) -> Result<(), Errno> {
        if !self.has(Booleans::CAN_PARTITIONS) {
            return Err(Errno::EINVAL);
        }
        // FORMAT MEDIUM needs the beginning of partition 0.
        self.send(device, [0x1b, 0, 0, 0, 1, 0], self.timeouts.long)?;
        let mut page = self.partition_page(device)?;
        let formats = select_partitions(&mut page, size)?;
        let Some(parameters) = page.get(..SELECTED) else { return Err(Errno::EIO) };
        let [.., list_length] = SELECTED.to_be_bytes();
        self.run(device, &[0x15, 0x10, 0, 0, list_length, 0], Transfer::Out(parameters), self.timeouts.long)?;
        if formats {
            let format = u8::from(size != 0);
            self.send(device, [4, 0, format, 0, 0, 0], self.timeouts.long)?;
        }
        if self.partitions.current == 0 {
            self.position = Position::BEGINNING;
        }
        let count = if size == 0 { 1 } else { 2 };
        self.partitions = Partitions { count: Some(count), current: self.partitions.current, ..Partitions::INITIAL };
        Ok(())
    }
}

/// Changes the page 11h so that it selects one partition, or two. Returns whether FORMAT MEDIUM creates them.
fn select_partitions(page: &mut [u8; WITH_PARTITIONS], size: i32) -> Result<bool, Errno> {
    let [
        data_length,
        medium,
        specific,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        length,
        _,
        additional,
        flags,
        _,
        units,
        _,
        sizes @ ..,
    ] = page;
    (*data_length, *medium) = (0, 0);
    *specific &= 0x7f;
    *length = SELECTED_PAGE;
    *additional = u8::from(size != 0);
    let formats = *flags & FORMAT_MEDIUM_CREATES != 0;
    let selects = if size.unsigned_abs() == 1 { FIXED_SIZES } else { INITIATOR_SIZES };
    *flags = *flags & (FORMAT_MEDIUM_CREATES | UNIT_OF_UNITS) | if size == 0 { 0 } else { selects };
    let megabytes = size.unsigned_abs();
    let (megabytes_of_unit, exponent) = if megabytes > 999 { (1000, 9) } else { (1, 6) };
    *units = *units & 0xf0 | exponent;
    let selected = u16::try_from(megabytes / megabytes_of_unit).map_err(|_| Errno::EINVAL)?;
    let (first, second) = match size {
        0 => (0, 0),
        1.. => (REMAINDER, selected),
        _ => (selected, REMAINDER),
    };
    for (target, byte) in sizes.iter_mut().zip([first.to_be_bytes(), second.to_be_bytes()].concat()) {
        *target = byte;
    }
    Ok(formats)
}

/// PARTITION SIZE of the partition that gets the remaining capacity.
const REMAINDER: u16 = 0xffff;
/// PAGE LENGTH of the page 11h with two sizes.
const SELECTED_PAGE: u8 = 10;
/// The header, the block descriptor and that page.
const SELECTED: usize = 12 + 2 + SELECTED_PAGE as usize;
/// POFM: FORMAT MEDIUM creates the partitions.
const FORMAT_MEDIUM_CREATES: u8 = 0x04;
/// PSUM 11b: the unit is ten to the power of PARTITION UNITS bytes.
const UNIT_OF_UNITS: u8 = 0x18;
/// FDP: the drive selects number and sizes.
const FIXED_SIZES: u8 = 0x80;
/// IDP: the initiator selects them.
const INITIATOR_SIZES: u8 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    /// MODE SENSE(6) of an LTO-8 drive with POFM and units of ten to the power of 9 bytes.
    const SENSED: [u8; WITH_PARTITIONS] =
        [27, 0x88, 0x90, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x0e, 3, 0, 0x1c, 3, 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn pages_that_mkpart_selects() {
        for (size, expected) in [
            (1, [0x11, 10, 3, 1, 0x9c, 3, 0x16, 0, 0xff, 0xff, 0, 1]),
            (-1, [0x11, 10, 3, 1, 0x9c, 3, 0x16, 0, 0, 1, 0xff, 0xff]),
            (500, [0x11, 10, 3, 1, 0x3c, 3, 0x16, 0, 0xff, 0xff, 0x01, 0xf4]),
            (-70_000, [0x11, 10, 3, 1, 0x3c, 3, 0x19, 0, 0, 70, 0xff, 0xff]),
            (0, [0x11, 10, 3, 0, 0x1c, 3, 0x16, 0, 0, 0, 0, 0]),
        ] {
            let mut page = SENSED;
            assert_eq!(select_partitions(&mut page, size), Ok(true));
            assert_eq!(page[..12], [0, 0, 0x10, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(page[12..24], expected, "{size}");
        }
        let mut page = SENSED;
        assert_eq!(select_partitions(&mut page, i32::MAX), Err(Errno(22)));
    }
}
