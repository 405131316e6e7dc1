//! Parses `device.conf`: libraries and drives.

use super::keys::{self, Ignored};
use super::scan::{self, ConfigLine};
use super::{ConfigError, SectionKind, address, header, note_unsupported_lines};
use scsi_core::hex::Hex;
use smc::profile::{ChangerProfile, GENERIC, HP_MSL_G3, IBM_3573_TL, IBM_03584L32, SPECTRA_PYTHON, STK_L700};
use ssc::profile::DriveProfile;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Longest serial number: mhvtl reads one more character and ignores it.
const MAX_SERIAL_LEN: usize = 15;

/// The identity of a device: vendor, product, revision, serial number and NAA designator.
#[derive(Default)]
pub(super) struct DeviceIdentity {
    file: String,
    vendor: Option<String>,
    product: Option<String>,
    revision: Option<String>,
    pub(super) serial: String,
    serial_line: usize,
    /// The NAA designator; unique among all units.
    pub(super) naa: String,
    /// The eight configured bytes of the NAA designator.
    given_naa: Option<Vec<u8>>,
    naa_line: Option<usize>,
    /// Named pipe that receives the state of the unit.
    pub(super) fifo: Option<PathBuf>,
}

/// Formats eight bytes as an NAA designator; mhvtl makes it NAA type 5.
fn naa_text(bytes: &[u8]) -> String {
    let digits = Hex(bytes).to_string();
    format!("5{}", digits.get(1..).unwrap_or_default())
}

impl DeviceIdentity {
    /// The file that the device is configured in.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// The configured NAA designator, or the default one, which is derived from the serial number padded to `padded`
    /// characters.
    fn configured_or_default_naa(&self, padded: usize) -> String {
        self.given_naa.as_deref().map_or_else(|| self.default_naa(padded), naa_text)
    }

    fn default_naa(&self, padded: usize) -> String {
        let serial = format!("{:<padded$}", self.serial);
        naa_text(serial.as_bytes().get(serial.len().saturating_sub(8)..).unwrap_or_default())
    }

    /// Fallback NAA designators in order: the default, then those derived from the complete serial number.
    fn fallback_naas(&self, padded: usize) -> impl Iterator<Item = String> + use<> {
        // FNV-1a: the same serial number always gives the same designator.
        let hash = self
            .serial
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let derived = (0..).map(move |step: u64| naa_text(&hash.wrapping_add(step).to_be_bytes()));
        std::iter::once(self.default_naa(padded)).chain(derived)
    }

