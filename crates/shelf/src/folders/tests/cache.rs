//! The local files of a machine.

use super::*;

#[test]
fn a_small_cache_is_enough_for_a_long_tape() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = machine("a", &store, a.path());
    first.create();
    let mut tape = first.load();
    let all: Vec<_> = (0..60).map(|number| block(number, 1_000_000)).collect();
    all.iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop(tape);
    const LIMIT: u64 = 20 << 20;
    let setup = MachineSetup { cache: LIMIT, ..MachineSetup::default() };
    let second = machine_with("b", Arc::clone(&store) as _, b.path(), &setup);
    let mut tape = second.load();
    for pass in 0..2 {
        assert!(tape.locate(0, 0).unwrap());
        for expected in &all {
            let mut into = vec![0; 1_000_000];
            tape.read(&mut [IoSliceMut::new(&mut into)]).unwrap();
            assert!(into == *expected, "pass {pass}");
            assert!(second.folders.monitor().cached_bytes() <= LIMIT, "{}", second.folders.monitor().cached_bytes());
        }
    }
    use std::os::unix::fs::MetadataExt;
    let data = std::fs::metadata(b.path().join(BARCODE).join("files/data.0")).unwrap();
    assert!(data.len() > 60_000_000 && data.blocks() * 512 < LIMIT + (1 << 20), "{} blocks", data.blocks());
    drop(tape);
    // The next load finds the remaining parts, and fetches the beginning only, which was given up first.
    let before = second.folders.monitor().cached_bytes();
    drop(second.load());
    let after = second.folders.monitor().cached_bytes();
    assert!(after <= LIMIT && before.abs_diff(after) <= 1 << 20, "{before} {after}");
    drop(second.load());
    assert_eq!(second.folders.monitor().cached_bytes(), after);
}
