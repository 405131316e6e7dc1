//! One partition: its three files, and the objects and records that are still in memory.
//!
//! Order of writes: data before the index records that refer to it, both durable before the watermark that counts them.
//! Truncation lowers the watermark first. `docs/format.md` gives the reasons.

mod append;
mod data;
mod records;
mod sync;
mod truncate;

use super::index::IndexLayout;
use super::index32;
use super::index512::{self, FilemarkTable};
use super::watermark::{Watermark, WatermarkSlot};
use crate::backend::Backend;
use crate::error::{Damage, StoreError};
use crate::feature::Feature;
use smallvec::SmallVec;
use std::io;

/// The bytes of one index record in either layout.
pub(super) type RecordBytes = SmallVec<[u8; index512::SIZE]>;

/// Number of index records held in memory, to be written or read ahead.
const RECORD_BUFFER_COUNT: usize = 128;

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
    /// Bytes of `data.P` read ahead of a reader of short blocks: offset of the first, and the bytes.
    data_ahead: (u64, Vec<u8>),
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
    PartlyTruncated,
}

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
            data_ahead: (0, Vec::new()),
        }
    }

    /// Takes the files out of the partition.
    pub(super) fn into_files(self) -> PartitionFiles {
        PartitionFiles { data: self.data, indx: self.indx, watermark: self.watermark_file, layout: self.layout }
    }

    /// Sets the number of objects counted by a watermark that is not valid for the files.
    pub(super) const fn set_expected_objects(&mut self, objects: u64) {
        self.expected = objects;
    }

    /// Rejects appends except at the beginning from now on: the files differ from what was synchronised.
    pub(super) const fn block_appends(&mut self, reason: &'static str) {
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
        // What was read ahead may be after the new end, where other objects will be written.
        self.ahead.1.clear();
        self.data_ahead.1.clear();
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

    /// Fails if an earlier error prevents writing.
    fn check_usable(&self) -> Result<(), StoreError> {
        let reason = match self.failure {
            FailureState::None => return Ok(()),
            FailureState::Unsynchronised => "an earlier synchronisation failed",
            FailureState::PartlyTruncated => "an earlier truncation failed; the cartridge must be loaded again",
        };
        Err(self.io("writing", "data")(io::Error::other(reason)))
    }
}
