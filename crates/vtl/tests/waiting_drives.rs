//! Drives that wait for the time of hardware use no processor time.
#![allow(clippy::unwrap_used, reason = "test code")]

use scsi_core::time::TimeMode;
use std::time::Duration;
use vtl::Library;
use vtl::host::Host;

/// Processor time of this process in hundredths of a second: fields 14 and 15 of /proc/self/stat.
fn processor_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

/// Twenty drives load their tapes for 15 s; during one second of it, the process uses at most 20 ms of processor time.
#[test]
fn twenty_waiting_drives_use_no_processor_time() {
    let builder = Library::builder().slots(20).drives("ULT3580-TD8", 20).cartridges("A##L8", 20, "64MB");
    let site = builder.time(TimeMode::Counted).open().unwrap();
    for library in site.libraries() {
        library.changer(|changer| changer.set_time_mode(TimeMode::Off));
        for unit in library.drives() {
            unit.with_device(|device| {
                if let vtl::unit::Device::Drive(drive) = device {
                    drive.set_time_mode(TimeMode::Real);
                }
            });
        }
    }
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    for drive in 0..20 {
        host.move_medium(0, 1000 + drive, 500 + drive).unwrap();
    }
    let is_loading = |lun| host.test_unit_ready(lun).unwrap_err().sense_codes() == Some((2, 4, 1));
    assert!((1..=20).all(is_loading));
    let before = processor_time();
    std::thread::park_timeout(Duration::from_secs(1));
    let used = processor_time() - before;
    assert!(used <= 2, "{used} hundredths of a second");
    assert!((1..=20).all(is_loading));
}
