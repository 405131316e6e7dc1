//! What the file says, checked, with errors that name line and key.

use super::barcodes::{self, Pattern};
use super::tables::{
    CartridgeTable, DriveTable, File, IscsiTable, LibraryTable, Number, OneOrMany, PoolTable, Tables, Text, UserTable,
};
use super::{
    Advertise, CartridgeSetup, Config, ConfigError, DriveSetup, IscsiLimits, IscsiSetup, LibrarySetup, Names, Network,
    PoolSetup, ShapeLines, StorageLines, User, When,
};
use crate::target::LUNS;
use scsi_core::identity::{Model, Strings};
use smc::element::{Address, ElementType, Label, Layout};
use smc::profile::ChangerProfile;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tape_store::cartridge::{Barcode, Kind, Level, parse_size};
use tape_store::media::MediaSpec;
use tape_store::medium::Codec;
use toml::Spanned;

/// The text being read, for lines in errors.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    /// The line of an offset, counted from 1.
    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1
    }

    fn error(&self, at: usize, key: &str, message: impl Into<String>) -> ConfigError {
        let message = crate::plain::words(message.into());
        ConfigError { file: self.file.into(), line: self.line(at), key: key.into(), message }
    }
}

/// Reads a configuration. An empty text is the default library.
///
/// # Errors
/// The first fault, with file, line, key and what would be right.
pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
    let source = Source { file, text };
    let raw: File = toml::from_str(text).map_err(|error| syntax_error(&source, &error))?;
    of_file(&source, raw)
}

/// An error of the TOML parser. Neither key nor message quotes a value: it could be a secret.
fn syntax_error(source: &Source<'_>, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let start = source.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let line = source.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let key = line.split('=').next().filter(|_| line.contains('=')).unwrap_or_default().trim();
    let plain =
        |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let table = line.trim_start().starts_with('[');
    let secret = line.contains("secret");
    let message = match error.message() {
        message @ "duplicate key" => message.into(),
        _ if secret => super::tables::NOT_A_SECRET.into(),
        message if is_of_users(source.text.get(..start).unwrap_or_default(), line) => without_value(message),
        message => message.into(),
    };
    let key = match () {
        () if table => header(line.trim()).to_owned(),
        () if line.trim_start().starts_with("secret") => {
            in_table(source.text.get(..start).unwrap_or_default(), "secret")
        }
        () if secret => "secret".to_owned(),
        () if plain(key) => in_table(source.text.get(..start).unwrap_or_default(), key),
        () => "(file)".to_owned(),
    };
    source.error(at, &key, message)
}

/// A key with the name of the table that it is in, as other errors have it.
fn in_table(before: &str, key: &str) -> String {
    // What looks like a header in a value is none, and could be part of a secret.
    const TABLES: [&str; 11] = [
        "library",
        "library.first",
        "library.drive",
        "library.cartridges",
        "drive",
        "cartridges",
        "pool",
        "storage",
        "iscsi",
        "iscsi.user",
        "iscsi.mutual",
    ];
    let table = before.lines().map(str::trim).rfind(|line| line.starts_with('[') && line.contains(']'));
    let name = table.map_or("", |table| header(table).trim_matches(['[', ']', ' ']));
    let name = match name {
        "library.drive" => "drive",
        "library.cartridges" => "cartridges",
        name => name,
    };
    if TABLES.contains(&name) { format!("{name}.{key}") } else { key.into() }
}

/// The header of a table, without what is behind it on the line.
fn header(line: &str) -> &str {
    let end = line.find(']').map_or(line.len(), |at| at + 1);
    let end = if line.get(end..).is_some_and(|rest| rest.starts_with(']')) { end + 1 } else { end };
    line.get(..end).unwrap_or(line)
}

/// Whether a line is about CHAP users: by itself, or by the table that it is in.
fn is_of_users(before: &str, line: &str) -> bool {
    let table = before.lines().rev().find(|line| line.trim_start().starts_with('['));
    [Some(line), table].into_iter().flatten().any(|line| line.contains("user") || line.contains("mutual"))
}

/// A message of the TOML parser without the value that it quotes.
fn without_value(message: &str) -> String {
    crate::plain::wrong_value(message).map_or_else(|| message.into(), |(_, expected)| format!("expected {expected}"))
}

/// A configuration of one library, said in code.
pub(crate) fn of_library(name: &str, table: LibraryTable) -> Result<Config, ConfigError> {
    let library = OneOrMany(vec![Spanned::new(0..0, table)]);
    of_file(&Source { file: name, text: "" }, File { library: Some(Spanned::new(0..0, library)), ..File::default() })
}

