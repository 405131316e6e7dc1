//! What the file says, checked, with errors that name line and key.

use super::barcodes::{self, Pattern};
use super::tables::{
    CartridgeTable, DriveTable, File, IscsiTable, LibraryTable, Number, OneOrMany, PoolTable, Text, UserTable,
};
use super::{
    CartridgeSetup, Config, ConfigError, DriveSetup, IscsiSetup, LibrarySetup, Names, PoolSetup, ShapeLines, User, When,
};
use crate::target::LUNS;
use scsi_core::identity::{Model, Strings};
use smc::element::{Address, Label, Layout};
use smc::profile::ChangerProfile;
use std::collections::BTreeSet;
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
        ConfigError { file: self.file.into(), line: self.line(at), key: key.into(), message: message.into() }
    }
}

/// Reads a configuration. An empty text is the default library.
///
/// # Errors
/// The first fault, with file, line, key and what would be right.
pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
    let source = Source { file, text };
    let raw: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
        let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let key = line.split('=').next().unwrap_or(line).trim();
        source.error(at, if key.is_empty() { "(file)" } else { key }, error.message())
    })?;
    of_file(&source, raw)
}

/// A configuration of one library, said in code.
pub(crate) fn of_library(name: &str, table: LibraryTable) -> Result<Config, ConfigError> {
    let library = OneOrMany(vec![Spanned::new(0..0, table)]);
    of_file(&Source { file: name, text: "" }, File { library, ..File::default() })
}

fn of_file(source: &Source<'_>, raw: File) -> Result<Config, ConfigError> {
    let mut tables = raw.library.0;
    if tables.is_empty() {
        tables.push(Spanned::new(0..0, LibraryTable::default()));
    }
    if let [only] = tables.as_mut_slice() {
        // A file of one library may have its drives and cartridges beside it.
        let only = only.get_mut();
        only.drive = only.drive.take().or(raw.drive);
        only.cartridges = only.cartridges.take().or(raw.cartridges);
    } else if raw.drive.is_some() || raw.cartridges.is_some() {
        let message = "with several libraries, write [[library.drive]] and [[library.cartridges]] behind each";
        return Err(source.error(0, "drive", message));
    }
    let mut libraries: Vec<LibrarySetup> = Vec::new();
    for table in tables {
        let number = libraries.len() + 1;
        let setup = library(source, table, number)?;
        check_against(source, &libraries, &setup)?;
        libraries.push(setup);
    }
    let mut pools = Vec::new();
    for table in raw.pool {
        let setup = pool(source, table, &libraries, &pools)?;
        pools.push(setup);
    }
    let iscsi = iscsi(source, raw.iscsi)?;
    let cartridges = raw.storage.cartridges.into_iter().map(|path| path.into_inner().into()).collect();
    let group = raw.storage.group.map(Spanned::into_inner);
    let shared = raw.storage.shared.is_some_and(Spanned::into_inner);
    Ok(Config { libraries, pools, cartridges, group, shared, iscsi })
}

