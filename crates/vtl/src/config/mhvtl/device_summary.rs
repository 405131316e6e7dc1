//! The parts of a configuration that mhvtl's tools read: numbers, kinds and directories of units, and barcodes. Models
//! are not checked, so that the tools work on configurations that Ferric cannot serve.

use super::device::LibrarySection;
use super::keys::{self, Ignored};
use super::scan::{self, ConfigLine};
use super::{
    ConfigError, SectionKind, assignment, header, home_directory, not_found_error, parse_assignments, read_optional,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Number and kind of a unit in `device.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSummary {
    /// Number of the unit, from its header.
    pub id: u32,
    /// Whether the unit is a library or a drive.
    pub kind: DeviceKind,
}

/// The kind of a unit in `device.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A media changer with its cartridges.
    Library {
        /// Directory of the library's cartridges.
        home_directory: PathBuf,
    },
    /// A tape drive, inside or outside a library.
    Drive {
        /// Number of its library; `None` if it is in no library.
        library: Option<u32>,
    },
}

/// The directory of the other configuration files: `main`, unless its `mhvtl.conf` names another one.
///
/// # Errors
/// Fails if `mhvtl.conf` cannot be read.
pub fn directory(main: &Path) -> Result<PathBuf, ConfigError> {
    Ok(redirected_directory(main)?.map_or_else(|| main.into(), |(_, other)| other))
}

/// The value of `MHVTL_CONFIG_PATH` in a line of `mhvtl.conf`, as mhvtl's daemons parse it: the key in the first
/// column, optional blanks around `=`, and the rest of the line. The daemons treat quotes, comments and carriage
/// returns as part of the name; since no such directory exists, they are removed here.
fn config_path(line: &str) -> Option<&str> {
    let value = line.strip_prefix("MHVTL_CONFIG_PATH")?.trim_start().strip_prefix('=')?;
    let value = value.split_once(" #").map_or(value, |(value, _)| value).trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then_some(value)
}

/// The directory that `mhvtl.conf` names for the other files, and its line: the first one counts.
pub(super) fn redirected_directory(main: &Path) -> Result<Option<(usize, PathBuf)>, ConfigError> {
    let text = read_optional(&main.join("mhvtl.conf"))?.unwrap_or_default();
    Ok(text.lines().zip(1..).find_map(|(line, number)| Some((number, config_path(line)?.into()))))
}

/// Notes for `mhvtl.conf`: lines that look like assignments and are not, variables that are assigned twice, and a home
/// directory that only mhvtl's scripts use.
pub(super) fn setting_notes(directory: &Path, libraries: &[LibrarySection]) -> Result<Vec<String>, ConfigError> {
    let path = directory.join("mhvtl.conf").display().to_string();
    let text = read_optional(&directory.join("mhvtl.conf"))?.unwrap_or_default();
    let (mut notes, mut ignored, mut seen) = (Vec::new(), Ignored::default(), BTreeMap::new());
    for (text, number) in text.lines().zip(1..) {
        let line = ConfigLine { file: &path, number, text };
        let key = match (config_path(text), assignment(text)) {
            (Some(_), _) => "MHVTL_CONFIG_PATH",
            (None, Some((key, _))) if key != "MHVTL_CONFIG_PATH" && !keys::is_misspelled(key) => key,
            _ => {
                ignored.of_settings(&line, &mut notes);
                continue;
            }
        };
        if let Some(before) = seen.insert(key, number) {
            let counts = if key == "MHVTL_CONFIG_PATH" { "the first" } else { "the last" };
            notes.push(line.note(format!("{key} is given twice, here and in line {before}: {counts} value counts")));
        }
    }
    ignored.finish(&path, &mut notes);
    let home =
        parse_assignments(&text).remove("MHVTL_HOME_PATH").filter(|home| Path::new(home) != Path::new("/opt/mhvtl"));
    if let (Some(home), Some(number)) = (home, seen.get("MHVTL_HOME_PATH")) {
        for library in libraries.iter().filter(|library| library.home_directory.is_none()) {
            let (id, used) = (library.id, home_directory(library.id, None).display().to_string());
            let why = "as with mhvtl's daemons, since it has no \"Home directory:\"";
            notes.push(format!("{path}:{number}: MHVTL_HOME_PATH={home}: library {id} uses {used}, {why}"));
        }
    }
    Ok(notes)
}

