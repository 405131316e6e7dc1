//! Appending: room first, then the cut, then the object. What ends is the cartridge or the file system below it.

use super::ThreeFile;
use super::compact;
use super::frame;
use super::index::{Kind, Record, Sealed};
use super::partition::Partition;
use crate::error::StoreError;
use crate::integrity::{crc32c, crc32c_slices};
use crate::media;
use crate::medium::{Codec, CodecId, Deferred, Medium, Position, Written};
use crate::seal::{Context, Seal, Session};
use std::io::IoSlice;

/// How much of the file system lies behind early warning when it, and not the cartridge, is what ends.
pub const FREE_RESERVE: u64 = 256 << 20;
/// Free space is asked for again after this many bytes, so a neighbour that fills the disk is noticed in time.
const ASK_EVERY: u64 = 16 << 20;

/// Index bytes of filemarks that a full tape still takes.
const MARKS_ROOM: u64 = 1 << 20;

/// The end that the file system sets, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Physical {
    /// First byte offset of the current partition that would not fit; `None` if nothing limits it.
    end: Option<u64>,
    /// Ask again when the offset passes this.
    ask_at: u64,
}

impl ThreeFile {
    /// Offset of early warning on the tape, whatever the file system has room for.
    fn warning_of_tape(&self) -> u64 {
        let capacity = self.partition_capacity(self.current);
        capacity - media::early_warning(capacity)
    }

    /// Offset behind which early warning is given.
    pub(super) fn warning_at(&self) -> u64 {
        let tape = self.warning_of_tape();
        self.physical.end.map_or(tape, |end| tape.min(end.saturating_sub(FREE_RESERVE)))
    }

    /// Offset of programmable early warning. The zone that a host asks for is measured on the tape: a file system
    /// that ends first has its own reserve, and gives both warnings there.
    pub(super) fn programmable_at(&self) -> u64 {
        self.warning_of_tape().saturating_sub(self.warn_before).min(self.warning_at())
    }

    /// Whether this offset lies behind the warning that was asked for.
    pub(super) fn is_warned(&self, offset: u64) -> bool {
        self.warn_before > 0 && offset > self.programmable_at()
    }

    /// First offset at which nothing fits. What a cut here frees counts as room.
    fn limit(&mut self, here: u64, ask: bool) -> Result<u64, StoreError> {
        if ask || here >= self.physical.ask_at || here + ASK_EVERY < self.physical.ask_at {
            let end = self.part()?.payload();
            self.physical.end = self.folder.available().map(|free| end.saturating_add(free));
            self.physical.ask_at = here + ASK_EVERY;
        }
        let capacity = self.partition_capacity(self.current);
        Ok(self.physical.end.map_or(capacity, |end| capacity.min(end)))
    }

    /// Whether the file system ends before the partition does, as far as it was asked.
    pub(super) fn ends_early(&self) -> bool {
        self.physical.end.is_some_and(|end| end < self.partition_capacity(self.current))
    }

    pub(super) fn fits(&mut self, here: u64, len: u64) -> Result<bool, StoreError> {
        Ok(here + len <= self.limit(here, false)? || here + len <= self.limit(here, true)?)
    }

