//! The logical tape: the operations of a drive on a mounted medium, and their results.

use crate::cartridge::Format;
use crate::encrypt::{Decryption, Encryption, EncryptionInfo};
use crate::error::StoreError;
use crate::feature::Feature;
use crate::workers::Workers;
use std::io::{IoSlice, IoSliceMut};

/// The longest block in bytes: the largest value of a 24-bit TRANSFER LENGTH.
pub const MAX_BLOCK: usize = 0x00ff_ffff;

/// Logical position of a medium: its partition, and the number of the next object in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Number of the current partition, from 0.
    pub partition: u8,
    /// Logical object number of the next object; 0 is the beginning of the partition.
    pub object: u64,
    /// Logical file number: filemarks between the beginning of the partition and the position.
    pub file: u64,
}

/// The warnings that apply at a position of a medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// Whether the position is after early warning.
    pub early: bool,
    /// Whether the position is after the programmable early warning of [`Medium::set_programmable_early_warning`].
    pub programmable: bool,
}

impl Position {
    /// Partition number and logical object number, for comparisons.
    #[must_use]
    pub const fn partition_and_object(&self) -> (u8, u64) {
        (self.partition, self.object)
    }
}

/// The compression of a block: a codec and its level. A block that does not shrink is stored uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    /// The codec, by the number that index records store.
    pub id: CodecId,
    /// Compression level of the codec, from 1; 0 for a codec without levels.
    pub level: u8,
}

impl Codec {
    /// No compression: blocks are stored unchanged.
    pub const NONE: Self = Self { id: CodecId::NONE, level: 0 };
    /// The default of new drives: zstd at level 1; without feature `zstd`, zlib at level 1; without both, none.
    pub const DEFAULT: Self = match (Feature::Zstd.is_enabled(), Feature::Zlib.is_enabled()) {
        (true, _) => Self::zstd(1),
        (false, true) => Self::zlib(1),
        (false, false) => Self::NONE,
    };

    /// Parses a codec: `none`, `zlib`, `zlib:1` to `zlib:9`, `zstd`, `zstd:1` to `zstd:19`. Without a level, the level is 1.
    ///
    /// # Errors
    /// The text is not a codec, or the codec needs a feature that this build lacks.
    pub fn parse(text: &str) -> Result<Self, CodecError> {
        let invalid = || CodecError::Invalid(text.into());
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = level.map_or(Some(1), |level| level.parse::<u8>().ok().filter(|level| *level >= 1));
        let codec = match (name, level.ok_or_else(invalid)?) {
            ("none", _) if !text.contains(':') => Self::NONE,
            ("zlib", level) if level <= 9 => Self::zlib(level),
            ("zstd", level) if level <= 19 => Self::zstd(level),
            _ => return Err(invalid()),
        };
        codec.id.missing_feature().map_or(Ok(codec), |feature| Err(CodecError::MissingFeature(feature)))
    }

    /// zlib (RFC 1950) at a level from 1 to 9. Without feature `zlib`, it is refused as [`Self::zstd`] is without its
    /// feature.
    #[must_use]
    pub const fn zlib(level: u8) -> Self {
        Self { id: CodecId::ZLIB, level }
    }
    /// Zstandard (RFC 8878) at a level from 1 to 19. Without feature `zstd`, appending a block with it fails with an error
    /// that names the feature ([`CodecId::missing_feature`]); [`Self::parse`] refuses it already.
    #[must_use]
    pub const fn zstd(level: u8) -> Self {
        Self { id: CodecId::ZSTD, level }
    }
}

/// The error of a text that is not accepted as a codec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The text is not the name of a codec with a level in its range.
    #[error("{0:?} is invalid; expected none, zlib, zlib:1 to zlib:9, zstd or zstd:1 to zstd:19")]
    Invalid(String),
    /// The codec needs a cargo feature that this build lacks.
    #[error("{0}")]
    MissingFeature(Feature),
}

/// Number of a codec in an index record. A block with an unknown number is damaged ([`crate::error::Damage::Codec`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecId(pub u8);

