//! The cartridge in the drive: empty, held, mounted, ejected; and how it gets from one to the other.

use crate::alert::{self, Alert};
use crate::background::BackgroundVerify;
use crate::counters::Counters;
use crate::device::DriveState;
use crate::fault::{self, Operation};
use crate::lifetime_counters;
use crate::mounted::Mounted;
use crate::overwrite::AllowedOverwrite;
use crate::profile::MediaSupport;
use scsi_core::asc::Asc;
use scsi_core::fault::Fault;
use scsi_core::lu::Lu;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey};
use std::collections::BTreeMap;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Flags, Mam};
use tape_store::medium::Medium;

/// What is in the drive.
pub(crate) enum Load {
    /// Nothing.
    Empty,
    /// A cartridge that waits for the robot or a LOAD.
    Ejected(Cartridge),
    /// A tape at some position.
    Mounted(Mounted),
    /// A cartridge that is inside and not threaded; its memory can be reached.
    LoadedNotThreaded(Box<LoadedNotThreaded>),
    /// A cartridge that cannot be used, and why.
    Unusable(Cartridge, Sense),
}

/// What is wrong with a cartridge, for the owner of the drive to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediumFault {
    /// The cartridge.
    pub barcode: Barcode,
    /// What is wrong with it.
    pub reason: String,
    /// It cannot be mounted; otherwise something written to it may be lost.
    pub unusable: bool,
}

/// What lifetime counters count.
const MB: u64 = 1_000_000;

/// A cartridge whose tape is not threaded.
pub(crate) struct LoadedNotThreaded {
    pub(crate) cartridge: Cartridge,
    pub(crate) mam: Mam,
}

impl LoadedNotThreaded {
    /// Partitions of the tape, as the memory has it.
    pub(crate) fn partitions(&self) -> u8 {
        u8::try_from(self.mam.partition_sizes().len().max(1)).unwrap_or(u8::MAX)
    }
}

impl DriveState {
    /// Takes an operation one step further; it, and what it met, if that ends it.
    pub(crate) fn step_background(&mut self, bytes: u64) -> Option<(BackgroundVerify, Sense)> {
        let mut operation = self.background.take()?;
        let Load::Mounted(mounted) = &mut self.load else { return None };
        match operation.step(mounted, bytes) {
            Ok(true) => None,
            Ok(false) => {
                self.background = Some(operation);
                None
            }
            Err(sense) => Some((operation, sense)),
        }
    }

    /// The mounted tape.
    ///
    /// # Errors
    /// NOT READY with the reason.
    pub(crate) fn ready(&mut self) -> Result<&mut Mounted, Fault> {
        if let Some(operation) = &self.background {
            return Err(operation.not_ready().into());
        }
        if self.threading_until.is_some() {
            return Err(becoming_ready().into());
        }
        match &mut self.load {
            Load::Mounted(mounted) => Ok(mounted),
            Load::LoadedNotThreaded(_) => {
                Err(not_ready(Asc::MEDIUM_NOT_PRESENT_MEDIUM_AUXILIARY_MEMORY_ACCESSIBLE).into())
            }
            Load::Empty | Load::Ejected(_) => Err(not_ready(Asc::MEDIUM_NOT_PRESENT).into()),
            Load::Unusable(_, sense) => Err(sense.clone().into()),
        }
    }

