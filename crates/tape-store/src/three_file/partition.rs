//! One partition: its three files, the objects and records that are still in memory, and where its objects are.
//!
//! Order of writes: data before the index records that refer to it, both durable before the watermark that counts them.
//! Truncation lowers the watermark first. `docs/format.md` gives the reasons.

use super::frame::{self, Frame};
use super::index::{IndexLayout, IndexRecord, ObjectKind};
use super::index32;
use super::index512::{self, FilemarkTable};
use super::read::ReadBuffers;
use super::recover::NO_INDEX;
use super::watermark::{SLOT, Watermark, WatermarkSlot};
use crate::backend::Backend;
use crate::error::{Damage, StoreError};
use crate::feature::Feature;
use smallvec::SmallVec;
use std::io::{self, IoSlice, IoSliceMut};

/// The bytes of one index record in either layout.
pub(super) type RecordBytes = SmallVec<[u8; index512::SIZE]>;

/// Small blocks are collected up to this many bytes before they are written.
const GATHER: usize = 256 * 1024;
/// A block of this many bytes or more is written directly from the caller's buffers.
const DIRECT: usize = 64 * 1024;
/// Number of index records held in memory, to be written or read ahead.
const RECORD_BUFFER_COUNT: usize = 128;
/// Maximum number of bytes after the watermark: what opening after a crash has to verify.
const CHECKPOINT: u64 = 256 << 20;
/// Write-back is started after this many bytes, so that little is left for a synchronisation.
const WRITE_BACK: u64 = 16 << 20;
/// Bytes that are read ahead of a sequential reader.
const READ_AHEAD_BYTES: u64 = 8 << 20;
/// Maximum number of watermarks written without a synchronisation.
const MAX_UNSYNCED_WATERMARKS: u32 = 16;

pub(super) struct Partition {
    pub(super) number: u8,
    pub(super) data: Box<dyn Backend>,
    pub(super) indx: Box<dyn Backend>,
    pub(super) watermark_file: Box<dyn Backend>,
    pub(super) layout: IndexLayout,
    /// Objects, bytes of data and filemarks, including those still in memory.
    objects: u64,
    end: u64,
    filemarks: u64,
    /// Objects that the watermark counts, if the watermark is not valid for the files.
    expected: u64,
    /// Bytes of `data.P` that are written; `data_pending` follows. `indx_flushed` and `indx_pending` likewise, in
    /// records.
    data_flushed: u64,
    /// Offset up to which write-back was started.
    write_back: u64,
    /// End of the last block read, and end of the range that was requested to be read ahead.
    read_until: u64,
    read_advised_until: u64,
    data_pending: Vec<u8>,
    indx_flushed: u64,
    indx_pending: Vec<u8>,
    watermark: Watermark,
    /// The slot with the durable watermark, and the number of watermarks written since to the other slot.
    durable_slot: WatermarkSlot,
    unsynced_watermarks: u32,
    /// Whether the watermark is written to its file, though perhaps not durable.
    watermark_written: bool,
    failure: FailureState,
    /// The reason why objects may be appended at the beginning only: files and watermark differ. `None` if they
    /// match.
    append_blocked: Option<&'static str>,
    /// CRC of the last index record, if it is known.
    last_tag: Option<u32>,
    /// The index record of the object stored last, until [`Self::push`] adds it.
    encoded: Option<[u8; index32::SIZE]>,
    /// Records read ahead: number of the first, and their bytes.
    ahead: (u64, Vec<u8>),
}

/// State after a failed call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FailureState {
    #[default]
    None,
    /// A synchronisation failed. The operating system may have dropped what it could not write: everything since the
    /// last success has to be written again before anything else.
    Unsynchronised,
    /// A truncation may be partly durable. Nothing is written until the tape is opened again.
    HalfCut,
}

/// Bytes written again per call.
const PIECE: usize = 1 << 20;

/// The files of a partition.
pub(super) struct PartitionFiles {
    pub(super) data: Box<dyn Backend>,
    pub(super) indx: Box<dyn Backend>,
    pub(super) watermark: Box<dyn Backend>,
    pub(super) layout: IndexLayout,
}

