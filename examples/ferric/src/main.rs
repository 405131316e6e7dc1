//! `ferric`: cartridges from the command line, over their files alone. No daemon is needed, and one that uses a
//! cartridge is not disturbed.

mod failure;
mod output;
mod tape;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::io::{self, Write};
use std::process::ExitCode;

/// Tape cartridges from the command line.
#[derive(Parser)]
#[command(name = "ferric", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Cartridges: make, look at, check, mend, convert, import and export them
    #[command(subcommand)]
    Tape(tape::Command),
}

fn main() -> ExitCode {
    let What::Tape(command) = Arguments::parse().what;
    match tape::run(command) {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads our output has gone: not worth a word.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "ferric: {failure}");
            ExitCode::FAILURE
        }
    }
}
