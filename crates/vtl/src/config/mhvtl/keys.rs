//! The keys of mhvtl's files, and notes about ignored lines that look like one.

use super::SectionKind;
use super::scan::{self, ConfigLine};
use std::fmt::Write;

const LIBRARY: Option<SectionKind> = Some(SectionKind::Library);
const DRIVE: Option<SectionKind> = Some(SectionKind::Drive);

pub(super) const VENDOR: &str = "Vendor identification:";
pub(super) const PRODUCT: &str = "Product identification:";
pub(super) const REVISION: &str = "Product revision level:";
pub(super) const SERIAL: &str = "Unit serial number:";
pub(super) const NAA: &str = "NAA:";
pub(super) const FIFO: &str = "fifo:";
pub(super) const HOME: &str = "Home directory:";
pub(super) const PERSIST: &str = "PERSIST:";
pub(super) const MOVE_COMMAND: &str = "movecommand:";
pub(super) const COMMAND_TIMEOUT: &str = "commandtimeout:";
pub(super) const BACKOFF: &str = "Backoff:";
pub(super) const LIBRARY_ID: &str = "Library ID:";
pub(super) const COMPRESSION_TYPE: &str = "Compression type:";
pub(super) const COMPRESSION: &str = "Compression:";
pub(super) const LBP: &str = "LBP RSCRC BE:";

/// Keys of `device.conf` and the section kind that has them; `None` for both.
const DEVICE_CONF: [(&str, Option<SectionKind>); 15] = [
    (VENDOR, None),
    (PRODUCT, None),
    (REVISION, None),
    (SERIAL, None),
    (NAA, None),
    (FIFO, None),
    (BACKOFF, None),
    (HOME, LIBRARY),
    (PERSIST, LIBRARY),
    (MOVE_COMMAND, LIBRARY),
    (COMMAND_TIMEOUT, LIBRARY),
    (LIBRARY_ID, DRIVE),
    (COMPRESSION_TYPE, DRIVE),
    (COMPRESSION, DRIVE),
    (LBP, DRIVE),
];

/// Keys whose value is one word; mhvtl ignores the text after it.
const WORDS: [&str; 8] = [VENDOR, REVISION, SERIAL, FIFO, HOME, PERSIST, MOVE_COMMAND, COMPRESSION_TYPE];

/// Variables of `mhvtl.conf`.
const VARIABLES: [&str; 6] =
    ["MHVTL_CONFIG_PATH", "MHVTL_HOME_PATH", "CAPACITY", "VERBOSE", "VTL_DEBUG", "DAEMON_DEBUG"];

/// Whether the name of a variable differs from one of `mhvtl.conf` only in case.
pub(super) fn is_misspelled(variable: &str) -> bool {
    VARIABLES.iter().any(|known| known.eq_ignore_ascii_case(variable) && *known != variable)
}

