//! The replay of a trace: the commands, logins and operations of a trace file against a site in memory, with their results
//! compared.
//!
//! A trace that a daemon writes since its start has the libraries with their serial numbers and cartridges
//! ([`TracedSite`](crate::observer::TracedSite)), so that the file alone shows to a developer what a user saw. Time is that of the trace: the clock of the
//! site shows the time of each command, and a motion that takes time does not make the replay wait. While the status of a command is
//! delayed, other units execute commands that began meanwhile.

mod pending;
mod setup;

use crate::clock::VirtualClock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::frontend::{Frontend, SiteOptions};
use crate::library::LibraryError;
use crate::observer::{CommandOutcome, TraceEntry, TraceRecord, TracedLogin, TracedOperation, TracedTaskManagement};
use crate::site::{OpenSite, Site};
use crate::target::{Target, encode_lun};
use crate::unit::Command;
use pending::{Pending, Submission};
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::status::Status;
use scsi_core::target::{CdbBytes, DataBuffers, Tag, TaskAttribute};
use scsi_core::time::{Now, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Most bytes of the data of a command.
const MAX_DATA: usize = 32 << 20;
/// Bytes that a replayed command may return beyond those of the trace.
const MORE_DATA: usize = 64 << 10;

/// Replays the entries of a trace, in the order in which they began ([`OrderedTrace`](crate::observer::OrderedTrace)).
pub struct Replay {
    site: OpenSite,
    clock: VirtualClock,
    nexuses: BTreeMap<(String, u32), (Arc<Target>, NexusId)>,
    pending: Vec<Pending>,
}

/// Reason why a trace cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The libraries cannot be opened.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The thread of an operation cannot be spawned.
    #[error("cannot spawn a thread: {0}")]
    Thread(std::io::Error),
    /// The site was shut down while a command ran.
    #[error("the site is shut down")]
    ShutDown,
}

/// The effect of an entry of a trace in its replay.
#[derive(Clone, Debug, PartialEq)]
pub enum Replayed {
    /// The result is that of the trace; also of an entry that has no result.
    Same,
    /// The result is another one.
    Different(Box<Difference>),
    /// The entry was not replayed.
    LeftOut(&'static str),
}

/// A result that is not that of the trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The entry of the trace; `None` for an operation of an operator.
    pub record: Option<TraceRecord>,
    /// What differs in the two results.
    pub kind: DifferenceKind,
}

/// What differs between a trace and its replay. The first of a pair is that of the trace.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// An injected fault lost the response in one of them only: true if in the trace.
    NoResponse(bool),
    /// The SCSI status, with the sense data of both.
    Status((Status, Vec<u8>), (Status, Vec<u8>)),
    /// The sense data of a CHECK CONDITION.
    Sense(Vec<u8>, Vec<u8>),
    /// The number of Data-In bytes.
    DataLength(u64, u64),
    /// A byte of Data-In: its offset and both values.
    Data(usize, u8, u8),
    /// An operation that failed in one of them only: the errors.
    Operation(Box<TracedOperation>, Option<String>),
}

/// The result of a replayed command.
struct Response {
    /// Whether a fault lost the response.
    is_lost: bool,
    status: Status,
    sense: Vec<u8>,
    data: Vec<u8>,
}

impl Response {
    fn has_unit_attention(&self) -> bool {
        Sense::decode(&self.sense).is_some_and(|sense| sense.key == SenseKey::UNIT_ATTENTION)
    }
}

/// A command with its data; the CDB is padded, as transports with a CDB field of fixed length do.
fn command(
    (nexus, tag): (NexusId, u64),
    lun: u64,
    bytes: &[u8],
    data_out: Vec<u8>,
    data_in_capacity: usize,
) -> Command {
    let mut cdb = CdbBytes::from_slice(bytes);
    cdb.resize(bytes.len().max(16), 0);
    let data_out_len = data_out.len();
    let data = DataBuffers { data_out, data_out_len, data_in: Vec::new(), data_in_capacity };
    Command { nexus, lun, tag: Tag(tag), attribute: TaskAttribute::Simple, priority: 0, cdb, data }
}

impl Replay {
    /// Opens libraries in memory, with blank cartridges. `start` is the time of the first command, in milliseconds since 1970.
    ///
    /// # Errors
    /// The libraries cannot be opened.
    pub fn open(config: &Config, frontend: Frontend, start: u64) -> Result<Self, ReplayError> {
        let clock = VirtualClock::new(Now { wall: Timestamp(start), ..Now::default() });
        let options = SiteOptions::default().with_frontend(frontend).with_clock(clock.clock());
        let site = Site::open_with(DataDir::in_memory(), config, options)?;
        Ok(Self { site, clock, nexuses: BTreeMap::new(), pending: Vec::new() })
    }

