//! `cargo xtask COMMAND`: what people and CI run beyond `cargo` itself.

mod ci;
mod guest;
mod libiscsi;
mod pages;
mod purity;
mod shell;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "cargo xtask COMMAND
  test      install what the tests need, run all of them: both rings
  guest     only ring 2: Debian's kernel and clients in QEMU against the daemon
  pages     type the shell lines of README.md and docs/*.md, in order
  ci        formatting, lints, documentation, purity, licences, builds of benches and fuzz targets
  purity    the pure crates touch no clock, thread, socket, environment or file
  words     no phrase of xtask/phrases.tsv, and a sentence of documentation for each public item
";

type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("test") => test(),
        Some("guest") => guest::run(),
        Some("pages") => pages::run_pages(),
        Some("ci") => ci::run(),
        Some("purity") => purity::run(),
        Some("words") => words::run(),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> Outcome {
    guest::install()?;
    shell::run("cargo", ["test", "--workspace", "--all-features", "--quiet"])?;
    // Every loss of power in every history of four steps: a quarter of a million disks, so optimised.
    let crashes = ["--package", "tape-store", "--all-features", "--lib", "--quiet", "every_loss", "--", "--ignored"];
    shell::run("cargo", ["test", "--release"].into_iter().chain(crashes))?;
    // A million operations of a whole drive against its model.
    let model = ["--package", "ssc", "--lib", "--quiet", "a_million", "--", "--ignored"];
    shell::run("cargo", ["test", "--release"].into_iter().chain(model))?;
    pages::run_pages()?;
    guest::build_daemon()?;
    libiscsi::run()?;
    guest::run()
}