/// The key that mhvtl reads in a line of a section.
pub(super) fn key_of(line: &ConfigLine<'_>, unit: SectionKind) -> Option<&'static str> {
    let has = |(key, owner): &&(&str, Option<SectionKind>)| {
        owner.is_none_or(|owner| owner == unit) && line.value_after(&format!(" {key}")).is_some()
    };
    DEVICE_CONF.iter().find(has).map(|(key, _)| *key)
}

/// The text after a value, unless it is a comment.
pub(super) fn surplus(rest: &str) -> Option<&str> {
    let rest = rest.trim();
    (!rest.is_empty() && !rest.starts_with('#')).then_some(rest)
}

/// A note about a value of which mhvtl uses only a part, or more than probably intended.
pub(super) fn other_value(line: &ConfigLine<'_>, key: &str) -> Option<String> {
    let text = line.value_after(&format!(" {key}"))?;
    if key == PRODUCT {
        let text = text.trim();
        let why = || line.note(format!("{key} {text:?} has the text from \"#\" in it, as with mhvtl"));
        return text.contains('#').then(why);
    }
    let (word, rest) = WORDS.contains(&key).then(|| scan::word_and_rest(text))??;
    surplus(rest).map(|rest| line.note(format!("{key} {word:?} is used: {rest:?} after it is ignored, as with mhvtl")))
}

/// Lower-case text without white space, for the comparison of keys.
fn plain(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}');
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Collects notes about the lines that mhvtl ignores.
#[derive(Default)]
pub(super) struct Ignored {
    lines: usize,
}

impl Ignored {
    /// Most notes per file; further lines are only counted.
    const MOST: usize = 50;

    /// Adds a note about a line, unless it is empty, a comment or a version.
    fn add(&mut self, line: &ConfigLine<'_>, notes: &mut Vec<String>, why: impl FnOnce(&str) -> String) {
        /// Number of characters of the line that the note repeats.
        const SHOWN: usize = 80;
        let text = line.text.trim().trim_start_matches('\u{feff}').trim_start();
        let plain = plain(text);
        if plain.chars().count() < 2 || plain.starts_with('#') || plain.starts_with("version:") {
            return;
        }
        self.lines += 1;
        if self.lines <= Self::MOST {
            let shown: String = text.chars().take(SHOWN).collect();
            notes.push(line.note(format!("{shown:?} is ignored, as with mhvtl: {}", why(&plain))));
        }
    }

    /// Adds a line of `device.conf` that mhvtl ignores in this section.
    pub(super) fn of_devices(
        &mut self,
        line: &ConfigLine<'_>,
        section: Option<(SectionKind, u32)>,
        notes: &mut Vec<String>,
    ) {
        self.add(line, notes, |text| {
            let alike = |key: &str| text.starts_with(&plain(key));
            if let Some(header) = ["Library:", "Drive:"].into_iter().find(|key| alike(key)) {
                return format!("a section begins with \"{header}\" and a number in the first column");
            }
            let Some((key, owner)) = DEVICE_CONF.iter().find(|(key, _)| alike(key)) else {
                return "mhvtl has no such key".into();
            };
            let spelled = line.value_after(&format!(" {key}")).is_some();
            match (section, owner) {
                _ if !spelled => format!("the key is written \"{key}\""),
                (Some((unit, id)), Some(owner)) if unit != *owner => {
                    format!("\"{key}\" is a key of a {}, and this is the section of {} {id}", owner.name(), unit.name())
                }
                _ => "it is in no section, since a line of one character at most ends a section".into(),
            }
        });
    }

    /// Adds a line of `library_contents` that mhvtl ignores.
    pub(super) fn of_contents(&mut self, line: &ConfigLine<'_>, notes: &mut Vec<String>) {
        self.add(line, notes, |text| {
            let alike = |key: &&str| text.starts_with(&plain(key));
            match ["Drive", "MAP", "Picker", "Slot"].into_iter().find(alike) {
                Some(key) => format!("an element is written \"{key} 1:\", from the first column"),
                None => "mhvtl has no such key".into(),
            }
        });
    }

    /// Adds a line of `mhvtl.conf` that names a variable but does not assign it.
    pub(super) fn of_settings(&mut self, line: &ConfigLine<'_>, notes: &mut Vec<String>) {
        let text = plain(line.text);
        let name = text.strip_prefix("export").unwrap_or(&text).split('=').next().unwrap_or_default();
        let known = VARIABLES.into_iter().find(|variable| variable.eq_ignore_ascii_case(name));
        if let Some(variable) = known.filter(|_| text.contains('=')) {
            self.add(line, notes, |_| {
                let mut why = format!("write {variable}=VALUE, in this case and without blanks");
                if variable == "MHVTL_CONFIG_PATH" {
                    let _ = write!(why, ", from the first column");
                }
                why
            });
        }
    }

    /// Adds a note with the number of further ignored lines.
    pub(super) fn finish(&self, file: &str, notes: &mut Vec<String>) {
        if let Some(more) = self.lines.checked_sub(Self::MOST).filter(|more| *more > 0) {
            notes.push(format!("{file}: {more} more lines are ignored, as with mhvtl"));
        }
    }
}
