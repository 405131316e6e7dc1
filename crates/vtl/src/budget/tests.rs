use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const MIB: usize = 1 << 20;

#[derive(Default)]
struct Session {
    freed: AtomicUsize,
    reclaimed: AtomicUsize,
}

impl Holder for Session {
    fn memory_freed(&self) {
        self.freed.fetch_add(1, Ordering::Relaxed);
    }

    fn reclaim(&self, held: usize) {
        self.reclaimed.store(held, Ordering::Relaxed);
    }
}

/// 40 MiB of reserve, 48 of guarantees (256 KiB each), 16 shared, of which sessions that have proven nothing may use 4, or 8
/// if they ask for little.
fn budget() -> Arc<Budget> {
    Arc::new(Budget::new(104 * MIB, 40 * MIB))
}

fn session(budget: &Arc<Budget>) -> (Arc<Session>, Account) {
    let session = Arc::new(Session::default());
    let account = budget.open(Arc::clone(&session) as _).unwrap();
    (session, account)
}

/// Takes from the shared part and gives it back.
fn prove(account: &Account) {
    assert!(account.take(MIB));
    account.give(MIB);
}

#[test]
fn a_guarantee_is_there_whatever_others_hold() {
    let budget = budget();
    let (_, good) = session(&budget);
    let hostile: Vec<_> = (0..20).map(|_| session(&budget)).collect();
    let held = hostile.iter().filter(|(_, account)| account.take(2 * MIB + MIB / 2)).count();
    // One in the part of those that ask for much, and one in the reserve.
    assert_eq!(held, 2);
    for _ in 0..100 {
        assert!(good.take(256 << 10));
        good.give(256 << 10);
    }
}

#[test]
fn no_more_sessions_than_guarantees() {
    let budget = budget();
    assert_eq!(budget.sessions(), 192);
    let mut all: Vec<_> = std::iter::from_fn(|| budget.open(Arc::<Session>::default())).collect();
    assert_eq!(all.len(), 192);
    all.pop();
    assert!(budget.open(Arc::<Session>::default()).is_some());
}

#[test]
fn sessions_that_gave_memory_back_go_before_those_that_did_not() {
    let budget = budget();
    let (_, proven) = session(&budget);
    prove(&proven);
    let hostile: Vec<_> = (0..10).map(|_| session(&budget)).collect();
    assert_eq!(hostile.iter().filter(|(_, account)| account.take(4 * MIB)).count(), 2);
    // Eight wait. What they may not use is free, and the proven session goes before them.
    assert!(proven.take(12 * MIB));
    proven.give(12 * MIB);
}

#[test]
fn sessions_that_ask_for_little_go_before_those_that_ask_for_much() {
    let budget = budget();
    let hostile: Vec<_> = (0..10).map(|_| session(&budget)).collect();
    assert_eq!(hostile.iter().filter(|(_, account)| account.take(4 * MIB)).count(), 2);
    let (_, late) = session(&budget);
    for _ in 0..100 {
        assert!(late.take(2 * MIB));
        late.give(2 * MIB);
    }
}

#[test]
fn the_first_that_waits_may_use_the_reserve_and_needs_no_other() {
    let budget = budget();
    let (_, stuck) = session(&budget);
    assert!(stuck.take(4 * MIB));
    let (_, one) = session(&budget);
    let (two_seen, two) = session(&budget);
    assert!(one.take(30 * MIB), "in the reserve");
    assert!(!two.take(30 * MIB), "one at a time");
    assert!(one.take(9 * MIB), "the user of the reserve does not wait behind others");
    one.give(9 * MIB);
    let seen = two_seen.freed.load(Ordering::Relaxed);
    one.give(30 * MIB);
    assert!(two_seen.freed.load(Ordering::Relaxed) > seen);
    assert!(two.take(30 * MIB));
}

#[test]
fn what_a_dropped_session_held_is_free_again() {
    let budget = budget();
    let (_, one) = session(&budget);
    let (seen, two) = session(&budget);
    assert!(one.take(40 * MIB));
    assert!(!two.take(39 * MIB));
    drop(one);
    assert_eq!(seen.freed.load(Ordering::Relaxed), 1);
    assert!(two.take(39 * MIB));
    two.cancel();
    drop(two);
    let state = budget.state();
    assert_eq!((state.shared, state.reserve, state.unpromised), (0, None, 48 * MIB));
}

#[test]
fn a_session_that_no_longer_waits_does_not_stop_the_queue() {
    let budget = budget();
    let (_, one) = session(&budget);
    assert!(one.take(40 * MIB));
    let (_, two) = session(&budget);
    let (seen, three) = session(&budget);
    assert!(!two.take(20 * MIB) && !three.take(3 * MIB));
    two.cancel();
    assert_eq!(seen.freed.load(Ordering::Relaxed), 1);
    assert!(three.take(3 * MIB));
}

#[test]
fn an_initiator_that_leaves_memory_in_use_loses_it_when_others_wait() {
    let budget = budget();
    let (one_seen, one) = session(&budget);
    assert!(one.take(40 * MIB));
    one.set_stalled(|| true, 1_000_000);
    budget.reclaim(1_000_000_000_000);
    assert_eq!(one_seen.reclaimed.load(Ordering::Relaxed), 0, "while none waits it may");
    let (two_seen, two) = session(&budget);
    assert!(!two.take(20 * MIB));
    // 30 s, and 159 s for 39.75 MiB at 256 KiB in a second.
    budget.reclaim(1_000_000 + 188_999_999);
    assert_eq!(one_seen.reclaimed.load(Ordering::Relaxed), 0);
    budget.reclaim(1_000_000 + 189_000_000);
    assert_eq!(one_seen.reclaimed.load(Ordering::Relaxed), 40 * MIB - (256 << 10));
    // One whose initiator takes data, or whose command runs, is not stalled.
    let (_, three) = session(&budget);
    drop(one);
    assert!(two.take(20 * MIB) && !three.take(30 * MIB));
    two.set_stalled(|| true, 0);
    two.set_stalled(|| false, 1);
    budget.reclaim(u64::MAX / 4);
    assert_eq!(two_seen.reclaimed.load(Ordering::Relaxed), 0);
}
