//! The use of a cartridge by this process: it is taken for the first user, and released after the last one.

use super::cached_cartridge::CachedCartridge;
use super::release_failure::ReleaseFailure;
use super::{Unload, lock};
use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tape_store::backend::TakenOver;
use tokio::time::Instant;

/// A cartridge that this process may have taken. While one thread takes or releases it, others can look at it, and use it if it is
/// taken.
pub(super) struct Slot {
    barcode: String,
    content: Mutex<SlotContent>,
    /// Signalled when a thread has taken or released the cartridge.
    idle: Condvar,
}

#[derive(Default)]
struct SlotContent {
    cartridge: Option<Arc<CachedCartridge>>,
    users: usize,
    /// Whether a thread is taking, committing or releasing the cartridge.
    is_busy: bool,
    /// Whether a thread creates the manifest with which the cartridge is released: other daemons may take it at any moment.
    is_closing: bool,
    /// The last failure of the store, if no attempt since has succeeded.
    failed: Option<ReleaseFailure>,
    /// Whether a folder of the cartridge is locked.
    is_locked: bool,
    /// Whether the last unload did not wait for the shelf: another thread releases the cartridge.
    is_deferred: bool,
}

impl SlotContent {
    fn has_just_failed(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| !failed.is_due(Instant::now()))
    }

    fn fail(&mut self, error: &io::Error) {
        self.failed = Some(ReleaseFailure::after(self.failed.as_ref(), error, Instant::now()));
    }
}

/// The right of one thread to take, commit or release the cartridge.
struct Busy<'a> {
    slot: &'a Slot,
    has_ended: bool,
}

impl Busy<'_> {
    /// Ends it together with the last change of the content: a user that leaves meanwhile relies on this thread.
    fn end(mut self, mut content: MutexGuard<'_, SlotContent>) {
        (content.is_busy, content.is_closing) = (false, false);
        drop(content);
        self.slot.idle.notify_all();
        self.has_ended = true;
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            let mut content = lock(&self.slot.content);
            (content.is_busy, content.is_closing) = (false, false);
            drop(content);
            self.slot.idle.notify_all();
        }
    }
}

impl Slot {
    pub(super) fn new(barcode: &str) -> Self {
        Self { barcode: barcode.to_owned(), content: Mutex::default(), idle: Condvar::new() }
    }

