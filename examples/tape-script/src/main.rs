//! `tape-script`: runs scripts of system calls on tapes. `native` uses the driver of `linux-scsi` in this process;
//! `serve` starts a library in memory on an iSCSI portal, waits for a line on standard input, and then runs the script on
//! the kernel's tape driver; `random` prints a random script.

mod sys;
mod system;

use iscsid::Portal;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use system::System;
use tape_script::bench::Bench;
use tape_script::native::Native;
use tape_script::random;
use tape_script::run::{Calls, run_case};
use tape_script::script::{Probe, Script, Step};
use vtl::config::IscsiSetup;

const USAGE: &str = "tape-script native FILE...            run cases on the driver of linux-scsi
tape-script serve ADDRESS FILE...     serve a library on ADDRESS; after a line on standard input, run cases on /dev/*st*
tape-script tape NUMBER FILE...       run cases without steps of robots on /dev/st<NUMBER> and its other nodes
tape-script random SEED STEPS KIND    print a random case";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["native", files @ ..] => load(files).and_then(|script| native(&script)),
        ["serve", address, files @ ..] => load(files).and_then(|script| serve(address, &script)),
        ["tape", number, files @ ..] => load(files).and_then(|script| tape(number, &script)),
        ["random", seed, steps, kind] => print_random(seed, steps, kind),
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
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        script.cases.extend(Script::parse(&text).map_err(|error| format!("{file}: {error}"))?.cases);
    }
    Ok(script)
}

fn print(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").and_then(|()| io::stdout().flush()).map_err(|error| error.to_string())
}

fn print_result(step: &Step, result: &str) {
    let _ = print(&format!("{} => {result}", step.text));
}

fn print_random(seed: &str, steps: &str, kind: &str) -> Result<(), String> {
    let seed = seed.parse().map_err(|_| "the seed is not a number")?;
    let steps = steps.parse().map_err(|_| "the number of steps is not a number")?;
    print(random::script(seed, steps, kind).trim_end())
}

/// Runs each case on the next drive, with the calls that `open` returns for the number of the drive.
fn run_all<C: Calls>(
    script: &Script,
    bench: &mut Bench,
    open: impl Fn(&Bench, usize) -> Result<C, String>,
) -> Result<(), String> {
    for (number, case) in script.cases.iter().enumerate() {
        let suffix = match case.probe {
            Probe::Nothing => "",
            Probe::Status => " get",
            Probe::Position => " pos",
        };
        print(&format!("\ncase {}{suffix}", case.name))?;
        let mut calls = open(bench, number)?;
        run_case(&mut calls, &mut Some((&mut *bench, number)), case, print_result);
    }
    Ok(())
}

fn bench_for(script: &Script) -> Result<Bench, String> {
    Bench::new(u16::try_from(script.cases.len().max(1)).map_err(|_| "too many cases")?)
}

fn native(script: &Script) -> Result<(), String> {
    run_all(script, &mut bench_for(script)?, Native::new)
}

fn tape(number: &str, script: &Script) -> Result<(), String> {
    let number = number.parse().map_err(|_| "the number of the tape is not a number")?;
    for case in &script.cases {
        print(&format!("\ncase {}", case.name))?;
        run_case(&mut System::new(number), &mut None, case, print_result);
    }
    Ok(())
}

fn serve(address: &str, script: &Script) -> Result<(), String> {
    let mut bench = bench_for(script)?;
    let setup = IscsiSetup { bind: address.into(), ..IscsiSetup::default() };
    let portal = Portal::open(bench.site(), &setup).map_err(|error| error.to_string())?;
    let target = bench.site().targets().into_iter().next().ok_or("no target")?;
    let _ = writeln!(io::stderr(), "ready iscsi {} {}", portal.address(), target.name());
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|error| error.to_string())?;
    run_all(script, &mut bench, |bench, number| {
        let library = bench.site().libraries().into_iter().next().ok_or("no library")?;
        let unit = library.drives().into_iter().nth(number).ok_or("no such drive")?;
        let lun = target.lun_of(&unit).ok_or("the drive has no LUN")?;
        tape_with_lun(lun).map(System::new)
    })?;
    // The portal serves until the initiator has logged out.
    let _ = writeln!(io::stderr(), "done");
    io::stdin().read_line(&mut line).map(|_| ()).map_err(|error| error.to_string())
}

/// The number of the tape of the kernel with a LUN.
fn tape_with_lun(lun: usize) -> Result<usize, String> {
    for number in 0..512 {
        let Ok(device) = std::fs::canonicalize(format!("/sys/class/scsi_tape/st{number}/device")) else { continue };
        let suffix = format!(":{lun}");
        if Path::new(&device).file_name().is_some_and(|name| name.to_string_lossy().ends_with(&suffix)) {
            return Ok(number);
        }
    }
    Err(format!("no tape with LUN {lun}"))
}
