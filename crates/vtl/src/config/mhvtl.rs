//! mhvtl's configuration, read as it stands and said in ours.
//!
//! What mhvtl's programs read counts, with their rules: sections end at a blank line, keywords are case-sensitive, unknown
//! lines mean nothing. What they take and cannot work is an error with its line; what is otherwise here is noted.

mod contents;
mod device;
mod outline;
mod persist;

pub use outline::{Outline, OutlineKind, assignments, capacity, directory, labels, outline};
pub use persist::save;

use super::ConfigError;
use contents::{Contents, What};
use device::{DriveSection, LibrarySection};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tape_store::backend::file::OsShelves;
use tape_store::cartridge::{Barcode, Kind};
use tape_store::shelf::TapeStore;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The configuration, as a file of ours.
    pub text: String,
    /// What is not as it was, line by line.
    pub notes: Vec<String>,
    /// Where mhvtl's kernel module has each unit.
    pub seats: Vec<Seat>,
    /// Libraries whose contents are saved when they end, and the files: see [`save`].
    pub saved: Vec<(String, PathBuf)>,
}

/// Where a unit is at mhvtl's kernel module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its library here.
    pub library: String,
    /// Its number among the units of that: 0 is the changer, the drives follow.
    pub unit: usize,
    /// Its number in `device.conf`, which is also its minor.
    pub minor: u32,
    /// Channel, target and LUN.
    pub address: [u32; 3],
    /// A named pipe that hears of its state.
    pub fifo: Option<PathBuf>,
}

/// What a section of `device.conf` is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Library,
    Drive,
}

/// One line of a file.
#[derive(Clone, Copy)]
struct Line<'a> {
    file: &'a str,
    number: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn all(file: &'a str, text: &'a str) -> impl Iterator<Item = Self> {
        // Lines as mhvtl reads them: 511 characters and their end.
        text.split('\n').zip(1..).map(move |(text, number)| Self { file, number, text: text.trim_end_matches('\r') })
    }

    fn wrong(&self, key: &str, message: impl Into<String>) -> ConfigError {
        ConfigError { file: self.file.into(), line: self.number, key: key.into(), message: message.into() }
    }

    /// What follows a keyword, whose blanks match any white space, also none; nothing if the line is another.
    fn after(&self, keyword: &str) -> Option<&'a str> {
        let mut rest = self.text;
        for word in keyword.split(' ') {
            rest = rest.trim_start().strip_prefix(word)?;
        }
        Some(rest)
    }

    /// The number that follows a keyword.
    fn number_after(&self, keyword: &str) -> Option<u32> {
        let rest = self.after(keyword)?.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        rest.get(..digits)?.parse().ok()
    }

    /// The unit whose section begins here, and its number.
    fn header(&self) -> Option<(Unit, u32)> {
        let drive = self.number_after("Drive:").filter(|_| self.text.contains("CHANNEL")).map(|id| (Unit::Drive, id));
        drive.or_else(|| Some((Unit::Library, self.number_after("Library:")?)))
    }

    /// Channel, target and LUN of a header; what is missing is 0.
    fn address(&self) -> [u32; 3] {
        ["CHANNEL:", "TARGET:", "LUN:"].map(|key| {
            let at = self.text.find(key).and_then(|at| self.text.get(at..));
            at.and_then(|text| Line { text, ..*self }.number_after(key)).unwrap_or(0)
        })
    }

    /// The first word that follows a keyword.
    fn word_after(&self, keyword: &str) -> Option<&'a str> {
        self.after(keyword)?.split_whitespace().next()
    }
}

/// Reads the configuration in a directory: `/etc/mhvtl`, or one of its kind.
///
/// # Errors
/// The first fault, with file, line, key and what would be right.
pub fn import(directory: &Path) -> Result<Imported, ConfigError> {
    import_those(directory, |_| true)
}

/// As [`import`], of the library with this number alone.
///
/// # Errors
/// As [`import`]; there is no such library.
pub fn import_library(directory: &Path, id: u32) -> Result<Imported, ConfigError> {
    import_those(directory, |library| library.id == id)
}

