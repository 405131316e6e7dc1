//! The configuration: one TOML file, all of it optional. It owns the shape of a library; the data directory owns what
//! is in it.

mod barcodes;
mod directories;
mod file;
pub mod mhvtl;
mod network;
mod print;
mod reference;
mod resolve;
pub(crate) mod tables;
mod template;

pub use barcodes::Pattern;
pub(crate) use directories::{check_directories, group_number};
pub(crate) use file::from_library_table;
pub use file::{check_bind, parse, parse_advertise};
pub use network::Network;
pub use reference::reference;
pub use resolve::check;
pub(crate) use resolve::{assign_elements, assign_luns, target_name};
pub use template::template;

use scsi_core::identity::InquiryStrings;
use smc::element::{ElementAddress, ElementLayout, ElementType, LabelDefect};
use smc::profile::ChangerProfile;
use ssc::profile::DriveProfile;
use std::path::PathBuf;
use tape_store::cartridge::{Barcode, CartridgeKind, Format};
use tape_store::media::MediaSpec;
use tape_store::medium::Codec;

/// Reads the text of a configuration file.
///
/// # Errors
/// It cannot be read, or is not UTF-8: the error names the line.
pub fn read_text(path: &std::path::Path) -> Result<String, std::io::Error> {
    String::from_utf8(std::fs::read(path)?).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = valid.filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("line {line} has a byte that is not UTF-8; save the file as UTF-8");
        std::io::Error::new(std::io::ErrorKind::InvalidData, message)
    })
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}{message}", KeyLocation(*.line, .key))]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, counted from 1; 0 if it is about the file as a whole.
    pub line: usize,
    /// The key, with its table.
    pub key: String,
    /// What was found and what would be right.
    pub message: String,
}

/// Line and key of an error, unless it is about the file as a whole.
struct KeyLocation<'a>(usize, &'a str);

impl std::fmt::Display for KeyLocation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self(0, "") => write!(f, " "),
            Self(0, key) => write!(f, " {}: ", key.trim_end_matches(':')),
            // Keys of mhvtl's files end with a colon of their own.
            Self(line, key) => write!(f, "{line}: {}: ", key.trim_end_matches(':')),
        }
    }
}

/// Names of a unit that are given. Others are made once, and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitNames {
    /// Unit serial number.
    pub serial: Option<String>,
    /// NAA designator, sixteen hexadecimal digits.
    pub naa: Option<String>,
}

/// Who carries cartridges between import/export elements and the shelf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferPolicy {
    /// An operator, or a program in the place of one.
    #[default]
    Manual,
    /// The site, as soon as there is something to carry.
    Auto,
}

/// Cartridges whose labels are of one pattern.
#[derive(Clone, Debug)]
pub struct PoolSetup {
    /// Its name, unlike every other's.
    pub name: String,
    /// Labels of its cartridges.
    pub pattern: Pattern,
    /// Bytes that a new one holds.
    pub size: u64,
    /// How files of a new one are written.
    pub format: Format,
    /// The library where new ones appear.
    pub library: String,
    /// So many blank ones are kept there.
    pub scratch: u16,
}

/// One drive.
#[derive(Clone, Debug)]
pub struct DriveSetup {
    /// Names that are given.
    pub names: UnitNames,
    /// What it calls itself.
    pub strings: InquiryStrings,
    /// Its model.
    pub profile: &'static DriveProfile,
    /// How it stores blocks while a host lets it compress.
    pub codec: Codec,
}

impl PartialEq for DriveSetup {
    fn eq(&self, other: &Self) -> bool {
        let key = |setup: &Self| (setup.names.clone(), setup.strings.clone(), setup.profile.model, setup.codec);
        key(self) == key(other)
    }
}

/// One cartridge that the library is to have.
#[derive(Clone, Debug)]
pub struct CartridgeSetup {
    /// Its label.
    pub barcode: Barcode,
    /// Its generation.
    pub media: &'static MediaSpec,
    /// What it is for.
    pub kind: CartridgeKind,
    /// Bytes it holds.
    pub size: u64,
    /// How its files are written.
    pub format: Format,
    /// The element where it is put at first, if one is given.
    pub element: Option<ElementAddress>,
    /// What barcode readers make of its label, if they cannot read it.
    pub label: Option<LabelDefect>,
}

