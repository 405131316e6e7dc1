//! Reading an object: straight into the caller's slices where that can be, checked in any case.

use super::ThreeFile;
use super::index::{Kind, Record, Sealed};
use super::partition::Partition;
use super::wide;
use crate::compress::{Codecs, trim};
use crate::error::{Damage, StoreError};
use crate::integrity::{crc32c, crc32c_slices};
use crate::medium::{CodecId, Found};
use crate::seal::{self, CAPSULE, Context, Kads, Locked, MOST_OVERHEAD, Opened, Sealing, Unseal};
use smallvec::SmallVec;
use std::io::IoSliceMut;

/// Contexts and buffers that live as long as the mounted tape.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) codecs: Codecs,
    stored: Vec<u8>,
    whole: Vec<u8>,
    /// A block being sealed.
    pub(super) sealed: Vec<u8>,
    pub(super) opened: Opened,
}

/// Longer buffers are freed behind the block that took them.
const KEPT: usize = 4 << 20;

impl Buffers {
    /// Frees what only the longest blocks need, so that a drive that has met some does not hold memory for them.
    pub(super) fn trim(&mut self) {
        self.codecs.trim(KEPT);
        for buffer in [&mut self.stored, &mut self.whole, &mut self.sealed] {
            trim(buffer, KEPT);
        }
    }
}

impl ThreeFile {
    /// The record of the object that is next; none at end of data. One that cannot be read is passed.
    pub(super) fn record_here(&mut self) -> Result<Option<Record>, StoreError> {
        let object = self.object;
        let part = self.part()?;
        if object >= part.objects() {
            return Ok(None);
        }
        let record = part.record(object);
        if record.is_err() {
            // Its successor says where we are then.
            let next = part.record(object + 1).map(|next| (next.start(), next.files.into()));
            (self.offset, self.file) = next.unwrap_or((self.offset, self.file));
            self.object += 1;
        }
        record.map(Some)
    }

    pub(super) fn read_object(&mut self, into: &mut [IoSliceMut<'_>], unseal: Unseal<'_>) -> Result<Found, StoreError> {
        if matches!(unseal, Unseal::Never) {
            // A key that is not used any more is not kept.
            self.buffers.opened = Opened::default();
        }
        if let Some(found) = self.read_ahead(into, unseal)? {
            return Ok(found);
        }
        let object = self.object;
        let Some(record) = self.record_here()? else { return Ok(Found::EndOfData) };
        let part = self.partitions.get_mut(self.current).ok_or(StoreError::NoPartition(u8::MAX))?;
        if record.kind == Kind::Block
            && let Err(why) = part.admits(object, &record, unseal)?
        {
            return Err(StoreError::Locked { partition: part.number, object, why });
        }
        let before = (self.object, self.offset, self.file);
        self.object += 1;
        (self.offset, self.file) = (record.end(), record.files_behind());
        match record.kind {
            Kind::Filemark => Ok(Found::Filemark),
            Kind::Block => {
                let sealed = matches!(record.sealed, Sealed::Aes | Sealed::Capsule);
                if sealed && matches!(unseal, Unseal::Raw) {
                    let read = self.buffers.read_raw(part, object, &record, into);
                    self.buffers.trim();
                    if let Err(StoreError::Locked { .. }) = read {
                        (self.object, self.offset, self.file) = before;
                    }
                    return Ok(Found::Block { len: read?, stored: record.stored.into() });
                }
                let read = self.buffers.read(part, object, &record, into, unseal);
                self.buffers.trim();
                if let Err(StoreError::Locked { .. }) = read {
                    (self.object, self.offset, self.file) = before;
                }
                read?;
                Ok(Found::Block { len: record.length as usize, stored: record.stored.into() })
            }
        }
    }
}

impl Buffers {
    /// Forgets the key of the last block that was opened.
    pub(super) fn forget_keys(&mut self) {
        self.opened = Opened::default();
    }

    /// Checks one block against its checksum, as far as that can be without a key.
    pub(super) fn check(&mut self, part: &mut Partition, object: u64, record: &Record) -> Result<(), StoreError> {
        if matches!(record.sealed, Sealed::Aes | Sealed::Capsule) {
            return self.fetch_sealed(part, object, record);
        }
        self.read(part, object, record, &mut [], Unseal::Never)
    }

