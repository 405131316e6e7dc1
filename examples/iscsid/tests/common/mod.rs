//! A separate daemon for each test, and commands to it.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod shared;

use initiator::{CommandResponse, Initiator, Options, Transfer};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct Daemon {
    child: Child,
    pub(crate) portal: String,
    pub(crate) iqn: String,
}

pub(crate) fn command(data: &Path, config: &str) -> Command {
    let file = data.with_extension("toml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric-iscsid"));
    command.arg("--data").arg(data).args(["--bind", "127.0.0.1:0"]);
    if !config.is_empty() {
        command.arg("--config").arg(file);
    }
    command
}

/// Sends one request to the daemon of a data directory, and returns the response.
pub(crate) fn request(data: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(data.join("control.sock")).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim().into()
}

impl Daemon {
    pub(crate) fn start(data: &Path, config: &str) -> Self {
        Self::spawn(&mut command(data, config))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::logging(command, Stdio::null())
    }

    /// Starts the daemon with its log written to `log`.
    pub(crate) fn logging(command: &mut Command, log: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, portal, iqn, ..] = words.as_slice() else { panic!("unexpected ready line {line:?}") };
        Self { child, portal: (*portal).into(), iqn: (*iqn).into() }
    }

    /// Logs in as this initiator port and clears the unit attentions of all units.
    pub(crate) fn login(&self, port: u8) -> Initiator {
        let mut session = self.login_with(options(port));
        for lun in 0..=2 {
            while session.command(lun, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).unwrap().data[2] & 0x0f != 0 {}
        }
        session
    }

    pub(crate) fn login_with(&self, options: Options) -> Initiator {
        Initiator::login(&self.portal, &self.iqn, options).unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends the daemon with SIGABRT.
    pub(crate) fn abort(mut self) {
        assert!(self.signal("-ABRT"));
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) -> bool {
        Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success()
    }

    /// Ends the daemon with SIGTERM and returns its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        assert!(self.signal("-TERM"));
        self.child.wait().unwrap().code()
    }

    /// Waits until the daemon ends, and returns its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// The root directory of the daemon, which can have other file systems than this process.
    pub(crate) fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.child.id()).into()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn options(port: u8) -> Options {
    Options { isid: [0x80, 0, 0, 0, 0, port], ..Options::default() }
}

/// The default library with small cartridges, uncompressed.
pub(crate) const SMALL: &str = "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\ncompression = \"none\"\n\
    [[cartridges]]\npattern = \"V#####L8\"\ncount = 5\nsize = \"64MB\"\n";

pub(crate) const SLOT: u16 = 1000;
pub(crate) const DRIVE: u16 = 500;

pub(crate) fn move_medium(session: &mut Initiator, from: u16, to: u16) -> CommandResponse {
    let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
    session.command(0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0], Transfer::None).unwrap()
}

/// Moves the first cartridge into the first drive and clears the unit attention that this raises.
pub(crate) fn load(session: &mut Initiator) {
    assert_eq!(move_medium(session, SLOT, DRIVE), CommandResponse::default());
    assert_eq!(ready(session).sense_codes(), Some((6, 0x28, 0x00)));
    assert_eq!(ready(session), CommandResponse::default());
}

pub(crate) fn ready(session: &mut Initiator) -> CommandResponse {
    session.command(1, &[0; 6], Transfer::None).unwrap()
}

pub(crate) fn write(session: &mut Initiator, record: &[u8]) -> CommandResponse {
    let [_, a, b, c] = u32::try_from(record.len()).unwrap().to_be_bytes();
    session.command(1, &[0x0a, 0, a, b, c, 0], Transfer::Out(record)).unwrap()
}

pub(crate) fn filemark(session: &mut Initiator) -> CommandResponse {
    session.command(1, &[0x10, 0, 0, 0, 1, 0], Transfer::None).unwrap()
}

pub(crate) fn read(session: &mut Initiator, len: u32) -> CommandResponse {
    let [_, a, b, c] = len.to_be_bytes();
    session.command(1, &[0x08, 0, a, b, c, 0], Transfer::In(len as usize)).unwrap()
}

pub(crate) fn rewind(session: &mut Initiator) -> CommandResponse {
    session.command(1, &[0x01, 0, 0, 0, 0, 0], Transfer::None).unwrap()
}

/// Bytes that differ from record to record.
pub(crate) fn record(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}
