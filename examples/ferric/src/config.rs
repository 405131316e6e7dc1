//! `ferric config`: works on configurations without a daemon.

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{Output, create_file, format_count, print_line};
use crate::site;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use vtl::config::{ConfigError, mhvtl};
use vtl::models::{LibraryModel, Models};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check a configuration as a daemon with a new data directory would, and report the first error. With --url, --socket or
    /// --data, the running daemon checks it, with the files and directories that the daemon has
    #[command(
        after_help = "Examples:\n  ferric config check ferric.toml\n  ferric config check ferric.toml --data ./ferric-data"
    )]
    Check {
        /// Configuration file
        file: PathBuf,
    },
    /// Print the configuration that a running daemon uses, without secrets
    #[command(after_help = "Examples:\n  ferric config show\n  ferric config show --json")]
    Show,
    /// Add the chassis, libraries and pools of a file to the configuration file of a running daemon, which reads it again
    #[command(after_help = "Examples:\n  ferric config add second-library.toml")]
    Add {
        /// TOML file with chassis, library and pool tables, without move_command; - reads standard input
        file: PathBuf,
    },
    /// Write a configuration file with the default library, in which comments describe every key; or one without a library
    #[command(
        after_help = "Examples:\n  ferric config init\n  ferric config init site.toml\n  ferric config init empty.toml --empty"
    )]
    Init {
        /// Write a site without libraries, whose first library the console lets an administrator choose
        #[arg(long)]
        empty: bool,
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
        Command::Check { file } if options.names_daemon() => site::check_configuration(options, &file),
        Command::Check { file } => check(output, &file),
        Command::Show => site::show_configuration(options),
        Command::Add { file } => site::add_configuration(options, &file),
        Command::Init { file, empty } => {
            let text = if empty { EMPTY.to_owned() } else { vtl::config::template() };
            init(output, &file, &text)
        }
        Command::Import { directory } => import(output, directory.as_deref()),
        Command::Reference => show_text(output, &vtl::config::reference()),
        Command::Models => output.show(&Models::all(), print_models),
    }
}

/// A site without libraries, with the console on this machine.
const EMPTY: &str = "# Configuration of Ferric: a site without libraries. The console at http://127.0.0.1:8080 lets you choose the first
# one. docs/configuration.md describes every key.
library = []

[iscsi]
bind = \"127.0.0.1:3260\"

[http]
listen = \"127.0.0.1:8080\"
";

fn init(output: Output, file: &Path, text: &str) -> Result<(), CliError> {
    if file.as_os_str() == "-" {
        return show_text(output, text);
    }
    create_file(file, text)?;
    output.done(output.show(&json!({ "file": file }), |_| {
        print_line(format!("{0}: written; start it with ferric-iscsid --config {0}", file.display()))
    }))
}

fn invalid(error: ConfigError) -> CliError {
    CliError::invalid(error.to_string())
}

/// Number of units and pools of a valid configuration.
#[derive(Serialize)]
pub(crate) struct Summary<'a> {
    pub(crate) file: &'a Path,
    pub(crate) libraries: usize,
    pub(crate) drives: usize,
    pub(crate) pools: usize,
}

fn check(output: Output, file: &Path) -> Result<(), CliError> {
    let name = file.display().to_string();
    let text = vtl::config::read_text(file).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
    let config = vtl::config::parse(&name, &text).map_err(invalid)?;
    output.warn_config(&config);
    vtl::config::check(&config).map_err(invalid)?;
    let drives = config.libraries.iter().map(|library| library.drives.len()).sum();
    show_summary(output, &Summary { file, libraries: config.libraries.len(), drives, pools: config.pools.len() })
}

pub(crate) fn show_summary(output: Output, summary: &Summary<'_>) -> Result<(), CliError> {
    output.show(summary, |summary| {
        let libraries = match summary.libraries {
            1 => "1 library".to_owned(),
            many => format!("{many} libraries"),
        };
        let (drives, pools) =
            (format_count(summary.drives as u64, "drive"), format_count(summary.pools as u64, "pool"));
        print_line(format!("{}: {libraries}, {drives}, {pools}", summary.file.display()))
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

fn print_models(models: &Models) -> Result<(), CliError> {
    for LibraryModel { model, slots, io_elements, drives } in &models.libraries {
        let elements = format!("up to {slots} slots, {io_elements} I/O elements, {drives} drives");
        print_line(format!("library  {model:<18} {elements}"))?;
    }
    models.drives.iter().try_for_each(|drive| print_line(format!("drive    {:<18} {}", drive.model, drive.vendor)))
}
