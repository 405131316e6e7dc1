//! The logical tape: what a drive does to a mounted medium.

use crate::encrypt::{Decryption, Encryption, EncryptionInfo};
use crate::error::StoreError;
use crate::workers::Workers;
use std::io::{IoSlice, IoSliceMut};

/// The longest block a tape holds: 24 bits, as transfer lengths have.
pub const MAX_BLOCK: usize = 0x00ff_ffff;

/// Where a medium stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Current partition.
    pub partition: u8,
    /// Number of the next object; 0 is the beginning of the partition.
    pub object: u64,
    /// Filemarks between the beginning and here.
    pub file: u64,
    /// Between early warning and the end.
    pub early_warning: bool,
    /// Behind the warning that [`Medium::set_programmable_early_warning`] set.
    pub programmable_warning: bool,
}

impl Position {
    /// Partition and object.
    #[must_use]
    pub const fn partition_and_object(&self) -> (u8, u64) {
        (self.partition, self.object)
    }
}

/// How a block is to be stored. A block that does not shrink is stored as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    /// The codec by its stored id.
    pub id: CodecId,
    /// Its level, where it has levels.
    pub level: u8,
}

impl Codec {
    /// As it is.
    pub const NONE: Self = Self { id: CodecId::NONE, level: 0 };
    /// A codec by its name: `none`, `zlib` or `zlib:1` to `zlib:9`, `zstd` or `zstd:1` to `zstd:19`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = level.map_or(Some(1), |level| level.parse::<u8>().ok().filter(|level| *level >= 1))?;
        match name {
            "none" if !text.contains(':') => Some(Self::NONE),
            "zlib" if level <= 9 => Some(Self::zlib(level)),
            "zstd" if level <= 19 => Some(Self::zstd(level)),
            _ => None,
        }
    }

    /// zlib (RFC 1950).
    #[must_use]
    pub const fn zlib(level: u8) -> Self {
        Self { id: CodecId::ZLIB, level }
    }
    /// Zstandard (RFC 8878).
    #[must_use]
    pub const fn zstd(level: u8) -> Self {
        Self { id: CodecId::ZSTD, level }
    }
}

/// A codec's number in an index record. An unknown one is an error at its object, not a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecId(pub u8);

impl CodecId {
    /// Stored as it is.
    pub const NONE: Self = Self(0);
    /// zlib.
    pub const ZLIB: Self = Self(1);
    /// Zstandard.
    pub const ZSTD: Self = Self(2);
    /// LZO1X, as mhvtl writes it; only read.
    pub const LZO: Self = Self(3);
}

/// What READ met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A block of this length; as much of it as had room stands in the buffers. The medium is behind it.
    Block {
        /// Its whole length.
        len: usize,
        /// Bytes it takes on the medium.
        stored: u64,
    },
    /// A filemark; the medium is behind it.
    Filemark,
    /// No further object; the medium did not move.
    EndOfData,
}

/// What happened to something appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is on the medium.
    Written {
        /// The medium now stands beyond early warning.
        beyond_early_warning: bool,
    },
    /// There was no room, and nothing was written.
    EndOfMedium,
}

/// What ended a motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The count was reached.
    Count,
    /// A filemark, which was crossed.
    Filemark,
    /// End of data.
    EndOfData,
    /// Beginning of the partition.
    Beginning,
}

/// How a motion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceOutcome {
    /// Objects (or filemarks, as asked) that were crossed.
    pub done: u64,
    /// Why it stopped.
    pub stopped_by: StopReason,
}

/// What a motion counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceUnit {
    /// Blocks; a filemark stops it.
    Blocks,
    /// Filemarks.
    Filemarks,
    /// Filemarks in a row, as many as the count.
    SequentialFilemarks,
}

/// Sizes of a partition in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionUsage {
    /// From the beginning to end of data, as stored.
    pub used: u64,
    /// From the beginning to the end of the partition.
    pub capacity: u64,
    /// From early warning to the end.
    pub early_warning: u64,
    /// From the beginning to here.
    pub position: u64,
    /// Blocks and filemarks.
    pub objects: u64,
}

/// Objects that were accepted and then could not be stored.
#[derive(Clone, Debug)]
pub struct DeferredLoss {
    /// The first of them; the medium stands there.
    pub lost_from: Position,
    /// Why.
    pub cause: StoreError,
}

