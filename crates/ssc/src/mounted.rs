//! A threaded tape: no medium exists outside [`Mounted`], so "not ready" cannot be forgotten.

use crate::counters::Counters;
use crate::fault::{self, Operation};
use crate::overwrite::{AllowedOverwrite, MediumChange};
use scsi_core::asc::Asc;
use scsi_core::log::LogId;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey};
use std::collections::BTreeMap;
use tape_store::cartridge::{Cartridge, CartridgeKind, Format};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Flags, Mam};
use tape_store::media::MediaSpec;
use tape_store::medium::{Medium, Position};

/// A threaded tape.
pub(crate) struct Mounted {
    pub(crate) cartridge: Cartridge,
    pub(crate) medium: Box<dyn Medium>,
    pub(crate) mam: Mam,
    pub(crate) format: Format,
    /// Why nothing may be written, if so.
    pub(crate) write_protection: Option<Asc>,
    /// Since this load.
    pub(crate) counters: Counters,
    /// What they were when LOG SELECT last reset a page.
    pub(crate) counter_baselines: BTreeMap<LogId, Counters>,
    /// The volume change reference was advanced since a host last read it.
    pub(crate) change_reference_advanced: bool,
    /// What was accepted is lost: this answers every write until the position changes.
    pub(crate) write_error: Option<Sense>,
    /// The last synchronisation failed, and that was reported.
    pub(crate) unsynchronised: bool,
    /// The storage has no room, though the tape has.
    pub(crate) storage_full: bool,
    /// That was reported to the owner of the drive.
    pub(crate) storage_full_reported: bool,
    /// The cartridge memory is damaged: what is here was rebuilt, and is not saved.
    pub(crate) mam_failed: bool,
    /// Who wrote last, and so hears of what was lost.
    pub(crate) last_writer: Option<NexusId>,
    /// Append-only mode, of mode page 10h/01h.
    pub(crate) append_only: bool,
    /// What ALLOW OVERWRITE has allowed in it.
    pub(crate) allowed_overwrite: AllowedOverwrite,
    /// Seconds since 1970 until which nothing may be overwritten, and what time it is.
    pub(crate) retained_until: u64,
    pub(crate) today: u64,
    /// It is written once, and is not what it was.
    pub(crate) worm_integrity_failed: bool,
    /// The density that the next write at the beginning gives it.
    pub(crate) pending_density: Option<&'static MediaSpec>,
    /// Programmable early warning is asked for.
    pub(crate) programmable_warning_enabled: bool,
    /// Programmable early warning was given.
    pub(crate) programmable_warning_reported: bool,
    /// There is, or was in this load, a sealed block.
    pub(crate) has_encrypted_blocks: bool,
}

impl Mounted {
    /// Checks that the medium may be changed so, and notes the first change of this load in its memory.
    ///
    /// # Errors
    /// 7/27/00 or 7/30/05 for a protected medium, what [`Self::check_overwrite`] says, D/00/02 or 3/0C/00 after a write whose
    /// blocks were lost, 3/0C/0B or D/00/02 if the memory cannot be saved.
    pub(crate) fn before_write(&mut self, change: MediumChange) -> Result<(), Sense> {
        if let Some(asc) = self.write_protection {
            return Err(fault::protected(asc));
        }
        if let Some(sense) = &self.write_error {
            return Err(sense.clone());
        }
        self.check_overwrite(change)?;
        if change == MediumChange::Write {
            self.apply_pending_density()?;
        }
        if !self.change_reference_advanced {
            let next = self.mam.number(AttrId::VOLUME_CHANGE_REFERENCE).wrapping_add(1) & 0xffff_ffff;
            self.mam.set_number(AttrId::VOLUME_CHANGE_REFERENCE, next.max(1));
            self.record_remaining_capacity();
            self.save_mam()?;
            self.change_reference_advanced = true;
        }
        Ok(())
    }

    /// Whether blocks can be encrypted on this volume: its medium and its format allow it.
    pub(crate) const fn can_encrypt(&self) -> bool {
        self.cartridge.media().encryptable && self.format.supports_encryption()
    }

    /// Checks that encrypted blocks can be written. A volume on which nothing can be written is refused for that reason instead, by
    /// [`Self::before_write`].
    ///
    /// # Errors
    /// 7/74/07.
    pub(crate) fn check_encryption(&self, encrypted: bool) -> Result<(), Sense> {
        if encrypted && self.write_protection.is_none() && !self.can_encrypt() {
            return Err(fault::protected(Asc::ENCRYPTION_PARAMETERS_NOT_USEABLE));
        }
        Ok(())
    }

