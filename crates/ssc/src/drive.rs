//! The interface of a drive to its owner: cartridges, settings and faults. It is a [`LogicalUnit`](scsi_core::target::LogicalUnit).

use crate::alert::{self, Alert};
use crate::background;
pub use crate::counters::Counters;
use crate::device::DriveState;
use crate::lifetime_counters;
pub use crate::media::MediumFault;
use crate::media::{Load, drive_name};
use crate::mode::config_extension_1001;
use crate::profile::DriveProfile;
use crate::timing::Delays;
use scsi_core::alert::AlertSet;
use scsi_core::asc::Asc;
#[cfg(doc)]
use scsi_core::command_spec::CommandSpec;
use scsi_core::command_spec::MediumAccess;
use scsi_core::identity::Identity;
use scsi_core::lifetime_counters::LifetimeCounters;
use scsi_core::lu::{self, Lu};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::time::{Instant, Now};
use std::io;
use std::sync::Arc;
use tape_store::backend::ThawProgress;
use tape_store::cartridge::{Barcode, Cartridge, InsertError, RemoveError};
use tape_store::encrypt::Entropy;
use tape_store::error::StoreError;
use tape_store::key_wrapping::KeyWrappingPair;
use tape_store::medium::Codec;
#[cfg(doc)]
use tape_store::medium::Medium;
use tape_store::workers::Workers;

/// Settings that the owner of a drive chooses: those of [`Self::default`], changed with the methods.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DriveConfig {
    /// Codec that stores blocks while data compression is enabled (DCE of mode page 0Fh).
    pub codec: Codec,
    /// The source of the random values of the drive.
    pub random: RandomSource,
}

impl Default for DriveConfig {
    /// [`Codec::DEFAULT`], and no random values ([`RandomSource::NONE`]).
    fn default() -> Self {
        Self { codec: Codec::DEFAULT, random: RandomSource::NONE }
    }
}

impl DriveConfig {
    /// The same settings with another codec.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        Self { codec, ..self }
    }

    /// The same settings with another source of random values.
    #[must_use]
    pub const fn with_random(self, random: RandomSource) -> Self {
        Self { random, ..self }
    }
}

/// The source of the random values of a drive. The owner of the drive supplies it, as it supplies the time.
#[derive(Clone, Copy, Debug)]
pub struct RandomSource {
    /// Fills a slice with random bytes: salts of encrypted blocks, and page 0030h of SECURITY PROTOCOL IN. If it fails, a
    /// write of an encrypted block ends with MEDIUM ERROR 0Ch/00h, and the page with HARDWARE ERROR 44h/00h.
    pub bytes: Entropy,
    /// Generates the RSA-2048 key pair of page 0031h of SECURITY PROTOCOL IN, which then ends with HARDWARE ERROR 44h/00h
    /// if there is none.
    pub key_pair: fn() -> Option<KeyWrappingPair>,
}

impl RandomSource {
    /// A source that always fails, for drives that encrypt nothing.
    pub const NONE: Self =
        Self { bytes: |_| Err(io::Error::other("the owner of the drive supplies no random bytes")), key_pair: || None };
}

/// The data of the cartridge in a drive could not be made durable on shutdown.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{barcode}: {source}")]
#[non_exhaustive]
pub struct ShutDownError {
    /// Barcode of the cartridge whose data could not be stored.
    pub barcode: Barcode,
    /// The failure of the cartridge store.
    pub source: StoreError,
}

/// A tape drive: an SSC logical unit with at most one cartridge.
pub struct Drive {
    lu: Lu,
    state: DriveState,
}

/// Load state of a cartridge that is in a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadState {
    /// The cartridge is loaded and the tape is threaded, or is being threaded.
    Threaded,
    /// The cartridge is in the drive and the tape is not threaded: loaded with HOLD=1, or unusable.
    NotThreaded,
    /// The cartridge is in the drive, and is loaded when its store has thawed what the load needs.
    Thawing,
    /// The cartridge is unloaded and can be removed.
    Ejected,
}

impl Drive {
    /// Sets the workers that compress and encrypt blocks. They are used from the next load on.
    pub fn set_workers(&mut self, workers: Arc<dyn Workers>) {
        self.state.media.workers = Some(workers);
    }

    /// Creates an empty drive in its state after power-on. `saved` is the state saved before the last power-off.
    #[must_use]
    pub fn new(profile: &'static DriveProfile, identity: Identity, config: DriveConfig, saved: lu::SavedState) -> Self {
        let lu = Lu::new(identity, profile.mode_pages, profile.check_order, saved);
        let mut drive = Self { state: DriveState::new(profile, config, &lu.identity), lu };
        drive.state.health.lifetime = LifetimeCounters::new(drive.lu.counters.clone());
        drive.state.health.lifetime.add(lifetime_counters::POWER_CYCLES, 1);
        drive.apply_mode_pages(None);
        drive
    }

