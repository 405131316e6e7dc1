//! Reading objects: directly into the caller's buffers where possible, always verified.

use super::ThreeFile;
use super::index::{BlockEncryption, IndexRecord, ObjectKind};
use super::index512;
use super::partition::Partition;
use crate::compress::{CodecContexts, trim};
use crate::encrypt::{
    self, BlockContext, DecryptError, Decryption, Decryptor, EncryptionInfo, KeyAssociatedData, MAX_OVERHEAD,
    RAW_HEADER_LEN,
};
use crate::error::{Damage, StoreError};
use crate::feature::Feature;
use crate::integrity::{crc32c, crc32c_slices};
use crate::medium::{CodecId, ReadOutcome};
use smallvec::SmallVec;
use std::io::IoSliceMut;

/// Contexts and buffers of a mounted tape.
#[derive(Default)]
pub(super) struct ReadBuffers {
    pub(super) codecs: CodecContexts,
    stored: Vec<u8>,
    decompressed: Vec<u8>,
    /// Buffer of an encrypted block.
    pub(super) encrypted: Vec<u8>,
    pub(super) decryptor: Decryptor,
}

/// Longer buffers are freed after the block that needed them.
const MAX_KEPT_BUFFER: usize = 4 << 20;

impl ReadBuffers {
    /// Frees buffers of the longest blocks.
    pub(super) fn trim(&mut self) {
        self.codecs.trim(MAX_KEPT_BUFFER);
        for buffer in [&mut self.stored, &mut self.decompressed, &mut self.encrypted] {
            trim(buffer, MAX_KEPT_BUFFER);
        }
    }
}

impl ThreeFile {
    /// The record of the next object; `None` at end of data. A damaged record is passed: the position moves after its
    /// object.
    pub(super) fn next_record(&mut self) -> Result<Option<IndexRecord>, StoreError> {
        let object = self.object;
        let part = self.part()?;
        if object >= part.objects() {
            return Ok(None);
        }
        let record = part.record(object);
        if record.is_err() {
            // The record of the following object has the offset at which it begins.
            let next = part.record(object + 1).map(|next| (next.start(), next.filemarks_before.into()));
            (self.offset, self.file) = next.unwrap_or((self.offset, self.file));
            self.object += 1;
        }
        record.map(Some)
    }

    pub(super) fn read_object(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        decryption: Decryption<'_>,
    ) -> Result<ReadOutcome, StoreError> {
        if matches!(decryption, Decryption::Disable) {
            // A key that is no longer used is not kept in memory.
            self.buffers.decryptor = Decryptor::default();
        }
        if let Some(found) = self.read_from_workers(into, decryption)? {
            return Ok(found);
        }
        self.repeatable(|tape| tape.read_here(into, decryption))
    }

    /// Reads the object at the position.
    fn read_here(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        decryption: Decryption<'_>,
    ) -> Result<ReadOutcome, StoreError> {
        let object = self.object;
        let Some(record) = self.next_record()? else { return Ok(ReadOutcome::EndOfData) };
        let part = self.partitions.get_mut(self.current).ok_or(StoreError::NoPartition(u8::MAX))?;
        if record.kind == ObjectKind::Block
            && let Err(reason) = part.check_decryption(object, &record, decryption)?
        {
            return Err(StoreError::CannotDecrypt { partition: part.number, object, reason });
        }
        let before = (self.object, self.offset, self.file);
        self.object += 1;
        (self.offset, self.file) = (record.end(), record.filemarks_after());
        match record.kind {
            ObjectKind::Filemark => Ok(ReadOutcome::Filemark),
            ObjectKind::Block => {
                let encrypted = matches!(record.encryption, BlockEncryption::Aes | BlockEncryption::Relocated);
                if encrypted && matches!(decryption, Decryption::Raw) {
                    let read = self.buffers.read_raw(part, object, &record, into);
                    self.buffers.trim();
                    if let Err(StoreError::CannotDecrypt { .. }) = read {
                        (self.object, self.offset, self.file) = before;
                    }
                    return Ok(ReadOutcome::Block { len: read?, stored: record.stored.into() });
                }
                let read = self.buffers.read(part, object, &record, into, decryption);
                self.buffers.trim();
                if let Err(StoreError::CannotDecrypt { .. }) = read {
                    (self.object, self.offset, self.file) = before;
                }
                read?;
                Ok(ReadOutcome::Block { len: record.length as usize, stored: record.stored.into() })
            }
        }
    }
}

