//! Page 32h, data compression as LTO drives always had it, and page 1Bh as SSC has it.

use super::{MB, Source};
use crate::counters::Counters;
use scsi_core::log::LogWriter;

pub(super) fn write(counters: &Counters, w: &mut LogWriter) {
    let c = counters;
    w.counter(0, 2, Counters::ratio(c.to_host, c.from_medium)).counter(1, 2, Counters::ratio(c.from_host, c.to_medium));
    for (code, bytes) in (1..).zip([c.to_host, c.from_medium, c.from_host, c.to_medium]) {
        w.counter(2 * code, 4, bytes / MB).counter(2 * code + 1, 4, bytes % MB);
    }
}

pub(super) fn standard(source: &Source<'_>, w: &mut LogWriter) {
    write(&source.counters, w);
    w.counter(0x0100, 2, u64::from(source.state.settings.compress));
}
