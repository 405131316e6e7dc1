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

/// Why a partition takes no appends but at its beginning.
const SHORT_INDEX: &str = "its index is shorter than what was synchronised";
pub(crate) const SHORT_DATA: &str = "its data is shorter than what was synchronised";
/// Why a partition takes no writes at all.
pub(super) const NO_INDEX: &str = "its index is lost, and its data is not";
const OTHER_INDEX: &str = "its index is not the one that was synchronised";
pub(crate) const NO_MARK: &str = "its watermark is missing or damaged, or its index is";

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
        let was_there = self.was_there(number)?;
        let (mut files, skip) = self.files(number)?;
        let length = |file: &mut Box<dyn Backend>| {
            file.len().map_err(StoreError::io(format!("measuring the files of partition {number}")))
        };
        let (data_len, indx_len) = (length(&mut files.data)?, length(&mut files.indx)?);
        let blank = was_there && data_len == 0 && indx_len == 0 && is_zero(files.mark.as_mut(), number)?;
        match self.shape.level {
            _ if self.shape.salvage => self.unmarked(number, files, [data_len, indx_len]),
            Level::Ferric if blank => blank_partition(number, files, self.shape.read_only),
            Level::Ferric => match read_mark(files.mark.as_mut(), number, self.shape.read_only)? {
                Some((mark, slot)) => self.marked(number, files, mark, slot, [data_len, indx_len]),
                None => self.unmarked(number, files, [data_len, indx_len]),
            },
            Level::Mhvtl => self.mhvtl(number, files, skip, [data_len, indx_len]),
        }
    }

    /// Whether the data file of a partition is there, or no tape at all yet.
    fn was_there(&mut self, number: u8) -> Result<bool, StoreError> {
        let names = self.folder.list().map_err(StoreError::io("listing the cartridge's files"))?;
        let of_tape = |name: &String| ["data.", "indx.", "mark."].iter().any(|part| name.starts_with(part));
        Ok(names.contains(&format!("data.{number}")) || !names.iter().any(of_tape))
    }

    /// The files by their names, and how many bytes of `meta` are not its own. Formats 3 to 5 of mhvtl have no numbers.
    fn files(&mut self, number: u8) -> Result<(Files, u64), StoreError> {
        let wide = self.shape.level == Level::Mhvtl;
        // The data first: without it, the others are what is left of a partition.
        let data = self.file("data", number)?;
        let data = if self.shape.discards_data { Box::new(Discard) } else { data };
        let (indx, mark) = (self.file("indx", number)?, self.file("mark", number)?);
        if !wide {
            return Ok((Files { data, indx, mark, layout: Layout::Compact { framed: true } }, 0));
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
        let mut part = Partition::new(number, files, mark, slot);
        part.set_extent(records, data_len, 0);
        let synced = Extent { objects: mark.objects, end: mark.data_len, files: mark.files };
        let broken = if records < mark.objects {
            Some(SHORT_INDEX)
        } else if data_len < mark.data_len && !self.shape.discards_data {
            Some(SHORT_DATA)
        } else if is_synchronised(&mut part, &mark)? {
            None
        } else {
            Some(OTHER_INDEX)
        };
        if let Some(why) = broken {
            tracing::warn!(partition = number, why, "partition is damaged: what can be read is read");
            part.set_extent(synced.objects, synced.end, synced.files);
            part.set_framed(mark.framed);
            part.break_off(why);
            self.recovery.damaged = true;
            return Ok(part);
        }
        let whole = self.verify_tail(&mut part, synced, records)?;
        self.recovery.kept += whole.objects - mark.objects;
        self.recovery.dropped += records - whole.objects;
        let torn = whole.objects * size < indx_len || whole.end < data_len;
        if torn && !self.shape.read_only {
            cut(&mut part, &whole)?;
        }
        part.set_extent(whole.objects, whole.end, whole.files);
        let framed = match whole.objects {
            0 => true,
            _ if mark.objects > 0 => mark.framed,
            // It was written anew since, and maybe by another version.
            _ => part.record(0)?.framed,
        };
        part.set_framed(framed);
        Ok(part)
    }

    /// Walks the objects behind the watermark up to the first that is not whole.
    fn verify_tail(&mut self, part: &mut Partition, mut at: Extent, records: u64) -> Result<Extent, StoreError> {
        while at.objects < records {
            let Ok(record) = part.record(at.objects) else { break };
            let follows = record.start() == at.end && u64::from(record.files) == at.files;
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
        if !self.shape.discards_data && !part.has_frame(object, record)? {
            return Ok(false);
        }
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
            let Survey { numbers, .. } = survey(&mut part, mark.objects)?;
            files = part.into_files();
            if let Layout::Wide(marks) = &mut files.layout {
                marks.set(numbers);
            }
        } else {
            marks.forget(mark.objects);
        }
        let part = self.marked(number, files, mark, slot, lens)?;
        if part.broken().is_some() { Ok(part) } else { self.settle(part) }
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
        let Survey { mut at, numbers, mut damaged, framed, ends } = survey(&mut part, records)?;
        // Without a watermark, a tape of level `ferric` may have lost objects at its end.
        damaged |= indx_len % size != 0 || self.shape.salvage || self.shape.level == Level::Ferric;
        damaged |= data_len < at.end && !self.shape.discards_data;
        damaged |= records == 0 && (data_len > 0 || counted > 0);
        if let Layout::Wide(marks) = &mut part.layout {
            marks.set(numbers);
        }
        if !ends && self.shape.level == Level::Ferric {
            // What the last object had is not known; nothing of it is cut.
            at.end = at.end.max(data_len);
        }
        // Data without a single record: at least one object is on this tape, and it is not blank.
        let lost = records == 0 && (data_len > 0 || counted > 0) && !self.shape.salvage;
        if lost {
            (at.objects, at.end) = (1, data_len);
        }
        part.set_extent(at.objects, at.end, at.files);
        part.expect(if self.shape.ours { stale.objects } else { 0 });
        part.set_framed(framed);
        if damaged {
            part.break_off(if lost { NO_INDEX } else { NO_MARK });
        }
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

/// What an index has.
struct Survey {
    at: Extent,
    /// Filemarks.
    numbers: Vec<u32>,
    /// A record is not as it should be.
    damaged: bool,
    /// Objects have frames.
    framed: bool,
    /// The last record can be read, and says where the data ends.
    ends: bool,
}

/// Looks at the first `objects` records: where they end, which are filemarks, and whether one is not as it should be.
fn survey(part: &mut Partition, objects: u64) -> Result<Survey, StoreError> {
    let (mut at, mut numbers, mut damaged) = (NOTHING, Vec::new(), false);
    // A tape without a record that says otherwise gets frames.
    let (mut framed, mut ends, counts) = (true, true, matches!(part.layout, Layout::Compact { .. }));
    while at.objects < objects {
        match part.record(at.objects) {
            Ok(record) => {
                damaged |= record.start() != at.end;
                (framed, ends) = (record.framed, true);
                (at.end, at.files) = (record.end(), record.files_behind());
                if record.kind == Kind::Filemark {
                    numbers.push(u32::try_from(at.objects).unwrap_or(u32::MAX));
                }
            }
            Err(StoreError::Damaged { .. }) => (damaged, ends) = (true, false),
            Err(storage) => return Err(storage),
        }
        at.objects += 1;
    }
    if !counts {
        at.files = numbers.len() as u64;
    }
    Ok(Survey { at, numbers, damaged, framed, ends })
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

/// Whether the last synchronised record is what it was.
fn is_synchronised(part: &mut Partition, mark: &Watermark) -> Result<bool, StoreError> {
    let Some(last) = mark.objects.checked_sub(1) else { return Ok(true) };
    let record = match part.record(last) {
        Ok(record) => record,
        // Damage of one object: it is told there, and the others are where they were.
        Err(StoreError::Damaged { .. }) => return Ok(true),
        Err(storage) => return Err(storage),
    };
    let bytes = part.bytes_of(last)?;
    let tag = part.layout.tag(&bytes);
    Ok(tag == mark.last_crc && record.end() == mark.data_len && record.files_behind() == mark.files)
}

fn cut(part: &mut Partition, whole: &Extent) -> Result<(), StoreError> {
    let failed = || StoreError::io(format!("cutting the torn end of partition {}", part.number));
    part.indx.set_len(whole.objects * part.layout.size() as u64).map_err(failed())?;
    part.indx.sync().map_err(failed())?;
    part.data.set_len(whole.end).map_err(failed())
}
