//! `ferric`: serves tape libraries, operates a running daemon through its control socket, and works on the files of
//! cartridges without a daemon. By a link with the name of a daemon or tool, it is that program.

mod arguments;
mod cli_error;
mod completions;
mod config;
#[cfg(test)]
mod help_tests;
mod links;
mod man;
mod migrate;
mod number;
mod offline_site;
mod options;
mod output;
mod personality;
mod recover;
mod restore;
mod run;
mod serve;
mod shelf;
mod site;
mod tape;

use arguments::{Arguments, Command, definition};
use clap::FromArgMatches;
use clap::error::ErrorKind;
use cli_error::{CliError, ErrorCode};
use options::Options;
use output::Output;
use std::process::ExitCode;
use tape_store::image::ImageError;

fn main() -> ExitCode {
    if let Some(main) = links::program(std::env::args_os().next().as_deref()) {
        return main();
    }
    let mut program = definition();
    let parsed = program.try_get_matches_from_mut(std::env::args_os()).and_then(|matches| {
        let options = Options::read(&mut program, &matches)?;
        Ok((options, Arguments::from_arg_matches(&matches)?.command))
    });
    let (options, command) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage_error(&error),
    };
    match execute(&options, command) {
        Ok(code) => code,
        // The reader of a listing has closed the pipe, which is not a failure; an incomplete image is one.
        Err(error) if error.is_broken_pipe() && !matches!(error, CliError::Image(_, ImageError::Io(_))) => {
            ExitCode::SUCCESS
        }
        Err(error) if error.is_broken_pipe() => ExitCode::FAILURE,
        Err(error) => {
            options.output.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn execute(options: &Options, command: Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Run(arguments) => return Ok(run::run(options, &arguments)),
        Command::Serve(command) => serve::run(options, command),
        Command::Tape(command) => tape::run(options, command),
        Command::Shelf(command) => shelf::run(options, command),
        Command::Config(command) => config::run(options, command),
        Command::Personality(command) => personality::run(options, command),
        Command::Migrate(command) => migrate::run(options, command),
        Command::Offline(command) => offline_site::run(options, command),
        Command::Site(command) => site::run(options, command),
        Command::Completions(arguments) => completions::run(options, &arguments),
        Command::Man(arguments) => man::run(options, &arguments),
        Command::Links(arguments) => links::run(options, &arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the help or version that was requested, or what is wrong with the command line.
fn usage_error(error: &clap::Error) -> ExitCode {
    // The command line cannot be parsed, so the option is looked for among all its words.
    let json = error.use_stderr() && std::env::args_os().any(|word| word == "--json");
    if json {
        let missing = (error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand).then(missing_subcommand);
        let text = missing.flatten().map_or_else(|| error.to_string(), |error| error.to_string());
        let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Output::new(true).error(&CliError::new(ErrorCode::Usage, message));
    } else {
        let _ = error.print();
    }
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// The error of a command line without the subcommand that it needs, for which clap prints the help otherwise.
fn missing_subcommand() -> Option<clap::Error> {
    fn without_help(command: clap::Command) -> clap::Command {
        command.arg_required_else_help(false).mut_subcommands(without_help)
    }
    without_help(definition()).try_get_matches_from(std::env::args_os()).err()
}
