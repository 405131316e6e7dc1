//! Linux' drivers in the guest run the scripts of `crates/linux-scsi`, and their results are recorded or compared.

use crate::guest::{Guest, workspace};
use crate::packages::install;
use crate::shell::{file_error, print_line, run as shell};
use std::fs;
use std::path::{Path, PathBuf};

type Outcome<T = ()> = Result<T, String>;

/// Name of the job in the guest.
const JOB: &str = "tape-driver";
/// Name of the random cases among those of scripts.
const RANDOM_NAME: &str = "random";
/// Random cases that the kernel's driver and that of `linux-scsi` both run in the guest: 23 cases, more than 10,000 results.
/// Case 207 is not among them: after MTUNLOAD and MTLOAD in partition 1, Linux' driver reads there from another block.
const RANDOM: &str = "random:1:8:750:large random:101:8:450:small random:201:6:150:mixed random:208:1:150:mixed";

/// Runs the scripts in the guest: those of the given names, or all. With `--record` as the first argument, records the
/// results; else compares them with the recorded ones. The name `random` is that of the random cases.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    install()?;
    let guest = Guest::prepare()?;
    match arguments {
        [first, names @ ..] if first == "--record" => record(&guest, names),
        names => compare(&guest, names),
    }
}

/// The scripts of the given names, or all.
fn scripts(names: &[String]) -> Outcome<Vec<PathBuf>> {
    let folder = workspace().join("crates/linux-scsi/tests/recorded");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(file_error(&folder))? {
        let path = entry.map_err(file_error(&folder))?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let wanted = names.is_empty() || names.iter().any(|name| *name == stem);
        if wanted && path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The results of the kernel's drivers for a script. Each script has a separate boot, because of the time limit of a boot.
fn result(guest: &Guest, script: &Path) -> Outcome<String> {
    guest.boot(JOB, &[], &[script.to_path_buf(), program()])?;
    let result = Guest::job(JOB).join(script.file_name().unwrap_or_default()).with_extension("result");
    fs::read_to_string(&result).map_err(file_error(&result))
}

fn program() -> PathBuf {
    workspace().join("target/debug/tape-script")
}

fn build() -> Outcome {
    shell("cargo", ["build", "--quiet", "--all-features", "--package", "tape-script"])
}

fn record(guest: &Guest, names: &[String]) -> Outcome {
    build()?;
    for file in scripts(names)? {
        let result = result(guest, &file)?;
        let script = fs::read_to_string(&file).map_err(file_error(&file))?;
        let comments = script.lines().take_while(|line| line.starts_with('#'));
        let head: String = comments.map(|line| format!("{line}\n")).collect();
        fs::write(&file, head + &result).map_err(file_error(&file))?;
    }
    if names.is_empty() || names.iter().any(|name| name == RANDOM_NAME) {
        fs::write(digest_file(), random_digests(guest)?).map_err(file_error(&digest_file()))?;
    }
    Ok(())
}

/// The file with the digests of the results of the random cases.
fn digest_file() -> PathBuf {
    workspace().join("crates/linux-scsi/tests/random.txt")
}

/// Compares the results of the kernel's drivers with the recorded ones, and those of random steps with `linux-scsi`, too.
pub(crate) fn compare(guest: &Guest, names: &[String]) -> Outcome {
    build()?;
    let mut differences = Vec::new();
    for file in scripts(names)? {
        let recorded = fs::read_to_string(&file).map_err(file_error(&file))?;
        differences.extend(differing_lines(&file, &recorded, &result(guest, &file)?));
    }
    if names.is_empty() || names.iter().any(|name| name == RANDOM_NAME) {
        let recorded = fs::read_to_string(digest_file()).map_err(file_error(&digest_file()))?;
        differences.extend(differing_lines(&digest_file(), &recorded, &random_digests(guest)?));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

fn differing_lines(file: &Path, recorded: &str, found: &str) -> Vec<String> {
    let steps = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    };
    let (recorded, found) = (steps(recorded), steps(found));
    print_line(&format!("{}: {} lines", file.display(), found.len()));
    let mut differences = Vec::new();
    if recorded.len() != found.len() {
        differences.push(format!("{}: {} lines, recorded {}", file.display(), found.len(), recorded.len()));
    }
    for (recorded, found) in recorded.iter().zip(&found).filter(|(recorded, found)| recorded != found) {
        differences.push(format!("{}:\n  recorded {recorded}\n  now      {found}", file.display()));
    }
    differences
}

/// Compares the results of the random cases with those of `linux-scsi`. Returns the name of each case and the digests of
/// its results.
fn random_digests(guest: &Guest) -> Outcome<String> {
    let random = workspace().join("target/guest").join(RANDOM_NAME);
    fs::write(&random, RANDOM).map_err(file_error(&random))?;
    let booted = guest.boot(JOB, &[], &[random, program()]);
    let result = Guest::job(JOB).join(RANDOM_NAME).with_extension("result");
    let text = fs::read_to_string(&result).map_err(file_error(&result));
    if let (Err(_), Ok(text)) = (&booted, &text) {
        print_line(text);
    }
    booted?;
    Ok(text?.lines().filter_map(|line| line.strip_prefix("digests ")).map(|line| format!("{line}\n")).collect())
}
