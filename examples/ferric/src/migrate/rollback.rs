//! `ferric migrate mhvtl --rollback`: undoes a migration.
//!
//! The steps, of which each can be repeated after an interruption:
//!
//! 1. Every cartridge with new data is written in mhvtl's format beside mhvtl's cartridge, and compared. If one cannot be written, what
//!    was written is removed, and nothing has changed.
//! 2. These replace mhvtl's cartridges, each in one step. The copies are unchanged, so that Ferric can still be started.
//! 3. The configuration file gets the suffix `.rolled-back`: from here on, Ferric cannot be started.
//! 4. The copies are removed, then this file.

use super::Arguments;
use super::tapes::{self, Tape};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{BYTES, Output, counting, format_count, print_line};
use crate::tape::is_protected;
use indicatif::ProgressBar;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tape_store::backend::FolderStore;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use tape_store::compare::compare;
use tape_store::convert::Conversion;
use tape_store::error::StoreError;
use tape_store::store::TapeStore;
use tape_store::verify::used_bytes;
use vtl::config::mhvtl::{self, ImportedConfig};
use vtl::entropy::fill as entropy;

/// The changes of a rollback.
#[derive(Default, Serialize)]
struct Report {
    /// Barcodes of the cartridges with new data, which are written in mhvtl's format.
    written_back: Vec<String>,
    /// Barcodes of the cartridges whose new data is lost.
    discarded: Vec<String>,
    /// Number of cartridges of mhvtl that are unchanged.
    unchanged: u64,
    /// Cartridges that no contents file of mhvtl lists: no library of mhvtl has them.
    unlisted: Vec<String>,
    /// Number of copies that are removed.
    removed_copies: u64,
    /// The configuration file that is removed.
    removed: PathBuf,
}

/// A cartridge with new data: the new one, and the directory of mhvtl that it returns to.
struct Change {
    barcode: Barcode,
    source: Cartridge,
    home: PathBuf,
}

pub(super) fn run(output: Output, directory: &Path, arguments: &Arguments) -> Result<(), CliError> {
    let imported = mhvtl::import(directory).map_err(super::invalid)?;
    let file = configuration_file(&arguments.output)?;
    let copies = tapes::copies_of(&file, &imported)?;
    if copies.is_none() && arguments.discard_new_data {
        let what = "uses mhvtl's cartridges in place: there is no older state of them";
        return Err(CliError::conflict(format!("{}: {what}", file.display())));
    }
    for served in imported.home_directories.iter().chain(&copies) {
        tapes::check_not_served(served)?;
    }
    let mut report = Report { removed: arguments.output.clone(), ..Report::default() };
    // An interrupted rollback has written all new data, and may have removed copies.
    let is_complete = file == rolled_back(&arguments.output);
    let changes = if is_complete { Vec::new() } else { changes(output, &imported, copies.as_deref(), &mut report)? };
    let names = changes.iter().map(|change| change.barcode.to_string()).collect();
    if arguments.discard_new_data {
        report.discarded = names
    } else {
        report.written_back = names
    }
    report.unlisted = unlisted(&imported, copies.is_none(), &report.written_back)?;
    if let Some(copies) = &copies {
        report.removed_copies = list(copies)?.len() as u64;
    }
    if arguments.check {
        return output.show(&report, |report| report.print(true));
    }
    if !arguments.discard_new_data {
        write_back(output, changes)?;
    }
    finish(&file, &arguments.output, &imported, copies.as_deref())?;
    output.done(output.show(&report, |report| report.print(false)))
}

/// The suffix of the configuration file once mhvtl's cartridges are complete.
const ROLLED_BACK: &str = "rolled-back";

fn rolled_back(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ROLLED_BACK);
    name.into()
}

/// The configuration file of the migration, or what an interrupted rollback has made of it.
fn configuration_file(output: &Path) -> Result<PathBuf, CliError> {
    let candidates = [output.to_path_buf(), rolled_back(output)];
    candidates.into_iter().find(|file| file.exists()).ok_or_else(|| {
        let what = "does not exist: name the configuration file of the migration with --output";
        CliError::not_found(format!("{}: {what}", output.display()))
    })
}

fn list(directory: &Path) -> Result<Vec<Barcode>, CliError> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    tapes::cartridges(directory).map_err(|error| CliError::Cartridge(directory.display().to_string(), error))
}