    /// Whether a cartridge is inside.
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.load, Load::Empty)
    }

    /// Takes a cartridge in: a tape is threaded at the beginning of partition 0, with its memory updated.
    pub(crate) fn mount(&mut self, mut cartridge: Cartridge, drive_name: &str) {
        self.alerts.clear_flags(alert::CLEARED_AT_LOAD);
        // The memory knows better than the label what this is.
        let (known, damage) = match cartridge.mam_or_rebuilt() {
            Ok((known, damage)) => (known, damage),
            Err(error) => {
                self.alerts.raise(Alert::MEMORY_CHIP);
                return self.hold_unusable(cartridge, &error);
            }
        };
        if damage.is_some() {
            self.alerts.raise(Alert::MEMORY_CHIP);
        }
        if cartridge.kind() == CartridgeKind::Cleaning {
            self.clean(&mut cartridge);
            self.load = Load::Unusable(cartridge, not_ready(Asc::CLEANING_CARTRIDGE_INSTALLED));
            return;
        }
        let takes = |format: &&MediaSupport| {
            format.media == cartridge.media() && (self.profile.worm || cartridge.kind() != CartridgeKind::Worm)
        };
        let Some(format) = self.profile.supported_media.iter().find(takes) else {
            self.alerts.raise(Alert::UNSUPPORTED_FORMAT);
            let sense = Sense::new(SenseKey::MEDIUM_ERROR, Asc::INCOMPATIBLE_MEDIUM_INSTALLED);
            self.load = Load::Unusable(cartridge, sense);
            return;
        };
        match open(&mut cartridge, known, damage, drive_name) {
            Ok(opened) => self.load = Load::Mounted(self.thread_tape(cartridge, opened, format)),
            Err(error) => self.hold_unusable(cartridge, &error),
        }
    }

    /// Reports what of a cartridge that is mounted is damaged.
    fn report_damage(&mut self, barcode: &Barcode, memory: bool, partition: bool) {
        for (is, reason) in [
            (memory, "its cartridge memory is damaged: it can only be read"),
            (partition, "a partition is damaged: what can be read is read"),
        ] {
            if is {
                self.report(MediumFault { barcode: barcode.clone(), reason: reason.into(), unusable: false });
            }
        }
    }

    /// Keeps a fault for the owner of the drive.
    pub(crate) fn report(&mut self, fault: MediumFault) {
        const MAX_FAULTS: usize = 64;
        if self.pending_faults.len() < MAX_FAULTS {
            self.pending_faults.push(fault);
        }
    }

    /// Holds a cartridge that cannot be mounted, and answers every command of a tape with the reason.
    fn hold_unusable(&mut self, cartridge: Cartridge, error: &StoreError) {
        self.alerts.raise(Alert::LOADING_FAILURE);
        if matches!(
            error,
            StoreError::Malformed { .. } | StoreError::Unsupported { .. } | StoreError::NoCartridgeMemory
        ) {
            self.alerts.raise(Alert::UNSUPPORTED_FORMAT);
        }
        self.report(MediumFault { barcode: cartridge.barcode().clone(), reason: error.to_string(), unusable: true });
        let barcode = cartridge.barcode().to_string();
        self.load = Load::Unusable(cartridge, fault::sense(error, Operation::Loading));
        tracing::warn!(barcode, %error, "cartridge cannot be mounted");
    }

    /// A tape that was opened, as it stands in the drive; what became of it before is told as alerts.
    fn thread_tape(&mut self, mut cartridge: Cartridge, opened: OpenedTape, format: &MediaSupport) -> Mounted {
        let OpenedTape { mut medium, mut mam, lost_statistics, damaged, mam_failed: memory_failed } = opened;
        if let Some(workers) = &self.workers {
            medium.set_workers(workers.as_ref());
        }
        medium.set_programmable_early_warning(self.settings.programmable_early_warning);
        let level = cartridge.format().unwrap_or(Format::Native);
        let tampered = fails_worm_integrity(&cartridge, medium.as_ref(), &mam);
        if tampered {
            tracing::warn!(barcode = %cartridge.barcode(), "WORM cartridge fails the WORM integrity check");
        }
        if mam.get(AttrId::SET_CAPACITY_BYTES, 0).is_none() && medium.partitions() == 1 {
            // mhvtl's files keep the size of the partition, and not why.
            let size = medium.usage(0).map_or(0, |usage| usage.capacity);
            if size > 0 && size < cartridge.capacity() {
                mam.set_number(AttrId::SET_CAPACITY_BYTES, size);
            }
        }
        for (is, alert) in [
            (lost_statistics, Alert::LOST_STATISTICS),
            (damaged, Alert::DIRECTORY_CORRUPTED),
            (!format.can_write, Alert::READ_ONLY_FORMAT),
            (tampered, Alert::WORM_INTEGRITY),
            (mam.get(AttrId::SET_CAPACITY_BYTES, 0).is_some(), Alert::DIMINISHED_CAPACITY),
        ] {
            if is {
                self.alerts.raise(alert);
            }
        }
        self.report_damage(cartridge.barcode(), memory_failed, damaged);
        let sealed = (0..4).any(|partition| mam.get(AttrId::FIRST_ENCRYPTED_OBJECT, partition).is_some());
        self.loads += 1;
        self.lifetime.add(lifetime_counters::LOADS, 1);
        Mounted {
            write_protection: write_protection(format, &cartridge, medium.as_ref(), &mam),
            retained_until: mam.number(AttrId::RETAINED_UNTIL),
            today: self.last_seen.wall.0 / 1000,
            cartridge,
            medium,
            mam,
            format: level,
            counters: Counters::default(),
            counter_baselines: BTreeMap::new(),
            change_reference_advanced: false,
            write_error: None,
            unsynchronised: false,
            storage_full: false,
            storage_full_reported: false,
            mam_failed: memory_failed,
            last_writer: None,
            append_only: self.settings.append_only,
            allowed_overwrite: AllowedOverwrite::Nothing,
            worm_integrity_failed: tampered,
            pending_density: None,
            programmable_warning_enabled: self.settings.programmable_early_warning > 0,
            programmable_warning_reported: false,
            has_encrypted_blocks: sealed,
        }
    }

    /// Takes the cartridge out of the mechanism; what could not be made durable is the error, and it is out all the same.
    pub(crate) fn unmount(&mut self) -> Option<(Cartridge, Result<(), StoreError>)> {
        (self.background, self.threading_until) = (None, None);
        match std::mem::replace(&mut self.load, Load::Empty) {
            Load::Empty => None,
            Load::Ejected(cartridge) | Load::Unusable(cartridge, _) => Some((cartridge, Ok(()))),
            Load::LoadedNotThreaded(held) => Some((held.cartridge, Ok(()))),
            Load::Mounted(mounted) => {
                let mut mounted = mounted;
                mounted.drain();
                let statistics = crate::log::volume_statistics(self, &mounted);
                self.volumes.truncate(crate::log::VOLUMES - 1);
                self.volumes.push_front(statistics);
                let counters = mounted.counters;
                for (id, count) in [
                    (lifetime_counters::MB_WRITTEN, counters.written_by_host / MB),
                    (lifetime_counters::MB_READ, counters.read_by_host / MB),
                    (lifetime_counters::MB_SINCE_CLEAN, (counters.written_by_host + counters.read_by_host) / MB),
                    (lifetime_counters::WRITE_ERRORS, counters.write_failures),
                    (lifetime_counters::READ_ERRORS, counters.read_failures),
                ] {
                    self.lifetime.add(id, count);
                }
                let (cartridge, result) = mounted.unload(self.alerts.raised_flags().bits());
                if let Err(error) = &result {
                    let (barcode, reason) = (cartridge.barcode().clone(), format!("not unloaded cleanly: {error}"));
                    self.report(MediumFault { barcode, reason, unusable: false });
                    tracing::warn!(barcode = %cartridge.barcode(), %error, "cartridge was not unloaded cleanly");
                    self.alerts.raise(Alert::DIRECTORY_INVALID);
                }
                Some((cartridge, result))
            }
        }
    }
}

