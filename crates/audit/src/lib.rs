//! Audit records: who changed what, from where, with which result. They are lines of JSON in a hash chain, in files of one
//! directory.
//!
//! [`chain`] is pure: a record becomes a line, and a line is checked against the one before it. [`log`] is the only module
//! that writes files, [`mod@verify`] and [`mod@query`] read them. `docs/audit.md` describes the files.
#![forbid(unsafe_code)]

pub mod chain;
mod files;
pub mod log;
pub mod query;
mod record;
pub mod verify;

pub use log::AuditLog;
pub use query::{Filter, read};
pub use record::{Actor, ActorKind, Entry, Record};
pub use verify::{Broken, Verified, verify};

use std::io;
use std::path::PathBuf;

/// A file of the audit log cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}")]
#[non_exhaustive]
pub struct AuditError {
    /// The file or directory concerned.
    pub file: PathBuf,
    /// The error of the file system.
    pub source: io::Error,
}

/// Adds the file to an error of the file system.
fn at(file: &std::path::Path) -> impl Fn(io::Error) -> AuditError + use<> {
    let file = file.to_path_buf();
    move |source| AuditError { file: file.clone(), source }
}
