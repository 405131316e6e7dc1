//! Golden transcripts: sessions of real hosts, command by command, replayed on a drive.
//!
//! `@ MODEL MEDIUM KIND` is the drive and what is in it; `> CDB [out BYTES] [room N]` a command; `< STATUS [sense BYTES]
//! [in BYTES]` its answer.

use super::tests::{HOST, bytes, cartridge, run_as};
use super::*;
use scsi_core::nexus::TransportId;
use tape_store::cartridge::Kind;

const TRANSCRIPTS: [(&str, &str); 3] = [
    ("st", include_str!("transcripts/st.txt")),
    ("ltfs", include_str!("transcripts/ltfs.txt")),
    ("worm", include_str!("transcripts/worm.txt")),
];

/// A drive after power on, with its cartridge; the nexus has heard of neither.
fn drive(setup: &str) -> Drive {
    let [model, medium, kind] = setup.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{setup}") };
    let profile = crate::profile::by_product(model).unwrap();
    let identity = Identity { model: profile.model, serial: "1234567890".into(), naa: 1, port: None };
    let mut drive = Drive::new(profile, identity, DriveConfig { codec: Codec::NONE }, lu::Saved::default());
    let port = TransportId::local(1);
    drive.event(Event::NexusUp { nexus: HOST, port, returning: false }, Now::default());
    let media = tape_store::media::by_name(medium).unwrap();
    let kind = if kind == "worm" { Kind::Worm } else { Kind::Data };
    drive.insert(cartridge(media, kind, media.capacity)).unwrap();
    drive
}

/// The text behind a word, up to the next of them.
fn part<'a>(line: &'a str, word: &str) -> &'a str {
    let Some((_, rest)) = line.split_once(word) else { return "" };
    [" out ", " room ", " in ", " sense "].iter().fold(rest, |rest, next| rest.split(next).next().unwrap_or(rest))
}

#[test]
fn transcripts_replay() {
    for (name, text) in TRANSCRIPTS {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        let (_, setup) = lines.next().unwrap();
        let mut drive = drive(setup.strip_prefix('@').unwrap());
        while let Some((number, command)) = lines.next() {
            let (_, answer) = lines.next().unwrap();
            let [command, answer] = [command, answer].map(|line| format!(" {} ", &line[2..]));
            let cdb = [" out ", " room "].iter().fold(command.as_str(), |cdb, next| cdb.split(next).next().unwrap());
            let room = part(&command, " room ").trim().parse().unwrap_or(0);
            let (status, sense, data) = run_as(&mut drive, HOST, cdb, &bytes(part(&command, " out ")), room);
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
            let got = (format!("{status:02x}"), hex(&sense), hex(&data));
            let wanted =
                (answer.trim()[..2].to_string(), part(&answer, " sense ").trim(), part(&answer, " in ").trim());
            let wanted = (wanted.0, wanted.1.to_string(), wanted.2.to_string());
            assert_eq!(got, wanted, "{name}.txt:{}: {command}", number + 1);
        }
    }
}
