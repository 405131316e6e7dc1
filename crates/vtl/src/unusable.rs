//! Unusable cartridges and the reasons, found when the site is opened or by a drive.

use crate::control::{ControlError, ErrorCode};
use crate::events::{Cause, Event, Subject};
use crate::inventory::{CartridgeRecord, MemoryFacts};
use crate::library::{LibraryError, cartridge_or_placeholder};
use crate::locks::lock;
use crate::shared::Shared;
use crate::site::Site;
use ssc::drive::MediumFault;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::error::StoreError;

/// Reason why a cartridge is unusable.
#[derive(Debug)]
struct UnusableReason {
    reason: String,
    /// Fingerprint of its files when a drive refused it. The refusal holds until the files change.
    refused_fingerprint: Option<u64>,
}

/// The unusable cartridges, by barcode.
#[derive(Debug, Default)]
pub(crate) struct UnusableCartridges {
    known: Mutex<BTreeMap<Barcode, UnusableReason>>,
    /// Cartridges in which a drive found damage or whose unload failed; they are to be probed.
    suspects: Mutex<BTreeSet<Barcode>>,
}

impl UnusableCartridges {
    /// Reason why a cartridge is unusable; `None` if it is usable.
    pub(crate) fn reason(&self, barcode: &Barcode) -> Option<String> {
        lock(&self.known).get(barcode).map(|fault| fault.reason.clone())
    }

    /// All unusable cartridges.
    pub(crate) fn barcodes(&self) -> BTreeSet<Barcode> {
        lock(&self.known).keys().cloned().collect()
    }

    /// Fingerprint of a cartridge's files when a drive refused it; `None` if none did.
    fn refused_fingerprint(&self, barcode: &Barcode) -> Option<u64> {
        lock(&self.known).get(barcode).and_then(|fault| fault.refused_fingerprint)
    }

    /// Adds a cartridge. Returns whether the reason is new.
    fn insert(&self, barcode: &Barcode, reason: &str, refused_at: Option<u64>) -> bool {
        let fault = UnusableReason { reason: reason.into(), refused_fingerprint: refused_at };
        lock(&self.known).insert(barcode.clone(), fault).is_none_or(|known| known.reason != reason)
    }

    /// Removes a cartridge. Returns whether it was unusable.
    pub(crate) fn remove(&self, barcode: &Barcode) -> bool {
        lock(&self.known).remove(barcode).is_some()
    }
}

impl Shared {
    /// Checks whether a cartridge is usable, from its MAM.
    pub(crate) fn check_usable(&self, cartridge: &mut Cartridge, entry: &CartridgeRecord) {
        let barcode = cartridge.barcode().clone();
        match cartridge.mam_or_rebuilt() {
            Ok((_, None)) if cartridge.is_read_only() => {}
            Ok((mam, None)) => self.remember_facts(&barcode, entry, &MemoryFacts::of(&mam)),
            Ok((_, Some(error @ StoreError::Malformed { .. }))) => {
                tracing::warn!(%barcode, %error, "cartridge memory is damaged: the cartridge can only be read");
                let subject = Subject::new(Cause::site()).with_barcode(barcode.as_str());
                self.events.notify(subject, Event::Damaged { reason: error.to_string() });
            }
            Ok((_, Some(error))) | Err(error) => {
                tracing::warn!(%barcode, %error, "cartridge cannot be used");
                self.mark_unusable(Subject::new(Cause::site()), &barcode, &error.to_string(), None);
            }
        }
    }

    fn mark_unusable(&self, subject: Subject, barcode: &Barcode, reason: &str, refused_at: Option<u64>) {
        if self.unusable.insert(barcode, reason, refused_at) {
            self.events.notify(subject.with_barcode(barcode.as_str()), Event::Unusable { reason: reason.into() });
        }
    }

    /// Records the medium faults that a drive, the subject, has reported.
    pub(crate) fn record_medium_faults(&self, drive: &Subject, faults: Vec<MediumFault>) {
        for MediumFault { barcode, reason, unusable } in faults {
            let subject = drive.clone().with_barcode(barcode.as_str());
            if unusable {
                self.mark_unusable(subject, &barcode, &reason, self.store.fingerprint(&barcode));
            } else {
                self.events.notify(subject, Event::Damaged { reason });
                lock(&self.unusable.suspects).insert(barcode);
            }
        }
    }

    /// Records that a drive can use a cartridge, as the subject has found.
    pub(crate) fn mark_usable(&self, barcode: &Barcode, subject: impl FnOnce() -> Subject) {
        if self.unusable.remove(barcode) {
            self.events.notify(subject().with_barcode(barcode.as_str()), Event::Usable);
        }
    }
}

impl Site {
    /// Probes the unusable cartridges again, and marks the cartridges that still are, in their libraries. One that a drive refused
    /// is probed only after its files have changed.
    pub(crate) fn recheck_unusable(&self) {
        for barcode in self.shared.unusable.barcodes() {
            let known = self.shared.inventory().contains_key(barcode.as_str());
            if !known || self.is_mountable(&barcode) {
                self.shared.mark_usable(&barcode, || Subject::new(Cause::site()));
            }
        }
        self.probe_suspects();
        let unusable = self.shared.unusable.barcodes();
        for library in self.libraries() {
            library.changer(|changer| changer.library_mut().set_unusable(unusable.clone()));
        }
    }

    /// Probes the cartridges in which a drive found damage, once they are in no drive.
    fn probe_suspects(&self) {
        let suspects = std::mem::take(&mut *lock(&self.shared.unusable.suspects));
        for barcode in suspects {
            match self.with_unloaded_cartridge_from(
                &Cause::site(),
                &barcode,
                |shared, barcode, entry| Ok(cartridge_or_placeholder(shared, barcode, entry)),
                Cartridge::probe,
            ) {
                Err(LibraryError::Cartridge { source, .. } | LibraryError::Store(source)) => {
                    tracing::warn!(%barcode, error = %source, "cartridge cannot be used");
                    self.shared.mark_unusable(Subject::new(Cause::site()), &barcode, &source.to_string(), None);
                }
                // The cartridge is in a drive or being moved.
                Err(LibraryError::Request(ControlError { code: ErrorCode::Conflict | ErrorCode::Busy, .. })) => {
                    lock(&self.shared.unusable.suspects).insert(barcode);
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Whether a drive would mount a cartridge, which must not be in a drive.
    fn is_mountable(&self, barcode: &Barcode) -> bool {
        let refused_at = self.shared.unusable.refused_fingerprint(barcode);
        if refused_at.is_some() && self.shared.store.fingerprint(barcode) == refused_at {
            return false;
        }
        let find = |shared: &Shared, barcode: &Barcode, entry: &CartridgeRecord| {
            Ok(cartridge_or_placeholder(shared, barcode, entry))
        };
        self.with_unloaded_cartridge_from(&Cause::site(), barcode, find, Cartridge::probe).is_ok()
    }
}
