//! Cartridge operations of a site: create for pools, import and export automatically, write-protect, retain, delete.

use crate::clock::day;
use crate::config::{CartridgeSetup, PoolSetup, TransferPolicy};
use crate::control::{CartridgeStatus, ControlError, ErrorCode, PoolStatus, operator_error_code};
use crate::events::{Cause, Event, Subject};
use crate::inventory::{self, CartridgeRecord, Location, MemoryFacts};
use crate::library::{
    Library, LibraryError, cartridge_or_placeholder, check_mounted, existing_cartridge, missing_files,
};
use crate::reservations::Reservation;
use crate::shared::Shared;
use crate::site::Site;
use crate::state_store::Transaction;
use smc::element::{ElementAddress, ElementType};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Mam};

/// Most cartridges that one request creates.
const MAX_CREATE: usize = 10_000;

/// The error of a request for a cartridge that must not be in a drive.
fn in_drive(barcode: &Barcode, library: &Library, address: ElementAddress) -> ControlError {
    let drive = library.element_name(address);
    ControlError::conflict(format!("{barcode} is in {drive}; unload it first"))
        .with_library(library.name())
        .with_element(drive)
        .with_barcode(barcode.as_str())
}

/// The error of a request for a cartridge that the robot is moving.
fn being_moved(barcode: &Barcode) -> ControlError {
    ControlError::busy(format!("{barcode} is being moved; try again")).with_barcode(barcode.as_str())
}

/// Longest reason of a legal hold, in characters.
const MAX_REASON: usize = 1000;

/// The reason why a cartridge is protected at a time in seconds since 1970, such as `is under a legal hold`; `None` if it is not.
pub(crate) fn protection_reason(mam: &Mam, now: u64) -> Option<String> {
    let until = mam.number(AttrId::RETAINED_UNTIL);
    match (mam.is_held(), until > now) {
        (true, _) => Some("is under a legal hold".to_owned()),
        (false, true) => Some(format!("is retained until {}", day(until))),
        (false, false) => None,
    }
}

impl Site {
    /// Applies the transfer policies and fills the pools: exports cartridges that wait in the I/O station, imports
    /// cartridges that wait on the shelf, and creates missing scratch cartridges. A transfer that is prevented is
    /// retried at the next event.
    ///
    /// # Errors
    /// Fails if a scratch cartridge cannot be created.
    pub fn reconcile(&self) -> Result<(), LibraryError> {
        self.recheck_unusable();
        self.follow_stations();
        for library in self.libraries() {
            let (export, import) = library.transfer_policies();
            if export == TransferPolicy::Auto {
                self.auto_export_all(&library);
            }
            if import == TransferPolicy::Auto {
                self.auto_import_all(&library);
            }
        }
        self.pools().iter().filter(|pool| pool.scratch > 0).try_for_each(|pool| self.replenish(pool))
    }

    /// Exports the cartridges that the robot has put into import/export elements to the shelf.
    fn auto_export_all(&self, library: &Library) {
        let io_elements = library.layout().import_export.addresses();
        let elements = library.elements();
        let is_waiting =
            |address: &ElementAddress| elements.content(*address).is_some_and(|content| !content.by_operator);
        for address in io_elements.filter(is_waiting) {
            if let Err(error) = library.auto_export(address) {
                tracing::debug!(library = library.name(), %error, "auto export postponed");
            }
        }
    }

    /// Imports the cartridges that have newly arrived on the shelf into import/export elements.
    fn auto_import_all(&self, library: &Library) {
        let pending =
            self.inventory().into_iter().filter(|(_, entry)| library.is_pending_import(entry)).map(|(name, _)| name);
        for barcode in pending.filter_map(|name| Barcode::new(&name)) {
            let Ok(io_element) = library.first_empty(ElementType::IMPORT_EXPORT) else { return };
            if let Err(error) = library.auto_import(io_element, &barcode) {
                tracing::debug!(library = library.name(), %error, "auto import postponed");
            }
        }
    }

    /// Creates the scratch cartridges that a pool lacks.
    fn replenish(&self, pool: &PoolSetup) -> Result<(), LibraryError> {
        let Some(library) = self.library(&pool.library) else { return Ok(()) };
        let _creation_guard = self.creation_lock();
        // One that may be a scratch cartridge is not replaced: its store may respond again.
        let present = self
            .pool_cartridges(pool)
            .into_iter()
            .filter(|(barcode, entry)| self.is_scratch(&Cause::site(), &library, barcode, entry) != Some(false));
        let short = usize::from(pool.scratch).saturating_sub(present.count());
        self.create_in_pool(pool, &library, short, &Cause::site(), &mut |_| ControlFlow::Continue(()))
    }

