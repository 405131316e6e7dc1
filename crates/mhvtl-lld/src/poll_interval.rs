//! How often to ask, since nothing tells.

use std::time::Duration;

/// How long to wait before the next question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollInterval {
    /// Ask again at once, after others had the processor.
    Yield,
    /// Sleep for so long.
    Sleep(Duration),
}

/// Hosts that stream send the next command within this time of an answer; until then a unit asks without a pause.
const STREAMING_WINDOW: Duration = Duration::from_micros(150);
/// A wait is this part of the time without a command, so that it delays what comes by no more than that part.
const IDLE_DIVISOR: u32 = 32;
/// The shortest sleep that a kernel keeps.
const MIN_SLEEP: Duration = Duration::from_micros(30);
/// The longest, and this part of the time of who has not been wanted for minutes; but never longer than the last. mhvtl's
/// daemons never ask less often than this.
const LONG_IDLE: Duration = Duration::from_millis(250);
const LONG_IDLE_DIVISOR: u32 = 300;
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// The wait of a unit that has had no command for so long.
#[must_use]
pub fn poll_interval(idle: Duration) -> PollInterval {
    if idle < STREAMING_WINDOW {
        return PollInterval::Yield;
    }
    let most = (idle / LONG_IDLE_DIVISOR).clamp(LONG_IDLE, MAX_SLEEP);
    PollInterval::Sleep((idle / IDLE_DIVISOR).clamp(MIN_SLEEP, most))
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
        // So many questions in the first second, and in each one behind it.
        let mut idle = STREAMING_WINDOW;
        let mut questions = 0;
        while idle < Duration::from_secs(1) {
            let PollInterval::Sleep(sleep) = poll_interval(idle) else { panic!("it streams") };
            idle += sleep;
            questions += 1;
        }
        assert!(questions < 300, "{questions}");
        // mhvtl's daemons wait 400 us longer each time: so long, after so much time.
        for seconds in 1..1200_u32 {
            let theirs = (0.0008 * f64::from(seconds)).sqrt();
            let PollInterval::Sleep(ours) = poll_interval(Duration::from_secs(u64::from(seconds))) else {
                panic!("it streams")
            };
            assert!(ours.as_secs_f64() >= theirs, "{seconds} s: {ours:?} and {theirs} s");
        }
    }
}