impl ReadBuffers {
    /// Removes the key of the last decrypted block from memory.
    pub(super) fn clear_keys(&mut self) {
        self.decryptor = Decryptor::default();
    }

    /// Verifies the checksum of a block. An encrypted block is verified without its key.
    pub(super) fn verify_block(
        &mut self,
        part: &mut Partition,
        object: u64,
        record: &IndexRecord,
    ) -> Result<(), StoreError> {
        if matches!(record.encryption, BlockEncryption::Aes | BlockEncryption::Relocated) {
            return self.fetch_encrypted(part, object, record);
        }
        self.read(part, object, record, &mut [], Decryption::Disable)
    }

    /// Reads, decompresses and verifies a block; copies as much of it as fits to `into`.
    pub(super) fn read(
        &mut self,
        part: &mut Partition,
        object: u64,
        record: &IndexRecord,
        into: &mut [IoSliceMut<'_>],
        decryption: Decryption<'_>,
    ) -> Result<(), StoreError> {
        let len = record.length as usize;
        let capacity: usize = into.iter().map(|slice| slice.len()).sum();
        if matches!(record.encryption, BlockEncryption::Aes | BlockEncryption::Relocated) {
            return self.read_aes(part, object, record, into, decryption);
        }
        if record.codec == CodecId::NONE && capacity >= len {
            let mut window = window(into, len);
            let whole = part.read_data(record, &mut window)?;
            let crc = crc32c_slices(&window);
            return check_length_and_crc(part, object, record, whole, crc);
        }
        let Self { codecs, stored, decompressed: whole, .. } = self;
        let target = match into {
            [one] if capacity >= len => one.get_mut(..len).unwrap_or_default(),
            _ => {
                grow(whole, len);
                whole.get_mut(..len).unwrap_or_default()
            }
        };
        let complete = if record.codec == CodecId::NONE {
            part.read_data(record, &mut [IoSliceMut::new(target)])?
        } else {
            grow(stored, record.stored as usize);
            let stored = stored.get_mut(..record.stored as usize).unwrap_or_default();
            part.require(object, record.codec.missing_feature())?;
            let complete = part.read_data(record, &mut [IoSliceMut::new(stored)])?;
            let decompressed = if complete { codecs.decompress(stored, record.codec, target) } else { Ok(()) };
            decompressed.map_err(|damage| part.damaged(object, damage))?;
            complete
        };
        check_length_and_crc(part, object, record, complete, crc32c(target))?;
        if !matches!(into, [_] if capacity >= len) {
            scatter(whole.get(..len).unwrap_or_default(), into);
        }
        Ok(())
    }
}

impl ReadBuffers {
    /// Reads the stored bytes of an encrypted block and verifies them.
    fn fetch_encrypted(&mut self, part: &mut Partition, object: u64, record: &IndexRecord) -> Result<(), StoreError> {
        self.stored.resize(record.stored as usize, 0);
        let complete = part.read_data(record, &mut [IoSliceMut::new(&mut self.stored)])?;
        check_length_and_crc(part, object, record, complete, crc32c(&self.stored))
    }

