//! The modelled time of a drive: what it has done since power-on, and the motion that continues after its command.

use super::drive_model::{DriveModel, LoadHistory};
use super::stream::Stream;
use super::tape_motion::{TapeMotion, milliseconds};
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey, SenseKeySpecific};
use scsi_core::time::{Instant, TimeMode};
use std::time::Duration;

/// The modelled time of a drive since power-on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelledTime {
    /// Time that hardware would have taken for all commands and loads.
    pub total: Duration,
    /// Times that the tape stopped and repositioned, because the host was slower than the lowest speed or synchronised.
    pub repositions: u64,
}

/// The time model of a drive in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DriveTime {
    pub(crate) mode: TimeMode,
    /// Factor of an injected fault for the time of the present command, in thousandths.
    pub(crate) thousandths: u32,
    pub(crate) stream: Stream,
    /// The effects of the load of the tape.
    pub(crate) history: LoadHistory,
    /// Time of a load that was done and is not counted yet.
    load: Option<Duration>,
    total: Duration,
    /// The part of `total` for which no command has waited: the modelled clock is this much ahead.
    ahead: Duration,
    /// Motion of tapes since power-on.
    motion: TapeMotion,
    /// The part of `motion` that the lifetime counters have.
    counted_motion: TapeMotion,
    /// Modelled times at which the last load of a tape began, and at which the tape was ready.
    mounted: (Instant, Instant),
}

impl Default for DriveTime {
    fn default() -> Self {
        Self {
            mode: TimeMode::Off,
            thousandths: 1000,
            stream: Stream::default(),
            history: LoadHistory::default(),
            load: None,
            total: Duration::ZERO,
            ahead: Duration::ZERO,
            motion: TapeMotion::default(),
            counted_motion: TapeMotion::default(),
            mounted: (Instant(0), Instant(0)),
        }
    }
}

impl DriveTime {
    /// The modelled time of the present command, with the factor of an injected fault.
    pub(crate) fn scaled(&self, time: Duration) -> Duration {
        time.saturating_mul(self.thousandths) / 1000
    }

    /// The modelled time of this time of the clock.
    pub(crate) fn now(&self, now: Instant) -> Instant {
        now.saturating_add(self.ahead)
    }

    /// Counts modelled time. Returns how long to wait for it.
    pub(crate) fn spend(&mut self, modelled: Duration) -> Duration {
        let wait = self.mode.wait(modelled);
        self.total = self.total.saturating_add(modelled);
        self.ahead = self.ahead.saturating_add(modelled.saturating_sub(wait));
        wait
    }

    /// Begins a load that takes this time: the tape has done nothing yet.
    pub(crate) fn begin_load(&mut self, now: Instant, time: Duration) {
        let began = self.now(now);
        let ready = if self.mode.is_on() { began.saturating_add(time) } else { began };
        (self.history, self.load, self.mounted) = (LoadHistory::default(), Some(time), (began, ready));
        self.stream.moved();
    }

    /// Ends the last load, which took no time.
    pub(crate) const fn end_load(&mut self) {
        (self.load, self.mounted.1) = (None, self.mounted.0);
    }

    /// Milliseconds since the last load of a tape began, and since the tape was ready.
    pub(crate) fn since_mount(&self, now: Instant) -> (u64, u64) {
        let now = self.now(now);
        (milliseconds(self.mounted.0.duration_until(now)), milliseconds(self.mounted.1.duration_until(now)))
    }

    /// The motion of tapes since power-on.
    pub(crate) const fn tape_motion(&self) -> TapeMotion {
        self.motion
    }

    /// The motion that the lifetime counters do not have yet: that of the tape in the drive.
    pub(crate) const fn uncounted_motion(&self) -> TapeMotion {
        self.motion.since(self.counted_motion)
    }

    /// Takes the motion that the lifetime counters do not have yet.
    pub(crate) const fn take_uncounted_motion(&mut self) -> TapeMotion {
        let motion = self.uncounted_motion();
        self.counted_motion = self.motion;
        motion
    }

    /// Counts a motion of the tape.
    pub(crate) fn count_motion(&mut self, time: Duration, millimetres: u64) {
        self.motion.add(time, millimetres);
    }

    /// Takes the time of the last load; `None` if it was taken, or times are not modelled.
    pub(crate) fn take_load(&mut self) -> Option<Duration> {
        self.load.take().filter(|_| self.mode.is_on())
    }

