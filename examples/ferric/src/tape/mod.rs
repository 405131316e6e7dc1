//! `ferric tape`: one file per command.

mod attr;
mod convert;
mod create;
mod dump;
mod key;
mod list;
mod repair;
pub(crate) mod show;
mod transfer;
pub(crate) mod verify;

use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use crate::output::Output;
use clap::{Subcommand, ValueEnum};
use std::io;
use std::path::{Path, PathBuf};
use tape_store::backend::file::{self, OsFolderStore};
use tape_store::backend::{Folder, FolderStore};
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use tape_store::error::StoreError;
use tape_store::mam::Mam;
use tape_store::media::LTO_9;
use tape_store::medium::CodecId;
use tape_store::store::TapeStore;

/// A command for cartridges. A cartridge is named by the path of its directory, whose name is the barcode.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a blank cartridge
    #[command(
        after_help = "Examples:\n  ferric tape create ./V00100L8 --size 10GB\n  ferric tape create ./BACKUP01 --media LTO-8 --format mhvtl"
    )]
    Create(create::Arguments),
    /// List the cartridges in a directory, or in the data directory of a daemon
    #[command(
        after_help = "Examples:\n  ferric tape list              # of the data directory in use\n  ferric tape list ./tapes --json"
    )]
    List(list::Arguments),
    /// Show medium, MAM and used capacity of a cartridge
    #[command(after_help = "Examples:\n  ferric tape show ./tapes/V00001L8")]
    Show(show::Arguments),
    /// List the objects on a cartridge: blocks and filemarks
    #[command(
        after_help = "Examples:\n  ferric tape dump ./tapes/V00001L8\n  ferric tape dump ./tapes/V00001L8 --object 1 --count 2 --data 64"
    )]
    Dump(dump::Arguments),
    /// Check every file of a cartridge and the checksum of every object
    #[command(after_help = "Examples:\n  ferric tape verify ./tapes/V00001L8")]
    Verify(verify::Arguments),
    /// Repair a cartridge after a crash or damage
    #[command(
        after_help = "Examples:\n  ferric tape repair ./tapes/V00001L8\n  ferric tape repair ./tapes/V00001L8 --truncate"
    )]
    Repair(repair::Arguments),
    /// Convert a cartridge between the native and the mhvtl format, in place
    #[command(after_help = "Examples:\n  ferric tape convert ./tapes/V00001L8 --format mhvtl")]
    Convert(convert::Arguments),
    /// Append an image or a stream to a cartridge
    #[command(
        after_help = "Examples:\n  ferric tape import backup.tap ./tapes/V00001L8\n  tar -c ./tapes | ferric tape import - ./tapes/V00002L8"
    )]
    Import(transfer::Import),
    /// Export a cartridge as an image or a stream
    #[command(
        after_help = "Examples:\n  ferric tape export ./tapes/V00001L8 copy.aws\n  ferric tape export ./tapes/V00001L8 --file 0 - > first.tar"
    )]
    Export(transfer::Export),
    /// List, show or set MAM attributes
    #[command(
        after_help = "Examples:\n  ferric tape attr ./tapes/V00001L8\n  ferric tape attr ./tapes/V00001L8 0806 'Weekly backup'\n  ferric tape attr ./tapes/V00001L8 write-protect on"
    )]
    Attr(attr::Arguments),
}

pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    let output = options.output;
    match command {
        Command::Create(arguments) => create::run(output, &arguments),
        Command::List(arguments) => list::run(options, &arguments),
        Command::Show(arguments) => show::run(output, &arguments),
        Command::Dump(arguments) => dump::run(output, &arguments),
        Command::Verify(arguments) => verify::run(output, &arguments),
        Command::Repair(arguments) => repair::run(output, &arguments),
        Command::Convert(arguments) => convert::run(output, &arguments),
        Command::Import(arguments) => transfer::import(output, &arguments),
        Command::Export(arguments) => transfer::export(output, &arguments),
        Command::Attr(arguments) => attr::run(output, &arguments),
    }
}

