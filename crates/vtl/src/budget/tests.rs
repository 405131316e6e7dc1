use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const MIB: usize = 1 << 20;

#[derive(Default)]
struct Session {
    freed: AtomicUsize,
    reclaimed: AtomicUsize,
}

impl MemoryClient for Session {
    fn memory_freed(&self) {
        self.freed.fetch_add(1, Ordering::Relaxed);
    }

    fn reclaim(&self, held: usize) {
        self.reclaimed.store(held, Ordering::Relaxed);
    }
}

/// 40 MiB of reserve, 48 of guarantees (256 KiB each), 16 shared, of which sessions that have not released memory
/// before may use 4, or 8 for small requests.
fn budget() -> Arc<Budget> {
    Arc::new(Budget::new(104 * MIB, 40 * MIB))
}

fn session(budget: &Arc<Budget>) -> (Arc<Session>, Account) {
    let session = Arc::new(Session::default());
    let account = budget.open_account(Arc::clone(&session) as _).unwrap();
    (session, account)
}

/// Acquires shared memory and releases it.
fn prove(account: &Account) {
    assert!(account.acquire(MIB));
    account.release(MIB);
}

#[test]
fn guarantee_survives_full_shared_part() {
    let budget = budget();
    let (_, good) = session(&budget);
    let hostile: Vec<_> = (0..20).map(|_| session(&budget)).collect();
    let held = hostile.iter().filter(|(_, account)| account.acquire(2 * MIB + MIB / 2)).count();
    // One in the part for large requests, and one in the reserve.
    assert_eq!(held, 2);
    for _ in 0..100 {
        assert!(good.acquire(256 << 10));
        good.release(256 << 10);
    }
}

#[test]
fn session_refused_without_guarantee() {
    let budget = budget();
    assert_eq!(budget.max_sessions(), 192);
    let mut all: Vec<_> = std::iter::from_fn(|| budget.open_account(Arc::<Session>::default())).collect();
    assert_eq!(all.len(), 192);
    all.pop();
    assert!(budget.open_account(Arc::<Session>::default()).is_some());
}

#[test]
fn proven_sessions_have_priority() {
    let budget = budget();
    let (_, proven) = session(&budget);
    prove(&proven);
    let hostile: Vec<_> = (0..10).map(|_| session(&budget)).collect();
    assert_eq!(hostile.iter().filter(|(_, account)| account.acquire(4 * MIB)).count(), 2);
    // Eight sessions wait. The memory that they may not use is free, and the proven session has priority.
    assert!(proven.acquire(12 * MIB));
    proven.release(12 * MIB);
}

#[test]
fn small_requests_have_priority() {
    let budget = budget();
    let hostile: Vec<_> = (0..10).map(|_| session(&budget)).collect();
    assert_eq!(hostile.iter().filter(|(_, account)| account.acquire(4 * MIB)).count(), 2);
    let (_, late) = session(&budget);
    for _ in 0..100 {
        assert!(late.acquire(2 * MIB));
        late.release(2 * MIB);
    }
}

#[test]
fn first_waiter_may_use_reserve() {
    let budget = budget();
    let (_, stuck) = session(&budget);
    assert!(stuck.acquire(4 * MIB));
    let (_, one) = session(&budget);
    let (two_seen, two) = session(&budget);
    assert!(one.acquire(30 * MIB), "in the reserve");
    assert!(!two.acquire(30 * MIB), "one at a time");
    assert!(one.acquire(9 * MIB), "the user of the reserve does not wait behind others");
    one.release(9 * MIB);
    let seen = two_seen.freed.load(Ordering::Relaxed);
    one.release(30 * MIB);
    assert!(two_seen.freed.load(Ordering::Relaxed) > seen);
    assert!(two.acquire(30 * MIB));
}

