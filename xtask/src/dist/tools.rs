//! The programs of the registry that make and check packages, in `target/dist-tools`.

use crate::guest::workspace;
use crate::shell::{print_line, run};
use std::path::Path;
use std::process::Command;

/// Name and version of a program.
pub(super) struct Tool(&'static str, &'static str);

pub(super) const CARGO_DEB: Tool = Tool("cargo-deb", "3.8.0");
pub(super) const CARGO_GENERATE_RPM: Tool = Tool("cargo-generate-rpm", "0.21.1");

impl Tool {
    /// A command that runs the program, which is installed if this version is not.
    pub(super) fn command(&self) -> Result<Command, String> {
        let Self(name, version) = self;
        let root = workspace().join("target/dist-tools");
        let program = root.join("bin").join(name);
        if !is_installed(&root, name, version) {
            print_line(&format!("installing {name} {version}"));
            let root = root.display().to_string();
            run("cargo", ["install", "--quiet", "--locked", "--root", &root, "--version", version, name])?;
        }
        let mut command = Command::new(program);
        command.current_dir(workspace());
        Ok(command)
    }
}

/// Whether Cargo's list of what it has installed there has this version.
fn is_installed(root: &Path, name: &str, version: &str) -> bool {
    let list = std::fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
    list.contains(&format!("\"{name} {version} ("))
}
