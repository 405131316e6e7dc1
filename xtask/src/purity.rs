//! Checks that the six pure crates use no clock, thread, socket, environment, source of random values or file, except in
//! the store's file backend. It reads the symbols that their objects refer to, not their sources.

use crate::shell::{output, print_line, run as shell};
use std::path::PathBuf;

const CRATES: [&str; 6] = ["scsi-core", "tape-store", "ssc", "smc", "iscsi", "linux-scsi"];
const FORBIDDEN: [&str; 12] = [
    "std::env::",
    "std::fs::",
    "std::net::",
    "std::thread::",
    "std::process::",
    "Instant::now",
    "SystemTime::now",
    "aws_lc_rs::rand",
    "KeyPair::generate",
    "RAND_bytes",
    "getrandom",
    "RandomState",
];
/// Symbols that the standard library itself needs for panics and for output that is never written.
const ALLOWED: [&str; 3] = ["std::thread::local", "std::thread::panicking", "std::thread::current"];

/// Builds the crates separately and reads their symbols.
pub(crate) fn run() -> Result<(), String> {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/purity");
    let directory = target.display().to_string();
    let mut arguments =
        vec!["build", "--quiet", "--release", "--target-dir", &directory, "--config", "profile.release.lto=false"];
    for name in CRATES {
        arguments.extend(["--package", name]);
    }
    shell("cargo", arguments)?;
    let mut faults = Vec::new();
    for name in CRATES {
        let library = target.join(format!("release/lib{}.rlib", name.replace('-', "_")));
        let symbols = output("nm", ["-uCA", &library.display().to_string()])?;
        for line in String::from_utf8_lossy(&symbols).lines() {
            let object_is_backend = name == "tape-store";
            let forbidden =
                FORBIDDEN.iter().any(|word| line.contains(word)) && !ALLOWED.iter().any(|word| line.contains(word));
            let in_backend = object_is_backend && line.contains("std::fs::");
            if forbidden && !in_backend {
                faults.push(format!("{name}: {line}"));
            }
        }
    }
    faults.extend(sources()?);
    if faults.is_empty() {
        print_line(
            "purity: scsi-core, tape-store, ssc, smc, iscsi and linux-scsi use no clock, thread, socket, environment, random value or file",
        );
        return Ok(());
    }
    Err(faults.join("\n"))
}

/// Symbols do not show the module that uses them, so the sources show that only the store's file backend uses files.
fn sources() -> Result<Vec<String>, String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/tape-store/src");
    let matches =
        output("grep", ["-rlE", "std::fs|std::net|std::thread|std::env|rustix", &root.display().to_string()])?;
    let matches = String::from_utf8_lossy(&matches).into_owned();
    let wrong = matches.lines().filter(|path| !path.ends_with("backend/file.rs") && !path.ends_with("backend/mod.rs"));
    Ok(wrong.map(|path| format!("{path} uses the operating system")).collect())
}
