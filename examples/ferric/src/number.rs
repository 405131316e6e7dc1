//! Numbers on the command line.

use std::ops::RangeInclusive;

/// A parser of a number in a range; `what` names it in errors, such as "the number of a TapeAlert flag".
pub(crate) fn number<T: TryFrom<u64>>(
    what: &'static str,
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number =
            text.parse().ok().filter(|number| range.contains(number)).and_then(|number| number.try_into().ok());
        number.ok_or_else(|| match (range.start(), range.end()) {
            (from, &u64::MAX) => format!("expected {what}, {from} or more"),
            (from, to) => format!("expected {what}, {from} to {to}"),
        })
    }
}