    /// Parses a line if its key is one of the identity. Returns whether it is.
    fn parse_line(
        &mut self,
        line: &ConfigLine<'_>,
        unit: SectionKind,
        notes: &mut Vec<String>,
    ) -> Result<bool, ConfigError> {
        const VENDOR: &str = "Vendor identification:";
        const REVISION: &str = "Product revision level:";
        const SERIAL_KEY: &str = "Unit serial number:";
        self.file = line.file.into();
        let is = |key: &str| line.value_after(&format!(" {key}")).is_some();
        if is(VENDOR) {
            self.vendor = word_value(line, VENDOR, 8, unit, notes)?.or(self.vendor.take());
        } else if line.value_after(" Product identification:").is_some() {
            self.product = product(line, unit, notes)?.or(self.product.take());
        } else if is(REVISION) {
            self.revision = word_value(line, REVISION, 4, unit, notes)?.or(self.revision.take());
        } else if is(SERIAL_KEY) {
            if let Some(mut serial) = word_value(line, SERIAL_KEY, MAX_SERIAL_LEN + 1, unit, notes)? {
                if serial.len() > MAX_SERIAL_LEN {
                    serial.truncate(MAX_SERIAL_LEN);
                    notes.push(
                        line.note(format!("serial number {serial:?}: mhvtl uses {MAX_SERIAL_LEN} characters of it")),
                    );
                }
                (self.serial, self.serial_line) = (serial, line.number);
            }
        } else if is(keys::FIFO) {
            match line.word_after(" fifo:") {
                Some(word) => self.fifo = Some(word.into()),
                None => notes.push(line.note("fifo: has no value, and is ignored")),
            }
        } else if let Some(rest) = line.value_after(" NAA:") {
            self.parse_naa(line, rest, notes);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Parses eight bytes of one or two digits each. mhvtl ignores any other text, or treats the key as missing.
    fn parse_naa(&mut self, line: &ConfigLine<'_>, rest: &str, notes: &mut Vec<String>) {
        let bytes = scan::colon_bytes(rest);
        let given = rest.trim();
        match bytes.len() {
            8 => {
                if !scan::is_plain_bytes(rest) || given.split(':').count() > 8 {
                    let read = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
                    notes.push(line.note(format!("NAA: {given:?} is read as {read}, as with mhvtl")));
                }
                (self.given_naa, self.naa_line) = (Some(bytes), Some(line.number));
            }
            0 => notes.push(
                line.note(format!("NAA: {given:?} is ignored: it is not eight bytes such as 50:22:33:44:ab:00:11:00")),
            ),
            _ => {
                (self.given_naa, self.naa_line) = (None, None);
                notes.push(line.note(format!(
                    "NAA: {given:?} is not eight bytes: as with mhvtl, the name is made of the serial number"
                )));
            }
        }
    }

    fn vendor(&self) -> &str {
        self.vendor.as_deref().unwrap_or_default()
    }

    fn product(&self) -> &str {
        self.product.as_deref().unwrap_or_default()
    }

    /// The INQUIRY strings as keys of a Ferric configuration; without a revision, mhvtl reports its release.
    pub(super) fn strings(&self) -> String {
        let revision = self.revision.as_deref().unwrap_or("0108");
        format!("vendor = {:?}\nproduct = {:?}\nrevision = {revision:?}", self.vendor(), self.product())
    }
}

/// The word after a keyword. mhvtl's drives terminate if it is missing; its libraries keep the earlier value.
fn word_value(
    line: &ConfigLine<'_>,
    key: &str,
    max: usize,
    unit: SectionKind,
    notes: &mut Vec<String>,
) -> Result<Option<String>, ConfigError> {
    match (line.word_after(&format!(" {key}")), unit) {
        (Some(word), _) => check_length(line, key, word, max).map(Some),
        (None, SectionKind::Drive) => Err(line.error(key, "there is no value; mhvtl's drive daemon would terminate")),
        (None, SectionKind::Library) => {
            notes.push(line.note(format!("{key} has no value, and is ignored")));
            Ok(None)
        }
    }
}

/// The product identification: the rest of the line. mhvtl's drives terminate if it exceeds 16 characters; its
/// libraries truncate it.
fn product(line: &ConfigLine<'_>, unit: SectionKind, notes: &mut Vec<String>) -> Result<Option<String>, ConfigError> {
    const KEY: &str = "Product identification:";
    const MOST: usize = 16;
    let text = line.value_after(" Product identification:").unwrap_or_default().trim();
    match (text.get(..MOST), unit) {
        _ if text.is_empty() => {
            notes.push(line.note(format!("{KEY} has no value, and is ignored")));
            Ok(None)
        }
        (Some(first), SectionKind::Library) if text.len() > MOST => {
            notes.push(line.note(format!("{KEY} {text:?} has more than {MOST} characters: {first:?} is used")));
            check_length(line, KEY, first, MOST).map(Some)
        }
        _ => check_length(line, KEY, text, MOST).map(Some),
    }
}

fn check_length(line: &ConfigLine<'_>, key: &str, text: &str, max: usize) -> Result<String, ConfigError> {
    let plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if (1..=max).contains(&text.len()) && plain {
        return Ok(text.into());
    }
    Err(line.error(key, format!("{text:?} is not 1 to {max} characters of printable ASCII")))
}

/// Seconds of `commandtimeout:` if it is not given.
const COMMAND_TIMEOUT_S: u16 = 20;

/// A library section.
pub(super) struct LibrarySection {
    pub(super) id: u32,
    pub(super) address: [u32; 3],
    pub(super) line: usize,
    pub(super) identity: DeviceIdentity,
    pub(super) home_directory: Option<String>,
    pub(super) persist: bool,
    /// The line and the program of `movecommand:`.
    pub(super) move_command: Option<(usize, String)>,
    /// Seconds of `commandtimeout:`.
    pub(super) command_timeout: u16,
    /// The line of each key.
    seen: BTreeMap<&'static str, usize>,
}

/// mhvtl's library emulations: prefixes of vendor and product, the nearest changer model, and the first addresses of
/// robot, slots, import/export elements and drives. The first match counts.
const EMULATIONS: [(&str, &str, &ChangerProfile, [u16; 4]); 9] = [
    ("STK", "", &STK_L700, [0x001, 0x3e8, 0x00a, 0x1f4]),
    ("IBM", "3573-TL", &IBM_3573_TL, [0x001, 0x1000, 0x010, 0x100]),
    ("IBM", "03584", &IBM_03584L32, [0x001, 0x400, 0x300, 0x101]),
    ("HP", "MSL", &HP_MSL_G3, [0x001, 0x020, 0x1c0, 0x1e0]),
    ("HP", "", &GENERIC, [0x001, 0x3e8, 0x00a, 0x1f4]),
    ("SPECTRA", "GATOR", &SPECTRA_PYTHON, [0x2c3, 0x01e, 0x001, 0x2a3]),
    ("SPECTRA", "215", &SPECTRA_PYTHON, [0x056, 0x001, 0x063, 0x01f]),
    ("SPECTRA", "", &SPECTRA_PYTHON, [0x001, 0x1000, 0x010, 0x100]),
    ("", "", &GENERIC, [0x2f0, 0x400, 0x300, 0x001]),
];

impl LibrarySection {
    /// The line that enables saving of contents (`PERSIST:`).
    pub(super) fn persist_line(&self) -> usize {
        self.seen.get(keys::PERSIST).copied().unwrap_or(self.line)
    }

    /// An error about the library.
    pub(super) fn error(&self, file: &str, message: String) -> ConfigError {
        ConfigError { file: file.into(), line: self.line, key: format!("Library: {}", self.id), column: 0, message }
    }

    /// The changer model, and the first element addresses.
    pub(super) fn emulation(&self) -> (&'static ChangerProfile, [u16; 4]) {
        let (vendor, product) = (self.identity.vendor(), self.identity.product());
        let begins =
            |text: &str, with: &str| text.get(..with.len()).is_some_and(|text| text.eq_ignore_ascii_case(with));
        let fits = |(one, other, ..): &&(&str, &str, _, _)| begins(vendor, one) && begins(product, other);
        let (nearest, first) = EMULATIONS
            .iter()
            .find(fits)
            .map_or((&GENERIC, GENERIC.first_addresses), |(.., nearest, first)| (*nearest, *first));
        let same = |known: &&ChangerProfile| known.model.vendor == vendor && known.model.product == product;
        (smc::profile::ALL.iter().copied().find(same).unwrap_or(nearest), first)
    }
}

/// A drive section.
pub(super) struct DriveSection {
    pub(super) id: u32,
    pub(super) address: [u32; 3],
    pub(super) line: usize,
    pub(super) identity: DeviceIdentity,
    /// Number of its library, and its position there, from 1.
    pub(super) library: Option<u32>,
    pub(super) slot: u32,
    /// The line of its position; the line of the drive if there is none.
    pub(super) slot_line: usize,
    /// Compression level; `None` if compression is off.
    pub(super) factor: Option<u32>,
    pub(super) lzo: bool,
    enabled: bool,
    level: u32,
    codec: bool,
    /// The line of each key.
    seen: BTreeMap<&'static str, usize>,
}

impl DriveSection {
    /// The line of the compression type.
    pub(super) fn codec_line(&self) -> usize {
        self.seen.get(keys::COMPRESSION_TYPE).copied().unwrap_or(self.line)
    }

    /// The drive model.
    pub(super) fn profile(&self) -> &'static DriveProfile {
        ssc::profile::by_product(self.identity.product()).unwrap_or(&ssc::profile::GENERIC)
    }

    fn parse_line(&mut self, line: &ConfigLine<'_>, notes: &mut Vec<String>) {
        if let Some((library, rest)) = line.value_after(" Library ID:").and_then(scan::number) {
            let slot = ConfigLine { text: rest, ..*line }.value_after(" Slot:").and_then(scan::number);
            surplus_of(line, "Library ID:", slot, notes);
            let slot = slot.and_then(|(slot, _)| u32::try_from(slot).ok());
            match (u32::try_from(library), slot.filter(|slot| *slot > 0)) {
                (Ok(library), Some(slot)) => {
                    (self.library, self.slot, self.slot_line) = (Some(library), slot, line.number);
                }
                _ => notes.push(line.note("Library ID: without Slot: and a number from 1 is ignored, as with mhvtl")),
            }
        } else if let Some(rest) = line.value_after(" Compression type:") {
            let word = scan::word(rest).unwrap_or_default().to_ascii_lowercase();
            match () {
                () if word.starts_with("lzo") => (self.codec, self.lzo) = (true, true),
                () if word.starts_with("zlib") => (self.codec, self.lzo) = (true, false),
                () => {
                    notes.push(line.note(format!("Compression type: {word:?} is neither lzo nor zlib, and is ignored")))
                }
            }
        } else if let Some((level, rest)) = line.value_after(" Compression: factor").and_then(scan::number) {
            self.level = zlib_level(line, level, notes);
            let enabled = ConfigLine { text: rest, ..*line }.value_after(" enabled").and_then(scan::number);
            surplus_of(line, keys::COMPRESSION, enabled, notes);
            match enabled {
                None => notes.push(line.note("Compression: without \"enabled\" and a number is read as enabled")),
                Some((0 | 1, _)) => {}
                Some((other, _)) => {
                    notes.push(line.note(format!("Compression: enabled {other} is not 0 or 1: 1 is used")));
                }
            }
            self.enabled = enabled.is_none_or(|(enabled, _)| enabled != 0);
        } else if let Some(level) = line.number_after(" Compression:") {
            self.level = u32::try_from(level).ok().filter(|level| (1..=9).contains(level)).unwrap_or(0);
            let (used, why) = (self.level, "and does not turn compression on, as with mhvtl");
            notes
                .push(line.note(format!("Compression: {level} sets level {used} {why}; write \"factor 1 enabled 1\"")));
        } else if let Some(text) = line.value_after(" Compression:") {
            let expected = "expected \"factor\", a number, \"enabled\" and 0 or 1";
            let text = text.trim();
            notes.push(line.note(format!("Compression: {text:?} is ignored, as with mhvtl: {expected}")));
        } else if let Some(text) = line.value_after(" LBP RSCRC BE:") {
            lbp_notes(line, text, notes);
        }
        // Without a type, mhvtl stores blocks uncompressed even if compression is on.
        self.factor = (self.enabled && self.codec).then_some(self.level);
    }
}

/// Notes text after a number.
fn surplus_of(line: &ConfigLine<'_>, key: &str, number: Option<(i64, &str)>, notes: &mut Vec<String>) {
    if let Some(rest) = number.and_then(|(_, rest)| keys::surplus(rest)) {
        notes.push(line.note(format!("{key} {rest:?} after the value is ignored, as with mhvtl")));
    }
}

/// Checks the byte order of the logical block protection CRC: only mhvtl's default is supported.
fn lbp_notes(line: &ConfigLine<'_>, text: &str, notes: &mut Vec<String>) {
    let value = scan::number(text);
    surplus_of(line, keys::LBP, value, notes);
    let why = match value {
        Some((1, _)) => return,
        Some((0, _)) => "is not supported: the CRC is big-endian",
        Some(_) => "is not 0 or 1: the CRC is big-endian, as with mhvtl",
        None => "is ignored, as with mhvtl: the CRC is big-endian",
    };
    notes.push(line.note(format!("{} {:?} {why}", keys::LBP, text.trim())));
}

/// The number of `Backoff:` or `commandtimeout:`. An invalid one is noted, and has no effect.
fn number_notes(line: &ConfigLine<'_>, key: &str, lowest: i64, notes: &mut Vec<String>) -> Option<i64> {
    const HIGHEST: i64 = 9999;
    let text = line.value_after(&format!(" {key}")).unwrap_or_default();
    let value = scan::number(text);
    surplus_of(line, key, value, notes);
    let number = value.map(|(number, _)| number).filter(|number| (lowest..=HIGHEST).contains(number));
    if number.is_none() {
        notes.push(line.note(format!("{key} {:?} is not a number from {lowest} to {HIGHEST}", text.trim())));
    }
    number
}

/// A zlib level: 0 stores blocks uncompressed; a value out of range becomes the nearest level.
fn zlib_level(line: &ConfigLine<'_>, level: i64, notes: &mut Vec<String>) -> u32 {
    let known = level.clamp(0, 9);
    if known != level {
        notes.push(line.note(format!("Compression: {level} is not 0 to 9: {known} is used")));
    }
    u32::try_from(known).unwrap_or(1)
}

/// The contents of `device.conf`.
pub(super) struct Devices {
    pub(super) name: String,
    pub(super) libraries: Vec<LibrarySection>,
    pub(super) drives: Vec<DriveSection>,
    /// Settings with an unexpected effect, one per line.
    pub(super) notes: Vec<String>,
}

/// Parses `device.conf`.
pub(super) fn parse(file: &str, text: &str) -> Result<Devices, ConfigError> {
    let mut devices = Devices { name: file.into(), libraries: Vec::new(), drives: Vec::new(), notes: Vec::new() };
    note_unsupported_lines(file, text, 5, &mut devices.notes);
    let (mut section, mut ignored) = (None, Ignored::default());
    for line in ConfigLine::lines(file, text).filter(|line| !line.is_comment()) {
        if line.ends_section() {
            section = None;
        } else if let Some((unit, id)) = header(&line) {
            section = Some((unit, id, devices.begin_section(&line, unit, id)?));
        } else if !devices.parse_line(&line, section)? {
            ignored.of_devices(&line, section.map(|(unit, id, _)| (unit, id)), &mut devices.notes);
        }
    }
    ignored.finish(file, &mut devices.notes);
    devices.check_complete()?;
    devices.codecs();
    devices.assign_naas();
    Ok(devices)
}

impl Devices {
    /// Begins a section. If the unit already has one, its new values override the earlier ones. Returns the index of
    /// the unit.
    fn begin_section(&mut self, line: &ConfigLine<'_>, unit: SectionKind, id: u32) -> Result<usize, ConfigError> {
        /// mhvtl cannot use this number.
        const UNUSABLE: u32 = 255;
        let address = address(line, &mut self.notes);
        let library = self.libraries.iter().position(|other| other.id == id);
        let drive = self.drives.iter().position(|other| other.id == id);
        if id == UNUSABLE {
            self.notes.push(line.note(format!("{} {id}: mhvtl cannot use this number", unit.name())));
        }
        let (index, before) = match (unit, library, drive) {
            (SectionKind::Library, Some(index), _) => {
                (index, self.libraries.get_mut(index).map(|it| (&mut it.address, it.line)))
            }
            (SectionKind::Drive, _, Some(index)) => {
                (index, self.drives.get_mut(index).map(|it| (&mut it.address, it.line)))
            }
            (_, None, None) => return Ok(self.add(line, unit, id, address)),
            _ => return Err(self.given_twice(line, unit, id)),
        };
        if let Some((place, before)) = before {
            *place = address;
            let what = format!("{} {id} is given twice, here and in line {before}", unit.name());
            self.notes.push(line.note(format!("{what}: it is one {}, and the last values count", unit.name())));
        }
        Ok(index)
    }

