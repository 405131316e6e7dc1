//! One partition: its three files, what of them is still in memory, and where its objects are.
//!
//! Order of writes: data before the index records that point at it, both durable before the watermark that counts
//! them; a cut lowers the watermark first. `docs/format.md` says why.

use super::index::{Record, SIZE};
use super::meta::{Slot, Watermark};
use crate::backend::Backend;
use crate::error::{Damage, StoreError};
use std::io::{self, IoSlice, IoSliceMut};

/// Small blocks gather to this much before they are written.
const GATHER: usize = 256 * 1024;
/// A block of this size is written from where it lies.
const DIRECT: usize = 64 * 1024;
/// Index records in memory, waiting or read ahead.
const RECORDS: usize = 128;
/// So much may lie behind the watermark: what an open after a crash has to verify.
const CHECKPOINT: u64 = 1 << 30;
/// So many watermarks may wait for the disk.
const MARKS: u32 = 16;

pub(super) struct Partition {
    pub(super) number: u8,
    pub(super) data: Box<dyn Backend>,
    pub(super) indx: Box<dyn Backend>,
    pub(super) meta: Box<dyn Backend>,
    /// Objects, bytes of data and filemarks, with those still in memory.
    objects: u64,
    end: u64,
    files: u64,
    /// Data behind `data_flushed`, and records behind `indx_flushed`, that no file has yet.
    data_flushed: u64,
    data_pending: Vec<u8>,
    indx_flushed: u64,
    indx_pending: Vec<u8>,
    mark: Watermark,
    /// The slot whose watermark is durable, and how many came since in the other.
    durable_slot: Slot,
    marks_since: u32,
    /// A synchronisation failed, so nothing that the files say can be relied upon until the tape is opened again.
    unreliable: bool,
    /// Records read ahead: the first one's number, and their bytes.
    ahead: (u64, Vec<u8>),
}

impl Partition {
    /// A partition whose files hold exactly this.
    pub(super) fn new(number: u8, files: [Box<dyn Backend>; 3], mark: Watermark, durable_slot: Slot) -> Self {
        let [data, indx, meta] = files;
        Self {
            number,
            data,
            indx,
            meta,
            objects: 0,
            end: 0,
            files: 0,
            data_flushed: 0,
            data_pending: Vec::new(),
            indx_flushed: 0,
            indx_pending: Vec::new(),
            mark,
            durable_slot,
            marks_since: 0,
            unreliable: false,
            ahead: (0, Vec::new()),
        }
    }

    /// Takes the size that recovery found.
    pub(super) fn set_extent(&mut self, objects: u64, end: u64, files: u64) {
        (self.objects, self.end, self.files) = (objects, end, files);
        (self.indx_flushed, self.data_flushed) = (objects, end);
    }

    pub(super) const fn objects(&self) -> u64 {
        self.objects
    }

    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    pub(super) const fn files(&self) -> u64 {
        self.files
    }

    /// Names the file in an error; the text is made only if there is one.
    fn io(&self, what: &'static str, file: &'static str) -> impl FnOnce(std::io::Error) -> StoreError + use<> {
        let number = self.number;
        move |error| StoreError::io(format!("{what} {file}.{number}"))(error)
    }

    pub(super) const fn damaged(&self, object: u64, what: Damage) -> StoreError {
        StoreError::Damaged { partition: self.number, object, what }
    }

    /// The record of an object, wherever it is.
    pub(super) fn record(&mut self, object: u64) -> Result<Record, StoreError> {
        if let Some(bytes) = self.in_memory(object) {
            return Record::decode(self.number, object, bytes).ok_or_else(|| self.damaged(object, Damage::Index));
        }
        let wanted = (self.indx_flushed - object.min(self.indx_flushed)).min(RECORDS as u64);
        let mut bytes = std::mem::take(&mut self.ahead.1);
        bytes.resize(usize::try_from(wanted).unwrap_or(RECORDS) * SIZE, 0);
        let got = self.indx.read_at(object * SIZE as u64, &mut [IoSliceMut::new(&mut bytes)]);
        bytes.truncate(got.map_err(self.io("reading", "indx"))?);
        self.ahead = (object, bytes);
        let record = self.ahead.1.get(..SIZE).and_then(|bytes| Record::decode(self.number, object, bytes));
        record.ok_or_else(|| self.damaged(object, Damage::Index))
    }

    fn in_memory(&self, object: u64) -> Option<&[u8]> {
        let (first, bytes) = match object.checked_sub(self.indx_flushed) {
            Some(_) => (self.indx_flushed, &self.indx_pending),
            None => (self.ahead.0, &self.ahead.1),
        };
        let at = usize::try_from(object.checked_sub(first)?).ok()?.checked_mul(SIZE)?;
        bytes.get(at..at.checked_add(SIZE)?)
    }

