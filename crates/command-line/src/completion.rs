//! A definition for completion scripts, which offer only what help texts show.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};

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
