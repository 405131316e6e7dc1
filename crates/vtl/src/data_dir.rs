//! The storage of the cartridges and the state of a site: a directory that one process locks, or memory.
//!
//! `cartridges/` has the files of all cartridges, regardless of their location; it is never rearranged. `state.1` and
//! `state.2` hold everything else, and `identities.toml` repeats the identities of the units. `audit/` has the audit log.

use crate::cartridge_stores::{CartridgeStores, is_occupied_in, list_all};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, check_directories, group_number};
use crate::inventory::{CartridgeRecord, Location};
use crate::permissions::PermissionFixer;
use crate::shelf_outage::ShelfStore;
use crate::state_store::{StateError, StateStore, Transaction};
use rustix::fs::{FlockOperation, flock};
use scsi_core::lu;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tape_store::backend::file::{OsFolder, OsFolderStore, chown_to_folder_owner, create_private_folders};
use tape_store::backend::memory::{MemoryFolder, MemoryFolderStore};
use tape_store::backend::{Folder, FolderStore, SyncTimer};
use tape_store::store::{MediaFactory, ThreeFiles};

/// Reason why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// The file system reported an error.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// Another process has locked the directory.
    #[error("{path} is in use by {holder}")]
    InUse {
        /// The data directory that is locked.
        path: PathBuf,
        /// The process that holds the lock.
        holder: String,
    },
    /// A file in the directory cannot be parsed.
    #[error("{path}: {reason}")]
    Format {
        /// The file that cannot be parsed.
        path: PathBuf,
        /// The fault in the file.
        reason: String,
    },
    /// The configuration names a directory that a new site cannot use.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Name of the directory with the audit log in a data directory.
pub const AUDIT_DIRECTORY: &str = "audit";

/// Name of the file in a data directory that [`mark_restored`] creates. The next start removes it.
pub(crate) const RESTORED: &str = "restored";

/// Marks a data directory whose state files are replaced by a copy. Call this before the first file is replaced. The next start
/// of the site discards which cartridges on shelves on object storage are blank, and the facts of their cartridge memories: the
/// cartridges may have been changed after the copy was made. They are read again when they are needed.
///
/// # Errors
/// The folder cannot be written.
pub fn mark_restored(directory: &mut dyn Folder) -> io::Result<()> {
    directory.replace(RESTORED, b"")
}

/// The storage of a site: its cartridge folders and its state files.
pub struct DataDir {
    /// The folders of the cartridges in the directory, or in the configured directories.
    pub(crate) cartridges: Box<dyn FolderStore>,
    /// The folders of the cartridges on each shelf on object storage, by its name.
    shelves: Vec<(String, Box<dyn FolderStore>)>,
    /// Names of shelves, each with the name of one of its replicas.
    replicas: Vec<(String, String)>,
    /// Name of the shelf on which new cartridges are created.
    pub(crate) new_cartridges: Option<String>,
    /// The way to open the media of the cartridges.
    pub(crate) media: Arc<dyn MediaFactory>,
    /// The folder of the state files.
    pub(crate) folder: Box<dyn Folder>,
    path: Option<PathBuf>,
    /// The lock file; it is locked while this is open.
    pub(crate) lock: Option<File>,
    /// The configured cartridge directories. Their cartridges may be older than the site.
    pub(crate) directories: Vec<PathBuf>,
    allow_new_site: bool,
}