    /// The cartridges of a pool, regardless of their location.
    fn pool_cartridges(&self, pool: &PoolSetup) -> Vec<(Barcode, CartridgeRecord)> {
        let inventory = self.shared.inventory();
        let member = |(name, entry): (&String, &CartridgeRecord)| {
            pool.pattern.number(name)?;
            Some((Barcode::new(name)?, entry.clone()))
        };
        inventory.iter().filter_map(member).collect()
    }

    /// Whether a cartridge is a scratch cartridge: outside a drive in the library or on its shelf, blank, and writable. `None` if
    /// that is unknown, because its store or the cartridge cannot be used now.
    fn is_scratch(&self, cause: &Cause, library: &Library, barcode: &Barcode, entry: &CartridgeRecord) -> Option<bool> {
        let at_hand = match &entry.location {
            Location::Shelf(shelf) => shelf == library.shelf(),
            Location::Element { library: name, address, .. } => {
                name == library.name() && library.layout().drives.index(ElementAddress(*address)).is_none()
            }
        };
        if !at_hand || entry.blank == Some(false) || self.shared.unusable.reason(barcode).is_some() {
            return Some(false);
        }
        // An exported cartridge is for other sites, too: this site does not learn when they write it.
        let is_exported = entry.exported_from.is_some() && self.shared.is_on_object_shelf(barcode, entry);
        if entry.blank == Some(true) && !is_exported {
            return self.is_writable(barcode, entry);
        }
        match self.probe_blank(cause, barcode, entry) {
            Ok(Some(true)) => self.entry(barcode).map_or(Some(false), |entry| self.is_writable(barcode, &entry)),
            Ok(blank) => blank,
            Err(error) => self.unless_temporary(barcode, entry, &error),
        }
    }

    /// Whether the MAM of a cartridge is undamaged, its write-protect tab is off, and it is of the kind that its
    /// barcode names (data if the barcode names none). `None` as for [`Self::is_scratch`].
    fn is_writable(&self, barcode: &Barcode, entry: &CartridgeRecord) -> Option<bool> {
        let is_writable = |facts: &MemoryFacts| !facts.write_protected && facts.kind() == Some(barcode.kind());
        if let Some(known) = entry.known_facts() {
            return Some(is_writable(known));
        }
        let read = existing_cartridge(&self.shared, barcode, entry).and_then(|mut cartridge| {
            let mam = cartridge.mam().map_err(LibraryError::of(barcode))?;
            Ok((MemoryFacts::of(&mam), cartridge.is_read_only()))
        });
        match read {
            Ok((_, true)) => None,
            Ok((facts, false)) => {
                self.shared.remember_facts(barcode, entry, &facts);
                Some(is_writable(&facts))
            }
            Err(error) => self.unless_temporary(barcode, entry, &error),
        }
    }

    /// `None` for an error that a cartridge on a shelf on object storage has only while its store does not respond, another
    /// daemon uses it, or it is moved; otherwise `Some(false)`.
    fn unless_temporary(&self, barcode: &Barcode, entry: &CartridgeRecord, error: &LibraryError) -> Option<bool> {
        let is_temporary = match error {
            LibraryError::Cartridge { source, .. } | LibraryError::Store(source) => {
                matches!(source, StoreError::Io { .. } | StoreError::InUse)
            }
            LibraryError::Request(ControlError { code, .. }) => *code == ErrorCode::Busy,
            _ => false,
        };
        (!is_temporary || !self.shared.is_on_object_shelf(barcode, entry)).then_some(false)
    }

    /// Reads whether a cartridge is blank, and stores the result in the inventory. `None` if its files are a copy, because the
    /// store of the original does not respond.
    fn probe_blank(
        &self,
        cause: &Cause,
        barcode: &Barcode,
        entry: &CartridgeRecord,
    ) -> Result<Option<bool>, LibraryError> {
        // A load is excluded meanwhile: the drive would find the cartridge in use.
        self.with_unloaded_cartridge(cause, barcode, |cartridge| {
            let blank = Some(cartridge.is_blank()?).filter(|_| !cartridge.is_read_only());
            self.shared.remember_blank(barcode, &entry.location, blank);
            Ok(blank)
        })
    }

