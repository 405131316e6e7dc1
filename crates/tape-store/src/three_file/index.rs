//! What the index says of one object, however it is laid out.

use super::compact;
use super::frame;
use super::wide::{self, Filemarks};
use crate::integrity::crc32c;
use crate::medium::CodecId;

/// No tape is longer: sums of offsets and lengths stay far from overflow.
pub(super) const MAX_OFFSET: u64 = 1 << 60;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Block,
    Filemark,
}

/// How a block is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    No,
    /// Encrypted.
    Aes,
    /// Encrypted for another place, of which it says which.
    Capsule,
    /// In clear, with the key it asks for in its record: mhvtl's way.
    Labelled,
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where its data begins in `data.P`; for a filemark, where the next data would.
    pub(super) offset: u64,
    /// Length as it was written.
    pub(super) length: u32,
    /// Length in `data.P`.
    pub(super) stored: u32,
    /// Filemarks before it.
    pub(super) files: u32,
    pub(super) kind: Kind,
    pub(super) codec: CodecId,
    pub(super) sealed: Sealed,
    /// CRC-32C of the block as it was written (sealed: as it is stored); none if its writer made none.
    pub(super) data_crc: Option<u32>,
    /// A [frame](super::frame) lies before its data.
    pub(super) framed: bool,
}

impl Record {
    /// Where the object begins in `data.P`: its frame, or its data if it has none.
    pub(super) const fn start(&self) -> u64 {
        self.offset.saturating_sub(if self.framed { frame::SIZE as u64 } else { 0 })
    }

    /// Where the next object begins.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.stored.into())
    }

    /// Filemarks before the next object.
    pub(super) fn files_behind(&self) -> u64 {
        u64::from(self.files) + u64::from(self.kind == Kind::Filemark)
    }
}

/// How records lie in `indx.P`.
pub(super) enum Layout {
    /// 32 bytes, each with the number of filemarks before it. Objects of newer tapes have a frame in `data.P`.
    Compact {
        /// Whether objects that are appended get a frame.
        framed: bool,
    },
    /// 512 bytes as mhvtl has them, and a table of filemarks.
    Wide(Filemarks),
}

impl Layout {
    /// Bytes of one record.
    pub(super) const fn size(&self) -> usize {
        match self {
            Self::Compact { .. } => compact::SIZE,
            Self::Wide(_) => wide::SIZE,
        }
    }

    /// Whether objects that are appended get a frame.
    pub(super) const fn is_framed(&self) -> bool {
        matches!(self, Self::Compact { framed: true })
    }

    /// Bytes of `data.P` that each object takes beside its data.
    pub(super) const fn overhead(&self) -> u64 {
        if self.is_framed() { frame::SIZE as u64 } else { 0 }
    }

    /// The record, if these are its bytes, unharmed and at their place.
    pub(super) fn decode(&self, partition: u8, object: u64, bytes: &[u8]) -> Option<Record> {
        match self {
            Self::Compact { .. } => compact::decode(partition, object, bytes),
            Self::Wide(marks) => wide::decode(partition, object, bytes)
                .map(|record| Record { files: u32::try_from(marks.before(object)).unwrap_or(u32::MAX), ..record }),
        }
    }

    /// Appends the record's bytes, at end of data.
    pub(super) fn push(&mut self, record: &Record, partition: u8, object: u64, bytes: &mut Vec<u8>) {
        match self {
            Self::Compact { .. } => bytes.extend_from_slice(&compact::encode(record, partition, object)),
            Self::Wide(marks) => {
                bytes.extend_from_slice(&wide::encode(record, partition, object));
                if record.kind == Kind::Filemark {
                    marks.push(object);
                }
            }
        }
    }

    /// What a watermark keeps of the last record.
    pub(super) fn tag(&self, record: &[u8]) -> u32 {
        match self {
            Self::Compact { .. } => record.last_chunk().copied().map_or(0, u32::from_le_bytes),
            Self::Wide(_) => crc32c(record),
        }
    }
}