impl DataDir {
    /// A data directory in memory, which is lost when the site is closed.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::from_folders(Box::new(MemoryFolderStore::default()), Box::new(MemoryFolder::default()))
    }

    /// A data directory on storage that the caller provides.
    #[must_use]
    pub fn from_folders(cartridges: Box<dyn FolderStore>, folder: Box<dyn Folder>) -> Self {
        Self {
            cartridges,
            shelves: Vec::new(),
            replicas: Vec::new(),
            new_cartridges: None,
            media: Arc::new(ThreeFiles),
            folder,
            path: None,
            lock: None,
            directories: Vec::new(),
            allow_new_site: false,
        }
    }

    /// The same data directory, with the cartridges on a shelf of the configuration. Existing cartridges are searched first in
    /// the directories, then on the shelves in the order of the configuration. A site that is opened with the data
    /// directory needs all shelves of its configuration.
    #[must_use]
    pub fn with_shelf(mut self, name: impl Into<String>, cartridges: Box<dyn FolderStore>) -> Self {
        self.shelves.push((name.into(), cartridges));
        self
    }

    /// Puts the shelves into the order of a configuration. A shelf that the configuration does not have is not used.
    ///
    /// # Errors
    /// A shelf of the configuration was not added.
    pub(crate) fn arrange_shelves(&mut self, config: &Config) -> Result<(), ConfigError> {
        let mut arranged = Vec::new();
        for setup in &config.shelves {
            let Some(at) = self.shelves.iter().position(|(name, _)| *name == setup.name) else {
                return Err(setup.error("name", "this program has no support for shelves on object storage".into()));
            };
            arranged.push(self.shelves.swap_remove(at));
        }
        self.shelves = arranged;
        self.replicas = config.replicas();
        self.new_cartridges.clone_from(&config.new_cartridges);
        Ok(())
    }

    /// Takes the folders of all cartridges, on disk and on shelves.
    pub(crate) fn take_folders(&mut self, clock: &Clock) -> CartridgeStores {
        let directory = std::mem::replace(&mut self.cartridges, Box::new(MergedFolderStore::default()));
        let shelves = std::mem::take(&mut self.shelves).into_iter().map(|(name, folders)| {
            let store: Box<dyn FolderStore> = Box::new(ShelfStore::new(name.clone(), folders, clock.clone()));
            (name, store)
        });
        CartridgeStores::new(directory, shelves.collect(), self.new_cartridges.as_deref()).with_replicas(&self.replicas)
    }

    /// The same data directory, whose media `media` opens.
    #[must_use]
    pub fn with_media(self, media: Arc<dyn MediaFactory>) -> Self {
        Self { media, ..self }
    }

    /// Opens and locks a directory, and creates it if it does not exist.
    ///
    /// # Errors
    /// Fails if the directory cannot be created, or another process has locked it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        create_private_folders(path).map_err(|source| DataDirError::Io { path: path.into(), source })?;
        Ok(Self::with_lock(path, Some(acquire_lock(path)?), true))
    }

    /// Opens a directory without creating anything in it. It is locked only if it has a file `lock`.
    ///
    /// # Errors
    /// Fails if another process has locked it.
    pub(crate) fn open_existing(path: &Path) -> Result<Self, DataDirError> {
        let lock = path.join(LOCK).exists().then(|| acquire_lock(path)).transpose()?;
        Ok(Self::with_lock(path, lock, false))
    }

    /// The directories on file systems that the site writes to: those of the cartridges and that of the state.
    pub(crate) fn disk_directories(&self) -> Vec<PathBuf> {
        self.directories.iter().chain(&self.path).cloned().collect()
    }

    /// The directory of the audit log; `None` in memory.
    pub(crate) fn audit_directory(&self) -> Option<PathBuf> {
        self.path.as_ref().map(|path| path.join(AUDIT_DIRECTORY))
    }

    fn with_lock(path: &Path, lock: Option<File>, create: bool) -> Self {
        let cartridges = Box::new(open_folder_store(&path.join("cartridges"), create));
        let folder = Box::new(OsFolder::at(path.into()));
        Self { path: Some(path.into()), lock, ..Self::from_folders(cartridges, folder) }
    }

    /// Opens the data directory and the cartridge directories of a configuration. Files and directories are private, or
    /// readable by the configured group; permissions of existing ones are corrected.
    ///
    /// # Errors
    /// As [`Self::open`]; or there is no such group; or the site is new and one of its cartridge directories does not
    /// exist, cannot be read, or cannot hold the cartridges that the configuration lists.
    pub fn open_configured(path: &Path, config: &Config) -> Result<Self, DataDirError> {
        // An existing site starts even if the disk of a directory is not mounted.
        if is_new(path) {
            check_directories(config)?;
        }
        let group = group_number(config)?;
        let mut data = Self::open(path)?;
        let mut tighten = PermissionFixer::new(group);
        tighten.fix_data_dir(path);
        data = data.with_cartridge_directories(config, config.create_directories);
        if !config.shared_cartridges {
            tighten.fix_cartridge_directories(&config.cartridge_directories);
        }
        Ok(data)
    }

    /// Stores cartridges in the directories of a configuration: existing ones are found in any of them, new ones are
    /// created in the first. With `create`, missing directories are created. Cartridges in a directory that cannot be
    /// used are unusable.
    pub(crate) fn with_cartridge_directories(mut self, config: &Config, create: bool) -> Self {
        let open = |path: &PathBuf| {
            let folders = open_folder_store(path, create);
            Box::new(if config.shared_cartridges { folders.with_umask_permissions() } else { folders }) as _
        };
        if !config.cartridge_directories.is_empty() {
            let stores = config.cartridge_directories.iter().map(open).collect();
            self.cartridges = Box::new(MergedFolderStore { stores });
            self.directories.clone_from(&config.cartridge_directories);
        }
        self
    }

    /// Allows a new site to be created although cartridges or identities exist without a state. If there is a state,
    /// this has no effect.
    #[must_use]
    pub const fn with_new_site(mut self, allowed: bool) -> Self {
        self.allow_new_site = allowed;
        self
    }

    /// The prefix of file names in messages.
    pub(crate) fn message_prefix(&self) -> String {
        self.path.as_ref().map(|path| format!("{}/", path.display())).unwrap_or_default()
    }

    /// Opens the state, or creates one in an empty directory. The files of format version 1 are upgraded, as the state
    /// of the one library with this name.
    pub(crate) fn open_state(&mut self, library: &str) -> Result<StateStore, UpgradeError> {
        let prefix = self.message_prefix();
        let failed = |source| StateError::Io { file: prefix.clone(), source };
        let open = StateStore::open(self.folder.reopen().map_err(failed)?, &prefix)?;
        let mut first = Transaction::default();
        if open.is_none() {
            let remains = StateStore::leftover_files(self.folder.as_mut(), &prefix)?;
            if let Some(path) = self.path.as_ref().filter(|_| remains.is_empty()) {
                read_v1_files(path, library, &mut first)?;
            }
            if first.is_empty() {
                self.check_new_site(&remains)?;
            }
        }
        let existing = |state| Ok::<_, StateError>(state);
        let create = || StateStore::create(self.folder.reopen().map_err(failed)?, &prefix, first);
        let state = open.map_or_else(create, existing)?;
        // Renamed, so that they are not upgraded again when the state belongs to another site.
        self.path.iter().try_for_each(|path| set_aside_v1_files(path))?;
        Ok(state)
    }

    /// Refuses to create a new site where there was one, unless [`Self::with_new_site`] allows it.
    fn check_new_site(&mut self, remains: &[&'static str]) -> Result<(), UpgradeError> {
        let prefix = self.message_prefix();
        let cartridges = match self.cartridges.list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            list => list.map_err(|source| StateError::Io { file: format!("{prefix}cartridges"), source })?.len(),
        };
        let note = |name: &str| if name.starts_with("state") { " (empty)" } else { "" };
        let mut remaining: Vec<String> = remains.iter().map(|name| format!("{name}{}", note(name))).collect();
        if cartridges > 0 {
            if !self.directories.is_empty() {
                tracing::info!(path = %prefix, cartridges, "created a new site with existing cartridges");
            } else {
                remaining.push(format!("{cartridges} cartridges"));
            }
        }
        if remaining.is_empty() {
            return Ok(());
        }
        if self.allow_new_site {
            return Ok(StateStore::set_aside(self.folder.as_mut(), &prefix)?);
        }
        let directory = self.path.as_ref().map_or_else(|| "the folder".into(), |path| path.display().to_string());
        let problem = format!(
            "the state of the site (state.1, state.2) is lost (remaining: {}); `ferric site recover {directory}` \
             restores it as far as possible, --new-site starts a new site",
            remaining.join(", ")
        );
        Err(StateError::Unusable { file: directory, reason: problem }.into())
    }
}

