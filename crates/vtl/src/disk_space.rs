//! The free space of the file systems that a site writes to, and the event when it becomes low.

use crate::events::{Cause, Event, Events, Subject};
use crate::locks::lock;
use crate::metrics::DirectorySpace;
use scsi_core::time::Instant;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Free space in bytes below which the event is sent: four times the reserve at which drives report early warning.
const LOW: u64 = 4 * tape_store::three_file::FREE_RESERVE;
/// Free space in bytes from which on the event may be sent again.
const ENOUGH: u64 = LOW + LOW / 4;
/// Time between two checks in microseconds.
const INTERVAL_US: u64 = 1_000_000;

/// The directories of a site on file systems, and the thread that checks their space. A file system that does not respond
/// delays that thread only.
#[derive(Debug)]
pub(crate) struct DiskSpace {
    next_check: AtomicU64,
    checks: Arc<Checks>,
}

/// Measures the space of a directory; `None` if that is not possible.
type Measure = fn(&Path) -> Option<DirectorySpace>;

/// The directories that the thread checks, and the request to it.
#[derive(Debug)]
struct Checks {
    /// The directories, and whether each is low on space.
    directories: Vec<(PathBuf, AtomicBool)>,
    measure: Measure,
    request: Mutex<Request>,
    changed: Condvar,
}

/// The work of the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// Wait.
    None,
    /// Check the directories.
    Check,
    /// End.
    End,
}

impl DiskSpace {
    /// Spawns the thread, if there are directories. It sends events to `events` until this value is dropped.
    ///
    /// # Errors
    /// The thread cannot be spawned.
    pub(crate) fn new(directories: Vec<PathBuf>, events: &Arc<Events>) -> io::Result<Self> {
        Self::with_measure(directories, events, measure)
    }

    fn with_measure(directories: Vec<PathBuf>, events: &Arc<Events>, measure: Measure) -> io::Result<Self> {
        let directories: Vec<_> = directories.into_iter().map(|path| (path, AtomicBool::new(false))).collect();
        let spawn = !directories.is_empty();
        let (request, changed) = (Mutex::new(Request::None), Condvar::new());
        let checks = Arc::new(Checks { directories, measure, request, changed });
        if spawn {
            let (checks, events) = (Arc::clone(&checks), Arc::clone(events));
            // Not joined: a file system that does not respond must not delay a shutdown.
            std::thread::Builder::new().name("disk space".into()).spawn(move || checks.run(&events))?;
        }
        Ok(Self { next_check: AtomicU64::new(0), checks })
    }

    /// The directories, as the configuration names them.
    pub(crate) fn directories(&self) -> impl Iterator<Item = String> {
        self.checks.directories.iter().map(|(path, _)| path.display().to_string())
    }

    /// The space of each directory that is on a file system.
    pub(crate) fn measure(&self) -> Vec<DirectorySpace> {
        self.checks.directories.iter().filter_map(|(path, _)| (self.checks.measure)(path)).collect()
    }

    /// Requests a check of the directories, at most once in a second. Does not wait for it.
    pub(crate) fn request_check(&self, now: Instant) {
        if self.checks.directories.is_empty() || now.0 < self.next_check.load(Ordering::Relaxed) {
            return;
        }
        self.next_check.store(now.0.saturating_add(INTERVAL_US), Ordering::Relaxed);
        self.checks.set(Request::Check);
    }

    /// Waits until the requested check has been made.
    #[cfg(test)]
    pub(crate) fn wait_for_check(&self) {
        let request = lock(&self.checks.request);
        drop(self.checks.changed.wait_while(request, |request| *request == Request::Check).unwrap());
    }
}

impl Drop for DiskSpace {
    fn drop(&mut self) {
        self.checks.set(Request::End);
    }
}

impl Checks {
    fn set(&self, request: Request) {
        *lock(&self.request) = request;
        self.changed.notify_all();
    }

    /// The loop of the thread.
    fn run(&self, events: &Events) {
        while self.wait_for_request() {
            // The thread serves the site as long as it is open, even after a panic.
            let _ = catch_unwind(AssertUnwindSafe(|| self.check(events)));
            let mut request = lock(&self.request);
            if *request == Request::Check {
                *request = Request::None;
            }
            drop(request);
            self.changed.notify_all();
        }
    }

    /// Waits for a request. Returns false if the thread has to end.
    fn wait_for_request(&self) -> bool {
        let wait = |request: &mut Request| *request == Request::None;
        let request = self.changed.wait_while(lock(&self.request), wait).unwrap_or_else(PoisonError::into_inner);
        *request == Request::Check
    }

    fn check(&self, events: &Events) {
        for (path, low) in &self.directories {
            let Some(DirectorySpace { directory, free_bytes, .. }) = (self.measure)(path) else { continue };
            let was_low = low.load(Ordering::Relaxed);
            let is_low = is_low(was_low, free_bytes);
            low.store(is_low, Ordering::Relaxed);
            if is_low && !was_low {
                tracing::warn!(directory, free_bytes, "disk space is low");
                events.notify(Subject::new(Cause::site()), Event::DiskSpaceLow { directory, free_bytes });
            }
        }
    }
}

fn measure(path: &Path) -> Option<DirectorySpace> {
    let space = rustix::fs::statvfs(path).ok()?;
    Some(DirectorySpace {
        directory: path.display().to_string(),
        free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        size_bytes: space.f_blocks.saturating_mul(space.f_frsize),
    })
}

/// Whether space is low, after it was low or not before.
const fn is_low(was_low: bool, free_bytes: u64) -> bool {
    free_bytes < if was_low { ENOUGH } else { LOW }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    /// The file system of the test: a measurement sends its thread, and waits for a message.
    static FILE_SYSTEM: Mutex<Option<(Sender<ThreadId>, Receiver<()>)>> = Mutex::new(None);

    fn slow(_: &Path) -> Option<DirectorySpace> {
        let file_system = lock(&FILE_SYSTEM);
        let (measured, released) = file_system.as_ref().unwrap();
        measured.send(thread::current().id()).unwrap();
        released.recv_timeout(Duration::from_secs(30)).unwrap();
        None
    }

    #[test]
    fn file_system_that_does_not_respond_delays_no_caller() {
        let ((measured, on_measured), (release, released)) = (channel(), channel());
        *lock(&FILE_SYSTEM) = Some((measured, released));
        let events = Arc::new(Events::new("start".into(), Clock::real()));
        let space = DiskSpace::with_measure(vec!["/nfs".into()], &events, slow).unwrap();
        space.request_check(Instant(1));
        assert_ne!(on_measured.recv_timeout(Duration::from_secs(30)).unwrap(), thread::current().id());
        // Neither a further request nor the end waits for the measurement.
        space.request_check(Instant(2_000_000));
        drop(space);
        release.send(()).unwrap();
    }

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
