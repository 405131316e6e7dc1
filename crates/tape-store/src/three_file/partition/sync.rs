//! Synchronisation: data, index and watermark become durable, in this order.

use super::{FailureState, Partition};
use crate::backend::Backend;
use crate::error::StoreError;
use crate::three_file::index::{IndexLayout, ObjectKind};
use crate::three_file::index512::FilemarkTable;
use crate::three_file::read::ReadBuffers;
use crate::three_file::watermark::{SLOT, Watermark};
use std::io::{self, IoSlice, IoSliceMut};

/// Maximum number of watermarks written without a synchronisation.
const MAX_UNSYNCED_WATERMARKS: u32 = 16;
/// Bytes written again per call.
const PIECE: usize = 1 << 20;

impl Partition {
    /// Truncates the data to the extent that recovery found, and writes a durable watermark for it.
    pub(in crate::three_file) fn reconcile(&mut self) -> Result<(), StoreError> {
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

    /// Makes everything durable, then writes a watermark. The watermark itself may become durable later: an older one
    /// only means more to verify.
    pub(in crate::three_file) fn sync(&mut self) -> Result<(), StoreError> {
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
    pub(in crate::three_file) fn rewrite_unsynced(
        &mut self,
        buffers: &mut ReadBuffers,
        discards: bool,
    ) -> Result<(), StoreError> {
        if self.failure != FailureState::Unsynchronised {
            return Ok(());
        }
        // What was read ahead is not what the file has now.
        self.data_ahead.1.clear();
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

    /// As [`Self::sync`], and makes the watermark and the table of filemarks durable too.
    pub(in crate::three_file) fn close(&mut self) -> Result<(), StoreError> {
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
    pub(super) fn watermark_for(&mut self, objects: u64, end: u64, filemarks: u64) -> Result<Watermark, StoreError> {
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

    pub(super) fn write_watermark(&mut self, watermark: Watermark) -> Result<(), StoreError> {
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

    pub(super) fn sync_watermark(&mut self) -> Result<(), StoreError> {
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
