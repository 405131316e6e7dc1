//! Opening a partition. The ends of the files are compared with the watermark, and objects after it are verified.
//! Without a valid watermark (mhvtl wrote the tape since), the whole index is scanned.

use super::index::{IndexLayout, IndexRecord, ObjectKind};
use super::index512::FilemarkTable;
use super::partition::{Partition, PartitionFiles};
use super::read::ReadBuffers;
use super::watermark::{SLOT, Watermark, WatermarkSlot};
use super::{Recovery, TapeOptions};
use crate::backend::memory::MemoryFile;
use crate::backend::{Backend, DiscardFile, Folder};
use crate::cartridge::Format;
use crate::error::StoreError;
use crate::mhvtl;
use std::io::{IoSlice, IoSliceMut};

#[derive(Clone, Copy)]
struct Extent {
    objects: u64,
    end: u64,
    filemarks: u64,
}

/// The reasons why objects may be appended at the beginning of a partition only.
const SHORT_INDEX: &str = "index is shorter than the synchronised extent";
pub(crate) const SHORT_DATA: &str = "data is shorter than the synchronised extent";
/// The reasons why nothing may be written to a partition.
pub(super) const NO_INDEX: &str = "index is lost, data is not";
const OTHER_INDEX: &str = "index differs from the synchronised one";
pub(crate) const NO_WATERMARK: &str = "watermark or index is missing or damaged";

const NOTHING: Extent = Extent { objects: 0, end: 0, filemarks: 0 };

/// Opens the partitions of a folder.
pub(super) struct Opener<'a> {
    pub(super) folder: &'a mut dyn Folder,
    pub(super) options: &'a TapeOptions,
    pub(super) buffers: &'a mut ReadBuffers,
    pub(super) recovery: Recovery,
}

