//! `mark.P`: the watermark of the last synchronisation, in two slots. The slot known to be durable is never
//! overwritten, so one slot is always intact.

use super::index::MAX_OFFSET;
use crate::integrity::crc32c;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a watermark in bytes; the slots are one sector apart.
const SIZE: usize = 56;
pub(super) const SLOT: u64 = 512;
const MAGIC: [u8; 8] = *b"FERRICTP";
/// Versions: objects without and with frames.
const VERSION_UNFRAMED: u32 = 2;
const VERSION_FRAMED: u32 = 3;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: [u8; 8],
    version: U32,
    partition: U32,
    sequence: U64,
    objects: U64,
    data_len: U64,
    filemarks: U64,
    last_crc: U32,
    crc: U32,
}
const _: () = assert!(size_of::<Raw>() == SIZE);

/// The extent of a partition that is known to be durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watermark {
    /// Sequence number; the watermark with the higher one is the newer.
    pub(super) sequence: u64,
    /// Number of durable objects.
    pub(super) objects: u64,
    /// Number of durable bytes of `data.P`.
    pub(super) data_len: u64,
    /// Number of filemarks among the objects.
    pub(super) filemarks: u64,
    /// [`super::index::IndexLayout::tag`] of the last object's record; 0 if there is none.
    pub(super) last_crc: u32,
    /// Whether objects have frames in `data.P`.
    pub(super) framed: bool,
}

impl Watermark {
    pub(super) fn encode(&self, partition: u8) -> [u8; SIZE] {
        let mut raw = Raw {
            magic: MAGIC,
            version: if self.framed { VERSION_FRAMED } else { VERSION_UNFRAMED }.into(),
            partition: u32::from(partition).into(),
            sequence: self.sequence.into(),
            objects: self.objects.into(),
            data_len: self.data_len.into(),
            filemarks: self.filemarks.into(),
            last_crc: self.last_crc.into(),
            crc: U32::ZERO,
        };
        raw.crc = crc32c(raw.as_bytes().get(..SIZE - 4).unwrap_or_default()).into();
        zerocopy::transmute!(raw)
    }

    fn decode(partition: u8, slot: &[u8]) -> Option<Self> {
        let bytes = slot.get(..SIZE)?;
        let raw = Raw::read_from_bytes(bytes).ok()?;
        let whole = raw.magic == MAGIC
            && [VERSION_UNFRAMED, VERSION_FRAMED].contains(&raw.version.get())
            && raw.objects.get() <= MAX_OFFSET / 64
            && raw.data_len.get() <= MAX_OFFSET
            && raw.filemarks.get() <= raw.objects.get()
            && raw.sequence.get() <= MAX_OFFSET
            && raw.partition.get() == u32::from(partition)
            && raw.crc.get() == crc32c(bytes.get(..SIZE - 4)?);
        whole.then(|| Self {
            sequence: raw.sequence.get(),
            objects: raw.objects.get(),
            data_len: raw.data_len.get(),
            filemarks: raw.filemarks.get(),
            last_crc: raw.last_crc.get(),
            framed: raw.version.get() == VERSION_FRAMED,
        })
    }

    /// The newer watermark in the content of a `mark.P`, and its slot; `None` if neither is intact.
    pub(super) fn newest(partition: u8, file: &[u8]) -> Option<(Self, WatermarkSlot)> {
        let read = |slot: WatermarkSlot| {
            Some((Self::decode(partition, file.get(usize::try_from(slot.offset()).ok()?..)?)?, slot))
        };
        [read(WatermarkSlot::First), read(WatermarkSlot::Second)]
            .into_iter()
            .flatten()
            .max_by_key(|(mark, _)| mark.sequence)
    }
}

/// One of the two slots of a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatermarkSlot {
    First,
    Second,
}

impl WatermarkSlot {
    pub(super) const fn offset(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => SLOT,
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_intact_slot_is_used() {
        let old = Watermark { sequence: 4, objects: 1, data_len: 2, filemarks: 0, last_crc: 3, framed: false };
        let new = Watermark { sequence: 5, objects: 7, data_len: 8, filemarks: 2, last_crc: 9, framed: true };
        let mut file = vec![0; 1024];
        file[..56].copy_from_slice(&old.encode(2));
        file[512..568].copy_from_slice(&new.encode(2));
        assert_eq!(Watermark::newest(2, &file), Some((new, WatermarkSlot::Second)));
        assert_eq!(Watermark::newest(1, &file), None);
        file[530] ^= 1;
        assert_eq!(Watermark::newest(2, &file), Some((old, WatermarkSlot::First)));
        assert_eq!(Watermark::newest(2, &file[..40]), None);
    }
}
