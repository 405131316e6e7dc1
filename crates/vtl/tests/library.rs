//! A library in a directory, through its Rust API.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use scsi_core::nexus::{NexusId, TransportId};
use smc::element::Address;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tape_store::cartridge::Barcode;
use tempfile::tempdir;
use vtl::config::parse;
use vtl::library::Library;
use vtl::unit::{Finished, Job, Reply, Submitted};

const CONFIG: &str = "[[cartridges]]\npattern = \"V#####L8\"\ncount = 3\nsize = \"64MB\"\n";

struct Door(Sender<Finished>);

impl Reply for Door {
    fn done(&self, finished: Finished) {
        self.0.send(finished).unwrap();
    }
}

/// Runs a command and waits for it, on whichever thread it runs.
fn run(library: &Library, nexus: NexusId, lun: u64, cdb: &[u8], room: usize) -> (u8, Vec<u8>, Vec<u8>) {
    let (sender, receiver) = channel();
    let reply: Arc<dyn Reply> = Arc::new(Door(sender));
    let mut padded = [0; 16];
    padded[..cdb.len()].copy_from_slice(cdb);
    let job = Job { nexus, tag: 1, cdb: padded, data_out: Vec::new(), data_len: 0, room };
    let done = match library.submit(lun << 48, job, &reply) {
        Submitted::Done(done) => done,
        Submitted::Queued => receiver.recv_timeout(Duration::from_secs(10)).unwrap(),
    };
    let sense = done.completion.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default();
    (done.completion.status.0, sense, done.data_in[..done.completion.data_in].to_vec())
}

fn codes(sense: &[u8]) -> (u8, u8, u8) {
    (sense[2] & 0x0f, sense[12], sense[13])
}

#[test]
fn a_shape_too_small_is_refused_with_its_line() {
    let dir = tempdir().unwrap();
    let text = |slots: u16, drives: u16, count: u16| {
        format!(
            "[library]\nslots = {slots}\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = {drives}\n\
             [[cartridges]]\npattern = \"V#####L8\"\ncount = {count}\n"
        )
    };
    let refused = |text: &str| {
        let config = parse("f.toml", text).unwrap();
        Library::open(dir.path(), &config).map(drop).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&text(2, 2, 3)),
        "f.toml:2: library.slots: no slot of 2 is left for cartridge V00003L8; give more slots or list fewer cartridges"
    );
    let library = Library::open(dir.path(), &parse("f.toml", &text(3, 2, 3)).unwrap()).unwrap();
    let nexus = library.login(&TransportId::local(1));
    run(&library, nexus, 0, &[0], 0);
    assert_eq!(run(&library, nexus, 0, &[0xa5, 0, 0, 0, 0x03, 0xe8, 0x01, 0xf5, 0, 0, 0, 0], 0).0, 0);
    library.shut_down().unwrap();
    drop(library);
    assert_eq!(
        refused(&text(2, 2, 1)),
        "f.toml:2: library.slots: slot at element 1002 is gone, but holds cartridge V00003L8; keep it, or move the \
         cartridge first"
    );
    assert_eq!(
        refused(&text(3, 1, 1)),
        "f.toml:4: drive: drive at element 501 is gone, but holds cartridge V00001L8; keep it, or move the cartridge \
         first"
    );
}

#[test]
fn operators_import_and_export() {
    let dir = tempdir().unwrap();
    let config = parse("test", CONFIG).unwrap();
    let barcode = Barcode::new("V00001L8").unwrap();
    {
        let library = Library::open(dir.path(), &config).unwrap();
        let nexus = library.login(&TransportId::local(1));
        assert_eq!(codes(&run(&library, nexus, 0, &[0], 0).1), (6, 0x29, 0x01));
        let to_door = [0xa5, 0, 0, 0, 0x03, 0xe8, 0, 10, 0, 0, 0, 0];
        assert_eq!(run(&library, nexus, 0, &to_door, 0).0, 0);
        // A host that prevents removal locks the door.
        assert_eq!(run(&library, nexus, 0, &[0x1e, 0, 0, 0, 1, 0], 0).0, 0);
        assert_eq!(library.export(Address(10)).unwrap_err().to_string(), "element 10 is locked by a host");
        assert_eq!(run(&library, nexus, 0, &[0x1e, 0, 0, 0, 0, 0], 0).0, 0);
        assert_eq!(library.export(Address(10)).unwrap(), barcode);
        assert_eq!(codes(&run(&library, nexus, 0, &[0], 0).1), (6, 0x28, 0x01));
        assert_eq!(library.export(Address(10)).unwrap_err().to_string(), "element 10 is empty");
        assert_eq!(
            library.export(Address(1000)).unwrap_err().to_string(),
            "element 1000 is not an import/export element"
        );
        library.shut_down().unwrap();
    }
    let library = Library::open(dir.path(), &config).unwrap();
    let nexus = library.login(&TransportId::local(1));
    run(&library, nexus, 0, &[0], 0);
    assert!(library.import(Address(11), &Barcode::new("V00002L8").unwrap()).is_err());
    library.import(Address(11), &barcode).unwrap();
    assert!(library.import(Address(12), &barcode).is_err());
    assert_eq!(codes(&run(&library, nexus, 0, &[0], 0).1), (6, 0x28, 0x01));
    let status = run(&library, nexus, 0, &[0xb8, 0x13, 0, 11, 0, 1, 2, 0, 0, 255, 0, 0], 255).2;
    // ImpExp: an operator put it there. Full, accessible, import and export enabled.
    assert_eq!((status[18], &status[28..36]), (0x3b, &b"V00001L8"[..]));
}

