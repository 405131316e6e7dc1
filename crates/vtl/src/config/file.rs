//! The file as it is written, and its translation with errors that name line and key.

use super::{CartridgeSetup, Config, ConfigError, DriveSetup, IscsiSetup, LibrarySetup, ShapeLines, User, barcodes};
use crate::target::LUNS;
use serde::Deserialize;
use tape_store::cartridge::{Barcode, Level, parse_size};
use tape_store::medium::Codec;
use toml::Spanned;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    library: OneOrMany,
    drive: Option<Vec<DriveTable>>,
    cartridges: Option<Vec<CartridgeTable>>,
    iscsi: IscsiTable,
}

/// `[library]`, or `[[library]]` for each of several.
#[derive(Default)]
struct OneOrMany(Vec<Spanned<LibraryTable>>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Tables;
        impl<'de> serde::de::Visitor<'de> for Tables {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table [library], or tables [[library]]")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<OneOrMany, A::Error> {
                let table = LibraryTable::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(OneOrMany(vec![Spanned::new(0..0, table)]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut tables: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(table) = tables.next_element()? {
                    all.push(table);
                }
                Ok(OneOrMany(all))
            }
        }
        from.deserialize_any(Tables)
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct LibraryTable {
    name: Option<Spanned<String>>,
    model: Option<Spanned<String>>,
    slots: Option<Spanned<u16>>,
    import_export: Option<Spanned<u16>>,
    shelf: Option<Spanned<String>>,
    target: Option<Spanned<String>>,
    lun: Option<Spanned<u16>>,
    drive: Option<Vec<DriveTable>>,
    cartridges: Option<Vec<CartridgeTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DriveTable {
    model: Spanned<String>,
    #[serde(default = "one")]
    count: u16,
    compression: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CartridgeTable {
    pattern: Spanned<String>,
    #[serde(default = "one")]
    count: u16,
    #[serde(default = "one")]
    first: u16,
    size: Option<Spanned<String>>,
    level: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct IscsiTable {
    bind: Option<Spanned<String>>,
    iqn: Option<Spanned<String>>,
    advertise: Option<Spanned<String>>,
    initiators: Vec<Spanned<String>>,
    user: Vec<UserTable>,
    mutual: Option<UserTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    name: String,
    secret: Spanned<String>,
}

const fn one() -> u16 {
    1
}

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
        let setup = library(&source, table, number)?;
        check_against(&source, &libraries, &setup)?;
        libraries.push(setup);
    }
    let iscsi = iscsi(&source, raw.iscsi)?;
    Ok(Config { libraries, iscsi })
}

/// One library; the first is called `main` if it has no name, others need one.
fn library(source: &Source<'_>, table: Spanned<LibraryTable>, number: usize) -> Result<LibrarySetup, ConfigError> {
    let at = table.span().start;
    let table = table.into_inner();
    let changer = changer(source, &table)?;
    let line = |at: Option<usize>| at.map_or(1, |at| source.line(at));
    let lines = ShapeLines {
        file: source.file.into(),
        library: source.line(at),
        slots: line(table.slots.as_ref().map(|slots| slots.span().start)),
        import_export: line(table.import_export.as_ref().map(|slots| slots.span().start)),
        drives: line(table.drive.as_ref().and_then(|tables| tables.last()).map(|table| table.model.span().start)),
    };
    let name = match &table.name {
        Some(name) => word(source, name, "library.name")?,
        None if number == 1 => "main".into(),
        None => return Err(source.error(at, "library.name", "each of several libraries needs a name")),
    };
    let shelf = table.shelf.as_ref().map(|shelf| word(source, shelf, "library.shelf")).transpose()?;
    let target = table.target.as_ref().map(|target| target_name(source, target)).transpose()?;
    let lun = match &table.lun {
        Some(lun) if usize::from(*lun.get_ref()) >= LUNS => {
            let message = format!("{} is too high: LUNs are below {LUNS}", lun.get_ref());
            return Err(source.error(lun.span().start, "library.lun", message));
        }
        lun => lun.as_ref().map(|lun| usize::from(*lun.get_ref())),
    };
    let slots = table.slots.as_ref().map_or(20, |slots| *slots.get_ref());
    let import_export = table.import_export.as_ref().map_or(4, |slots| *slots.get_ref());
    let shape_at = table.slots.as_ref().map_or(at, |slots| slots.span().start);
    let drives = drives(source, table.drive)?;
    // Names that are made up here would be those of the first library again.
    let listed = if number == 1 { table.cartridges } else { Some(table.cartridges.unwrap_or_default()) };
    let cartridges = cartridges(source, listed, slots)?;
    let count = u16::try_from(drives.len()).unwrap_or(u16::MAX);
    let layout = changer.layout(slots, import_export, count).map_err(|(kind, most)| {
        source.error(shape_at, "library", format!("{} has at most {most} {kind}", changer.name))
    })?;
    if count == 0 {
        return Err(source.error(at, "drive", "a library needs at least one drive: [[drive]] with a model"));
    }
    if slots == 0 {
        return Err(source.error(shape_at, "library.slots", "a library needs at least one slot"));
    }
    let shelf = shelf.unwrap_or_else(|| name.clone());
    Ok(LibrarySetup { name, lines, changer, layout, drives, cartridges, shelf, target, lun })
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
    for other in others {
        let twice = |setup: &&CartridgeSetup| new.cartridges.iter().any(|mine| mine.barcode == setup.barcode);
        if let Some(setup) = other.cartridges.iter().find(twice) {
            let message = format!("barcode {} is given twice, here and in library {:?}", setup.barcode, other.name);
            return Err(error("cartridges.pattern", message));
        }
    }
    Ok(())
}

fn changer(source: &Source<'_>, table: &LibraryTable) -> Result<&'static smc::profile::ChangerProfile, ConfigError> {
    let Some(model) = &table.model else { return Ok(&smc::profile::STK_L700) };
    smc::profile::by_name(model.get_ref()).ok_or_else(|| {
        let known: Vec<_> = smc::profile::ALL.iter().map(|profile| profile.name).collect();
        let message = format!("unknown library {:?}; known are {}", model.get_ref(), known.join(", "));
        source.error(model.span().start, "library.model", message)
    })
}

fn drives(source: &Source<'_>, tables: Option<Vec<DriveTable>>) -> Result<Vec<DriveSetup>, ConfigError> {
    let Some(tables) = tables else {
        return Ok(vec![DriveSetup { profile: &ssc::profile::ULT3580_TD8, codec: Codec::zstd(1) }; 2]);
    };
    let mut drives = Vec::new();
    for table in tables {
        let model = table.model.get_ref();
        let profile = ssc::profile::by_product(model).ok_or_else(|| {
            let known: Vec<_> = ssc::profile::ALL.iter().map(|profile| profile.model.product).collect();
            let message = format!("unknown drive {model:?}; known are {}", known.join(", "));
            source.error(table.model.span().start, "drive.model", message)
        })?;
        let codec = match &table.compression {
            None => Codec::zstd(1),
            Some(text) => Codec::parse(text.get_ref()).ok_or_else(|| {
                let message =
                    format!("{:?} is none of none, zlib, zlib:1 to zlib:9, zstd, zstd:1 to zstd:19", text.get_ref());
                source.error(text.span().start, "drive.compression", message)
            })?,
        };
        drives.extend(std::iter::repeat_n(DriveSetup { profile, codec }, table.count.into()));
    }
    Ok(drives)
}

fn cartridges(
    source: &Source<'_>,
    tables: Option<Vec<CartridgeTable>>,
    slots: u16,
) -> Result<Vec<CartridgeSetup>, ConfigError> {
    let mut cartridges: Vec<CartridgeSetup> = Vec::new();
    let Some(tables) = tables else {
        // As many as there are slots, one of them for cleaning, up to twenty.
        let cleaning = u16::from(slots > 1);
        for (pattern, count) in [("V#####L8", slots.min(20) - cleaning), ("CLN001L8", cleaning)] {
            if count == 0 {
                continue;
            }
            let made = of_pattern(pattern, 1, count, None, Level::Ferric)
                .map_err(|message| source.error(0, "cartridges", message))?;
            cartridges.extend(made);
        }
        return Ok(cartridges);
    };
    for table in tables {
        let size = match &table.size {
            None => None,
            Some(text) => Some(parse_size(text.get_ref()).ok_or_else(|| {
                let message = format!(
                    "{:?} is no size; write for example \"100MB\", \"2.5GB\" or \"64MiB\", at least 1MB",
                    text.get_ref()
                );
                source.error(text.span().start, "cartridges.size", message)
            })?),
        };
        let level = level(source, table.level.as_ref())?;
        let at = table.pattern.span().start;
        let made = of_pattern(table.pattern.get_ref(), table.first, table.count, size, level)
            .map_err(|message| source.error(at, "cartridges.pattern", message))?;
        for cartridge in made {
            if cartridges.iter().any(|other| other.barcode == cartridge.barcode) {
                let message = format!("barcode {} is given twice", cartridge.barcode);
                return Err(source.error(at, "cartridges.pattern", message));
            }
            cartridges.push(cartridge);
        }
    }
    Ok(cartridges)
}

fn level(source: &Source<'_>, text: Option<&Spanned<String>>) -> Result<Level, ConfigError> {
    let Some(text) = text else { return Ok(Level::Ferric) };
    let known = [Level::Ferric, Level::Mhvtl].into_iter().find(|level| level.name() == text.get_ref());
    known.ok_or_else(|| {
        let message = format!("{:?} is neither ferric nor mhvtl", text.get_ref());
        source.error(text.span().start, "cartridges.level", message)
    })
}

fn of_pattern(
    pattern: &str,
    first: u16,
    count: u16,
    size: Option<u64>,
    level: Level,
) -> Result<Vec<CartridgeSetup>, String> {
    let setup = |barcode: Barcode| {
        let Some((media, kind)) = barcode.media() else {
            let known: Vec<_> = tape_store::media::ALL.iter().map(|media| media.suffix).collect();
            return Err(format!("{barcode} does not end in a media identifier: {}", known.join(", ")));
        };
        Ok(CartridgeSetup { barcode, media, kind, size: size.unwrap_or(media.capacity), level })
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
        let at = table.secret.span().start;
        let secret = table.secret.into_inner();
        if secret.len() < 12 {
            return Err(source.error(at, key, "a CHAP secret has at least 12 characters"));
        }
        Ok(User { name: table.name, secret })
    };
    let secret_at = table.mutual.as_ref().map_or(0, |mutual| mutual.secret.span().start);
    let mutual = table.mutual.map(|table| user("iscsi.mutual.secret", table)).transpose()?;
    let users = table.user.into_iter().map(|table| user("iscsi.user.secret", table)).collect::<Result<Vec<_>, _>>()?;
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
