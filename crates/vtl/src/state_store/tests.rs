use super::*;
use tape_store::backend::faulty::{CrashOutcome, FaultyFolder};
use tape_store::backend::memory::MemoryFolder;

fn commit_step(number: u32) -> Transaction {
    let mut change = Transaction::default();
    change.set("cartridge/A", &number).unwrap();
    change.set("cartridge/B", &number).unwrap();
    change
}

fn create(folder: &FaultyFolder) -> StateStore {
    StateStore::create(Box::new(folder.clone()), "", commit_step(0)).unwrap()
}

/// Returns the value of both keys, which must be equal: a commit is complete or absent.
fn committed_step(folder: FaultyFolder) -> Option<u32> {
    let state = StateStore::open(Box::new(folder), "").unwrap()?;
    let all: BTreeMap<String, u32> = state.get_prefix("cartridge/").unwrap();
    let values: Vec<_> = all.values().copied().collect();
    assert!(values.len() == 2 && values[0] == values[1], "{all:?}");
    values.first().copied()
}

#[test]
fn power_loss_leaves_last_or_previous_commit() {
    let folder = FaultyFolder::default();
    let before = folder.start_recording();
    let state = create(&folder);
    let mut durable = vec![(folder.recorded_calls(), 0)];
    for number in 1..6 {
        state.commit(commit_step(number)).unwrap();
        durable.push((folder.recorded_calls(), number));
    }
    // Close, reopen, and rewrite the files in between.
    state.close();
    let state = StateStore::open(Box::new(folder.clone()), "").unwrap().unwrap();
    for number in 6..10 {
        lock(&state.state).files.force_rewrite();
        state.commit(commit_step(number)).unwrap();
        durable.push((folder.recorded_calls(), number));
    }
    drop(state);
    let history = folder.history(before);
    for moment in 1..history.crash_points() {
        // The last acknowledged commit at this moment, and the one that may already be present.
        let acknowledged = durable.iter().rev().find(|(at, _)| *at <= moment).map(|(_, number)| *number);
        let next = acknowledged.map_or(0, |number| number + 1);
        for outcome in [CrashOutcome::Written, CrashOutcome::Dropped, CrashOutcome::Torn] {
            let outcomes = vec![outcome; history.unsynced_changes(moment)];
            let committed = committed_step(history.crash(moment, &outcomes));
            assert!(
                committed == acknowledged || committed == Some(next),
                "{moment} {outcome:?}: {committed:?}, acknowledged {acknowledged:?}"
            );
        }
        // Each unsynchronised change in turn has another outcome than all others.
        for (one, others) in [
            (CrashOutcome::Dropped, CrashOutcome::Written),
            (CrashOutcome::Written, CrashOutcome::Dropped),
            (CrashOutcome::Torn, CrashOutcome::Written),
        ] {
            for at in 0..history.unsynced_changes(moment) {
                let mut outcomes = vec![others; history.unsynced_changes(moment)];
                outcomes[at] = one;
                let committed = committed_step(history.crash(moment, &outcomes));
                assert!(
                    committed == acknowledged || committed == Some(next),
                    "{moment} {at} {one:?}: {committed:?}, acknowledged {acknowledged:?}"
                );
            }
        }
    }
}

#[test]
fn failed_commit_stays_pending() {
    let folder = FaultyFolder::default();
    let state = create(&folder);
    let mut failures = 0;
    for number in 1..60 {
        folder.fail_at(Some(folder.calls() + u64::from(number % 7)), io::ErrorKind::StorageFull);
        failures += u32::from(state.commit(commit_step(number)).is_err());
        // Whatever the outcome, the state has this commit or the one before.
        let committed = committed_step(folder.crash(|len| len)).unwrap();
        assert!(committed == number || committed == number - 1, "{number}: {committed}");
        folder.fail_at(None, io::ErrorKind::Other);
        let mut change = Transaction::default();
        change.set("other", &number).unwrap();
        state.commit(change).unwrap();
        let all: BTreeMap<String, u32> = state.get_prefix("cartridge/").unwrap();
        assert_eq!(all.into_values().collect::<Vec<_>>(), [number, number]);
        assert_eq!(committed_step(folder.crash(|_| 0)), Some(number));
    }
    assert!(failures > 10, "{failures}");
}

#[test]
fn another_version_is_refused() {
    let folder = MemoryFolder::default();
    for name in state_file::FILE_NAMES {
        Folder::replace(&mut folder.clone(), name, b"e9da41b0 ferric-state 9\n").unwrap();
    }
    let error = StateStore::open(Box::new(folder), "/d/").map(drop).unwrap_err().to_string();
    assert_eq!(error, "/d/state.1: version 9 is unknown; this program supports 3");
}

type Images = BTreeMap<String, Vec<u8>>;

