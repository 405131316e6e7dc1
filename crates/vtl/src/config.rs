//! The configuration of a site: one optional TOML file. It describes the shape of the libraries; the data directory stores
//! their contents.

mod barcodes;
mod chassis;
mod directories;
mod faults;
mod file;
pub mod mhvtl;
mod network;
mod notify;
mod print;
mod reference;
mod resolve;
mod shelves;
pub(crate) mod tables;
mod template;
mod value_error;

pub use barcodes::Pattern;
pub use chassis::{ChassisSetup, PartitionSetup};
pub(crate) use directories::{check_directories, group_number};
pub use faults::FaultSetup;
pub(crate) use file::from_library_table;
pub(crate) use file::is_identifier;
pub use file::{check_bind, parse, parse_advertise, parse_notify};
pub use network::Network;
pub use notify::{
    EventFilter, MailSetup, MoveCommand, NotifyMethod, NotifySetup, Secret, SecretSource, SmtpSecurity, WebhookSetup,
};
pub use print::PageTable;
pub use reference::reference;
pub use resolve::check;
pub(crate) use resolve::{assign_elements, assign_luns, target_name};
pub use shelves::{ShelfClass, ShelfDurability, ShelfSetup, ShelfThawTier, ShelfUnload};
pub use template::template;
pub use value_error::ValueError;

use crate::tokens::Role;
use rustix::fs::{Mode, OFlags};
use scsi_core::identity::InquiryStrings;
use scsi_core::page_override::PageOverrides;
use scsi_core::time::TimeMode;
use smc::element::{ElementAddress, ElementLayout, ElementType, LabelDefect};
use smc::profile::ChangerProfile;
use ssc::profile::DriveProfile;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use tape_store::cartridge::{Barcode, CartridgeKind, Format};
use tape_store::media::MediaSpec;
use tape_store::medium::Codec;

/// Longest configuration file in bytes.
const MAX_TEXT: u64 = 16 << 20;

/// Reads the text of a configuration file, which may be a pipe.
///
/// # Errors
/// It cannot be read, is longer than 16 MiB, or is not UTF-8: the error names the line.
pub fn read_text(path: &Path) -> Result<String, std::io::Error> {
    read_to_end(File::open(path)?)
}

/// Reads the text of a file that another file names. It never waits for another process, as the read of a pipe would.
///
/// # Errors
/// As [`read_text`]; or it is a directory, a pipe, a socket or a device.
pub fn read_regular_text(path: &Path) -> Result<String, std::io::Error> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    let found = match () {
        () if kind.is_file() => return read_to_end(file),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a named pipe",
        () => "a device",
    };
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, format!("is {found}; expected a regular file")))
}

fn read_to_end(file: File) -> Result<String, std::io::Error> {
    let mut bytes = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_TEXT) {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "the file is longer than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = valid.filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("line {line} has a byte that is not UTF-8; save the file as UTF-8");
        std::io::Error::new(std::io::ErrorKind::InvalidData, message)
    })
}

/// Error in a configuration, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}{message}", KeyLocation(*.line, .key))]
pub struct ConfigError {
    /// Path of the file, as the caller gave it.
    pub file: String,
    /// Line, counted from 1; 0 for an error of the file as a whole.
    pub line: usize,
    /// Column of the value, counted from 1 in characters; 0 if only the line is known.
    pub column: usize,
    /// Key with its table, such as `library.slots`.
    pub key: String,
    /// The invalid value, and the expected ones.
    pub message: String,
}

/// Line and key of an error, unless it is about the file as a whole.
struct KeyLocation<'a>(usize, &'a str);

impl std::fmt::Display for KeyLocation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self(0, "") => write!(f, " "),
            Self(0, key) => write!(f, " {}: ", key.trim_end_matches(':')),
            // Keys of mhvtl's files end with a colon.
            Self(line, key) => write!(f, "{line}: {}: ", key.trim_end_matches(':')),
        }
    }
}

/// Configured identifiers of a unit; the missing ones are generated once and stored in the data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitNames {
    /// Unit serial number, 1 to 32 characters.
    pub serial: Option<String>,
    /// NAA designator, sixteen hexadecimal digits.
    pub naa: Option<String>,
}

