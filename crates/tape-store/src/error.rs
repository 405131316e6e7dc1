//! Errors of cartridges and tapes. Each names the place and the value.

use crate::backend::{BeingThawed, Protected, TakenOver, ThawProgress};
use crate::encrypt::DecryptError;
use crate::feature::Feature;
use std::io;
use std::sync::Arc;

/// A failure, damage or refusal of a cartridge or a tape. Filemarks, end of data and end of medium are not errors: see
/// [`crate::medium::ReadOutcome`] and [`crate::medium::WriteOutcome`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A call of the storage failed.
    #[error("{operation} failed: {source}")]
    Io {
        /// The operation and its file, such as `writing data.0`.
        operation: String,
        /// The error that the storage returned.
        source: Arc<io::Error>,
    },
    /// An object is damaged: its bytes are not the bytes that were written.
    #[error("partition {partition}, object {object}: {damage}")]
    Damaged {
        /// Partition of the damaged object.
        partition: u8,
        /// Logical object number of the damaged object.
        object: u64,
        /// The part of the object that is damaged.
        damage: Damage,
    },
    /// A block cannot be read with the given key, or without a key. The position is before the block.
    #[error("partition {partition}, object {object}: {reason}")]
    CannotDecrypt {
        /// Partition of the block.
        partition: u8,
        /// Logical object number of the block.
        object: u64,
        /// The reason: missing key, wrong key or mode.
        reason: DecryptError,
    },
    /// A block needs a codec or cipher that this build lacks. The block is not damaged.
    #[error("partition {partition}, object {object}: {feature}")]
    MissingFeature {
        /// Partition of the block.
        partition: u8,
        /// Logical object number of the block.
        object: u64,
        /// The cargo feature that reads and writes such blocks.
        feature: Feature,
    },
    /// The cartridge format stores no encrypted blocks.
    #[error("mhvtl format cannot store encrypted blocks (it would store the key next to the data)")]
    EncryptionUnsupported,
    /// The bytes to be written as an encrypted block were not read raw from one ([`crate::encrypt::Decryption::Raw`]).
    #[error("the block is not an encrypted block that was read raw")]
    NotRawEncryptedBlock,
    /// A file of a cartridge is malformed.
    #[error("{file}: {problem}")]
    Malformed {
        /// Name of the file.
        file: String,
        /// Description of the error: the value found and the one expected.
        problem: String,
    },
    /// A file of a cartridge has a version that this program does not support.
    #[error("{file}: {problem}")]
    Unsupported {
        /// Name of the file.
        file: String,
        /// The version found and the version supported.
        problem: String,
    },
    /// The folder has no cartridge memory: it is not a cartridge, or its cartridge memory is lost.
    #[error("ferric.mam and mam are missing: the folder is not a cartridge, or the cartridge memory is lost")]
    NoCartridgeMemory,
    /// The caller has stopped a verification or a conversion before its end; nothing was changed.
    #[error("was stopped")]
    Stopped,
    /// Another daemon has taken over the cartridge, which is in a store that several daemons share. Nothing is written to the
    /// cartridge from then on.
    #[error("the cartridge was taken over by {owner}")]
    TakenOver {
        /// Name of the daemon that has the cartridge now.
        owner: String,
    },
    /// The store must thaw data before it is read, and does that now. Nothing has failed: the operation can be repeated, and fails with
    /// this error until the data can be read. The position is as before the operation.
    #[error("{}", BeingThawed(*.0))]
    BeingThawed(
        /// The objects that are thawed for the operation, and for operations that may follow it.
        ThawProgress,
    ),
    /// The cartridge is retained or under a legal hold, as a store beyond this machine has recorded it; nothing was removed.
    #[error("the cartridge {reason}")]
    Protected {
        /// The reason, such as `is under a legal hold`.
        reason: String,
    },
    /// Another process or drive uses the cartridge.
    #[error("the cartridge is in use")]
    InUse,
    /// mhvtl has loaded the cartridge, or did not unload it cleanly.
    #[error("is loaded by mhvtl or was not unloaded cleanly; if no drive has it, repair it first")]
    NotUnloaded,
    /// A cartridge does not exist, exists already, or is not usable for the operation.
    #[error("cartridge {barcode}: {problem}")]
    Cartridge {
        /// Barcode of the cartridge.
        barcode: String,
        /// Description of the error, for the operator.
        problem: &'static str,
    },
    /// The cartridge is already retained until a later time, which cannot be reduced.
    #[error("cartridge {barcode}: is already retained for longer")]
    Retained {
        /// Barcode of the cartridge.
        barcode: String,
    },
    /// Accepted objects could not be stored and are lost: the cause of a deferred error.
    #[error("accepted objects from partition {partition}, object {object} on are lost: {cause}")]
    LostObjects {
        /// Partition of the lost objects.
        partition: u8,
        /// Logical object number of the first lost object; the medium is positioned there.
        object: u64,
        /// The failure of the storage that lost the objects.
        cause: Box<Self>,
    },
    /// The tape cannot be written, for the reason in the text.
    #[error("the tape is read-only: {0}")]
    ReadOnly(&'static str),
    /// A block is longer than the format can store.
    #[error("block of {len} bytes exceeds the maximum of {max}")]
    BlockTooLong {
        /// Length of the block in bytes.
        len: usize,
        /// The longest block in bytes that the format can store.
        max: usize,
    },
    /// The next logical object number exceeds the limit of the format.
    #[error("partition {partition}: object number {object} exceeds the limit of the format")]
    TooManyObjects {
        /// Partition in which the object was to be written.
        partition: u8,
        /// The logical object number that exceeds the limit.
        object: u64,
    },
    /// An error while copying or converting, with the object at which it occurred.
    #[error("partition {partition}, object {object}: {cause}")]
    AtObject {
        /// Partition of the object.
        partition: u8,
        /// Logical object number of the object.
        object: u64,
        /// The error at that object.
        cause: Box<Self>,
    },
    /// An attribute is longer than the files of mhvtl's format can store.
    #[error("attribute {id:04X}h of partition {partition} does not fit in the cartridge memory")]
    AttributeTooLarge {
        /// ATTRIBUTE IDENTIFIER of the attribute (SPC-4 §7.4).
        id: u16,
        /// Partition of the attribute; 0 for an attribute of the whole medium.
        partition: u8,
    },
    /// A partition with this number does not exist.
    #[error("partition {0} does not exist")]
    NoPartition(u8),
}

