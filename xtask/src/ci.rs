//! The checks that every change must pass, in addition to the tests.

use crate::shell::{check, output, print_line, run as shell};
use crate::{purity, words};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// Runs every check and stops at the first that fails.
pub(crate) fn run() -> Result<(), String> {
    shell("cargo", ["fmt", "--all", "--check"])?;
    shell("cargo", ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    let mut doc = Command::new("cargo");
    check("rustdoc", doc.args(["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    words::run()?;
    purity::run()?;
    licences()?;
    no_scsi_numbers_in_daemons()?;
    shell("cargo", ["bench", "--quiet", "--package", "benches", "--no-run"])?;
    shell("cargo", ["build", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml"])
}

/// Licences compatible with MIT OR Apache-2.0; an expression passes if one of its alternatives does.
const COMPATIBLE: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "0BSD",
    "Unlicense",
];

fn licences() -> Result<(), String> {
    let metadata = output("cargo", ["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_slice(&metadata).map_err(|error| error.to_string())?;
    let packages = metadata.get("packages").and_then(Value::as_array).ok_or("cargo metadata has no packages")?;
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for package in packages {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
        *versions.entry(text("name")).or_default() += 1;
        let compatible = text("license").replace('/', " OR ").split(" OR ").any(|alternative| {
            alternative
                .trim_matches(['(', ')', ' '])
                .split(" AND ")
                .all(|part| COMPATIBLE.contains(&part.trim_matches(['(', ')', ' '])))
        });
        if !compatible {
            faults.push(format!("{}: licence {:?} is not compatible", text("name"), text("license")));
        }
    }
    let twice: Vec<&str> = versions.iter().filter(|(_, count)| **count > 1).map(|(name, _)| *name).collect();
    print_line(&format!("licences: {} packages; in more than one version: {}", packages.len(), twice.join(", ")));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Checks that a daemon contains no operation code, sense code or page code: SCSI belongs into the crates.
fn no_scsi_numbers_in_daemons() -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/iscsid/src");
    let matches = Command::new("grep")
        .args(["-rnE", r"0x[0-9a-fA-F]{2}\b"])
        .arg(root)
        .output()
        .map_err(|error| error.to_string())?;
    if matches.stdout.is_empty() {
        Ok(())
    } else {
        Err(format!("SCSI numbers in a daemon:\n{}", String::from_utf8_lossy(&matches.stdout)))
    }
}
