//! How often to ask, since nothing tells.

use std::time::Duration;

/// How long to wait before the next question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Ask again at once, after others had the processor.
    Yield,
    /// Sleep for so long.
    Sleep(Duration),
}

/// Hosts that stream send the next command within this time of an answer; until then a unit asks without a pause.
const STREAMING: Duration = Duration::from_micros(150);
/// A wait is this part of the time without a command, so that it delays what comes by no more than that part.
const PART: u32 = 32;
/// The shortest sleep that a kernel keeps.
const SHORTEST: Duration = Duration::from_micros(30);
/// The longest, and this part of the time of who has not been wanted for minutes; but never longer than the last. mhvtl's
/// daemons never ask less often than this.
const LONG: Duration = Duration::from_millis(250);
const PART_OF_LONG: u32 = 300;
const LONGEST: Duration = Duration::from_secs(1);

/// The wait of a unit that has had no command for so long.
#[must_use]
pub fn wait(idle: Duration) -> Wait {
    if idle < STREAMING {
        return Wait::Yield;
    }
    let most = (idle / PART_OF_LONG).clamp(LONG, LONGEST);
    Wait::Sleep((idle / PART).clamp(SHORTEST, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_idleness_and_end_growing() {
        assert_eq!(wait(Duration::ZERO), Wait::Yield);
        assert_eq!(wait(Duration::from_micros(149)), Wait::Yield);
        assert_eq!(wait(Duration::from_micros(150)), Wait::Sleep(Duration::from_micros(30)));
        assert_eq!(wait(Duration::from_millis(32)), Wait::Sleep(Duration::from_millis(1)));
        assert_eq!(wait(Duration::from_secs(60)), Wait::Sleep(Duration::from_millis(250)));
        assert_eq!(wait(Duration::from_secs(150)), Wait::Sleep(Duration::from_millis(500)));
        assert_eq!(wait(Duration::from_secs(1000)), Wait::Sleep(Duration::from_secs(1)));
        // So many questions in the first second, and in each one behind it.
        let mut idle = STREAMING;
        let mut questions = 0;
        while idle < Duration::from_secs(1) {
            let Wait::Sleep(sleep) = wait(idle) else { panic!("it streams") };
            idle += sleep;
            questions += 1;
        }
        assert!(questions < 300, "{questions}");
        // mhvtl's daemons wait 400 us longer each time: so long, after so much time.
        for seconds in 1..1200_u32 {
            let theirs = (0.0008 * f64::from(seconds)).sqrt();
            let Wait::Sleep(ours) = wait(Duration::from_secs(u64::from(seconds))) else { panic!("it streams") };
            assert!(ours.as_secs_f64() >= theirs, "{seconds} s: {ours:?} and {theirs} s");
        }
    }
}