    /// SPC state of the logical unit: identity, unit attentions, mode pages, reservations.
    pub const fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    /// Raised TapeAlert flags (SSC-4 annex A), including flags that a nexus has already read.
    #[must_use]
    pub const fn alerts(&self) -> AlertSet {
        self.state.health.alerts.raised_flags()
    }

    /// Raises a TapeAlert flag as if its cause had occurred.
    pub fn raise_alert(&mut self, alert: Alert) {
        self.state.health.alerts.raise(alert);
    }

    /// Clears a TapeAlert flag as if its cause had ended.
    pub fn clear_alert(&mut self, alert: Alert) {
        self.state.health.alerts.clear_flag(alert);
    }

    /// Sets the drive online or offline. Offline, it ends every SSC command with NOT READY 04h/12h. Online, a drive that is
    /// faulty after a panic is reloaded: it loads its cartridge again.
    pub fn set_online(&mut self, online: bool) {
        self.state.media.offline = !online;
        if online && self.lu.is_faulty() {
            self.lu.recover();
            if let Some(cartridge) = self.state.media.take_failed() {
                let _ = self.insert(cartridge);
            }
        }
    }

    /// The time from which [`Self::poll_background`] has something to do: at once while an operation of an immediate command (VERIFY
    /// with IMMED=1) runs in the background, once a second while a load waits for a thawing. `None` if there is no such work.
    #[must_use]
    pub fn background_due(&self) -> Option<Instant> {
        if self.state.media.is_verifying() { Some(Instant(0)) } else { self.state.media.thawing_due() }
    }

    /// Runs the next step of the background operation, or continues a load whose thawing has ended, which may wait for the store of the
    /// cartridge. Returns [`Self::background_due`] after that.
    pub fn poll_background(&mut self, now: Now) -> Option<Instant> {
        self.step(background::LONG);
        if self.state.poll_thawing(now.mono, &drive_name(&self.lu)) {
            self.thread(now);
            self.save_lifetime_counters();
        }
        self.background_due()
    }

    /// How many objects of the cartridge can be read, while its load waits for a thawing; otherwise `None`.
    #[must_use]
    pub fn thawing(&self) -> Option<ThawProgress> {
        self.state.media.thawing()
    }

    /// The accesses to the loaded medium that may wait now ([`Medium::may_wait`]); none without a medium. The owner runs
    /// a command with one of them, as [`CommandSpec::may_wait`] reports, on a thread that may wait.
    #[must_use]
    pub fn slow_accesses(&self) -> MediumAccess {
        self.state.media.slow_accesses()
    }

    /// The cartridge in the drive and its load state; `None` if the drive is empty.
    #[must_use]
    pub fn loaded(&self) -> Option<(&Cartridge, LoadState)> {
        let load = self.state.media.load().after_threading();
        let state = match load {
            Load::Empty | Load::Ejected(_) => LoadState::Ejected,
            Load::Unusable(..) | Load::LoadedNotThreaded(_) => LoadState::NotThreaded,
            Load::Thawing(_) => LoadState::Thawing,
            Load::Threading(..) | Load::Mounted(_) | Load::Verifying(..) => LoadState::Threaded,
        };
        load.cartridge().map(|cartridge| (cartridge, state))
    }

    /// The position of a threaded tape: its partition, and the number of the next logical object.
    #[must_use]
    pub fn position(&self) -> Option<(u8, u64)> {
        self.state.media.threaded().map(|mounted| mounted.medium.position().partition_and_object())
    }

