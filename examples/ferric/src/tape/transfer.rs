//! `ferric tape import` and `ferric tape export`

use super::key::KeyFile;
use super::{OpenCartridge, check_partition, convert, path_text};
use crate::cli_error::CliError;
use crate::number::number;
use crate::output::{self, BYTES, OBJECTS, Output, UNKNOWN_BYTES};
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IoSliceMut, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tape_store::cartridge::Format;
use tape_store::error::StoreError;
use tape_store::image::{
    self, AwsReader, AwsWriter, ImageError, ImageReader, ImageWriter, ObjectCounts, PlainReader, PlainWriter,
    SimhReader, SimhWriter,
};
use tape_store::medium::{Codec, MAX_BLOCK, Medium};

/// Bytes of a block of a plain stream, as tar has them.
const BLOCK_SIZE: u32 = 10_240;

/// Forms of a tape in one file.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ImageFormat {
    /// SIMH (.tap)
    Simh,
    /// AWS, as in Hercules (.aws)
    Aws,
    /// The data of one tape file, such as a tar stream
    Plain,
    /// A complete cartridge in mhvtl's format, as a directory
    Mhvtl,
}

#[derive(clap::Args)]
pub(crate) struct Import {
    /// Image file; - reads standard input
    image: PathBuf,
    /// Directory of the cartridge; a new one if the image is a cartridge in mhvtl's format
    path: PathBuf,
    /// Format of the image [default: from its name: .tap, .aws, mhvtl for a directory, otherwise plain]
    #[arg(long, value_enum)]
    image_format: Option<ImageFormat>,
    // Former name of `--image-format`.
    #[arg(long, value_enum, hide = true, conflicts_with = "image_format")]
    format: Option<ImageFormat>,
    /// Partition to append to, 0 to 3 [default: 0]
    #[arg(long, value_parser = number::<u8>("the number of a partition", 0..=3))]
    partition: Option<u8>,
    /// Overwrite the partition from its beginning instead of appending
    #[arg(long)]
    overwrite: bool,
    /// Block length in bytes for a plain stream [default: 10240]
    #[arg(long, value_parser = number::<u32>("a number of bytes", 1..=MAX_BLOCK as u64))]
    block_size: Option<u32>,
    /// Compression of the new blocks: none, zlib:1 to zlib:9, zstd:1 to zstd:19 [default: zstd:1, for mhvtl zlib:1]
    #[arg(long, value_parser = Codec::parse)]
    codec: Option<Codec>,
}

#[derive(clap::Args)]
pub(crate) struct Export {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
    /// Image file; - writes to standard output
    image: PathBuf,
    /// Format of the image; mhvtl creates a directory [default: from its name: .tap, .aws, otherwise plain]
    #[arg(long, value_enum)]
    image_format: Option<ImageFormat>,
    // Former name of `--image-format`.
    #[arg(long, value_enum, hide = true, conflicts_with = "image_format")]
    format: Option<ImageFormat>,
    /// Partition to read, 0 to 3 [default: 0]
    #[arg(long, value_parser = number::<u8>("the number of a partition", 0..=3))]
    partition: Option<u8>,
    /// Number of the tape file, from 0: a plain stream is this tape file, other images begin with it [default: 0]
    #[arg(long, value_parser = number::<u64>("the number of a tape file", 0..=u64::MAX))]
    file: Option<u64>,
    #[command(flatten)]
    key: KeyFile,
}

/// The format given by `--image-format`, or by its former name `--format`, which prints a warning; by default, the format
/// that the name of the image implies.
fn image_format(output: Output, given: Option<ImageFormat>, former: Option<ImageFormat>, image: &Path) -> ImageFormat {
    if former.is_some() {
        output.warn_former([("--format", "--image-format")]);
    }
    given.or(former).unwrap_or_else(|| match image.extension().and_then(|extension| extension.to_str()) {
        Some("tap") => ImageFormat::Simh,
        Some("aws") => ImageFormat::Aws,
        _ if image.is_dir() => ImageFormat::Mhvtl,
        _ => ImageFormat::Plain,
    })
}

