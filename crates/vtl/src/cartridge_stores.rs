//! The folders of all cartridges of a site: those of the directory of cartridges, and those of the shelves on object storage.

use crate::former_state::FormerState;
use crate::locks::lock;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use tape_store::backend::{Folder, FolderProtection, FolderStore, Protected, SyncTimer};
use tape_store::cartridge::Barcode;

/// The directory of cartridges or the directories, and the shelves on object storage in the order of the configuration. A cartridge
/// is that of the first of them whose folder has files: interrupted work can leave an empty folder.
pub(crate) struct CartridgeStores {
    directory: Box<dyn FolderStore>,
    shelves: Vec<(String, Box<dyn FolderStore>)>,
    /// The indexes of shelves, each with the index of one of its replicas.
    replicas: BTreeSet<(usize, usize)>,
    /// The index of the shelf that gets new cartridges; `None` for the directory.
    new_in: Option<usize>,
    /// The index of the shelf on which each cartridge was found last; none for one that was found in the directory.
    found: Mutex<BTreeMap<String, usize>>,
}

/// A folder, and the index of its shelf; `None` for the directory.
struct FoundFolder {
    shelf: Option<usize>,
    folder: Box<dyn Folder>,
    is_empty: bool,
    /// The error of a shelf that may have a newer state: the folder is only read, and the place of the cartridge stays unknown.
    unread: Option<io::Error>,
}

impl FoundFolder {
    /// The folder, unless a shelf that may have a newer state cannot be read: then its error.
    fn newest(self) -> io::Result<Self> {
        self.unread.map_or(Ok(()), Err).map(|()| Self { unread: None, ..self })
    }
}

/// The names of the folders in several stores. A store that cannot be read does not hide those of the others.
pub(crate) fn list_all<'a>(stores: impl Iterator<Item = &'a dyn FolderStore>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut failed = None;
    for store in stores {
        match store.list() {
            Ok(more) => names.extend(more),
            Err(error) => failed = Some(error),
        }
    }
    failed.filter(|_| names.is_empty()).map_or(Ok(names), Err)
}

