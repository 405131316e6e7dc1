//! Runs the steps of a case and writes their results.

use crate::bench::Bench;
use crate::command::CommandStep;
use crate::memory::Memory;
use crate::script::{Action, Case, NodeKind, Opening, Probe, Step};
use linux_scsi::Errno;
use linux_scsi::mtio::{MTIOCGET, MTIOCPOS, MTIOCTOP};
use linux_scsi::sg::ioctl::Address;
use std::fmt::Write as _;

/// Number of SG_IO for ioctl(2).
const SG_IO: u32 = 0x2285;

/// The system calls on the nodes of one unit.
pub trait Calls {
    /// The address of the unit on its host.
    fn address(&self) -> Address;

    /// open(2) of a node of the unit.
    ///
    /// # Errors
    /// The error number of the system call.
    fn open(&mut self, file: char, opening: Opening) -> Result<(), Errno>;

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

    /// ioctl(2) with a number or an address in `memory` as its argument; returns its result.
    ///
    /// # Errors
    /// The error number of the system call.
    fn ioctl(&mut self, file: char, request: u32, memory: &mut Memory, argument: u64) -> Result<u32, Errno>;
}

/// Runs a case, and passes each step with its result to `report` at once. `bench` has the unit of the case with its number; without
/// a bench, the steps of robots and other initiators are not available.
pub fn run_case(
    calls: &mut dyn Calls,
    bench: &mut Option<(&mut Bench, usize)>,
    case: &Case,
    mut report: impl FnMut(&Step, &str),
) {
    let mut runner = Runner { calls, writes: 0, open: Vec::new(), tapes: Vec::new() };
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
    /// Those of the open files that are tapes.
    tapes: Vec<char>,
}

impl Runner<'_> {
    fn step(&mut self, bench: &mut Option<(&mut Bench, usize)>, probe: Probe, step: &Step) -> String {
        let (result, file) = match &step.action {
            Action::Open(file, opening) => (self.open(*file, *opening), Some(*file)),
            Action::Close(file) => (self.close(*file), None),
            Action::Duplicate(file, duplicate) => (self.duplicate(*file, *duplicate), Some(*file)),
            Action::Read(file, len, offset) => (self.read(*file, *len, *offset), Some(*file)),
            Action::Write(file, len, offset) => (self.write(*file, *len, *offset), Some(*file)),
            Action::Operate(file, operation, count) => {
                let [a, b] = operation.to_le_bytes();
                let [c, d, e, f] = count.to_le_bytes();
                let called = self.call(*file, MTIOCTOP, &mut [a, b, 0, 0, c, d, e, f]);
                (text(called.map(|_| "0".into())), Some(*file))
            }
            Action::Status(file) => (self.status(*file), None),
            Action::Position(file) => (self.position(*file), None),
            Action::Put(file, bytes) => {
                (text(self.calls.write(*file, bytes).map(|written| written.to_string())), Some(*file))
            }
            Action::Ioctl(file, request, argument) => {
                let mut argument = argument.clone();
                let called = self.call(*file, *request, &mut argument);
                (text(called.map(|value| format!("{value} {}", hex(&argument)))), Some(*file))
            }
            Action::Request(file, request) => {
                let (mut memory, argument) = request.prepare();
                let called = self.calls.ioctl(*file, request.number, &mut memory, argument);
                let changes = request.changes(&mut memory, self.calls.address());
                (format!("{}{changes}", text(called.map(|value| value.to_string()))), Some(*file))
            }
            Action::Command(file, command) => (self.command(*file, command), Some(*file)),
            hook => {
                let Some((bench, number)) = bench else { return "not available".into() };
                (bench.run(*number, hook).unwrap_or_else(|error| format!("error: {error}")), None)
            }
        };
        let Some(file) = file.filter(|file| self.tapes.contains(file)) else { return result };
        match probe {
            Probe::Nothing => result,
            Probe::Status => format!("{result} | {}", self.status(file)),
            Probe::Position => format!("{result} | {} @{}", self.status(file), self.position(file)),
        }
    }

    fn open(&mut self, file: char, opening: Opening) -> String {
        let opened = self.calls.open(file, opening);
        if opened.is_ok() {
            self.open.push(file);
            self.tapes.extend(matches!(opening.node, NodeKind::Tape { .. }).then_some(file));
        }
        text(opened.map(|()| "0".into()))
    }

    fn close(&mut self, file: char) -> String {
        self.open.retain(|open| *open != file);
        self.tapes.retain(|open| *open != file);
        text(self.calls.close(file).map(|()| "0".into()))
    }

    fn duplicate(&mut self, file: char, duplicate: char) -> String {
        let duplicated = self.calls.duplicate(file, duplicate);
        if duplicated.is_ok() {
            self.open.push(duplicate);
            self.tapes.extend(self.tapes.contains(&file).then_some(duplicate));
        }
        text(duplicated.map(|()| "0".into()))
    }

    /// ioctl(2) with the bytes of its argument, which the call may change.
    fn call(&mut self, file: char, request: u32, argument: &mut [u8]) -> Result<u32, Errno> {
        let mut memory = Memory::new(argument.len());
        memory.store(0, argument);
        let address = memory.address(0);
        let called = self.calls.ioctl(file, request, &mut memory, address);
        argument.copy_from_slice(memory.bytes(0, argument.len()));
        called
    }

    fn command(&mut self, file: char, command: &CommandStep) -> String {
        let mut memory = command.prepare(|data| fill(&mut self.writes, data));
        let before = command.header(&mut memory);
        let address = memory.address(0);
        let called = self.calls.ioctl(file, SG_IO, &mut memory, address);
        match called {
            Ok(value) => format!("{value}{}", command.changes(&before, &mut memory)),
            Err(errno) => errno.to_string(),
        }
    }

    fn read(&mut self, file: char, len: usize, offset: usize) -> String {
        let mut memory = Memory::new(offset + len);
        match self.calls.read(file, memory.bytes(offset, len)) {
            Ok(0) => "0".into(),
            Ok(read) => format!("{read} #{:08x}", digest(&*memory.bytes(offset, read))),
            Err(errno) => errno.to_string(),
        }
    }

    fn write(&mut self, file: char, len: usize, offset: usize) -> String {
        let mut memory = Memory::new(offset + len);
        fill(&mut self.writes, memory.bytes(offset, len));
        text(self.calls.write(file, memory.bytes(offset, len)).map(|written| written.to_string()))
    }

    fn position(&mut self, file: char) -> String {
        let mut argument = [0; 8];
        text(self.call(file, MTIOCPOS, &mut argument).map(|_| i64::from_le_bytes(argument).to_string()))
    }

    /// MTIOCGET: file/block, the set bits of `mt_gstat`, and the other fields that are not zero.
    fn status(&mut self, file: char) -> String {
        let mut raw = [0; 48];
        if let Err(errno) = self.call(file, MTIOCGET, &mut raw) {
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
pub(crate) fn digest<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u32 {
    bytes.into_iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Fills the memory of a write with data that depends on the number of writes before.
fn fill(writes: &mut u64, data: &mut [u8]) {
    *writes += 1;
    let mut state = writes.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in data {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        [_, _, _, *byte, ..] = state.to_le_bytes();
    }
}