/// Format of a cartridge's files.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// Ferric's format: compact, with every codec and with encryption
    Native,
    /// The format of mhvtl 1.8
    Mhvtl,
    // Former name of `native`.
    #[value(hide = true)]
    Ferric,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Native | FormatName::Ferric => Self::Native,
            FormatName::Mhvtl => Self::Mhvtl,
        }
    }
}

/// The format given by `--format`, or by its former name `--level`, which prints a warning. Clap refuses both together, and
/// none where one is required.
fn format_option(output: Output, format: Option<FormatName>, level: Option<FormatName>) -> Format {
    let name = level.or(format).unwrap_or(FormatName::Native);
    let current = Format::from(name);
    let option = if level.is_some() { "--level" } else { "--format" };
    let value = if name == FormatName::Ferric { "ferric" } else { current.name() };
    if level.is_some() || name == FormatName::Ferric {
        let words = (format!("{option} {value}"), format!("--format {}", current.name()));
        output.warn_former([(words.0.as_str(), words.1.as_str())]);
    }
    current
}

/// Parses a barcode of the command line.
pub(crate) fn parse_barcode(text: &str) -> Result<Barcode, String> {
    Barcode::new(text).ok_or_else(|| format!("{text:?} is not a barcode: 1 to 16 of A-Z, 0-9, - and _"))
}

/// Opens the store that contains a cartridge directory. Returns the store and the barcode.
fn open_store(path: &Path) -> Result<(TapeStore, Barcode), CliError> {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
        let what = "does not end in a barcode; name the directory of the cartridge, such as ../E01001L8";
        return Err(CliError::invalid(format!("{}: {what}", path.display())));
    };
    let barcode = parse_barcode(&name).map_err(|reason| CliError::invalid(format!("{}: {reason}", path.display())))?;
    let parent = parent(path);
    // The parent is not created: a mistyped path would start another directory of cartridges.
    check_directory(parent)?;
    Ok((TapeStore::new(Box::new(OsFolderStore::at_unchecked(parent))), barcode))
}

/// The folder of a cartridge directory that exists.
pub(crate) fn cartridge_folder(path: &Path) -> Result<Box<dyn Folder>, CliError> {
    let (name, parent) = (path.file_name().unwrap_or_default().to_string_lossy(), parent(path));
    let opened = OsFolderStore::at_unchecked(parent).open(&name);
    opened.map_err(|error| CliError::system(&error, format!("{}: {error}", path.display())))
}

/// The directory of a cartridge directory.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses a path that is not an existing directory.
pub(crate) fn check_directory(path: &Path) -> Result<(), CliError> {
    let name = path.display();
    Err(match std::fs::metadata(path) {
        Ok(data) if data.is_dir() => return Ok(()),
        Ok(_) => CliError::invalid(format!("{name}: is not a directory")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            CliError::not_found(format!("{name}: directory does not exist"))
        }
        Err(error) => CliError::system(&error, format!("{name}: {error}")),
    })
}

/// Refuses a partition that the tape does not have.
fn check_partition(name: &str, partition: u8, partitions: u8) -> Result<(), CliError> {
    if partition < partitions {
        return Ok(());
    }
    let there_are = match partitions {
        1 => "the tape has partition 0 only".into(),
        many => format!("the tape has partitions 0 to {}", many - 1),
    };
    Err(CliError::not_found(format!("{name}: partition {partition} does not exist: {there_are}")))
}

/// Whether a cartridge with this memory is retained or under a legal hold now.
pub(crate) fn is_protected(mam: &Mam) -> bool {
    mam.protected_until() > vtl::clock::Clock::real().now().wall.seconds()
}

/// The process that serves the directory of a cartridge; `None` if no process does.
pub(crate) fn serving_process(path: &Path) -> Option<String> {
    // A link to a cartridge may lead to another directory.
    let folder = path.canonicalize().ok()?;
    file::serving_process(folder.parent()?).ok().flatten()
}