fn of_file(source: &Source<'_>, raw: File) -> Result<Config, ConfigError> {
    let at_library = raw.library.as_ref().map_or(0, |library| library.span().start);
    let mut tables = raw.library.map(|library| library.into_inner().0).unwrap_or_default();
    if tables.is_empty() {
        tables.push(Spanned::new(0..0, LibraryTable::default()));
    }
    if let [only] = tables.as_mut_slice() {
        // A file of one library may have its drives and cartridges beside it.
        beside(source, "drive", &mut only.get_mut().drive, raw.drive)?;
        beside(source, "cartridges", &mut only.get_mut().cartridges, raw.cartridges)?;
    } else if raw.drive.is_some() || raw.cartridges.is_some() {
        let message = "with several libraries, write [[library.drive]] and [[library.cartridges]] behind each";
        let first = |at: Option<usize>| at.unwrap_or(usize::MAX);
        let (drive, cartridges) = (first(place_of(raw.drive.as_ref())), first(place_of(raw.cartridges.as_ref())));
        let key = if drive < cartridges { "drive" } else { "cartridges" };
        return Err(source.error(drive.min(cartridges), key, message));
    }
    unique_names(source, &tables)?;
    let mut libraries: Vec<LibrarySetup> = Vec::new();
    for table in tables {
        let number = libraries.len() + 1;
        // A single [library] has its place in the file only as a whole.
        let at = if table.span().start == 0 { at_library } else { table.span().start };
        let name_line = source.line(table.get_ref().name.as_ref().map_or(at, |name| name.span().start));
        let setup = library(source, table.into_inner(), at, number)?;
        check_against(source, &libraries, &setup, name_line)?;
        libraries.push(setup);
    }
    let mut pools = Vec::new();
    for table in raw.pool {
        let setup = pool(source, table, &libraries, &pools)?;
        pools.push(setup);
    }
    let iscsi = iscsi(source, raw.iscsi)?;
    let create = raw.storage.create.is_some_and(Spanned::into_inner);
    let (cartridges, mut lines) = directories(source, raw.storage.cartridges)?;
    lines.group = source.line(raw.storage.group.as_ref().map_or(0, |group| group.span().start));
    let group = raw.storage.group.map(Spanned::into_inner);
    let shared = raw.storage.shared.is_some_and(Spanned::into_inner);
    Ok(Config { libraries, pools, cartridges, create, group, shared, iscsi, lines })
}

/// Where the first of several tables begins.
fn place_of<T>(tables: Option<&Tables<T>>) -> Option<usize> {
    tables?.first().map(|table| table.span().start)
}

/// Tables of the only library that are written beside it.
fn beside<T>(
    source: &Source<'_>,
    key: &str,
    own: &mut Option<Tables<T>>,
    other: Option<Tables<T>>,
) -> Result<(), ConfigError> {
    match (&own, &other) {
        (Some(_), Some(_)) => {
            let at = place_of(other.as_ref()).unwrap_or(0);
            Err(source.error(at, key, format!("[[library.{key}]] is given as well; write all of them as one of both")))
        }
        (None, _) => {
            *own = other;
            Ok(())
        }
        (Some(_), None) => Ok(()),
    }
}

/// The directories of cartridges, and their lines.
fn directories(source: &Source<'_>, given: Vec<Spanned<String>>) -> Result<(Vec<PathBuf>, StorageLines), ConfigError> {
    const KEY: &str = "storage.cartridges";
    let mut lines = StorageLines { file: source.file.into(), ..StorageLines::default() };
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in given {
        let at = path.span().start;
        let text = path.into_inner();
        if text.is_empty() || text.contains('\0') {
            return Err(source.error(at, KEY, format!("{text:?} is not a directory")));
        }
        if paths.contains(&PathBuf::from(&text)) {
            return Err(source.error(at, KEY, format!("directory {text:?} is given twice")));
        }
        lines.cartridges.push(source.line(at));
        paths.push(text.into());
    }
    Ok((paths, lines))
}

