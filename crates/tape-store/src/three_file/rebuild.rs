//! Rebuilds `indx.P` of the native format from the frames in `data.P` and the old index.
//!
//! The walk follows the frames from the first object. For a damaged frame, the record of the old index is used. If that
//! is damaged too, the next intact frame or record is searched for; the objects in between get a damaged record. They
//! are errors when read, and all other objects keep their numbers.

use super::frame::{self, Frame};
use super::index::{BlockEncryption, IndexRecord, ObjectKind};
use super::index32;
use super::watermark::Watermark;
use crate::backend::{Backend, Folder};
use crate::error::StoreError;
use crate::medium::CodecId;
use std::io::{self, IoSlice, IoSliceMut};

/// Bytes searched per read.
const PIECE: usize = 1 << 20;
/// The record of a lost object; it is not a valid record.
const HOLE: [u8; index32::SIZE] = [0; index32::SIZE];

/// Result of rebuilding the index of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuiltIndex {
    /// Number of objects, including lost ones.
    pub objects: u64,
    /// Number of filemarks among the intact objects.
    pub filemarks: u64,
    /// Number of lost objects: reading one is an error.
    pub lost_objects: u64,
    /// Logical object number of the first lost object.
    pub first_lost: Option<u64>,
    /// Offset in `data.P` at which the last object ends.
    pub end: u64,
}

/// Writes the records of the new index.
struct IndexWriter {
    file: Box<dyn Backend>,
    at: u64,
    pending: Vec<u8>,
}

impl IndexWriter {
    fn put(&mut self, record: &[u8; index32::SIZE]) -> io::Result<()> {
        self.pending.extend_from_slice(record);
        if self.pending.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.at, &[IoSlice::new(&self.pending)])?;
        self.at += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

struct IndexRebuild<'a> {
    partition: u8,
    data: Box<dyn Backend>,
    data_len: u64,
    old: Box<dyn Backend>,
    old_records: u64,
    /// The synchronised extent, if it is known.
    watermark: Option<Watermark>,
    output: Option<&'a mut IndexWriter>,
    object: u64,
    at: u64,
    filemarks: u64,
    /// CRC of the previous record (its last four bytes); `None` if the previous object is lost.
    previous_tag: Option<u32>,
    rebuilt: RebuiltIndex,
}

/// Rebuilds the index of a partition and writes it to `output`, if given. `None` if the data has no frames.
///
/// # Errors
/// [`StoreError::Io`] if the storage fails.
pub(crate) fn rebuild(
    folder: &mut dyn Folder,
    partition: u8,
    output: Option<Box<dyn Backend>>,
) -> Result<Option<RebuiltIndex>, StoreError> {
    let failed = || StoreError::io(format!("rebuilding indx.{partition}"));
    let mut view = |name: &str| {
        let found = folder.open_read_only(&format!("{name}.{partition}")).map_err(failed())?;
        Ok::<_, StoreError>(found.unwrap_or_else(|| Box::new(crate::backend::memory::MemoryFile::default())))
    };
    let (mut data, mut old, mut watermark) = (view("data")?, view("indx")?, view("mark")?);
    let mut output = output.map(|file| IndexWriter { file, at: 0, pending: Vec::new() });
    let mut slots = [0; 1024];
    let got = watermark.read_at(0, &mut [IoSliceMut::new(&mut slots)]).map_err(failed())?;
    let watermark = Watermark::newest(partition, slots.get(..got).unwrap_or_default()).map(|(watermark, _)| watermark);
    let data_len = data.len().map_err(failed())?;
    let old_records = old.len().map_err(failed())? / index32::SIZE as u64;
    let mut walk = IndexRebuild {
        partition,
        data,
        data_len,
        old,
        old_records,
        watermark,
        output: output.as_mut(),
        object: 0,
        at: 0,
        filemarks: 0,
        previous_tag: Some(0),
        rebuilt: RebuiltIndex::default(),
    };
    let is_framed = walk.is_framed().and_then(|framed| if framed { walk.run().map(|()| true) } else { Ok(false) });
    let (is_framed, found) = (is_framed.map_err(failed())?, walk.rebuilt);
    if let Some(output) = &mut output {
        output.flush().and_then(|()| output.file.sync()).map_err(failed())?;
    }
    Ok(is_framed.then_some(found))
}

