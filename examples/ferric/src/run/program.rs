//! The program of the command: where it is, and whether the library can be preloaded into it.

use super::{NOT_EXECUTABLE, NotRun};
use crate::cli_error::{CliError, ErrorCode};
use linux_scsi::program::{FIRST_BYTES, Program};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const NOT_FOUND: u8 = 127;
/// Most interpreters of interpreters.
const MAX_SCRIPTS: usize = 5;
const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;
/// Advice about a program that cannot be served.
const ADVICE: &str = "serve the library over iSCSI with ferric-iscsid and attach it on this machine or in QEMU";

/// Finds a program as a shell does, and checks that the library can be preloaded into it.
pub(crate) fn find(name: &OsStr) -> Result<PathBuf, NotRun> {
    let path = search(name)?;
    check(&path, MAX_SCRIPTS)?;
    Ok(path)
}

/// Finds a program by its path or in $PATH.
pub(crate) fn search(name: &OsStr) -> Result<PathBuf, NotRun> {
    let is_executable =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    let missing =
        || NotRun { code: NOT_FOUND, error: CliError::not_found(format!("{}: no such program", name.display())) };
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return match fs::metadata(&path) {
            Err(_) => Err(missing()),
            Ok(_) if is_executable(&path) => Ok(path),
            Ok(_) => Err(refuse(&path, "is not executable")),
        };
    }
    let directories = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    std::env::split_paths(&directories).map(|directory| directory.join(name)).find(is_executable).ok_or_else(missing)
}

fn refuse(path: &Path, reason: &str) -> NotRun {
    let message = format!("{}: {reason}", path.display());
    NotRun { code: NOT_EXECUTABLE, error: CliError::new(ErrorCode::Invalid, message) }
}

fn check(path: &Path, scripts: usize) -> Result<(), NotRun> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let Ok((metadata, file)) = opened else {
        // A program that may be executed but not read: the loader ignores LD_PRELOAD only for one that changes the user.
        return Ok(());
    };
    if changes_user(path, &metadata) {
        return Err(refuse(
            path,
            &format!(
                "runs as another user (setuid or setgid) or with capabilities, so nothing can be preloaded; {ADVICE}"
            ),
        ));
    }
    let mut first = Vec::new();
    let read = file.take(FIRST_BYTES.try_into().unwrap_or(u64::MAX)).read_to_end(&mut first);
    read.map_err(|error| refuse(path, &error.to_string()))?;
    match Program::of(&first) {
        Program::Dynamic | Program::Unknown => Ok(()),
        Program::Static => Err(refuse(path, &format!("is linked statically, so nothing can be preloaded; {ADVICE}"))),
        Program::OtherLoader(loader) => {
            let loader = String::from_utf8_lossy(loader);
            Err(refuse(path, &format!("uses another C library ({loader}); {ADVICE}")))
        }
        Program::OtherMachine => Err(refuse(path, &format!("is for another kind of machine; {ADVICE}"))),
        Program::Script(interpreter) if scripts > 0 && !interpreter.is_empty() => {
            check(Path::new(OsStr::from_bytes(interpreter)), scripts - 1)
        }
        Program::Script(_) => Ok(()),
    }
}

/// Whether the kernel changes the user, the group or the capabilities when this program starts.
fn changes_user(path: &Path, metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let has_capabilities = || {
        let mut value = [0_u8; 64];
        user != 0 && rustix::fs::getxattr(path, "security.capability", &mut value).is_ok()
    };
    (mode & SET_USER != 0 && metadata.uid() != user)
        || (mode & SET_GROUP != 0 && metadata.gid() != group)
        || has_capabilities()
}