    /// Creates `count` blank cartridges in a pool, at most 10,000 per call. Returns their barcodes.
    ///
    /// # Errors
    /// Fails if `count` is out of range, there is no such pool, its barcode numbers are used up, or the storage failed.
    pub fn create_cartridges(&self, pool: &str, count: usize) -> Result<Vec<Barcode>, LibraryError> {
        let mut created = Vec::new();
        self.create_with_progress(pool, count, &mut |barcode| {
            created.push(barcode.clone());
            ControlFlow::Continue(())
        })?;
        Ok(created)
    }

    /// Does the same as [`Self::create_cartridges`]. `created` receives each new cartridge, and can end the creation.
    pub(crate) fn create_with_progress(
        &self,
        pool: &str,
        count: usize,
        created: &mut dyn FnMut(&Barcode) -> ControlFlow<()>,
    ) -> Result<(), LibraryError> {
        if count > MAX_CREATE {
            let message = format!("cannot create {count} cartridges at once: at most {MAX_CREATE}");
            return Err(ControlError::invalid(message).with_member("count").into());
        }
        if count == 0 {
            let message = "the number of cartridges to create is 0; give 1 or more";
            return Err(ControlError::invalid(message).with_member("count").into());
        }
        let pool = self.pool(pool)?;
        let library = self.library(&pool.library).ok_or_else(|| {
            let message = format!("pool {:?} belongs to library {:?}, which does not exist", pool.name, pool.library);
            ControlError::not_found(message).with_pool(&pool.name).with_library(&pool.library)
        })?;
        let _creation_guard = self.creation_lock();
        self.create_in_pool(&pool, &library, count, &Cause::operator(), created)
    }

