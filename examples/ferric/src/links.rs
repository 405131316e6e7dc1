//! The names by which `ferric` behaves as another program, and `ferric links`, which creates links with these names.

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::print_line;
use command_line::links;
use mhvtl_tools::Tool;
use mhvtld::{daemon, drive_daemon, library_daemon, site_daemon};
use serde_json::json;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A program that `ferric` contains.
pub(crate) struct Program {
    /// Name of the link.
    pub(crate) name: &'static str,
    /// Whether the name is one of mhvtl's.
    is_of_mhvtl: bool,
    /// The definition of its command line; `None` if clap does not parse it.
    pub(crate) definition: Option<fn() -> clap::Command>,
    main: fn() -> ExitCode,
}

/// The programs, besides mhvtl's tools.
pub(crate) static PROGRAMS: [Program; 5] = [
    Program {
        name: "ferric-iscsid",
        is_of_mhvtl: false,
        definition: Some(iscsid::daemon::definition),
        main: iscsid::daemon::main,
    },
    Program {
        name: "ferric-mhvtld",
        is_of_mhvtl: false,
        definition: Some(site_daemon::definition),
        main: site_daemon::main,
    },
    Program { name: "ferric-mhvtl", is_of_mhvtl: false, definition: None, main: mhvtl_tools::program::main },
    Program {
        name: "vtltape",
        is_of_mhvtl: true,
        definition: Some(|| daemon::VTLTAPE.definition()),
        main: drive_daemon::main,
    },
    Program {
        name: "vtllibrary",
        is_of_mhvtl: true,
        definition: Some(|| daemon::VTLLIBRARY.definition()),
        main: library_daemon::main,
    },
];

/// The program that has the name by which this process was called; `None` for `ferric` and every other name.
pub(crate) fn program(called: Option<&OsStr>) -> Option<fn() -> ExitCode> {
    let name = Path::new(called?).file_name()?.to_str()?;
    let found = PROGRAMS.iter().find(|program| program.name == name).map(|program| program.main);
    found.or_else(|| Tool::by_name(name).map(|_| mhvtl_tools::program::main as fn() -> ExitCode))
}

/// Create links by which ferric runs as a daemon or tool: ferric-iscsid, ferric-mhvtld, ferric-mhvtl
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Directory of the links
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Create the links with mhvtl's names, too: vtltape, vtllibrary, vtlcmd, mktape and its other tools
    #[arg(long)]
    mhvtl: bool,
}

const EXAMPLES: &str = "Examples:
  ferric links ./tapes         # then ./tapes/ferric-iscsid is the daemon
  ferric links ./tapes --mhvtl";

pub(crate) fn run(options: &Options, arguments: &Arguments) -> Result<(), CliError> {
    let programs =
        PROGRAMS.iter().filter(|program| arguments.mhvtl || !program.is_of_mhvtl).map(|program| program.name);
    let tools = Tool::all().filter(|_| arguments.mhvtl).map(|tool| tool.name);
    let created = links::create(&arguments.directory, programs.chain(tools));
    let created = created.map_err(|error| CliError::conflict(error.to_string()))?;
    let report: Vec<_> = created.iter().map(|(link, program)| json!({ "link": link, "program": program })).collect();
    options.output.done(options.output.show(&report, |_| {
        let line = |(link, program): &(PathBuf, PathBuf)| format!("{} -> {}", link.display(), program.display());
        created.iter().try_for_each(|created| print_line(line(created)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_programs() {
        let is_program = |name: &str| program(Some(OsStr::new(name))).is_some();
        for name in ["ferric-iscsid", "/usr/sbin/ferric-mhvtld", "./vtltape", "vtllibrary", "ferric-mhvtl", "mktape"] {
            assert!(is_program(name), "{name}");
        }
        assert!(!is_program("ferric") && !is_program("/usr/bin/ferric") && !is_program("renamed") && !is_program(".."));
        assert!(program(None).is_none());
    }
}
