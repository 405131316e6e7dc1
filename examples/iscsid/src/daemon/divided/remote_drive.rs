//! A drive that another daemon serves, as the robot of this one uses it.
//!
//! At the start of the robot, the drive is believed: the inventory may be that of an old copy. From then on the inventory counts: a
//! drive that lacks a cartridge which the inventory has in it gets it again, and one that has another cartridge must release it.

use super::wait_for;
use scsi_core::time::Now;
use shelf::{DriveEvent, DriveLog, DriveRefusal, DriveRequest, DriveState, Shelf, ShelfError};
use smc::bay::{Bay, BayName, BayStatus};
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tape_store::cartridge::{Barcode, Cartridge, InsertError, RemoveError};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

/// Time in which the daemon of a drive begins to do what the robot requests.
const ANSWER: Duration = Duration::from_secs(30);
/// Time for a request and its answer, also if the store is slow. A request that is late is withdrawn afterwards.
const EXCHANGE: Duration = Duration::from_secs(60);
/// Number of periods without a heartbeat after which the daemon of a drive that unloads a tape is not waited for.
const MISSED_BEATS: u32 = 4;
/// Time after which a request that a drive has refused is repeated, if the inventory requires it. It doubles each time.
const RETRY: Duration = Duration::from_secs(30);
/// Longest time between two such requests.
const MAX_RETRY: Duration = Duration::from_secs(3600);

/// A drive of another daemon.
pub(super) struct RemoteDrive {
    handle: Handle,
    /// Name of the drive and of its daemon, for the log.
    label: String,
    /// The store, and the name under which it has the lease of the drive's daemon.
    daemon: (Shelf, String),
    log: tokio::sync::Mutex<DriveLog>,
    content: Mutex<Content>,
    /// The robot works. Before that, cartridges are only put back where they were.
    has_started: AtomicBool,
}

#[derive(Default)]
struct Content {
    cartridge: Option<Cartridge>,
    is_ejected: bool,
    /// The robot is moving a cartridge into the drive or out of it.
    is_moving: bool,
    /// Time from which on a refused request is repeated.
    retry: Option<Instant>,
    /// Time between the last refusal and this one.
    pause: Option<Duration>,
}

