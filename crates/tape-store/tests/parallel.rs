//! A slow folder delays the operations on its cartridge, and no others.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::backend::{Folder, FolderStore};
use tape_store::cartridge::Barcode;
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};

/// Folders in memory. Opening and removing the folder `SLOW01L8` takes until the test releases it.
struct SlowFolders {
    folders: MemoryFolderStore,
    entered: Mutex<Sender<()>>,
    released: Mutex<Receiver<()>>,
}

impl SlowFolders {
    fn wait(&self, name: &str) -> io::Result<()> {
        if name == "SLOW01L8" {
            self.entered.lock().unwrap().send(()).unwrap();
            // A call that would never return fails instead.
            self.released.lock().unwrap().recv_timeout(Duration::from_secs(30)).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl FolderStore for SlowFolders {
    fn list(&self) -> io::Result<Vec<String>> {
        self.folders.list()
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.wait(name)?;
        self.folders.open(name)
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.folders.create(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.wait(name)?;
        self.folders.remove(name)
    }
}

#[test]
fn slow_cartridge_does_not_delay_others() {
    let folders = MemoryFolderStore::default();
    let barcode = |text| Barcode::new(text).unwrap();
    let (slow, fast) = (barcode("SLOW01L8"), barcode("FAST01L8"));
    TapeStore::new(Box::new(folders.clone())).create(&slow, &NewCartridge::data(&LTO_8)).unwrap();
    let ((entered, on_entry), (release, released)) = (channel(), channel());
    let slow_folders = SlowFolders { folders, entered: Mutex::new(entered), released: Mutex::new(released) };
    let store = TapeStore::new(Box::new(slow_folders));
    let others = || {
        store.create(&fast, &NewCartridge::data(&LTO_8)).unwrap();
        let mut cartridge = store.find(&fast).unwrap();
        cartridge.repair().unwrap();
        drop(cartridge.open().unwrap());
        assert_eq!(store.list().unwrap(), [fast.clone(), slow.clone()]);
        store.remove(&fast).unwrap();
    };
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| store.find(&slow).map(|cartridge| cartridge.barcode().to_string()));
        on_entry.recv().unwrap();
        others();
        release.send(()).unwrap();
        assert_eq!(opened.join().unwrap().unwrap(), "SLOW01L8");
        let removed = scope.spawn(|| store.remove(&slow));
        on_entry.recv().unwrap();
        others();
        release.send(()).unwrap();
        removed.join().unwrap().unwrap();
    });
    assert_eq!(store.list().unwrap(), []);
}
