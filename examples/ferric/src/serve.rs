//! `ferric serve`: the daemons, in this process.

use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use clap::Subcommand;
use mhvtld::{drive_daemon, library_daemon, site_daemon};
use std::path::Path;

#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(after_help = iscsid::daemon::after_help(ISCSI))]
    Iscsi(Box<iscsid::daemon::Arguments>),
    #[command(after_help = of_mhvtl(MHVTL, "ended by a signal"))]
    Mhvtl(Box<site_daemon::Arguments>),
    /// Serve one drive of an mhvtl configuration through mhvtl's kernel module, with mhvtl's options
    #[command(after_help = of_mhvtl(VTLTAPE, IN_BACKGROUND))]
    Vtltape(Box<mhvtld::daemon::Arguments>),
    /// Serve one library of an mhvtl configuration through mhvtl's kernel module, with mhvtl's options
    #[command(after_help = of_mhvtl(VTLLIBRARY, IN_BACKGROUND))]
    Vtllibrary(Box<mhvtld::daemon::Arguments>),
}

const ISCSI: &str = "Examples:
  ferric serve iscsi --data ./tapes --bind 127.0.0.1:0
  ferric serve iscsi --config ferric.toml --print-config
  ferric serve iscsi --ephemeral --bind 127.0.0.1:0 --json";

const MHVTL: &str = "Examples:
  ferric serve mhvtl --mhvtl-config ./mhvtl --data ./tapes
  ferric serve mhvtl --mhvtl-config ./mhvtl -v 1 --http 127.0.0.1:8080";

const VTLTAPE: &str = "Examples:
  ferric serve vtltape -F -q 11 --mhvtl-config ./mhvtl
  ferric serve vtltape -q 11 --mhvtl-config ./mhvtl   # in the background";

const VTLLIBRARY: &str = "Examples:
  ferric serve vtllibrary -F -q 10 --mhvtl-config ./mhvtl
  ferric serve vtllibrary -q 10 --mhvtl-config ./mhvtl   # in the background";

/// Meaning of exit code 0 of the daemons that go to the background.
const IN_BACKGROUND: &str = "ended by a signal, or started in the background";

/// The text after the options of a daemon for mhvtl's kernel module: examples and exit codes.
fn of_mhvtl(examples: &str, success: &str) -> String {
    format!(
        "{examples}\n\nExit codes:\n  0  {success}\n  1  not started, or ended by an error\n  2  the command line is wrong"
    )
}

/// Serves until a signal ends the process.
pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    let failed = |message: String| CliError::new(ErrorCode::Failed, message);
    let data: Option<&Path> = options.data.as_deref();
    match command {
        Command::Iscsi(mut arguments) => {
            if let Some(data) = data.filter(|_| !arguments.is_ephemeral()) {
                arguments.set_data_directory(data);
            }
            if options.output.is_json() {
                arguments.set_json();
            }
            iscsid::daemon::serve(*arguments).map_err(failed)
        }
        Command::Mhvtl(mut arguments) => {
            data.into_iter().for_each(|data| arguments.set_data_directory(data));
            site_daemon::serve(&arguments).map_err(|error| failed(error.to_string()))
        }
        Command::Vtltape(mut arguments) => {
            arguments.data = data.map(Into::into);
            drive_daemon::serve(&arguments).map_err(|error| failed(error.to_string()))
        }
        Command::Vtllibrary(mut arguments) => {
            arguments.data = data.map(Into::into);
            library_daemon::serve(&arguments).map_err(|error| failed(error.to_string()))
        }
    }
}
