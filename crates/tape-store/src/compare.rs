//! Compares two cartridges: their objects, one by one, and what their cartridge memories have in common.
//!
//! [`compare`] compares a cartridge with its copy. [`compare_formats`] needs no copy: it writes a cartridge in the native format to
//! memory, in pieces, reads each piece back and compares it. Both read each block once from each side, and have two blocks in memory.

use crate::backend::Folder;
use crate::backend::memory::MemoryFolder;
use crate::cartridge::{Cartridge, CartridgeKind, Format};
use crate::cartridge_memory;
use crate::convert::{Conversion, copy_object};
use crate::encrypt::{Decryption, Entropy, Key};
use crate::error::StoreError;
use crate::mam::{AttrId, AttributeWriter, Flags, Mam, spec};
use crate::medium::{CodecId, MAX_BLOCK, Medium, ReadOutcome};
use crate::three_file::inspect::{EmulatedKey, Object, ObjectEncryption};
use crate::three_file::{TapeOptions, ThreeFile};
use std::fmt;
use std::io::IoSliceMut;
use std::ops::ControlFlow;

/// Bytes of a piece that [`compare_formats`] has in memory.
pub const PIECE: u64 = 32 << 20;

/// The result of a comparison: the objects that are equal, and the first difference.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Comparison {
    /// Number of blocks that are equal.
    pub blocks: u64,
    /// Number of filemarks that both have at the same place.
    pub filemarks: u64,
    /// Bytes of the equal blocks, before compression.
    pub bytes: u64,
    /// Number of equal blocks that are compressed in the first cartridge.
    pub compressed: u64,
    /// Number of equal blocks that are encrypted.
    pub encrypted: u64,
    /// The first difference; `None` if the cartridges are equal.
    pub difference: Option<Difference>,
}

/// A difference between two cartridges, and its place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Difference {
    /// The number of partitions differs.
    Partitions {
        /// Partitions of the first cartridge.
        first: u8,
        /// Partitions of the second cartridge.
        second: u8,
    },
    /// The objects at a place differ: in their kind, their length or their encryption.
    Object {
        /// Number of the partition.
        partition: u8,
        /// Logical object number.
        object: u64,
        /// The object of the first cartridge.
        first: ObjectSummary,
        /// The object of the second cartridge.
        second: ObjectSummary,
    },
    /// Two blocks of the same length have different bytes.
    Content {
        /// Number of the partition.
        partition: u8,
        /// Logical object number of the block.
        object: u64,
        /// The first byte that differs, from 0.
        byte: usize,
    },
    /// An attribute of the cartridge memory differs that a load does not change.
    Attribute {
        /// Identifier of the attribute.
        id: AttrId,
        /// Partition of the attribute; 0 for an attribute of the whole medium.
        partition: u8,
    },
    /// The second cartridge cannot be read.
    Unreadable(StoreError),
}

/// An object of one of two cartridges that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectSummary {
    /// No object: end of data.
    EndOfData,
    /// A filemark, which has no data.
    Filemark,
    /// A block, with its length.
    Block {
        /// Length of the block in bytes, before compression and encryption.
        len: u32,
        /// Whether the block is encrypted.
        encrypted: bool,
    },
}

impl ObjectSummary {
    fn of(object: Option<&Object>) -> Self {
        match object {
            None => Self::EndOfData,
            Some(object) if object.is_filemark => Self::Filemark,
            Some(object) => Self::Block { len: object.len, encrypted: object.encryption != ObjectEncryption::None },
        }
    }
}

impl fmt::Display for ObjectSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndOfData => f.write_str("end of data"),
            Self::Filemark => f.write_str("a filemark"),
            Self::Block { len, encrypted: false } => write!(f, "a block of {len} bytes"),
            Self::Block { len, encrypted: true } => write!(f, "an encrypted block of {len} bytes"),
        }
    }
}

