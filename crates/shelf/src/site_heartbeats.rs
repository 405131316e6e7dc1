//! The heartbeats of a daemon that runs a site.

use crate::beat::MISSED_BEATS;
use crate::error::ShelfError;
use crate::site_lease::SiteLease;
use futures_util::future::{Either, join, select};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// What changes for an operator when a heartbeat ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// The first failure.
    Failed,
    /// No success for as long as another daemon waits before it takes the site over.
    Expired,
    /// The first success after failures.
    Responds,
}

/// The successes and failures of the heartbeats.
struct Health {
    /// Time without a success after which another daemon can take the site over.
    limit: Duration,
    last_success: Instant,
    last_change: Change,
}

impl Health {
    fn new(period: Duration) -> Self {
        Self { limit: period * MISSED_BEATS, last_success: Instant::now(), last_change: Change::Responds }
    }

    /// Notes the end of a heartbeat; `None` if nothing changes.
    fn note(&mut self, is_success: bool) -> Option<Change> {
        let is_expired = self.last_change == Change::Expired || self.last_success.elapsed() >= self.limit;
        let change = match is_success {
            true => {
                self.last_success = Instant::now();
                Change::Responds
            }
            false if is_expired => Change::Expired,
            false => Change::Failed,
        };
        (std::mem::replace(&mut self.last_change, change) != change).then_some(change)
    }
}

impl SiteLease {
    /// Writes a heartbeat in each period, and looks at the same time for the lease of another daemon, until `stop` is ready. Each of the
    /// two requests has one period, so that a slow one does not delay the other, or the next heartbeat. Failures are logged. The
    /// result is the name of the daemon that has taken the site over; `None` after `stop`, which waits for no request.
    pub async fn write_heartbeats(&self, stop: impl Future<Output = ()>) -> Option<String> {
        match select(pin!(self.beat_until_taken_over()), pin!(stop)).await {
            Either::Left((owner, _)) => Some(owner),
            Either::Right(_) => None,
        }
    }

    async fn beat_until_taken_over(&self) -> String {
        let period = self.period();
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut health = Health::new(period);
        loop {
            ticks.tick().await;
            let requests = join(timeout(period, self.taken_over_by()), timeout(period, self.beat()));
            let (owner, beat) = requests.await;
            let no_response = || ShelfError::Interrupted(format!("no response in {} s", period.as_secs()));
            let owner = owner.unwrap_or_else(|_| Err(no_response()));
            let beat = beat.unwrap_or_else(|_| Err(no_response()));
            let error = match (owner, beat) {
                (Ok(Some(owner)), _) => return owner,
                (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
                (Ok(None), Ok(())) => None,
            };
            let (change, error) = (health.note(error.is_none()), error.unwrap_or_default());
            report(self.site(), change, &error);
        }
    }
}

fn report(site: &str, change: Option<Change>, error: &str) {
    match change {
        None => {}
        Some(Change::Failed) => tracing::warn!(site, error, "heartbeat of the site failed; this is tried again"),
        Some(Change::Expired) => {
            tracing::error!(site, error, "the store of the site does not respond; another daemon may run the site");
        }
        Some(Change::Responds) => tracing::info!(site, "the store of the site responds again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_store::pass_other_requests;
    use crate::{FormerSiteLeases, Shelf, ShelfOptions};
    use async_trait::async_trait;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{GetOptions, GetResult, ObjectStore, PutOptions, PutPayload, PutResult, Result};
    use std::fmt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    /// A store that does not respond to some requests.
    #[derive(Debug, Default)]
    struct HangingStore {
        inner: InMemory,
        reads_hang: AtomicBool,
        writes_hang: AtomicBool,
    }

    impl fmt::Display for HangingStore {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("hanging")
        }
    }

    async fn hang_if(hangs: &AtomicBool) {
        if hangs.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }

    #[async_trait]
    impl ObjectStore for HangingStore {
        async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
            hang_if(&self.writes_hang).await;
            self.inner.put_opts(path, payload, options).await
        }

        async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
            hang_if(&self.reads_hang).await;
            self.inner.get_opts(path, options).await
        }

        pass_other_requests!(inner);
    }

    fn shelf(store: &Arc<HangingStore>, owner: &str) -> Shelf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let entropy = Arc::new(|into: &mut [u8]| {
            into[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
            Ok(())
        });
        Shelf::new(Arc::clone(store) as _, "p", ShelfOptions::new(owner), entropy).unwrap()
    }

    async fn take(shelf: &Shelf) -> SiteLease {
        shelf.claim_site("main", &FormerSiteLeases::default()).await.unwrap().take().await.unwrap()
    }

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn reads_that_hang_delay_no_heartbeat() {
        let store = Arc::new(HangingStore::default());
        let shelf = shelf(&store, "a");
        let lease = take(&shelf).await;
        store.reads_hang.store(true, Ordering::Relaxed);
        assert_eq!(lease.write_heartbeats(after(61)).await, None);
        store.reads_hang.store(false, Ordering::Relaxed);
        let beat = shelf.objects().get("sites/main/beat/0000001").await.unwrap().unwrap();
        let beat = std::str::from_utf8(&beat).unwrap();
        // The first one is that of the start.
        assert!(beat.contains(r#""counter":13"#), "{beat}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_no_request_and_a_daemon_that_was_cut_off_learns_its_successor() {
        let store = Arc::new(HangingStore::default());
        let lease = take(&shelf(&store, "a")).await;
        store.reads_hang.store(true, Ordering::Relaxed);
        store.writes_hang.store(true, Ordering::Relaxed);
        let start = Instant::now();
        assert_eq!(lease.write_heartbeats(after(7)).await, None);
        assert_eq!(start.elapsed().as_secs(), 7);
        store.reads_hang.store(false, Ordering::Relaxed);
        store.writes_hang.store(false, Ordering::Relaxed);
        let _successor = take(&shelf(&store, "b")).await;
        let start = Instant::now();
        assert_eq!(lease.write_heartbeats(after(60)).await.as_deref(), Some("b"));
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn that_another_daemon_may_run_the_site_is_logged_once() {
        let mut health = Health::new(Duration::from_secs(5));
        let mut changes = Vec::new();
        for success in [true, false, false, false, false, false, true, true, false] {
            after(5).await;
            changes.push(health.note(success));
        }
        let (failed, expired, responds) = (Some(Change::Failed), Some(Change::Expired), Some(Change::Responds));
        assert_eq!(changes, [None, failed, None, expired, None, None, responds, None, failed]);
    }
}
