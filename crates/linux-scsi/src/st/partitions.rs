//! Partitions: MTSETPART, MTMKPART, and the change of the partition before the next operation.

use super::command::Transfer;
use super::options::Booleans;
use super::position::Position;
use super::Drive;
use crate::{Errno, ScsiDevice};

/// Most partitions of a tape that the driver can use.
pub(super) const MAX_PARTITIONS: u8 = 4;
/// Length of the header, the block descriptor and the page 11h, Medium Partition, for four partitions.
const WITH_PARTITIONS: usize = 12 + 8 + 2 * 4;

/// The partition of the position, and the one that the next operation uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partitions {
    /// Number of partitions of the tape.
    pub(super) count: u8,
    /// The partition of the position.
    pub(super) current: u8,
    /// The partition for the next operation.
    pub(super) next: u8,
    /// The logical block number at which each partition was left.
    left_at: [u32; MAX_PARTITIONS as usize],
}

impl Partitions {
    /// A tape that no partition was selected on.
    pub(super) const INITIAL: Self = Self { count: 1, current: 0, next: 0, left_at: [0; MAX_PARTITIONS as usize] };

    fn left_at(&self, partition: u8) -> u32 {
        self.left_at.get(usize::from(partition)).copied().unwrap_or(0)
    }

    /// Whether the next operation changes the partition first.
    pub(super) const fn is_change_pending(&self) -> bool {
        self.current != self.next
    }
}

impl Drive {
    /// MTSETPART: the partition changes with the next operation.
    pub(super) fn set_partition(&mut self, number: i32) -> Result<(), Errno> {
        if !self.has(Booleans::CAN_PARTITIONS) {
            return Err(Errno::EINVAL);
        }
        let number = u8::try_from(number).map_err(|_| Errno::EINVAL)?;
        if number >= self.partitions.count.min(MAX_PARTITIONS) {
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
        let block = self.partitions.left_at(self.partitions.next);
        self.leave_partition(device)?;
        self.locate(device, block)
    }

    /// Remembers the block at which the current partition is left.
    pub(super) fn leave_partition(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        let block = self.read_position(device)?;
        if let Some(left_at) = self.partitions.left_at.get_mut(usize::from(self.partitions.current)) {
            *left_at = block;
        }
        Ok(())
    }

    /// The number of partitions of a new tape, from the page 11h, Medium Partition.
    pub(super) fn read_partition_count(&mut self, device: &mut dyn ScsiDevice) {
        self.partitions = Partitions::INITIAL;
        if !self.has(Booleans::CAN_PARTITIONS) {
            return;
        }
        if let Ok(page) = self.partition_page(device) {
            let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, additional, ..] = page;
            self.partitions.count = additional.saturating_add(1);
        }
    }

    fn partition_page(&mut self, device: &mut dyn ScsiDevice) -> Result<[u8; WITH_PARTITIONS], Errno> {
        let mut page = [0; WITH_PARTITIONS];
        self.run(device, &[0x1a, 0, 0x11, 0, 28, 0], Transfer::In(&mut page), self.timeouts.normal)?;
        Ok(page)
    }

    /// MTMKPART: formats the tape with two partitions if `size` is not zero. A positive size is that of partition 1 in
    /// megabytes, a negative one that of partition 0.
    pub(super) fn make_partitions(&mut self, device: &mut dyn ScsiDevice, size: i32) -> Result<(), Errno> {
        if !self.has(Booleans::CAN_PARTITIONS) {
            return Err(Errno::EINVAL);
        }
        self.change_partition(device)?;
        self.rewind(device)?;
        let mut page = self.partition_page(device)?;
        let [data_length, medium, specific, _, _, _, _, _, _, _, _, _, _, length, _, additional, flags, ..] = &mut page;
        (*data_length, *medium) = (0, 0);
        *specific &= 0x7f;
        *length = 10;
        *additional = u8::from(size != 0);
        *flags = *flags & 0x1c | 0x20 | 0x10;
        let megabytes = u16::try_from(size.unsigned_abs()).map_err(|_| Errno::EINVAL)?;
        let (first, second) = if size < 0 { (megabytes, 0xffff) } else { (0xffff, megabytes) };
        let sizes = [first.to_be_bytes(), second.to_be_bytes()].concat();
        if let Some(target) = page.get_mut(20..24) {
            target.copy_from_slice(&sizes);
        }
        let Some(parameters) = page.get(..24) else { return Err(Errno::EIO) };
        self.run(device, &[0x15, 0x10, 0, 0, 24, 0], Transfer::Out(parameters), self.timeouts.long)?;
        let format = u8::from(size != 0);
        self.run(device, &[4, 0, format, 0, 0, 0], Transfer::None, self.timeouts.long)?;
        self.partitions = Partitions {
            count: format + 1,
            current: self.partitions.current,
            next: 0,
            left_at: [0; MAX_PARTITIONS as usize],
        };
        if self.partitions.current == 0 {
            self.position = Position::BEGINNING;
        }
        Ok(())
    }
}
