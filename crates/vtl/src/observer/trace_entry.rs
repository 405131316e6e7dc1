//! The lines of a trace file besides commands, and the reader of such files.

use super::TraceRecord;
use super::text::{from_hex, to_hex};
use crate::control::ControlRequest;
use crate::target::TaskFunction;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Seek, SeekFrom};
use std::path::Path;

/// Name of the format in the first line of a trace file.
pub(super) const FORMAT: &str = "ferric-trace";
/// The version that this release writes.
pub(super) const VERSION: u64 = 2;
/// The first version, which has commands only.
const FIRST_VERSION: u64 = 1;
/// The kinds of lines that are no commands.
const KINDS: [&str; 6] = ["site", "login", "logout", "task_management", "operation", "lost"];

/// The libraries of a site at the start of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedSite {
    /// Start of the trace, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The kind of target port: `iscsi`, or `local` for hosts without a transport.
    pub port: String,
    /// The libraries as a configuration file, with the serial numbers, LUNs and cartridges that they had. It has no secrets.
    pub configuration: String,
    /// Barcodes of the cartridges on which something was written, or of which that is unknown.
    pub written: BTreeSet<String>,
    /// Barcodes of the cartridges outside the libraries, on a shelf.
    pub on_shelves: BTreeSet<String>,
}

/// The login of an initiator port to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedLogin {
    /// Time of the login, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// Name of the target, such as an iSCSI name.
    pub target: String,
    /// Number of the I_T nexus in that target, as in the records of its commands.
    pub nexus: u32,
    /// The TransportID of the initiator port.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub port: Vec<u8>,
}

/// The logout of an initiator port: the end of an I_T nexus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedLogout {
    /// Name of the target, such as an iSCSI name.
    pub target: String,
    /// Number of the I_T nexus in that target.
    pub nexus: u32,
}

/// A task management function of an initiator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedTaskManagement {
    /// Time of the function, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// Name of the target, such as an iSCSI name.
    pub target: String,
    /// Number of the I_T nexus in that target.
    pub nexus: u32,
    /// The function that the host requested.
    pub function: TaskFunction,
    /// The eight bytes of the LUN as a number; no meaning for a reset of the target.
    pub lun: u64,
}

/// A request of an operator that changed something in a library, or failed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedOperation {
    /// Time of the begin of the operation, in milliseconds since 1970 (UTC); `None` in a trace of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_ms: Option<u64>,
    /// Time of the end of the operation, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The request, as in the control protocol.
    pub request: ControlRequest,
    /// Reason why it was refused; `None` if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A line of a trace file after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceEntry {
    /// The libraries at the start of the trace.
    Site(TracedSite),
    /// A login of an initiator port.
    Login(TracedLogin),
    /// The logout of an initiator port: the end of an I_T nexus.
    Logout(TracedLogout),
    /// A task management function, such as a reset.
    TaskManagement(TracedTaskManagement),
    /// A request of an operator.
    Operation(TracedOperation),
    /// Number of entries that could not be written in time.
    Lost(u64),
    /// A command that has ended.
    #[serde(untagged)]
    Command(Box<TraceRecord>),
}

impl TraceEntry {
    /// When the entry began to have an effect, in milliseconds since 1970; `None` if it has no time.
    #[must_use]
    pub fn began_ms(&self) -> Option<u64> {
        match self {
            Self::Site(site) => Some(site.at_ms),
            Self::Login(login) => Some(login.at_ms),
            Self::TaskManagement(request) => Some(request.at_ms),
            Self::Operation(operation) => Some(operation.began_ms.unwrap_or(operation.at_ms)),
            Self::Command(record) => Some(record.at_ms),
            Self::Logout(_) | Self::Lost(_) => None,
        }
    }

    /// When the entry ended, in milliseconds since 1970: a trace has its entries in this order. `None` if it has no time.
    fn ended_ms(&self) -> Option<u64> {
        match self {
            Self::Operation(operation) => Some(operation.at_ms),
            Self::Command(record) => Some(record.at_ms + record.run_us.saturating_add(record.delay_us) / 1000),
            other => other.began_ms(),
        }
    }
}

/// Reason why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The input cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// A line is not one of a trace.
    #[error("line {line}: {reason}")]
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// The defect of the line.
        reason: String,
    },
    /// The last line is incomplete: a daemon is writing the file, or was killed.
    #[error("line {line}: the last line is incomplete")]
    Incomplete {
        /// Number of the line, from 1.
        line: u64,
    },
}

