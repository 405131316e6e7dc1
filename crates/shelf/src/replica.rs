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
use std::path::{Path, PathBuf};
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

/// The cartridges that are copied to a replica, by their barcodes.
pub type CartridgeRule = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// A shelf to which cartridges of another one are copied.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReplicaSetup {
    /// Name of the replica, which is that of its local directory.
    pub name: String,
    /// Place of the replica, such as its URL, and the rules of its cartridges as a text. If it is another one than at the last
    /// start, all cartridges are compared with the replica.
    pub place: String,
    /// The shelf that becomes the replica, with its keys.
    pub shelf: Shelf,
    /// The cartridges that are copied to it.
    pub cartridges: CartridgeRule,
}

impl fmt::Debug for ReplicaSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaSetup").field("name", &self.name).field("place", &self.place).finish_non_exhaustive()
    }
}

impl ReplicaSetup {
    /// A replica of all cartridges, at a place such as a URL.
    #[must_use]
    pub fn new(name: impl Into<String>, place: impl Into<String>, shelf: Shelf) -> Self {
        Self { name: name.into(), place: place.into(), shelf, cartridges: Arc::new(|_: &str| true) }
    }

    /// The same replica, for these cartridges only.
    #[must_use]
    pub fn with_cartridges(self, cartridges: CartridgeRule) -> Self {
        Self { cartridges, ..self }
    }
}

/// The replicas from which a shelf reads while it does not respond.
pub(crate) struct Replicas {
    /// Each with its cartridges. None has replicas itself.
    all: Vec<(CartridgeRule, Shelf)>,
    /// Until then, they are read first.
    away_until: Mutex<Option<Instant>>,
}

impl Replicas {
    fn is_first_away(&self) -> bool {
        lock(&self.away_until).is_some_and(|until| Instant::now() < until)
    }

    fn mark_first_away(&self, reason: &dyn fmt::Display) {
        let was_away =
            lock(&self.away_until).replace(Instant::now() + OUTAGE).is_some_and(|until| Instant::now() < until);
        if !was_away {
            let replicas: Vec<_> = self.all.iter().map(|(_, shelf)| shelf.objects()).collect();
            tracing::warn!(%reason, ?replicas, "the shelf does not respond; its replicas are read");
        }
    }

    /// The barcodes of the cartridges on all replicas.
    async fn list(&self) -> Result<Vec<String>, ShelfError> {
        let mut barcodes = Vec::new();
        for (cartridges, shelf) in &self.all {
            barcodes.extend(shelf.listed_barcodes().await?.into_iter().filter(|barcode| cartridges(barcode)));
        }
        barcodes.sort_unstable();
        Ok(barcodes)
    }
}

/// A state of a cartridge, and the shelf that has it.
pub(crate) enum Newest {
    /// The shelf itself.
    First(Option<FoundManifest>),
    /// The replica, because the shelf does not respond. It can only be read.
    Replica(Box<Shelf>, FoundManifest),
}

impl Shelf {
    /// The same shelf, whose cartridges are read from replicas while it does not respond: each from the first one that has it.
    #[must_use]
    pub(crate) fn with_replicas(self, replicas: Vec<(CartridgeRule, Self)>) -> Self {
        let without = |(cartridges, shelf)| (cartridges, Self { replicas: None, ..shelf });
        let all: Vec<_> = replicas.into_iter().map(without).collect();
        let replicas = (!all.is_empty()).then(|| Arc::new(Replicas { all, away_until: Mutex::default() }));
        Self { replicas, ..self }
    }

    /// The replica of a cartridge.
    fn replica_of(&self, barcode: &str) -> Option<(&Replicas, &Self)> {
        let replicas = self.replicas.as_deref()?;
        let (_, shelf) = replicas.all.iter().find(|(cartridges, _)| cartridges(barcode))?;
        Some((replicas, shelf))
    }

