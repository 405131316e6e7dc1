//! The two state files as they are read: their intact lines, and their damage.

use super::StateError;
use super::line::{self, Record, StateLine, VERSION};
use std::io::IoSliceMut;
use tape_store::backend::Folder;

/// Names of the state files. The first is written and durable before the second.
pub(super) const FILE_NAMES: [&str; 2] = ["state.1", "state.2"];
/// Maximum length of a state file in bytes, because it is read into memory.
const MAX_FILE_LEN: u64 = 1 << 30;

/// The contents of one state file.
#[derive(Debug, Default)]
pub(super) struct StateFile {
    pub(super) name: &'static str,
    /// Whether the file exists.
    pub(super) exists: bool,
    /// Whether the file has any byte other than zero.
    pub(super) has_content: bool,
    pub(super) records: Vec<Record>,
    /// Numbers of the damaged lines.
    pub(super) damaged: Vec<usize>,
    /// Whether only zeros follow the last intact line.
    pub(super) clean_tail: bool,
    /// Offset of the end of the last intact line.
    pub(super) end: u64,
    /// Length of the file.
    pub(super) len: u64,
}

impl StateFile {
    /// Reads a state file.
    ///
    /// # Errors
    /// Fails if the storage failed, or the file is of another version.
    pub(super) fn read(folder: &mut dyn Folder, prefix: &str, name: &'static str) -> Result<Self, StateError> {
        match read_bytes(folder, prefix, name)? {
            Some(bytes) => Self::parse(prefix, name, &bytes),
            None => Ok(Self { name, ..Self::default() }),
        }
    }

    fn parse(prefix: &str, name: &'static str, bytes: &[u8]) -> Result<Self, StateError> {
        let filled = bytes.iter().any(|byte| *byte != 0);
        let mut copy = Self {
            name,
            exists: true,
            has_content: filled,
            clean_tail: filled,
            len: bytes.len() as u64,
            ..Self::default()
        };
        let (mut at, mut number) = (0, 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            at += line.len() as u64;
            number += 1;
            match line.strip_suffix(b"\n").and_then(line::decode) {
                Some(StateLine::Header(VERSION)) => {}
                Some(StateLine::Header(other)) => {
                    let problem = format!("version {other} is unknown; this program supports {VERSION}");
                    return Err(StateError::Unusable { file: format!("{prefix}{name}"), reason: problem });
                }
                Some(StateLine::Record(record)) => copy.records.push(record),
                None if line.iter().all(|byte| *byte == 0) => continue,
                None => {
                    copy.damaged.push(number);
                    copy.clean_tail = false;
                    continue;
                }
            }
            (copy.clean_tail, copy.end) = (true, at);
        }
        copy.clean_tail &= !copy.records.is_empty();
        Ok(copy)
    }

    /// Number of the last commit that has a line in this file.
    pub(super) fn last_commit(&self) -> u64 {
        self.records.iter().map(|record| record.commit).max().unwrap_or(0)
    }

    /// Describes the damage; `None` if there is none. A file that the process had not written yet is not damaged.
    pub(super) fn damage_text(&self) -> Option<String> {
        match (self.damaged.as_slice(), self.exists, self.has_content) {
            (_, false, _) => Some("is missing".into()),
            (_, true, false) => Some("is empty".into()),
            ([], ..) => self.records.is_empty().then(|| "holds no state".into()),
            ([one], ..) => Some(format!("line {one} fails its checksum")),
            ([first, .., last], ..) => {
                Some(format!("{} lines from {first} to {last} fail their checksums", self.damaged.len()))
            }
        }
    }
}

/// The contents of a file; `None` if it does not exist.
///
/// # Errors
/// Fails if the storage failed, or the file exceeds the maximum length.
pub(super) fn read_bytes(folder: &mut dyn Folder, prefix: &str, name: &str) -> Result<Option<Vec<u8>>, StateError> {
    let failed = |source| StateError::Io { file: format!("{prefix}{name}"), source };
    let Some(mut file) = folder.open_read_only(name).map_err(failed)? else { return Ok(None) };
    let len = file.len().map_err(failed)?;
    let mut bytes = vec![0; usize::try_from(len.min(MAX_FILE_LEN)).unwrap_or_default()];
    if len > MAX_FILE_LEN {
        let problem = format!("is longer than {MAX_FILE_LEN} bytes");
        return Err(StateError::Unusable { file: format!("{prefix}{name}"), reason: problem });
    }
    let read = file.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).map_err(failed)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
