//! `ferric config`: works on configurations without a daemon.

use crate::cli_error::CliError;
use crate::output::{done, format_count, print_line};
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check a configuration as a daemon with a new data directory would, and report the first error
    Check {
        /// Configuration file
        file: PathBuf,
    },
    /// Write a configuration file with every key and its description as comments; it is the default library
    Init {
        /// New file; - writes to standard output
        #[arg(default_value = "ferric.toml")]
        file: PathBuf,
    },
    /// Convert an mhvtl configuration to a Ferric one on standard output; print differences to standard error
    Import {
        /// Directory of the mhvtl configuration [default: /etc/mhvtl, or the directory that its mhvtl.conf names]
        directory: Option<PathBuf>,
    },
    /// Print the reference of all keys as Markdown
    Reference,
    /// List the models of libraries and drives
    Models,
}

pub(crate) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Check { file } => {
            let name = file.display().to_string();
            let text = vtl::config::read_text(&file).map_err(|error| CliError::Usage(format!("{name}: {error}")))?;
            let wrong = |error: vtl::config::ConfigError| CliError::Usage(error.to_string());
            let config = vtl::config::parse(&name, &text).map_err(wrong)?;
            crate::output::warn_config(&config);
            vtl::config::check(&config).map_err(wrong)?;
            let drives: usize = config.libraries.iter().map(|library| library.drives.len()).sum();
            let libraries = match config.libraries.len() {
                1 => "1 library".to_owned(),
                many => format!("{many} libraries"),
            };
            let (drives, pools) =
                (format_count(drives as u64, "drive"), format_count(config.pools.len() as u64, "pool"));
            print_line(format!("{name}: {libraries}, {drives}, {pools}"))
        }
        Command::Init { file } if file.as_os_str() == "-" => print_line(vtl::config::template().trim_end()),
        Command::Init { file } => {
            crate::output::create_file(&file, &vtl::config::template())?;
            done(print_line(format!("{0}: written; start it with ferric-iscsid --config {0}", file.display())))
        }
        Command::Import { directory } => {
            let wrong = |error: vtl::config::ConfigError| CliError::Usage(error.to_string());
            let directory = vtl::config::mhvtl::resolve_directory(directory.as_deref()).map_err(wrong)?;
            let imported = vtl::config::mhvtl::import(&directory).map_err(wrong)?;
            imported.config().map_err(wrong)?;
            for note in &imported.notes {
                let _ = writeln!(io::stderr(), "ferric: {note}");
            }
            print_line(imported.text.trim_end())
        }
        Command::Reference => print_line(vtl::config::reference().trim_end()),
        Command::Models => models(),
    }
}

fn models() -> Result<(), CliError> {
    for profile in smc::profile::ALL {
        let [slots, import_export, drives] = profile.max_elements;
        print_line(format!(
            "library  {:<18} up to {slots} slots, {import_export} import/export, {drives} drives",
            profile.name
        ))?;
    }
    for profile in ssc::profile::ALL {
        print_line(format!("drive    {:<18} {}", profile.model.product, profile.model.vendor))?;
    }
    Ok(())
}