/// Serial numbers and world wide names, each of one unit only.
fn unique_names(source: &Source<'_>, tables: &[Spanned<LibraryTable>]) -> Result<(), ConfigError> {
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

/// One library; the first is called `main` if it has no name, others need one.
fn library(
    source: &Source<'_>,
    mut table: LibraryTable,
    at: usize,
    number: usize,
) -> Result<LibrarySetup, ConfigError> {
    let changer = changer(source, &table)?;
    let mut lines = shape_lines(source, &table, at);
    let names = names(source, "library", table.serial.as_ref(), table.naa.as_ref())?;
    let (export, import) =
        (when(source, &table.export, "library.export")?, when(source, &table.import, "library.import")?);
    if export == When::AtOnce && import == When::AtOnce {
        let message = "what goes to the shelf at once would come back at once; let one of both be for operators";
        return Err(source.error(table.import.map_or(at, |text| text.span().start), "library.import", message));
    }
    let name = match &table.name {
        Some(name) => word(source, name, "library.name")?,
        None if number == 1 => "main".into(),
        None => return Err(source.error(at, "library.name", "each of several libraries needs a name")),
    };
    let shelf = table.shelf.as_ref().map(|shelf| word(source, shelf, "library.shelf")).transpose()?;
    let target = table.target.as_ref().map(|target| target_name(source, target)).transpose()?;
    let lun = lun(source, &table.lun)?;
    let given = [&table.vendor, &table.product, &table.revision];
    let strings = strings(source, "library", given, changer.model)?;
    let drives = drives(source, table.drive.take())?;
    let layout = shape(source, &lines, &table, changer, drives.len())?;
    // Names that are made up here would be those of the first library again.
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
        moved,
        drives,
        cartridges,
        shelf,
        target,
        lun,
        export,
        import,
    })
}

/// Where the shape of a library is written; what is not given is where the library is.
fn shape_lines(source: &Source<'_>, table: &LibraryTable, at: usize) -> ShapeLines {
    let line = |place: Option<usize>| source.line(place.unwrap_or(at));
    let number = |number: &Number| line(number.as_ref().map(|number| number.span().start));
    ShapeLines {
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
        places: Vec::new(),
    }
}

fn lun(source: &Source<'_>, lun: &Number) -> Result<Option<usize>, ConfigError> {
    let Some(lun) = lun else { return Ok(None) };
    let number = usize::from(*lun.get_ref());
    if number < LUNS {
        return Ok(Some(number));
    }
    let message = format!("{number} is too high: LUNs are below {LUNS}");
    Err(source.error(lun.span().start, "library.lun", message))
}

/// Storage elements of a library that are not given: cartridges of the default library leave some of them empty.
const SLOTS: u16 = 24;
/// Import/export elements that are not given.
const IMPORT_EXPORT: u16 = 4;

/// Where the elements of a library are, with so many drives.
fn shape(
    source: &Source<'_>,
    lines: &ShapeLines,
    table: &LibraryTable,
    changer: &ChangerProfile,
    drives: usize,
) -> Result<Layout, ConfigError> {
    let of = |number: &Number, usual: u16| number.as_ref().map_or(usual, |number| *number.get_ref());
    let wrong = |line: usize, key: &str, message: String| ConfigError {
        file: source.file.into(),
        line,
        key: key.into(),
        message,
    };
    // What is not given is never more than the model has.
    let [most_slots, most_import_export, _] = if table.first.is_some() { [u16::MAX; 3] } else { changer.most };
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
        let mut usual = changer.first;
        usual.iter_mut().zip(given).for_each(|(first, given)| *first = of(given, *first));
        usual
    });
    super::layout(changer, first, counts).map_err(|(kind, message)| match kind {
        _ if first.is_some() && table.slots.is_none() => wrong(lines.first, "library.first", message),
        ElementType::IMPORT_EXPORT => wrong(lines.import_export, "library.import_export", message),
        ElementType::DRIVE => wrong(lines.drives, "drive", message),
        _ => wrong(lines.slots, "library.slots", message),
    })
}

/// Vendor, product and revision, which are the model's unless others are given.
fn strings(source: &Source<'_>, table: &str, given: [&Text; 3], model: Model) -> Result<Strings, ConfigError> {
    let string = |key: &str, text: &Text, most: usize, usual: &str| {
        let Some(text) = text else { return Ok(usual.to_owned()) };
        let string = text.get_ref();
        if string.len() <= most && string.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Ok(string.clone());
        }
        let message = format!("{string:?} is not up to {most} characters of printable ASCII");
        Err(source.error(text.span().start, &format!("{table}.{key}"), message))
    };
    let [vendor, product, revision] = given;
    Ok(Strings {
        vendor: string("vendor", vendor, 8, model.vendor)?,
        product: string("product", product, 16, model.product)?,
        revision: string("revision", revision, 4, model.revision)?,
    })
}

