//! Appending: room first, then the cut, then the object. What ends is the cartridge or the file system below it.

use super::ThreeFile;
use super::index::{Kind, Record};
use crate::error::StoreError;
use crate::integrity::crc32c_slices;
use crate::media;
use crate::medium::{Codec, CodecId, Deferred, MAX_BLOCK, Position, Written};
use std::io::IoSlice;

/// How much of the file system lies behind early warning when it, and not the cartridge, is what ends.
pub const FREE_RESERVE: u64 = 256 << 20;
/// Free space is asked for again after this many bytes, so a neighbour that fills the disk is noticed in time.
const ASK_EVERY: u64 = 16 << 20;

/// The end that the file system sets, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Physical {
    /// First byte offset of the current partition that would not fit; `None` if nothing limits it.
    end: Option<u64>,
    /// Ask again when the offset passes this.
    ask_at: u64,
}

impl ThreeFile {
    /// Offset behind which early warning is given.
    pub(super) fn warning_at(&self) -> u64 {
        let capacity = self.partition_capacity();
        let logical = capacity - media::early_warning(capacity);
        self.physical.end.map_or(logical, |end| logical.min(end.saturating_sub(FREE_RESERVE)))
    }

    fn limit(&mut self, here: u64) -> u64 {
        if here >= self.physical.ask_at || here + ASK_EVERY < self.physical.ask_at {
            self.physical.end = self.folder.available().map(|free| here.saturating_add(free));
            self.physical.ask_at = here + ASK_EVERY;
        }
        let capacity = self.partition_capacity();
        self.physical.end.map_or(capacity, |end| capacity.min(end))
    }

    pub(super) fn append_block(&mut self, block: &[IoSlice<'_>], codec: Codec) -> Result<Written, StoreError> {
        let len: usize = block.iter().map(|slice| slice.len()).sum();
        if len == 0 || len > MAX_BLOCK {
            return Ok(Written::Full);
        }
        let object = self.object;
        let here = self.part()?.offset(object)?;
        let limit = self.limit(here);
        let files = u32::try_from(self.file).unwrap_or(u32::MAX);
        let data_crc = crc32c_slices(block);
        let Self { partitions, buffers, current, .. } = self;
        let Some(part) = partitions.get_mut(*current) else { return Ok(Written::Full) };
        let packed = buffers.codecs.compress(block, codec).map(|packed| [IoSlice::new(packed)]);
        let (stored, codec): (&[IoSlice<'_>], _) = match &packed {
            Some(packed) => (packed, codec.id),
            None => (block, CodecId::NONE),
        };
        let stored_len: usize = stored.iter().map(|slice| slice.len()).sum();
        if here + stored_len as u64 > limit {
            return Ok(Written::Full);
        }
        part.truncate(object)?;
        let record = Record {
            offset: here,
            length: u32::try_from(len).unwrap_or(u32::MAX),
            stored: u32::try_from(stored_len).unwrap_or(u32::MAX),
            files,
            kind: Kind::Block,
            codec,
            data_crc,
        };
        let result = part.store(stored, stored_len).and_then(|()| part.push(&record));
        self.appended(result, object, stored_len as u64)
    }

    pub(super) fn append_mark(&mut self) -> Result<Written, StoreError> {
        let (object, file) = (self.object, self.file);
        let part = self.part()?;
        let offset = part.offset(object)?;
        part.truncate(object)?;
        let files = u32::try_from(file).unwrap_or(u32::MAX);
        let kind = Kind::Filemark;
        let record = Record { offset, length: 0, stored: 0, files, kind, codec: CodecId::NONE, data_crc: 0 };
        let result = part.push(&record);
        let written = self.appended(result, object, 0)?;
        if matches!(written, Written::Done { .. }) {
            self.file += 1;
        }
        Ok(written)
    }

    fn appended(&mut self, result: Result<(), StoreError>, object: u64, stored: u64) -> Result<Written, StoreError> {
        match result {
            Ok(()) => {
                self.object = object + 1;
                let end = self.part()?.end();
                Ok(Written::Done { stored, early_warning: end > self.warning_at() })
            }
            Err(cause) => self.lost(cause, object),
        }
    }

    /// A write failed: what memory held is gone. If that is more than the object at hand, the rest was acknowledged
    /// before and becomes a deferred error.
    fn lost(&mut self, cause: StoreError, object: u64) -> Result<Written, StoreError> {
        let current = self.current;
        let first = self.part()?.forget_pending();
        let lost_acknowledged = first < object;
        let target = object.min(first);
        self.go(target)?;
        if lost_acknowledged {
            let partition = u8::try_from(current).unwrap_or(u8::MAX);
            let lost_from = Position { partition, object: first, file: self.file, early_warning: false };
            self.deferred = Some(Deferred { lost_from, cause: cause.clone() });
            return Err(cause);
        }
        if cause.is_full() { Ok(Written::Full) } else { Err(cause) }
    }

    pub(super) fn sync_partition(&mut self, at: usize) -> Result<(), StoreError> {
        let Some(part) = self.partitions.get_mut(at) else { return Ok(()) };
        let objects = part.objects();
        let Err(cause) = part.sync() else { return Ok(()) };
        let first = part.forget_pending();
        if at == self.current && first < objects {
            let target = self.object.min(first);
            self.go(target)?;
        }
        Err(cause)
    }
}