impl CodecId {
    /// 0: the block is stored uncompressed.
    pub const NONE: Self = Self(0);
    /// 1: zlib (RFC 1950), one stream per block.
    pub const ZLIB: Self = Self(1);
    /// 2: Zstandard (RFC 8878), one frame per block.
    pub const ZSTD: Self = Self(2);
    /// 3: LZO1X as mhvtl writes it. Blocks are read with it, never written.
    pub const LZO: Self = Self(3);

    /// The cargo feature without which this build can neither read nor write blocks with the codec; `None` if it can.
    #[must_use]
    pub const fn missing_feature(self) -> Option<Feature> {
        match self {
            Self::ZLIB => Feature::Zlib.if_missing(),
            Self::ZSTD => Feature::Zstd.if_missing(),
            _ => None,
        }
    }
}

/// Result of reading the next object of a medium: a block, a filemark or the end of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A block. The buffers hold as much of it as fits; the position is after it.
    Block {
        /// Length of the whole block in bytes, even if the buffers are shorter.
        len: usize,
        /// Bytes that the block occupies on the medium, after compression and encryption.
        stored: u64,
    },
    /// A filemark; the position is after it.
    Filemark,
    /// End of data: no object follows. The position did not change.
    EndOfData,
}

/// Result of appending a block or a filemark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The object is on the medium, though perhaps not yet durable.
    Written {
        /// Whether the position is now after early warning.
        beyond_early_warning: bool,
    },
    /// End of medium: the object does not fit, and nothing was written.
    EndOfMedium,
}

/// The reason for the end of a SPACE operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The requested count was reached.
    Count,
    /// A filemark was encountered while spacing over blocks; the position is after it, in the direction of the movement.
    Filemark,
    /// End of data was reached before the count.
    EndOfData,
    /// Beginning of partition was reached before the count.
    Beginning,
}

/// Result of a SPACE operation: the number of units that were spaced over, and the reason of an early end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceOutcome {
    /// Blocks or filemarks that were crossed, in the requested unit; never more than the count.
    pub done: u64,
    /// The reason why the operation ended.
    pub stopped_by: StopReason,
}

/// The unit that [`Medium::space`] counts (CODE of SPACE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceUnit {
    /// Logical blocks; a filemark ends the operation.
    Blocks,
    /// Filemarks; blocks between them are passed.
    Filemarks,
    /// Sequential filemarks: as many filemarks in a row as the count.
    SequentialFilemarks,
}

/// Sizes of a partition in bytes of stored payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionUsage {
    /// Bytes from the beginning of the partition to end of data.
    pub used: u64,
    /// Bytes from the beginning to the end of the partition.
    pub capacity: u64,
    /// Bytes between early warning and the end of the partition.
    pub early_warning: u64,
    /// Bytes from the beginning of the partition to the position; 0 if the medium is in another partition.
    pub position: u64,
    /// Number of objects: blocks and filemarks.
    pub objects: u64,
}

/// Objects that were accepted and could not be stored afterwards: the cause of a deferred error.
#[derive(Clone, Debug)]
pub struct DeferredLoss {
    /// Position of the first lost object; the medium is positioned there.
    pub lost_from: Position,
    /// The failure of the storage that lost the objects.
    pub cause: StoreError,
}

/// An operation of a medium that waits on some media only ([`Medium::may_wait`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediumOperation {
    /// Reading the next object, or how it is encrypted.
    Read,
    /// Appending or truncating at the position, and the checks before a change of the medium.
    Append,
    /// [`Medium::drain`]: making the sizes exact.
    Drain,
}