/// Barcodes that no contents file of mhvtl lists: of the cartridges that are written back; of all, if they were used in place.
fn unlisted(imported: &ImportedConfig, in_place: bool, written_back: &[String]) -> Result<Vec<String>, CliError> {
    let config = imported.config().map_err(super::invalid)?;
    let listed: BTreeSet<String> = tapes::listed(&config).into_iter().map(ToString::to_string).collect();
    let mut all: BTreeSet<String> = written_back.iter().cloned().collect();
    if in_place {
        all.extend(tapes::tapes(imported)?.into_iter().map(|tape| tape.barcode.to_string()));
    }
    Ok(all.difference(&listed).cloned().collect())
}

/// The cartridges with new data. Nothing is changed.
fn changes(
    output: Output,
    imported: &ImportedConfig,
    copies: Option<&Path>,
    report: &mut Report,
) -> Result<Vec<Change>, CliError> {
    let tapes = tapes::tapes(imported)?;
    let mut changes = Vec::new();
    let Some(copies) = copies else {
        // In place, only cartridges that were created or converted in the native format are new to mhvtl.
        for tape in tapes {
            let failed = |error| CliError::Cartridge(tape.barcode.to_string(), error);
            match tape.open().and_then(|mut cartridge| Ok((cartridge.format()?, cartridge))) {
                Ok((Format::Native, source)) => changes.push(Change { barcode: tape.barcode, source, home: tape.home }),
                Ok((Format::Mhvtl, _)) => report.unchanged += 1,
                Err(error @ StoreError::Io { .. }) => return Err(failed(error)),
                // A damaged cartridge of mhvtl stays as it is.
                Err(_) => report.unchanged += 1,
            }
        }
        return Ok(changes);
    };
    let barcodes = list(copies)?;
    let store = tapes::store(copies);
    let used = |barcode: &Barcode| used_bytes(&mut store.find(barcode).ok()?).ok();
    let bar = output.progress_bar(Some(barcodes.iter().filter_map(used).sum()), BYTES);
    for barcode in barcodes {
        let failed = |error| CliError::Cartridge(copies.join(barcode.as_str()).display().to_string(), error);
        let source = store.find(&barcode).map_err(failed)?;
        match tapes.iter().find(|tape| tape.barcode == barcode) {
            Some(tape) if is_unchanged(tape, &store, &bar).map_err(failed)? => report.unchanged += 1,
            Some(tape) => changes.push(Change { barcode, source, home: tape.home.clone() }),
            None => changes.push(Change { barcode: barcode.clone(), source, home: new_home(imported, &barcode)? }),
        }
    }
    bar.finish_and_clear();
    Ok(changes)
}

/// Whether mhvtl's cartridge has what the copy has.
fn is_unchanged(tape: &Tape, store: &TapeStore, bar: &ProgressBar) -> Result<bool, StoreError> {
    let mut copy = store.find(&tape.barcode)?;
    if copy.kind() == CartridgeKind::Null {
        return Ok(true);
    }
    let mut progress = counting(bar);
    // mhvtl's cartridge may have been damaged since; the copy then replaces it.
    let compared = tape.open().and_then(|mut original| compare(&mut original, &mut copy, &mut progress));
    Ok(compared.is_ok_and(|compared| compared.difference.is_none()))
}

/// The directory of mhvtl for a cartridge that is new to it: the first one that exists.
fn new_home(imported: &ImportedConfig, barcode: &Barcode) -> Result<PathBuf, CliError> {
    let home = imported.home_directories.iter().find(|home| home.is_dir());
    home.cloned().ok_or_else(|| {
        CliError::not_found(format!("{barcode}: no home directory of mhvtl exists that it can be written to"))
    })
}

/// Writes the new data in mhvtl's format: all cartridges beside mhvtl's, then each replaces mhvtl's.
fn write_back(output: Output, mut changes: Vec<Change>) -> Result<(), CliError> {
    let total = changes.iter_mut().filter_map(|change| used_bytes(&mut change.source).ok()).sum::<u64>();
    let bar = output.progress_bar(Some(2 * total), BYTES);
    let mut failures = Vec::new();
    for change in &mut changes {
        if let Err(problem) = prepare(change, &bar) {
            failures.push(format!("{}: {problem}", change.barcode));
        }
    }
    bar.finish_and_clear();
    if !failures.is_empty() {
        for change in &changes {
            let _ = tapes::store(&change.home).discard_copy(&change.barcode);
        }
        let what = format!("nothing was changed: {}", failures.join("; "));
        return Err(CliError::new(ErrorCode::Conflict, what));
    }
    changes.iter().try_for_each(|change| {
        let failed =
            |error| CliError::Cartridge(change.home.join(change.barcode.as_str()).display().to_string(), error);
        tapes::store(&change.home).commit_copy(&change.barcode).map_err(failed)
    })
}