/// The assignments in `mhvtl.conf` of a directory; empty if there is no such file.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn assignments(directory: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    Ok(parse_assignments(&read_optional(&directory.join("mhvtl.conf"))?.unwrap_or_default()))
}

/// Capacity of a new cartridge in megabytes, from `CAPACITY` in `mhvtl.conf`; 500 if it is not set.
///
/// # Errors
/// Fails if the file cannot be read, or the value is not a number from 1 to 2^30.
pub fn default_capacity_mb(directory: &Path) -> Result<u64, ConfigError> {
    const DEFAULT: u64 = 500;
    /// 1 PiB in megabytes.
    const MOST: u64 = 1 << 30;
    let path = directory.join("mhvtl.conf");
    let text = read_optional(&path)?.unwrap_or_default();
    let Some(given) = parse_assignments(&text).remove("CAPACITY").filter(|given| !given.is_empty()) else {
        return Ok(DEFAULT);
    };
    let assigns = |line: &str| parse_assignments(line).contains_key("CAPACITY");
    let line = text.lines().zip(1..).filter(|(line, _)| assigns(line)).last().map_or(0, |(_, at)| at);
    let wrong = || {
        let message = format!("{given:?} is not a number of megabytes, 1 to {MOST}");
        ConfigError { file: path.display().to_string(), line, key: "CAPACITY".into(), column: 0, message }
    };
    given.parse().ok().filter(|number| (1..=MOST).contains(number)).ok_or_else(wrong)
}

/// The units in `device.conf` of a directory, in the order of the file.
///
/// # Errors
/// Fails if the file does not exist or cannot be read.
pub fn device_summaries(directory: &Path) -> Result<Vec<DeviceSummary>, ConfigError> {
    let (name, text) = read_text(&directory.join("device.conf"))?;
    let (mut units, mut inside) = (Vec::<DeviceSummary>::new(), false);
    for line in ConfigLine::lines(&name, &text).filter(|line| !line.is_comment()) {
        // The tools require a complete drive header.
        let whole = |(unit, _): &(SectionKind, u32)| *unit == SectionKind::Library || line.text.contains("CHANNEL");
        if let Some((unit, id)) = header(&line).filter(whole) {
            let kind = match unit {
                SectionKind::Library => DeviceKind::Library { home_directory: home_directory(id, None) },
                SectionKind::Drive => DeviceKind::Drive { library: None },
            };
            units.push(DeviceSummary { id, kind });
            inside = true;
        } else if line.ends_section() {
            inside = false;
        } else if let Some(unit) = units.last_mut().filter(|_| inside) {
            match &mut unit.kind {
                DeviceKind::Library { home_directory: home } => {
                    *home = line.word_after(" Home directory:").map_or(std::mem::take(home), PathBuf::from)
                }
                DeviceKind::Drive { library } => {
                    *library = line.number_after(" Library ID:").and_then(|id| u32::try_from(id).ok()).or(*library);
                }
            }
        }
    }
    Ok(units)
}

/// The barcodes in the slots of a `library_contents` file with their lines: the first word after each slot number.
///
/// # Errors
/// Fails if the file does not exist or cannot be read.
pub fn slot_barcodes(path: &Path) -> Result<Vec<(usize, String)>, ConfigError> {
    let (name, text) = read_text(path)?;
    let label = |line: ConfigLine<'_>| {
        // The script looks for "Slot" and a blank; mhvtl treats "Slot 4 : X" as an empty slot 4.
        let (_, rest) = line.text.strip_prefix("Slot ").and_then(scan::number)?;
        let label = rest.strip_prefix(':').and_then(scan::word)?;
        Some((line.number, label.to_owned()))
    };
    Ok(ConfigLine::lines(&name, &text).filter_map(label).collect())
}

pub(super) fn read_text(path: &Path) -> Result<(String, String), ConfigError> {
    let text = read_optional(path)?.ok_or_else(|| not_found_error(path, ""))?;
    Ok((path.display().to_string(), text))
}
