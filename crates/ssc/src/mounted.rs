//! A threaded tape. The medium is reachable only through [`Mounted`], so no command can skip the NOT READY check.

use crate::counters::Counters;
use crate::fault::{self, Operation};
use crate::overwrite::{AllowedOverwrite, MediumChange};
use crate::timing::WrapMap;
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

/// A threaded tape: the cartridge, its open medium, its cartridge memory and the state of this load.
pub(crate) struct Mounted {
    pub(crate) cartridge: Cartridge,
    pub(crate) medium: Box<dyn Medium>,
    pub(crate) mam: Mam,
    /// Additional sense code of write protection; `None` if the cartridge is writable.
    pub(crate) write_protection: Option<Asc>,
    /// Counters of this load.
    pub(crate) counters: Counters,
    /// Counters of each log page at its last reset by LOG SELECT.
    pub(crate) counter_baselines: BTreeMap<LogId, Counters>,
    /// The volume change reference has been advanced since a host last read it.
    pub(crate) change_reference_advanced: bool,
    /// Sense of every write after accepted data was lost, until the position changes.
    pub(crate) write_error: Option<Sense>,
    /// The last synchronisation failed, and the failure was reported.
    pub(crate) unsynchronised: bool,
    /// The file system is full although the tape has capacity left.
    pub(crate) storage_full: bool,
    /// The full file system was reported to the owner of the drive.
    pub(crate) storage_full_reported: bool,
    /// The cartridge memory is damaged: `mam` was rebuilt and is not saved.
    pub(crate) mam_failed: bool,
    /// Nexus of the last write; it gets the deferred error.
    pub(crate) last_writer: Option<NexusId>,
    /// Nexus of the last write since the last successful synchronisation.
    pub(crate) unsynchronised_writer: Option<NexusId>,
    /// Position of the first object since the last successful synchronisation.
    pub(crate) unsynchronised_from: Option<Position>,
    /// Append-only mode is on (WRITE MODE of mode page 10h/01h).
    pub(crate) append_only: bool,
    /// Overwrite that ALLOW OVERWRITE has allowed in append-only mode.
    pub(crate) allowed_overwrite: AllowedOverwrite,
    /// End of the retention period or of the legal hold, and the present time, in seconds since 1970. Data cannot be overwritten
    /// before the end.
    pub(crate) protected_until: u64,
    pub(crate) today: u64,
    /// The WORM cartridge fails the WORM integrity check.
    pub(crate) worm_integrity_failed: bool,
    /// Medium type into which the next write at the beginning of the medium converts the cartridge.
    pub(crate) pending_density: Option<&'static MediaSpec>,
    /// Programmable early warning is enabled (PEWS > 0).
    pub(crate) programmable_warning_enabled: bool,
    /// Programmable early warning was reported.
    pub(crate) programmable_warning_reported: bool,
    /// The tape holds an encrypted block, or did so in this load.
    pub(crate) has_encrypted_blocks: bool,
}

