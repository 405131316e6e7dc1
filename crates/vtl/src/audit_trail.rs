//! The audit log of a site: the records of changes, and of the events that hosts and the site itself cause.

use crate::clock::Clock;
use crate::control::ControlError;
use crate::events::{Event, EventRecord, EventSource};
use crate::locks::lock;
use audit::{Actor, ActorKind, AuditError, AuditLog, Entry, Filter, Record};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

/// The audit log in a data directory. A site in memory has none.
#[derive(Debug)]
pub(crate) struct AuditTrail {
    directory: Option<PathBuf>,
    clock: Clock,
    /// `None` until the log could be opened.
    log: Mutex<Option<AuditLog>>,
}

/// The error of a change that cannot be recorded.
fn unrecorded(what: &str, error: &AuditError) -> ControlError {
    let message = format!("{what}: the audit log cannot be written: {error}");
    ControlError::unavailable(message).with_file(error.file.display().to_string())
}

/// The record of a change by an actor: its result is the code of the error, or this word if there is none.
pub(crate) fn entry_of(actor: &Actor, action: impl Into<String>, result: &str, error: Option<&ControlError>) -> Entry {
    Entry {
        result: error.map_or_else(|| result.to_owned(), ControlError::code_name),
        error: error.map(ToString::to_string),
        ..Entry::new(actor.clone(), action)
    }
}

/// The error of a request for the records of a site in memory.
fn in_memory() -> ControlError {
    ControlError::unavailable("this site has no audit log: its data directory is in memory")
}

impl AuditTrail {
    /// Opens the log in a directory. If that fails, it is tried again before each change.
    pub(crate) fn open(directory: Option<PathBuf>, clock: Clock) -> Self {
        let trail = Self { directory, clock, log: Mutex::default() };
        if let Err(error) = trail.opened() {
            tracing::error!(%error, "the audit log cannot be opened; changes are refused");
        }
        trail
    }

    fn now(&self) -> u64 {
        self.clock.now().wall.0
    }

    /// The open log; `None` for a site in memory.
    fn opened(&self) -> Result<Option<MutexGuard<'_, Option<AuditLog>>>, AuditError> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let mut log = lock(&self.log);
        if log.is_none() {
            *log = Some(AuditLog::open(directory, self.now())?);
        }
        Ok(Some(log))
    }

    /// Calls `call` with the log; does nothing for a site in memory.
    fn with_log(&self, call: impl FnOnce(&mut AuditLog) -> Result<(), AuditError>) -> Result<(), AuditError> {
        match self.opened()?.as_deref_mut() {
            Some(Some(log)) => call(log),
            _ => Ok(()),
        }
    }

    /// Ensures that a change can be recorded.
    ///
    /// # Errors
    /// `unavailable`: the change must not be made.
    pub(crate) fn prepare(&self) -> Result<(), ControlError> {
        self.with_log(AuditLog::prepare).map_err(|error| unrecorded("nothing was changed", &error))
    }

    /// Appends the record of a change, durably.
    ///
    /// # Errors
    /// `unavailable`: the change was made, but has no record yet. It is written before the next change.
    pub(crate) fn append(&self, entry: Entry) -> Result<(), ControlError> {
        let now = self.now();
        self.with_log(|log| log.append(now, [entry])).map_err(|error| {
            tracing::error!(%error, "the audit log cannot be written");
            unrecorded("the change was made, but is not recorded yet", &error)
        })
    }

    /// Appends the record of an event durably, unless it is not recorded. If the log cannot be written, the record is
    /// written before the next one: what a host has done is not undone.
    pub(crate) fn record(&self, record: &EventRecord, elements: Vec<String>) {
        let Some(entry) = entry_of_event(record, elements) else { return };
        let now = self.now();
        if let Err(error) = self.with_log(|log| log.append(now, [entry])) {
            tracing::error!(%error, "the audit log cannot be written");
        }
    }

    /// The first `max` records that a filter selects.
    ///
    /// # Errors
    /// `unavailable` for a site in memory, or if a file cannot be read.
    pub(crate) fn read(&self, filter: &Filter, max: usize) -> Result<Vec<Record>, ControlError> {
        let directory = self.directory.as_ref().ok_or_else(in_memory)?;
        audit::read(directory, filter, max).map_err(|error| read_error(&error))
    }

    /// Checks the records up to the last one.
    ///
    /// # Errors
    /// `unavailable` for a site in memory, or if a file cannot be read; `internal` if the chain is broken.
    pub(crate) fn verify(&self) -> Result<audit::Verified, ControlError> {
        let directory = self.directory.as_ref().ok_or_else(in_memory)?;
        let until = self
            .opened()
            .map_err(|error| read_error(&error))?
            .and_then(|log| log.as_ref().map(|log| log.last().clone()));
        // Not under the lock: the daemon writes further records meanwhile.
        match audit::verify(directory, until.as_ref()).map_err(|error| read_error(&error))? {
            Ok(verified) => Ok(verified),
            Err(broken) => {
                let message = format!("the audit log was changed or damaged: {broken}");
                Err(ControlError::internal(message).with_file(broken.file.display().to_string()))
            }
        }
    }

    /// Replaces the function that reserves space, for tests of a full disk.
    #[cfg(test)]
    pub(crate) fn set_reserve(&self, reserve: fn(&std::fs::File, u64, u64) -> std::io::Result<()>) {
        lock(&self.log).as_mut().unwrap().set_reserve(reserve);
    }
}