impl Difference {
    /// The difference as text, with these names of the first and of the second cartridge.
    #[must_use]
    pub fn describe(&self, [first_name, second_name]: [&str; 2]) -> String {
        match self {
            Self::Partitions { first, second } => {
                format!("{first_name} has {first} partitions, {second_name} has {second}")
            }
            Self::Object { partition, object, first, second } => {
                let place = format!("partition {partition}, object {object}");
                format!("{place}: {first_name} has {first}, {second_name} has {second}")
            }
            Self::Content { partition, object, byte } => {
                format!("partition {partition}, object {object}: the blocks differ from byte {byte} on")
            }
            Self::Attribute { id, partition } => {
                let name = spec(*id).map_or("unknown", |spec| spec.name);
                format!("MAM attribute {:04X}h ({name}) of partition {partition} differs", id.0)
            }
            Self::Unreadable(error) => format!("{second_name}: {error}"),
        }
    }
}

/// Compares a cartridge with another one, which usually is a copy of it in another format. Nothing is changed. Blocks that the first
/// cartridge has with emulated encryption are compared in clear. `progress` receives the stored bytes of each object that is done, and can
/// stop the comparison.
///
/// # Errors
/// The first cartridge cannot be read: its damage, and the place. An unreadable second cartridge is a [`Difference`].
/// [`StoreError::Stopped`] if `progress` has stopped the comparison.
pub fn compare(
    first: &mut Cartridge,
    second: &mut Cartridge,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Comparison, StoreError> {
    let (mut tape, mam) = open_intact(first)?;
    let mut comparison = Comparison::default();
    let opened = open_intact(second);
    let (mut other, other_mam) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(comparison.with(Difference::Unreadable(error))),
    };
    if tape.partitions() != other.partitions() {
        let (first, second) = (tape.partitions(), other.partitions());
        return Ok(comparison.with(Difference::Partitions { first, second }));
    }
    if let Some(difference) = differing_attribute(&mam, &other_mam) {
        return Ok(comparison.with(difference));
    }
    let mut blocks = Blocks::new(first.kind());
    for partition in 0..tape.partitions() {
        tape.locate(partition, 0)?;
        if let Err(error) = other.locate(partition, 0) {
            return Ok(comparison.with(Difference::Unreadable(error)));
        }
        while let Some(stored) = blocks.compare_next(&mut tape, &mut other, &mut comparison)? {
            if progress(stored).is_break() {
                return Err(StoreError::Stopped);
            }
        }
        if comparison.difference.is_some() {
            break;
        }
    }
    Ok(comparison)
}

