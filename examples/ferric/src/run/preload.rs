//! The library that is preloaded into programs: a file beside the program `ferric`.

use crate::cli_error::CliError;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const NAME: &str = "libferric_run.so";

/// Finds the file.
///
/// # Errors
/// There is none; the error names the places.
pub(crate) fn library() -> Result<PathBuf, CliError> {
    // Without /proc, the system does not tell; then it is the program that was called.
    let called = || super::program::search(&std::env::args_os().next()?).ok();
    let program = std::env::current_exe().or_else(|error| called().ok_or(error)).and_then(|path| path.canonicalize());
    let program =
        program.map_err(|error| CliError::system(&error, format!("cannot find the program ferric: {error}")))?;
    let directory = program.parent().unwrap_or(Path::new("/"));
    let places = [directory.join(NAME), directory.join("../lib/ferric").join(NAME)];
    let Some(found) = places.iter().find(|place| place.is_file()) else {
        let places = places.map(|place| place.display().to_string()).join(" or ");
        let message = format!("{NAME} is missing: expected {places}; build it with: cargo build -p ferric-run");
        return Err(CliError::not_found(message));
    };
    // The loader separates the paths in LD_PRELOAD by blanks and colons.
    if found.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b' ' | b':')) {
        let message =
            format!("{}: the path has a blank or a colon, so it cannot be preloaded; move it", found.display());
        return Err(CliError::invalid(message));
    }
    Ok(found.clone())
}