#[test]
fn dropped_account_releases_memory() {
    let budget = budget();
    let (_, one) = session(&budget);
    let (seen, two) = session(&budget);
    assert!(one.acquire(40 * MIB));
    assert!(!two.acquire(39 * MIB));
    drop(one);
    assert_eq!(seen.freed.load(Ordering::Relaxed), 1);
    assert!(two.acquire(39 * MIB));
    two.cancel_wait();
    drop(two);
    let state = budget.state();
    assert_eq!((state.shared, state.reserve, state.unreserved), (0, None, 48 * MIB));
}

#[test]
fn cancelled_waiter_leaves_queue() {
    let budget = budget();
    let (_, one) = session(&budget);
    assert!(one.acquire(40 * MIB));
    let (_, two) = session(&budget);
    let (seen, three) = session(&budget);
    assert!(!two.acquire(20 * MIB) && !three.acquire(3 * MIB));
    two.cancel_wait();
    assert_eq!(seen.freed.load(Ordering::Relaxed), 1);
    assert!(three.acquire(3 * MIB));
}

#[test]
fn stalled_session_is_reclaimed() {
    let budget = budget();
    let (one_seen, one) = session(&budget);
    assert!(one.acquire(40 * MIB));
    one.set_stalled(|| true, 1_000_000);
    budget.reclaim(1_000_000_000_000);
    assert_eq!(one_seen.reclaimed.load(Ordering::Relaxed), 0, "while none waits it may");
    let (two_seen, two) = session(&budget);
    assert!(!two.acquire(20 * MIB));
    // 30 s, and 159 s for 39.75 MiB at 256 KiB per second, as long as some bytes move.
    for second in 1..=189 {
        budget.reclaim(1_000_000 * second);
        one.set_moved(1_000_000 * second);
    }
    budget.reclaim(1_000_000 + 188_999_999);
    assert_eq!(one_seen.reclaimed.load(Ordering::Relaxed), 0);
    budget.reclaim(1_000_000 + 189_000_000);
    assert_eq!(one_seen.reclaimed.load(Ordering::Relaxed), 40 * MIB - (256 << 10));
    // A session whose initiator transfers data, or whose command is running, is not stalled.
    let (_, three) = session(&budget);
    drop(one);
    assert!(two.acquire(20 * MIB) && !three.acquire(30 * MIB));
    two.set_stalled(|| true, 0);
    two.set_stalled(|| false, 1);
    budget.reclaim(u64::MAX / 4);
    assert_eq!(two_seen.reclaimed.load(Ordering::Relaxed), 0);
}

#[test]
fn an_initiator_that_moves_no_byte_loses_its_memory_sooner() {
    let budget = budget();
    let (seen, one) = session(&budget);
    let (_, two) = session(&budget);
    assert!(one.acquire(40 * MIB) && !two.acquire(20 * MIB));
    one.set_stalled(|| true, 1_000_000);
    budget.reclaim(10_999_999);
    one.set_moved(10_999_999);
    budget.reclaim(20_999_998);
    assert_eq!(seen.reclaimed.load(Ordering::Relaxed), 0);
    budget.reclaim(20_999_999);
    assert_eq!(seen.reclaimed.load(Ordering::Relaxed), 40 * MIB - (256 << 10));
}

#[test]
fn a_new_session_does_not_wait_for_all_that_stall() {
    let budget = budget();
    let (_, first) = session(&budget);
    assert!(first.acquire(30 * MIB), "the reserve");
    let mut stalling: Vec<_> = (0..50).map(|_| session(&budget).1).collect();
    assert!(stalling.iter().all(|account| !account.acquire(30 * MIB)));
    let (seen, good) = session(&budget);
    assert!(!good.acquire(30 * MIB));
    drop(first);
    let oldest = stalling.remove(0);
    assert!(oldest.acquire(30 * MIB), "the oldest");
    let before = seen.freed.load(Ordering::Relaxed);
    drop(oldest);
    assert!(seen.freed.load(Ordering::Relaxed) > before);
    assert!(good.acquire(30 * MIB), "the newest");
    good.release(30 * MIB);
    assert!(stalling[0].acquire(30 * MIB), "the oldest again");
    assert!(!stalling[48].acquire(30 * MIB));
}
