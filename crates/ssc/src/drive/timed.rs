//! The time that hardware would take for each command, by the model of the medium ([`crate::timing::DriveModel`]).
//!
//! A command is executed at once; then its time is computed from the places of the tape before and after it, and from the
//! bytes that it moved. With IMMED=1 its status is not delayed, and the motion continues after it.

use super::Drive;
use crate::command::Command;
use crate::counters::Counters;
use crate::mounted::Mounted;
use crate::timing::{DriveModel, DriveTime, LoadHistory, ModelledTime, MotionInProgress, PhysicalPosition};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::DeviceCommand;
use scsi_core::fault::Outcome;
use scsi_core::target::Request;
use scsi_core::time::{Instant, TimeMode};
use std::time::Duration;
use tape_store::cartridge::CartridgeKind;
use tape_store::media::MediaSpec;

/// The state of a threaded tape before a command.
pub(super) struct TapeBefore {
    model: DriveModel,
    place: PhysicalPosition,
    counters: Counters,
    history: LoadHistory,
    medium: (&'static MediaSpec, CartridgeKind),
}

/// The time of a command, and the operation that continues if its status is not delayed (IMMED=1).
#[derive(Default)]
struct Taken {
    time: Duration,
    immediate: Option<Asc>,
}

impl From<Duration> for Taken {
    fn from(time: Duration) -> Self {
        Self { time, immediate: None }
    }
}

impl Drive {
    /// Sets what the drive does with the time that hardware would take. [`TimeMode::Off`] by default.
    pub const fn set_time_mode(&mut self, mode: TimeMode) {
        self.state.time.mode = mode;
    }

    /// Use of the time that hardware would take, by the drive.
    #[must_use]
    pub const fn time_mode(&self) -> TimeMode {
        self.state.time.mode
    }

    /// The modelled time since power-on; zero while the time mode was [`TimeMode::Off`].
    #[must_use]
    pub const fn modelled_time(&self) -> ModelledTime {
        self.state.time.counts()
    }

    /// How long the drive takes from now on until the robot can take its cartridge: the rest of an unload that continues after its
    /// status, or the unload of a threaded tape, as far as the drive waits for modelled time.
    pub fn time_until_removal(&mut self, now: Instant) -> Duration {
        let rest = self.state.media.motion_left(now);
        self.modelled_unload().map_or(rest, |unload| rest + self.state.time.mode.wait(unload))
    }

    /// Counts the time of the unload of a threaded tape, which the robot is about to take.
    pub fn count_unload_by_robot(&mut self) {
        if let Some(unload) = self.modelled_unload() {
            self.state.time.spend(unload);
            self.state.time.count_motion(unload, 0);
        }
    }

    /// Takes the time of the last load, which a threaded tape has moved for; `None` if it was taken, or times are not modelled.
    pub(super) fn take_load_time(&mut self) -> Option<Duration> {
        let load = self.state.time.take_load()?;
        if self.state.media.threaded().is_some() {
            self.state.time.count_motion(load, 0);
        }
        Some(load)
    }

    /// The time of an unload; `None` without a threaded tape, or if times are not modelled.
    fn modelled_unload(&mut self) -> Option<Duration> {
        let (profile, history) = (self.state.profile, self.state.time.history);
        if !self.state.time.mode.is_on() {
            return None;
        }
        let mounted = self.state.media.threaded_mut()?;
        let model = DriveModel::new(profile, mounted.cartridge.media());
        let from = place(mounted, &model);
        Some(model.unload(from, history))
    }

