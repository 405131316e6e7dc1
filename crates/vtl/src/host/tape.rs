//! Commands of a tape drive: blocks, filemarks and positions.

use super::{Host, HostError, bytes_at};
use scsi_core::asc::Asc;
use scsi_core::sense::SenseKey;
use scsi_core::status::Status;

/// The result of READ: a block, a filemark or end of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A logical block, with its recorded length.
    Block(Vec<u8>),
    /// A filemark; the medium is positioned after it.
    Filemark,
    /// End of data: no logical object is recorded after this position.
    EndOfData,
}

impl ReadOutcome {
    /// The block; `None` for a filemark or end of data.
    #[must_use]
    pub fn block(self) -> Option<Vec<u8>> {
        match self {
            Self::Block(block) => Some(block),
            Self::Filemark | Self::EndOfData => None,
        }
    }
}

/// Whether WRITE reported early warning. The block was written in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The block was written before early warning.
    Written,
    /// The block was written, and the end of the partition is near (EOM).
    EarlyWarning,
}

/// The target of SPACE: a count of blocks or filemarks, or the end of data (SSC-5 §7.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceUnit {
    /// Count logical blocks (CODE 0h).
    Blocks,
    /// Count filemarks, not blocks (CODE 1h).
    Filemarks,
    /// To end of data, without a count (CODE 3h).
    EndOfData,
}

/// Logical position of the medium (READ POSITION, long form).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the partition, from 0.
    pub partition: u32,
    /// Number of the next logical object (block or filemark) in the partition, from 0.
    pub object: u64,
    /// Number of filemarks before the position.
    pub file: u64,
    /// BOP: at the beginning of the partition.
    pub at_beginning: bool,
    /// EOP: between early warning and the end of the partition.
    pub near_end: bool,
}

/// A length or a count as a three-byte CDB field; `None` if it does not fit.
fn three_bytes(number: usize) -> Option<[u8; 3]> {
    let [high @ .., a, b, c] = (number as u64).to_be_bytes();
    (high == [0; 5]).then_some([a, b, c])
}

impl Host {
    /// Reads a block of up to `len` bytes, at most 16,777,215 (READ(6), variable length).
    ///
    /// # Errors
    /// Fails if the block is longer than `len` (0/00h/00h with ILI; INFORMATION is the negative excess), it cannot be
    /// read, or `len` does not fit into the CDB (5/24h/00h, as if the drive had refused it).
    pub fn read(&self, lun: usize, len: usize) -> Result<ReadOutcome, HostError> {
        let Some([a, b, c]) = three_bytes(len) else { return Err(HostError::invalid_field("READ(6)", lun)) };
        let response = self.command(lun, &[0x08, 0, a, b, c, 0], len);
        if response.status == Status::GOOD {
            return Ok(ReadOutcome::Block(response.data));
        }
        let error = HostError::from_response("READ(6)", lun, &response);
        match &error.sense {
            Some(sense) if sense.filemark => Ok(ReadOutcome::Filemark),
            Some(sense) if sense.key == SenseKey::BLANK_CHECK && sense.asc == Asc::END_OF_DATA_DETECTED => {
                Ok(ReadOutcome::EndOfData)
            }
            // The block is shorter than the requested length.
            Some(sense) if sense.ili && sense.key == SenseKey::NO_SENSE => {
                let missing = sense.information.and_then(|missing| usize::try_from(missing).ok());
                match missing.and_then(|missing| response.data.get(..len.checked_sub(missing)?)) {
                    Some(block) => Ok(ReadOutcome::Block(block.to_vec())),
                    None => Err(error),
                }
            }
            _ => Err(error),
        }
    }

