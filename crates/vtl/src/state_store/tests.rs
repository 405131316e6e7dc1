use super::*;
use tape_store::backend::faulty::{Fate, FaultyFolder};
use tape_store::backend::memory::MemoryFolder;

fn step(number: u32) -> Change {
    let mut change = Change::default();
    change.set("cartridge/A", &number).unwrap();
    change.set("cartridge/B", &number).unwrap();
    change
}

fn create(folder: &FaultyFolder) -> StateStore {
    StateStore::create(Box::new(folder.clone()), "", step(0)).unwrap()
}

/// Both values, which must be the same: a commit is whole or not there.
fn seen(folder: FaultyFolder) -> Option<u32> {
    let state = StateStore::open(Box::new(folder), "").unwrap()?;
    let all: BTreeMap<String, u32> = state.all("cartridge/").unwrap();
    let values: Vec<_> = all.values().copied().collect();
    assert!(values.len() == 2 && values[0] == values[1], "{all:?}");
    values.first().copied()
}

#[test]
fn a_loss_of_power_leaves_the_last_commit_or_the_one_before() {
    let folder = FaultyFolder::default();
    let before = folder.record();
    let state = create(&folder);
    let mut durable = vec![(folder.recorded(), 0)];
    for number in 1..6 {
        state.commit(step(number)).unwrap();
        durable.push((folder.recorded(), number));
    }
    // Closed, opened again, and with the files written anew in between.
    state.close();
    let state = StateStore::open(Box::new(folder.clone()), "").unwrap().unwrap();
    for number in 6..10 {
        lock(&state.state).files.write_anew();
        state.commit(step(number)).unwrap();
        durable.push((folder.recorded(), number));
    }
    drop(state);
    let history = folder.history(before);
    for moment in 1..history.moments() {
        // What was acknowledged at this moment, and what may be there already.
        let kept = durable.iter().rev().find(|(at, _)| *at <= moment).map(|(_, number)| *number);
        let next = kept.map_or(0, |number| number + 1);
        for fate in [Fate::Kept, Fate::Dropped, Fate::Torn] {
            let fates = vec![fate; history.loose_changes(moment)];
            let found = seen(history.crash(moment, &fates));
            assert!(found == kept || found == Some(next), "{moment} {fate:?}: {found:?}, kept {kept:?}");
        }
        // Each loose change alone has another fate than the others.
        for (one, others) in [(Fate::Dropped, Fate::Kept), (Fate::Kept, Fate::Dropped), (Fate::Torn, Fate::Kept)] {
            for at in 0..history.loose_changes(moment) {
                let mut fates = vec![others; history.loose_changes(moment)];
                fates[at] = one;
                let found = seen(history.crash(moment, &fates));
                assert!(found == kept || found == Some(next), "{moment} {at} {one:?}: {found:?}, kept {kept:?}");
            }
        }
    }
}

#[test]
fn what_could_not_be_written_stays_pending() {
    let folder = FaultyFolder::default();
    let state = create(&folder);
    let mut failures = 0;
    for number in 1..60 {
        folder.fail_at(Some(folder.calls() + u64::from(number % 7)), io::ErrorKind::StorageFull);
        failures += u32::from(state.commit(step(number)).is_err());
        // Whatever came of it: the commit before, or this one.
        let found = seen(folder.crash(|len| len)).unwrap();
        assert!(found == number || found == number - 1, "{number}: {found}");
        folder.fail_at(None, io::ErrorKind::Other);
        let mut change = Change::default();
        change.set("other", &number).unwrap();
        state.commit(change).unwrap();
        let all: BTreeMap<String, u32> = state.all("cartridge/").unwrap();
        assert_eq!(all.into_values().collect::<Vec<_>>(), [number, number]);
        assert_eq!(seen(folder.crash(|_| 0)), Some(number));
    }
    assert!(failures > 10, "{failures}");
}

#[test]
fn another_version_is_refused() {
    let folder = MemoryFolder::default();
    for name in copies::NAMES {
        Folder::replace(&mut folder.clone(), name, b"e9da41b0 ferric-state 9\n").unwrap();
    }
    let error = StateStore::open(Box::new(folder), "/d/").map(drop).unwrap_err().to_string();
    assert_eq!(error, "/d/state.1: version 9 is not known; this program knows 3");
}
