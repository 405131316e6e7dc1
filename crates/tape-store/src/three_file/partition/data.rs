//! The data file: reading blocks ahead of a sequential reader, and the frame before each block.

use super::Partition;
use crate::error::StoreError;
use crate::three_file::frame::{self, Frame};
use crate::three_file::index::IndexRecord;
use crate::three_file::index32;
use crate::three_file::read::scatter;
use std::io::{IoSlice, IoSliceMut};

/// Bytes that are read ahead of a sequential reader.
const READ_AHEAD_BYTES: u64 = 8 << 20;
/// Bytes of which a sequential reader of short blocks gets several blocks from one read of the file.
const SHORT_READ_BYTES: u64 = 64 << 10;
/// Length in bytes up to which a block is short: reading it takes less time than calling the operating system.
const SHORT_BLOCK_BYTES: usize = 8 << 10;

impl Partition {
    /// Requests reading ahead while blocks are read sequentially.
    fn advise_read(&mut self, record: &IndexRecord, sequential: bool) {
        self.read_until = record.end();
        if !sequential {
            self.read_advised_until = record.end();
        } else if self.read_advised_until < record.end() + READ_AHEAD_BYTES / 2
            && self.read_advised_until < self.data_flushed
        {
            let from = self.read_advised_until.max(record.end());
            self.read_advised_until = record.end() + READ_AHEAD_BYTES;
            self.data.advise_read(from, self.read_advised_until - from);
        }
    }

    /// Whether an object has an intact frame, or needs none.
    pub(in crate::three_file) fn has_frame(&mut self, object: u64, record: &IndexRecord) -> Result<bool, StoreError> {
        if !record.framed {
            return Ok(true);
        }
        if record.offset > self.data_flushed {
            self.flush_data()?;
        }
        let found = self.frame_at(record.start())?;
        Ok(found.is_some_and(|frame| frame.object == object && frame.record == *record))
    }

    /// The frame at an offset of the data; `None` if there is no intact one.
    pub(in crate::three_file) fn frame_at(&mut self, at: u64) -> Result<Option<Frame>, StoreError> {
        let mut bytes = [0; frame::SIZE];
        let got = self.data.read_at(at, &mut [IoSliceMut::new(&mut bytes)]).map_err(self.io("reading", "data"))?;
        Ok(Frame::decode(self.number, at, bytes.get(..got).unwrap_or_default()))
    }

    /// Rewrites damaged frames from the index; returns their number.
    pub(in crate::three_file) fn repair_frames(&mut self) -> Result<u64, StoreError> {
        let (mut rewritten, mut previous) = (0, 0);
        for object in 0..self.objects {
            if let Ok(record) = self.record(object)
                && !self.has_frame(object, &record)?
            {
                let bytes = index32::encode(&record, self.number, object);
                let frame = Frame { object, record, previous_crc: previous }.encode(self.number, &bytes);
                let written = self.data.write_at(record.start(), &[IoSlice::new(&frame)]);
                written.map_err(self.io("writing", "data"))?;
                rewritten += 1;
            }
            let bytes = self.record_bytes(object)?;
            previous = self.layout.tag(&bytes);
        }
        self.data_ahead.1.clear();
        self.data.sync().map_err(self.io("synchronising", "data"))?;
        Ok(rewritten)
    }

    /// Fills the slices with the stored bytes of an object; returns whether the file has them all.
    pub(in crate::three_file) fn read_data(
        &mut self,
        record: &IndexRecord,
        into: &mut [IoSliceMut<'_>],
    ) -> Result<bool, StoreError> {
        if record.end() > self.data_flushed {
            self.flush_data()?;
        }
        let wanted: usize = into.iter().map(|slice| slice.len()).sum();
        let sequential = record.start() == self.read_until;
        self.advise_read(record, sequential);
        if !sequential {
            // A position command to a block reads it from the file again.
            self.data_ahead.1.clear();
        } else if wanted <= SHORT_BLOCK_BYTES && self.read_short(record.offset, wanted, into) {
            return Ok(true);
        }
        let got = self.data.read_at(record.offset, into).map_err(self.io("reading", "data"))?;
        Ok(got == wanted)
    }

    /// Fills the slices, of `wanted` bytes, for a sequential reader: from what was read for the blocks before, or from one
    /// read for several blocks. Returns whether it did.
    fn read_short(&mut self, offset: u64, wanted: usize, into: &mut [IoSliceMut<'_>]) -> bool {
        if self.short_data(offset, wanted).is_none() {
            let len = SHORT_READ_BYTES.min(self.data_flushed.saturating_sub(offset));
            let mut bytes = std::mem::take(&mut self.data_ahead.1);
            bytes.resize(usize::try_from(len).unwrap_or(0), 0);
            // A failure after the block is one of a later block, which is read by itself then.
            let got = self.data.read_at(offset, &mut [IoSliceMut::new(&mut bytes)]).unwrap_or(0);
            bytes.truncate(got);
            self.data_ahead = (offset, bytes);
        }
        let found = self.short_data(offset, wanted);
        found.inspect(|bytes| scatter(bytes, into));
        found.is_some()
    }

    /// The bytes at an offset of the data file, if they were read for a block before.
    fn short_data(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let at = usize::try_from(offset.checked_sub(self.data_ahead.0)?).ok()?;
        self.data_ahead.1.get(at..at.checked_add(len)?)
    }
}
