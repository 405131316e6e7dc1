//! The replica of a shelf: another shelf, to which the cartridges are copied after each change, and from which they are read while
//! this one does not respond.

mod initial;

use crate::Shelf;
use crate::copy::CopyError;
use crate::error::ShelfError;
use crate::folders::lock;
use crate::keys::CartridgeKeys;
use crate::take::{self, FoundManifest};
use initial::InitialCopy;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tape_store::backend::{ReplicaLag, file};
use tape_store::cartridge::Barcode;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// Time for which the first shelf may read a part of a segment before the replica reads it, too.
const READ_LIMIT: Duration = Duration::from_secs(3);
/// Time for which the first shelf may look for the newest state of a cartridge. It is longer: the replica may have an older one.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// Time for which the first shelf may list its cartridges before the replica lists them.
const LIST_LIMIT: Duration = Duration::from_secs(3600);
/// Time after a failure of the first shelf during which the replica reads first.
const OUTAGE: Duration = Duration::from_secs(10);
/// Longest time after a change of a cartridge that stays in its drive until it is copied.
const INTERVAL: Duration = Duration::from_secs(30);
/// First pause after a copy that failed. Each further pause is twice as long, up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// Time between two looks at what another task does.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The replica from which a shelf reads while it does not respond.
pub(crate) struct Replica {
    shelf: Shelf,
    /// Until then, the replica reads first.
    away_until: Mutex<Option<Instant>>,
}

impl Replica {
    fn is_first_away(&self) -> bool {
        lock(&self.away_until).is_some_and(|until| Instant::now() < until)
    }

    fn mark_first_away(&self, reason: &dyn fmt::Display) {
        let was_away =
            lock(&self.away_until).replace(Instant::now() + OUTAGE).is_some_and(|until| Instant::now() < until);
        if !was_away {
            tracing::warn!(%reason, replica = ?self.shelf.objects(), "the shelf does not respond; its replica is read");
        }
    }
}

/// A state of a cartridge, and the shelf that has it.
pub(crate) enum Newest {
    /// The shelf itself.
    First(Option<FoundManifest>),
    /// The replica, because the shelf does not respond. It can only be read.
    Replica(Shelf, FoundManifest),
}

impl Shelf {
    /// The same shelf, whose cartridges are read from a replica while it does not respond.
    #[must_use]
    pub(crate) fn with_replica(self, replica: Self) -> Self {
        let replica = Self { replica: None, ..replica };
        Self { replica: Some(Arc::new(Replica { shelf: replica, away_until: Mutex::default() })), ..self }
    }

