//! Tape images: tapes as single files of other programs. Supported are SIMH, AWS, and the bytes of one tape file (such
//! as a tar stream). Readers and writers work on [`std::io::Read`] and [`std::io::Write`] and copy a partition object
//! by object.

mod aws;
mod plain;
mod simh;

pub use aws::{AwsReader, AwsWriter};
pub use plain::{PlainReader, PlainWriter};
pub use simh::{SimhReader, SimhWriter};

use crate::cartridge::Cartridge;
use crate::encrypt::Decryption;
use crate::error::StoreError;
use crate::medium::{Codec, MAX_BLOCK, Medium, ReadOutcome, WriteOutcome};
use std::io::{self, IoSlice, IoSliceMut, Read};

/// One object of an image of a tape: a block or a filemark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageItem {
    /// A block; its bytes are in the buffer of the call.
    Block,
    /// A filemark, which has no bytes.
    Filemark,
}

/// Errors of copying between an image and a tape.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The image is malformed at an offset.
    #[error("at byte {offset} of the image: {problem}")]
    Malformed {
        /// Offset in bytes at which the image is malformed.
        offset: u64,
        /// Description of the error: the value found and the one expected.
        problem: String,
    },
    /// The image file cannot be read or written.
    #[error("image file: {0}")]
    Io(#[from] io::Error),
    /// The tape returned an error.
    #[error(transparent)]
    Tape(#[from] StoreError),
    /// End of medium: the object with this number does not fit on the tape.
    #[error("end of medium at object {0}")]
    EndOfMedium(u64),
}

/// Reads an image of a tape, one object at a time, in any of the formats.
pub trait ImageReader {
    /// Reads the next object; the bytes of a block replace the content of `block`. `None` at the end of the image.
    ///
    /// # Errors
    /// [`ImageError::Malformed`], or [`ImageError::Io`].
    fn next(&mut self, block: &mut Vec<u8>) -> Result<Option<ImageItem>, ImageError>;
}

/// Writes an image of a tape, one object at a time, in any of the formats.
pub trait ImageWriter {
    /// Appends a block to the image.
    ///
    /// # Errors
    /// [`ImageError::Io`], also if the image format cannot hold a block of this length.
    fn block(&mut self, block: &[u8]) -> Result<(), ImageError>;
    /// Appends a filemark to the image.
    ///
    /// # Errors
    /// [`ImageError::Io`] if the image cannot be written.
    fn filemark(&mut self) -> Result<(), ImageError>;
    /// Writes the end of the image. Nothing may be appended after it.
    ///
    /// # Errors
    /// [`ImageError::Io`] if the image cannot be written.
    fn finish(&mut self) -> Result<(), ImageError>;
}

/// Number of blocks, filemarks and bytes that were copied between a cartridge and an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Number of blocks that were copied.
    pub blocks: u64,
    /// Number of filemarks that were copied.
    pub filemarks: u64,
    /// Total length in bytes of the blocks.
    pub bytes: u64,
}

/// Appends the objects of an image to a tape at its position.
///
/// # Errors
/// The first error of image or tape, or [`ImageError::EndOfMedium`]. Objects written before it remain on the tape.
pub fn import(image: &mut dyn ImageReader, tape: &mut dyn Medium, codec: Codec) -> Result<ObjectCounts, ImageError> {
    let (mut block, mut moved) = (Vec::new(), ObjectCounts::default());
    while let Some(item) = image.next(&mut block)? {
        let written = match item {
            ImageItem::Block => tape.append(&[IoSlice::new(&block)], codec)?,
            ImageItem::Filemark => tape.append_filemark()?,
        };
        if written == WriteOutcome::EndOfMedium {
            return Err(ImageError::EndOfMedium(tape.position().object));
        }
        match item {
            ImageItem::Block => (moved.blocks, moved.bytes) = (moved.blocks + 1, moved.bytes + block.len() as u64),
            ImageItem::Filemark => moved.filemarks += 1,
        }
    }
    tape.sync()?;
    Ok(moved)
}

/// Writes an image to a partition of a cartridge, at end of data or from the beginning, and records the write in the
/// cartridge memory.
///
/// # Errors
/// The cartridge cannot be opened, or as [`import`].
pub fn write_to_cartridge(
    image: &mut dyn ImageReader,
    cartridge: &mut Cartridge,
    partition: u8,
    overwrite: bool,
    codec: Codec,
) -> Result<ObjectCounts, ImageError> {
    let (mut tape, _) = cartridge.open_three_file()?;
    tape.locate(partition, 0)?;
    if !overwrite {
        tape.space_to_end()?;
    }
    let moved = import(image, &mut tape, codec);
    if overwrite && matches!(moved, Ok(ObjectCounts { blocks: 0, filemarks: 0, .. })) {
        tape.truncate()?;
    }
    let closed = tape.close();
    let usage = tape.usage(partition)?;
    drop(tape);
    // The tape may have changed even if the import failed.
    let recorded = cartridge.record_external_write(usage);
    closed.and(recorded)?;
    moved
}

