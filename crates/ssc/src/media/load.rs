//! Load of a cartridge: opens the tape, checks it against the drive, and records the load in the cartridge memory.

use super::{Load, LoadedNotThreaded, MediumFault, not_ready};
use crate::alert::{self, Alert};
use crate::counters::Counters;
use crate::device::DriveState;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use crate::overwrite::AllowedOverwrite;
use crate::profile::MediaSupport;
use crate::timing::DriveModel;
use scsi_core::asc::Asc;
use scsi_core::lu::Lu;
use scsi_core::sense::{Sense, SenseKey};
use std::collections::BTreeMap;
use std::time::Duration;
use tape_store::backend::Thawing;
use tape_store::cartridge::{Cartridge, CartridgeKind};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Flags, Mam};
use tape_store::medium::Medium;

/// The cartridge memory, and its damage if it was rebuilt.
type ReadMam = Result<(Mam, Option<StoreError>), StoreError>;

/// A thawing that the load must wait for.
fn needed(mut thawing: Box<dyn Thawing>) -> Option<Box<dyn Thawing>> {
    thawing.is_needed().then_some(thawing)
}

impl DriveState {
    /// Loads a cartridge: threads the tape at the beginning of partition 0 and updates the cartridge memory. If its store must thaw
    /// objects before, the load waits for that, without this call.
    pub(crate) fn mount(&mut self, mut cartridge: Cartridge, drive_name: &str) {
        // The store responds to both at the same time.
        let (thawing, read) = (cartridge.thaw(), cartridge.mam_or_rebuilt());
        // A cartridge that the drive does not take is not thawed.
        let is_taken =
            cartridge.kind() != CartridgeKind::Cleaning && self.support_of(&cartridge).is_some() || read.is_err();
        match thawing.filter(|_| is_taken).and_then(needed) {
            Some(thawing) => self.wait_for_thawing(cartridge, thawing, false),
            None => self.mount_read(cartridge, read, drive_name),
        }
    }

    /// As [`Self::mount`], after the end of a thawing.
    pub(super) fn mount_without_thawing(&mut self, mut cartridge: Cartridge, drive_name: &str) {
        let read = cartridge.mam_or_rebuilt();
        self.mount_read(cartridge, read, drive_name);
    }

    /// Loads a cartridge whose cartridge memory was read.
    fn mount_read(&mut self, mut cartridge: Cartridge, read: ReadMam, drive_name: &str) {
        self.health.alerts.clear_flags(alert::CLEARED_AT_LOAD);
        // The cartridge memory, not the barcode label, identifies the medium.
        let damage = match read {
            Ok((_, damage)) => damage,
            Err(error) if error.being_thawed().is_some() => return self.wait_again(cartridge, &error, false),
            Err(error) => {
                self.health.alerts.raise(Alert::MEMORY_CHIP);
                return self.set_unusable(cartridge, &error);
            }
        };
        if damage.is_some() {
            self.health.alerts.raise(Alert::MEMORY_CHIP);
        }
        if cartridge.kind() == CartridgeKind::Cleaning {
            self.clean(&mut cartridge);
            self.time.begin_load(self.health.last_seen.mono, DriveModel::cleaning());
            self.media.load = Load::Unusable(cartridge, not_ready(Asc::CLEANING_CARTRIDGE_INSTALLED));
            return;
        }
        let Some(format) = self.support_of(&cartridge) else {
            self.health.count_incompatible();
            let sense = Sense::new(SenseKey::MEDIUM_ERROR, Asc::INCOMPATIBLE_MEDIUM_INSTALLED);
            self.media.load = Load::Unusable(cartridge, sense);
            return;
        };
        match open(&mut cartridge, drive_name) {
            Ok(opened) => self.media.load = Load::Mounted(Box::new(self.thread_tape(cartridge, opened, format))),
            Err(error) if error.being_thawed().is_some() => self.wait_again(cartridge, &error, false),
            Err(error) => self.set_unusable(cartridge, &error),
        }
    }

