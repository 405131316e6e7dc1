//! The two files that hold a state, as they are found: which lines are whole, and what is damaged.

use super::StateError;
use super::line::{self, Line, Record, VERSION};
use std::io::IoSliceMut;
use tape_store::backend::Folder;

/// Both files. The first is written, and durable, before the second.
pub(super) const FILE_NAMES: [&str; 2] = ["state.1", "state.2"];
/// The longest file that is read into memory.
const MAX_FILE_LEN: u64 = 1 << 30;

/// What one file holds.
#[derive(Debug, Default)]
pub(super) struct StateFile {
    pub(super) name: &'static str,
    /// There is such a file.
    pub(super) exists: bool,
    /// There is something in it, zeros aside.
    pub(super) has_content: bool,
    pub(super) records: Vec<Record>,
    /// Numbers of the lines that are not as they were written.
    pub(super) damaged: Vec<usize>,
    /// What follows the last whole line is zeros.
    pub(super) clean_tail: bool,
    /// Where the last whole line ends.
    pub(super) end: u64,
    /// Length of the file.
    pub(super) len: u64,
}

impl StateFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The storage failed, or the file is of another version.
    pub(super) fn read(folder: &mut dyn Folder, place: &str, name: &'static str) -> Result<Self, StateError> {
        match read_bytes(folder, place, name)? {
            Some(bytes) => Self::parse(place, name, &bytes),
            None => Ok(Self { name, ..Self::default() }),
        }
    }

    fn parse(place: &str, name: &'static str, bytes: &[u8]) -> Result<Self, StateError> {
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
                Some(Line::Header(VERSION)) => {}
                Some(Line::Header(other)) => {
                    let what = format!("version {other} is not known; this program knows {VERSION}");
                    return Err(StateError::Unusable { file: format!("{place}{name}"), reason: what });
                }
                Some(Line::Record(record)) => copy.records.push(record),
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

    /// The number of the last commit of which it has a line.
    pub(super) fn last_commit(&self) -> u64 {
        self.records.iter().map(|record| record.commit).max().unwrap_or(0)
    }

    /// What is wrong with the file, if anything is. A file that the process did not come to write is not damaged.
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

/// The bytes of a file, if it exists.
///
/// # Errors
/// The storage failed, or the file is too long to be one of these.
pub(super) fn read_bytes(folder: &mut dyn Folder, place: &str, name: &str) -> Result<Option<Vec<u8>>, StateError> {
    let failed = |source| StateError::Io { file: format!("{place}{name}"), source };
    let Some(mut file) = folder.open_read_only(name).map_err(failed)? else { return Ok(None) };
    let len = file.len().map_err(failed)?;
    let mut bytes = vec![0; usize::try_from(len.min(MAX_FILE_LEN)).unwrap_or_default()];
    if len > MAX_FILE_LEN {
        let what = format!("is longer than {MAX_FILE_LEN} bytes");
        return Err(StateError::Unusable { file: format!("{place}{name}"), reason: what });
    }
    let read = file.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).map_err(failed)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