impl RemoteDrive {
    pub(super) fn new(handle: Handle, label: String, daemon: (Shelf, String), log: DriveLog) -> Self {
        let (log, content) = (tokio::sync::Mutex::new(log), Mutex::default());
        Self { handle, label, daemon, log, content, has_started: AtomicBool::new(false) }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn barcode(&self) -> Option<String> {
        self.content().cartridge.as_ref().map(|cartridge| cartridge.barcode().to_string())
    }

    /// Notes that the robot of this daemon is the one that counts. Returns the barcode of the cartridge in the drive.
    ///
    /// # Errors
    /// The store fails, or another daemon runs the site.
    pub(super) async fn begin(&self) -> Result<Option<String>, ShelfError> {
        let mut log = self.log.lock().await;
        log.begin().await?;
        Ok(log.state().cartridge.clone())
    }

    /// From now on, a move of the robot is a request to the drive.
    pub(super) fn start(&self) {
        self.has_started.store(true, Ordering::Release);
    }

    /// Follows the log of the drive, until the store shows that another daemon runs the site.
    pub(super) async fn follow(&self) -> ShelfError {
        let mut is_failing = false;
        loop {
            let (step, period) = {
                let mut log = self.log.lock().await;
                (self.reconcile(&mut log).await, log.period() * 4)
            };
            match step {
                Ok(()) => is_failing = false,
                Err(error @ ShelfError::Superseded { .. }) => return error,
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(drive = self.label, %error, "the log of a drive of another daemon cannot be read");
                    }
                }
            }
            tokio::time::sleep(period).await;
        }
    }

    /// Requests what the inventory requires, if the drive has another cartridge.
    async fn reconcile(&self, log: &mut DriveLog) -> Result<(), ShelfError> {
        log.follow().await?;
        if !self.may_request(log.state()) {
            return Ok(());
        }
        let barcode = self.barcode();
        // `add` reads the log again.
        if wanted(log.state(), barcode.as_deref()).is_none() {
            return Ok(());
        }
        if log.add(|state| wanted(state, barcode.as_deref())).await? {
            let is_repeated = self.content().retry.take().is_some();
            if !is_repeated {
                tracing::warn!(drive = self.label, request = ?log.newest(), "drive of another daemon differs from the inventory");
            }
        }
        Ok(())
    }

    /// Notes the state in the log. Whether the drive can be asked to have what the inventory has: the robot moves nothing, and the
    /// drive has not just refused that.
    fn may_request(&self, state: &DriveState) -> bool {
        let mut content = self.content();
        content.is_ejected = state.is_ejected;
        if content.is_moving {
            return false;
        }
        if state.refusal.is_none() {
            if state.request.is_none() {
                (content.retry, content.pause) = (None, None);
            }
            return true;
        }
        let now = Instant::now();
        if content.retry.is_none() {
            let pause = content.pause.map_or(RETRY, |pause| (pause * 2).min(MAX_RETRY));
            (content.retry, content.pause) = (Some(now + pause), Some(pause));
        }
        content.retry.is_some_and(|retry| now >= retry)
    }

    async fn insert(&self, barcode: String) -> Result<(), &'static str> {
        let failed = |error: &dyn Display| {
            tracing::error!(drive = self.label, %error, "cartridge not put into a drive of another daemon");
            "the store of the site fails"
        };
        let request = async {
            let mut log = self.log.lock().await;
            self.request_insert(&mut log, &barcode).await.map(|()| log.state().clone())
        };
        let state =
            timeout(EXCHANGE, request).await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        if state.cartridge.as_deref() == Some(&barcode) {
            return Ok(());
        }
        match &state.refusal {
            Some(refusal) => {
                tracing::warn!(drive = self.label, barcode, ?refusal, "drive of another daemon refuses a cartridge");
                Err("the daemon of the drive refuses the cartridge")
            }
            None if state.cartridge.is_some() => Err("the drive already holds a cartridge"),
            None => {
                tracing::warn!(drive = self.label, barcode, "the daemon of the drive does not respond");
                Err("the daemon of the drive does not respond")
            }
        }
    }

    async fn request_insert(&self, log: &mut DriveLog, barcode: &str) -> Result<(), ShelfError> {
        let is_free = |state: &DriveState| state.cartridge.is_none() && state.request.is_none();
        log.add(|state| is_free(state).then(|| DriveEvent::Insert(barcode.to_owned()))).await?;
        self.wait(log, |request| matches!(request, DriveRequest::Insert(_))).await
    }

    async fn remove(&self) -> Result<(), RemoveError> {
        let failed = |error: &dyn Display| {
            tracing::error!(drive = self.label, %error, "cartridge not taken from a drive of another daemon");
            RemoveError::Unavailable
        };
        let request = async { self.request_remove(&mut *self.log.lock().await).await };
        timeout(EXCHANGE, request).await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let state = self.wait_for_unload().await.map_err(|error| failed(&error))?;
        match &state.refusal {
            _ if state.cartridge.is_none() && state.request.is_none() => Ok(()),
            Some(DriveRefusal::Prevented) => Err(RemoveError::Prevented),
            Some(DriveRefusal::Other(reason)) => {
                tracing::warn!(drive = self.label, reason, "drive of another daemon does not release its cartridge");
                Err(RemoveError::Unavailable)
            }
            None => {
                tracing::warn!(drive = self.label, "the daemon of the drive does not respond");
                Err(RemoveError::Unavailable)
            }
        }
    }

    /// Requests the cartridge, and waits until the drive begins to unload or has answered. A pending request to insert is withdrawn.
    async fn request_remove(&self, log: &mut DriveLog) -> Result<(), ShelfError> {
        let is_late = |state: &DriveState| matches!(state.request, Some(DriveRequest::Insert(_)));
        log.add(|state| is_late(state).then_some(DriveEvent::Withdrawn)).await?;
        let is_idle = |state: &DriveState| state.cartridge.is_some() && state.request.is_none();
        log.add(|state| is_idle(state).then_some(DriveEvent::Remove)).await?;
        self.wait(log, |request| *request == DriveRequest::Remove).await
    }

    /// Waits while the drive writes its data and unloads the tape, as long as its daemon lives. Returns the last state.
    async fn wait_for_unload(&self) -> Result<DriveState, ShelfError> {
        let (shelf, daemon) = &self.daemon;
        let (mut beat, mut last_change) = (None, Instant::now());
        loop {
            let (state, period) = {
                let mut log = self.log.lock().await;
                log.follow().await?;
                (log.state().clone(), log.period())
            };
            // A period of the heartbeat is ten of the log.
            if state.request != Some(DriveRequest::Removing) || last_change.elapsed() > period * 10 * MISSED_BEATS {
                return Ok(state);
            }
            let newest = shelf.site_heartbeat(daemon).await?;
            if newest.is_some() && newest != beat {
                (beat, last_change) = (newest, Instant::now());
            }
            tokio::time::sleep(period / 2).await;
        }
    }

    /// Waits while a request is pending, and withdraws it when the time for an answer is over.
    async fn wait(&self, log: &mut DriveLog, is_pending: impl Fn(&DriveRequest) -> bool) -> Result<(), ShelfError> {
        let end = Instant::now() + ANSWER;
        loop {
            log.follow().await?;
            if !log.state().request.as_ref().is_some_and(&is_pending) {
                return Ok(());
            }
            if Instant::now() >= end {
                let is_late = |state: &DriveState| state.request.as_ref().is_some_and(&is_pending);
                return log.add(|state| is_late(state).then_some(DriveEvent::Withdrawn)).await.map(drop);
            }
            tokio::time::sleep(log.period() / 5).await;
        }
    }
}