impl Partition {
    /// A partition without objects, on these files.
    pub(super) fn new(number: u8, files: PartitionFiles, watermark: Watermark, durable_slot: WatermarkSlot) -> Self {
        let PartitionFiles { data, indx, watermark: watermark_file, layout } = files;
        Self {
            number,
            data,
            indx,
            watermark_file,
            layout,
            objects: 0,
            end: 0,
            filemarks: 0,
            expected: 0,
            data_flushed: 0,
            write_back: 0,
            read_until: 0,
            read_advised_until: 0,
            data_pending: Vec::new(),
            indx_flushed: 0,
            indx_pending: Vec::new(),
            watermark,
            durable_slot,
            unsynced_watermarks: 0,
            watermark_written: true,
            failure: FailureState::None,
            append_blocked: None,
            last_tag: None,
            encoded: None,
            ahead: (0, Vec::new()),
        }
    }

    /// Takes the files out of the partition.
    pub(super) fn into_files(self) -> PartitionFiles {
        PartitionFiles { data: self.data, indx: self.indx, watermark: self.watermark_file, layout: self.layout }
    }

    /// Truncates the data to the extent that recovery found, and writes a durable watermark for it.
    pub(super) fn reconcile(&mut self) -> Result<(), StoreError> {
        if self.data.len().map_err(self.io("getting the length of", "data"))? > self.end {
            self.data.set_len(self.end).map_err(self.io("truncating", "data"))?;
            self.data.sync().map_err(self.io("synchronising", "data"))?;
        }
        let watermark = self.watermark_for(self.objects, self.end, self.filemarks)?;
        let listed = if let IndexLayout::Index512(table) = &self.layout { table.is_written() } else { true };
        if watermark != self.watermark || watermark.objects == 0 || !listed {
            // After a killed process, written data may be in the page cache only: make it durable before counting it.
            self.durable()?;
            self.watermark_file.set_len(2 * SLOT).map_err(self.io("creating", "mark"))?;
            self.write_watermark(watermark)?;
        }
        self.with_filemarks("synchronising", |table| table.trim().and_then(|()| table.sync()))?;
        if self.unsynced_watermarks > 0 { self.sync_watermark() } else { Ok(()) }
    }

    /// Sets the number of objects counted by a watermark that is not valid for the files.
    pub(super) const fn set_expected_objects(&mut self, objects: u64) {
        self.expected = objects;
    }

    /// The loss by truncation before this object: number of objects, including those only counted by the
    /// watermark, and bytes of data.
    pub(super) fn loss_if_cut(&mut self, object: u64) -> Result<(u64, u64), StoreError> {
        let (end, _) = self.object_start(object)?;
        let data = self.data.len().map_err(self.io("getting the length of", "data"))?;
        Ok((self.objects.max(self.expected) - object, data.saturating_sub(end)))
    }

    /// Truncates the partition before this object, and accepts the objects before it as intact.
    pub(super) fn cut_before(&mut self, object: u64) -> Result<(), StoreError> {
        let (end, filemarks) =
            if object < self.objects { self.object_start(object)? } else { (self.end, self.filemarks) };
        self.with_filemarks("truncating", |table| table.count_before(object))?;
        let len = object * self.layout.size() as u64;
        self.indx.set_len(len).map_err(self.io("truncating", "indx"))?;
        if let IndexLayout::Index512(table) = &mut self.layout {
            table.remove_from(object);
        }
        self.set_extent(object, end, filemarks);
        if object == 0 {
            self.set_framed(true);
        }
        self.expected = object;
        self.append_blocked = None;
        self.reconcile()
    }

    /// Rejects appends except at the beginning from now on: the files differ from what was synchronised.
    pub(super) const fn break_off(&mut self, reason: &'static str) {
        self.append_blocked = Some(reason);
    }

