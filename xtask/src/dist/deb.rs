//! Debian packages, by cargo-deb, looked at by lintian.

use super::{folder, source_date};
use crate::cargo_tool::CARGO_DEB;
use crate::shell::{check, print_line};
use std::path::PathBuf;
use std::process::Command;

/// The packages: their names in Debian, and the variants in the manifest of `ferric`.
pub(super) const PACKAGES: [(&str, Option<&str>); 2] = [("ferric", None), ("ferric-mhvtl", Some("mhvtl"))];

/// The file of a package in `target/dist`.
pub(super) fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}_{}-1_amd64.deb", super::VERSION))
}

/// Builds the packages, and checks that lintian finds no error.
pub(super) fn build() -> Result<(), String> {
    for (name, variant) in PACKAGES {
        let mut command = CARGO_DEB.command()?;
        command.args(["--quiet", "--no-build", "--no-strip", "--package", "ferric", "--output"]).arg(file(name));
        command.args(variant.into_iter().flat_map(|variant| ["--variant", variant]));
        check("cargo-deb", command.env("SOURCE_DATE_EPOCH", source_date()?))?;
    }
    let files = PACKAGES.map(|(name, _)| file(name));
    let lintian = Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error", "--no-tag-display-limit"])
        .args(files)
        .output();
    let lintian = lintian.map_err(|error| format!("lintian: {error}; apt-get install lintian"))?;
    let said = String::from_utf8_lossy(&lintian.stdout).into_owned();
    print_line(said.trim_end());
    if lintian.status.success() { Ok(()) } else { Err("lintian has found errors".into()) }
}
