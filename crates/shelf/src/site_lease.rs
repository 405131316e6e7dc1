//! Leases of sites: one daemon at a time runs a site, and only its copy counts.
//!
//! The objects are below `sites/NAME`: `l/0000007` the lease of an epoch, created once; `beat/0000007` its heartbeat; `r/0000007`,
//! which exists when the daemon has released the site; `copies/0000007` the copy of the site in this epoch; `head` a hint to the newest
//! epoch. The protocol is that of a cartridge without manifests: a daemon that was taken over writes the copy of an older
//! epoch, which does not count.

use crate::beat::{Activity, Beat, Lease, wait_for_owner};
use crate::error::ShelfError;
use crate::objects::Creation;
use crate::site::{SiteCopy, decode_copy, encode_copy};
use crate::{Shelf, record};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The copies of former epochs that stay.
const KEPT_COPIES: u64 = 4;
/// The most nonces of a data directory: more are those of failed creations, of which the oldest are forgotten.
const MAX_NONCES: usize = 256;

/// The names of the objects of a site.
struct SiteKeys<'a>(&'a str);

impl SiteKeys<'_> {
    fn lease(&self, epoch: u64) -> String {
        format!("sites/{}/l/{epoch:07}", self.0)
    }

    fn beat(&self, epoch: u64) -> String {
        format!("sites/{}/beat/{epoch:07}", self.0)
    }

    fn released(&self, epoch: u64) -> String {
        format!("sites/{}/r/{epoch:07}", self.0)
    }

    fn copy(&self, epoch: u64) -> String {
        format!("sites/{}/copies/{epoch:07}", self.0)
    }

    fn head(&self) -> String {
        format!("sites/{}/head", self.0)
    }
}

/// The reason why a daemon cannot run a site.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeSiteError {
    /// Another daemon runs the site, or is beginning to.
    #[error("site {site} is in use by {owner}")]
    InUse {
        /// Name of the site.
        site: String,
        /// Name of the other daemon.
        owner: String,
    },
    /// The store has refused or failed a request.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// The leases of a site that a data directory has had, as its daemon stores them. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FormerSiteLeases {
    /// Number of the lease under which the state of the directory was used last; 0 if there is none.
    pub epoch: u64,
    /// The nonce of that lease, 32 hexadecimal digits that no other lease has. Then those of the later leases that a daemon of this
    /// directory has asked for: whether they exist is unknown, for example if the daemon was killed.
    pub nonces: Vec<String>,
}

impl FormerSiteLeases {
    fn have(&self, lease: &Lease) -> bool {
        self.nonces.contains(&lease.nonce)
    }
}

/// A site that this daemon can take ([`Shelf::claim_site`]).
#[derive(Debug)]
pub struct SiteClaim {
    shelf: Shelf,
    site: String,
    lease: Lease,
    former: Option<Lease>,
    continues: bool,
    asked: FormerSiteLeases,
}

/// A site that this daemon runs, until another one takes it over.
#[derive(Debug)]
pub struct SiteLease {
    shelf: Shelf,
    site: String,
    lease: Lease,
    /// The lease before this one; `None` if the site is new on this shelf.
    former: Option<Lease>,
    continues: bool,
    beats: AtomicU64,
}

impl Shelf {
    /// Finds out whether this daemon can take a site. If its former daemon has not released it, this waits for three periods of its
    /// heartbeat, and the site can be taken if there is none. `own` are the leases of this data directory, whose daemons have
    /// ended: they are not waited for. Nothing is written before [`SiteClaim::take`].
    ///
    /// # Errors
    /// [`TakeSiteError::InUse`], or the error of the store.
    pub async fn claim_site(&self, site: &str, own: &FormerSiteLeases) -> Result<SiteClaim, TakeSiteError> {
        let keys = SiteKeys(site);
        let former = self.newest_site_lease(site).await?;
        if let Some(former) = &former
            && !own.have(former)
            && self.is_site_alive(&keys, former.epoch).await?
        {
            return Err(TakeSiteError::InUse { site: site.to_owned(), owner: former.owner.clone() });
        }
        let continues = match &former {
            None => true,
            Some(former) => self.has_only_own_leases(&keys, former, own).await?,
        };
        let epoch = former.as_ref().map_or(0, |former| former.epoch) + 1;
        let lease = Lease { epoch, nonce: self.nonce()?, owner: self.options.owner.clone() };
        let mut asked = own.clone();
        asked.nonces.push(lease.nonce.clone());
        if asked.nonces.len() > MAX_NONCES {
            // The first one is that of the state.
            asked.nonces.remove(1);
        }
        Ok(SiteClaim { shelf: self.clone(), site: site.to_owned(), lease, former, continues, asked })
    }

