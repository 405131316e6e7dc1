//! Why a tool failed.

use std::fmt;
use std::io;
use std::path::Path;
use vtl::config::ConfigError;

/// What a tool comes to.
pub type ToolResult = Result<(), ToolError>;

/// What the user is told.
#[derive(Debug)]
pub enum ToolError {
    /// It was not done.
    Refused {
        /// Why.
        text: String,
        /// The exit code.
        code: u8,
        /// How the tool is used is to be said, too.
        usage: bool,
    },
    /// The output cannot be written.
    Output(io::Error),
}

impl ToolError {
    /// What was asked was not done: exit code 1.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into(), code: 1, usage: false }
    }

    /// Arguments that cannot be: exit code 1, and the usage.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into(), code: 1, usage: true }
    }

    /// Files that cannot be made: exit code 2.
    pub(crate) fn files(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into(), code: 2, usage: false }
    }

    /// A file or directory, and what is wrong with it.
    pub(crate) fn at(path: &Path, what: impl fmt::Display) -> Self {
        Self::new(format!("error: {}: {what}", path.display()))
    }

    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Output(_) => 1,
        }
    }

    /// Whether the usage is to be said.
    #[must_use]
    pub const fn wants_usage(&self) -> bool {
        matches!(self, Self::Refused { usage: true, .. })
    }
}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<ConfigError> for ToolError {
    fn from(error: ConfigError) -> Self {
        Self::new(format!("error: {error}"))
    }
}
