//! `ferric`: operates a running daemon through its control socket, and works on the files of cartridges without a daemon.

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

/// Operate tape libraries and cartridges.
#[derive(Parser)]
#[command(name = "ferric", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create, inspect, check, repair, convert, import and export cartridges, without a daemon
    #[command(subcommand)]
    Tape(tape::Command),
    /// Check, create and import configurations; list keys and models
    #[command(subcommand)]
    Config(config::Command),
    /// Migrate from another virtual tape library
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Work on a data directory while no daemon runs: recover its state
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
        // The reader of a listing has closed the pipe, which is not a failure; an incomplete image is one.
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
