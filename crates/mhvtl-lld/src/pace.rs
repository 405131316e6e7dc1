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
/// The longest: four questions a second. mhvtl's daemons ask as seldom after a minute.
const LONGEST: Duration = Duration::from_millis(250);

/// The wait of a unit that has had no command for so long.
#[must_use]
pub fn wait(idle: Duration) -> Wait {
    if idle < STREAMING { Wait::Yield } else { Wait::Sleep((idle / PART).clamp(SHORTEST, LONGEST)) }
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
        // So many questions in the first second, and in each one behind it.
        let mut idle = STREAMING;
        let mut questions = 0;
        while idle < Duration::from_secs(1) {
            let Wait::Sleep(sleep) = wait(idle) else { panic!("it streams") };
            idle += sleep;
            questions += 1;
        }
        assert!(questions < 300, "{questions}");
    }
}
