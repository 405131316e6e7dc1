//! Errors of commands.

use std::fmt;
use std::io;
use tape_store::error::StoreError;
use tape_store::image::ImageError;

/// Error that a command reports to the user.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The command cannot be executed; the text gives the reason.
    Usage(String),
    /// A cartridge, by its path, and what is wrong with it.
    Cartridge(String, StoreError),
    /// An image, by its path, and what is wrong with it or with the tape.
    Image(String, ImageError),
    /// The output cannot be written.
    Output(io::Error),
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => f.write_str(what),
            Self::Cartridge(path, error) => write!(f, "{path}: {error}"),
            // The path says that it is the image.
            Self::Image(path, ImageError::Io(error)) => write!(f, "{path}: {error}"),
            Self::Image(path, error) => write!(f, "{path}: {error}"),
            Self::Output(error) => write!(f, "cannot write output: {error}"),
        }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}