    /// Writes the cartridge's memory, durably.
    ///
    /// # Errors
    /// 3/0C/0B; D/00/02 if the storage has no room.
    pub(crate) fn save_mam(&mut self) -> Result<(), Sense> {
        if self.mam_failed {
            return Err(Sense::new(SenseKey::MEDIUM_ERROR, Asc::AUXILIARY_MEMORY_WRITE_ERROR));
        }
        self.cartridge.save_mam(&self.mam).map_err(|error| {
            self.record_write_failure(&error);
            fault::mam_error_before_write(&error)
        })
    }

    /// Notes a write or synchronisation that failed: in the log, and as what answers the next write.
    pub(crate) fn record_write_failure(&mut self, error: &StoreError) {
        if error.is_refusal() {
            return;
        }
        let at = self.medium.position();
        let (barcode, partition, object) = (self.cartridge.barcode(), at.partition, at.object);
        let cause = if let StoreError::LostObjects { cause, .. } = error { cause } else { error };
        self.storage_full = cause.is_full();
        if matches!(error, StoreError::LostObjects { .. }) {
            tracing::error!(%barcode, partition, object, %error, "write failed: buffered objects are lost");
            self.write_error = Some(fault::sense(cause, Operation::Writing));
        } else if self.storage_full {
            tracing::warn!(%barcode, partition, object, %error, "write failed: the file system is full");
        } else {
            tracing::warn!(%barcode, partition, object, %error, "write failed");
        }
    }

    /// Notes that nothing more fits; whether it is the storage that is full, and not the tape, is logged once.
    pub(crate) fn record_full(&mut self) {
        let full = self.medium.is_storage_full();
        if full && !self.storage_full {
            let at = self.medium.position();
            let (barcode, partition, object) = (self.cartridge.barcode(), at.partition, at.object);
            tracing::warn!(%barcode, partition, object, "end of medium: the file system is full");
        }
        self.storage_full = full;
    }

