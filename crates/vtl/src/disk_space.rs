//! The free space of the file systems that a site writes to, and the event when it becomes low.

use crate::events::{Cause, Event, Events, Subject};
use crate::metrics::DirectorySpace;
use scsi_core::time::Instant;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Free space in bytes below which the event is sent: four times the reserve at which drives report early warning.
const LOW: u64 = 4 * tape_store::three_file::FREE_RESERVE;
/// Free space in bytes from which on the event may be sent again.
const ENOUGH: u64 = LOW + LOW / 4;
/// Time between two checks in microseconds.
const INTERVAL_US: u64 = 1_000_000;

/// The directories of a site on file systems, and whether each is low on space.
#[derive(Debug, Default)]
pub(crate) struct DiskSpace {
    directories: Vec<(PathBuf, AtomicBool)>,
    next_check: AtomicU64,
}

impl DiskSpace {
    pub(crate) fn new(directories: Vec<PathBuf>) -> Self {
        let directories = directories.into_iter().map(|path| (path, AtomicBool::new(false))).collect();
        Self { directories, next_check: AtomicU64::new(0) }
    }

    /// The space of each directory that is on a file system.
    pub(crate) fn measure(&self) -> Vec<DirectorySpace> {
        let space = |(path, _): &(PathBuf, AtomicBool)| {
            let space = rustix::fs::statvfs(path).ok()?;
            Some(DirectorySpace {
                directory: path.display().to_string(),
                free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
                size_bytes: space.f_blocks.saturating_mul(space.f_frsize),
            })
        };
        self.directories.iter().filter_map(space).collect()
    }

    /// Checks the directories, at most once in a second.
    pub(crate) fn check(&self, now: Instant, events: &Events) {
        if self.directories.is_empty() || now.0 < self.next_check.load(Ordering::Relaxed) {
            return;
        }
        self.next_check.store(now.0.saturating_add(INTERVAL_US), Ordering::Relaxed);
        for (path, low) in &self.directories {
            let Ok(space) = rustix::fs::statvfs(path) else { continue };
            let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
            let was_low = low.load(Ordering::Relaxed);
            let is_low = is_low(was_low, free_bytes);
            low.store(is_low, Ordering::Relaxed);
            if is_low && !was_low {
                let directory = path.display().to_string();
                tracing::warn!(directory, free_bytes, "disk space is low");
                events.notify(Subject::new(Cause::site()), Event::DiskSpaceLow { directory, free_bytes });
            }
        }
    }
}

/// Whether space is low, after it was low or not before.
const fn is_low(was_low: bool, free_bytes: u64) -> bool {
    free_bytes < if was_low { ENOUGH } else { LOW }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_space_is_reported_once_until_there_is_enough_again() {
        for (was_low, free_bytes, expected) in [
            (false, 1_073_741_824, false),
            (false, 1_073_741_823, true),
            (true, 1_342_177_279, true),
            (true, 1_342_177_280, false),
            (false, 0, true),
        ] {
            assert_eq!(is_low(was_low, free_bytes), expected, "{free_bytes}");
        }
    }
}