/// Keeps a data directory as it is: no process can open it until the value is dropped. Several processes can do this at the
/// same time, to copy the directory.
#[derive(Debug)]
pub struct UnchangedDataDir {
    _lock: File,
}

impl UnchangedDataDir {
    /// Locks a data directory that no process uses. Nothing is written.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] if a process uses the directory, and [`DataDirError::Io`] if it is not a data directory or its
    /// file `lock` cannot be opened.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        let file = path.join(LOCK);
        let mut lock = File::open(&file).map_err(|source| DataDirError::Io { path: file, source })?;
        lock_file(path, &mut lock, FlockOperation::NonBlockingLockShared)?;
        Ok(Self { _lock: lock })
    }
}

/// Name of the file that is locked while a process uses a data directory. It has the process.
const LOCK: &str = "lock";

fn lock_file(path: &Path, lock: &mut File, operation: FlockOperation) -> Result<(), DataDirError> {
    if flock(&*lock, operation).is_err() {
        let mut holder = String::new();
        lock.read_to_string(&mut holder).map_err(|source| DataDirError::Io { path: path.join(LOCK), source })?;
        return Err(DataDirError::InUse { path: path.into(), holder: holder.trim().into() });
    }
    Ok(())
}

/// Locks a data directory for this process, until the returned file is closed.
pub(crate) fn acquire_lock(path: &Path) -> Result<File, DataDirError> {
    let file = path.join(LOCK);
    let failed = |source| DataDirError::Io { path: file.clone(), source };
    let mut options = OpenOptions::new();
    options.mode(0o600).read(true).write(true);
    let mut lock = match options.clone().create_new(true).open(&file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(&file).map_err(failed)?,
        created => {
            let created = created.map_err(failed)?;
            chown_to_folder_owner(path, &created).map_err(failed)?;
            created
        }
    };
    lock_file(path, &mut lock, FlockOperation::NonBlockingLockExclusive)?;
    let holder = format!("process {}\n", std::process::id());
    lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0))).map_err(failed)?;
    lock.write_all(holder.as_bytes()).map_err(failed)?;
    Ok(lock)
}

