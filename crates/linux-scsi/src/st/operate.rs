//! The operations of MTIOCTOP.

use super::options::Booleans;
use super::position::{Boundary, LastTransfer, Position};
use super::{Door, Drive, OpenTape, Readiness, ResetState};
use crate::mtio::{Operation, TapeOperation};
use crate::{Errno, ScsiDevice};

/// First count of MTLOAD that selects a slot of an autoloader: 10000 + the number of the slot.
const LOADER_SLOT: i32 = 10_000;
/// Most slots of such an autoloader.
const LOADER_SLOTS: i32 = 6;

/// Operations that are sent to the drive also if it had no tape.
const WITHOUT_TAPE: [Operation; 6] =
    [Operation::LOAD, Operation::LOCK, Operation::UNLOCK, Operation::SEEK, Operation::COMPRESSION, Operation::SETPART];
/// Operations that need access to write.
const CHANGES_TAPE: [Operation; 4] = [Operation::WEOF, Operation::WEOFI, Operation::WSM, Operation::ERASE];
/// Operations before which a filemark is written after data.
const ENDS_FILE: [Operation; 5] = [Operation::REW, Operation::OFFL, Operation::SEEK, Operation::BSF, Operation::BSFM];
/// Operations that do not change the partition first.
const KEEPS_PARTITION: [Operation; 5] =
    [Operation::SEEK, Operation::NOP, Operation::LOCK, Operation::UNLOCK, Operation::MKPART];
/// Operations that are allowed after a reset has made the position unknown.
const FINDS_POSITION: [Operation; 7] = [
    Operation::REW,
    Operation::OFFL,
    Operation::RETEN,
    Operation::EOM,
    Operation::ERASE,
    Operation::SEEK,
    Operation::LOAD,
];

/// Operations after which close still writes the filemark after data.
const KEEPS_FILE_OPEN: [Operation; 4] = [Operation::NOP, Operation::SETBLK, Operation::SETDENSITY, Operation::SETPART];

impl Drive {
    pub(super) fn operate(
        &mut self,
        device: &mut dyn ScsiDevice,
        tape: &OpenTape,
        request: TapeOperation,
    ) -> Result<(), Errno> {
        let operation = request.operation;
        if FINDS_POSITION.contains(&operation) && self.reset == ResetState::PositionLost {
            self.reset = ResetState::None;
            // The reset has changed the settings of the drive.
            let _ = self.select_mode(device, self.state);
        }
        self.check_position()?;
        if operation == Operation::SETDRVBUFFER {
            return self.set_options(device, tape, request.count.cast_unsigned());
        }
        if !self.mode().defined {
            return Err(Errno::ENXIO);
        }
        if !WITHOUT_TAPE.contains(&operation) {
            self.check_ready()?;
        }
        self.end_transfers(device, operation)?;
        if CHANGES_TAPE.contains(&operation) && !tape.opening.access.writes() {
            self.position.last = LastTransfer::None;
            return Err(Errno::EACCES);
        }
        if !KEEPS_PARTITION.contains(&operation) {
            self.change_partition(device)?;
        }
        let count = self.end_file(device, operation, request.count)?;
        if !KEEPS_FILE_OPEN.contains(&operation) {
            self.position.last = LastTransfer::None;
        }
        let done = match operation {
            Operation::NOP => Ok(()),
            Operation::LOCK | Operation::UNLOCK => {
                self.set_door(device, if operation == Operation::LOCK { Door::Locked } else { Door::Unlocked });
                Ok(())
            }
            Operation::SETBLK => self.set_block_length(device, count),
            Operation::SETDENSITY => self.set_density(device, count),
            Operation::COMPRESSION if self.readiness != Readiness::Ready => Err(Errno::EIO),
            Operation::COMPRESSION => self.set_compression(device, count != 0),
            Operation::SETPART => self.set_partition(device, count),
            _ => self.move_tape(device, operation, count),
        };
        done.or_else(|errno| self.check_position().and(Err(errno)))
    }

    /// Writes the filemark after data before some operations. Spacing back over filemarks counts this one, too; returns
    /// the count for the operation.
    fn end_file(&mut self, device: &mut dyn ScsiDevice, operation: Operation, count: i32) -> Result<i32, Errno> {
        if !ENDS_FILE.contains(&operation) || self.position.last != LastTransfer::Write {
            return Ok(count);
        }
        self.write_filemarks(device, 1, false)?;
        let goes_back = operation == Operation::BSF || operation == Operation::BSFM;
        Ok(if goes_back { count.saturating_add(1) } else { count })
    }