/// The kind of damage of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The index record is malformed, or is the record of another object.
    #[error("index record is damaged")]
    Index,
    /// `data.P` ends before the object ends.
    #[error("data is truncated")]
    Truncated,
    /// The checksum of the data differs from the checksum in the index record.
    #[error("checksum mismatch")]
    Checksum,
    /// The data does not decompress to its recorded length.
    #[error("decompression failed")]
    Compression,
    /// The block is stored with a codec number that this build does not know.
    #[error("unknown codec {0}")]
    Codec(u8),
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| {
            if let Some(TakenOver { owner }) = TakenOver::carried_by(&source) {
                return Self::TakenOver { owner: owner.clone() };
            }
            if let Some(Protected { reason }) = Protected::carried_by(&source) {
                return Self::Protected { reason: reason.clone() };
            }
            match BeingThawed::carried_by(&source) {
                Some(BeingThawed(progress)) => Self::BeingThawed(*progress),
                None => Self::Io { operation: what.into(), source: Arc::new(source) },
            }
        }
    }

    pub(crate) fn lock(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::InUse,
            _ => Self::io("locking the cartridge")(error),
        }
    }

    /// Whether the tape rejected the request and nothing is lost or damaged.
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

    /// Name of the daemon that has taken over the cartridge, if that is the error or its cause.
    #[must_use]
    pub fn taken_over_by(&self) -> Option<&str> {
        match self {
            Self::TakenOver { owner } => Some(owner),
            Self::LostObjects { cause, .. } | Self::AtObject { cause, .. } => cause.taken_over_by(),
            _ => None,
        }
    }

    /// How many objects can be read, if the operation can be repeated when the store has thawed its data.
    #[must_use]
    pub fn being_thawed(&self) -> Option<ThawProgress> {
        match self {
            Self::BeingThawed(progress) => Some(*progress),
            Self::AtObject { cause, .. } => cause.being_thawed(),
            _ => None,
        }
    }

    /// Whether the file system is full or a quota is exhausted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge))
    }
}
