//! Shelves on object storage: cartridges that several daemons share, one daemon at a time.
//!
//! A shelf is a prefix in an object store. A cartridge on it has *manifests*, which are numbered from 1 and never replaced: the
//! newest one names the content of the cartridge. A daemon that loads a cartridge takes a *lease*, and then creates the next
//! manifest with the number of its lease, its *epoch*. From then on the commits of the former owner fail, because a manifest
//! with the next number exists.
//!
//! The safety of the data depends on one operation of the store only: creating an object that does not exist
//! ([`Objects::create`]). It does not depend on a clock, on listing, on the order of responses, or on reads of the newest
//! state: a read that misses a new manifest only makes the next creation fail. [`trust`] checks the operation before several
//! daemons share a store.
//!
//! `docs/shelf.md` describes the protocol.
#![forbid(unsafe_code)]

mod beat;
mod catalog;
mod copy;
mod drives;
mod encryption;
mod error;
mod folders;
mod garbage;
mod index;
mod keys;
mod manifest;
#[cfg(test)]
mod model_tests;
mod object_lock;
mod objects;
mod owned;
mod protection;
mod record;
mod replica;
#[cfg(feature = "s3")]
mod s3_requests;
pub mod segment;
mod site;
mod site_heartbeats;
mod site_lease;
mod storage_class;
mod take;
#[cfg(test)]
mod test_store;
mod thaw;
mod transfer;
pub mod trust;
mod url;
mod usage;

pub use catalog::{CatalogChange, RebuiltCatalog};
pub use copy::{Copied, CopyError, CopyProgress, Origin};
pub use drives::{
    DriveEvent, DriveIdentity, DriveLog, DrivePlace, DriveRefusal, DriveRequest, DriveSide, DriveState, DrivesSetup,
};
pub use encryption::{KEY_LEN, KeyRing, WrappingKey};
pub use error::ShelfError;
pub use folders::{Durability, FoldersSetup, ShelfFolders, Unload};
pub use garbage::{Garbage, KEPT_FOR};
pub use manifest::{Content, Extent, FileContent, Manifest, ManifestState};
pub use objects::{Creation, Objects, RetryPolicy, StoreFailure};
pub use owned::{CommitError, OwnedCartridge};
pub use protection::Protection;
pub use replica::{CartridgeRule, ReplicaSetup};
pub use site::SiteCopy;
pub use site_lease::{FormerSiteLeases, SiteClaim, SiteCopies, SiteLease, TakeSiteError};
pub use storage_class::StorageClass;
pub use take::TakeError;
pub use thaw::{Thaw, ThawTier};
pub use transfer::{DamagedSegment, Progress, TransferError, Verification};
pub use usage::Usage;

use encryption::DataKeys;
use keys::CartridgeKeys;
use object_store::ObjectStore;
use replica::Replicas;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thaw::ThawRequest;

/// Whether a directory of a shelf has cartridges: its name is two hexadecimal digits.
fn is_hash(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Fills a slice with random bytes, for the nonces of manifests, leases and segments.
pub type Entropy = Arc<dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync>;

/// The name of a daemon on a shelf, and its times for leases and requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShelfOptions {
    /// Name of the daemon in leases and manifests, for operators.
    pub owner: String,
    /// Time between two heartbeats of the owner of a cartridge. Another daemon takes a cartridge over after three of them
    /// without a heartbeat.
    pub beat: Duration,
    /// The attempts and pauses of a request when the store fails.
    pub retry: RetryPolicy,
    /// Whether the store locks the objects of retained cartridges, and of cartridges under a legal hold.
    pub object_lock: bool,
}

impl ShelfOptions {
    /// Options with a heartbeat every 5 seconds.
    #[must_use]
    pub fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), beat: Duration::from_secs(5), retry: RetryPolicy::default(), object_lock: false }
    }

    /// The same options, with another time between two heartbeats.
    #[must_use]
    pub fn with_beat(self, beat: Duration) -> Self {
        Self { beat, ..self }
    }

    /// The same options, with another way to repeat requests.
    #[must_use]
    pub fn with_retry(self, retry: RetryPolicy) -> Self {
        Self { retry, ..self }
    }
}