    /// Writes a block of up to 16,777,215 bytes (WRITE(6), variable length).
    ///
    /// # Errors
    /// Fails if the block cannot be written: write-protected (7/27h/00h), medium full (Dh/00h/02h) and others; or it is
    /// longer than the CDB allows (5/24h/00h).
    pub fn write(&self, lun: usize, block: &[u8]) -> Result<WriteOutcome, HostError> {
        let Some([a, b, c]) = three_bytes(block.len()) else {
            return Err(HostError::invalid_field("WRITE(6)", lun));
        };
        let response = self.command_with_data(lun, &[0x0a, 0, a, b, c, 0], block);
        if response.status == Status::GOOD {
            return Ok(WriteOutcome::Written);
        }
        let error = HostError::from_response("WRITE(6)", lun, &response);
        match &error.sense {
            Some(sense) if sense.eom && sense.key == SenseKey::NO_SENSE => Ok(WriteOutcome::EarlyWarning),
            _ => Err(error),
        }
    }

    /// Writes `count` filemarks, at most 16,777,215, and synchronises; 0 only synchronises (WRITE FILEMARKS(6)).
    ///
    /// # Errors
    /// Fails if the filemarks cannot be written, or earlier buffered data cannot be written.
    pub fn write_filemarks(&self, lun: usize, count: usize) -> Result<(), HostError> {
        let name = "WRITE FILEMARKS(6)";
        let [a, b, c] = three_bytes(count).ok_or_else(|| HostError::invalid_field(name, lun))?;
        self.run_named_command(name, lun, &[0x10, 0, a, b, c, 0], 0).map(drop)
    }

    /// Moves over `count` blocks or filemarks, backwards if negative, from -8,388,608 to 8,388,607; or to end of data
    /// (SPACE(6)).
    ///
    /// # Errors
    /// Fails if the movement was stopped by a filemark (0/00h/01h with FILEMARK), end of data (8/00h/05h) or beginning
    /// of partition (0/00h/04h); INFORMATION is the residual count.
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

    /// Moves to a logical object of a partition (LOCATE(10), or LOCATE(16) if its number exceeds 32 bits).
    ///
    /// # Errors
    /// Fails if there is no such object (8/00h/05h), or no such partition (5/24h/00h).
    pub fn locate(&self, lun: usize, partition: u8, object: u64) -> Result<(), HostError> {
        // CP: change to this partition.
        if let Ok(object) = u32::try_from(object) {
            let [a, b, c, d] = object.to_be_bytes();
            return self.run_named_command("LOCATE(10)", lun, &[0x2b, 2, 0, a, b, c, d, 0, partition, 0], 0).map(drop);
        }
        let [a, b, c, d, e, f, g, h] = object.to_be_bytes();
        let cdb = [0x92, 2, 0, partition, a, b, c, d, e, f, g, h, 0, 0, 0, 0];
        self.run_named_command("LOCATE(16)", lun, &cdb, 0).map(drop)
    }

    /// Returns the position of the medium (READ POSITION, long form).
    ///
    /// # Errors
    /// Fails if there is no medium, or it is not ready.
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

    /// Rewinds to the beginning of partition 0 and waits until that is done (REWIND).
    ///
    /// # Errors
    /// Fails if there is no medium, or buffered data cannot be written.
    pub fn rewind(&self, lun: usize) -> Result<(), HostError> {
        self.run_named_command("REWIND", lun, &[0x01, 0, 0, 0, 0, 0], 0).map(drop)
    }

    /// Loads the cartridge in the drive (LOAD UNLOAD, LOAD 1).
    ///
    /// # Errors
    /// Fails if there is no cartridge, or the drive cannot use it.
    pub fn load(&self, lun: usize) -> Result<(), HostError> {
        self.run_named_command("LOAD UNLOAD", lun, &[0x1b, 0, 0, 0, 1, 0], 0).map(drop)
    }

    /// Unloads the medium, so that the robot can remove it (LOAD UNLOAD, LOAD 0).
    ///
    /// # Errors
    /// Fails if an initiator prevents medium removal (5/53h/02h), or buffered data cannot be written.
    pub fn unload(&self, lun: usize) -> Result<(), HostError> {
        self.run_named_command("LOAD UNLOAD", lun, &[0x1b, 0, 0, 0, 0, 0], 0).map(drop)
    }
}
