//! Poll interval for commands, because the module has no wait call.

use std::time::Duration;

/// The wait before the next poll of the device of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollInterval {
    /// Yield the processor, then poll again.
    Yield,
    /// Sleep for this time, then poll again.
    Sleep(Duration),
}

/// A streaming host sends the next command within this time after a response. Until then a unit polls without sleeping.
const STREAMING_WINDOW: Duration = Duration::from_micros(150);
/// A sleep is the idle time divided by this, so that it delays a command by at most that fraction of the idle time.
const IDLE_DIVISOR: u32 = 32;
/// The shortest sleep that the kernel observes.
const MIN_SLEEP: Duration = Duration::from_micros(30);
/// Maximum sleep until 75 s of idle time.
const LONG_IDLE: Duration = Duration::from_millis(250);
/// After 75 s the maximum sleep is the idle time divided by this, up to [`MAX_SLEEP`].
const LONG_IDLE_DIVISOR: u32 = 300;
/// The longest sleep, from 300 s of idle time. For any idle time, mhvtl's daemons poll at least as often.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// The wait of a unit before its next poll, after it had no command for the time `idle`.
#[must_use]
pub fn poll_interval(idle: Duration) -> PollInterval {
    if idle < STREAMING_WINDOW {
        return PollInterval::Yield;
    }
    let max = (idle / LONG_IDLE_DIVISOR).clamp(LONG_IDLE, MAX_SLEEP);
    PollInterval::Sleep((idle / IDLE_DIVISOR).clamp(MIN_SLEEP, max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poll_interval_grows_with_idle_time_up_to_a_maximum() {
        assert_eq!(poll_interval(Duration::ZERO), PollInterval::Yield);
        assert_eq!(poll_interval(Duration::from_micros(149)), PollInterval::Yield);
        assert_eq!(poll_interval(Duration::from_micros(150)), PollInterval::Sleep(Duration::from_micros(30)));
        assert_eq!(poll_interval(Duration::from_millis(32)), PollInterval::Sleep(Duration::from_millis(1)));
        assert_eq!(poll_interval(Duration::from_secs(60)), PollInterval::Sleep(Duration::from_millis(250)));
        assert_eq!(poll_interval(Duration::from_secs(150)), PollInterval::Sleep(Duration::from_millis(500)));
        assert_eq!(poll_interval(Duration::from_secs(1000)), PollInterval::Sleep(Duration::from_secs(1)));
        // Number of polls in the first second.
        let mut idle = STREAMING_WINDOW;
        let mut polls = 0;
        while idle < Duration::from_secs(1) {
            let PollInterval::Sleep(sleep) = poll_interval(idle) else { panic!("expected a sleep") };
            idle += sleep;
            polls += 1;
        }
        assert!(polls < 300, "{polls}");
        // mhvtl's daemons sleep 400 us longer each time; `mhvtl_sleep` is their sleep after `seconds` of idle time.
        for seconds in 1..1200_u32 {
            let mhvtl_sleep = (0.0008 * f64::from(seconds)).sqrt();
            let PollInterval::Sleep(sleep) = poll_interval(Duration::from_secs(u64::from(seconds))) else {
                panic!("expected a sleep")
            };
            assert!(sleep.as_secs_f64() >= mhvtl_sleep, "{seconds} s: {sleep:?} and {mhvtl_sleep} s");
        }
    }
}
