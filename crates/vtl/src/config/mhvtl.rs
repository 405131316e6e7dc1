//! mhvtl's configuration, read as it stands and said in ours.
//!
//! What mhvtl's programs read counts, with their rules: sections end at a blank line, keywords are case-sensitive, unknown
//! lines mean nothing. What they take and cannot work is an error with its line; what is otherwise here is noted.

mod contents;
mod device;

use super::ConfigError;
use contents::{Contents, What};
use device::{DriveSection, LibrarySection};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;
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
    let main = read(&directory.join("mhvtl.conf"))?.unwrap_or_default();
    let devices_at = directory.join("device.conf");
    let devices = read(&devices_at)?.ok_or_else(|| failed(&devices_at, &io::ErrorKind::NotFound.into()))?;
    let name = devices_at.display().to_string();
    let (libraries, drives) = device::parse(&name, &devices)?;
    let mut import = Import { main: settings(&main), ..Import::default() };
    for library in &libraries {
        let (path, persisted) = contents_of(directory, library)?;
        let text = read(&path)?.ok_or_else(|| failed(&path, &io::ErrorKind::NotFound.into()))?;
        let name = path.display().to_string();
        if persisted {
            import.notes.push(format!("library {}: as it was when mhvtl ended, from {name}", library.id));
        }
        let contents = contents::parse(&name, &text)?;
        let mine = drives.iter().filter(|drive| drive.library == Some(library.id)).collect();
        import.library(&name, library, mine, contents)?;
    }
    for drive in drives.iter().filter(|drive| libraries.iter().all(|library| Some(library.id) != drive.library)) {
        import.notes.push(format!("{name}:{}: drive {} is in no library, and is left out", drive.line, drive.id));
    }
    import.finish(&name)
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
fn contents_of(directory: &Path, library: &LibrarySection) -> Result<(std::path::PathBuf, bool), ConfigError> {
    let plain = directory.join(format!("library_contents.{}", library.id));
    let saved = directory.join(format!("library_contents.{}.persist", library.id));
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
    main: BTreeMap<String, String>,
    text: String,
    homes: Vec<String>,
    notes: Vec<String>,
    barcodes: BTreeMap<String, String>,
    seats: Vec<Seat>,
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
        self.seats.push(Seat { library: name.clone(), unit: 0, minor: library.id, address: library.address });
        let mut written = String::new();
        for (drive, unit) in drives.into_iter().zip(1..) {
            self.seats.push(Seat { library: name.clone(), unit, minor: drive.id, address: drive.address });
            self.drive(drive, &mut written);
        }
        let home = library.home.clone().unwrap_or_else(|| format!("/opt/mhvtl/{}", library.id));
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
        let size = self.main.get("CAPACITY").map_or("500", String::as_str);
        for (word, group) in [("slot", &contents.slots), ("port", &contents.ports)] {
            for (_, line, barcode) in group.cartridges() {
                let here = format!("{file}:{line}");
                if what(barcode, store.as_ref()).is_none() {
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
                self.notes.push(format!("library {id}: the last {gone} {what} have no addresses left, as with mhvtl"));
            }
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
        Ok(Imported { text, notes: self.notes, seats: self.seats })
    }
}

#[cfg(test)]
mod tests;
