//! Golden transcripts, for tests: the commands of a host and the expected responses, as text.
//!
//! Lines that begin with `#` are comments. The first other line is `@` and a description of the device, which the test
//! interprets. `> [lun N] CDB [out BYTES] [room N]` is a command with its Data-Out bytes and the size of its Data-In
//! buffer, `< STATUS [sense BYTES] [in BYTES]` is its response.
//!
//! BYTES are words: `5e` is a byte, `00*512` the same byte 512 times, `'VOL1` the characters after the apostrophe. If
//! data ends with `..`, only the bytes before it are compared.

use std::fmt;

/// The response to a command: status, sense data and Data-In.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// SAM status of the command.
    pub status: u8,
    /// Sense data; empty without CHECK CONDITION.
    pub sense: Vec<u8>,
    /// Data-In bytes for the host.
    pub data: Vec<u8>,
}

impl fmt::Debug for Response {
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

/// A command with its Data-Out, and the response that a transcript expects.
#[derive(Clone, Debug)]
pub struct Step {
    /// Line number of the command, from 1.
    pub line: usize,
    /// LUN of the command; 0 if it is not given.
    pub lun: usize,
    /// CDB of the command, as given.
    pub cdb: Vec<u8>,
    /// Data-Out bytes that the host sends.
    pub data_out: Vec<u8>,
    /// Size of the host's Data-In buffer in bytes.
    pub data_in_capacity: usize,
    /// The response that the host expects.
    pub expected: Response,
    /// The transcript gives only the first bytes of the Data-In bytes.
    pub partial: bool,
}

impl Step {
    /// The part of a response to compare with [`Self::expected`]: all of it, or the first bytes of its data.
    #[must_use]
    pub fn comparable(&self, mut response: Response) -> Response {
        if self.partial {
            response.data.truncate(self.expected.data.len());
        }
        response
    }
}

/// The words after `name`, up to the next name.
pub(crate) fn part<'a>(line: &'a str, name: &str) -> Vec<&'a str> {
    const NAMES: [&str; 6] = [">", "lun", "out", "room", "sense", "in"];
    let words = line.split_whitespace().skip_while(|word| *word != name).skip(1);
    words.take_while(|word| !NAMES.contains(word)).collect()
}

/// The bytes up to the first word that is none, such as `..`.
pub(crate) fn bytes(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = words.iter().try_for_each(|word| append_word(&mut bytes, word));
    bytes
}

/// Appends the bytes of a word: `5e`, `00*512` or `'VOL1`. `None` for any other word.
pub fn append_word(bytes: &mut Vec<u8>, word: &str) -> Option<()> {
    if let Some(text) = word.strip_prefix('\'') {
        bytes.extend_from_slice(text.as_bytes());
        return Some(());
    }
    let (byte, count) = word.split_once('*').unwrap_or((word, "1"));
    let (byte, count) = (u8::from_str_radix(byte, 16).ok()?, count.parse::<usize>().ok()?);
    bytes.resize(bytes.len() + count, byte);
    Some(())
}

/// Parses a transcript into the description of the device and the steps.
///
/// # Panics
/// If the text is not a transcript.
#[must_use]
#[expect(clippy::panic, reason = "test code")]
pub fn parse(text: &str) -> (&str, Vec<Step>) {
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#') && !line.is_empty());
    let setup = lines.next().and_then(|(line, _)| line.strip_prefix('@')).unwrap_or_default().trim();
    let mut steps = Vec::new();
    while let Some((command, line)) = lines.next() {
        let response = lines.next().and_then(|(response, _)| response.strip_prefix("< "));
        let (true, Some(response)) = (command.starts_with('>'), response) else {
            panic!("line {line}: expected a command and a response")
        };
        let mut cdb = part(command, ">");
        let number = |name: &str| part(command, name).first().and_then(|word| word.parse().ok());
        let lun = number("lun");
        if lun.is_some() {
            // The number, and the CDB after it.
            cdb = part(command, "lun").split_off(1);
        }
        let status = response.split_whitespace().next().and_then(|word| u8::from_str_radix(word, 16).ok());
        let Some(status) = status else { panic!("line {line}: expected a status") };
        steps.push(Step {
            line,
            lun: lun.unwrap_or(0),
            cdb: bytes(&cdb),
            data_out: bytes(&part(command, "out")),
            data_in_capacity: number("room").unwrap_or(0),
            expected: Response { status, sense: bytes(&part(response, "sense")), data: bytes(&part(response, "in")) },
            partial: part(response, "in").last() == Some(&".."),
        });
    }
    (setup, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_parsed_from_words() {
        let text = "# a comment\n@ here\n> lun 3 0a 00 out 'VOL1 20*3 0a room 4\n< 02 sense 70 00*2 in 01 ..\n> 00\n< 00 in 02\n";
        let (setup, steps) = parse(text);
        let [first, second] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!((setup, first.line, first.lun, first.data_in_capacity), ("here", 3, 3, 4));
        assert_eq!((first.cdb.as_slice(), first.data_out.as_slice()), (&[0x0a, 0][..], &b"VOL1   \n"[..]));
        assert_eq!((first.expected.status, first.expected.sense.as_slice()), (2, &[0x70, 0, 0][..]));
        assert_eq!((first.expected.data.as_slice(), first.partial), (&[1][..], true));
        assert_eq!((second.expected.data.as_slice(), second.partial), (&[2][..], false));
        let response = Response { status: 2, sense: vec![0x70, 0, 0], data: vec![1, 9] };
        assert_eq!(first.comparable(response.clone()), first.expected);
        assert_eq!(second.comparable(response.clone()), response);
    }
}
