//! Vendor-specific log pages. Codes and lengths are as captured; parameters of unknown meaning are zero.

use super::{
    BLOCKS, DEVICE, DEVICE_ERROR, DRIVE_USAGE, MB, PERFORMANCE, PORT_0, PORT_1, PageSource, READ_COUNTERS, SUBSYSTEM,
    WRITE_COUNTERS,
};
use crate::lifetime_counters;
use scsi_core::log::{COUNTER_CONTROL, LogId, LogWriter};
use tape_store::mam::AttrId;

const KIB: u64 = 1024;
/// Control byte of page 37h, and of some HP counters.
const MEASURES: u8 = 0x60;
/// Control byte of page 35h.
const DUMP: u8 = 0x03;

pub(super) fn write(source: &PageSource<'_>, id: LogId, w: &mut LogWriter) {
    match id {
        WRITE_COUNTERS => drop(w.counters(0, 2, &[0; 0x12])),
        READ_COUNTERS if source.state.profile.is_hp_mechanism() => read_errors_of_hp(w),
        READ_COUNTERS => drop(w.counters(0, 2, &[0; 0x1f])),
        DEVICE_ERROR => drop(w.parameter(0, DUMP, &[0; 0x16]).parameter(1, DUMP, &[0; 0x56])),
        PERFORMANCE => performance(w),
        BLOCKS => blocks(source, w),
        PORT_0 | PORT_1 => drop(w.counter(0, 2, 0).counters(7, 2, &[0; 4]).counter(0x10, 4, 0)),
        DRIVE_USAGE => drop(w.counters(1, 8, &[0; 5])),
        SUBSYSTEM => subsystem(source, w),
        DEVICE => device(source, w),
        _ => {}
    }
}

/// Page 37h: efficiency of drive, medium, host ports and library; low values are good, 80h is unknown.
fn performance(w: &mut LogWriter) {
    for (code, value) in [(0x00, 0), (0x01, 0), (0x10, 0x80), (0x11, 0x80), (0x12, 0), (0x1a, 0)] {
        w.parameter(code, MEASURES, &[value]);
    }
}

/// Page 38h: blocks and KiB written and read, by host and by medium; capacities and positions.
fn blocks(source: &PageSource<'_>, w: &mut LogWriter) {
    let c = &source.counters;
    w.counters(0, 8, &[c.blocks_written, c.written_by_host / KIB, c.blocks_read, c.read_by_host / KIB]);
    let pairs = [
        (c.blocks_written + c.filemarks, c.written_to_medium),
        (c.blocks_read, c.read_from_medium),
        (c.blocks_written, c.written_by_host),
        (c.blocks_read, c.read_by_host),
    ];
    for (code, (blocks, bytes)) in (2..).zip(pairs) {
        w.counter(2 * code, 4, blocks).counter(2 * code + 1, 6, bytes / KIB);
    }
    let usages = |mounted: &crate::mounted::Mounted| {
        (0..mounted.medium.partitions()).filter_map(|part| mounted.medium.usage(part).ok()).collect::<Vec<_>>()
    };
    let all = source.mounted.map(usages).unwrap_or_default();
    let here = source.mounted.map_or(0, |mounted| mounted.medium.position().partition);
    let partition = all.get(usize::from(here)).copied().unwrap_or_default();
    let sum = |of: fn(&tape_store::medium::PartitionUsage) -> u64| all.iter().map(of).sum::<u64>();
    // In 255ths.
    let share = |part: u64, whole: u64| part.saturating_mul(0xff).checked_div(whole).unwrap_or(0);
    let whole = sum(|usage| usage.capacity);
    w.counter(0x0c, 8, partition.capacity / KIB).counter(0x0d, 1, share(partition.position, partition.capacity));
    w.counter(0x0e, 8, whole / KIB).counter(0x0f, 1, share(sum(|usage| usage.position), whole));
    w.counter(0x10, 8, whole.saturating_sub(sum(|usage| usage.used)) / KIB);
    w.counter(0x11, 8, partition.capacity.saturating_sub(partition.used) / KIB);
    if source.state.profile.is_ibm_since_lto_7() {
        w.parameter(0x0100, COUNTER_CONTROL, &[0; 26]);
    }
}

/// Page 3Dh: mounts and MB in the life of the volume, loads and MB in the life of the drive.
fn subsystem(source: &PageSource<'_>, w: &mut LogWriter) {
    let of = |id| source.mounted.map_or(0, |mounted| mounted.mam.number(id));
    let lifetime = &source.state.health.lifetime;
    w.counter(0x20, 4, of(AttrId::LOAD_COUNT));
    w.counter(0x21, 8, of(AttrId::LIFE_WRITTEN) / MB).counter(0x22, 8, of(AttrId::LIFE_READ) / MB);
    w.counter(0x40, 4, lifetime.get(lifetime_counters::LOADS));
    w.counter(0x41, 8, lifetime.get(lifetime_counters::MB_WRITTEN)).counter(
        0x42,
        8,
        lifetime.get(lifetime_counters::MB_READ),
    );
}

/// Page 34h of HP's drives: four error counters, and a fifth value as captured.
fn read_errors_of_hp(w: &mut LogWriter) {
    for code in 0..4 {
        w.number(code, MEASURES, 2, 0);
    }
    w.counter(4, 2, 0x0640);
}

/// Page 3Eh of HP's drives: status, loads, remaining uses of the cleaning cartridge.
fn device(source: &PageSource<'_>, w: &mut LogWriter) {
    /// Medium present and in order.
    const MEDIUM_OK: u64 = 0x01 << 8;
    let status = if source.mounted.is_some() { MEDIUM_OK } else { 0 };
    w.counters(0, 4, &[0, status]).number(2, MEASURES, 4, source.state.health.lifetime.get(lifetime_counters::LOADS));
    w.counters(3, 4, &[u32::MAX.into(), 0]);
}
