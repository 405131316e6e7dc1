//! A cartridge that this daemon has taken: its commits, heartbeats and release.

use crate::Shelf;
use crate::beat::{Beat, Lease};
use crate::copy::Origin;
use crate::error::ShelfError;
use crate::index::{self, Compact, PageNames};
use crate::keys::CartridgeKeys;
use crate::manifest::{Content, Manifest, ManifestState};
use crate::object_lock::Locked;
use crate::objects::{Creation, Objects};
use crate::protection::{self, Named, Protection};
use crate::record;
use crate::segment;
use crate::transfer::interrupted;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Commits after which the hint is written again: a reader reads at most so many manifests after it.
const COMMITS_PER_HINT: u64 = 16;

/// The error of a commit: the cartridge was taken over, or the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Another daemon has taken the cartridge over: nothing that was not committed is on the shelf, and no later commit of this
    /// daemon can succeed.
    #[error("cartridge {barcode} was taken over by {owner}")]
    TakenOver {
        /// The barcode.
        barcode: String,
        /// Name of the other daemon.
        owner: String,
    },
    /// The store failed: the commit may be on the shelf. The next commit resolves it.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// A cartridge that this daemon has taken, until another one takes it over.
#[derive(Debug)]
pub struct OwnedCartridge {
    shelf: Shelf,
    keys: CartridgeKeys,
    lease: Lease,
    beats: u64,
    /// When the next heartbeat is due.
    next_beat: Instant,
    /// Number of segments that this daemon has named.
    segments: u64,
    /// The newest manifest: of this daemon, or of the former owner before the first one of this daemon.
    newest: Manifest,
    /// The index pages of its content.
    pages: PageNames,
    /// Number of the manifest in the hint that this daemon has written.
    hint: u64,
    /// Number and nonce of the manifest on another shelf from which the next content is copied.
    copied_from: Option<(u64, String)>,
    /// The protection in the cartridge memory of the next content.
    wanted: Option<Protection>,
    /// A retention that has ended by the clock of the store.
    ended: u64,
}

impl OwnedCartridge {
    pub(crate) fn new(shelf: Shelf, keys: CartridgeKeys, lease: Lease, newest: Manifest, pages: PageNames) -> Self {
        Self {
            shelf,
            keys,
            lease,
            beats: 0,
            next_beat: Instant::now(),
            segments: 0,
            newest,
            pages,
            hint: 0,
            copied_from: None,
            wanted: None,
            ended: 0,
        }
    }