/// Agent that transfers cartridges between the import/export elements and the shelf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferPolicy {
    /// An operator, or a program through the control socket.
    #[default]
    Manual,
    /// The site itself, without an operator.
    Auto,
}

/// Configuration of a pool: cartridges whose barcodes match a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSetup {
    /// Name of the pool, unique in the site.
    pub name: String,
    /// Pattern of the barcodes in the pool.
    pub pattern: Pattern,
    /// Lowest number of a new cartridge.
    pub first: u16,
    /// Capacity of a new cartridge in bytes.
    pub size: u64,
    /// Format of the files of a new cartridge.
    pub format: Format,
    /// Library in which new cartridges are put.
    pub library: String,
    /// Number of blank cartridges to keep available in that library.
    pub scratch: u16,
    /// Name of the shelf on object storage to which its cartridges are copied, in place of the replica of their shelf.
    pub replica: Option<PoolReplica>,
}

/// The shelf on object storage to which the cartridges of a pool are copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolReplica {
    /// Name of the shelf whose cartridges are copied: that of new cartridges, or the first one of the file.
    pub shelf: String,
    /// Name of the shelf that has the copies. It comes later in the file.
    pub replica: String,
}

/// Configuration of one tape drive: its model, identity and compression.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DriveSetup {
    /// Configured serial number and NAA designator.
    pub names: UnitNames,
    /// Vendor, product and revision of standard INQUIRY data.
    pub strings: InquiryStrings,
    /// Drive model, with its capabilities.
    pub profile: &'static DriveProfile,
    /// Compression of blocks while the host enables compression.
    pub codec: Codec,
    /// Use of the time that hardware would take, by the drive.
    pub time: TimeMode,
    /// Name of the daemon that serves the drive; `None` for the one that runs the site.
    pub daemon: Option<String>,
    /// Pages of the drive that differ from those of its model.
    pub pages: PageOverrides,
}

impl PartialEq for DriveSetup {
    fn eq(&self, other: &Self) -> bool {
        let key = |setup: &Self| {
            let (names, strings, daemon) = (setup.names.clone(), setup.strings.clone(), setup.daemon.clone());
            (names, strings, setup.profile.model, setup.codec, setup.time, daemon, setup.pages.clone())
        };
        key(self) == key(other)
    }
}

/// Configuration of one cartridge of a library.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CartridgeSetup {
    /// Barcode, unique in the site.
    pub barcode: Barcode,
    /// Medium type of the cartridge.
    pub media: &'static MediaSpec,
    /// Kind: data, WORM, NULL or cleaning.
    pub kind: CartridgeKind,
    /// Native capacity, in bytes, without compression.
    pub size: u64,
    /// Format of the files of the cartridge.
    pub format: Format,
    /// Element for the new cartridge; the first free slot if `None`.
    pub element: Option<ElementAddress>,
    /// Defect of the barcode label, if any.
    pub label: Option<LabelDefect>,
}

/// CHAP user. `Debug` output does not contain the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// CHAP name of the user.
    pub name: String,
    /// CHAP secret, 12 to 255 characters.
    pub secret: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({})", self.name)
    }
}

/// The `TargetAddress` in the response to SendTargets (RFC 7143, appendix C).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Advertise {
    /// The local address of the connection; none for initiators that keep the address of their discovery session.
    #[default]
    Connection,
    /// Always this `ADDRESS:PORT`, configured by the operator.
    Portal(String),
    /// No address (RFC 7143, appendix C: the initiator then uses the one it is connected to).
    Nothing,
}

/// Configuration of the iSCSI portal: addresses, users, initiators and limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IscsiSetup {
    /// `ADDRESS:PORT` to listen on; port 0 selects a free port.
    pub bind: String,
    /// Target name of the site; generated once per data directory if `None`.
    pub iqn: Option<String>,
    /// Address that SendTargets returns to initiators.
    pub advertise: Advertise,
    /// Names of the initiators that may log in; all if `None`, none if empty.
    pub initiators: Option<Vec<String>>,
    /// CHAP users; without any, initiators log in without authentication.
    pub users: Vec<User>,
    /// Name and secret with which the target authenticates itself.
    pub mutual: Option<User>,
    /// Networks that may connect, and resource limits.
    pub limits: IscsiLimits,
}