    /// The reason why objects may be appended at the beginning only; `None` if they may be appended anywhere.
    pub(super) const fn append_blocked(&self) -> Option<&'static str> {
        self.append_blocked
    }

    /// Sets the extent that recovery found.
    pub(super) fn set_extent(&mut self, objects: u64, end: u64, filemarks: u64) {
        (self.objects, self.end, self.filemarks) = (objects, end, filemarks);
        (self.indx_flushed, self.data_flushed, self.write_back) = (objects, end, end);
        // Records read ahead may be after the new end, where other records will be written.
        self.ahead.1.clear();
        self.last_tag = None;
    }

    /// Sets whether new objects get frames. A tape without frames gets them when it is rewritten from the beginning.
    pub(super) const fn set_framed(&mut self, on: bool) {
        if let IndexLayout::Index32 { framed } = &mut self.layout {
            *framed = on;
        }
    }

    pub(super) const fn objects(&self) -> u64 {
        self.objects
    }

    /// Bytes of data, without frames.
    pub(super) const fn payload(&self) -> u64 {
        self.end.saturating_sub(self.layout.overhead().saturating_mul(self.objects))
    }

    pub(super) const fn filemarks(&self) -> u64 {
        self.filemarks
    }

    /// Adds operation and file name to an I/O error; the text is only built for an error.
    fn io(&self, what: &'static str, file: &'static str) -> impl FnOnce(std::io::Error) -> StoreError + use<> {
        let number = self.number;
        move |error| StoreError::io(format!("{what} {file}.{number}"))(error)
    }

    pub(super) const fn damaged(&self, object: u64, what: Damage) -> StoreError {
        StoreError::Damaged { partition: self.number, object, damage: what }
    }

    /// Fails if this build lacks the codec or cipher of a block.
    pub(super) fn require(&self, object: u64, missing: Option<Feature>) -> Result<(), StoreError> {
        let partition = self.number;
        missing.map_or(Ok(()), |feature| Err(StoreError::MissingFeature { partition, object, feature }))
    }

    /// The index record of an object, from memory or from the file.
    pub(super) fn record(&mut self, object: u64) -> Result<IndexRecord, StoreError> {
        if self.in_memory(object).is_none() {
            self.read_ahead(object)?;
        }
        let bytes = self.in_memory(object);
        let record = bytes.and_then(|bytes| self.layout.decode(self.number, object, bytes));
        record.ok_or_else(|| self.damaged(object, Damage::Index))
    }

    fn read_ahead(&mut self, object: u64) -> Result<(), StoreError> {
        let size = self.layout.size();
        let wanted = (self.indx_flushed - object.min(self.indx_flushed)).min(RECORD_BUFFER_COUNT as u64);
        let mut bytes = std::mem::take(&mut self.ahead.1);
        bytes.resize(usize::try_from(wanted).unwrap_or(RECORD_BUFFER_COUNT) * size, 0);
        let got = self.indx.read_at(object * size as u64, &mut [IoSliceMut::new(&mut bytes)]);
        bytes.truncate(got.map_err(self.io("reading", "indx"))?);
        self.ahead = (object, bytes);
        Ok(())
    }

    fn in_memory(&self, object: u64) -> Option<&[u8]> {
        let (first, bytes) = match object.checked_sub(self.indx_flushed) {
            Some(_) => (self.indx_flushed, &self.indx_pending),
            None => (self.ahead.0, &self.ahead.1),
        };
        let size = self.layout.size();
        let at = usize::try_from(object.checked_sub(first)?).ok()?.checked_mul(size)?;
        bytes.get(at..at.checked_add(size)?)
    }

    /// The bytes of an index record, without reading ahead: for bisection.
    pub(super) fn record_bytes(&mut self, object: u64) -> Result<RecordBytes, StoreError> {
        let size = self.layout.size();
        if let Some(bytes) = self.in_memory(object) {
            return Ok(RecordBytes::from_slice(bytes));
        }
        let mut bytes = RecordBytes::from_elem(0, size);
        let got = self.indx.read_at(object * size as u64, &mut [IoSliceMut::new(&mut bytes)]);
        bytes.truncate(got.map_err(self.io("reading", "indx"))?);
        Ok(bytes)
    }

    fn record_without_read_ahead(&mut self, object: u64) -> Result<IndexRecord, StoreError> {
        let bytes = self.record_bytes(object)?;
        self.layout.decode(self.number, object, &bytes).ok_or_else(|| self.damaged(object, Damage::Index))
    }

    /// Number of filemarks before an object.
    pub(super) fn filemarks_before(&mut self, object: u64) -> Result<u64, StoreError> {
        match &self.layout {
            _ if object >= self.objects => Ok(self.filemarks),
            IndexLayout::Index512(table) => Ok(table.before(object)),
            IndexLayout::Index32 { .. } => Ok(self.object_start(object)?.1),
        }
    }

    /// Offset at which an object begins, and the number of filemarks before it, from the record of the previous object: a
    /// damaged object can be overwritten.
    pub(super) fn object_start(&mut self, object: u64) -> Result<(u64, u64), StoreError> {
        match object.checked_sub(1) {
            None => Ok((0, 0)),
            Some(_) if object >= self.objects => Ok((self.end, self.filemarks)),
            Some(before) => match self.record_without_read_ahead(before) {
                Ok(record) => Ok((record.end(), record.filemarks_after())),
                // If the previous record is damaged, the record of the object itself is used.
                Err(damage) => self
                    .record_without_read_ahead(object)
                    .map(|own| (own.start(), own.filemarks_before.into()))
                    .map_err(|_| damage),
            },
        }
    }

    /// The first object in `low..high` with more than `files` filemarks before it; `high` if there is none.
    pub(super) fn first_after(&mut self, filemarks: u64, mut low: u64, mut high: u64) -> Result<u64, StoreError> {
        while low < high {
            let middle = low + (high - low) / 2;
            if self.filemarks_before(middle)? > filemarks {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// The object after filemark number `file`, counted from 1; the first object for 0.
    pub(super) fn after_filemark(&mut self, file: u64) -> Result<u64, StoreError> {
        match (file.checked_sub(1), &self.layout) {
            (None, _) => Ok(0),
            (Some(before), IndexLayout::Index512(table)) => {
                Ok(table.object(before).map_or(self.objects, |filemark| filemark + 1))
            }
            (Some(before), IndexLayout::Index32 { .. }) => self.first_after(before, 0, self.objects),
        }
    }

    /// Prepares for the next object, whose data has this length: writes out buffers and sets a checkpoint if necessary.
    /// An error here is about objects accepted earlier.
    pub(super) fn prepare(&mut self, len: usize) -> Result<(), StoreError> {
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
    pub(super) fn store(&mut self, record: &IndexRecord, stored: &[IoSlice<'_>], len: usize) -> Result<(), StoreError> {
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
    pub(super) fn push(&mut self, record: &IndexRecord) {
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

    fn flush_data(&mut self) -> Result<(), StoreError> {
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
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
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
    pub(super) fn discard_pending(&mut self) -> u64 {
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

    /// Makes everything durable, then writes a watermark. The watermark itself may become durable later: an older one
    /// only means more to verify.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.append_blocked.is_some() {
            // Nothing was written, and the content is not known to be intact.
            return Ok(());
        }
        self.check_usable()?;
        self.flush()?;
        let watermark = self.watermark_for(self.objects, self.end, self.filemarks)?;
        if watermark == self.watermark {
            return Ok(());
        }
        self.durable()?;
        self.write_watermark(watermark)
    }

    /// Writes everything since the last successful synchronisation again, after a failed one, and makes it durable. The
    /// operating system may have dropped unwritten pages, and would not report that again.
    ///
    /// # Errors
    /// The storage still fails, or an object cannot be read back intact: then it is lost, and the tape must be opened
    /// again.
    pub(super) fn rewrite_unsynced(&mut self, buffers: &mut ReadBuffers, discards: bool) -> Result<(), StoreError> {
        if self.failure != FailureState::Unsynchronised {
            return Ok(());
        }
        for object in self.watermark.objects..self.indx_flushed {
            let record = self.record(object)?;
            if record.kind == ObjectKind::Block && !discards {
                buffers.verify_block(self, object, &record)?;
            }
        }
        let size = self.layout.size() as u64;
        let (data, indx) =
            (self.watermark.data_len..self.data_flushed, self.watermark.objects * size..self.indx_flushed * size);
        if !discards {
            write_again(self.data.as_mut(), data).map_err(self.io("writing", "data"))?;
        }
        write_again(self.indx.as_mut(), indx).map_err(self.io("writing", "indx"))?;
        self.durable()?;
        self.failure = FailureState::None;
        Ok(())
    }

    /// After a failure, a later success proves nothing: the operating system may have dropped unwritten pages.
    fn durable(&mut self) -> Result<(), StoreError> {
        let data = self.data.sync().map_err(self.io("synchronising", "data"));
        let indx = data.and_then(|()| self.indx.sync().map_err(self.io("synchronising", "indx")));
        let result = indx.and_then(|()| self.with_filemarks("writing", FilemarkTable::write));
        if result.is_err() && self.failure == FailureState::None {
            self.failure = FailureState::Unsynchronised;
        }
        result
    }

    /// Calls a function with the table of filemarks, in the layout that has one.
    fn with_filemarks(
        &mut self,
        what: &'static str,
        call: impl FnOnce(&mut FilemarkTable) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let failed = self.io(what, "meta");
        match &mut self.layout {
            IndexLayout::Index32 { .. } => Ok(()),
            IndexLayout::Index512(table) => call(table).map_err(failed),
        }
    }

    /// As [`Self::sync`], and makes the watermark and the table of filemarks durable too.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        if self.append_blocked.is_some() {
            return Ok(());
        }
        self.data.check_linked().map_err(self.io("closing", "data"))?;
        self.indx.check_linked().map_err(self.io("closing", "indx"))?;
        self.with_filemarks("synchronising", FilemarkTable::sync)?;
        if self.unsynced_watermarks > 0 { self.sync_watermark() } else { Ok(()) }
    }

    /// The watermark for a partition that ends here.
    fn watermark_for(&mut self, objects: u64, end: u64, filemarks: u64) -> Result<Watermark, StoreError> {
        let last_crc = match objects.checked_sub(1) {
            Some(last) => {
                let bytes = self.record_bytes(last)?;
                self.layout.tag(&bytes)
            }
            None => 0,
        };
        let framed = self.layout.is_framed();
        Ok(Watermark { sequence: self.watermark.sequence, objects, data_len: end, filemarks, last_crc, framed })
    }

    fn write_watermark(&mut self, watermark: Watermark) -> Result<(), StoreError> {
        self.watermark = Watermark { sequence: self.watermark.sequence + 1, ..watermark };
        // Until the call below succeeds, the content of the slot is unknown.
        self.watermark_written = false;
        self.unsynced_watermarks += 1;
        self.write_watermark_slot()?;
        if self.unsynced_watermarks >= MAX_UNSYNCED_WATERMARKS { self.sync_watermark() } else { Ok(()) }
    }

    /// Writes the watermark to the slot that is not known to be durable.
    fn write_watermark_slot(&mut self) -> Result<(), StoreError> {
        let slot = self.durable_slot.other();
        let written = self.watermark_file.write_at(slot.offset(), &[IoSlice::new(&self.watermark.encode(self.number))]);
        written.map_err(self.io("writing", "mark"))?;
        self.watermark_written = true;
        Ok(())
    }

    fn sync_watermark(&mut self) -> Result<(), StoreError> {
        if !self.watermark_written {
            self.write_watermark_slot()?;
        }
        // If this fails, the previous watermark is still durable, and this one is written again first.
        self.watermark_written = false;
        self.watermark_file.sync().map_err(self.io("synchronising", "mark"))?;
        self.watermark_written = true;
        self.durable_slot = self.durable_slot.other();
        self.unsynced_watermarks = 0;
        Ok(())
    }

    /// Removes all objects from this one on. The watermark is lowered first, and the truncation is durable before
    /// anything is written after it, so that old and new objects never mix.
    pub(super) fn truncate(&mut self, object: u64) -> Result<(), StoreError> {
        // If the index is lost, `repair` may restore all objects: reject even a write at the beginning.
        if let Some(reason) = self.append_blocked.filter(|reason| object > 0 || *reason == NO_INDEX) {
            return Err(StoreError::Malformed { file: format!("partition {}", self.number), problem: reason.into() });
        }
        if object >= self.objects && self.append_blocked.is_none() {
            return Ok(());
        }
        self.check_usable()?;
        self.flush()?;
        let (end, filemarks) = self.object_start(object)?;
        if object < self.watermark.objects || self.append_blocked.is_some() {
            let watermark = self.watermark_for(object, end, filemarks)?;
            let framed = watermark.framed || object == 0;
            self.watermark_file.set_len(2 * SLOT).map_err(self.io("creating", "mark"))?;
            self.write_watermark(Watermark { framed, ..watermark })?;
        }
        if self.unsynced_watermarks > 0 {
            self.sync_watermark()?;
        }
        // A partial truncation is resolved when the tape is opened again, not by further writes.
        self.failure = FailureState::HalfCut;
        self.with_filemarks("truncating", |table| table.count_before(object))?;
        self.indx.set_len(object * self.layout.size() as u64).map_err(self.io("truncating", "indx"))?;
        // From here on the objects are removed, even if a later step fails.
        if let IndexLayout::Index512(table) = &mut self.layout {
            table.remove_from(object);
        }
        self.set_extent(object, end, filemarks);
        if object == 0 {
            self.set_framed(true);
        }
        self.with_filemarks("truncating", FilemarkTable::trim)?;
        self.indx.sync().map_err(self.io("synchronising", "indx"))?;
        self.data.set_len(end).map_err(self.io("truncating", "data"))?;
        // Otherwise a power loss could leave overwritten objects after new ones, for `repair` to find.
        self.data.sync().map_err(self.io("synchronising", "data"))?;
        (self.failure, self.append_blocked) = (FailureState::None, None);
        Ok(())
    }

    /// Fails if an earlier error prevents writing.
    fn check_usable(&self) -> Result<(), StoreError> {
        let reason = match self.failure {
            FailureState::None => return Ok(()),
            FailureState::Unsynchronised => "an earlier synchronisation failed",
            FailureState::HalfCut => "an earlier truncation failed; the cartridge must be loaded again",
        };
        Err(self.io("writing", "data")(io::Error::other(reason)))
    }

    /// Requests reading ahead while blocks are read sequentially.
    fn advise_read(&mut self, record: &IndexRecord) {
        let sequential = record.start() == self.read_until;
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
    pub(super) fn has_frame(&mut self, object: u64, record: &IndexRecord) -> Result<bool, StoreError> {
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
    pub(super) fn frame_at(&mut self, at: u64) -> Result<Option<Frame>, StoreError> {
        let mut bytes = [0; frame::SIZE];
        let got = self.data.read_at(at, &mut [IoSliceMut::new(&mut bytes)]).map_err(self.io("reading", "data"))?;
        Ok(Frame::decode(self.number, at, bytes.get(..got).unwrap_or_default()))
    }

    /// Rewrites damaged frames from the index; returns their number.
    pub(super) fn repair_frames(&mut self) -> Result<u64, StoreError> {
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
        self.data.sync().map_err(self.io("synchronising", "data"))?;
        Ok(rewritten)
    }

    /// Fills the slices with the stored bytes of an object; returns whether the file has them all.
    pub(super) fn read_data(&mut self, record: &IndexRecord, into: &mut [IoSliceMut<'_>]) -> Result<bool, StoreError> {
        if record.end() > self.data_flushed {
            self.flush_data()?;
        }
        let wanted: usize = into.iter().map(|slice| slice.len()).sum();
        self.advise_read(record);
        let got = self.data.read_at(record.offset, into).map_err(self.io("reading", "data"))?;
        Ok(got == wanted)
    }
}

/// Reads a range of a file and writes it again in place, so that the operating system has to store it even if it
/// dropped it.
fn write_again(file: &mut dyn Backend, range: std::ops::Range<u64>) -> io::Result<()> {
    let (mut at, mut piece) = (range.start, vec![0; PIECE]);
    while at < range.end {
        let wanted = usize::try_from(range.end - at).unwrap_or(PIECE).min(PIECE);
        let window = piece.get_mut(..wanted).unwrap_or_default();
        let got = file.read_at(at, &mut [IoSliceMut::new(window)])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(at, &[IoSlice::new(piece.get(..got).unwrap_or_default())])?;
        at += got as u64;
    }
    Ok(())
}
