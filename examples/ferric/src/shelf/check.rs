//! `ferric shelf check`

use super::{Address, OpenShelf, shelf_error};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, Output};
use serde::Serialize;
use shelf::trust::{self, Verdict};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
}

/// The result.
#[derive(Serialize)]
struct Checked {
    /// Whether several daemons can share the store.
    shareable: bool,
    /// The most clients that created the same object: 1 on a store that can be shared.
    winners: usize,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let open = OpenShelf::open(&arguments.address.url)?;
    let nonce = open.shelf.nonce().map_err(shelf_error)?;
    let verdict = open.runtime.block_on(trust::check(open.shelf.objects(), &nonce)).map_err(shelf_error)?;
    let (shareable, winners) = match verdict {
        Verdict::Once => (true, 1),
        Verdict::Several { winners } => (false, winners),
        _ => (false, 0),
    };
    output.show(&Checked { shareable, winners }, |_| {
        if shareable { output::print_line(format!("{verdict}: daemons can share cartridges on it")) } else { Ok(()) }
    })?;
    if shareable { Ok(()) } else { Err(CliError::new(ErrorCode::Conflict, verdict.to_string())) }
}
