//! The copy of the cartridges that were on a shelf before it had its replica.

use super::{POLL_INTERVAL, Pending, Replication, pause};
use crate::catalog::shards;
use crate::copy::CopyError;
use crate::error::ShelfError;
use crate::folders::lock;
use crate::record;
use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tape_store::backend::{ReplicaLag, file};
use tokio::time::{Instant, sleep};

/// File in the directory of a replica. No cartridge has this name.
const RECORD: &str = "initial.copy";
/// Cartridges that are compared or copied at the same time.
const PARALLEL: usize = 2;
/// Longest time after which the record is stored. After a restart, the cartridges of this time are compared again.
const STORE_INTERVAL: Duration = Duration::from_secs(5);
/// Failures of the store after which a cartridge is left to the copies of changed cartridges, which try it again.
const MAX_FAILURES: u32 = 3;

/// How far the copy is. The cartridges are copied by shard, then by barcode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Place of the replica.
    replica: String,
    /// Shard and barcode of the last cartridge that is done.
    last: (String, String),
    is_complete: bool,
}

struct State {
    record: Record,
    stored: Instant,
    /// Number of cartridges that are not done, if they were counted.
    left: Option<u64>,
    since: Instant,
    /// The copies in progress, and the bytes that are not on the replica.
    copies: BTreeMap<String, u64>,
    /// The cartridge at which the copy waits for a store, and its error.
    failed: Option<(String, String)>,
}

/// The copy of the cartridges that were on a shelf before it had its replica.
pub(super) struct InitialCopy {
    path: PathBuf,
    state: Mutex<State>,
}

/// A copy that a store has failed, with its barcode; it has none if the shelf cannot be listed.
type Failed = (String, CopyError);

impl InitialCopy {
    /// The copy that an earlier process has begun, or a new one if the replica was at another place.
    pub(super) fn open(directory: &Path, replica: String) -> io::Result<Self> {
        let path = directory.join(RECORD);
        let known: Option<Record> = match fs::read(&path) {
            Ok(bytes) => record::decode(RECORD, &bytes).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let known = known.filter(|known| known.replica == replica);
        let record = known.unwrap_or_else(|| Record { replica, ..Record::default() });
        let (left, now) = (record.is_complete.then_some(0), Instant::now());
        let state = State { record, stored: now, left, since: now, copies: BTreeMap::new(), failed: None };
        Ok(Self { path, state: Mutex::new(state) })
    }

    /// Forgets the progress of the copy in a directory, if there was one.
    pub(super) fn forget(directory: &Path) -> io::Result<()> {
        match fs::remove_file(directory.join(RECORD)) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(error),
            _ => Ok(()),
        }
    }

    fn is_complete(&self) -> bool {
        lock(&self.state).record.is_complete
    }

    /// Whether this copies a cartridge now.
    pub(super) fn copies(&self, barcode: &str) -> bool {
        lock(&self.state).copies.contains_key(barcode)
    }

    /// Adds what this has not copied.
    pub(super) fn add_to(&self, mut lag: ReplicaLag) -> ReplicaLag {
        let state = lock(&self.state);
        if state.record.is_complete {
            return lag;
        }
        // Until they are counted, there may be one.
        lag.folders += state.left.unwrap_or(1).max(1);
        lag.bytes += state.copies.values().sum::<u64>();
        lag.seconds = lag.seconds.max(state.since.elapsed().as_secs());
        lag.failed.extend(state.failed.clone());
        lag
    }

    fn is_done(&self, shard: &str, barcode: &str) -> bool {
        let state = lock(&self.state);
        (shard, barcode) <= (state.record.last.0.as_str(), state.record.last.1.as_str())
    }

    /// Notes that all cartridges up to this one are done.
    fn done(&self, shard: &str, barcode: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.record.last = (shard.to_owned(), barcode.to_owned());
        state.left = state.left.map(|left| left.saturating_sub(1));
        state.failed = None;
        if state.stored.elapsed() < STORE_INTERVAL {
            return Ok(());
        }
        self.store(&mut state)
    }

    fn complete(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.record.is_complete = true;
        self.store(&mut state)
    }

    fn fail(&self, barcode: &str, error: &CopyError) {
        let mut state = lock(&self.state);
        if state.failed.is_none() {
            tracing::warn!(barcode, %error, "the cartridges of the shelf are not copied to the replica yet; this is tried again");
        }
        state.failed = Some((barcode.to_owned(), error.to_string()));
        if let Err(error) = self.store(&mut state) {
            tracing::debug!(%error, "the next start compares more cartridges with the replica");
        }
    }

    fn store(&self, state: &mut State) -> io::Result<()> {
        state.stored = Instant::now();
        let bytes = record::encode(RECORD, &state.record).map_err(|error: ShelfError| io::Error::other(error))?;
        file::replace(&self.path, &bytes)
    }
}