    /// The state of the tape before a command; `None` if no tape is threaded, or times are not modelled.
    pub(super) fn tape_before(&mut self, command: DeviceCommand<Command>, cdb: &Cdb) -> Option<TapeBefore> {
        if !self.state.time.mode.is_on() || matches!(command, DeviceCommand::Spc(_)) {
            return None;
        }
        let (history, here) = (self.state.time.history, moves_data(command) && address(cdb).is_none());
        let profile = self.state.profile;
        let mounted = self.state.media.threaded_mut()?;
        let model = DriveModel::new(profile, mounted.cartridge.media());
        // A transfer from the position: only its bytes count.
        let place = if here { PhysicalPosition::default() } else { place(mounted, &model) };
        let medium = (mounted.cartridge.media(), mounted.cartridge.kind());
        Some(TapeBefore { model, place, counters: mounted.counters, history, medium })
    }

    /// Counts the time of a command, and delays its status or starts its motion.
    pub(super) fn spend_time(
        &mut self,
        before: Option<TapeBefore>,
        command: DeviceCommand<Command>,
        (cdb, request): (&Cdb, &Request<'_>),
        outcome: &Outcome,
    ) {
        let (DeviceCommand::Own(command), true) = (command, self.state.time.mode.is_on()) else { return };
        let now = request.now.mono;
        let Taken { time, immediate } = self.time_of(before, command, (cdb, now), outcome);
        if time.is_zero() {
            return;
        }
        let time = self.state.time.scaled(time);
        let wait = self.state.time.spend(time);
        let until = now.saturating_add(wait);
        let delays = !wait.is_zero();
        match immediate {
            Some(operation) if delays && outcome.is_ok() => {
                self.state.media.begin_motion(MotionInProgress { began: now, until, operation });
                self.lu.set_modelled_time(time, None);
            }
            _ => self.lu.set_modelled_time(time, delays.then_some(until)),
        }
    }

    /// Counts the time of a VERIFY with IMMED=1, which has read its blocks since `began`, and continues it until this time has passed.
    pub(super) fn spend_verify(&mut self, (began, counters): (Instant, Counters)) {
        if !self.state.time.mode.is_on() {
            return;
        }
        let profile = self.state.profile;
        let (time, media) = (&mut self.state.time, &mut self.state.media);
        let Some(mounted) = media.threaded_mut() else { return };
        let model = DriveModel::new(profile, mounted.cartridge.media());
        let read = mounted.counters.since(counters).read_from_medium;
        let taken = time.read_if_any(began, read, &model);
        let until = began.saturating_add(time.spend(taken));
        if until > self.state.health.last_seen.mono {
            media.begin_motion(MotionInProgress { began, until, operation: Asc::VERIFY_OPERATION_IN_PROGRESS });
        }
    }

    fn time_of(
        &mut self,
        before: Option<TapeBefore>,
        command: Command,
        (cdb, now): (&Cdb, Instant),
        outcome: &Outcome,
    ) -> Taken {
        if command == Command::LoadUnload
            && let Some(load) = self.take_load_time()
        {
            let immediate = (cdb.bytes()[1] & 0x01 != 0).then_some(Asc::LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY);
            return Taken { time: load, immediate };
        }
        let Some(before) = before else { return Taken::default() };
        let TapeBefore { model, place: from, history, medium, .. } = before;
        let (time, media) = (&mut self.state.time, &mut self.state.media);
        let Some(mounted) = media.threaded_mut() else {
            // LOAD UNLOAD has unloaded the tape.
            let immediate = (cdb.bytes()[1] & 0x01 != 0).then_some(Asc::LOGICAL_UNIT_NOT_READY_OPERATION_IN_PROGRESS);
            let unload = time.motion(now, model.unload(from, history), from.millimetres.into());
            self.state.health.count_motion(time.take_uncounted_motion(), medium);
            return Taken { time: unload, immediate };
        };
        if moves_data(DeviceCommand::Own(command)) {
            return transfer_time(time, mounted, &before, (cdb, now), outcome.is_err()).into();
        }
        let flags = cdb.bytes()[1];
        let long_erase = command == Command::Erase && flags & 0x01 != 0;
        if command == Command::WriteFilemarks {
            let immediate = flags & 0x01 != 0;
            return if immediate || outcome.is_err() { Taken::default() } else { time.flush(now).into() };
        }
        let to = place(mounted, &model);
        let left = if long_erase { bytes_left(mounted) } else { 0 };
        let (motion, immediate) = match command {
            Command::Rewind => {
                (model.rewind(from, to), (flags & 0x01 != 0).then_some(Asc::REWIND_OPERATION_IN_PROGRESS))
            }
            Command::Locate => {
                (model.locate(from, to), (flags & 0x01 != 0).then_some(Asc::LOCATE_OPERATION_IN_PROGRESS))
            }
            Command::Space => (model.locate(from, to), None),
            Command::LoadUnload => (model.rewind(from, to), None),
            Command::Erase => (model.transfer(left), (flags & 0x02 != 0).then_some(Asc::ERASE_OPERATION_IN_PROGRESS)),
            Command::FormatMedium | Command::SetCapacity => {
                let operation = match command {
                    Command::FormatMedium => Asc::LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS,
                    _ => Asc::SET_CAPACITY_OPERATION_IN_PROGRESS,
                };
                (model.rewind(from, to) + DriveModel::format(), (flags & 0x01 != 0).then_some(operation))
            }
            _ => return Taken::default(),
        };
        if outcome.is_err() && from == to {
            return Taken::default();
        }
        time.history.moved |= matches!(command, Command::Locate | Command::Space) && from != to;
        let distance = if long_erase { model.millimetres(left) } else { from.distance(to) };
        Taken { time: time.motion(now, motion, distance), immediate }
    }
}

/// The time of a command that transfers blocks, with its locate to an explicit address.
fn transfer_time(
    time: &mut DriveTime,
    mounted: &mut Mounted,
    before: &TapeBefore,
    (cdb, now): (&Cdb, Instant),
    has_failed: bool,
) -> Duration {
    let (model, from) = (&before.model, before.place);
    let moved = mounted.counters.since(before.counters);
    let target = address(cdb).and_then(|(partition, object)| place_of(mounted, model, partition, object));
    let located = target.map_or(Duration::ZERO, |to| model.locate(from, to));
    // A command that was refused has not located.
    if !located.is_zero() && has_failed && place(mounted, model) == from {
        return Duration::ZERO;
    }
    time.history.moved |= !located.is_zero();
    let distance = target.map_or(0, |to| from.distance(to));
    let motion = if located.is_zero() { located } else { time.motion(now, located, distance) };
    let read = time.read_if_any(now, moved.read_from_medium, model);
    motion + read + time.write_if_any(now, moved.written_to_medium, model)
}

/// Whether a command transfers blocks from or to the position of the tape.
const fn moves_data(command: DeviceCommand<Command>) -> bool {
    matches!(command, DeviceCommand::Own(Command::Read | Command::Write | Command::ReadReverse | Command::Verify))
}

/// The explicit address of a 16-byte transfer: partition and object.
fn address(cdb: &Cdb) -> Option<(u8, u64)> {
    let [opcode, _, _, partition, object @ ..] = cdb.bytes();
    let object = object.first_chunk().map(|object| u64::from_be_bytes(*object))?;
    (*opcode >= 0x80).then_some((*partition, object))
}

/// Physical place of the position of a tape.
fn place(mounted: &mut Mounted, model: &DriveModel) -> PhysicalPosition {
    mounted.drain();
    let (partition, object) = mounted.medium.position().partition_and_object();
    place_of(mounted, model, partition, object).unwrap_or_default()
}

/// Physical place of an object; `None` if the store of the cartridge failed.
fn place_of(mounted: &Mounted, model: &DriveModel, partition: u8, object: u64) -> Option<PhysicalPosition> {
    let (wraps, metres) = model.shape();
    Some(mounted.wrap_map(wraps, metres).ok()?.position(partition, object))
}

/// Bytes from the position to the end of the partition.
fn bytes_left(mounted: &Mounted) -> u64 {
    let usage = mounted.medium.usage(mounted.medium.position().partition).unwrap_or_default();
    usage.capacity.saturating_sub(usage.position)
}
