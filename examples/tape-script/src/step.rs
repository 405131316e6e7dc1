//! The words of a step.

use crate::command::CommandStep;
use crate::request::{NamedRequest, parse_number};
use crate::script::{Action, NodeKind, Opening};
use linux_scsi::st::{Access, ModeNumber};
use scsi_core::cdb::Opcode;
use scsi_core::injected_fault::{CommandMatcher, FaultOutcome, FaultRule};
use scsi_core::{Asc, Sense, SenseKey, Status};
use std::time::Duration;

/// Names of the operations of MTIOCTOP, as in `linux/mtio.h` without `MT`.
const OPERATIONS: [(&str, i16); 34] = [
    ("RESET", 0),
    ("FSF", 1),
    ("BSF", 2),
    ("FSR", 3),
    ("BSR", 4),
    ("WEOF", 5),
    ("REW", 6),
    ("OFFL", 7),
    ("NOP", 8),
    ("RETEN", 9),
    ("BSFM", 10),
    ("FSFM", 11),
    ("EOM", 12),
    ("ERASE", 13),
    ("RAS1", 14),
    ("RAS2", 15),
    ("RAS3", 16),
    ("SETBLK", 20),
    ("SETDENSITY", 21),
    ("SEEK", 22),
    ("TELL", 23),
    ("SETDRVBUFFER", 24),
    ("FSS", 25),
    ("BSS", 26),
    ("WSM", 27),
    ("LOCK", 28),
    ("UNLOCK", 29),
    ("LOAD", 30),
    ("UNLOAD", 31),
    ("COMPRESSION", 32),
    ("SETPART", 33),
    ("MKPART", 34),
    ("WEOFI", 35),
    ("UNKNOWN", 99),
];

pub(crate) type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

pub(crate) fn parse_action(line: &str) -> Result<Action, &'static str> {
    let mut words = line.split_whitespace().peekable();
    let action = match words.next().unwrap_or_default() {
        "open" => parse_open(&mut words)?,
        "close" => Action::Close(file(&mut words)?),
        "dup" => Action::Duplicate(file(&mut words)?, file(&mut words)?),
        "read" => Action::Read(file(&mut words)?, number(&mut words)?, offset(&mut words)?),
        "write" => Action::Write(file(&mut words)?, number(&mut words)?, offset(&mut words)?),
        "op" => {
            let file = file(&mut words)?;
            let name = words.next().ok_or("expected an operation")?;
            let operation = OPERATIONS.iter().find(|(known, _)| *known == name).ok_or("unknown operation")?;
            Action::Operate(file, operation.1, parse_number(words.next().unwrap_or("1"))?)
        }
        "get" => Action::Status(file(&mut words)?),
        "pos" => Action::Position(file(&mut words)?),
        "put" => Action::Put(file(&mut words)?, hex(&mut words)?),
        "ioctl" => {
            let file = file(&mut words)?;
            let request = words.next().ok_or("expected a request")?;
            match u32::from_str_radix(request, 16) {
                Ok(number) => Action::Ioctl(file, number, hex(&mut words)?),
                Err(_) => Action::Request(file, NamedRequest::parse(request, &mut words)?),
            }
        }
        "io3" => Action::Command(file(&mut words)?, Box::new(parse_command(false, &mut words)?)),
        "io4" => Action::Command(file(&mut words)?, Box::new(parse_command(true, &mut words)?)),
        "load" => Action::Load(words.next().ok_or("expected a kind of cartridge")?.into()),
        "unload" => Action::Unload,
        "fault" => parse_fault(&mut words)?,
        "other" => {
            let cdb = hex(&mut words)?;
            Action::Other(cdb, hex(&mut words)?)
        }
        _ => return Err("unknown step"),
    };
    if words.next().is_some() { Err("too many words") } else { Ok(action) }
}

