//! Reads an mhvtl configuration and converts it to a Ferric one.
//!
//! Files are parsed as mhvtl's programs parse them: a blank line ends a section, keywords are case-sensitive, unknown
//! lines are ignored. Settings that mhvtl accepts and cannot run with are errors with their line; differences are
//! noted.

mod contents;
mod device;
mod device_summary;
mod keys;
mod persist;
mod scan;

pub use device_summary::{
    DeviceKind, DeviceSummary, assignments, default_capacity_mb, device_summaries, directory, slot_barcodes,
};
pub use persist::save_contents;

use super::{Config, ConfigError, parse};
use contents::{CartridgeTraits, Contents};
use device::{Devices, DriveSection, LibrarySection};
use scan::ConfigLine;
use smc::profile::SerialNumberFormat;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, CartridgeKind, Format};
use tape_store::store::TapeStore;

/// An mhvtl configuration that was converted to one of Ferric, with notes about differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedConfig {
    /// The text of the equivalent Ferric configuration file.
    pub text: String,
    /// Differences from the mhvtl configuration, one per line.
    pub notes: Vec<String>,
    /// The address of each unit in mhvtl's kernel module.
    pub device_slots: Vec<DeviceSlot>,
    /// Names of the libraries that save their contents at shutdown, and the files: see [`save_contents`].
    pub contents_files: Vec<(String, PathBuf)>,
    /// The directories of mhvtl's cartridges.
    pub home_directories: Vec<PathBuf>,
}

/// Parts of a converted configuration that mhvtl's does not determine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The directory of copies of the cartridges in the native format, which are used instead of mhvtl's; `None`: mhvtl's cartridges are
    /// used in place.
    pub copies: Option<PathBuf>,
    /// The iSCSI name of the target; `None`: it is generated at the first start.
    pub iqn: Option<String>,
}

/// The address of a logical unit in mhvtl's kernel module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSlot {
    /// Name of its library in the Ferric configuration.
    pub library: String,
    /// Number of the unit in its library: 0 is the changer, 1 the first drive.
    pub unit: usize,
    /// Number of the unit in `device.conf`, which is also its device minor.
    pub minor: u32,
    /// Channel, target and LUN of the unit.
    pub address: [u32; 3],
    /// Named pipe that receives the state of the unit (mhvtl's `fifo:`).
    pub fifo: Option<PathBuf>,
}

impl ImportedConfig {
    /// Parses the converted configuration. An error names the line of mhvtl's file that the invalid part comes from.
    ///
    /// # Errors
    /// Fails if a unit has settings that Ferric does not support.
    pub fn config(&self) -> Result<Config, ConfigError> {
        parse("(imported)", &self.text).map_err(|error| {
            let origins = self.text.lines().take(error.line).filter_map(|line| {
                let (file, line) = line.strip_prefix("# ")?.rsplit_once(':')?;
                Some((file.to_owned(), line.parse().ok()?))
            });
            match origins.last() {
                Some((file, line)) => ConfigError { file, line, column: 0, ..error },
                None => error,
            }
        })
    }
}

/// The kind of a section in `device.conf`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionKind {
    Library,
    Drive,
}

impl SectionKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Drive => "drive",
        }
    }
}

/// Notes what mhvtl's programs ignore or do not support in a file: its version, long lines, a byte order mark.
fn note_unsupported_lines(file: &str, text: &str, newest: i64, notes: &mut Vec<String>) {
    /// Most long lines that are noted one by one.
    const MOST: usize = 10;
    let mut long = 0;
    if text.starts_with('\u{feff}') {
        let what = "the file begins with a byte order mark (EF BB BF), which mhvtl takes for a part of the line";
        notes.push(format!("{file}:1: {what}"));
    }
    for (line, number) in text.split('\n').zip(1..) {
        let here = ConfigLine { file, number, text: line };
        if let Some(version) = here.number_after("VERSION:").filter(|version| *version > newest) {
            notes.push(here.note(format!("VERSION {version} is unknown; formats up to {newest} are supported")));
        }
        if line.len() >= scan::MAX_LINE {
            long += 1;
            if long <= MOST {
                let (len, max) = (line.len(), scan::MAX_LINE);
                let what = format!("the line has {len} characters; as with mhvtl, each {max} of them count as a line");
                notes.push(here.note(what));
            }
        }
    }
}

