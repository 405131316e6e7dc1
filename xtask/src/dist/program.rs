//! The static program, and the library that `ferric run` preloads, which is a shared one.

use super::folder;
use crate::guest::workspace;
use crate::shell::{check, file_error, output, print_line};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of the compiler, which is installed with the compiler for this machine.
pub(super) const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Limit on the size of the program in bytes.
const MAX_SIZE: u64 = 25_000_000;

/// Builds both, copies them to `target/dist`, and checks them.
pub(super) fn build() -> Result<(), String> {
    let built = cargo(&workspace().join("target/dist-build"))?;
    fs::create_dir_all(folder()).map_err(file_error(&folder()))?;
    for file in built {
        let copy = folder().join(file.file_name().unwrap_or_default());
        fs::copy(&file, &copy).map_err(file_error(&file))?;
    }
    check_program(&folder().join("ferric"))
}

/// Builds the program and the library in a target directory. Returns their paths.
pub(super) fn cargo(target_dir: &Path) -> Result<[PathBuf; 2], String> {
    let results = target_dir.join(TARGET).join("dist");
    for (package, flags) in [("ferric", "-C target-feature=+crt-static "), ("ferric-run", "")] {
        let mut command = Command::new("cargo");
        command.args(["build", "--quiet", "--locked", "--profile", "dist", "--target", TARGET, "--package", package]);
        command.arg("--target-dir").arg(target_dir).current_dir(workspace());
        set_paths(&mut command, flags);
        check("cargo build", &mut command)?;
    }
    Ok(["ferric", "libferric_run.so"].map(|name| results.join(name)))
}

/// Sets the flags of the compilers so that paths of this machine do not get into the program: neither those of the sources, nor
/// those of the packages of the registry.
fn set_paths(command: &mut Command, flags: &str) {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"));
    let root = fs::canonicalize(workspace()).unwrap_or_else(|_| workspace());
    let maps = [(root.display().to_string(), "/ferric"), (home.display().to_string(), "/cargo")];
    let rust: String = maps.iter().map(|(from, to)| format!(" --remap-path-prefix={from}={to}")).collect();
    let c: String = maps.iter().map(|(from, to)| format!(" -ffile-prefix-map={from}={to}")).collect();
    // The environment replaces the flags of a configuration of Cargo.
    command.env("RUSTFLAGS", format!("{flags}{}", rust.trim())).env("CFLAGS", c.trim()).env("CXXFLAGS", c.trim());
}

/// Checks that the program is static, small enough, and runs in a directory where nothing else is.
fn check_program(program: &Path) -> Result<(), String> {
    let size = fs::metadata(program).map_err(file_error(program))?.len();
    if size > MAX_SIZE {
        return Err(format!("{}: {size} bytes; expected up to {MAX_SIZE}", program.display()));
    }
    let ldd = Command::new("ldd").arg(program).output().map_err(|error| format!("ldd: {error}"))?;
    let said = [ldd.stdout, ldd.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned()).concat();
    if !["statically linked", "not a dynamic executable"].contains(&said.as_str()) {
        return Err(format!("ldd {}: {said}", program.display()));
    }
    let version = output(&program.display().to_string(), ["--version"])?;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    print_line(&format!("{version}: {said}, {size} bytes"));
    if version == format!("ferric {}", super::VERSION) { Ok(()) } else { Err(format!("--version: {version}")) }
}
