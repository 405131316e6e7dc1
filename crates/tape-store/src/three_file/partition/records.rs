//! Index records: reading them, ahead of a sequential reader or one by one, and searching for objects and filemarks.

use super::{Partition, RECORD_BUFFER_COUNT, RecordBytes};
use crate::error::{Damage, StoreError};
use crate::three_file::index::{IndexLayout, IndexRecord};
use std::io::IoSliceMut;

impl Partition {
    /// The index record of an object, from memory or from the file.
    pub(in crate::three_file) fn record(&mut self, object: u64) -> Result<IndexRecord, StoreError> {
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
    pub(in crate::three_file) fn record_bytes(&mut self, object: u64) -> Result<RecordBytes, StoreError> {
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
    pub(in crate::three_file) fn filemarks_before(&mut self, object: u64) -> Result<u64, StoreError> {
        match &self.layout {
            _ if object >= self.objects => Ok(self.filemarks),
            IndexLayout::Index512(table) => Ok(table.before(object)),
            IndexLayout::Index32 { .. } => Ok(self.object_start(object)?.1),
        }
    }

    /// Offset at which an object begins, and the number of filemarks before it, from the record of the previous object: a
    /// damaged object can be overwritten.
    pub(in crate::three_file) fn object_start(&mut self, object: u64) -> Result<(u64, u64), StoreError> {
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
    pub(in crate::three_file) fn first_after(
        &mut self,
        filemarks: u64,
        mut low: u64,
        mut high: u64,
    ) -> Result<u64, StoreError> {
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
    pub(in crate::three_file) fn after_filemark(&mut self, file: u64) -> Result<u64, StoreError> {
        match (file.checked_sub(1), &self.layout) {
            (None, _) => Ok(0),
            (Some(before), IndexLayout::Index512(table)) => {
                Ok(table.object(before).map_or(self.objects, |filemark| filemark + 1))
            }
            (Some(before), IndexLayout::Index32 { .. }) => self.first_after(before, 0, self.objects),
        }
    }
}