    /// Makes what was written durable before the position changes; reports what was lost.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn before_motion(&mut self) -> Result<(), Sense> {
        self.allowed_overwrite = AllowedOverwrite::Nothing;
        let reported = self.unsynchronised;
        match self.try_sync() {
            // What failed is still not durable, and that was reported: what is on the tape can be read all the same.
            Err(error) if !reported || matches!(error, StoreError::LostObjects { .. }) => {
                return Err(fault::sense(&error, Operation::Writing));
            }
            Ok(()) | Err(_) => {}
        }
        self.write_error = None;
        Ok(())
    }

    /// Gives the medium the density that a host selected, if this is its beginning.
    fn apply_pending_density(&mut self) -> Result<(), Sense> {
        if self.medium.position().partition_and_object() != (0, 0) {
            return Ok(());
        }
        let Some(media) = self.pending_density.take() else { return Ok(()) };
        self.check_overwrite(MediumChange::Format)?;
        // The memory first: a tape that is still full has the new density then, and not a blank one the old.
        self.cartridge.convert_density(media, &mut self.mam);
        self.save_mam()?;
        let whole = [self.cartridge.capacity()];
        self.medium.format(&whole).map_err(|error| fault::sense(&error, Operation::Writing))
    }

    /// The density that the next write is at.
    pub(crate) fn write_density(&self) -> u8 {
        let selected = self.pending_density.filter(|_| self.medium.position().partition_and_object() == (0, 0));
        selected.unwrap_or(self.cartridge.media()).density
    }

    /// Notes that the position changes by reading.
    ///
    /// # Errors
    /// 3/30/0D.
    pub(crate) fn before_read(&mut self) -> Result<(), Sense> {
        self.allowed_overwrite = AllowedOverwrite::Nothing;
        self.check_worm_integrity()
    }

    /// Makes what was written durable. After a failure the medium writes again what is not durable before it takes more.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn sync(&mut self) -> Result<(), Sense> {
        self.try_sync().map_err(|error| fault::sense(&error, Operation::Writing))
    }

    fn try_sync(&mut self) -> Result<(), StoreError> {
        let synced = self.medium.sync();
        if let Err(error) = &synced {
            self.record_write_failure(error);
        }
        self.unsynchronised = synced.is_err();
        synced
    }

    /// Makes sizes exact. What is lost here is told as a deferred error.
    pub(crate) fn drain(&mut self) {
        let _ = self.medium.drain();
        self.counters.written_to_medium = self.medium.stored_bytes();
    }

    /// Notes where sealed blocks begin and end, of a write that began at this position.
    pub(crate) fn record_encrypted_range(&mut self, first: Position, sealed: bool) {
        if !sealed && !self.has_encrypted_blocks {
            return;
        }
        let (partition, object) = first.partition_and_object();
        if self.medium.position().partition_and_object() == (partition, object) {
            // Nothing was written.
            return;
        }
        self.record_truncation(partition, object);
        self.has_encrypted_blocks |= sealed;
        let at = |mam: &Mam, id| mam.get(id, partition).map(|_| mam.partition_number_value(id, partition));
        let mam = &mut self.mam;
        let (first, clear) = (at(mam, AttrId::FIRST_ENCRYPTED_OBJECT), at(mam, AttrId::FIRST_UNENCRYPTED));
        if sealed && first.is_none() {
            mam.set(AttrId::FIRST_ENCRYPTED_OBJECT, partition, &object.to_be_bytes());
        } else if !sealed && first.is_some() && clear.is_none() {
            mam.set(AttrId::FIRST_UNENCRYPTED, partition, &object.to_be_bytes());
        }
    }

    /// Notes that what was sealed from this object on is gone.
    pub(crate) fn record_truncation(&mut self, partition: u8, object: u64) {
        for id in [AttrId::FIRST_ENCRYPTED_OBJECT, AttrId::FIRST_UNENCRYPTED] {
            let gone =
                self.mam.get(id, partition).is_some() && object <= self.mam.partition_number_value(id, partition);
            if gone {
                self.mam.set(id, partition, &[]);
            }
        }
    }

    /// Bytes that it holds: all, or what SET CAPACITY left.
    pub(crate) fn capacity(&self) -> u64 {
        let scaled = self.mam.number(AttrId::SET_CAPACITY_BYTES);
        if scaled == 0 { self.cartridge.capacity() } else { scaled }
    }

    /// Notes what is left of each partition.
    pub(crate) fn record_remaining_capacity(&mut self) {
        self.drain();
        for partition in 0..self.medium.partitions() {
            if let Ok(usage) = self.medium.usage(partition) {
                let room = usage.capacity.saturating_sub(usage.used);
                self.mam.set(AttrId::REMAINING_CAPACITY, partition, &room.to_be_bytes());
            }
        }
    }

    /// Notes how much of a cartridge that is written once is written.
    fn record_worm_objects(&mut self) {
        if self.cartridge.kind() != CartridgeKind::Worm || self.worm_integrity_failed {
            return;
        }
        for partition in 0..self.medium.partitions() {
            let objects = self.medium.usage(partition).map_or(0, |usage| usage.objects);
            self.mam.set(AttrId::WORM_OBJECTS, partition, &objects.to_be_bytes());
        }
    }

    /// Ends the load: everything durable, counters in the cartridge's memory.
    pub(crate) fn unload(mut self, alerts: u64) -> (Cartridge, Result<(), StoreError>) {
        let synced = self.medium.close();
        self.mam.set_number(AttrId::TAPE_ALERT, alerts);
        self.mam.set_flag(Flags::LOADED, false);
        self.record_remaining_capacity();
        if synced.is_ok() {
            self.record_worm_objects();
        }
        let (written, read) = (self.counters.written_by_host, self.counters.read_by_host);
        for (life, load, count) in
            [(AttrId::LIFE_WRITTEN, AttrId::LOAD_WRITTEN, written), (AttrId::LIFE_READ, AttrId::LOAD_READ, read)]
        {
            self.mam.set_number(load, count);
            self.mam.set_number(life, self.mam.number(life).saturating_add(count));
        }
        let failures = [
            (AttrId::WRITE_FAILURES, self.counters.write_failures),
            (AttrId::READ_FAILURES, self.counters.read_failures),
        ];
        for (life, count) in failures.into_iter().filter(|(_, count)| *count > 0) {
            self.mam.set_number(life, self.mam.number(life).saturating_add(count));
        }
        let saved = if self.mam_failed { Ok(()) } else { self.cartridge.save_mam_and_copy(&self.mam) };
        (self.cartridge, synced.and(saved))
    }
}
