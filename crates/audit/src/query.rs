//! Reading of records.

use crate::record::Record;
use crate::{AuditError, chain, files};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The records that a reader selects: by time, object and actor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Number of the last record that the reader has; records after it are read.
    pub after: u64,
    /// Earliest time of a record, in milliseconds since 1970.
    pub since: u64,
    /// Object of the record: a barcode, a library, a pool, or a unit or element such as `main/drive1` or `drive1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Name of the actor, such as a user or an initiator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

impl Filter {
    fn selects(&self, record: &Record) -> bool {
        let entry = &record.entry;
        let is_object = |object: &str| {
            entry
                .objects
                .iter()
                .any(|other| other == object || other.rsplit_once('/').is_some_and(|(_, name)| name == object))
        };
        record.seq > self.after
            && record.at >= self.since
            && self.object.as_deref().is_none_or(is_object)
            && self.actor.as_deref().is_none_or(|actor| entry.actor.name == actor)
    }
}

/// The first `max` records of the log in a directory that a filter selects, ascending. Lines that are not records are left
/// out: [`crate::verify()`] reports them.
///
/// # Errors
/// A file cannot be read.
pub fn read(directory: &Path, filter: &Filter, max: usize) -> Result<Vec<Record>, AuditError> {
    let numbers = files::list(directory)?;
    let mut found = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        // A file is skipped if the next one begins before the wanted records.
        if let Some(next) = numbers.get(index + 1) {
            let line = files::first_line(&files::path(directory, *next))?;
            if chain::parse(&line).is_ok_and(|(first, _)| first.seq <= filter.after + 1) {
                continue;
            }
        }
        let text = files::read(&files::path(directory, *number))?;
        let records = text.lines().filter_map(|line| chain::parse(line).ok()).map(|(record, _)| record);
        found.extend(records.filter(|record| filter.selects(record)).take(max - found.len()));
        if found.len() >= max {
            break;
        }
    }
    Ok(found)
}
