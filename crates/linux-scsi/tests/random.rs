//! Runs random cases on this crate's tape driver and compares their results with those of Linux' driver: more than 10,000
//! steps.
//!
//! `tests/random.txt` has the name of each case, from which its steps follow, and one digest for ten results.
//! `cargo xtask tape-driver random` compares the same digests with the results of the kernel's driver in the guest, and
//! `--record random` records them there. This way a change of this driver is found without the guest, and the file has
//! 10 KiB instead of the 350 KiB of all results. Where a digest differs, that command prints the results of both drivers.

use std::fs;
use std::path::Path;
use tape_script::bench::Bench;
use tape_script::native::Native;
use tape_script::random::{by_name, digests};
use tape_script::run::run_case;
use tape_script::script::Script;

#[test]
fn digests_of_random_cases_are_those_of_linux() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/random.txt");
    let (mut steps, mut differences) = (0, Vec::new());
    for line in fs::read_to_string(file).unwrap().lines() {
        let (name, recorded) = line.split_once(' ').unwrap();
        let script = Script::parse(&by_name(name).unwrap()).unwrap();
        let mut bench = Bench::simulated(&script.cases).unwrap();
        let mut calls = Native::new(&bench, 0).unwrap();
        let mut results = Vec::new();
        let case = &script.cases[0];
        run_case(&mut calls, &mut Some((&mut bench, 0)), case, |_, result| results.push(result.to_owned()));
        steps += results.len();
        let here = digests(&results);
        let equal = recorded.split(' ').zip(here.split(' ')).take_while(|(linux, here)| linux == here).count();
        if recorded != here {
            let first: Vec<_> = case.steps.iter().zip(&results).skip(equal * 10).take(10).collect();
            let first: Vec<_> = first.iter().map(|(step, result)| format!("  {} => {result}", step.text)).collect();
            differences.push(format!("{name}: results from {} on differ:\n{}", equal * 10, first.join("\n")));
        }
    }
    assert!(steps >= 10_000, "only {steps} steps");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
