//! `ferric run` with real programs, natively and without privileges: as root, they run as the user 65534.
//!
//! The programs are Debian packages, which `cargo xtask test` installs. A test whose program is missing fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr, reason = "test code")]

mod amanda;
mod bacula;
mod command_line;
mod compatibility;
mod descriptors;
mod devices;
mod ends;
mod faults;
mod personality;
mod programs;
mod recorded;
mod shared_shelf;
mod timeouts;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Seconds after which a command is killed.
const LIMIT: &str = "300";

/// Builds a package of the workspace, and returns the directory of its programs.
fn build(package: &str) -> &'static Path {
    let programs = Path::new(env!("CARGO_BIN_EXE_ferric")).parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "--quiet", "--all-features", "--package", package, "--target-dir"])
        .arg(programs.parent().unwrap());
    if programs.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "{package} cannot be built");
    programs
}

/// `ferric` and the preloaded library, where every user can read them.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let programs = build("ferric-run");
        let directory = std::env::temp_dir().join(format!("{INSTALLED_PREFIX}{}", std::process::id()));
        remove_former_copies();
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        for file in ["ferric", "libferric_run.so"] {
            fs::copy(programs.join(file), directory.join(file)).unwrap();
        }
        directory
    })
}

/// Prefix of the names of directories with copies of the programs; the number of the process follows.
const INSTALLED_PREFIX: &str = "ferric-run-test-";

/// Removes the copies of processes that have ended.
fn remove_former_copies() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(INSTALLED_PREFIX);
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A directory that every user can read and write.
fn accessible_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    directory
}

/// Options of `setpriv` for a user without any privilege.
const UNPRIVILEGED: &[&str] = &["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];

/// A working directory for programs.
struct Directory {
    directory: TempDir,
    /// Options of `setpriv` for the user of the programs, if root runs the tests.
    user: &'static [&'static str],
}

/// The end of a command: exit code, standard output and standard error.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Directory {
    fn new() -> Self {
        Self { directory: accessible_directory(), user: UNPRIVILEGED }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
        fs::set_permissions(self.path().join(name), Permissions::from_mode(0o755)).unwrap();
    }

    /// `ferric run` with these options, without privileges.
    fn ferric(&self, options: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", LIMIT]);
        if rustix::process::geteuid().is_root() {
            command.arg("setpriv").args(self.user);
        }
        command.arg(installed().join("ferric")).args(options).current_dir(self.path());
        command.env("HOME", self.path()).env("LC_ALL", "C.UTF-8").env_remove("FERRIC_DATA");
        command
    }

    /// Runs `ferric run` with these options and a script of bash, in which every line must succeed.
    fn run(&self, options: &[&str], script: &str) -> Ended {
        let options = [&["run"], options, &["--", "bash", "-e", "-u", "-o", "pipefail", "-c", script]].concat();
        Ended::from(self.ferric(&options).output().unwrap())
    }

    /// Runs a script that must succeed, and returns its standard output.
    fn succeed(&self, options: &[&str], script: &str) -> String {
        let Ended { code, out, err } = self.run(options, script);
        assert_eq!(code, 0, "{script}\n{out}\n{err}");
        out
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Self { code: output.status.code().unwrap(), out, err }
    }
}

/// The block of the user documentation with this tag.
fn documented(tag: &str) -> &'static str {
    let (_, block) = include_str!("../../../../docs/run.md").split_once(&format!("```{tag}\n")).unwrap();
    block.split_once("```").unwrap().0
}

/// Bytes that do not compress, the same in each run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

/// Asserts that a text contains each of these.
#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}
