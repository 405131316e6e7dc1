//! The check of a whole log.

use crate::chain::{self, Link};
use crate::log::RECORDS_LOST;
use crate::{AuditError, files};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The result for a log whose chain is intact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Number of files with records.
    pub files: usize,
    /// The last record and its hash. A copy of it elsewhere shows later that no record before it was changed.
    pub last: Link,
}

/// The place where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}:{line}: {reason}", .file.display())]
#[non_exhaustive]
pub struct Broken {
    /// The file with the first line that does not continue the chain.
    pub file: PathBuf,
    /// Number of the line, from 1; one more than the file has if records are missing at its end.
    pub line: usize,
    /// Reason in words why the line does not continue it.
    pub reason: String,
}

/// Checks the chain of the log in a directory: every record is there, in order and unchanged. `until` is the end of the
/// chain of a log that a daemon writes meanwhile; lines after it are not read. Without it, the chain must reach the record
/// in the file `head`.
///
/// # Errors
/// A file cannot be read. The inner result has the place where the chain is broken.
pub fn verify(directory: &Path, until: Option<&Link>) -> Result<Result<Verified, Broken>, AuditError> {
    let head_path = files::head_path(directory);
    let expected = match until {
        Some(until) => Some(until.clone()),
        None => files::read_head(directory)?,
    };
    let numbers = files::list(directory)?;
    let Some(expected) = expected else {
        return Ok(Err(Broken { file: head_path, line: 1, reason: "the file is missing or damaged".into() }));
    };
    let (mut last, mut place) = (Link::genesis(), (files::path(directory, 1), 0));
    for (number, wanted) in numbers.iter().zip(1..) {
        let file = files::path(directory, *number);
        if *number != wanted {
            let reason = format!("{} is missing", files::path(directory, wanted).display());
            return Ok(Err(Broken { file, line: 1, reason }));
        }
        let text = files::read(&file)?;
        for (line, text) in (1..).zip(text.split_inclusive('\n')) {
            if until.is_some_and(|until| until.seq == last.seq) {
                break;
            }
            let at = |reason: String| Broken { file: file.clone(), line, reason };
            last = match check_line(&last, text) {
                Ok(link) => link,
                Err(reason) => return Ok(Err(at(reason))),
            };
            if last.seq == expected.seq && last.hash != expected.hash {
                return Ok(Err(at("the hash differs from that in the file head".into())));
            }
            place = (file.clone(), line);
        }
    }
    if last.seq < expected.seq {
        let reason = format!("records {} to {} are missing", last.seq + 1, expected.seq);
        return Ok(Err(Broken { file: place.0, line: place.1 + 1, reason }));
    }
    Ok(Ok(Verified { files: numbers.len(), last }))
}

/// Checks one line with its line break. The error is the reason why the chain is broken there.
fn check_line(previous: &Link, text: &str) -> Result<Link, String> {
    let line = text.strip_suffix('\n').ok_or("the line is incomplete")?;
    let (record, link) = chain::check(previous, line).map_err(|error| error.to_string())?;
    if record.entry.action == RECORDS_LOST {
        return Err(format!("records before this one were lost: {}", record.entry.details));
    }
    Ok(link)
}
