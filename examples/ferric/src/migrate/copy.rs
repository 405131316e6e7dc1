//! Copies of mhvtl's cartridges in the native format.

use super::report::{Copied, LeftOut};
use super::tapes::{self, Tape};
use super::verify::SIDES;
use crate::cli_error::CliError;
use crate::output::{BYTES, Output, counting};
use std::ops::ControlFlow;
use std::path::Path;
use tape_store::backend::file::{OsFolderStore, create_private_folders};
use tape_store::cartridge::{CartridgeKind, Format};
use tape_store::compare::compare;
use tape_store::convert::Conversion;
use tape_store::error::StoreError;
use tape_store::store::TapeStore;
use vtl::config::mhvtl::ImportedConfig;
use vtl::entropy::fill as entropy;

/// Copies each cartridge to a directory, and compares the copy with it. A cartridge that cannot be read is left out. Copies that an
/// interrupted migration has completed are compared and stay.
pub(super) fn run(output: Output, imported: &ImportedConfig, copies: &Path) -> Result<Copied, CliError> {
    let failed = |error: std::io::Error| CliError::system(&error, format!("{}: {error}", copies.display()));
    create_private_folders(copies).map_err(failed)?;
    tapes::check_not_served(copies)?;
    let store = TapeStore::new(Box::new(OsFolderStore::at_unchecked(copies)));
    let tapes = tapes::tapes(imported)?;
    // Each cartridge is read for the copy, and again for the comparison.
    let bar = output.progress_bar(Some(2 * tapes::used_bytes(&tapes)), BYTES);
    let mut progress = counting(&bar);
    let mut copied = Copied { copies: 0, left_out: Vec::new() };
    for tape in &tapes {
        match copy(tape, &store, &mut progress) {
            Ok(()) => copied.copies += 1,
            Err(Failure::LeftOut { problem, has_data }) => {
                copied.left_out.push(LeftOut { barcode: tape.barcode.to_string(), problem, has_data });
            }
            Err(Failure::Stop(error)) => {
                bar.finish_and_clear();
                return Err(error);
            }
        }
    }
    bar.finish_and_clear();
    Ok(copied)
}

enum Failure {
    /// This cartridge is not copied; the others are.
    LeftOut { problem: String, has_data: bool },
    /// The migration ends.
    Stop(CliError),
}

fn copy(tape: &Tape, store: &TapeStore, progress: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<(), Failure> {
    let left_out = |why: String| Failure::LeftOut { problem: format!("was not copied: {why}"), has_data: true };
    let unreadable = |error: StoreError| match &error {
        // The storage of the copies, such as a full disk.
        StoreError::Io { .. } => Failure::Stop(CliError::Cartridge(tape.barcode.to_string(), error)),
        StoreError::AtObject { cause, .. } if matches!(**cause, StoreError::Io { .. }) => {
            Failure::Stop(CliError::Cartridge(tape.barcode.to_string(), error))
        }
        _ => left_out(error.to_string()),
    };
    let mut original = tape.open().map_err(unreadable)?;
    if original.kind() == CartridgeKind::Null {
        let problem = "is a NULL cartridge without data; the daemon creates it".into();
        return Err(Failure::LeftOut { problem, has_data: false });
    }
    original.check_unloaded().map_err(unreadable)?;
    if store.exists(&tape.barcode).map_err(unreadable)? {
        let mut former = store.find(&tape.barcode).map_err(unreadable)?;
        let compared = compare(&mut original, &mut former, progress).map_err(unreadable)?;
        return match compared.difference {
            None => Ok(()),
            Some(difference) => {
                let what = format!("the copy exists already, and differs: {}", difference.describe(SIDES));
                Err(Failure::Stop(CliError::conflict(format!("{}: {what}", tape.barcode))))
            }
        };
    }
    let conversion = Conversion::new(Format::Native, entropy);
    let copied = store.copy_compared(&tape.barcode, &mut original, conversion, progress).map_err(unreadable)?;
    copied.map_or(Ok(()), |difference| Err(left_out(format!("the copy differs: {}", difference.describe(SIDES)))))
}
