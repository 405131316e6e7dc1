//! Page 31h, tape capacity: remaining, then maximum capacity of partitions 0 and 1 in MiB; then those of 2 and 3, if
//! present.

use super::{MIB, PageSource};
use scsi_core::log::FLAG_CONTROL;
use scsi_core::log::LogWriter;

/// Control byte of the parameters of partitions 2 and 3 of HP drives.
const MEASURE: u8 = 0x60;

pub(super) fn write(source: &PageSource<'_>, w: &mut LogWriter) {
    let usage = |number| source.mounted.and_then(|mounted| mounted.medium.usage(number).ok()).unwrap_or_default();
    let partitions = source.mounted.map_or(1, |mounted| mounted.medium.partitions());
    let profile = source.state.profile;
    // HP LTO-6 drives always report partitions 2 and 3.
    let four = partitions > 2 || profile.is_hp_mechanism() && profile.native_media.partitions > 2;
    for pair in 0..if four { 2_u8 } else { 1 } {
        let control = if profile.is_hp_mechanism() && pair == 1 { MEASURE } else { FLAG_CONTROL };
        let [first, second] = [2 * pair, 2 * pair + 1].map(usage);
        let values = [
            first.capacity.saturating_sub(first.used),
            second.capacity.saturating_sub(second.used),
            first.capacity,
            second.capacity,
        ];
        for (code, bytes) in (u16::from(pair) * 4 + 1..).zip(values) {
            w.number(code, control, 4, bytes / MIB);
        }
    }
}
