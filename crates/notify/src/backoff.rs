//! The delay between attempts.

use std::time::Duration;

/// Delay after the first failure, which each further failure doubles.
const FIRST_MS: u64 = 1_000;
/// The longest delay.
const LONGEST_MS: u64 = 300_000;

/// The delay before the next attempt after a number of failures in succession, which is at least 1: 1 s, 2 s, 4 s and so on
/// up to 300 s, of which the random number `entropy` takes away up to a half, so that targets that failed together are not
/// tried together.
#[must_use]
pub fn delay(failures: u32, entropy: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = (FIRST_MS << doublings).min(LONGEST_MS);
    let half = whole / 2;
    Duration::from_millis(whole - entropy % (half + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_five_minutes() {
        let delays = [1, 2, 3, 4, 8, 9, 10, 11, 40, u32::MAX].map(|failures| delay(failures, 0).as_millis());
        assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 128_000, 256_000, 300_000, 300_000, 300_000, 300_000]);
    }

    #[test]
    fn jitter_takes_away_up_to_a_half() {
        assert_eq!(
            [0, 1, 500, 501, 1_002].map(|entropy| delay(1, entropy).as_millis()),
            [1_000, 999, 500, 1_000, 1_000].map(|expected: u128| expected)
        );
        let range = (0..1_000_000_u64).step_by(997).map(|entropy| delay(20, entropy).as_millis());
        assert!(range.clone().min() >= Some(150_000) && range.max() <= Some(300_000));
    }
}