/// The kind and the number of the unit whose section begins in a line.
fn header(line: &ConfigLine<'_>) -> Option<(SectionKind, u32)> {
    let id = |keyword| line.number_after(keyword).and_then(|id| u32::try_from(id).ok());
    let drive = id("Drive:").map(|id| (SectionKind::Drive, id));
    drive.or_else(|| Some((SectionKind::Library, id("Library:")?)))
}

/// Channel, target and LUN of a header. If one is missing or invalid, it and those after it are 0, and a warning is
/// added, as it is for text after the LUN.
fn address(line: &ConfigLine<'_>, notes: &mut Vec<String>) -> [u32; 3] {
    let mut rest = ["Drive:", "Library:"].into_iter().find_map(|keyword| scan::number(line.value_after(keyword)?));
    let mut whole = true;
    let address = [" CHANNEL:", " TARGET:", " LUN:"].map(|keyword| {
        let text = rest.map_or("", |(_, text)| text);
        rest = ConfigLine { text, ..*line }.value_after(keyword).and_then(scan::number);
        let coordinate = rest.and_then(|(number, _)| u32::try_from(number).ok());
        whole &= coordinate.is_some();
        coordinate.unwrap_or(0)
    });
    let [channel, target, lun] = address;
    if !whole {
        let expected = "CHANNEL:, TARGET: and LUN:, each with a number, are expected";
        notes.push(line.note(format!("{:?}: {expected}: {channel}:{target}:{lun} is used", line.text.trim())));
    } else if let Some(surplus) = rest.and_then(|(_, rest)| keys::surplus(rest)) {
        notes.push(line.note(format!("{surplus:?} after the LUN is ignored, as with mhvtl")));
    }
    address
}

/// The default configuration directory of mhvtl's programs.
const DEFAULT_DIRECTORY: &str = "/etc/mhvtl";

/// The directory of a configuration: the given one, or `/etc/mhvtl`, or the one that its `mhvtl.conf` names.
///
/// # Errors
/// Fails if `mhvtl.conf` cannot be read.
pub fn resolve_directory(directory: Option<&Path>) -> Result<PathBuf, ConfigError> {
    directory.map_or_else(|| self::directory(Path::new(DEFAULT_DIRECTORY)), |directory| Ok(directory.into()))
}

/// Imports the configuration in a directory. `MHVTL_CONFIG_PATH` in its `mhvtl.conf` is not followed.
///
/// # Errors
/// Fails if the configuration is invalid: the first error, with file, line, key and expected value.
pub fn import(directory: &Path) -> Result<ImportedConfig, ConfigError> {
    import_with(directory, &ImportOptions::default())
}

/// As [`import`], with options.
///
/// # Errors
/// As [`import`].
pub fn import_with(directory: &Path, options: &ImportOptions) -> Result<ImportedConfig, ConfigError> {
    import_selected(directory, options, |_| true)
}

/// Imports only the library with this number, as [`import`] does.
///
/// # Errors
/// As [`import`]; or there is no such library.
pub fn import_library(directory: &Path, id: u32) -> Result<ImportedConfig, ConfigError> {
    import_selected(directory, &ImportOptions::default(), |library| library.id == id)
}

