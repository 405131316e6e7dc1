//! Pages 02h and 03h, error counters (SPC-4 §7.3). The drive corrects and retries nothing, so only unrecovered errors
//! are counted.

use super::PageSource;
use scsi_core::log::LogWriter;

pub(super) fn written(source: &PageSource<'_>, w: &mut LogWriter) {
    write(source, source.counters.written_by_host, source.counters.write_failures, w);
    if !source.state.profile.is_hp_mechanism() {
        w.counter(0x8001, 4, 0);
    }
}

pub(super) fn read(source: &PageSource<'_>, w: &mut LogWriter) {
    write(source, source.counters.read_by_host, source.counters.read_failures, w);
}

fn write(source: &PageSource<'_>, bytes: u64, failures: u64, w: &mut LogWriter) {
    w.counters(0, 4, &[0; 5]).counter(5, 6, bytes).counter(6, 4, failures);
    if !source.state.profile.is_hp_mechanism() {
        w.counter(0x8000, 8, 0);
    }
}