    /// The site against which the trace is replayed.
    #[must_use]
    pub const fn site(&self) -> &OpenSite {
        &self.site
    }

    /// Replays an entry and compares its result with that of the trace. Returns the results of the entries that have ended until then:
    /// that of a command whose status is delayed follows with a later entry, or from [`Self::finish`].
    ///
    /// # Errors
    /// [`ReplayError::ShutDown`] if the site was shut down meanwhile.
    pub fn replay(&mut self, entry: &TraceEntry) -> Result<Vec<Replayed>, ReplayError> {
        let mut ended = Vec::new();
        if let Some(began_ms) = entry.began_ms() {
            self.advance_to(began_ms, &mut ended)?;
        }
        let replayed = match entry {
            TraceEntry::Site(_) => Some(Replayed::Same),
            TraceEntry::Lost(_) => Some(Replayed::LeftOut("entries that are not in the trace")),
            TraceEntry::Login(login) => Some(self.log_in(login)),
            TraceEntry::Logout(logout) => {
                let nexus = self.nexuses.remove(&(logout.target.clone(), logout.nexus));
                if let Some((target, nexus)) = nexus {
                    target.logout(nexus);
                }
                Some(Replayed::Same)
            }
            TraceEntry::TaskManagement(request) => Some(self.manage_tasks(request)),
            TraceEntry::Operation(operation) => self.operate(operation)?,
            TraceEntry::Command(record) => self.command(record, &mut ended)?,
        };
        ended.extend(replayed);
        Ok(ended)
    }

    /// Waits for the end of the commands and operations that have not ended, and returns their results.
    ///
    /// # Errors
    /// [`ReplayError::ShutDown`] if the site was shut down meanwhile.
    pub fn finish(&mut self) -> Result<Vec<Replayed>, ReplayError> {
        let pending = std::mem::take(&mut self.pending);
        pending.into_iter().map(|pending| self.end(pending)).collect()
    }

    fn target(&self, name: &str, library: &str) -> Option<Arc<Target>> {
        let of_library = || Some(Arc::clone(self.site.library(library)?.target()));
        self.site.target(name).or_else(of_library).or_else(|| self.site.targets().first().cloned())
    }

    fn log_in(&mut self, login: &TracedLogin) -> Replayed {
        let Some((port, _)) = TransportId::parse_prefix(&login.port) else {
            return Replayed::LeftOut("a login with an unknown TransportID");
        };
        let Some(target) = self.target(&login.target, "") else {
            return Replayed::LeftOut("a login to a target without libraries");
        };
        let nexus = target.login(&port);
        self.nexuses.insert((login.target.clone(), login.nexus), (target, nexus));
        Replayed::Same
    }

    /// Repeats a function. A command whose delayed status it aborts has an aborted record, which tells ABORT TASK its tag.
    fn manage_tasks(&self, request: &TracedTaskManagement) -> Replayed {
        let known = self.nexuses.get(&(request.target.clone(), request.nexus)).cloned();
        // An initiator whose login is not in the trace.
        let known = known.or_else(|| Some((self.target(&request.target, "")?, NexusId(0))));
        let Some((target, nexus)) = known else {
            return Replayed::LeftOut("task management of a target without libraries");
        };
        let aborted: Vec<Tag> = self.pending.iter().filter_map(Pending::aborted_tag).collect();
        target.manage_tasks(nexus, request.function, request.lun, &aborted);
        Replayed::Same
    }

    /// The nexus of a command. One that existed before the trace is established now, without its unit attentions.
    fn nexus(&mut self, record: &TraceRecord) -> Result<Option<(Arc<Target>, NexusId)>, ReplayError> {
        let key = (record.target.to_string(), record.nexus);
        if let Some(known) = self.nexuses.get(&key) {
            return Ok(Some(known.clone()));
        }
        let Some(target) = self.target(&record.target, &record.unit.library) else { return Ok(None) };
        let nexus = target.login(&TransportId::local(record.nexus));
        for lun in target.luns() {
            let test_unit_ready = || command((nexus, 0), encode_lun(lun), &[0; 6], Vec::new(), 0);
            while self.run(&target, test_unit_ready())?.has_unit_attention() {}
        }
        self.nexuses.insert(key, (Arc::clone(&target), nexus));
        Ok(Some((target, nexus)))
    }

