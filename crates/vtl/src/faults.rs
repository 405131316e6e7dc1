//! Cartridges that no drive can use, and why: found when the site is opened, or by a drive.

use crate::events::Event;
use crate::library::value_of;
use crate::locks::lock;
use crate::shared::Shared;
use crate::site::Site;
use ssc::drive::MediumFault;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::error::StoreError;

/// Why each of them cannot be used, by barcode.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<BTreeMap<Barcode, String>>);

impl Faults {
    /// Why a cartridge cannot be used, if so.
    pub(crate) fn reason(&self, barcode: &Barcode) -> Option<String> {
        lock(&self.0).get(barcode).cloned()
    }

    fn barcodes(&self) -> BTreeSet<Barcode> {
        lock(&self.0).keys().cloned().collect()
    }

    /// Whether that is new.
    fn insert(&self, barcode: &Barcode, reason: &str) -> bool {
        lock(&self.0).insert(barcode.clone(), reason.into()).as_deref() != Some(reason)
    }

    /// Forgets what was wrong with a cartridge; whether something was.
    pub(crate) fn remove(&self, barcode: &Barcode) -> bool {
        lock(&self.0).remove(barcode).is_some()
    }
}

impl Shared {
    /// Looks whether a cartridge can be used, as far as its memory says.
    pub(crate) fn check(&self, cartridge: &mut Cartridge) {
        let barcode = cartridge.barcode().clone();
        match cartridge.mam_or_rebuilt() {
            Ok((_, None)) => {}
            Ok((_, Some(error @ StoreError::Format { .. }))) => {
                tracing::warn!(%barcode, %error, "cartridge memory is damaged: the cartridge can only be read");
                self.events.tell(Event::Damaged { barcode: barcode.to_string(), reason: error.to_string() });
            }
            Ok((_, Some(error))) | Err(error) => {
                tracing::warn!(%barcode, %error, "cartridge cannot be used");
                self.note_unusable(&barcode, &error.to_string());
            }
        }
    }

    fn note_unusable(&self, barcode: &Barcode, reason: &str) {
        if self.faults.insert(barcode, reason) {
            self.events.tell(Event::Unusable { barcode: barcode.to_string(), reason: reason.into() });
        }
    }

    /// Takes up what a drive has found.
    pub(crate) fn note_faults(&self, faults: Vec<MediumFault>) {
        for MediumFault { barcode, reason, unusable } in faults {
            if unusable {
                self.note_unusable(&barcode, &reason);
            } else {
                self.events.tell(Event::Damaged { barcode: barcode.to_string(), reason });
            }
        }
    }

    /// A drive has mounted it.
    pub(crate) fn note_usable(&self, barcode: &Barcode) {
        if self.faults.remove(barcode) {
            self.events.tell(Event::Usable { barcode: barcode.to_string() });
        }
    }
}

impl Site {
    /// Looks again at cartridges that could not be used, and has the libraries report those that still cannot.
    pub(crate) fn check_unusable(&self) {
        for barcode in self.shared.faults.barcodes() {
            let entry = self.shared.inventory().get(barcode.as_str()).cloned();
            match entry {
                Some(entry) if !can_be_mounted(&mut value_of(&self.shared, &barcode, &entry)) => {}
                _ => self.shared.note_usable(&barcode),
            }
        }
        let unusable = self.shared.faults.barcodes();
        for library in self.libraries() {
            library.changer(|changer| changer.library_mut().set_unusable(unusable.clone()));
        }
    }
}

/// Whether a drive would mount it, though perhaps to be read only.
fn can_be_mounted(cartridge: &mut Cartridge) -> bool {
    !matches!(cartridge.mam(), Err(StoreError::NoMemory)) && cartridge.view().is_ok()
}