    /// The epoch of the lease: each daemon that takes the cartridge gets a higher one.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.lease.epoch
    }

    /// Number of the newest manifest.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.newest.version
    }

    /// Nonce of the newest manifest.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.newest.nonce
    }

    /// The content of the newest manifest.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.newest.content
    }

    pub(crate) const fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(crate) const fn objects(&self) -> &Objects {
        self.shelf.objects()
    }

    pub(crate) const fn keys(&self) -> &CartridgeKeys {
        &self.keys
    }

    /// Writes a heartbeat if one is due. A failure is only logged, and the next heartbeat is written one period later: without
    /// heartbeats, a commit is still accepted until another daemon takes the cartridge over.
    pub(crate) async fn beat_if_due(&mut self) {
        if Instant::now() >= self.next_beat
            && let Err(error) = self.beat().await
        {
            tracing::debug!(%error, "heartbeat");
        }
    }

    /// The name of a new segment: the epoch, a number and a nonce.
    pub(crate) fn next_segment(&mut self) -> Result<String, ShelfError> {
        self.segments += 1;
        Ok(segment::name_of(self.lease.epoch, self.segments, &self.shelf.nonce()?, self.shelf.is_encrypted()))
    }

    /// Writes a heartbeat. The owner does so once in each period, or another daemon takes the cartridge over.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn beat(&mut self) -> Result<(), ShelfError> {
        self.next_beat_request()?.await
    }

    /// The request of the next heartbeat, which is written when it is awaited.
    pub(crate) fn next_beat_request(
        &mut self,
    ) -> Result<impl Future<Output = Result<(), ShelfError>> + Send + use<>, ShelfError> {
        self.beats += 1;
        self.next_beat = Instant::now() + self.shelf.options.beat;
        let key = self.keys.beat(self.lease.epoch);
        let beat = Beat { epoch: self.lease.epoch, nonce: self.lease.nonce.clone(), counter: self.beats };
        let (objects, bytes) = (self.shelf.objects().clone(), record::encode(&key, &beat)?);
        Ok(async move { objects.replace(&key, bytes).await })
    }

    /// Writes heartbeats without an end, beside the commits of the owner. A failure is only logged.
    pub(crate) fn heartbeats(&self) -> impl Future<Output = ()> + Send + use<> {
        let (shelf, key) = (self.shelf.clone(), self.keys.beat(self.lease.epoch));
        let (epoch, nonce, mut counter) = (self.lease.epoch, self.lease.nonce.clone(), self.beats);
        async move {
            loop {
                tokio::time::sleep(shelf.options.beat).await;
                counter += 1;
                let written = match record::encode(&key, &Beat { epoch, nonce: nonce.clone(), counter }) {
                    Ok(beat) => shelf.objects().replace(&key, beat).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = written {
                    tracing::debug!(%error, "heartbeat");
                }
            }
        }
    }

    /// Makes a content the newest one. The segments that it names must be on the shelf. When this returns, the content
    /// survives the loss of this daemon.
    ///
    /// # Errors
    /// [`CommitError::TakenOver`], or [`CommitError::Shelf`]: the content may be on the shelf.
    pub async fn commit(&mut self, content: Content) -> Result<(), CommitError> {
        self.commit_as(ManifestState::Open, content).await
    }

    /// Commits a content, and releases the cartridge: another daemon can take it at once.
    ///
    /// # Errors
    /// As [`Self::commit`]. The cartridge can be taken over when its heartbeats end.
    pub async fn release(&mut self, content: Content) -> Result<(), CommitError> {
        self.commit_as(ManifestState::Closed, content).await
    }

    /// The retention and the legal hold of the newest manifest.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.newest.protection
    }

    /// The cartridge memory of the next content has this retention and this legal hold. A retention never becomes shorter.
    pub(crate) fn set_protection(&mut self, wanted: Protection) {
        self.wanted = Some(wanted);
    }

    /// The protection of the next manifest.
    fn next_protection(&self) -> Protection {
        let former = self.newest.protection;
        let wanted = self.wanted.unwrap_or(former);
        let retained_until = wanted.retained_until.max(former.retained_until);
        let next = Protection { retained_until, release_begun: false, ..wanted };
        let locks = self.shelf.options.object_lock || former.in_store || former.release_begun;
        Protection { in_store: locks && !next.is_none() && self.objects().has_object_lock(), ..next }
    }

    async fn commit_as(&mut self, state: ManifestState, content: Content) -> Result<(), CommitError> {
        let protection = loop {
            let protection = self.next_protection();
            let created = match self.before_release(protection) {
                Some(begun) => self.try_begin_release(begun).await?,
                None => match self.try_create_as(state, content.clone(), protection).await? {
                    None => break protection,
                    other => other,
                },
            };
            match created {
                None => {}
                // An earlier commit of this daemon, whose response was lost.
                Some(other) if other.epoch == self.epoch() => self.follow(other).await?,
                Some(other) => {
                    return Err(CommitError::TakenOver { barcode: other.barcode, owner: other.owner });
                }
            }
        };
        if protection.in_store {
            self.lock_in_store(vec![self.keys.manifest(self.newest.version)], protection).await?;
        }
        if state == ManifestState::Closed || self.newest.version >= self.hint + COMMITS_PER_HINT {
            self.write_hint().await;
        }
        Ok(())
    }

    /// Locks objects in the store, with a heartbeat in each period, unless the protection has ended.
    async fn lock_in_store(&mut self, keys: Vec<String>, protection: Protection) -> Result<(), ShelfError> {
        let is_ended = !protection.is_held && protection.retained_until <= self.ended;
        if keys.is_empty() || is_ended {
            return Ok(());
        }
        let request = tokio::spawn(protection::lock(self.objects().clone(), keys, protection));
        if self.beat_while(request).await?? == Locked::Ended {
            self.ended = protection.retained_until;
        }
        Ok(())
    }

    /// Locks objects as the newest manifest records it.
    pub(crate) async fn lock_as_recorded(&mut self, keys: Vec<String>) -> Result<(), ShelfError> {
        let protection = self.newest.protection;
        if protection.in_store { self.lock_in_store(keys, protection).await } else { Ok(()) }
    }

    /// The protection of the manifest before the release of a legal hold in the store; `None` if the next manifest releases none, or
    /// there is such a manifest.
    fn before_release(&self, next: Protection) -> Option<Protection> {
        let former = self.newest.protection;
        let begins = former.is_held && former.in_store && !next.is_held;
        begins.then_some(Protection { in_store: false, release_begun: true, ..former })
    }

    /// Creates the manifest before the release of a legal hold, with the content of the newest one. If the release is interrupted, the
    /// manifest does not count for objects that are no longer held.
    async fn try_begin_release(&mut self, begun: Protection) -> Result<Option<Manifest>, ShelfError> {
        let copied_from = self.copied_from.take();
        let created = self.try_create_as(ManifestState::Open, self.newest.content.clone(), begun).await;
        self.copied_from = copied_from;
        created
    }

    /// Locks what the next manifest names as its protection says. Before, the legal hold of all objects of the cartridge is released
    /// if it ends: a release that the store denies locks nothing.
    async fn protect(&mut self, content: &Content, pages: &PageNames, next: Protection) -> Result<(), ShelfError> {
        let former = self.newest.protection;
        if former.is_held && former.release_begun && !next.is_held {
            let request = tokio::spawn(protection::release_holds(self.objects().clone(), self.keys.clone()));
            self.beat_while(request).await??;
        }
        if next.in_store {
            let named = Named::new(content, pages.values().flatten());
            let known = former.covers(&next).then(|| Named::new(&self.newest.content, self.pages.values().flatten()));
            let keys = named.objects_since(known.as_ref(), &self.keys);
            self.lock_in_store(keys, next).await?;
        }
        Ok(())
    }

    /// Creates the manifest after the newest one, with the same content and protection.
    pub(crate) async fn try_create_same(&mut self) -> Result<Option<Manifest>, ShelfError> {
        self.try_create_as(ManifestState::Open, self.newest.content.clone(), self.newest.protection).await
    }

    /// Creates the manifest after the newest one. Returns the manifest that exists in its place, with the names of its index
    /// pages.
    async fn try_create_as(
        &mut self,
        state: ManifestState,
        content: Content,
        protection: Protection,
    ) -> Result<Option<Manifest>, ShelfError> {
        let version = self.newest.version + 1;
        let key = self.keys.manifest(version);
        if let Some((name, file)) = content.files.iter().find(|(_, file)| !file.is_whole()) {
            return Err(ShelfError::malformed(
                &key,
                format!("its extents of {name} would not have {} bytes", file.len),
            ));
        }
        let compact = index::compact(&content, &self.newest.content, &self.pages)?;
        let Compact { content: stored, names, new } = compact;
        index::create(self.shelf.objects(), &self.keys, new).await?;
        if protection != self.newest.protection || content != self.newest.content {
            self.protect(&content, &names, protection).await?;
        }
        let manifest = Manifest {
            barcode: self.newest.barcode.clone(),
            version,
            epoch: self.lease.epoch,
            nonce: self.shelf.nonce()?,
            owner: self.lease.owner.clone(),
            state,
            content: stored,
            origin: self.origin(version),
            protection,
        };
        match self.shelf.objects().create(&key, manifest.encode()?).await? {
            Creation::Created => {
                (self.newest, self.pages) = (Manifest { content, ..manifest }, names);
                Ok(None)
            }
            Creation::Exists(bytes) => Manifest::decode(&self.keys, version, &bytes).map(Some),
        }
    }

    /// The next content is that of the manifest with this number and nonce on another shelf.
    pub(crate) fn set_origin(&mut self, version: u64, nonce: &str) {
        self.copied_from = Some((version, nonce.to_owned()));
    }

    /// The origin in the manifest with the number `copied_as`.
    fn origin(&self, copied_as: u64) -> Option<Origin> {
        let copied = self.copied_from.clone().map(|(version, nonce)| Origin { version, nonce, copied_as });
        copied.or_else(|| self.newest.origin.clone())
    }

    /// Waits for a request, with a heartbeat in each period.
    pub(crate) async fn beat_while<T>(&mut self, mut request: JoinHandle<T>) -> Result<T, ShelfError> {
        loop {
            tokio::select! {
                done = &mut request => return done.map_err(interrupted),
                () = tokio::time::sleep_until(self.next_beat) => self.beat_if_due().await,
            }
        }
    }

    /// Continues after a manifest that exists.
    pub(crate) async fn follow(&mut self, mut newest: Manifest) -> Result<(), ShelfError> {
        self.pages = index::expand(self.shelf.objects(), &self.keys, &mut newest.content).await?;
        self.newest = newest;
        Ok(())
    }

    pub(crate) const fn page_names(&self) -> &PageNames {
        &self.pages
    }

    /// The newest manifest.
    pub(crate) const fn newest(&self) -> &Manifest {
        &self.newest
    }

    /// A hint that is not written costs the next reader time, so that its failure is no error.
    async fn write_hint(&mut self) {
        let version = self.newest.version;
        match self.shelf.objects().replace(&self.keys.head(), version.to_string().into()).await {
            Ok(()) => self.hint = version,
            Err(error) => tracing::debug!(%error, "hint of the newest manifest"),
        }
    }
}