fn import_those(directory: &Path, wanted: impl Fn(&LibrarySection) -> bool) -> Result<Imported, ConfigError> {
    let mut import = Import { megabytes: capacity(directory)?, ..Import::default() };
    let directory = &self::directory(directory)?;
    let (name, libraries, drives) = devices(directory)?;
    for library in libraries.iter().filter(|library| wanted(library)) {
        let (path, persisted) = contents_of(directory, library)?;
        let (name, text) = outline::text_of(&path)?;
        if persisted {
            import.notes.push(format!("library {}: as it was when mhvtl ended, from {name}", library.id));
        }
        let contents = contents::parse(&name, &text)?;
        let mine = drives.iter().filter(|drive| drive.library == Some(library.id)).collect();
        import.library(&name, library, mine, contents)?;
        if library.persists && import.lacks {
            let why = "what is left out would be lost to mhvtl";
            import.notes.push(format!("library {}: contents are not saved when it ends: {why}", library.id));
        } else if library.persists {
            import.saved.push((format!("library{}", library.id), saved_contents(directory, library)));
        }
    }
    for drive in drives.iter().filter(|drive| libraries.iter().all(|library| Some(library.id) != drive.library)) {
        import.notes.push(format!("{name}:{}: drive {} is in no library, and is left out", drive.line, drive.id));
    }
    import.finish(&name)
}

/// The drive with this number, as the only one of a library that is there for it alone: what
/// [`crate::standalone::Standalone`] takes. The number of its library in `device.conf`, if it is in one.
///
/// # Errors
/// As [`import`]; there is no such drive.
pub fn import_drive(directory: &Path, id: u32) -> Result<(Imported, Option<u32>), ConfigError> {
    let (name, libraries, drives) = devices(&self::directory(directory)?)?;
    let drive = drives.iter().find(|drive| drive.id == id).ok_or_else(|| missing(&name, "Drive:", id))?;
    let mut import = Import::default();
    let own = format!("drive{id}");
    let _ = writeln!(import.text, "\n[[library]]\nname = {own:?}\nslots = 1\ncartridges = []");
    let fifo = drive.names.fifo.clone();
    import.seats.push(Seat { library: own, unit: 1, minor: id, address: drive.address, fifo });
    let mut written = String::new();
    import.drive(drive, &mut written);
    import.text.push_str(&written);
    let library = libraries.iter().find(|library| Some(library.id) == drive.library);
    let home = library.map_or_else(|| "/opt/mhvtl".into(), |library| home_of(library.id, library.home.as_deref()));
    import.homes.push(home.display().to_string());
    Ok((import.finish(&name)?, library.map(|library| library.id)))
}

/// `device.conf` and its name.
fn devices(directory: &Path) -> Result<(String, Vec<LibrarySection>, Vec<DriveSection>), ConfigError> {
    let (name, text) = outline::text_of(&directory.join("device.conf"))?;
    let (libraries, drives) = device::parse(&name, &text)?;
    Ok((name, libraries, drives))
}

fn missing(file: &str, key: &str, id: u32) -> ConfigError {
    ConfigError { file: file.into(), line: 1, key: key.into(), message: format!("there is no number {id}") }
}

fn failed(path: &Path, error: &io::Error) -> ConfigError {
    let name = path.display().to_string();
    ConfigError { file: name, line: 1, key: "(file)".into(), message: error.to_string() }
}

fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// The file of a library's contents: what was saved when mhvtl ended, unless the file itself is newer.
fn contents_of(directory: &Path, library: &LibrarySection) -> Result<(PathBuf, bool), ConfigError> {
    let plain = directory.join(format!("library_contents.{}", library.id));
    let saved = saved_contents(directory, library);
    let changed = |path: &Path| -> Result<Option<SystemTime>, ConfigError> {
        match std::fs::metadata(path).and_then(|data| data.modified()) {
            Ok(time) => Ok(Some(time)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, &error)),
        }
    };
    let newer =
        library.persists && changed(&saved)?.is_some_and(|saved| changed(&plain).is_ok_and(|at| at <= Some(saved)));
    Ok(if newer { (saved, true) } else { (plain, false) })
}

