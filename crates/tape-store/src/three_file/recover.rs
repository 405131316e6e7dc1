//! Opening a partition: the ends are checked against the watermark, and what came after it is verified. Without a
//! watermark that can be relied on (mhvtl wrote since), the whole index is looked through.

use super::index::{Kind, Layout, Record};
use super::partition::{Files, Partition};
use super::read::Buffers;
use super::watermark::{SLOT, Slot, Watermark};
use super::wide::Filemarks;
use super::{Recovery, Shape};
use crate::backend::memory::MemoryFile;
use crate::backend::{Backend, Discard, Folder};
use crate::cartridge::Level;
use crate::error::StoreError;
use crate::mhvtl;
use std::io::{IoSlice, IoSliceMut};

#[derive(Clone, Copy)]
struct Extent {
    objects: u64,
    end: u64,
    files: u64,
}

const NOTHING: Extent = Extent { objects: 0, end: 0, files: 0 };

/// Where a partition's files are and how they are to be opened.
pub(super) struct Opener<'a> {
    pub(super) folder: &'a mut dyn Folder,
    pub(super) shape: &'a Shape,
    pub(super) buffers: &'a mut Buffers,
    pub(super) recovery: Recovery,
}

impl Opener<'_> {
    pub(super) fn open(&mut self, number: u8) -> Result<Partition, StoreError> {
        let (mut files, skip) = self.files(number)?;
        let length = |file: &mut Box<dyn Backend>| {
            file.len().map_err(StoreError::io(format!("measuring the files of partition {number}")))
        };
        let (data_len, indx_len) = (length(&mut files.data)?, length(&mut files.indx)?);
        let blank = data_len == 0 && indx_len == 0 && is_zero(files.mark.as_mut(), number)?;
        match self.shape.level {
            _ if self.shape.salvage => self.unmarked(number, files, [data_len, indx_len]),
            Level::Ferric if blank => blank_partition(number, files, self.shape.read_only),
            Level::Ferric => {
                let (mark, slot) = read_mark(files.mark.as_mut(), number, self.shape.read_only)?.ok_or_else(|| {
                    let file = format!("mark.{number}");
                    StoreError::Format { file, what: "neither of its two watermarks is whole".into() }
                })?;
                self.marked(number, files, mark, slot, [data_len, indx_len])
            }
            Level::Mhvtl => self.mhvtl(number, files, skip, [data_len, indx_len]),
        }
    }

    /// The files by their names, and how many bytes of `meta` are not its own. Formats 3 to 5 of mhvtl have no numbers.
    fn files(&mut self, number: u8) -> Result<(Files, u64), StoreError> {
        let wide = self.shape.level == Level::Mhvtl;
        let (indx, mark) = (self.file("indx", number)?, self.file("mark", number)?);
        let data = if self.shape.discards_data { Box::new(Discard) } else { self.file("data", number)? };
        if !wide {
            return Ok((Files { data, indx, mark, layout: Layout::Compact }, 0));
        }
        let mut meta = self.file("meta", number)?;
        let skip = mhvtl::memory_before(meta.as_mut()).map_err(StoreError::io(format!("reading meta.{number}")))?;
        Ok((Files { data, indx, mark, layout: Layout::Wide(Filemarks::new(meta)) }, skip))
    }

    fn file(&mut self, name: &str, number: u8) -> Result<Box<dyn Backend>, StoreError> {
        let numbered = format!("{name}.{number}");
        let failed = StoreError::io(format!("opening {numbered}"));
        if !self.shape.read_only {
            return self.folder.open(&numbered).map_err(failed);
        }
        let found = self.folder.view(&numbered).and_then(|found| match found {
            None if number == 0 => self.folder.view(name),
            found => Ok(found),
        });
        Ok(found.map_err(failed)?.unwrap_or_else(|| Box::new(MemoryFile::new(Vec::new()))))
    }

    /// A partition whose watermark counts.
    fn marked(
        &mut self,
        number: u8,
        files: Files,
        mark: Watermark,
        slot: Slot,
        [data_len, indx_len]: [u64; 2],
    ) -> Result<Partition, StoreError> {
        let size = files.layout.size() as u64;
        let records = indx_len / size;
        let short = |file: &str, have: u64, need: u64| StoreError::Format {
            file: format!("{file}.{number}"),
            what: format!("has {have} bytes, but {need} were synchronised"),
        };
        if records < mark.objects {
            return Err(short("indx", indx_len, mark.objects * size));
        }
        if data_len < mark.data_len && !self.shape.discards_data {
            return Err(short("data", data_len, mark.data_len));
        }
        let mut part = Partition::new(number, files, mark, slot);
        part.set_extent(records, data_len, 0);
        let synced = synchronised_extent(&mut part, &mark)?;
        let whole = self.verify_tail(&mut part, synced, records)?;
        self.recovery.kept += whole.objects - mark.objects;
        self.recovery.dropped += records - whole.objects;
        let torn = whole.objects * size < indx_len || whole.end < data_len;
        if torn && !self.shape.read_only {
            cut(&mut part, &whole)?;
        }
        part.set_extent(whole.objects, whole.end, whole.files);
        Ok(part)
    }

    /// Walks the objects behind the watermark up to the first that is not whole.
    fn verify_tail(&mut self, part: &mut Partition, mut at: Extent, records: u64) -> Result<Extent, StoreError> {
        while at.objects < records {
            let Ok(record) = part.record(at.objects) else { break };
            let follows = record.offset == at.end && u64::from(record.files) == at.files;
            if !follows || !self.is_whole(part, at.objects, &record)? {
                break;
            }
            if let Layout::Wide(marks) = &mut part.layout
                && record.kind == Kind::Filemark
            {
                marks.push(at.objects);
            }
            let files = at.files + u64::from(record.kind == Kind::Filemark);
            at = Extent { objects: at.objects + 1, end: record.end(), files };
        }
        Ok(at)
    }

    fn is_whole(&mut self, part: &mut Partition, object: u64, record: &Record) -> Result<bool, StoreError> {
        if record.kind == Kind::Filemark {
            return Ok(record.stored == 0);
        }
        if self.shape.discards_data {
            return Ok(true);
        }
        match self.buffers.check(part, object, record) {
            Ok(()) => Ok(true),
            Err(StoreError::Damaged { .. }) => Ok(false),
            Err(storage) => Err(storage),
        }
    }

    /// A partition in mhvtl's layout. Its watermark counts if mhvtl did not write since, and the table of filemarks is
    /// as long as it says.
    fn mhvtl(&mut self, number: u8, mut files: Files, skip: u64, lens: [u64; 2]) -> Result<Partition, StoreError> {
        let failed = || StoreError::io(format!("reading meta.{number}"));
        let mark = if self.shape.ours { read_mark(files.mark.as_mut(), number, self.shape.read_only)? } else { None };
        let Layout::Wide(marks) = &mut files.layout else { return Err(StoreError::NoPartition(number)) };
        let readable = marks.read(skip).map_err(failed())?;
        let Some((mark, slot)) = mark else { return self.unmarked(number, files, lens) };
        if !readable || marks.before(mark.objects) != mark.files {
            let mut part = Partition::new(number, files, mark, slot);
            part.set_extent(mark.objects, u64::MAX, 0);
            let (_, numbers, _) = survey(&mut part, mark.objects)?;
            files = part.into_files();
            if let Layout::Wide(marks) = &mut files.layout {
                marks.set(numbers);
            }
        } else {
            marks.forget(mark.objects);
        }
        let part = self.marked(number, files, mark, slot, lens)?;
        self.settle(part)
    }

    /// Looks through the whole index of a tape that mhvtl wrote, or whose watermark is lost. Nothing is cut: who knows what was synchronised?
    fn unmarked(
        &mut self,
        number: u8,
        mut files: Files,
        [data_len, indx_len]: [u64; 2],
    ) -> Result<Partition, StoreError> {
        let size = files.layout.size() as u64;
        let records = indx_len / size;
        let counted = if let Layout::Wide(marks) = &files.layout { marks.len() } else { 0 };
        // The number of the last watermark goes on, so that the next one will be the newest.
        let (stale, slot) =
            read_mark(files.mark.as_mut(), number, true)?.unwrap_or((Watermark::default(), Slot::First));
        let mark = Watermark { sequence: stale.sequence, ..Watermark::default() };
        let mut part = Partition::new(number, files, mark, slot);
        part.set_extent(records, u64::MAX, 0);
        let (at, numbers, mut damaged) = survey(&mut part, records)?;
        damaged |= indx_len % size != 0 || self.shape.salvage;
        damaged |= data_len < at.end && !self.shape.discards_data;
        damaged |= records == 0 && (data_len > 0 || counted > 0);
        if let Layout::Wide(marks) = &mut part.layout {
            marks.set(numbers);
        }
        part.set_extent(at.objects, at.end, at.files);
        part.expect(if self.shape.ours { stale.objects } else { 0 });
        self.recovery.damaged |= damaged;
        if damaged { Ok(part) } else { self.settle(part) }
    }

    /// Brings the files of mhvtl's layout into agreement: data ends where the index says, the table of filemarks is
    /// that of the index, and a watermark says so.
    fn settle(&self, mut part: Partition) -> Result<Partition, StoreError> {
        if !self.shape.read_only {
            part.agree()?;
        }
        Ok(part)
    }
}

