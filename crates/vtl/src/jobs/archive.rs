//! Jobs that move the files of cartridges between the directory of cartridges and the shelves on object storage. The inventory
//! does not change.

use super::Progress;
use crate::control::{ControlError, ErrorCode};
use crate::events::Cause;
use crate::library::{LibraryError, missing_files};
use crate::site::Site;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use tape_store::backend::FolderStore;
use tape_store::cartridge::Barcode;
use tape_store::error::StoreError;
use tape_store::folder_move::{files_len, move_from_shelf, move_to_shelf};

impl Site {
    /// The shelf on object storage with this name; without a name, the only one.
    ///
    /// # Errors
    /// There is no shelf, or none with this name (`not_found`), or without a name there are several.
    pub(super) fn target_shelf(&self, name: Option<&str>) -> Result<String, ControlError> {
        let names: Vec<&str> = self.shared.stores.shelves().map(|(name, _)| name).collect();
        let list = || names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        match (name, names.as_slice()) {
            (_, []) => Err(ControlError::conflict("the configuration has no shelf on object storage ([[shelf]])")),
            (None, [only]) => Ok((*only).to_owned()),
            (None, _) => {
                let message = format!("to: the configuration has the shelves {}; name one of them", list());
                Err(ControlError::invalid(message).with_member("to"))
            }
            (Some(name), _) if names.contains(&name) => Ok(name.to_owned()),
            (Some(name), _) => {
                let message =
                    format!("to: there is no shelf {name:?} on object storage; the configuration has {}", list());
                Err(ControlError::not_found(message).with_member("to"))
            }
        }
    }

    /// Moves the files of a cartridge that is not in a drive from the directory of cartridges to a shelf on object storage.
    ///
    /// # Errors
    /// There is no such cartridge; it is in a drive, or a host, a request, a program or another daemon needs it (`busy`); or it is
    /// on a shelf already; or another shelf has a former state of it; or the storage fails.
    pub(super) fn archive_cartridge(
        &self,
        cartridge: &str,
        shelf: &str,
        progress: &Progress,
    ) -> Result<(), ControlError> {
        let barcode = self.resolve_cartridge(cartridge)?;
        let _reserved = self.shared.reservations.reserve_for(&Cause::operator(), &barcode)?;
        let error = |message| Err(ControlError::conflict(message).with_barcode(barcode.as_str()));
        match self.shelf_with(&barcode)? {
            None => {}
            Some(present) if present == shelf => return error(format!("{barcode} is on shelf {shelf:?} already")),
            Some(present) => return error(format!("{barcode} is on shelf {present:?}; recall it first")),
        }
        if let Some(other) = self.former_state(&barcode, shelf)? {
            // It would be found before the one on the other shelf.
            let message =
                format!("shelf {other:?} has a former state of {barcode}, too; archive the cartridge to {other:?}");
            return error(message);
        }
        let stores = &self.shared.stores;
        self.move_files(&barcode, shelf, progress, |store, flow| {
            move_to_shelf(stores.directory(), store, barcode.as_str(), flow)
        })
    }

    /// Moves the files of a cartridge that is not in a drive from its shelf on object storage to the directory of cartridges.
    ///
    /// # Errors
    /// There is no such cartridge; it is in a drive, or a host, a request, a program or another daemon needs it (`busy`); or it is
    /// in the directory; or the store of the shelf has locked its files (`locked`); or the storage fails.
    pub(super) fn recall_cartridge(&self, cartridge: &str, progress: &Progress) -> Result<(), ControlError> {
        let barcode = self.resolve_cartridge(cartridge)?;
        let _reserved = self.shared.reservations.reserve_for(&Cause::operator(), &barcode)?;
        let Some(shelf) = self.shelf_with(&barcode)? else {
            let message = format!("{barcode} is on no shelf; its files are in the directory of cartridges");
            return Err(ControlError::conflict(message).with_barcode(barcode.as_str()));
        };
        let stores = &self.shared.stores;
        let moved = self.move_files(&barcode, &shelf, progress, |store, flow| {
            move_from_shelf(store, stores.directory(), barcode.as_str(), flow)
        });
        moved.map_err(|error| match error.code {
            ErrorCode::Locked => {
                let help = "wait for the end or release the hold, or copy it with `ferric shelf recall`";
                let message = format!("{error}, and the store of shelf {shelf:?} would keep its files; {help}");
                ControlError { message, ..error }
            }
            _ => error,
        })
    }

    /// Calls `move_files` with the store of a shelf, while no drive and no request uses the cartridge.
    fn move_files(
        &self,
        barcode: &Barcode,
        shelf: &str,
        progress: &Progress,
        move_files: impl FnOnce(&dyn FolderStore, &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<(), StoreError>,
    ) -> Result<(), ControlError> {
        let stores = &self.shared.stores;
        let Some((_, store)) = stores.shelves().find(|(name, _)| *name == shelf) else {
            return self.target_shelf(Some(shelf)).map(drop);
        };
        let moved = self.work_on(barcode, progress, |cartridge, flow| {
            cartridge.check_unloaded()?;
            let mut folder = stores.open(barcode.as_str()).map_err(opening)?;
            progress.begin_cartridge(files_len(folder.as_mut())?);
            drop(folder);
            move_files(store, flow)
        });
        // The status has the new shelf.
        let _ = stores.find_shelf(barcode.as_str());
        self.shared.forget_shelved(barcode);
        moved
    }

    /// Name of the shelf that has the files of a cartridge; `None` if they are in the directory.
    fn shelf_with(&self, barcode: &Barcode) -> Result<Option<String>, ControlError> {
        match self.shared.stores.find_shelf(barcode.as_str()) {
            Ok(shelf) => Ok(shelf.map(str::to_owned)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing_files(barcode)),
            Err(error) => Err(LibraryError::of(barcode)(opening(error)).into()),
        }
    }

    /// Name of another shelf than this one that has files of the cartridge.
    fn former_state(&self, barcode: &Barcode, shelf: &str) -> Result<Option<String>, ControlError> {
        // The replica of the shelf gets the newest state from it.
        let is_other = |name: &str| name != shelf && !self.shared.stores.is_replica_of(name, shelf);
        for (name, store) in self.shared.stores.shelves().filter(|(name, _)| is_other(name)) {
            match store.open(barcode.as_str()).and_then(|mut folder| folder.list()) {
                Ok(files) if files.is_empty() => {}
                Ok(_) => return Ok(Some(name.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(LibraryError::of(barcode)(opening(error)).into()),
            }
        }
        Ok(None)
    }
}

fn opening(error: io::Error) -> StoreError {
    StoreError::Io { operation: "opening the cartridge".into(), source: Arc::new(error) }
}
