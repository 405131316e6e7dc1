//! Golden transcripts: what a host sent and what it got, as text. For tests.
//!
//! Lines that begin with `#` mean nothing; the first other one is `@` and what the device is, as its reader understands
//! it. `> [lun N] CDB [out BYTES] [room N]` is a command, `< STATUS [sense BYTES] [in BYTES]` its answer; bytes are
//! hexadecimal.

use std::fmt;

/// What a command came to.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// SCSI status.
    pub status: u8,
    /// Sense data.
    pub sense: Vec<u8>,
    /// Data for the host.
    pub data: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "< {:02x}", self.status)?;
        for (name, bytes) in [("sense", &self.sense), ("in", &self.data)] {
            if !bytes.is_empty() {
                write!(f, " {name}")?;
            }
            bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))?;
        }
        Ok(())
    }
}

/// A command and the answer that it is to get.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line of the command.
    pub line: usize,
    /// Its LUN.
    pub lun: usize,
    /// Its CDB.
    pub cdb: Vec<u8>,
    /// What the host sends.
    pub out: Vec<u8>,
    /// How much it takes.
    pub room: usize,
    /// What it got.
    pub answer: Answer,
}

/// The words behind `name`, up to the next name.
fn part<'a>(line: &'a str, name: &str) -> Vec<&'a str> {
    const NAMES: [&str; 6] = [">", "lun", "out", "room", "sense", "in"];
    let words = line.split_whitespace().skip_while(|word| *word != name).skip(1);
    words.take_while(|word| !NAMES.contains(word)).collect()
}

fn bytes(words: &[&str]) -> Vec<u8> {
    words.iter().map_while(|word| u8::from_str_radix(word, 16).ok()).collect()
}

/// The device and the steps of a transcript.
///
/// # Panics
/// The text is no transcript.
#[must_use]
#[expect(clippy::panic, reason = "for tests, which it ends")]
pub fn parse(text: &str) -> (&str, Vec<Step>) {
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#') && !line.is_empty());
    let setup = lines.next().and_then(|(line, _)| line.strip_prefix('@')).unwrap_or_default().trim();
    let mut steps = Vec::new();
    while let Some((command, line)) = lines.next() {
        let answer = lines.next().and_then(|(answer, _)| answer.strip_prefix("< "));
        let (true, Some(answer)) = (command.starts_with('>'), answer) else {
            panic!("line {line}: no command and answer")
        };
        let mut cdb = part(command, ">");
        let number = |name: &str| part(command, name).first().and_then(|word| word.parse().ok());
        let lun = number("lun");
        if lun.is_some() {
            // The number, and the CDB behind it.
            cdb = part(command, "lun").split_off(1);
        }
        let status = answer.split_whitespace().next().and_then(|word| u8::from_str_radix(word, 16).ok());
        let Some(status) = status else { panic!("line {line}: no status") };
        steps.push(Step {
            line,
            lun: lun.unwrap_or(0),
            cdb: bytes(&cdb),
            out: bytes(&part(command, "out")),
            room: number("room").unwrap_or(0),
            answer: Answer { status, sense: bytes(&part(answer, "sense")), data: bytes(&part(answer, "in")) },
        });
    }
    (setup, steps)
}
