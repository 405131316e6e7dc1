//! Links to a program, which behaves as the program of the name of the link.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// An error that prevents links from being created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The path of this program is not known.
    #[error("this program: {0}")]
    Program(io::Error),
    /// Another file has the name of a link. It was not replaced.
    #[error("{}: another file has this name and was not replaced", .0.display())]
    OtherFile(PathBuf),
    /// A link cannot be created.
    #[error("{}: {error}", path.display())]
    Link {
        /// Path of the link.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

/// Creates a link to this program in a directory for each name. Returns the links with the program that they lead to. Links
/// that exist already stay.
///
/// # Errors
/// The first link that cannot be created; those before it exist.
pub fn create<'a>(
    directory: &Path,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<(PathBuf, PathBuf)>, LinkError> {
    let program = std::env::current_exe().map_err(LinkError::Program)?;
    let create = |name: &str| {
        let link = directory.join(name);
        match symlink(&program, &link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read_link(&link).ok().as_deref() != Some(&program) {
                    return Err(LinkError::OtherFile(link));
                }
            }
            created => created.map_err(|error| LinkError::Link { path: link.clone(), error })?,
        }
        Ok((link, program.clone()))
    };
    names.into_iter().map(create).collect()
}
