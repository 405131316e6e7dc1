//! Releases of cartridges for which no host waits, several at the same time.

use super::slot::Slot;
use super::{Access, RETRY, lock};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tokio::time::Instant;

/// Cartridges that are released at the same time.
const PARALLEL: usize = 4;
/// Time between two looks for releases that are due.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The releases that are tried again until they succeed, or the store is dropped: then once more.
pub(super) struct Releases {
    access: Access,
    /// Barcodes of the cartridges that an earlier process did not release.
    left: Vec<String>,
}

/// A release, and whether it is tried although the store has failed a moment ago.
type Release = (Arc<Slot>, bool);

/// The threads that release cartridges. They return each cartridge that was not released.
struct Workers {
    releases: Sender<Release>,
    unreleased: Receiver<Arc<Slot>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start() -> Self {
        let (releases, queue) = channel::<Release>();
        let (failed, unreleased) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let worker = |_| {
            let (queue, failed) = (Arc::clone(&queue), failed.clone());
            let run = move || {
                loop {
                    // One worker at a time waits for the next release.
                    let next = lock(&queue).recv();
                    let Ok((slot, is_forced)) = next else { return };
                    if (slot.has_just_failed() && !is_forced) || !slot.release() {
                        let _ = failed.send(slot);
                    }
                }
            };
            let spawned = Builder::new().name("shelf release".into()).spawn(run);
            spawned.inspect_err(|error| tracing::error!(%error, "a thread for releases is missing")).ok()
        };
        let threads = (0..PARALLEL).filter_map(worker).collect();
        Self { releases, unreleased, threads }
    }

    /// Waits for the releases that have begun, or wait.
    fn end(self) {
        drop(self.releases);
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

impl Releases {
    /// The releases of a shelf; `left` are the cartridges that an earlier process did not release.
    pub(super) const fn new(access: Access, left: Vec<String>) -> Self {
        Self { access, left }
    }

    /// Releases the cartridges that come, until the store is dropped.
    pub(super) fn run(mut self, slots: &Receiver<Arc<Slot>>) {
        let workers = Workers::start();
        let mut last_attempt: Option<Instant> = None;
        let mut waiting: Vec<Arc<Slot>> = Vec::new();
        loop {
            let is_stopped = self.is_stopped();
            if is_stopped || last_attempt.is_none_or(|last| last.elapsed() >= RETRY) {
                self.finish_left();
                last_attempt = Some(Instant::now());
            }
            waiting.extend(workers.unreleased.try_iter());
            if is_stopped {
                waiting.extend(slots.try_iter());
            }
            for slot in waiting.extract_if(.., |slot| is_stopped || !slot.has_just_failed()) {
                let _ = workers.releases.send((slot, true));
            }
            if is_stopped {
                return workers.end();
            }
            match slots.recv_timeout(POLL_INTERVAL) {
                Ok(slot) => drop(workers.releases.send((slot, false))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return workers.end(),
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.access.shared.is_stopped.load(Ordering::Acquire)
    }

    /// Takes and releases the cartridges of an earlier process, up to the first failure: the store may not respond.
    fn finish_left(&mut self) {
        while let Some(barcode) = self.left.last() {
            if self.is_stopped() {
                return self.left.clear();
            }
            match self.access.finish(barcode) {
                Ok(()) => tracing::info!(barcode, "the cartridge of an interrupted process is shelved"),
                // Another daemon has it: at the next load here, the local files are set aside.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tracing::warn!(barcode, %error, "the local files of an interrupted process are not shelved");
                }
                Err(error) => {
                    tracing::warn!(barcode, %error, "the cartridge of an interrupted process is not shelved yet; this is tried again");
                    // The next attempt begins with another one, which may not fail.
                    self.left.rotate_right(1);
                    return;
                }
            }
            self.left.pop();
        }
    }
}
