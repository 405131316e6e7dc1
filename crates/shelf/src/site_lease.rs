//! Leases of sites: one daemon at a time runs a site, and only its copy counts.
//!
//! The objects are below `sites/NAME`: `l/0000007` the lease of an epoch, created once; `beat/0000007` its heartbeat; `r/0000007`,
//! which exists when the daemon has released the site; `copy/0000007` the copy of the site in this epoch; `head` a hint to the newest
//! epoch. The protocol is that of a cartridge without manifests: a daemon that was taken over writes the copy of an older
//! epoch, which does not count.

use crate::beat::{Beat, Lease, MISSED_BEATS};
use crate::error::ShelfError;
use crate::objects::Creation;
use crate::site::{SiteCopy, decode_copy, encode_copy};
use crate::{Shelf, record};
use std::time::Duration;

/// How often a waiting daemon looks at the objects of the owner in a period.
const LOOKS_PER_PERIOD: u32 = 5;
/// The copies of former epochs that stay.
const KEPT_COPIES: u64 = 4;

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
        format!("sites/{}/copy/{epoch:07}", self.0)
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

/// A lease that a daemon had, as its data directory stores it. The default is no lease of any daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FormerSiteLease {
    /// Number of the lease, which increases by 1 with each daemon.
    pub epoch: u64,
    /// Nonce of the lease: 32 hexadecimal digits that no other lease has.
    pub nonce: String,
}

/// A site that this daemon runs, until another one takes it over.
#[derive(Debug)]
pub struct SiteLease {
    shelf: Shelf,
    site: String,
    lease: Lease,
    /// The lease before this one; `None` if the site is new on this shelf.
    former: Option<Lease>,
    beats: u64,
}

impl Shelf {
    /// Takes a site for this daemon. If its former daemon has not released it, this waits for three periods of its heartbeat, and takes
    /// the site over if there is none. `own` is a lease of this data directory, whose daemon has ended: it is not waited
    /// for.
    ///
    /// # Errors
    /// [`TakeSiteError::InUse`], or the error of the store.
    pub async fn take_site(&self, site: &str, own: Option<&FormerSiteLease>) -> Result<SiteLease, TakeSiteError> {
        let keys = SiteKeys(site);
        let former = self.newest_site_lease(site).await?;
        let in_use = |owner: &str| TakeSiteError::InUse { site: site.to_owned(), owner: owner.to_owned() };
        if let Some(former) = &former
            && own.is_none_or(|own| own.nonce != former.nonce)
            && self.is_site_alive(&keys, former.epoch).await?
        {
            return Err(in_use(&former.owner));
        }
        let epoch = former.as_ref().map_or(0, |former| former.epoch) + 1;
        let lease = Lease { epoch, nonce: self.nonce()?, owner: self.options.owner.clone() };
        let key = keys.lease(epoch);
        if let Creation::Exists(other) = self.objects.create(&key, record::encode(&key, &lease)?).await? {
            return Err(in_use(&record::decode::<Lease>(&key, &other)?.owner));
        }
        let mut taken = SiteLease { shelf: self.clone(), site: site.to_owned(), lease, former, beats: 0 };
        taken.beat().await?;
        self.objects.replace(&keys.head(), epoch.to_string().into()).await?;
        Ok(taken)
    }

    /// The newest lease of a site.
    async fn newest_site_lease(&self, site: &str) -> Result<Option<Lease>, ShelfError> {
        let keys = SiteKeys(site);
        let hint = self.objects.get(&keys.head()).await?;
        let hint = hint.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()?.trim().parse::<u64>().ok());
        let (mut epoch, mut newest) = (hint.unwrap_or(1).max(1), None);
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
        let first = self.objects.get(&beat).await?;
        for _ in 0..MISSED_BEATS * LOOKS_PER_PERIOD {
            if self.objects.get(&released).await?.is_some() {
                return Ok(false);
            }
            tokio::time::sleep(self.options.beat / LOOKS_PER_PERIOD).await;
            if self.objects.get(&beat).await? != first {
                return Ok(true);
            }
        }
        Ok(false)
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

impl SiteLease {
    /// Name of the site in the store, as the command line of the daemon gave it.
    #[must_use]
    pub fn site(&self) -> &str {
        &self.site
    }

