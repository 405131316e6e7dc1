//! mhvtl's configuration, read as it stands and said in ours.
//!
//! What mhvtl's programs read counts, with their rules: sections end at a blank line, keywords are case-sensitive, unknown
//! lines mean nothing. What they take and cannot work, or what we cannot be, is an error with its line.

mod contents;
mod device;
mod outline;
mod persist;

pub use outline::{Outline, OutlineKind, assignments, directory, labels, outline};
pub use persist::save;

use super::ConfigError;
use contents::Contents;
use device::{DriveSection, LibrarySection};
use smc::profile::ChangerProfile;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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
    let mut import = Import { main: assignments(directory)?, ..Import::default() };
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
        import.library(&name, library, mine, &contents)?;
        if library.persists {
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
    import.seats.push(Seat { library: own, unit: 1, minor: id, address: drive.address });
    import.drive(drive)?;
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

#[derive(Default)]
struct Import {
    main: BTreeMap<String, String>,
    text: String,
    homes: Vec<String>,
    notes: Vec<String>,
    barcodes: BTreeMap<String, String>,
    seats: Vec<Seat>,
    saved: Vec<(String, PathBuf)>,
}

impl Import {
    fn library(
        &mut self,
        file: &str,
        library: &LibrarySection,
        mut drives: Vec<&DriveSection>,
        contents: &Contents,
    ) -> Result<(), ConfigError> {
        let profile = library.profile()?;
        self.unlike(library, profile);
        drives.sort_by_key(|drive| drive.slot);
        contents.check_drives(file, &drives)?;
        let name = format!("library{}", library.id);
        let _ = writeln!(self.text, "\n[[library]]\nname = {name:?}\nmodel = {:?}", profile.name);
        let _ = writeln!(self.text, "serial = {:?}\nnaa = {:?}", library.names.serial, library.names.naa(14));
        let _ = writeln!(self.text, "slots = {}\nimport_export = {}", contents.slots.last(), contents.ports.last());
        if contents.ports.is_empty() && contents.slots.is_empty() {
            let _ = writeln!(self.text, "cartridges = []");
        }
        self.seats.push(Seat { library: name.clone(), unit: 0, minor: library.id, address: library.address });
        for (drive, unit) in drives.into_iter().zip(1..) {
            self.seats.push(Seat { library: name.clone(), unit, minor: drive.id, address: drive.address });
            self.drive(drive)?;
        }
        let size = self.main.get("CAPACITY").map_or("500", String::as_str).to_owned();
        for (word, group) in [("slot", &contents.slots), ("port", &contents.ports)] {
            for run in group.runs() {
                for (barcode, line) in run.labels() {
                    let here = format!("{file}:{line}");
                    if let Some(there) = self.barcodes.insert(barcode.clone(), here) {
                        let message = format!("barcode {barcode} is given twice, here and at {there}");
                        return Err(ConfigError { file: file.into(), line, key: word.into(), message });
                    }
                }
                let _ = write!(self.text, "\n[[library.cartridges]]\n{run}");
                let _ = writeln!(self.text, "at = \"{word}{}\"\nsize = \"{size}MiB\"\nlevel = \"mhvtl\"", run.number);
            }
        }
        let home = home_of(library.id, library.home.as_deref()).display().to_string();
        if !self.homes.contains(&home) {
            self.homes.push(home);
        }
        Ok(())
    }

    fn drive(&mut self, drive: &DriveSection) -> Result<(), ConfigError> {
        let model = drive.profile()?;
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
        let _ = writeln!(
            self.text,
            "\n[[library.drive]]\nmodel = {:?}\ncompression = {compression:?}",
            model.model.product
        );
        let _ = writeln!(self.text, "serial = {:?}\nnaa = {:?}", drive.names.serial, drive.names.naa(10));
        if let Some(revision) = drive.names.revision.as_deref().filter(|revision| *revision != model.model.revision) {
            self.notes.push(format!("drive {}: revision {:?} instead of {revision:?}", drive.id, model.model.revision));
        }
        Ok(())
    }

    /// Notes what hosts see otherwise than with mhvtl.
    fn unlike(&mut self, library: &LibrarySection, profile: &ChangerProfile) {
        let id = library.id;
        if let Some(revision) = library.names.revision.as_deref().filter(|revision| *revision != profile.model.revision)
        {
            self.notes.push(format!("library {id}: revision {:?} instead of {revision:?}", profile.model.revision));
        }
        let [_, slots, ports, drives] = profile.first;
        if let Some(theirs) = library.first_addresses().filter(|theirs| *theirs != [ports, drives, slots]) {
            let ours = [ports, drives, slots];
            self.notes.push(format!(
                "library {id}: import/export, drives and slots begin at {ours:?}, as the real library has them, not {theirs:?}"
            ));
        }
        if let Some(command) = &library.move_command {
            self.notes.push(format!("library {id}: movecommand {command:?} is not run"));
        }
    }

    fn finish(mut self, file: &str) -> Result<Imported, ConfigError> {
        if self.text.is_empty() {
            let message = "there is no library in it";
            return Err(ConfigError { file: file.into(), line: 1, key: "Library:".into(), message: message.into() });
        }
        let homes: Vec<String> = self.homes.iter().map(|home| format!("{home:?}")).collect();
        let mut text = format!("# From {file}.\n");
        self.notes.iter().for_each(|note| text.push_str(&format!("# {note}\n")));
        let _ = write!(text, "\n[storage]\ncartridges = [{}]\n{}", homes.join(", "), self.text);
        self.text.clear();
        Ok(Imported { text, notes: self.notes, seats: self.seats, saved: self.saved })
    }
}

#[cfg(test)]
mod tests;
