//! Limits the memory that the commands of all connections of a process hold together.
//!
//! The budget has two parts. Every session has a *guarantee*, which no other session can use. What a session holds
//! beyond its guarantee comes from the *shared* part, in the order of the requests; a session for which there is not
//! enough waits.
//!
//! Every waiting session is served eventually, because:
//! * A command has its Data-Out and its Data-In buffer before a unit gets it, so a running command never requests
//!   memory, and nothing waits for memory while it holds a unit's lock.
//! * A command that fits the guarantee of its session waits only for that session's own commands.
//! * A session may hold memory of one command while it waits for that of another, and may have to receive data of the
//!   second before the data of the first. So one session at a time, the first that waits, may use the *reserve*: the
//!   end of the shared part, large enough for all that one connection can request. It needs nothing that another
//!   session holds.
//! * Memory beyond the guarantee is released when the initiator accepts the Data-In or sends the Data-Out that was
//!   requested. An initiator that does neither while other sessions wait loses its connection ([`Budget::reclaim`]).
//!
//! Half of the shared part, and the front of the queue, are for sessions that have released shared memory before; a
//! quarter, and the next positions, for small requests. So initiators that request much and transfer nothing do not
//! delay others. Of the other sessions the oldest and the newest in the queue go first in turn, so
//! that a new session does not wait for all that stall.

mod limit;

pub use limit::default_limit;

use crate::locks::lock;
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// A guarantee is a fraction of the bytes left for guarantees, within these bounds.
const MIN_GUARANTEE: usize = 256 << 10;
const MAX_GUARANTEE: usize = 4 << 20;
const GUARANTEE_DIVISOR: usize = 256;
/// A request of at most this many bytes beyond the guarantee has priority over larger ones.
const SMALL_REQUEST: usize = 2 << 20;
/// Microseconds that an initiator may hold shared memory while others wait, and the bytes per second that it has to
/// transfer after that.
const STALL_US: u64 = 30_000_000;
const MIN_DRAIN_RATE: u64 = 256 << 10;
/// Microseconds that it may leave shared memory in use without moving a byte. After as long without an answer, usual
/// initiators take the connection for lost.
const SILENT_US: u64 = 10_000_000;

/// A session, as other sessions' threads call it through the budget.
pub trait MemoryClient: Send + Sync {
    /// Memory was released: the session may repeat its request.
    fn memory_freed(&self);
    /// Closes the connection: its initiator holds `held` bytes of shared memory that other sessions wait for.
    fn reclaim(&self, held: usize);
}

/// Priority in the queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Priority {
    /// The session has released shared memory before.
    Proven,
    /// The request is small.
    Small,
    Other,
}

struct SessionUse {
    holder: Arc<dyn MemoryClient>,
    /// Bytes held beyond the guarantee.
    shared: usize,
    /// The session has released shared memory before.
    proven: bool,
    /// Its priority in the queue, if it is in it.
    rank: Priority,
    /// Time since which its memory waits for the initiator.
    stalled_since: Option<u64>,
    /// Time at which it last moved bytes.
    moved: u64,
    /// [`MemoryClient::reclaim`] was called.
    reclaimed: bool,
}

struct State {
    /// Bytes that are not guaranteed to any session.
    unreserved: usize,
    /// Bytes of the shared part in use, without those of the session that uses the reserve.
    shared: usize,
    /// ID of the session that uses the reserve.
    reserve: Option<u64>,
    queue: VecDeque<u64>,
    /// The newest of the last rank goes first next time, not the oldest.
    newest_first: bool,
    entries: HashMap<u64, SessionUse>,
    next_id: u64,
}

/// The memory for commands of one process, divided among its sessions.
pub struct Budget {
    /// Bytes of the shared part without the reserve.
    shared_limit: usize,
    reserve: usize,
    state: Mutex<State>,
}

/// The guarantee of the next session in bytes, if `unpromised` bytes are not guaranteed yet.
fn guarantee_for(unpromised: usize) -> usize {
    (unpromised / GUARANTEE_DIVISOR).clamp(MIN_GUARANTEE, MAX_GUARANTEE)
}

/// The share of one session in the budget. Dropping it releases all its memory.
pub struct Account {
    budget: Arc<Budget>,
    id: u64,
    guarantee: usize,
    held: Cell<usize>,
    queued: Cell<bool>,
    stalled: Cell<Option<u64>>,
    moved: Cell<u64>,
}