/// A serial number and a world wide name, as far as they are given.
fn names(
    source: &Source<'_>,
    table: &str,
    serial: Option<&Spanned<String>>,
    naa: Option<&Spanned<String>>,
) -> Result<Names, ConfigError> {
    let number = |text: &Spanned<String>| {
        let serial = text.get_ref();
        if (1..=SERIAL).contains(&serial.len()) && serial.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(serial.clone());
        }
        let message = format!("{serial:?} is no serial number: 1 to {SERIAL} characters, no blanks");
        Err(source.error(text.span().start, &format!("{table}.serial"), message))
    };
    let name = |text: &Spanned<String>| {
        let naa = text.get_ref().to_ascii_lowercase();
        let known = matches!(naa.bytes().next(), Some(b'2' | b'3' | b'5'));
        if naa.len() == 16 && known && naa.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(naa);
        }
        let message = format!("{naa:?} is no world wide name: 16 hexadecimal digits, the first 2, 3 or 5");
        Err(source.error(text.span().start, &format!("{table}.naa"), message))
    };
    Ok(Names { serial: serial.map(number).transpose()?, naa: naa.map(name).transpose()? })
}

/// The longest unit serial number.
const SERIAL: usize = 15;

fn when(source: &Source<'_>, text: &Text, key: &str) -> Result<When, ConfigError> {
    let Some(text) = text else { return Ok(When::Operator) };
    match text.get_ref().as_str() {
        "operator" => Ok(When::Operator),
        "at once" => Ok(When::AtOnce),
        other => {
            Err(source.error(text.span().start, key, format!("{other:?} is neither \"operator\" nor \"at once\"")))
        }
    }
}

/// What must be given.
fn needed<'a>(source: &Source<'_>, text: &'a Text, key: &str, at: usize) -> Result<&'a Spanned<String>, ConfigError> {
    text.as_ref().ok_or_else(|| source.error(at, key, "is needed here"))
}

fn or_one(number: &Number) -> u16 {
    number.as_ref().map_or(1, |number| *number.get_ref())
}

fn pool(
    source: &Source<'_>,
    table: Spanned<PoolTable>,
    libraries: &[LibrarySetup],
    others: &[PoolSetup],
) -> Result<PoolSetup, ConfigError> {
    let table_at = table.span().start;
    let table = table.into_inner();
    let name_at = needed(source, &table.name, "pool.name", table_at)?;
    let at = name_at.span().start;
    let name = word(source, name_at, "pool.name")?;
    if others.iter().any(|other| other.name == name) {
        return Err(source.error(at, "pool.name", format!("there are two pools {name:?}")));
    }
    let text = needed(source, &table.pattern, "pool.pattern", at)?;
    let wrong = |message: String| source.error(text.span().start, "pool.pattern", message);
    let pattern = Pattern::new(text.get_ref()).map_err(wrong)?;
    if let Some(other) = others.iter().find(|other| other.pattern.meets(&pattern)) {
        return Err(wrong(format!("labels of {:?} can be those of pool {:?}, too", text.get_ref(), other.name)));
    }
    let first = pattern.label(1).map_err(wrong)?;
    let media = media(&first).map_err(wrong)?;
    let size = size(source, &table.size, "pool.size")?;
    let level = level(source, table.level.as_ref(), "pool.level")?;
    format_has_medium(source, level, table.level.as_ref(), "pool.level", &first, media)?;
    let library = match &table.library {
        None => libraries.first(),
        Some(text) => Some(libraries.iter().find(|library| library.name == *text.get_ref()).ok_or_else(|| {
            source.error(text.span().start, "pool.library", format!("there is no library {:?}", text.get_ref()))
        })?),
    };
    let scratch = table.scratch.as_ref().map_or(0, |number| *number.get_ref());
    let library = library.map(|library| library.name.clone()).unwrap_or_default();
    let scratch_at = table.scratch.as_ref().map_or(at, |number| number.span().start);
    labels_suffice(&pattern, scratch, &library, libraries)
        .map_err(|message| source.error(scratch_at, "pool.scratch", message))?;
    Ok(PoolSetup { name, pattern, size: size.unwrap_or(media.capacity), level, library, scratch })
}

/// Whether a pool has labels for the blank cartridges that it keeps, beside those that libraries list.
fn labels_suffice(pattern: &Pattern, scratch: u16, library: &str, libraries: &[LibrarySetup]) -> Result<(), String> {
    let numbers = |library: &LibrarySetup| {
        let number = |setup: &CartridgeSetup| pattern.number(setup.barcode.as_str());
        library.cartridges.iter().filter_map(number).collect::<Vec<_>>()
    };
    let at_hand = libraries.iter().find(|setup| setup.name == library).map_or(0, |setup| numbers(setup).len());
    let used = libraries.iter().flat_map(numbers).max().unwrap_or(0);
    let left = usize::try_from(pattern.last().saturating_sub(used)).unwrap_or(usize::MAX);
    let missing = usize::from(scratch).saturating_sub(at_hand);
    if missing <= left {
        return Ok(());
    }
    Err(format!(
        "{scratch} blank cartridges are wanted, but \"{pattern}\" has {left} labels for new ones; use more of #"
    ))
}

