//! Runs the scripts of `tests/recorded` on this crate's tape driver and compares each result with that of Linux'
//! driver, which `cargo xtask tape-driver --record` recorded in the guest. The drives are the same.

use std::fs;
use std::path::Path;
use tape_script::bench::Bench;
use tape_script::native::Native;
use tape_script::run::run_case;
use tape_script::script::Script;

/// Steps whose results differ, and why: name of the case, the step, the reason.
const DIFFERENCES: &[(&str, &str, &str)] = &[];

#[test]
fn results_are_those_of_linux() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut scripts: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    let (mut compared, mut differences) = (0, Vec::new());
    for file in scripts {
        let script = Script::parse(&fs::read_to_string(&file).unwrap()).unwrap();
        for case in &script.cases {
            let mut bench = Bench::new(1).unwrap();
            let mut calls = Native::new(&bench, 0).unwrap();
            run_case(&mut calls, &mut Some((&mut bench, 0)), case, |step, result| {
                let recorded = step.recorded.as_deref().unwrap_or("no result");
                let known = DIFFERENCES.iter().any(|(name, text, _)| *name == case.name && *text == step.text);
                compared += 1;
                if (result != recorded) != known {
                    differences.push(format!("{}: {}\n  Linux {recorded}\n  here  {result}", case.name, step.text));
                }
            });
        }
    }
    assert!(compared >= 300, "only {compared} steps");
    assert!(differences.is_empty(), "{} of {compared} results differ:\n{}", differences.len(), differences.join("\n"));
}