    fn move_tape(&mut self, device: &mut dyn ScsiDevice, operation: Operation, count: i32) -> Result<(), Errno> {
        match operation {
            Operation::FSF | Operation::BSF | Operation::FSFM | Operation::BSFM => {
                self.space_files(device, operation, count)
            }
            Operation::FSR => self.space_blocks(device, count),
            Operation::BSR => self.space_blocks(device, count.saturating_neg()),
            Operation::FSS => self.space_setmarks(device, count),
            Operation::BSS => self.space_setmarks(device, count.saturating_neg()),
            Operation::WEOF => self.write_filemarks(device, count, false),
            Operation::WEOFI => self.write_filemarks(device, count, true),
            Operation::WSM => self.write_setmarks(device, count),
            Operation::REW => self.rewind(device),
            Operation::SEEK => self.seek(device, count),
            Operation::EOM => self.space_to_end(device),
            Operation::ERASE => self.erase(device, count != 0),
            Operation::OFFL => {
                if self.door != Door::Unlocked {
                    self.set_door(device, Door::Unlocked);
                }
                self.unload(device)
            }
            Operation::RETEN => self.retension(device),
            Operation::LOAD => self.load(device, count),
            Operation::UNLOAD => self.unload(device),
            Operation::MKPART => self.make_partitions(device, count),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// REWIND.
    pub(super) fn rewind(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        self.send(device, [1, self.immediate(), 0, 0, 0, 0], self.timeouts.long)?;
        self.position = Position::BEGINNING;
        Ok(())
    }

    /// IMMED of the commands that wind the tape.
    fn immediate(&self) -> u8 {
        self.has(Booleans::NOWAIT).into()
    }

    fn set_block_length(&mut self, device: &mut dyn ScsiDevice, count: i32) -> Result<(), Errno> {
        let block_length = count.cast_unsigned() & 0x00ff_ffff;
        if !self.accepts(block_length) {
            return Err(Errno::EINVAL);
        }
        let mut wanted = self.state;
        wanted.block_length = block_length;
        self.select_mode(device, wanted)
    }

    fn set_density(&mut self, device: &mut dyn ScsiDevice, count: i32) -> Result<(), Errno> {
        let [density, ..] = count.to_le_bytes();
        let mut wanted = self.state;
        wanted.density = density;
        self.select_mode(device, wanted)
    }

    /// ERASE(6): of the rest of the partition if `long`, else of a mark at the position.
    fn erase(&mut self, device: &mut dyn ScsiDevice, long: bool) -> Result<(), Errno> {
        if self.state.write_protected {
            return Err(Errno::EACCES);
        }
        let flags = u8::from(long) | self.immediate() << 1;
        self.position.boundary = Boundary::None;
        self.send(device, [0x19, flags, 0, 0, 0, 0], self.timeouts.long.saturating_mul(8))?;
        Ok(())
    }

    fn unload(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        self.load_command(device, 0, 0)?;
        self.readiness = Readiness::NoTape;
        Ok(())
    }

    fn load(&mut self, device: &mut dyn ScsiDevice, count: i32) -> Result<(), Errno> {
        let slot = count.saturating_sub(LOADER_SLOT);
        let slot = if (1..=LOADER_SLOTS).contains(&slot) { slot } else { 0 };
        let [slot, ..] = slot.to_le_bytes();
        self.load_command(device, slot, 1)?;
        self.readiness = Readiness::Ready;
        if self.has(Booleans::CAN_PARTITIONS) && self.partitions.count.is_none() {
            self.start_tape(device);
        }
        self.read_settings(device);
        Ok(())
    }

    fn retension(&mut self, device: &mut dyn ScsiDevice) -> Result<(), Errno> {
        self.load_command(device, 0, 3)?;
        self.position = Position::BEGINNING;
        Ok(())
    }

    /// LOAD UNLOAD: RETEN bit 1 and LOAD bit 0 of `flags`. After a failure the position is unknown.
    fn load_command(&mut self, device: &mut dyn ScsiDevice, slot: u8, flags: u8) -> Result<(), Errno> {
        let done = self.send(device, [0x1b, self.immediate(), 0, slot, flags, 0], self.timeouts.long);
        if done.is_err() {
            self.position = Position::UNKNOWN;
        }
        Ok(done?)
    }
}