/// A name of ours: 1 to 32 of a-z, 0-9, `-` and `_`.
fn word(source: &Source<'_>, text: &Spanned<String>, key: &str) -> Result<String, ConfigError> {
    let name = text.get_ref();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if (1..=32).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(name.clone());
    }
    let message = format!("{name:?} is no name: 1 to 32 of a-z, 0-9, - and _");
    Err(source.error(text.span().start, key, message))
}

fn target_name(source: &Source<'_>, text: &Spanned<String>) -> Result<String, ConfigError> {
    if is_iscsi_name(text.get_ref()) { Ok(text.get_ref().clone()) } else { word(source, text, "library.target") }
}

/// What two libraries cannot both have.
fn check_against(
    source: &Source<'_>,
    others: &[LibrarySetup],
    new: &LibrarySetup,
    name_line: usize,
) -> Result<(), ConfigError> {
    let error = |key: &str, message: String| ConfigError {
        file: source.file.into(),
        line: new.lines.library,
        key: key.into(),
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
    Ok(())
}

fn changer(source: &Source<'_>, table: &LibraryTable) -> Result<&'static ChangerProfile, ConfigError> {
    let Some(model) = &table.model else { return Ok(&smc::profile::STK_L700) };
    smc::profile::by_name(model.get_ref()).ok_or_else(|| {
        let known: Vec<_> = smc::profile::ALL.iter().map(|profile| profile.name).collect();
        let message = format!("unknown library {:?}; known are {}", model.get_ref(), known.join(", "));
        source.error(model.span().start, "library.model", message)
    })
}

fn drives(source: &Source<'_>, tables: Option<Tables<DriveTable>>) -> Result<Vec<DriveSetup>, ConfigError> {
    let Some(tables) = tables else {
        let (profile, codec) = (&ssc::profile::ULT3580_TD8, Codec::zstd(1));
        let (names, strings) = (Names::default(), profile.model.into());
        return Ok(vec![DriveSetup { profile, codec, names, strings }; 2]);
    };
    let mut drives = Vec::new();
    for table in tables {
        let at = table.span().start;
        let table = table.into_inner();
        let text = needed(source, &table.model, "drive.model", at)?;
        let model = text.get_ref();
        let profile = ssc::profile::by_product(model).ok_or_else(|| {
            let known: Vec<_> = ssc::profile::ALL.iter().map(|profile| profile.model.product).collect();
            let message = format!("unknown drive {model:?}; known are {}", known.join(", "));
            source.error(text.span().start, "drive.model", message)
        })?;
        let names = names(source, "drive", table.serial.as_ref(), table.naa.as_ref())?;
        let strings = strings(source, "drive", [&table.vendor, &table.product, &table.revision], profile.model)?;
        let count = or_one(&table.count);
        let count_at = table.count.as_ref().map_or(at, |count| count.span().start);
        if count == 0 {
            return Err(source.error(count_at, "drive.count", "0 is no number of drives: at least 1"));
        }
        if count > 1 && names != Names::default() {
            return Err(source.error(count_at, "drive.count", "one name cannot be that of several drives"));
        }
        let codec = match &table.compression {
            None => Codec::zstd(1),
            Some(text) => Codec::parse(text.get_ref()).ok_or_else(|| {
                let message =
                    format!("{:?} is none of none, zlib, zlib:1 to zlib:9, zstd, zstd:1 to zstd:19", text.get_ref());
                source.error(text.span().start, "drive.compression", message)
            })?,
        };
        drives.extend(std::iter::repeat_n(DriveSetup { profile, codec, names, strings }, count.into()));
    }
    Ok(drives)
}

fn cartridges(
    source: &Source<'_>,
    tables: Option<Tables<CartridgeTable>>,
    layout: &Layout,
    lines: &mut ShapeLines,
) -> Result<Vec<CartridgeSetup>, ConfigError> {
    let mut cartridges: Vec<CartridgeSetup> = Vec::new();
    let Some(tables) = tables else { return default_cartridges(source, layout) };
    let (mut known, mut places) = (BTreeSet::new(), BTreeMap::new());
    for table in tables {
        let table_at = table.span().start;
        let table = table.into_inner();
        let what = what(source, &table)?;
        let pattern = needed(source, &table.pattern, "cartridges.pattern", table_at)?;
        let at = pattern.span().start;
        let mut made = of_pattern(pattern.get_ref(), or_one(&table.first), or_one(&table.count), &what)
            .map_err(|message| source.error(at, "cartridges.pattern", message))?;
        if let Some(text) = &table.at {
            place(source, layout, text, &mut made)?;
        }
        for cartridge in made {
            let (level, barcode) = (cartridge.level, &cartridge.barcode);
            format_has_medium(source, level, table.level.as_ref(), "cartridges.level", barcode, cartridge.media)?;
            if !known.insert(cartridge.barcode.clone()) {
                let message = format!("barcode {} is given twice", cartridge.barcode);
                return Err(source.error(at, "cartridges.pattern", message));
            }
            let other = cartridge.at.and_then(|place| places.insert(place, cartridge.barcode.clone()));
            if let Some(other) = other {
                let at = table.at.as_ref().map_or(at, |text| text.span().start);
                let message = format!("{} and {other} are put into the same element", cartridge.barcode);
                return Err(source.error(at, "cartridges.at", message));
            }
            cartridges.push(cartridge);
            lines.cartridges.push(source.line(at));
            lines.places.push(source.line(table.at.as_ref().map_or(at, |text| text.span().start)));
        }
    }
    Ok(cartridges)
}

/// Up to twenty cartridges, one of them for cleaning; one slot stays empty, for moves from slot to slot.
fn default_cartridges(source: &Source<'_>, layout: &Layout) -> Result<Vec<CartridgeSetup>, ConfigError> {
    let slots = layout.storage.count;
    let all = slots.saturating_sub(1).clamp(1, 20);
    let cleaning = u16::from(all > 1);
    let mut cartridges = Vec::new();
    for (pattern, count) in [("V#####L8", all - cleaning), ("CLN001L8", cleaning)] {
        if count == 0 {
            continue;
        }
        let made = of_pattern(pattern, 1, count, &What::default())
            .map_err(|message| source.error(0, "cartridges", message))?;
        cartridges.extend(made);
    }
    Ok(cartridges)
}

/// Gives cartridges the places that are meant for them.
fn place(
    source: &Source<'_>,
    layout: &Layout,
    text: &Spanned<String>,
    made: &mut [CartridgeSetup],
) -> Result<(), ConfigError> {
    let wrong = |message: String| source.error(text.span().start, "cartridges.at", message);
    let groups = [
        ("slot", layout.storage, "slots"),
        ("io", layout.import_export, "import/export elements"),
        ("port", layout.import_export, "import/export elements"),
        ("drive", layout.drives, "drives"),
    ];
    let (range, kind, number) = groups
        .into_iter()
        .find_map(|(word, range, kind)| Some((range, kind, text.get_ref().strip_prefix(word)?.parse::<u16>().ok()?)))
        .filter(|(.., number)| *number > 0)
        .ok_or_else(|| wrong(format!("{:?} is no element such as slot1, io1 or drive1", text.get_ref())))?;
    for (step, cartridge) in (number - 1..).zip(made) {
        if step >= range.count {
            let message = format!("there is no room for {}: the library has {} {kind}", cartridge.barcode, range.count);
            return Err(wrong(message));
        }
        cartridge.at = Some(Address(range.first + step));
    }
    Ok(())
}

fn size(source: &Source<'_>, text: &Text, key: &str) -> Result<Option<u64>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let size = parse_size(text.get_ref()).ok_or_else(|| {
        let message = format!(
            "{:?} is no size; write for example \"100MB\", \"2.5GB\" or \"64MiB\", at least 1MB",
            text.get_ref()
        );
        source.error(text.span().start, key, message)
    })?;
    Ok(Some(size))
}

