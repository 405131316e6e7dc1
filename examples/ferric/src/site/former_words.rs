//! Commands and options of the previous release, which this release still accepts with a warning and the next one refuses.

use super::command::{DoorName, PoolArgs, RequestCommand as Command};
use crate::output::Output;

/// Replaces former words in a command, and prints a warning about them.
pub(super) fn replace(output: Output, command: Command) -> Command {
    match command {
        Command::Fail { fault } => {
            output.warn_former([("ferric fail", "ferric fault")]);
            Command::InjectFault { fault }
        }
        Command::Door { door: DoorName::Station, state } => {
            output.warn_former([("ferric door station", "ferric door io-station")]);
            Command::Door { door: DoorName::IoStation, state }
        }
        Command::Pool(PoolArgs { pool, create: None, make: Some(count) }) => {
            output.warn_former([("--make", "--create")]);
            Command::Pool(PoolArgs { pool, create: Some(count), make: None })
        }
        current => current,
    }
}
