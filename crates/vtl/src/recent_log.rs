//! The last lines of the log of a program, for a support bundle. A program adds it as a further output of its log.

use crate::control::ControlError;
use crate::locks::lock;
use crate::site::Site;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Most lines that are kept.
const MAX_LINES: usize = 1000;
/// Most bytes of these lines together.
const MAX_BYTES: usize = 256 << 10;
/// Longest line in bytes; the end of a longer one is left out.
const MAX_LINE: usize = 4096;

/// The last lines of a log: at most 1,000, and 256 KiB. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct RecentLog(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<String>,
    /// Bytes of the lines.
    bytes: usize,
    /// Lines that were removed.
    removed: u64,
}

/// The last lines of the log: response to `log`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLines {
    /// The lines, oldest first, with their time and level.
    pub lines: Vec<String>,
    /// Number of older lines since the start of the program that are no longer kept.
    pub removed: u64,
}

impl RecentLog {
    /// The lines that are kept.
    #[must_use]
    pub fn read(&self) -> LogLines {
        let kept = lock(&self.0);
        LogLines { lines: kept.lines.iter().cloned().collect(), removed: kept.removed }
    }

    fn push(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line.get(..MAX_LINE).unwrap_or(line)).trim_end().to_owned();
        let mut kept = lock(&self.0);
        kept.bytes += line.len();
        kept.lines.push_back(line);
        while kept.lines.len() > MAX_LINES || kept.bytes > MAX_BYTES {
            let Some(first) = kept.lines.pop_front() else { return };
            kept.bytes -= first.len();
            kept.removed += 1;
        }
    }
}

impl Write for RecentLog {
    /// Adds a line: a log writes each line with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Site {
    /// Sets the log of the program, whose last lines operators can read.
    pub fn set_recent_log(&self, log: RecentLog) {
        *lock(&self.recent_log) = Some(log);
    }

    /// The last lines of the log of the program.
    ///
    /// # Errors
    /// `unavailable` if the program has set no log.
    pub fn recent_log(&self) -> Result<LogLines, ControlError> {
        let log = lock(&self.recent_log).clone();
        log.map(|log| log.read()).ok_or_else(|| ControlError::unavailable("this program keeps no lines of its log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_their_limits() {
        let mut log = RecentLog::default();
        for number in 0..1500 {
            log.clone().write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        let kept = log.read();
        assert_eq!(
            (kept.lines.len(), kept.removed, &*kept.lines[0], &*kept.lines[999]),
            (1000, 500, "line 500", "line 1499")
        );
        // Long lines are cut, and fewer of them are kept.
        log.write_all(&[b'x'; 10_000]).unwrap();
        assert_eq!(log.read().lines.last().unwrap().len(), MAX_LINE);
        (0..100).for_each(|_| log.write_all(&[b'y'; 10_000]).unwrap());
        let kept = log.read();
        assert_eq!(kept.lines.len(), MAX_BYTES / MAX_LINE);
        assert_eq!(kept.removed + kept.lines.len() as u64, 1601);
        // A character that is cut in two does no harm.
        log.write_all("é".repeat(5000).as_bytes()).unwrap();
        log.write_all(&[0xff, 0xfe]).unwrap();
        assert_eq!(log.read().lines.last().unwrap(), "\u{fffd}\u{fffd}");
    }
}