    /// The error for a library and a drive with the same number.
    fn given_twice(&self, line: &ConfigLine<'_>, unit: SectionKind, id: u32) -> ConfigError {
        let library = self.libraries.iter().find(|other| other.id == id).map(|other| other.line);
        let drive = self.drives.iter().find(|other| other.id == id).map(|other| other.line);
        let (key, before) =
            (if unit == SectionKind::Drive { "Drive:" } else { "Library:" }, library.or(drive).unwrap_or(0));
        line.error(key, format!("number {id} is given twice, here and in line {before}"))
    }

    /// Adds a unit and returns its index.
    fn add(&mut self, line: &ConfigLine<'_>, unit: SectionKind, id: u32, address: [u32; 3]) -> usize {
        let (names, line) = (DeviceIdentity { file: line.file.into(), ..DeviceIdentity::default() }, line.number);
        match unit {
            SectionKind::Library => self.libraries.push(LibrarySection {
                id,
                address,
                line,
                identity: names,
                home_directory: None,
                persist: false,
                move_command: None,
                command_timeout: COMMAND_TIMEOUT_S,
                seen: BTreeMap::new(),
            }),
            SectionKind::Drive => self.drives.push(DriveSection {
                id,
                address,
                line,
                identity: names,
                library: None,
                slot: 0,
                slot_line: line,
                factor: None,
                lzo: false,
                enabled: false,
                level: 1,
                codec: false,
                seen: BTreeMap::new(),
            }),
        }
        match unit {
            SectionKind::Library => self.libraries.len() - 1,
            SectionKind::Drive => self.drives.len() - 1,
        }
    }

