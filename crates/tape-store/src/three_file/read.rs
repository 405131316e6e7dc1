//! Reading an object: straight into the caller's slices where that can be, checked in any case.

use super::ThreeFile;
use super::index::{Kind, Record};
use super::partition::Partition;
use crate::compress::Codecs;
use crate::error::{Damage, StoreError};
use crate::integrity::{crc32c, crc32c_slices};
use crate::medium::{CodecId, Found};
use smallvec::SmallVec;
use std::io::IoSliceMut;

/// Contexts and buffers that live as long as the mounted tape.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) codecs: Codecs,
    stored: Vec<u8>,
    whole: Vec<u8>,
}

impl ThreeFile {
    pub(super) fn read_object(&mut self, into: &mut [IoSliceMut<'_>]) -> Result<Found, StoreError> {
        let object = self.object;
        let Some(part) = self.partitions.get_mut(self.current) else { return Ok(Found::EndOfData) };
        if object >= part.objects() {
            return Ok(Found::EndOfData);
        }
        let record = match part.record(object) {
            Ok(record) => record,
            Err(error) => {
                // Behind a record that cannot be read, its successor says where we are.
                let next = part.record(object + 1).map(|next| (next.offset, next.files.into()));
                (self.offset, self.file) = next.unwrap_or((self.offset, self.file));
                self.object += 1;
                return Err(error);
            }
        };
        self.object += 1;
        (self.offset, self.file) = (record.end(), record.files_behind());
        match record.kind {
            Kind::Filemark => Ok(Found::Filemark),
            Kind::Block => {
                self.buffers.read(part, object, &record, into)?;
                Ok(Found::Block { len: record.length as usize, stored: record.stored.into() })
            }
        }
    }
}

impl Buffers {
    /// Reads, decompresses and checks one block; what of it has room stands in `into`.
    pub(super) fn read(
        &mut self,
        part: &mut Partition,
        object: u64,
        record: &Record,
        into: &mut [IoSliceMut<'_>],
    ) -> Result<(), StoreError> {
        let len = record.length as usize;
        let room: usize = into.iter().map(|slice| slice.len()).sum();
        if record.codec == CodecId::NONE && room >= len {
            let mut window = window(into, len);
            let whole = part.read_data(record, &mut window)?;
            let crc = crc32c_slices(&window);
            return verdict(part, object, record, whole, crc);
        }
        let Self { codecs, stored, whole } = self;
        grow(whole, len);
        let target = match into {
            [one] if room >= len => one.get_mut(..len).unwrap_or_default(),
            _ => whole.get_mut(..len).unwrap_or_default(),
        };
        let complete = if record.codec == CodecId::NONE {
            part.read_data(record, &mut [IoSliceMut::new(target)])?
        } else {
            grow(stored, record.stored as usize);
            let stored = stored.get_mut(..record.stored as usize).unwrap_or_default();
            let complete = part.read_data(record, &mut [IoSliceMut::new(stored)])?;
            let decompressed = if complete { codecs.decompress(stored, record.codec, target) } else { Ok(()) };
            decompressed.map_err(|damage| part.damaged(object, damage))?;
            complete
        };
        verdict(part, object, record, complete, crc32c(target))?;
        if !matches!(into, [_] if room >= len) {
            scatter(whole.get(..len).unwrap_or_default(), into);
        }
        Ok(())
    }
}

fn verdict(part: &Partition, object: u64, record: &Record, complete: bool, crc: u32) -> Result<(), StoreError> {
    match (complete, crc == record.data_crc) {
        (true, true) => Ok(()),
        (false, _) => Err(part.damaged(object, Damage::Short)),
        (true, false) => Err(part.damaged(object, Damage::Checksum)),
    }
}

fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

/// The first `len` bytes of the slices.
fn window<'a>(into: &'a mut [IoSliceMut<'_>], mut len: usize) -> SmallVec<[IoSliceMut<'a>; 4]> {
    let mut out = SmallVec::new();
    for slice in into {
        let take = len.min(slice.len());
        len -= take;
        if take > 0
            && let Some(part) = slice.get_mut(..take)
        {
            out.push(IoSliceMut::new(part));
        }
    }
    out
}

fn scatter(mut from: &[u8], into: &mut [IoSliceMut<'_>]) {
    for slice in into {
        let (now, later) = from.split_at(slice.len().min(from.len()));
        if let Some(slot) = slice.get_mut(..now.len()) {
            slot.copy_from_slice(now);
        }
        from = later;
    }
}
