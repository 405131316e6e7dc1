//! Leases and heartbeats: which daemon uses a cartridge, and whether it is alive.

use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::objects::Objects;
use crate::record;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Periods without a heartbeat after which a cartridge can be taken over.
const MISSED_BEATS: u32 = 3;

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

/// Waits for a heartbeat of an epoch; returns whether there was none in [`MISSED_BEATS`] periods. Only the time that this
/// daemon measures counts, and whether the object changes: the clocks of two daemons may differ.
pub(crate) async fn is_silent(
    objects: &Objects,
    keys: &CartridgeKeys,
    epoch: u64,
    period: Duration,
) -> Result<bool, ShelfError> {
    let key = keys.beat(epoch);
    let first = objects.get(&key).await?;
    for _ in 0..MISSED_BEATS {
        tokio::time::sleep(period).await;
        if objects.get(&key).await? != first {
            return Ok(false);
        }
    }
    Ok(true)
}
