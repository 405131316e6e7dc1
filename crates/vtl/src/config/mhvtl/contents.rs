//! Parses `library_contents.N`: elements and barcodes.

use super::ConfigError;
use super::device::DriveSection;
use super::keys::{self, Ignored};
use super::scan::{self, ConfigLine};
use std::collections::BTreeMap;
use std::fmt;
use tape_store::cartridge::Barcode;

/// Elements of one type: each listed number with its line and its cartridge.
#[derive(Default)]
pub(super) struct ElementGroup(BTreeMap<u16, (usize, Option<Barcode>)>);

impl ElementGroup {
    /// The number of elements: mhvtl adds unlisted elements.
    pub(super) fn highest_number(&self) -> u16 {
        self.0.keys().last().copied().unwrap_or(0)
    }

    /// Removes the elements after `max`. Returns how many were removed.
    pub(super) fn truncate(&mut self, max: u16) -> u16 {
        let removed = self.highest_number().saturating_sub(max);
        if removed > 0 {
            self.0.retain(|number, _| *number <= max);
            self.0.entry(max).or_default();
        }
        removed
    }

    /// The cartridges with their element numbers and lines.
    pub(super) fn occupied(&self) -> impl Iterator<Item = (u16, usize, &Barcode)> {
        self.0.iter().filter_map(|(number, (line, barcode))| Some((*number, *line, barcode.as_ref()?)))
    }

    /// The cartridges whose traits are known, grouped into runs of consecutive elements and barcodes.
    pub(super) fn runs(&self, traits: impl Fn(&Barcode) -> Option<CartridgeTraits>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (number, line, barcode) in self.occupied() {
            let Some(traits) = traits(barcode) else { continue };
            if !runs.last_mut().is_some_and(|run| run.extend(number, barcode, &traits)) {
                runs.push(Run { number, line, traits, labels: vec![barcode.to_string()] });
            }
        }
        runs
    }
}

/// Properties of a cartridge that its barcode may not determine.
#[derive(PartialEq, Eq)]
pub(super) struct CartridgeTraits {
    /// Medium and kind; `None` if the barcode names them.
    pub(super) medium_and_kind: Option<(&'static str, &'static str)>,
    /// Whether barcode readers see no label.
    pub(super) unlabelled: bool,
}

/// Cartridges with consecutive elements and barcodes.
pub(super) struct Run {
    /// Element number of the first cartridge.
    pub(super) number: u16,
    /// Line of the first cartridge.
    pub(super) line: usize,
    traits: CartridgeTraits,
    labels: Vec<String>,
}

/// Splits a barcode into the text before its number, the number, and the two characters after it.
fn split_label(label: &str) -> Option<(&str, &str, &str)> {
    let (rest, suffix) = label.split_at_checked(label.len().checked_sub(2)?)?;
    let digits = rest.len() - rest.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (before, number) = rest.split_at_checked(rest.len() - digits.min(4))?;
    (!number.is_empty()).then_some((before, number, suffix))
}

impl Run {
    fn extend(&mut self, number: u16, barcode: &Barcode, traits: &CartridgeTraits) -> bool {
        let Some(last) = self.labels.last() else { return false };
        let follows = match (split_label(last), split_label(barcode.as_str())) {
            (Some((a, one, b)), Some((c, two, d))) => {
                let next = one.parse::<u32>().ok().map(|one| one + 1);
                (a, b, one.len()) == (c, d, two.len()) && next == two.parse().ok()
            }
            _ => false,
        };
        let together = usize::from(number - self.number) == self.labels.len() && *traits == self.traits;
        if follows && together {
            self.labels.push(barcode.to_string());
        }
        follows && together
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.labels.first() else { return Ok(()) };
        match split_label(first) {
            Some((before, number, suffix)) if self.labels.len() > 1 => {
                let run = "#".repeat(number.len());
                let first: u16 = number.parse().unwrap_or(1);
                writeln!(f, "pattern = \"{before}{run}{suffix}\"\nfirst = {first}\ncount = {}", self.labels.len())
            }
            _ => writeln!(f, "pattern = {first:?}"),
        }?;
        if let Some((medium, kind)) = self.traits.medium_and_kind {
            writeln!(f, "medium = {medium:?}\nkind = {kind:?}")?;
        }
        if self.traits.unlabelled { writeln!(f, "label = \"missing\"") } else { Ok(()) }
    }
}

/// The contents of a library.
#[derive(Default)]
pub(super) struct Contents {
    drives: ElementGroup,
    pub(super) io_elements: ElementGroup,
    pub(super) slots: ElementGroup,
    /// Labels that are not valid barcodes, with their lines.
    pub(super) invalid_labels: Vec<(usize, String)>,
    /// Serial numbers of drives: drive number, line, serial number.
    serials: Vec<(u16, usize, String)>,
}

