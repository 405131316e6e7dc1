//! The checks that every change must pass, in addition to the tests.

use crate::shell::{check, file_error, output, print_line, run as shell};
use crate::{api, fuzz, purity, words};
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
    api::run(true)?;
    purity::run()?;
    licences()?;
    no_scsi_policy_in_programs()?;
    no_c_code_without_features()?;
    shell("cargo", ["bench", "--quiet", "--package", "benches", "--no-run"])?;
    fuzz::run()
}

/// The licences that `deny.toml` allows.
fn allowed_licences() -> Result<Vec<String>, String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deny.toml");
    let text = std::fs::read_to_string(&path).map_err(file_error(&path))?;
    let rules: toml::Table = text.parse().map_err(|error| format!("deny.toml: {error}"))?;
    let allowed = rules.get("licenses").and_then(|licences| licences.get("allow")).and_then(toml::Value::as_array);
    let allowed = allowed.ok_or("deny.toml: licenses.allow is not a list")?;
    Ok(allowed.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect())
}

fn licences() -> Result<(), String> {
    let allowed = allowed_licences()?;
    let is_allowed = |part: &str| allowed.iter().any(|licence| licence == part.trim_matches(['(', ')', ' ']));
    let metadata = output("cargo", ["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_slice(&metadata).map_err(|error| error.to_string())?;
    let packages = metadata.get("packages").and_then(Value::as_array).ok_or("cargo metadata has no packages")?;
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for package in packages {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
        *versions.entry(text("name")).or_default() += 1;
        let compatible = text("license")
            .replace('/', " OR ")
            .split(" OR ")
            .any(|alternative| alternative.trim_matches(['(', ')', ' ']).split(" AND ").all(is_allowed));
        if !compatible {
            faults.push(format!("{}: licence {:?} is not compatible", text("name"), text("license")));
        }
    }
    let twice: Vec<&str> = versions.iter().filter(|(_, count)| **count > 1).map(|(name, _)| *name).collect();
    print_line(&format!("licences: {} packages; in more than one version: {}", packages.len(), twice.join(", ")));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Builds an embedded drive without default features, checks that it compiles no C code, and runs its tests: each thing
/// that such a build cannot do is refused by name.
fn no_c_code_without_features() -> Result<(), String> {
    let tree = output("cargo", ["tree", "--package", "embedded-drive", "--edges", "normal,build", "--prefix", "none"])?;
    let tree = String::from_utf8_lossy(&tree);
    let compiles_c =
        |line: &&str| ["cc ", "cmake ", "zstd-sys ", "aws-lc-sys "].iter().any(|name| line.starts_with(name));
    if let Some(package) = tree.lines().find(compiles_c) {
        return Err(format!("a drive without default features depends on {package}, which is for C code"));
    }
    shell("cargo", ["check", "--quiet", "--package", "ssc", "--no-default-features"])?;
    shell("cargo", ["test", "--quiet", "--package", "embedded-drive"])
}

/// Code that decides about SCSI: operation codes, sense codes and page codes, and the types that build sense data or
/// change the state of a logical unit.
const SCSI_POLICY: &str = r"0x[0-9a-fA-F]{2}\b|\b(Sense|SenseKey|Asc|Opcode|Cdb)::|scsi_core::(sense|asc|cdb)|\.lu\(\)";

/// Checks that the programs leave every decision about SCSI to the crates. The initiator, the program with the embedded
/// drive and the one that runs tape scripts are exempt: they are SCSI clients, which send CDBs and read sense data.
fn no_scsi_policy_in_programs() -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut faults = String::new();
    for program in std::fs::read_dir(root).map_err(|error| error.to_string())? {
        let sources = program.map_err(|error| error.to_string())?.path().join("src");
        let is_client =
            ["initiator/src", "embedded-drive/src", "tape-script/src"].iter().any(|name| sources.ends_with(name));
        if !sources.is_dir() || is_client {
            continue;
        }
        let matches = Command::new("grep").args(["-rnE", SCSI_POLICY]).arg(&sources).output();
        let matches = matches.map_err(|error| error.to_string())?;
        faults.push_str(&String::from_utf8_lossy(&matches.stdout));
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("SCSI policy in a program:\n{faults}")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_dependency_has_an_allowed_licence() {
        assert_eq!(super::licences(), Ok(()));
    }
}
