//! Log pages of a drive (SSC-5 §8.2).

use crate::alert::{Alert, Alerts};
use crate::counters::Counters;
use crate::device::State;
use crate::load::{Load, Mounted};
use scsi_core::log::{LIST, LogId, LogWriter, TEXT};
use tape_store::mam::AttrId;

const WRITE_ERRORS: LogId = LogId::page(0x02);
const READ_ERRORS: LogId = LogId::page(0x03);
const SEQUENTIAL: LogId = LogId::page(0x0c);
const ALERT_RESPONSE: LogId = LogId::page(0x12);
const VOLUME: LogId = LogId::page(0x17);
/// TapeAlert, whose flags go when they are read.
pub(crate) const TAPE_ALERT: LogId = LogId::page(0x2e);
const USAGE: LogId = LogId::page(0x30);
const CAPACITY: LogId = LogId::page(0x31);
const COMPRESSION: LogId = LogId::page(0x32);

/// Pages of an LTO drive, ascending.
pub(crate) const LTO_PAGES: &[LogId] =
    &[WRITE_ERRORS, READ_ERRORS, SEQUENTIAL, ALERT_RESPONSE, VOLUME, TAPE_ALERT, USAGE, CAPACITY, COMPRESSION];

const MB: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

/// Writes the parameters of one page.
pub(crate) fn write(state: &State, id: LogId, w: &mut LogWriter) {
    let mounted = if let Load::Mounted(mounted) = &state.load { Some(mounted) } else { None };
    let since = |mounted: &Mounted| mounted.counters.since(mounted.bases.get(&id).copied().unwrap_or_default());
    let counters = mounted.map(since).unwrap_or_default();
    match id {
        WRITE_ERRORS => errors(counters.from_host, counters.write_failures, w),
        READ_ERRORS => errors(counters.to_host, counters.read_failures, w),
        SEQUENTIAL => sequential(mounted, &counters, state.loads, w),
        ALERT_RESPONSE => drop(w.parameter(0, LIST, &state.alerts.bits().to_be_bytes())),
        VOLUME => volume(mounted, &counters, w),
        TAPE_ALERT => flags(state.alerts, w),
        USAGE => usage(mounted, &counters, w),
        CAPACITY => capacity(mounted, w),
        COMPRESSION => compression(&counters, w),
        _ => {}
    }
}

/// Resets what LOG SELECT can reset: TapeAlert flags, and the counters of this load as the page shows them.
pub(crate) fn reset(state: &mut State, id: Option<LogId>) -> bool {
    let resets = |page: LogId| id.is_none_or(|id| id == page);
    let mut changed = false;
    if resets(TAPE_ALERT) || resets(ALERT_RESPONSE) {
        changed |= state.alerts != Alerts::default();
        state.alerts.clear();
    }
    let Load::Mounted(mounted) = &mut state.load else { return changed };
    for page in [WRITE_ERRORS, READ_ERRORS, SEQUENTIAL, COMPRESSION].into_iter().filter(|page| resets(*page)) {
        mounted.bases.insert(page, mounted.counters);
        changed = true;
    }
    changed
}

/// Bits of the flags that this drive may raise, flag 1 in the highest.
pub(crate) fn supported_alerts() -> u64 {
    let mut alerts = Alerts::default();
    (1..=64).map(Alert).filter(|alert| alert.name().is_some()).for_each(|alert| alerts.raise(alert));
    alerts.bits()
}

/// Pages 02h and 03h: nothing here is corrected or retried, so only what failed counts.
fn errors(bytes: u64, failures: u64, w: &mut LogWriter) {
    for code in 0..=4 {
        w.counter(code, 4, 0);
    }
    w.counter(5, 8, bytes).counter(6, 4, failures);
}

fn sequential(mounted: Option<&Mounted>, counters: &Counters, loads: u64, w: &mut LogWriter) {
    w.counter(0, 8, counters.from_host).counter(1, 8, counters.to_medium);
    w.counter(2, 8, counters.from_medium).counter(3, 8, counters.to_host);
    if let Some(usage) = mounted.and_then(|mounted| mounted.medium.usage(mounted.medium.position().partition).ok()) {
        w.counter(4, 4, usage.used / MB).counter(5, 4, (usage.capacity - usage.early_warning) / MB);
        w.counter(6, 4, usage.early_warning / MB).counter(7, 4, usage.here / MB);
    }
    w.counter(8, 4, 0).counter(0x0100, 8, 0);
    w.counter(0x8000, 4, 0).counter(0x8001, 4, loads).counter(0x8002, 4, 0);
}

fn flags(alerts: Alerts, w: &mut LogWriter) {
    for number in 1..=64_u8 {
        w.parameter(number.into(), 0xc0, &[u8::from(alerts.is_set(Alert(number)))]);
    }
}

