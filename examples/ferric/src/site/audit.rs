//! `ferric audit`: prints the records of changes, or verifies the audit log; of a running daemon, or in a data directory.

use super::client::Client;
use super::command::{AuditAction, AuditArgs};
use super::events::time_text;
use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use crate::output::{format_count, print_line};
use command_line::data_dir;
use std::path::{Path, PathBuf};
use vtl::audit::{Entry, Filter, Record, Verified, read, verify};
use vtl::control::ControlRequest as Request;
use vtl::data_dir::AUDIT_DIRECTORY;

/// Records in one request or one reading of the files.
const PAGE: usize = 1000;

/// The log: that of a daemon, or the files of a data directory that no daemon uses.
enum Source {
    Daemon(Box<Client>),
    Directory(PathBuf),
}

impl Source {
    /// The directory that is named, or the daemon, or the log in the data directory in which a daemon was looked for.
    fn find(options: &Options, directory: Option<&Path>) -> Result<Self, CliError> {
        if let Some(directory) = directory {
            return Ok(Self::Directory(directory.join(AUDIT_DIRECTORY)));
        }
        let error = match Client::connect(options) {
            Ok(client) => return Ok(Self::Daemon(Box::new(client))),
            Err(error) => error,
        };
        let candidates = if options.socket.is_none() && options.remote.is_none() {
            data_dir::candidates(options.data.clone())
        } else {
            Vec::new()
        };
        let logs = candidates.into_iter().map(|directory| directory.join(AUDIT_DIRECTORY));
        logs.into_iter().find(|log| log.is_dir()).map(Self::Directory).ok_or(error)
    }

    fn read(&mut self, filter: &Filter) -> Result<Vec<Record>, CliError> {
        match self {
            Self::Daemon(client) => client.request_as(&Request::Audit { filter: filter.clone(), max: Some(PAGE) }),
            Self::Directory(directory) => read(directory, filter, PAGE).map_err(|error| unreadable(&error)),
        }
    }

    fn verify(&mut self) -> Result<Verified, CliError> {
        match self {
            Self::Daemon(client) => client.request_as(&Request::AuditVerify),
            Self::Directory(directory) => {
                verify(directory, None).map_err(|error| unreadable(&error))?.map_err(|broken| {
                    CliError::new(ErrorCode::Damaged, format!("the audit log was changed or damaged: {broken}"))
                })
            }
        }
    }
}

fn unreadable(error: &vtl::audit::AuditError) -> CliError {
    CliError::system(&error.source, error.to_string())
}

pub(super) fn run(options: &Options, arguments: &AuditArgs) -> Result<(), CliError> {
    let mut source = Source::find(options, arguments.directory.as_deref())?;
    if arguments.action == Some(AuditAction::Verify) {
        return options.output.show(&source.verify()?, print_verified);
    }
    let now = vtl::clock::Clock::real().now().wall.0;
    let mut filter = Filter {
        after: 0,
        since: arguments.since.map_or(0, |since| since.begin(now)),
        object: arguments.object.clone(),
        actor: arguments.actor.clone(),
    };
    loop {
        let records = source.read(&filter)?;
        let Some(last) = records.last() else { return Ok(()) };
        filter.after = last.seq;
        for record in &records {
            let line = if options.output.is_json() { serde_json::to_string(record)? } else { record_line(record) };
            print_line(line)?;
        }
        if records.len() < PAGE {
            return Ok(());
        }
    }
}

fn print_verified(verified: &Verified) -> Result<(), CliError> {
    let Verified { files, last } = verified;
    let (records, files) = (format_count(last.seq, "record"), format_count(u64::try_from(*files).unwrap_or(0), "file"));
    print_line(format!("{records} in {files}, intact; the last one has the hash {}", last.hash))
}

/// A record as a line: time, number, actor, action, objects, the state before and after, and the result.
fn record_line(record: &Record) -> String {
    let Record { seq, at, entry } = record;
    let Entry { actor, action, objects, before, after, result, error, .. } = entry;
    let kind =
        serde_json::to_value(actor.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    let mut line = format!("{} {seq} {kind}", time_text(*at));
    for part in [&actor.name, &actor.from] {
        if !part.is_empty() {
            line += &format!(" {part}");
        }
    }
    line += &format!(": {action}");
    for object in objects {
        line += &format!(" {object}");
    }
    match (before.is_null(), after.is_null()) {
        (true, true) => {}
        (_, true) => line += &format!(", {before}"),
        (true, false) => line += &format!(", {after}"),
        (false, false) => line += &format!(", {before} -> {after}"),
    }
    line + &format!(", {}", error.as_ref().unwrap_or(result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn record_is_a_line() {
        let record = json!({
            "seq": 7, "at": 1_795_307_362_000_u64, "action": "door", "objects": ["main"], "before": { "open": false },
            "after": { "open": true }, "result": "done",
            "actor": { "kind": "user", "name": "root", "uid": 0, "from": "control socket" },
        });
        let mut record: Record = serde_json::from_value(record).unwrap();
        assert_eq!(
            record_line(&record),
            "2026-11-22 00:29:22Z 7 user root control socket: door main, {\"open\":false} -> {\"open\":true}, done"
        );
        record.entry = Entry { result: "conflict".into(), error: Some("slot1 is full".into()), ..record.entry };
        record.entry.after = serde_json::Value::Null;
        assert!(record_line(&record).ends_with(": door main, {\"open\":false}, slot1 is full"));
    }
}
