//! Log pages of a drive (SSC-4 §8.2), one file for each page or group of pages. Page lists, lengths and control bytes
//! are as captured from LTO-6, LTO-7 and LTO-9 drives.

mod capacity_31;
mod compression_32;
mod diagnostics_16;
mod environment_0d;
mod errors_02;
mod sequential_0c;
mod statistics_14;
mod status_11;
mod usage_30;
mod vendor;
mod volume_17;

pub(crate) use diagnostics_16::{Diagnostics, ErrorContext};
pub(crate) use statistics_14::motion_hours;

use crate::alert::Alert;
use crate::counters::Counters;
use crate::device::DriveState;
use crate::mounted::Mounted;
use scsi_core::alert::AlertSet;
use scsi_core::log::{EXCEPTIONS_2F as EXCEPTIONS, FLAG_CONTROL, LIST_CONTROL, LogId, LogWriter, Parameter};
use scsi_core::target::Request;

const WRITE_ERRORS: LogId = LogId::page(0x02);
const READ_ERRORS: LogId = LogId::page(0x03);
const NON_MEDIUM_ERRORS: LogId = LogId::page(0x06);
const SEQUENTIAL: LogId = LogId::page(0x0c);
const TEMPERATURE: LogId = LogId::page(0x0d);
const ENVIRONMENT: LogId = LogId { page: 0x0d, subpage: 0x01 };
const DEVICE_STATUS: LogId = LogId::page(0x11);
const ALERT_RESPONSE: LogId = LogId::page(0x12);
const RECOVERY: LogId = LogId::page(0x13);
const STATISTICS: LogId = LogId::page(0x14);
const SERVICE_BUFFERS: LogId = LogId::page(0x15);
const DIAGNOSTICS: LogId = LogId::page(0x16);
const VOLUME: LogId = LogId::page(0x17);
/// Statistics of earlier volumes: subpages 01h and 02h.
const PREVIOUS_VOLUME_1: LogId = LogId { page: 0x17, subpage: 0x01 };
const PREVIOUS_VOLUME_2: LogId = LogId { page: 0x17, subpage: 0x02 };
const PORT: LogId = LogId::page(0x18);
const POWER: LogId = LogId::page(0x1a);
const DATA_COMPRESSION: LogId = LogId::page(0x1b);
/// TapeAlert page; a read clears its flags for the nexus.
pub(crate) const TAPE_ALERT: LogId = LogId::page(0x2e);
const USAGE: LogId = LogId::page(0x30);
const CAPACITY: LogId = LogId::page(0x31);
const COMPRESSION: LogId = LogId::page(0x32);
const WRITE_COUNTERS: LogId = LogId::page(0x33);
const READ_COUNTERS: LogId = LogId::page(0x34);
const DEVICE_ERROR: LogId = LogId::page(0x35);
const PERFORMANCE: LogId = LogId::page(0x37);
const BLOCKS: LogId = LogId::page(0x38);
const PORT_0: LogId = LogId::page(0x39);
const PORT_1: LogId = LogId::page(0x3b);
const DRIVE_USAGE: LogId = LogId::page(0x3c);
const SUBSYSTEM: LogId = LogId::page(0x3d);
const DEVICE: LogId = LogId::page(0x3e);

/// Pages of IBM's LTO-5 and LTO-6 drives, ascending: those of an LTO-7 drive without the subpages of pages 17h and 37h.
pub(crate) const IBM_PAGES: &[LogId] = &[
    WRITE_ERRORS,
    READ_ERRORS,
    NON_MEDIUM_ERRORS,
    SEQUENTIAL,
    DEVICE_STATUS,
    ALERT_RESPONSE,
    STATISTICS,
    DIAGNOSTICS,
    VOLUME,
    PORT,
    POWER,
    DATA_COMPRESSION,
    TAPE_ALERT,
    USAGE,
    CAPACITY,
    COMPRESSION,
    WRITE_COUNTERS,
    READ_COUNTERS,
    PERFORMANCE,
    BLOCKS,
    PORT_0,
    PORT_1,
    DRIVE_USAGE,
    SUBSYSTEM,
];