    /// See [`Self::create_cartridges`]. The caller holds the creation lock. `cause` is the cause in the events. `created`
    /// receives each new cartridge, and can end the creation.
    fn create_in_pool(
        &self,
        pool: &PoolSetup,
        library: &Arc<Library>,
        count: usize,
        cause: &Cause,
        created: &mut dyn FnMut(&Barcode) -> ControlFlow<()>,
    ) -> Result<(), LibraryError> {
        let mut missing = count;
        if count > 0 {
            check_mounted(&self.shared, &self.shared.inventory())?;
        }
        let last =
            self.pool_cartridges(pool).iter().filter_map(|(barcode, _)| pool.pattern.number(barcode.as_str())).max();
        let mut number = last.unwrap_or(0).max(u32::from(pool.first).saturating_sub(1));
        while missing > 0 && !self.is_shut_down() {
            number = number.checked_add(1).filter(|number| *number <= pool.pattern.max_number()).ok_or_else(|| {
                ControlError::conflict(format!("pool {:?} has no unused barcode of {} left", pool.name, pool.pattern))
                    .with_pool(&pool.name)
            })?;
            let barcode = pool
                .pattern
                .barcode(number)
                .map_err(|error| ControlError::conflict(error.to_string()).with_pool(&pool.name))?;
            // Never overwrite files that the inventory does not know, or another kind of entry with that name.
            match self.shared.store.exists(&barcode) {
                Ok(false) => {}
                Ok(true) => continue,
                Err(_) if matches!(self.shared.store.is_occupied(&barcode), Ok(true)) => continue,
                Err(error) => return Err(LibraryError::of(&barcode)(error)),
            }
            let (media, kind) = barcode.media().ok_or_else(|| {
                ControlError::conflict(format!("barcode {barcode} has no media suffix; set medium"))
                    .with_pool(&pool.name)
                    .with_barcode(barcode.as_str())
            })?;
            let (size, level) = (pool.size, pool.format);
            library.create_cartridge(&CartridgeSetup {
                barcode: barcode.clone(),
                media,
                kind,
                size,
                format: level,
                element: None,
                label: None,
            })?;
            let subject = Subject::new(cause.clone()).with_library(library.name()).with_barcode(barcode.as_str());
            self.shared.events.notify(subject, Event::Created { pool: pool.name.clone() });
            missing -= 1;
            if created(&barcode).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Finds a pool by name.
    ///
    /// # Errors
    /// `not_found` if there is no such pool; the message suggests a similar name.
    pub fn pool(&self, name: &str) -> Result<PoolSetup, LibraryError> {
        let pools = self.pools();
        let names = || pools.iter().map(|pool| format!("{:?}", pool.name)).collect::<Vec<_>>().join(", ");
        let similar = || pools.iter().find(|pool| pool.name.eq_ignore_ascii_case(name));
        let unknown = || match similar() {
            Some(similar) => format!("there is no pool {name:?}; did you mean {:?}?", similar.name),
            None if pools.is_empty() => format!("there is no pool {name:?}: there are no pools"),
            None => format!("there is no pool {name:?}; the site has {}", names()),
        };
        let found = pools.iter().find(|pool| pool.name == name).cloned();
        found.ok_or_else(|| ControlError::not_found(unknown()).with_pool(name).into())
    }

    /// Takes over a cartridge whose files exist but which is not in the inventory, and puts it on a shelf. A known
    /// cartridge stays in its place.
    ///
    /// # Errors
    /// Fails if the files are missing or cannot be read, or the inventory cannot be stored.
    pub fn take_over_cartridge(&self, barcode: &Barcode, shelf: &str) -> Result<(), LibraryError> {
        let _reserved = self.shared.reservations.reserve_for(&Cause::operator(), barcode)?;
        if self.entry(barcode).is_ok() {
            return Ok(());
        }
        let failed = LibraryError::of(barcode);
        if !self.shared.store.exists(barcode).map_err(&failed)? {
            return Err(missing_files(barcode).into());
        }
        let existing = self.shared.store.find(barcode).map_err(&failed)?;
        let blank = self.shared.store.is_blank(barcode).map_err(failed)?;
        self.shared.add_cartridge(
            barcode,
            CartridgeRecord { blank, ..CartridgeRecord::from_cartridge(Location::Shelf(shelf.into()), &existing) },
        )
    }

    /// Sets or clears the write-protect tab of a cartridge that is not in a drive.
    ///
    /// # Errors
    /// Fails if there is no such cartridge, it is in a drive, or its MAM cannot be written.
    pub fn set_write_protect(&self, barcode: &Barcode, on: bool) -> Result<(), LibraryError> {
        self.with_unloaded_cartridge(&Cause::operator(), barcode, |cartridge| cartridge.set_write_protect_tab(on))?;
        self.notify_operation(barcode, Event::WriteProtectChanged { on });
        Ok(())
    }

    /// Sends the event of what an operator has done to a cartridge.
    fn notify_operation(&self, barcode: &Barcode, event: Event) {
        self.shared.events.notify(Subject::new(Cause::operator()).with_barcode(barcode.as_str()), event);
    }

    /// Retains a cartridge until a time in seconds since 1970-01-01 UTC: until then it can be neither overwritten nor
    /// deleted. The time can be extended, not shortened.
    ///
    /// # Errors
    /// As [`Self::set_write_protect`]; or the cartridge is already retained for longer, or the time is in the past or
    /// after the year 9999.
    pub fn retain_cartridge(&self, barcode: &Barcode, until: u64) -> Result<(), LibraryError> {
        /// The end of the year 9999.
        const LAST: u64 = 253_402_300_799;
        if until > LAST {
            let message = format!("{until} seconds since 1970 is not a date: at most {LAST}, the end of the year 9999");
            return Err(ControlError::invalid(message).with_member("until").into());
        }
        if until <= self.shared.now().wall.seconds() {
            let message = format!("{barcode} cannot be retained until {}: the time is in the past", day(until));
            return Err(ControlError::invalid(message).with_member("until").with_barcode(barcode.as_str()).into());
        }
        self.with_unloaded_cartridge(&Cause::operator(), barcode, |cartridge| cartridge.retain_until(until))?;
        self.notify_operation(barcode, Event::RetentionChanged { until });
        Ok(())
    }

    /// Sets or releases the legal hold of a cartridge: while it is set, the cartridge can be neither overwritten nor deleted. It has no
    /// end. The retention of the cartridge stays as it is.
    ///
    /// # Errors
    /// As [`Self::set_write_protect`]; or the reason is empty or longer than 1,000 characters, or the cartridge is in mhvtl's format.
    pub fn set_legal_hold(&self, barcode: &Barcode, on: bool, reason: &str) -> Result<(), LibraryError> {
        if reason.trim().is_empty() || reason.chars().count() > MAX_REASON {
            let message = format!("a legal hold needs a reason of 1 to {MAX_REASON} characters, for the audit log");
            return Err(ControlError::invalid(message).with_member("reason").with_barcode(barcode.as_str()).into());
        }
        self.with_unloaded_cartridge(&Cause::operator(), barcode, |cartridge| cartridge.set_legal_hold(on))?;
        self.notify_operation(barcode, Event::LegalHoldChanged { on, reason: reason.to_owned() });
        Ok(())
    }

    /// Deletes a cartridge that is on a shelf, with all its data.
    ///
    /// # Errors
    /// Fails if there is no such cartridge, it is in a library, retained or under a legal hold, also if only its shelf has recorded
    /// that: then the cartridge stays in the inventory. Files that cannot be removed for another reason are removed at the next start.
    pub fn delete_cartridge(&self, barcode: &Barcode) -> Result<(), LibraryError> {
        let _reserved = self.shared.reservations.reserve_for(&Cause::operator(), barcode)?;
        let entry = self.entry(barcode)?;
        if !matches!(entry.location, Location::Shelf(_)) {
            let location = self.location_name(&entry.location);
            let message = format!("{barcode} is in {location}; export it first");
            return Err(ControlError::conflict(message).with_barcode(barcode.as_str()).into());
        }
        let mam = cartridge_or_placeholder(&self.shared, barcode, &entry).mam().map_err(|error| {
            let mut error = ControlError::from(LibraryError::of(barcode)(error));
            error.message = format!(
                "{error}; whether it is retained is unknown, so it is not deleted; to remove it from the inventory and \
                 keep its files: ferric cartridge {barcode} --forget"
            );
            error
        })?;
        if let Some(reason) = protection_reason(&mam, self.shared.now().wall.seconds()) {
            return Err(ControlError::locked(format!("{barcode} {reason}")).with_barcode(barcode.as_str()).into());
        }
        let (mut change, mut undo) = (Transaction::default(), Transaction::default());
        inventory::mark_for_deletion(&mut change, barcode.as_str())?;
        inventory::insert(&mut undo, barcode.as_str(), &entry)?;
        {
            let mut inventory = self.shared.inventory();
            self.shared.state.commit_or_undo(change, undo)?;
            inventory.remove(barcode.as_str());
        }
        match self.finish_deletion(barcode.as_str()) {
            Err(LibraryError::Cartridge { source: StoreError::Protected { reason }, .. }) => {
                self.shared.add_cartridge(barcode, entry)?;
                let message = format!("{barcode} {reason} on its shelf");
                return Err(ControlError::locked(message).with_barcode(barcode.as_str()).into());
            }
            finished => finished?,
        }
        self.forget_label(barcode);
        self.notify_operation(barcode, Event::Deleted);
        Ok(())
    }

    /// Clears the label defect of a cartridge that the site no longer has.
    fn forget_label(&self, barcode: &Barcode) {
        let has_defect =
            |library: &Arc<Library>| self.shared.operator_state(library.name()).label_defects.contains_key(barcode);
        for library in self.libraries().into_iter().filter(has_defect) {
            library.changer(|changer| changer.set_label_defect(barcode, None));
        }
    }

    /// Removes a cartridge that is not in a drive from the inventory. Its files, which may be missing or
    /// unusable, are not touched.
    ///
    /// # Errors
    /// Fails if there is no such cartridge, it is in a drive, or the change cannot be stored.
    pub fn forget_cartridge(&self, barcode: &Barcode) -> Result<(), LibraryError> {
        let entry = self.entry(barcode)?;
        let library = match &entry.location {
            Location::Shelf(_) => None,
            Location::Element { library, .. } => self.library(library),
        };
        let (mut change, mut undo) = (Transaction::default(), Transaction::default());
        inventory::mark_forgotten(&mut change, barcode.as_str())?;
        inventory::insert(&mut undo, barcode.as_str(), &entry)?;
        let commit = || {
            let mut inventory = self.shared.inventory();
            self.shared.state.commit_or_undo(change, undo)?;
            inventory.remove(barcode.as_str());
            Ok::<_, LibraryError>(())
        };
        match library {
            None => {
                let _reserved = self.shared.reservations.reserve_for(&Cause::operator(), barcode)?;
                if self.entry(barcode)?.location != entry.location {
                    return Err(being_moved(barcode).into());
                }
                commit()?;
            }
            Some(library) => library.operate(|changer| {
                let drives = changer.library().layout().drives;
                let address = match changer.library().location_of(barcode).map(|location| location.address) {
                    Some(address) if drives.index(address).is_none() => address,
                    Some(address) => return Ok(Err(in_drive(barcode, &library, address).into())),
                    None => return Ok(Err(being_moved(barcode).into())),
                };
                Ok(commit().and_then(|()| {
                    let discarded = changer.discard(address, self.shared.now());
                    Ok(discarded.map_err(|error| ControlError::new(operator_error_code(error), error.to_string()))?)
                }))
            })??,
        }
        self.forget_label(barcode);
        self.shared.unusable.remove(barcode);
        self.notify_operation(barcode, Event::Forgotten);
        Ok(())
    }

    /// Removes the files of deleted cartridges whose removal an earlier process did not finish. A cartridge that was retained or held
    /// since is not removed: it is put outside the libraries on the shelf with this name.
    pub(crate) fn finish_deletions(&self, shelf: &str) -> Result<(), LibraryError> {
        for name in inventory::pending_deletions(&self.shared.state)? {
            match self.finish_deletion(&name) {
                Err(LibraryError::Cartridge { source: StoreError::Protected { reason }, .. }) => {
                    tracing::error!(barcode = name, %reason, "the deletion of a cartridge is given up; delete it again later");
                    if let Some(barcode) = Barcode::new(&name) {
                        self.take_over_cartridge(&barcode, shelf)?;
                    }
                }
                finished => finished?,
            }
        }
        Ok(())
    }

    /// Removes the files of a deleted cartridge, whose barcode is `name`. If the storage fails, this is tried again at the next start.
    /// The error [`StoreError::Protected`] is that the cartridge is retained or under a legal hold.
    fn finish_deletion(&self, name: &str) -> Result<(), LibraryError> {
        let is_known = self.shared.inventory().contains_key(name);
        if let Some(barcode) = Barcode::new(name).filter(|_| !is_known)
            && let Err(error) = self.shared.store.remove(&barcode)
        {
            if matches!(error, StoreError::Protected { .. }) {
                return Err(LibraryError::of(&barcode)(error));
            }
            tracing::warn!(barcode = name, %error, "cannot remove the files of a deleted cartridge; will retry at the next start");
            return Ok(());
        }
        let mut change = Transaction::default();
        inventory::clear_deletion_mark(&mut change, name);
        Ok(self.shared.state.commit(change)?)
    }

    /// The inventory record of a cartridge; the error suggests a similar barcode.
    pub(crate) fn entry(&self, barcode: &Barcode) -> Result<CartridgeRecord, LibraryError> {
        let entry = self.shared.inventory().get(barcode.as_str()).cloned();
        entry.ok_or_else(|| {
            let message = match self.shared.suggest_barcode(barcode.as_str()) {
                Some(similar) => format!("there is no cartridge {barcode}; did you mean {similar}?"),
                None => format!("there is no cartridge {barcode}"),
            };
            ControlError::not_found(message).with_barcode(barcode.as_str()).into()
        })
    }

    /// Calls `call` with a cartridge that is not in a drive, while no drive can load it.
    pub(crate) fn with_unloaded_cartridge<T>(
        &self,
        cause: &Cause,
        barcode: &Barcode,
        call: impl FnOnce(&mut Cartridge) -> Result<T, StoreError>,
    ) -> Result<T, LibraryError> {
        self.with_unloaded_cartridge_from(cause, barcode, existing_cartridge, call)
    }

    /// Does the same as [`Self::with_unloaded_cartridge`] for an operator. `call` can ask the reservation whether a drive
    /// or a request waits for the cartridge.
    pub(crate) fn with_reserved_cartridge<T>(
        &self,
        barcode: &Barcode,
        call: impl FnOnce(&mut Cartridge, &Reservation<'_>) -> Result<T, StoreError>,
    ) -> Result<T, LibraryError> {
        self.with_reserved_cartridge_from(&Cause::operator(), barcode, existing_cartridge, call)
    }

    /// Does the same as [`Self::with_unloaded_cartridge`], with the cartridge that `find` returns.
    pub(crate) fn with_unloaded_cartridge_from<T>(
        &self,
        cause: &Cause,
        barcode: &Barcode,
        find: impl FnOnce(&Shared, &Barcode, &CartridgeRecord) -> Result<Cartridge, LibraryError>,
        call: impl FnOnce(&mut Cartridge) -> Result<T, StoreError>,
    ) -> Result<T, LibraryError> {
        self.with_reserved_cartridge_from(cause, barcode, find, |cartridge, _| call(cartridge))
    }

    fn with_reserved_cartridge_from<T>(
        &self,
        cause: &Cause,
        barcode: &Barcode,
        find: impl FnOnce(&Shared, &Barcode, &CartridgeRecord) -> Result<Cartridge, LibraryError>,
        call: impl FnOnce(&mut Cartridge, &Reservation<'_>) -> Result<T, StoreError>,
    ) -> Result<T, LibraryError> {
        let reservation = self.shared.reservations.reserve_for(cause, barcode)?;
        let entry = self.entry(barcode)?;
        let mut other = find(&self.shared, barcode, &entry)?;
        if let Location::Element { library, address, .. } = &entry.location
            && let Some(library) = self.library(library)
        {
            let address = ElementAddress(*address);
            if library.layout().drives.index(address).is_some() {
                return Err(in_drive(barcode, &library, address).into());
            }
            // The robot has put it into a drive, and its move is not recorded yet.
            if library.drives().iter().any(|drive| drive.bay_status().barcode.as_ref() == Some(barcode)) {
                return Err(being_moved(barcode).into());
            }
        }
        self.shared.forget_facts(barcode)?;
        let result = call(&mut other, &reservation);
        self.shared.end_change(barcode);
        result.map_err(LibraryError::of(barcode))
    }

    /// Lists all cartridges with their status for operators.
    #[must_use]
    pub fn cartridges(&self) -> Vec<CartridgeStatus> {
        self.cartridge_statuses(self.inventory())
    }

    /// Lists at most `limit` cartridges, in order of their barcodes, whose barcode is above `after` and for whose barcode
    /// and location `wanted` is true. Only the cartridge memory (MAM) of these cartridges is read. `wanted` must not call
    /// the site.
    pub fn cartridge_page(
        &self,
        after: &str,
        limit: usize,
        mut wanted: impl FnMut(&str, &Location) -> bool,
    ) -> Vec<CartridgeStatus> {
        let above = (Bound::Excluded(after), Bound::Unbounded);
        let page: Vec<_> = self
            .shared
            .inventory()
            .range::<str, _>(above)
            .filter(|(barcode, entry)| wanted(barcode, &entry.location))
            .take(limit)
            .map(|(barcode, entry)| (barcode.clone(), entry.clone()))
            .collect();
        self.cartridge_statuses(page)
    }

    pub(crate) fn cartridge_statuses(
        &self,
        cartridges: impl IntoIterator<Item = (String, CartridgeRecord)>,
    ) -> Vec<CartridgeStatus> {
        let pools = self.pools();
        let unshelved = self.shared.stores.unshelved();
        let status = |(name, entry): (String, CartridgeRecord)| {
            let barcode = Barcode::new(&name)?;
            let (facts, is_damaged, unreadable) = self.facts_of(&barcode, &entry);
            let kind = facts.as_ref().and_then(MemoryFacts::kind);
            let kind = kind.or_else(|| entry.media(&barcode).map(|(_, kind)| kind));
            let is_cleaning = kind == Some(CartridgeKind::Cleaning);
            let until = facts.as_ref().map_or(0, |facts| facts.retained_until);
            let library = match &entry.location {
                Location::Shelf(_) => None,
                Location::Element { library, address, .. } => {
                    self.library(library).map(|library| (library, ElementAddress(*address)))
                }
            };
            let label = library.as_ref().and_then(|(library, _)| {
                self.shared.operator_state(library.name()).label_defects.get(&barcode).copied()
            });
            let element = library.map(|(library, address)| library.element_name(address));
            Some(CartridgeStatus {
                element,
                unshelved_bytes: unshelved.get(&name).copied(),
                shelf_name: self.shared.stores.shelf_of(&name).map(str::to_owned),
                location: entry.location,
                size: entry.size,
                kind: kind.map(|kind| kind.name().into()),
                label,
                cleanings_left: facts
                    .as_ref()
                    .filter(|_| is_cleaning)
                    .map(|facts| facts.cleanings.saturating_sub(facts.loads)),
                blank: entry.blank.filter(|_| !is_cleaning),
                pool: pools.iter().find(|pool| pool.pattern.number(&name).is_some()).map(|pool| pool.name.clone()),
                write_protected: is_damaged || facts.as_ref().is_some_and(|facts| facts.write_protected),
                retained_until: (until > self.shared.now().wall.seconds()).then_some(until),
                legal_hold: facts.as_ref().is_some_and(|facts| facts.legal_hold),
                unusable: self.shared.unusable.reason(&barcode).or(unreadable),
                loads: facts.map_or(0, |facts| facts.loads),
                cartridge: name,
            })
        };
        cartridges.into_iter().filter_map(status).collect()
    }

    /// The facts in the memory of a cartridge, whether it is damaged, and the reason why it cannot be read. If it is
    /// damaged, its copy is used, and drives write-protect the cartridge. A store on object storage is asked only if its
    /// answer is not known.
    fn facts_of(&self, barcode: &Barcode, entry: &CartridgeRecord) -> (Option<MemoryFacts>, bool, Option<String>) {
        if let Some(known) = entry.known_facts() {
            return (Some(known.clone()), false, None);
        }
        let mut cartridge = cartridge_or_placeholder(&self.shared, barcode, entry);
        match cartridge.mam_or_rebuilt() {
            Ok((mam, damage)) => {
                let facts = MemoryFacts::of(&mam);
                if damage.is_none() && !cartridge.is_read_only() {
                    self.shared.remember_facts(barcode, entry, &facts);
                }
                (Some(facts), damage.is_some(), None)
            }
            Err(StoreError::InUse) => (None, false, None),
            Err(error) => (None, false, Some(error.to_string())),
        }
    }

    /// Lists all pools with their status for operators.
    #[must_use]
    pub fn pool_status(&self) -> Vec<PoolStatus> {
        let status = |pool: PoolSetup| {
            let members = self.pool_cartridges(&pool);
            let library = self.library(&pool.library);
            let scratch = |(barcode, entry): &&(Barcode, CartridgeRecord)| {
                library
                    .as_ref()
                    .is_some_and(|library| self.is_scratch(&Cause::operator(), library, barcode, entry) == Some(true))
            };
            PoolStatus {
                pattern: pool.pattern.to_string(),
                cartridges: members.len(),
                scratch: members.iter().filter(scratch).count(),
                wanted: pool.scratch.into(),
                library: pool.library,
                size: pool.size,
                pool: pool.name,
            }
        };
        self.pools().into_iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A retention date must be in the calendar.
    #[test]
    fn retention_date_must_be_valid() {
        let site = Library::builder().slots(2).cartridges("A#L8", 1, "64MB").open().unwrap();
        let label = Barcode::new("A1L8").unwrap();
        for until in [253_402_300_800, u64::MAX] {
            let message = site.retain_cartridge(&label, until).unwrap_err().to_string();
            assert!(message.contains("253402300799, the end of the year 9999"), "{message}");
        }
        let message = site.retain_cartridge(&label, 1_577_836_800).unwrap_err().to_string();
        assert_eq!(message, "A1L8 cannot be retained until 2020-01-01: the time is in the past");
        assert_eq!(site.cartridges()[0].retained_until, None);
        site.retain_cartridge(&label, 253_402_300_799).unwrap();
        assert_eq!(site.cartridges()[0].retained_until, Some(253_402_300_799));
    }

    /// A transfer policy acts on a cartridge that an operator has moved in the meantime.
    #[test]
    fn stale_auto_transfer_is_skipped() {
        let site = Library::builder().slots(2).cartridges("A#L8", 2, "64MB").open().unwrap();
        let library = &site.libraries()[0];
        let (io_element, label) = (library.layout().import_export.first, Barcode::new("A1L8").unwrap());
        library.move_medium(ElementAddress(library.layout().storage.first), ElementAddress(io_element)).unwrap();
        library.export(ElementAddress(io_element)).unwrap();
        assert!(library.auto_import(ElementAddress(io_element), &label).is_err(), "it has left this library");
        library.import(ElementAddress(io_element), &label).unwrap();
        assert!(library.auto_export(ElementAddress(io_element)).is_err(), "an operator has put it there");
        library.export(ElementAddress(io_element)).unwrap();
    }
}
