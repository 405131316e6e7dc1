//! Commits in the background, with `Durability::Local`: what was synchronised on this machine comes on the shelf before the unload,
//! so that the loss of the machine costs little.

use super::cached_cartridge::CachedCartridge;
use super::lock;
use super::slot::Slot;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Niceness of the threads that put segments while a tape is written, if the host does not wait for them. The highest one.
const NICENESS: i32 = 19;

impl CachedCartridge {
    /// Whether something that was synchronised is to be committed now: when the tape was not written for a moment, or after the
    /// longest time.
    fn is_commit_due(&self) -> bool {
        let setup = &self.shared.setup;
        let state = lock(&self.state);
        let since_attempt = state.last_attempt.elapsed();
        let is_idle = state.last_change.elapsed() >= setup.idle && since_attempt >= setup.idle;
        state.pending.is_some() && (is_idle || since_attempt >= setup.background_interval)
    }

    fn commit_in_background(self: &Arc<Self>) {
        let committed = self.commit_pending();
        lock(&self.state).last_attempt = Instant::now();
        if let Err(error) = committed {
            tracing::warn!(barcode = self.barcode, %error, "what was synchronised is not shelved yet; this is tried again");
        }
        self.is_in_background.store(false, Ordering::Release);
    }
}

/// Commits cartridges when it is due, until the runtime ends.
pub(super) fn spawn_commits(runtime: &Handle, slots: Arc<Mutex<BTreeMap<String, Arc<Slot>>>>, interval: Duration) {
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(interval).await;
            let slots: Vec<_> = lock(&slots).values().cloned().collect();
            for cartridge in slots.iter().filter_map(|slot| slot.cartridge()) {
                if cartridge.is_commit_due() && !cartridge.is_in_background.swap(true, Ordering::AcqRel) {
                    tokio::task::spawn_blocking(move || cartridge.commit_in_background());
                }
            }
        }
    });
}

/// Gives the calling thread the lowest priority, so that an upload does not slow down a host that writes.
pub(super) fn lower_priority() {
    // Linux has a priority for each thread: this is that of the calling thread.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "uploads have the priority of the drives");
    }
}