/// Writes a cartridge in the native format to memory, in pieces of about `piece` bytes ([`PIECE`]), reads each piece back and compares it
/// with the cartridge. Nothing is changed. `entropy` supplies the salts of blocks with emulated encryption, which are encrypted in the
/// native format. `progress` as for [`compare`].
///
/// # Errors
/// As [`compare`], or an object that the native format cannot store ([`StoreError::AtObject`]).
pub fn compare_formats(
    cartridge: &mut Cartridge,
    entropy: Entropy,
    piece: u64,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Comparison, StoreError> {
    let (mut tape, mam) = open_intact(cartridge)?;
    let (mut comparison, mut blocks) = (Comparison::default(), Blocks::new(cartridge.kind()));
    let conversion = Conversion::new(Format::Native, entropy);
    let mut buffer = vec![0; MAX_BLOCK];
    for partition in 0..tape.partitions() {
        let mut start = 0;
        loop {
            tape.locate(partition, start)?;
            let (mut copy, next) = write_piece(cartridge, (&mut tape, &mam), conversion, piece, &mut buffer)?;
            let (mut other, other_mam) = copy.open_read_only().and_then(|(tape, _)| Ok((tape, copy.mam()?)))?;
            other.locate(partition, 0)?;
            tape.locate(partition, start)?;
            if let Some(difference) = differing_attribute(&mam, &other_mam) {
                return Ok(comparison.with(difference));
            }
            for _ in start..next {
                let stored = blocks.compare_next(&mut tape, &mut other, &mut comparison)?;
                if comparison.difference.is_some() {
                    return Ok(comparison);
                }
                if progress(stored.unwrap_or_default()).is_break() {
                    return Err(StoreError::Stopped);
                }
            }
            if tape.next_object()?.is_none() {
                // End of data at the same place.
                blocks.compare_next(&mut tape, &mut other, &mut comparison)?;
                break;
            }
            start = next;
        }
    }
    Ok(comparison)
}

/// A tape whose index is intact, and its cartridge memory.
fn open_intact(cartridge: &mut Cartridge) -> Result<(ThreeFile, Mam), StoreError> {
    let (tape, recovery) = cartridge.open_read_only()?;
    if recovery.damaged {
        let barcode = cartridge.barcode().as_str().into();
        return Err(StoreError::Cartridge { barcode, problem: "has a damaged index" });
    }
    let mam = cartridge.mam()?;
    Ok((tape, mam))
}

/// Copies objects from the position of a tape into a new cartridge in memory, until it has this many bytes or the partition ends. Returns
/// it, and the number of the first object that was not copied.
fn write_piece(
    original: &Cartridge,
    (tape, mam): (&mut ThreeFile, &Mam),
    conversion: Conversion,
    bytes: u64,
    buffer: &mut [u8],
) -> Result<(Cartridge, u64), StoreError> {
    let (format, partitions, start) = (conversion.format, tape.partitions(), tape.position());
    let mut folder = MemoryFolder::default();
    cartridge_memory::prepare(&mut folder, format, partitions)?;
    let options = TapeOptions { format, partition_sizes: mam.partition_sizes(), ..TapeOptions::native(u64::MAX >> 4) };
    let (mut piece, _) = ThreeFile::open(Box::new(folder.clone()), options)?;
    piece.locate(start.partition, 0)?;
    let mut copied = 0;
    while copied < bytes
        && let Some(object) = tape.next_object()?
    {
        copy_object(tape, &mut piece, &object, conversion, buffer)?;
        copied += u64::from(object.len.max(MIN_OBJECT));
    }
    piece.close_files()?;
    cartridge_memory::write_imported(&mut folder, format, mam, partitions)?;
    piece.close()?;
    let open = move || Ok(Box::new(folder.clone()) as Box<dyn Folder>);
    let (barcode, media, kind) = (original.barcode().clone(), original.media(), original.kind());
    let copy = Cartridge::in_folder(barcode, media, kind, original.capacity(), Box::new(open));
    Ok((copy, tape.position().object))
}

/// Bytes that an object has in memory at least: its index record and its frame.
const MIN_OBJECT: u32 = 96;

/// The buffers of a comparison.
struct Blocks {
    first: Vec<u8>,
    second: Vec<u8>,
    /// Whether the blocks have no bytes: mhvtl's NULL medium.
    has_no_data: bool,
}

impl Blocks {
    fn new(kind: CartridgeKind) -> Self {
        let has_no_data = kind == CartridgeKind::Null;
        Self { first: vec![0; MAX_BLOCK], second: vec![0; MAX_BLOCK], has_no_data }
    }

    /// Compares the objects at the positions of two tapes, and moves after them. Returns the stored bytes of the first; `None` at the end of
    /// data of both, and at a difference.
    fn compare_next(
        &mut self,
        tape: &mut ThreeFile,
        other: &mut ThreeFile,
        comparison: &mut Comparison,
    ) -> Result<Option<u64>, StoreError> {
        let place = tape.position();
        let object = tape.next_object()?;
        let second = match other.next_object() {
            Ok(second) => second,
            Err(error) => return Ok(comparison.found(Difference::Unreadable(error))),
        };
        let summaries = (ObjectSummary::of(object.as_ref()), ObjectSummary::of(second.as_ref()));
        if summaries.0 != summaries.1 {
            let (partition, number) = (place.partition, place.object);
            let (first, second) = summaries;
            return Ok(comparison.found(Difference::Object { partition, object: number, first, second }));
        }
        let Some(object) = object else { return Ok(None) };
        if object.is_filemark {
            tape.read(&mut [])?;
            other.read(&mut [])?;
            comparison.filemarks += 1;
            return Ok(Some(0));
        }
        if self.has_no_data {
            tape.locate(place.partition, place.object + 1)?;
            other.locate(place.partition, other.position().object + 1)?;
        } else if let Some(difference) = self.compare_blocks(tape, other, &object)? {
            return Ok(comparison.found(difference));
        }
        comparison.blocks += 1;
        comparison.bytes += u64::from(object.len);
        comparison.compressed += u64::from(object.codec != CodecId::NONE);
        comparison.encrypted += u64::from(object.encryption != ObjectEncryption::None);
        Ok(Some(object.stored.into()))
    }

    /// Reads the next block of two tapes, and compares them.
    fn compare_blocks(
        &mut self,
        tape: &mut ThreeFile,
        other: &mut ThreeFile,
        object: &Object,
    ) -> Result<Option<Difference>, StoreError> {
        let place = tape.position();
        let key = match object.encryption {
            ObjectEncryption::Emulated => tape.next_emulated_key()?.and_then(EmulatedKey::into_key),
            ObjectEncryption::None | ObjectEncryption::Encrypted => None,
        };
        let key = key.as_ref().map(|(key, _)| key);
        let len = read_block(tape, key, &mut self.first)?;
        let second = match read_block(other, key, &mut self.second) {
            Ok(len) => self.second.get(..len).unwrap_or_default(),
            Err(error) => return Ok(Some(Difference::Unreadable(error))),
        };
        let first = self.first.get(..len).unwrap_or_default();
        if first == second {
            return Ok(None);
        }
        let byte = first.iter().zip(second).take_while(|(one, other)| one == other).count();
        Ok(Some(Difference::Content { partition: place.partition, object: place.object, byte }))
    }
}

/// Reads the next block; returns its length.
fn read_block(tape: &mut ThreeFile, key: Option<&Key>, into: &mut [u8]) -> Result<usize, StoreError> {
    let decryption = key.map_or(Decryption::Disable, Decryption::Mixed);
    match tape.read_decrypting(&mut [IoSliceMut::new(into)], decryption)? {
        ReadOutcome::Block { len, .. } => Ok(len),
        _ => Ok(0),
    }
}

impl Comparison {
    fn with(mut self, difference: Difference) -> Self {
        self.difference = Some(difference);
        self
    }

    fn found<T>(&mut self, difference: Difference) -> Option<T> {
        self.difference = Some(difference);
        None
    }
}

/// Attributes of the drive that neither a load nor a write changes.
const CONSTANT: [AttrId; 8] = [
    AttrId::MAXIMUM_CAPACITY,
    AttrId::FORMATTED_DENSITY,
    AttrId::MANUFACTURER,
    AttrId::SERIAL,
    AttrId::MEDIUM_TYPE,
    AttrId::MEDIUM_TYPE_INFORMATION,
    AttrId::PARTITION_SIZE,
    AttrId::MEDIUM_NAME,
];

/// The first attribute that differs, of the attributes of hosts and of the [`CONSTANT`] ones. mhvtl's format stores an
/// attribute that was never written as zeros or spaces; the native format does not store it.
fn differing_attribute(first: &Mam, second: &Mam) -> Option<Difference> {
    let counts =
        |id: &AttrId| CONSTANT.contains(id) || spec(*id).is_some_and(|spec| spec.writer == AttributeWriter::Host);
    let missing = |one: &Mam, other: &Mam| {
        let differs = |id, partition, value: &[u8]| match other.get(id, partition) {
            Some(other) => other != value,
            None => value.iter().any(|byte| ![0, b' '].contains(byte)),
        };
        let mut attributes = one.iter().filter(|(id, ..)| counts(id));
        let found = attributes.find(|(id, partition, value)| differs(*id, *partition, value));
        found.map(|(id, partition, _)| Difference::Attribute { id, partition })
    };
    let flags = |mam: &Mam| mam.flags() & (Flags::WRITE_PROTECTED | Flags::NULL);
    let flag = (flags(first) != flags(second)).then_some(Difference::Attribute { id: AttrId::FLAGS, partition: 0 });
    flag.or_else(|| missing(first, second)).or_else(|| missing(second, first))
}