fn read_error(error: &AuditError) -> ControlError {
    ControlError::unavailable(error.to_string()).with_file(error.file.display().to_string())
}

/// Whether an event is recorded. Operators' requests have separate records, with the state before and after.
const fn is_recorded(event: &Event) -> bool {
    matches!(
        event,
        Event::Started { .. }
            | Event::Stopped
            | Event::Login { .. }
            | Event::Logout { .. }
            | Event::LoginRefused { .. }
            | Event::Loaded { .. }
            | Event::Unloaded { .. }
            | Event::Moved { .. }
            | Event::Imported { .. }
            | Event::Exported { .. }
            | Event::Created { .. }
            | Event::ReservationChanged { .. }
            | Event::EncryptionOn
            | Event::EncryptionOff
            | Event::RetentionEnforced { .. }
    )
}

/// The record of an event; `None` if the event is not recorded. `elements` are the elements concerned.
fn entry_of_event(record: &EventRecord, elements: Vec<String>) -> Option<Entry> {
    if record.source == EventSource::Operator || !is_recorded(&record.event) {
        return None;
    }
    let mut details = serde_json::to_value(&record.event).ok()?;
    let members = details.as_object_mut()?;
    let action = members.remove("event")?.as_str()?.to_owned();
    let from = members.remove("peer").and_then(|peer| peer.as_str().map(str::to_owned)).unwrap_or_default();
    let details = if members.is_empty() { Value::Null } else { details };
    let initiator = record.initiator.clone().unwrap_or_default();
    let kind = if record.source == EventSource::Host { ActorKind::Initiator } else { ActorKind::Site };
    let library = record.library.as_deref();
    let unit = record.unit.as_deref().map(|unit| format!("{}/{unit}", library.unwrap_or_default()));
    let objects = library.map(str::to_owned).into_iter().chain(unit).chain(elements).chain(record.barcode.clone());
    Some(Entry {
        objects: objects.collect(),
        details,
        ..Entry::new(Actor::new(kind, initiator).with_origin(from), action)
    })
}

#[cfg(test)]
mod tests {
    use crate::Library;
    use crate::control::{ControlRequest, ErrorCode};
    use std::io;

    /// ENOSPC: no change is made, and hosts are not concerned. When there is space again, the change is made.
    #[test]
    fn a_full_disk_refuses_changes() {
        let directory = tempfile::tempdir().unwrap();
        let builder = Library::builder().slots(2).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB");
        let site = builder.data_dir(directory.path()).open().unwrap();
        site.audit.set_reserve(|_, _, _| Err(io::Error::from_raw_os_error(28)));
        let load = ControlRequest::Load { library: None, cartridge: "A1L8".into(), drive: None };
        let error = site.control(&load).unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        let file = directory.path().join("audit/000001.jsonl");
        let message = format!(
            "nothing was changed: the audit log cannot be written: {}: No space left on device (os error 28)",
            file.display()
        );
        assert_eq!((error.message, error.fields.file), (message, Some(file.display().to_string())));
        assert_eq!(site.status().libraries[0].drives[0].element.cartridge, None);
        site.control(&ControlRequest::Status).unwrap();
        site.audit.set_reserve(|_, _, _| Ok(()));
        site.control(&load).unwrap();
        assert_eq!(site.status().libraries[0].drives[0].element.cartridge.as_deref(), Some("A1L8"));
    }
}