    /// The record of an object, without reading ahead: for bisection, which jumps.
    fn probe(&mut self, object: u64) -> Result<Record, StoreError> {
        if self.in_memory(object).is_some() {
            return self.record(object);
        }
        let mut bytes = [0; SIZE];
        let got = self.indx.read_at(object * SIZE as u64, &mut [IoSliceMut::new(&mut bytes)]);
        got.map_err(self.io("reading", "indx"))?;
        Record::decode(self.number, object, &bytes).ok_or_else(|| self.damaged(object, Damage::Index))
    }

    /// Filemarks before an object.
    pub(super) fn files_before(&mut self, object: u64) -> Result<u64, StoreError> {
        if object >= self.objects { Ok(self.files) } else { Ok(self.probe(object)?.files.into()) }
    }

    /// Where the data of an object begins, and how many filemarks are before it: what its predecessor says, so that a
    /// damaged object can be overwritten.
    pub(super) fn place(&mut self, object: u64) -> Result<(u64, u64), StoreError> {
        match object.checked_sub(1) {
            None => Ok((0, 0)),
            Some(_) if object >= self.objects => Ok((self.end, self.files)),
            Some(before) => self.probe(before).map(|record| (record.end(), record.files_behind())),
        }
    }

    /// The first object in `low..high` with more than `files` filemarks before it, or `high`.
    pub(super) fn first_behind(&mut self, files: u64, mut low: u64, mut high: u64) -> Result<u64, StoreError> {
        while low < high {
            let middle = low + (high - low) / 2;
            if self.files_before(middle)? > files {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// The object behind filemark number `file`, counted from 1; the first object for 0.
    pub(super) fn behind_filemark(&mut self, file: u64) -> Result<u64, StoreError> {
        match file.checked_sub(1) {
            None => Ok(0),
            Some(before) => self.first_behind(before, 0, self.objects),
        }
    }

    /// Makes room in memory for the next object. A failure here is about objects that were accepted before.
    pub(super) fn prepare(&mut self, len: usize) -> Result<(), StoreError> {
        if self.unreliable {
            let error = io::Error::other("an earlier synchronisation failed");
            return Err(self.io("writing", "data")(error));
        }
        if self.indx_pending.len() >= RECORDS * SIZE {
            self.flush()?;
        }
        if len >= DIRECT || self.data_pending.len() + len > GATHER {
            self.flush_data()?;
        }
        if self.end - self.mark.data_len.min(self.end) >= CHECKPOINT { self.sync() } else { Ok(()) }
    }

    /// Stores the data of the next block: gathered if small, from where it lies if large. A failure is about this block
    /// alone.
    pub(super) fn store(&mut self, stored: &[IoSlice<'_>], len: usize) -> Result<(), StoreError> {
        if len < DIRECT {
            stored.iter().for_each(|slice| self.data_pending.extend_from_slice(slice));
            return Ok(());
        }
        let written = self.data.write_at(self.data_flushed, stored);
        written.map_err(self.io("writing", "data"))?;
        self.data_flushed += len as u64;
        Ok(())
    }

    /// Adds a record whose data is stored, at end of data.
    pub(super) fn push(&mut self, record: &Record) {
        self.indx_pending.extend_from_slice(&record.encode(self.number, self.objects));
        self.objects += 1;
        self.end = record.end();
        self.files = record.files_behind();
    }

    fn flush_data(&mut self) -> Result<(), StoreError> {
        if self.data_pending.is_empty() {
            return Ok(());
        }
        let written = self.data.write_at(self.data_flushed, &[IoSlice::new(&self.data_pending)]);
        written.map_err(self.io("writing", "data"))?;
        self.data_flushed += self.data_pending.len() as u64;
        self.data_pending.clear();
        Ok(())
    }

    /// Hands everything in memory to the files, data first.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.flush_data()?;
        if self.indx_pending.is_empty() {
            return Ok(());
        }
        let written = self.indx.write_at(self.indx_flushed * SIZE as u64, &[IoSlice::new(&self.indx_pending)]);
        written.map_err(self.io("writing", "indx"))?;
        self.indx_flushed = self.objects;
        self.indx_pending.clear();
        Ok(())
    }

    /// Forgets what could not be written; says from which object on. The files end where it begins.
    pub(super) fn forget_pending(&mut self) -> u64 {
        self.data_pending.clear();
        let mut kept = 0;
        for (at, bytes) in self.indx_pending.chunks_exact(SIZE).enumerate() {
            match Record::decode(self.number, self.indx_flushed + at as u64, bytes) {
                Some(record) if record.end() <= self.data_flushed => kept = at + 1,
                _ => break,
            }
        }
        let lost = self.indx_pending.get(kept * SIZE..(kept + 1) * SIZE);
        let first = self.indx_flushed + kept as u64;
        if let Some(record) = lost.and_then(|bytes| Record::decode(self.number, first, bytes)) {
            (self.end, self.files) = (record.offset, record.files.into());
        }
        self.indx_pending.truncate(kept * SIZE);
        self.objects = first;
        self.data_flushed = self.data_flushed.min(self.end);
        first
    }

    /// Makes everything durable, and then says so in the watermark. The watermark itself may reach the disk later:
    /// an older one only means more to verify.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.unreliable {
            return Err(self.io("synchronising", "data")(io::Error::other("it failed before")));
        }
        self.flush()?;
        let mark = self.mark_at(self.objects, self.end)?;
        if mark == self.mark {
            return Ok(());
        }
        self.durable()?;
        self.write_mark(mark)
    }

    /// A synchronisation that fails once says nothing the next time: the system may have dropped what it could not write.
    fn durable(&mut self) -> Result<(), StoreError> {
        let data = self.data.sync().map_err(self.io("synchronising", "data"));
        let result = data.and_then(|()| self.indx.sync().map_err(self.io("synchronising", "indx")));
        self.unreliable |= result.is_err();
        result
    }

    /// As [`Self::sync`], and the watermark too.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        if self.marks_since > 0 { self.sync_mark() } else { Ok(()) }
    }

