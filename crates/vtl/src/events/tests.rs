use super::*;
use serde_json::json;
use smc::element::{ElementAddress, ElementFault};
use smc::robot::OperatorState;
use std::time::Duration;

fn events() -> Arc<Events> {
    Arc::new(Events::new("5f1c".into(), Clock::real()))
}

fn notify(events: &Events, count: usize) {
    (0..count).for_each(|_| events.notify(Subject::new(Cause::site()), Event::Deleted));
}

#[test]
fn records_are_numbered_from_one() {
    let events = events();
    let mut reader = events.reader(0);
    notify(&events, 2);
    assert_eq!(reader.try_iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(events.position(), EventPosition { start: "5f1c".into(), seq: 2 });
    assert_eq!(reader.receive(Some(Duration::ZERO)), Received::TimedOut);
    let mut late = events.reader(1);
    assert_eq!(late.try_iter().map(|record| record.seq).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_slow_reader_lags_and_continues_with_the_oldest_event() {
    let events = events();
    let mut reader = events.reader(0);
    notify(&events, 1030);
    assert_eq!(reader.receive(None), Received::Lagged(6));
    assert!(matches!(reader.receive(None), Received::Event(record) if record.seq == 7));
    assert_eq!(reader.try_iter().count(), 1023);
}

#[test]
fn positions_that_the_ring_does_not_have_are_recognised() {
    let events = events();
    let position = |start: &str, seq| EventPosition { start: start.into(), seq };
    assert!(events.has_all_after(&position("5f1c", 0)), "nothing has happened");
    notify(&events, 1030);
    for (start, seq, expected) in [
        ("5f1c", 1030, true),
        ("5f1c", 6, true),
        ("5f1c", 5, false),
        ("5f1c", 0, false),
        ("5f1c", 1031, false),
        ("0000", 1030, false),
    ] {
        assert_eq!(events.has_all_after(&position(start, seq)), expected, "{start} {seq}");
    }
}

#[test]
fn large_events_shorten_the_ring() {
    let events = events();
    let element_faults = (0..9999).map(|number| (ElementAddress(number), ElementFault::Disabled)).collect();
    let state = OperatorState { element_faults, ..OperatorState::default() };
    (0..10).for_each(|_| events.notify(Subject::new(Cause::site()), Event::OperatorState { state: state.clone() }));
    assert_eq!(events.reader(0).receive(None), Received::Lagged(4), "six events of 10,000 are kept");
}

#[test]
fn events_before_the_end_are_still_read() {
    let events = events();
    let mut reader = events.reader(0);
    notify(&events, 1);
    events.close();
    notify(&events, 1);
    assert!(matches!(reader.receive(None), Received::Event(record) if record.seq == 1));
    assert_eq!(reader.receive(None), Received::Closed);
    assert_eq!(reader.next(), None);
}

#[test]
fn a_cancelled_reader_reads_what_is_there_and_ends() {
    let events = events();
    let mut reader = events.reader(0);
    let canceller = reader.canceller();
    let waiting = std::thread::spawn(move || (reader.receive(None), reader.receive(None), reader.receive(None)));
    notify(&events, 1);
    canceller.cancel();
    let (first, second, third) = waiting.join().unwrap();
    assert!(matches!(first, Received::Event(record) if record.seq == 1));
    assert_eq!((second, third), (Received::Closed, Received::Closed));
    assert!(matches!(events.reader(0).receive(None), Received::Event(_)), "other readers are not concerned");
}

#[test]
fn operator_state_has_current_words() {
    let mut state = OperatorState::default();
    state.element_faults.insert(ElementAddress(1000), ElementFault::Disabled);
    let subject = Subject::new(Cause::operator()).with_library("main");
    let record = subject.into_record("5f1c".into(), 7, 1_795_000_000_000, Event::OperatorState { state });
    let expected = json!({
        "seq": 7, "start": "5f1c", "at": 1_795_000_000_000_u64, "source": "operator", "library": "main",
        "event": "operator_state", "state": {
            "offline": false, "door_open": false, "station_open": false, "faults": {"1000": "disabled"},
            "drives_offline": [], "labels": {}
        }
    });
    assert_eq!(serde_json::to_value(&record).unwrap(), expected);
    assert_eq!(serde_json::from_value::<EventRecord>(expected).unwrap(), record);
}