impl Opener<'_> {
    pub(super) fn open(&mut self, number: u8) -> Result<Partition, StoreError> {
        let has_data_file = self.has_data_file(number)?;
        let (mut files, skip) = self.files(number)?;
        let length = |file: &mut Box<dyn Backend>| {
            file.len().map_err(StoreError::io(format!("getting the file lengths of partition {number}")))
        };
        let (data_len, indx_len) = (length(&mut files.data)?, length(&mut files.indx)?);
        let blank = has_data_file && data_len == 0 && indx_len == 0 && is_zero(files.watermark.as_mut(), number)?;
        match self.options.format {
            _ if self.options.salvage => self.open_without_watermark(number, files, [data_len, indx_len]),
            Format::Native if blank => blank_partition(number, files, self.options.read_only),
            Format::Native => match read_watermark(files.watermark.as_mut(), number, self.options.read_only)? {
                Some((watermark, slot)) => {
                    self.open_with_watermark(number, files, watermark, slot, [data_len, indx_len])
                }
                None => self.open_without_watermark(number, files, [data_len, indx_len]),
            },
            Format::Mhvtl => self.mhvtl(number, files, skip, [data_len, indx_len]),
        }
    }

    /// Whether the data file of a partition exists, or the folder has no tape yet.
    fn has_data_file(&mut self, number: u8) -> Result<bool, StoreError> {
        let names = self.folder.list().map_err(StoreError::io("listing the cartridge's files"))?;
        let of_tape = |name: &String| ["data.", "indx.", "mark."].iter().any(|part| name.starts_with(part));
        Ok(names.contains(&format!("data.{number}")) || !names.iter().any(of_tape))
    }

    /// The files of a partition, and the number of bytes before the table in `meta`. Formats 3 to 5 of mhvtl have no
    /// numbers in the names.
    fn files(&mut self, number: u8) -> Result<(PartitionFiles, u64), StoreError> {
        let is_mhvtl = self.options.format == Format::Mhvtl;
        // Data first: without it, the other files are remains of a removed partition.
        let data = self.file("data", number)?;
        let data = if self.options.discard_data { Box::new(DiscardFile) } else { data };
        let (indx, watermark) = (self.file("indx", number)?, self.file("mark", number)?);
        if !is_mhvtl {
            return Ok((PartitionFiles { data, indx, watermark, layout: IndexLayout::Index32 { framed: true } }, 0));
        }
        let mut meta = self.file("meta", number)?;
        let skip = mhvtl::mam_bytes_in_meta(meta.as_mut()).map_err(StoreError::io(format!("reading meta.{number}")))?;
        Ok((PartitionFiles { data, indx, watermark, layout: IndexLayout::Index512(FilemarkTable::new(meta)) }, skip))
    }

    fn file(&mut self, name: &str, number: u8) -> Result<Box<dyn Backend>, StoreError> {
        let numbered = format!("{name}.{number}");
        let failed = StoreError::io(format!("opening {numbered}"));
        if !self.options.read_only {
            return self.folder.open(&numbered).map_err(failed);
        }
        let found = self.folder.open_read_only(&numbered).and_then(|found| match found {
            None if number == 0 => self.folder.open_read_only(name),
            found => Ok(found),
        });
        Ok(found.map_err(failed)?.unwrap_or_else(|| Box::new(MemoryFile::new(Vec::new()))))
    }

    /// Opens a partition whose watermark is valid.
    fn open_with_watermark(
        &mut self,
        number: u8,
        files: PartitionFiles,
        watermark: Watermark,
        slot: WatermarkSlot,
        [data_len, indx_len]: [u64; 2],
    ) -> Result<Partition, StoreError> {
        let size = files.layout.size() as u64;
        let records = indx_len / size;
        let mut part = Partition::new(number, files, watermark, slot);
        part.set_extent(records, data_len, 0);
        let synced = Extent { objects: watermark.objects, end: watermark.data_len, filemarks: watermark.filemarks };
        let mismatch = if records < watermark.objects {
            Some(SHORT_INDEX)
        } else if data_len < watermark.data_len && !self.options.discard_data {
            Some(SHORT_DATA)
        } else if is_synchronised(&mut part, &watermark)? {
            None
        } else {
            Some(OTHER_INDEX)
        };
        if let Some(reason) = mismatch {
            tracing::warn!(partition = number, reason, "partition is damaged; intact objects can be read");
            part.set_extent(synced.objects, synced.end, synced.filemarks);
            part.set_framed(watermark.framed);
            part.block_appends(reason);
            self.recovery.damaged = true;
            return Ok(part);
        }
        let intact = self.verify_tail(&mut part, synced, records)?;
        self.recovery.kept_objects += intact.objects - watermark.objects;
        self.recovery.dropped_objects += records - intact.objects;
        let torn = intact.objects * size < indx_len || intact.end < data_len;
        if torn && !self.options.read_only {
            truncate_tail(&mut part, &intact)?;
        }
        part.set_extent(intact.objects, intact.end, intact.filemarks);
        let framed = match intact.objects {
            0 => true,
            _ if watermark.objects > 0 => watermark.framed,
            // It was rewritten since the watermark, possibly by another version.
            _ => part.record(0)?.framed,
        };
        part.set_framed(framed);
        Ok(part)
    }

    /// Verifies the objects after the watermark, up to the first that is damaged or incomplete.
    fn verify_tail(&mut self, part: &mut Partition, mut at: Extent, records: u64) -> Result<Extent, StoreError> {
        while at.objects < records {
            let Ok(record) = part.record(at.objects) else { break };
            let follows = record.start() == at.end && u64::from(record.filemarks_before) == at.filemarks;
            if !follows || !self.is_intact(part, at.objects, &record)? {
                break;
            }
            if let IndexLayout::Index512(table) = &mut part.layout
                && record.kind == ObjectKind::Filemark
            {
                table.push(at.objects);
            }
            let files = at.filemarks + u64::from(record.kind == ObjectKind::Filemark);
            at = Extent { objects: at.objects + 1, end: record.end(), filemarks: files };
        }
        Ok(at)
    }

    fn is_intact(&mut self, part: &mut Partition, object: u64, record: &IndexRecord) -> Result<bool, StoreError> {
        if !self.options.discard_data && !part.has_frame(object, record)? {
            return Ok(false);
        }
        if record.kind == ObjectKind::Filemark {
            return Ok(record.stored == 0);
        }
        if self.options.discard_data {
            return Ok(true);
        }
        match self.buffers.verify_block(part, object, record) {
            Ok(()) => Ok(true),
            Err(StoreError::Damaged { .. }) => Ok(false),
            Err(storage) => Err(storage),
        }
    }

    /// Opens a partition in mhvtl's format. If Ferric was the last writer, the watermark is valid, and the table of
    /// filemarks has the length that it counts.
    fn mhvtl(
        &mut self,
        number: u8,
        mut files: PartitionFiles,
        skip: u64,
        lens: [u64; 2],
    ) -> Result<Partition, StoreError> {
        let failed = || StoreError::io(format!("reading meta.{number}"));
        let watermark = if self.options.trust_watermarks {
            read_watermark(files.watermark.as_mut(), number, self.options.read_only)?
        } else {
            None
        };
        let IndexLayout::Index512(table) = &mut files.layout else { return Err(StoreError::NoPartition(number)) };
        let readable = table.read(skip).map_err(failed())?;
        let Some((watermark, slot)) = watermark else { return self.open_without_watermark(number, files, lens) };
        if !readable || table.before(watermark.objects) != watermark.filemarks {
            let mut part = Partition::new(number, files, watermark, slot);
            part.set_extent(watermark.objects, u64::MAX, 0);
            let IndexScan { filemarks: numbers, .. } = scan_index(&mut part, watermark.objects)?;
            files = part.into_files();
            if let IndexLayout::Index512(table) = &mut files.layout {
                table.set(numbers);
            }
        } else {
            table.remove_from(watermark.objects);
        }
        let part = self.open_with_watermark(number, files, watermark, slot, lens)?;
        if part.append_blocked().is_some() { Ok(part) } else { self.reconcile(part) }
    }

    /// Scans the whole index of a tape that mhvtl wrote, or whose watermark is lost. Nothing is truncated: the
    /// synchronised extent is unknown.
    fn open_without_watermark(
        &mut self,
        number: u8,
        mut files: PartitionFiles,
        [data_len, indx_len]: [u64; 2],
    ) -> Result<Partition, StoreError> {
        let size = files.layout.size() as u64;
        let records = indx_len / size;
        let counted = if let IndexLayout::Index512(table) = &files.layout { table.len() } else { 0 };
        // Continue the sequence of the last watermark, so that the next one is the newest.
        let (stale, slot) = read_watermark(files.watermark.as_mut(), number, true)?
            .unwrap_or((Watermark::default(), WatermarkSlot::First));
        let watermark = Watermark { sequence: stale.sequence, ..Watermark::default() };
        let mut part = Partition::new(number, files, watermark, slot);
        part.set_extent(records, u64::MAX, 0);
        let IndexScan { extent: mut at, filemarks: numbers, mut damaged, framed, ends } =
            scan_index(&mut part, records)?;
        // Without a watermark, a native tape may have lost objects at its end.
        damaged |= indx_len % size != 0 || self.options.salvage || self.options.format == Format::Native;
        damaged |= data_len < at.end && !self.options.discard_data;
        damaged |= records == 0 && (data_len > 0 || counted > 0);
        if let IndexLayout::Index512(table) = &mut part.layout {
            table.set(numbers);
        }
        if !ends && self.options.format == Format::Native {
            // The length of the last object is unknown: keep all data.
            at.end = at.end.max(data_len);
        }
        // Data without index records: the tape has at least one object and is not blank.
        let lost = records == 0 && (data_len > 0 || counted > 0) && !self.options.salvage;
        if lost {
            (at.objects, at.end) = (1, data_len);
        }
        part.set_extent(at.objects, at.end, at.filemarks);
        part.set_expected_objects(if self.options.trust_watermarks { stale.objects } else { 0 });
        part.set_framed(framed);
        if damaged {
            part.block_appends(if lost { NO_INDEX } else { NO_WATERMARK });
        }
        self.recovery.damaged |= damaged;
        if damaged { Ok(part) } else { self.reconcile(part) }
    }

    /// Reconciles the files of mhvtl's format: truncates the data to the index, rebuilds the table of filemarks and
    /// writes a watermark.
    fn reconcile(&self, mut part: Partition) -> Result<Partition, StoreError> {
        if !self.options.read_only {
            part.reconcile()?;
        }
        Ok(part)
    }
}

