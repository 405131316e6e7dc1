//! Drives and robots that wait for the time of hardware use no processor time.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "test code")]

mod common;

use common::commands::{Completions, command};
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::TaskAttribute;
use scsi_core::time::TimeMode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vtl::host::Host;
use vtl::site::OpenSite;
use vtl::target::encode_lun;
use vtl::unit::{Command, CompletionHandler, Device, Submitted};
use vtl::{FaultScript, Library, Status};

/// The tests measure the processor time of the process, one after the other.
static PROCESS: Mutex<()> = Mutex::new(());

/// Processor time of this process in hundredths of a second: fields 14 and 15 of /proc/self/stat.
fn processor_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

/// During one second, the process uses at most 20 ms of processor time.
fn use_no_processor_time() {
    let before = processor_time();
    std::thread::park_timeout(Duration::from_secs(1));
    let used = processor_time() - before;
    assert!(used <= 2, "{used} hundredths of a second");
}

/// Twenty drives of this model, which take no time until [`wait_for_hardware`].
fn twenty(model: &str, label: &str) -> OpenSite {
    let builder = Library::builder().slots(21).drives(model, 20).cartridges(label, 21, "200MB");
    let site = builder.time(TimeMode::Counted).open().unwrap();
    set_modes(&site, TimeMode::Off);
    site
}

fn set_modes(site: &OpenSite, mode: TimeMode) {
    for unit in site.libraries().iter().flat_map(|library| library.drives()) {
        unit.with_device(|device| {
            if let Device::Drive(drive) = device {
                drive.set_time_mode(mode);
            }
        });
    }
    site.libraries()[0].changer(|changer| changer.set_time_mode(TimeMode::Off));
}

/// Twenty drives load their tapes for 15 s.
#[test]
fn twenty_loading_drives_use_no_processor_time() {
    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let site = twenty("ULT3580-TD8", "A##L8");
    set_modes(&site, TimeMode::Real);
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    for drive in 0..20 {
        host.move_medium(0, 1000 + drive, 500 + drive).unwrap();
    }
    let is_loading = |lun| host.test_unit_ready(lun).unwrap_err().sense_codes() == Some((2, 4, 1));
    assert!((1..=20).all(is_loading));
    use_no_processor_time();
    assert!((1..=20).all(is_loading));
}

/// The time that hardware would have taken for the commands of a drive.
fn modelled_ms(site: &OpenSite, drive: usize) -> u64 {
    site.status().libraries.remove(0).drives.remove(drive).time.unwrap().modelled_ms
}

/// A command of this drive, whose time is longer than the test: two WRITEs after a full buffer, then rewinds, locates and filemarks.
fn slow_command(nexus: NexusId, drive: usize) -> Command {
    let data = if drive < 2 { vec![7; 1 << 20] } else { Vec::new() };
    let cdb: &[u8] = match drive {
        0 | 1 => &[0x0a, 0, 0x10, 0, 0, 0],
        2..8 => &[0x01, 0, 0, 0, 0, 0],
        8..14 => &[0x2b, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        _ => &[0x10, 0, 0, 0, 1, 0],
    };
    let tag = u64::try_from(drive).unwrap();
    Command { lun: encode_lun(drive + 1), ..command(nexus, tag, TaskAttribute::Simple, cdb, &data) }
}

/// Twenty drives write, rewind, locate and synchronise, and the robot moves a cartridge; each takes more than 10 s.
#[test]
fn twenty_moving_drives_and_a_robot_use_no_processor_time() {
    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let site = twenty("ULT3580-TD1", "A##L1");
    let target = Arc::clone(&site.targets()[0]);
    let host = Host::login(&target, 1);
    host.clear_unit_attentions();
    for drive in 0..20 {
        host.move_medium(0, 1000 + drive, 500 + drive).unwrap();
    }
    host.clear_unit_attentions();
    for lun in 1..=20 {
        // Without compression.
        let mut compression = host.mode_page(lun, 0x0f, 0).unwrap();
        compression[2] &= 0x7f;
        host.set_mode_page(lun, &compression).unwrap();
        // Two blocks are on the second wrap of this small cartridge. The buffer of an LTO-1 drive has 32 MB.
        host.write(lun, &[7; 1 << 20]).unwrap();
        host.write(lun, &[7; 1 << 20]).unwrap();
    }
    set_modes(&site, TimeMode::Real);
    let nexus = target.login(&TransportId::local(2));
    let completions = Arc::new(Completions::default());
    let submit = |command| {
        let reply: Arc<dyn CompletionHandler> = Arc::clone(&completions) as _;
        target.submit(command, &reply)
    };
    // Unit attentions of the new nexus.
    for lun in 0..21 {
        let test_unit_ready = || command(nexus, 99, TaskAttribute::Simple, &[0; 6], &[]);
        let is_ready = || {
            let done = target.submit_and_wait(Command { lun: encode_lun(lun), ..test_unit_ready() });
            done.unwrap().completion.status == Status::GOOD
        };
        while !is_ready() {}
    }
    for lun in 3..=20 {
        host.write(lun, &[7; 1 << 20]).unwrap();
    }
    let slow_down = |drive: &str| {
        let slow = "[[fault]]\nkind = \"slow_by_factor\"\nfactor = 1000.0\nuntil_cleared = true\n";
        site.add_faults(&FaultScript::parse(&format!("{slow}{drive}")).unwrap()).unwrap();
    };
    for drive in 0..2 {
        // The buffer is full when a WRITE waits for the tape, at 15 MB/s.
        let before = modelled_ms(&site, drive);
        while modelled_ms(&site, drive) < before + 50 {
            host.write(1 + drive, &[7; 2 << 20]).unwrap();
        }
        slow_down(&format!("drive = \"drive{}\"", drive + 1));
        if let Submitted::Completed(done) = submit(slow_command(nexus, drive)) {
            panic!("{:?}", done.completion);
        }
    }
    slow_down("");
    site.libraries()[0].changer(|changer| changer.set_time_mode(TimeMode::Real));
    for drive in 2..20 {
        assert!(matches!(submit(slow_command(nexus, drive)), Submitted::Queued), "{drive}");
    }
    let to_slot = [0xa5, 0, 0, 0, 0x03, 0xfc, 0x03, 0xe8, 0, 0, 0, 0];
    let robot = command(nexus, 20, TaskAttribute::Simple, &to_slot, &[]);
    assert!(matches!(submit(Command { lun: encode_lun(0), ..robot }), Submitted::Queued));
    // The threads of the units begin with the commands.
    std::thread::park_timeout(Duration::from_millis(500));
    use_no_processor_time();
    assert_eq!(completions.get(), []);
    target.logout(nexus);
}