    fn command(&mut self, record: &TraceRecord, ended: &mut Vec<Replayed>) -> Result<Option<Replayed>, ReplayError> {
        let was_executed = record.run_us > 0 || record.position_before != record.position_after;
        match record.outcome {
            CommandOutcome::Completed | CommandOutcome::Dropped => {}
            CommandOutcome::Aborted if was_executed => {}
            _ => return Ok(Some(Replayed::LeftOut("commands that were not executed"))),
        }
        let data_len = usize::try_from(record.bytes_out).unwrap_or(usize::MAX).min(MAX_DATA);
        if data_len > 0 && record.data_out.is_empty() {
            return Ok(Some(Replayed::LeftOut("commands whose data is not in the trace")));
        }
        let Some((target, nexus)) = self.nexus(record)? else {
            return Ok(Some(Replayed::LeftOut("commands to a target without libraries")));
        };
        self.end_on(target.unit(record.lun).as_ref(), ended)?;
        let mut data_out = record.data_out.clone();
        // The record has only what the unit consumed: nothing of a write that failed.
        let offered = if record.status == Status::GOOD.0 { data_len } else { offered(&target, record).max(data_len) };
        data_out.resize(offered.min(MAX_DATA), 0);
        let capacity = usize::try_from(record.bytes_in).unwrap_or(MAX_DATA).min(MAX_DATA) + MORE_DATA;
        match self.submit(&target, command((nexus, record.tag), record.lun, &record.cdb, data_out, capacity))? {
            Submission::Ended(response) => Ok(Some(replayed(record, &response))),
            Submission::Delayed(unit, receiver) => {
                self.pending.push(Pending::Command { record: Box::new(record.clone()), unit, receiver });
                Ok(None)
            }
        }
    }
}

/// The effect of a command with this response.
fn replayed(record: &TraceRecord, response: &Response) -> Replayed {
    let is_comparable = record.outcome != CommandOutcome::Aborted;
    let different = if is_comparable { compare(record, response) } else { None };
    different
        .map_or(Replayed::Same, |kind| Replayed::Different(Box::new(Difference { record: Some(record.clone()), kind })))
}

/// Bytes that an initiator sends with a command, as its CDB says.
fn offered(target: &Target, record: &TraceRecord) -> usize {
    let Some(unit) = target.unit(record.lun) else { return 0 };
    let mut cdb = CdbBytes::from_slice(&record.cdb);
    cdb.resize(record.cdb.len().max(16), 0);
    unit.expected_data_out(&cdb, unit.look_up(&cdb))
}

/// The first difference between the recorded result of a command and that of its replay. Of the data, the recorded bytes are
/// compared.
fn compare(record: &TraceRecord, response: &Response) -> Option<DifferenceKind> {
    let was_lost = record.outcome == CommandOutcome::Dropped;
    if was_lost || response.is_lost {
        return (was_lost != response.is_lost).then_some(DifferenceKind::NoResponse(was_lost));
    }
    let status = Status(record.status);
    if status != response.status {
        let (sense, actual) = (record.sense.clone(), response.sense.clone());
        return Some(DifferenceKind::Status((status, sense), (response.status, actual)));
    }
    if record.sense != response.sense {
        return Some(DifferenceKind::Sense(record.sense.clone(), response.sense.clone()));
    }
    let differs = record.data_in.iter().zip(&response.data).enumerate().find(|(_, (one, other))| one != other);
    if let Some((at, (one, other))) = differs {
        return Some(DifferenceKind::Data(at, *one, *other));
    }
    let len = response.data.len() as u64;
    (record.bytes_in != len).then_some(DifferenceKind::DataLength(record.bytes_in, len))
}

/// A status in words, with its sense data.
struct Outcome<'a>(Status, &'a [u8]);

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "status {:02x}h", self.0.0)?,
        }
        if self.1.is_empty() { Ok(()) } else { write!(f, ": {}", SenseText(self.1)) }
    }
}

/// Sense data in words, followed by its bytes.
struct SenseText<'a>(&'a [u8]);

impl fmt::Display for SenseText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sense) = Sense::decode(self.0) {
            write!(f, "{sense} ")?;
        }
        write!(f, "[{}]", scsi_core::hex::Hex(self.0))
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoResponse(true) => f.write_str("no response in the trace, a response in the replay"),
            Self::NoResponse(false) => f.write_str("a response in the trace, no response in the replay"),
            Self::Status((status, sense), (other, actual)) => {
                write!(f, "status {} in the trace, {} in the replay", Outcome(*status, sense), Outcome(*other, actual))
            }
            Self::Sense(sense, actual) => {
                write!(f, "sense data {} in the trace, {} in the replay", SenseText(sense), SenseText(actual))
            }
            Self::DataLength(len, actual) => {
                write!(f, "{len} bytes of data in the trace, {actual} in the replay")
            }
            Self::Data(at, byte, actual) => {
                write!(f, "byte {at} of the data is {byte:02x}h in the trace, {actual:02x}h in the replay")
            }
            Self::Operation(operation, error) => {
                let word = |error: &Option<String>| {
                    error.as_ref().map_or("done".to_owned(), |error| format!("refused ({error})"))
                };
                write!(f, "{} in the trace, {} in the replay", word(&operation.error), word(error))
            }
        }
    }
}