fn parse_open(words: &mut Words<'_>) -> Result<Action, &'static str> {
    let file = file(words)?;
    let node = words.next().and_then(parse_node).ok_or("expected st, nst, sg, sch or bsg")?;
    let access = match words.next() {
        Some("r") => Access::Read,
        Some("w") => Access::Write,
        Some("rw") => Access::ReadWrite,
        _ => return Err("expected r, w or rw"),
    };
    let exclusive = words.next_if(|word| *word == "excl").is_some();
    let nonblocking = words.next_if(|word| *word == "nonblock").is_some();
    Ok(Action::Open(file, Opening { node, access, nonblocking, exclusive }))
}

fn parse_node(node: &str) -> Option<NodeKind> {
    let (rewinds, suffix) = match node {
        "sg" => return Some(NodeKind::Generic),
        "sch" => return Some(NodeKind::Changer),
        "bsg" => return Some(NodeKind::Block),
        _ => match node.strip_prefix("nst") {
            Some(suffix) => (false, suffix),
            None => (true, node.strip_prefix("st")?),
        },
    };
    let mode = (0..4).filter_map(ModeNumber::new).find(|mode| mode.suffix() == suffix)?;
    Some(NodeKind::Tape { mode, rewinds })
}

/// `CDB [in N] [out N] [inout N] [iovec N,N...] [offset N] [FIELD=VALUE...]`.
fn parse_command(is_version_4: bool, words: &mut Words<'_>) -> Result<CommandStep, &'static str> {
    let mut step = CommandStep { is_version_4, cdb: hex(words)?, ..CommandStep::default() };
    while let Some(word) = words.next() {
        match word {
            "in" => step.data_in = Some(number(words)?),
            "out" => step.data_out = Some(number(words)?),
            "inout" => (step.data_in, step.is_both) = (Some(number(words)?), true),
            "offset" => step.offset = number(words)?,
            "iovec" => {
                let lengths = words.next().unwrap_or_default().split(',').map(str::parse);
                step.vectors = lengths.collect::<Result<_, _>>().map_err(|_| "expected lengths")?;
            }
            _ => {
                let (name, value) = word.split_once('=').ok_or("expected a field and its value")?;
                let field = step.field(name).ok_or("unknown field")?;
                step.fields.push((field, parse_number(value)?.into()));
            }
        }
    }
    Ok(step)
}

/// `OPCODE KEY ASC ASCQ [info N] [fm] [eom] [ili]`, `OPCODE status STATUS`, `OPCODE delay MILLISECONDS` or `OPCODE drop`,
/// with `[nth N] [times N]` at the end; in hexadecimal except N and the time.
fn parse_fault(words: &mut Words<'_>) -> Result<Action, &'static str> {
    let opcode = byte(words)?;
    let outcome = if words.next_if(|word| *word == "drop").is_some() {
        FaultOutcome::Drop
    } else if words.next_if(|word| *word == "delay").is_some() {
        FaultOutcome::Delay(Duration::from_millis(number(words)? as u64))
    } else if words.next_if(|word| *word == "status").is_some() {
        FaultOutcome::Status(Status(byte(words)?))
    } else {
        let (key, asc) = (SenseKey(byte(words)?), Asc(u16::from_be_bytes([byte(words)?, byte(words)?])));
        FaultOutcome::Sense(Sense::new(key, asc))
    };
    let matcher = CommandMatcher::of_opcode(Opcode(opcode));
    let mut rule = FaultRule::once(matcher, outcome);
    while let Some(word) = words.next() {
        let mut value = || words.next().and_then(|word| word.parse::<i64>().ok()).ok_or("expected a number");
        match (word, &mut rule.outcome) {
            ("nth", _) => rule.nth = u32::try_from(value()?).map_err(|_| "expected a number from 1")?,
            ("times", _) => rule.count = u32::try_from(value()?).map_err(|_| "expected a number from 1")?,
            ("info", FaultOutcome::Sense(sense)) => sense.information = Some(value()?),
            ("fm", FaultOutcome::Sense(sense)) => sense.filemark = true,
            ("eom", FaultOutcome::Sense(sense)) => sense.eom = true,
            ("ili", FaultOutcome::Sense(sense)) => sense.ili = true,
            _ => return Err("unknown word of a fault"),
        }
    }
    Ok(Action::Fault(Box::new(rule)))
}

fn byte(words: &mut Words<'_>) -> Result<u8, &'static str> {
    words.next().and_then(|word| u8::from_str_radix(word, 16).ok()).ok_or("expected a byte in hexadecimal")
}

fn file(words: &mut Words<'_>) -> Result<char, &'static str> {
    words.next().and_then(|word| word.chars().next()).ok_or("expected the letter of a file")
}

fn number(words: &mut Words<'_>) -> Result<usize, &'static str> {
    words.next().and_then(|word| word.parse().ok()).ok_or("expected a number of bytes")
}

fn offset(words: &mut Words<'_>) -> Result<usize, &'static str> {
    if words.next_if(|word| *word == "offset").is_some() { number(words) } else { Ok(0) }
}

/// Bytes in hexadecimal; none if there is no further word.
fn hex(words: &mut Words<'_>) -> Result<Vec<u8>, &'static str> {
    let digits = words.next().unwrap_or_default().as_bytes();
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    digits.chunks(2).map(byte).collect::<Option<_>>().ok_or("expected bytes in hexadecimal")
}
