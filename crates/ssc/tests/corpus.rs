//! Replays the corpora of all fuzz targets.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot continue has failed"
)]

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        body(&std::fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
}

#[test]
fn drive_sessions() {
    replay("drive_session", ssc::testing::drive_session);
}

#[test]
fn changer_sessions() {
    replay("changer_session", |data| {
        let mut changer = smc::testing::changer();
        ssc::testing::run_session(&mut changer, data);
        smc::testing::assert_no_cartridge_lost(&changer);
    });
}

#[test]
fn iscsi_pdu_streams() {
    replay("iscsi_stream", iscsi::testing::run_stream);
}

#[test]
fn tape_files() {
    replay("store_open", tape_store::testing::store_open);
}

#[test]
fn store_codecs() {
    replay("store_codecs", tape_store::testing::store_codecs);
}

#[test]
fn tape_operations() {
    replay("store_ops", tape_store::testing::store_ops);
}