    /// Whether the replica is read, because this shelf did not respond a moment ago.
    pub(crate) fn is_away(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| replica.is_first_away())
    }

    /// Lets the replica be read for a while, because this shelf does not respond.
    pub(crate) fn mark_away(&self, reason: &dyn fmt::Display) {
        if let Some(replica) = &self.replica {
            replica.mark_first_away(reason);
        }
    }

    /// Calls `read` with this shelf. If that fails, or takes longer than the limit, `read` is called with the replica, whose result
    /// counts if it is one. The flag is whether the replica was read.
    pub(crate) async fn read_either<T, F: Future<Output = Result<T, ShelfError>>>(
        &self,
        limit: Duration,
        read: impl Fn(Self) -> F,
    ) -> Result<(T, bool), ShelfError> {
        let Some(replica) = &self.replica else { return Ok((read(self.clone()).await?, false)) };
        if replica.is_first_away()
            && let Ok(found) = read(replica.shelf.clone()).await
        {
            return Ok((found, true));
        }
        let mut first = Box::pin(read(self.clone()));
        let error = match timeout(limit, &mut first).await {
            Ok(Ok(found)) => return Ok((found, false)),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let Ok(found) = read(replica.shelf.clone()).await else {
            return match error {
                Some(error) => Err(error),
                None => Ok((first.await?, false)),
            };
        };
        match error {
            // The damage of one object is no outage.
            Some(error @ ShelfError::Malformed { .. }) => {
                tracing::warn!(%error, "an object of the shelf is damaged; its replica was read");
            }
            Some(error) => replica.mark_first_away(&error),
            None => replica.mark_first_away(&format_args!("no response in {} s", limit.as_secs())),
        }
        Ok((found, true))
    }

    /// As [`read_either`](Self::read_either), for a part of a segment.
    pub(crate) async fn read_segment_either<T, F: Future<Output = Result<T, ShelfError>>>(
        &self,
        read: impl Fn(Self) -> F,
    ) -> Result<T, ShelfError> {
        self.read_either(READ_LIMIT, read).await.map(|(found, _)| found)
    }

    /// As [`read_either`](Self::read_either), for a list, which takes long if there are many cartridges.
    pub(crate) async fn list_either<T, F: Future<Output = Result<T, ShelfError>>>(
        &self,
        list: impl Fn(Self) -> F,
    ) -> Result<T, ShelfError> {
        self.read_either(LIST_LIMIT, list).await.map(|(found, _)| found)
    }

    /// The newest state of a cartridge, on this shelf or its replica.
    pub(crate) async fn newest_either(&self, barcode: &str) -> Result<Newest, ShelfError> {
        let read = |shelf: Self| async move {
            let keys = CartridgeKeys::new(barcode);
            let found = take::newest(shelf.objects(), &keys).await?;
            // That the replica has no state does not mean that the shelf has none.
            let is_replica = shelf.replica.is_none() && self.replica.is_some();
            if found.is_none() && is_replica { Err(ShelfError::Hidden { key: keys.manifests() }) } else { Ok(found) }
        };
        let (found, is_replica) = self.read_either(LOOK_LIMIT, read).await?;
        Ok(match (&self.replica, found) {
            (Some(replica), Some(found)) if is_replica => Newest::Replica(replica.shelf.clone(), found),
            (_, found) => Newest::First(found),
        })
    }
}

/// A shelf to which the cartridges of another one are copied.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReplicaSetup {
    /// Place of the replica, such as its URL. If it is another one than at the last start, all cartridges are copied.
    pub place: String,
    /// The shelf that becomes the replica, with its keys.
    pub shelf: Shelf,
}

impl ReplicaSetup {
    /// The replica at a place, such as a URL.
    #[must_use]
    pub fn new(place: impl Into<String>, shelf: Shelf) -> Self {
        Self { place: place.into(), shelf }
    }
}

/// Pause after a number of failures.
fn pause(failures: u32) -> Duration {
    PAUSE.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(MAX_PAUSE)
}

/// Changes of a cartridge that are not on the replica.
struct Pending {
    since: Instant,
    /// When the copy begins.
    due: Instant,
    bytes: u64,
    /// Counts the beginnings and the ends of changes.
    changes: u64,
    /// Number of changes that have begun and not ended.
    open: u64,
    failures: u32,
    error: Option<String>,
}

impl Pending {
    const fn new(since: Instant, due: Instant) -> Self {
        Self { since, due, bytes: 0, changes: 0, open: 0, failures: 0, error: None }
    }

    fn failed(&mut self, barcode: &str, error: &CopyError) {
        if self.error.is_none() {
            tracing::warn!(barcode, %error, "the cartridge is not copied to the replica yet; this is tried again");
        }
        self.due = Instant::now() + pause(self.failures);
        self.failures += 1;
        self.error = Some(error.to_string());
    }
}

/// Copies the cartridges of a shelf to its replica: first the cartridges that are on the shelf, and each after a change. The local directory has
/// a file for each cartridge with changes that were not copied, so that the next process continues.
pub(crate) struct Replication {
    from: Shelf,
    to: Shelf,
    directory: PathBuf,
    pending: Mutex<BTreeMap<String, Pending>>,
    changed: Notify,
    initial: InitialCopy,
}

