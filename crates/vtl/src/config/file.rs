//! Parses and validates the configuration file as a whole; errors name line and key. Each table has a separate module.

mod cartridges;
mod chassis;
mod drives;
mod faults;
mod former_words;
mod http;
mod iscsi;
mod library;
mod notify;
mod pages;
mod pools;
mod shelves;
mod source;
mod storage;
mod users;
mod values;

pub use iscsi::{check_bind, parse_advertise};
pub(super) use notify::secret_key;
pub(crate) use values::is_identifier;

use super::tables::{File, LibraryTable, NotifyFile, Number, OneOrMany, Tables};
use super::{CartridgeSetup, ChassisSetup, Config, ConfigError, LibrarySetup, NotifySetup};
use chassis::{chassis, check_partition};
use http::http;
use iscsi::iscsi;
use library::{SiteTables, library};
use notify::notify;
use pools::pools;
use scsi_core::time::TimeMode;
pub(super) use shelves::{CACHE as SHELF_CACHE, THAW_DAYS, check_url as check_shelf_url};
use shelves::{new_cartridges, shelves};
use source::{Source, syntax_error};
use std::collections::{BTreeMap, BTreeSet};
use storage::directories;
use tape_store::cartridge::Barcode;
use toml::Spanned;
use values::{number_or_one, time_mode};

/// Reads a configuration. An empty text is the default library.
///
/// # Errors
/// The first fault, with file, line, key and what would be right.
pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
    let source = Source::new(file, text);
    let raw: File = toml::from_str(text).map_err(|error| syntax_error(&source, &error))?;
    from_file(source, raw)
}

/// Reads a file that has only tables `[[notify]]`, for a site whose libraries another configuration describes.
///
/// # Errors
/// The first fault, with file, line, key and what would be right.
pub fn parse_notify(file: &str, text: &str, libraries: &[LibrarySetup]) -> Result<Vec<NotifySetup>, ConfigError> {
    let source = Source::new(file, text);
    let raw: NotifyFile = toml::from_str(text).map_err(|error| syntax_error(&source, &error))?;
    notify(&source, raw.notify, libraries)
}

/// The configuration of one library that a program describes in code.
pub(crate) fn from_library_table(name: &str, table: LibraryTable) -> Result<Config, ConfigError> {
    let library = OneOrMany(vec![Spanned::new(0..0, table)]);
    from_file(Source::new(name, ""), File { library: Some(Spanned::new(0..0, library)), ..File::default() })
}

fn from_file(source: Source<'_>, raw: File) -> Result<Config, ConfigError> {
    let at_library = raw.library.as_ref().map_or(0, |library| library.span().start);
    let mut tables = match raw.library {
        // `library = []` is a site without libraries.
        Some(library) => library.into_inner().0,
        None => vec![Spanned::new(0..0, LibraryTable::default())],
    };
    if let [only] = tables.as_mut_slice() {
        // A file of one library may have its drives and cartridges beside it.
        merge_top_level_tables(&source, "drive", &mut only.get_mut().drive, raw.drive)?;
        merge_top_level_tables(&source, "cartridges", &mut only.get_mut().cartridges, raw.cartridges)?;
    } else if raw.drive.is_some() || raw.cartridges.is_some() {
        let message = match tables.as_slice() {
            [] => "needs a library, and the file has library = []",
            _ => "with several libraries, write [[library.drive]] and [[library.cartridges]] after each",
        };
        let first = |at: Option<usize>| at.unwrap_or(usize::MAX);
        let (drive, cartridges) =
            (first(first_offset(raw.drive.as_ref())), first(first_offset(raw.cartridges.as_ref())));
        let key = if drive < cartridges { "drive" } else { "cartridges" };
        return Err(source.error(drive.min(cartridges), key, message));
    }
    let time = time_mode(&source, raw.time.as_ref(), "time", TimeMode::Off)?;
    check_counts(&source, &tables)?;
    check_unique_names(&source, &tables)?;
    let chassis = chassis(&source, raw.chassis)?;
    let libraries = libraries(&source, tables, at_library, (time, &chassis))?;
    let iscsi = iscsi(&source, raw.iscsi)?;
    let http = http(&source, raw.http)?;
    let notify = notify(&source, raw.notify, &libraries)?;
    let shelves = shelves(&source, raw.shelf)?;
    let new_cartridges = new_cartridges(&source, raw.storage.new_cartridges, &shelves)?;
    let pools = pools(&source, raw.pool, &libraries, (&shelves, new_cartridges.as_deref()))?;
    let create = raw.storage.create.is_some_and(Spanned::into_inner);
    let faults = faults::faults(&source, raw.faults, raw.fault)?;
    let (cartridges, mut lines) = directories(&source, raw.storage.cartridges)?;
    lines.group = source.line(raw.storage.group.as_ref().map_or(0, |group| group.span().start));
    let group = raw.storage.group.map(Spanned::into_inner);
    let shared = raw.storage.shared.is_some_and(Spanned::into_inner);
    Ok(Config {
        libraries,
        chassis,
        pools,
        cartridge_directories: cartridges,
        create_directories: create,
        group,
        shared_cartridges: shared,
        shelves,
        new_cartridges,
        iscsi,
        http,
        notify,
        faults,
        storage_lines: lines,
        warnings: source.into_warnings(),
    })
}