/// A mounted tape.
///
/// Nothing here waits for a clock. What [`Self::append`] accepted may still be in memory; [`Self::sync`] makes it
/// durable. A failure to store what was accepted is [`StoreError::LostObjects`] for the call that met it, and stays to be told to
/// who wrote it: [`Self::take_deferred`].
pub trait Medium: Send {
    /// Number of partitions.
    fn partitions(&self) -> u8;
    /// Why nothing can be written, if so.
    fn read_only(&self) -> Option<&'static str> {
        None
    }
    /// The last number that an object can have.
    fn max_object_number(&self) -> u64 {
        u64::MAX
    }
    /// The longest block it takes.
    fn max_block(&self) -> usize {
        MAX_BLOCK
    }
    /// Whether what ends is the storage below, and not the medium.
    fn is_storage_full(&self) -> bool {
        false
    }
    /// Where the medium stands.
    fn position(&self) -> Position;
    /// Whether nothing follows in this partition.
    fn at_end_of_data(&self) -> bool;
    /// Sets a warning so many bytes before early warning, in every partition; 0 sets none.
    fn set_programmable_early_warning(&mut self, _bytes: u64) {}
    /// Sizes of a partition.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`].
    fn usage(&self, partition: u8) -> Result<PartitionUsage, StoreError>;
    /// Writes a block here and drops what followed.
    ///
    /// # Errors
    /// The storage failed; the block is not on the medium.
    fn append(&mut self, block: &[IoSlice<'_>], codec: Codec) -> Result<WriteOutcome, StoreError>;
    /// As [`Self::append`], sealed with a key.
    ///
    /// # Errors
    /// [`StoreError::EncryptionUnsupported`], or as [`Self::append`].
    fn append_encrypted(
        &mut self,
        _block: &[IoSlice<'_>],
        _codec: Codec,
        _seal: &Encryption,
    ) -> Result<WriteOutcome, StoreError> {
        Err(StoreError::EncryptionUnsupported)
    }
    /// Writes a sealed block here as it was read raw ([`Decryption::Raw`]), and drops what followed.
    ///
    /// # Errors
    /// [`StoreError::NotRawEncryptedBlock`], [`StoreError::EncryptionUnsupported`], or as [`Self::append`].
    fn append_raw(&mut self, _capsule: &[IoSlice<'_>]) -> Result<WriteOutcome, StoreError> {
        Err(StoreError::EncryptionUnsupported)
    }
    /// Writes a filemark here and drops what followed. Needs no room.
    ///
    /// # Errors
    /// The storage failed.
    fn append_filemark(&mut self) -> Result<WriteOutcome, StoreError>;
    /// Reads the next object.
    ///
    /// # Errors
    /// The object is damaged (the medium is then behind it), or the storage failed.
    fn read(&mut self, into: &mut [IoSliceMut<'_>]) -> Result<ReadOutcome, StoreError> {
        self.read_decrypting(into, Decryption::Disable)
    }
    /// As [`Self::read`], with a key.
    ///
    /// # Errors
    /// [`StoreError::CannotDecrypt`], or as [`Self::read`].
    fn read_decrypting(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        unseal: Decryption<'_>,
    ) -> Result<ReadOutcome, StoreError>;
    /// How the next object is sealed, if it is a sealed block.
    ///
    /// # Errors
    /// As [`Self::read`]; the medium does not move.
    fn next_encryption(&mut self) -> Result<Option<EncryptionInfo>, StoreError> {
        Ok(None)
    }
    /// Moves by `count` units, towards the beginning if negative.
    ///
    /// # Errors
    /// The index is damaged, or the storage failed.
    fn space(&mut self, unit: SpaceUnit, count: i64) -> Result<SpaceOutcome, StoreError>;
    /// Moves to end of data.
    ///
    /// # Errors
    /// The storage failed.
    fn space_to_end(&mut self) -> Result<(), StoreError>;
    /// Moves to an object, or to end of data if there are fewer; says whether it is there.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or the storage failed.
    fn locate(&mut self, partition: u8, object: u64) -> Result<bool, StoreError>;
    /// Moves behind the filemark number `file` (0: the beginning), or to end of data; says whether it is there.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or the storage failed.
    fn locate_file(&mut self, partition: u8, file: u64) -> Result<bool, StoreError>;
    /// Drops everything from here to the end of data.
    ///
    /// # Errors
    /// The storage failed.
    fn truncate(&mut self) -> Result<(), StoreError>;
    /// Bytes that blocks took on the medium since it was mounted, as far as they are written.
    fn stored_bytes(&self) -> u64;
    /// Packs blocks with these workers from here on.
    fn set_workers(&mut self, _workers: &dyn Workers) {}
    /// Keeps no copy of a key that was used.
    fn clear_keys(&mut self) {}
    /// Writes what workers have: sizes are exact then. It need not be durable.
    ///
    /// # Errors
    /// As [`Self::sync`].
    fn drain(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Makes a blank tape of partitions of these sizes in bytes, at least one, and stands at its beginning.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::NoPartition`] for more than it can have, or the storage failed.
    fn format(&mut self, sizes: &[u64]) -> Result<(), StoreError>;
    /// Makes everything accepted so far durable.
    ///
    /// # Errors
    /// The storage failed: what was accepted since the last success may be lost.
    fn sync(&mut self) -> Result<(), StoreError>;
    /// Makes everything durable for the last time, with all that a next open would otherwise have to find out.
    ///
    /// # Errors
    /// As [`Self::sync`].
    fn close(&mut self) -> Result<(), StoreError> {
        self.sync()
    }
    /// Takes the report of objects that were accepted and lost.
    fn take_deferred(&mut self) -> Option<DeferredLoss>;
}
