//! The contents of an index record, independent of its layout.

use super::frame;
use super::index32;
use super::index512::{self, FilemarkTable};
use crate::integrity::crc32c;
use crate::medium::CodecId;

/// Maximum offset: sums of offsets and lengths cannot overflow.
pub(super) const MAX_OFFSET: u64 = 1 << 60;

/// Type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Block,
    Filemark,
}

/// The encryption of a block in an index record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockEncryption {
    Clear,
    /// The block is encrypted.
    Aes,
    /// The block is encrypted for another position, which is stored with it.
    Relocated,
    /// The block is in clear and its key is in the index record, as mhvtl does it.
    Emulated,
}

/// The index record of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexRecord {
    /// Offset of the object's data in `data.P`; for a filemark, the end of its frame.
    pub(super) offset: u64,
    /// Length of the block before compression and encryption.
    pub(super) length: u32,
    /// Length of the data in `data.P`.
    pub(super) stored: u32,
    /// Number of filemarks before the object.
    pub(super) filemarks_before: u32,
    pub(super) kind: ObjectKind,
    pub(super) codec: CodecId,
    pub(super) encryption: BlockEncryption,
    /// CRC-32C of the block before compression (of an encrypted block, as stored); `None` if the writer stored none.
    pub(super) data_crc: Option<u32>,
    /// Whether a [frame](super::frame) precedes the data.
    pub(super) framed: bool,
}

impl IndexRecord {
    /// Offset in `data.P` at which the object begins: at its frame, if it has one.
    pub(super) const fn start(&self) -> u64 {
        self.offset.saturating_sub(if self.framed { frame::SIZE as u64 } else { 0 })
    }

    /// Offset in `data.P` at which the next object begins.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.stored.into())
    }

    /// Number of filemarks before the next object.
    pub(super) fn filemarks_after(&self) -> u64 {
        u64::from(self.filemarks_before) + u64::from(self.kind == ObjectKind::Filemark)
    }
}

/// Layout of the records in `indx.P`.
pub(super) enum IndexLayout {
    /// 32 bytes per record, with the number of filemarks before the object. New tapes have frames in `data.P`.
    Index32 {
        /// Whether new objects get a frame.
        framed: bool,
    },
    /// 512 bytes per record as in mhvtl, and a table of filemarks.
    Index512(FilemarkTable),
}

impl IndexLayout {
    /// Length of one record in bytes.
    pub(super) const fn size(&self) -> usize {
        match self {
            Self::Index32 { .. } => index32::SIZE,
            Self::Index512(_) => index512::SIZE,
        }
    }

    /// Whether new objects get a frame.
    pub(super) const fn is_framed(&self) -> bool {
        matches!(self, Self::Index32 { framed: true })
    }

    /// Bytes of `data.P` that each object uses in addition to its data.
    pub(super) const fn overhead(&self) -> u64 {
        if self.is_framed() { frame::SIZE as u64 } else { 0 }
    }

    /// Decodes a record; `None` if it is damaged or is the record of another object.
    pub(super) fn decode(&self, partition: u8, object: u64, bytes: &[u8]) -> Option<IndexRecord> {
        match self {
            Self::Index32 { .. } => index32::decode(partition, object, bytes),
            Self::Index512(table) => index512::decode(partition, object, bytes).map(|record| IndexRecord {
                filemarks_before: u32::try_from(table.before(object)).unwrap_or(u32::MAX),
                ..record
            }),
        }
    }

    /// Encodes a record at end of data and appends its bytes.
    pub(super) fn push(&mut self, record: &IndexRecord, partition: u8, object: u64, bytes: &mut Vec<u8>) {
        match self {
            Self::Index32 { .. } => bytes.extend_from_slice(&index32::encode(record, partition, object)),
            Self::Index512(table) => {
                bytes.extend_from_slice(&index512::encode(record, partition, object));
                if record.kind == ObjectKind::Filemark {
                    table.push(object);
                }
            }
        }
    }

    /// The checksum of a record that watermarks and frames store.
    pub(super) fn tag(&self, record: &[u8]) -> u32 {
        match self {
            Self::Index32 { .. } => record.last_chunk().copied().map_or(0, u32::from_le_bytes),
            Self::Index512(_) => crc32c(record),
        }
    }
}
