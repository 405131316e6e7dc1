//! Help texts of every command of a program, and the examples in them, for tests.

use crate::HELP_WIDTH;
use clap::Command;

/// Heading of the examples in a help text.
const HEADING: &str = "Examples:";

/// Name and long help of a command and of each of its visible subcommands, recursively, at [`HELP_WIDTH`] columns. Names
/// are the words that a user types, such as `ferric tape show`.
#[must_use]
pub fn texts(command: Command) -> Vec<(String, String)> {
    visible(command).into_iter().map(|(name, mut command)| (name, command.render_long_help().to_string())).collect()
}

/// Name and examples of each command and of each of its visible subcommands, recursively. An example is a line of the shell,
/// without its comment.
#[must_use]
pub fn examples(command: Command) -> Vec<(String, Vec<String>)> {
    visible(command).into_iter().map(|(name, command)| (name, examples_of(&command))).collect()
}

/// An error in the examples of a help text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExampleError {
    /// A command has no example.
    #[error("{command} has no example")]
    Missing {
        /// Name of the command.
        command: String,
    },
    /// An example calls another program.
    #[error("{command}: the example does not call {program}: {example}")]
    OtherProgram {
        /// Name of the command.
        command: String,
        /// Name of the program that the example should call.
        program: String,
        /// The line of the example.
        example: String,
    },
    /// The program does not accept the arguments of an example.
    #[error("{command}: {example}: {reason}")]
    Malformed {
        /// Name of the command.
        command: String,
        /// The line of the example.
        example: String,
        /// The message of the program about it.
        reason: String,
    },
}

/// Checks that each command of a program has examples, and that each of them parses.
///
/// # Errors
/// The first command without an example, or the first example that does not parse.
pub fn check_examples(program: &str, definition: impl Fn() -> Command) -> Result<(), ExampleError> {
    for (name, examples) in examples(definition()) {
        if examples.is_empty() {
            return Err(ExampleError::Missing { command: name });
        }
        for example in examples {
            let calls = calls(&example, program);
            if calls.is_empty() {
                return Err(ExampleError::OtherProgram { command: name, program: program.into(), example });
            }
            for call in calls {
                definition().try_get_matches_from(call).map_err(|error| ExampleError::Malformed {
                    command: name.clone(),
                    example: example.clone(),
                    reason: error.to_string(),
                })?;
            }
        }
    }
    Ok(())
}

/// The examples in the text after the help of a command.
fn examples_of(command: &Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = text.lines().skip_while(|line| *line != HEADING).skip(1).take_while(|line| line.starts_with("  "));
    // A comment has two blanks before it, so that an argument may contain the character.
    lines.map(|line| line.split("  # ").next().unwrap_or_default().trim().to_owned()).collect()
}

/// The parts of a shell line that call a program: `tar -c . | ferric tape import - A` has one for `ferric`. Quotes are
/// removed.
#[must_use]
pub fn calls(line: &str, program: &str) -> Vec<Vec<String>> {
    let mut calls: Vec<Vec<String>> = vec![Vec::new()];
    let mut words = Words(line.chars().collect::<Vec<_>>().into_iter());
    while let Some(word) = words.next() {
        match (word.as_str(), calls.last_mut()) {
            ("|" | "&&", _) => calls.push(Vec::new()),
            (">", _) => drop(words.next()),
            (_, Some(call)) => call.push(word),
            (_, None) => {}
        }
    }
    calls.retain(|call| call.first().is_some_and(|name| name == program));
    calls
}

/// The words of a shell line, without quotes.
struct Words(std::vec::IntoIter<char>);

impl Iterator for Words {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut word = self.0.by_ref().find(|character| *character != ' ').map(String::from)?;
        let mut quote = None;
        if let "\"" | "'" = word.as_str() {
            quote = word.pop();
        }
        for character in self.0.by_ref() {
            match (character, quote) {
                (' ', None) => break,
                (character, Some(open)) if character == open => quote = None,
                ('"' | '\'', None) => quote = Some(character),
                (character, _) => word.push(character),
            }
        }
        Some(word)
    }
}

/// A command and its visible subcommands, with their names.
fn visible(command: Command) -> Vec<(String, Command)> {
    let mut command = command.term_width(HELP_WIDTH).disable_help_subcommand(true);
    command.build();
    let mut all = Vec::new();
    collect(command, &mut all);
    all
}

fn collect(command: Command, all: &mut Vec<(String, Command)>) {
    let children: Vec<Command> = command.get_subcommands().filter(|child| !child.is_hide_set()).cloned().collect();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    all.push((name, command));
    children.into_iter().for_each(|child| collect(child, all));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Command {
        let shown = Command::new("show").after_help("Examples:\n  prog show 'a b'  # comment\n  cat x | prog show -\n");
        Command::new("prog").subcommand(shown).subcommand(Command::new("former").hide(true))
    }

    #[test]
    fn visible_commands_have_texts() {
        let names: Vec<String> = texts(program()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["prog", "prog show"]);
    }

    #[test]
    fn examples_are_lines_without_comments() {
        let expected = vec!["prog show 'a b'".to_owned(), "cat x | prog show -".to_owned()];
        assert_eq!(examples(program()), [("prog".to_owned(), Vec::new()), ("prog show".to_owned(), expected)]);
    }

    #[test]
    fn missing_and_wrong_examples_are_reported() {
        let with = |examples: &'static str| move || Command::new("prog").after_help(examples);
        let error = check_examples("prog", with("")).unwrap_err();
        assert_eq!(error.to_string(), "prog has no example");
        assert_eq!(check_examples("prog", with("Examples:\n  prog\n")), Ok(()));
        let error = check_examples("prog", with("Examples:\n  prog 'a b'\n")).unwrap_err().to_string();
        assert!(error.starts_with("prog: prog 'a b': error: unexpected argument 'a b' found"), "{error}");
        let error = check_examples("prog", with("Examples:\n  tar -c .\n")).unwrap_err();
        assert_eq!(error.to_string(), "prog: the example does not call prog: tar -c .");
    }

    #[test]
    fn calls_are_split_into_words() {
        assert_eq!(calls("tar -c . | prog show -", "prog"), [["prog", "show", "-"]]);
        assert_eq!(calls("prog a 'b c' \"\" x=\"y z\" > file", "prog"), [["prog", "a", "b c", "", "x=y z"]]);
        assert!(calls("tar -c .", "prog").is_empty());
    }
}
