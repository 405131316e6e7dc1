//! The source of time of a site: the clocks of the machine, or a virtual clock that a test advances.
//!
//! Units, the robot, control connections and the timers of a transport read the [`Clock`] of their site and wait for
//! its times. No other code of this crate reads a clock.

use crate::locks::lock;
use ::time::OffsetDateTime;
use scsi_core::time::{Instant, Now, Timestamp};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{self, Duration};

/// The date in UTC of a time in seconds since 1970, such as `2030-01-31`.
#[must_use]
pub fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.map_or_else(|| format!("{seconds} seconds after 1970"), |time| time.date().to_string())
}

/// A time in milliseconds since 1970 in UTC, such as `2026-11-21 23:49:22`; `None` if it is after the year 9999.
#[must_use]
pub fn time_text(milliseconds: u64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(milliseconds / 1000).ok()?).ok()?;
    let (hour, minute, second) = time.to_hms();
    Some(format!("{} {hour:02}:{minute:02}:{second:02}", time.date()))
}

/// A source of time: the clocks of the machine (the default), or a [`VirtualClock`]. Clones read the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Real,
    Virtual(VirtualClock),
}

/// Receives a call after each advance of a virtual clock. It wakes the threads that wait for a time without
/// [`Clock::wait_while`].
pub trait ClockListener: Send + Sync {
    /// Called on the thread that has advanced the clock. It must lock the mutex of a condition variable before it
    /// notifies a thread that waits on it.
    fn clock_advanced(&self);
}

impl Clock {
    /// The monotonic and the wall clock of the machine. The monotonic time is 0 at its first reading in the process.
    #[must_use]
    pub const fn real() -> Self {
        Self(Source::Real)
    }

    /// Reads the monotonic and the wall-clock time.
    #[must_use]
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::Real => read_machine_clocks(),
            Source::Virtual(clock) => clock.now(),
        }
    }

    /// Reads the monotonic time alone, which costs less than [`Self::now`].
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        match &self.0 {
            Source::Real => read_monotonic_clock(),
            Source::Virtual(clock) => clock.now().mono,
        }
    }

    /// How long a thread may sleep until the monotonic time `until`: zero if that is reached. `None` with a virtual
    /// clock, which does not advance by itself: its [`ClockListener`] has to wake the thread.
    #[must_use]
    pub fn timeout(&self, until: Instant) -> Option<Duration> {
        let rest = self.monotonic().duration_until(until);
        match &self.0 {
            Source::Virtual(_) if !rest.is_zero() => None,
            _ => Some(rest),
        }
    }

    /// Waits on a condition variable while `condition` is true, until the monotonic time `until` at most. Returns the
    /// guard, and whether the time was reached while the condition was true.
    ///
    /// With a virtual clock, a [`ClockListener`] has to notify the condition variable.
    pub fn wait_while<'a, T>(
        &self,
        changed: &Condvar,
        mut guard: MutexGuard<'a, T>,
        until: Instant,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, bool) {
        let _deadline = match &self.0 {
            Source::Real => None,
            Source::Virtual(clock) => Some(clock.add_deadline(until)),
        };
        while condition(&mut guard) {
            guard = match self.timeout(until) {
                Some(Duration::ZERO) => return (guard, true),
                Some(rest) => changed.wait_timeout(guard, rest).unwrap_or_else(PoisonError::into_inner).0,
                None => changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
            };
        }
        (guard, false)
    }

    /// Adds a listener, which is called until it is dropped. The clocks of the machine call none.
    pub fn add_listener(&self, listener: Weak<dyn ClockListener>) {
        if let Source::Virtual(clock) = &self.0 {
            let mut listeners = lock(&clock.0.listeners);
            listeners.retain(|listener| listener.strong_count() > 0);
            listeners.push(listener);
        }
    }
}

fn read_machine_clocks() -> Now {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let system = time::SystemTime::now();
    let since_epoch = system.duration_since(time::UNIX_EPOCH).unwrap_or_default().as_millis();
    Now { mono: read_monotonic_clock(), wall: Timestamp(u64::try_from(since_epoch).unwrap_or(u64::MAX)) }
}

fn read_monotonic_clock() -> Instant {
    static START: OnceLock<time::Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let instant = time::Instant::now();
    let since_start = instant.duration_since(*START.get_or_init(|| instant)).as_micros();
    Instant(u64::try_from(since_start).unwrap_or(u64::MAX))
}

/// A clock for tests, whose time does not change until it is advanced. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use vtl::clock::VirtualClock;
///
/// let clock = VirtualClock::default();
/// clock.advance(Duration::from_secs(600));
/// assert_eq!(clock.clock().monotonic().0, 600_000_000);
/// ```
#[derive(Clone, Default)]
pub struct VirtualClock(Arc<VirtualTime>);

#[derive(Default)]
struct VirtualTime {
    state: Mutex<VirtualState>,
    /// Notified when a thread begins to wait for a time.
    deadline_added: Condvar,
    listeners: Mutex<Vec<Weak<dyn ClockListener>>>,
}

#[derive(Default)]
struct VirtualState {
    start: Now,
    /// Time by which the clock was advanced since `start`.
    elapsed: Duration,
    /// The times for which threads wait in [`Clock::wait_while`].
    deadlines: Vec<Instant>,
}