pub(crate) fn import(output: Output, arguments: &Import) -> Result<(), CliError> {
    let format = image_format(output, arguments.image_format, arguments.format, &arguments.image);
    let Import { partition, block_size, overwrite, .. } = *arguments;
    if format == ImageFormat::Mhvtl {
        refuse_options(&[
            ("--partition", partition.is_some()),
            ("--overwrite", overwrite),
            ("--block-size", block_size.is_some()),
        ])?;
        return convert::copy_cartridge(output, &arguments.image, &arguments.path, Format::Native, arguments.codec);
    }
    if format != ImageFormat::Plain && block_size.is_some() {
        return Err(CliError::invalid("--block-size is for plain streams: a SIMH or AWS image has its own blocks"));
    }
    let mut found = OpenCartridge::open(&arguments.path)?;
    let failed = found.store_error();
    let image_name = path_text(&arguments.image);
    let (source, bar): (Box<dyn Read>, _) = if image_name == "-" {
        (Box::new(io::stdin()), output.progress_bar(None, UNKNOWN_BYTES))
    } else {
        let opened = File::open(&arguments.image).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (len, file) = opened.map_err(|error| CliError::Image(image_name.clone(), error.into()))?;
        (Box::new(file), output.progress_bar(Some(len), BYTES))
    };
    let source = bar.wrap_read(BufReader::with_capacity(1 << 20, source));
    let size = usize::try_from(block_size.unwrap_or(BLOCK_SIZE)).unwrap_or(MAX_BLOCK);
    let mut reader: Box<dyn ImageReader> = match format {
        ImageFormat::Simh => Box::new(SimhReader::new(source)),
        ImageFormat::Aws => Box::new(AwsReader::new(source)),
        ImageFormat::Plain | ImageFormat::Mhvtl => Box::new(PlainReader::new(source, size)),
    };
    found.check_not_loaded()?;
    let cartridge_format = found.cartridge.format().map_err(&failed)?;
    let codec = arguments.codec.unwrap_or_else(|| cartridge_format.default_codec());
    let protected =
        found.cartridge.write_protection(vtl::clock::Clock::real().now().wall.seconds()).map_err(&failed)?;
    if let Some(why) = protected {
        return Err(failed(StoreError::ReadOnly(why)));
    }
    let partition = partition.unwrap_or(0);
    let (tape, _) = found.cartridge.open_read_only().map_err(&failed)?;
    check_partition(&found.name, partition, tape.partitions())?;
    if format == ImageFormat::Plain && size > tape.max_block() {
        return Err(failed(StoreError::BlockTooLong { len: size, max: tape.max_block() }));
    }
    drop(tape);
    let moved = image::write_to_cartridge(reader.as_mut(), &mut found.cartridge, partition, overwrite, codec);
    bar.finish_and_clear();
    let moved = moved.map_err(|error| match error {
        ImageError::Tape(error) => failed(error),
        other => CliError::Image(image_name, other),
    })?;
    output.show(&Report::new(&arguments.path, &arguments.image, moved), Report::print)
}

pub(crate) fn export(output: Output, arguments: &Export) -> Result<(), CliError> {
    let format = image_format(output, arguments.image_format, arguments.format, &arguments.image);
    if format == ImageFormat::Mhvtl {
        refuse_options(&[
            ("--partition", arguments.partition.is_some()),
            ("--file", arguments.file.is_some()),
            ("--key-file", arguments.key.is_given()),
        ])?;
        return convert::copy_cartridge(output, &arguments.path, &arguments.image, Format::Mhvtl, None);
    }
    let reading = arguments.key.read()?;
    let mut found = OpenCartridge::open_for_reading(output, &arguments.path)?;
    let failed = found.store_error();
    let image_name = path_text(&arguments.image);
    let explained = |error: ImageError| match error {
        ImageError::Tape(error @ StoreError::CannotDecrypt { .. }) => {
            CliError::conflict(format!("{}: {error}; {}", found.name, reading.advice()))
        }
        ImageError::Tape(error) => CliError::Cartridge(found.name.clone(), error),
        other => CliError::Image(image_name.clone(), other),
    };
    let (mut tape, _) = found.cartridge.open_read_only().map_err(&failed)?;
    locate_file(&mut tape, arguments, &found.name)?;
    // A wrong key is found before an image that exists is replaced.
    let first = tape.read_decrypting(&mut [IoSliceMut::new(&mut vec![0; MAX_BLOCK])], reading.unseal());
    first.map_err(|error| explained(error.into()))?;
    locate_file(&mut tape, arguments, &found.name)?;
    let to_stdout = image_name == "-";
    let sink: Box<dyn Write> = if to_stdout {
        Box::new(io::stdout())
    } else {
        // It holds what the tape does: a new one is the owner's alone.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        Box::new(options.open(&arguments.image).map_err(|error| explained(error.into()))?)
    };
    let sink = BufWriter::with_capacity(1 << 20, sink);
    let objects = remaining_objects(&mut tape, arguments, format == ImageFormat::Plain).map_err(&failed)?;
    let bar = output.progress_bar(Some(objects), OBJECTS);
    let writer: Box<dyn ImageWriter> = match format {
        ImageFormat::Simh => Box::new(SimhWriter::new(sink)),
        ImageFormat::Aws => Box::new(AwsWriter::new(sink)),
        ImageFormat::Plain | ImageFormat::Mhvtl => Box::new(PlainWriter::new(sink)),
    };
    let mut writer = CountingWriter { writer, bar: bar.clone() };
    let moved = image::export(&mut tape, &mut writer, format == ImageFormat::Plain, reading.unseal());
    bar.finish_and_clear();
    let report = Report::new(&arguments.path, &arguments.image, moved.map_err(explained)?);
    if to_stdout { Ok(()) } else { output.show(&report, Report::print) }
}

