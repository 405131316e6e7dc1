//! Runs the scripts of `tests/recorded` on this crate's drivers and compares each result with that of Linux'
//! drivers, which `cargo xtask tape-driver --record` recorded in the guest. The units are the same. Steps whose results
//! differ are in `tests/differences.tsv`, with the reason.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use tape_script::bench::Bench;
use tape_script::native::Native;
use tape_script::run::run_case;
use tape_script::script::Script;

#[test]
fn results_are_those_of_linux() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut scripts: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    let known = fs::read_to_string(folder.with_file_name("differences.tsv")).unwrap();
    let mut known: HashMap<String, bool> = known
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| (line.rsplit_once('\t').unwrap().0.to_owned(), false))
        .collect();
    let (mut compared, mut differences) = (0, Vec::new());
    for file in scripts {
        let script = Script::parse(&fs::read_to_string(&file).unwrap()).unwrap();
        for case in &script.cases {
            let mut bench = Bench::simulated(std::slice::from_ref(case)).unwrap();
            let mut calls = Native::new(&bench, 0).unwrap();
            run_case(&mut calls, &mut Some((&mut bench, 0)), case, |step, result| {
                let recorded = step.recorded.as_deref().unwrap_or("no result");
                compared += 1;
                if result == recorded {
                    return;
                }
                match known.get_mut(&format!("{}\t{}", case.name, step.text)) {
                    Some(is_met) => *is_met = true,
                    None => {
                        differences.push(format!("{}: {}\n  Linux {recorded}\n  here  {result}", case.name, step.text))
                    }
                }
            });
        }
    }
    let unmet: Vec<_> = known.iter().filter(|(_, is_met)| !**is_met).map(|(step, _)| step).collect();
    assert!(unmet.is_empty(), "no difference is left: {unmet:?}");
    assert!(compared >= 300, "only {compared} steps");
    assert!(differences.is_empty(), "{} of {compared} results differ:\n{}", differences.len(), differences.join("\n"));
}
