//! Makes state durable before an answer leaves.

use crate::data_dir::{DataDir, DataError, Inventory, Whereabouts};
use scsi_core::lu;
use smc::library::Place;
use std::sync::{Arc, Mutex, PoisonError};

/// The data directory as units use it.
#[derive(Clone)]
pub(crate) struct Saver {
    data: Arc<DataDir>,
    inventory: Arc<Mutex<Inventory>>,
}

impl Saver {
    pub(crate) fn new(data: Arc<DataDir>, inventory: Inventory) -> Self {
        Self { data, inventory: Arc::new(Mutex::new(inventory)) }
    }

    pub(crate) fn unit(&self, lun: usize, saved: &lu::Saved) -> Result<(), DataError> {
        self.data.save_unit(lun, saved)
    }

    /// Keeps what is where. Cartridges that are in no place are outside.
    pub(crate) fn places(&self, places: &[Place]) -> Result<(), DataError> {
        let mut inventory = self.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = inventory.clone();
        for (barcode, entry) in &mut next {
            let place = places.iter().find(|place| place.barcode.as_str() == barcode);
            *entry = Whereabouts {
                element: place.map(|place| place.address.0),
                source: place.and_then(|place| place.origin.source).map(|address| address.0),
                by_operator: place.is_some_and(|place| place.origin.by_operator),
                size: entry.size,
            };
        }
        self.data.save_inventory(&next)?;
        *inventory = next;
        Ok(())
    }

    /// Bytes a cartridge holds, if this directory has it.
    pub(crate) fn size(&self, barcode: &str) -> Option<u64> {
        self.inventory.lock().unwrap_or_else(PoisonError::into_inner).get(barcode).map(|entry| entry.size)
    }
}
