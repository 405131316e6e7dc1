//! Data compression: page 32h of LTO drives (vendor specific), and page 1Bh (SSC-4 §8.2).

use super::{MB, PageSource};
use crate::counters::Counters;
use scsi_core::log::LogWriter;

pub(super) fn write(counters: &Counters, w: &mut LogWriter) {
    let c = counters;
    w.counter(0, 2, Counters::ratio(c.read_by_host, c.read_from_medium)).counter(
        1,
        2,
        Counters::ratio(c.written_by_host, c.written_to_medium),
    );
    for (code, bytes) in (1..).zip([c.read_by_host, c.read_from_medium, c.written_by_host, c.written_to_medium]) {
        w.counter(2 * code, 4, bytes / MB).counter(2 * code + 1, 4, bytes % MB);
    }
}

pub(super) fn standard(source: &PageSource<'_>, w: &mut LogWriter) {
    write(&source.counters, w);
    w.counter(0x0100, 2, u64::from(source.state.modes.compress));
}
