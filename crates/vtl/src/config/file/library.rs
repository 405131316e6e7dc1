//! `[[library]]`: a logical library and its elements.

use super::cartridges::cartridges;
use super::chassis::Partition;
use super::drives::drives;
use super::former_words::replace_policy;
use super::iscsi::is_iscsi_name;
use super::notify::{COMMAND_TIMEOUT_S, program, seconds};
use super::pages::changer_pages;
use super::source::Source;
use super::values::{identifier, names, strings, time_mode};
use crate::config::tables::{LibraryTable, Number, Text};
use crate::config::{ChassisSetup, ConfigError, LibraryLines, LibrarySetup, MoveCommand, TransferPolicy};
use crate::target::MAX_LUNS;
use scsi_core::time::TimeMode;
use smc::element::{ElementLayout, ElementType};
use smc::profile::ChangerProfile;
use toml::Spanned;

/// The parts of the file that a library refers to.
pub(super) struct SiteTables<'a> {
    /// Time mode of the site.
    pub(super) time: TimeMode,
    pub(super) chassis: &'a [ChassisSetup],
    /// The libraries before it.
    pub(super) libraries: &'a [LibrarySetup],
}

/// One library; the first is called `main` if it has no name, others need one.
pub(super) fn library(
    source: &Source<'_>,
    mut table: LibraryTable,
    (at, number): (usize, usize),
    site: &SiteTables<'_>,
) -> Result<LibrarySetup, ConfigError> {
    let mut lines = layout_lines(source, &table, at);
    let partition = Partition::of(source, &mut table, site.chassis, site.libraries)?;
    let changer = changer_model(source, &table.model, "library.model")?;
    let names = names(source, "library", table.serial.as_ref(), table.naa.as_ref())?;
    replace_policy(source, "library.export", &mut table.export);
    replace_policy(source, "library.import", &mut table.import);
    let export = transfer_policy(source, &table.export, "library.export")?;
    let import = transfer_policy(source, &table.import, "library.import")?;
    if export == TransferPolicy::Auto && import == TransferPolicy::Auto {
        let message = "export and import cannot both be \"auto\": exported cartridges would be imported again";
        return Err(source.error(table.import.map_or(at, |text| text.span().start), "library.import", message));
    }
    let name = match &table.name {
        Some(name) => identifier(source, name, "library.name")?,
        None if number == 1 => "main".into(),
        None => return Err(source.error(at, "library.name", "each of several libraries needs a name")),
    };
    let move_command = move_command(source, &table, at)?;
    let shelf = table.shelf.as_ref().map(|shelf| identifier(source, shelf, "library.shelf")).transpose()?;
    let target = table.target.as_ref().map(|target| target_name(source, target)).transpose()?;
    let lun = lun(source, &table.lun)?;
    let given = [&table.vendor, &table.product, &table.revision];
    let strings = strings(source, "library", given, changer.model)?;
    let time = time_mode(source, table.time.as_ref(), "library.time", site.time)?;
    let drives = drives(source, table.drive.take(), time)?;
    let layout = element_layout(source, &lines, &table, changer, drives.len())?;
    let pages = changer_pages(source, table.page.take(), (changer, layout), &strings, &names)?;
    let partition = match (partition, &table.partition) {
        (Some(partition), Some(own)) => {
            let lines = [lines.slots, lines.import_export, lines.drives];
            Some(partition.place(source, own.get_ref(), &layout, lines)?)
        }
        _ => None,
    };
    // The default barcodes are those of the first library.
    let listed = if number == 1 { table.cartridges } else { Some(table.cartridges.unwrap_or_default()) };
    let cartridges = cartridges(source, listed, &layout, &mut lines)?;
    let shelf = shelf.unwrap_or_else(|| name.clone());
    let moved = table.first.is_some();
    Ok(LibrarySetup {
        name,
        names,
        strings,
        lines,
        changer,
        layout,
        custom_addresses: moved,
        drives,
        cartridges,
        exact_serial: table.exact_serial.is_some_and(Spanned::into_inner),
        shelf,
        target,
        lun,
        export,
        import,
        move_command,
        time,
        pages,
        partition,
    })
}

/// The program that runs before each move.
fn move_command(source: &Source<'_>, table: &LibraryTable, at: usize) -> Result<Option<MoveCommand>, ConfigError> {
    let key = "library.move_command_timeout";
    let timeout = seconds(source, &table.move_command_timeout, key, COMMAND_TIMEOUT_S)?;
    match (&table.move_command, &table.move_command_timeout) {
        (None, None) => Ok(None),
        (None, Some(number)) => Err(source.error(number.span().start, key, "needs move_command")),
        (Some(words), _) => {
            Ok(Some(MoveCommand { command: program(source, words, "library.move_command", at)?, timeout }))
        }
    }
}