fn usage(mounted: Option<&Mounted>, counters: &Counters, w: &mut LogWriter) {
    let threads = mounted.map_or(0, |mounted| mounted.mam.number(AttrId::LOAD_COUNT));
    w.counter(1, 4, threads).counter(2, 8, counters.filemarks).counter(3, 4, 0);
    w.counter(4, 2, counters.write_failures).counter(5, 2, 0).counter(6, 2, 0);
    w.counter(7, 8, 0).counter(8, 4, 0).counter(9, 2, counters.read_failures).counter(10, 2, 0).counter(11, 2, 0);
}

/// MiB of the first two partitions: remaining, then maximum.
fn capacity(mounted: Option<&Mounted>, w: &mut LogWriter) {
    let partition = |number| mounted.and_then(|mounted| mounted.medium.usage(number).ok()).unwrap_or_default();
    let (first, second) = (partition(0), partition(1));
    w.counter(1, 4, (first.capacity.saturating_sub(first.used)) / MIB);
    w.counter(2, 4, (second.capacity.saturating_sub(second.used)) / MIB);
    w.counter(3, 4, first.capacity / MIB).counter(4, 4, second.capacity / MIB);
}

fn compression(counters: &Counters, w: &mut LogWriter) {
    let c = counters;
    w.counter(0, 2, Counters::ratio(c.to_host, c.from_medium)).counter(1, 2, Counters::ratio(c.from_host, c.to_medium));
    for (code, bytes) in (1..).zip([c.to_host, c.from_medium, c.from_host, c.to_medium]) {
        w.counter(2 * code, 4, bytes / MB).counter(2 * code + 1, 4, bytes % MB);
    }
}

/// Page 17h: of the mounted volume, or only "not valid".
fn volume(mounted: Option<&Mounted>, counters: &Counters, w: &mut LogWriter) {
    w.parameter(0x0000, LIST, &[u8::from(mounted.is_some())]);
    let Some(mounted) = mounted else { return };
    let mam = &mounted.mam;
    let total = |id, now: u64| mam.number(id).saturating_add(now) / MB;
    w.counter(0x0001, 4, mam.number(AttrId::LOAD_COUNT)).counter(0x0002, 8, counters.filemarks);
    w.counter(0x0003, 4, 0).counter(0x0004, 2, counters.write_failures);
    w.counter(0x0005, 2, 0).counter(0x0006, 2, 0).counter(0x0007, 8, 0).counter(0x0008, 4, 0);
    w.counter(0x0009, 2, counters.read_failures).counter(0x000c, 2, 0).counter(0x000d, 2, 0);
    w.counter(0x000e, 4, counters.from_host / MB).counter(0x000f, 4, counters.to_host / MB);
    w.counter(0x0010, 8, total(AttrId::LIFE_WRITTEN, counters.from_host));
    w.counter(0x0011, 8, total(AttrId::LIFE_READ, counters.to_host));
    w.counter(0x0012, 2, Counters::ratio(counters.from_host, counters.to_medium));
    w.counter(0x0013, 2, Counters::ratio(counters.to_host, counters.from_medium));
    let partitions = 0..mounted.medium.partitions();
    let usages: Vec<_> = partitions.filter_map(|number| mounted.medium.usage(number).ok()).collect();
    let sum = |of: fn(&tape_store::medium::Usage) -> u64| usages.iter().map(of).sum::<u64>() / MB;
    w.counter(0x0016, 4, sum(|usage| usage.capacity)).counter(0x0017, 4, sum(|usage| usage.used));
    w.parameter(0x0040, TEXT, mam.get(AttrId::SERIAL, 0).unwrap_or_default());
    w.parameter(0x0042, TEXT, format!("{:<32}", mounted.cartridge.barcode()).as_bytes());
    w.parameter(0x0043, TEXT, mam.get(AttrId::MANUFACTURER, 0).unwrap_or_default());
    w.parameter(0x0080, LIST, &[u8::from(mounted.protected.is_some())]).parameter(0x0081, LIST, &[0]);
    let records = |of: fn(&tape_store::medium::Usage) -> u64| {
        let record = |(number, usage)| {
            let [a, b, c, d] = u32::try_from(of(usage) / MB).unwrap_or(u32::MAX).to_be_bytes();
            [7, 0, 0, number, a, b, c, d]
        };
        (0..).zip(&usages).flat_map(record).collect::<Vec<u8>>()
    };
    w.parameter(0x0202, LIST, &records(|usage| usage.capacity));
    w.parameter(0x0203, LIST, &records(|usage| usage.used));
    w.parameter(0x0204, LIST, &records(|usage| usage.capacity.saturating_sub(usage.used + usage.early_warning)));
}
