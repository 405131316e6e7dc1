//! What can go wrong with a tape's bytes, with the place and the value.

use crate::encrypt::DecryptError;
use std::io;
use std::sync::Arc;

/// Damage, or a failed call of the storage below. Filemarks and ends are not errors: see [`crate::medium::Found`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The storage refused a call.
    #[error("{operation} failed: {source}")]
    Io {
        /// The call and the file.
        operation: String,
        /// Its error.
        source: Arc<io::Error>,
    },
    /// The bytes of an object are not what was written.
    #[error("partition {partition}, object {object}: {damage}")]
    Damaged {
        /// Its partition.
        partition: u8,
        /// Its number.
        object: u64,
        /// What does not fit.
        damage: Damage,
    },
    /// A block cannot be read with the key that was given, or without one; the medium stands before it.
    #[error("partition {partition}, object {object}: {reason}")]
    CannotDecrypt {
        /// Its partition.
        partition: u8,
        /// Its number.
        object: u64,
        /// What is missing.
        reason: DecryptError,
    },
    /// The tape's format has no place for sealed blocks.
    #[error("cartridges for mhvtl cannot be encrypted: it would keep the key beside the data")]
    EncryptionUnsupported,
    /// What was to be written as a sealed block is none that was read raw.
    #[error("it is no sealed block that was read raw")]
    NotRawEncryptedBlock,
    /// A file of a cartridge cannot be understood.
    #[error("{file}: {problem}")]
    Malformed {
        /// The file.
        file: String,
        /// What was found and what would be right.
        problem: String,
    },
    /// A file of a cartridge is of a version that this program does not know.
    #[error("{file}: {problem}")]
    Unsupported {
        /// The file.
        file: String,
        /// Its version, and what is known.
        problem: String,
    },
    /// The cartridge has no cartridge memory.
    #[error("ferric.mam and mam are missing: this is no cartridge, or it has lost its cartridge memory")]
    NoCartridgeMemory,
    /// Someone uses the cartridge.
    #[error("the cartridge is in use")]
    InUse,
    /// mhvtl has the cartridge loaded, or did not unload it.
    #[error("is loaded, or was not unloaded in order; if no drive has it, repair it first")]
    NotUnloaded,
    /// The cartridge is not there, or there already.
    #[error("cartridge {barcode}: {problem}")]
    Cartridge {
        /// Its barcode.
        barcode: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Objects that were accepted could not be stored.
    #[error("objects from {object} of partition {partition} on were accepted and are lost: {cause}")]
    LostObjects {
        /// Their partition.
        partition: u8,
        /// The first of them; the medium stands there.
        object: u64,
        /// Why.
        cause: Box<Self>,
    },
    /// Nothing can be written to this tape.
    #[error("the tape is read-only: {0}")]
    ReadOnly(&'static str),
    /// A block is longer than this tape can hold.
    #[error("a block of {len} bytes; this tape holds at most {max}")]
    BlockTooLong {
        /// Its length.
        len: usize,
        /// The longest that can be.
        max: usize,
    },
    /// The tape's format has no number for a further object.
    #[error("partition {partition} has no number for object {object}")]
    TooManyObjects {
        /// The partition.
        partition: u8,
        /// What its number would be.
        object: u64,
    },
    /// What an object met.
    #[error("partition {partition}, object {object}: {cause}")]
    AtObject {
        /// Its partition.
        partition: u8,
        /// Its number.
        object: u64,
        /// What is wrong with it there.
        cause: Box<Self>,
    },
    /// The cartridge's memory has no room for an attribute.
    #[error("attribute {id:04X}h of partition {partition} has no room in this cartridge's memory")]
    AttributeTooLarge {
        /// Its identifier.
        id: u16,
        /// Its partition.
        partition: u8,
    },
    /// There is no such partition.
    #[error("partition {0} does not exist")]
    NoPartition(u8),
}

/// How an object is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The index record is not one, or is that of another object.
    #[error("its index record is damaged")]
    Index,
    /// The data file ends before the object does.
    #[error("its data is cut short")]
    Truncated,
    /// The data's checksum differs.
    #[error("its checksum is wrong")]
    Checksum,
    /// The data does not decompress to its length.
    #[error("it does not decompress")]
    Compression,
    /// Stored with a codec that this version does not know.
    #[error("it is stored with unknown codec {0}")]
    Codec(u8),
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { operation: what.into(), source: Arc::new(source) }
    }

    pub(crate) fn lock(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::InUse,
            _ => Self::io("locking the cartridge")(error),
        }
    }

    /// Whether the tape refused, and nothing is lost or damaged.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::AttributeTooLarge { .. }
                | Self::ReadOnly(_)
                | Self::BlockTooLong { .. }
                | Self::TooManyObjects { .. }
                | Self::EncryptionUnsupported
                | Self::NotRawEncryptedBlock
        )
    }

    /// Whether the storage below is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge))
    }
}
