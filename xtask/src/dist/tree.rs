//! The files of the packages besides the program, at the places where packages have them.

use super::{VERSION, folder, source_date};
use crate::guest::workspace;
use crate::shell::{check, file_error, output, run};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The programs that links in the package are.
const LINKS: [&str; 3] = ["ferric-iscsid", "ferric-mhvtld", "ferric-mhvtl"];

/// Files of the repository, and their places.
const FILES: [(&str, &str); 8] = [
    ("dist/systemd/ferric.service", "usr/lib/systemd/system/ferric.service"),
    ("dist/systemd/ferric@.service", "usr/lib/systemd/system/ferric@.service"),
    ("dist/systemd/ferric.socket", "usr/lib/systemd/system/ferric.socket"),
    ("dist/systemd/ferric.sysusers", "usr/lib/sysusers.d/ferric.conf"),
    ("dist/debian/ferric.lintian-overrides", "usr/share/lintian/overrides/ferric"),
    ("dist/grafana/ferric.json", "usr/share/doc/ferric/examples/grafana.json"),
    ("dist/prometheus/ferric.rules.yml", "usr/share/doc/ferric/examples/prometheus.rules.yml"),
    ("docs/operations.md", "usr/share/doc/ferric/operations.md"),
];

/// Files of the package with mhvtl's names.
const FILES_OF_MHVTL: [(&str, &str); 3] = [
    ("dist/mhvtl/mhvtl.target", "usr/lib/systemd/system/mhvtl.target"),
    ("dist/mhvtl/vtltape@.service", "usr/lib/systemd/system/vtltape@.service"),
    ("dist/mhvtl/vtllibrary@.service", "usr/lib/systemd/system/vtllibrary@.service"),
];

/// Directory of systemd's generators; that of mhvtl's units is a tool of mhvtl.
const GENERATORS: &str = "usr/lib/systemd/system-generators";
const GENERATOR: &str = "mhvtl-device-conf-generator";

/// Writes `target/dist/tree` and `target/dist/tree-mhvtl`, from the program that is built.
pub(super) fn write() -> Result<(), String> {
    let (tree, of_mhvtl) = (folder().join("tree"), folder().join("tree-mhvtl"));
    for directory in [&tree, &of_mhvtl] {
        let _ = fs::remove_dir_all(directory);
    }
    copy(&tree, &FILES)?;
    copy(&of_mhvtl, &FILES_OF_MHVTL)?;
    let library = folder().join("libferric_run.so");
    place(&library, &tree.join("usr/lib/ferric/libferric_run.so"))?;
    let config = program("ferric", &["config", "init", "-"])?;
    write_file(&tree.join("etc/ferric/ferric.toml"), &config)?;
    LINKS.iter().try_for_each(|name| link("ferric", &tree.join("usr/bin").join(name)))?;
    write_links_of_mhvtl(&of_mhvtl)?;
    write_completions(&tree)?;
    write_pages(&tree, &of_mhvtl)?;
    write_debian_files()
}

fn copy(tree: &Path, files: &[(&str, &str)]) -> Result<(), String> {
    files.iter().try_for_each(|(from, to)| place(&workspace().join(from), &tree.join(to)))
}

fn place(from: &Path, to: &Path) -> Result<(), String> {
    write_file(to, &fs::read(from).map_err(file_error(from))?)
}

fn write_file(path: &Path, text: &[u8]) -> Result<(), String> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).map_err(file_error(directory))?;
    fs::write(path, text).map_err(file_error(path))
}

fn link(to: &str, path: &Path) -> Result<(), String> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).map_err(file_error(directory))?;
    symlink(to, path).map_err(file_error(path))
}

/// The output of the program under one of its names.
fn program(name: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new(folder().join("ferric")).arg0(name).args(arguments).output();
    let output = output.map_err(|error| format!("{name}: {error}; cargo xtask dist build makes the program"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The names that `ferric links --mhvtl` creates and `ferric links` does not.
fn write_links_of_mhvtl(tree: &Path) -> Result<(), String> {
    let all = folder().join("links");
    let _ = fs::remove_dir_all(&all);
    fs::create_dir_all(&all).map_err(file_error(&all))?;
    program("ferric", &["links", "--mhvtl", &all.display().to_string()])?;
    for entry in fs::read_dir(&all).map_err(file_error(&all))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == GENERATOR {
            link("/usr/bin/ferric", &tree.join(GENERATORS).join(&name))?;
        } else if !LINKS.contains(&name.as_str()) {
            link("ferric", &tree.join("usr/bin").join(&name))?;
        }
    }
    fs::remove_dir_all(&all).map_err(file_error(&all))
}

/// The completion scripts of `ferric` and of the daemons.
fn write_completions(tree: &Path) -> Result<(), String> {
    let share = tree.join("usr/share");
    let places = [
        ("bash", "bash-completion/completions/", ""),
        ("zsh", "zsh/vendor-completions/_", ""),
        ("fish", "fish/vendor_completions.d/", ".fish"),
    ];
    for (shell, place, end) in places {
        let of_ferric = program("ferric", &["completions", shell])?;
        write_file(&share.join(format!("{place}ferric{end}")), &of_ferric)?;
        for name in ["ferric-iscsid", "ferric-mhvtld"] {
            let script = program(name, &["--completions", shell])?;
            write_file(&share.join(format!("{place}{name}{end}")), &script)?;
        }
    }
    Ok(())
}

/// The man pages, compressed.
fn write_pages(tree: &Path, of_mhvtl: &Path) -> Result<(), String> {
    let pages = folder().join("man");
    let _ = fs::remove_dir_all(&pages);
    program("ferric", &["man", &pages.display().to_string()])?;
    for entry in fs::read_dir(&pages).map_err(file_error(&pages))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let section = name.rsplit('.').next().unwrap_or_default().to_owned();
        let tree = if name.starts_with("vtl") { of_mhvtl } else { tree };
        let place_of = tree.join(format!("usr/share/man/man{section}")).join(&name);
        place(&entry.path(), &place_of)?;
        run("gzip", ["-9", "-n", "-f", &place_of.display().to_string()])?;
    }
    fs::remove_dir_all(&pages).map_err(file_error(&pages))
}

/// The files that cargo-deb reads: the licences in one text, and a changelog in Debian's form.
fn write_debian_files() -> Result<(), String> {
    let read = |name: &str| {
        let path = workspace().join(name);
        fs::read_to_string(&path).map_err(file_error(&path))
    };
    let licences = format!(
        "Ferric is licensed under the MIT licence or the Apache licence 2.0, at your choice.\n\n{}\n{}\n",
        read("LICENSE-MIT")?,
        "The text of the Apache licence 2.0 is in /usr/share/common-licenses/Apache-2.0.",
    );
    write_file(&folder().join("copyright"), licences.as_bytes())?;
    let date = output("date", ["-u", "-R", "-d", &format!("@{}", source_date()?)])?;
    let changelog = format!(
        "ferric ({VERSION}-1) unstable; urgency=medium\n\n  * Release {VERSION}.\n\n \
         -- The Ferric developers <packages@ferric.invalid>  {}",
        String::from_utf8_lossy(&date)
    );
    write_file(&folder().join("debian-changelog"), changelog.as_bytes())?;
    check(
        "chmod",
        Command::new("chmod").args(["-R", "go=rX"]).args(["tree", "tree-mhvtl"].map(|name| folder().join(name))),
    )
}