    /// Lets a load wait for the thawing of data that it has met, and that the store did not report before.
    fn wait_again(&mut self, mut cartridge: Cartridge, error: &StoreError, hold: bool) {
        match cartridge.thaw().and_then(needed) {
            Some(thawing) => self.wait_for_thawing(cartridge, thawing, hold),
            None => self.set_unusable(cartridge, error),
        }
    }

    /// The support of the drive for the medium of a cartridge; `None` if it does not take it.
    fn support_of(&self, cartridge: &Cartridge) -> Option<&'static MediaSupport> {
        let is_same = |format: &&MediaSupport| {
            format.media == cartridge.media() && (self.profile.worm || cartridge.kind() != CartridgeKind::Worm)
        };
        self.profile.supported_media.iter().find(is_same)
    }

    /// Loads a cartridge without threading its tape (HOLD=1). If the cartridge memory must be thawed before, the load waits for that,
    /// without this call.
    ///
    /// # Errors
    /// NOT READY 04h/01h while the cartridge is being thawed; the sense of a cartridge memory that cannot be read: the cartridge is
    /// then unusable.
    pub(crate) fn load_without_threading(&mut self, mut cartridge: Cartridge) -> Result<(), Sense> {
        let (thawing, read) = (cartridge.thaw(), cartridge.mam_or_rebuilt());
        match thawing.filter(|_| read.is_err()).and_then(needed) {
            Some(thawing) => {
                self.wait_for_thawing(cartridge, thawing, true);
                self.media.check_thawed()
            }
            None => self.hold_read(cartridge, read),
        }
    }

    /// As [`Self::load_without_threading`], after the end of a thawing.
    pub(super) fn hold_without_thawing(&mut self, mut cartridge: Cartridge) -> Result<(), Sense> {
        let read = cartridge.mam_or_rebuilt();
        self.hold_read(cartridge, read)
    }

    fn hold_read(&mut self, cartridge: Cartridge, read: ReadMam) -> Result<(), Sense> {
        if let Err(error) = &read
            && error.being_thawed().is_some()
        {
            self.wait_again(cartridge, error, true);
            return self.media.ready().map(drop);
        }
        if !matches!(read, Ok((_, None))) {
            self.health.alerts.raise(Alert::MEMORY_CHIP);
        }
        let sense = match read {
            Ok((mam, _)) => {
                let is_read_only = cartridge.is_read_only();
                let loaded = LoadedNotThreaded { cartridge, mam, is_read_only };
                self.media.load = Load::LoadedNotThreaded(Box::new(loaded));
                return Ok(());
            }
            Err(error) => fault::sense(&error, Operation::Loading),
        };
        self.media.load = Load::Unusable(cartridge, sense.clone());
        Err(sense)
    }

    /// Keeps a cartridge that cannot be mounted; every SSC command ends with the sense of `error`.
    pub(super) fn set_unusable(&mut self, cartridge: Cartridge, error: &StoreError) {
        self.health.alerts.raise(Alert::LOADING_FAILURE);
        if matches!(
            error,
            StoreError::Malformed { .. } | StoreError::Unsupported { .. } | StoreError::NoCartridgeMemory
        ) {
            self.health.alerts.raise(Alert::UNSUPPORTED_FORMAT);
        }
        self.health.report(MediumFault {
            barcode: cartridge.barcode().clone(),
            reason: error.to_string(),
            unusable: true,
        });
        let barcode = cartridge.barcode().to_string();
        self.media.load = Load::Unusable(cartridge, fault::sense(error, Operation::Loading));
        tracing::warn!(barcode, %error, "cartridge cannot be mounted");
    }

    fn begin_load(&mut self, cartridge: &Cartridge, mam: &Mam) {
        let time = load_time(&DriveModel::new(self.profile, cartridge.media()), mam);
        self.time.begin_load(self.health.last_seen.mono, time);
    }

    /// Creates the state of a threaded tape. Raises TapeAlert flags for earlier damage and for its limits.
    fn thread_tape(&mut self, cartridge: Cartridge, opened: OpenedTape, format: &MediaSupport) -> Mounted {
        let OpenedTape { mut medium, mut mam, lost_statistics, damaged, mam_failed } = opened;
        self.begin_load(&cartridge, &mam);
        if let Some(workers) = &self.media.workers {
            medium.set_workers(workers.as_ref());
        }
        medium.set_programmable_early_warning(self.modes.programmable_early_warning);
        let worm_integrity_failed = fails_worm_integrity(&cartridge, medium.as_ref(), &mam);
        if worm_integrity_failed {
            tracing::warn!(barcode = %cartridge.barcode(), "WORM cartridge fails the WORM integrity check");
        }
        if mam.get(AttrId::SET_CAPACITY_BYTES, 0).is_none() && medium.partitions() == 1 {
            // mhvtl's files record the size of the partition, not that SET CAPACITY reduced it.
            let size = medium.usage(0).map_or(0, |usage| usage.capacity);
            if size > 0 && size < cartridge.capacity() {
                mam.set_number(AttrId::SET_CAPACITY_BYTES, size);
            }
        }
        self.health.raise_if([
            (lost_statistics, Alert::LOST_STATISTICS),
            (damaged, Alert::DIRECTORY_CORRUPTED),
            (!format.can_write, Alert::READ_ONLY_FORMAT),
            (worm_integrity_failed, Alert::WORM_INTEGRITY),
            (mam.get(AttrId::SET_CAPACITY_BYTES, 0).is_some(), Alert::DIMINISHED_CAPACITY),
        ]);
        for (is, reason) in [
            (mam_failed, "cartridge memory is damaged, cartridge is write-protected"),
            (damaged, "partition is damaged, undamaged data can be read"),
        ] {
            if is {
                let barcode = cartridge.barcode().clone();
                self.health.report(MediumFault { barcode, reason: reason.into(), unusable: false });
            }
        }
        let has_encrypted_blocks = (0..4).any(|partition| mam.get(AttrId::FIRST_ENCRYPTED_OBJECT, partition).is_some());
        self.health.count_load();
        Mounted {
            write_protection: write_protection(format, &cartridge, medium.as_ref(), &mam),
            protected_until: mam.protected_until(),
            today: self.health.last_seen.wall.0 / 1000,
            cartridge,
            medium,
            mam,
            counters: Counters::default(),
            counter_baselines: BTreeMap::new(),
            change_reference_advanced: false,
            write_error: None,
            unsynchronised: false,
            storage_full: false,
            storage_full_reported: false,
            mam_failed,
            last_writer: None,
            unsynchronised_writer: None,
            unsynchronised_from: None,
            append_only: self.modes.append_only,
            allowed_overwrite: AllowedOverwrite::Nothing,
            worm_integrity_failed,
            pending_density: None,
            programmable_warning_enabled: self.modes.programmable_early_warning > 0,
            programmable_warning_reported: false,
            has_encrypted_blocks,
        }
    }

    /// Cleans the drive: consumes one use of the cleaning cartridge.
    fn clean(&mut self, cartridge: &mut Cartridge) {
        self.health.alerts.raise(Alert::CLEANING_MEDIA);
        let Ok(mut mam) = cartridge.mam() else {
            self.health.alerts.raise(Alert::MEMORY_CHIP);
            return;
        };
        let (uses, max_uses) = (mam.number(AttrId::LOAD_COUNT), mam.number(AttrId::MEDIUM_TYPE_INFORMATION));
        if uses >= max_uses {
            self.health.alerts.raise(Alert::EXPIRED_CLEANING_MEDIA);
            return;
        }
        mam.set_number(AttrId::LOAD_COUNT, uses + 1);
        if cartridge.save_mam(&mam).is_err() {
            self.health.alerts.raise(Alert::MEMORY_CHIP);
        }
        self.health.count_cleaning();
    }
}