/// A copy in progress.
struct Copying<'a> {
    initial: &'a InitialCopy,
    barcode: &'a str,
}

impl<'a> Copying<'a> {
    fn begin(initial: &'a InitialCopy, barcode: &'a str) -> Self {
        lock(&initial.state).copies.insert(barcode.to_owned(), 0);
        Self { initial, barcode }
    }

    fn set_left(&self, bytes: u64) {
        lock(&self.initial.state).copies.insert(self.barcode.to_owned(), bytes);
    }
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        lock(&self.initial.state).copies.remove(self.barcode);
    }
}

/// Whether a store has failed, so that the next cartridge would fail, too.
const fn is_of_store(error: &CopyError) -> bool {
    let (CopyError::Source(error) | CopyError::Target(error)) = error else { return false };
    !matches!(error, ShelfError::Malformed { .. } | ShelfError::Key { .. })
}

impl Replication {
    /// Copies the cartridges that are on the shelf already, and ends when all were compared with the replica.
    pub(crate) async fn run_initial(self: Arc<Self>) {
        let (mut failures, mut last) = (0, String::new());
        while !self.initial.is_complete() {
            let Err((barcode, error)) = self.copy_present().await else { return };
            failures = if barcode == last { failures + 1 } else { 1 };
            if failures >= MAX_FAILURES
                && !barcode.is_empty()
                && let Err(error) = self.leave_to_changes(&barcode, &error)
            {
                tracing::debug!(barcode, %error, "the cartridge is not left to the copies of changes");
            }
            self.initial.fail(&barcode, &error);
            last = barcode;
            sleep(pause(failures - 1)).await;
        }
    }

    /// The cartridges of a shard that are not done.
    async fn undone(&self, shard: &str) -> Result<Vec<String>, Failed> {
        // The catalog is only a hint.
        let all = self.from.objects().directories(shard).await;
        let all = all.map_err(|error| (String::new(), CopyError::Source(error)))?;
        Ok(all
            .into_iter()
            .filter(|barcode| (self.cartridges)(barcode) && !self.initial.is_done(shard, barcode))
            .collect())
    }

    /// Copies the cartridges after the last one that is done.
    async fn copy_present(&self) -> Result<(), Failed> {
        let mut left = 0;
        for shard in shards() {
            left += self.undone(&shard).await?.len() as u64;
        }
        lock(&self.initial.state).left = Some(left);
        let disk = |error: io::Error| (String::new(), CopyError::Source(ShelfError::Interrupted(error.to_string())));
        for shard in shards() {
            let copies = self.undone(&shard).await?.into_iter().map(|barcode| self.copy_first(barcode));
            let mut copies = stream::iter(copies).buffered(PARALLEL);
            while let Some(copied) = copies.next().await {
                self.initial.done(&shard, &copied?).map_err(disk)?;
            }
        }
        self.initial.complete().map_err(disk)?;
        tracing::info!(replica = ?self.to.objects(), "the replica has the cartridges of the shelf");
        Ok(())
    }

    /// Copies a cartridge, unless its changes are copied anyway. Changed cartridges are copied before.
    async fn copy_first(&self, barcode: String) -> Result<String, Failed> {
        while lock(&self.pending).values().any(|entry| entry.due <= Instant::now()) {
            sleep(POLL_INTERVAL).await;
        }
        let copying = Copying::begin(&self.initial, &barcode);
        let copied = if lock(&self.pending).contains_key(&barcode) {
            Ok(())
        } else {
            let mut progress = |done: u64, all: u64| {
                copying.set_left(all.saturating_sub(done));
                ControlFlow::Continue(())
            };
            self.from.copy_cartridge(&barcode, &self.to, &mut progress).await.map(drop)
        };
        drop(copying);
        match copied {
            Ok(()) | Err(CopyError::Missing { .. }) => {}
            Err(error) if is_of_store(&error) => return Err((barcode, error)),
            Err(error) => self
                .leave_to_changes(&barcode, &error)
                .map_err(|disk| (barcode.clone(), CopyError::Source(ShelfError::Interrupted(disk.to_string()))))?,
        }
        Ok(barcode)
    }

    /// Lets the copies of changed cartridges copy this one.
    fn leave_to_changes(&self, barcode: &str, error: &CopyError) -> io::Result<()> {
        let now = Instant::now();
        let mut pending = lock(&self.pending);
        let entry = pending.entry(barcode.to_owned()).or_insert_with(|| Pending::new(now, now));
        entry.changes += 1;
        entry.failed(barcode, error);
        let stored = self.store(barcode, entry);
        drop(pending);
        self.changed.notify_one();
        stored
    }
}