    /// Parses a line inside or outside a section. Returns whether mhvtl reads it.
    fn parse_line(
        &mut self,
        line: &ConfigLine<'_>,
        section: Option<(SectionKind, u32, usize)>,
    ) -> Result<bool, ConfigError> {
        let homeless = self.take_home(line, section);
        let Some((unit, _, index)) = section else { return Ok(homeless) };
        let Some(key) = keys::key_of(line, unit) else { return Ok(homeless) };
        self.notes.extend(keys::other_value(line, key));
        match (unit, self.libraries.get_mut(index), self.drives.get_mut(index)) {
            (SectionKind::Library, Some(library), _) => {
                repeated(line, key, &mut library.seen, &mut self.notes);
                parse_library_line(library, line, key, &mut self.notes)?;
            }
            (SectionKind::Drive, _, Some(drive)) => {
                repeated(line, key, &mut drive.seen, &mut self.notes);
                match key {
                    keys::BACKOFF => drop(number_notes(line, key, 10, &mut self.notes)),
                    _ if drive.identity.parse_line(line, unit, &mut self.notes)? => {}
                    _ => drive.parse_line(line, &mut self.notes),
                }
            }
            _ => {}
        }
        Ok(true)
    }

    /// Parses a home directory. A library uses the first one after its header, even in a later section. Returns whether
    /// a library uses this one.
    fn take_home(&mut self, line: &ConfigLine<'_>, section: Option<(SectionKind, u32, usize)>) -> bool {
        let Some(path) = line.word_after(" Home directory:") else { return false };
        let own = section.filter(|(unit, ..)| *unit == SectionKind::Library).map(|(.., index)| index);
        let mut taken = false;
        for (at, library) in
            self.libraries.iter_mut().enumerate().filter(|(_, library)| library.home_directory.is_none())
        {
            if Some(at) != own {
                self.notes.push(line.note(format!("library {} has this home directory, as with mhvtl", library.id)));
            }
            library.home_directory = Some(path.into());
            taken = true;
        }
        taken
    }