/// The request after which a drive has what the inventory has in it.
fn wanted(state: &DriveState, own: Option<&str>) -> Option<DriveEvent> {
    let has_own = state.cartridge.as_deref() == own;
    match &state.request {
        // Requests of a move whose answer was not awaited.
        Some(DriveRequest::Insert(barcode)) if own != Some(barcode) => Some(DriveEvent::Withdrawn),
        Some(DriveRequest::Remove) if has_own => Some(DriveEvent::Withdrawn),
        Some(_) => None,
        None if has_own => None,
        None if state.cartridge.is_some() => Some(DriveEvent::Remove),
        None => own.map(|own| DriveEvent::Insert(own.to_owned())),
    }
}

/// A move of the robot: until its end, the drive and the inventory may differ.
struct Moving<'a>(&'a RemoteDrive);

impl<'a> Moving<'a> {
    fn begin(drive: &'a RemoteDrive) -> Self {
        drive.content().is_moving = true;
        Self(drive)
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.0.content().is_moving = false;
    }
}

/// The bay of a drive that another daemon serves.
pub(super) struct RemoteBay {
    drive: Arc<RemoteDrive>,
    name: BayName,
}

impl RemoteBay {
    pub(super) const fn new(drive: Arc<RemoteDrive>, name: BayName) -> Self {
        Self { drive, name }
    }
}

impl Bay for RemoteBay {
    fn name(&self) -> BayName {
        self.name.clone()
    }

    fn status(&self) -> BayStatus {
        let content = self.drive.content();
        content.cartridge.as_ref().map_or_else(BayStatus::default, |cartridge| BayStatus {
            barcode: Some(cartridge.barcode().clone()),
            kind: cartridge.kind(),
            accessible: content.is_ejected,
        })
    }

    /// Always false: this is a state of the drive's daemon, which refuses to unload.
    fn removal_prevented(&self) -> bool {
        false
    }

    fn set_online(&mut self, online: bool) {
        if !online {
            tracing::warn!(
                drive = self.drive.label,
                "drive of another daemon stays online for hosts; set it offline there"
            );
        }
    }

    fn insert(&mut self, cartridge: Cartridge, _now: Now) -> Result<(), Box<InsertError>> {
        let drive = Arc::clone(&self.drive);
        let _moving = Moving::begin(&self.drive);
        let barcode = Barcode::to_string(cartridge.barcode());
        let inserted = match () {
            () if drive.content().cartridge.is_some() => Err("the drive already holds a cartridge"),
            () if !drive.has_started.load(Ordering::Acquire) => Ok(()),
            () => wait_for(&self.drive.handle, async move { drive.insert(barcode).await })
                .unwrap_or(Err("the daemon is being stopped")),
        };
        if let Err(reason) = inserted {
            return Err(Box::new(InsertError { cartridge, reason }));
        }
        let mut content = self.drive.content();
        (content.cartridge, content.is_ejected) = (Some(cartridge), false);
        Ok(())
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, RemoveError> {
        if self.drive.content().cartridge.is_none() {
            return Err(RemoveError::Empty);
        }
        let _moving = Moving::begin(&self.drive);
        let drive = Arc::clone(&self.drive);
        if drive.has_started.load(Ordering::Acquire) {
            let removed = wait_for(&self.drive.handle, async move { drive.remove().await });
            removed.unwrap_or(Err(RemoveError::Unavailable))?;
        }
        self.drive.content().cartridge.take().ok_or(RemoveError::Empty)
    }
}