/// Pages of IBM's LTO-7 and LTO-8 drives, as captured from two LTO-7 drives.
pub(crate) const IBM_7_PAGES: &[LogId] = &merged::<34>(IBM_PAGES, SINCE_LTO_7);
/// Pages of IBM's LTO-9 drives, as captured from two LTO-9 drives: those of LTO-7, and environmental reporting.
pub(crate) const IBM_9_PAGES: &[LogId] = &merged::<35>(IBM_7_PAGES, &[ENVIRONMENT]);

const SINCE_LTO_7: &[LogId] = &[
    PREVIOUS_VOLUME_1,
    PREVIOUS_VOLUME_2,
    performance_of(0x10),
    performance_of(0x20),
    performance_of(0x40),
    performance_of(0x50),
    performance_of(0x60),
    performance_of(0x80),
    performance_of(0x90),
    performance_of(0xa0),
];

/// Subpages of page 37h, of which only the codes are known.
const fn performance_of(subpage: u8) -> LogId {
    LogId { page: 0x37, subpage }
}

/// Merges two ascending lists into one.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: a list of another length does not compile")]
const fn merged<const N: usize>(pages: &[LogId], more: &[LogId]) -> [LogId; N] {
    assert!(N == pages.len() + more.len());
    let (mut list, mut from, mut added) = ([WRITE_ERRORS; N], 0, 0);
    while from + added < N {
        let next = added < more.len() && (from == pages.len() || is_before(more[added], pages[from]));
        list[from + added] = if next { more[added] } else { pages[from] };
        if next {
            added += 1;
        } else {
            from += 1;
        }
    }
    list
}

const fn is_before(a: LogId, b: LogId) -> bool {
    a.page < b.page || a.page == b.page && a.subpage < b.subpage
}

/// Pages of the LTO-5 and LTO-6 drives that HP built itself, as an LTO-6 drive lists them.
pub(crate) const HP_PAGES: &[LogId] = &[
    WRITE_ERRORS,
    READ_ERRORS,
    SEQUENTIAL,
    TEMPERATURE,
    DEVICE_STATUS,
    ALERT_RESPONSE,
    RECOVERY,
    STATISTICS,
    SERVICE_BUFFERS,
    DIAGNOSTICS,
    VOLUME,
    PORT,
    DATA_COMPRESSION,
    TAPE_ALERT,
    USAGE,
    CAPACITY,
    COMPRESSION,
    READ_COUNTERS,
    DEVICE_ERROR,
    DEVICE,
];

/// Pages that drives of all families have in mhvtl, ascending.
pub(crate) const COMMON_PAGES: &[LogId] = &[
    WRITE_ERRORS,
    READ_ERRORS,
    SEQUENTIAL,
    TEMPERATURE,
    VOLUME,
    TAPE_ALERT,
    USAGE,
    CAPACITY,
    COMPRESSION,
    PERFORMANCE,
];

/// Pages of IBM's LTO-3 and LTO-4 drives in mhvtl.
pub(crate) const COMMON_PAGES_AND_STATUS: &[LogId] = &merged::<11>(COMMON_PAGES, &[DEVICE_STATUS]);

/// Pages of a T10000, with non-medium errors, which CTA reads.
pub(crate) const T10000_PAGES: &[LogId] = &merged::<11>(COMMON_PAGES, &[NON_MEDIUM_ERRORS]);

/// Pages of a 3592, with non-medium errors and page 38h, which CTA reads, with the codes and units of IBM's LTO
/// drives.
pub(crate) const IBM_3592_PAGES: &[LogId] = &merged::<12>(COMMON_PAGES, &[NON_MEDIUM_ERRORS, BLOCKS]);

const MB: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

/// Data from which a page is written.
struct PageSource<'a> {
    state: &'a DriveState,
    mounted: Option<&'a Mounted>,
    /// Counts since the load, or since LOG SELECT reset the page.
    counters: Counters,
}

