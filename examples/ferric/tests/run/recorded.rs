//! The recorded results of Linux' drivers, compared with those of the same system calls under `ferric run`.

use crate::{Directory, Ended, build, installed};
use std::fs;
use std::path::{Path, PathBuf};

/// Steps that a program does with system calls. Cases with other steps need a robot or a second host.
const CALLS: [&str; 12] = ["open", "close", "read", "write", "op", "get", "pos", "dup", "put", "ioctl", "io3", "io4"];
/// Steps at the beginning of a case: the size of the cartridge that is loaded.
const LOADS: [(&str, &str); 2] = [("load large => ok", "4GB"), ("load small => ok", "2MB")];
/// Sense data of a unit attention, which `ferric run` has taken before the program starts.
const ATTENTION: &str = "sense=700006";

/// A recorded case: its first line, its unit, the library with it, and its steps with their results.
struct Case {
    title: String,
    unit: &'static str,
    config: String,
    is_loaded: bool,
    steps: Vec<String>,
}

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/linux-scsi/tests/recorded")
}

fn cases() -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(recorded()).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    texts.iter().flat_map(|text| text.split("\ncase ").skip(1)).filter_map(case).collect()
}

fn case(text: &str) -> Option<Case> {
    let mut steps = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned);
    let title = format!("case {}", steps.next()?);
    let mut steps: Vec<String> = steps.collect();
    let size = LOADS.into_iter().find(|(step, _)| *step == steps[0]).map(|(_, size)| size);
    let is_loaded = size.is_some();
    steps.drain(..usize::from(is_loaded));
    let is_call = |step: &String| CALLS.contains(&step.split(' ').next().unwrap()) && step.contains(" => ");
    // An open without a tape waits for one, for two minutes.
    let waits = |step: &String| !is_loaded && step.contains("st r") && !step.contains("nonblock");
    if !steps.iter().all(is_call) || steps.iter().any(waits) {
        return None;
    }
    let table = |slots: u8, drives: u8, pattern: &str, count: u8, size: &str| {
        format!(
            "[[library]]\nmodel = \"Ferric\"\nslots = {slots}\nimport_export = 2\n[[library.drive]]\n\
             model = \"ULT3580-TD8\"\ncount = {drives}\n[[library.cartridges]]\npattern = \"{pattern}\"\n\
             count = {count}\nsize = \"{size}\"\n"
        )
    };
    let (unit, config) = if title.split(' ').any(|word| word == "changer") {
        // The barcodes depend on the name of the case: FNV-1a of 32 bits.
        let name = title.split(' ').nth(1).unwrap().bytes();
        let digest = name.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let pattern = format!("X{:04X}#L8", digest & 0xffff);
        ("scsi_changer/sch0", table(4, 2, &pattern, 3, "4GB"))
    } else {
        ("scsi_tape/st0", table(4, 1, "A#L8", 1, size.unwrap_or("4GB")))
    };
    Some(Case { title, unit, config, is_loaded, steps })
}

/// The steps that differ, with the results of both.
fn differences(directory: &Directory, command: &[&str], case: &Case, known: &str) -> Vec<String> {
    let name = case.title.split(' ').nth(1).unwrap();
    let calls: Vec<&str> = case.steps.iter().map(|step| step.split(" => ").next().unwrap()).collect();
    directory.write(name, format!("{}\n{}\n", case.title, calls.join("\n")));
    let config = format!("{name}.toml");
    directory.write(&config, &case.config);
    let script = installed().join("tape-script").display().to_string();
    let load: &[&str] = if case.is_loaded { &["--load", "A1L8"] } else { &[] };
    let options = [&["run", "--config", &config], load, &["--", &script], command, &[case.unit, name]].concat();
    let Ended { out, err, .. } = Ended::from(directory.ferric(&options).output().unwrap());
    let here: Vec<&str> = out.lines().filter(|line| line.contains(" => ")).collect();
    if here.len() != case.steps.len() {
        return vec![format!("{}: {} of {} steps: {err}", case.title, here.len(), case.steps.len())];
    }
    let is_known = |step: &str| {
        let step = step.split(" => ").next().unwrap();
        known.lines().any(|line| line.starts_with(&format!("{name}\t{step}\t")))
    };
    let pairs = case.steps.iter().zip(here);
    let pairs = pairs.filter(|(linux, here)| linux != here && !linux.contains(ATTENTION) && !is_known(linux));
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
    let known = fs::read_to_string(recorded().with_file_name("differences.tsv")).unwrap();
    let cases = cases();
    let steps: usize = cases.iter().map(|case| case.steps.len()).sum();
    assert!(cases.len() >= 130 && steps >= 2500, "{} cases with {steps} steps", cases.len());
    let different: Vec<String> = std::thread::scope(|scope| {
        let run = |cases: &[Case]| {
            cases.iter().flat_map(|case| differences(&directory, command, case, &known)).collect::<Vec<_>>()
        };
        let threads: Vec<_> =
            cases.chunks(cases.len().div_ceil(4)).map(|part| scope.spawn(move || run(part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(different.is_empty(), "{} of {steps} results differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn system_calls_have_the_results_of_linux() {
    compare(&["unit"]);
}

/// Threads, duplicates, children of `fork` and other programs use the same open file description.
#[test]
fn system_calls_of_threads_and_children_have_the_same_results() {
    compare(&["vary", "1"]);
}
