//! Shelves on object storage whose store does not respond: one slow failure, and calls for other cartridges fail at once for a
//! while. Otherwise the start of a site would wait for the store once for each cartridge.

use crate::clock::Clock;
use crate::locks::lock;
use scsi_core::time::Instant;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use tape_store::backend::{Folder, FolderStore, Shelving, SyncTimer};

/// Time in microseconds after which a call that fails shows that the store does not respond. An error of one cartridge, such as
/// a damaged manifest, is faster.
const SLOW_US: u64 = 3_000_000;
/// Time in microseconds after such a failure during which calls fail at once.
const OUTAGE_US: u64 = 10_000_000;

/// The folders of the cartridges on a shelf.
pub(crate) struct ShelfStore {
    name: String,
    folders: Box<dyn FolderStore>,
    clock: Clock,
    outage: Mutex<Option<Outage>>,
}

/// A store that does not respond.
struct Outage {
    /// Calls fail at once before this time.
    until: Instant,
    error: String,
}

impl ShelfStore {
    /// The folders of the shelf with this name.
    pub(crate) fn new(name: String, folders: Box<dyn FolderStore>, clock: Clock) -> Self {
        Self { name, folders, clock, outage: Mutex::default() }
    }

    /// Calls the store, unless it did not respond a moment ago.
    fn call<T>(&self, call: impl FnOnce(&dyn FolderStore) -> io::Result<T>) -> io::Result<T> {
        let start = self.clock.monotonic();
        if let Some(outage) = lock(&self.outage).as_ref().filter(|outage| start < outage.until) {
            let message = format!("shelf {:?} did not respond a moment ago: {}", self.name, outage.error);
            return Err(io::Error::new(ErrorKind::TimedOut, message));
        }
        let result = call(self.folders.as_ref());
        let now = self.clock.monotonic();
        if result.is_ok() {
            *lock(&self.outage) = None;
        }
        let is_slow = now.0.saturating_sub(start.0) >= SLOW_US;
        match &result {
            // A cartridge that another daemon uses is waited for.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::WouldBlock) => {}
            Err(error) if is_slow => {
                tracing::error!(shelf = self.name, %error, "shelf does not respond; its cartridges cannot be used");
                let until = Instant(now.0.saturating_add(OUTAGE_US));
                *lock(&self.outage) = Some(Outage { until, error: error.to_string() });
            }
            _ => {}
        }
        result
    }
}

impl FolderStore for ShelfStore {
    fn list(&self) -> io::Result<Vec<String>> {
        self.call(|folders| folders.list())
    }

    fn flush(&self) -> io::Result<()> {
        self.call(|folders| folders.flush())
    }

    fn is_empty(&self) -> io::Result<bool> {
        self.call(|folders| folders.is_empty())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        // A cartridge in a drive is on this machine: its cartridge memory is saved also while the store does not respond.
        if self.folders.is_taken(name) {
            return self.folders.open(name);
        }
        self.call(|folders| folders.open(name))
    }

    fn is_taken(&self, name: &str) -> bool {
        self.folders.is_taken(name)
    }

    fn stop(&self) {
        self.folders.stop();
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.call(|folders| folders.create(name))
    }

    fn set_sync_timer(&mut self, timer: Arc<dyn SyncTimer>) {
        self.folders.set_sync_timer(timer);
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(|folders| folders.remove(name))
    }

    fn create_replacement(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.call(|folders| folders.create_replacement(name))
    }

    fn replace(&self, name: &str) -> io::Result<()> {
        self.call(|folders| folders.replace(name))
    }

    fn remove_replacement(&self, name: &str) -> io::Result<()> {
        self.call(|folders| folders.remove_replacement(name))
    }

    fn shelving(&self) -> Shelving {
        let outage = lock(&self.outage).as_ref().map(|outage| outage.error.clone());
        let shelving = self.folders.shelving();
        Shelving { error: outage.or(shelving.error), ..shelving }
    }

    fn is_occupied(&self, name: &str) -> io::Result<bool> {
        self.call(|folders| folders.is_occupied(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualClock;
    use scsi_core::time::{Now, Timestamp};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use tape_store::backend::memory::MemoryFolderStore;

    /// A store whose calls fail with this error after a time. It counts the calls.
    #[derive(Clone)]
    struct Failing {
        clock: VirtualClock,
        failure: Arc<Mutex<(ErrorKind, Duration)>>,
        calls: Arc<AtomicU64>,
        taken: &'static str,
    }

    impl FolderStore for Failing {
        fn list(&self) -> io::Result<Vec<String>> {
            let (error, delay) = *lock(&self.failure);
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.clock.advance(delay);
            Err(error.into())
        }
        fn is_taken(&self, name: &str) -> bool {
            name == self.taken
        }
        fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
            if self.is_taken(name) {
                return MemoryFolderStore::default().create(name);
            }
            self.list().and_then(|_| MemoryFolderStore::default().open(name))
        }
        fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
            self.open(name)
        }
        fn remove(&self, _name: &str) -> io::Result<()> {
            self.list().map(drop)
        }
    }

    #[test]
    fn the_error_of_a_store_is_shown_until_it_responds() {
        let clock = VirtualClock::new(Now { mono: Instant(5), wall: Timestamp(0) });
        let failure = Arc::new(Mutex::new((ErrorKind::Other, Duration::from_secs(11))));
        let failing = Failing { clock: clock.clone(), failure, calls: Arc::default(), taken: "" };
        let mut store = ShelfStore::new("a".into(), Box::new(failing), clock.clock());
        assert_eq!(store.shelving().error, None);
        assert!(store.list().is_err());
        clock.advance(Duration::from_secs(20));
        assert_eq!(store.shelving().error.as_deref(), Some("other error"));
        store.folders = Box::<MemoryFolderStore>::default();
        store.list().unwrap();
        assert_eq!(store.shelving().error, None);
    }

    #[test]
    fn after_a_slow_failure_calls_fail_at_once_for_a_while() {
        let clock = VirtualClock::new(Now { mono: Instant(5), wall: Timestamp(0) });
        let failure = Arc::new(Mutex::new((ErrorKind::Other, Duration::from_secs(11))));
        let failing = Failing { clock: clock.clone(), failure, calls: Arc::default(), taken: "T" };
        let store = ShelfStore::new("a".into(), Box::new(failing.clone()), clock.clock());
        let calls = || failing.calls.load(Ordering::Relaxed);
        let fail = |error, seconds| *lock(&failing.failure) = (error, Duration::from_secs(seconds));
        assert_eq!(store.open("V").err().unwrap().to_string(), "other error");
        let now = clock.clock().monotonic();
        for _ in 0..1000 {
            let error = store.open("W").err().unwrap();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!(error.to_string(), "shelf \"a\" did not respond a moment ago: other error");
        }
        assert!(store.list().is_err() && store.create("W").is_err() && store.is_occupied("W").is_err());
        assert_eq!((calls(), clock.clock().monotonic()), (1, now));
        // A cartridge in a drive can be used meanwhile.
        assert!(store.open("T").is_ok());
        // Then the store is asked again. Neither a fast failure nor the answer that there is no cartridge is an outage.
        clock.advance(Duration::from_secs(10));
        for (error, seconds) in [(ErrorKind::Other, 2), (ErrorKind::NotFound, 20), (ErrorKind::WouldBlock, 20)] {
            let before = calls();
            fail(error, seconds);
            assert_eq!(store.open("V").err().unwrap().kind(), error);
            assert_eq!(store.remove("V").unwrap_err().kind(), error);
            assert_eq!(calls(), before + 2);
        }
    }
}
