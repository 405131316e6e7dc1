//! Tapes as single files, for other programs: SIMH and AWS images, and the bytes of one tape file (a tar stream).
//! Codecs over [`std::io::Read`] and [`std::io::Write`]; a partition of a tape goes in or out object by object.

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

/// What an image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageItem {
    /// A block; its bytes are in the buffer.
    Block,
    /// A filemark.
    Filemark,
}

/// What can go wrong between an image and a tape.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The image cannot be understood.
    #[error("at byte {offset} of the image: {problem}")]
    Malformed {
        /// Where.
        offset: u64,
        /// What was found and what would be right.
        problem: String,
    },
    /// The image cannot be read or written.
    #[error("the image: {0}")]
    Io(#[from] io::Error),
    /// The tape.
    #[error(transparent)]
    Tape(#[from] StoreError),
    /// The tape is full.
    #[error("the cartridge is full at object {0}")]
    EndOfMedium(u64),
}

/// Reads an image object by object.
pub trait ImageReader {
    /// The next object, its bytes in `block`; `None` at the end.
    ///
    /// # Errors
    /// The image is damaged or cannot be read.
    fn next(&mut self, block: &mut Vec<u8>) -> Result<Option<ImageItem>, ImageError>;
}

/// Writes an image object by object.
pub trait ImageWriter {
    /// Writes a block.
    ///
    /// # Errors
    /// The image cannot be written, or has no form for such a block.
    fn block(&mut self, block: &[u8]) -> Result<(), ImageError>;
    /// Writes a filemark.
    ///
    /// # Errors
    /// The image cannot be written.
    fn filemark(&mut self) -> Result<(), ImageError>;
    /// Ends the image.
    ///
    /// # Errors
    /// The image cannot be written.
    fn finish(&mut self) -> Result<(), ImageError>;
}

/// Blocks and filemarks that were moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Blocks.
    pub blocks: u64,
    /// Filemarks.
    pub filemarks: u64,
    /// Bytes of the blocks.
    pub bytes: u64,
}

/// Appends an image to a tape where it stands.
///
/// # Errors
/// The first thing that does not go; what was written before stays.
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

/// Writes an image on a cartridge, behind what is in a partition or instead of it, and notes in its memory that it was
/// written outside a drive.
///
/// # Errors
/// The cartridge does not open, or as [`import`].
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
    // Whatever stopped it, the tape may have changed.
    let noted = cartridge.record_external_write(usage);
    closed.and(noted)?;
    moved
}

/// Writes a tape from where it stands to end of data (or, if `one_file`, to the next filemark) as an image. Encrypted blocks
/// are read as `unseal` says.
///
/// # Errors
/// The first object that cannot be read or written.
pub fn export(
    tape: &mut dyn Medium,
    image: &mut dyn ImageWriter,
    one_file: bool,
    unseal: Decryption<'_>,
) -> Result<ObjectCounts, ImageError> {
    let (mut block, mut moved) = (vec![0; MAX_BLOCK], ObjectCounts::default());
    loop {
        match tape.read_decrypting(&mut [IoSliceMut::new(&mut block)], unseal)? {
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

/// A source that knows where it is.
struct CountingReader<R> {
    source: R,
    at: u64,
}

impl<R: Read> CountingReader<R> {
    const fn new(source: R) -> Self {
        Self { source, at: 0 }
    }

    /// Fills the buffer, or says how much there was before the end.
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

    /// Fills the buffer; an end before that is a fault.
    fn fill_exact(&mut self, into: &mut [u8], what: &str) -> Result<(), ImageError> {
        let at = self.at;
        let got = self.fill(into)?;
        if got == into.len() {
            return Ok(());
        }
        Err(ImageError::Malformed { offset: at, problem: format!("{what} of {} bytes ends after {got}", into.len()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Record};
    use proptest::prelude::*;

    fn tape(records: &[Record]) -> Model {
        let mut tape = Model::new(1 << 40, 0);
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
        fn there_and_back(records in records()) {
            let (mut simh, mut aws) = (Vec::new(), Vec::new());
            let moved = export(&mut tape(&records), &mut SimhWriter::new(&mut simh), false, Decryption::Disable).unwrap();
            export(&mut tape(&records), &mut AwsWriter::new(&mut aws), false, Decryption::Disable).unwrap();
            let mut again = Model::new(1 << 40, 0);
            prop_assert_eq!(import(&mut SimhReader::new(&simh[..]), &mut again, Codec::NONE).unwrap(), moved);
            prop_assert_eq!(again.records(), &records[..]);
            let mut again = Model::new(1 << 40, 0);
            prop_assert_eq!(import(&mut AwsReader::new(&aws[..]), &mut again, Codec::NONE).unwrap(), moved);
            prop_assert_eq!(again.records(), &records[..]);
        }

        /// Any bytes are an image or a fault, never a panic or memory without bound.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = import(&mut SimhReader::new(&bytes[..]), &mut Model::new(1 << 40, 0), Codec::NONE);
            let _ = import(&mut AwsReader::new(&bytes[..]), &mut Model::new(1 << 40, 0), Codec::NONE);
        }
    }

    #[test]
    fn plain_image_is_one_tape_file() {
        let mut tape = Model::new(1 << 40, 0);
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