impl DriveState {
    /// A command panicked: what it left half done is not continued. The tape is closed as it is, without writing to it.
    pub(crate) fn close_after_panic(&mut self) {
        (self.background, self.threading_until) = (None, None);
        self.alerts.raise(Alert::FIRMWARE_FAILURE);
        match std::mem::replace(&mut self.load, Load::Empty) {
            Load::Mounted(mounted) => self.mark_unusable(mounted.cartridge),
            Load::LoadedNotThreaded(held) => self.mark_unusable(held.cartridge),
            other => self.load = other,
        }
    }

    /// Holds a cartridge that answers 4/44/00 until it is loaded again.
    pub(crate) fn mark_unusable(&mut self, cartridge: Cartridge) {
        let sense = Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE);
        self.load = Load::Unusable(cartridge, sense);
    }

    /// A cleaning cartridge: it takes no time, and one of its uses.
    fn clean(&mut self, cartridge: &mut Cartridge) {
        self.alerts.raise(Alert::CLEANING_MEDIA);
        let Ok(mut mam) = cartridge.mam() else {
            self.alerts.raise(Alert::MEMORY_CHIP);
            return;
        };
        let (uses, most) = (mam.number(AttrId::LOAD_COUNT), mam.number(AttrId::MEDIUM_TYPE_INFORMATION));
        if uses >= most {
            self.alerts.raise(Alert::EXPIRED_CLEANING_MEDIA);
            return;
        }
        mam.set_number(AttrId::LOAD_COUNT, uses + 1);
        if cartridge.save_mam(&mam).is_err() {
            self.alerts.raise(Alert::MEMORY_CHIP);
        }
        self.lifetime.add(lifetime_counters::CLEANINGS, 1);
        self.lifetime.reset(lifetime_counters::MB_SINCE_CLEAN);
        self.alerts.clear_flag(Alert::CLEAN_NOW);
        self.alerts.clear_flag(Alert::CLEAN_PERIODIC);
    }
}

/// 2/04/01.
pub(crate) fn becoming_ready() -> Sense {
    not_ready(Asc::LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY)
}

