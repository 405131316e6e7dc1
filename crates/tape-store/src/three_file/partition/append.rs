//! Appending: objects and records are collected in memory and written to the files in large pieces, data first.

use super::{Partition, RECORD_BUFFER_COUNT};
use crate::error::StoreError;
use crate::three_file::frame::Frame;
use crate::three_file::index::{IndexLayout, IndexRecord};
use crate::three_file::index32;
use smallvec::SmallVec;
use std::io::IoSlice;

/// Small blocks are collected up to this many bytes before they are written.
const GATHER: usize = 256 * 1024;
/// A block of this many bytes or more is written directly from the caller's buffers.
const DIRECT: usize = 64 * 1024;
/// Maximum number of bytes after the watermark: what opening after a crash has to verify.
const CHECKPOINT: u64 = 256 << 20;
/// Write-back is started after this many bytes, so that little is left for a synchronisation.
const WRITE_BACK: u64 = 16 << 20;

impl Partition {
    /// Prepares for the next object, whose data has this length: writes out buffers and sets a checkpoint if necessary.
    /// An error here is about objects accepted earlier.
    pub(in crate::three_file) fn prepare(&mut self, len: usize) -> Result<(), StoreError> {
        self.check_usable()?;
        let len = len + usize::try_from(self.layout.overhead()).unwrap_or_default();
        if self.indx_pending.len() >= RECORD_BUFFER_COUNT * self.layout.size() {
            self.flush()?;
        }
        if len >= DIRECT || self.data_pending.len() + len > GATHER {
            self.flush_data()?;
        }
        if self.end - self.watermark.data_len.min(self.end) >= CHECKPOINT { self.sync() } else { Ok(()) }
    }

    /// Stores the data of the next object with its frame: buffered if it is small, written directly if it is large. An
    /// error is about this object only.
    pub(in crate::three_file) fn store(
        &mut self,
        record: &IndexRecord,
        stored: &[IoSlice<'_>],
        len: usize,
    ) -> Result<(), StoreError> {
        self.encoded = None;
        if record.framed {
            let frame = Frame { object: self.objects, record: *record, previous_crc: self.last_tag()? };
            let bytes = index32::encode(record, self.number, self.objects);
            let frame = frame.encode(self.number, &bytes);
            self.encoded = Some(bytes);
            let mut all: SmallVec<[IoSlice<'_>; 8]> = SmallVec::new();
            all.push(IoSlice::new(&frame));
            all.extend(stored.iter().copied());
            return self.store_bytes(&all, frame.len() + len);
        }
        self.store_bytes(stored, len)
    }

    fn store_bytes(&mut self, stored: &[IoSlice<'_>], len: usize) -> Result<(), StoreError> {
        if len < DIRECT {
            stored.iter().for_each(|slice| self.data_pending.extend_from_slice(slice));
            return Ok(());
        }
        let written = self.data.write_at(self.data_flushed, stored);
        written.map_err(self.io("writing", "data"))?;
        self.data_flushed += len as u64;
        self.begin_write_back();
        Ok(())
    }

    /// CRC of the last index record; 0 if there is none.
    fn last_tag(&mut self) -> Result<u32, StoreError> {
        if let Some(tag) = self.last_tag {
            return Ok(tag);
        }
        let Some(last) = self.objects.checked_sub(1) else { return Ok(0) };
        let bytes = self.record_bytes(last)?;
        Ok(self.layout.tag(&bytes))
    }

    /// Adds the index record of the object whose data was stored.
    pub(in crate::three_file) fn push(&mut self, record: &IndexRecord) {
        let before = self.indx_pending.len();
        match self.encoded.take() {
            Some(bytes) => self.indx_pending.extend_from_slice(&bytes),
            None => self.layout.push(record, self.number, self.objects, &mut self.indx_pending),
        }
        self.last_tag = self.indx_pending.get(before..).map(|bytes| self.layout.tag(bytes));
        self.objects += 1;
        self.end = record.end();
        self.filemarks = record.filemarks_after();
    }

    pub(super) fn flush_data(&mut self) -> Result<(), StoreError> {
        if self.data_pending.is_empty() {
            return Ok(());
        }
        let written = self.data.write_at(self.data_flushed, &[IoSlice::new(&self.data_pending)]);
        written.map_err(self.io("writing", "data"))?;
        self.data_flushed += self.data_pending.len() as u64;
        self.data_pending.clear();
        self.begin_write_back();
        Ok(())
    }

    fn begin_write_back(&mut self) {
        let unwritten = self.data_flushed.saturating_sub(self.write_back);
        if unwritten >= WRITE_BACK {
            self.data.start_write_back(self.write_back, unwritten);
            self.write_back = self.data_flushed;
        }
    }

    /// Writes everything buffered to the files, data first.
    pub(in crate::three_file) fn flush(&mut self) -> Result<(), StoreError> {
        self.flush_data()?;
        if self.indx_pending.is_empty() {
            return Ok(());
        }
        let written =
            self.indx.write_at(self.indx_flushed * self.layout.size() as u64, &[IoSlice::new(&self.indx_pending)]);
        written.map_err(self.io("writing", "indx"))?;
        self.indx_flushed = self.objects;
        self.indx_pending.clear();
        Ok(())
    }

    /// Discards what could not be written, and returns the number of the first lost object. The partition then ends
    /// there.
    pub(in crate::three_file) fn discard_pending(&mut self) -> u64 {
        self.data_pending.clear();
        let (number, flushed, size) = (self.number, self.indx_flushed, self.layout.size());
        let decode = |layout: &IndexLayout, (at, bytes): (u64, &[u8])| layout.decode(number, flushed + at, bytes);
        let mut records = (0..).zip(self.indx_pending.chunks_exact(size)).map(|each| decode(&self.layout, each));
        let whole = |record: &Option<IndexRecord>| record.is_some_and(|record| record.end() <= self.data_flushed);
        let remaining = records.by_ref().take_while(whole).count();
        let first = flushed + remaining as u64;
        let lost = self.indx_pending.get(remaining * size..(remaining + 1) * size);
        if let Some(record) = lost.and_then(|bytes| self.layout.decode(number, first, bytes)) {
            (self.end, self.filemarks) = (record.start(), record.filemarks_before.into());
        }
        self.last_tag = None;
        self.indx_pending.truncate(remaining * size);
        if let IndexLayout::Index512(table) = &mut self.layout {
            table.remove_from(first);
        }
        self.objects = first;
        self.data_flushed = self.data_flushed.min(self.end);
        first
    }
}
