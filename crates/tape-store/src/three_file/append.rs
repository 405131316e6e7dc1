//! Appending: checks the capacity, truncates, stores the object. The capacity is limited by the cartridge or the file
//! system.

use super::ThreeFile;
use super::frame;
use super::index::{BlockEncryption, IndexRecord, ObjectKind};
use super::index32;
use super::partition::Partition;
use crate::encrypt::{AppendSession, BlockContext, Encryption};
use crate::error::StoreError;
use crate::feature::Feature;
use crate::integrity::{crc32c, crc32c_slices};
use crate::media;
use crate::medium::{Codec, CodecId, DeferredLoss, Medium, Position, WriteOutcome};
use std::io::IoSlice;

/// Free bytes of the file system that are reserved after early warning, if the file system and not the cartridge is the
/// limit.
pub const FREE_RESERVE: u64 = 256 << 20;
/// Free space is queried again after this many bytes, to detect other writers on the file system.
const ASK_EVERY: u64 = 16 << 20;

/// Index bytes of filemarks that a full tape still accepts.
const FILEMARK_RESERVE: u64 = 1 << 20;

/// The limit set by the file system, as last queried.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FileSystemLimit {
    /// First offset of the current partition that does not fit; `None` without a limit.
    end: Option<u64>,
    /// Offset after which free space is queried again.
    ask_at: u64,
}

impl ThreeFile {
    /// Offset of early warning of the partition, regardless of the file system.
    fn warning_of_tape(&self) -> u64 {
        let capacity = self.partition_capacity(self.current);
        capacity - media::early_warning(capacity)
    }

    /// Offset after which early warning is reported.
    pub(super) fn warning_at(&self) -> u64 {
        let tape = self.warning_of_tape();
        self.file_system_limit.end.map_or(tape, |end| tape.min(end.saturating_sub(FREE_RESERVE)))
    }

    /// Offset after which programmable early warning is reported. The zone is measured on the partition. If the file
    /// system is the limit, both warnings are reported at its reserve.
    pub(super) fn programmable_at(&self) -> u64 {
        self.warning_of_tape().saturating_sub(self.programmable_early_warning).min(self.warning_at())
    }

    /// Whether an offset is after programmable early warning; false if that is disabled.
    pub(super) fn is_past_programmable_warning(&self, offset: u64) -> bool {
        self.programmable_early_warning > 0 && offset > self.programmable_at()
    }

    /// First offset at which nothing fits. Space that truncation at the position would free is included.
    fn limit(&mut self, here: u64, ask: bool) -> Result<u64, StoreError> {
        if ask || here >= self.file_system_limit.ask_at || here + ASK_EVERY < self.file_system_limit.ask_at {
            let end = self.part()?.payload();
            self.file_system_limit.end = self.folder.available().map(|free| end.saturating_add(free));
            self.file_system_limit.ask_at = here + ASK_EVERY;
        }
        let capacity = self.partition_capacity(self.current);
        Ok(self.file_system_limit.end.map_or(capacity, |end| capacity.min(end)))
    }

    /// Whether the file system, as last queried, ends before the partition.
    pub(super) fn ends_at_file_system(&self) -> bool {
        self.file_system_limit.end.is_some_and(|end| end < self.partition_capacity(self.current))
    }

    pub(super) fn fits(&mut self, here: u64, len: u64) -> Result<bool, StoreError> {
        Ok(here + len <= self.limit(here, false)? || here + len <= self.limit(here, true)?)
    }

