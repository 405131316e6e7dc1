//! The replay of a trace: the commands, logins and operations of a trace file against a site in memory, with their results
//! compared.
//!
//! A trace that a daemon writes since its start has the libraries with their serial numbers and cartridges
//! ([`TracedSite`](crate::observer::TracedSite)), so that the file alone shows to a developer what a user saw. Time is that of the trace: the clock of the
//! site shows the time of each command, and a motion that takes time does not make the replay wait.

mod setup;

use crate::clock::VirtualClock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::frontend::{Frontend, SiteOptions};
use crate::library::LibraryError;
use crate::observer::{CommandOutcome, TraceEntry, TraceRecord, TracedLogin, TracedOperation, TracedTaskManagement};
use crate::site::{OpenSite, Site};
use crate::target::{Target, encode_lun};
use crate::unit::{Command, CompletedCommand, CompletionHandler, Submitted};
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::status::Status;
use scsi_core::target::{CdbBytes, DataBuffers, Tag, TaskAttribute};
use scsi_core::time::{Now, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Most bytes of the data of a command.
const MAX_DATA: usize = 32 << 20;
/// Bytes that a replayed command may return beyond those of the trace.
const MORE_DATA: usize = 64 << 10;
/// Real time after which the clock is advanced for a command that waits for a time.
const COMPLETION_TIMEOUT: Duration = Duration::from_millis(2);

/// Replays the entries of a trace, one after the other.
pub struct Replay {
    site: OpenSite,
    clock: VirtualClock,
    nexuses: BTreeMap<(String, u32), (Arc<Target>, NexusId)>,
}

/// Reason why a trace cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The libraries cannot be opened.
    #[error(transparent)]
    Library(#[from] LibraryError),
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
fn command(nexus: NexusId, lun: u64, bytes: &[u8], data_out: Vec<u8>, data_in_capacity: usize) -> Command {
    let mut cdb = CdbBytes::from_slice(bytes);
    cdb.resize(bytes.len().max(16), 0);
    let data_out_len = data_out.len();
    let data = DataBuffers { data_out, data_out_len, data_in: Vec::new(), data_in_capacity };
    Command { nexus, lun, tag: Tag(1), attribute: TaskAttribute::Simple, priority: 0, cdb, data }
}

struct Completed(Sender<CompletedCommand>);

impl CompletionHandler for Completed {
    fn complete(&self, finished: CompletedCommand) {
        let _ = self.0.send(finished);
    }
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
        Ok(Self { site, clock, nexuses: BTreeMap::new() })
    }

    /// The site against which the trace is replayed.
    #[must_use]
    pub const fn site(&self) -> &OpenSite {
        &self.site
    }

    /// Replays an entry and compares its result with that of the trace.
    ///
    /// # Errors
    /// [`ReplayError::ShutDown`] if the site was shut down meanwhile.
    pub fn replay(&mut self, entry: &TraceEntry) -> Result<Replayed, ReplayError> {
        match entry {
            TraceEntry::Site(_) => Ok(Replayed::Same),
            TraceEntry::Lost(_) => Ok(Replayed::LeftOut("entries that are not in the trace")),
            TraceEntry::Login(login) => Ok(self.log_in(login)),
            TraceEntry::Logout(logout) => {
                let nexus = self.nexuses.remove(&(logout.target.clone(), logout.nexus));
                if let Some((target, nexus)) = nexus {
                    target.logout(nexus);
                }
                Ok(Replayed::Same)
            }
            TraceEntry::TaskManagement(request) => Ok(self.manage_tasks(request)),
            TraceEntry::Operation(operation) => Ok(self.operate(operation)),
            TraceEntry::Command(record) => self.command(record),
        }
    }

    /// Advances the clock to a time of the trace.
    fn advance_to(&self, at_ms: u64) {
        let behind = at_ms.saturating_sub(self.site.clock().now().wall.0);
        self.clock.advance(Duration::from_millis(behind));
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
        self.advance_to(login.at_ms);
        let nexus = target.login(&port);
        self.nexuses.insert((login.target.clone(), login.nexus), (target, nexus));
        Replayed::Same
    }

    /// Repeats a reset. The commands that a function aborted have ended: the replay has none that waits.
    fn manage_tasks(&self, request: &TracedTaskManagement) -> Replayed {
        let known = self.nexuses.get(&(request.target.clone(), request.nexus)).cloned();
        // An initiator whose login is not in the trace.
        let known = known.or_else(|| Some((self.target(&request.target, "")?, NexusId(0))));
        let Some((target, nexus)) = known else {
            return Replayed::LeftOut("task management of a target without libraries");
        };
        self.advance_to(request.at_ms);
        target.manage_tasks(nexus, request.function, request.lun, &[]);
        Replayed::Same
    }

    fn operate(&self, operation: &TracedOperation) -> Replayed {
        self.advance_to(operation.at_ms);
        let error = self.site.control(&operation.request).err().map(|error| error.to_string());
        if error.is_some() == operation.error.is_some() {
            return Replayed::Same;
        }
        let kind = DifferenceKind::Operation(Box::new(operation.clone()), error);
        Replayed::Different(Box::new(Difference { record: None, kind }))
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
            let test_unit_ready = || command(nexus, encode_lun(lun), &[0; 6], Vec::new(), 0);
            while self.run(&target, test_unit_ready())?.has_unit_attention() {}
        }
        self.nexuses.insert(key, (Arc::clone(&target), nexus));
        Ok(Some((target, nexus)))
    }

    fn command(&mut self, record: &TraceRecord) -> Result<Replayed, ReplayError> {
        let was_executed = record.run_us > 0 || record.position_before != record.position_after;
        match record.outcome {
            CommandOutcome::Completed | CommandOutcome::Dropped => {}
            CommandOutcome::Aborted if was_executed => {}
            _ => return Ok(Replayed::LeftOut("commands that were not executed")),
        }
        let data_len = usize::try_from(record.bytes_out).unwrap_or(usize::MAX).min(MAX_DATA);
        if data_len > 0 && record.data_out.is_empty() {
            return Ok(Replayed::LeftOut("commands whose data is not in the trace"));
        }
        let Some((target, nexus)) = self.nexus(record)? else {
            return Ok(Replayed::LeftOut("commands to a target without libraries"));
        };
        self.advance_to(record.at_ms);
        let mut data_out = record.data_out.clone();
        // The record has only what the unit consumed: nothing of a write that failed.
        let offered = if record.status == Status::GOOD.0 { data_len } else { offered(&target, record).max(data_len) };
        data_out.resize(offered.min(MAX_DATA), 0);
        let capacity = usize::try_from(record.bytes_in).unwrap_or(MAX_DATA).min(MAX_DATA) + MORE_DATA;
        let response = self.run(&target, command(nexus, record.lun, &record.cdb, data_out, capacity))?;
        let is_comparable = record.outcome != CommandOutcome::Aborted;
        let different = if is_comparable { compare(record, &response) } else { None };
        Ok(different.map_or(Replayed::Same, |kind| {
            Replayed::Different(Box::new(Difference { record: Some(record.clone()), kind }))
        }))
    }

    /// Waits for the end of a command. The clock is advanced for one that waits for a time.
    fn run(&self, target: &Arc<Target>, command: Command) -> Result<Response, ReplayError> {
        let (sender, receiver) = channel();
        let reply: Arc<dyn CompletionHandler> = Arc::new(Completed(sender));
        let done = match target.submit(command, &reply) {
            Submitted::Completed(done) => done,
            Submitted::Queued => loop {
                match receiver.recv_timeout(COMPLETION_TIMEOUT) {
                    Ok(done) => break done,
                    Err(RecvTimeoutError::Disconnected) => return Err(ReplayError::ShutDown),
                    Err(RecvTimeoutError::Timeout) => {
                        let rest = self.clock.next_deadline();
                        rest.into_iter().for_each(|rest| self.clock.advance(rest));
                    }
                }
            },
        };
        let CompletedCommand { completion, data: DataBuffers { mut data_in, .. }, .. } = done;
        data_in.truncate(completion.data_in);
        let sense = completion.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default();
        Ok(Response { is_lost: completion.dropped, status: completion.status, sense, data: data_in })
    }
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
