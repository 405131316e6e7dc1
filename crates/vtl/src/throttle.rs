//! Limits the number of log lines that clients can cause.

use crate::locks::lock;
use std::sync::Mutex;

/// Most lines in each interval; the interval is in microseconds.
const LINES: u32 = 5;
const INTERVAL_US: u64 = 10_000_000;

#[derive(Debug, Default)]
struct State {
    started: u64,
    lines: u32,
    left_out: u64,
}

/// Limits the log lines of one kind: at most five in ten seconds.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<State>);

impl Throttle {
    /// Returns whether a line may be written at `now`, in microseconds of the monotonic clock: the number of lines
    /// suppressed since the last one, or `None` if this one is suppressed too.
    pub fn admit(&self, now: u64) -> Option<u64> {
        let mut state = lock(&self.0);
        if now >= state.started + INTERVAL_US {
            (state.started, state.lines) = (now, 0);
        }
        if state.lines >= LINES {
            state.left_out += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_lines_in_ten_seconds() {
        let throttle = Throttle::default();
        let lines: Vec<_> = (0..8).map(|_| throttle.admit(20_000_000)).collect();
        assert_eq!(lines, [Some(0), Some(0), Some(0), Some(0), Some(0), None, None, None]);
        assert_eq!(throttle.admit(29_999_999), None);
        assert_eq!(throttle.admit(30_000_000), Some(4));
    }
}
