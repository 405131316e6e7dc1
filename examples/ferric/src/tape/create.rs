//! `ferric tape create`

use super::{FormatName, format_option, kind_name, open_store};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use clap::ValueEnum;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tape_store::cartridge::{CartridgeKind, parse_size};
use tape_store::media::{self, MediaSpec};
use tape_store::store::NewCartridge;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// New directory, whose name is the barcode, such as V00001L8; its parent directory must exist
    path: PathBuf,
    /// Medium type, such as LTO-8 [default: from the suffix of the barcode]
    #[arg(long)]
    media: Option<String>,
    /// Kind of the cartridge [default: data, or cleaning if the barcode begins with CLN]
    #[arg(long, value_enum)]
    kind: Option<KindName>,
    /// Capacity, such as 100GB or 64MiB, at least 1MB [default: the native capacity of the medium]
    #[arg(long, value_parser = parse_capacity)]
    size: Option<u64>,
    /// Format of the files
    #[arg(long, value_enum, default_value = "native")]
    format: FormatName,
    // Former name of `--format`.
    #[arg(long, value_enum, hide = true, conflicts_with = "format")]
    level: Option<FormatName>,
    /// Medium serial number, up to 32 ASCII characters [default: barcode and time]
    #[arg(long)]
    serial: Option<String>,
}

/// Bytes of attribute 0401h, the medium serial number.
const LONGEST_SERIAL: usize = 32;

#[derive(Clone, Copy, ValueEnum)]
enum KindName {
    /// A data cartridge
    Data,
    /// Write once, read many
    Worm,
    /// Discard all data that is written
    Null,
    /// A cleaning cartridge
    Cleaning,
}

impl From<KindName> for CartridgeKind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Data => Self::Data,
            KindName::Worm => Self::Worm,
            KindName::Null => Self::Null,
            KindName::Cleaning => Self::Cleaning,
        }
    }
}

fn parse_capacity(text: &str) -> Result<u64, String> {
    parse_size(text)
        .ok_or_else(|| format!("{text:?} is not a size; write for example 100MB, 2.5GB or 64MiB, at least 1MB"))
}

/// The new cartridge.
#[derive(Serialize)]
struct Created<'a> {
    path: &'a Path,
    barcode: String,
    medium: &'static str,
    kind: &'static str,
    format: &'static str,
    /// Size in bytes.
    capacity: u64,
    serial: &'a str,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let (store, barcode) = open_store(&arguments.path)?;
    let of_label = barcode.media();
    let media = match &arguments.media {
        Some(name) => resolve_media(name)?,
        None => of_label.map(|(media, _)| media).ok_or_else(|| {
            CliError::invalid(format!(
                "barcode {barcode} does not end in a media type such as L8; give --media, such as LTO-8"
            ))
        })?,
    };
    let kind =
        arguments.kind.map_or_else(|| of_label.map_or(CartridgeKind::Data, |(_, kind)| kind), CartridgeKind::from);
    #[expect(clippy::disallowed_methods, reason = "a program that ends after one command has no other source of time")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let created = i64::try_from(since_epoch).unwrap_or(i64::MAX);
    let serial = arguments.serial.clone().unwrap_or_else(|| format!("{barcode}_{created}"));
    if serial.len() > LONGEST_SERIAL || !serial.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        let what =
            format!("{serial:?} is not a medium serial number: at most {LONGEST_SERIAL} printable ASCII characters");
        return Err(CliError::invalid(what));
    }
    let capacity = arguments.size.unwrap_or(media.capacity);
    let format = format_option(output, Some(arguments.format), arguments.level);
    let new = NewCartridge::data(media)
        .with_kind(kind)
        .with_serial(&serial)
        .with_manufactured(created)
        .with_capacity(capacity)
        .with_format(format);
    let name = arguments.path.display().to_string();
    store.create(&barcode, &new).map_err(|error| CliError::Cartridge(name.clone(), error))?;
    let created = Created {
        path: &arguments.path,
        barcode: barcode.to_string(),
        medium: media.name,
        kind: kind_name(kind),
        format: format.name(),
        capacity,
        serial: &serial,
    };
    output.show(&created, |Created { medium, format, .. }| {
        output::print_line(format!("{name}: {medium} of {}, {format} format", output::format_size(capacity)))
    })
}

fn resolve_media(name: &str) -> Result<&'static MediaSpec, CliError> {
    media::by_name(name).ok_or_else(|| {
        let known: Vec<&str> = media::names().collect();
        CliError::invalid(format!("medium {name:?} is unknown; the known media are {}", known.join(", ")))
    })
}
