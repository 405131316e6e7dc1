//! Page 0Ch, sequential-access device (SSC-4 §8.2.2).

use super::{MB, PageSource};
use crate::lifetime_counters;
use scsi_core::log::LogWriter;
use scsi_core::time::Now;
use tape_store::media::{LTO_6, LTO_9};

/// Value of an unknown counter.
const UNKNOWN: u64 = u32::MAX as u64;

pub(super) fn write(source: &PageSource<'_>, now: Now, w: &mut LogWriter) {
    let counters = &source.counters;
    w.counters(
        0,
        8,
        &[counters.written_by_host, counters.written_to_medium, counters.read_from_medium, counters.read_by_host],
    );
    let usage = source.mounted.and_then(|mounted| mounted.medium.usage(mounted.medium.position().partition).ok());
    match usage {
        Some(usage) => {
            let before = (usage.capacity - usage.early_warning) / MB;
            w.counters(4, 4, &[usage.used / MB, before, usage.early_warning / MB, usage.position / MB]);
        }
        None => drop(w.counters(4, 4, &[UNKNOWN; 4])),
    }
    w.counter(8, 4, buffer(source)).counter(0x0100, 8, u64::from(source.state.health.requests_cleaning()));
    let lifetime = &source.state.health.lifetime;
    w.counter(0x8000, 4, lifetime.get(lifetime_counters::MB_SINCE_CLEAN)).counter(
        0x8001,
        4,
        lifetime.get(lifetime_counters::LOADS),
    );
    w.counter(0x8002, 4, lifetime.get(lifetime_counters::CLEANINGS));
    if !source.state.profile.is_hp_mechanism() {
        w.counter(0x8003, 4, source.state.lifetime_seconds(now));
    }
}

/// Buffer size in MB, as captured from a drive of the generation; otherwise 0.
fn buffer(source: &PageSource<'_>) -> u64 {
    let profile = source.state.profile;
    match profile.native_media {
        native if profile.is_ibm_since_lto_7() && native.density >= LTO_9.density => 0x287,
        _ if profile.is_ibm_since_lto_7() => 0x256,
        native if profile.is_hp_mechanism() && native.density == LTO_6.density => 418,
        _ => 0,
    }
}