/// Lines of the keys of a library; the line of the library for a missing key.
fn layout_lines(source: &Source<'_>, table: &LibraryTable, at: usize) -> LibraryLines {
    let line = |place: Option<usize>| source.line(place.unwrap_or(at));
    let number = |number: &Number| line(number.as_ref().map(|number| number.span().start));
    LibraryLines {
        file: source.file.into(),
        library: source.line(at),
        slots: number(&table.slots),
        import_export: number(&table.import_export),
        drives: line(
            table
                .drive
                .as_ref()
                .and_then(|tables| tables.last()?.get_ref().model.as_ref())
                .map(|text| text.span().start),
        ),
        first: line(table.first.as_ref().map(|first| first.span().start)),
        lun: number(&table.lun),
        target: line(table.target.as_ref().map(|target| target.span().start)),
        cartridges: Vec::new(),
        elements: Vec::new(),
    }
}

fn lun(source: &Source<'_>, lun: &Number) -> Result<Option<usize>, ConfigError> {
    let Some(lun) = lun else { return Ok(None) };
    let number = usize::from(*lun.get_ref());
    if number < MAX_LUNS {
        return Ok(Some(number));
    }
    let message = format!("{number} is too high: LUNs are below {MAX_LUNS}");
    Err(source.error(lun.span().start, "library.lun", message))
}

/// Default number of storage elements: more than the default library has cartridges.
const SLOTS: u16 = 24;
/// Default number of import/export elements.
const IMPORT_EXPORT: u16 = 4;

/// The element addresses of a library with this number of drives.
fn element_layout(
    source: &Source<'_>,
    lines: &LibraryLines,
    table: &LibraryTable,
    changer: &ChangerProfile,
    drives: usize,
) -> Result<ElementLayout, ConfigError> {
    let of = |number: &Number, usual: u16| number.as_ref().map_or(usual, |number| *number.get_ref());
    let wrong = |line: usize, key: &str, message: String| ConfigError {
        file: source.file.into(),
        line,
        key: key.into(),
        column: 0,
        message,
    };
    // Defaults never exceed the limits of the model.
    let [most_slots, most_import_export, _] = if table.first.is_some() { [u16::MAX; 3] } else { changer.max_elements };
    let counts = [
        of(&table.slots, SLOTS.min(most_slots)),
        of(&table.import_export, IMPORT_EXPORT.min(most_import_export)),
        u16::try_from(drives).unwrap_or(u16::MAX),
    ];
    if drives == 0 {
        let message = "a library needs at least one drive: [[drive]] with a model".into();
        return Err(wrong(lines.library, "drive", message));
    }
    if counts[0] == 0 {
        return Err(wrong(lines.slots, "library.slots", "a library needs at least one slot".into()));
    }
    let first = table.first.as_ref().map(|first| {
        let first = first.get_ref();
        let given = [&first.robot, &first.slots, &first.import_export, &first.drives];
        let mut usual = changer.first_addresses;
        usual.iter_mut().zip(given).for_each(|(first, given)| *first = of(given, *first));
        usual
    });
    crate::config::build_layout(changer, first, counts).map_err(|(kind, message)| match kind {
        _ if first.is_some() && table.slots.is_none() => wrong(lines.first, "library.first", message),
        ElementType::IMPORT_EXPORT => wrong(lines.import_export, "library.import_export", message),
        ElementType::DRIVE => wrong(lines.drives, "drive", message),
        _ => wrong(lines.slots, "library.slots", message),
    })
}

fn transfer_policy(source: &Source<'_>, text: &Text, key: &str) -> Result<TransferPolicy, ConfigError> {
    let Some(text) = text else { return Ok(TransferPolicy::Manual) };
    match text.get_ref().as_str() {
        "manual" => Ok(TransferPolicy::Manual),
        "auto" => Ok(TransferPolicy::Auto),
        other => {
            Err(source.error(text.span().start, key, format!("{other:?} is invalid; expected \"manual\" or \"auto\"")))
        }
    }
}

fn target_name(source: &Source<'_>, text: &Spanned<String>) -> Result<String, ConfigError> {
    if is_iscsi_name(text.get_ref()) { Ok(text.get_ref().clone()) } else { identifier(source, text, "library.target") }
}

/// Default numbers of storage and import/export elements of a model.
pub(super) fn default_counts(model: &ChangerProfile) -> [u16; 2] {
    let [slots, import_export, _] = model.max_elements;
    [SLOTS.min(slots), IMPORT_EXPORT.min(import_export)]
}

/// The library model of a key; an STK L700 without it.
pub(super) fn changer_model(
    source: &Source<'_>,
    model: &Text,
    key: &str,
) -> Result<&'static ChangerProfile, ConfigError> {
    let Some(model) = model else { return Ok(&smc::profile::STK_L700) };
    smc::profile::by_name(model.get_ref()).ok_or_else(|| {
        let known: Vec<_> = smc::profile::ALL.iter().map(|profile| profile.name).collect();
        let message = format!("unknown library {:?}; known are {}", model.get_ref(), known.join(", "));
        source.error(model.span().start, key, message)
    })
}