/// Result of scanning an index.
struct IndexScan {
    extent: Extent,
    /// Object numbers of the filemarks.
    filemarks: Vec<u32>,
    /// Whether a record is damaged or inconsistent.
    damaged: bool,
    /// Whether objects have frames.
    framed: bool,
    /// Whether the last record is intact, so that the end of the data is known.
    ends: bool,
}

/// Scans the first `objects` records: their extent, their filemarks, and whether they are consistent.
fn scan_index(part: &mut Partition, objects: u64) -> Result<IndexScan, StoreError> {
    let (mut at, mut numbers, mut damaged) = (NOTHING, Vec::new(), false);
    // New tapes, and tapes without an intact record, get frames.
    let (mut framed, mut ends, counts) = (true, true, matches!(part.layout, IndexLayout::Index32 { .. }));
    while at.objects < objects {
        match part.record(at.objects) {
            Ok(record) => {
                damaged |= record.start() != at.end;
                (framed, ends) = (record.framed, true);
                (at.end, at.filemarks) = (record.end(), record.filemarks_after());
                if record.kind == ObjectKind::Filemark {
                    numbers.push(u32::try_from(at.objects).unwrap_or(u32::MAX));
                }
            }
            Err(StoreError::Damaged { .. }) => (damaged, ends) = (true, false),
            Err(storage) => return Err(storage),
        }
        at.objects += 1;
    }
    if !counts {
        at.filemarks = numbers.len() as u64;
    }
    Ok(IndexScan { extent: at, filemarks: numbers, damaged, framed, ends })
}