    /// Bytes, blocks and errors of all loads since power-on. They never decrease.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let earlier = self.state.health.earlier_loads;
        self.state.media.opened().map_or(earlier, |mounted| earlier.plus(mounted.counters))
    }

    /// Number of loads since power-on.
    #[must_use]
    pub const fn loads(&self) -> u64 {
        self.state.health.loads
    }

    /// Number of cleanings in the life of the drive; it survives a restart.
    #[must_use]
    pub fn cleanings(&self) -> u64 {
        self.state.health.lifetime.get(lifetime_counters::CLEANINGS)
    }

    /// Sense data of commands while the cartridge in the drive is unusable; `None` otherwise. A cleaning cartridge is
    /// unusable: NOT READY 30h/03h.
    #[must_use]
    pub fn refusal(&self) -> Option<&Sense> {
        if let Load::Unusable(_, sense) = self.state.media.load().after_threading() { Some(sense) } else { None }
    }

    /// Whether written blocks of at least one I_T nexus are encrypted (SECURITY PROTOCOL OUT, SSC-4 §8.5).
    #[must_use]
    pub fn is_encrypting(&self) -> bool {
        self.state.encryption.is_on()
    }

    /// Inserts a cartridge and threads its tape. Establishes UNIT ATTENTION 28h/00h for every nexus. If the store of the cartridge must
    /// thaw objects before they are read, the drive reports NOT READY 04h/01h with the progress until then, and
    /// [`Self::poll_background`] continues the load.
    ///
    /// # Errors
    /// The drive already holds a cartridge; the error returns the new one.
    pub fn insert(&mut self, cartridge: Cartridge) -> Result<(), Box<InsertError>> {
        self.mount(cartridge)?;
        self.state.time.end_load();
        if self.state.media.threaded().is_some() {
            self.notify_load();
        }
        Ok(())
    }

    /// Inserts a cartridge like [`Self::insert`], but threading takes [`Delays::load`], or the modelled time of the load if
    /// that is longer. Until then the drive reports NOT READY 04h/01h; the UNIT ATTENTION 28h/00h is established afterwards.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn insert_with_delay(&mut self, cartridge: Cartridge, now: Now) -> Result<(), Box<InsertError>> {
        self.state.health.note_time(now);
        self.mount(cartridge)?;
        self.thread(now);
        Ok(())
    }

    /// Threads a tape that was loaded just now, in the time that this takes. A load that waits for a thawing does this afterwards.
    fn thread(&mut self, now: Now) {
        if self.state.media.thawing().is_some() {
            return;
        }
        let modelled = self.take_load_time().unwrap_or_default();
        let delay = self.state.media.delays.load.max(self.state.time.spend(modelled));
        if !delay.is_zero() {
            self.state.media.thread_until(now.mono.saturating_add(delay));
        } else if self.state.media.threaded().is_some() {
            self.notify_load();
        }
    }

    fn mount(&mut self, cartridge: Cartridge) -> Result<(), Box<InsertError>> {
        if !self.state.media.is_empty() {
            return Err(Box::new(InsertError { cartridge, reason: "the drive already holds a cartridge" }));
        }
        self.lu.recover();
        self.lu.mode.restore_default(crate::mode::partition_11::ID);
        self.state.mount(cartridge, &drive_name(&self.lu));
        self.save_lifetime_counters();
        Ok(())
    }

    fn notify_load(&mut self) {
        self.lu.attentions.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
    }

    /// Modelled durations of mechanical motions, for changing.
    pub const fn delays_mut(&mut self) -> &mut Delays {
        &mut self.state.media.delays
    }

    /// Sets the codec that stores further blocks while data compression is enabled.
    pub const fn set_codec(&mut self, codec: Codec) {
        self.state.modes.compression = codec;
    }

    /// Turns append-only mode on or off, regardless of the mounted medium. Returns `false` if the model does not
    /// support it.
    pub fn set_append_only(&mut self, on: bool) -> bool {
        let has = !self.lu.mode.current(config_extension_1001::ID).is_empty();
        self.lu.mode.set_bits(config_extension_1001::ID, 5, config_extension_1001::APPEND_ONLY, on);
        self.apply_mode_pages(None);
        has
    }

    /// Names of the supported media, each with whether the drive can write it.
    pub fn supported_media(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.state.profile.supported_media.iter().map(|format| (format.media.name, format.can_write))
    }

    /// Removes the cartridge, and unloads it first if no host has done so.
    ///
    /// # Errors
    /// The drive is empty, or a host prevents medium removal.
    pub fn remove(&mut self) -> Result<Cartridge, RemoveError> {
        if self.lu.removal_prevented() && self.state.media.is_loaded() {
            return Err(RemoveError::Prevented);
        }
        self.force_remove().ok_or(RemoveError::Empty)
    }

    /// Removes the cartridge manually, ignoring PREVENT ALLOW MEDIUM REMOVAL; otherwise as [`Self::remove`].
    pub fn force_remove(&mut self) -> Option<Cartridge> {
        if let Some(operation) = self.state.media.abandon_verify() {
            // The host must not assume that the tape is verified.
            self.lu.defer_error(operation.nexus, Sense::new(SenseKey::ABORTED_COMMAND, Asc(0)));
        }
        let writers = self.state.media.opened().map(|mounted| (mounted.last_writer, mounted.unsynchronised_writer));
        let (cartridge, result) = self.state.unmount()?;
        self.state.clear_keys_at_demount(&mut self.lu);
        let (last, unsynchronised) = writers.unwrap_or_default();
        if let Err(error) = result
            && let Some(writer) = if error.taken_over_by().is_some() { unsynchronised } else { last }
        {
            self.lu.defer_error(writer, crate::fault::sense(&error, crate::fault::Operation::Writing));
        }
        self.state.health.alerts.clear_flags(alert::CLEARED_AT_UNLOAD);
        self.save_lifetime_counters();
        Some(cartridge)
    }

    /// Unloads and ejects the cartridge, as the eject button does. It stays in the drive until it is removed.
    ///
    /// # Errors
    /// The drive is empty, or a host prevents medium removal.
    pub fn eject(&mut self) -> Result<(), RemoveError> {
        let cartridge = self.remove()?;
        self.state.media.set_ejected(cartridge);
        Ok(())
    }

    /// Makes the drive faulty after a panic ([`Lu::set_faulty`]): closes a loaded cartridge without writing to it, and gives
    /// all other state its values after power-on, with the SPC state from `saved`. Raises TapeAlert 58.
    ///
    /// A load of a cartridge ends the faulty state, by LOAD UNLOAD or by the owner, as does [`Self::set_online`].
    pub fn fail_after_panic(&mut self, saved: lu::SavedState) {
        self.lu.set_faulty();
        self.state.close_after_panic();
        self.lu.restore(saved);
        self.reset_device_state();
        self.state.health.alerts.raise(Alert::FIRMWARE_FAILURE);
    }

    /// Loses the power and gets it back: data that was not synchronised is lost, the tape is loaded again, and all other state has its
    /// values after power-on, with the SPC state from `saved`. Raises UNIT ATTENTION 29h/00h for every nexus.
    pub fn lose_power(&mut self, saved: lu::SavedState, now: Now) {
        if let Some(mounted) = self.state.media.opened_mut() {
            mounted.lose_unsynchronised();
        }
        self.state.close_after_panic();
        self.lu.restore(saved);
        self.reset_device_state();
        self.lu.attentions.raise_all(Asc::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED);
        if let Some(cartridge) = self.state.media.take_failed() {
            let _ = self.insert_with_delay(cartridge, now);
        }
    }

    /// Restores the cartridge that was lost in a command that panicked. Commands for the medium end with HARDWARE ERROR
    /// 44h/00h until it is loaded again.
    ///
    /// # Errors
    /// The drive holds another cartridge; the error returns this one.
    pub fn restore_cartridge(&mut self, cartridge: Cartridge) -> Result<(), Box<InsertError>> {
        if !self.state.media.is_empty() {
            return Err(Box::new(InsertError { cartridge, reason: "the drive already holds a cartridge" }));
        }
        self.state.media.set_failed(cartridge);
        Ok(())
    }

    /// Takes the faults of cartridges that were found since the last call.
    pub fn take_faults(&mut self) -> Vec<MediumFault> {
        self.state.health.take_faults()
    }

    /// Unloads the cartridge on shutdown, ignoring PREVENT ALLOW MEDIUM REMOVAL, and makes all data durable. Returns
    /// the cartridge, if there is one.
    ///
    /// # Errors
    /// The cartridge store failed.
    pub fn shut_down(&mut self) -> Result<Option<Cartridge>, ShutDownError> {
        let unmounted = self.state.unmount();
        // The power-on time has changed even if no other counter has.
        self.state.health.lifetime.mark_changed();
        self.save_lifetime_counters();
        match unmounted {
            None => Ok(None),
            Some((cartridge, Ok(()))) => Ok(Some(cartridge)),
            Some((cartridge, Err(error))) => Err(ShutDownError { barcode: cartridge.barcode().clone(), source: error }),
        }
    }
}

mod execute;
mod injected;
mod records;
mod timed;
mod transport_event;

#[cfg(test)]
mod access_order_tests;
#[cfg(test)]
mod capability_tests;
#[cfg(test)]
mod captured_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod dump_tests;
#[cfg(test)]
mod encryption_tests;
#[cfg(test)]
mod memory_tape_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod motion_tests;
#[cfg(test)]
mod overwrite_rule_tests;
#[cfg(test)]
mod parameter_length_tests;
#[cfg(test)]
mod profile_tests;
#[cfg(test)]
mod readiness_tests;
#[cfg(test)]
mod reserved_bit_tests;
#[cfg(test)]
mod saved_page_tests;
#[cfg(test)]
mod storage_failure_tests;
#[cfg(test)]
mod taken_over_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod thawing_tests;
#[cfg(test)]
mod time_tests;
#[cfg(test)]
mod transcript_tests;