/// Whether a data directory has no state of any version yet.
fn is_new(path: &Path) -> bool {
    let state = |entry: fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"state.");
    !fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(state))
}

/// Opens a cartridge directory of this process. Without `create`, a missing directory is not created, because its disk
/// may not be mounted. A directory that cannot be used is logged and does not stop the site.
fn open_folder_store(path: &Path, create: bool) -> OsFolderStore {
    let usable = if create { create_private_folders(path) } else { fs::read_dir(path).map(drop) };
    if let Err(error) = usable {
        tracing::error!(path = %path.display(), %error, "cartridge directory cannot be used");
    }
    let mut folders = OsFolderStore::at_unchecked(path);
    if let Err(error) = folders.mark_served()
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot lock the cartridge directory; tools may change it");
    }
    folders
}

/// The store that has a folder, and the opened folder.
type FoundFolder<'a> = (&'a dyn FolderStore, Box<dyn Folder>);

/// Cartridge folders in more than one directory.
#[derive(Default)]
struct MergedFolderStore {
    /// The stores in the order of the search for a folder. The first one gets new folders.
    stores: Vec<Box<dyn FolderStore>>,
}

impl MergedFolderStore {
    fn all(&self) -> impl Iterator<Item = &dyn FolderStore> {
        self.stores.iter().map(AsRef::as_ref)
    }

