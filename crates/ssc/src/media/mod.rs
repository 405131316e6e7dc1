//! The cartridge in the drive: its load state, and the only access to its tape and its cartridge memory.
//!
//! [`MediaState::readiness`] returns the access of a command. Code that reads the tape although the drive is not ready uses
//! [`MediaState::threaded`] or [`MediaState::opened`].

mod load;
mod taken_over;
mod thawing;
mod unload;

pub(crate) use load::drive_name;
pub(crate) use thawing::ThawingLoad;

use crate::background::BackgroundVerify;
use crate::mounted::Mounted;
use crate::profile::DriveProfile;
use crate::timing::{Delays, MotionInProgress};
use scsi_core::asc::Asc;
use scsi_core::command_spec::MediumAccess;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::time::Instant;
use std::sync::Arc;
use std::time::Duration;
use tape_store::cartridge::{Barcode, Cartridge, Format};
use tape_store::mam::Mam;
use tape_store::media::MediaSpec;
use tape_store::medium::MediumOperation;
use tape_store::workers::Workers;

/// Maximum block length in bytes (READ BLOCK LIMITS of LTO drives: 800000h).
pub(crate) const MAX_BLOCK_LENGTH: u32 = 0x0080_0000;

/// Cartridge in the drive and its load state.
#[derive(Default)]
pub(crate) enum Load {
    /// No cartridge.
    #[default]
    Empty,
    /// An unloaded cartridge, which the robot can remove or LOAD can load.
    Ejected(Cartridge),
    /// A cartridge whose tape is being threaded until this time; the second field is the load state afterwards.
    Threading(Instant, Box<Self>),
    /// A cartridge that is loaded when its store has thawed what the load needs.
    Thawing(Box<ThawingLoad>),
    /// A loaded cartridge whose tape is not threaded; its cartridge memory is accessible.
    LoadedNotThreaded(Box<LoadedNotThreaded>),
    /// A threaded tape.
    Mounted(Box<Mounted>),
    /// A threaded tape that a VERIFY with IMMED=1 uses.
    Verifying(Box<Mounted>, BackgroundVerify),
    /// An unusable cartridge, with the sense that commands report.
    Unusable(Cartridge, Sense),
}

impl Load {
    /// The load state after threading has ended; the present one if no tape is being threaded.
    pub(crate) fn after_threading(&self) -> &Self {
        if let Self::Threading(_, then) = self { then } else { self }
    }

    fn threaded(&self) -> Option<&Mounted> {
        if let Self::Mounted(mounted) | Self::Verifying(mounted, _) = self { Some(mounted) } else { None }
    }

    fn threaded_mut(&mut self) -> Option<&mut Mounted> {
        if let Self::Mounted(mounted) | Self::Verifying(mounted, _) = self { Some(mounted) } else { None }
    }

    /// The cartridge in the drive; `None` if the drive is empty.
    pub(crate) fn cartridge(&self) -> Option<&Cartridge> {
        match self {
            Self::Empty => None,
            Self::Ejected(cartridge) | Self::Unusable(cartridge, _) => Some(cartridge),
            Self::Threading(_, then) => then.cartridge(),
            Self::Thawing(thawing) => Some(&thawing.cartridge),
            Self::LoadedNotThreaded(loaded) => Some(&loaded.cartridge),
            Self::Mounted(mounted) | Self::Verifying(mounted, _) => Some(&mounted.cartridge),
        }
    }
}

/// A loaded cartridge whose tape is not threaded.
pub(crate) struct LoadedNotThreaded {
    pub(crate) cartridge: Cartridge,
    pub(crate) mam: Mam,
    /// Whether the cartridge memory was read from a copy, and must not be saved.
    pub(crate) is_read_only: bool,
}

impl LoadedNotThreaded {
    /// Number of partitions, from the cartridge memory.
    pub(crate) fn partitions(&self) -> u8 {
        u8::try_from(self.mam.partition_sizes().len().max(1)).unwrap_or(u8::MAX)
    }
}

/// The access of a command to the medium.
pub(crate) enum Readiness<'a> {
    /// Use the tape and the cartridge memory.
    Ready(&'a mut Mounted),
    /// Use the cartridge memory; the tape is not threaded.
    CartridgeMemory(&'a mut LoadedNotThreaded),
    /// Neither; the command ends with this sense.
    NotReady(Sense),
}

/// A fault of a cartridge, for the owner of the drive to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediumFault {
    /// Barcode of the faulty cartridge.
    pub barcode: Barcode,
    /// Description of the fault: one line of lower-case text.
    pub reason: String,
    /// `true` if the cartridge cannot be mounted; `false` if it is mounted and written data may be lost.
    pub unusable: bool,
}