    /// Whether the replica of a cartridge is read, because this shelf did not respond a moment ago.
    pub(crate) fn is_away(&self, barcode: &str) -> bool {
        self.replica_of(barcode).is_some_and(|(replicas, _)| replicas.is_first_away())
    }

    /// Lets the replica of a cartridge be read for a while, because this shelf does not respond.
    pub(crate) fn mark_away(&self, barcode: &str, reason: &dyn fmt::Display) {
        if let Some((replicas, _)) = self.replica_of(barcode) {
            replicas.mark_first_away(reason);
        }
    }

    /// Calls `read` with this shelf. If that fails, or takes longer than the limit, `read` is called with the replica of the
    /// cartridge, whose result counts if it is one. The flag is whether the replica was read.
    pub(crate) async fn read_either<T, F: Future<Output = Result<T, ShelfError>>>(
        &self,
        barcode: &str,
        limit: Duration,
        read: impl Fn(Self) -> F,
    ) -> Result<(T, bool), ShelfError> {
        let Some((replicas, replica)) = self.replica_of(barcode) else { return Ok((read(self.clone()).await?, false)) };
        if replicas.is_first_away()
            && let Ok(found) = read(replica.clone()).await
        {
            return Ok((found, true));
        }
        let mut first = Box::pin(read(self.clone()));
        let error = match timeout(limit, &mut first).await {
            Ok(Ok(found)) => return Ok((found, false)),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let Ok(found) = read(replica.clone()).await else {
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
            Some(error @ (ShelfError::Denied { .. } | ShelfError::Frozen { .. })) => {
                tracing::warn!(%error, "the store denies an object of the shelf; its replica was read");
            }
            Some(error) => replicas.mark_first_away(&error),
            None => replicas.mark_first_away(&format_args!("no response in {} s", limit.as_secs())),
        }
        Ok((found, true))
    }

    /// As [`read_either`](Self::read_either), for a part of a segment.
    pub(crate) async fn read_segment_either<T, F: Future<Output = Result<T, ShelfError>>>(
        &self,
        barcode: &str,
        read: impl Fn(Self) -> F,
    ) -> Result<T, ShelfError> {
        self.read_either(barcode, READ_LIMIT, read).await.map(|(found, _)| found)
    }

    /// The barcodes of the cartridges on the shelf; if it does not respond, those on its replicas.
    pub(crate) async fn list_either(&self) -> Result<Vec<String>, ShelfError> {
        let Some(replicas) = &self.replicas else { return self.listed_barcodes().await };
        if replicas.is_first_away()
            && let Ok(found) = replicas.list().await
        {
            return Ok(found);
        }
        let error = match timeout(LIST_LIMIT, self.listed_barcodes()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => error,
            Err(_) => ShelfError::Interrupted(format!("no response in {} s", LIST_LIMIT.as_secs())),
        };
        let Ok(found) = replicas.list().await else { return Err(error) };
        replicas.mark_first_away(&error);
        Ok(found)
    }

    /// The newest state of a cartridge, on this shelf or its replica.
    pub(crate) async fn newest_either(&self, barcode: &str) -> Result<Newest, ShelfError> {
        let read = |shelf: Self| async move {
            let keys = CartridgeKeys::new(barcode);
            let found = take::newest(shelf.objects(), &keys).await?;
            // That the replica has no state does not mean that the shelf has none.
            let is_replica = shelf.replicas.is_none() && self.replicas.is_some();
            if found.is_none() && is_replica { Err(ShelfError::Hidden { key: keys.manifests() }) } else { Ok(found) }
        };
        let (found, is_replica) = self.read_either(barcode, LOOK_LIMIT, read).await?;
        Ok(match (self.replica_of(barcode), found) {
            (Some((_, replica)), Some(found)) if is_replica => Newest::Replica(Box::new(replica.clone()), found),
            (_, found) => Newest::First(found),
        })
    }
}

/// A replica that is not configured misses changes: if it is configured again, all cartridges are compared with it.
fn forget_other_replicas(replicas: &[ReplicaSetup], directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !replicas.iter().any(|replica| entry.file_name() == replica.name.as_str()) {
            InitialCopy::forget(&entry.path())?;
        }
    }
    Ok(())
}