/// Looks at the first `objects` records: where they end, which are filemarks, and whether one is not as it should be.
fn survey(part: &mut Partition, objects: u64) -> Result<(Extent, Vec<u32>, bool), StoreError> {
    let (mut at, mut numbers, mut damaged) = (NOTHING, Vec::new(), false);
    while at.objects < objects {
        match part.record(at.objects) {
            Ok(record) => {
                damaged |= record.offset != at.end;
                at.end = record.end();
                if record.kind == Kind::Filemark {
                    numbers.push(u32::try_from(at.objects).unwrap_or(u32::MAX));
                }
            }
            Err(StoreError::Damaged { .. }) => damaged = true,
            Err(storage) => return Err(storage),
        }
        at.objects += 1;
    }
    at.files = numbers.len() as u64;
    Ok((at, numbers, damaged))
}

/// Whether a `mark.P` holds nothing yet: its making may have been cut short.
fn is_zero(mark: &mut dyn Backend, number: u8) -> Result<bool, StoreError> {
    let mut bytes = [0; 1024];
    let failed = || StoreError::io(format!("reading mark.{number}"));
    let len = mark.len().map_err(failed())?;
    let got = mark.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).map_err(failed())?;
    Ok(len <= 2 * SLOT && bytes.get(..got).unwrap_or_default().iter().all(|byte| *byte == 0))
}

