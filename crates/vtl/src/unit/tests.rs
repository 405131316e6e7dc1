//! Tests of what a unit saves and publishes, which need the state that its site shares.

use crate::Library;
use crate::clock::VirtualClock;
use crate::config::parse;
use crate::data_dir::DataDir;
use crate::events::Event;
use crate::frontend::SiteOptions;
use crate::host::Host;
use crate::site::Site;
use crate::state_store::Transaction;
use scsi_core::fault::Save;
use scsi_core::lu::SavedState;
use smc::element::ElementAddress;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::time::Duration;

const TEXT: &str = "[[library]]\nslots = 4\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n[[library.cartridges]]\n\
    pattern = \"A#L8\"\ncount = 1\nsize = \"64MB\"\n";

#[test]
fn saved_state_that_cannot_be_read_is_kept_and_reported() {
    let site = Library::builder().slots(4).drives("ULT3580-TD8", 1).open().unwrap();
    let (unit, mut events) = (site.libraries()[0].drives().remove(0), site.subscribe());
    let mut change = Transaction::default();
    change.set("unit/main/drive/0", &"not a state").unwrap();
    unit.shared.state.commit(change).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| unit.with_device(|_| panic_any("the panic that the test wants"))));
    assert!(panicked.is_err());
    let reason = unit.faulty().unwrap();
    assert!(reason.contains("it is kept as \"unreadable/unit/main/drive/0\""), "{reason}");
    let faulty = events.try_iter().find_map(|record| match &record.event {
        Event::UnitFaulty { reason } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(faulty, Some(reason));
    let ((), stored) = unit.with_saved(|device| device.lu().request_save(Save::UNIT));
    stored.unwrap();
    let state = &unit.shared.state;
    assert_eq!(state.get("unreadable/unit/main/drive/0").unwrap(), Some("not a state".to_owned()));
    assert_eq!(state.get("unit/main/drive/0").unwrap(), Some(SavedState::default()));
    assert_eq!(unit.name().to_string(), "main/drive1");
}

/// WRITE(6) runs on the thread of the connection and does not block.
#[test]
fn low_disk_space_is_reported_while_only_short_commands_run() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("tapes");
    let mut data = DataDir::in_memory();
    data.directories = vec![link.clone()];
    let clock = VirtualClock::default();
    let options = SiteOptions::default().with_clock(clock.clock());
    let site = Site::open_with(data, &parse("test", TEXT).unwrap(), options).unwrap();
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let mut events = site.subscribe();
    // A file system without free space.
    std::os::unix::fs::symlink("/proc", &link).unwrap();
    for _ in 0..3 {
        clock.advance(Duration::from_secs(1));
        host.command_with_data(1, &[0x0a, 0, 0, 0, 5, 0], b"block").into_result().unwrap();
        site.shared.disk_space.wait_for_check();
    }
    let low: Vec<_> = events.try_iter().filter(|record| matches!(record.event, Event::DiskSpaceLow { .. })).collect();
    assert_eq!(low.len(), 1);
    assert_eq!(low[0].event, Event::DiskSpaceLow { directory: link.display().to_string(), free_bytes: 0 });
}