/// A user with a secret. The secret does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({})", self.name)
    }
}

/// The `TargetAddress` that SendTargets answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Advertise {
    /// The local address of the connection; none for initiators that keep the address of their discovery session.
    #[default]
    Connection,
    /// Always this `ADDRESS:PORT`.
    Portal(String),
    /// No address (RFC 7143, appendix C: the initiator then uses the one it is connected to).
    Nothing,
}

/// The iSCSI door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IscsiSetup {
    /// `ADDRESS:PORT` to listen on.
    pub bind: String,
    /// The target's name; the data directory makes one if there is none.
    pub iqn: Option<String>,
    /// The address in SendTargets.
    pub advertise: Advertise,
    /// Names of the initiators that may log in; all if none are given, none if the list is empty.
    pub initiators: Option<Vec<String>>,
    /// CHAP users; no authentication if empty.
    pub users: Vec<User>,
    /// How the target proves itself.
    pub mutual: Option<User>,
    /// Who may connect, and what that may cost.
    pub limits: IscsiLimits,
}

/// Limits of the iSCSI portal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IscsiLimits {
    /// Networks whose addresses may connect; all if none are given, none if the list is empty.
    pub networks: Option<Vec<Network>>,
    /// Bytes that the data of all commands may take together, at least 96 MiB;
    /// [`default_limit`](crate::budget::default_limit) if it is not given.
    pub buffer_memory: Option<u64>,
    /// Connections of one address at one time.
    pub max_connections_per_address: Option<usize>,
    /// Those of them that are not logged in to a target.
    pub max_unauthenticated_per_address: Option<usize>,
}

/// Where a file gives the shape of a library, for faults that only show beside the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryLines {
    /// The file.
    pub file: String,
    /// Line of the library.
    pub library: usize,
    /// Line of `library.slots`; that of the library if it is not given, as for the others.
    pub slots: usize,
    /// Line of `library.import_export`.
    pub import_export: usize,
    /// Line of the last `[[drive]]`'s model.
    pub drives: usize,
    /// Line of `library.first`.
    pub first: usize,
    /// Line of `library.lun`.
    pub lun: usize,
    /// Line of `library.target`.
    pub target: usize,
    /// Line of each cartridge's pattern; none for the cartridges of a library that lists none.
    pub cartridges: Vec<usize>,
    /// Line of each cartridge's `at`; that of its pattern if it is not given.
    pub elements: Vec<usize>,
}

/// Where a file names the directories of cartridges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageLines {
    /// The file.
    pub file: String,
    /// Line of each directory.
    pub directories: Vec<usize>,
    /// Line of the group; 1 if none is given.
    pub group: usize,
}

/// One logical library.
#[derive(Clone, Debug)]
pub struct LibrarySetup {
    /// Its name, unlike every other's.
    pub name: String,
    /// Names of its changer that are given.
    pub names: UnitNames,
    /// What its changer calls itself.
    pub strings: InquiryStrings,
    /// Where its shape is written.
    pub lines: LibraryLines,
    /// Model of the changer.
    pub changer: &'static ChangerProfile,
    /// Addresses of its elements.
    pub layout: ElementLayout,
    /// They begin elsewhere than the model's, and only they limit how many there are.
    pub custom_addresses: bool,
    /// Its drives, in order of their elements.
    pub drives: Vec<DriveSetup>,
    /// Cartridges that are made if they are not there.
    pub cartridges: Vec<CartridgeSetup>,
    /// Where cartridges are that left it.
    pub shelf: String,
    /// The target it is behind: libraries that name the same one share it. A whole iSCSI name, or the end of one.
    pub target: Option<String>,
    /// Its first LUN there; the next that is free if it is not given.
    pub lun: Option<usize>,
    /// Who takes cartridges from its import/export elements to the shelf.
    pub export: TransferPolicy,
    /// Who brings what comes to its shelf from elsewhere.
    pub import: TransferPolicy,
}