/// An existing cartridge whose MAM was read.
pub(crate) struct OpenCartridge {
    name: String,
    path: PathBuf,
    pub(crate) cartridge: Cartridge,
}

impl OpenCartridge {
    /// Opens a cartridge for reading, and prints a note if a daemon serves its directory.
    fn open_for_reading(output: Output, path: &Path) -> Result<Self, CliError> {
        let found = Self::open(path)?;
        warn_if_served(output, serving_process(path));
        Ok(found)
    }

    pub(crate) fn open(path: &Path) -> Result<Self, CliError> {
        let name = path.display().to_string();
        match std::fs::metadata(path) {
            Ok(data) if data.is_dir() => {}
            Ok(_) => {
                let what = "not a directory; name the directory of a cartridge";
                return Err(CliError::invalid(format!("{name}: {what}")));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(CliError::not_found(format!("{name}: cartridge does not exist")));
            }
            Err(error) => return Err(CliError::system(&error, format!("{name}: {error}"))),
        }
        let (store, barcode) = open_store(path)?;
        // The MAM has medium and kind; these are used if it and its copy are damaged.
        let (media, kind) = barcode.media().unwrap_or((&LTO_9, CartridgeKind::Data));
        let mut cartridge = store.cartridge(&barcode, media, kind, 0);
        cartridge.mam_or_rebuilt().map_err(|error| CliError::Cartridge(name.clone(), error))?;
        Ok(Self { name, path: path.into(), cartridge })
    }

    /// Refuses a cartridge that mhvtl may have loaded, or whose directory a daemon serves.
    fn check_not_loaded(&mut self) -> Result<(), CliError> {
        self.check_not_served()?;
        let failed = self.store_error();
        self.cartridge.check_unloaded().map_err(failed)
    }

    /// Refuses a cartridge whose directory a daemon serves, since the daemon does not notice changes by other programs.
    fn check_not_served(&self) -> Result<(), CliError> {
        match serving_process(&self.path) {
            None => Ok(()),
            Some(server) => {
                let what = "stop it, or work on a copy of the cartridge in another directory";
                let message = format!("{}: {server} serves this directory; {what}", self.name);
                Err(CliError::new(ErrorCode::Busy, message))
            }
        }
    }

    /// Refuses a cartridge that is retained or under a legal hold.
    fn check_not_retained(&mut self) -> Result<(), CliError> {
        let failed = self.store_error();
        if is_protected(&self.cartridge.mam().map_err(&failed)?) {
            let what = "is retained or under a legal hold, and this would delete its data or its protection; nothing was changed";
            return Err(CliError::new(ErrorCode::Locked, format!("{}: {what}", self.name)));
        }
        Ok(())
    }

    /// Returns a function that adds the path of the cartridge to an error.
    fn store_error(&self) -> impl Fn(StoreError) -> CliError + use<> {
        let name = self.name.clone();
        move |error| CliError::Cartridge(name.clone(), error)
    }
}

/// Prints a note that data which the daemon has not synchronised is not shown.
fn warn_if_served(output: Output, server: Option<String>) {
    if let Some(server) = server {
        output.note(&format!("{server} serves this directory; data that it has not synchronised is not shown"));
    }
}

const fn kind_name(kind: CartridgeKind) -> &'static str {
    match kind {
        CartridgeKind::Data => "data",
        CartridgeKind::Worm => "WORM",
        CartridgeKind::Null => "NULL",
        CartridgeKind::Cleaning => "cleaning",
    }
}

fn codec_name(codec: CodecId) -> String {
    match codec {
        CodecId::NONE => "none".into(),
        CodecId::ZLIB => "zlib".into(),
        CodecId::ZSTD => "zstd".into(),
        CodecId::LZO => "lzo".into(),
        CodecId(other) => format!("codec {other}"),
    }
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}