fn level(source: &Source<'_>, text: Option<&Spanned<String>>, key: &str) -> Result<Level, ConfigError> {
    let Some(text) = text else { return Ok(Level::Ferric) };
    let known = [Level::Ferric, Level::Mhvtl].into_iter().find(|level| level.name() == text.get_ref());
    known.ok_or_else(|| {
        let message = format!("{:?} is neither ferric nor mhvtl", text.get_ref());
        source.error(text.span().start, key, message)
    })
}

/// Refuses a medium that the format of a new cartridge's files does not have: mhvtl has no LTO-7 Type M.
fn format_has_medium(
    source: &Source<'_>,
    level: Level,
    text: Option<&Spanned<String>>,
    key: &str,
    barcode: &Barcode,
    media: &MediaSpec,
) -> Result<(), ConfigError> {
    if level != Level::Mhvtl || tape_store::mhvtl::media::of(media).is_some() {
        return Ok(());
    }
    let message =
        format!("\"mhvtl\" has no {} medium, which {barcode} needs; use another medium or \"ferric\"", media.name);
    Err(source.error(text.map_or(0, |text| text.span().start), key, message))
}

/// What cartridges are to be, as far as it is given.
#[derive(Default)]
struct What {
    medium: Option<&'static MediaSpec>,
    kind: Option<Kind>,
    size: Option<u64>,
    level: Level,
    label: Option<Label>,
}

