//! `ferric migrate mhvtl --verify`: reads each cartridge in both formats.

use super::tapes::{self, Tape};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{BYTES, Output, counting, format_count, format_size, print_line};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::Path;
use tape_store::cartridge::{Cartridge, CartridgeKind};
use tape_store::compare::{Comparison, PIECE, compare, compare_formats};
use tape_store::error::StoreError;
use tape_store::mam::Flags;
use vtl::config::mhvtl::ImportedConfig;
use vtl::entropy::fill as entropy;

/// Names of both sides in descriptions of differences.
pub(super) const SIDES: [&str; 2] = ["mhvtl's cartridge", "the native copy"];

/// The result for one cartridge.
#[derive(Serialize)]
struct Row {
    barcode: String,
    state: State,
    /// Blocks that are equal.
    blocks: u64,
    /// Filemarks at the same places.
    filemarks: u64,
    /// Bytes of the equal blocks, before compression.
    bytes: u64,
    /// Equal blocks that mhvtl's cartridge has compressed.
    compressed: u64,
    /// Equal blocks that are encrypted.
    encrypted: u64,
    /// The first difference and its place, the damage, or a remark.
    problem: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Both formats have the same objects and the same cartridge memory.
    Equal,
    /// The copy differs from the cartridge.
    Different,
    /// The cartridge of mhvtl cannot be read, or not to its end.
    Unreadable,
    /// A NULL cartridge: it has no data.
    NoData,
    /// The native format cannot store an object of the cartridge: it can only be used in place.
    NotStorable,
    /// There is no copy.
    Missing,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Different => "different",
            Self::Unreadable => "unreadable",
            Self::NoData => "no data",
            Self::NotStorable => "in place",
            Self::Missing => "no copy",
        }
    }

    const fn is_failure(self) -> bool {
        matches!(self, Self::Different | Self::NotStorable | Self::Unreadable | Self::Missing)
    }
}

pub(super) fn run(output: Output, imported: &ImportedConfig, copies: Option<&Path>) -> Result<(), CliError> {
    let tapes = tapes::tapes(imported)?;
    let bar = output.progress_bar(Some(tapes::used_bytes(&tapes)), BYTES);
    let mut rows = Vec::new();
    for tape in &tapes {
        let row = row(tape, copies, &mut counting(&bar));
        if !output.is_json() {
            // Each line when it is known: a verification may take hours.
            bar.suspend(|| print_line(row.text()))?;
        }
        rows.push(row);
    }
    bar.finish_and_clear();
    rows.extend(tapes::misnamed(imported).iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Row::new(name, State::Unreadable, Some("is left out: its name is not a barcode".into()))
    }));
    output.show(rows.as_slice(), |rows| {
        rows.iter().skip(tapes.len()).try_for_each(|row| print_line(row.text()))?;
        print_line(summary(rows))
    })?;
    let failed = rows.iter().filter(|row| row.state.is_failure()).count();
    if failed == 0 {
        return Ok(());
    }
    let all = format_count(rows.len() as u64, "cartridge");
    Err(CliError::new(ErrorCode::Damaged, format!("not equal in both formats: {failed} of {all}")))
}

/// The number of cartridges in each state.
fn summary(rows: &[Row]) -> String {
    let states = [State::Equal, State::NoData, State::Different, State::NotStorable, State::Unreadable, State::Missing];
    let count = |state: State| rows.iter().filter(|row| row.state == state).count();
    let counts = states.into_iter().filter(|state| count(*state) > 0);
    let counts: Vec<String> = counts.map(|state| format!("{} {}", count(state), state.name())).collect();
    let all = format_count(rows.len() as u64, "cartridge");
    if counts.is_empty() { all } else { format!("{all}: {}", counts.join(", ")) }
}

fn row(tape: &Tape, copies: Option<&Path>, progress: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Row {
    let barcode = tape.barcode.to_string();
    let compared = tape.open().and_then(|mut cartridge| {
        let loaded = cartridge.mam()?.flags().contains(Flags::LOADED);
        Ok((compare_tape(tape, &mut cartridge, copies, progress)?, loaded))
    });
    match compared {
        Err(error @ StoreError::AtObject { .. }) => {
            let problem = format!("can only be used in place, the native format cannot store {error}");
            Row::new(barcode, State::NotStorable, Some(problem))
        }
        Err(error) => Row::new(barcode, State::Unreadable, Some(error.to_string())),
        Ok((Compared::NoData, _)) => Row::new(barcode, State::NoData, None),
        Ok((Compared::NoCopy, _)) => Row::new(barcode, State::Missing, None),
        Ok((Compared::Objects(comparison), loaded)) => {
            let difference = comparison.difference.as_ref().map(|difference| difference.describe(SIDES));
            let state = if difference.is_some() { State::Different } else { State::Equal };
            let remark = "loaded by mhvtl, or not unloaded cleanly";
            let problem = difference.or_else(|| loaded.then(|| remark.to_owned()));
            let Comparison { blocks, filemarks, bytes, compressed, encrypted, .. } = comparison;
            Row { barcode, state, blocks, filemarks, bytes, compressed, encrypted, problem }
        }
    }
}

enum Compared {
    Objects(Comparison),
    NoData,
    NoCopy,
}

fn compare_tape(
    tape: &Tape,
    cartridge: &mut Cartridge,
    copies: Option<&Path>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Compared, StoreError> {
    if cartridge.kind() == CartridgeKind::Null {
        return Ok(Compared::NoData);
    }
    let Some(copies) = copies else {
        return compare_formats(cartridge, entropy, PIECE, progress).map(Compared::Objects);
    };
    let store = tapes::store(copies);
    if !store.exists(&tape.barcode)? {
        return Ok(Compared::NoCopy);
    }
    compare(cartridge, &mut store.find(&tape.barcode)?, progress).map(Compared::Objects)
}

impl Row {
    const fn new(barcode: String, state: State, problem: Option<String>) -> Self {
        Self { barcode, state, blocks: 0, filemarks: 0, bytes: 0, compressed: 0, encrypted: 0, problem }
    }

    fn text(&self) -> String {
        let Self { barcode, state, blocks, filemarks, bytes, compressed, encrypted, problem } = self;
        let of = |number: u64, what: &str| if number > 0 { format!(", {number} {what}") } else { String::new() };
        let (marks, size) = (format_count(*filemarks, "filemark"), format_size(*bytes));
        let counts = format!(
            "{}, {marks}, {size}{}{}",
            format_count(*blocks, "block"),
            of(*compressed, "compressed"),
            of(*encrypted, "encrypted")
        );
        let rest = match (state, problem) {
            (State::Equal, None) => counts,
            (State::Equal, Some(remark)) => format!("{counts}; {remark}"),
            (State::Different, Some(problem)) => format!("{problem}; before it {counts} are equal"),
            (_, problem) => problem.clone().unwrap_or_default(),
        };
        format!("{barcode:<17}{:<11}{rest}", state.name()).trim_end().to_owned()
    }
}