impl Contents {
    /// Notes the serial numbers of drives that differ from `device.conf`, which has priority.
    pub(super) fn other_serials(&self, file: &str, drives: &[&DriveSection], notes: &mut Vec<String>) {
        for (number, line, given) in &self.serials {
            let own = drives.iter().find(|drive| drive.slot == u32::from(*number)).map(|drive| &drive.identity.serial);
            if let Some(own) = own.filter(|own| *own != given) {
                let why = "device.conf has another serial number for it, which is used, as with mhvtl";
                notes.push(format!("{file}:{line}: Drive {number}: {given:?} is ignored: {why}: {own:?}"));
            }
        }
    }

    /// Checks that every drive element has a drive, and every drive an element.
    pub(super) fn check_drives(&self, [devices, file]: [&str; 2], drives: &[&DriveSection]) -> Result<(), ConfigError> {
        let wrong = |file: &str, line, key: &str, message| {
            Err(ConfigError { file: file.into(), line, key: key.into(), column: 0, message })
        };
        for number in 1..=self.drives.highest_number() {
            if drives.iter().all(|drive| drive.slot != u32::from(number)) {
                // mhvtl adds unlisted elements: an element without a line exists because a later one has a line.
                let (named, line) =
                    self.drives.0.range(number..).next().map_or((number, 0), |(at, (line, _))| (*at, *line));
                let place = match named == number {
                    true => format!("place {number}"),
                    false => format!("place {number}, which comes before \"Drive {named}:\","),
                };
                return wrong(file, line, "Drive", format!("no drive of device.conf has {place} in this library"));
            }
        }
        match drives.iter().find(|drive| drive.slot > self.drives.highest_number().into()) {
            Some(drive) => {
                let (id, slot, line) = (drive.id, drive.slot, drive.slot_line);
                let message = format!("drive {id} has place {slot}, but {file} has no line \"Drive {slot}:\"");
                wrong(devices, line, "Library ID:", message)
            }
            None => Ok(()),
        }
    }
}

/// Parses a `library_contents` file.
pub(super) fn parse(file: &str, text: &str, notes: &mut Vec<String>) -> Result<Contents, ConfigError> {
    let (mut contents, mut ignored) = (Contents::default(), Ignored::default());
    for line in ConfigLine::lines(file, text).filter(|line| !line.is_comment()) {
        // Keywords start in the first column; all other lines are ignored.
        if let Some((key, rest)) =
            ["Drive ", "MAP ", "Slot ", "Picker "].into_iter().find_map(|key| Some((key, line.value_after(key)?)))
        {
            parse_element(&line, key.trim(), rest, &mut contents, notes)?;
        } else {
            ignored.of_contents(&line, notes);
        }
    }
    ignored.finish(file, notes);
    if contents.slots.highest_number() == 0 {
        let message = "there is no slot in the file: no line begins with \"Slot 1:\" or another number";
        return Err(ConfigError { file: file.into(), line: 0, key: String::new(), column: 0, message: message.into() });
    }
    Ok(contents)
}

fn parse_element(
    line: &ConfigLine<'_>,
    key: &str,
    rest: &str,
    contents: &mut Contents,
    notes: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let Some((number, rest)) = scan::number(rest) else {
        let text = line.text.trim();
        notes.push(line.note(format!("{text:?} has no number after {key:?}, and is ignored: write \"{key} 1:\"")));
        return Ok(());
    };
    let wrong = || line.error(key, format!("{number} is not a number from 1"));
    let number = u16::try_from(number.min(u16::MAX.into())).ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    // Without a colon directly after the number, mhvtl treats the element as empty.
    let label = rest.strip_prefix(':').and_then(scan::word);
    if let (None, Some(word)) = (rest.strip_prefix(':'), scan::word(rest.trim_start_matches([' ', ':']))) {
        notes.push(
            line.note(format!("{key} {number} is empty, as with mhvtl: {word:?} is not directly after \"{number}:\"")),
        );
    }
    if let Some((word, rest)) = rest.strip_prefix(':').and_then(scan::word_and_rest)
        && let Some(rest) = keys::surplus(rest)
    {
        notes.push(line.note(format!("{key} {number}: {word:?} is used: {rest:?} after it is ignored, as with mhvtl")));
    }
    let (group, label) = match key {
        // The word after a drive is its serial number, which is also in device.conf.
        "Drive" => {
            contents.serials.extend(label.map(|serial| (number, line.number, serial.to_owned())));
            (&mut contents.drives, None)
        }
        "MAP" => (&mut contents.io_elements, label),
        "Slot" => (&mut contents.slots, label),
        _ => {
            let held = || line.error(key, "a cartridge in the robot is not supported; put it into a slot");
            return label.map_or(Ok(()), |_| Err(held()));
        }
    };
    let barcode = label.and_then(Barcode::new);
    if let (Some(label), None) = (label, &barcode) {
        contents.invalid_labels.push((line.number, label.into()));
    }
    match group.0.insert(number, (line.number, barcode)) {
        Some((before, _)) => Err(line.error(key, format!("{key} {number} is given twice, here and in line {before}"))),
        None => Ok(()),
    }
}