/// An effective configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The libraries, at least one.
    pub libraries: Vec<LibrarySetup>,
    /// The pools.
    pub pools: Vec<PoolSetup>,
    /// Directories of cartridges, if those are not in the data directory.
    pub cartridge_directories: Vec<PathBuf>,
    /// Group that may read data directory and cartridges, by name or number.
    pub group: Option<String>,
    /// Other programs use the directories of cartridges: permissions are theirs.
    pub shared_cartridges: bool,
    /// Those that do not exist are created.
    pub create_directories: bool,
    /// The iSCSI door.
    pub iscsi: IscsiSetup,
    /// Lines of the `[storage]` table in the file.
    pub storage_lines: StorageLines,
    /// Former words in the file, which this release still accepts and the next one refuses: place, and what to write instead.
    pub warnings: Vec<ConfigError>,
}

/// Addresses of a library: its model's, in the numbers that has, or others. An error names the elements that do not fit.
fn build_layout(
    model: &ChangerProfile,
    first: Option<[u16; 4]>,
    counts: [u16; 3],
) -> Result<ElementLayout, (ElementType, String)> {
    let [slots, import_export, drives] = counts;
    let Some(first) = first else {
        let [most_slots, most_import_export, _] = model.max_elements;
        return model.layout(slots, import_export, drives).map_err(|(name, most)| {
            let kind = match () {
                () if slots > most_slots => ElementType::STORAGE,
                () if import_export > most_import_export => ElementType::IMPORT_EXPORT,
                () => ElementType::DRIVE,
            };
            (kind, format!("{} has at most {most} {name}", model.name))
        });
    };
    let layout = ElementLayout::new(first, counts);
    let name = |kind: ElementType| kind.name().unwrap_or_default();
    match layout.overlap() {
        None => Ok(layout),
        Some((one, other)) if one == other => Err((one, format!("{} elements go beyond the last address", name(one)))),
        Some((one, other)) => Err((one, format!("{} and {} elements have the same addresses", name(one), name(other)))),
    }
}

impl LibrarySetup {
    /// Gives it so many slots.
    pub(crate) fn with_slots(&mut self, slots: u16) -> Result<(), String> {
        let first = self.layout.ranges().map(|(_, range)| range.first);
        let counts = [slots, self.layout.import_export.count, self.layout.drives.count];
        self.layout = build_layout(self.changer, self.custom_addresses.then_some(first), counts)
            .map_err(|(_, message)| message)?;
        Ok(())
    }

    /// A fault at a line of the file.
    pub(crate) fn error(&self, line: usize, key: &str, message: String) -> ConfigError {
        ConfigError { file: self.lines.file.clone(), line, key: key.into(), message }
    }

    /// A fault of the shape, which the elements of one type have.
    pub(crate) fn shape_error(&self, kind: ElementType, message: String) -> ConfigError {
        let (line, key) = match kind {
            ElementType::IMPORT_EXPORT => (self.lines.import_export, "library.import_export"),
            ElementType::DRIVE => (self.lines.drives, "drive"),
            ElementType::TRANSPORT => (self.lines.library, "library"),
            _ => (self.lines.slots, "library.slots"),
        };
        self.error(line, key, message)
    }
}

impl IscsiSetup {
    /// Whether who may log in is limited by more than a name, which anyone can give: by CHAP, or by addresses.
    fn restricts_login(&self) -> bool {
        let networks = self.limits.networks.as_ref();
        !self.users.is_empty() || networks.is_some_and(|networks| !networks.iter().any(Network::is_any))
    }

    /// What an operator should know of the portal, listening on this address.
    #[must_use]
    pub fn warnings(&self, address: std::net::IpAddr) -> Vec<String> {
        let address = address.to_canonical();
        if address.is_loopback() || self.restricts_login() {
            return Vec::new();
        }
        let who = if self.initiators.is_some() { "any host that gives an allowed initiator name" } else { "any host" };
        vec![format!(
            "iscsi.bind = {:?} is open to the network without CHAP or iscsi.networks: {who} can read and write every tape",
            self.bind
        )]
    }
}

impl Default for Config {
    /// STK L700, two ULT3580-TD8, 24 slots with 19 L8 cartridges and one for cleaning, four import/export slots.
    #[expect(clippy::expect_used, reason = "the built-in configuration is a constant that a test parses")]
    fn default() -> Self {
        parse("the built-in configuration", "").expect("the built-in configuration is valid")
    }
}

#[cfg(test)]
mod tests;
