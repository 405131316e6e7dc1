//! The recorded results of Linux' tape driver, compared with those of the same system calls under `ferric run`.

use crate::{Directory, Ended, build, installed};
use std::fs;
use std::path::Path;

/// Steps that a program does with system calls. Cases with other steps need a robot or a second host.
const CALLS: [&str; 8] = ["open", "close", "read", "write", "op", "get", "pos", "dup"];
/// Steps at the beginning of a case: the size of the cartridge that is loaded.
const LOADS: [(&str, &str); 2] = [("load large => ok", "4GB"), ("load small => ok", "2MB")];

/// A recorded case: its first line, the size of its cartridge, and its steps with their results.
struct Case {
    title: String,
    size: &'static str,
    steps: Vec<String>,
}

fn cases() -> Vec<Case> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/linux-scsi/tests/recorded");
    let mut files: Vec<_> = fs::read_dir(recorded).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    texts.iter().flat_map(|text| text.split("\ncase ").skip(1)).filter_map(case).collect()
}

fn case(text: &str) -> Option<Case> {
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let title = format!("case {}", lines.next()?);
    let load = lines.next()?;
    let (_, size) = LOADS.into_iter().find(|(step, _)| *step == load)?;
    let steps: Vec<String> = lines.map(str::to_owned).collect();
    let is_call = |step: &String| CALLS.contains(&step.split(' ').next().unwrap()) && step.contains(" => ");
    steps.iter().all(is_call).then_some(Case { title, size, steps })
}

/// The steps that differ, with the results of both.
fn differences(directory: &Directory, command: &[&str], case: &Case) -> Vec<String> {
    let name = case.title.split(' ').nth(1).unwrap();
    let calls: Vec<&str> = case.steps.iter().map(|step| step.split(" => ").next().unwrap()).collect();
    directory.write(name, format!("{}\n{}\n", case.title, calls.join("\n")));
    let config = format!("{}.toml", case.size);
    let script = installed().join("tape-script").display().to_string();
    let options = [&["run", "--config", &config, "--load", "A1L8", "--", &script], command, &["0", name]].concat();
    let Ended { out, err, .. } = Ended::from(directory.ferric(&options).output().unwrap());
    let here: Vec<&str> = out.lines().filter(|line| line.contains(" => ")).collect();
    if here.len() != case.steps.len() {
        return vec![format!("{}: {} of {} steps: {err}", case.title, here.len(), case.steps.len())];
    }
    let pairs = case.steps.iter().zip(here).filter(|(linux, here)| linux != here);
    pairs.map(|(linux, here)| format!("{}\n  Linux {linux}\n  here  {here}", case.title)).collect()
}

/// Runs all cases with a command of `tape-script`, and compares the results with the recorded ones.
fn compare(command: &[&str]) {
    let programs = build("tape-script");
    let _ = installed();
    let copy = installed().join(format!("tape-script-{}", command.join("-")));
    fs::copy(programs.join("tape-script"), &copy).unwrap();
    fs::rename(copy, installed().join("tape-script")).unwrap();
    let directory = Directory::new();
    for (_, size) in LOADS {
        let cartridges = format!("[[library.cartridges]]\npattern = \"A#L8\"\ncount = 1\nsize = \"{size}\"\n");
        let library = "[[library]]\nmodel = \"Ferric\"\nslots = 4\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
        directory.write(&format!("{size}.toml"), format!("{library}{cartridges}"));
    }
    let cases = cases();
    let steps: usize = cases.iter().map(|case| case.steps.len()).sum();
    assert!(cases.len() >= 100 && steps >= 1500, "{} cases with {steps} steps", cases.len());
    let different: Vec<String> = std::thread::scope(|scope| {
        let run =
            |cases: &[Case]| cases.iter().flat_map(|case| differences(&directory, command, case)).collect::<Vec<_>>();
        let threads: Vec<_> =
            cases.chunks(cases.len().div_ceil(4)).map(|part| scope.spawn(move || run(part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(different.is_empty(), "{} of {steps} results differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn system_calls_have_the_results_of_linux() {
    compare(&["tape"]);
}

/// Threads, duplicates, children of `fork` and other programs use the same open file description.
#[test]
fn system_calls_of_threads_and_children_have_the_same_results() {
    compare(&["vary", "1"]);
}
