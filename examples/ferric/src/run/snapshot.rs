//! `--snapshot` and `--restore`: copies of the directory of a library. Where the file system can share the blocks of files,
//! a copy takes no time and no space.

use crate::cli_error::CliError;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use vtl::data_dir::{DataDirError, UnchangedDataDir};

/// Copies the directory of a library that no process uses. `to` must not exist, or be empty.
///
/// # Errors
/// `from` is not a library or is in use, `to` has files, or a file cannot be copied.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), CliError> {
    let _unchanged = UnchangedDataDir::lock(from).map_err(|error| match error {
        DataDirError::Io { source, .. } => {
            CliError::system(&source, format!("{}: not the directory of a library: {source}", from.display()))
        }
        error => CliError::conflict(error.to_string()),
    })?;
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(CliError::conflict(format!("{}: not empty; name a directory that does not exist", to.display())));
    }
    copy_directory(from, to).map_err(|error| {
        CliError::system(&error, format!("cannot copy {} to {}: {error}", from.display(), to.display()))
    })
}

/// `fs::copy` shares blocks where the file system can (`copy_file_range`).
fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, Permissions::from_mode(fs::metadata(from)?.mode() & 0o7777))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_directory(&source, &copy)?;
        } else if kind.is_file() {
            fs::copy(&source, &copy)?;
        }
    }
    Ok(())
}