/// The copies to all replicas of a shelf.
#[derive(Default)]
pub(crate) struct Replications(Vec<(String, Arc<Replication>)>);

impl Replications {
    /// The changes that an earlier process has not copied; `directory` has a directory for each replica.
    pub(crate) fn open(from: &Shelf, replicas: &[ReplicaSetup], directory: &Path) -> io::Result<Self> {
        forget_other_replicas(replicas, directory)?;
        let mut all: Vec<(String, Arc<Replication>)> = Vec::new();
        for setup in replicas {
            let earlier: Vec<CartridgeRule> = all.iter().map(|(_, other)| Arc::clone(&other.cartridges)).collect();
            let own = Arc::clone(&setup.cartridges);
            let rule: CartridgeRule =
                Arc::new(move |barcode: &str| own(barcode) && !earlier.iter().any(|earlier| earlier(barcode)));
            let setup = ReplicaSetup { cartridges: rule, ..setup.clone() };
            let name = setup.name.clone();
            let directory = directory.join(&name);
            all.push((name, Replication::open(from.clone(), setup, directory)?));
        }
        Ok(Self(all))
    }

    /// The copies of a cartridge, if it has a replica.
    pub(crate) fn of(&self, barcode: &str) -> Option<&Replication> {
        self.all().find(|replication| (replication.cartridges)(barcode)).map(|replication| &**replication)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Replication>> {
        self.0.iter().map(|(_, replication)| replication)
    }

    /// The changes that each replica does not have, with its name.
    pub(crate) fn lags(&self) -> Vec<(String, ReplicaLag)> {
        self.0.iter().map(|(name, replication)| (name.clone(), replication.lag())).collect()
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
    cartridges: CartridgeRule,
    directory: PathBuf,
    pending: Mutex<BTreeMap<String, Pending>>,
    changed: Notify,
    initial: InitialCopy,
}

impl Replication {
    /// The changes that an earlier process has not copied, in this directory.
    pub(crate) fn open(from: Shelf, to: ReplicaSetup, directory: PathBuf) -> io::Result<Arc<Self>> {
        fs::create_dir_all(&directory)?;
        let initial = InitialCopy::open(&directory, to.place.clone())?;
        let now = Instant::now();
        let mut pending = BTreeMap::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            // A crash can leave a file of another name.
            let Some(barcode) = entry.file_name().to_str().and_then(Barcode::new) else { continue };
            let barcode = barcode.to_string();
            if !(to.cartridges)(&barcode) {
                // It has another replica now, with which all cartridges are compared.
                fs::remove_file(entry.path())?;
                continue;
            }
            let bytes = fs::read_to_string(entry.path()).ok().and_then(|text| text.trim().parse().ok());
            let bytes = bytes.unwrap_or_default();
            pending.insert(barcode, Pending { bytes, changes: 1, ..Pending::new(now, now) });
        }
        // The copies read the first shelf only.
        let from = Shelf { replicas: None, ..from };
        let (ReplicaSetup { shelf: to, cartridges, .. }, pending) = (to, Mutex::new(pending));
        Ok(Arc::new(Self { from, to, cartridges, directory, pending, changed: Notify::new(), initial }))
    }

    /// A manifest of the cartridge will be created. `bytes` are those of its new segments. Until [`end_change`](Self::end_change), no copy
    /// counts as one of the newest state.
    pub(crate) fn begin_change(&self, barcode: &str, bytes: u64) -> io::Result<()> {
        let now = Instant::now();
        let mut pending = lock(&self.pending);
        let entry = pending.entry(barcode.to_owned()).or_insert_with(|| Pending::new(now, now + INTERVAL));
        entry.bytes += bytes;
        self.store(barcode, entry)?;
        entry.changes += 1;
        entry.open += 1;
        Ok(())
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