fn what(source: &Source<'_>, table: &CartridgeTable) -> Result<What, ConfigError> {
    fn known<T>(
        source: &Source<'_>,
        text: &Text,
        key: &str,
        by_name: impl Fn(&str) -> Option<T>,
        names: &[&str],
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        let name = text.get_ref();
        let expected = match names {
            [only] => format!("{name:?} is not {only:?}"),
            several => format!("{name:?} is none of {}", several.join(", ")),
        };
        let unknown = || source.error(text.span().start, key, expected);
        by_name(name).ok_or_else(unknown).map(Some)
    }
    let media: Vec<_> = tape_store::media::names().collect();
    let label = |name: &str| (name == "missing").then_some(Label::Missing);
    Ok(What {
        medium: known(source, &table.medium, "cartridges.medium", tape_store::media::by_name, &media)?,
        kind: known(source, &table.kind, "cartridges.kind", Kind::by_name, &Kind::ALL.map(Kind::name))?,
        size: size(source, &table.size, "cartridges.size")?,
        level: level(source, table.level.as_ref(), "cartridges.level")?,
        label: known(source, &table.label, "cartridges.label", label, &["missing"])?,
    })
}

fn media(barcode: &Barcode) -> Result<&'static MediaSpec, String> {
    barcode.media().map(|(media, _)| media).ok_or_else(|| {
        let known: Vec<_> = tape_store::media::suffixes().collect();
        format!("{barcode} does not end in a media identifier: {}", known.join(", "))
    })
}

fn of_pattern(pattern: &str, first: u16, count: u16, what: &What) -> Result<Vec<CartridgeSetup>, String> {
    let &What { medium, kind, size, level, label } = what;
    let setup = |barcode: Barcode| {
        let media = medium.map_or_else(|| media(&barcode), Ok)?;
        let (kind, size) = (kind.unwrap_or(barcode.kind()), size.unwrap_or(media.capacity));
        Ok(CartridgeSetup { barcode, media, kind, size, level, at: None, label })
    };
    barcodes::expand(pattern, first.into(), count.into())?.into_iter().map(setup).collect()
}

/// Whether a text is `ADDRESS:PORT` or `[ADDRESS]:PORT`; whether the address exists is the system's to say.
fn is_portal(text: &str) -> bool {
    let inside =
        |address: &str| address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).map(str::to_owned);
    text.rsplit_once(':').is_some_and(|(address, port)| {
        let known = match inside(address) {
            // A zone may follow.
            Some(address) => address.split('%').next().is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok()),
            None => {
                !address.is_empty()
                    && address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        known && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    })
}

/// Checks where to listen.
///
/// # Errors
/// What would be right.
pub fn check_bind(text: &str) -> Result<(), String> {
    if is_portal(text) {
        return Ok(());
    }
    Err(format!("{text:?} is not ADDRESS:PORT, such as \"0.0.0.0:3260\""))
}

/// What SendTargets is to say: an address, or none.
///
/// # Errors
/// What would be right.
pub fn parse_advertise(text: &str) -> Result<Advertise, String> {
    match text {
        "none" => Ok(Advertise::Nothing),
        address if is_portal(address) && !address.ends_with(":0") => Ok(Advertise::Portal(address.into())),
        other => Err(format!("{other:?} is not ADDRESS:PORT, such as \"tape.example.com:3260\", nor \"none\"")),
    }
}

/// Whether a text is the name of an iSCSI node, RFC 3720 form as RFC 7143 §4.2.7 keeps it.
fn is_iscsi_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || !byte.is_ascii() || b"-.:".contains(&byte);
    let known = ["iqn.", "eui.", "naa."].iter().any(|prefix| name.starts_with(prefix));
    // What is not ASCII is case folded text (RFC 3722): no white space, no control characters.
    let text = name.chars().all(|c| c.is_ascii() || c.is_alphanumeric());
    known && (5..=223).contains(&name.len()) && name.bytes().all(plain) && text
}

/// The smallest `iscsi.buffer_memory`.
const LEAST_MEMORY: u64 = 96 << 20;

