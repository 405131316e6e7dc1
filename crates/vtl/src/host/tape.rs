//! Commands of a drive: blocks, filemarks, positions.

use super::{Host, HostError, bytes_at};
use scsi_core::asc::Asc;
use scsi_core::sense::SenseKey;
use scsi_core::status::Status;

/// What READ met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A block, as long as it was written.
    Block(Vec<u8>),
    /// A filemark; the medium is behind it.
    Filemark,
    /// End of data: nothing is recorded behind this position.
    EndOfData,
}

impl ReadOutcome {
    /// The block, if it was one.
    #[must_use]
    pub fn block(self) -> Option<Vec<u8>> {
        match self {
            Self::Block(block) => Some(block),
            Self::Filemark | Self::EndOfData => None,
        }
    }
}

/// Whether WRITE met early warning. The block was written in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It did not.
    Written,
    /// The end of the partition is near.
    EarlyWarning,
}

/// What SPACE counts (SSC-5 §7.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceUnit {
    /// Blocks.
    Blocks,
    /// Filemarks.
    Filemarks,
    /// No count: to end of data.
    EndOfData,
}

/// Where a medium is (READ POSITION, long form).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Partition.
    pub partition: u32,
    /// Number of the next object (block or filemark) in the partition, from 0.
    pub object: u64,
    /// Number of filemarks before it.
    pub file: u64,
    /// At the beginning of the partition.
    pub at_beginning: bool,
    /// Between early warning and the end of the partition.
    pub near_end: bool,
}

/// A length or a count in three bytes.
fn three_bytes(number: usize) -> Option<[u8; 3]> {
    let [high @ .., a, b, c] = (number as u64).to_be_bytes();
    (high == [0; 5]).then_some([a, b, c])
}

impl Host {
    /// Reads a block of up to `len` bytes, at most 16,777,215 (READ(6), variable length).
    ///
    /// # Errors
    /// The block is longer than `len` (0/00/00 with ILI, INFORMATION negative by what is more), it cannot be read, or `len` is
    /// more than the command takes (5/24/00, as if the drive had refused it).
    pub fn read(&self, lun: usize, len: usize) -> Result<ReadOutcome, HostError> {
        let Some([a, b, c]) = three_bytes(len) else { return Err(HostError::invalid_field("READ(6)", lun)) };
        let answer = self.command(lun, &[0x08, 0, a, b, c, 0], len);
        if answer.status == Status::GOOD {
            return Ok(ReadOutcome::Block(answer.data));
        }
        let error = HostError::from_response("READ(6)", lun, &answer);
        match &error.sense {
            Some(sense) if sense.filemark => Ok(ReadOutcome::Filemark),
            Some(sense) if sense.key == SenseKey::BLANK_CHECK && sense.asc == Asc::END_OF_DATA_DETECTED => {
                Ok(ReadOutcome::EndOfData)
            }
            // A block that is shorter than what was asked for.
            Some(sense) if sense.ili && sense.key == SenseKey::NO_SENSE => {
                let missing = sense.information.and_then(|missing| usize::try_from(missing).ok());
                match missing.and_then(|missing| answer.data.get(..len.checked_sub(missing)?)) {
                    Some(block) => Ok(ReadOutcome::Block(block.to_vec())),
                    None => Err(error),
                }
            }
            _ => Err(error),
        }
    }

    /// Writes a block, up to 16,777,215 bytes (WRITE(6), variable length).
    ///
    /// # Errors
    /// It cannot be written: write-protected 7/27/00, full D/00/02, and others; longer than the command takes 5/24/00.
    pub fn write(&self, lun: usize, block: &[u8]) -> Result<WriteOutcome, HostError> {
        let Some([a, b, c]) = three_bytes(block.len()) else {
            return Err(HostError::invalid_field("WRITE(6)", lun));
        };
        let answer = self.command_with_data(lun, &[0x0a, 0, a, b, c, 0], block);
        if answer.status == Status::GOOD {
            return Ok(WriteOutcome::Written);
        }
        let error = HostError::from_response("WRITE(6)", lun, &answer);
        match &error.sense {
            Some(sense) if sense.eom && sense.key == SenseKey::NO_SENSE => Ok(WriteOutcome::EarlyWarning),
            _ => Err(error),
        }
    }