/// Configuration of the HTTP API: its address, TLS, and the clients that need tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpSetup {
    /// `ADDRESS:PORT` to listen on; port 0 selects a free port. `None` serves no HTTP.
    pub listen: Option<String>,
    /// True if a server on a loopback address needs tokens, too.
    pub loopback_tokens: bool,
    /// Certificate and key; `None` serves HTTP without TLS.
    pub tls: Option<TlsSetup>,
    /// True to serve other addresses than loopback without TLS.
    pub insecure: bool,
    /// Host names, besides addresses and `localhost`, by which clients without TLS may name the server.
    pub hosts: Vec<String>,
}

/// Configuration of TLS for the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSetup {
    /// PEM file with the certificate of the server and its intermediate certificates.
    pub certificate: PathBuf,
    /// PEM file with the private key of the certificate.
    pub key: PathBuf,
    /// PEM file with the certificates of authorities whose clients need no token.
    pub client_ca: Option<PathBuf>,
    /// Role of a client with a certificate of these authorities.
    pub client_role: Role,
}

/// Limits of the iSCSI portal: networks, memory, and connections from one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IscsiLimits {
    /// Networks whose addresses may connect; all if none are given, none if the list is empty.
    pub networks: Option<Vec<Network>>,
    /// Bytes that the data of all commands may take together, at least 96 MiB;
    /// [`default_limit`](crate::budget::default_limit) if it is not given.
    pub buffer_memory: Option<u64>,
    /// Maximum number of connections from one address.
    pub max_connections_per_address: Option<usize>,
    /// Maximum number of connections from one address that are not logged in to a target.
    pub max_unauthenticated_per_address: Option<usize>,
}

/// Lines of a library in the file, for errors that depend on the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryLines {
    /// Path of the file, as the caller gave it.
    pub file: String,
    /// Line of the library table.
    pub library: usize,
    /// Line of the key `library.slots`; that of the library if a key is not given, as for the others.
    pub slots: usize,
    /// Line of the key `library.import_export`.
    pub import_export: usize,
    /// Line of the last `[[drive]]`'s model.
    pub drives: usize,
    /// Line of the key `library.first`.
    pub first: usize,
    /// Line of the key `library.lun`.
    pub lun: usize,
    /// Line of the key `library.target`.
    pub target: usize,
    /// Line of each cartridge's pattern; none for the cartridges of a library that lists none.
    pub cartridges: Vec<usize>,
    /// Line of each cartridge's `at`; that of its pattern if it is not given.
    pub elements: Vec<usize>,
}

/// Lines of the `[storage]` table in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageLines {
    /// Path of the file, as the caller gave it.
    pub file: String,
    /// Number of the line of each directory in the key `storage.cartridges`, from 1.
    pub directories: Vec<usize>,
    /// Number of the line of the key `storage.group`, from 1; 1 if it is not given.
    pub group: usize,
}

/// Configuration of one logical library: its changer, elements, drives and cartridges.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LibrarySetup {
    /// Name of the library, unique in the site.
    pub name: String,
    /// Configured serial number and NAA designator of the changer.
    pub names: UnitNames,
    /// Vendor, product and revision of standard INQUIRY data.
    pub strings: InquiryStrings,
    /// Lines of the library in the file.
    pub lines: LibraryLines,
    /// Changer model, with its capabilities.
    pub changer: &'static ChangerProfile,
    /// Element addresses of the library.
    pub layout: ElementLayout,
    /// True if the addresses differ from those of the model; then only they limit the number of elements.
    pub custom_addresses: bool,
    /// Drives, in order of their elements.
    pub drives: Vec<DriveSetup>,
    /// Cartridges that are created if the site does not have them.
    pub cartridges: Vec<CartridgeSetup>,
    /// True if the changer reports its serial number unchanged, and not in the form of its model.
    pub exact_serial: bool,
    /// Shelf of the cartridges outside the library.
    pub shelf: String,
    /// Target of the library: a complete iSCSI name, or a suffix. Libraries with the same target share it.
    pub target: Option<String>,
    /// LUN of the changer; the next free LUN if `None`.
    pub lun: Option<usize>,
    /// Policy for cartridges in import/export elements.
    pub export: TransferPolicy,
    /// Policy for cartridges that arrive on the shelf.
    pub import: TransferPolicy,
    /// Program that runs before each move of the robot.
    pub move_command: Option<MoveCommand>,
    /// Use of the time that hardware would take, by the robot; the default of the drives.
    pub time: TimeMode,
    /// Pages of the changer that differ from those of its model.
    pub pages: PageOverrides,
    /// Place of the library in a chassis; `None` if it is not a partition.
    pub partition: Option<PartitionSetup>,
}