    /// Notes the drives with compression enabled but without the compression type that mhvtl requires.
    fn codecs(&mut self) {
        for drive in self.drives.iter().filter(|drive| drive.enabled && !drive.codec) {
            let line = drive.seen.get(keys::COMPRESSION).copied().unwrap_or(drive.line);
            let why = "without a \"Compression type:\" blocks are not compressed, as with mhvtl";
            self.notes.push(format!("{}:{line}: Compression: drive {}: {why}", self.name, drive.id));
        }
    }
}

/// Notes a key that is repeated in its section.
fn repeated(
    line: &ConfigLine<'_>,
    key: &'static str,
    seen: &mut BTreeMap<&'static str, usize>,
    notes: &mut Vec<String>,
) {
    if let Some(before) = seen.insert(key, line.number) {
        let counts = match key {
            keys::HOME => "the first value counts",
            keys::PERSIST => "yes in one of them counts",
            _ => "the last value counts",
        };
        notes.push(line.note(format!("{key} is given twice, here and in line {before}: {counts}, as with mhvtl")));
    }
}

fn parse_library_line(
    library: &mut LibrarySection,
    line: &ConfigLine<'_>,
    key: &str,
    notes: &mut Vec<String>,
) -> Result<(), ConfigError> {
    match (key, line.word_after(&format!(" {key}"))) {
        (keys::BACKOFF, _) => drop(number_notes(line, key, 2, notes)),
        (keys::COMMAND_TIMEOUT, _) => {
            let seconds = number_notes(line, key, 1, notes).and_then(|number| u16::try_from(number).ok());
            library.command_timeout = seconds.unwrap_or(library.command_timeout);
        }
        (keys::PERSIST, Some(word)) => library.persist |= persists(line, word, notes),
        (keys::MOVE_COMMAND, Some(word)) => library.move_command = Some((line.number, word.into())),
        (keys::HOME, Some(_)) => {}
        (keys::PERSIST | keys::MOVE_COMMAND | keys::HOME, None) => {
            notes.push(line.note(format!("{key} has no value, and is ignored")));
        }
        _ => drop(library.identity.parse_line(line, SectionKind::Library, notes)?),
    }
    Ok(())
}

/// Whether contents are saved at shutdown. No later line disables that.
fn persists(line: &ConfigLine<'_>, word: &str, notes: &mut Vec<String>) -> bool {
    let lower = word.to_ascii_lowercase();
    let saves = lower.starts_with("yes") || lower.starts_with("true");
    let plain = match saves {
        true => ["yes", "true"].contains(&lower.as_str()),
        false => ["no", "false", "off", "0", "n", "f"].contains(&lower.as_str()),
    };
    if !plain {
        let used = if saves { "yes" } else { "no" };
        notes.push(line.note(format!("PERSIST: {word:?} is read as {used}, as with mhvtl: write yes or no")));
    }
    saves
}

impl Devices {
    /// Assigns the NAA designator of each unit: the configured or default one, or a fallback if an earlier unit has
    /// that.
    fn assign_naas(&mut self) {
        let libraries =
            self.libraries.iter_mut().map(|it| (it.line, format!("library {}", it.id), 14, &mut it.identity));
        let drives = self.drives.iter_mut().map(|it| (it.line, format!("drive {}", it.id), 10, &mut it.identity));
        let mut units: Vec<_> = libraries.chain(drives).collect();
        // Configured designators have priority over those derived from serial numbers.
        units.sort_by_key(|(line, _, _, names)| (names.given_naa.is_none(), *line));
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for (line, unit, padded, names) in units {
            let own = names.configured_or_default_naa(padded);
            let all = std::iter::once(own.clone()).chain(names.fallback_naas(padded));
            names.naa = all.into_iter().find(|name| !known.contains_key(name)).unwrap_or_else(|| own.clone());
            if let Some(other) = known.get(&own) {
                let (line, naa) = (names.naa_line.unwrap_or(line), &names.naa);
                self.notes.push(format!(
                    "{}:{line}: NAA {own} of {unit} is already used by {other}: {unit} gets {naa}",
                    self.name
                ));
            }
            known.insert(names.naa.clone(), unit);
        }
    }