    /// Whether a command waits for the time of the last load.
    pub(crate) fn waits_for_load(&self) -> bool {
        self.load.is_some_and(|load| !self.mode.wait(load).is_zero())
    }

    /// The counts since power-on.
    pub(crate) const fn counts(&self) -> ModelledTime {
        ModelledTime { total: self.total, repositions: self.stream.repositions }
    }

    /// Time of a write of bytes to the medium; zero bytes take none.
    pub(crate) fn write_if_any(&mut self, now: Instant, bytes: u64, model: &DriveModel) -> Duration {
        if bytes == 0 {
            return Duration::ZERO;
        }
        self.history.bytes = self.history.bytes.saturating_add(bytes);
        let before = self.stream.repositions;
        let wait = self.stream.write(self.now(now), bytes, model);
        let moved = self.transfer_motion(bytes, before, model);
        self.motion.writing = self.motion.writing.saturating_add(moved);
        wait
    }

    /// Time of a read of bytes from the medium; zero bytes take none.
    pub(crate) fn read_if_any(&mut self, now: Instant, bytes: u64, model: &DriveModel) -> Duration {
        if bytes == 0 {
            return Duration::ZERO;
        }
        self.history.bytes = self.history.bytes.saturating_add(bytes);
        let before = self.stream.repositions;
        let wait = self.stream.read(self.now(now), bytes, model);
        let moved = self.transfer_motion(bytes, before, model);
        self.motion.reading = self.motion.reading.saturating_add(moved);
        wait
    }

    /// How long the tape moves for a transfer, with the repositions since `before`; counts the tape that passes the heads.
    fn transfer_motion(&mut self, bytes: u64, before: u64, model: &DriveModel) -> Duration {
        self.motion.millimetres = self.motion.millimetres.saturating_add(model.millimetres(bytes));
        let repositions = u32::try_from(self.stream.repositions - before).unwrap_or(u32::MAX);
        model.transfer(bytes).saturating_add(DriveModel::reposition().saturating_mul(repositions))
    }

    /// Time until the writes so far are on the tape.
    pub(crate) fn flush(&mut self, now: Instant) -> Duration {
        self.stream.flush(self.now(now))
    }

    /// Time of a motion over this length of tape, after the writes before it are on the tape.
    pub(crate) fn motion(&mut self, now: Instant, motion: Duration, millimetres: u64) -> Duration {
        let flush = self.stream.flush(self.now(now));
        self.stream.moved();
        self.motion.add(motion, millimetres);
        flush + motion
    }
}

/// A motion of the tape that continues after the status of its command (IMMED=1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MotionInProgress {
    pub(crate) began: Instant,
    pub(crate) until: Instant,
    /// Additional sense code that REQUEST SENSE reports meanwhile: 00h/.. with NO SENSE, 04h/.. with NOT READY.
    pub(crate) operation: Asc,
}

impl MotionInProgress {
    /// PROGRESS INDICATION at a time, in 65536ths.
    fn progress(&self, now: Instant) -> SenseKeySpecific {
        let (whole, done) = (self.began.duration_until(self.until), self.began.duration_until(now));
        let share = (done.as_micros() * 0x1_0000).checked_div(whole.as_micros()).unwrap_or(0);
        SenseKeySpecific::Progress(u16::try_from(share).unwrap_or(u16::MAX))
    }

    /// NOT READY 04h/04h of a format, and 04h/07h of other operations, with progress, for commands that need the medium.
    pub(crate) fn not_ready(&self, now: Instant) -> Sense {
        let is_format = self.operation == Asc::LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS;
        let asc = if is_format { self.operation } else { Asc::LOGICAL_UNIT_NOT_READY_OPERATION_IN_PROGRESS };
        let mut sense = Sense::new(SenseKey::NOT_READY, asc);
        sense.key_specific = Some(self.progress(now));
        sense
    }

    /// The operation and its progress, for REQUEST SENSE.
    pub(crate) fn pollable_sense(&self, now: Instant) -> Sense {
        let key = if self.operation.code() == 0 { SenseKey::NO_SENSE } else { SenseKey::NOT_READY };
        let mut sense = Sense::new(key, self.operation);
        sense.key_specific = Some(self.progress(now));
        sense
    }
}