impl IndexRebuild<'_> {
    /// Whether objects of the partition have frames, by its watermark, or else because there is a frame.
    fn is_framed(&mut self) -> io::Result<bool> {
        match self.watermark {
            Some(watermark) if watermark.objects > 0 => Ok(watermark.framed),
            Some(_) => Ok(self.frame(0)?.is_some()),
            None => Ok(self.next_frame(0)?.is_some()),
        }
    }

    fn run(&mut self) -> io::Result<()> {
        while self.at < self.data_len {
            let frame = self.frame(self.at)?;
            let record = match frame.filter(|frame| self.follows(frame)) {
                Some(frame) => Some(frame.record),
                None => self.old_record(self.object)?.filter(|record| self.is_next(record)),
            };
            // After the watermark, the record of an intact frame that does not follow is that of an overwritten object.
            let record =
                record.filter(|record| self.may_be_durable() || frame.is_none_or(|frame| frame.record == *record));
            match record {
                Some(record) if record.end() <= self.data_len => self.accept_record(&record)?,
                // The data of the object is truncated; no object can follow.
                Some(_) => return self.end(!self.may_be_durable()),
                None if !self.may_be_durable() => return self.end(true),
                None if frame.is_some_and(|frame| self.is_left_over(&frame)) => return self.end(true),
                None => {
                    let Some((object, at, filemarks)) = self.find_next_intact()? else { return self.end(false) };
                    self.record_lost_before(object, at, filemarks)?;
                }
            }
        }
        self.end(false)
    }

    /// Whether the next object may have been synchronised: the watermark counts it, or is lost. Objects after the watermark
    /// count up to the first that is not intact, as when the tape is opened.
    fn may_be_durable(&self) -> bool {
        self.watermark.is_none_or(|watermark| self.object < watermark.objects)
    }

    /// Whether a frame at the right place, with the right number, does not follow the previous record: it is left over from
    /// objects that were overwritten.
    fn is_left_over(&self, frame: &Frame) -> bool {
        frame.object == self.object && self.is_next(&frame.record) && !self.follows(frame)
    }

    /// Whether a record is that of the next object.
    fn is_next(&self, record: &IndexRecord) -> bool {
        record.framed
            && record.start() == self.at
            && (self.previous_tag.is_none() || u64::from(record.filemarks_before) == self.filemarks)
    }

    /// Whether a frame is that of the next object, and not left over from overwritten objects.
    fn follows(&self, frame: &Frame) -> bool {
        let durable = self.watermark.is_some_and(|watermark| frame.object < watermark.objects);
        frame.object == self.object
            && self.is_next(&frame.record)
            && (durable || self.previous_tag.is_none_or(|tag| tag == frame.previous_crc))
    }

    fn frame(&mut self, at: u64) -> io::Result<Option<Frame>> {
        let mut bytes = [0; frame::SIZE];
        let got = self.data.read_at(at, &mut [IoSliceMut::new(&mut bytes)])?;
        Ok(Frame::decode(self.partition, at, bytes.get(..got).unwrap_or_default()))
    }

    fn old_record(&mut self, object: u64) -> io::Result<Option<IndexRecord>> {
        if object >= self.old_records {
            return Ok(None);
        }
        let mut bytes = [0; index32::SIZE];
        let got = self.old.read_at(object * index32::SIZE as u64, &mut [IoSliceMut::new(&mut bytes)])?;
        Ok(index32::decode(self.partition, object, bytes.get(..got).unwrap_or_default()))
    }

    fn accept_record(&mut self, record: &IndexRecord) -> io::Result<()> {
        let bytes = index32::encode(record, self.partition, self.object);
        self.put(&bytes)?;
        self.previous_tag = bytes.last_chunk().copied().map(u32::from_le_bytes);
        (self.at, self.filemarks) = (record.end(), record.filemarks_after());
        if record.kind == ObjectKind::Filemark {
            self.rebuilt.filemarks += 1;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8; index32::SIZE]) -> io::Result<()> {
        self.object += 1;
        self.output.as_mut().map_or(Ok(()), |output| output.put(bytes))
    }

    /// The next intact object after the lost one: its number, its offset, and the number of filemarks before it.
    fn find_next_intact(&mut self) -> io::Result<Option<(u64, u64, u64)>> {
        let framed = self.next_frame(self.at + 1)?.map(|frame| (frame.object, frame.record));
        let mut indexed = None;
        for object in self.object + 1..self.old_records {
            let Some(record) = self.old_record(object)? else { continue };
            // A record before the frame that was found, or whose frame is damaged.
            let before = framed.is_none_or(|(_, found)| record.start() < found.start());
            if before && self.is_possible(object, &record) {
                indexed = Some((object, record));
            }
            break;
        }
        let next = indexed.or(framed).map(|(object, record)| (object, record.start(), record.filemarks_before.into()));
        // All up to the watermark may be lost: the watermark has the offset at which the next object begins.
        let watermark = self.watermark.map(|watermark| (watermark.objects, watermark.data_len, watermark.filemarks));
        Ok(next.or(watermark.filter(|(object, at, filemarks)| self.can_begin(*object, *at, *filemarks))))
    }

    /// Whether an object before the watermark can be at the offset in its record.
    fn is_possible(&self, object: u64, record: &IndexRecord) -> bool {
        record.framed
            && record.start() < self.data_len
            && self.watermark.is_none_or(|watermark| object < watermark.objects && record.end() <= watermark.data_len)
            && self.can_begin(object, record.start(), record.filemarks_before.into())
    }

    /// Whether an object can begin at an offset, after this number of filemarks: each object before it has a frame at least.
    fn can_begin(&self, object: u64, at: u64, filemarks: u64) -> bool {
        let max_objects = at.saturating_sub(self.at) / frame::SIZE as u64;
        object > self.object
            && object - self.object <= max_objects
            && filemarks >= self.filemarks
            && filemarks - self.filemarks <= object - self.object
    }

    /// The first frame from an offset on that may follow.
    fn next_frame(&mut self, from: u64) -> io::Result<Option<Frame>> {
        let mut piece = vec![0; PIECE];
        let mut at = from;
        // Frames after the watermark may be left over from overwritten objects.
        let end = self.watermark.map_or(self.data_len, |watermark| self.data_len.min(watermark.data_len));
        while at < end {
            let got = self.data.read_at(at, &mut [IoSliceMut::new(&mut piece)])?;
            let bytes = piece.get(..got).unwrap_or_default();
            for (offset, window) in (at..).zip(bytes.windows(frame::MAGIC.len())) {
                if window != frame::MAGIC {
                    continue;
                }
                let frame = self.frame(offset)?;
                let first = from == 0 && offset == 0;
                if let Some(frame) = frame.filter(|frame| first || self.is_possible(frame.object, &frame.record)) {
                    return Ok(Some(frame));
                }
            }
            if got < frame::SIZE {
                return Ok(None);
            }
            // A frame may begin at the end of this piece.
            at += (got - frame::MAGIC.len() + 1) as u64;
        }
        Ok(None)
    }

    /// Records the objects before this one as lost, except a filemark that the gap identifies.
    fn record_lost_before(&mut self, object: u64, at: u64, filemarks: u64) -> io::Result<()> {
        let frame = frame::SIZE as u64;
        if object - self.object == 1
            && self.previous_tag.is_some()
            && at - self.at == frame
            && filemarks == self.filemarks + 1
        {
            let (kind, codec, encryption) = (ObjectKind::Filemark, CodecId::NONE, BlockEncryption::Clear);
            let before = u32::try_from(self.filemarks).unwrap_or(u32::MAX);
            let record = IndexRecord {
                offset: at,
                length: 0,
                stored: 0,
                filemarks_before: before,
                kind,
                codec,
                encryption,
                data_crc: None,
                framed: true,
            };
            return self.accept_record(&record);
        }
        self.record_lost_until(object)?;
        (self.at, self.filemarks) = (at, filemarks);
        // The watermark has the checksum of the last record before it.
        self.previous_tag =
            self.watermark.filter(|watermark| watermark.objects == object).map(|watermark| watermark.last_crc);
        Ok(())
    }

    fn record_lost_until(&mut self, object: u64) -> io::Result<()> {
        while self.object < object {
            self.rebuilt.first_lost.get_or_insert(self.object);
            self.rebuilt.lost_objects += 1;
            self.put(&HOLE)?;
        }
        self.previous_tag = None;
        Ok(())
    }

    /// Ends the index. If what follows in the data is left over, it does not count; otherwise it is at least one lost object.
    /// Objects that the watermark counts are lost if they were not found.
    fn end(&mut self, left_over: bool) -> io::Result<()> {
        let unknown = u64::from(!left_over && self.at < self.data_len);
        let known = self.watermark.map_or(0, |watermark| watermark.objects).max(self.object + unknown);
        self.record_lost_until(known)?;
        (self.rebuilt.objects, self.rebuilt.end) =
            (self.object, if left_over { self.at } else { self.data_len.max(self.at) });
        Ok(())
    }
}