fn import_selected(
    directory: &Path,
    options: &ImportOptions,
    wanted: impl Fn(&LibrarySection) -> bool,
) -> Result<ImportedConfig, ConfigError> {
    let (new_capacity_mb, options) = (default_capacity_mb(directory)?, options.clone());
    let mut import = Importer { new_capacity_mb, options, ..Importer::default() };
    let Devices { name, libraries, drives, notes } = devices(directory)?;
    import.notes.extend(unfollowed_directory_note(directory)?);
    import.notes.extend(device_summary::setting_notes(directory, &libraries)?);
    import.notes.extend(notes);
    for library in libraries.iter().filter(|library| wanted(library)) {
        let (path, persisted) = contents_file(directory, library)?;
        let absent = || library.error(&name, format!("{} does not exist", path.display()));
        let text = read_optional(&path)?.ok_or_else(absent)?;
        let devices = name.as_str();
        let name = path.display().to_string();
        if persisted {
            import.notes.push(format!("library {}: contents as saved when mhvtl was stopped, from {name}", library.id));
        }
        note_unsupported_lines(&name, &text, 2, &mut import.notes);
        let contents = contents::parse(&name, &text, &mut import.notes)?;
        let mine = drives.iter().filter(|drive| drive.library == Some(library.id)).collect();
        import.library([devices, &name], library, mine, contents)?;
        if library.persist && import.incomplete {
            let (id, line) = (library.id, library.persist_line());
            let why = "contents are not saved at shutdown, because mhvtl would lose the omitted parts";
            import.notes.push(format!("{devices}:{line}: PERSIST: library {id}: {why}"));
        } else if library.persist {
            import.contents_files.push((format!("library{}", library.id), saved_contents_file(directory, library)));
        }
    }
    for drive in drives.iter().filter(|drive| libraries.iter().all(|library| Some(library.id) != drive.library)) {
        import.notes.push(format!("{name}:{}: drive {} is in no library, and is omitted", drive.line, drive.id));
    }
    import.finish(&name)
}

/// Imports the drive with this number for a [`crate::standalone::Standalone`], in a library that has only this drive.
/// Returns the number of its library in `device.conf`; `None` if it is in no library.
///
/// # Errors
/// As [`import`]; or there is no such drive.
pub fn import_drive(directory: &Path, id: u32) -> Result<(ImportedConfig, Option<u32>), ConfigError> {
    let Devices { name, libraries, drives, notes } = devices(directory)?;
    let drive = drives.iter().find(|drive| drive.id == id).ok_or_else(|| missing_unit_error(&name, "Drive:", id))?;
    let mut import = Importer { notes, ..Importer::default() };
    let own = format!("drive{id}");
    let _ = writeln!(import.text, "\n[[library]]\nname = {own:?}\nslots = 1\ncartridges = []");
    let fifo = drive.identity.fifo.clone();
    import.device_slots.push(DeviceSlot { library: own, unit: 1, minor: id, address: drive.address, fifo });
    let mut written = String::new();
    import.drive(drive, &mut written);
    import.text.push_str(&written);
    let library = libraries.iter().find(|library| Some(library.id) == drive.library);
    let home = library
        .map_or_else(|| "/opt/mhvtl".into(), |library| home_directory(library.id, library.home_directory.as_deref()));
    import.home_directories.push(home.display().to_string());
    Ok((import.finish(&name)?, library.map(|library| library.id)))
}

/// Parses `device.conf` in a directory.
fn devices(directory: &Path) -> Result<Devices, ConfigError> {
    let path = directory.join("device.conf");
    let Some(text) = read_optional(&path)? else {
        let elsewhere = device_summary::redirected_directory(directory)?;
        let hint = elsewhere.map_or_else(String::new, |(line, other)| {
            format!("; mhvtl.conf:{line} names {}: give that directory instead", other.display())
        });
        return Err(not_found_error(&path, &hint));
    };
    device::parse(&path.display().to_string(), &text)
}

/// A note if `mhvtl.conf` names another directory than the given one.
fn unfollowed_directory_note(directory: &Path) -> Result<Option<String>, ConfigError> {
    let same = |other: &Path| other == directory || other.canonicalize().ok() == directory.canonicalize().ok();
    let elsewhere = device_summary::redirected_directory(directory)?.filter(|(_, other)| !same(other));
    Ok(elsewhere.map(|(line, other)| {
        let (conf, other) = (directory.join("mhvtl.conf"), other.display());
        format!(
            "{}:{line}: MHVTL_CONFIG_PATH={other} is not followed: {} was named",
            conf.display(),
            directory.display()
        )
    }))
}