/// Whether a cartridge that is written once has lost objects, or has the chip of another.
fn fails_worm_integrity(cartridge: &Cartridge, medium: &dyn Medium, mam: &Mam) -> bool {
    if cartridge.kind() != CartridgeKind::Worm {
        return false;
    }
    let chip = mam.get(AttrId::WORM_IDENTITY, 0);
    let lost = |partition| {
        let known = mam.partition_number_value(AttrId::WORM_OBJECTS, partition);
        medium.usage(partition).map_or(known > 0, |usage| usage.objects < known)
    };
    chip.is_some_and(|chip| Some(chip) != mam.get(AttrId::SERIAL, 0)) || (0..4).any(lost)
}

/// Why nothing may be written, if so: the format, the tab, or damage.
fn write_protection(format: &MediaSupport, cartridge: &Cartridge, medium: &dyn Medium, mam: &Mam) -> Option<Asc> {
    if !format.can_write {
        return Some(Asc::CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT);
    }
    let tab = mam.flags().contains(Flags::WRITE_PROTECTED);
    if let Some(why) = medium.read_only() {
        tracing::warn!(barcode = %cartridge.barcode(), why, "cartridge takes no writes");
    }
    (tab || medium.read_only().is_some()).then_some(Asc::WRITE_PROTECTED)
}

impl DriveState {
    /// The volume is demounted: keys that were to go with it, go, and who used them hears of it.
    pub(crate) fn clear_keys_at_demount(&mut self, lu: &mut Lu) {
        let gone = self.encryption.volume_demounted();
        self.notify_key_change(lu, gone);
    }

    /// A reset clears alerts; what is true of the mounted cartridge is raised again.
    pub(crate) fn alerts_after_reset(&mut self) {
        self.alerts.clear_all();
        let Load::Mounted(mounted) = &self.load else { return };
        for (is, alert) in [
            (mounted.write_protection == Some(Asc::CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT), Alert::READ_ONLY_FORMAT),
            (mounted.worm_integrity_failed, Alert::WORM_INTEGRITY),
            (mounted.mam_failed, Alert::MEMORY_CHIP),
            (mounted.mam.get(AttrId::SET_CAPACITY_BYTES, 0).is_some(), Alert::DIMINISHED_CAPACITY),
        ] {
            if is {
                self.alerts.raise(alert);
            }
        }
    }

    /// The medium keeps no copy of a key that is to be another.
    pub(crate) fn clear_medium_keys(&mut self) {
        if let Load::Mounted(mounted) = &mut self.load {
            mounted.medium.clear_keys();
        }
    }

    /// Who used keys that are gone, shared ones or their own, hears of it.
    pub(crate) fn notify_key_change(&mut self, lu: &mut Lu, (shared, own): (bool, Vec<NexusId>)) {
        self.clear_medium_keys();
        let encryption = &self.encryption;
        lu.attentions.raise_matching(Asc::DATA_ENCRYPTION_PARAMETERS_CHANGED_BY_VENDOR_SPECIFIC_EVENT, |nexus| {
            own.contains(&nexus) || (shared && !encryption.is_local(nexus))
        });
    }
}

/// A tape that was opened.
struct OpenedTape {
    medium: Box<dyn Medium>,
    mam: Mam,
    /// It was not unloaded in order, so what its last load counted is not in its memory.
    lost_statistics: bool,
    damaged: bool,
    /// The memory is damaged, and what is here was rebuilt.
    mam_failed: bool,
}

/// Opens the tape and notes the load in its memory: count, history of drives, counters of this load.
/// With a memory that is damaged the tape is only read, and the memory stays as it is.
fn open(
    cartridge: &mut Cartridge,
    mut mam: Mam,
    damage: Option<StoreError>,
    drive_name: &str,
) -> Result<OpenedTape, StoreError> {
    let (medium, recovery) = cartridge.open()?;
    let lost_statistics = mam.flags().contains(Flags::LOADED);
    if let Some(damage) = &damage {
        tracing::warn!(barcode = %cartridge.barcode(), error = %damage, "cartridge memory is damaged: the cartridge is write-protected");
    }
    if recovery.dropped_objects > 0 {
        tracing::warn!(barcode = %cartridge.barcode(), dropped = recovery.dropped_objects, "objects that were never synchronised are gone");
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
    if damage.is_none() {
        cartridge.save_mam(&mam)?;
    }
    let memory_failed = damage.is_some();
    Ok(OpenedTape { medium, mam, lost_statistics, damaged: recovery.damaged, mam_failed: memory_failed })
}

/// What a cartridge's memory calls a drive: vendor and serial number.
pub(crate) fn drive_name(lu: &Lu) -> String {
    format!("{:<8}{}", lu.identity.strings.vendor, lu.identity.serial)
}

pub(crate) const fn not_ready(asc: Asc) -> Sense {
    Sense::new(SenseKey::NOT_READY, asc)
}