    /// The watermark of a tape that ends here.
    fn mark_at(&mut self, objects: u64, end: u64) -> Result<Watermark, StoreError> {
        let last_crc = match objects.checked_sub(1) {
            Some(last) => last_crc(&self.probe(last)?.encode(self.number, last)),
            None => 0,
        };
        Ok(Watermark { sequence: self.mark.sequence, objects, data_len: end, last_crc })
    }

    fn write_mark(&mut self, mark: Watermark) -> Result<(), StoreError> {
        let mark = Watermark { sequence: self.mark.sequence + 1, ..mark };
        let slot = self.durable_slot.other();
        let written = self.meta.write_at(slot.offset(), &[IoSlice::new(&mark.encode(self.number))]);
        written.map_err(self.io("writing", "meta"))?;
        self.mark = mark;
        self.marks_since += 1;
        if self.marks_since >= MARKS { self.sync_mark() } else { Ok(()) }
    }

    fn sync_mark(&mut self) -> Result<(), StoreError> {
        self.meta.sync().map_err(self.io("synchronising", "meta"))?;
        self.durable_slot = self.durable_slot.other();
        self.marks_since = 0;
        Ok(())
    }

    /// Drops everything from an object on. The watermark goes down first and the cut is durable before anything is
    /// written behind it, so that old and new objects never mix.
    pub(super) fn truncate(&mut self, object: u64) -> Result<(), StoreError> {
        if object >= self.objects {
            return Ok(());
        }
        self.flush()?;
        let (end, files) = self.place(object)?;
        if object < self.mark.objects {
            let mark = self.mark_at(object, end)?;
            self.write_mark(mark)?;
        }
        if self.marks_since > 0 {
            self.sync_mark()?;
        }
        self.indx.set_len(object * SIZE as u64).map_err(self.io("cutting", "indx"))?;
        // From here on the cut is made, whatever else fails.
        self.ahead.1.clear();
        (self.objects, self.end, self.files) = (object, end, files);
        (self.indx_flushed, self.data_flushed) = (object, end);
        let synced = self.indx.sync().map_err(self.io("synchronising", "indx"));
        self.unreliable |= synced.is_err();
        synced?;
        self.data.set_len(end).map_err(self.io("cutting", "data"))
    }

    /// Fills the slices with an object's stored bytes.
    pub(super) fn read_data(&mut self, record: &Record, into: &mut [IoSliceMut<'_>]) -> Result<bool, StoreError> {
        if record.end() > self.data_flushed {
            self.flush_data()?;
        }
        let wanted: usize = into.iter().map(|slice| slice.len()).sum();
        let got = self.data.read_at(record.offset, into).map_err(self.io("reading", "data"))?;
        Ok(got == wanted)
    }
}

/// The checksum that ends an encoded record.
pub(super) fn last_crc(record: &[u8; SIZE]) -> u32 {
    record.last_chunk::<4>().copied().map_or(0, u32::from_le_bytes)
}