    /// Reads an encrypted block raw, with the position it was encrypted for; returns the length.
    fn read_raw(
        &mut self,
        part: &mut Partition,
        object: u64,
        record: &IndexRecord,
        into: &mut [IoSliceMut<'_>],
    ) -> Result<usize, StoreError> {
        self.fetch_encrypted(part, object, record)?;
        let context = BlockContext { partition: part.number, object, length: record.length, codec: record.codec };
        let mut raw_block =
            if record.encryption == BlockEncryption::Relocated { Vec::new() } else { context.raw_header().to_vec() };
        raw_block.extend_from_slice(&self.stored);
        let encrypted = raw_block.get(RAW_HEADER_LEN..).unwrap_or_default();
        let info = encrypt::encryption_info(encrypted).ok_or_else(|| part.damaged(object, Damage::Truncated))?;
        if info.raw_read_disabled {
            return Err(StoreError::CannotDecrypt {
                partition: part.number,
                object,
                reason: DecryptError::RawReadDisabled,
            });
        }
        scatter(&raw_block, into);
        Ok(raw_block.len())
    }

    fn read_aes(
        &mut self,
        part: &mut Partition,
        object: u64,
        record: &IndexRecord,
        into: &mut [IoSliceMut<'_>],
        decryption: Decryption<'_>,
    ) -> Result<(), StoreError> {
        let partition = part.number;
        let locked = |reason| StoreError::CannotDecrypt { partition, object, reason };
        let (Decryption::Decrypt(key) | Decryption::Mixed(key)) = decryption else {
            return Err(locked(DecryptError::NoKey));
        };
        part.require(object, Feature::Encryption.if_missing())?;
        part.require(object, record.codec.missing_feature())?;
        self.fetch_encrypted(part, object, record)?;
        let mut context = BlockContext { partition, object, length: record.length, codec: record.codec };
        let mut encrypted = self.stored.as_mut_slice();
        if record.encryption == BlockEncryption::Relocated {
            (context, _) = BlockContext::parse_raw(encrypted).ok_or_else(|| part.damaged(object, Damage::Truncated))?;
            encrypted = encrypted.get_mut(RAW_HEADER_LEN..).unwrap_or_default();
        }
        let content = self.decryptor.decrypt(key, context, encrypted).ok_or_else(|| locked(DecryptError::WrongKey))?;
        if record.codec == CodecId::NONE {
            if content.len() != record.length as usize {
                return Err(part.damaged(object, Damage::Truncated));
            }
            scatter(content, into);
            return Ok(());
        }
        grow(&mut self.decompressed, record.length as usize);
        let target = self.decompressed.get_mut(..record.length as usize).unwrap_or_default();
        let decompressed = self.codecs.decompress(content, record.codec, target);
        decompressed.map_err(|damage| part.damaged(object, damage))?;
        scatter(target, into);
        Ok(())
    }
}

impl ThreeFile {
    pub(super) fn next_encryption_info(&mut self) -> Result<Option<EncryptionInfo>, StoreError> {
        self.drain()?;
        let object = self.object;
        let part = self.part()?;
        if object >= part.objects() {
            return Ok(None);
        }
        let record = part.record(object)?;
        match record.encryption {
            BlockEncryption::Clear => Ok(None),
            BlockEncryption::Emulated => {
                let label = index512::emulated_key(&part.record_bytes(object)?)
                    .ok_or_else(|| part.damaged(object, Damage::Index))?;
                let (unauthenticated, authenticated) = (label.ukad, label.akad);
                let kads = KeyAssociatedData { unauthenticated, authenticated, metadata: Vec::new() };
                Ok(Some(EncryptionInfo { kads, ..EncryptionInfo::default() }))
            }
            BlockEncryption::Aes | BlockEncryption::Relocated => {
                let external = record.encryption == BlockEncryption::Relocated;
                let begin = if external { RAW_HEADER_LEN } else { 0 };
                let mut head = vec![0; (begin + MAX_OVERHEAD).min(record.stored as usize)];
                part.read_data(&record, &mut [IoSliceMut::new(&mut head)])?;
                let info = encrypt::encryption_info(head.get(begin..).unwrap_or_default());
                let info = info.ok_or_else(|| part.damaged(object, Damage::Truncated))?;
                Ok(Some(EncryptionInfo { written_raw: external, ..info }))
            }
        }
    }
}

impl Partition {
    /// Whether the decryption mode allows reading a block, according to its record.
    fn check_decryption(
        &mut self,
        object: u64,
        record: &IndexRecord,
        decryption: Decryption<'_>,
    ) -> Result<Result<(), DecryptError>, StoreError> {
        Ok(match (record.encryption, decryption) {
            (BlockEncryption::Clear, Decryption::Disable | Decryption::Mixed(_) | Decryption::Raw)
            | (BlockEncryption::Aes | BlockEncryption::Relocated, Decryption::Raw) => Ok(()),
            (BlockEncryption::Clear, Decryption::Decrypt(_)) => Err(DecryptError::NotEncrypted),
            (_, Decryption::Disable) => Err(DecryptError::NoKey),
            // Emulated encryption has no raw form.
            (BlockEncryption::Emulated, Decryption::Raw) => Err(DecryptError::RawReadDisabled),
            (BlockEncryption::Aes | BlockEncryption::Relocated, _) => Ok(()),
            (BlockEncryption::Emulated, Decryption::Decrypt(key) | Decryption::Mixed(key)) => {
                let label = index512::emulated_key(&self.record_bytes(object)?)
                    .ok_or_else(|| self.damaged(object, Damage::Index))?;
                if key.equals(&label.key) { Ok(()) } else { Err(DecryptError::WrongKey) }
            }
        })
    }
}

fn check_length_and_crc(
    part: &Partition,
    object: u64,
    record: &IndexRecord,
    complete: bool,
    crc: u32,
) -> Result<(), StoreError> {
    match (complete, record.data_crc.is_none_or(|stored| stored == crc)) {
        (true, true) => Ok(()),
        (false, _) => Err(part.damaged(object, Damage::Truncated)),
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
