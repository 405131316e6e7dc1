//! The RPM package, by cargo-generate-rpm, looked at by rpm.

use super::{VERSION, folder, source_date};
use crate::cargo_tool::CARGO_GENERATE_RPM;
use crate::shell::{check, file_error, output, print_line};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of the package in `target/dist`.
pub(super) fn file() -> PathBuf {
    folder().join(format!("ferric-{VERSION}-1.x86_64.rpm"))
}

/// Builds the package, and checks that it has the files of `target/dist/tree`.
pub(super) fn build() -> Result<(), String> {
    let tree = folder().join("tree");
    let mut files = Vec::new();
    list(&tree, &mut files)?;
    // A package of this program has no links: a script of the package creates them.
    let files: BTreeSet<String> = files
        .iter()
        .filter(|path| !path.is_symlink())
        .filter_map(|path| Some(path.strip_prefix(&tree).ok()?.display().to_string()))
        .filter(|path| !path.starts_with("usr/share/lintian"))
        .collect();
    let assets: Vec<String> = files.iter().map(|path| asset(path)).collect();
    let overwrite = folder().join("rpm.toml");
    let program = "{ source = \"target/dist/ferric\", dest = \"/usr/bin/ferric\", mode = \"755\" }";
    fs::write(&overwrite, format!("assets = [\n{program},\n{}\n]\n", assets.join(",\n")))
        .map_err(file_error(&overwrite))?;
    let mut command = CARGO_GENERATE_RPM.command()?;
    command.args(["--package", "examples/ferric", "--auto-req", "disabled", "--metadata-overwrite"]).arg(&overwrite);
    command.arg("--output").arg(file()).env("SOURCE_DATE_EPOCH", source_date()?);
    check("cargo-generate-rpm", &mut command)?;
    let packed = output("rpm", ["-qlp", &file().display().to_string()])
        .map_err(|error| format!("{error}; apt-get install rpm"))?;
    let packed: BTreeSet<String> =
        String::from_utf8_lossy(&packed).lines().map(|line| line.trim_start_matches('/').to_owned()).collect();
    let missing: Vec<_> = files.iter().map(|path| installed_path(path)).filter(|path| !packed.contains(path)).collect();
    print_line(&format!("{}: {} files", file().display(), packed.len()));
    if missing.is_empty() && packed.contains("usr/bin/ferric") {
        Ok(())
    } else {
        Err(format!("the package lacks {missing:?}"))
    }
}

/// A file of the tree in the form of the manifest.
fn asset(path: &str) -> String {
    let config = if path.starts_with("etc/") { ", config = \"noreplace\"" } else { "" };
    let document =
        if path.starts_with("usr/share/doc") || path.starts_with("usr/share/man") { ", doc = true" } else { "" };
    let place = installed_path(path);
    format!("{{ source = \"target/dist/tree/{path}\", dest = \"/{place}\", mode = \"644\"{config}{document} }}")
}

/// The place of a file of the tree: Fedora and others have the scripts of zsh elsewhere than Debian.
fn installed_path(path: &str) -> String {
    path.replace("zsh/vendor-completions", "zsh/site-functions")
}

/// The files below a directory.
fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    for entry in fs::read_dir(directory).map_err(file_error(directory))?.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
