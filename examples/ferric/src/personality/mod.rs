//! `ferric personality`: makes a drive or library of Ferric return the bytes of a real device.

mod device;
mod sys;

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{create_file, print_line};
use device::Node;
use personality::{
    Dump, DumpKind, Import, ImportOptions, ModeControl, capture as read_device, import as make_tables, mask_serials,
    read_dump,
};
use serde_json::json;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Read the INQUIRY data, VPD pages, mode pages and log pages of a device of this machine, and print them for ferric
    /// personality import. The commands only read; a device clears TapeAlert flags when it has returned their log page
    #[command(after_help = CAPTURE_EXAMPLES)]
    Capture {
        /// Node of the device, such as /dev/sg1; lsscsi -g lists them
        device: PathBuf,
        /// Write to this new file instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace serial numbers, world wide names, network addresses and barcodes
        #[arg(long)]
        mask_serials: bool,
    },
    /// Print a configuration of a drive or library that returns the bytes in a dump of a device: a file of ferric personality
    /// capture; a trace; the output of sg_inq, sg_vpd, sg_modes and sg_logs with -H or -r; the output of ITDT
    #[command(after_help = IMPORT_EXAMPLES)]
    Import {
        /// Dumps of one device; - reads standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Model whose behaviour the device has [default: that with the product identification of the dump]
        #[arg(long)]
        model: Option<String>,
        /// Kind of the pages, for dumps that do not tell it: inquiry, vpd, mode or log
        #[arg(long, value_parser = parse_kind)]
        kind: Option<DumpKind>,
        /// Values of the mode pages, for dumps that do not tell them: current, changeable, default or saved
        #[arg(long, value_parser = parse_values, default_value = "current")]
        values: ModeControl,
        /// Leave out log pages that the model has with the same parameters: their values remain those of the drive or library
        #[arg(long)]
        live_logs: bool,
    },
}

const CAPTURE_EXAMPLES: &str = "Examples:
  ferric personality capture /dev/sg1 --output drive.capture
  ferric personality capture /dev/sg0 --mask-serials > library.capture";

const IMPORT_EXAMPLES: &str = "Examples:
  ferric personality import drive.capture > drive.toml
  ferric personality import drive.capture --live-logs --model ULT3580-TD9";

fn parse_kind(text: &str) -> Result<DumpKind, String> {
    let kind = DumpKind::NAMES.into_iter().find(|(name, _)| *name == text);
    kind.map(|(_, kind)| kind).ok_or_else(|| "expected inquiry, vpd, mode or log".into())
}

fn parse_values(text: &str) -> Result<ModeControl, String> {
    let values = ModeControl::ALL.into_iter().find(|values| values.name() == text);
    values.ok_or_else(|| "expected current, changeable, default or saved".into())
}

pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    match command {
        Command::Capture { device, output, mask_serials } => capture(options, &device, output.as_deref(), mask_serials),
        Command::Import { files, model, kind, values, live_logs } => {
            let choices = ImportOptions::default().with_model(model).with_live_logs(live_logs);
            import(options, &files, (kind, values), &choices)
        }
    }
}

fn capture(options: &Options, device: &Path, file: Option<&Path>, masked: bool) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::system(&error, format!("{}: {error}", device.display()));
    let mut capture = read_device(&mut Node::open(device).map_err(failed)?).map_err(failed)?;
    if masked {
        mask_serials(&mut capture);
    }
    let pages = capture.dump().pages().count();
    let text = capture.to_string();
    match file {
        None => options.output.show(&json!({ "text": text }), |_| print_line(text.trim_end())),
        Some(file) => {
            create_file(file, &text)?;
            let written = json!({ "file": file, "pages": pages });
            let line = format!("{}: {pages} pages written", file.display());
            options.output.done(options.output.show(&written, |_| print_line(line)))
        }
    }
}

fn import(
    options: &Options,
    files: &[PathBuf],
    (kind, values): (Option<DumpKind>, ModeControl),
    choices: &ImportOptions,
) -> Result<(), CliError> {
    let mut dump = Dump::default();
    for file in files {
        let name = file.display();
        let bytes = read(file).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
        dump.extend(read_dump(&bytes, kind, values).map_err(|error| CliError::invalid(format!("{name}: {error}")))?);
    }
    let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let Import { configuration, notes } =
        make_tables(&dump, choices).map_err(|error| CliError::invalid(format!("{names}: {error}")))?;
    options.output.show(&json!({ "text": configuration, "notes": notes }), |_| {
        notes.iter().for_each(|note| options.output.note(note));
        print_line(configuration.trim_end())
    })
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes)?;
        return Ok(bytes);
    }
    fs::read(file)
}
