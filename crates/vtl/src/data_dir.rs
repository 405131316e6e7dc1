//! Where a site keeps everything: a directory that one process holds, or memory.
//!
//! `cartridges/` is the shelf of all cartridges, wherever they are; it is never rearranged. `state.1` and `state.2` are the
//! rest, and `identities.toml` repeats the names.

use crate::config::{Config, ConfigError, check_directories, group_number};
use crate::inventory::{Entry, Where};
use crate::permissions::Tighten;
use crate::state_store::{Change, StateError, StateStore};
use rustix::fs::{FlockOperation, flock};
use scsi_core::lu;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tape_store::backend::file::{OsFolder, OsShelves, create_folders, give_to_owner_of};
use tape_store::backend::memory::{MemoryFolder, MemoryShelves};
use tape_store::backend::{Folder, Shelves};

/// Why a place cannot be used.
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
    /// The configuration names a directory that a new site cannot use.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Where a site keeps what it has.
pub struct Data {
    /// Folders of cartridges.
    pub(crate) shelves: Box<dyn Shelves>,
    /// Folder of the state.
    pub(crate) folder: Box<dyn Folder>,
    path: Option<PathBuf>,
    /// Held as long as the site lives.
    pub(crate) lock: Option<File>,
    /// Directories of cartridges that the configuration names: their cartridges may have been there before the site.
    pub(crate) directories: Vec<PathBuf>,
    new_site: bool,
}