/// Whether a name is in use in one of several stores. If none that can be read has it, the error of another one is returned.
pub(crate) fn is_occupied_in<'a>(stores: impl Iterator<Item = &'a dyn FolderStore>, name: &str) -> io::Result<bool> {
    let mut failed = None;
    for store in stores {
        match store.is_occupied(name) {
            Ok(false) => {}
            Ok(true) => return Ok(true),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(false), Err)
}

impl CartridgeStores {
    /// The stores; `new_cartridges` is the name of the shelf that gets new cartridges.
    pub(crate) fn new(
        directory: Box<dyn FolderStore>,
        shelves: Vec<(String, Box<dyn FolderStore>)>,
        new_cartridges: Option<&str>,
    ) -> Self {
        let new_in = shelves.iter().position(|(name, _)| Some(name.as_str()) == new_cartridges);
        Self { directory, shelves, replicas: BTreeSet::new(), new_in, found: Mutex::default() }
    }

    /// The same stores; `replicas` are names of shelves, each with the name of one of its replicas.
    pub(crate) fn with_replicas(self, replicas: &[(String, String)]) -> Self {
        let index = |name: &String| self.shelves.iter().position(|(shelf, _)| shelf == name);
        let replicas = replicas.iter().filter_map(|(shelf, replica)| Some((index(shelf)?, index(replica)?))).collect();
        Self { replicas, ..self }
    }

    /// Whether a shelf is the replica of another one.
    pub(crate) fn is_replica_of(&self, replica: &str, shelf: &str) -> bool {
        let name = |index: &usize| self.shelves.get(*index).map(|(name, _)| name.as_str());
        self.replicas.iter().any(|(of, to)| name(of) == Some(shelf) && name(to) == Some(replica))
    }

    /// The directory of cartridges.
    pub(crate) fn directory(&self) -> &dyn FolderStore {
        self.directory.as_ref()
    }

    /// The shelves with their names, in the order of the configuration.
    pub(crate) fn shelves(&self) -> impl Iterator<Item = (&str, &dyn FolderStore)> {
        self.shelves.iter().map(|(name, store)| (name.as_str(), store.as_ref()))
    }

    /// Name of the shelf on which the cartridge was when its folder was opened last; `None` for the directory.
    pub(crate) fn shelf_of(&self, name: &str) -> Option<&str> {
        let shelf = *lock(&self.found).get(name)?;
        self.shelves.get(shelf).map(|(name, _)| name.as_str())
    }

    /// Number of cartridges that were found last on the shelf of this name.
    pub(crate) fn count_on(&self, shelf: &str) -> u64 {
        let index = self.shelves.iter().position(|(name, _)| name == shelf);
        lock(&self.found).values().filter(|found| Some(**found) == index).count() as u64
    }

    /// The cartridges that have bytes on the local disk that are not on their shelf yet, and the number of these bytes.
    pub(crate) fn unshelved(&self) -> BTreeMap<String, u64> {
        let all = self.shelves().flat_map(|(_, store)| store.shelving().unshelved);
        all.filter(|(_, bytes)| *bytes > 0).collect()
    }

    /// Whether the directory or a shelf has a cartridge. If none that can be read has one, the error of another one is returned.
    pub(crate) fn has_cartridges(&self) -> io::Result<bool> {
        let listed = self.directory.list().map(|names| names.iter().any(|name| Barcode::new(name).is_some()));
        let shelves = self.shelves.iter().map(|(_, store)| store.is_empty().map(|is_empty| !is_empty));
        let mut failed = None;
        for has_cartridges in std::iter::once(listed).chain(shelves) {
            match has_cartridges {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(false), Err)
    }

    /// Takes the shelf on which a cartridge was found last from a record. Returns `false` if there is no such shelf.
    pub(crate) fn restore_place(&self, name: &str, shelf: &str) -> bool {
        let found = self.shelves.iter().position(|(own, _)| own == shelf);
        if let Some(index) = found {
            lock(&self.found).insert(name.to_owned(), index);
        }
        found.is_some()
    }

    /// Name of the shelf that has the cartridge now; `None` for the directory.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if no store has the cartridge; or a store cannot be read.
    pub(crate) fn find_shelf(&self, name: &str) -> io::Result<Option<&str>> {
        let found = self.find(name)?.filter(|found| !found.is_empty).ok_or(io::ErrorKind::NotFound)?.newest()?;
        Ok(found.shelf.and_then(|shelf| self.shelves.get(shelf)).map(|(name, _)| name.as_str()))
    }

    fn all(&self) -> impl Iterator<Item = &dyn FolderStore> {
        std::iter::once(self.directory()).chain(self.shelves().map(|(_, store)| store))
    }

    fn store(&self, shelf: Option<usize>) -> &dyn FolderStore {
        shelf.and_then(|shelf| self.shelves.get(shelf)).map_or(self.directory.as_ref(), |(_, store)| store.as_ref())
    }

    /// The folder of a cartridge; `None` if no store has it. It may be in a store that cannot be read: then the error is that
    /// of the store.
    fn find(&self, name: &str) -> io::Result<Option<FoundFolder>> {
        let open = |shelf: Option<usize>| {
            let mut folder = self.store(shelf).open(name)?;
            // Without shelves, an empty folder hides no other one.
            let is_empty = !self.shelves.is_empty() && folder.list()?.is_empty();
            Ok::<_, io::Error>(FoundFolder { shelf, folder, is_empty, unread: None })
        };
        let (mut failed, mut empty, mut is_last_unread) = (None, None, false);
        // First the directory, then the shelf that had it last: other shelves may not respond.
        let last = lock(&self.found).get(name).copied();
        let others = (0..self.shelves.len()).filter(|shelf| Some(*shelf) != last).map(Some);
        let mut unread = Vec::new();
        for shelf in std::iter::once(None).chain(last.map(Some)).chain(others) {
            if shelf.is_some_and(|shelf| unread.contains(&shelf)) {
                continue;
            }
            match open(shelf) {
                Ok(found) if found.is_empty => empty = empty.or(Some(found)),
                Ok(found) if failed.is_some() && (is_last_unread || found.folder.is_copied()) => {
                    tracing::warn!(
                        barcode = name,
                        shelf = shelf.and_then(|shelf| self.shelves.get(shelf)).map(|(name, _)| name),
                        "the shelf of the cartridge does not respond; another shelf has a state of it, which may be old and is only read"
                    );
                    return Ok(Some(FoundFolder { unread: failed, ..found }));
                }
                Ok(found) => {
                    let mut places = lock(&self.found);
                    match shelf {
                        Some(shelf) => places.insert(name.into(), shelf),
                        None => places.remove(name),
                    };
                    return Ok(Some(found));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A shelf may have a former state of a cartridge that is in the directory.
                Err(error) if shelf.is_none() => return Err(error),
                // A shelf that cannot be used does not hide the others.
                Err(error) => {
                    failed = failed.or(Some(error));
                    is_last_unread |= shelf == last;
                    // The replica may have a former state, which must not be changed.
                    unread.extend(self.replicas.iter().filter(|(of, _)| Some(*of) == shelf).map(|(_, to)| *to));
                }
            }
        }
        failed.map_or(Ok(empty), Err)
    }

    /// The store that has the folder.
    fn store_of(&self, name: &str) -> io::Result<&dyn FolderStore> {
        let found = self.find(name)?.ok_or(io::ErrorKind::NotFound)?.newest()?;
        Ok(self.store(found.shelf))
    }
}

impl FolderStore for CartridgeStores {
    fn set_sync_timer(&mut self, timer: Arc<dyn SyncTimer>) {
        self.directory.set_sync_timer(Arc::clone(&timer));
        self.shelves.iter_mut().for_each(|(_, store)| store.set_sync_timer(Arc::clone(&timer)));
    }

    fn list(&self) -> io::Result<Vec<String>> {
        list_all(self.all())
    }

    fn flush(&self) -> io::Result<()> {
        // Each is flushed, also after an error.
        let failed: Vec<io::Error> = self.all().filter_map(|store| store.flush().err()).collect();
        failed.into_iter().next().map_or(Ok(()), Err)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let found = self.find(name)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(if found.unread.is_some() { Box::new(FormerState::new(found.folder)) } else { found.folder })
    }

    fn is_taken(&self, name: &str) -> bool {
        self.all().any(|store| store.is_taken(name))
    }

    fn stop(&self) {
        self.all().for_each(FolderStore::stop);
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        match self.find(name)? {
            Some(found) if !found.is_empty || found.shelf == self.new_in => Err(io::ErrorKind::AlreadyExists.into()),
            // An empty folder elsewhere: of a cartridge that was moved or removed.
            Some(_) => match self.store(self.new_in).create(name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.store(self.new_in).open(name),
                created => created,
            },
            None => self.store(self.new_in).create(name),
        }
        .inspect(|_| {
            if let Some(shelf) = self.new_in {
                lock(&self.found).insert(name.into(), shelf);
            }
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        // Also a former state on a shelf, which would be found next.
        let mut present = Vec::new();
        for store in self.all() {
            match store.open(name) {
                Ok(mut folder) => {
                    // All are asked before the first one removes something.
                    if let Some(FolderProtection { reason, .. }) = folder.protection()? {
                        return Err(Protected { reason }.into());
                    }
                    present.push(store);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        present.into_iter().try_for_each(|store| store.remove(name))
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
