//! Errors of the tools, and their exit codes.

use std::fmt;
use std::io;
use std::path::Path;
use vtl::config::ConfigError;

/// The result of a tool: success, or the error to report.
pub type ToolResult = Result<(), ToolError>;

/// An error of a tool, which is printed to standard error.
#[derive(Debug)]
pub enum ToolError {
    /// The tool has refused or failed to do its work.
    Refused {
        /// Message for standard error; empty for none.
        text: String,
        /// Exit code: 1, or 2 if files cannot be created.
        code: u8,
        /// Whether the usage text follows the message.
        usage: bool,
    },
    /// The output of the tool cannot be written.
    Output(io::Error),
}

impl ToolError {
    /// An error of the tool's work: exit code 1.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into(), code: 1, usage: false }
    }

    /// An error in the arguments: exit code 1, and the usage text.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into(), code: 1, usage: true }
    }

    /// Files that cannot be created: exit code 2.
    pub(crate) fn files(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into(), code: 2, usage: false }
    }

    /// An error about a file or directory: exit code 1.
    pub(crate) fn at(path: &Path, problem: impl fmt::Display) -> Self {
        Self::new(format!("error: {}: {problem}", path.display()))
    }

    /// Exit code: 1, or 2 if files cannot be created.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Output(_) => 1,
        }
    }

    /// Whether the usage text follows the message.
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
