//! Completion scripts, which offer only what help texts show.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command, ValueEnum};
use clap_complete::{Shell, generate};
use std::io::{self, Write};

/// A shell that can complete the words of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "help texts show only the names of the shells")]
pub enum ShellName {
    Bash,
    Zsh,
    Fish,
}

impl From<ShellName> for Shell {
    fn from(name: ShellName) -> Self {
        match name {
            ShellName::Bash => Self::Bash,
            ShellName::Zsh => Self::Zsh,
            ShellName::Fish => Self::Fish,
        }
    }
}

// Option of a program without subcommands, for `#[command(flatten)]`.
#[derive(Args, Clone, Debug)]
#[expect(missing_docs, reason = "a doc comment would become the description of the program")]
pub struct CompletionsArgument {
    /// Print the completion script of this shell and exit
    #[arg(long, value_name = "SHELL", value_enum, exclusive = true)]
    pub completions: Option<ShellName>,
}

/// The completion script of a program for a shell.
#[must_use]
pub fn script(definition: &Command, shell: ShellName) -> String {
    // Into memory: the generator panics if its writer fails.
    let (mut script, name) = (Vec::new(), definition.get_name().to_owned());
    generate(Shell::from(shell), &mut visible(definition), name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Prints the completion script if the command line has the option of [`CompletionsArgument`], also without the arguments
/// that the program requires otherwise. Returns `None` for any other command line.
pub fn print_if_requested(definition: impl Fn() -> Command) -> Option<io::Result<()>> {
    let shell = requested_shell(definition(), std::env::args_os())?;
    Some(io::stdout().write_all(script(&definition(), shell).as_bytes()))
}

fn requested_shell<T: Into<std::ffi::OsString> + Clone>(
    definition: Command,
    words: impl IntoIterator<Item = T>,
) -> Option<ShellName> {
    // The caller reports errors.
    let matches = definition.try_get_matches_from(words).ok()?;
    matches.get_one("completions").copied()
}

/// The visible commands, options and values of a program: clap's completion scripts would also offer hidden ones, such as
/// the words of the previous release. The result serves for completion only: no argument is required or in conflict with
/// another one.
#[must_use]
pub fn visible(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set()).map(completed);
    let children = command.get_subcommands().filter(|child| !child.is_hide_set()).map(visible);
    let about = command.get_about().cloned().unwrap_or_default();
    let version = command.get_version().unwrap_or_default().to_owned();
    let bare = Command::new(command.get_name().to_owned()).about(about).args(arguments).subcommands(children);
    let bare = bare.disable_help_subcommand(true).disable_version_flag(version.is_empty());
    if version.is_empty() { bare } else { bare.version(version) }
}

/// An argument with its names, values and help.
fn completed(argument: &Arg) -> Arg {
    let values: Vec<_> = argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    let mut bare = Arg::new(argument.get_id().clone())
        .action(argument.get_action().clone())
        .global(argument.is_global_set())
        .short(argument.get_short())
        .help(argument.get_help().cloned().unwrap_or_default());
    if let Some(long) = argument.get_long() {
        bare = bare.long(long.to_owned());
    }
    if argument.get_action().takes_values() {
        bare = bare.value_hint(argument.get_value_hint());
    }
    if let Some(count) = argument.get_num_args() {
        bare = bare.num_args(count);
    }
    if values.is_empty() { bare } else { bare.value_parser(PossibleValuesParser::new(values)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::builder::PossibleValue;

    #[derive(clap::Parser)]
    #[command(name = "prog")]
    struct Program {
        needed: String,
        #[command(flatten)]
        _completions: CompletionsArgument,
    }

    #[test]
    fn option_needs_no_other_argument() {
        use clap::CommandFactory;
        let shell = |words: &[&str]| requested_shell(Program::command(), [&["prog"], words].concat());
        assert_eq!(shell(&["--completions", "zsh"]), Some(ShellName::Zsh));
        assert_eq!(shell(&["--completions=bash"]), Some(ShellName::Bash));
        assert_eq!(shell(&["word"]), None);
        assert_eq!(shell(&["word", "--completions", "zsh"]), None);
        let script = script(&Program::command(), ShellName::Bash);
        assert!(script.contains("--completions") && script.contains("complete -F _prog"), "{script}");
    }

    #[test]
    fn hidden_commands_options_and_values_are_left_out() {
        let values = [PossibleValue::new("native"), PossibleValue::new("former").hide(true)];
        let format = Arg::new("format").long("format").value_parser(PossibleValuesParser::new(values));
        let level = Arg::new("level").long("level").hide(true);
        let show = Command::new("show").args([format.required_unless_present("level"), level]);
        let program = Command::new("prog").subcommand(show).subcommand(Command::new("fail").hide(true));
        let visible = visible(&program);
        let commands: Vec<&str> = visible.get_subcommands().map(Command::get_name).collect();
        assert_eq!(commands, ["show"]);
        let show = visible.find_subcommand("show").unwrap();
        let options: Vec<_> = show.get_arguments().filter_map(Arg::get_long).collect();
        assert_eq!(options, ["format"]);
        let values: Vec<_> = show.get_arguments().flat_map(Arg::get_possible_values).collect();
        assert_eq!(values.iter().map(PossibleValue::get_name).collect::<Vec<_>>(), ["native"]);
        visible.debug_assert();
    }
}