    /// Reads, decompresses and checks one block; what of it has room stands in `into`.
    pub(super) fn read(
        &mut self,
        part: &mut Partition,
        object: u64,
        record: &Record,
        into: &mut [IoSliceMut<'_>],
        unseal: Unseal<'_>,
    ) -> Result<(), StoreError> {
        let len = record.length as usize;
        let room: usize = into.iter().map(|slice| slice.len()).sum();
        if matches!(record.sealed, Sealed::Aes | Sealed::Capsule) {
            return self.read_aes(part, object, record, into, unseal);
        }
        if record.codec == CodecId::NONE && room >= len {
            let mut window = window(into, len);
            let whole = part.read_data(record, &mut window)?;
            let crc = crc32c_slices(&window);
            return verdict(part, object, record, whole, crc);
        }
        let Self { codecs, stored, whole, .. } = self;
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

impl Buffers {
    /// Reads a sealed block's stored bytes and checks them.
    fn fetch_sealed(&mut self, part: &mut Partition, object: u64, record: &Record) -> Result<(), StoreError> {
        self.stored.resize(record.stored as usize, 0);
        let complete = part.read_data(record, &mut [IoSliceMut::new(&mut self.stored)])?;
        verdict(part, object, record, complete, crc32c(&self.stored))
    }

    /// Reads a sealed block as it is, with the place it was sealed for; how long that is.
    fn read_raw(
        &mut self,
        part: &mut Partition,
        object: u64,
        record: &Record,
        into: &mut [IoSliceMut<'_>],
    ) -> Result<usize, StoreError> {
        self.fetch_sealed(part, object, record)?;
        let context = Context { partition: part.number, object, length: record.length, codec: record.codec };
        let mut capsule = if record.sealed == Sealed::Capsule { Vec::new() } else { context.capsule().to_vec() };
        capsule.extend_from_slice(&self.stored);
        let sealed = capsule.get(CAPSULE..).unwrap_or_default();
        let sealing = seal::sealing(sealed).ok_or_else(|| part.damaged(object, Damage::Short))?;
        if sealing.protected {
            return Err(StoreError::Locked { partition: part.number, object, why: Locked::Protected });
        }
        scatter(&capsule, into);
        Ok(capsule.len())
    }

    fn read_aes(
        &mut self,
        part: &mut Partition,
        object: u64,
        record: &Record,
        into: &mut [IoSliceMut<'_>],
        unseal: Unseal<'_>,
    ) -> Result<(), StoreError> {
        let partition = part.number;
        let locked = |why| StoreError::Locked { partition, object, why };
        let (Unseal::Only(key) | Unseal::Also(key)) = unseal else { return Err(locked(Locked::NoKey)) };
        self.fetch_sealed(part, object, record)?;
        let mut context = Context { partition, object, length: record.length, codec: record.codec };
        let mut sealed = self.stored.as_mut_slice();
        if record.sealed == Sealed::Capsule {
            (context, _) = Context::of_capsule(sealed).ok_or_else(|| part.damaged(object, Damage::Short))?;
            sealed = sealed.get_mut(CAPSULE..).unwrap_or_default();
        }
        let content = self.opened.open(key, context, sealed).ok_or_else(|| locked(Locked::WrongKey))?;
        if record.codec == CodecId::NONE {
            if content.len() != record.length as usize {
                return Err(part.damaged(object, Damage::Short));
            }
            scatter(content, into);
            return Ok(());
        }
        grow(&mut self.whole, record.length as usize);
        let target = self.whole.get_mut(..record.length as usize).unwrap_or_default();
        let decompressed = self.codecs.decompress(content, record.codec, target);
        decompressed.map_err(|damage| part.damaged(object, damage))?;
        scatter(target, into);
        Ok(())
    }
}

impl ThreeFile {
    pub(super) fn seal_of_next(&mut self) -> Result<Option<Sealing>, StoreError> {
        self.settle()?;
        let object = self.object;
        let part = self.part()?;
        if object >= part.objects() {
            return Ok(None);
        }
        let record = part.record(object)?;
        match record.sealed {
            Sealed::No => Ok(None),
            Sealed::Labelled => {
                let label = wide::label(&part.bytes_of(object)?).ok_or_else(|| part.damaged(object, Damage::Index))?;
                let (unauthenticated, authenticated) = (label.ukad, label.akad);
                let kads = Kads { unauthenticated, authenticated, metadata: Vec::new() };
                Ok(Some(Sealing { kads, ..Sealing::default() }))
            }
            Sealed::Aes | Sealed::Capsule => {
                let external = record.sealed == Sealed::Capsule;
                let begin = if external { CAPSULE } else { 0 };
                let mut head = vec![0; (begin + MOST_OVERHEAD).min(record.stored as usize)];
                part.read_data(&record, &mut [IoSliceMut::new(&mut head)])?;
                let sealing = seal::sealing(head.get(begin..).unwrap_or_default());
                let sealing = sealing.ok_or_else(|| part.damaged(object, Damage::Short))?;
                Ok(Some(Sealing { external, ..sealing }))
            }
        }
    }
}

impl Partition {
    /// Whether a block may be read with this key, as far as its record says.
    fn admits(&mut self, object: u64, record: &Record, unseal: Unseal<'_>) -> Result<Result<(), Locked>, StoreError> {
        Ok(match (record.sealed, unseal) {
            (Sealed::No, Unseal::Never | Unseal::Also(_) | Unseal::Raw)
            | (Sealed::Aes | Sealed::Capsule, Unseal::Raw) => Ok(()),
            (Sealed::No, Unseal::Only(_)) => Err(Locked::Clear),
            (_, Unseal::Never) => Err(Locked::NoKey),
            // What mhvtl only labelled has no other form.
            (Sealed::Labelled, Unseal::Raw) => Err(Locked::Protected),
            (Sealed::Aes | Sealed::Capsule, _) => Ok(()),
            (Sealed::Labelled, Unseal::Only(key) | Unseal::Also(key)) => {
                let label = wide::label(&self.bytes_of(object)?).ok_or_else(|| self.damaged(object, Damage::Index))?;
                if key.is(&label.key) { Ok(()) } else { Err(Locked::WrongKey) }
            }
        })
    }
}

fn verdict(part: &Partition, object: u64, record: &Record, complete: bool, crc: u32) -> Result<(), StoreError> {
    match (complete, record.data_crc.is_none_or(|stored| stored == crc)) {
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

pub(super) fn scatter(mut from: &[u8], into: &mut [IoSliceMut<'_>]) {
    for slice in into {
        let (now, later) = from.split_at(slice.len().min(from.len()));
        if let Some(slot) = slice.get_mut(..now.len()) {
            slot.copy_from_slice(now);
        }
        from = later;
    }
}
