//! Barcode patterns: a run of `#` stands for a number.

use super::ValueError;
use std::fmt;
use tape_store::cartridge::Barcode;

/// A pattern of labels such as `V#####L8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    prefix: String,
    /// Digits of the number.
    width: usize,
    suffix: String,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix: before, width, suffix: behind } = self;
        write!(f, "{before}{}{behind}", "#".repeat(*width))
    }
}

impl Pattern {
    /// The pattern, if it is one that counts.
    ///
    /// # Errors
    /// [`ValueError::Pattern`] or [`ValueError::PatternTooWide`].
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let width = text.bytes().filter(|byte| *byte == b'#').count();
        let (before, behind) = text
            .split_once(&"#".repeat(width))
            .filter(|_| width > 0)
            .ok_or_else(|| ValueError::Pattern(text.into()))?;
        if width > 9 {
            return Err(ValueError::PatternTooWide(text.into()));
        }
        Ok(Self { prefix: before.into(), width, suffix: behind.into() })
    }

    /// The pattern of two labels of which the second follows the first, and the number of the first: the digits that
    /// differ, and those around them, count.
    #[must_use]
    pub fn from_pair(first: &str, second: &str) -> Option<(Self, u32)> {
        /// The highest number that a configuration gives.
        const MOST: u32 = u16::MAX as u32;
        let differs = first.bytes().zip(second.bytes()).position(|(a, b)| a != b)?;
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let behind = differs + digits(first.get(differs..)?);
        let before = first.get(..differs)?.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        // Fewer digits, where all of them are too high a number.
        [before, behind.saturating_sub(4).max(before)].into_iter().find_map(|start| {
            let pattern = Self {
                prefix: first.get(..start)?.into(),
                width: behind.checked_sub(start).filter(|width| (1..=9).contains(width))?,
                suffix: first.get(behind..)?.into(),
            };
            let (one, two) = (pattern.number(first)?, pattern.number(second)?);
            (one.checked_add(1) == Some(two) && one <= MOST).then_some((pattern, one))
        })
    }

    /// The label of a number.
    ///
    /// # Errors
    /// The number has too many digits, or what comes out is not a barcode.
    pub fn barcode(&self, number: u32) -> Result<Barcode, ValueError> {
        let Self { prefix: before, width, suffix: behind } = self;
        if number.to_string().len() > *width {
            return Err(ValueError::NumberTooLong { pattern: self.to_string(), width: *width, number });
        }
        let text = format!("{before}{number:0width$}{behind}");
        Barcode::new(&text).ok_or(ValueError::Barcode(text))
    }

    /// The number in a label, if it is one of this pattern.
    #[must_use]
    pub fn number(&self, label: &str) -> Option<u32> {
        let digits = label.strip_prefix(&self.prefix)?.strip_suffix(&self.suffix)?;
        (digits.len() == self.width && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
    }

    /// The highest number that the pattern can represent.
    #[must_use]
    pub fn max_number(&self) -> u32 {
        (1..self.width).fold(9, |last, _| last * 10 + 9)
    }

    /// Whether a label can be of both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.to_string(), other.to_string());
        let fits = |(a, b): (u8, u8)| {
            let digit = |byte: u8| byte == b'#' || byte.is_ascii_digit();
            a == b || (a == b'#' && digit(b)) || (b == b'#' && digit(a))
        };
        mine.len() == theirs.len() && mine.bytes().zip(theirs.bytes()).all(fits)
    }
}

/// The barcodes of a pattern, with `#` counted up from `first`; or the barcode itself if the text has no `#`.
///
/// # Errors
/// The [`ValueError`] of the pattern or of its last number.
pub(super) fn expand(text: &str, first: u32, count: u32) -> Result<Vec<Barcode>, ValueError> {
    if !text.contains('#') {
        if count != 1 {
            return Err(ValueError::NothingToCount { text: text.into(), count });
        }
        return Ok(vec![Barcode::new(text).ok_or_else(|| ValueError::Barcode(text.into()))?]);
    }
    let pattern = Pattern::new(text)?;
    let end = first.checked_add(count).ok_or_else(|| ValueError::TooMany { pattern: text.into(), first, count })?;
    pattern.barcode(end.saturating_sub(1).max(first))?;
    (first..end).map(|number| pattern.barcode(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_from_consecutive_barcodes() {
        let two = |a, b| Pattern::from_pair(a, b).map(|(pattern, first)| (pattern.to_string(), first));
        assert_eq!(two("V00001L8", "V00002L8"), Some(("V#####L8".into(), 1)));
        assert_eq!(two("V00009L8", "V00010L8"), Some(("V#####L8".into(), 9)));
        assert_eq!(two("9912345678", "9912345679"), Some(("991234####".into(), 5678)));
        assert_eq!(two("E01009L8", "F01010L8"), None);
        assert_eq!(two("V1L8", "V3L8"), None);
        assert_eq!(two("V9L8", "V10L8"), None);
        assert_eq!(two("V1L8", "V1L8"), None);
        assert_eq!(two("A1", "A2"), Some(("A#".into(), 1)));
    }

    #[test]
    fn patterns_and_their_labels() {
        let pattern = Pattern::new("V###L8").unwrap();
        assert_eq!(pattern.barcode(7).unwrap().as_str(), "V007L8");
        assert_eq!(
            (pattern.number("V042L8"), pattern.number("V42L8"), pattern.number("V0x2L8")),
            (Some(42), None, None)
        );
        assert_eq!(pattern.max_number(), 999);
        assert!(pattern.barcode(1000).is_err() && Pattern::new("V#A#L8").is_err() && Pattern::new("V1L8").is_err());
        assert!(
            pattern.overlaps(&Pattern::new("V1##L8").unwrap()) && !pattern.overlaps(&Pattern::new("V##L8").unwrap())
        );
        assert!(!pattern.overlaps(&Pattern::new("W###L8").unwrap()));
    }
}
