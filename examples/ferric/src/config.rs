//! `ferric config`: works on configurations without a daemon.

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{Output, create_file, format_count, print_line};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use vtl::config::{ConfigError, mhvtl};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check a configuration as a daemon with a new data directory would, and report the first error
    #[command(after_help = "Examples:\n  ferric config check ferric.toml")]
    Check {
        /// Configuration file
        file: PathBuf,
    },
    /// Write a configuration file with the default library, in which comments describe every key
    #[command(after_help = "Examples:\n  ferric config init\n  ferric config init site.toml")]
    Init {
        /// New file; - writes to standard output
        #[arg(default_value = "ferric.toml")]
        file: PathBuf,
    },
    /// Convert an mhvtl configuration to a Ferric configuration on standard output; print differences on standard error
    #[command(after_help = "Examples:\n  ferric config import ./mhvtl > site.toml")]
    Import {
        /// Directory of the mhvtl configuration [default: /etc/mhvtl, or the directory named in its mhvtl.conf]
        directory: Option<PathBuf>,
    },
    /// Print the reference of all keys as Markdown
    #[command(after_help = "Examples:\n  ferric config reference")]
    Reference,
    /// List the models of libraries and drives
    #[command(after_help = "Examples:\n  ferric config models\n  ferric config models --json")]
    Models,
}

pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    let output = options.output;
    match command {
        Command::Check { file } => check(output, &file),
        Command::Init { file } if file.as_os_str() == "-" => show_text(output, &vtl::config::template()),
        Command::Init { file } => {
            create_file(&file, &vtl::config::template())?;
            output.done(output.show(&json!({ "file": file }), |_| {
                print_line(format!("{0}: written; start it with ferric-iscsid --config {0}", file.display()))
            }))
        }
        Command::Import { directory } => import(output, directory.as_deref()),
        Command::Reference => show_text(output, &vtl::config::reference()),
        Command::Models => output.show(&Models::all(), Models::print),
    }
}

fn invalid(error: ConfigError) -> CliError {
    CliError::invalid(error.to_string())
}

/// Number of units and pools of a valid configuration.
#[derive(Serialize)]
struct Summary<'a> {
    file: &'a Path,
    libraries: usize,
    drives: usize,
    pools: usize,
}

fn check(output: Output, file: &Path) -> Result<(), CliError> {
    let name = file.display().to_string();
    let text = vtl::config::read_text(file).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
    let config = vtl::config::parse(&name, &text).map_err(invalid)?;
    output.warn_config(&config);
    vtl::config::check(&config).map_err(invalid)?;
    let drives = config.libraries.iter().map(|library| library.drives.len()).sum();
    let summary = Summary { file, libraries: config.libraries.len(), drives, pools: config.pools.len() };
    output.show(&summary, |summary| {
        let libraries = match summary.libraries {
            1 => "1 library".to_owned(),
            many => format!("{many} libraries"),
        };
        let (drives, pools) =
            (format_count(summary.drives as u64, "drive"), format_count(summary.pools as u64, "pool"));
        print_line(format!("{name}: {libraries}, {drives}, {pools}"))
    })
}

fn import(output: Output, directory: Option<&Path>) -> Result<(), CliError> {
    let directory = mhvtl::resolve_directory(directory).map_err(invalid)?;
    let imported = mhvtl::import(&directory).map_err(invalid)?;
    imported.config().map_err(invalid)?;
    output.show(&json!({ "text": imported.text, "notes": imported.notes }), |_| {
        imported.notes.iter().for_each(|note| output.note(note));
        print_line(imported.text.trim_end())
    })
}

/// A text in a format that is not JSON: TOML or Markdown.
fn show_text(output: Output, text: &str) -> Result<(), CliError> {
    output.show(&json!({ "text": text }), |_| print_line(text.trim_end()))
}

/// The models of libraries and drives.
#[derive(Serialize)]
struct Models {
    libraries: Vec<LibraryModel>,
    drives: Vec<DriveModel>,
}

/// A model of a library, with its maximum numbers of elements.
#[derive(Serialize)]
struct LibraryModel {
    model: &'static str,
    slots: u16,
    io_elements: u16,
    drives: u16,
}

#[derive(Serialize)]
struct DriveModel {
    model: &'static str,
    vendor: &'static str,
}

impl Models {
    fn all() -> Self {
        let library = |profile: &smc::profile::ChangerProfile| {
            let [slots, io_elements, drives] = profile.max_elements;
            LibraryModel { model: profile.name, slots, io_elements, drives }
        };
        let drive = |profile: &ssc::profile::DriveProfile| DriveModel {
            model: profile.model.product,
            vendor: profile.model.vendor,
        };
        Self {
            libraries: smc::profile::ALL.iter().map(|profile| library(profile)).collect(),
            drives: ssc::profile::ALL.iter().map(|profile| drive(profile)).collect(),
        }
    }

    fn print(&self) -> Result<(), CliError> {
        for LibraryModel { model, slots, io_elements, drives } in &self.libraries {
            let elements = format!("up to {slots} slots, {io_elements} I/O elements, {drives} drives");
            print_line(format!("library  {model:<18} {elements}"))?;
        }
        self.drives.iter().try_for_each(|drive| print_line(format!("drive    {:<18} {}", drive.model, drive.vendor)))
    }
}