/// Where a library saves its contents when it ends.
fn saved_contents(directory: &Path, library: &LibrarySection) -> PathBuf {
    directory.join(format!("library_contents.{}.persist", library.id))
}

/// The directory of a library's cartridges.
fn home_of(library: u32, given: Option<&str>) -> PathBuf {
    given.map_or_else(|| format!("/opt/mhvtl/{library}").into(), PathBuf::from)
}

/// Assignments of `mhvtl.conf`, as a shell reads them.
fn settings(text: &str) -> BTreeMap<String, String> {
    let assignment = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let plain = !key.trim().is_empty() && !line.starts_with('#');
        plain.then(|| (key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
    };
    text.lines().filter_map(assignment).collect()
}

/// What a cartridge is: by its label, as mhvtl's tools read it, else by its memory.
fn what(barcode: &Barcode, store: Option<&TapeStore>) -> Option<What> {
    let (media, kind) = match barcode.media() {
        Some((media, Kind::Data)) if barcode.as_str().starts_with('W') => (media, Kind::Worm),
        Some(label) => label,
        None => {
            let cartridge = store?.find(barcode).ok()?;
            (cartridge.media(), cartridge.kind())
        }
    };
    let made = (barcode.media() != Some((media, kind))).then_some((media.name, kind.name()));
    Some(What { made, unlabelled: barcode.as_str().starts_with("NOBAR") })
}

#[derive(Default)]
struct Import {
    /// Of a cartridge that is made.
    megabytes: u64,
    text: String,
    homes: Vec<String>,
    notes: Vec<String>,
    barcodes: BTreeMap<String, String>,
    seats: Vec<Seat>,
    saved: Vec<(String, PathBuf)>,
    /// Something of the library is left out.
    lacks: bool,
}

impl Import {
    fn library(
        &mut self,
        file: &str,
        library: &LibrarySection,
        mut drives: Vec<&DriveSection>,
        mut contents: Contents,
    ) -> Result<(), ConfigError> {
        let (model, first) = library.emulation();
        drives.sort_by_key(|drive| drive.slot);
        contents.check_drives(file, &drives)?;
        self.notes_of(file, library, &mut contents, first);
        let name = format!("library{}", library.id);
        let _ = writeln!(self.text, "\n[[library]]\nname = {name:?}\nmodel = {:?}", model.name);
        let _ = writeln!(self.text, "{}", library.names.strings());
        let _ = writeln!(self.text, "serial = {:?}\nnaa = {:?}", library.names.serial, library.names.naa(14));
        let [robot, slots, ports, bays] = first;
        let _ = writeln!(
            self.text,
            "first = {{ robot = {robot}, slots = {slots}, import_export = {ports}, drives = {bays} }}"
        );
        let _ = writeln!(self.text, "slots = {}\nimport_export = {}", contents.slots.last(), contents.ports.last());
        let (minor, address, fifo) = (library.id, library.address, library.names.fifo.clone());
        self.seats.push(Seat { library: name.clone(), unit: 0, minor, address, fifo });
        let mut written = String::new();
        for (drive, unit) in drives.into_iter().zip(1..) {
            let (minor, address, fifo) = (drive.id, drive.address, drive.names.fifo.clone());
            self.seats.push(Seat { library: name.clone(), unit, minor, address, fifo });
            self.drive(drive, &mut written);
        }
        let home = home_of(library.id, library.home.as_deref()).display().to_string();
        self.cartridges(file, &contents, Path::new(&home), &mut written)?;
        if !written.contains("[[library.cartridges]]") {
            let _ = writeln!(self.text, "cartridges = []");
        }
        self.text.push_str(&written);
        if !self.homes.contains(&home) {
            self.homes.push(home);
        }
        Ok(())
    }

    fn drive(&mut self, drive: &DriveSection, text: &mut String) {
        let compression = match (drive.factor, drive.lzo) {
            (None, _) => "none".to_owned(),
            (Some(factor), lzo) => {
                if lzo {
                    let what = "lzo is read, but not written; new blocks are compressed with zlib";
                    self.notes.push(format!("drive {}: {what}", drive.id));
                }
                format!("zlib:{factor}")
            }
        };
        let model = drive.profile().model.product;
        let _ = writeln!(text, "\n[[library.drive]]\nmodel = {model:?}\n{}", drive.names.strings());
        let _ = writeln!(text, "compression = {compression:?}");
        let _ = writeln!(text, "serial = {:?}\nnaa = {:?}", drive.names.serial, drive.names.naa(10));
    }

    fn cartridges(
        &mut self,
        file: &str,
        contents: &Contents,
        home: &Path,
        text: &mut String,
    ) -> Result<(), ConfigError> {
        let shelves = if home.is_dir() { OsShelves::at(home).ok() } else { None };
        let store = shelves.map(|shelves| TapeStore::new(Box::new(shelves)));
        let size = self.megabytes;
        for (word, group) in [("slot", &contents.slots), ("port", &contents.ports)] {
            for (_, line, barcode) in group.cartridges() {
                let here = format!("{file}:{line}");
                if what(barcode, store.as_ref()).is_none() {
                    self.lacks = true;
                    let why = "neither its label nor a memory says what it is";
                    self.notes.push(format!("{here}: cartridge {barcode} is left out: {why}"));
                }
                if let Some(there) = self.barcodes.insert(barcode.to_string(), here) {
                    let message = format!("barcode {barcode} is given twice, here and at {there}");
                    return Err(ConfigError { file: file.into(), line, key: word.into(), message });
                }
            }
            for run in group.runs(|barcode| what(barcode, store.as_ref())) {
                let _ = write!(text, "\n[[library.cartridges]]\n{run}");
                let _ = writeln!(text, "at = \"{word}{}\"\nsize = \"{size}MiB\"\nlevel = \"mhvtl\"", run.number);
            }
        }
        Ok(())
    }

    /// Notes what is otherwise than with mhvtl.
    fn notes_of(&mut self, file: &str, library: &LibrarySection, contents: &mut Contents, first: [u16; 4]) {
        let id = library.id;
        if let Some(command) = &library.move_command {
            self.notes.push(format!("library {id}: movecommand {command:?} is not run"));
        }
        self.lacks = !contents.strange.is_empty();
        for (line, label) in &contents.strange {
            let why = "labels are 1 to 16 of A-Z, 0-9, - and _";
            self.notes.push(format!("{file}:{line}: cartridge {label:?} is left out: {why}"));
        }
        // mhvtl leaves out what would have the address of another element, too.
        let room = |own: u16| first.into_iter().filter(|other| *other > own).min().unwrap_or(u16::MAX) - own;
        let [_, slots, ports, _] = first;
        for (group, own, what) in [(&mut contents.slots, slots, "slots"), (&mut contents.ports, ports, "MAPs")] {
            let gone = group.cut(room(own));
            if gone > 0 {
                self.lacks = true;
                self.notes.push(format!("library {id}: the last {gone} {what} have no addresses left, as with mhvtl"));
            }
        }
    }

    fn finish(mut self, file: &str) -> Result<Imported, ConfigError> {
        if self.text.is_empty() {
            let message = "there is no library in it";
            return Err(ConfigError { file: file.into(), line: 1, key: "Library:".into(), message: message.into() });
        }
        let homes = toml::Value::from(self.homes.clone());
        let mut text = format!("# From {file}.\n");
        self.notes.iter().for_each(|note| text.push_str(&format!("# {note}\n")));
        let _ = write!(text, "\n[storage]\ncartridges = {homes}\nshared = true\n{}", self.text);
        self.text.clear();
        Ok(Imported { text, notes: self.notes, seats: self.seats, saved: self.saved })
    }
}

#[cfg(test)]
mod tests;