    pub(super) fn append_block(
        &mut self,
        block: &[IoSlice<'_>],
        codec: Codec,
        encryption: Option<&Encryption>,
    ) -> Result<WriteOutcome, StoreError> {
        let len: usize = block.iter().map(|slice| slice.len()).sum();
        self.check_appendable(len)?;
        if encryption.is_some() && !self.options.format.supports_encryption() {
            return Err(StoreError::EncryptionUnsupported);
        }
        let codec =
            if self.options.format.supports_codec(codec.id) { codec } else { self.options.format.fallback_codec() };
        let object = self.object;
        let missing = encryption.and_then(|_| Feature::Encryption.if_missing()).or(codec.id.missing_feature());
        self.part()?.require(object, missing)?;
        if encryption.is_none() {
            // A key that is no longer used is not kept in memory.
            self.session = None;
        }
        if let Some(written) = self.append_later(block, codec, encryption, len)? {
            return Ok(written);
        }
        let mut job = self.pipeline.acquire_codecs(len, codec);
        let mut codecs = std::mem::take(job.as_mut().map_or(&mut self.buffers.codecs, |job| &mut job.codecs));
        let compressed = codecs.compress(block, codec).map(|compressed| [IoSlice::new(compressed)]);
        let (content, codec) =
            compressed.as_ref().map_or((block, CodecId::NONE), |compressed| (&compressed[..], codec.id));
        let written = match encryption {
            None => {
                let crc = crc32c_slices(block);
                self.append_stored(content, codec, BlockEncryption::Clear, crc, len)
            }
            Some(encryption) => self.append_encrypting(content, codec, encryption, len),
        };
        match job {
            Some(mut job) => {
                job.codecs = codecs;
                self.pipeline.release(job);
            }
            None => self.buffers.codecs = codecs,
        }
        self.buffers.trim();
        written
    }

    pub(super) fn append_encrypting(
        &mut self,
        content: &[IoSlice<'_>],
        codec: CodecId,
        encryption: &Encryption,
        len: usize,
    ) -> Result<WriteOutcome, StoreError> {
        let failed = || StoreError::io("encrypting a block");
        let mut session = match self.session.take().filter(|session| session.serves(encryption)) {
            Some(session) => session,
            None => AppendSession::begin(encryption).map_err(failed())?,
        };
        let gathered = content.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        let length = u32::try_from(len).unwrap_or(u32::MAX);
        let context = BlockContext { partition: self.position().partition, object: self.object, length, codec };
        let mut encrypted = std::mem::take(&mut self.buffers.encrypted);
        session.encrypt(&gathered, context, &mut encrypted).map_err(failed())?;
        let crc = crc32c(&encrypted);
        let written = self.append_stored(&[IoSlice::new(&encrypted)], codec, BlockEncryption::Aes, crc, len);
        self.buffers.encrypted = encrypted;
        self.session = Some(session);
        written
    }

    /// Writes an encrypted block read raw, with the position it was encrypted for.
    pub(super) fn append_raw_block(&mut self, raw_block: &[IoSlice<'_>]) -> Result<WriteOutcome, StoreError> {
        let bytes = raw_block.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        let (context, _) = BlockContext::parse_raw(&bytes).ok_or(StoreError::NotRawEncryptedBlock)?;
        let len = context.length as usize;
        self.check_appendable(len)?;
        if !self.options.format.supports_encryption() {
            return Err(StoreError::EncryptionUnsupported);
        }
        self.drain()?;
        self.append_stored(&[IoSlice::new(&bytes)], context.codec, BlockEncryption::Relocated, crc32c(&bytes), len)
    }

    pub(super) fn append_stored(
        &mut self,
        stored: &[IoSlice<'_>],
        codec: CodecId,
        encryption: BlockEncryption,
        crc: u32,
        len: usize,
    ) -> Result<WriteOutcome, StoreError> {
        let stored_len: usize = stored.iter().map(|slice| slice.len()).sum();
        let (here, object, file) = (self.offset, self.object, self.file);
        let payload_before_position = self.payload_before_position();
        if !self.fits(payload_before_position, stored_len as u64)? {
            return Ok(WriteOutcome::EndOfMedium);
        }
        self.truncate_at_position(stored_len)?;
        let (framed, overhead) = self.framing()?;
        let record = IndexRecord {
            offset: here + overhead,
            length: u32::try_from(len).unwrap_or(u32::MAX),
            stored: u32::try_from(stored_len).unwrap_or(u32::MAX),
            filemarks_before: u32::try_from(file).unwrap_or(u32::MAX),
            kind: ObjectKind::Block,
            codec,
            encryption,
            data_crc: Some(crc),
            framed,
        };
        match self.part()?.store(&record, stored, stored_len) {
            Ok(()) => self.appended(&record, object),
            Err(error) if error.is_full() => {
                // Overrides the last query; free space is queried again for the next block.
                self.file_system_limit.end = Some(payload_before_position);
                Ok(WriteOutcome::EndOfMedium)
            }
            Err(error) => Err(error),
        }
    }

    /// Fails if an object of this length cannot be written at the position.
    fn check_appendable(&self, len: usize) -> Result<(), StoreError> {
        let (partition, object) = (self.position().partition, self.object);
        if let Some(reason) = self.read_only {
            return Err(StoreError::ReadOnly(reason));
        }
        if len > self.limits.block {
            return Err(StoreError::BlockTooLong { len, max: self.limits.block });
        }
        if object > self.limits.object {
            return Err(StoreError::TooManyObjects { partition, object });
        }
        Ok(())
    }

    pub(super) fn write_filemark(&mut self) -> Result<WriteOutcome, StoreError> {
        self.check_appendable(0)?;
        self.drain()?;
        let (offset, object, file) = (self.offset, self.object, self.file);
        // Filemarks use no capacity, but their number has to be limited.
        let reserve = (file * (index32::SIZE + frame::SIZE) as u64).saturating_sub(FILEMARK_RESERVE);
        let payload_before_position = self.payload_before_position().min(self.partition_capacity(self.current));
        if !self.fits(payload_before_position, reserve)? {
            return Ok(WriteOutcome::EndOfMedium);
        }
        self.truncate_at_position(0)?;
        let (framed, overhead) = self.framing()?;
        let filemarks_before = u32::try_from(file).unwrap_or(u32::MAX);
        let kind = ObjectKind::Filemark;
        let (codec, encryption) = (CodecId::NONE, BlockEncryption::Clear);
        let offset = offset + overhead;
        let record = IndexRecord {
            offset,
            length: 0,
            stored: 0,
            filemarks_before,
            kind,
            codec,
            encryption,
            data_crc: None,
            framed,
        };
        self.part()?.store(&record, &[], 0)?;
        self.appended(&record, object)
    }

    /// Whether the next object gets a frame, and the bytes that the frame uses in the file.
    fn framing(&mut self) -> Result<(bool, u64), StoreError> {
        let layout = &self.part()?.layout;
        Ok((layout.is_framed(), layout.overhead()))
    }

    /// Whether an append at the position does nothing but write at the end of the files: nothing is removed, and no commit repeated.
    pub(super) fn only_appends(&self) -> bool {
        let is_blocked = self.partitions.get(self.current).is_none_or(|part| part.append_blocked().is_some());
        self.at_end_of_data() && !is_blocked && !self.commit_failed
    }

    /// Removes the objects after the position and frees buffers. An error here is about earlier objects.
    pub(super) fn truncate_at_position(&mut self, len: usize) -> Result<(), StoreError> {
        self.repeat_failed_commit()?;
        let object = self.object;
        let Self { partitions, buffers, current, options, .. } = self;
        let part = partitions.get_mut(*current).ok_or(StoreError::NoPartition(u8::MAX))?;
        let ready = part
            .rewrite_unsynced(buffers, options.discard_data)
            .and_then(|()| part.truncate(object))
            .and_then(|()| part.prepare(len));
        ready.or_else(|cause| self.record_lost_objects(self.current, cause))
    }

    fn appended(&mut self, record: &IndexRecord, object: u64) -> Result<WriteOutcome, StoreError> {
        self.part()?.push(record);
        self.object = object + 1;
        (self.offset, self.file) = (record.end(), record.filemarks_after());
        self.stored += u64::from(record.stored);
        Ok(WriteOutcome::Written { beyond_early_warning: self.payload_before_position() > self.warning_at() })
    }

    /// After a failed write or synchronisation, buffered objects are lost. If they were accepted, this is a deferred
    /// error.
    fn record_lost_objects(&mut self, at: usize, cause: StoreError) -> Result<(), StoreError> {
        let Some(part) = self.partitions.get_mut(at) else { return Err(cause) };
        let before = part.objects();
        let first = part.discard_pending();
        if first == before {
            return Err(cause);
        }
        if at == self.current {
            let target = self.object.min(first);
            self.move_within(target)?;
        }
        let partition = u8::try_from(at).unwrap_or(u8::MAX);
        let lost_from = Position { partition, object: first, file: self.file };
        self.deferred = Some(DeferredLoss { lost_from, cause: cause.clone() });
        Err(StoreError::LostObjects { partition, object: first, cause: Box::new(cause) })
    }

    pub(super) fn sync_partition(
        &mut self,
        at: usize,
        sync: fn(&mut Partition) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Self { partitions, buffers, options, .. } = self;
        let synced = partitions
            .get_mut(at)
            .map_or(Ok(()), |part| part.rewrite_unsynced(buffers, options.discard_data).and_then(|()| sync(part)));
        synced.or_else(|cause| self.record_lost_objects(at, cause))
    }
}