/// Number of objects from the position of a tape to the end of what is exported. The position stays.
fn remaining_objects(tape: &mut impl Medium, arguments: &Export, one_file: bool) -> Result<u64, StoreError> {
    let (start, partition) = (tape.position(), arguments.partition.unwrap_or(0));
    let end = if one_file && tape.locate_file(partition, start.file + 1)? {
        tape.position().object
    } else {
        tape.space_to_end()?;
        tape.position().object
    };
    tape.locate(partition, start.object)?;
    Ok(end.saturating_sub(start.object))
}

/// Counts the objects that an image receives with a progress bar.
struct CountingWriter {
    writer: Box<dyn ImageWriter>,
    bar: ProgressBar,
}

impl ImageWriter for CountingWriter {
    fn block(&mut self, block: &[u8]) -> Result<(), ImageError> {
        self.bar.inc(1);
        self.writer.block(block)
    }

    fn filemark(&mut self) -> Result<(), ImageError> {
        self.bar.inc(1);
        self.writer.filemark()
    }

    fn finish(&mut self) -> Result<(), ImageError> {
        self.writer.finish()
    }
}

/// Goes to the tape file that is to be exported. Without a number it is the first one, which may be empty.
fn locate_file(tape: &mut impl Medium, arguments: &Export, name: &str) -> Result<(), CliError> {
    let failed = |error| CliError::Cartridge(name.into(), error);
    let partition = arguments.partition.unwrap_or(0);
    check_partition(name, partition, tape.partitions())?;
    let Some(file) = arguments.file else { return tape.locate(partition, 0).map(drop).map_err(failed) };
    if tape.locate_file(partition, file).map_err(failed)? && !tape.at_end_of_data() {
        return Ok(());
    }
    // Behind the last filemark there is a tape file if there are blocks.
    tape.space_to_end().map_err(failed)?;
    let end = tape.position();
    let last = tape.locate_file(partition, end.file).map_err(failed)? && !tape.at_end_of_data();
    let files = output::format_count(end.file + u64::from(last), "tape file");
    let what = format!("tape file {file} does not exist: partition {partition} has {files}, numbered from 0");
    Err(CliError::not_found(format!("{name}: {what}")))
}

/// Refuses options that do not apply when a whole cartridge is copied.
fn refuse_options(options: &[(&str, bool)]) -> Result<(), CliError> {
    match options.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(CliError::invalid(format!(
            "{option} does not apply to image format mhvtl: the whole cartridge is copied"
        ))),
        None => Ok(()),
    }
}

/// The objects that were copied.
#[derive(Serialize)]
struct Report<'a> {
    path: &'a Path,
    image: &'a Path,
    blocks: u64,
    filemarks: u64,
    /// Total length of the blocks.
    bytes: u64,
}

impl<'a> Report<'a> {
    fn new(path: &'a Path, image: &'a Path, moved: ObjectCounts) -> Self {
        let ObjectCounts { blocks, filemarks, bytes } = moved;
        Self { path, image, blocks, filemarks, bytes }
    }

    fn print(&self) -> Result<(), CliError> {
        let (blocks, filemarks) =
            (output::format_count(self.blocks, "block"), output::format_count(self.filemarks, "filemark"));
        output::print_line(format!("{blocks} ({} of data) and {filemarks}", output::format_size(self.bytes)))
    }
}
