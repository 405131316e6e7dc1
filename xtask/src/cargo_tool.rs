//! Programs of crates.io, each of one version, which are installed into `target/cargo-tools`.

use crate::guest::workspace;
use crate::shell::{print_line, run};
use std::path::Path;
use std::process::Command;

/// Name and version of a program, and the options with which it is installed.
pub(crate) struct CargoTool(&'static str, &'static str, &'static [&'static str]);

pub(crate) const CARGO_DEB: CargoTool = CargoTool("cargo-deb", "3.8.0", &[]);
pub(crate) const CARGO_GENERATE_RPM: CargoTool = CargoTool("cargo-generate-rpm", "0.21.1", &[]);
/// Without the server that shows changes while a page is written.
pub(crate) const MDBOOK: CargoTool = CargoTool("mdbook", "0.5.4", &["--no-default-features", "--features", "search"]);

impl CargoTool {
    /// A command that runs the program, which is installed if this version is not.
    pub(crate) fn command(&self) -> Result<Command, String> {
        let Self(name, version, options) = self;
        let root = workspace().join("target/cargo-tools");
        let program = root.join("bin").join(name);
        if !is_installed(&root, name, version) {
            print_line(&format!("installing {name} {version}"));
            let root = root.display().to_string();
            let install = ["install", "--quiet", "--locked", "--root", &root, "--version", version, name];
            run("cargo", install.into_iter().chain(options.iter().copied()))?;
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
