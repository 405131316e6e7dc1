//! Parses options as `getopt` and `getopt_long` do, which mhvtl's tools use.

use crate::{Invocation, ToolError};
use std::fmt::Display;
use std::str::FromStr;

/// The options that a tool accepts.
pub(crate) struct Options {
    /// Option letters; one colon after a letter that requires a value, two after one that may have a value in the same
    /// word.
    pub(crate) short: &'static str,
    /// Long names and their letters.
    pub(crate) long: &'static [(&'static str, char)],
}

/// Whether an option has a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueMode {
    None,
    Required,
    Optional,
}

/// The options and operands of a command line.
#[derive(Debug, Default)]
pub(crate) struct ParsedOptions {
    options: Vec<(char, Option<String>)>,
    /// Arguments that are not options.
    pub(crate) operands: Vec<String>,
}

impl Options {
    /// Parses the arguments: options and operands in any order; after `--` operands only.
    pub(crate) fn parse(&self, call: &Invocation<'_>) -> Result<ParsedOptions, ToolError> {
        let (mut parsed, mut words) = (ParsedOptions::default(), call.arguments.iter());
        while let Some(word) = words.next() {
            if word == "--" {
                parsed.operands.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let letter = self.letter(name).ok_or_else(|| unknown(call, "unrecognized option", word))?;
                self.parse_option(call, &mut parsed, letter, value.unwrap_or_default(), &mut words)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                let mut letters = letters.chars();
                while let Some(letter) = letters.next() {
                    if self.parse_option(call, &mut parsed, letter, letters.as_str(), &mut words)? {
                        break;
                    }
                }
            } else {
                parsed.operands.push(word.clone());
            }
        }
        Ok(parsed)
    }

    /// The letter of a long name, or of the only long name with this prefix.
    fn letter(&self, name: &str) -> Option<char> {
        let exact = self.long.iter().find(|(long, _)| *long == name);
        let mut begin = self.long.iter().filter(|(long, _)| long.starts_with(name));
        let only = begin.next().filter(|_| begin.next().is_none());
        exact.or(only).map(|(_, letter)| *letter)
    }

    fn value(&self, letter: char) -> Option<ValueMode> {
        let (_, rest) = self.short.split_once(letter).filter(|_| letter != ':')?;
        Some(match rest.as_bytes() {
            [b':', b':', ..] => ValueMode::Optional,
            [b':', ..] => ValueMode::Required,
            _ => ValueMode::None,
        })
    }

    /// Records an option with its value from the rest of its word or from the next word. Returns whether the rest of
    /// the word is used up.
    fn parse_option<'a>(
        &self,
        call: &Invocation<'_>,
        parsed: &mut ParsedOptions,
        letter: char,
        rest: &str,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<bool, ToolError> {
        let value = self.value(letter).ok_or_else(|| unknown(call, "invalid option", letter))?;
        let text = match value {
            ValueMode::None => None,
            _ if !rest.is_empty() => Some(rest.to_owned()),
            ValueMode::Optional => None,
            ValueMode::Required => {
                let next = words.next().ok_or_else(|| unknown(call, "option requires an argument", letter))?;
                Some(next.clone())
            }
        };
        parsed.options.push((letter, text));
        Ok(value != ValueMode::None)
    }
}

fn unknown(call: &Invocation<'_>, what: &str, which: impl Display) -> ToolError {
    ToolError::usage(format!("{}: {what} -- '{which}'", call.name))
}

impl ParsedOptions {
    /// Number of times that an option was given.
    pub(crate) fn count(&self, letter: char) -> usize {
        self.options.iter().filter(|(option, _)| *option == letter).count()
    }

    /// Whether an option was given.
    pub(crate) fn has(&self, letter: char) -> bool {
        self.count(letter) > 0
    }

    /// The last value of an option.
    pub(crate) fn value(&self, letter: char) -> Option<&str> {
        self.options.iter().rev().find(|(option, _)| *option == letter)?.1.as_deref()
    }

    /// The last value of an option, as a number.
    pub(crate) fn number<N: FromStr>(&self, letter: char) -> Result<Option<N>, ToolError> {
        let number = |text: &str| {
            text.parse().map_err(|_| ToolError::usage(format!("error: -{letter}: {text:?} is not a number")))
        };
        self.value(letter).map(number).transpose()
    }

    /// Refuses arguments that are not options.
    pub(crate) fn reject_operands(&self) -> Result<(), ToolError> {
        match self.operands.first() {
            Some(word) => Err(ToolError::usage(format!("error: too many arguments: {word:?}"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<ParsedOptions, ToolError> {
        let options = Options { short: "d:vD::", long: &[("dest-dir", 'd'), ("debug", 'D'), ("verbose", 'v')] };
        let arguments: Vec<String> = words.iter().map(|word| (*word).into()).collect();
        options.parse(&Invocation { name: "tool", arguments: &arguments, etc: "".into(), now: 0 })
    }

    #[test]
    fn options_and_operands_are_parsed() {
        let parsed = parse(&["-vvD5", "a", "-d", "-x", "--verb", "--dest-dir=y", "-D", "--", "-b"]).unwrap();
        assert_eq!((parsed.count('v'), parsed.value('D'), parsed.count('D')), (3, None, 2));
        assert_eq!((parsed.value('d'), parsed.operands.as_slice()), (Some("y"), &["a".to_owned(), "-b".into()][..]));
        assert_eq!(parse(&["-dx"]).unwrap().value('d'), Some("x"));
        assert_eq!(parse(&["--dest-dir", "z"]).unwrap().value('d'), Some("z"));
        assert!(parse(&["-d", "x"]).unwrap().number::<u32>('d').is_err());
        for (words, expected) in [
            (&["-vx"][..], "tool: invalid option -- 'x'"),
            (&["-:"], "tool: invalid option -- ':'"),
            (&["-d"], "tool: option requires an argument -- 'd'"),
            (&["--de"], "tool: unrecognized option -- '--de'"),
        ] {
            let Err(ToolError::Refused { text, code: 1, usage: true }) = parse(words) else { panic!("{words:?}") };
            assert_eq!(text, expected);
        }
    }
}