#[test]
fn element_status_in_literal_bytes() {
    let dir = tempdir().unwrap();
    let library = Library::open(dir.path(), &parse("test", CONFIG).unwrap()).unwrap();
    let nexus = library.login(&TransportId::local(1));
    run(&library, nexus, 0, &[0], 0);
    // Sizing probe: header only, with the counts of everything.
    let probe = run(&library, nexus, 0, &[0xb8, 0x12, 0, 0, 0xff, 0xff, 0, 0, 0, 8, 0, 0], 8).2;
    assert_eq!(probe, [0x03, 0xe8, 0, 20, 0, 0, 0x04, 0x68]);
    // Two slots: page header, then descriptors of 12 + 36 + 8 bytes.
    let two = run(&library, nexus, 0, &[0xb8, 0x12, 0x03, 0xea, 0, 2, 0, 0, 0x04, 0, 0, 0], 1024).2;
    assert_eq!(two[..16], [0x03, 0xea, 0, 2, 0, 0, 0, 120, 2, 0x80, 0, 56, 0, 0, 0, 112]);
    assert_eq!((&two[16..19], &two[28..37], two[16 + 56 + 2]), (&[0x03, 0xea, 0x09][..], &b"V00003L8 "[..], 0x08));
    // Truncation leaves whole descriptors.
    let cut = run(&library, nexus, 0, &[0xb8, 0x12, 0x03, 0xea, 0, 2, 0, 0, 0, 100, 0, 0], 1024).2;
    assert_eq!(cut.len(), 16 + 56);
    // A drive with its identifier, and without a volume tag.
    let drive = run(&library, nexus, 0, &[0xb8, 0x04, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0], 256).2;
    assert_eq!(drive[8..12], [4, 0, 0, 52]);
    assert_eq!(drive[28..32], [2, 0, 0, 32]);
    let mode = run(&library, nexus, 0, &[0x1a, 8, 0x1d, 0, 255, 0], 255).2;
    let expected = [23, 0, 0, 0, 0x1d, 0x12, 0, 0, 0, 1, 0x03, 0xe8, 0, 20, 0, 10, 0, 4, 0x01, 0xf4, 0, 2, 0, 0];
    assert_eq!(mode, expected);
}

#[test]
fn moves_that_cannot_be() {
    let dir = tempdir().unwrap();
    let library = Library::open(dir.path(), &parse("test", CONFIG).unwrap()).unwrap();
    let nexus = library.login(&TransportId::local(1));
    run(&library, nexus, 0, &[0], 0);
    let go = |from: u16, to: u16| {
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        let (status, sense, _) = run(&library, nexus, 0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0], 0);
        (status == 2).then(|| (codes(&sense), sense[15..18].to_vec()))
    };
    assert_eq!(go(1000, 1001), Some(((5, 0x3b, 0x0d), vec![0, 0, 0])));
    assert_eq!(go(1010, 1011), Some(((5, 0x3b, 0x0e), vec![0, 0, 0])));
    assert_eq!(go(4000, 1011), Some(((5, 0x21, 0x01), vec![0xc0, 0, 4])));
    assert_eq!(go(1000, 0), Some(((5, 0x21, 0x01), vec![0xc0, 0, 6])));
    assert_eq!(go(1000, 500), None);
    let drive = library.login(&TransportId::local(2));
    while run(&library, drive, 1, &[0], 0).0 != 0 {}
    assert_eq!(run(&library, drive, 1, &[0x1e, 0, 0, 0, 1, 0], 0).0, 0);
    assert_eq!(go(500, 1000), Some(((5, 0x53, 0x03), vec![0, 0, 0])));
    let invert = run(&library, nexus, 0, &[0xa5, 0, 0, 0, 0x03, 0xe8, 0, 10, 0, 0, 1, 0], 0).1;
    assert_eq!((codes(&invert), &invert[15..18]), ((5, 0x24, 0), &[0xc8, 0, 10][..]));
    // The lock goes with its nexus.
    library.logout(drive);
    assert_eq!(go(500, 1000), None);
}