/// The libraries of the file. `time` is the time mode of the site.
fn libraries(
    source: &Source<'_>,
    tables: Vec<Spanned<LibraryTable>>,
    at_library: usize,
    (time, chassis): (TimeMode, &[ChassisSetup]),
) -> Result<Vec<LibrarySetup>, ConfigError> {
    let mut libraries: Vec<LibrarySetup> = Vec::new();
    for table in tables {
        let number = libraries.len() + 1;
        // A single [library] has a line only for the table as a whole.
        let at = if table.span().start == 0 { at_library } else { table.span().start };
        let name_line = source.line(table.get_ref().name.as_ref().map_or(at, |name| name.span().start));
        let site = SiteTables { time, chassis, libraries: &libraries };
        let setup = library(source, table.into_inner(), (at, number), &site)?;
        check_conflicts(source, &libraries, &setup, name_line)?;
        libraries.push(setup);
    }
    Ok(libraries)
}

/// Offset of the first of several tables in the text.
fn first_offset<T>(tables: Option<&Tables<T>>) -> Option<usize> {
    tables?.first().map(|table| table.span().start)
}

/// Adds the top-level tables of a file with one library to that library.
fn merge_top_level_tables<T>(
    source: &Source<'_>,
    key: &str,
    own: &mut Option<Tables<T>>,
    other: Option<Tables<T>>,
) -> Result<(), ConfigError> {
    match (&own, &other) {
        (Some(_), Some(_)) => {
            let at = first_offset(other.as_ref()).unwrap_or(0);
            Err(source.error(at, key, format!("[[library.{key}]] is given as well; write all of them as one of both")))
        }
        (None, _) => {
            *own = other;
            Ok(())
        }
        (Some(_), None) => Ok(()),
    }
}

/// Most cartridges that the tables of a file list together.
const MAX_LISTED_CARTRIDGES: u32 = 250_000;
/// Most drives that the tables of a file list together: as many as a target has LUNs.
const MAX_LISTED_DRIVES: u32 = 0x4000;

/// Refuses tables that list more drives or cartridges than a site has, before any of them is expanded.
fn check_counts(source: &Source<'_>, tables: &[Spanned<LibraryTable>]) -> Result<(), ConfigError> {
    fn check<'a>(
        source: &Source<'_>,
        counts: impl Iterator<Item = (usize, &'a Number)>,
        (key, what, most): (&str, &str, u32),
    ) -> Result<(), ConfigError> {
        let mut listed = 0_u32;
        for (at, count) in counts {
            listed = listed.saturating_add(number_or_one(count).into());
            if listed > most {
                let at = count.as_ref().map_or(at, |count| count.span().start);
                let message = format!("the tables up to this one list {listed} {what}; a file lists at most {most}");
                return Err(source.error(at, key, message));
            }
        }
        Ok(())
    }
    let libraries = || tables.iter().map(Spanned::get_ref);
    let drives = libraries().flat_map(|library| library.drive.iter().flatten());
    let cartridges = libraries().flat_map(|library| library.cartridges.iter().flatten());
    let drive_counts = drives.map(|table| (table.span().start, &table.get_ref().count));
    check(source, drive_counts, ("drive.count", "drives", MAX_LISTED_DRIVES))?;
    let counts = cartridges.map(|table| (table.span().start, &table.get_ref().count));
    check(source, counts, ("cartridges.count", "cartridges", MAX_LISTED_CARTRIDGES))
}

/// Refuses a serial number or world wide name that two units have.
fn check_unique_names(source: &Source<'_>, tables: &[Spanned<LibraryTable>]) -> Result<(), ConfigError> {
    let mut known: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for library in tables.iter().map(Spanned::get_ref) {
        let own = ("library", &library.serial, &library.naa);
        let drives = library.drive.iter().flatten().map(Spanned::get_ref);
        for (table, serial, naa) in std::iter::once(own).chain(drives.map(|drive| ("drive", &drive.serial, &drive.naa)))
        {
            for (key, text) in [("serial", serial), ("naa", naa)] {
                let Some(text) = text else { continue };
                let (name, at) = (text.get_ref().to_ascii_lowercase(), text.span().start);
                // Serial numbers differ in case, world wide names do not.
                let name = if key == "naa" { name } else { text.get_ref().clone() };
                if let Some(before) = known.insert((key, name), at) {
                    let line = source.line(before);
                    let message = format!("{:?} is given to two units, here and in line {line}", text.get_ref());
                    return Err(source.error(at, &format!("{table}.{key}"), message));
                }
            }
        }
    }
    Ok(())
}

/// Refuses a library with the name or a barcode of another one, or with what another partition of its chassis has.
fn check_conflicts(
    source: &Source<'_>,
    others: &[LibrarySetup],
    new: &LibrarySetup,
    name_line: usize,
) -> Result<(), ConfigError> {
    let error = |key: &str, message: String| ConfigError {
        file: source.file.into(),
        line: new.lines.library,
        key: key.into(),
        column: 0,
        message,
    };
    if others.iter().any(|other| other.name == new.name) {
        let message = format!("there are two libraries {:?}", new.name);
        return Err(ConfigError { line: name_line, ..error("library.name", message) });
    }
    let mine: BTreeSet<&Barcode> = new.cartridges.iter().map(|setup| &setup.barcode).collect();
    for other in others {
        let twice = |setup: &&CartridgeSetup| mine.contains(&setup.barcode);
        if let Some(setup) = other.cartridges.iter().find(twice) {
            let message = format!("barcode {} is given twice, here and in library {:?}", setup.barcode, other.name);
            let at = new.cartridges.iter().position(|own| own.barcode == setup.barcode);
            let line = at.and_then(|at| new.lines.cartridges.get(at)).copied().unwrap_or(new.lines.library);
            return Err(ConfigError { line, ..error("cartridges.pattern", message) });
        }
    }
    check_partition(others, new)
}
