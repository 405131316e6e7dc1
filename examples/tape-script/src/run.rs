//! Runs the steps of a case and writes their results.

use crate::bench::Bench;
use crate::script::{Action, Case, Probe, Step};
use linux_scsi::Errno;
use linux_scsi::mtio::{MTIOCGET, MTIOCPOS, MTIOCTOP};
use std::fmt::Write as _;

/// The system calls on the nodes of one drive.
pub trait Calls {
    /// open(2) of a node: an `st` node if `rewinds`, of a mode, with access `r`, `w` or `rw`.
    ///
    /// # Errors
    /// The error number of the system call.
    fn open(&mut self, file: char, rewinds: bool, mode: u8, access: &str, nonblocking: bool) -> Result<(), Errno>;

    /// close(2).
    ///
    /// # Errors
    /// The error number of the system call.
    fn close(&mut self, file: char) -> Result<(), Errno>;

    /// dup(2) of `file`, as the file `duplicate`.
    ///
    /// # Errors
    /// The error number of the system call.
    fn duplicate(&mut self, file: char, duplicate: char) -> Result<(), Errno>;

    /// read(2); returns the number of bytes.
    ///
    /// # Errors
    /// The error number of the system call.
    fn read(&mut self, file: char, buffer: &mut [u8]) -> Result<usize, Errno>;

    /// write(2); returns the number of bytes.
    ///
    /// # Errors
    /// The error number of the system call.
    fn write(&mut self, file: char, data: &[u8]) -> Result<usize, Errno>;

    /// ioctl(2) with an argument in memory, which the call may change.
    ///
    /// # Errors
    /// The error number of the system call.
    fn ioctl(&mut self, file: char, request: u32, argument: &mut [u8]) -> Result<(), Errno>;
}

/// Runs a case, and passes each step with its result to `report` at once. `bench` has the drive, number `drive`; without
/// a bench, the steps of robots and other initiators are not available.
pub fn run_case(
    calls: &mut dyn Calls,
    bench: &mut Option<(&mut Bench, usize)>,
    case: &Case,
    mut report: impl FnMut(&Step, &str),
) {
    let mut runner = Runner { calls, writes: 0, open: Vec::new() };
    for step in &case.steps {
        let result = runner.step(bench, case.probe, step);
        report(step, &result);
    }
    // A case leaves no file open, so that the next case of the same drive can open it.
    for file in std::mem::take(&mut runner.open) {
        let _ = runner.calls.close(file);
    }
}

struct Runner<'a> {
    calls: &'a mut dyn Calls,
    /// Number of writes so far, which determines the data of the next one.
    writes: u64,
    open: Vec<char>,
}