    /// The lease, as the data directory of the daemon stores it.
    #[must_use]
    pub fn remembered(&self) -> FormerSiteLease {
        FormerSiteLease { epoch: self.lease.epoch, nonce: self.lease.nonce.clone() }
    }

    /// Whether the lease before this one is `own`, or there is none: then no other daemon has run the site since.
    #[must_use]
    pub fn continues(&self, own: Option<&FormerSiteLease>) -> bool {
        self.former.as_ref().is_none_or(|former| own.is_some_and(|own| own.nonce == former.nonce))
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
    pub async fn beat(&mut self) -> Result<(), ShelfError> {
        self.beats += 1;
        let key = SiteKeys(&self.site).beat(self.lease.epoch);
        let beat = Beat { epoch: self.lease.epoch, nonce: self.lease.nonce.clone(), counter: self.beats };
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
    use object_store::memory::InMemory;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn shelf(store: &Arc<InMemory>, owner: &'static str) -> Shelf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let entropy = Arc::new(|into: &mut [u8]| {
            into[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
            Ok(())
        });
        Shelf::new(Arc::clone(store) as Arc<dyn ObjectStore>, "p", ShelfOptions::new(owner), entropy).unwrap()
    }

    fn copy(text: &str) -> SiteCopy {
        SiteCopy { site: String::new(), files: [("state.1".to_owned(), text.as_bytes().to_vec())].into() }
    }

    async fn restored(shelf: &Shelf) -> Option<Vec<u8>> {
        shelf.site("main").await.unwrap().map(|mut copy| copy.files.remove("state.1").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn one_daemon_at_a_time_runs_a_site() {
        let store = Arc::new(InMemory::new());
        let (a, b) = (shelf(&store, "a"), shelf(&store, "b"));
        let mut first = a.take_site("main", None).await.unwrap();
        assert!(first.continues(None) && first.former_owner().is_none());
        let beating = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                first.beat().await.unwrap();
            }
        });
        let refused = b.take_site("main", None).await.unwrap_err().to_string();
        assert_eq!(refused, "site main is in use by a");
        // Another site of the store is free.
        let other = b.take_site("other", None).await.unwrap();
        other.release().await.unwrap();
        // The daemon has died: after three periods, its site is free.
        beating.abort();
        let start = tokio::time::Instant::now();
        let second = b.take_site("main", None).await.unwrap();
        assert_eq!((start.elapsed().as_secs(), second.former_owner()), (15, Some("a")));
        // Without a wait: it was released, or its daemon is known to have ended.
        second.release().await.unwrap();
        let start = tokio::time::Instant::now();
        let third = a.take_site("main", None).await.unwrap();
        let own = third.remembered();
        let fourth = a.take_site("main", Some(&own)).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 0);
        assert!(fourth.continues(Some(&own)) && !fourth.continues(Some(&second.remembered())));
        assert_eq!(third.taken_over_by().await.unwrap().as_deref(), Some("a"));
        assert_eq!(fourth.taken_over_by().await.unwrap(), None);
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
                    tokio::time::timeout(limit, shelf.take_site("main", None)).await.is_ok_and(|taken| taken.is_ok())
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
        let first = a.take_site("main", None).await.unwrap();
        assert_eq!(first.former_copy().await.unwrap().unwrap().files, copy("before").files);
        first.put_copy(&copy("first")).await.unwrap();
        let second = b.take_site("main", None).await.unwrap();
        assert_eq!(second.former_copy().await.unwrap().unwrap().files, copy("first").files);
        assert_eq!(restored(&a).await.unwrap(), b"first");
        second.put_copy(&copy("second")).await.unwrap();
        first.copies().put(&copy("late")).await.unwrap();
        assert_eq!(restored(&a).await.unwrap(), b"second");
        for _ in 0..6 {
            let next = a.take_site("main", None).await.unwrap();
            next.copies().put(&copy("more")).await.unwrap();
            next.release().await.unwrap();
        }
        assert_eq!(a.objects().list("sites/main/copy").await.unwrap().len(), 4);
        // Without a hint, too.
        a.objects().replace("sites/main/head", "900".into()).await.unwrap();
        assert_eq!(a.take_site("main", None).await.unwrap().remembered().epoch, 9);
        assert_eq!(a.sites().await.unwrap(), ["main"]);
    }
}