/// A mounted tape.
///
/// No operation depends on a clock. Objects that [`Self::append`] accepted may be in memory only; [`Self::sync`] makes
/// them durable. If accepted objects cannot be stored, the call that detects the failure returns
/// [`StoreError::LostObjects`], and [`Self::take_deferred`] returns the loss once, for a deferred error to the
/// initiator that wrote the objects.
///
/// Any operation that returns a [`StoreError`] returns [`StoreError::TakenOver`] once another daemon has the cartridge.
pub trait Medium: Send {
    /// Number of partitions of the medium, 1 to 4.
    fn partitions(&self) -> u8;
    /// The reason why the medium rejects every write; `None` if it can be written.
    fn read_only(&self) -> Option<&'static str> {
        None
    }
    /// The format of the files that the medium is in; `None` if it is not in files.
    fn file_format(&self) -> Option<Format> {
        None
    }
    /// Whether an operation may wait for long now: for a network, a remote store or a slow device. The answer may change
    /// with each operation. An operation that does not wait takes about as long as access to a local file in the page
    /// cache.
    ///
    /// The owner of a drive runs commands with such an operation on a thread that may wait. Operations that
    /// [`MediumOperation`] does not list either never wait, because they return what is in memory ([`Self::position`],
    /// [`Self::usage`] and all others without errors), or always may (positioning, [`Self::sync`], [`Self::format`] and
    /// [`Self::close`]).
    fn may_wait(&self, _operation: MediumOperation) -> bool {
        false
    }
    /// Name of the daemon that has taken over the cartridge, once an operation has failed for this reason, or objects were
    /// lost for it. Every later operation on the tape fails with [`StoreError::TakenOver`].
    fn taken_over_by(&self) -> Option<&str> {
        None
    }
    /// The largest logical object number that the format can store.
    fn max_object_number(&self) -> u64 {
        u64::MAX
    }
    /// The longest block in bytes that the medium accepts.
    fn max_block(&self) -> usize {
        MAX_BLOCK
    }
    /// Whether the file system, and not the capacity of the medium, is what limits further writes.
    fn is_storage_full(&self) -> bool {
        false
    }
    /// The current logical position of the medium.
    fn position(&self) -> Position;
    /// The warnings at the current logical position.
    fn warnings(&self) -> Warnings;
    /// Whether the position is at end of data of its partition.
    fn at_end_of_data(&self) -> bool;
    /// Sets the programmable early warning zone: its size in bytes before early warning, in every partition; 0 disables
    /// it.
    fn set_programmable_early_warning(&mut self, _bytes: u64) {}
    /// Sizes of a partition, in bytes.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`] if the partition does not exist.
    fn usage(&self, partition: u8) -> Result<PartitionUsage, StoreError>;
    /// Writes a block at the position and removes all objects after it.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::BlockTooLong`] or [`StoreError::TooManyObjects`] if the medium rejects
    /// it; [`StoreError::LostObjects`] if objects accepted earlier are lost; [`StoreError::Io`] if the storage fails.
    /// The block is then not on the medium.
    fn append(&mut self, block: &[IoSlice<'_>], codec: Codec) -> Result<WriteOutcome, StoreError>;
    /// Encrypts a block and writes it as [`Self::append`] does.
    ///
    /// # Errors
    /// [`StoreError::EncryptionUnsupported`] if the format stores no encrypted blocks, or as [`Self::append`].
    fn append_encrypted(
        &mut self,
        _block: &[IoSlice<'_>],
        _codec: Codec,
        _encryption: &Encryption,
    ) -> Result<WriteOutcome, StoreError> {
        Err(StoreError::EncryptionUnsupported)
    }
    /// Writes an encrypted block that was read with [`Decryption::Raw`], and removes all objects after it.
    ///
    /// # Errors
    /// [`StoreError::NotRawEncryptedBlock`] if the bytes are no such block, [`StoreError::EncryptionUnsupported`] if
    /// the format stores no encrypted blocks, or as [`Self::append`].
    fn append_raw(&mut self, _raw_block: &[IoSlice<'_>]) -> Result<WriteOutcome, StoreError> {
        Err(StoreError::EncryptionUnsupported)
    }
    /// Writes a filemark at the position and removes all objects after it. A filemark needs no capacity.
    ///
    /// # Errors
    /// As [`Self::append`].
    fn append_filemark(&mut self) -> Result<WriteOutcome, StoreError>;
    /// Reads the next object without a key. As much of a block as fits is copied to `into`.
    ///
    /// # Errors
    /// [`StoreError::CannotDecrypt`] for an encrypted block (the position is before it), [`StoreError::Damaged`] for
    /// damage (the position is after it), or [`StoreError::Io`] if the storage fails.
    fn read(&mut self, into: &mut [IoSliceMut<'_>]) -> Result<ReadOutcome, StoreError> {
        self.read_decrypting(into, Decryption::Disable)
    }
    /// Reads the next object in a decryption mode.
    ///
    /// # Errors
    /// [`StoreError::CannotDecrypt`] if the mode or the key does not allow it (the position is before the block), or as
    /// [`Self::read`].
    fn read_decrypting(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        decryption: Decryption<'_>,
    ) -> Result<ReadOutcome, StoreError>;
    /// The encryption of the next object; `None` for a filemark, for a block stored in clear and at end of data.
    ///
    /// # Errors
    /// As [`Self::read`]; the position does not change.
    fn next_encryption(&mut self) -> Result<Option<EncryptionInfo>, StoreError> {
        Ok(None)
    }
    /// Moves by `count` units; a negative count moves towards the beginning of the partition.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the index is damaged, or [`StoreError::Io`] if the storage fails.
    fn space(&mut self, unit: SpaceUnit, count: i64) -> Result<SpaceOutcome, StoreError>;
    /// Moves to end of data of the current partition.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the storage fails.
    fn space_to_end(&mut self) -> Result<(), StoreError>;
    /// Moves to a logical object number, or to end of data if it does not exist; returns whether it exists. End of data
    /// itself counts as existing.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or [`StoreError::Io`] if the storage fails.
    fn locate(&mut self, partition: u8, object: u64) -> Result<bool, StoreError>;
    /// Moves to the beginning of logical file `file`: after that many filemarks, 0 being the beginning of the
    /// partition; to end of data if there are fewer. Returns whether the file exists.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or [`StoreError::Io`] if the storage fails.
    fn locate_file(&mut self, partition: u8, file: u64) -> Result<bool, StoreError>;
    /// Removes all objects from the position to end of data.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], or [`StoreError::Io`] if the storage fails.
    fn truncate(&mut self) -> Result<(), StoreError>;
    /// Bytes that blocks written since the mount occupy on the medium. Blocks that workers still compress are not
    /// counted.
    fn stored_bytes(&self) -> u64;
    /// Compresses and decompresses with these workers from now on.
    fn set_workers(&mut self, _workers: &dyn Workers) {}
    /// Removes every copy of an encryption key from memory.
    fn clear_keys(&mut self) {}
    /// Writes the blocks that workers still compress, so that [`Self::usage`] is exact. The blocks need not be durable.
    ///
    /// # Errors
    /// As [`Self::sync`].
    fn drain(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Formats the medium with partitions of these sizes in bytes (at least one), removes all objects, and moves to the
    /// beginning of partition 0 (FORMAT MEDIUM).
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::NoPartition`] if there are too many sizes, or [`StoreError::Io`] if the
    /// storage fails.
    fn format(&mut self, sizes: &[u64]) -> Result<(), StoreError>;
    /// Makes all accepted objects durable.
    ///
    /// # Errors
    /// [`StoreError::LostObjects`] if accepted objects are lost, or [`StoreError::Io`]: objects accepted since the last
    /// success may be lost.
    fn sync(&mut self) -> Result<(), StoreError>;
    /// Synchronises before the medium is unmounted, and makes the watermarks durable, so that the next mount has
    /// nothing to verify.
    ///
    /// # Errors
    /// As [`Self::sync`].
    fn close(&mut self) -> Result<(), StoreError> {
        self.sync()
    }
    /// Does on this machine what [`Self::close`] does. A drive saves the cartridge memory between this and [`Self::close`],
    /// which makes both durable beyond this machine if the store behind the tape promises that.
    ///
    /// # Errors
    /// As [`Self::sync`].
    fn close_files(&mut self) -> Result<(), StoreError> {
        self.sync()
    }
    /// Returns and clears the loss of accepted objects that has not been reported yet.
    fn take_deferred(&mut self) -> Option<DeferredLoss>;
}