    /// The first store that has the folder, and the opened folder; `None` if no store has it. It may be in a store that
    /// cannot be read: then the error is that of the store.
    fn find(&self, name: &str) -> io::Result<Option<FoundFolder<'_>>> {
        // A store that cannot be used does not hide the others.
        let mut failed = None;
        for store in &self.stores {
            match store.open(name) {
                Ok(folder) => return Ok(Some((store.as_ref(), folder))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// The first store that has the folder.
    fn store_of(&self, name: &str) -> io::Result<&dyn FolderStore> {
        self.find(name)?.map(|(store, _)| store).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl FolderStore for MergedFolderStore {
    fn set_sync_timer(&mut self, timer: Arc<dyn SyncTimer>) {
        self.stores.iter_mut().for_each(|store| store.set_sync_timer(Arc::clone(&timer)));
    }

    fn list(&self) -> io::Result<Vec<String>> {
        list_all(self.all())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.find(name)?.map(|(_, folder)| folder).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        if self.find(name)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.stores.first().ok_or(io::ErrorKind::NotFound)?.create(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        // Only this folder is removed, not another one of the same name.
        self.find(name)?.map_or(Ok(()), |(store, _)| store.remove(name))
    }

    fn create_replacement(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.store_of(name)?.create_replacement(name)
    }

    fn replace(&self, name: &str) -> io::Result<()> {
        self.store_of(name)?.replace(name)
    }

    fn remove_replacement(&self, name: &str) -> io::Result<()> {
        self.store_of(name)?.remove_replacement(name)
    }

    fn is_occupied(&self, name: &str) -> io::Result<bool> {
        is_occupied_in(self.all(), name)
    }
}

/// Reason why the state of a data directory cannot be opened or upgraded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// A file of format version 1 cannot be read.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// The state files or the redb database cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The identity of a logical unit; it is generated once and does not change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitIdentity {
    /// Unit serial number, ten characters.
    pub serial: String,
    /// NAA designator, sixteen hexadecimal digits.
    pub naa: String,
    /// Name of the target that has the unit; empty if it has not been attached yet.
    #[serde(default)]
    pub target: String,
    /// LUN of the unit in that target.
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
struct IdentitiesV1 {
    suffix: String,
    changer: UnitIdentity,
    drives: Vec<UnitIdentity>,
}

#[derive(Deserialize)]
struct PlacementV1 {
    element: Option<u16>,
    #[serde(default)]
    source: Option<u16>,
    #[serde(default)]
    by_operator: bool,
    size: u64,
}

#[derive(Deserialize)]
struct InventoryV1 {
    cartridges: BTreeMap<String, PlacementV1>,
}

/// The files of format version 1 whose presence shows that there is a site.
const V1_FILES: [&str; 2] = ["identities.json", "inventory.json"];

fn set_aside_v1_files(path: &Path) -> Result<(), DataDirError> {
    for name in V1_FILES {
        let file = path.join(name);
        match fs::rename(&file, path.join(format!("{name}.upgraded"))) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(DataDirError::Io { path: file, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads the files of format version 1 into `change`.
fn read_v1_files(path: &Path, library: &str, change: &mut Transaction) -> Result<(), UpgradeError> {
    if let Some(IdentitiesV1 { suffix, changer, drives }) = read(&path.join("identities.json"))? {
        change.set("site", &suffix)?;
        change.set(format!("identity/{library}/changer"), &changer)?;
        for (index, drive) in drives.iter().enumerate() {
            change.set(format!("identity/{library}/drive/{index}"), drive)?;
            if let Some(saved) = read::<lu::SavedState>(&path.join(format!("unit-{}.json", index + 1)))? {
                change.set(format!("unit/{library}/drive/{index}"), &saved)?;
            }
        }
        if let Some(saved) = read::<lu::SavedState>(&path.join("unit-0.json"))? {
            change.set(format!("unit/{library}/changer"), &saved)?;
        }
    }
    let inventory: Option<InventoryV1> = read(&path.join("inventory.json"))?;
    for (barcode, old) in inventory.into_iter().flat_map(|inventory| inventory.cartridges) {
        let PlacementV1 { element, source, by_operator, size } = old;
        let location = match element {
            Some(address) => Location::Element { library: library.into(), address, source, by_operator },
            None => Location::Shelf(library.into()),
        };
        crate::inventory::insert(change, &barcode, &CartridgeRecord::at(location, size))?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, DataDirError> {
    const FIRST: u32 = 1;
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| DataDirError::Io { path: path.into(), source })?,
    };
    let wrong = |problem: String| DataDirError::Format { path: path.into(), reason: problem };
    let file: Versioned<T> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if file.version != FIRST {
        return Err(wrong(format!("version {} is unknown; this program supports {FIRST}", file.version)));
    }
    Ok(Some(file.content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_directory_cannot_be_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("d");
        let missing = UnchangedDataDir::lock(&path).unwrap_err().to_string();
        assert!(missing.ends_with("d/lock: No such file or directory (os error 2)"), "{missing}");
        let used = DataDir::open(&path).unwrap();
        let in_use = format!("{} is in use by process {}", path.display(), std::process::id());
        assert_eq!(UnchangedDataDir::lock(&path).unwrap_err().to_string(), in_use);
        drop(used);
        let copies = [UnchangedDataDir::lock(&path).unwrap(), UnchangedDataDir::lock(&path).unwrap()];
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse { .. })));
        drop(copies);
        assert!(DataDir::open(&path).is_ok());
    }
}