impl Data {
    /// In memory, gone with the site.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::of(Box::new(MemoryShelves::default()), Box::new(MemoryFolder::default()))
    }

    /// On folders of somebody's own.
    #[must_use]
    pub fn of(shelves: Box<dyn Shelves>, folder: Box<dyn Folder>) -> Self {
        Self { shelves, folder, path: None, lock: None, directories: Vec::new(), new_site: false }
    }

    /// Takes a directory, made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or someone else holds it.
    pub fn at(path: &Path) -> Result<Self, DataError> {
        create_folders(path).map_err(|source| DataError::Io { path: path.into(), source })?;
        Ok(Self::locked(path, Some(take_lock(path)?), true))
    }

    /// Takes a directory and creates nothing in it: without a file `lock`, no process has it.
    ///
    /// # Errors
    /// Another process has it.
    pub(crate) fn unchanged(path: &Path) -> Result<Self, DataError> {
        let lock = path.join("lock").exists().then(|| take_lock(path)).transpose()?;
        Ok(Self::locked(path, lock, false))
    }

    fn locked(path: &Path, lock: Option<File>, create: bool) -> Self {
        let shelves = Box::new(shelves_at(&path.join("cartridges"), create));
        let folder = Box::new(OsFolder::at(path.into()));
        Self { path: Some(path.into()), lock, ..Self::of(shelves, folder) }
    }

    /// Takes the data directory of a configuration, and its directories of cartridges. What is created in them is private,
    /// or readable by the group that is configured; what exists is made so.
    ///
    /// # Errors
    /// As [`Self::at`]; there is no such group; or the site is new and one of its directories of cartridges does not exist,
    /// cannot be read, or cannot have the cartridges that the configuration lists.
    pub fn configured(path: &Path, config: &Config) -> Result<Self, DataError> {
        // An existing site starts although the disk of a directory is not mounted.
        if is_new(path) {
            check_directories(config)?;
        }
        let group = group_number(config)?;
        let mut data = Self::at(path)?;
        let mut tighten = Tighten::new(group);
        tighten.data(path);
        data = data.with_cartridges(config, config.create);
        if !config.shared {
            tighten.elsewhere(&config.cartridges);
        }
        Ok(data)
    }

    /// Keeps cartridges in the directories of a configuration: they are found in any of them, new ones are created in the
    /// first. With `create`, directories that do not exist are created. Cartridges of a directory that cannot be used cannot
    /// be used.
    pub(crate) fn with_cartridges(mut self, config: &Config, create: bool) -> Self {
        let open = |path: &PathBuf| {
            let shelves = shelves_at(path, create);
            Box::new(if config.shared { shelves.by_umask() } else { shelves }) as _
        };
        if !config.cartridges.is_empty() {
            self.shelves = Box::new(Several(config.cartridges.iter().map(open).collect()));
            self.directories.clone_from(&config.cartridges);
        }
        self
    }

    /// Whether a new site is made where cartridges or identities are without a state. Where there is a state, this changes
    /// nothing.
    #[must_use]
    pub const fn with_new_site(mut self, allowed: bool) -> Self {
        self.new_site = allowed;
        self
    }

    /// What is put before names of files in messages.
    pub(crate) fn place(&self) -> String {
        self.path.as_ref().map(|path| format!("{}/", path.display())).unwrap_or_default()
    }

    /// Opens the state, or makes one in a directory that has nothing. What a directory of the first version has in files
    /// of its own is taken over, for its one library of this name.
    pub(crate) fn open_state(&mut self, library: &str) -> Result<StateStore, TakeOverError> {
        let place = self.place();
        let failed = |source| StateError::Io { file: place.clone(), source };
        let open = StateStore::open(self.folder.again().map_err(failed)?, &place)?;
        let mut first = Change::default();
        if open.is_none() {
            let remains = StateStore::remains(self.folder.as_mut(), &place)?;
            if let Some(path) = self.path.as_ref().filter(|_| remains.is_empty()) {
                first_version(path, library, &mut first)?;
            }
            if first.is_empty() {
                self.start_anew(&remains)?;
            }
        }
        let made = |state| Ok::<_, StateError>(state);
        let create = || StateStore::create(self.folder.again().map_err(failed)?, &place, first);
        let state = open.map_or_else(create, made)?;
        // Not to be taken over once more, when there is a state that is not theirs.
        self.path.iter().try_for_each(|path| set_aside_first_version(path))?;
        Ok(state)
    }

    /// Refuses to make a new site where there was one, unless that is wanted.
    fn start_anew(&mut self, remains: &[&'static str]) -> Result<(), TakeOverError> {
        let place = self.place();
        let cartridges = match self.shelves.list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            list => list.map_err(|source| StateError::Io { file: format!("{place}cartridges"), source })?.len(),
        };
        let note = |name: &str| if name.starts_with("state") { " (empty)" } else { "" };
        let mut found: Vec<String> = remains.iter().map(|name| format!("{name}{}", note(name))).collect();
        if cartridges > 0 {
            if !self.directories.is_empty() {
                tracing::info!("{place}: a new site, with {cartridges} cartridges that were made before it");
            } else {
                found.push(format!("{cartridges} cartridges"));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        if self.new_site {
            return Ok(StateStore::set_aside(self.folder.as_mut(), &place)?);
        }
        let directory = self.path.as_ref().map_or_else(|| "the folder".into(), |path| path.display().to_string());
        let what = format!(
            "the state of the site (state.1, state.2) is lost: what is left is {}; `ferric site recover {directory}` \
             restores it as far as possible, --new-site starts a new site",
            found.join(", ")
        );
        Err(StateError::Refused { file: directory, what }.into())
    }
}

/// Holds a data directory for this process, as long as the file is open.
pub(crate) fn take_lock(path: &Path) -> Result<File, DataError> {
    let failed = |source| DataError::Io { path: path.into(), source };
    let file = path.join("lock");
    let mut options = OpenOptions::new();
    options.mode(0o600).read(true).write(true);
    let mut lock = match options.clone().create_new(true).open(&file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(&file).map_err(failed)?,
        created => {
            let created = created.map_err(failed)?;
            give_to_owner_of(path, &created).map_err(failed)?;
            created
        }
    };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        lock.read_to_string(&mut holder).map_err(failed)?;
        return Err(DataError::InUse { path: path.into(), holder: holder.trim().into() });
    }
    let holder = format!("process {}\n", std::process::id());
    lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0))).map_err(failed)?;
    lock.write_all(holder.as_bytes()).map_err(failed)?;
    Ok(lock)
}

/// Whether a data directory has no state yet, of whatever version.
fn is_new(path: &Path) -> bool {
    let state = |entry: fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"state.");
    !fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(state))
}

/// A directory of cartridges that this process serves. Without `create` a directory that does not exist is not created: its
/// disk may not be mounted. One that cannot be used does not stop the site.
fn shelves_at(path: &Path, create: bool) -> OsShelves {
    let usable = if create { create_folders(path) } else { fs::read_dir(path).map(drop) };
    if let Err(error) = usable {
        tracing::error!(path = %path.display(), %error, "directory of cartridges cannot be used");
    }
    let mut shelves = OsShelves::unchecked(path);
    if let Err(error) = shelves.serve()
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "directory of cartridges cannot be locked: tools may change it");
    }
    shelves
}

