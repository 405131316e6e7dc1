//! Opening a partition: the ends are checked against the watermark, and what came after it is verified.

use super::Recovery;
use super::index::{Kind, Record, SIZE};
use super::meta::{SLOT, Slot, Watermark};
use super::partition::{Partition, last_crc};
use super::read::Buffers;
use crate::backend::{Backend, Folder};
use crate::error::StoreError;
use std::io::{IoSlice, IoSliceMut};

struct Extent {
    objects: u64,
    end: u64,
    files: u64,
}

pub(super) fn open(
    folder: &mut dyn Folder,
    number: u8,
    buffers: &mut Buffers,
    recovery: &mut Recovery,
) -> Result<Partition, StoreError> {
    let mut file = |name: &str| {
        let name = format!("{name}.{number}");
        folder.open(&name).map_err(StoreError::io(format!("opening {name}")))
    };
    let mut files = [file("data")?, file("indx")?, file("meta")?];
    let length =
        |file: &mut Box<dyn Backend>| file.len().map_err(StoreError::io(format!("measuring partition {number}")));
    let [data, indx, meta] = &mut files;
    let (data_len, indx_len, meta_len) = (length(data)?, length(indx)?, length(meta)?);
    if data_len == 0 && indx_len == 0 && is_zero(meta.as_mut(), meta_len, number)? {
        return blank(number, files);
    }
    let (mark, slot) = read_mark(meta.as_mut(), number)?;
    let records = indx_len / SIZE as u64;
    let short = |file: &str, have: u64, need: u64| StoreError::Format {
        file: format!("{file}.{number}"),
        what: format!("has {have} bytes, but {need} were synchronised"),
    };
    if records < mark.objects {
        return Err(short("indx", indx_len, mark.objects * SIZE as u64));
    }
    if data_len < mark.data_len {
        return Err(short("data", data_len, mark.data_len));
    }
    let mut part = Partition::new(number, files, mark, slot);
    part.set_extent(records, data_len, 0);
    let synced = synchronised_extent(&mut part, &mark)?;
    let whole = verify_tail(&mut part, synced, records, buffers)?;
    recovery.kept += whole.objects - mark.objects;
    recovery.dropped += records - whole.objects;
    if whole.objects * (SIZE as u64) < indx_len || whole.end < data_len {
        cut(&mut part, &whole)?;
    }
    part.set_extent(whole.objects, whole.end, whole.files);
    Ok(part)
}

/// Whether a `meta.P` holds nothing yet: its making may have been cut short.
fn is_zero(meta: &mut dyn Backend, len: u64, number: u8) -> Result<bool, StoreError> {
    let mut bytes = [0; 1024];
    let got = meta
        .read_at(0, &mut [IoSliceMut::new(&mut bytes)])
        .map_err(StoreError::io(format!("reading meta.{number}")))?;
    Ok(len <= 2 * SLOT && bytes.get(..got).unwrap_or_default().iter().all(|byte| *byte == 0))
}

/// A new partition begins with a watermark of nothing, so that a lost one is not taken for a blank tape.
fn blank(number: u8, mut files: [Box<dyn Backend>; 3]) -> Result<Partition, StoreError> {
    let mark = Watermark::default();
    let [_, _, meta] = &mut files;
    let failed = || StoreError::io(format!("writing meta.{number}"));
    meta.set_len(2 * SLOT).map_err(failed())?;
    meta.write_at(Slot::First.offset(), &[IoSlice::new(&mark.encode(number))]).map_err(failed())?;
    meta.sync().map_err(failed())?;
    Ok(Partition::new(number, files, mark, Slot::First))
}

/// The newest watermark, made durable: after a killed process it may be in the system's memory only.
fn read_mark(meta: &mut dyn Backend, number: u8) -> Result<(Watermark, Slot), StoreError> {
    let mut bytes = [0; 1024];
    let failed = || StoreError::io(format!("reading meta.{number}"));
    let got = meta.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).map_err(failed())?;
    meta.sync().map_err(failed())?;
    let file = format!("meta.{number}");
    Watermark::newest(number, bytes.get(..got).unwrap_or_default())
        .ok_or(StoreError::Format { file, what: "neither of its two watermarks is whole".into() })
}

/// The extent at the watermark, if the last synchronised record is what it was.
fn synchronised_extent(part: &mut Partition, mark: &Watermark) -> Result<Extent, StoreError> {
    let Some(last) = mark.objects.checked_sub(1) else { return Ok(Extent { objects: 0, end: 0, files: 0 }) };
    let record = part.record(last)?;
    if last_crc(&record.encode(part.number, last)) != mark.last_crc || record.end() != mark.data_len {
        let what = format!("record {last} is not the one that was synchronised");
        return Err(StoreError::Format { file: format!("indx.{}", part.number), what });
    }
    Ok(Extent { objects: mark.objects, end: mark.data_len, files: record.files_behind() })
}

/// Walks the objects behind the watermark up to the first that is not whole.
fn verify_tail(
    part: &mut Partition,
    mut extent: Extent,
    records: u64,
    buffers: &mut Buffers,
) -> Result<Extent, StoreError> {
    while extent.objects < records {
        let Ok(record) = part.record(extent.objects) else { break };
        let follows = record.offset == extent.end && u64::from(record.files) == extent.files;
        if !follows || !is_whole(part, extent.objects, &record, buffers)? {
            break;
        }
        extent.objects += 1;
        extent.end = record.end();
        extent.files = record.files_behind();
    }
    Ok(extent)
}

fn is_whole(part: &mut Partition, object: u64, record: &Record, buffers: &mut Buffers) -> Result<bool, StoreError> {
    if record.kind == Kind::Filemark {
        return Ok(record.stored == 0);
    }
    match buffers.read(part, object, record, &mut []) {
        Ok(()) => Ok(true),
        Err(StoreError::Damaged { .. }) => Ok(false),
        Err(storage) => Err(storage),
    }
}

fn cut(part: &mut Partition, whole: &Extent) -> Result<(), StoreError> {
    let failed = || StoreError::io(format!("cutting the torn end of partition {}", part.number));
    part.indx.set_len(whole.objects * SIZE as u64).map_err(failed())?;
    part.indx.sync().map_err(failed())?;
    part.data.set_len(whole.end).map_err(failed())
}