/// The error for a file that does not exist.
fn not_found_error(path: &Path, hint: &str) -> ConfigError {
    ConfigError {
        file: path.display().to_string(),
        line: 0,
        key: String::new(),
        column: 0,
        message: format!("does not exist{hint}"),
    }
}

fn missing_unit_error(file: &str, key: &str, id: u32) -> ConfigError {
    ConfigError {
        file: file.into(),
        line: 0,
        key: String::new(),
        column: 0,
        message: format!("there is no line \"{key} {id}\""),
    }
}

fn io_error(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError { file: path.display().to_string(), line: 0, key: String::new(), column: 0, message: error.to_string() }
}

fn read_optional(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(path, &error)),
    }
}

/// The contents file of a library: the one that mhvtl saved at shutdown, unless the regular file is newer.
fn contents_file(directory: &Path, library: &LibrarySection) -> Result<(PathBuf, bool), ConfigError> {
    let plain = directory.join(format!("library_contents.{}", library.id));
    let saved = saved_contents_file(directory, library);
    let changed = |path: &Path| -> Result<Option<SystemTime>, ConfigError> {
        match std::fs::metadata(path).and_then(|data| data.modified()) {
            Ok(time) => Ok(Some(time)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(path, &error)),
        }
    };
    let newer =
        library.persist && changed(&saved)?.is_some_and(|saved| changed(&plain).is_ok_and(|at| at <= Some(saved)));
    Ok(if newer { (saved, true) } else { (plain, false) })
}

/// The file that a library saves its contents in at shutdown.
fn saved_contents_file(directory: &Path, library: &LibrarySection) -> PathBuf {
    directory.join(format!("library_contents.{}.persist", library.id))
}

/// The directory of a library's cartridges.
fn home_directory(library: u32, given: Option<&str>) -> PathBuf {
    given.map_or_else(|| format!("/opt/mhvtl/{library}").into(), PathBuf::from)
}

/// Parses an assignment of `mhvtl.conf` as a shell does: no blanks around `=`, the value ends at an unquoted blank, and
/// only a comment may follow.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim().split_once('=')?;
    let key = key.strip_prefix("export ").map_or(key, str::trim_start);
    let (value, rest) = match value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        Some(quote) => value.get(1..)?.split_once(quote)?,
        None => value.split_at_checked(value.find([' ', '\t']).unwrap_or(value.len()))?,
    };
    let is_name = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && keys::surplus(rest).is_none()).then_some((key, value))
}