    pub(super) fn append_block(
        &mut self,
        block: &[IoSlice<'_>],
        codec: Codec,
        seal: Option<&Seal>,
    ) -> Result<Written, StoreError> {
        let len: usize = block.iter().map(|slice| slice.len()).sum();
        self.admit(len)?;
        if seal.is_some() && !self.shape.level.seals() {
            return Err(StoreError::NoSeal);
        }
        let codec = if self.shape.level.takes(codec.id) { codec } else { self.shape.level.fallback() };
        if seal.is_none() {
            // A key that is not used any more is not kept.
            self.session = None;
        }
        if let Some(written) = self.append_later(block, codec, seal, len)? {
            return Ok(written);
        }
        let mut codecs = std::mem::take(&mut self.buffers.codecs);
        let packed = codecs.compress(block, codec).map(|packed| [IoSlice::new(packed)]);
        let (content, codec) = packed.as_ref().map_or((block, CodecId::NONE), |packed| (&packed[..], codec.id));
        let written = match seal {
            None => {
                let crc = crc32c_slices(block);
                self.append_stored(content, codec, Sealed::No, crc, len)
            }
            Some(seal) => self.append_seal(content, codec, seal, len),
        };
        self.buffers.codecs = codecs;
        self.buffers.trim();
        written
    }

    pub(super) fn append_seal(
        &mut self,
        content: &[IoSlice<'_>],
        codec: CodecId,
        seal: &Seal,
        len: usize,
    ) -> Result<Written, StoreError> {
        let failed = || StoreError::io("sealing a block");
        let mut session = match self.session.take().filter(|session| session.serves(seal)) {
            Some(session) => session,
            None => Session::begin(seal, self.shape.entropy).map_err(failed())?,
        };
        let gathered = content.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        let length = u32::try_from(len).unwrap_or(u32::MAX);
        let context = Context { partition: self.position().partition, object: self.object, length, codec };
        let mut sealed = std::mem::take(&mut self.buffers.sealed);
        session.seal(&gathered, context, &mut sealed).map_err(failed())?;
        let crc = crc32c(&sealed);
        let written = self.append_stored(&[IoSlice::new(&sealed)], codec, Sealed::Aes, crc, len);
        self.buffers.sealed = sealed;
        self.session = Some(session);
        written
    }

    /// A block that comes sealed stays as it is, with the place it was sealed for.
    pub(super) fn append_capsule(&mut self, capsule: &[IoSlice<'_>]) -> Result<Written, StoreError> {
        let bytes = capsule.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        let (context, _) = Context::of_capsule(&bytes).ok_or(StoreError::NotSealed)?;
        let len = context.length as usize;
        self.admit(len)?;
        if !self.shape.level.seals() {
            return Err(StoreError::NoSeal);
        }
        self.settle()?;
        self.append_stored(&[IoSlice::new(&bytes)], context.codec, Sealed::Capsule, crc32c(&bytes), len)
    }

    pub(super) fn append_stored(
        &mut self,
        stored: &[IoSlice<'_>],
        codec: CodecId,
        sealed: Sealed,
        crc: u32,
        len: usize,
    ) -> Result<Written, StoreError> {
        let stored_len: usize = stored.iter().map(|slice| slice.len()).sum();
        let (here, object, file) = (self.offset, self.object, self.file);
        let on_tape = self.on_tape();
        if !self.fits(on_tape, stored_len as u64)? {
            return Ok(Written::Full);
        }
        self.make_way(stored_len)?;
        let (framed, overhead) = self.framing()?;
        let record = Record {
            offset: here + overhead,
            length: u32::try_from(len).unwrap_or(u32::MAX),
            stored: u32::try_from(stored_len).unwrap_or(u32::MAX),
            files: u32::try_from(file).unwrap_or(u32::MAX),
            kind: Kind::Block,
            codec,
            sealed,
            data_crc: Some(crc),
            framed,
        };
        match self.part()?.store(&record, stored, stored_len) {
            Ok(()) => self.appended(&record, object),
            Err(error) if error.is_full() => {
                // Whatever it said before; it is asked again for the next block.
                self.physical.end = Some(on_tape);
                Ok(Written::Full)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether an object of this length can be here at all.
    fn admit(&self, len: usize) -> Result<(), StoreError> {
        let (partition, object) = (self.position().partition, self.object);
        if let Some(why) = self.read_only {
            return Err(StoreError::ReadOnly(why));
        }
        if len > self.limits.block {
            return Err(StoreError::TooLong { len, most: self.limits.block });
        }
        if object > self.limits.object {
            return Err(StoreError::TooMany { partition, object });
        }
        Ok(())
    }

    pub(super) fn append_mark(&mut self) -> Result<Written, StoreError> {
        self.admit(0)?;
        self.settle()?;
        let (offset, object, file) = (self.offset, self.object, self.file);
        // Filemarks take no room on the tape, but their number must end somewhere.
        let marks = (file * (compact::SIZE + frame::SIZE) as u64).saturating_sub(MARKS_ROOM);
        let on_tape = self.on_tape().min(self.partition_capacity(self.current));
        if !self.fits(on_tape, marks)? {
            return Ok(Written::Full);
        }
        self.make_way(0)?;
        let (framed, overhead) = self.framing()?;
        let files = u32::try_from(file).unwrap_or(u32::MAX);
        let kind = Kind::Filemark;
        let (codec, sealed) = (CodecId::NONE, Sealed::No);
        let offset = offset + overhead;
        let record = Record { offset, length: 0, stored: 0, files, kind, codec, sealed, data_crc: None, framed };
        self.part()?.store(&record, &[], 0)?;
        self.appended(&record, object)
    }

    /// Whether the next object gets a frame, and the bytes that takes in the file.
    fn framing(&mut self) -> Result<(bool, u64), StoreError> {
        let layout = &self.part()?.layout;
        Ok((layout.is_framed(), layout.overhead()))
    }

    /// Drops what follows and makes room in memory. What fails here is not about the object to come.
    pub(super) fn make_way(&mut self, len: usize) -> Result<(), StoreError> {
        let object = self.object;
        let Self { partitions, buffers, current, shape, .. } = self;
        let part = partitions.get_mut(*current).ok_or(StoreError::NoPartition(u8::MAX))?;
        let ready = part
            .mend(buffers, shape.discards_data)
            .and_then(|()| part.truncate(object))
            .and_then(|()| part.prepare(len));
        ready.or_else(|cause| self.lost(self.current, cause))
    }

    fn appended(&mut self, record: &Record, object: u64) -> Result<Written, StoreError> {
        self.part()?.push(record);
        self.object = object + 1;
        (self.offset, self.file) = (record.end(), record.files_behind());
        self.stored += u64::from(record.stored);
        Ok(Written::Done { early_warning: self.on_tape() > self.warning_at() })
    }

    /// A write or synchronisation failed: what memory held is gone. If that was acknowledged, it is a deferred error.
    fn lost(&mut self, at: usize, cause: StoreError) -> Result<(), StoreError> {
        let Some(part) = self.partitions.get_mut(at) else { return Err(cause) };
        let before = part.objects();
        let first = part.forget_pending();
        if first == before {
            return Err(cause);
        }
        if at == self.current {
            let target = self.object.min(first);
            self.go(target)?;
        }
        let partition = u8::try_from(at).unwrap_or(u8::MAX);
        let lost_from = Position { partition, object: first, file: self.file, ..Position::default() };
        self.deferred = Some(Deferred { lost_from, cause: cause.clone() });
        Err(StoreError::Lost { partition, object: first, cause: Box::new(cause) })
    }

    pub(super) fn sync_partition(
        &mut self,
        at: usize,
        how: fn(&mut Partition) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Self { partitions, buffers, shape, .. } = self;
        let synced = partitions
            .get_mut(at)
            .map_or(Ok(()), |part| part.mend(buffers, shape.discards_data).and_then(|()| how(part)));
        synced.or_else(|cause| self.lost(at, cause))
    }
}
