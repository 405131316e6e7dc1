//! The life of cartridges: made for their pools, carried by policy, protected, retained, thrown away.

use crate::clock::{self, day};
use crate::config::{CartridgeSetup, PoolSetup, TransferPolicy};
use crate::control::{CartridgeStatus, PoolStatus};
use crate::inventory::{self, CartridgeRecord, Location};
use crate::library::{Library, LibraryError, cartridge_or_placeholder, check_mounted, existing_cartridge};
use crate::shared::Shared;
use crate::site::Site;
use crate::state_store::Transaction;
use smc::element::{ElementAddress, ElementType};
use std::sync::Arc;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Flags, Mam};

/// Cartridges that are made at one time.
const MAX_CREATE: usize = 10_000;

/// Seconds since 1970.
fn unix_seconds() -> u64 {
    clock::now().wall.0 / 1000
}

impl Site {
    /// Does what policies and pools ask for: what waits to go out goes to its shelf, what waits to come in comes in, and
    /// every pool has its blank cartridges. Doors that are locked are tried again when something happens.
    ///
    /// # Errors
    /// Cartridges cannot be made.
    pub fn reconcile(&self) -> Result<(), LibraryError> {
        self.recheck_unusable();
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

    /// What the robot has put into import/export elements goes to the shelf.
    fn auto_export_all(&self, library: &Library) {
        let ports = library.layout().import_export.addresses();
        let waiting = |address: &ElementAddress| {
            library.changer(|changer| changer.content(*address).is_some_and(|c| !c.by_operator))
        };
        for address in ports.filter(waiting) {
            if let Err(error) = library.auto_export(address) {
                tracing::debug!(library = library.name(), %error, "not exported yet");
            }
        }
    }

    /// What has come to the shelf from elsewhere goes into import/export elements.
    fn auto_import_all(&self, library: &Library) {
        let coming =
            self.inventory().into_iter().filter(|(_, entry)| library.is_pending_import(entry)).map(|(name, _)| name);
        for barcode in coming.filter_map(|name| Barcode::new(&name)) {
            let Ok(port) = library.first_empty(ElementType::IMPORT_EXPORT) else { return };
            if let Err(error) = library.auto_import(port, &barcode) {
                tracing::debug!(library = library.name(), %error, "not imported yet");
            }
        }
    }

    /// Makes the blank cartridges that a pool is short of.
    fn replenish(&self, pool: &PoolSetup) -> Result<(), LibraryError> {
        let Some(library) = self.library(&pool.library) else { return Ok(()) };
        let _making = self.creation_lock();
        let blank =
            self.pool_cartridges(pool).into_iter().filter(|(barcode, entry)| self.is_scratch(&library, barcode, entry));
        let short = usize::from(pool.scratch).saturating_sub(blank.count());
        self.create_in_pool(pool, &library, short).map(drop)
    }

    /// Cartridges of a pool, wherever they are.
    fn pool_cartridges(&self, pool: &PoolSetup) -> Vec<(Barcode, CartridgeRecord)> {
        let inventory = self.shared.inventory();
        let member = |(name, entry): (&String, &CartridgeRecord)| {
            pool.pattern.number(name)?;
            Some((Barcode::new(name)?, entry.clone()))
        };
        inventory.iter().filter_map(member).collect()
    }

    /// Whether a cartridge is at hand in a library, or on its shelf, and blank, and a drive would write it.
    fn is_scratch(&self, library: &Library, barcode: &Barcode, entry: &CartridgeRecord) -> bool {
        let at_hand = match &entry.location {
            Location::Shelf(shelf) => shelf == library.shelf(),
            Location::Element { library: name, address, .. } => {
                name == library.name() && library.layout().drives.index(ElementAddress(*address)).is_none()
            }
        };
        at_hand
            && self.shared.unusable.reason(barcode).is_none()
            && entry.blank.unwrap_or_else(|| self.probe_blank(barcode, entry))
            && self.is_writable(barcode, entry)
    }

    /// Whether the memory of a cartridge is undamaged, its write-protect tab is clear, and it is of the kind that its label
    /// names: data, if nothing else.
    fn is_writable(&self, barcode: &Barcode, entry: &CartridgeRecord) -> bool {
        let memory =
            existing_cartridge(&self.shared, barcode, entry).ok().and_then(|mut cartridge| cartridge.mam().ok());
        memory.is_some_and(|mam| !mam.flags().contains(Flags::WRITE_PROTECTED) && mam.kind() == barcode.kind())
    }

    /// Looks whether a cartridge is blank, and keeps in mind what it saw.
    fn probe_blank(&self, barcode: &Barcode, entry: &CartridgeRecord) -> bool {
        // Held: a drive that wants it meanwhile would find it in use.
        let looked = self.with_unloaded_cartridge(barcode, |cartridge| {
            let blank = cartridge.is_blank()?;
            let mut inventory = self.shared.inventory();
            if let Some(known) = inventory.get_mut(barcode.as_str()).filter(|known| known.location == entry.location) {
                known.blank = Some(blank);
            }
            Ok(blank)
        });
        looked.unwrap_or(false)
    }

    /// Makes so many cartridges of a pool.
    ///
    /// # Errors
    /// There is no such pool, it has no numbers left, or the storage failed.
    pub fn create_cartridges(&self, pool: &str, count: usize) -> Result<Vec<Barcode>, LibraryError> {
        if count > MAX_CREATE {
            return Err(LibraryError::Unknown(format!("cannot make {count} cartridges at once: at most {MAX_CREATE}")));
        }
        if count == 0 {
            return Err(LibraryError::Unknown("the number of cartridges to make is 0; give 1 or more".into()));
        }
        let pool = self.pool(pool)?;
        let library = self.library(&pool.library).ok_or_else(|| {
            LibraryError::Unknown(format!("pool {:?} is of library {:?}, which is gone", pool.name, pool.library))
        })?;
        let _making = self.creation_lock();
        self.create_in_pool(&pool, &library, count)
    }

    /// See [`Self::make`]. Who calls is the only one who makes cartridges now.
    fn create_in_pool(
        &self,
        pool: &PoolSetup,
        library: &Arc<Library>,
        count: usize,
    ) -> Result<Vec<Barcode>, LibraryError> {
        let mut made = Vec::new();
        if count > 0 {
            check_mounted(&self.shared, &self.shared.inventory())?;
        }
        let last =
            self.pool_cartridges(pool).iter().filter_map(|(barcode, _)| pool.pattern.number(barcode.as_str())).max();
        let mut number = last.unwrap_or(0);
        while made.len() < count && !self.is_shut_down() {
            number = number.checked_add(1).filter(|number| *number <= pool.pattern.max_number()).ok_or_else(|| {
                LibraryError::Unknown(format!("pool {:?} has no label of {} left", pool.name, pool.pattern))
            })?;
            let barcode = pool.pattern.barcode(number).map_err(LibraryError::Unknown)?;
            // Files that the inventory does not know are not ours to write over; nor is whatever else has that name.
            match self.shared.store.exists(&barcode) {
                Ok(false) => {}
                Ok(true) => continue,
                Err(_) if matches!(self.shared.store.is_occupied(&barcode), Ok(true)) => continue,
                Err(error) => return Err(LibraryError::of(&barcode)(error)),
            }
            let (media, kind) =
                barcode.media().ok_or_else(|| LibraryError::Unknown(format!("{barcode} is of no generation")))?;
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
            self.shared
                .events
                .notify(crate::events::Event::Created { barcode: barcode.to_string(), pool: pool.name.clone() });
            made.push(barcode);
        }
        Ok(made)
    }

    /// The pool of a name.
    pub(crate) fn pool(&self, name: &str) -> Result<PoolSetup, LibraryError> {
        let pools = self.pools();
        let names = || pools.iter().map(|pool| format!("{:?}", pool.name)).collect::<Vec<_>>().join(", ");
        let similar = || pools.iter().find(|pool| pool.name.eq_ignore_ascii_case(name));
        let unknown = || match similar() {
            Some(similar) => format!("there is no pool {name:?}; did you mean {:?}?", similar.name),
            None if pools.is_empty() => format!("there is no pool {name:?}: there are no pools"),
            None => format!("there is no pool {name:?}; the site has {}", names()),
        };
        pools.iter().find(|pool| pool.name == name).cloned().ok_or_else(|| LibraryError::Unknown(unknown()))
    }

    /// Takes a cartridge whose files are there, and which this site does not know, onto a shelf. One that it knows stays where
    /// it is.
    ///
    /// # Errors
    /// There are no such files, or they cannot be read or kept.
    pub fn take_over_cartridge(&self, barcode: &Barcode, shelf: &str) -> Result<(), LibraryError> {
        let _hands = self.shared.transfer_lock();
        if self.entry(barcode).is_ok() {
            return Ok(());
        }
        let failed = LibraryError::of(barcode);
        if !self.shared.store.exists(barcode).map_err(&failed)? {
            return Err(LibraryError::Inconsistent(format!("the files of cartridge {barcode} are missing")));
        }
        let found = self.shared.store.find(barcode).map_err(&failed)?;
        let blank = self.shared.store.is_blank(barcode).map_err(failed)?;
        self.shared.add_cartridge(
            barcode,
            CartridgeRecord { blank, ..CartridgeRecord::from_cartridge(Location::Shelf(shelf.into()), &found) },
        )
    }

    /// Sets or clears the write-protect tab of a cartridge that is in no drive.
    ///
    /// # Errors
    /// There is no such cartridge, a drive has it, or its memory cannot be written.
    pub fn set_write_protect(&self, barcode: &Barcode, on: bool) -> Result<(), LibraryError> {
        self.with_unloaded_cartridge(barcode, |cartridge| cartridge.set_write_protect_tab(on))
    }

    /// Locks what is on a cartridge until a time, in seconds since 1970: it is not overwritten and not thrown away, by
    /// nobody. The time can be made later, not earlier.
    ///
    /// # Errors
    /// As [`Self::protect`]; it is locked for longer, or the time is past or beyond the year 9999.
    pub fn retain_cartridge(&self, barcode: &Barcode, until: u64) -> Result<(), LibraryError> {
        /// The end of the year 9999.
        const LAST: u64 = 253_402_300_799;
        if until > LAST {
            let message = format!("{until} seconds since 1970 is no date: at most {LAST}, the end of the year 9999");
            return Err(LibraryError::Unknown(message));
        }
        if until <= unix_seconds() {
            return Err(LibraryError::Refused(format!(
                "{barcode} cannot be retained until {}: that is past",
                day(until)
            )));
        }
        self.with_unloaded_cartridge(barcode, |cartridge| cartridge.retain_until(until))
    }

    /// Throws away a cartridge that is on a shelf, with all that is on it.
    ///
    /// # Errors
    /// There is no such cartridge, it is in a library or retained, or its files cannot be removed.
    pub fn delete_cartridge(&self, barcode: &Barcode) -> Result<(), LibraryError> {
        let _hands = self.shared.transfer_lock();
        let entry = self.entry(barcode)?;
        if !matches!(entry.location, Location::Shelf(_)) {
            let place = self.location_name(&entry.location);
            return Err(LibraryError::Refused(format!("{barcode} is in {place}; export it first")));
        }
        let memory = cartridge_or_placeholder(&self.shared, barcode, &entry).mam().map_err(|error| {
            let error = LibraryError::of(barcode)(error);
            LibraryError::Refused(format!(
                "{error}; whether it is retained is unknown, so it is not deleted; take it out of the inventory, with its \
                 files as they are: ferric cartridge {barcode} --forget"
            ))
        })?;
        let until = memory.number(AttrId::RETAINED_UNTIL);
        if until > unix_seconds() {
            return Err(LibraryError::Refused(format!("{barcode} is retained until {}", day(until))));
        }
        let (mut change, mut undo) = (Transaction::default(), Transaction::default());
        inventory::mark_for_deletion(&mut change, barcode.as_str())?;
        inventory::insert(&mut undo, barcode.as_str(), &entry)?;
        {
            let mut inventory = self.shared.inventory();
            self.shared.state.commit_or_undo(change, undo)?;
            inventory.remove(barcode.as_str());
        }
        for library in self.libraries() {
            library.changer(|changer| changer.set_label_defect(barcode, None));
        }
        self.shared.events.notify(crate::events::Event::Deleted { barcode: barcode.to_string() });
        self.finish_deletions()
    }

    /// Forgets a cartridge, wherever it is but in a drive. Its files stay as they are: this is for cartridges whose files are
    /// lost or cannot be used.
    ///
    /// # Errors
    /// There is no such cartridge, it is in a drive, or the change cannot be kept.
    pub fn forget_cartridge(&self, barcode: &Barcode) -> Result<(), LibraryError> {
        let _hands = self.shared.transfer_lock();
        let entry = self.entry(barcode)?;
        let library = match &entry.location {
            Location::Shelf(_) => None,
            Location::Element { library, .. } => self.library(library),
        };
        let (mut change, mut undo) = (Transaction::default(), Transaction::default());
        inventory::mark_forgotten(&mut change, barcode.as_str())?;
        inventory::insert(&mut undo, barcode.as_str(), &entry)?;
        let keep = || {
            let mut inventory = self.shared.inventory();
            self.shared.state.commit_or_undo(change, undo)?;
            inventory.remove(barcode.as_str());
            Ok::<_, LibraryError>(())
        };
        match library {
            None => keep()?,
            Some(library) => library.operate(|changer| {
                let drives = changer.library().layout().drives;
                let why = match changer.library().location_of(barcode).map(|place| place.address) {
                    Some(address) if drives.index(address).is_none() => Ok(address),
                    Some(address) => Err(format!("{barcode} is in {}; unload it first", library.element_name(address))),
                    None => Err(format!("{barcode} is being moved; try again")),
                };
                let address = match why {
                    Ok(address) => address,
                    Err(why) => return Ok(Err(LibraryError::Refused(why))),
                };
                Ok(keep().and_then(|()| {
                    changer.discard(address, clock::now()).map_err(|error| LibraryError::Refused(error.to_string()))
                }))
            })??,
        }
        for library in self.libraries() {
            library.changer(|changer| changer.set_label_defect(barcode, None));
        }
        self.shared.unusable.remove(barcode);
        self.shared.events.notify(crate::events::Event::Forgotten { barcode: barcode.to_string() });
        Ok(())
    }

    /// Removes files of cartridges that were thrown away, also by a process that did not come to it.
    pub(crate) fn finish_deletions(&self) -> Result<(), LibraryError> {
        for name in inventory::pending_deletions(&self.shared.state)? {
            let is_there = self.shared.inventory().contains_key(&name);
            let barcode = Barcode::new(&name).filter(|_| !is_there);
            if let Some(Err(error)) = barcode.map(|barcode| self.shared.store.remove(&barcode)) {
                tracing::warn!(barcode = name, %error, "files of a deleted cartridge cannot be removed; the next start tries again");
                continue;
            }
            let mut change = Transaction::default();
            inventory::clear_deletion_mark(&mut change, &name);
            self.shared.state.commit(change)?;
        }
        Ok(())
    }

    /// A cartridge that this site has.
    pub(crate) fn entry(&self, barcode: &Barcode) -> Result<CartridgeRecord, LibraryError> {
        let entry = self.shared.inventory().get(barcode.as_str()).cloned();
        entry.ok_or_else(|| {
            LibraryError::Unknown(match self.shared.suggest_barcode(barcode.as_str()) {
                Some(similar) => format!("there is no cartridge {barcode}; did you mean {similar}?"),
                None => format!("there is no cartridge {barcode}"),
            })
        })
    }

    /// Does something to a cartridge that no drive has, and sees to it that none gets it meanwhile.
    fn with_unloaded_cartridge<T>(
        &self,
        barcode: &Barcode,
        call: impl FnOnce(&mut Cartridge) -> Result<T, StoreError>,
    ) -> Result<T, LibraryError> {
        self.with_unloaded_cartridge_from(barcode, existing_cartridge, call)
    }

    /// As [`Self::hold`], with the value of the cartridge that `find` gives.
    pub(crate) fn with_unloaded_cartridge_from<T>(
        &self,
        barcode: &Barcode,
        find: impl FnOnce(&Shared, &Barcode, &CartridgeRecord) -> Result<Cartridge, LibraryError>,
        call: impl FnOnce(&mut Cartridge) -> Result<T, StoreError>,
    ) -> Result<T, LibraryError> {
        let _hands = self.shared.transfer_lock();
        let entry = self.entry(barcode)?;
        let mut other = find(&self.shared, barcode, &entry)?;
        let library = match &entry.location {
            Location::Shelf(_) => None,
            Location::Element { library, .. } => self.library(library),
        };
        let failed = LibraryError::of(barcode);
        let Some(library) = library else { return call(&mut other).map_err(failed) };
        let drives = library.layout().drives;
        library.changer(|changer| match changer.library().location_of(barcode) {
            Some(place) if drives.index(place.address).is_none() => call(&mut other).map_err(failed),
            Some(place) => {
                let drive = library.element_name(place.address);
                Err(LibraryError::Refused(format!("{barcode} is in {drive}; unload it first")))
            }
            None => Err(LibraryError::Refused(format!("{barcode} is being moved; try again"))),
        })
    }

    /// All cartridges, as an operator sees them.
    #[must_use]
    pub fn cartridges(&self) -> Vec<CartridgeStatus> {
        let pools = self.pools();
        let status = |(name, entry): (String, CartridgeRecord)| {
            let barcode = Barcode::new(&name)?;
            // Where the memory is damaged, its copy counts, and drives write-protect the cartridge.
            let (mam, damage, unreadable) =
                match cartridge_or_placeholder(&self.shared, &barcode, &entry).mam_or_rebuilt() {
                    Ok((mam, damage)) => (Some(mam), damage, None),
                    Err(StoreError::InUse) => (None, None, None),
                    Err(error) => (None, None, Some(error.to_string())),
                };
            let kind = mam.as_ref().map(Mam::kind).or_else(|| entry.media(&barcode).map(|(_, kind)| kind));
            let is_cleaning = kind == Some(CartridgeKind::Cleaning);
            let number = |id| mam.as_ref().map_or(0, |mam| mam.number(id));
            let until = mam.as_ref().map_or(0, |mam| mam.number(AttrId::RETAINED_UNTIL));
            let library = match &entry.location {
                Location::Shelf(_) => None,
                Location::Element { library, address, .. } => {
                    self.library(library).map(|library| (library, ElementAddress(*address)))
                }
            };
            let label = library.as_ref().and_then(|(library, address)| {
                library.changer(|changer| changer.content(*address)).and_then(|content| content.label)
            });
            let element = library.map(|(library, address)| library.element_name(address));
            Some(CartridgeStatus {
                element,
                location: entry.location,
                size: entry.size,
                kind: kind.map(|kind| kind.name().into()),
                label,
                cleanings_left: (is_cleaning && mam.is_some())
                    .then(|| number(AttrId::MEDIUM_TYPE_INFORMATION).saturating_sub(number(AttrId::LOAD_COUNT))),
                blank: entry.blank.filter(|_| !is_cleaning),
                pool: pools.iter().find(|pool| pool.pattern.number(&name).is_some()).map(|pool| pool.name.clone()),
                write_protected: damage.is_some()
                    || mam.as_ref().is_some_and(|mam| mam.flags().contains(Flags::WRITE_PROTECTED)),
                retained_until: (until > unix_seconds()).then_some(until),
                unusable: self.shared.unusable.reason(&barcode).or(unreadable),
                loads: number(AttrId::LOAD_COUNT),
                cartridge: name,
            })
        };
        self.inventory().into_iter().filter_map(status).collect()
    }

    /// The pools, as an operator sees them.
    #[must_use]
    pub fn pool_status(&self) -> Vec<PoolStatus> {
        let status = |pool: PoolSetup| {
            let members = self.pool_cartridges(&pool);
            let library = self.library(&pool.library);
            let scratch = |(barcode, entry): &&(Barcode, CartridgeRecord)| {
                library.as_ref().is_some_and(|library| self.is_scratch(library, barcode, entry))
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

    /// Cartridges are not locked until a time that no calendar has.
    #[test]
    fn retention_date_must_be_valid() {
        let site = Library::builder().slots(2).cartridges("A#L8", 1, "64MB").open().unwrap();
        let label = Barcode::new("A1L8").unwrap();
        for until in [253_402_300_800, u64::MAX] {
            let said = site.retain_cartridge(&label, until).unwrap_err().to_string();
            assert!(said.contains("253402300799, the end of the year 9999"), "{said}");
        }
        let said = site.retain_cartridge(&label, 1_577_836_800).unwrap_err().to_string();
        assert_eq!(said, "A1L8 cannot be retained until 2020-01-01: that is past");
        assert_eq!(site.cartridges()[0].retained_until, None);
        site.retain_cartridge(&label, 253_402_300_799).unwrap();
        assert_eq!(site.cartridges()[0].retained_until, Some(253_402_300_799));
    }

    /// What was seen to be carried, and was carried by somebody else before.
    #[test]
    fn stale_auto_transfer_is_skipped() {
        let site = Library::builder().slots(2).cartridges("A#L8", 2, "64MB").open().unwrap();
        let library = &site.libraries()[0];
        let (port, label) = (library.layout().import_export.first, Barcode::new("A1L8").unwrap());
        library.move_medium(ElementAddress(library.layout().storage.first), ElementAddress(port)).unwrap();
        library.export(ElementAddress(port)).unwrap();
        assert!(library.auto_import(ElementAddress(port), &label).is_err(), "it has left this library");
        library.import(ElementAddress(port), &label).unwrap();
        assert!(library.auto_export(ElementAddress(port)).is_err(), "an operator has put it there");
        library.export(ElementAddress(port)).unwrap();
    }
}