impl Budget {
    /// Creates a budget of `total` bytes. `reserve` is the most that one connection can request.
    #[must_use]
    pub fn new(total: usize, reserve: usize) -> Self {
        let rest = total.saturating_sub(reserve);
        let guarantees = (rest / 4 * 3).max(MIN_GUARANTEE);
        let state = State {
            unreserved: guarantees,
            shared: 0,
            reserve: None,
            queue: VecDeque::new(),
            newest_first: false,
            entries: HashMap::new(),
            next_id: 0,
        };
        Self { shared_limit: rest.saturating_sub(guarantees), reserve, state: Mutex::new(state) }
    }

    /// The number of sessions that can have a guarantee at the same time, if none is closed.
    #[must_use]
    pub fn max_sessions(&self) -> usize {
        let mut unpromised = self.state().unreserved;
        let mut sessions = 0;
        while let Some(rest) = unpromised.checked_sub(guarantee_for(unpromised)) {
            unpromised = rest;
            sessions += 1;
        }
        sessions
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Opens the account of a new session; `None` if no guarantee is left.
    #[must_use]
    pub fn open_account(self: &Arc<Self>, holder: Arc<dyn MemoryClient>) -> Option<Account> {
        let mut state = self.state();
        let share = guarantee_for(state.unreserved);
        state.unreserved = state.unreserved.checked_sub(share)?;
        state.next_id += 1;
        let id = state.next_id;
        let entry = SessionUse {
            holder,
            shared: 0,
            proven: false,
            rank: Priority::Other,
            stalled_since: None,
            moved: 0,
            reclaimed: false,
        };
        state.entries.insert(id, entry);
        drop(state);
        let (held, queued, stalled, moved) = (Cell::new(0), Cell::new(false), Cell::new(None), Cell::new(0));
        Some(Account { budget: Arc::clone(self), id, guarantee: share, held, queued, stalled, moved })
    }

    /// Closes the connections whose initiators have held shared memory for too long, if other sessions wait. `now` is
    /// in microseconds of the monotonic clock.
    pub fn reclaim(&self, now: u64) {
        let mut state = self.state();
        if state.queue.is_empty() {
            return;
        }
        let late = |entry: &SessionUse| {
            let allowed = STALL_US + u64::try_from(entry.shared).unwrap_or(u64::MAX) * 1_000_000 / MIN_DRAIN_RATE;
            let is_late = |since: u64| now >= since + allowed || now >= since.max(entry.moved) + SILENT_US;
            entry.shared > 0 && !entry.reclaimed && entry.stalled_since.is_some_and(is_late)
        };
        let mut closing = Vec::new();
        for entry in state.entries.values_mut().filter(|entry| late(entry)) {
            entry.reclaimed = true;
            closing.push((Arc::clone(&entry.holder), entry.shared));
        }
        drop(state);
        closing.into_iter().for_each(|(holder, held)| holder.reclaim(held));
    }
}

impl State {
    /// Notifies the first session in the queue.
    fn wake_first(&self) {
        if let Some(entry) = self.queue.front().and_then(|id| self.entries.get(id)) {
            entry.holder.memory_freed();
        }
    }

    fn leave_queue(&mut self, id: u64) {
        self.queue.retain(|other| *other != id);
        self.wake_first();
    }

    /// A session of the last rank was served: the next one is the newest or the oldest, in turn.
    fn take_turns(&mut self) {
        let is_last_rank = |id: &u64| self.entries.get(id).is_some_and(|entry| entry.rank == Priority::Other);
        let Some(first) = self.queue.iter().position(is_last_rank) else { return };
        self.newest_first = !self.newest_first;
        if self.newest_first
            && let Some(newest) = self.queue.pop_back_if(|id| is_last_rank(id))
        {
            self.queue.insert(first, newest);
        }
    }

    /// Sets the bytes that a session holds of the shared part.
    fn set_shared(&mut self, id: u64, shared: usize) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.shared, shared);
        if self.reserve != Some(id) {
            self.shared = (self.shared + shared).saturating_sub(before);
        }
    }

    /// Releases the reserve as soon as all that its user holds fits without it.
    fn release_reserve_if_unused(&mut self, id: u64, open: usize) {
        let Some(entry) = self.entries.get(&id).filter(|_| self.reserve == Some(id)) else { return };
        if self.shared + entry.shared <= open {
            self.shared += entry.shared;
            self.reserve = None;
        }
    }
}