impl Replication {
    /// The changes that an earlier process has not copied, in this directory.
    pub(crate) fn open(from: Shelf, to: ReplicaSetup, directory: PathBuf) -> io::Result<Arc<Self>> {
        fs::create_dir_all(&directory)?;
        let initial = InitialCopy::open(&directory, to.place)?;
        let now = Instant::now();
        let mut pending = BTreeMap::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            // A crash can leave a file of another name.
            let Some(barcode) = entry.file_name().to_str().and_then(Barcode::new) else { continue };
            let barcode = barcode.to_string();
            let bytes = fs::read_to_string(entry.path()).ok().and_then(|text| text.trim().parse().ok());
            let bytes = bytes.unwrap_or_default();
            pending.insert(barcode, Pending { bytes, changes: 1, ..Pending::new(now, now) });
        }
        // The copies read the first shelf only.
        let from = Shelf { replica: None, ..from };
        let (to, pending) = (to.shelf, Mutex::new(pending));
        Ok(Arc::new(Self { from, to, directory, pending, changed: Notify::new(), initial }))
    }

    /// A manifest of the cartridge will be created. `bytes` are those of its new segments. Until [`end_change`](Self::end_change), no copy
    /// counts as one of the newest state.
    pub(crate) fn begin_change(&self, barcode: &str, bytes: u64) -> io::Result<()> {
        let now = Instant::now();
        let mut pending = lock(&self.pending);
        let entry = pending.entry(barcode.to_owned()).or_insert_with(|| Pending::new(now, now + INTERVAL));
        entry.bytes += bytes;
        entry.changes += 1;
        entry.open += 1;
        self.store(barcode, entry)
    }

    fn store(&self, barcode: &str, entry: &Pending) -> io::Result<()> {
        let text = format!("{}\n", entry.bytes);
        file::replace(&self.directory.join(barcode), text.as_bytes())
    }

    /// The manifest exists, or its creation has failed. A released cartridge is copied at once.
    pub(crate) fn end_change(&self, barcode: &str, is_released: bool) {
        if let Some(entry) = lock(&self.pending).get_mut(barcode) {
            entry.changes += 1;
            entry.open = entry.open.saturating_sub(1);
            if is_released {
                entry.due = Instant::now();
            }
        }
        self.changed.notify_one();
    }

    pub(crate) fn lag(&self) -> ReplicaLag {
        let pending = lock(&self.pending);
        let since = pending.values().map(|entry| entry.since).min();
        let failed = pending.iter().filter_map(|(name, entry)| Some((name.clone(), entry.error.clone()?)));
        let lag = ReplicaLag {
            folders: pending.len() as u64,
            bytes: pending.values().map(|entry| entry.bytes).sum(),
            seconds: since.map_or(0, |since| since.elapsed().as_secs()),
            failed: failed.collect(),
        };
        self.initial.add_to(lag)
    }

    /// Copies one cartridge after the other, without an end.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let next = lock(&self.pending).iter().map(|(name, it)| (it.due, name.clone(), it.changes)).min();
            let Some((due, barcode, changes)) = next else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.changed.notified() => continue,
            }
            if self.initial.copies(&barcode) {
                self.delay(&barcode);
                continue;
            }
            let copied = self.from.copy_cartridge(&barcode, &self.to, &mut |_, _| ControlFlow::Continue(())).await;
            self.end_copy(&barcode, changes, copied.map(drop));
        }
    }

    /// Copies a cartridge a moment later.
    fn delay(&self, barcode: &str) {
        if let Some(entry) = lock(&self.pending).get_mut(barcode) {
            entry.due = Instant::now() + POLL_INTERVAL;
        }
    }

    fn end_copy(&self, barcode: &str, changes: u64, copied: Result<(), CopyError>) {
        let mut pending = lock(&self.pending);
        let Some(entry) = pending.get_mut(barcode) else { return };
        match copied {
            // A removed cartridge has no state to copy.
            Ok(()) | Err(CopyError::Missing { .. }) if entry.changes == changes && entry.open == 0 => {
                pending.remove(barcode);
                if let Err(error) = fs::remove_file(self.directory.join(barcode)) {
                    tracing::debug!(barcode, %error, "the next start copies the cartridge again");
                }
            }
            Ok(()) | Err(CopyError::Missing { .. }) => {
                // There are further changes.
                let now = Instant::now();
                let due = if entry.open > 0 { now + INTERVAL } else { entry.due.max(now) };
                (entry.since, entry.due, entry.bytes) = (now, due, 0);
                (entry.failures, entry.error) = (0, None);
            }
            Err(error) => entry.failed(barcode, &error),
        }
    }
}