/// Reads the entries of a trace file.
pub struct TraceReader<R: BufRead> {
    lines: std::iter::Peekable<Lines<R>>,
    line: u64,
    version: u64,
}

impl<R: BufRead> TraceReader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// The input cannot be read, or is no trace that this release can read.
    pub fn new(input: R) -> Result<Self, TraceError> {
        let mut lines = input.lines().peekable();
        let header = lines.next().transpose()?.unwrap_or_default();
        let header: Value = serde_json::from_str(&header).unwrap_or_default();
        let invalid = |reason: String| TraceError::Line { line: 1, reason };
        if header.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(invalid(format!("not a trace file: the first line has no \"format\": \"{FORMAT}\"")));
        }
        match header.get("version").and_then(Value::as_u64) {
            Some(version @ FIRST_VERSION..=VERSION) => Ok(Self { lines, line: 1, version }),
            _ => {
                Err(invalid(format!("unknown version of the trace format; this ferric reads versions 1 to {VERSION}")))
            }
        }
    }

    /// The version of the format. Version 1 has commands only.
    pub const fn version(&self) -> u64 {
        self.version
    }

    fn entry(&mut self, text: &str) -> Result<TraceEntry, TraceError> {
        parse_line(text, self.line, || self.lines.peek().is_none())
    }
}

/// Parses a line of a trace; `is_last` tells whether no line follows it.
fn parse_line(text: &str, line: u64, is_last: impl FnOnce() -> bool) -> Result<TraceEntry, TraceError> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => {
            // Its own error names the member that is wrong; that of the enumeration does not.
            let is_command = !KINDS.iter().any(|kind| value.get(kind).is_some());
            let entry = match is_command {
                true => serde_json::from_value(value).map(|record| TraceEntry::Command(Box::new(record))),
                false => serde_json::from_value(value),
            };
            entry.map_err(|error| TraceError::Line { line, reason: error.to_string() })
        }
        Err(error) if error.is_eof() && is_last() => Err(TraceError::Incomplete { line }),
        Err(error) => Err(TraceError::Line { line, reason: error.to_string() }),
    }
}

/// The entries of a trace file in the order in which they began. In the file, a command whose status was delayed, by a motion for
/// example, follows the commands of other units that have ended meanwhile.
pub struct OrderedTrace {
    file: BufReader<File>,
    places: std::vec::IntoIter<Place>,
    incomplete: Option<u64>,
}

/// The place of an entry in a file.
struct Place {
    began_ms: u64,
    offset: u64,
    line: u64,
}

impl OrderedTrace {
    /// Reads the whole file once, to find the order. The file must be one in which any place can be read, not a pipe.
    ///
    /// # Errors
    /// The file cannot be read, or is no trace that this release can read.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let mut file = BufReader::new(File::open(path)?);
        TraceReader::new(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let (mut places, mut incomplete, mut now_ms, mut offset, mut text) = (Vec::new(), None, 0, 0, String::new());
        for line in 1.. {
            text.clear();
            let len = file.read_line(&mut text)?;
            if len == 0 {
                break;
            }
            if line > 1 {
                match parse_line(&text, line, || !text.ends_with('\n')) {
                    Err(TraceError::Incomplete { line }) => incomplete = Some(line),
                    entry => {
                        let entry = entry?;
                        places.push(Place { began_ms: entry.began_ms().unwrap_or(now_ms), offset, line });
                        now_ms = entry.ended_ms().unwrap_or_default().max(now_ms);
                    }
                }
            }
            offset += u64::try_from(len).unwrap_or(u64::MAX);
        }
        // Entries that began at the same time stay in the order of the file.
        places.sort_by_key(|place| place.began_ms);
        Ok(Self { file, places: places.into_iter(), incomplete })
    }

    /// The number of the last line, if it is incomplete: a daemon is writing the file, or was killed.
    #[must_use]
    pub const fn incomplete_line(&self) -> Option<u64> {
        self.incomplete
    }

    fn read(&mut self, place: &Place) -> Result<TraceEntry, TraceError> {
        self.file.seek(SeekFrom::Start(place.offset))?;
        let mut text = String::new();
        self.file.read_line(&mut text)?;
        parse_line(&text, place.line, || false)
    }
}

impl Iterator for OrderedTrace {
    type Item = Result<TraceEntry, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.places.next()?;
        Some(self.read(&place))
    }
}

impl<R: BufRead> Iterator for TraceReader<R> {
    type Item = Result<TraceEntry, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.lines.next()?;
        self.line += 1;
        Some(text.map_err(TraceError::Read).and_then(|text| self.entry(&text)))
    }
}
