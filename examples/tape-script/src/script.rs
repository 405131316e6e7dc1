//! The language of scripts.

use thiserror::Error;

/// A script: cases that are independent of each other.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// Steps on one drive that no program used before.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the case, without blanks.
    pub name: String,
    /// The values that are read after each step.
    pub probe: Probe,
    /// The steps, in the order of the file.
    pub steps: Vec<Step>,
}

/// The values that are read from a tape after each step on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nothing, so that no other call comes between two steps.
    Nothing,
    /// MTIOCGET.
    Status,
    /// MTIOCGET, then MTIOCPOS.
    Position,
}

/// One line of a case.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line without its result.
    pub text: String,
    /// The result after `=>`, if the line has one.
    pub recorded: Option<String>,
    /// The operation of the line.
    pub action: Action,
}

/// The operation of a step. Files have a name of one letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// open(2) of a node of the drive.
    Open {
        /// The file.
        file: char,
        /// Whether it is an `st` node, which rewinds at close.
        rewinds: bool,
        /// The mode of the node, 0 to 3 for none, `l`, `m` and `a`.
        mode: u8,
        /// `r`, `w` or `rw`.
        access: String,
        /// O_NONBLOCK.
        nonblocking: bool,
    },
    /// close(2).
    Close(char),
    /// dup(2): the second file becomes a duplicate of the first.
    Duplicate(char, char),
    /// read(2) of a number of bytes into memory at an offset from the beginning of a page.
    Read(char, usize, usize),
    /// write(2) of a number of bytes from memory at an offset from the beginning of a page.
    Write(char, usize, usize),
    /// MTIOCTOP with an operation and a count.
    Operate(char, i16, i32),
    /// MTIOCGET.
    Status(char),
    /// MTIOCPOS.
    Position(char),
    /// Any other ioctl(2), with the bytes of its argument.
    Ioctl(char, u32, Vec<u8>),
    /// The robot loads a fresh cartridge of a kind.
    Load(String),
    /// The robot takes the cartridge out of the drive.
    Unload,
    /// The next commands with an operation code fail with a sense.
    Fault(FaultStep),
    /// Another initiator sends a command with data-out.
    Other(Vec<u8>, Vec<u8>),
}

/// Commands that fail: `fault OPCODE KEY ASC ASCQ [info N] [fm] [eom] [ili] [nth N] [times N]`, in hexadecimal except N.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FaultStep {
    /// OPERATION CODE of the commands.
    pub opcode: u8,
    /// SENSE KEY.
    pub key: u8,
    /// ADDITIONAL SENSE CODE and its qualifier.
    pub asc: [u8; 2],
    /// INFORMATION, if valid.
    pub information: Option<i64>,
    /// FILEMARK, EOM and ILI.
    pub flags: [bool; 3],
    /// Number of the first command that fails, from 1.
    pub nth: u32,
    /// Number of commands that fail.
    pub times: u32,
}

/// A line that is not in the language.
#[derive(Clone, Debug, Error)]
#[error("line {line}: {text:?}: {reason}")]
pub struct ScriptError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// The fault in it.
    pub reason: &'static str,
}

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

impl Script {
    /// Reads a script, with or without results.
    ///
    /// # Errors
    /// The first line that is not in the language.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        for (index, line) in text.lines().enumerate() {
            let error = |reason| ScriptError { line: index + 1, text: line.into(), reason };
            let (call, recorded) = line.split_once("=>").map_or((line, None), |(call, result)| (call, Some(result)));
            let call = call.trim();
            if call.is_empty() || call.starts_with('#') {
                continue;
            }
            if let Some(header) = call.strip_prefix("case ") {
                script.cases.push(Case::parse(header).map_err(error)?);
                continue;
            }
            let action = parse_action(call).map_err(error)?;
            let step = Step { text: call.into(), recorded: recorded.map(|result| result.trim().into()), action };
            script.cases.last_mut().ok_or_else(|| error("a step before the first case"))?.steps.push(step);
        }
        Ok(script)
    }
}

impl Case {
    /// The line that begins the case.
    #[must_use]
    pub fn header(&self) -> String {
        let probe = match self.probe {
            Probe::Nothing => "",
            Probe::Status => " get",
            Probe::Position => " pos",
        };
        format!("case {}{probe}", self.name)
    }