    /// Whether all leases from that of the state of a data directory up to the newest one are of this directory.
    async fn has_only_own_leases(
        &self,
        keys: &SiteKeys<'_>,
        newest: &Lease,
        own: &FormerSiteLeases,
    ) -> Result<bool, ShelfError> {
        if !own.have(newest) {
            return Ok(false);
        }
        for epoch in (own.epoch.max(1)..newest.epoch).rev() {
            let key = keys.lease(epoch);
            if !own.have(&record::decode(&key, &self.objects.get_existing(&key).await?)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The newest heartbeat of a site: a text that changes in each period while a daemon runs the site. `None` if no daemon has taken
    /// the site, or the newest one has released it.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if the lease is damaged.
    pub async fn site_heartbeat(&self, site: &str) -> Result<Option<String>, ShelfError> {
        let Some(lease) = self.newest_site_lease(site).await? else { return Ok(None) };
        let keys = SiteKeys(site);
        if self.objects.get(&keys.released(lease.epoch)).await?.is_some() {
            return Ok(None);
        }
        let beat = self.objects.get(&keys.beat(lease.epoch)).await?;
        Ok(Some(beat.map_or_else(String::new, |beat| String::from_utf8_lossy(&beat).into_owned())))
    }

    /// The newest lease of a site.
    async fn newest_site_lease(&self, site: &str) -> Result<Option<Lease>, ShelfError> {
        let keys = SiteKeys(site);
        let (mut epoch, mut newest) = (self.objects.hint(&keys.head()).await?.unwrap_or(1), None);
        loop {
            let key = keys.lease(epoch);
            match self.objects.get(&key).await? {
                Some(bytes) => newest = Some(record::decode::<Lease>(&key, &bytes)?),
                None if newest.is_none() && epoch > 1 => {
                    // The hint is wrong.
                    epoch = 1;
                    continue;
                }
                None => return Ok(newest),
            }
            epoch += 1;
        }
    }

    /// Whether the daemon of an epoch has not released the site, and writes heartbeats. This waits for them.
    async fn is_site_alive(&self, keys: &SiteKeys<'_>, epoch: u64) -> Result<bool, ShelfError> {
        let (beat, released) = (keys.beat(epoch), keys.released(epoch));
        if self.objects.get(&released).await?.is_some() {
            return Ok(false);
        }
        let activity = wait_for_owner(&self.objects, &beat, &released, self.options.beat).await?;
        Ok(activity == Activity::Beat)
    }

    /// The newest copy of a site that was made with a lease; `None` if there is none.
    pub(crate) async fn leased_copy(&self, site: &str) -> Result<Option<SiteCopy>, ShelfError> {
        let Some(newest) = self.newest_site_lease(site).await? else { return Ok(None) };
        self.leased_copy_until(site, newest.epoch).await
    }

    async fn leased_copy_until(&self, site: &str, epoch: u64) -> Result<Option<SiteCopy>, ShelfError> {
        for epoch in (1..=epoch).rev() {
            let key = SiteKeys(site).copy(epoch);
            if let Some(bytes) = self.objects.get_long(&key).await? {
                return decode_copy(&key, &bytes).map(Some);
            }
        }
        Ok(None)
    }
}

impl SiteClaim {
    /// The leases of this data directory with the one that [`Self::take`] asks for. The directory stores them durably before: if the
    /// daemon is killed after the lease was created, the next one knows it.
    #[must_use]
    pub const fn asked(&self) -> &FormerSiteLeases {
        &self.asked
    }

    /// Takes the site.
    ///
    /// # Errors
    /// [`TakeSiteError::InUse`] if another daemon was faster, or the error of the store: then the lease may exist, also later.
    pub async fn take(self) -> Result<SiteLease, TakeSiteError> {
        let Self { shelf, site, lease, former, continues, .. } = self;
        let keys = SiteKeys(&site);
        let key = keys.lease(lease.epoch);
        if let Creation::Exists(other) = shelf.objects.create(&key, record::encode(&key, &lease)?).await? {
            let owner = record::decode::<Lease>(&key, &other)?.owner;
            return Err(TakeSiteError::InUse { site, owner });
        }
        let (head, epoch) = (keys.head(), lease.epoch.to_string());
        let taken = SiteLease { shelf, site, lease, former, continues, beats: AtomicU64::new(0) };
        taken.beat().await?;
        taken.shelf.objects.replace(&head, epoch.into()).await?;
        Ok(taken)
    }
}

impl SiteLease {
    /// Name of the site in the store, as the command line of the daemon gave it.
    #[must_use]
    pub fn site(&self) -> &str {
        &self.site
    }

    /// The lease, as the data directory of the daemon stores it when it has the newest state of the site.
    #[must_use]
    pub fn remembered(&self) -> FormerSiteLeases {
        FormerSiteLeases { epoch: self.lease.epoch, nonces: vec![self.lease.nonce.clone()] }
    }

    /// Whether no other daemon has had the site since the state of this data directory was used: all leases since then
    /// are in the list that was given to [`Shelf::claim_site`], or there is none.
    #[must_use]
    pub const fn continues(&self) -> bool {
        self.continues
    }

    /// Name of the daemon that had the site before; `None` if the site is new on this shelf.
    #[must_use]
    pub fn former_owner(&self) -> Option<&str> {
        self.former.as_ref().map(|former| former.owner.as_str())
    }

    /// Time between two heartbeats, as the options of the shelf give it.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.shelf.options.beat
    }

    /// Writes a heartbeat. The daemon does so once in each period.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn beat(&self) -> Result<(), ShelfError> {
        let counter = self.beats.fetch_add(1, Ordering::Relaxed) + 1;
        let key = SiteKeys(&self.site).beat(self.lease.epoch);
        let beat = Beat { epoch: self.lease.epoch, nonce: self.lease.nonce.clone(), counter };
        self.shelf.objects.replace(&key, record::encode(&key, &beat)?).await
    }

    /// Name of the daemon that has taken the site over; `None` while this daemon has it.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if the lease is damaged.
    pub async fn taken_over_by(&self) -> Result<Option<String>, ShelfError> {
        let key = SiteKeys(&self.site).lease(self.lease.epoch + 1);
        let Some(bytes) = self.shelf.objects.get(&key).await? else { return Ok(None) };
        Ok(Some(record::decode::<Lease>(&key, &bytes)?.owner))
    }

    /// Releases the site: another daemon can take it at once.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: the next daemon waits for three periods.
    pub async fn release(&self) -> Result<(), ShelfError> {
        let key = SiteKeys(&self.site).released(self.lease.epoch);
        self.shelf.objects.create(&key, self.lease.nonce.clone().into()).await.map(drop)
    }

    /// Writes the copy of the site in this epoch. [`SiteCopy::site`] is not used.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: the former copy or the new one is there.
    pub async fn put_copy(&self, copy: &SiteCopy) -> Result<(), ShelfError> {
        put_copy(&self.shelf, &self.site, self.lease.epoch, copy).await
    }

    /// The part of the lease that writes copies, for another thread.
    #[must_use]
    pub fn copies(&self) -> SiteCopies {
        SiteCopies { shelf: self.shelf.clone(), site: self.site.clone(), epoch: self.lease.epoch }
    }

    /// The newest copy of the site that a former daemon has written; `None` if there is none.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if the copy is damaged.
    pub async fn former_copy(&self) -> Result<Option<SiteCopy>, ShelfError> {
        match self.shelf.leased_copy_until(&self.site, self.lease.epoch.saturating_sub(1)).await? {
            None => self.shelf.unleased_copy(&self.site).await,
            found => Ok(found),
        }
    }
}

/// Writes the copies of a site in one epoch.
#[derive(Clone, Debug)]
pub struct SiteCopies {
    shelf: Shelf,
    site: String,
    epoch: u64,
}

impl SiteCopies {
    /// As [`SiteLease::put_copy`].
    ///
    /// # Errors
    /// As [`SiteLease::put_copy`].
    pub async fn put(&self, copy: &SiteCopy) -> Result<(), ShelfError> {
        put_copy(&self.shelf, &self.site, self.epoch, copy).await
    }
}

async fn put_copy(shelf: &Shelf, site: &str, epoch: u64, copy: &SiteCopy) -> Result<(), ShelfError> {
    let keys = SiteKeys(site);
    let key = keys.copy(epoch);
    let own = SiteCopy { site: site.to_owned(), files: copy.files.clone() };
    shelf.objects.replace(&key, encode_copy(&key, &own)?).await?;
    match epoch.checked_sub(KEPT_COPIES).filter(|old| *old > 0) {
        Some(old) => shelf.objects.remove(&keys.copy(old)).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShelfOptions;
    use object_store::ObjectStore;
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    fn shelf(store: &Arc<InMemory>, owner: &'static str) -> Shelf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let entropy = Arc::new(|into: &mut [u8]| {
            into[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
            Ok(())
        });
        Shelf::new(Arc::clone(store) as Arc<dyn ObjectStore>, "p", ShelfOptions::new(owner), entropy).unwrap()
    }

    const NONE: FormerSiteLeases = FormerSiteLeases { epoch: 0, nonces: Vec::new() };

    fn copy(text: &str) -> SiteCopy {
        SiteCopy { site: String::new(), files: [("state.1".to_owned(), text.as_bytes().to_vec())].into() }
    }

    async fn restored(shelf: &Shelf) -> Option<Vec<u8>> {
        shelf.site("main").await.unwrap().map(|mut copy| copy.files.remove("state.1").unwrap())
    }

    async fn take(shelf: &Shelf, site: &str, own: &FormerSiteLeases) -> Result<SiteLease, TakeSiteError> {
        shelf.claim_site(site, own).await?.take().await
    }

    #[tokio::test(start_paused = true)]
    async fn one_daemon_at_a_time_runs_a_site() {
        let store = Arc::new(InMemory::new());
        let (a, b) = (shelf(&store, "a"), shelf(&store, "b"));
        let first = take(&a, "main", &NONE).await.unwrap();
        assert!(first.continues() && first.former_owner().is_none());
        let beating = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                first.beat().await.unwrap();
            }
        });
        let refused = take(&b, "main", &NONE).await.unwrap_err().to_string();
        assert_eq!(refused, "site main is in use by a");
        // Another site of the store is free.
        let other = take(&b, "other", &NONE).await.unwrap();
        other.release().await.unwrap();
        // The daemon has died: after three periods, its site is free.
        beating.abort();
        let start = tokio::time::Instant::now();
        let second = take(&b, "main", &NONE).await.unwrap();
        assert_eq!((start.elapsed().as_secs(), second.former_owner()), (15, Some("a")));
        // Without a wait: it was released, or its daemon is known to have ended.
        second.release().await.unwrap();
        let start = tokio::time::Instant::now();
        let third = take(&a, "main", &NONE).await.unwrap();
        let own = third.remembered();
        let fourth = take(&a, "main", &own).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 0);
        assert!(fourth.continues() && !third.continues());
        assert_eq!(third.taken_over_by().await.unwrap().as_deref(), Some("a"));
        assert_eq!(fourth.taken_over_by().await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_whose_response_was_lost_is_known_to_its_data_directory() {
        let store = Arc::new(InMemory::new());
        let (a, b) = (shelf(&store, "a"), shelf(&store, "b"));
        let first = take(&a, "main", &NONE).await.unwrap();
        // The second lease of this directory exists, but its daemon was killed before it had a response.
        let claim = a.claim_site("main", &first.remembered()).await.unwrap();
        let asked = claim.asked().clone();
        assert_eq!((asked.epoch, asked.nonces.len()), (1, 2));
        drop(claim.take().await.unwrap());
        let start = tokio::time::Instant::now();
        let third = take(&a, "main", &asked).await.unwrap();
        assert!(third.continues());
        // One that was not created makes no difference.
        let asked = a.claim_site("main", &third.remembered()).await.unwrap().asked().clone();
        let fourth = take(&a, "main", &asked).await.unwrap();
        assert!(fourth.continues());
        assert_eq!(start.elapsed().as_secs(), 0);
        fourth.release().await.unwrap();
        // Another daemon has run the site in between: the newest lease is that of this directory, but its state is old.
        let other = take(&b, "main", &NONE).await.unwrap();
        other.release().await.unwrap();
        let claim = a.claim_site("main", &fourth.remembered()).await.unwrap();
        let asked = claim.asked().clone();
        drop(claim.take().await.unwrap());
        assert!(!take(&a, "main", &asked).await.unwrap().continues());
        // Failed creations do not fill the directory.
        let mut asked = fourth.remembered();
        for _ in 0..2 * MAX_NONCES {
            asked = a.claim_site("main", &asked).await.unwrap().asked().clone();
        }
        assert_eq!((asked.nonces.len(), asked.nonces.first()), (MAX_NONCES, fourth.remembered().nonces.first()));
    }

    #[tokio::test]
    async fn in_a_directory_a_site_has_copies_with_and_without_a_lease() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap());
        let a = Shelf::new(store, "p", ShelfOptions::new("a"), Arc::new(|_: &mut [u8]| Ok(()))).unwrap();
        let unleased = SiteCopy { site: "main".into(), ..copy("before") };
        a.put_site(&unleased).await.unwrap();
        let lease = take(&a, "main", &NONE).await.unwrap();
        assert_eq!(lease.former_copy().await.unwrap().unwrap().files, unleased.files);
        lease.put_copy(&copy("leased")).await.unwrap();
        assert_eq!(restored(&a).await.unwrap(), b"leased");
        a.put_site(&unleased).await.unwrap();
        assert_eq!(restored(&a).await.unwrap(), b"leased");
    }

    #[tokio::test(start_paused = true)]
    async fn of_daemons_that_begin_at_the_same_time_one_runs_the_site() {
        let store = Arc::new(InMemory::new());
        let all =
            (0..16).map(|_| {
                let shelf = shelf(&store, "x");
                // The other daemons wait for a heartbeat. No daemon writes one here.
                let limit = Duration::from_secs(10);
                async move {
                    tokio::time::timeout(limit, take(&shelf, "main", &NONE)).await.is_ok_and(|taken| taken.is_ok())
                }
            });
        let taken = futures_util::future::join_all(all).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_copy_of_a_former_daemon_does_not_replace_a_newer_one() {
        let store = Arc::new(InMemory::new());
        let (a, b) = (shelf(&store, "a"), shelf(&store, "b"));
        // A copy of a release without leases, or of `[[shelf]]`.
        a.put_site(&SiteCopy { site: "main".into(), ..copy("before") }).await.unwrap();
        assert_eq!(restored(&a).await.unwrap(), b"before");
        let first = take(&a, "main", &NONE).await.unwrap();
        assert_eq!(first.former_copy().await.unwrap().unwrap().files, copy("before").files);
        first.put_copy(&copy("first")).await.unwrap();
        let second = take(&b, "main", &NONE).await.unwrap();
        assert_eq!(second.former_copy().await.unwrap().unwrap().files, copy("first").files);
        assert_eq!(restored(&a).await.unwrap(), b"first");
        second.put_copy(&copy("second")).await.unwrap();
        first.copies().put(&copy("late")).await.unwrap();
        assert_eq!(restored(&a).await.unwrap(), b"second");
        for _ in 0..6 {
            let next = take(&a, "main", &NONE).await.unwrap();
            next.copies().put(&copy("more")).await.unwrap();
            next.release().await.unwrap();
        }
        assert_eq!(a.objects().list("sites/main/copies").await.unwrap().len(), 4);
        // Without a hint, too.
        a.objects().replace("sites/main/head", "900".into()).await.unwrap();
        assert_eq!(take(&a, "main", &NONE).await.unwrap().remembered().epoch, 9);
        assert_eq!(a.sites().await.unwrap(), ["main"]);
    }
}