impl Runner<'_> {
    fn step(&mut self, bench: &mut Option<(&mut Bench, usize)>, probe: Probe, step: &Step) -> String {
        let (result, file) = match &step.action {
            Action::Open { file, rewinds, mode, access, nonblocking } => {
                let opened = self.calls.open(*file, *rewinds, *mode, access, *nonblocking);
                if opened.is_ok() {
                    self.open.push(*file);
                }
                (text(opened.map(|()| "0".into())), Some(*file))
            }
            Action::Close(file) => {
                self.open.retain(|open| open != file);
                (text(self.calls.close(*file).map(|()| "0".into())), None)
            }
            Action::Duplicate(file, duplicate) => {
                let duplicated = self.calls.duplicate(*file, *duplicate);
                if duplicated.is_ok() {
                    self.open.push(*duplicate);
                }
                (text(duplicated.map(|()| "0".into())), Some(*file))
            }
            Action::Read(file, len, offset) => (self.read(*file, *len, *offset), Some(*file)),
            Action::Write(file, len, offset) => (self.write(*file, *len, *offset), Some(*file)),
            Action::Operate(file, operation, count) => {
                let mut argument = [0; 8];
                argument[..2].copy_from_slice(&operation.to_le_bytes());
                argument[4..].copy_from_slice(&count.to_le_bytes());
                (text(self.calls.ioctl(*file, MTIOCTOP, &mut argument).map(|()| "0".into())), Some(*file))
            }
            Action::Status(file) => (self.status(*file), None),
            Action::Position(file) => (self.position(*file), None),
            Action::Ioctl(file, request, argument) => {
                let mut argument = argument.clone();
                let called = self.calls.ioctl(*file, *request, &mut argument);
                (text(called.map(|()| format!("0 {}", hex(&argument)))), Some(*file))
            }
            hook => {
                let Some((bench, drive)) = bench else { return "not available".into() };
                (bench.run(*drive, hook).unwrap_or_else(|error| format!("error: {error}")), None)
            }
        };
        let Some(file) = file.filter(|file| self.open.contains(file)) else { return result };
        match probe {
            Probe::Nothing => result,
            Probe::Status => format!("{result} | {}", self.status(file)),
            Probe::Position => format!("{result} | {} @{}", self.status(file), self.position(file)),
        }
    }

    fn read(&mut self, file: char, len: usize, offset: usize) -> String {
        let mut memory = Memory::new(len, offset);
        match self.calls.read(file, memory.bytes()) {
            Ok(0) => "0".into(),
            Ok(read) => format!("{read} #{:08x}", digest(memory.bytes().iter().take(read))),
            Err(errno) => errno.to_string(),
        }
    }

    fn write(&mut self, file: char, len: usize, offset: usize) -> String {
        let mut memory = Memory::new(len, offset);
        self.writes += 1;
        let mut state = self.writes.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in memory.bytes() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            [_, _, _, *byte, ..] = state.to_le_bytes();
        }
        text(self.calls.write(file, memory.bytes()).map(|written| written.to_string()))
    }

    fn position(&mut self, file: char) -> String {
        let mut argument = [0; 8];
        text(self.calls.ioctl(file, MTIOCPOS, &mut argument).map(|()| i64::from_le_bytes(argument).to_string()))
    }

    /// MTIOCGET: file/block, the set bits of `mt_gstat`, and the other fields that are not zero.
    fn status(&mut self, file: char) -> String {
        let mut raw = [0; 48];
        if let Err(errno) = self.calls.ioctl(file, MTIOCGET, &mut raw) {
            return errno.to_string();
        }
        let number = |at: usize, len: usize| {
            raw.iter().skip(at).take(len).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        let long = |at: usize| number(at, 8);
        let int = |at: usize| u32::try_from(number(at, 4)).unwrap_or(0);
        let mut line = format!("{}/{}", int(40).cast_signed(), int(44).cast_signed());
        let generic = long(24);
        for (bit, name) in BITS {
            if generic & bit != 0 {
                let _ = write!(line, " {name}");
            }
        }
        let known = BITS.iter().fold(0, |known, (bit, _)| known | bit);
        let (kind, drive) = (long(0), long(16));
        let rest = [
            ("unknown", generic & !known),
            ("type", if kind == 0x72 { 0 } else { kind }),
            ("part", long(8)),
            ("blk", drive & 0x00ff_ffff),
            ("err", long(32)),
        ];
        for (name, value) in rest {
            if value != 0 {
                let _ = write!(line, " {name}={value:x}");
            }
        }
        if drive >> 24 != LTO_8 {
            let _ = write!(line, " den={:x}", drive >> 24);
        }
        line
    }
}

/// Density code of the usual cartridge, which is not printed.
const LTO_8: u64 = 0x5e;

const BITS: [(u64, &str); 13] = [
    (0x8000_0000, "EOF"),
    (0x4000_0000, "BOT"),
    (0x2000_0000, "EOT"),
    (0x1000_0000, "SM"),
    (0x0800_0000, "EOD"),
    (0x0400_0000, "WP"),
    (0x0100_0000, "ON"),
    (0x0080_0000, "D6250"),
    (0x0040_0000, "D1600"),
    (0x0020_0000, "D800"),
    (0x0004_0000, "OPEN"),
    (0x0001_0000, "IM"),
    (0x0000_8000, "CLN"),
];

fn text(result: Result<String, Errno>) -> String {
    result.unwrap_or_else(|errno| errno.to_string())
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// FNV-1a of 32 bits.
fn digest<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Memory for a transfer at an offset from the beginning of a page.
struct Memory {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Memory {
    fn new(len: usize, offset: usize) -> Self {
        let bytes = vec![0xa5; len + offset + 8192];
        let start = bytes.as_ptr().align_offset(4096) + offset;
        Self { bytes, start, len }
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.start + self.len).unwrap_or_default()
    }
}
