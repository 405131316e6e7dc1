//! `ferric serve`: the daemons, in this process.

use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use clap::Subcommand;
use mhvtld::{drive_daemon, library_daemon, site_daemon};
use std::path::Path;

#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(after_help = ISCSI)]
    Iscsi(Box<iscsid::daemon::Arguments>),
    #[command(after_help = MHVTL)]
    Mhvtl(Box<site_daemon::Arguments>),
    /// Serve one drive of an mhvtl configuration through mhvtl's kernel module, with mhvtl's options
    #[command(after_help = VTLTAPE)]
    Vtltape(Box<mhvtld::daemon::Arguments>),
    /// Serve one library of an mhvtl configuration through mhvtl's kernel module, with mhvtl's options
    #[command(after_help = VTLLIBRARY)]
    Vtllibrary(Box<mhvtld::daemon::Arguments>),
}

const ISCSI: &str = "Examples:
  ferric serve iscsi --data ./tapes --bind 127.0.0.1:0
  ferric serve iscsi --config ferric.toml --print-config
  ferric serve iscsi --ephemeral --bind 127.0.0.1:0 --json

Signals:
  SIGTERM, SIGINT  close all connections, commit the state and exit
  SIGHUP           read the configuration file again

Environment:
  FERRIC_DATA                data directory, if --data is not given
  LISTEN_FDS, LISTEN_PID     a listening socket of the service manager, used instead of --bind
  NOTIFY_SOCKET              socket for the ready and stop notifications
  AWS_*, AZURE_*, GOOGLE_*   credentials and settings of the stores of --site and [[shelf]], such as
                             AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT

Exit codes:
  0  ended by a signal
  1  not started, or ended by an error
  2  the command line is wrong";

const MHVTL: &str = "Examples:
  ferric serve mhvtl --mhvtl-config ./mhvtl --data ./tapes
  ferric serve mhvtl --mhvtl-config ./mhvtl -v 1 --http 127.0.0.1:8080

Exit codes:
  0  ended by a signal
  1  not started, or ended by an error
  2  the command line is wrong";

const VTLTAPE: &str = "Examples:
  ferric serve vtltape -F -q 11 --mhvtl-config ./mhvtl
  ferric serve vtltape -q 11 --mhvtl-config ./mhvtl   # in the background

Exit codes:
  0  ended by a signal, or started in the background
  1  not started, or ended by an error
  2  the command line is wrong";

const VTLLIBRARY: &str = "Examples:
  ferric serve vtllibrary -F -q 10 --mhvtl-config ./mhvtl
  ferric serve vtllibrary -q 10 --mhvtl-config ./mhvtl   # in the background

Exit codes:
  0  ended by a signal, or started in the background
  1  not started, or ended by an error
  2  the command line is wrong";

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
