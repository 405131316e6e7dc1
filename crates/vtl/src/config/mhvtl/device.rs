//! `device.conf`: libraries and drives.

use super::{ConfigError, Line, Unit};
use smc::profile::{ChangerProfile, GENERIC, HP_MSL_G3, IBM_3573_TL, IBM_03584L32, SPECTRA_PYTHON, STK_L700};
use ssc::profile::DriveProfile;
use std::path::PathBuf;

/// Who a device is.
#[derive(Default)]
pub(super) struct Named {
    file: String,
    vendor: Option<String>,
    product: Option<String>,
    revision: Option<String>,
    pub(super) serial: String,
    naa: Option<String>,
    /// A named pipe that hears of its state.
    pub(super) fifo: Option<PathBuf>,
}

impl Named {
    /// The NAA name, which mhvtl makes one of type 5; the default comes from the serial number, padded to so many.
    pub(super) fn naa(&self, padded: usize) -> String {
        let given = self.naa.clone().unwrap_or_else(|| {
            let serial = format!("{:<padded$}", self.serial);
            serial.bytes().skip(serial.len().saturating_sub(8)).map(|byte| format!("{byte:02x}")).collect()
        });
        format!("5{}", given.get(1..).unwrap_or_default())
    }

    /// Takes a line, if it says who the device is.
    fn take(&mut self, line: &Line<'_>) -> Result<bool, ConfigError> {
        const VENDOR: &str = "Vendor identification:";
        const PRODUCT: &str = "Product identification:";
        const REVISION: &str = "Product revision level:";
        const SERIAL: &str = "Unit serial number:";
        self.file = line.file.into();
        if let Some(word) = line.word_after(VENDOR) {
            self.vendor = Some(limited(line, VENDOR, word, 8)?);
        } else if let Some(rest) = line.after(PRODUCT) {
            self.product = Some(limited(line, PRODUCT, rest.trim(), 16)?);
        } else if let Some(word) = line.word_after(REVISION) {
            self.revision = Some(limited(line, REVISION, word, 4)?);
        } else if let Some(word) = line.word_after(SERIAL) {
            self.serial = limited(line, SERIAL, word, 15)?;
        } else if let Some(word) = line.word_after("fifo:") {
            self.fifo = Some(word.into());
        } else if let Some(word) = line.word_after("NAA:") {
            let bytes: Vec<&str> = word.split(':').collect();
            let hex = |byte: &&str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
            if bytes.len() != 8 || !bytes.iter().all(hex) {
                return Err(line.wrong("NAA:", format!("{word:?} is not eight bytes such as 50:22:33:44:ab:00:11:00")));
            }
            self.naa = Some(bytes.concat().to_lowercase());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn vendor(&self) -> &str {
        self.vendor.as_deref().unwrap_or_default()
    }

    fn product(&self) -> &str {
        self.product.as_deref().unwrap_or_default()
    }

    /// What the device calls itself, as keys of ours; without a revision mhvtl says which release it is.
    pub(super) fn strings(&self) -> String {
        let revision = self.revision.as_deref().unwrap_or("0108");
        format!("vendor = {:?}\nproduct = {:?}\nrevision = {revision:?}", self.vendor(), self.product())
    }
}

fn limited(line: &Line<'_>, key: &str, text: &str, most: usize) -> Result<String, ConfigError> {
    if (1..=most).contains(&text.len()) && text.is_ascii() {
        return Ok(text.into());
    }
    Err(line.wrong(key, format!("{text:?} has not 1 to {most} characters")))
}

/// A library.
pub(super) struct LibrarySection {
    pub(super) id: u32,
    pub(super) address: [u32; 3],
    line: usize,
    pub(super) names: Named,
    pub(super) home: Option<String>,
    pub(super) persists: bool,
    pub(super) move_command: Option<String>,
}

/// What mhvtl makes of a library: how vendor and product begin, the model of ours that is nearest, and where it begins to
/// count robot, slots, import/export elements and drives. The first that fits counts.
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
    /// The model that it is here, and where it begins to count.
    pub(super) fn emulation(&self) -> (&'static ChangerProfile, [u16; 4]) {
        let (vendor, product) = (self.names.vendor(), self.names.product());
        let begins =
            |text: &str, with: &str| text.get(..with.len()).is_some_and(|text| text.eq_ignore_ascii_case(with));
        let fits = |(one, other, ..): &&(&str, &str, _, _)| begins(vendor, one) && begins(product, other);
        let (nearest, first) =
            EMULATIONS.iter().find(fits).map_or((&GENERIC, GENERIC.first), |(.., nearest, first)| (*nearest, *first));
        let same = |known: &&ChangerProfile| known.model.vendor == vendor && known.model.product == product;
        (smc::profile::ALL.iter().copied().find(same).unwrap_or(nearest), first)
    }
}

/// A drive.
pub(super) struct DriveSection {
    pub(super) id: u32,
    pub(super) address: [u32; 3],
    pub(super) line: usize,
    pub(super) names: Named,
    /// The library it is in, and its place there, from 1.
    pub(super) library: Option<u32>,
    pub(super) slot: u32,
    /// Compression is on, at this level.
    pub(super) factor: Option<u32>,
    pub(super) lzo: bool,
    enabled: bool,
    level: u32,
    codec: bool,
}

impl DriveSection {
    /// The model that it is here.
    pub(super) fn profile(&self) -> &'static DriveProfile {
        ssc::profile::by_product(self.names.product()).unwrap_or(&ssc::profile::GENERIC)
    }