impl VirtualState {
    fn now(&self) -> Now {
        let milliseconds = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        let Now { mono, wall } = self.start;
        Now { mono: mono.saturating_add(self.elapsed), wall: Timestamp(wall.0.saturating_add(milliseconds)) }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let now = self.now().mono;
        self.deadlines.iter().filter(|deadline| **deadline > now).min().map(|first| now.duration_until(*first))
    }
}

/// A time for which a thread waits; dropping it ends that.
struct Deadline<'a>(&'a VirtualClock, Instant);

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0.state);
        if let Some(at) = state.deadlines.iter().position(|deadline| *deadline == self.1) {
            state.deadlines.swap_remove(at);
        }
    }
}

impl VirtualClock {
    /// A clock that shows `start`. The default starts at 0: 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn new(start: Now) -> Self {
        let clock = Self::default();
        lock(&clock.0.state).start = start;
        clock
    }

    /// The clock as a site uses it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(Source::Virtual(self.clone()))
    }

    fn now(&self) -> Now {
        lock(&self.0.state).now()
    }

    /// Advances the clock, and wakes every thread that waits for one of its times.
    pub fn advance(&self, duration: Duration) {
        {
            let elapsed = &mut lock(&self.0.state).elapsed;
            *elapsed = elapsed.saturating_add(duration);
        }
        let listeners: Vec<_> = lock(&self.0.listeners).iter().filter_map(Weak::upgrade).collect();
        listeners.iter().for_each(|listener| listener.clock_advanced());
    }

    /// The duration until the earliest time that is not reached and for which a thread waits; `None` if no thread waits.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        lock(&self.0.state).next_deadline()
    }

    /// Number of threads that wait for a time.
    pub(crate) fn waits(&self) -> usize {
        lock(&self.0.state).deadlines.len()
    }

    /// Waits until a thread waits for a time that is not reached. Returns the duration until the earliest such time.
    #[must_use]
    pub fn wait_for_deadline(&self) -> Duration {
        let mut state = lock(&self.0.state);
        loop {
            if let Some(rest) = state.next_deadline() {
                return rest;
            }
            state = self.0.deadline_added.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Does the same as [`Self::wait_for_deadline`], and advances the clock to that time.
    pub fn advance_to_deadline(&self) -> Duration {
        let rest = self.wait_for_deadline();
        self.advance(rest);
        rest
    }

    fn add_deadline(&self, until: Instant) -> Deadline<'_> {
        lock(&self.0.state).deadlines.push(until);
        self.0.deadline_added.notify_all();
        Deadline(self, until)
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualClock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A flag with a condition variable, which the clock notifies.
    #[derive(Default)]
    struct Flag(Mutex<bool>, Condvar);

    impl ClockListener for Flag {
        fn clock_advanced(&self) {
            let _locked = lock(&self.0);
            self.1.notify_all();
        }
    }

    impl Flag {
        /// Waits until the flag is set, or the time is reached: `true`.
        fn wait(&self, clock: &Clock, seconds: u64) -> bool {
            let until = Instant(seconds * 1_000_000);
            clock.wait_while(&self.1, lock(&self.0), until, |set| !*set).1
        }
    }

    #[test]
    fn virtual_clock_stands_still_until_it_is_advanced() {
        let start = Now { mono: Instant(5), wall: Timestamp(1_700_000_000_000) };
        let clock = VirtualClock::new(start);
        assert_eq!(clock.clock().now(), start);
        assert_eq!(clock.clock().timeout(Instant(6)), None);
        clock.advance(Duration::from_millis(2));
        assert_eq!(clock.clock().now(), Now { mono: Instant(2_005), wall: Timestamp(1_700_000_000_002) });
        assert_eq!(clock.clock().timeout(Instant(2_005)), Some(Duration::ZERO));
    }

    #[test]
    fn advance_ends_the_waits_for_the_times_that_it_reaches() {
        let (time, flag) = (VirtualClock::default(), Arc::new(Flag::default()));
        let clock = time.clock();
        let listener: Arc<dyn ClockListener> = Arc::clone(&flag) as _;
        clock.add_listener(Arc::downgrade(&listener));
        thread::scope(|scope| {
            let late = scope.spawn(|| flag.wait(&clock, 86_400));
            let early = scope.spawn(|| {
                while time.0.state.lock().unwrap().deadlines.is_empty() {
                    thread::yield_now();
                }
                flag.wait(&clock, 60)
            });
            while time.0.state.lock().unwrap().deadlines.len() < 2 {
                thread::yield_now();
            }
            assert_eq!(time.advance_to_deadline(), Duration::from_secs(60));
            assert!(early.join().unwrap());
            assert_eq!(time.advance_to_deadline(), Duration::from_secs(86_340));
            assert!(late.join().unwrap());
        });
        assert!(lock(&time.0.state).deadlines.is_empty());
        // A condition that is false ends the wait before its time.
        *lock(&flag.0) = true;
        assert!(!flag.wait(&clock, 1_000_000));
    }

    #[test]
    fn real_clock_reaches_a_time_in_the_past_at_once() {
        let (clock, flag) = (Clock::real(), Flag::default());
        assert!(clock.now().wall.0 > 1_700_000_000_000);
        assert!(flag.wait(&clock, 0));
        assert!(clock.timeout(Instant(u64::MAX)).is_some_and(|rest| rest > Duration::from_secs(1 << 32)));
    }
}