fn limits(source: &Source<'_>, table: &IscsiTable) -> Result<IscsiLimits, ConfigError> {
    let network = |text: &Spanned<String>| {
        let network: Result<Network, String> = text.get_ref().parse();
        network.map_err(|message| source.error(text.span().start, "iscsi.networks", message))
    };
    let networks = table.networks.as_ref().map(|texts| texts.iter().map(network).collect()).transpose()?;
    let key = "iscsi.buffer_memory";
    let buffer_memory = size(source, &table.buffer_memory, key)?;
    if let (Some(bytes), Some(text)) = (buffer_memory.filter(|bytes| *bytes < LEAST_MEMORY), &table.buffer_memory) {
        let message = format!("{:?} is {bytes} bytes; at least 96MiB are needed", text.get_ref());
        return Err(source.error(text.span().start, key, message));
    }
    let count = |number: &Number, key: &str| match number {
        Some(number) if *number.get_ref() == 0 => Err(source.error(number.span().start, key, "0 admits no initiator")),
        number => Ok(number.as_ref().map(|number| usize::from(*number.get_ref()))),
    };
    let key = "iscsi.max_connections_per_address";
    let max_connections_per_address = count(&table.max_connections_per_address, key)?;
    let key = "iscsi.max_unauthenticated_per_address";
    let max_unauthenticated_per_address = count(&table.max_unauthenticated_per_address, key)?;
    Ok(IscsiLimits { networks, buffer_memory, max_connections_per_address, max_unauthenticated_per_address })
}

fn iscsi(source: &Source<'_>, table: IscsiTable) -> Result<IscsiSetup, ConfigError> {
    let wrong = |text: &Spanned<String>, key: &str, message| source.error(text.span().start, key, message);
    if let Some(text) = &table.bind {
        check_bind(text.get_ref()).map_err(|message| wrong(text, "iscsi.bind", message))?;
    }
    let advertise = |text: &Spanned<String>| {
        parse_advertise(text.get_ref()).map_err(|message| wrong(text, "iscsi.advertise", message))
    };
    let advertise = table.advertise.as_ref().map(advertise).transpose()?.unwrap_or_default();
    let initiators = table.initiators.iter().flatten().map(|name| ("iscsi.initiators", name));
    for (key, name) in table.iqn.iter().map(|name| ("iscsi.iqn", name)).chain(initiators) {
        if !is_iscsi_name(name.get_ref()) {
            let message = format!("{:?} is no iSCSI name, such as \"iqn.2026-01.com.example:library\"", name.get_ref());
            return Err(wrong(name, key, message));
        }
    }
    let limits = limits(source, &table)?;
    let bind = table.bind.map_or_else(|| "127.0.0.1:3260".into(), Spanned::into_inner);
    let (users, mutual) = users(source, table.user, table.mutual)?;
    let initiators = table.initiators.map(|names| names.into_iter().map(Spanned::into_inner).collect());
    Ok(IscsiSetup { bind, iqn: table.iqn.map(Spanned::into_inner), advertise, initiators, users, mutual, limits })
}

/// CHAP users, and what the target proves itself with.
fn users(
    source: &Source<'_>,
    tables: Tables<UserTable>,
    mutual: Option<Spanned<UserTable>>,
) -> Result<(Vec<User>, Option<User>), ConfigError> {
    let mut users: Vec<User> = Vec::new();
    for table in tables {
        let name_at = table.get_ref().name.as_ref().map_or(table.span().start, |name| name.span().start);
        let user = user(source, "iscsi.user", table)?;
        if users.iter().any(|other| other.name == user.name) {
            return Err(source.error(name_at, "iscsi.user.name", format!("there are two users {:?}", user.name)));
        }
        users.push(user);
    }
    let Some(table) = mutual else { return Ok((users, None)) };
    let secret_at = table.get_ref().secret.as_ref().map_or(table.span().start, |text| text.span().start);
    let mutual = user(source, "iscsi.mutual", table)?;
    if users.iter().any(|user| user.secret == mutual.secret) {
        let message = "the secret of the target must differ from those of the users";
        return Err(source.error(secret_at, "iscsi.mutual.secret", message));
    }
    if users.is_empty() {
        return Err(source.error(secret_at, "iscsi.mutual", "mutual CHAP needs at least one [[iscsi.user]]"));
    }
    Ok((users, Some(mutual)))
}

/// A name and its secret. No error shows the secret.
fn user(source: &Source<'_>, key: &str, table: Spanned<UserTable>) -> Result<User, ConfigError> {
    let at = table.span().start;
    let table = table.into_inner();
    let name = needed(source, &table.name, &format!("{key}.name"), at)?;
    let text = name.get_ref();
    if !(1..=255).contains(&text.len()) || text.chars().any(char::is_control) {
        let message = format!("{text:?} is no name of a user: 1 to 255 characters, none of them a control character");
        return Err(source.error(name.span().start, &format!("{key}.name"), message));
    }
    let key = &format!("{key}.secret");
    let secret = table.secret.ok_or_else(|| source.error(name.span().start, key, "is needed here"))?;
    let (at, secret) = (secret.span().start, secret.into_inner().0);
    if !(12..=255).contains(&secret.len()) {
        return Err(source.error(at, key, "a CHAP secret has at least 12 characters, and at most 255"));
    }
    Ok(User { name: text.clone(), secret })
}