/// The assignments of `mhvtl.conf`. The last assignment to a variable counts.
fn parse_assignments(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(assignment).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Medium and kind of a cartridge: from its barcode as mhvtl's tools interpret it, else from its MAM. mhvtl has no
/// medium for LTO-7 Type M barcodes.
fn cartridge_traits(barcode: &Barcode, store: Option<&TapeStore>) -> Option<CartridgeTraits> {
    let (media, kind) = match barcode.media().filter(|(media, _)| tape_store::mhvtl::media::for_media(media).is_some())
    {
        Some((media, CartridgeKind::Data)) if barcode.as_str().starts_with('W') => (media, CartridgeKind::Worm),
        Some(label) => label,
        None => {
            let cartridge = store?.find(barcode).ok()?;
            (cartridge.media(), cartridge.kind())
        }
    };
    let made = (barcode.media() != Some((media, kind))).then_some((media.name, kind.name()));
    Some(CartridgeTraits { medium_and_kind: made, unlabelled: barcode.as_str().starts_with("NOBAR") })
}

#[derive(Default)]
struct Importer {
    options: ImportOptions,
    /// Capacity of new cartridges in megabytes.
    new_capacity_mb: u64,
    text: String,
    home_directories: Vec<String>,
    notes: Vec<String>,
    barcodes: BTreeMap<String, String>,
    device_slots: Vec<DeviceSlot>,
    contents_files: Vec<(String, PathBuf)>,
    /// Whether a part of the library was omitted.
    incomplete: bool,
}

impl Importer {
    fn library(
        &mut self,
        [devices, file]: [&str; 2],
        library: &LibrarySection,
        mut drives: Vec<&DriveSection>,
        mut contents: Contents,
    ) -> Result<(), ConfigError> {
        let (model, first) = library.emulation();
        drives.sort_by_key(|drive| drive.slot);
        contents.check_drives([devices, file], &drives)?;
        contents.other_serials(file, &drives, &mut self.notes);
        self.add_notes([devices, file], library, &mut contents, first);
        let name = format!("library{}", library.id);
        let _ = writeln!(self.text, "\n# {devices}:{}", library.line);
        let _ = writeln!(self.text, "[[library]]\nname = {name:?}\nmodel = {:?}", model.name);
        let _ = writeln!(self.text, "{}", library.identity.strings());
        let (serial, naa) = (&library.identity.serial, &library.identity.naa);
        // mhvtl's libraries report it unchanged, and not in the form of the model.
        let exact = if model.serial == SerialNumberFormat::AsIs { "" } else { "exact_serial = true\n" };
        let _ = writeln!(self.text, "serial = {serial:?}\n{exact}naa = {naa:?}");
        let [robot, slots, ports, bays] = first;
        let _ = writeln!(
            self.text,
            "first = {{ robot = {robot}, slots = {slots}, import_export = {ports}, drives = {bays} }}"
        );
        let _ = writeln!(
            self.text,
            "slots = {}\nimport_export = {}",
            contents.slots.highest_number(),
            contents.io_elements.highest_number()
        );
        if let Some((_, command)) = &library.move_command {
            let command = toml::Value::from(vec![command.clone()]);
            let timeout = library.command_timeout;
            let _ = writeln!(self.text, "move_command = {command}\nmove_command_timeout = {timeout}");
        }
        let (minor, address, fifo) = (library.id, library.address, library.identity.fifo.clone());
        self.device_slots.push(DeviceSlot { library: name.clone(), unit: 0, minor, address, fifo });
        if drives.is_empty() {
            // Overrides the default drives: this library has none.
            let _ = writeln!(self.text, "drive = []");
        }
        let mut written = String::new();
        for (drive, unit) in drives.into_iter().zip(1..) {
            let (minor, address, fifo) = (drive.id, drive.address, drive.identity.fifo.clone());
            self.device_slots.push(DeviceSlot { library: name.clone(), unit, minor, address, fifo });
            self.drive(drive, &mut written);
        }
        let home = home_directory(library.id, library.home_directory.as_deref()).display().to_string();
        self.cartridges(file, &contents, Path::new(&home), &mut written)?;
        if !written.contains("[[library.cartridges]]") {
            let _ = writeln!(self.text, "cartridges = []");
        }
        self.text.push_str(&written);
        if !self.home_directories.contains(&home) {
            self.home_directories.push(home);
        }
        Ok(())
    }

    fn drive(&mut self, drive: &DriveSection, text: &mut String) {
        let compression = match (drive.factor, drive.lzo) {
            (None | Some(0), _) => "none".to_owned(),
            (Some(factor), lzo) => {
                if lzo {
                    let (file, line) = (drive.identity.file(), drive.codec_line());
                    let what = "is read, but not written; new blocks are compressed with zlib";
                    self.notes.push(format!("{file}:{line}: Compression type: lzo of drive {} {what}", drive.id));
                }
                format!("zlib:{factor}")
            }
        };
        let model = drive.profile().name();
        let _ = writeln!(text, "\n# {}:{}", drive.identity.file(), drive.line);
        let _ = writeln!(text, "[[library.drive]]\nmodel = {model:?}\n{}", drive.identity.strings());
        let _ = writeln!(text, "compression = {compression:?}");
        let _ = writeln!(text, "serial = {:?}\nnaa = {:?}", drive.identity.serial, drive.identity.naa);
    }

    fn cartridges(
        &mut self,
        file: &str,
        contents: &Contents,
        home: &Path,
        text: &mut String,
    ) -> Result<(), ConfigError> {
        let shelves = if home.is_dir() { OsFolderStore::at(home).ok() } else { None };
        let store = shelves.map(|shelves| TapeStore::new(Box::new(shelves)));
        let size = self.new_capacity_mb;
        for (word, group) in [("slot", &contents.slots), ("port", &contents.io_elements)] {
            for (_, line, barcode) in group.occupied() {
                let here = format!("{file}:{line}");
                if cartridge_traits(barcode, store.as_ref()).is_none() {
                    self.incomplete = true;
                    let why = "neither its barcode nor a MAM names its medium";
                    self.notes.push(format!("{here}: cartridge {barcode} is omitted: {why}"));
                }
                if let Some(earlier) = self.barcodes.insert(barcode.to_string(), here) {
                    let message = format!("barcode {barcode} is given twice, here and at {earlier}");
                    return Err(ConfigError { file: file.into(), line, key: word.into(), column: 0, message });
                }
            }
            for run in group.runs(|barcode| cartridge_traits(barcode, store.as_ref())) {
                let _ = write!(text, "\n# {file}:{}\n[[library.cartridges]]\n{run}", run.line);
                let format = if self.options.copies.is_some() { Format::Native } else { Format::Mhvtl }.name();
                let _ = writeln!(text, "at = \"{word}{}\"\nsize = \"{size}MiB\"\nformat = {format:?}", run.number);
            }
        }
        Ok(())
    }

    /// Notes the differences from mhvtl.
    fn add_notes(
        &mut self,
        [devices, file]: [&str; 2],
        library: &LibrarySection,
        contents: &mut Contents,
        first: [u16; 4],
    ) {
        let id = library.id;
        // mhvtl passes the word to a shell.
        if let Some((line, command)) = &library.move_command
            && command.contains(|c: char| !c.is_ascii_alphanumeric() && !"/._-+:,@%=".contains(c))
        {
            let why = "is run without a shell";
            self.notes.push(format!("{devices}:{line}: movecommand: {command:?} of library {id} {why}"));
        }
        self.incomplete = !contents.invalid_labels.is_empty();
        for (line, label) in &contents.invalid_labels {
            let why = "labels are 1 to 16 of A-Z, 0-9, - and _";
            self.notes.push(format!("{file}:{line}: cartridge {label:?} is omitted: {why}"));
        }
        // mhvtl also omits elements whose addresses belong to another element type.
        let available = |own: u16| first.into_iter().filter(|other| *other > own).min().unwrap_or(u16::MAX) - own;
        let [_, slots, ports, _] = first;
        for (group, own, what) in [(&mut contents.slots, slots, "slots"), (&mut contents.io_elements, ports, "MAPs")] {
            let omitted = group.truncate(available(own));
            if omitted > 0 {
                self.incomplete = true;
                let why = "have no addresses left, as with mhvtl";
                self.notes.push(format!("{file}: the last {omitted} {what} of library {id} {why}"));
            }
        }
    }

    fn finish(mut self, file: &str) -> Result<ImportedConfig, ConfigError> {
        if self.text.is_empty() {
            let message = "there is no library in the file: no line begins with \"Library:\" and a number";
            return Err(ConfigError {
                file: file.into(),
                line: 0,
                key: String::new(),
                column: 0,
                message: message.into(),
            });
        }
        let (directories, shared) = match &self.options.copies {
            Some(copies) => (vec![copies.display().to_string()], false),
            None => (self.home_directories.clone(), true),
        };
        let directories = toml::Value::from(directories);
        let mut text = format!("# From {file}.\n");
        self.notes.iter().for_each(|note| text.push_str(&format!("# {note}\n")));
        if let Some(iqn) = &self.options.iqn {
            let _ = write!(text, "\n[iscsi]\niqn = {}\n", toml::Value::from(iqn.as_str()));
        }
        let rest = &self.text;
        let _ = write!(text, "\n[storage]\ncartridges = {directories}\ncreate = true\nshared = {shared}\n{rest}");
        self.text.clear();
        Ok(ImportedConfig {
            text,
            notes: self.notes,
            device_slots: self.device_slots,
            contents_files: self.contents_files,
            home_directories: self.home_directories.into_iter().map(PathBuf::from).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
