use super::*;
use vtl::smc::element::{ElementAddress, ElementFault};
use vtl::smc::robot::OperatorState;

const WEBHOOK: Policy = Policy { batch: 1, collect: Duration::ZERO, retry: Duration::from_secs(3_600) };
const MAIL: Policy = Policy { batch: 3, collect: Duration::from_secs(60), retry: Duration::from_secs(3_600) };

fn at(seconds: u64) -> Now {
    Now { mono: Instant(seconds * 1_000_000), wall: Timestamp(1_700_000_000_000 + seconds * 1000) }
}

fn record(seq: u64) -> Arc<EventRecord> {
    let line = format!(r#"{{"seq":{seq},"start":"s","at":0,"source":"site","event":"deleted"}}"#);
    Arc::new(serde_json::from_str(&line).unwrap())
}

fn push(outbox: &mut Outbox, seqs: impl IntoIterator<Item = u64>, now: Now) {
    seqs.into_iter().for_each(|seq| outbox.push(record(seq), now));
}

/// The numbers of the events to deliver; a record of events that were given up is minus their number.
fn batch(next: Next) -> Vec<i64> {
    let Next::Deliver(records) = next else { panic!("{next:?}") };
    let number = |record: &Arc<EventRecord>| match record.event {
        Event::Missed { missed } => -i64::try_from(missed).unwrap(),
        _ => i64::try_from(record.seq).unwrap(),
    };
    records.iter().map(number).collect()
}

#[test]
fn order_is_kept_over_failures() {
    let mut outbox = Outbox::new(WEBHOOK);
    assert_eq!(outbox.next(at(0)), Next::Idle);
    push(&mut outbox, 1..=3, at(0));
    assert_eq!(batch(outbox.next(at(0))), [1]);
    assert_eq!(outbox.next(at(0)), Next::Idle, "one delivery at a time");
    outbox.failed(at(0), "HTTP status 500".into(), 0);
    assert_eq!(outbox.next(at(0)), Next::Wait(at(1).mono));
    assert_eq!(batch(outbox.next(at(1))), [1]);
    outbox.failed(at(2), "timeout".into(), 1000);
    // 2 s, of which the random number takes away 1000 ms.
    assert_eq!(outbox.next(at(2)), Next::Wait(at(3).mono));
    let status = outbox.status();
    assert_eq!((status.waiting, status.failed_attempts, status.failures), (3, 2, 2));
    assert_eq!((status.last_error.as_deref(), status.last_error_at), (Some("timeout"), Some(1_700_000_002_000)));
    for expected in 1..=3 {
        assert_eq!(batch(outbox.next(at(10))), [expected]);
        outbox.delivered(at(10));
    }
    assert_eq!(outbox.next(at(10)), Next::Idle);
    let status = outbox.status();
    assert_eq!((status.delivered, status.dead_letters, status.failures, status.waiting), (3, 0, 0, 0));
    assert_eq!(status.last_delivery, Some(1_700_000_010_000));
}

#[test]
fn old_events_are_given_up_and_the_target_is_told() {
    let mut outbox = Outbox::new(WEBHOOK);
    push(&mut outbox, [1, 2], at(0));
    push(&mut outbox, [3], at(10));
    assert_eq!(batch(outbox.next(at(0))), [1]);
    outbox.failed(at(0), "refused".into(), 0);
    assert_eq!(batch(outbox.next(at(3_599))), [1]);
    outbox.failed(at(3_599), "refused".into(), 0);
    // 2 s after the second failure, events 1 and 2 are an hour old.
    assert_eq!(batch(outbox.next(at(3_601))), [-2]);
    assert_eq!(outbox.dead_letters(), 2);
    outbox.failed(at(3_601), "refused".into(), 0);
    // The record is not given up, and includes event 3 later.
    assert_eq!(batch(outbox.next(at(9_000))), [-3]);
    outbox.delivered(at(9_000));
    push(&mut outbox, [4], at(9_000));
    assert_eq!(batch(outbox.next(at(9_000))), [4]);
    outbox.delivered(at(9_000));
    assert_eq!((outbox.status().delivered, outbox.status().dead_letters), (1, 3));
}

#[test]
fn a_full_outbox_gives_up_the_oldest_events() {
    let mut outbox = Outbox::new(WEBHOOK);
    push(&mut outbox, 1..=100_000, at(0));
    let status = outbox.status();
    assert_eq!((status.waiting, status.dead_letters), (1024, 98_977), "1023 events, and a record of the others");
    assert_eq!(batch(outbox.next(at(0))), [-98_977]);
    // While a delivery runs, the others can still be given up.
    push(&mut outbox, 100_001..=100_010, at(0));
    outbox.failed(at(0), "refused".into(), 0);
    assert_eq!((outbox.status().waiting, outbox.dead_letters()), (1024, 98_987));
    assert_eq!(batch(outbox.next(at(1))), [-98_987]);
    outbox.delivered(at(1));
    assert_eq!(batch(outbox.next(at(1))), [98_988]);
}

#[test]
fn large_events_are_limited_by_their_weight() {
    let mut outbox = Outbox::new(WEBHOOK);
    let element_faults = (0..9999).map(|number| (ElementAddress(number), ElementFault::Disabled)).collect();
    let state = OperatorState { element_faults, ..OperatorState::default() };
    for seq in 1..=10 {
        let large = EventRecord { event: Event::OperatorState { state: state.clone() }, ..(*record(seq)).clone() };
        outbox.push(Arc::new(large), at(0));
    }
    assert_eq!((outbox.status().waiting, outbox.dead_letters()), (7, 4), "six of 10,000, and a record of four");
    (0..6).for_each(|_| {
        outbox.next(at(0));
        outbox.delivered(at(0));
    });
    push(&mut outbox, 11..=1000, at(0));
    assert_eq!(outbox.dead_letters(), 4, "the weight of what was delivered is free again");
}

#[test]
fn lost_events_stay_in_their_place() {
    let mut outbox = Outbox::new(WEBHOOK);
    push(&mut outbox, [1], at(0));
    outbox.push(missed(&record(9), 8), at(0));
    push(&mut outbox, [10], at(0));
    for expected in [1, -8, 10] {
        assert_eq!(batch(outbox.next(at(0))), [expected]);
        outbox.delivered(at(0));
    }
    assert_eq!((outbox.status().delivered, outbox.status().dead_letters), (2, 8));
    // With the one before it given up, both become one record.
    push(&mut outbox, [11], at(0));
    outbox.push(missed(&record(13), 2), at(0));
    push(&mut outbox, [14], at(9_000));
    assert_eq!(batch(outbox.next(at(9_000))), [-1]);
    outbox.delivered(at(9_000));
    assert_eq!(batch(outbox.next(at(9_000))), [-2]);
}

#[test]
fn events_are_collected_for_one_mail() {
    let mut outbox = Outbox::new(MAIL);
    push(&mut outbox, [1], at(0));
    push(&mut outbox, [2], at(50));
    assert_eq!(outbox.next(at(50)), Next::Wait(at(60).mono));
    assert_eq!(batch(outbox.next(at(60))), [1, 2]);
    outbox.delivered(at(60));
    // As many as a mail can have are not collected longer.
    push(&mut outbox, [3, 4, 5, 6], at(60));
    assert_eq!(batch(outbox.next(at(60))), [3, 4, 5]);
    outbox.failed(at(60), "timeout".into(), 0);
    assert_eq!(batch(outbox.next(at(61))), [3, 4, 5]);
    outbox.delivered(at(61));
    assert_eq!(outbox.next(at(61)), Next::Wait(at(120).mono));
}

#[test]
fn closing_makes_one_more_attempt() {
    let mut outbox = Outbox::new(MAIL);
    push(&mut outbox, [1, 2, 3, 4], at(0));
    outbox.close();
    assert_eq!(batch(outbox.next(at(0))), [1, 2, 3]);
    outbox.delivered(at(0));
    assert_eq!(batch(outbox.next(at(0))), [4]);
    assert_eq!(outbox.undelivered(), Some((1, 4, 4)));
    outbox.delivered(at(0));
    assert_eq!((outbox.next(at(0)), outbox.undelivered()), (Next::Closed, None));
    let mut failing = Outbox::new(WEBHOOK);
    push(&mut failing, [1, 2], at(0));
    assert_eq!(batch(failing.next(at(0))), [1]);
    failing.failed(at(0), "refused".into(), 0);
    failing.close();
    assert_eq!(batch(failing.next(at(0))), [1], "due at once");
    failing.failed(at(0), "refused".into(), 0);
    assert_eq!(failing.next(at(0)), Next::Closed);
    assert_eq!(failing.undelivered(), Some((2, 1, 2)));
}

#[test]
fn a_new_policy_makes_the_next_attempt_due() {
    let mut outbox = Outbox::new(WEBHOOK);
    push(&mut outbox, [1], at(0));
    outbox.next(at(0));
    outbox.failed(at(0), "refused".into(), 0);
    assert_eq!(outbox.next(at(0)), Next::Wait(at(1).mono));
    outbox.set_policy(Policy { retry: Duration::from_secs(1), ..WEBHOOK });
    assert_eq!(batch(outbox.next(at(0))), [1]);
}
