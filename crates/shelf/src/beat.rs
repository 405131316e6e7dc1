//! Leases and heartbeats: which daemon uses a cartridge, and whether it is alive.

use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::objects::Objects;
use crate::record;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Periods without a heartbeat after which a cartridge can be taken over.
pub(crate) const MISSED_BEATS: u32 = 3;
/// How often a waiting daemon looks at the objects of the owner in a period: a cartridge may be released meanwhile.
const LOOKS_PER_PERIOD: u32 = 5;

/// The object of an epoch, which one daemon can create only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) epoch: u64,
    pub(crate) nonce: String,
    pub(crate) owner: String,
}

/// A heartbeat: the counter differs in each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beat {
    pub(crate) epoch: u64,
    pub(crate) nonce: String,
    pub(crate) counter: u64,
}

/// The newest lease from an epoch on; `None` if there is no lease after `epoch`.
pub(crate) async fn newest_lease(
    objects: &Objects,
    keys: &CartridgeKeys,
    mut epoch: u64,
) -> Result<Option<Lease>, ShelfError> {
    let mut newest = None;
    loop {
        epoch += 1;
        let key = keys.lease(epoch);
        let Some(bytes) = objects.get(&key).await? else { return Ok(newest) };
        newest = Some(record::decode(&key, &bytes)?);
    }
}

/// The activity of the owner of a cartridge while another daemon waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Nothing in [`MISSED_BEATS`] periods.
    None,
    /// There was a heartbeat.
    Beat,
    /// There is the other object: the next manifest of a cartridge, or the release of a site.
    Other,
}

/// Waits for a sign of life of an owner: a change of its heartbeat, or another object. Only the time that this daemon measures counts,
/// and whether an object changes: the clocks of two daemons may differ.
pub(crate) async fn wait_for_owner(
    objects: &Objects,
    beat: &str,
    other: &str,
    period: Duration,
) -> Result<Activity, ShelfError> {
    let first = objects.get(beat).await?;
    for _ in 0..MISSED_BEATS * LOOKS_PER_PERIOD {
        tokio::time::sleep(period / LOOKS_PER_PERIOD).await;
        if objects.get(other).await?.is_some() {
            return Ok(Activity::Other);
        }
        if objects.get(beat).await? != first {
            return Ok(Activity::Beat);
        }
    }
    Ok(Activity::None)
}