/// A shelf: the cartridges under a prefix of an object store.
#[derive(Clone)]
pub struct Shelf {
    objects: Objects,
    options: ShelfOptions,
    entropy: Entropy,
    data_keys: Arc<DataKeys>,
    replicas: Option<Arc<Replicas>>,
    thaw: ThawRequest,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("objects", &self.objects).field("options", &self.options).finish_non_exhaustive()
    }
}

impl Shelf {
    /// The shelf under a prefix, such as `tapes` (empty for the whole store).
    ///
    /// # Errors
    /// [`ShelfError::Prefix`] if the prefix is not a path.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        options: ShelfOptions,
        entropy: Entropy,
    ) -> Result<Self, ShelfError> {
        let objects = Objects::new(store, prefix, options.retry)?;
        Ok(Self {
            objects,
            options,
            entropy,
            data_keys: Arc::default(),
            replicas: None,
            thaw: (7, ThawTier::default()),
        })
    }

    /// The same shelf, whose store locks the objects of retained cartridges ([`Self::check_object_lock`]).
    #[must_use]
    pub fn with_object_lock(self) -> Self {
        Self { options: ShelfOptions { object_lock: true, ..self.options }, ..self }
    }

    /// The same shelf with another number of days for which segments can be read that are thawed for a drive, and another speed of the
    /// thawing. A new shelf has 7 days and [`ThawTier::Standard`].
    #[must_use]
    pub fn with_thaw(self, days: u16, tier: ThawTier) -> Self {
        Self { thaw: (days, tier), ..self }
    }

    /// The objects of the shelf.
    #[must_use]
    pub const fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Puts a new cartridge on the shelf, which no daemon uses. Returns `false` if there is a cartridge with this barcode.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: whether the cartridge exists is unknown.
    pub async fn add(&self, barcode: &str, content: Content) -> Result<bool, ShelfError> {
        let manifest = Manifest {
            barcode: barcode.to_owned(),
            version: Manifest::FIRST,
            epoch: 0,
            nonce: self.nonce()?,
            owner: self.options.owner.clone(),
            state: ManifestState::Closed,
            content,
            origin: None,
            protection: Protection::default(),
        };
        let key = CartridgeKeys::new(barcode).manifest(Manifest::FIRST);
        let created = self.objects.create(&key, manifest.encode()?).await?;
        Ok(matches!(created, Creation::Created))
    }

    /// The newest manifest of a cartridge that can be read now; `None` if the cartridge is not on the shelf. A daemon that
    /// does not own the cartridge may get an older one.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if an object is damaged.
    pub async fn newest(&self, barcode: &str) -> Result<Option<Manifest>, ShelfError> {
        self.data_keys.forget(barcode);
        Ok(take::newest(&self.objects, &CartridgeKeys::new(barcode)).await?.map(|found| found.manifest))
    }

    /// The barcodes of the cartridges on the shelf, ascending. This lists the store, which takes long for many cartridges, and may
    /// miss one that was added a moment ago.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn barcodes(&self) -> Result<Vec<String>, ShelfError> {
        let mut barcodes = Vec::new();
        for hash in self.objects.directories("").await? {
            if is_hash(&hash) {
                barcodes.extend(self.objects.directories(&hash).await?);
            }
        }
        barcodes.sort();
        Ok(barcodes)
    }

    /// Whether the shelf has a cartridge. This needs few requests, also for many cartridges.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn has_cartridges(&self) -> Result<bool, ShelfError> {
        for hash in self.objects.directories("").await?.iter().filter(|name| is_hash(name)) {
            if !self.objects.directories(hash).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks that the store can lock objects: it has the S3 protocol, and Object Lock is enabled for the bucket.
    ///
    /// # Errors
    /// [`ShelfError::NoObjectLock`] if it cannot, or does not show it; [`ShelfError::Store`] if it does not respond.
    pub async fn check_object_lock(&self) -> Result<(), ShelfError> {
        self.objects.check_object_lock().await
    }

    /// A nonce: 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`ShelfError::Random`] if there are no random bytes.
    pub fn nonce(&self) -> Result<String, ShelfError> {
        let mut bytes = [0; 16];
        (self.entropy)(&mut bytes).map_err(ShelfError::Random)?;
        Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
    }
}
