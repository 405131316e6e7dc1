//! Daemons that share a shelf, and a tape with numbered records.

use super::{DRIVE, Daemon, SLOT, command, filemark, move_medium, options, read, ready, record, rewind, write};
use initiator::{CommandResponse, Initiator, Transfer};
use std::path::PathBuf;
use std::process::Command;
use tempfile::{TempDir, tempdir};

pub(crate) const RECORD: usize = 40_000;

pub(crate) struct Shared {
    pub(crate) dir: TempDir,
    pub(crate) url: String,
}

impl Shared {
    /// A shelf that no other test uses.
    pub(crate) fn new(name: &str) -> Self {
        let dir = tempdir().unwrap();
        let url = match variable("FERRIC_TEST_SHELF") {
            Some(url) => format!("{url}/{name}-{}", std::process::id()),
            None => {
                std::fs::create_dir(dir.path().join("shelf")).unwrap();
                format!("file://{}/shelf", dir.path().display())
            }
        };
        Self { dir, url }
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A daemon with one cartridge, which is on the shelf.
    pub(crate) fn start(&self, name: &str, durability: &str) -> Daemon {
        Daemon::spawn(&mut self.command(name, durability, "64MB"))
    }

    /// The command of a daemon with one cartridge of this size, which is on the shelf.
    pub(crate) fn command(&self, name: &str, durability: &str, size: &str) -> Command {
        let config = format!(
            "[library]\nslots = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"none\"\n\
             [[cartridges]]\npattern = \"V#####L8\"\ncount = 1\nsize = \"{size}\"\n\
             [storage]\nnew_cartridges = \"archive\"\n\
             [[shelf]]\nname = \"archive\"\nurl = \"{}\"\ndurability = \"{durability}\"\ncache = \"1GB\"\n",
            self.url
        );
        command(&self.data(name), &config)
    }
}

#[expect(clippy::disallowed_methods, reason = "cargo xtask object-store passes the address of the store")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(crate) fn rounds(default: usize) -> usize {
    variable("FERRIC_TEST_ROUNDS").map_or(default, |rounds| rounds.parse().unwrap())
}

/// Logs in to a daemon with one drive, and clears the unit attentions.
pub(crate) fn login(daemon: &Daemon) -> Initiator {
    let mut session = daemon.login_with(options(1));
    for lun in 0..=1 {
        while session.command(lun, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).unwrap().data[2] & 0x0f != 0 {}
    }
    session
}

pub(crate) fn space_to_end(session: &mut Initiator) {
    let spaced = session.command(1, &[0x11, 3, 0, 0, 0, 0], Transfer::None).unwrap();
    assert_eq!(spaced, CommandResponse::default());
}

/// The numbers of the records on the tape, each of which is followed by a filemark.
pub(crate) fn numbers(session: &mut Initiator) -> Vec<u32> {
    numbers_of(session, RECORD)
}

/// As [`numbers`], of records with this length.
pub(crate) fn numbers_of(session: &mut Initiator, len: usize) -> Vec<u32> {
    let transfer = u32::try_from(len).unwrap();
    assert_eq!(rewind(session), CommandResponse::default());
    let mut numbers = Vec::new();
    loop {
        let response = read(session, transfer);
        if response.sense_codes() == Some((8, 0, 5)) {
            return numbers;
        }
        let number = u32::from_be_bytes(response.data[..4].try_into().unwrap());
        assert!(response.data == numbered(number, len), "record {} is {number}", numbers.len());
        numbers.push(number);
        assert_eq!(read(session, transfer).sense_codes(), Some((0, 0, 1)));
    }
}

pub(crate) fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = record(number, len);
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(crate) fn append(session: &mut Initiator, number: u32) -> CommandResponse {
    append_of(session, number, RECORD)
}

/// As [`append`], with a record of this length.
pub(crate) fn append_of(session: &mut Initiator, number: u32, len: usize) -> CommandResponse {
    let written = write(session, &numbered(number, len));
    if written == CommandResponse::default() { filemark(session) } else { written }
}

/// Moves the cartridge into the drive. Whether the drive has it: another daemon may use it.
pub(crate) fn try_load(session: &mut Initiator) -> bool {
    assert_eq!(move_medium(session, SLOT, DRIVE), CommandResponse::default());
    match ready(session).sense_codes() {
        Some((6, 0x28, 0)) => {}
        Some((3, 0x53, 0)) => return false,
        other => panic!("{other:?}"),
    }
    assert_eq!(ready(session), CommandResponse::default());
    true
}
