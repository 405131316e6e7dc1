//! `tape-script`: runs scripts of system calls on tapes. `native` uses the driver of `linux-scsi` in this process;
//! `serve` starts libraries in memory on an iSCSI portal, waits for a line on standard input, and then runs the script on
//! the kernel's drivers; `compare` does the same, and prints where the results of the two drivers differ.

mod sys;
mod system;
mod varied;

use iscsid::Portal;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use system::System;
use tape_script::bench::Bench;
use tape_script::native::Native;
use tape_script::random;
use tape_script::run::{Calls, run_case};
use tape_script::script::{Case, Script, Step};
use varied::Varied;
use vtl::config::IscsiSetup;

const USAGE: &str = "tape-script native SCRIPT...            run cases on the driver of linux-scsi
tape-script serve ADDRESS SCRIPT...     serve libraries on ADDRESS; after a line on standard input, run cases on the kernel's units
tape-script compare ADDRESS SCRIPT...   the same, and print the steps whose results differ from those of linux-scsi
tape-script unit CLASS/NAME SCRIPT...   run cases without steps of robots on a unit, such as scsi_tape/st0
tape-script vary SEED CLASS/NAME SCRIPT...
                                        the same, with each call in another thread, on a duplicate, or in a child at random

SCRIPT is a file, or random:SEED:CASES:STEPS:KIND for random cases on a kind of cartridge";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["native", files @ ..] => load(files).and_then(|script| native(&script)),
        ["serve", address, files @ ..] => load(files).and_then(|script| serve(address, &script, false)),
        ["compare", address, files @ ..] => load(files).and_then(|script| serve(address, &script, true)),
        ["unit", name, files @ ..] => load(files).and_then(|script| unit(&script, name, System::new)),
        ["vary", seed, name, files @ ..] => load(files).and_then(|script| {
            let seed = seed.parse().map_err(|_| "the seed is not a number")?;
            unit(&script, name, |device| Varied::new(device, seed))
        }),
        [varied::CALL, words @ ..] => varied::call(words),
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

fn load(files: &[&str]) -> Result<Script, String> {
    let mut script = Script::default();
    for file in files {
        let text = match file.strip_prefix("random:") {
            Some(random) => random_cases(random)?,
            None => std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
        };
        script.cases.extend(Script::parse(&text).map_err(|error| format!("{file}: {error}"))?.cases);
    }
    Ok(script)
}

/// The text of random cases: `SEED:CASES:STEPS:KIND`.
fn random_cases(description: &str) -> Result<String, String> {
    let usage = || format!("{description:?} is not SEED:CASES:STEPS:KIND");
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok()).ok_or_else(usage);
    let mut words = description.split(':');
    let (seed, cases, steps) = (number(words.next())?, number(words.next())?, number(words.next())?);
    let kind = words.next().ok_or_else(usage)?;
    Ok((seed..seed.saturating_add(cases)).map(|seed| random::script(seed.into(), steps, kind)).collect())
}

fn print(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").and_then(|()| io::stdout().flush()).map_err(|error| error.to_string())
}

/// Runs each case on its unit, with the calls that `open` returns for the number of the case. Passes each result to
/// `report`.
fn run_all<C: Calls>(
    script: &Script,
    bench: &mut Bench,
    open: impl Fn(&Bench, usize) -> Result<C, String>,
    mut report: impl FnMut(&Case, &Step, &str),
) -> Result<(), String> {
    for (number, case) in script.cases.iter().enumerate() {
        let mut calls = open(bench, number)?;
        run_case(&mut calls, &mut Some((&mut *bench, number)), case, |step, result| report(case, step, result));
    }
    Ok(())
}

/// Prints a result, and the line of its case before the first.
fn print_result(case: &Case, step: &Step, result: &str) {
    if std::ptr::eq(step, case.steps.as_slice().as_ptr()) {
        let _ = print(&format!("\n{}", case.header()));
    }
    let _ = print(&format!("{} => {result}", step.text));
}

fn native(script: &Script) -> Result<(), String> {
    run_all(script, &mut Bench::simulated(&script.cases)?, Native::new, print_result)
}

/// Runs cases on the unit of a device in `/sys/class`, with the calls that `open` returns for its directory.
fn unit<C: Calls>(script: &Script, name: &str, open: impl Fn(&Path) -> Result<C, String>) -> Result<(), String> {
    let device = Path::new("/sys/class").join(name).join("device");
    for case in &script.cases {
        run_case(&mut open(&device)?, &mut None, case, |step, result| print_result(case, step, result));
    }
    Ok(())
}

fn serve(address: &str, script: &Script, compares: bool) -> Result<(), String> {
    let mut bench = Bench::new(&script.cases)?;
    let setup = IscsiSetup::default().with_bind(address);
    let portal = Portal::open(bench.site(), &setup).map_err(|error| error.to_string())?;
    let units: usize = bench.site().targets().iter().map(|target| target.luns().len()).sum();
    let _ = writeln!(io::stderr(), "ready iscsi {} {units}", portal.address());
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|error| error.to_string())?;
    let open = |bench: &Bench, number: usize| {
        let (target, lun) = bench.lun(number)?;
        System::of_target(target.name(), lun)
    };
    if compares {
        let mut results = Vec::new();
        run_all(script, &mut bench, open, |_, _, result| results.push(result.to_owned()))?;
        compare(script, results)?;
    } else {
        run_all(script, &mut bench, open, print_result)?;
    }
    // The portal serves until the initiator has logged out.
    let _ = writeln!(io::stderr(), "done");
    io::stdin().read_line(&mut line).map(|_| ()).map_err(|error| error.to_string())
}

/// Runs the script on the drivers of `linux-scsi` and compares the results with those of the kernel's drivers. Prints the
/// steps of each case up to its first difference, and at the end the digests of the kernel's results of each case.
fn compare(script: &Script, kernel: Vec<String>) -> Result<(), String> {
    let mut rest = kernel.as_slice();
    let mut digests = Vec::new();
    for case in &script.cases {
        let (results, next) = rest.split_at(case.steps.len().min(rest.len()));
        digests.push(format!("digests {} {}", case.name, random::digests(results)));
        rest = next;
    }
    let (mut kernel, mut compared, mut differing, mut steps) = (kernel.into_iter(), 0_u32, 0_u32, Vec::new());
    run_all(script, &mut Bench::simulated(&script.cases)?, Native::new, |case, step, result| {
        let expected = kernel.next().unwrap_or_default();
        compared += 1;
        if std::ptr::eq(step, case.steps.as_slice().as_ptr()) {
            steps = vec![case.header()];
        }
        steps.push(format!("{} => {expected}", step.text));
        if expected != result {
            differing += 1;
            let _ = print(&format!("{}\n  linux-scsi: {result}", std::mem::take(&mut steps).join("\n")));
        }
    })?;
    print(&digests.join("\n"))?;
    print(&format!("{compared} results compared, {differing} differ"))
}