    /// Waits until no other thread takes, commits or releases the cartridge.
    fn idle(&self) -> MutexGuard<'_, SlotContent> {
        let content = lock(&self.content);
        self.idle.wait_while(content, |content| content.is_busy).unwrap_or_else(PoisonError::into_inner)
    }

    const fn begin(&self, content: &mut SlotContent) -> Busy<'_> {
        content.is_busy = true;
        Busy { slot: self, has_ended: false }
    }

    /// The cartridge, if this process has taken it. This never waits for the store.
    pub(super) fn cartridge(&self) -> Option<Arc<CachedCartridge>> {
        lock(&self.content).cartridge.clone()
    }

    pub(super) fn barcode(&self) -> &str {
        &self.barcode
    }

    pub(super) fn is_locked(&self) -> bool {
        lock(&self.content).is_locked
    }

    pub(super) fn has_just_failed(&self) -> bool {
        lock(&self.content).has_just_failed()
    }

    /// The reason why the cartridge is not on the shelf yet, if the last attempt has failed.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.content).failed.as_ref().map(|failed| failed.reason().to_owned())
    }

    /// Locks the folder of the cartridge; `false` if it is locked.
    pub(super) fn try_lock(&self) -> bool {
        !std::mem::replace(&mut lock(&self.content).is_locked, true)
    }

    pub(super) fn unlock(&self) {
        lock(&self.content).is_locked = false;
    }

    /// Uses the cartridge, and takes it with `take` unless this process has it.
    pub(super) fn acquire(
        self: &Arc<Self>,
        unreleased: &Sender<Arc<Self>>,
        take: impl FnOnce() -> io::Result<CachedCartridge>,
    ) -> io::Result<Arc<Use>> {
        let mut content = self.idle();
        let cartridge = match &content.cartridge {
            // Its last user is about to leave it, and other daemons may take it.
            Some(cartridge) if cartridge.is_released() => return Err(io::ErrorKind::WouldBlock.into()),
            Some(cartridge) => Arc::clone(cartridge),
            None => {
                let busy = self.begin(&mut content);
                drop(content);
                let taken = Arc::new(take()?);
                let mut content = lock(&self.content);
                content.cartridge = Some(Arc::clone(&taken));
                content.users += 1;
                busy.end(content);
                return Ok(self.used_by(taken, unreleased));
            }
        };
        content.users += 1;
        drop(content);
        Ok(self.used_by(cartridge, unreleased))
    }

    fn used_by(self: &Arc<Self>, cartridge: Arc<CachedCartridge>, unreleased: &Sender<Arc<Self>>) -> Arc<Use> {
        Arc::new(Use { slot: Arc::clone(self), cartridge, unreleased: unreleased.clone() })
    }

    /// Uses the cartridge if this process has taken it, and does not release it now. This never waits for the store.
    pub(super) fn in_use(self: &Arc<Self>, unreleased: &Sender<Arc<Self>>) -> Option<Arc<Use>> {
        let mut content = lock(&self.content);
        let is_closing = content.is_closing;
        let cartridge = content.cartridge.clone().filter(|cartridge| !is_closing && !cartridge.is_released())?;
        content.users += 1;
        drop(content);
        Some(self.used_by(cartridge, unreleased))
    }

    /// Takes the cartridge with `take`, and releases it, unless a drive has it again. If the release fails, a load continues with
    /// the cartridge; the result is whether the release must be tried again.
    pub(super) fn finish(&self, take: impl FnOnce() -> io::Result<CachedCartridge>) -> io::Result<bool> {
        let mut content = self.idle();
        if content.cartridge.is_some() {
            return Ok(false);
        }
        let busy = self.begin(&mut content);
        drop(content);
        let taken = Arc::new(take()?);
        let Err(error) = taken.release() else {
            taken.leave_to_cache();
            return Ok(false);
        };
        let mut content = lock(&self.content);
        content.cartridge = Some(taken);
        content.fail(&error);
        busy.end(content);
        Ok(true)
    }

    /// Releases the cartridge if nothing uses it; returns whether there is nothing left to do.
    pub(super) fn release(&self) -> bool {
        self.release_unused(self.idle())
    }

    fn release_unused(&self, mut content: MutexGuard<'_, SlotContent>) -> bool {
        let Some(cartridge) = content.cartridge.clone().filter(|_| content.users == 0) else { return true };
        let has_failed = content.failed.is_some();
        let busy = self.begin(&mut content);
        drop(content);
        let protected = if has_failed { cartridge.add_protection() } else { Ok(()) };
        // This may take long: a drive can continue with the cartridge meanwhile.
        let mut released = protected.and_then(|()| cartridge.commit());
        let mut content = lock(&self.content);
        if released.is_ok() && content.users == 0 {
            content.is_closing = true;
            drop(content);
            released = cartridge.release();
            content = lock(&self.content);
        }
        let is_done = match released {
            // A user came meanwhile, and releases the cartridge at its end.
            _ if content.users > 0 => true,
            Ok(()) if cartridge.is_released() => {
                cartridge.leave_to_cache();
                (content.cartridge, content.failed) = (None, None);
                true
            }
            // Something has changed the files meanwhile.
            Ok(()) => false,
            // Another daemon has the cartridge: nothing remains to be released.
            Err(error) if TakenOver::carried_by(&error).is_some() => {
                (content.cartridge, content.failed) = (None, None);
                true
            }
            Err(error) => {
                content.fail(&error);
                let (barcode, unshelved_bytes) = (&self.barcode, cartridge.unshelved_bytes());
                tracing::warn!(barcode, %error, unshelved_bytes, "the cartridge is not shelved yet; this is tried again");
                false
            }
        };
        busy.end(content);
        is_done
    }
}

/// The use of a taken cartridge. The cartridge is released after its last use.
pub(super) struct Use {
    slot: Arc<Slot>,
    pub(super) cartridge: Arc<CachedCartridge>,
    unreleased: Sender<Arc<Slot>>,
}

impl Use {
    /// Puts everything on the shelf; the last user releases the cartridge with the same manifest. With [`Unload::Later`], another
    /// thread does this after the last use.
    pub(super) fn commit_unload(&self, unload: Unload) -> io::Result<()> {
        let mut content = self.slot.idle();
        content.is_deferred = unload == Unload::Later;
        if content.is_deferred {
            drop(content);
            return self.cartridge.synchronised_here();
        }
        let (busy, is_last) = (self.slot.begin(&mut content), content.users == 1);
        content.is_closing = is_last;
        drop(content);
        let committed = if is_last { self.cartridge.release() } else { self.cartridge.commit() };
        let mut content = lock(&self.slot.content);
        match &committed {
            Err(error) if TakenOver::carried_by(error).is_none() => content.fail(error),
            _ => content.failed = None,
        }
        busy.end(content);
        committed
    }

    /// Whether a folder of the cartridge is locked.
    pub(super) fn is_locked(&self) -> bool {
        self.slot.is_locked()
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut content = lock(&self.slot.content);
        content.users -= 1;
        // The thread that is busy with the cartridge sees at its end that this was the last user.
        if content.users > 0 || content.is_busy {
            return;
        }
        // After a failure a moment ago, the caller does not wait for another one.
        let waits = content.has_just_failed() || content.is_deferred;
        if waits || !self.slot.release_unused(content) {
            // The thread may have ended with the store; then the next process continues.
            let _ = self.unreleased.send(Arc::clone(&self.slot));
        }
    }
}
