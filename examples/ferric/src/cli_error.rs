//! Errors of commands.

use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::io;
use tape_store::error::StoreError;
use tape_store::image::ImageError;

/// What kind of failure an error is: the codes of the control protocol, and those of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    /// The file, cartridge, element or value that was named does not exist.
    NotFound,
    /// The state of the thing does not allow the command, or it exists already.
    Conflict,
    /// Another process uses the cartridge or the directory: the code of the daemon for the same.
    Busy,
    /// The data is under retention.
    Locked,
    /// A value or a file is invalid.
    Invalid,
    /// No daemon answers, or the connection to it has ended.
    Unavailable,
    /// Files of a cartridge are damaged.
    Damaged,
    /// The operating system has refused an operation on a file.
    Io,
    /// A daemon was not started, or ended by an error.
    Failed,
    /// A daemon of an earlier release, which gives no codes, has refused the request.
    Refused,
    /// The command line is wrong: exit code 2 instead of 1.
    Usage,
}

/// Error that a command reports to the user.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The command cannot be executed, for the given reason.
    Failed(ErrorCode, String),
    /// The error object of a daemon's response: `code`, `message` and further fields.
    Daemon(Value),
    /// A cartridge, by its path, and what is wrong with it.
    Cartridge(String, StoreError),
    /// An image, by its path, and what is wrong with it or with the tape.
    Image(String, ImageError),
    /// The output cannot be written.
    Output(io::Error),
}

impl CliError {
    /// An error with a code and a message.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Failed(code, message.into())
    }

    /// An invalid value or file.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// A thing that does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// A command that the state of a thing does not allow.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// An error of the operating system, with a message that names the place.
    pub(crate) fn system(error: &io::Error, message: impl Into<String>) -> Self {
        Self::new(io_code(error), message)
    }

    /// Whether the reader of the output has closed the pipe.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let (Self::Output(error) | Self::Image(_, ImageError::Io(error))) = self else { return false };
        error.kind() == io::ErrorKind::BrokenPipe
    }

    /// The error as JSON: `code`, `message`, and what else the daemon reports.
    pub(crate) fn document(&self) -> Value {
        let (code, message) = (self.code(), self.to_string());
        match self {
            Self::Daemon(error) => error.clone(),
            _ => json!({ "code": code, "message": message }),
        }
    }

    /// The kind of the error.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Failed(code, _) => *code,
            Self::Daemon(_) => ErrorCode::Refused,
            Self::Cartridge(_, error) | Self::Image(_, ImageError::Tape(error)) => store_code(error),
            Self::Image(_, ImageError::Io(error)) | Self::Output(error) => io_code(error),
            Self::Image(_, ImageError::EndOfMedium(_)) => ErrorCode::Conflict,
            Self::Image(..) => ErrorCode::Invalid,
        }
    }
}

fn io_code(error: &io::Error) -> ErrorCode {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::NotFound,
        io::ErrorKind::AlreadyExists => ErrorCode::Conflict,
        io::ErrorKind::InvalidData => ErrorCode::Invalid,
        _ => ErrorCode::Io,
    }
}

fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Io { source, .. } => io_code(source),
        StoreError::Damaged { .. } | StoreError::Malformed { .. } | StoreError::LostObjects { .. } => {
            ErrorCode::Damaged
        }
        StoreError::NoCartridgeMemory => ErrorCode::NotFound,
        StoreError::InUse | StoreError::NotUnloaded | StoreError::TakenOver { .. } => ErrorCode::Busy,
        StoreError::Retained { .. } => ErrorCode::Locked,
        StoreError::AtObject { cause, .. } => store_code(cause),
        StoreError::Cartridge { .. } | StoreError::ReadOnly(_) => ErrorCode::Conflict,
        _ => ErrorCode::Invalid,
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_, message) => f.write_str(message),
            Self::Daemon(error) => match error.get("message").and_then(Value::as_str) {
                Some(message) => f.write_str(message),
                None => write!(f, "{error}"),
            },
            Self::Cartridge(path, error) => write!(f, "{path}: {error}"),
            // The path names the image already.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_daemon_are_passed_on() {
        let error = json!({ "code": "locked", "message": "drive1 is locked by a host", "drive": "drive1" });
        let passed = CliError::Daemon(error.clone());
        assert_eq!(passed.to_string(), "drive1 is locked by a host");
        assert_eq!(passed.document(), error);
    }

    /// As in the control protocol.
    #[test]
    fn code_of_a_cartridge_that_another_process_uses() {
        let code = |error| CliError::Cartridge("A".into(), error).document()["code"].clone();
        assert_eq!(code(StoreError::InUse), "busy");
        assert_eq!(code(StoreError::NotUnloaded), "busy");
        assert_eq!(code(StoreError::Retained { barcode: "A".into() }), "locked");
    }
}
