//! The buffer between host and tape: how long transfers wait for the tape, and when the tape stops because the host is slow.

use super::drive_model::DriveModel;
use scsi_core::time::Instant;
use std::time::Duration;

/// Time after which the rate of the host is measured anew.
const RATE_WINDOW: Duration = Duration::from_secs(4);

/// Direction of the transfers since the last motion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Direction {
    /// The tape stands.
    #[default]
    None,
    Writing,
    Reading,
}

/// State of the buffer, in modelled time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream {
    direction: Direction,
    /// When the tape has written, or read ahead of the next transfer, all bytes so far.
    tape_until: Instant,
    /// Begin of the measurement of the host's rate, and its bytes since then.
    window: (Instant, u64),
    /// A synchronisation has stopped the tape: the next write repositions it.
    stopped: bool,
    /// Number of times that the tape stopped and repositioned in a sequence of transfers.
    pub(crate) repositions: u64,
}

impl Stream {
    /// Accepts bytes that will be written to the tape. Returns how long the write waits for room in the buffer.
    pub(crate) fn write(&mut self, now: Instant, bytes: u64, model: &DriveModel) -> Duration {
        if self.direction != Direction::Writing {
            (self.direction, self.tape_until, self.window) = (Direction::Writing, now, (now, 0));
        }
        let mut stopped = std::mem::take(&mut self.stopped);
        if self.tape_until < now {
            // The buffer is empty. The tape goes on at a lower speed, unless the host is slower than the lowest one.
            let (_, keeps_up) = model.matched_rate(self.host_rate(now));
            self.tape_until = now;
            stopped |= !keeps_up;
        }
        if stopped {
            self.tape_until = self.tape_until.saturating_add(DriveModel::reposition());
            self.repositions += 1;
        }
        self.tape_until = self.tape_until.saturating_add(model.transfer(bytes));
        self.count(now, bytes);
        now.duration_until(self.tape_until).saturating_sub(model.transfer(model.buffer()))
    }

    /// Reads bytes from the tape. Returns how long the read waits for them; the drive reads ahead into its buffer.
    pub(crate) fn read(&mut self, now: Instant, bytes: u64, model: &DriveModel) -> Duration {
        if self.direction != Direction::Reading {
            (self.direction, self.tape_until, self.window) = (Direction::Reading, now, (now, 0));
        }
        let buffered = u64::try_from(model.transfer(model.buffer()).as_micros()).unwrap_or(u64::MAX);
        let earliest = Instant(now.0.saturating_sub(buffered));
        if self.tape_until < earliest {
            // The buffer is full, and the tape stood. It starts again while the host empties the buffer.
            self.tape_until = earliest;
            self.repositions += 1;
        }
        self.tape_until = self.tape_until.saturating_add(model.transfer(bytes));
        now.duration_until(self.tape_until)
    }

    /// Writes the buffer to the tape, and the last data set: WRITE FILEMARKS with IMMED=0, or a motion after writes. Returns
    /// the time of it.
    pub(crate) fn flush(&mut self, now: Instant) -> Duration {
        if self.direction != Direction::Writing || self.stopped {
            return Duration::ZERO;
        }
        self.stopped = true;
        let time = now.duration_until(self.tape_until) + DriveModel::flush();
        self.tape_until = now.saturating_add(time);
        time
    }

    /// Ends the sequence of transfers: the tape has moved.
    pub(crate) fn moved(&mut self) {
        *self = Self { repositions: self.repositions, ..Self::default() };
    }

    /// Rate of the host in kB/s.
    fn host_rate(&self, now: Instant) -> u64 {
        let (since, bytes) = self.window;
        let milliseconds = u64::try_from(since.duration_until(now).as_millis()).unwrap_or(u64::MAX);
        bytes.checked_div(milliseconds).unwrap_or(u64::MAX)
    }

    fn count(&mut self, now: Instant, bytes: u64) {
        if self.window.0.duration_until(now) >= RATE_WINDOW {
            self.window = (now, 0);
        }
        self.window.1 += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ULT3580_TD9;
    use tape_store::media::LTO_9;

    const MB: u64 = 1_000_000;

    fn model() -> DriveModel {
        DriveModel::new(&ULT3580_TD9, &LTO_9)
    }

    /// Writes `count` times 4 MB, one each `interval`. Returns the stream, the time at the end, and the time that the
    /// writes waited.
    fn write(count: u64, interval: Duration) -> (Stream, Instant, Duration) {
        let (mut stream, mut now, mut waited) = (Stream::default(), Instant(0), Duration::ZERO);
        for _ in 0..count {
            let wait = stream.write(now, 4 * MB, &model());
            waited += wait;
            now = now.saturating_add(wait + interval);
        }
        (stream, now, waited)
    }

    #[test]
    fn fast_host_waits_for_the_tape_once_the_buffer_is_full() {
        assert_eq!(write(250, Duration::ZERO).2, Duration::ZERO);
        let (mut stream, now, waited) = write(10_000, Duration::ZERO);
        // 40 GB at 408 MB/s are 98 s; the last 1024 MB are still in the buffer.
        assert!((waited.as_secs_f64() - (40_000.0 - 1024.0) / 408.0).abs() < 0.1, "{waited:?}");
        assert_eq!(stream.repositions, 0);
        let flush = stream.flush(now).as_secs_f64();
        assert!((flush - 1024.0 / 408.0 - 0.1).abs() < 0.05, "{flush}");
        assert_eq!(stream.flush(now), Duration::ZERO);
    }

    /// 200 MB/s is above the lowest rate of 177 MB/s; 100 MB/s is below it.
    #[test]
    fn tape_stops_for_a_host_below_the_lowest_rate_only() {
        let (stream, _, waited) = write(1000, Duration::from_millis(20));
        assert_eq!((stream.repositions, waited), (0, Duration::ZERO));
        let (stream, _, waited) = write(1000, Duration::from_millis(40));
        assert!(stream.repositions > 5, "{}", stream.repositions);
        assert_eq!(waited, Duration::ZERO, "the buffer covers the repositions");
    }

    #[test]
    fn write_after_a_synchronisation_repositions() {
        let (mut stream, now) = (Stream::default(), Instant(0));
        stream.write(now, MB, &model());
        let first = stream.flush(now);
        let now = now.saturating_add(first);
        stream.write(now, MB, &model());
        let second = stream.flush(now);
        assert_eq!((first.as_millis(), second.as_millis(), stream.repositions), (102, 2602, 1));
    }

    #[test]
    fn reads_wait_for_the_tape_and_profit_from_the_buffer() {
        let (mut stream, mut now, mut waited) = (Stream::default(), Instant(0), Duration::ZERO);
        for _ in 0..1000 {
            let wait = stream.read(now, 4 * MB, &model());
            waited += wait;
            now = now.saturating_add(wait);
        }
        assert!((waited.as_secs_f64() - 4000.0 / 408.0).abs() < 0.1, "{waited:?}");
        // After a pause of a minute the buffer is full, and the tape stands.
        now = now.saturating_add(Duration::from_secs(60));
        assert_eq!(stream.read(now, 1000 * MB, &model()), Duration::ZERO);
        assert_eq!(stream.repositions, 1);
        assert!(stream.read(now, 408 * MB, &model()) > Duration::from_millis(900));
    }
}
