//! The shelves of a site on object storage, as operators see them.

use crate::config::ShelfSetup;
use crate::control::ThawStatus;
use crate::site::Site;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tape_store::backend::{ReplicaLag, Shelving};

/// State of a shelf on object storage: an item of the response to `shelf_list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShelfStatus {
    /// Name of the shelf, unique in the site.
    pub shelf: String,
    /// URL of the shelf, without credentials.
    pub url: String,
    /// The storage that has the data when a synchronised filemark ends: `local` or `remote`.
    pub durability: String,
    /// True if new cartridges are created on the shelf.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_cartridges: bool,
    /// True if new data is encrypted before it leaves the machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
    /// True if the store locks the objects of retained cartridges, and of cartridges under a legal hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub object_lock: bool,
    /// Number of cartridges of the site whose files were on the shelf when they were used last.
    pub cartridges: u64,
    /// Bytes that are on the local disk only.
    pub unshelved_bytes: u64,
    /// The cartridges that have such bytes, or could not be put on the shelf the last time, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unshelved: Vec<UnshelvedCartridge>,
    /// The cartridges in drives whose data the store is thawing because a host reads it, ascending. A load that waits is in the status
    /// of its drive.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thawing: BTreeMap<String, ThawStatus>,
    /// Bytes on the local disk that the shelf has, too.
    pub cached_bytes: u64,
    /// Maximum number of such bytes.
    pub cache_bytes: u64,
    /// Reason why the object store did not respond the last time. Cartridges of the shelf cannot be loaded then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The replica of the shelf, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaStatus>,
    /// The replicas of pools that have cartridges on the shelf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pool_replicas: Vec<ReplicaStatus>,
}

/// State of the replica of a shelf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// Name of the shelf that is the replica.
    pub shelf: String,
    /// Number of cartridges whose newest state may not be on the replica: changed cartridges, and cartridges that were not compared
    /// with a new replica yet.
    pub cartridges: u64,
    /// Number of bytes in segments that are not on the replica, as far as they are known: those of changed cartridges, and of
    /// cartridges that are copied now.
    pub bytes: u64,
    /// Seconds since the first of these changes, or since the start of the daemon if it is older or cartridges are compared.
    pub seconds: u64,
    /// The cartridges whose last copy has failed, and the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, String>,
}

/// A cartridge with bytes that are not on its shelf yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnshelvedCartridge {
    /// Barcode of the cartridge on the shelf.
    pub cartridge: String,
    /// Number of bytes that are on the local disk only.
    pub bytes: u64,
    /// Reason why the last attempt to put the cartridge on the shelf has failed: the store does not respond, or denies a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Site {
    /// The state of each shelf on object storage, in the order of the configuration. It waits for no object store.
    #[must_use]
    pub fn shelf_status(&self) -> Vec<ShelfStatus> {
        let (setups, new_cartridges) = &self.shelves;
        let state = |setup: &ShelfSetup| {
            let stores = &self.shared.stores;
            let (_, store) = stores.shelves().find(|(name, _)| *name == setup.name)?;
            let is_new = new_cartridges.as_deref() == Some(&setup.name);
            Some(status_of(setup, is_new, stores.count_on(&setup.name), store.shelving()))
        };
        setups.iter().filter_map(state).collect()
    }
}

/// The cartridges with bytes that are on no shelf, and the cartridges that could not be put on the shelf, ascending.
fn unshelved_of(bytes: BTreeMap<String, u64>, mut errors: BTreeMap<String, String>) -> Vec<UnshelvedCartridge> {
    let mut all: Vec<_> = bytes
        .into_iter()
        .map(|(cartridge, bytes)| UnshelvedCartridge { error: errors.remove(&cartridge), cartridge, bytes })
        .filter(|one| one.bytes > 0 || one.error.is_some())
        .collect();
    let of_error = |(cartridge, error)| UnshelvedCartridge { cartridge, bytes: 0, error: Some(error) };
    all.extend(errors.into_iter().map(of_error));
    all.sort_by(|a, b| a.cartridge.cmp(&b.cartridge));
    all
}

fn status_of(setup: &ShelfSetup, new_cartridges: bool, cartridges: u64, shelving: Shelving) -> ShelfStatus {
    let unshelved = unshelved_of(shelving.unshelved, shelving.unreleased);
    let replica = |(shelf, lag): (String, ReplicaLag)| ReplicaStatus {
        shelf,
        cartridges: lag.folders,
        bytes: lag.bytes,
        seconds: lag.seconds,
        failed: lag.failed,
    };
    let (own, of_pools): (Vec<_>, Vec<_>) =
        shelving.replicas.into_iter().map(replica).partition(|replica| setup.replica.as_ref() == Some(&replica.shelf));
    ShelfStatus {
        shelf: setup.name.clone(),
        url: setup.url.clone(),
        durability: setup.durability.name().into(),
        new_cartridges,
        encrypted: setup.encrypt.is_some(),
        object_lock: setup.object_lock,
        cartridges,
        unshelved_bytes: unshelved.iter().map(|one| one.bytes).sum(),
        unshelved,
        thawing: shelving.thawing.into_iter().map(|(cartridge, progress)| (cartridge, progress.into())).collect(),
        cached_bytes: shelving.cached_bytes,
        cache_bytes: shelving.cache_bytes,
        error: shelving.error,
        replica: own.into_iter().next(),
        pool_replicas: of_pools,
    }
}
