//! `ferric completions`: the completion script of a shell.

use crate::arguments::definition;
use crate::cli_error::CliError;
use crate::options::Options;
use clap::ValueEnum;
use clap_complete::{Shell, generate};
use command_line::completion::visible;
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

#[derive(Clone, Copy, ValueEnum)]
enum ShellName {
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

pub(crate) fn run(options: &Options, arguments: &Arguments) -> Result<(), CliError> {
    // Into memory first: the generator panics if its writer fails.
    let mut script = Vec::new();
    generate(Shell::from(arguments.shell), &mut visible(&definition()), "ferric", &mut script);
    let text = String::from_utf8_lossy(&script);
    options.output.show(&json!({ "text": text }), |_| Ok(io::stdout().write_all(text.as_bytes())?))
}
