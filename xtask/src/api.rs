//! The public interface of each crate as a text in `docs/api/`, so that a change of it is seen in review.
//!
//! It is read from the sources with `syn`, so that it needs no nightly compiler. The lint `unreachable_pub` is denied in the
//! workspace, so an item that is `pub` in a private module is reachable, and every `pub` item is listed.

mod surface;

use crate::shell::{file_error, print_line};
use std::path::{Path, PathBuf};

/// Writes the files, or with `check` compares them.
pub(crate) fn run(check: bool) -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut faults, mut lines) = (Vec::new(), 0);
    for name in crates(&root)? {
        let surface = surface::of_crate(&name, &root.join("crates").join(&name).join("src/lib.rs"))?;
        faults.extend(surface.faults);
        lines += surface.text.lines().count();
        let file = root.join("docs/api").join(format!("{name}.txt"));
        if !check {
            std::fs::write(&file, surface.text).map_err(file_error(&file))?;
        } else if std::fs::read_to_string(&file).unwrap_or_default() != surface.text {
            faults
                .push(format!("docs/api/{name}.txt is not the interface of the crate; to update it: cargo xtask api"));
        }
    }
    if faults.is_empty() {
        print_line(&format!(
            "api: {lines} lines; every error type is an Error, and no Result has an error of type String"
        ));
        return Ok(());
    }
    Err(faults.join("\n"))
}

/// Names of the crates in `crates/`, in alphabetical order.
fn crates(root: &Path) -> Result<Vec<String>, String> {
    let directory = root.join("crates");
    let entries = std::fs::read_dir(&directory).map_err(file_error(&directory))?;
    let mut names: Vec<String> =
        entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
