//! `ferric site`: commands for a data directory that no daemon uses.

use crate::cli_error::CliError;
use crate::options::Options;
use crate::{recover, restore};

/// A command for the data directory of a site.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Recover a site whose state files are lost or damaged, from their intact parts, its identities and its
    /// cartridges
    #[command(after_help = recover::EXAMPLES)]
    Recover(recover::Recover),
    /// Restore a site from its copy on a shelf, into a new data directory
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::Restore),
}

pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    match command {
        Command::Recover(arguments) => recover::run(options, &arguments),
        Command::Restore(arguments) => restore::run(options, &arguments),
    }
}