/// Effective and valid configuration of a site.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The libraries of the site; none in a site whose first library is still to be chosen.
    pub libraries: Vec<LibrarySetup>,
    /// Chassis that libraries share, in order of the file.
    pub chassis: Vec<ChassisSetup>,
    /// Pools, in order of the file.
    pub pools: Vec<PoolSetup>,
    /// Directories of cartridges; `cartridges` in the data directory if empty.
    pub cartridge_directories: Vec<PathBuf>,
    /// Group that may read data directory and cartridges, by name or number.
    pub group: Option<String>,
    /// True if other programs use the cartridge directories, so that permissions there are not changed.
    pub shared_cartridges: bool,
    /// True to create missing cartridge directories.
    pub create_directories: bool,
    /// Shelves on object storage, in order of the file.
    pub shelves: Vec<ShelfSetup>,
    /// Name of the shelf on which new cartridges are created; the first directory of cartridges if `None`.
    pub new_cartridges: Option<String>,
    /// Configuration of the iSCSI portal.
    pub iscsi: IscsiSetup,
    /// Configuration of the HTTP API.
    pub http: HttpSetup,
    /// Targets of notifications, in order of the file.
    pub notify: Vec<NotifySetup>,
    /// Faults that the site has from its start.
    pub faults: FaultSetup,
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
    /// Sets the number of slots.
    pub(crate) fn with_slots(&mut self, slots: u16) -> Result<(), String> {
        let first = self.layout.ranges().map(|(_, range)| range.first);
        let counts = [slots, self.layout.import_export.count, self.layout.drives.count];
        self.layout = build_layout(self.changer, self.custom_addresses.then_some(first), counts)
            .map_err(|(_, message)| message)?;
        Ok(())
    }

    /// The serial number of the changer that the model makes from a number, or the number itself if it is exact. `index` is that of
    /// the library in the site, from 0; a partition has the index in its chassis.
    pub(crate) fn unit_serial(&self, number: &str, index: usize) -> String {
        if self.exact_serial {
            return number.into();
        }
        let index = self.partition.as_ref().map_or(index, |partition| usize::from(partition.number).saturating_sub(1));
        self.changer.unit_serial(number, index, ElementAddress(self.layout.storage.first))
    }

    /// Returns an error at a line of the file.
    pub(crate) fn error(&self, line: usize, key: &str, message: String) -> ConfigError {
        ConfigError { file: self.lines.file.clone(), line, key: key.into(), column: 0, message }
    }

    /// Returns an error about the elements of one type.
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

impl HttpSetup {
    /// The same configuration, with another `ADDRESS:PORT` to listen on; port 0 selects a free port.
    #[must_use]
    pub fn with_listen(self, listen: impl Into<String>) -> Self {
        Self { listen: Some(listen.into()), ..self }
    }

    /// The same configuration, in which a server on a loopback address needs tokens, too.
    #[must_use]
    pub fn with_loopback_tokens(self) -> Self {
        Self { loopback_tokens: true, ..self }
    }

    /// Returns warnings about the server when it listens on this address.
    #[must_use]
    pub fn warnings(&self, address: std::net::IpAddr) -> Vec<String> {
        if self.listen.is_none() || self.tls.is_some() || address.to_canonical().is_loopback() {
            return Vec::new();
        }
        vec!["http.insecure = true: the HTTP API is open to the network without TLS; any host on the way can read tokens".into()]
    }
}

impl IscsiSetup {
    /// The same configuration, with another `ADDRESS:PORT` to listen on; port 0 selects a free port.
    #[must_use]
    pub fn with_bind(self, bind: impl Into<String>) -> Self {
        Self { bind: bind.into(), ..self }
    }

    /// Whether access is restricted by CHAP or by addresses, not only by initiator names, which any host can claim.
    fn restricts_login(&self) -> bool {
        let networks = self.limits.networks.as_ref();
        !self.users.is_empty() || networks.is_some_and(|networks| !networks.iter().any(Network::is_any))
    }

    /// Returns warnings about the portal when it listens on this address.
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