/// A folder with only a redb database of format version 2.
fn old_folder() -> FaultyFolder {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let table: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("state");
        let mut table = transaction.open_table(table).unwrap();
        for (key, value) in [("version", "2"), ("cartridge/A", "7"), ("cartridge/B", "7"), ("site", "\"1234abcd\"")] {
            table.insert(key, value.as_bytes()).unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(database);
    FaultyFolder::from_files(Images::from([("state.redb".into(), std::fs::read(path).unwrap())]))
}

#[test]
fn power_loss_during_upgrade_is_harmless() {
    let folder = old_folder();
    let before = folder.start_recording();
    assert_eq!(committed_step(folder.clone()), Some(7));
    let history = folder.history(before);
    assert!(history.crash_points() > 6);
    for moment in 0..history.crash_points() {
        for outcome in [CrashOutcome::Written, CrashOutcome::Dropped, CrashOutcome::Torn] {
            let outcomes = vec![outcome; history.unsynced_changes(moment)];
            let crashed = history.crash(moment, &outcomes);
            assert_eq!(committed_step(crashed.clone()), Some(7), "{moment} {outcome:?}");
            // It is not upgraded twice.
            assert!(
                StateStore::leftover_files(&mut crashed.clone(), "").unwrap().iter().all(|name| *name != "state.redb")
            );
            assert_eq!(committed_step(crashed), Some(7));
        }
    }
    assert_eq!(folder.bytes("identities.toml")[..2], *b"# ");
}

/// A state whose last commit is damaged in both files.
fn damaged_folder() -> FaultyFolder {
    let folder = FaultyFolder::default();
    let mut first = commit_step(7);
    first.set("site", &"1234abcd").unwrap();
    let state = StateStore::create(Box::new(folder.clone()), "", first).unwrap();
    let mut last = Transaction::default();
    last.set("other", &5).unwrap();
    state.commit(last).unwrap();
    state.close();
    let mut images: Images =
        state_file::FILE_NAMES.iter().map(|name| ((*name).to_owned(), folder.bytes(name))).collect();
    for image in images.values_mut() {
        let at = image.iter().rposition(|byte| *byte == b'5').unwrap();
        image[at] = b'6';
    }
    images.insert("identities.toml".into(), folder.bytes("identities.toml"));
    FaultyFolder::from_files(images)
}

fn salvaged(folder: &FaultyFolder) -> Salvage {
    Salvage::read(Box::new(folder.clone()), "").unwrap()
}

fn restore(folder: &FaultyFolder) -> Vec<String> {
    let salvage = salvaged(folder);
    let values = salvage.values.iter().map(|(key, (_, value))| (key.clone(), value.clone())).collect();
    salvage.write(Box::new(folder.clone()), values).unwrap()
}

#[test]
fn power_loss_during_recovery_is_harmless() {
    let folder = damaged_folder();
    let error = StateStore::open(Box::new(folder.clone()), "/d/").map(drop).unwrap_err().to_string();
    let damage = "state.1 line 6 fails its checksum, state.2 line 6 fails its checksum";
    assert!(error.starts_with("/d/state.1 and state.2: ") && error.contains(damage), "{error}");
    let before = folder.start_recording();
    assert_eq!(restore(&folder), ["state.1.old", "state.2.old", "identities.toml.old"]);
    assert_eq!(committed_step(folder.clone()), Some(7));
    let history = folder.history(before);
    for moment in 0..history.crash_points() {
        for outcome in [CrashOutcome::Written, CrashOutcome::Dropped, CrashOutcome::Torn] {
            let outcomes = vec![outcome; history.unsynced_changes(moment)];
            let crashed = history.crash(moment, &outcomes);
            // Either the state is restored, or it is refused as before and can be restored again.
            if StateStore::open(Box::new(crashed.clone()), "").is_err() {
                restore(&crashed);
            }
            let state = StateStore::open(Box::new(crashed), "").unwrap().unwrap();
            assert_eq!(state.get::<u32>("cartridge/A").unwrap(), Some(7), "{moment} {outcome:?}");
            assert_eq!(state.get::<String>("site").unwrap().as_deref(), Some("1234abcd"), "{moment} {outcome:?}");
            assert_eq!(state.get::<u32>("other").unwrap(), None, "{moment} {outcome:?}");
        }
    }
}

#[test]
fn identities_file_alone_restores_names() {
    let folder = damaged_folder();
    let lost = FaultyFolder::from_files(Images::from([("identities.toml".into(), folder.bytes("identities.toml"))]));
    assert!(StateStore::open(Box::new(lost.clone()), "").unwrap().is_none());
    restore(&lost);
    let state = StateStore::open(Box::new(lost), "").unwrap().unwrap();
    assert_eq!(state.get::<String>("site").unwrap().as_deref(), Some("1234abcd"));
    assert_eq!(state.get::<u32>("cartridge/A").unwrap(), None);
}

#[test]
fn removed_state_file_is_rewritten() {
    for name in state_file::FILE_NAMES {
        let dir = tempfile::tempdir().unwrap();
        let folder = || Box::new(tape_store::backend::file::OsFolder::at(dir.path().into()));
        let state = StateStore::create(folder(), "", commit_step(1)).unwrap();
        std::fs::remove_file(dir.path().join(name)).unwrap();
        state.commit(commit_step(2)).unwrap();
        drop(state);
        let state = StateStore::open(folder(), "").unwrap().unwrap();
        assert_eq!(state.repairs(), [""; 0]);
        assert_eq!(state.get::<u32>("cartridge/A").unwrap(), Some(2));
    }
}

#[test]
fn damaged_database_is_refused_but_salvaged() {
    let folder = old_folder();
    let mut bytes = folder.bytes("state.redb");
    // The commit number in the slot that is not the primary one.
    let other = 64 + 128 * (1 - usize::from(bytes[9] & 1));
    bytes[other + 104 + 5] = 1;
    let folder = FaultyFolder::from_files(Images::from([("state.redb".into(), bytes)]));
    let error = StateStore::open(Box::new(folder.clone()), "/d/").map(drop).unwrap_err().to_string();
    let damage = "/d/state.redb: is damaged: its header names the commit before the last; `ferric site recover`";
    assert!(error.starts_with(damage), "{error}");
    assert_eq!(restore(&folder), ["state.redb.old"]);
    assert_eq!(committed_step(folder.clone()), Some(7));
    assert!(folder.bytes("state.redb").is_empty());
}