/// Writes a cartridge in mhvtl's format beside mhvtl's cartridge, and compares it.
fn prepare(change: &mut Change, bar: &ProgressBar) -> Result<(), String> {
    let mut progress = counting(bar);
    let Change { barcode, source, home } = change;
    let store = tapes::store(home);
    if store.exists(barcode).map_err(|error| error.to_string())?
        && let Ok(mut former) = store.find(barcode)
        && let Err(error @ StoreError::NotUnloaded) = former.check_unloaded()
    {
        return Err(format!("mhvtl's cartridge {error}"));
    }
    let mam = source.mam().map_err(|error| error.to_string())?;
    if is_protected(&mam) {
        return Err("is retained or under a legal hold, which mhvtl's format cannot store".into());
    }
    let conversion = Conversion::new(Format::Mhvtl, entropy);
    let prepared = store.prepare_copy(barcode, source, conversion, &mut progress);
    let mut written = prepared.map_err(|error| format!("mhvtl's format cannot store it: {error}"))?;
    let compared = compare(&mut written, source, &mut progress).map_err(|error| error.to_string())?;
    let sides = ["the cartridge in mhvtl's format", "the new one"];
    compared.difference.map_or(Ok(()), |difference| Err(difference.describe(sides)))
}

/// Removes what the migration has made, after mhvtl's cartridges are complete.
fn finish(file: &Path, output: &Path, imported: &ImportedConfig, copies: Option<&Path>) -> Result<(), CliError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| CliError::system(&error, format!("{path}: {error}"))
    };
    let marked = rolled_back(output);
    if file != marked {
        fs::rename(file, &marked).map_err(failed(file))?;
    }
    for tape in tapes::tapes(imported)? {
        let path = tape.home.join(tape.barcode.as_str());
        // A rollback that was interrupted has left the old files beside the new ones.
        let store = OsFolderStore::at_unchecked(&tape.home);
        store.remove_replacement(tape.barcode.as_str()).map_err(failed(&path))?;
        let failed = |error| CliError::Cartridge(path.display().to_string(), error);
        tapes::store(&tape.home).remove_own_files(&tape.barcode).map_err(failed)?;
    }
    if let Some(copies) = copies.filter(|copies| copies.is_dir()) {
        let store = OsFolderStore::at_unchecked(copies);
        // An interrupted removal has left a folder without cartridge memory.
        let names = store.list().map_err(failed(copies))?;
        for name in names.iter().filter(|name| Barcode::new(name).is_some()) {
            store.remove_replacement(name).map_err(failed(copies))?;
            store.remove(name).map_err(failed(&copies.join(name)))?;
        }
        // Other files in it stay, and so does the directory then.
        let _ = fs::remove_dir(copies);
    }
    fs::remove_file(&marked).map_err(failed(&marked))
}

impl Report {
    fn print(&self, check: bool) -> Result<(), CliError> {
        let verb = |done: &'static str, planned: &'static str| if check { planned } else { done };
        let each = |barcodes: &[String], what: &str| {
            barcodes.iter().try_for_each(|barcode| print_line(format!("{barcode:<17}{what}")))
        };
        each(
            &self.written_back,
            verb("new data written in mhvtl's format", "new data would be written in mhvtl's format"),
        )?;
        each(&self.discarded, verb("new data discarded", "new data would be lost"))?;
        each(&self.unlisted, "in no library_contents file of mhvtl: add it there")?;
        print_line(format!("{} of mhvtl as before", format_count(self.unchanged, "cartridge")))?;
        if self.removed_copies > 0 {
            let (removed, copies) = (verb("removed", "would be removed"), self.removed_copies);
            print_line(format!("{copies} {} {removed}", if copies == 1 { "copy" } else { "copies" }))?;
        }
        print_line(format!("{} {}", self.removed.display(), verb("removed: start mhvtl", "would be removed")))
    }
}
