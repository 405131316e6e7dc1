//! The console in `console/`: the committed files must be those of its sources, and its tests run in a browser.

use crate::shell::{check, file_error, run as shell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the console anew, compares it with the committed files byte for byte, and runs its tests against the daemon.
pub(crate) fn run() -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let console = root.join("console");
    let built = root.join("target/console");
    npm(&console, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    npm(&console, &["run", "check"])?;
    if built.exists() {
        std::fs::remove_dir_all(&built).map_err(file_error(&built))?;
    }
    let absolute = std::path::absolute(&built).map_err(file_error(&built))?;
    npm(&console, &["run", "build", "--", &absolute.display().to_string()])?;
    compare(&files_of(&console.join("dist"))?, &files_of(&built)?)?;
    // All packages, as for the other tests, so that nothing is compiled with other features.
    shell("cargo", ["build", "--quiet", "--workspace", "--bins", "--all-features"])?;
    npm(&console, &["test"])
}

fn npm(console: &Path, arguments: &[&str]) -> Result<(), String> {
    check(&format!("npm {}", arguments.join(" ")), Command::new("npm").args(arguments).current_dir(console))
}

fn files_of(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).map_err(file_error(directory))? {
        let path = entry.map_err(file_error(directory))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, std::fs::read(&path).map_err(file_error(&path))?);
    }
    Ok(files)
}

fn compare(committed: &BTreeMap<String, Vec<u8>>, built: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let names = committed.keys().chain(built.keys());
    match names.into_iter().find(|name| committed.get(*name) != built.get(*name)) {
        None => Ok(()),
        Some(name) => {
            Err(format!("console/dist/{name} is not built from the sources; to update it: npm run build in console"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_differs_or_is_missing_is_named() {
        let files = |names: &[(&str, &str)]| -> BTreeMap<String, Vec<u8>> {
            names.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let committed = files(&[("a.js", "1"), ("b.css", "2")]);
        assert_eq!(compare(&committed, &committed), Ok(()));
        let differs = compare(&committed, &files(&[("a.js", "1"), ("b.css", "3")])).unwrap_err();
        assert!(differs.starts_with("console/dist/b.css is not"), "{differs}");
        assert!(compare(&committed, &files(&[("a.js", "1")])).is_err());
        assert!(compare(&files(&[("a.js", "1")]), &committed).is_err());
    }
}
