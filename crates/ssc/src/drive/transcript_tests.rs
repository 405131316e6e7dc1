//! Golden transcripts: recorded sessions of real hosts, replayed on a drive. `@ MODEL, MEDIUM KIND [BYTES]` names the
//! drive and its cartridge, by default with the native capacity of its generation.

use super::tests::{HOST, cartridge, run_as};
use super::*;
use scsi_core::nexus::TransportId;
use scsi_core::port::TargetPort;
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

/// A drive after power-on, with its cartridge, and with both unit attentions pending.
fn drive(setup: &str) -> Drive {
    let (model, cartridge_of) = setup.split_once(", ").unwrap();
    let words = cartridge_of.split_whitespace().collect::<Vec<_>>();
    let [medium, kind, ref size @ ..] = words[..] else { panic!("{setup}") };
    let profile = crate::profile::by_product(model).unwrap();
    let identity = Identity::new(profile.model, "1234567890", 1, TargetPort::ISCSI);
    let mut drive = Drive::new(
        profile,
        identity,
        DriveConfig { codec: Codec::NONE, random: crate::testing::RANDOM },
        lu::SavedState::default(),
    );
    let port = TransportId::local(1);
    drive.handle_event(TransportEvent::NexusEstablished { nexus: HOST, port, reestablished: false }, Now::default());
    let media = tape_store::media::by_name(medium).unwrap();
    let kind = if kind == "worm" { CartridgeKind::Worm } else { CartridgeKind::Data };
    let size = size.first().map_or(media.capacity, |size| size.parse().unwrap());
    drive.insert(cartridge(media, kind, size)).unwrap();
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
