//! `ferric man`: the man pages of `ferric`, and of the programs that its links are.

use crate::arguments::definition;
use crate::cli_error::CliError;
use crate::links::PROGRAMS;
use crate::options::Options;
use crate::output::{format_count, print_line};
use serde_json::json;
use std::path::PathBuf;

/// Section of the pages: user commands.
const SECTION: &str = "1";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Directory of the pages; it is created if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

const EXAMPLES: &str = "Examples:
  ferric man ./man              # man ./man/ferric-tape-show.1 shows one page";

pub(crate) fn run(options: &Options, arguments: &Arguments) -> Result<(), CliError> {
    let daemons = PROGRAMS.iter().filter_map(|program| program.definition).map(|of| (of(), iscsid::daemon::SECTION));
    let mut pages = Vec::new();
    for (program, section) in [(definition(), SECTION)].into_iter().chain(daemons) {
        let written = command_line::man::write_pages(program, section, &arguments.directory);
        pages.extend(written.map_err(|error| CliError::system(&error, error.to_string()))?);
    }
    let report = json!({ "pages": pages });
    options.output.done(options.output.show(&report, |_| {
        print_line(format!("{}: {}", arguments.directory.display(), format_count(pages.len() as u64, "page")))
    }))
}
