//! What the index says of one object, however it is laid out.

use super::frame;
use super::index32;
use super::index512::{self, FilemarkTable};
use crate::integrity::crc32c;
use crate::medium::CodecId;

/// No tape is longer: sums of offsets and lengths stay far from overflow.
pub(super) const MAX_OFFSET: u64 = 1 << 60;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Block,
    Filemark,
}

/// How a block is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockEncryption {
    Clear,
    /// Encrypted.
    Aes,
    /// Encrypted for another place, of which it says which.
    Relocated,
    /// In clear, with the key it asks for in its record: mhvtl's way.
    Emulated,
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexRecord {
    /// Where its data begins in `data.P`; for a filemark, where the next data would.
    pub(super) offset: u64,
    /// Length as it was written.
    pub(super) length: u32,
    /// Length in `data.P`.
    pub(super) stored: u32,
    /// Filemarks before it.
    pub(super) filemarks_before: u32,
    pub(super) kind: ObjectKind,
    pub(super) codec: CodecId,
    pub(super) encryption: BlockEncryption,
    /// CRC-32C of the block as it was written (sealed: as it is stored); none if its writer made none.
    pub(super) data_crc: Option<u32>,
    /// A [frame](super::frame) lies before its data.
    pub(super) framed: bool,
}

impl IndexRecord {
    /// Where the object begins in `data.P`: its frame, or its data if it has none.
    pub(super) const fn start(&self) -> u64 {
        self.offset.saturating_sub(if self.framed { frame::SIZE as u64 } else { 0 })
    }

    /// Where the next object begins.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.stored.into())
    }

    /// Filemarks before the next object.
    pub(super) fn filemarks_after(&self) -> u64 {
        u64::from(self.filemarks_before) + u64::from(self.kind == ObjectKind::Filemark)
    }
}

/// How records lie in `indx.P`.
pub(super) enum IndexLayout {
    /// 32 bytes, each with the number of filemarks before it. Objects of newer tapes have a frame in `data.P`.
    Index32 {
        /// Whether objects that are appended get a frame.
        framed: bool,
    },
    /// 512 bytes as mhvtl has them, and a table of filemarks.
    Index512(FilemarkTable),
}

impl IndexLayout {
    /// Bytes of one record.
    pub(super) const fn size(&self) -> usize {
        match self {
            Self::Index32 { .. } => index32::SIZE,
            Self::Index512(_) => index512::SIZE,
        }
    }

    /// Whether objects that are appended get a frame.
    pub(super) const fn is_framed(&self) -> bool {
        matches!(self, Self::Index32 { framed: true })
    }

    /// Bytes of `data.P` that each object takes beside its data.
    pub(super) const fn overhead(&self) -> u64 {
        if self.is_framed() { frame::SIZE as u64 } else { 0 }
    }

    /// The record, if these are its bytes, unharmed and at their place.
    pub(super) fn decode(&self, partition: u8, object: u64, bytes: &[u8]) -> Option<IndexRecord> {
        match self {
            Self::Index32 { .. } => index32::decode(partition, object, bytes),
            Self::Index512(marks) => index512::decode(partition, object, bytes).map(|record| IndexRecord {
                filemarks_before: u32::try_from(marks.before(object)).unwrap_or(u32::MAX),
                ..record
            }),
        }
    }

    /// Appends the record's bytes, at end of data.
    pub(super) fn push(&mut self, record: &IndexRecord, partition: u8, object: u64, bytes: &mut Vec<u8>) {
        match self {
            Self::Index32 { .. } => bytes.extend_from_slice(&index32::encode(record, partition, object)),
            Self::Index512(marks) => {
                bytes.extend_from_slice(&index512::encode(record, partition, object));
                if record.kind == ObjectKind::Filemark {
                    marks.push(object);
                }
            }
        }
    }

    /// What a watermark keeps of the last record.
    pub(super) fn tag(&self, record: &[u8]) -> u32 {
        match self {
            Self::Index32 { .. } => record.last_chunk().copied().map_or(0, u32::from_le_bytes),
            Self::Index512(_) => crc32c(record),
        }
    }
}