/// The cartridge in the drive, and the settings of the loader.
#[derive(Default)]
pub(crate) struct MediaState {
    load: Load,
    /// An operator has set the drive offline.
    pub(crate) offline: bool,
    /// At least one nexus prevents medium removal.
    pub(crate) removal_prevented: bool,
    /// Workers that compress and encrypt blocks.
    pub(crate) workers: Option<Arc<dyn Workers>>,
    /// Modelled durations of mechanical motions.
    pub(crate) delays: Delays,
    /// A motion that continues after its command.
    moving: Option<MotionInProgress>,
    /// Time of the last command or event.
    now: Instant,
}

impl MediaState {
    /// The access that a command has to the medium now.
    pub(crate) fn readiness(&mut self) -> Readiness<'_> {
        if let Err(offline) = self.check_online() {
            return Readiness::NotReady(offline);
        }
        // A motion also continues when it has unloaded the tape.
        let moving = self.moving.as_ref().map(|motion| motion.not_ready(self.now));
        if let (Some(sense), Load::Mounted(_) | Load::LoadedNotThreaded(_) | Load::Ejected(_)) = (moving, &self.load) {
            return Readiness::NotReady(sense);
        }
        match &mut self.load {
            Load::Mounted(mounted) => Readiness::Ready(mounted),
            Load::LoadedNotThreaded(loaded) => Readiness::CartridgeMemory(loaded),
            Load::Verifying(_, operation) => Readiness::NotReady(operation.not_ready()),
            Load::Threading(..) => Readiness::NotReady(becoming_ready()),
            Load::Thawing(thawing) => Readiness::NotReady(thawing.not_ready()),
            Load::Empty | Load::Ejected(_) => Readiness::NotReady(not_ready(Asc::MEDIUM_NOT_PRESENT)),
            Load::Unusable(_, sense) => Readiness::NotReady(sense.clone()),
        }
    }

    /// Returns the tape, for a command that needs it.
    ///
    /// # Errors
    /// NOT READY with the reason, or the sense of an unusable cartridge.
    pub(crate) fn ready(&mut self) -> Result<&mut Mounted, Sense> {
        match self.readiness() {
            Readiness::Ready(mounted) => Ok(mounted),
            Readiness::CartridgeMemory(_) => Err(not_ready(Asc::MEDIUM_NOT_PRESENT_MEDIUM_AUXILIARY_MEMORY_ACCESSIBLE)),
            Readiness::NotReady(sense) => Err(sense),
        }
    }

    /// Checks that no operator has set the drive offline.
    ///
    /// # Errors
    /// NOT READY 04h/12h.
    pub(crate) const fn check_online(&self) -> Result<(), Sense> {
        if self.offline { Err(not_ready(Asc::LOGICAL_UNIT_NOT_READY_OFFLINE)) } else { Ok(()) }
    }

    /// Sense of an operation in progress, for REQUEST SENSE: NOT READY 04h/01h while a tape is being threaded, and, with the
    /// progress, while it is being thawed, formatted or unloaded; NO SENSE 00h/18h to 00h/1Ch with the progress of an erase, locate,
    /// rewind, SET CAPACITY or VERIFY.
    pub(crate) fn pollable_sense(&self) -> Option<Sense> {
        match &self.load {
            Load::Threading(..) => Some(becoming_ready()),
            Load::Thawing(thawing) => Some(thawing.not_ready()),
            Load::Verifying(_, operation) => Some(operation.pollable_sense()),
            _ => self.moving.as_ref().map(|motion| motion.pollable_sense(self.now)),
        }
    }

    /// Notes the time, and ends a motion whose end is reached.
    pub(crate) fn note_time(&mut self, now: Instant) {
        self.now = now;
        self.moving = self.moving.take().filter(|motion| motion.until > now);
    }

    /// The additional sense code of a motion that continues after its command.
    pub(crate) fn operation(&self) -> Option<Asc> {
        self.moving.as_ref().map(|motion| motion.operation)
    }

    /// The rest of a motion that continues after its command.
    pub(crate) fn motion_left(&self, now: Instant) -> Duration {
        self.moving.as_ref().map_or(Duration::ZERO, |motion| now.duration_until(motion.until))
    }

    /// Begins a motion that continues after its command; that of a load is threading.
    pub(crate) fn begin_motion(&mut self, motion: MotionInProgress) {
        if motion.operation == Asc::LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY {
            self.thread_until(motion.until);
        } else {
            self.moving = Some(motion);
        }
    }

    /// The load state, for reports that name it.
    pub(crate) const fn load(&self) -> &Load {
        &self.load
    }

    /// The threaded tape whether or not the drive is ready: also while it is offline, or while a VERIFY with IMMED=1
    /// uses the tape. For mode and log pages and for the checks after a command.
    pub(crate) fn threaded(&self) -> Option<&Mounted> {
        self.load.threaded()
    }

    /// The threaded tape whether or not the drive is ready, for changing; otherwise as [`Self::threaded`].
    pub(crate) fn threaded_mut(&mut self) -> Option<&mut Mounted> {
        self.load.threaded_mut()
    }

    /// The tape that was opened, even while it is still being threaded: for settings, resets and the unload.
    pub(crate) fn opened(&self) -> Option<&Mounted> {
        self.load.after_threading().threaded()
    }

    /// The tape that was opened, for changing; otherwise as [`Self::opened`].
    pub(crate) fn opened_mut(&mut self) -> Option<&mut Mounted> {
        let load = &mut self.load;
        if let Load::Threading(_, then) = load { then.threaded_mut() } else { load.threaded_mut() }
    }

    /// Whether the drive holds no cartridge.
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.load, Load::Empty)
    }

    /// Whether the drive holds a cartridge that is not unloaded.
    pub(crate) const fn is_loaded(&self) -> bool {
        !matches!(self.load, Load::Empty | Load::Ejected(_))
    }

    /// Returns the not ready sense while an operation that an unload would interrupt is in progress.
    ///
    /// # Errors
    /// NOT READY 04h/01h while a tape is being threaded, 04h/07h during a VERIFY or a motion.
    pub(crate) fn check_idle(&self) -> Result<(), Sense> {
        match &self.load {
            Load::Threading(..) => Err(becoming_ready()),
            Load::Verifying(_, operation) => Err(operation.not_ready()),
            _ => self.moving.as_ref().map_or(Ok(()), |motion| Err(motion.not_ready(self.now))),
        }
    }

    /// Checks that no load waits for a thawing.
    ///
    /// # Errors
    /// NOT READY 04h/01h with the progress.
    pub(crate) fn check_thawed(&self) -> Result<(), Sense> {
        if let Load::Thawing(thawing) = &self.load { Err(thawing.not_ready()) } else { Ok(()) }
    }

    /// Takes the cartridge that LOAD loads. Returns `None` if its tape is threaded already.
    ///
    /// # Errors
    /// NOT READY 3Ah/00h for an empty drive, 04h/01h while a tape is being thawed; the errors of [`Self::check_idle`].
    pub(crate) fn take_to_load(&mut self) -> Result<Option<Cartridge>, Sense> {
        self.check_idle()?;
        self.check_thawed()?;
        match std::mem::take(&mut self.load) {
            Load::Ejected(cartridge) | Load::Unusable(cartridge, _) => Ok(Some(cartridge)),
            Load::LoadedNotThreaded(loaded) => Ok(Some(loaded.cartridge)),
            Load::Empty => Err(not_ready(Asc::MEDIUM_NOT_PRESENT)),
            threaded => {
                self.load = threaded;
                Ok(None)
            }
        }
    }

    /// Keeps an unloaded cartridge in the empty drive.
    pub(crate) fn set_ejected(&mut self, cartridge: Cartridge) {
        self.load = Load::Ejected(cartridge);
    }

    /// Keeps a cartridge that was lost in a command that panicked, as unusable until it is loaded again.
    pub(crate) fn set_failed(&mut self, cartridge: Cartridge) {
        self.load = Load::failed(cartridge);
    }

    /// Takes the cartridge of a faulty drive, to load it again; `None` if it is unloaded or absent.
    pub(crate) fn take_failed(&mut self) -> Option<Cartridge> {
        match std::mem::take(&mut self.load) {
            Load::Unusable(cartridge, _) => Some(cartridge),
            other => {
                self.load = other;
                None
            }
        }
    }

    /// Delays the end of a load that has just been done: until `until` the tape is being threaded.
    pub(crate) fn thread_until(&mut self, until: Instant) {
        let then = std::mem::take(&mut self.load);
        self.load = Load::Threading(until, Box::new(then));
    }

    /// Ends the threading of a tape at its time. Returns whether a tape has become ready.
    pub(crate) fn end_threading(&mut self, now: Instant) -> bool {
        if !matches!(self.load, Load::Threading(until, _) if until <= now) {
            return false;
        }
        if let Load::Threading(_, then) = std::mem::take(&mut self.load) {
            self.load = *then;
        }
        matches!(self.load, Load::Mounted(_))
    }

    /// Whether a VERIFY with IMMED=1 uses the tape.
    pub(crate) const fn is_verifying(&self) -> bool {
        matches!(self.load, Load::Verifying(..))
    }

    /// Starts a VERIFY with IMMED=1 on a tape that is ready.
    pub(crate) fn start_verify(&mut self, operation: BackgroundVerify) {
        self.load = match std::mem::take(&mut self.load) {
            Load::Mounted(mounted) => Load::Verifying(mounted, operation),
            other => other,
        };
    }

    /// Runs the next step of a VERIFY with IMMED=1. If that ends it, returns the operation, and the sense if it failed.
    pub(crate) fn step_verify(&mut self, bytes: u64) -> Option<(BackgroundVerify, Option<Sense>)> {
        let Load::Verifying(mounted, operation) = &mut self.load else { return None };
        let failure = match operation.step(mounted, bytes) {
            Ok(false) => return None,
            Ok(true) => None,
            Err(sense) => Some(sense),
        };
        Some((self.abandon_verify()?, failure))
    }

    /// Ends a VERIFY with IMMED=1, complete or not, and returns it.
    pub(crate) fn abandon_verify(&mut self) -> Option<BackgroundVerify> {
        match std::mem::take(&mut self.load) {
            Load::Verifying(mounted, operation) => {
                self.load = Load::Mounted(mounted);
                Some(operation)
            }
            other => {
                self.load = other;
                None
            }
        }
    }

    /// The VERIFY with IMMED=1 that uses the tape.
    pub(crate) const fn verify(&self) -> Option<&BackgroundVerify> {
        if let Load::Verifying(_, operation) = &self.load { Some(operation) } else { None }
    }

    /// The accesses to the opened tape that may wait now; none without a tape.
    pub(crate) fn slow_accesses(&self) -> MediumAccess {
        let Some(mounted) = self.opened() else { return MediumAccess::empty() };
        let mut slow = MediumAccess::empty();
        slow.set(MediumAccess::READ, mounted.medium.may_wait(MediumOperation::Read));
        slow.set(MediumAccess::WRITE, mounted.medium.may_wait(MediumOperation::Append));
        slow.set(MediumAccess::DRAIN, mounted.medium.may_wait(MediumOperation::Drain));
        slow
    }

    /// MAXIMUM BLOCK LENGTH of READ BLOCK LIMITS in bytes; also the maximum BLOCK LENGTH of MODE SELECT.
    pub(crate) fn max_block_length(&self) -> u32 {
        // Cartridges in mhvtl format hold shorter blocks than the drive supports.
        let of_medium = self.threaded().and_then(|mounted| u32::try_from(mounted.medium.max_block()).ok());
        of_medium.map_or(MAX_BLOCK_LENGTH, |len| len.min(MAX_BLOCK_LENGTH))
    }

    /// Density code of the threaded tape; 0 without one.
    pub(crate) fn density(&self) -> u8 {
        self.threaded().map_or(0, Mounted::write_density)
    }

    /// The other medium type into which a write with this density converts the threaded tape.
    pub(crate) fn convertible_to(&self, profile: &DriveProfile, density: u8) -> Option<&'static MediaSpec> {
        let mounted = self.threaded()?;
        let can = |media: &&&'static MediaSpec| {
            media.density == density
                && profile.supported_media.iter().any(|format| format.media == **media && format.can_write)
        };
        // mhvtl has no convertible media.
        mounted
            .cartridge
            .media()
            .convertible_to
            .iter()
            .find(can)
            .copied()
            .filter(|_| mounted.medium.file_format() != Some(Format::Mhvtl))
    }

    /// Removes the copies of keys that the medium keeps.
    pub(crate) fn clear_medium_keys(&mut self) {
        if let Some(mounted) = self.opened_mut() {
            mounted.medium.clear_keys();
        }
    }
}

/// NOT READY with this additional sense code.
const fn not_ready(asc: Asc) -> Sense {
    Sense::new(SenseKey::NOT_READY, asc)
}

/// NOT READY 04h/01h: becoming ready.
const fn becoming_ready() -> Sense {
    not_ready(Asc::LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY)
}