/// One library; the first is called `main` if it has no name, others need one.
fn library(source: &Source<'_>, table: Spanned<LibraryTable>, number: usize) -> Result<LibrarySetup, ConfigError> {
    let at = table.span().start;
    let mut table = table.into_inner();
    let changer = changer(source, &table)?;
    let line = |at: Option<usize>| at.map_or(1, |at| source.line(at));
    let lines = ShapeLines {
        file: source.file.into(),
        library: source.line(at),
        slots: line(table.slots.as_ref().map(|slots| slots.span().start)),
        import_export: line(table.import_export.as_ref().map(|slots| slots.span().start)),
        drives: line(
            table.drive.as_ref().and_then(|tables| tables.last()?.model.as_ref()).map(|text| text.span().start),
        ),
    };
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
    let layout = shape(source, at, &table, changer, drives.len())?;
    // Names that are made up here would be those of the first library again.
    let listed = if number == 1 { table.cartridges } else { Some(table.cartridges.unwrap_or_default()) };
    let cartridges = cartridges(source, listed, &layout)?;
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

fn lun(source: &Source<'_>, lun: &Number) -> Result<Option<usize>, ConfigError> {
    let Some(lun) = lun else { return Ok(None) };
    let number = usize::from(*lun.get_ref());
    if number < LUNS {
        return Ok(Some(number));
    }
    let message = format!("{number} is too high: LUNs are below {LUNS}");
    Err(source.error(lun.span().start, "library.lun", message))
}

/// Where the elements of a library are, with so many drives.
fn shape(
    source: &Source<'_>,
    at: usize,
    table: &LibraryTable,
    changer: &ChangerProfile,
    drives: usize,
) -> Result<Layout, ConfigError> {
    let of = |number: &Number, usual: u16| number.as_ref().map_or(usual, |number| *number.get_ref());
    let at_slots = table.slots.as_ref().map_or(at, |slots| slots.span().start);
    let counts = [of(&table.slots, 20), of(&table.import_export, 4), u16::try_from(drives).unwrap_or(u16::MAX)];
    let first = table.first.as_ref().map(|first| {
        let given = [&first.robot, &first.slots, &first.import_export, &first.drives];
        let mut usual = changer.first;
        usual.iter_mut().zip(given).for_each(|(first, given)| *first = of(given, *first));
        usual
    });
    let layout = super::layout(changer, first, counts).map_err(|message| source.error(at_slots, "library", message))?;
    if drives == 0 {
        return Err(source.error(at, "drive", "a library needs at least one drive: [[drive]] with a model"));
    }
    if layout.storage.count == 0 {
        return Err(source.error(at_slots, "library.slots", "a library needs at least one slot"));
    }
    Ok(layout)
}

/// Vendor, product and revision, which are the model's unless others are given.
fn strings(source: &Source<'_>, table: &str, given: [&Text; 3], model: Model) -> Result<Strings, ConfigError> {
    let string = |key: &str, text: &Text, most: usize, usual: &str| {
        let Some(text) = text else { return Ok(usual.to_owned()) };
        let string = text.get_ref();
        if string.len() <= most && string.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Ok(string.clone());
        }
        let message = format!("{string:?} has not up to {most} characters of ASCII");
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
    table: PoolTable,
    libraries: &[LibrarySetup],
    others: &[PoolSetup],
) -> Result<PoolSetup, ConfigError> {
    let name_at = needed(source, &table.name, "pool.name", 0)?;
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
    let library = match &table.library {
        None => libraries.first(),
        Some(text) => Some(libraries.iter().find(|library| library.name == *text.get_ref()).ok_or_else(|| {
            source.error(text.span().start, "pool.library", format!("there is no library {:?}", text.get_ref()))
        })?),
    };
    let scratch = table.scratch.map_or(0, |number| *number.get_ref());
    let library = library.map(|library| library.name.clone()).unwrap_or_default();
    Ok(PoolSetup { name, pattern, size: size.unwrap_or(media.capacity), level, library, scratch })
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
fn check_against(source: &Source<'_>, others: &[LibrarySetup], new: &LibrarySetup) -> Result<(), ConfigError> {
    let error = |key: &str, message: String| ConfigError {
        file: source.file.into(),
        line: new.lines.library,
        key: key.into(),
        message,
    };
    if others.iter().any(|other| other.name == new.name) {
        return Err(error("library.name", format!("there are two libraries {:?}", new.name)));
    }
    let given = |setup: &LibrarySetup| {
        let all = std::iter::once(&setup.names).chain(setup.drives.iter().map(|drive| &drive.names));
        all.flat_map(|names| [names.serial.clone(), names.naa.clone()]).flatten().collect::<Vec<_>>()
    };
    let mut known: BTreeSet<String> = others.iter().flat_map(given).collect();
    if let Some(twice) = given(new).into_iter().find(|name| !known.insert(name.clone())) {
        return Err(error("library", format!("{twice:?} is the name of two units")));
    }
    let mine: BTreeSet<&Barcode> = new.cartridges.iter().map(|setup| &setup.barcode).collect();
    for other in others {
        let twice = |setup: &&CartridgeSetup| mine.contains(&setup.barcode);
        if let Some(setup) = other.cartridges.iter().find(twice) {
            let message = format!("barcode {} is given twice, here and in library {:?}", setup.barcode, other.name);
            return Err(error("cartridges.pattern", message));
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

fn drives(source: &Source<'_>, tables: Option<Vec<DriveTable>>) -> Result<Vec<DriveSetup>, ConfigError> {
    let Some(tables) = tables else {
        let (profile, codec) = (&ssc::profile::ULT3580_TD8, Codec::zstd(1));
        let (names, strings) = (Names::default(), profile.model.into());
        return Ok(vec![DriveSetup { profile, codec, names, strings }; 2]);
    };
    let mut drives = Vec::new();
    for table in tables {
        let text = needed(source, &table.model, "drive.model", 0)?;
        let model = text.get_ref();
        let profile = ssc::profile::by_product(model).ok_or_else(|| {
            let known: Vec<_> = ssc::profile::ALL.iter().map(|profile| profile.model.product).collect();
            let message = format!("unknown drive {model:?}; known are {}", known.join(", "));
            source.error(text.span().start, "drive.model", message)
        })?;
        let names = names(source, "drive", table.serial.as_ref(), table.naa.as_ref())?;
        let strings = strings(source, "drive", [&table.vendor, &table.product, &table.revision], profile.model)?;
        let count = or_one(&table.count);
        if count > 1 && names != Names::default() {
            return Err(source.error(text.span().start, "drive.count", "one name cannot be that of several drives"));
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
    tables: Option<Vec<CartridgeTable>>,
    layout: &Layout,
) -> Result<Vec<CartridgeSetup>, ConfigError> {
    let mut cartridges: Vec<CartridgeSetup> = Vec::new();
    let Some(tables) = tables else {
        // As many as there are slots, one of them for cleaning, up to twenty.
        let slots = layout.storage.count;
        let cleaning = u16::from(slots > 1);
        for (pattern, count) in [("V#####L8", slots.min(20) - cleaning), ("CLN001L8", cleaning)] {
            if count == 0 {
                continue;
            }
            let made = of_pattern(pattern, 1, count, &What::default())
                .map_err(|message| source.error(0, "cartridges", message))?;
            cartridges.extend(made);
        }
        return Ok(cartridges);
    };
    let mut known = BTreeSet::new();
    for table in tables {
        let what = what(source, &table)?;
        let pattern = needed(source, &table.pattern, "cartridges.pattern", 0)?;
        let at = pattern.span().start;
        let mut made = of_pattern(pattern.get_ref(), or_one(&table.first), or_one(&table.count), &what)
            .map_err(|message| source.error(at, "cartridges.pattern", message))?;
        if let Some(text) = &table.at {
            place(source, layout, text, &mut made)?;
        }
        for cartridge in made {
            if !known.insert(cartridge.barcode.clone()) {
                let message = format!("barcode {} is given twice", cartridge.barcode);
                return Err(source.error(at, "cartridges.pattern", message));
            }
            cartridges.push(cartridge);
        }
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
    let (range, number) = [("slot", layout.storage), ("port", layout.import_export)]
        .into_iter()
        .find_map(|(word, range)| Some((range, text.get_ref().strip_prefix(word)?.parse::<u16>().ok()?)))
        .filter(|(_, number)| *number > 0)
        .ok_or_else(|| wrong(format!("{:?} is neither slot1 nor port1, nor another of them", text.get_ref())))?;
    for (step, cartridge) in (number - 1..).zip(made) {
        if step >= range.count {
            return Err(wrong(format!("there is no room for {}: there are {}", cartridge.barcode, range.count)));
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
        let unknown = || source.error(text.span().start, key, format!("{name:?} is none of {}", names.join(", ")));
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
    text.rsplit_once(':').is_some_and(|(address, port)| {
        let bracketed = address.starts_with('[') && address.ends_with(']');
        !address.is_empty() && (bracketed || !address.contains(':')) && port.parse::<u16>().is_ok()
    })
}

/// Whether a text is the name of an iSCSI node, RFC 3720 form as RFC 7143 §4.2.7 keeps it.
fn is_iscsi_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || !byte.is_ascii() || b"-.:".contains(&byte);
    let known = ["iqn.", "eui.", "naa."].iter().any(|prefix| name.starts_with(prefix));
    known && name.len() <= 223 && name.bytes().all(plain)
}

fn iscsi(source: &Source<'_>, table: IscsiTable) -> Result<IscsiSetup, ConfigError> {
    for (key, portal) in [("iscsi.bind", &table.bind), ("iscsi.advertise", &table.advertise)] {
        if let Some(text) = portal.as_ref().filter(|text| !is_portal(text.get_ref())) {
            let message = format!("{:?} is not ADDRESS:PORT, such as \"0.0.0.0:3260\"", text.get_ref());
            return Err(source.error(text.span().start, key, message));
        }
    }
    for (key, name) in table
        .iqn
        .iter()
        .map(|name| ("iscsi.iqn", name))
        .chain(table.initiators.iter().map(|name| ("iscsi.initiators", name)))
    {
        if !is_iscsi_name(name.get_ref()) {
            let message = format!("{:?} is no iSCSI name, such as \"iqn.2026-01.com.example:library\"", name.get_ref());
            return Err(source.error(name.span().start, key, message));
        }
    }
    let bind = table.bind.map_or_else(|| "127.0.0.1:3260".into(), Spanned::into_inner);
    let user = |key: &str, table: UserTable| {
        let name = needed(source, &table.name, &format!("{key}.name"), 0)?;
        let secret = needed(source, &table.secret, &format!("{key}.secret"), name.span().start)?;
        if secret.get_ref().len() < 12 {
            let message = "a CHAP secret has at least 12 characters";
            return Err(source.error(secret.span().start, &format!("{key}.secret"), message));
        }
        Ok(User { name: name.get_ref().clone(), secret: secret.get_ref().clone() })
    };
    let secret_at = table.mutual.as_ref().and_then(|mutual| mutual.secret.as_ref()).map_or(0, |text| text.span().start);
    let mutual = table.mutual.map(|table| user("iscsi.mutual", table)).transpose()?;
    let users = table.user.into_iter().map(|table| user("iscsi.user", table)).collect::<Result<Vec<_>, _>>()?;
    if mutual.as_ref().is_some_and(|mutual| users.iter().any(|user| user.secret == mutual.secret)) {
        return Err(source.error(
            secret_at,
            "iscsi.mutual.secret",
            "the secret of the target must differ from those of the users",
        ));
    }
    if mutual.is_some() && users.is_empty() {
        return Err(source.error(secret_at, "iscsi.mutual", "mutual CHAP needs at least one [[iscsi.user]]"));
    }
    Ok(IscsiSetup {
        bind,
        iqn: table.iqn.map(Spanned::into_inner),
        advertise: table.advertise.map(Spanned::into_inner),
        initiators: table.initiators.into_iter().map(Spanned::into_inner).collect(),
        users,
        mutual,
    })
}