    /// Writes so many filemarks, at most 16,777,215, and synchronises; 0 only synchronises (WRITE FILEMARKS(6)).
    ///
    /// # Errors
    /// They cannot be written, or what was written before cannot be made durable.
    pub fn write_filemarks(&self, lun: usize, count: usize) -> Result<(), HostError> {
        let name = "WRITE FILEMARKS(6)";
        let [a, b, c] = three_bytes(count).ok_or_else(|| HostError::invalid_field(name, lun))?;
        self.run_named_command(name, lun, &[0x10, 0, a, b, c, 0], 0).map(drop)
    }

    /// Moves over so many blocks or filemarks, backwards if negative, from -8,388,608 to 8,388,607; or to end of data (SPACE(6)).
    ///
    /// # Errors
    /// Something stopped it: a filemark (0/00/01 with FILEMARK), end of data (8/00/05), the beginning (0/00/04). INFORMATION
    /// says how many are left.
    pub fn space(&self, lun: usize, unit: SpaceUnit, count: i32) -> Result<(), HostError> {
        let code = match unit {
            SpaceUnit::Blocks => 0,
            SpaceUnit::Filemarks => 1,
            SpaceUnit::EndOfData => 3,
        };
        let [high, a, b, c] = count.to_be_bytes();
        let sign = if a & 0x80 == 0 { 0 } else { 0xff };
        if high != sign {
            return Err(HostError::invalid_field("SPACE(6)", lun));
        }
        self.run_named_command("SPACE(6)", lun, &[0x11, code, a, b, c, 0], 0).map(drop)
    }

    /// Moves to an object of a partition (LOCATE(10), or LOCATE(16) where its number needs more than 32 bits).
    ///
    /// # Errors
    /// There is no such object (8/00/05) or no such partition (5/24/00).
    pub fn locate(&self, lun: usize, partition: u8, object: u64) -> Result<(), HostError> {
        // CP: to this partition.
        if let Ok(object) = u32::try_from(object) {
            let [a, b, c, d] = object.to_be_bytes();
            return self.run_named_command("LOCATE(10)", lun, &[0x2b, 2, 0, a, b, c, d, 0, partition, 0], 0).map(drop);
        }
        let [a, b, c, d, e, f, g, h] = object.to_be_bytes();
        let cdb = [0x92, 2, 0, partition, a, b, c, d, e, f, g, h, 0, 0, 0, 0];
        self.run_named_command("LOCATE(16)", lun, &cdb, 0).map(drop)
    }

    /// Where the medium is (READ POSITION, long form).
    ///
    /// # Errors
    /// There is none, or it is not ready.
    pub fn position(&self, lun: usize) -> Result<Position, HostError> {
        let (name, cdb) = ("READ POSITION", [0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
        let data = self.run_named_command(name, lun, &cdb, 32)?;
        let [flags, _, _, _] = bytes_at(&data, 0).ok_or_else(|| HostError::short_data(name, lun))?;
        let short = || HostError::short_data(name, lun);
        Ok(Position {
            partition: u32::from_be_bytes(bytes_at(&data, 4).ok_or_else(short)?),
            object: u64::from_be_bytes(bytes_at(&data, 8).ok_or_else(short)?),
            file: u64::from_be_bytes(bytes_at(&data, 16).ok_or_else(short)?),
            at_beginning: flags & 0x80 != 0,
            near_end: flags & 0x40 != 0,
        })
    }

    /// Rewinds to the beginning of partition 0, and waits for it (REWIND).
    ///
    /// # Errors
    /// There is no medium, or what was written cannot be made durable.
    pub fn rewind(&self, lun: usize) -> Result<(), HostError> {
        self.run_named_command("REWIND", lun, &[0x01, 0, 0, 0, 0, 0], 0).map(drop)
    }

    /// Loads the cartridge that is in the drive (LOAD UNLOAD, LOAD 1).
    ///
    /// # Errors
    /// There is none, or the drive cannot use it.
    pub fn load(&self, lun: usize) -> Result<(), HostError> {
        self.run_named_command("LOAD UNLOAD", lun, &[0x1b, 0, 0, 0, 1, 0], 0).map(drop)
    }

    /// Unloads the medium, which the robot can take then (LOAD UNLOAD, LOAD 0).
    ///
    /// # Errors
    /// A host prevents removal (5/53/02), or what was written cannot be made durable.
    pub fn unload(&self, lun: usize) -> Result<(), HostError> {
        self.run_named_command("LOAD UNLOAD", lun, &[0x1b, 0, 0, 0, 0, 0], 0).map(drop)
    }
}