/// Writes the objects from the position of a tape to end of data (with `one_file`, to the next filemark) to an image.
/// Encrypted blocks are read in the given decryption mode.
///
/// # Errors
/// The first error of tape or image.
pub fn export(
    tape: &mut dyn Medium,
    image: &mut dyn ImageWriter,
    one_file: bool,
    decryption: Decryption<'_>,
) -> Result<ObjectCounts, ImageError> {
    let (mut block, mut moved) = (vec![0; MAX_BLOCK], ObjectCounts::default());
    loop {
        match tape.read_decrypting(&mut [IoSliceMut::new(&mut block)], decryption)? {
            ReadOutcome::Block { len, .. } => {
                image.block(block.get(..len).unwrap_or_default())?;
                (moved.blocks, moved.bytes) = (moved.blocks + 1, moved.bytes + len as u64);
            }
            ReadOutcome::Filemark if one_file => break,
            ReadOutcome::Filemark => {
                image.filemark()?;
                moved.filemarks += 1;
            }
            ReadOutcome::EndOfData => break,
        }
    }
    image.finish()?;
    Ok(moved)
}

/// A byte source that counts its offset.
struct CountingReader<R> {
    source: R,
    at: u64,
}

impl<R: Read> CountingReader<R> {
    const fn new(source: R) -> Self {
        Self { source, at: 0 }
    }

    /// Fills the buffer; returns the number of bytes, which is less only at the end.
    fn fill(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.source.read(rest) {
                Ok(0) => break,
                Ok(got) => done += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += done as u64;
        Ok(done)
    }

    /// Fills the buffer; an earlier end is an error.
    fn fill_exact(&mut self, into: &mut [u8], what: &str) -> Result<(), ImageError> {
        let at = self.at;
        let got = self.fill(into)?;
        if got == into.len() {
            return Ok(());
        }
        Err(ImageError::Malformed {
            offset: at,
            problem: format!("{what} of {} bytes is truncated after {got}", into.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_tape::{MemoryTape, Record};
    use proptest::prelude::*;

    fn tape(records: &[Record]) -> MemoryTape {
        let mut tape = MemoryTape::new(1 << 40, 0);
        for record in records {
            match record {
                Record::Block(block) => drop(tape.append(&[IoSlice::new(block)], Codec::NONE).unwrap()),
                Record::Filemark => drop(tape.append_filemark().unwrap()),
            }
        }
        tape.locate(0, 0).unwrap();
        tape
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let len = prop_oneof![1..40_usize, 65_530..65_540_usize, Just(200_000)];
        let block = (any::<u8>(), len).prop_map(|(byte, len)| Record::Block(vec![byte; len]));
        prop::collection::vec(prop_oneof![3 => block, 1 => Just(Record::Filemark)], 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn images_round_trip(records in records()) {
            let (mut simh, mut aws) = (Vec::new(), Vec::new());
            let moved = export(&mut tape(&records), &mut SimhWriter::new(&mut simh), false, Decryption::Disable).unwrap();
            export(&mut tape(&records), &mut AwsWriter::new(&mut aws), false, Decryption::Disable).unwrap();
            let mut again = MemoryTape::new(1 << 40, 0);
            prop_assert_eq!(import(&mut SimhReader::new(&simh[..]), &mut again, Codec::NONE).unwrap(), moved);
            prop_assert_eq!(again.records(), &records[..]);
            let mut again = MemoryTape::new(1 << 40, 0);
            prop_assert_eq!(import(&mut AwsReader::new(&aws[..]), &mut again, Codec::NONE).unwrap(), moved);
            prop_assert_eq!(again.records(), &records[..]);
        }

        /// Arbitrary bytes are an image or an error; there is no panic and no unbounded memory use.
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = import(&mut SimhReader::new(&bytes[..]), &mut MemoryTape::new(1 << 40, 0), Codec::NONE);
            let _ = import(&mut AwsReader::new(&bytes[..]), &mut MemoryTape::new(1 << 40, 0), Codec::NONE);
        }
    }

    #[test]
    fn plain_image_is_one_tape_file() {
        let mut tape = MemoryTape::new(1 << 40, 0);
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let moved = import(&mut PlainReader::new(&bytes[..], 300), &mut tape, Codec::NONE).unwrap();
        assert_eq!(moved, ObjectCounts { blocks: 4, filemarks: 1, bytes: 1000 });
        tape.append(&[IoSlice::new(b"behind")], Codec::NONE).unwrap();
        tape.locate(0, 0).unwrap();
        let mut out = Vec::new();
        export(&mut tape, &mut PlainWriter::new(&mut out), true, Decryption::Disable).unwrap();
        assert_eq!(out, bytes);
    }
}
