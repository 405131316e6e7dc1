//! The language of scripts: cases and steps. The words of a step are read in the module `step`.

use crate::command::CommandStep;
use crate::request::NamedRequest;
use crate::step::parse_action;
use linux_scsi::st::{Access, ModeNumber};
use scsi_core::injected_fault::FaultRule;
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
    /// The unit that the steps use.
    pub unit: UnitKind,
    /// The values that are read after each step.
    pub probe: Probe,
    /// The steps, in the order of the file.
    pub steps: Vec<Step>,
}

/// The kind of the unit of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKind {
    /// A drive with a cartridge in it.
    Drive,
    /// The changer of a small library.
    Changer,
}

/// A node of a unit, and how it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The node that is opened.
    pub node: NodeKind,
    /// The access mode: O_RDONLY, O_WRONLY or O_RDWR.
    pub access: Access,
    /// Whether the flag O_NONBLOCK is set.
    pub nonblocking: bool,
    /// Whether the flag O_EXCL is set.
    pub exclusive: bool,
}

/// A node of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// `st` and `nst` nodes of a mode.
    Tape {
        /// The mode.
        mode: ModeNumber,
        /// Whether it is an `st` node, which rewinds at close.
        rewinds: bool,
    },
    /// The `sg` node, for any command.
    Generic,
    /// The `sch` node of a changer.
    Changer,
    /// The node in `/dev/bsg`, for commands of version 4.
    Block,
}

/// The values that are read from a tape after each step on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nothing, so that no other call comes between two steps.
    Nothing,
    /// The result of MTIOCGET (status).
    Status,
    /// The results of MTIOCGET and MTIOCPOS.
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
    /// open(2) of a node of the unit.
    Open(char, Opening),
    /// close(2) of an open file.
    Close(char),
    /// dup(2): the second file becomes a duplicate of the first.
    Duplicate(char, char),
    /// read(2) of a number of bytes into memory at an offset from the beginning of a page.
    Read(char, usize, usize),
    /// write(2) of a number of bytes from memory at an offset from the beginning of a page.
    Write(char, usize, usize),
    /// MTIOCTOP with an operation and a count.
    Operate(char, i16, i32),
    /// MTIOCGET (status) of an open file.
    Status(char),
    /// MTIOCPOS (position) of an open file.
    Position(char),
    /// write(2) of these bytes to a file.
    Put(char, Vec<u8>),
    /// Any other ioctl(2), with the bytes of its argument.
    Ioctl(char, u32, Vec<u8>),
    /// ioctl(2) with a request that has a name.
    Request(char, NamedRequest),
    /// SG_IO with a command and its buffers.
    Command(char, Box<CommandStep>),
    /// The robot loads a fresh cartridge of a kind.
    Load(String),
    /// The robot takes the cartridge out of the drive.
    Unload,
    /// The next commands with an operation code fail, or are late.
    Fault(Box<FaultRule>),
    /// Another initiator sends a command with data-out.
    Other(Vec<u8>, Vec<u8>),
}

/// A line that is not in the language.
#[derive(Clone, Debug, Error)]
#[error("line {line}: {text:?}: {reason}")]
pub struct ScriptError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line as in the file.
    pub text: String,
    /// The fault in it, in words.
    pub reason: &'static str,
}

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
        let unit = if self.unit == UnitKind::Changer { " changer" } else { "" };
        let probe = match self.probe {
            Probe::Nothing => "",
            Probe::Status => " get",
            Probe::Position => " pos",
        };
        format!("case {}{unit}{probe}", self.name)
    }

    fn parse(header: &str) -> Result<Self, &'static str> {
        let mut words = header.split_whitespace().peekable();
        let name = words.next().ok_or("a case needs a name")?.into();
        let is_changer = words.next_if(|word| *word == "changer").is_some();
        let unit = if is_changer { UnitKind::Changer } else { UnitKind::Drive };
        let probe = match words.next() {
            None => Probe::Nothing,
            Some("get") => Probe::Status,
            Some("pos") => Probe::Position,
            Some(_) => return Err("expected changer, get or pos"),
        };
        Ok(Self { name, unit, probe, steps: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scsi_core::cdb::Opcode;
    use scsi_core::injected_fault::FaultOutcome;
    use scsi_core::{Asc, Sense, SenseKey};

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
        let node = NodeKind::Tape { mode: ModeNumber::new(1).unwrap(), rewinds: false };
        let opening = Opening { node, access: Access::Read, nonblocking: true, exclusive: false };
        assert_eq!(script.cases[0].steps[0].action, Action::Open('b', opening));
        let Action::Fault(fault) = &script.cases[0].steps[1].action else { panic!("no fault") };
        assert_eq!((fault.matcher.opcode, fault.nth, fault.count), (Some(Opcode(0x0a)), 1, 3));
        let sense = Sense { eom: true, information: Some(-2), ..Sense::new(SenseKey(3), Asc(0x0c00)) };
        assert_eq!(fault.outcome, FaultOutcome::Sense(sense));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            ("close a", "line 1: \"close a\": a step before the first case"),
            ("case a\nread a", "line 2: \"read a\": expected a number of bytes"),
            ("case a\nop a JUMP 1", "line 2: \"op a JUMP 1\": unknown operation"),
            ("case a\nclose a b", "line 2: \"close a b\": too many words"),
            ("case a all", "line 1: \"case a all\": expected changer, get or pos"),
            ("case a\nopen b sd0 r", "line 2: \"open b sd0 r\": expected st, nst, sg, sch or bsg"),
            ("case a\nio3 b 00 speed=1", "line 2: \"io3 b 00 speed=1\": unknown field"),
            ("case a\nioctl b SG_GET 1", "line 2: \"ioctl b SG_GET 1\": unknown request"),
        ] {
            assert_eq!(Script::parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn commands_and_requests() {
        let text = "case a changer\nopen g sg rw excl\nio3 g 120000002400 in 36 iovec 8,28 flags=0x1 sbp=0\n\
            io4 b 00 out 10 offset 4\nioctl c CHIOMOVE 1 0 3 -1 0x10\n";
        let script = Script::parse(text).unwrap();
        let [open, version_3, version_4, moved] = script.cases[0].steps.as_slice() else { panic!("not four steps") };
        assert_eq!(script.cases[0].header(), "case a changer");
        let opening =
            Opening { node: NodeKind::Generic, access: Access::ReadWrite, nonblocking: false, exclusive: true };
        assert_eq!(open.action, Action::Open('g', opening));
        let step = CommandStep {
            cdb: vec![0x12, 0, 0, 0, 0x24, 0],
            data_in: Some(36),
            vectors: vec![8, 28],
            // flags, and the address of the memory for sense data
            fields: vec![(10, 1), (8, 0)],
            ..CommandStep::default()
        };
        assert_eq!(version_3.action, Action::Command('g', Box::new(step)));
        let step =
            CommandStep { is_version_4: true, cdb: vec![0], data_out: Some(10), offset: 4, ..CommandStep::default() };
        assert_eq!(version_4.action, Action::Command('b', Box::new(step)));
        let Action::Request('c', request) = &moved.action else { panic!("no request") };
        assert_eq!(request.number, 0x4014_6301);
    }
}
