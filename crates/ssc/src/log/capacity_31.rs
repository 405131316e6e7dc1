//! Page 31h, tape capacity: MiB of two partitions, remaining and then maximum; of two more if there are.

use super::{MIB, PageSource};
use scsi_core::log::FLAG_CONTROL;
use scsi_core::log::LogWriter;

/// Control byte of the second two of an HP drive.
const MEASURE: u8 = 0x60;

pub(super) fn write(source: &PageSource<'_>, w: &mut LogWriter) {
    let usage = |number| source.mounted.and_then(|mounted| mounted.medium.usage(number).ok()).unwrap_or_default();
    let partitions = source.mounted.map_or(1, |mounted| mounted.medium.partitions());
    let profile = source.state.profile;
    // An HP LTO-6 drive always has the second two.
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