    fn take(&mut self, line: &Line<'_>) -> Result<(), ConfigError> {
        if let Some(library) = line.number_after("Library ID:") {
            let slot = line
                .text
                .find("Slot:")
                .and_then(|at| Line { text: line.text.get(at..)?, ..*line }.number_after("Slot:"));
            let slot = slot.filter(|slot| *slot > 0);
            self.slot =
                slot.ok_or_else(|| line.wrong("Library ID:", "Slot: and a number from 1 are needed behind it"))?;
            self.library = Some(library);
        } else if let Some(rest) = line.after("Compression type:") {
            self.codec = true;
            self.lzo = match rest.trim().to_ascii_lowercase().as_str() {
                "lzo" => true,
                "zlib" => false,
                other => return Err(line.wrong("Compression type:", format!("{other:?} is neither lzo nor zlib"))),
            };
        } else if let Some(level) = line.number_after("Compression: factor") {
            self.level = level_of(line, level)?;
            let enabled = line.text.split_whitespace().skip_while(|word| *word != "enabled").nth(1);
            self.enabled = enabled == Some("1");
        } else if let Some(level) = line.number_after("Compression:") {
            self.level = level_of(line, level)?;
        }
        // Without a type mhvtl stores blocks raw even when compression is on.
        self.factor = (self.enabled && self.codec).then_some(self.level);
        Ok(())
    }
}

fn level_of(line: &Line<'_>, level: u32) -> Result<u32, ConfigError> {
    let wrong = || line.wrong("Compression:", format!("{level} is not 1 to 9"));
    if (1..=9).contains(&level) { Ok(level) } else { Err(wrong()) }
}

enum Section {
    None,
    Library,
    Drive,
}

/// Reads the file.
pub(super) fn parse(file: &str, text: &str) -> Result<(Vec<LibrarySection>, Vec<DriveSection>), ConfigError> {
    let (mut libraries, mut drives) = (Vec::<LibrarySection>::new(), Vec::<DriveSection>::new());
    let mut section = Section::None;
    for line in Line::all(file, text).filter(|line| !line.text.starts_with('#')) {
        if line.text.is_empty() {
            section = Section::None;
        } else if let Some((Unit::Drive, id)) = line.header() {
            new(&line, "Drive:", id, &libraries, &drives)?;
            let names = Named::default();
            let (library, factor) = (None, None);
            let (address, line) = (line.address(), line.number);
            drives.push(DriveSection {
                id,
                address,
                line,
                names,
                library,
                slot: 0,
                factor,
                lzo: false,
                enabled: false,
                level: 1,
                codec: false,
            });
            section = Section::Drive;
        } else if let Some((Unit::Library, id)) = line.header() {
            new(&line, "Library:", id, &libraries, &drives)?;
            let names = Named::default();
            libraries.push(LibrarySection {
                id,
                address: line.address(),
                line: line.number,
                names,
                home: None,
                persists: false,
                move_command: None,
            });
            section = Section::Library;
        } else {
            match section {
                Section::Library => {
                    let Some(library) = libraries.last_mut() else { continue };
                    take_library(library, &line)?;
                }
                Section::Drive => {
                    let Some(drive) = drives.last_mut() else { continue };
                    if !drive.names.take(&line)? {
                        drive.take(&line)?;
                    }
                }
                Section::None => {}
            }
        }
    }
    whole(&libraries, &drives)?;
    Ok((libraries, drives))
}

fn take_library(library: &mut LibrarySection, line: &Line<'_>) -> Result<(), ConfigError> {
    if library.names.take(line)? {
        return Ok(());
    }
    if let Some(path) = line.word_after("Home directory:") {
        library.home = Some(path.into());
    } else if let Some(word) = line.word_after("PERSIST:") {
        let word = word.to_ascii_lowercase();
        library.persists = word.starts_with("yes") || word.starts_with("true");
    } else if let Some(word) = line.word_after("movecommand:") {
        library.move_command = Some(word.into());
    }
    Ok(())
}

/// A number may be that of one device only.
fn new(
    line: &Line<'_>,
    key: &str,
    id: u32,
    libraries: &[LibrarySection],
    drives: &[DriveSection],
) -> Result<(), ConfigError> {
    let library = libraries.iter().find(|other| other.id == id).map(|other| other.line);
    let drive = drives.iter().find(|other| other.id == id).map(|other| other.line);
    match library.or(drive) {
        Some(before) => Err(line.wrong(key, format!("number {id} is given twice, here and in line {before}"))),
        None => Ok(()),
    }
}

/// What every section needs.
fn whole(libraries: &[LibrarySection], drives: &[DriveSection]) -> Result<(), ConfigError> {
    let named = libraries.iter().map(|library| (library.line, &library.names));
    for (line, names) in named.chain(drives.iter().map(|drive| (drive.line, &drive.names))) {
        if names.serial.is_empty() {
            let message = "a device without one cannot be told from others";
            let key = "Unit serial number:".into();
            return Err(ConfigError { file: names.file.clone(), line, key, message: message.into() });
        }
    }
    for (at, drive) in drives.iter().enumerate() {
        let same = |other: &&DriveSection| (other.library, other.slot) == (drive.library, drive.slot);
        if let Some(other) = drives.iter().take(at).find(same).filter(|_| drive.library.is_some()) {
            let message = format!("drive {} has the same place, line {}", other.id, other.line);
            let (file, key) = (drive.names.file.clone(), "Library ID:".into());
            return Err(ConfigError { file, line: drive.line, key, message });
        }
    }
    Ok(())
}
