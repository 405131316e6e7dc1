//! Splits lines as mhvtl's programs do, with the rules of C's `fgets` and `sscanf`.

use crate::config::ConfigError;

/// Most characters of a line that mhvtl reads at once; it treats the rest as the next line.
pub(super) const MAX_LINE: usize = 511;

/// A line of a file, or a part of a long one.
#[derive(Clone, Copy)]
pub(super) struct ConfigLine<'a> {
    pub(super) file: &'a str,
    pub(super) number: usize,
    pub(super) text: &'a str,
}

/// White space as in C.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// Splits a long line into its first part and the rest.
fn split_long_line(text: &str) -> (&str, &str) {
    let end = (0..=MAX_LINE.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.split_at_checked(end).filter(|(part, _)| !part.is_empty()).unwrap_or((text, ""))
}

impl<'a> ConfigLine<'a> {
    /// The lines of a file; long lines in parts.
    pub(super) fn lines(file: &'a str, text: &'a str) -> impl Iterator<Item = Self> {
        text.split('\n').zip(1..).flat_map(move |(text, number)| {
            let mut rest = Some(text);
            std::iter::from_fn(move || {
                let (part, remainder) = split_long_line(rest?);
                // After a part of maximum length, the newline is read as a separate line.
                rest = (part.len() >= MAX_LINE || !remainder.is_empty()).then_some(remainder);
                // A C string ends at the first zero byte.
                let text = part.split('\0').next().unwrap_or_default();
                Some(Self { file, number, text })
            })
        })
    }

    pub(super) fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        ConfigError { file: self.file.into(), line: self.number, key: key.into(), column: 0, message: message.into() }
    }

    /// A note with file and line number.
    pub(super) fn note(&self, what: impl std::fmt::Display) -> String {
        format!("{}:{}: {what}", self.file, self.number)
    }

    /// Whether the line ends a section: it has at most one character.
    pub(super) fn ends_section(&self) -> bool {
        self.text.len() <= 1
    }

    /// Whether the line is a comment.
    pub(super) fn is_comment(&self) -> bool {
        self.text.starts_with('#')
    }

    /// The text after a keyword at the beginning of the line. A blank in the keyword matches any white space, or none.
    pub(super) fn value_after(&self, keyword: &str) -> Option<&'a str> {
        let mut rest = self.text;
        for c in keyword.chars() {
            rest = if c == ' ' { skip_space(rest) } else { rest.strip_prefix(c)? };
        }
        Some(rest)
    }

    /// The number after a keyword.
    pub(super) fn number_after(&self, keyword: &str) -> Option<i64> {
        number(self.value_after(keyword)?).map(|(number, _)| number)
    }

    /// The first word after a keyword.
    pub(super) fn word_after(&self, keyword: &str) -> Option<&'a str> {
        word(self.value_after(keyword)?)
    }
}

/// `%s`: the first word.
pub(super) fn word(text: &str) -> Option<&str> {
    word_and_rest(text).map(|(word, _)| word)
}

/// `%s`: the first word and the text after it.
pub(super) fn word_and_rest(text: &str) -> Option<(&str, &str)> {
    let text = skip_space(text);
    let end = text.find(is_space).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(word, _)| !word.is_empty())
}

/// `%d`: a decimal number and the text after it.
pub(super) fn number(text: &str) -> Option<(i64, &str)> {
    let text = skip_space(text);
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
        None => (1, text),
    };
    let end = digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, rest) = digits.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
    // Saturates: no number in a configuration is nearly as large.
    Some((sign * digits.parse::<i64>().unwrap_or(i64::MAX), rest))
}

/// `%02x`: up to two characters of a hexadecimal number and the text after it. A sign and `0x` count as characters.
fn byte(text: &str) -> Option<(u8, &str)> {
    let text = skip_space(text);
    let hex = |c: char| c.is_ascii_hexdigit();
    let taken = match text.as_bytes() {
        [b'-' | b'+', b, ..] if hex(char::from(*b)) => 2,
        [b'0', b'x' | b'X', ..] => 2,
        [a, b, ..] if hex(char::from(*a)) && hex(char::from(*b)) => 2,
        [a, ..] if hex(char::from(*a)) => 1,
        _ => return None,
    };
    let (value, rest) = text.split_at_checked(taken)?;
    let digits = value.trim_start_matches(['-', '+']).trim_end_matches(['x', 'X']);
    let value_of = u8::from_str_radix(digits, 16).ok()?;
    Some((if value.starts_with('-') { value_of.wrapping_neg() } else { value_of }, rest))
}

/// Whether a text consists of colon-separated bytes of one or two hexadecimal digits, optionally followed by a comment.
pub(super) fn is_plain_bytes(text: &str) -> bool {
    let digits = |byte: &str| matches!(byte.len(), 1 | 2) && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
    let text = text.split_once(" #").map_or(text, |(text, _)| text);
    text.split(':').map(str::trim).all(digits)
}

/// Parses colon-separated bytes as in `NAA:`: as many as there are, at most eight.
pub(super) fn colon_bytes(text: &str) -> Vec<u8> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((value, remainder)) = byte(rest) {
        found.push(value);
        match remainder.strip_prefix(':') {
            Some(next) if found.len() < 8 => rest = next,
            _ => break,
        }
    }
    found
}
