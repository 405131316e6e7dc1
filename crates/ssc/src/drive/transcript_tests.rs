//! Golden transcripts: recorded sessions of real hosts, replayed on a drive. `@ MODEL, MEDIUM KIND [BYTES]` names the
//! drive and its cartridge, by default with the native capacity of its generation.

use super::tests::{HOST, cartridge, run_as};
use super::*;
use scsi_core::nexus::TransportId;
use scsi_core::port::{ProtocolId, TargetPort};
use scsi_core::target::{LogicalUnit, TransportEvent};
use scsi_core::transcript::{self, Response};
use tape_store::cartridge::CartridgeKind;

const TRANSCRIPTS: [(&str, &str); 14] = [
    ("st", include_str!("transcripts/st.txt")),
    ("worm", include_str!("transcripts/worm.txt")),
    ("ltfs_lto5", include_str!("transcripts/ltfs_lto5.txt")),
    ("ltfs_lto9", include_str!("transcripts/ltfs_lto9.txt")),
    ("ltfs_hp5", include_str!("transcripts/ltfs_hp5.txt")),
    ("ltfs_hp6", include_str!("transcripts/ltfs_hp6.txt")),
    ("ltfs_hpe8", include_str!("transcripts/ltfs_hpe8.txt")),
    ("ltfs_hpe9", include_str!("transcripts/ltfs_hpe9.txt")),
    ("ltfs_18tb", include_str!("transcripts/ltfs_18tb.txt")),
    ("ltfs_recovery", include_str!("transcripts/ltfs_recovery.txt")),
    ("ltfs_full", include_str!("transcripts/ltfs_full.txt")),
    ("ltfs_worm", include_str!("transcripts/ltfs_worm.txt")),
    ("ltfs_lbp5", include_str!("transcripts/ltfs_lbp5.txt")),
    ("ltfs_lbp8", include_str!("transcripts/ltfs_lbp8.txt")),
];

/// What captured drives return, byte for byte, with ports and serial numbers like theirs (serial numbers are masked).
const CAPTURED: [(&str, &str, &str); 2] = [
    ("captured_hpe_ultrium_9", "sp", include_str!("transcripts/captured_hpe_ultrium_9.txt")),
    ("captured_hp_ultrium_7", "sas", include_str!("transcripts/captured_hp_ultrium_7.txt")),
];

#[test]
fn captured_devices_replay() {
    for (name, platform, text) in CAPTURED {
        let (setup, steps) = transcript::parse(text);
        let port = TargetPort::new(ProtocolId::SAS, platform).with_version_descriptor(0x0c28);
        let mut drive = drive_with(setup, port);
        while run_as(&mut drive, HOST, "00 00 00 00 00 00", &[], 0).1.get(2) == Some(&0x06) {}
        assert!(steps.len() > 20, "{name}");
        for step in steps {
            let cdb: String = step.cdb.iter().map(|byte| format!("{byte:02x} ")).collect();
            let (status, sense, data) = run_as(&mut drive, HOST, &cdb, &step.data_out, step.data_in_capacity);
            let got = step.comparable(Response { status, sense, data });
            assert_eq!(got, step.expected, "{name}.txt:{}: {cdb}", step.line);
        }
    }
}

/// A drive after power-on, with its cartridge, and with both unit attentions pending.
fn drive(setup: &str) -> Drive {
    drive_with(setup, TargetPort::ISCSI)
}

/// A drive with this port. `@ MODEL, empty` is one without a cartridge; `serial=` precedes its serial number.
fn drive_with(setup: &str, target_port: TargetPort) -> Drive {
    let (model, cartridge_of) = setup.split_once(", ").unwrap();
    let words = cartridge_of.split_whitespace().collect::<Vec<_>>();
    let [medium, rest @ ..] = &words[..] else { panic!("{setup}") };
    let serial = rest.iter().find_map(|word| word.strip_prefix("serial=")).unwrap_or("1234567890");
    let profile = crate::profile::by_product(model).unwrap();
    let identity = Identity::new(profile.model, serial, 1, target_port);
    let mut drive = Drive::new(
        profile,
        identity,
        DriveConfig { codec: Codec::NONE, random: crate::testing::RANDOM },
        lu::SavedState::default(),
    );
    let port = TransportId::local(1);
    drive.handle_event(TransportEvent::NexusEstablished { nexus: HOST, port, reestablished: false }, Now::default());
    if *medium != "empty" {
        let media = tape_store::media::by_name(medium).unwrap();
        let kind = if rest.contains(&"worm") { CartridgeKind::Worm } else { CartridgeKind::Data };
        let size = rest.iter().find_map(|word| word.parse().ok());
        drive.insert(cartridge(media, kind, size.unwrap_or(media.capacity))).unwrap();
    }
    drive
}

#[test]
fn transcripts_replay() {
    for (name, text) in TRANSCRIPTS {
        let (setup, steps) = transcript::parse(text);
        let mut drive = drive(setup);
        for step in steps {
            let cdb: String = step.cdb.iter().map(|byte| format!("{byte:02x} ")).collect();
            let (status, sense, data) = run_as(&mut drive, HOST, &cdb, &step.data_out, step.data_in_capacity);
            let got = step.comparable(Response { status, sense, data });
            assert_eq!(got, step.expected, "{name}.txt:{}: {cdb}", step.line);
        }
    }
}
