//! Encrypted tapes.

use super::*;

#[test]
fn an_encrypted_cartridge_needs_its_key_which_can_be_rotated_and_destroyed() {
    let (store, data) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let count = AtomicU64::new(0);
    let machine = |current: Option<u8>, former: &[u8]| {
        let keys = current.map(|current| (current, former.to_vec()));
        let setup = MachineSetup { keys, ..MachineSetup::default() };
        let directory = data.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        machine_with("a", Arc::clone(&store) as _, &directory, &setup)
    };
    let all: Vec<_> = (0..5).map(|number| block(number, 300_000)).collect();
    let first = machine(Some(1), &[]);
    first.create();
    let mut tape = first.load();
    all.iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop((tape, first));
    // Nothing of the data, or of the cartridge memory, is in the store.
    let objects = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let all: Vec<_> = futures::TryStreamExt::try_collect(store.list(None)).await.unwrap();
        let mut contents = Vec::new();
        for meta in all {
            contents.push((
                meta.location.to_string(),
                store.get_opts(&meta.location, GetOptions::default()).await.unwrap().bytes().await.unwrap(),
            ));
        }
        contents
    });
    let mut texts = all.iter().map(|bytes| &bytes[1000..1016]).chain([b"LTO-8".as_slice()]);
    assert!(texts.all(|text| objects.iter().all(|(_, bytes)| bytes.windows(text.len()).all(|window| window != text))));

    assert!(machine(Some(1), &[]).blocks(300_000) == all);
    assert!(machine(Some(2), &[1]).blocks(300_000) == all);
    for wrong in [machine(None, &[]), machine(Some(2), &[])] {
        let error = wrong.tapes.find(&barcode()).err().unwrap().to_string();
        assert!(
            error.contains("cartridge V00001L8: it is encrypted, and the key ") && error.contains(" is not configured"),
            "{error}"
        );
    }

    let with_owned = |machine: &Machine, call: &dyn Fn(&mut crate::OwnedCartridge, &Handle) -> bool| {
        let access = &machine.folders.access;
        let mut owned = access.runtime.block_on(access.shelf.take(BARCODE)).unwrap();
        let result = call(&mut owned, &access.runtime);
        let content = owned.content().clone();
        access.runtime.block_on(owned.release(content)).unwrap();
        result
    };
    let rewrap =
        |machine: &Machine| with_owned(machine, &|owned, runtime| runtime.block_on(owned.rewrap_key()).unwrap());
    assert_eq!([rewrap(&machine(Some(2), &[1])), rewrap(&machine(Some(2), &[1]))], [true, false]);
    assert!(machine(Some(2), &[]).blocks(300_000) == all);
    assert!(machine(Some(1), &[]).tapes.find(&barcode()).is_err());

    let last = machine(Some(2), &[]);
    assert!(with_owned(&last, &|owned, runtime| runtime.block_on(owned.destroy_key()).unwrap()));
    let error = machine(Some(2), &[1]).tapes.find(&barcode()).err().unwrap().to_string();
    assert!(error.ends_with("its key was destroyed: its data can no longer be read"), "{error}");
}

#[test]
fn a_key_that_is_destroyed_between_two_loads_is_not_used_again() {
    let (store, data) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let setup = MachineSetup { keys: Some((1, Vec::new())), ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, data.path(), &setup);
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = machine("b", &store, elsewhere.path());
    let access = &other.folders.access;
    let mut owned = access.runtime.block_on(access.shelf.take(BARCODE)).unwrap();
    assert!(access.runtime.block_on(owned.destroy_key()).unwrap());
    let content = owned.content().clone();
    access.runtime.block_on(owned.release(content)).unwrap();
    // A machine remembers a cartridge for two seconds.
    first.folders.access.recent.forget(BARCODE);
    let error = first.tapes.find(&barcode()).err().unwrap().to_string();
    assert!(error.contains("its key was destroyed"), "{error}");
}