impl Account {
    /// Acquires `len` bytes. If that is not possible, queues the session and returns false;
    /// [`MemoryClient::memory_freed`] is then called when the request can be repeated.
    #[must_use]
    pub fn acquire(&self, len: usize) -> bool {
        let held = self.held.get() + len;
        let wanted = held.saturating_sub(self.guarantee);
        if wanted > 0 && !self.acquire_shared(wanted) {
            return false;
        }
        self.held.set(held);
        true
    }

    fn acquire_shared(&self, wanted: usize) -> bool {
        let Budget { shared_limit: open, reserve, .. } = *self.budget;
        let mut state = self.budget.state();
        let Some(entry) = state.entries.get_mut(&self.id) else { return false };
        let (rank, limit) = match () {
            () if entry.proven => (Priority::Proven, open),
            () if wanted <= SMALL_REQUEST => (Priority::Small, open / 2),
            () => (Priority::Other, open / 4),
        };
        entry.rank = rank;
        let extra = wanted.saturating_sub(entry.shared);
        if state.reserve == Some(self.id) {
            // By the size of the reserve, the request always fits.
            let fits = wanted <= reserve;
            if fits {
                state.set_shared(self.id, wanted);
            }
            return fits;
        }
        let has_lower_priority =
            |id: &u64| *id == self.id || state.entries.get(id).is_none_or(|other| other.rank > rank);
        let first = state.queue.front().is_none_or(has_lower_priority);
        if first && state.shared + extra <= limit {
            state.set_shared(self.id, wanted);
        } else if first && state.reserve.is_none() && wanted <= reserve {
            state.set_shared(self.id, 0);
            state.reserve = Some(self.id);
            state.set_shared(self.id, wanted);
        } else {
            if !self.queued.replace(true) {
                let later = |id: &u64| state.entries.get(id).is_none_or(|other| other.rank > rank);
                let at = state.queue.iter().position(later).unwrap_or(state.queue.len());
                state.queue.insert(at, self.id);
            }
            return false;
        }
        if self.queued.take() {
            state.queue.retain(|other| *other != self.id);
            if rank == Priority::Other {
                state.take_turns();
            }
            state.wake_first();
        }
        true
    }

    /// Releases `len` bytes that were acquired.
    pub fn release(&self, len: usize) {
        let before = self.held.get();
        let held = before.saturating_sub(len);
        self.held.set(held);
        if before <= self.guarantee {
            return;
        }
        let mut state = self.budget.state();
        state.set_shared(self.id, held.saturating_sub(self.guarantee));
        state.release_reserve_if_unused(self.id, self.budget.shared_limit);
        if let Some(entry) = state.entries.get_mut(&self.id) {
            entry.proven = true;
            entry.stalled_since = None;
        }
        self.stalled.set(None);
        state.wake_first();
    }

    /// Whether the session holds no memory.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held.get() == 0
    }

    /// Removes the session from the queue: it no longer waits for memory.
    pub fn cancel_wait(&self) {
        if self.queued.take() {
            self.budget.state().leave_queue(self.id);
        }
    }

    /// Records whether the memory of the session waits for its initiator, at `now` in microseconds of the monotonic
    /// clock. `stalled` is called only if the session holds shared memory.
    pub fn set_stalled(&self, stalled: impl FnOnce() -> bool, now: u64) {
        let stalled = self.held.get() > self.guarantee && stalled();
        if stalled == self.stalled.get().is_some() {
            return;
        }
        let since = stalled.then_some(now);
        self.stalled.set(since);
        if let Some(entry) = self.budget.state().entries.get_mut(&self.id) {
            entry.stalled_since = since;
        }
    }

    /// Notes that bytes moved, the last at `now`.
    pub fn set_moved(&self, now: u64) {
        const PRECISION_US: u64 = 1_000_000;
        if self.stalled.get().is_none() || now < self.moved.get() + PRECISION_US {
            return;
        }
        self.moved.set(now);
        if let Some(entry) = self.budget.state().entries.get_mut(&self.id) {
            entry.moved = now;
        }
    }

    /// The budget that the account belongs to.
    #[must_use]
    pub const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.set_shared(self.id, 0);
        if state.reserve == Some(self.id) {
            state.reserve = None;
        }
        state.entries.remove(&self.id);
        state.unreserved += self.guarantee;
        state.leave_queue(self.id);
    }
}

#[cfg(test)]
mod tests;