/// A new partition begins with a watermark of nothing, so that a lost one is not taken for a blank tape.
fn blank_partition(number: u8, mut files: Files, read_only: bool) -> Result<Partition, StoreError> {
    let mark = Watermark::default();
    if !read_only {
        let failed = || StoreError::io(format!("writing mark.{number}"));
        files.mark.set_len(2 * SLOT).map_err(failed())?;
        files.mark.write_at(Slot::First.offset(), &[IoSlice::new(&mark.encode(number))]).map_err(failed())?;
        files.mark.sync().map_err(failed())?;
    }
    Ok(Partition::new(number, files, mark, Slot::First))
}

/// The newest watermark, made durable: after a killed process it may be in the system's memory only.
fn read_mark(mark: &mut dyn Backend, number: u8, read_only: bool) -> Result<Option<(Watermark, Slot)>, StoreError> {
    let mut bytes = [0; 1024];
    let failed = || StoreError::io(format!("reading mark.{number}"));
    let got = mark.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).map_err(failed())?;
    if !read_only {
        mark.sync().map_err(failed())?;
    }
    Ok(Watermark::newest(number, bytes.get(..got).unwrap_or_default()))
}

/// The extent at the watermark, if the last synchronised record is what it was.
fn synchronised_extent(part: &mut Partition, mark: &Watermark) -> Result<Extent, StoreError> {
    let Some(last) = mark.objects.checked_sub(1) else { return Ok(NOTHING) };
    let marked = Extent { objects: mark.objects, end: mark.data_len, files: mark.files };
    let record = match part.record(last) {
        Ok(record) => record,
        // Damage of one object: it is told there, and the others are where they were.
        Err(StoreError::Damaged { .. }) => return Ok(marked),
        Err(storage) => return Err(storage),
    };
    let tag = {
        let bytes = part.bytes_of(last)?;
        part.layout.tag(&bytes)
    };
    if tag != mark.last_crc || record.end() != mark.data_len || record.files_behind() != mark.files {
        let what = format!("record {last} is not the one that was synchronised");
        return Err(StoreError::Format { file: format!("indx.{}", part.number), what });
    }
    Ok(marked)
}

fn cut(part: &mut Partition, whole: &Extent) -> Result<(), StoreError> {
    let failed = || StoreError::io(format!("cutting the torn end of partition {}", part.number));
    part.indx.set_len(whole.objects * part.layout.size() as u64).map_err(failed())?;
    part.indx.sync().map_err(failed())?;
    part.data.set_len(whole.end).map_err(failed())
}
