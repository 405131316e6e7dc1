//! Cartridges on simulated disks, one for each cartridge.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use tape_store::backend::faulty::FaultyFolder;
use tape_store::backend::{Folder, FolderStore};

/// A store of these cartridges; clones share it.
#[derive(Clone, Default)]
pub(crate) struct FaultyStore(Arc<Mutex<BTreeMap<String, FaultyFolder>>>);

impl FaultyStore {
    /// The disk of a cartridge.
    pub(crate) fn disk(&self, barcode: &str) -> FaultyFolder {
        self.0.lock().unwrap()[barcode].clone()
    }
}

impl FolderStore for FaultyStore {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let folder = self.0.lock().unwrap().get(name).cloned();
        folder.map(|folder| Box::new(folder) as _).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let folder = FaultyFolder::default();
        self.0.lock().unwrap().insert(name.into(), folder.clone());
        Ok(Box::new(folder))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}
