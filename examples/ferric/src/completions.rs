//! `ferric completions`: the completion script of a shell.

use crate::arguments::definition;
use crate::cli_error::CliError;
use crate::options::Options;
use command_line::completion::{ShellName, script};
use serde_json::json;
use std::io::{self, Write};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Shell that reads the script
    shell: ShellName,
}

const EXAMPLES: &str = "Examples:
  ferric completions bash > ferric    # move it to ~/.local/share/bash-completion/completions
  ferric completions zsh > _ferric    # move it to a directory of $fpath
  ferric completions fish > ferric.fish    # move it to ~/.config/fish/completions";

pub(crate) fn run(options: &Options, arguments: &Arguments) -> Result<(), CliError> {
    let text = script(&definition(), arguments.shell);
    options.output.show(&json!({ "text": text }), |_| Ok(io::stdout().write_all(text.as_bytes())?))
}
