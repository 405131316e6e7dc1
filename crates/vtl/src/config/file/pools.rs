//! `[[pool]]`.

use super::cartridges::{format_has_medium, media};
use super::former_words::replace_level;
use super::shelves::pool_replica;
use super::source::Source;
use super::values::{format, identifier, number_or_one, required, size};
use crate::config::barcodes::Pattern;
use crate::config::tables::{PoolTable, Tables};
use crate::config::{CartridgeSetup, ConfigError, LibrarySetup, PoolSetup, ShelfSetup};
use toml::Spanned;

/// The pools, in the order of the file. `shelves` are those of the file, with the name of the one for new cartridges.
pub(super) fn pools(
    source: &Source<'_>,
    tables: Tables<PoolTable>,
    libraries: &[LibrarySetup],
    (shelves, new_cartridges): (&[ShelfSetup], Option<&str>),
) -> Result<Vec<PoolSetup>, ConfigError> {
    let mut pools = Vec::new();
    for table in tables {
        let replica = table.get_ref().replica.as_ref();
        let replica = replica.map(|text| pool_replica(source, text, shelves, new_cartridges)).transpose()?;
        let setup = pool(source, table, libraries, &pools)?;
        pools.push(PoolSetup { replica, ..setup });
    }
    Ok(pools)
}

fn pool(
    source: &Source<'_>,
    table: Spanned<PoolTable>,
    libraries: &[LibrarySetup],
    others: &[PoolSetup],
) -> Result<PoolSetup, ConfigError> {
    let table_at = table.span().start;
    let mut table = table.into_inner();
    replace_level(source, "pool", &mut table.format, table.level.take())?;
    let name_at = required(source, &table.name, "pool.name", table_at)?;
    let at = name_at.span().start;
    let name = identifier(source, name_at, "pool.name")?;
    if others.iter().any(|other| other.name == name) {
        return Err(source.error(at, "pool.name", format!("there are two pools {name:?}")));
    }
    let text = required(source, &table.pattern, "pool.pattern", at)?;
    let wrong = |message: String| source.error(text.span().start, "pool.pattern", message);
    let pattern = Pattern::new(text.get_ref()).map_err(|error| wrong(error.to_string()))?;
    if let Some(other) = others.iter().find(|other| other.pattern.overlaps(&pattern)) {
        return Err(wrong(format!("labels of {:?} can be those of pool {:?}, too", text.get_ref(), other.name)));
    }
    let first_number = number_or_one(&table.first);
    let first = pattern.barcode(first_number.into()).map_err(|error| match &table.first {
        Some(number) => source.error(number.span().start, "pool.first", error.to_string()),
        None => wrong(error.to_string()),
    })?;
    let media = media(&first).map_err(wrong)?;
    let size = size(source, &table.size, "pool.size")?;
    let format = format(source, table.format.as_ref(), "pool.format")?;
    format_has_medium(source, format, table.format.as_ref(), "pool.format", &first, media)?;
    let library = match &table.library {
        None if libraries.is_empty() => {
            return Err(source.error(at, "pool.library", "a pool needs a library, and the file has none"));
        }
        None => libraries.first(),
        Some(text) => Some(libraries.iter().find(|library| library.name == *text.get_ref()).ok_or_else(|| {
            source.error(text.span().start, "pool.library", format!("there is no library {:?}", text.get_ref()))
        })?),
    };
    let scratch = table.scratch.as_ref().map_or(0, |number| *number.get_ref());
    let library = library.map(|library| library.name.clone()).unwrap_or_default();
    let scratch_at = table.scratch.as_ref().map_or(at, |number| number.span().start);
    labels_suffice(&pattern, first_number, scratch, &library, libraries)
        .map_err(|message| source.error(scratch_at, "pool.scratch", message))?;
    let size = size.unwrap_or(media.capacity);
    Ok(PoolSetup { name, pattern, first: first_number, size, format, library, scratch, replica: None })
}

/// Whether a pool has labels for the blank cartridges that it keeps, in addition to the listed cartridges.
fn labels_suffice(
    pattern: &Pattern,
    first: u16,
    scratch: u16,
    library: &str,
    libraries: &[LibrarySetup],
) -> Result<(), String> {
    let numbers = |library: &LibrarySetup| {
        let number = |setup: &CartridgeSetup| pattern.number(setup.barcode.as_str());
        library.cartridges.iter().filter_map(number).collect::<Vec<_>>()
    };
    let at_hand = libraries.iter().find(|setup| setup.name == library).map_or(0, |setup| numbers(setup).len());
    let used = libraries.iter().flat_map(numbers).max().unwrap_or(0).max(u32::from(first).saturating_sub(1));
    let left = usize::try_from(pattern.max_number().saturating_sub(used)).unwrap_or(usize::MAX);
    let missing = usize::from(scratch).saturating_sub(at_hand);
    if missing <= left {
        return Ok(());
    }
    Err(format!(
        "{scratch} blank cartridges are wanted, but \"{pattern}\" has {left} labels for new ones; use more of #"
    ))
}
