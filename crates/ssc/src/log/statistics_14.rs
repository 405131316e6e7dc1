//! Page 14h, device statistics (SSC-4 §8.2): lifetime counters, and counters since power-on.

use super::{MB, PageSource};
use crate::lifetime_counters;
use scsi_core::log::{LIST_CONTROL, LogWriter, TEXT_CONTROL};
use scsi_core::time::Now;
use scsi_core::writer::PageWriter;
use tape_store::cartridge::CartridgeKind;

/// Control byte of the table of medium types.
const TABLE: u8 = 0x03;

pub(super) fn write(source: &PageSource<'_>, now: Now, w: &mut LogWriter) {
    let state = source.state;
    let of = |id| state.health.lifetime.get(id);
    let hours = (of(lifetime_counters::POWER_ON_SECONDS) + state.health.power_on_seconds(now)) / 3600;
    // Loads, cleanings, hours; then hours and metres of tape motion, which are zero.
    w.counters(
        0x00,
        4,
        &[of(lifetime_counters::LOADS), of(lifetime_counters::CLEANINGS), hours, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    w.counters(0x0c, 4, &[of(lifetime_counters::POWER_CYCLES), state.health.loads]);
    w.counters(0x0e, 4, &[of(lifetime_counters::WRITE_ERRORS), of(lifetime_counters::READ_ERRORS)]);
    // Sample time since power-on in ms, then shares of it in percent: reading, writing, both (zero); no volume; ready.
    let ready = if source.mounted.is_some() { 100 } else { 0 };
    w.counter(0x10, 8, state.health.power_on_ms(now)).counters(0x11, 4, &[0, 0, 0, 100 - ready, ready]);
    if state.profile.is_hp_mechanism() {
        // MB from and to the host in the sample time.
        w.counters(0x16, 8, &[source.counters.written_by_host / MB, source.counters.read_by_host / MB]);
    }
    let mut serial = PageWriter::new();
    serial.ascii(&state.serial, 12);
    w.parameter(0x40, TEXT_CONTROL, serial.as_slice()).parameter(0x41, TEXT_CONTROL, serial.as_slice());
    w.parameter(0x80, LIST_CONTROL, &[u8::from(state.media.removal_prevented)]).parameter(0x81, LIST_CONTROL, &[0]);
    w.parameter(0x1000, TABLE, &motion(source));
}

/// Hours of tape motion for each medium type: zero.
fn motion(source: &PageSource<'_>) -> Vec<u8> {
    let profile = source.state.profile;
    let mut table = PageWriter::new();
    for format in profile.supported_media {
        for kind in [CartridgeKind::Data, CartridgeKind::Worm] {
            table.u16(0).u8(format.media.density).u8(profile.medium_type_of(format.media, kind)).u32(0);
        }
    }
    table.as_slice().to_vec()
}
