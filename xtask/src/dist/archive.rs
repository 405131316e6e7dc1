//! An archive for every Linux distribution, and the checksums of all results.

use super::{VERSION, deb, folder, rpm, source_date};
use crate::guest::workspace;
use crate::shell::{file_error, output, print_line, run};
use std::fs;
use std::path::PathBuf;

/// The file of the archive in `target/dist`.
pub(super) fn file() -> PathBuf {
    folder().join(format!("{}.tar.gz", name()))
}

fn name() -> String {
    format!("ferric-{VERSION}-x86_64-linux")
}

/// Packs the program with what `ferric run`, shells and service managers need, in the order of names, with the time of the
/// last commit.
pub(super) fn build() -> Result<(), String> {
    let root = folder().join(name());
    let _ = fs::remove_dir_all(&root);
    let (bin, lib) = (root.join("bin"), root.join("lib/ferric"));
    for directory in [&bin, &lib] {
        fs::create_dir_all(directory).map_err(file_error(directory))?;
    }
    let files = [
        (folder().join("ferric"), bin.join("ferric")),
        (folder().join("libferric_run.so"), lib.join("libferric_run.so")),
        (workspace().join("README.md"), root.join("README.md")),
        (workspace().join("LICENSE-MIT"), root.join("LICENSE-MIT")),
        (workspace().join("LICENSE-APACHE"), root.join("LICENSE-APACHE")),
    ];
    for (from, to) in files {
        fs::copy(&from, &to).map_err(file_error(&from))?;
    }
    let share = |name: &str| folder().join("tree/usr").join(name).display().to_string();
    run("cp", ["-r", &share("share"), &share("lib/systemd"), &root.display().to_string()])?;
    let script = format!(
        "cd '{}' && tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw --mtime=@{} --format=gnu -cf - '{}' | gzip -9 -n > '{}'",
        folder().display(),
        source_date()?,
        name(),
        file().display()
    );
    run("sh", ["-c", &script])?;
    fs::remove_dir_all(&root).map_err(file_error(&root))
}

/// Writes `SHA256SUMS` of the results, and prints it.
pub(super) fn write_checksums() -> Result<(), String> {
    let packages = deb::PACKAGES.map(|(name, _)| deb::file(name));
    let names: Vec<String> = packages
        .into_iter()
        .chain([folder().join("ferric"), rpm::file(), file()])
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    let script = format!("cd '{}' && sha256sum {}", folder().display(), names.join(" "));
    let sums = output("sh", ["-c", &script])?;
    let path = folder().join("SHA256SUMS");
    fs::write(&path, &sums).map_err(file_error(&path))?;
    print_line(String::from_utf8_lossy(&sums).trim_end());
    Ok(())
}
