//! Runs each fuzz target for a few seconds: first the inputs of its corpus, then mutations of them that libFuzzer
//! selects by the code that they reach. The stable compiler instruments the code; only sanitizers need the nightly one.

use crate::shell::{check, file_error, output, print_line};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Coverage instrumentation that libFuzzer uses: counters and addresses of edges.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table";

/// Limits of one target: a run ends after `-max_total_time`, and each input must end within `-timeout`, both in seconds,
/// so that a target takes at most ten seconds. `-seed` makes runs similar; they are not equal, since time ends them.
const LIMITS: [&str; 4] = ["-max_total_time=5", "-timeout=5", "-rss_limit_mb=1024", "-seed=1"];

/// Builds and runs all fuzz targets.
///
/// # Errors
/// A target does not build, has no corpus, or fails; the message names the input on which it failed.
pub(crate) fn run() -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let root = root.canonicalize().map_err(file_error(&root))?;
    let host = host()?;
    // With --target, build scripts and procedural macros are not instrumented.
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--release", "--target", &host]);
    build.env("RUSTFLAGS", INSTRUMENTATION).arg("--manifest-path").arg(root.join("Cargo.toml"));
    check("cargo build of the fuzz targets", &mut build)?;
    let binaries = root.join("target").join(host).join("release");
    for target in targets(&root)? {
        run_target(&root, &binaries.join(&target), &target)?;
    }
    Ok(())
}

/// The target triple of this machine.
pub(crate) fn host() -> Result<String, String> {
    let version = String::from_utf8_lossy(&output("rustc", ["-vV"])?).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".into())
}

/// The names of the fuzz targets, in alphabetical order.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(file_error(&folder))? {
        let path = entry.map_err(file_error(&folder))?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn run_target(root: &Path, binary: &Path, target: &str) -> Result<(), String> {
    let (corpus, artifacts) = (root.join("corpus").join(target), root.join("artifacts").join(target));
    if std::fs::read_dir(&corpus).map_err(file_error(&corpus))?.next().is_none() {
        return Err(format!("{} has no input", corpus.display()));
    }
    // libFuzzer writes the inputs that reach new code into its first directory; the corpus stays as it is.
    let found = root.join("target").join("found").join(target);
    for folder in [&artifacts, &found] {
        std::fs::create_dir_all(folder).map_err(file_error(folder))?;
    }
    let outcome = Command::new(binary)
        .args(LIMITS)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([&found, &corpus])
        .stdin(Stdio::null())
        .output()
        .map_err(file_error(binary))?;
    let log = String::from_utf8_lossy(&outcome.stderr);
    if outcome.status.success() {
        let done = log.lines().find(|line| line.contains("\tDONE ")).unwrap_or_default();
        print_line(&format!("fuzz: {target}: {}", done.split_whitespace().collect::<Vec<_>>().join(" ")));
        return Ok(());
    }
    let input = log.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path));
    let input = input.unwrap_or("(no input was written)");
    let binary = binary.display();
    Err(format!("{log}\nfuzz: {target}: {}; the input is {input}; to repeat: {binary} {input}", outcome.status))
}