    /// Checks the keys that every section requires, and their uniqueness.
    fn check_complete(&self) -> Result<(), ConfigError> {
        let libraries =
            self.libraries.iter().map(|library| (format!("library {}", library.id), library.line, &library.identity));
        let drives = self.drives.iter().map(|drive| (format!("drive {}", drive.id), drive.line, &drive.identity));
        let mut serials: BTreeMap<&str, (String, usize)> = BTreeMap::new();
        for (unit, line, names) in libraries.chain(drives) {
            let wrong = |line, message: String| {
                let (file, key) = (self.name.clone(), "Unit serial number:".into());
                Err(ConfigError { file, line, key, column: 0, message })
            };
            if names.serial.is_empty() {
                return wrong(line, "unit serial number is missing; each device needs its own".into());
            }
            if let Some((other, line)) = serials.get(names.serial.as_str()) {
                let message = format!("{:?} of {unit} is already used by {other}, line {line}", names.serial);
                return wrong(names.serial_line, message);
            }
            serials.insert(&names.serial, (unit, names.serial_line));
        }
        for (at, drive) in self.drives.iter().enumerate() {
            let same = |other: &&DriveSection| (other.library, other.slot) == (drive.library, drive.slot);
            if let Some(other) = self.drives.iter().take(at).find(same).filter(|_| drive.library.is_some()) {
                let message = format!("drive {} has the same place, line {}", other.id, other.line);
                let (file, key) = (self.name.clone(), "Library ID:".into());
                return Err(ConfigError { file, line: drive.line, key, column: 0, message });
            }
        }
        Ok(())
    }
}
