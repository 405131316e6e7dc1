//! The directory of a library: who uses it, who its units are, where its cartridges are, and what hosts had saved.
//!
//! Every file is replaced as a whole, atomically and durably. `cartridges/` is the shelf; it is never rearranged.

use rustix::fs::{FlockOperation, flock};
use scsi_core::lu;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tape_store::backend::file::{OsShelves, replace};

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Someone else uses it.
    #[error("{path} is in use by {holder}")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that holds it.
        holder: String,
    },
    /// A file in it cannot be understood.
    #[error("{path}: {what}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Names that are made once and never change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identities {
    /// What tells this directory's target from every other's.
    pub suffix: String,
    /// Of the changer.
    pub changer: UnitIdentity,
    /// Of the drives, in order.
    pub drives: Vec<UnitIdentity>,
}

/// Numbers of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitIdentity {
    /// Unit serial number, ten characters.
    pub serial: String,
    /// NAA designator, sixteen hexadecimal digits.
    pub naa: String,
}

/// Where a cartridge is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// Its element address; none if it is outside the library.
    pub element: Option<u16>,
    /// The storage element it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<u16>,
    /// An operator put it where it is.
    #[serde(default)]
    pub by_operator: bool,
    /// Bytes it holds.
    pub size: u64,
}

/// Every cartridge that this directory has ever had, by barcode.
pub type Inventory = BTreeMap<String, Whereabouts>;

/// A file's content with the version of its meaning.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize, Deserialize)]
struct InventoryFile {
    cartridges: Inventory,
}

const VERSION: u32 = 1;

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes a directory, made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or someone else holds it.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Io { path: path.into(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut lock =
            options.read(true).write(true).create(true).truncate(false).open(path.join("lock")).map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            lock.read_to_string(&mut holder).map_err(failed)?;
            return Err(DataError::InUse { path: path.into(), holder: holder.trim().into() });
        }
        let holder = format!("process {}\n", std::process::id());
        lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0))).map_err(failed)?;
        lock.write_all(holder.as_bytes()).map_err(failed)?;
        Ok(Self { path: path.into(), _lock: lock })
    }

    /// The shelf of its cartridges.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn shelves(&self) -> Result<OsShelves, DataError> {
        let path = self.path.join("cartridges");
        OsShelves::at(&path).map_err(|source| DataError::Io { path, source })
    }

    /// Names of units; empty before the first start.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn identities(&self) -> Result<Option<Identities>, DataError> {
        self.read("identities.json")
    }

    /// Keeps the names of units.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_identities(&self, identities: &Identities) -> Result<(), DataError> {
        self.write("identities.json", identities)
    }

    /// Where the cartridges are; empty before the first start.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn inventory(&self) -> Result<Inventory, DataError> {
        Ok(self.read::<InventoryFile>("inventory.json")?.map(|file| file.cartridges).unwrap_or_default())
    }

    /// Keeps where the cartridges are.
    ///
    /// # Errors
    /// The file cannot be written; the old one stands.
    pub fn save_inventory(&self, inventory: &Inventory) -> Result<(), DataError> {
        self.write("inventory.json", &InventoryFile { cartridges: inventory.clone() })
    }

    /// What hosts had a unit save.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn unit(&self, lun: usize) -> Result<lu::Saved, DataError> {
        Ok(self.read(&format!("unit-{lun}.json"))?.unwrap_or_default())
    }

    /// Keeps what a host had a unit save.
    ///
    /// # Errors
    /// The file cannot be written; the old one stands.
    pub fn save_unit(&self, lun: usize, saved: &lu::Saved) -> Result<(), DataError> {
        self.write(&format!("unit-{lun}.json"), saved)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DataError> {
        let path = self.path.join(name);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| DataError::Io { path: path.clone(), source })?,
        };
        let wrong = |what: String| DataError::Format { path: path.clone(), what };
        let file: Versioned<T> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if file.version != VERSION {
            return Err(wrong(format!("version {} is not known; this program knows {VERSION}", file.version)));
        }
        Ok(Some(file.content))
    }

    fn write<T: Serialize>(&self, name: &str, content: &T) -> Result<(), DataError> {
        let path = self.path.join(name);
        let file = Versioned { version: VERSION, content };
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|error| DataError::Format { path: path.clone(), what: error.to_string() })?;
        replace(&path, &text).map_err(|source| DataError::Io { path, source })
    }
}