impl Mounted {
    /// Checks that the medium may be changed in this way, and records the first change of this load in the cartridge
    /// memory.
    ///
    /// # Errors
    /// DATA PROTECT 27h/00h or 30h/05h for a write-protected medium; the errors of [`Self::check_overwrite`]; VOLUME
    /// OVERFLOW 00h/02h or MEDIUM ERROR 0Ch/00h after a write whose blocks were lost; MEDIUM ERROR 0Ch/0Bh or VOLUME
    /// OVERFLOW 00h/02h if the cartridge memory cannot be saved.
    pub(crate) fn before_write(&mut self, change: MediumChange) -> Result<(), Sense> {
        if let Some(asc) = self.write_protection {
            return Err(fault::data_protect(asc));
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

    /// Records the nexus that is about to write.
    pub(crate) fn record_writer(&mut self, nexus: NexusId) {
        (self.last_writer, self.unsynchronised_writer) = (Some(nexus), Some(nexus));
        self.unsynchronised_from.get_or_insert_with(|| self.medium.position());
    }

    /// Removes the objects that were not synchronised, as a loss of power does.
    pub(crate) fn lose_unsynchronised(&mut self) {
        let Some(Position { partition, object, .. }) = self.unsynchronised_from.take() else { return };
        let _ = self.medium.drain();
        let removed = self.medium.locate(partition, object).and_then(|_| self.medium.truncate());
        if let Err(error) = removed.and_then(|()| self.medium.sync()) {
            tracing::warn!(barcode = %self.cartridge.barcode(), %error, "cannot remove the objects that a loss of power loses");
        }
    }

    /// Name of the daemon that has taken over the cartridge, once an operation has failed for this reason.
    pub(crate) fn taken_over_by(&self) -> Option<&str> {
        self.medium.taken_over_by().or_else(|| self.cartridge.taken_over_by())
    }

    /// Whether both the medium and the cartridge format of this volume support encryption.
    pub(crate) fn can_encrypt(&self) -> bool {
        self.cartridge.media().encryptable && self.medium.file_format().is_some_and(Format::supports_encryption)
    }

    /// Checks that encrypted blocks can be written. For a write-protected volume it succeeds, because
    /// [`Self::before_write`] reports the write protection.
    ///
    /// # Errors
    /// DATA PROTECT 74h/07h.
    pub(crate) fn check_encryption(&self, encrypted: bool) -> Result<(), Sense> {
        if encrypted && self.write_protection.is_none() && !self.can_encrypt() {
            return Err(fault::data_protect(Asc::ENCRYPTION_PARAMETERS_NOT_USEABLE));
        }
        Ok(())
    }

    /// Saves the cartridge memory durably.
    ///
    /// # Errors
    /// MEDIUM ERROR 0Ch/0Bh; VOLUME OVERFLOW 00h/02h if the file system is full.
    pub(crate) fn save_mam(&mut self) -> Result<(), Sense> {
        if self.mam_failed {
            return Err(Sense::new(SenseKey::MEDIUM_ERROR, Asc::AUXILIARY_MEMORY_WRITE_ERROR));
        }
        self.cartridge.save_mam(&self.mam).map_err(|error| {
            self.record_write_failure(&error);
            fault::mam_error_before_write(&error)
        })
    }

    /// Records a failed write or synchronisation: logs it, and keeps its sense for the next write if data was lost.
    pub(crate) fn record_write_failure(&mut self, error: &StoreError) {
        if error.is_refusal() {
            return;
        }
        let at = self.medium.position();
        let (barcode, partition, object) = (self.cartridge.barcode(), at.partition, at.object);
        let cause = if let StoreError::LostObjects { cause, .. } = error { cause } else { error };
        self.storage_full = cause.is_full();
        if matches!(error, StoreError::TakenOver { .. }) {
            // Logged when the drive drops the tape.
        } else if matches!(error, StoreError::LostObjects { .. }) {
            tracing::error!(%barcode, partition, object, %error, "write failed: buffered objects are lost");
            self.write_error = Some(fault::sense(cause, Operation::Writing));
        } else if self.storage_full {
            tracing::warn!(%barcode, partition, object, %error, "write failed: the file system is full");
        } else {
            tracing::warn!(%barcode, partition, object, %error, "write failed");
        }
    }

    /// Records the end of the medium. Logs once if the file system is full and not the tape.
    pub(crate) fn record_full(&mut self) {
        let full = self.medium.is_storage_full();
        if full && !self.storage_full {
            let at = self.medium.position();
            let (barcode, partition, object) = (self.cartridge.barcode(), at.partition, at.object);
            tracing::warn!(%barcode, partition, object, "end of medium: the file system is full");
        }
        self.storage_full = full;
    }

    /// Makes written data durable before the position changes, and reports lost data.
    ///
    /// # Errors
    /// The sense of a store failure ([`fault::sense`]).
    pub(crate) fn before_motion(&mut self) -> Result<(), Sense> {
        self.allowed_overwrite = AllowedOverwrite::Nothing;
        let reported = self.unsynchronised;
        match self.try_sync() {
            // The failure was reported before; the data on the tape can still be read.
            Err(error) if !reported || matches!(error, StoreError::LostObjects { .. }) => {
                return Err(fault::sense(&error, Operation::Writing));
            }
            Ok(()) | Err(_) => {}
        }
        self.write_error = None;
        Ok(())
    }

    /// Converts the medium to the selected density if the position is the beginning of the medium.
    fn apply_pending_density(&mut self) -> Result<(), Sense> {
        if self.medium.position().partition_and_object() != (0, 0) {
            return Ok(());
        }
        let Some(media) = self.pending_density.take() else { return Ok(()) };
        self.check_overwrite(MediumChange::Format)?;
        // Save the cartridge memory first: after a crash the density is the new one, never the old one on a blank tape.
        self.cartridge.convert_density(media, &mut self.mam);
        self.save_mam()?;
        let whole = [self.cartridge.capacity()];
        self.medium.format(&whole).map_err(|error| fault::sense(&error, Operation::Writing))
    }

    /// Density code of the next write.
    pub(crate) fn write_density(&self) -> u8 {
        let selected = self.pending_density.filter(|_| self.medium.position().partition_and_object() == (0, 0));
        selected.unwrap_or(self.cartridge.media()).density
    }

    /// Prepares a read, which changes the position: ends an allowed overwrite and checks WORM integrity.
    ///
    /// # Errors
    /// MEDIUM ERROR 30h/0Dh.
    pub(crate) fn before_read(&mut self) -> Result<(), Sense> {
        self.allowed_overwrite = AllowedOverwrite::Nothing;
        self.check_worm_integrity()
    }

    /// Makes written data durable. After a failure the medium writes the data again before it accepts more.
    ///
    /// # Errors
    /// The sense of a store failure ([`fault::sense`]).
    pub(crate) fn sync(&mut self) -> Result<(), Sense> {
        self.try_sync().map_err(|error| fault::sense(&error, Operation::Writing))
    }

    fn try_sync(&mut self) -> Result<(), StoreError> {
        let synced = self.medium.sync();
        match &synced {
            Ok(()) => (self.unsynchronised_writer, self.unsynchronised_from) = (None, None),
            Err(error) => self.record_write_failure(error),
        }
        self.unsynchronised = synced.is_err();
        synced
    }

    /// Waits for the workers, so that sizes are exact. A failure is reported later as a deferred error.
    pub(crate) fn drain(&mut self) {
        let _ = self.medium.drain();
        self.counters.written_to_medium = self.medium.stored_bytes();
    }

    /// Records where encrypted blocks begin and end after a write that began at `first`.
    pub(crate) fn record_encrypted_range(&mut self, first: Position, encrypted: bool) {
        if !encrypted && !self.has_encrypted_blocks {
            return;
        }
        let (partition, object) = first.partition_and_object();
        if self.medium.position().partition_and_object() == (partition, object) {
            // Nothing was written.
            return;
        }
        self.record_truncation(partition, object);
        self.has_encrypted_blocks |= encrypted;
        let at = |mam: &Mam, id| mam.get(id, partition).map(|_| mam.partition_number_value(id, partition));
        let mam = &mut self.mam;
        let (first, unencrypted) = (at(mam, AttrId::FIRST_ENCRYPTED_OBJECT), at(mam, AttrId::FIRST_UNENCRYPTED));
        if encrypted && first.is_none() {
            mam.set(AttrId::FIRST_ENCRYPTED_OBJECT, partition, &object.to_be_bytes());
        } else if !encrypted && first.is_some() && unencrypted.is_none() {
            mam.set(AttrId::FIRST_UNENCRYPTED, partition, &object.to_be_bytes());
        }
    }

    /// Records that encrypted blocks from this object on were erased or overwritten.
    pub(crate) fn record_truncation(&mut self, partition: u8, object: u64) {
        for id in [AttrId::FIRST_ENCRYPTED_OBJECT, AttrId::FIRST_UNENCRYPTED] {
            let truncated =
                self.mam.get(id, partition).is_some() && object <= self.mam.partition_number_value(id, partition);
            if truncated {
                self.mam.set(id, partition, &[]);
            }
        }
    }

    /// Capacity in bytes, as reduced by SET CAPACITY.
    pub(crate) fn capacity(&self) -> u64 {
        let scaled = self.mam.number(AttrId::SET_CAPACITY_BYTES);
        if scaled == 0 { self.cartridge.capacity() } else { scaled }
    }

    /// The wraps of the tape, for a tape of this many wraps and metres.
    ///
    /// # Errors
    /// The store of the cartridge failed.
    pub(crate) fn wrap_map(&self, wraps: u16, metres: u16) -> Result<WrapMap, StoreError> {
        let usages: Result<Vec<_>, _> =
            (0..self.medium.partitions()).map(|partition| self.medium.usage(partition)).collect();
        Ok(WrapMap::new(wraps, metres, self.capacity(), &usages?))
    }

    /// Records the remaining capacity of each partition in the cartridge memory.
    pub(crate) fn record_remaining_capacity(&mut self) {
        self.drain();
        for partition in 0..self.medium.partitions() {
            if let Ok(usage) = self.medium.usage(partition) {
                let remaining = usage.capacity.saturating_sub(usage.used);
                self.mam.set(AttrId::REMAINING_CAPACITY, partition, &remaining.to_be_bytes());
            }
        }
    }

    /// Records the number of objects of a WORM cartridge, for the WORM integrity check.
    fn record_worm_objects(&mut self) {
        if self.cartridge.kind() != CartridgeKind::Worm || self.worm_integrity_failed {
            return;
        }
        for partition in 0..self.medium.partitions() {
            let objects = self.medium.usage(partition).map_or(0, |usage| usage.objects);
            self.mam.set(AttrId::WORM_OBJECTS, partition, &objects.to_be_bytes());
        }
    }

    /// Ends the load: makes data durable and saves the counters to the cartridge memory. `alerts` are the raised
    /// TapeAlert flags. Nothing is written to a cartridge that another daemon has taken over.
    pub(crate) fn unload(mut self, alerts: u64) -> (Cartridge, Result<(), StoreError>) {
        let synced = self.medium.close_files();
        self.record_load_in_mam(alerts);
        if synced.is_ok() {
            self.record_worm_objects();
        }
        let unwritable = self.mam_failed || self.cartridge.is_read_only() || self.taken_over_by().is_some();
        let saved = if unwritable { Ok(()) } else { self.cartridge.save_mam_and_copy(&self.mam) };
        let closed = if self.taken_over_by().is_some() { Ok(()) } else { self.medium.close() };
        let taken_over = self.taken_over_by().map(|owner| StoreError::TakenOver { owner: owner.to_owned() });
        (self.cartridge, taken_over.map_or(Ok(()), Err).and(synced).and(saved).and(closed))
    }

    /// Records the end and the counters of this load.
    fn record_load_in_mam(&mut self, alerts: u64) {
        self.mam.set_number(AttrId::TAPE_ALERT, alerts);
        self.mam.set_flag(Flags::LOADED, false);
        self.record_remaining_capacity();
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
    }
}
