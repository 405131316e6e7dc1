//! Page 14h, device statistics (SSC-4 §8.2): lifetime counters, and counters since power-on. Motion of the tape is that of the
//! time model, and zero if times are not modelled.
//!
//! Sources of motion hours: Quantum, *LTO-4 SCSI reference* (times are rounded up to the next hour); a public listing of this
//! page by sg_logs from an LTO-10 drive that had one cleaning (hours since the second to last one are those of its life).

use super::{MB, PageSource};
use crate::lifetime_counters;
use crate::timing::milliseconds;
use scsi_core::log::{LIST_CONTROL, LogWriter, TEXT_CONTROL};
use scsi_core::time::Now;
use scsi_core::writer::PageWriter;
use std::time::Duration;
use tape_store::cartridge::CartridgeKind;

/// Control byte of the table of medium types.
const TABLE: u8 = 0x03;
const MM_PER_METRE: u64 = 1000;
const MS_PER_HOUR: u64 = 3_600_000;

/// Whole hours, rounded up.
pub(crate) fn motion_hours(milliseconds: u64) -> u32 {
    u32::try_from(milliseconds.div_ceil(MS_PER_HOUR)).unwrap_or(u32::MAX)
}

fn hours(milliseconds: u64) -> u64 {
    motion_hours(milliseconds).into()
}

pub(super) fn write(source: &PageSource<'_>, now: Now, w: &mut LogWriter) {
    let state = source.state;
    let of = |id| state.health.lifetime.get(id);
    let (powered, motion) = (state.lifetime_seconds(now) / 3600, state.motion_ms());
    let metres = (of(lifetime_counters::TAPE_MM) + state.time.uncounted_motion().millimetres) / MM_PER_METRE;
    let incompatible = hours(of(lifetime_counters::MOTION_MS_AT_INCOMPATIBLE));
    w.counters(0x00, 4, &[of(lifetime_counters::LOADS), of(lifetime_counters::CLEANINGS), powered, hours(motion)]);
    // No temperature or power consumption condition.
    w.counters(0x04, 4, &[metres, incompatible, 0, 0]);
    // No forced reset or emergency eject.
    w.counters(0x08, 4, &state.motion_ms_since_cleanings().map(hours)).counter(0x0b, 4, 0);
    w.counters(0x0c, 4, &[of(lifetime_counters::POWER_CYCLES), state.health.loads]);
    w.counters(0x0e, 4, &[of(lifetime_counters::WRITE_ERRORS), of(lifetime_counters::READ_ERRORS)]);
    duty_cycles(source, now, w);
    if state.profile.is_hp_mechanism() {
        // MB from and to the host in the sample time.
        w.counters(0x16, 8, &[source.counters.written_by_host / MB, source.counters.read_by_host / MB]);
    }
    let mut serial = PageWriter::new();
    serial.ascii(&state.serial, 12);
    w.parameter(0x40, TEXT_CONTROL, serial.as_slice()).parameter(0x41, TEXT_CONTROL, serial.as_slice());
    w.parameter(0x80, LIST_CONTROL, &[u8::from(state.media.removal_prevented)]).parameter(0x81, LIST_CONTROL, &[0]);
    w.parameter(0x1000, TABLE, &motion_by_medium(source));
}

/// Sample time since power-on in ms, then shares of it in percent: reading, writing, motion of any kind; no volume; ready.
fn duty_cycles(source: &PageSource<'_>, now: Now, w: &mut LogWriter) {
    let sample = source.state.power_on_ms(now);
    let motion = source.state.time.tape_motion();
    let share = |part: u64| part.saturating_mul(100).checked_div(sample).unwrap_or(0).min(100);
    let of = |part: Duration| share(milliseconds(part));
    let ready = if source.mounted.is_some() { 100 } else { 0 };
    let activity = share(motion.milliseconds());
    w.counter(0x10, 8, sample);
    w.counters(0x11, 4, &[of(motion.reading), of(motion.writing), activity, 100 - ready, ready]);
}

/// Hours of tape motion for each medium type.
fn motion_by_medium(source: &PageSource<'_>) -> Vec<u8> {
    let profile = source.state.profile;
    let mut table = PageWriter::new();
    for format in profile.supported_media {
        for kind in [CartridgeKind::Data, CartridgeKind::Worm] {
            let is_mounted = source
                .mounted
                .is_some_and(|mounted| mounted.cartridge.media() == format.media && mounted.cartridge.kind() == kind);
            let now = if is_mounted { source.state.time.uncounted_motion().milliseconds() } else { 0 };
            let before = source.state.health.lifetime.get(&lifetime_counters::motion_ms_of(format.media.name, kind));
            table.u16(0).u8(format.media.density).u8(profile.medium_type_of(format.media, kind));
            table.u32(motion_hours(before + now));
        }
    }
    table.as_slice().to_vec()
}
