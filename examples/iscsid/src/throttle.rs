//! Log lines that a stranger can cause, at most so many of them.

use std::sync::{Mutex, PoisonError};

/// So many lines in each interval, in microseconds.
const LINES: u32 = 5;
const INTERVAL_US: u64 = 10_000_000;

#[derive(Default)]
struct State {
    started: u64,
    lines: u32,
    left_out: u64,
}

/// Limits the lines of one kind.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<State>);

impl Throttle {
    /// Whether a line may be written at `now`; how many were left out since the last one.
    pub(crate) fn admit(&self, now: u64) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