/// Whether `mark.P` has no watermark yet: its creation may have been interrupted.
fn is_zero(watermark: &mut dyn Backend, number: u8) -> Result<bool, StoreError> {
    let mut bytes = [0; 1024];
    let failed = || StoreError::io(format!("reading mark.{number}"));
    let len = watermark.len().map_err(failed())?;
    let got = watermark.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).map_err(failed())?;
    Ok(len <= 2 * SLOT && bytes.get(..got).unwrap_or_default().iter().all(|byte| *byte == 0))
}

/// Creates a blank partition, with a watermark of zero objects: without one, a tape that lost its watermark would appear
/// blank.
fn blank_partition(number: u8, mut files: PartitionFiles, read_only: bool) -> Result<Partition, StoreError> {
    let watermark = Watermark::default();
    if !read_only {
        let failed = || StoreError::io(format!("writing mark.{number}"));
        files.watermark.set_len(2 * SLOT).map_err(failed())?;
        files
            .watermark
            .write_at(WatermarkSlot::First.offset(), &[IoSlice::new(&watermark.encode(number))])
            .map_err(failed())?;
        files.watermark.sync().map_err(failed())?;
    }
    Ok(Partition::new(number, files, watermark, WatermarkSlot::First))
}

/// The newest watermark, made durable: after a killed process it may be in the page cache only.
fn read_watermark(
    watermark: &mut dyn Backend,
    number: u8,
    read_only: bool,
) -> Result<Option<(Watermark, WatermarkSlot)>, StoreError> {
    let mut bytes = [0; 1024];
    let failed = || StoreError::io(format!("reading mark.{number}"));
    let got = watermark.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).map_err(failed())?;
    if !read_only {
        watermark.sync().map_err(failed())?;
    }
    Ok(Watermark::newest(number, bytes.get(..got).unwrap_or_default()))
}

/// Whether the last synchronised record matches the watermark.
fn is_synchronised(part: &mut Partition, watermark: &Watermark) -> Result<bool, StoreError> {
    let Some(last) = watermark.objects.checked_sub(1) else { return Ok(true) };
    let record = match part.record(last) {
        Ok(record) => record,
        // A damaged object is reported when it is read; the others are unaffected.
        Err(StoreError::Damaged { .. }) => return Ok(true),
        Err(storage) => return Err(storage),
    };
    let bytes = part.record_bytes(last)?;
    let tag = part.layout.tag(&bytes);
    Ok(tag == watermark.last_crc
        && record.end() == watermark.data_len
        && record.filemarks_after() == watermark.filemarks)
}

fn truncate_tail(part: &mut Partition, intact: &Extent) -> Result<(), StoreError> {
    let failed = || StoreError::io(format!("truncating the incomplete tail of partition {}", part.number));
    part.indx.set_len(intact.objects * part.layout.size() as u64).map_err(failed())?;
    part.indx.sync().map_err(failed())?;
    part.data.set_len(intact.end).and_then(|()| part.data.sync()).map_err(failed())
}