    fn parse(header: &str) -> Result<Self, &'static str> {
        let mut words = header.split_whitespace();
        let name = words.next().ok_or("a case needs a name")?.into();
        let probe = match words.next() {
            None => Probe::Nothing,
            Some("get") => Probe::Status,
            Some("pos") => Probe::Position,
            Some(_) => return Err("expected get or pos"),
        };
        Ok(Self { name, probe, steps: Vec::new() })
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn parse_action(line: &str) -> Result<Action, &'static str> {
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
            Action::Operate(file, operation.1, count(words.next().unwrap_or("1"))?)
        }
        "get" => Action::Status(file(&mut words)?),
        "pos" => Action::Position(file(&mut words)?),
        "ioctl" => {
            let file = file(&mut words)?;
            let request = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
            Action::Ioctl(file, request.ok_or("expected a request in hexadecimal")?, hex(&mut words)?)
        }
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
    let node = words.next().ok_or("expected a node")?;
    let (rewinds, suffix) = match node.strip_prefix("nst") {
        Some(suffix) => (false, suffix),
        None => (true, node.strip_prefix("st").ok_or("expected st or nst")?),
    };
    let mode = ["", "l", "m", "a"].into_iter().zip(0..).find(|(known, _)| *known == suffix).ok_or("unknown mode")?.1;
    let access = words.next().filter(|word| ["r", "w", "rw"].contains(word)).ok_or("expected r, w or rw")?.into();
    let nonblocking = words.next_if(|word| *word == "nonblock").is_some();
    Ok(Action::Open { file, rewinds, mode, access, nonblocking })
}

fn parse_fault(words: &mut Words<'_>) -> Result<Action, &'static str> {
    let mut byte =
        || words.next().and_then(|word| u8::from_str_radix(word, 16).ok()).ok_or("expected a byte in hexadecimal");
    let mut fault = FaultStep { opcode: byte()?, key: byte()?, asc: [byte()?, byte()?], ..FaultStep::default() };
    (fault.nth, fault.times) = (1, 1);
    let (mut filemark, mut eom, mut ili) = (false, false, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().and_then(|word| word.parse::<i64>().ok()).ok_or("expected a number");
        match word {
            "info" => fault.information = Some(value()?),
            "nth" => fault.nth = u32::try_from(value()?).map_err(|_| "expected a number from 1")?,
            "times" => fault.times = u32::try_from(value()?).map_err(|_| "expected a number from 1")?,
            "fm" => filemark = true,
            "eom" => eom = true,
            "ili" => ili = true,
            _ => return Err("unknown word of a fault"),
        }
    }
    fault.flags = [filemark, eom, ili];
    Ok(Action::Fault(fault))
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

/// A count of MTIOCTOP: decimal, or hexadecimal as its 32 bits.
fn count(word: &str) -> Result<i32, &'static str> {
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).map(u32::cast_signed),
        None => word.parse(),
    };
    parsed.map_err(|_| "expected a count of 32 bits")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_results_is_a_script() {
        let text =
            "# comment\n\ncase one pos\nload large => ok\nop a SETDRVBUFFER 0x80000000 => 0 | 0/0 BOT ON IM @0\n";
        let script = Script::parse(text).unwrap();
        let case = &script.cases[0];
        assert_eq!((case.name.as_str(), case.probe, case.header()), ("one", Probe::Position, "case one pos".into()));
        assert_eq!(case.steps[0].action, Action::Load("large".into()));
        assert_eq!(case.steps[1].action, Action::Operate('a', 24, i32::MIN));
        assert_eq!(case.steps[1].recorded.as_deref(), Some("0 | 0/0 BOT ON IM @0"));
    }

    #[test]
    fn steps_of_faults_and_nodes() {
        let script = Script::parse("case a\nopen b nstl r nonblock\nfault 0a 03 0c 00 eom info -2 times 3\n").unwrap();
        let open = Action::Open { file: 'b', rewinds: false, mode: 1, access: "r".into(), nonblocking: true };
        assert_eq!(script.cases[0].steps[0].action, open);
        let fault = FaultStep {
            opcode: 0x0a,
            key: 3,
            asc: [0x0c, 0],
            information: Some(-2),
            flags: [false, true, false],
            nth: 1,
            times: 3,
        };
        assert_eq!(script.cases[0].steps[1].action, Action::Fault(fault));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            ("close a", "line 1: \"close a\": a step before the first case"),
            ("case a\nread a", "line 2: \"read a\": expected a number of bytes"),
            ("case a\nop a JUMP 1", "line 2: \"op a JUMP 1\": unknown operation"),
            ("case a\nclose a b", "line 2: \"close a b\": too many words"),
            ("case a all", "line 1: \"case a all\": expected get or pos"),
        ] {
            assert_eq!(Script::parse(text).unwrap_err().to_string(), expected);
        }
    }
}