/// Time of a load; the first load of a cartridge may initialise it, in a time that depends on its serial number.
fn load_time(model: &DriveModel, mam: &Mam) -> Duration {
    if mam.number(AttrId::LOAD_COUNT) > 1 {
        return model.load();
    }
    // FNV-1a.
    let serial = mam.get(AttrId::SERIAL, 0).unwrap_or_default();
    let seed = serial
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    model.load() + model.initialisation(seed)
}

/// Whether a WORM cartridge has lost objects or carries the cartridge memory of another cartridge.
fn fails_worm_integrity(cartridge: &Cartridge, medium: &dyn Medium, mam: &Mam) -> bool {
    if cartridge.kind() != CartridgeKind::Worm {
        return false;
    }
    let worm_identity = mam.get(AttrId::WORM_IDENTITY, 0);
    let lost = |partition| {
        let recorded = mam.partition_number_value(AttrId::WORM_OBJECTS, partition);
        medium.usage(partition).map_or(recorded > 0, |usage| usage.objects < recorded)
    };
    worm_identity.is_some_and(|worm_identity| Some(worm_identity) != mam.get(AttrId::SERIAL, 0)) || (0..4).any(lost)
}

/// Additional sense code of a write-protected cartridge: read-only format, write-protect tab, or damage.
fn write_protection(format: &MediaSupport, cartridge: &Cartridge, medium: &dyn Medium, mam: &Mam) -> Option<Asc> {
    if !format.can_write {
        return Some(Asc::CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT);
    }
    let tab = mam.flags().contains(Flags::WRITE_PROTECTED);
    if let Some(reason) = medium.read_only() {
        tracing::warn!(barcode = %cartridge.barcode(), reason, "cartridge is write-protected");
    }
    (tab || medium.read_only().is_some()).then_some(Asc::WRITE_PROTECTED)
}