/// Writes the parameters of one page.
pub(crate) fn write(state: &DriveState, id: LogId, request: &Request<'_>, w: &mut LogWriter) {
    let mounted = state.media.threaded();
    let since =
        |mounted: &Mounted| mounted.counters.since(mounted.counter_baselines.get(&id).copied().unwrap_or_default());
    let source = PageSource { state, mounted, counters: mounted.map(since).unwrap_or_default() };
    match id {
        WRITE_ERRORS => errors_02::written(&source, w),
        READ_ERRORS => errors_02::read(&source, w),
        NON_MEDIUM_ERRORS => drop(w.counter(0, 4, 0)),
        SEQUENTIAL => sequential_0c::write(&source, request.now, w),
        TEMPERATURE => environment_0d::temperature(&source, w),
        ENVIRONMENT => environment_0d::report(w),
        DEVICE_STATUS => status_11::write(&source, w),
        ALERT_RESPONSE => drop(w.parameter(0, LIST_CONTROL, &state.health.alerts.raised_flags().bits().to_be_bytes())),
        RECOVERY => drop(w.parameter(0, LIST_CONTROL, &[0])),
        STATISTICS => statistics_14::write(&source, request.now, w),
        DIAGNOSTICS => state.health.diagnostics.write(w),
        VOLUME => volume_17::current(&source, w),
        PREVIOUS_VOLUME_1 => volume_17::before(&source, 1, w),
        PREVIOUS_VOLUME_2 => volume_17::before(&source, 2, w),
        // No protocol-specific parameters.
        PORT => drop(w.parameter(state.port.relative, LIST_CONTROL, &[state.port.protocol.0, 0, 0, 0])),
        // Transitions to active (one) and to idle_c (none).
        POWER => drop(w.counter(1, 4, 1).counter(4, 4, 0)),
        DATA_COMPRESSION => compression_32::standard(&source, w),
        TAPE_ALERT => state.health.alerts.unread_flags(request.nexus).write(FLAG_CONTROL, w),
        EXCEPTIONS => state.health.exceptions.write(environment_0d::CELSIUS, w),
        USAGE => usage_30::write(&source, w),
        CAPACITY => capacity_31::write(&source, w),
        COMPRESSION => compression_32::write(&source.counters, w),
        _ => vendor::write(&source, id, w),
    }
}

/// Statistics of a volume that is about to be demounted.
pub(crate) fn volume_statistics(state: &DriveState, mounted: &Mounted) -> Vec<Parameter> {
    let mut w = LogWriter::from_pointer(0);
    volume_17::write(&PageSource { state, mounted: Some(mounted), counters: mounted.counters }, mounted, &mut w);
    w.parameters()
}

/// Number of demounted volumes whose statistics are kept.
pub(crate) const VOLUMES: usize = 3;

/// Resets one page, or all, for LOG SELECT: TapeAlert flags, and the counters of this load as the page shows them.
/// Returns whether anything changed.
pub(crate) fn reset(state: &mut DriveState, id: Option<LogId>) -> bool {
    let resets = |page: LogId| id.is_none_or(|id| id == page);
    let mut changed = false;
    if resets(TAPE_ALERT) || resets(ALERT_RESPONSE) {
        changed |= state.health.alerts.raised_flags() != AlertSet::NONE;
        state.health.alerts.clear_all();
    }
    let Some(mounted) = state.media.threaded_mut() else { return changed };
    let counted = [WRITE_ERRORS, READ_ERRORS, SEQUENTIAL, DATA_COMPRESSION, COMPRESSION, BLOCKS];
    for page in counted.into_iter().filter(|page| resets(*page)) {
        mounted.counter_baselines.insert(page, mounted.counters);
        changed = true;
    }
    changed
}

/// Bits of the supported TapeAlert flags; flag 1 is the most significant bit.
pub(crate) fn supported_alerts() -> u64 {
    let known = (1..=64).filter(|number| Alert(*number).name().is_some());
    known.fold(AlertSet::NONE, |all, number| all.merge(AlertSet::from_flag(number))).bits()
}
