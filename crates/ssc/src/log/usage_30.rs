//! Page 30h, tape usage (vendor specific), of the mounted volume.

use super::PageSource;
use scsi_core::log::FLAG_CONTROL;
use scsi_core::log::LogWriter;
use tape_store::mam::AttrId;

pub(super) fn write(source: &PageSource<'_>, w: &mut LogWriter) {
    let threads = source.mounted.map_or(0, |mounted| mounted.mam.number(AttrId::LOAD_COUNT));
    let c = &source.counters;
    let written = c.blocks_written + c.filemarks;
    let values = [
        (1, 4, threads),
        (2, 8, written),
        (3, 4, 0),
        (4, 2, c.write_failures),
        (5, 2, 0),
        (6, 2, 0),
        (7, 8, c.blocks_read),
        (8, 4, 0),
        (9, 2, c.read_failures),
        (10, 2, 0),
        (11, 2, 0),
    ];
    // HP's drives have only the first nine parameters.
    let count = if source.state.profile.is_hp_mechanism() { 9 } else { values.len() };
    for (code, width, value) in values.into_iter().take(count) {
        w.number(code, FLAG_CONTROL, width, value);
    }
}