/// Folders of cartridges in more than one place.
struct Several(Vec<Box<dyn Shelves>>);

impl Several {
    /// The folder, if one of the places has it.
    fn find(&mut self, name: &str) -> io::Result<Option<Box<dyn Folder>>> {
        // A place that cannot be used hides none of the others.
        let mut failed = None;
        for shelves in &mut self.0 {
            match shelves.open(name) {
                Ok(found) => return Ok(Some(found)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

impl Shelves for Several {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut failed = None;
        for shelves in &mut self.0 {
            match shelves.list() {
                Ok(more) => names.extend(more),
                Err(error) => failed = Some(error),
            }
        }
        failed.filter(|_| names.is_empty()).map_or(Ok(names), Err)
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.find(name)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, name: &str) -> io::Result<Box<dyn Folder>> {
        if self.find(name)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.0.first_mut().ok_or(io::ErrorKind::NotFound)?.create(name)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        // The one that is found, and no other of its name.
        let mut failed = None;
        for shelves in &mut self.0 {
            match shelves.open(name) {
                Ok(_) => return shelves.remove(name),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        // The cartridge may be in a directory that cannot be read.
        failed.map_or(Ok(()), Err)
    }

    fn is_occupied(&mut self, name: &str) -> io::Result<bool> {
        let mut failed = None;
        for shelves in &mut self.0 {
            match shelves.is_occupied(name) {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(false), Err)
    }
}

/// Why what was there cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeOverError {
    /// A file of the first version.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The database.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Names that are made once and never change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitIdentity {
    /// Unit serial number, ten characters.
    pub serial: String,
    /// NAA designator, sixteen hexadecimal digits.
    pub naa: String,
    /// The target it is behind, and its LUN there; none yet if empty.
    #[serde(default)]
    pub target: String,
    /// See there.
    #[serde(default)]
    pub lun: usize,
}

#[derive(Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Deserialize)]
struct Identities {
    suffix: String,
    changer: UnitIdentity,
    drives: Vec<UnitIdentity>,
}

#[derive(Deserialize)]
struct Whereabouts {
    element: Option<u16>,
    #[serde(default)]
    source: Option<u16>,
    #[serde(default)]
    by_operator: bool,
    size: u64,
}

#[derive(Deserialize)]
struct FirstInventory {
    cartridges: BTreeMap<String, Whereabouts>,
}

/// Files of the first version: those that decide whether there is a site.
const FIRST_VERSION: [&str; 2] = ["identities.json", "inventory.json"];

fn set_aside_first_version(path: &Path) -> Result<(), DataError> {
    for name in FIRST_VERSION {
        let file = path.join(name);
        match fs::rename(&file, path.join(format!("{name}.upgraded"))) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(DataError::Io { path: file, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Files of the first version, one by one.
fn first_version(path: &Path, library: &str, change: &mut Change) -> Result<(), TakeOverError> {
    if let Some(Identities { suffix, changer, drives }) = read(&path.join("identities.json"))? {
        change.set("site", &suffix)?;
        change.set(format!("identity/{library}/changer"), &changer)?;
        for (index, drive) in drives.iter().enumerate() {
            change.set(format!("identity/{library}/drive/{index}"), drive)?;
            if let Some(saved) = read::<lu::Saved>(&path.join(format!("unit-{}.json", index + 1)))? {
                change.set(format!("unit/{library}/drive/{index}"), &saved)?;
            }
        }
        if let Some(saved) = read::<lu::Saved>(&path.join("unit-0.json"))? {
            change.set(format!("unit/{library}/changer"), &saved)?;
        }
    }
    let inventory: Option<FirstInventory> = read(&path.join("inventory.json"))?;
    for (barcode, old) in inventory.into_iter().flat_map(|inventory| inventory.cartridges) {
        let Whereabouts { element, source, by_operator, size } = old;
        let place = match element {
            Some(address) => Where::Element { library: library.into(), address, source, by_operator },
            None => Where::Shelf(library.into()),
        };
        crate::inventory::note(change, &barcode, &Entry { place, size, blank: None, left: None, what: None })?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, DataError> {
    const FIRST: u32 = 1;
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| DataError::Io { path: path.into(), source })?,
    };
    let wrong = |what: String| DataError::Format { path: path.into(), what };
    let file: Versioned<T> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if file.version != FIRST {
        return Err(wrong(format!("version {} is not known; this program knows {FIRST}", file.version)));
    }
    Ok(Some(file.content))
}
