//! `ferric`: running libraries from the command line, by their control socket; and cartridges, over their files alone:
//! for those no daemon is needed, and one that uses a cartridge is not disturbed.

mod cli_error;
mod config;
mod migrate;
mod number;
mod output;
mod recover;
mod site;
mod tape;

use clap::{Parser, Subcommand};
use cli_error::CliError;
use std::io::{self, Write};
use std::process::ExitCode;
use tape_store::image::ImageError;

/// Tape libraries and cartridges from the command line.
#[derive(Parser)]
#[command(name = "ferric", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Cartridges: make, look at, check, mend, convert, import and export them
    #[command(subcommand)]
    Tape(tape::Command),
    /// Configurations: check them, list what can be written in them
    #[command(subcommand)]
    Config(config::Command),
    /// From another virtual library to ours
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// A site without its daemon: restore its state
    #[command(subcommand, name = "site")]
    Offline(recover::Command),
    #[command(flatten)]
    Site(site::SiteCommand),
}

fn main() -> ExitCode {
    let Arguments { command: what } = Arguments::parse();
    let done = match what {
        Command::Tape(command) => tape::run(command),
        Command::Config(command) => config::run(command),
        Command::Migrate(command) => migrate::run(command),
        Command::Offline(command) => recover::run(command),
        Command::Site(command) => site::run(command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a listing has seen enough; an image that was cut short is a failure all the same.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(CliError::Image(_, ImageError::Io(error))) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::FAILURE
        }
        Err(failure) => {
            let _ = writeln!(io::stderr(), "ferric: {failure}");
            ExitCode::FAILURE
        }
    }
}