/// An opened tape, with its state at the last unload.
struct OpenedTape {
    medium: Box<dyn Medium>,
    mam: Mam,
    /// The cartridge was not unloaded cleanly, so the statistics of its last load are lost.
    lost_statistics: bool,
    damaged: bool,
    /// The cartridge memory is damaged; `mam` was rebuilt.
    mam_failed: bool,
}

/// Opens the tape and records the load in the cartridge memory: load count, drive history, counters of this load.
/// With a damaged cartridge memory the tape is read-only, and the memory is left unchanged.
fn open(cartridge: &mut Cartridge, drive_name: &str) -> Result<OpenedTape, StoreError> {
    let (medium, recovery) = cartridge.open()?;
    // Until the tape was locked, another program may have changed the cartridge memory.
    let (mut mam, damage) = cartridge.mam_or_rebuilt()?;
    let lost_statistics = mam.flags().contains(Flags::LOADED);
    if let Some(damage) = &damage {
        tracing::warn!(barcode = %cartridge.barcode(), error = %damage, "cartridge memory is damaged, cartridge is write-protected");
    }
    if recovery.dropped_objects > 0 {
        tracing::warn!(barcode = %cartridge.barcode(), dropped_objects = recovery.dropped_objects, "dropped unsynchronised objects");
    }
    mam.set_number(AttrId::LOAD_COUNT, mam.number(AttrId::LOAD_COUNT).saturating_add(1));
    mam.set_number(AttrId::LOAD_WRITTEN, 0);
    mam.set_number(AttrId::LOAD_READ, 0);
    for step in (1..=3).rev() {
        let newer = mam.get(AttrId(AttrId::LAST_DRIVE.0 + step - 1), 0).unwrap_or_default().to_vec();
        mam.set(AttrId(AttrId::LAST_DRIVE.0 + step), 0, &newer);
    }
    mam.set_text(AttrId::LAST_DRIVE, drive_name);
    mam.set_flag(Flags::LOADED, true);
    let label = cartridge.barcode().to_string();
    mam.set_text(AttrId::VOLUME_IDENTIFIER, &label);
    if damage.is_none() && !cartridge.is_read_only() {
        cartridge.save_mam(&mam)?;
    }
    let mam_failed = damage.is_some();
    Ok(OpenedTape { medium, mam, lost_statistics, damaged: recovery.damaged, mam_failed })
}

/// Name of a drive in the cartridge memory: vendor and serial number.
pub(crate) fn drive_name(lu: &Lu) -> String {
    format!("{:<8}{}", lu.identity.strings.vendor, lu.identity.serial)
}
