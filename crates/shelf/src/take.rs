//! Taking a cartridge: the newest manifest, the lease, and the manifest that excludes the former owner.

use crate::beat::{Activity, Lease, newest_lease, wait_for_owner};
use crate::error::ShelfError;
use crate::index::{self, PageNames};
use crate::keys::CartridgeKeys;
use crate::manifest::{Manifest, ManifestState};
use crate::objects::{Creation, Objects};
use crate::owned::OwnedCartridge;
use crate::{Shelf, record};

/// The reason why a daemon cannot take a cartridge from a shelf.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The shelf has no cartridge with this barcode.
    #[error("cartridge {barcode} is not on the shelf")]
    Missing {
        /// The barcode.
        barcode: String,
    },
    /// Another daemon uses the cartridge, or is taking it.
    #[error("cartridge {barcode} is in use by {owner}")]
    InUse {
        /// The barcode.
        barcode: String,
        /// Name of the other daemon.
        owner: String,
    },
    /// The store has refused or failed a request.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// Who uses a cartridge.
enum User {
    /// No daemon; the next epoch follows this one.
    None { epoch: u64 },
    /// The daemon with this name.
    Daemon(String),
    /// While this daemon waited for the daemon with this name, there was a new manifest.
    Changed(String),
}

impl Shelf {
    /// Takes a cartridge for this daemon. If its owner has not released it, this waits for three periods of its heartbeat, and
    /// takes the cartridge over if there is none.
    ///
    /// From the return of this method on, every commit of a former owner fails. If this program was stopped for longer than its
    /// lease meanwhile, it may be a former owner itself: then its first commit fails.
    ///
    /// # Errors
    /// [`TakeError::Missing`], [`TakeError::InUse`], or the error of the store.
    pub async fn take(&self, barcode: &str) -> Result<OwnedCartridge, TakeError> {
        self.take_with(barcode, self.nonce()?, &[]).await.map(|(owned, _)| owned)
    }

    /// As [`Self::take`], with the nonce of the lease. `ended` are nonces of leases whose programs have ended for certain: their
    /// heartbeats are not waited for. The second result is the last manifest before those of the new owner.
    pub(crate) async fn take_with(
        &self,
        barcode: &str,
        nonce: String,
        ended: &[String],
    ) -> Result<(OwnedCartridge, Manifest), TakeError> {
        let keys = CartridgeKeys::new(barcode);
        let in_use = |owner: &str| TakeError::InUse { barcode: barcode.into(), owner: owner.into() };
        let (manifest, pages, epoch) = loop {
            let manifest = newest(&self.objects, &keys).await?;
            let Some((manifest, pages)) = manifest else { return Err(TakeError::Missing { barcode: barcode.into() }) };
            match self.user(&keys, &manifest, ended).await? {
                User::None { epoch } => break (manifest, pages, epoch),
                // A release ends the waiting; another commit shows that the owner works.
                User::Changed(owner) => {
                    let newest = newest(&self.objects, &keys).await?;
                    if newest.is_none_or(|(newest, _)| newest.state != ManifestState::Closed) {
                        return Err(in_use(&owner));
                    }
                }
                User::Daemon(owner) => return Err(in_use(&owner)),
            }
        };
        let lease = Lease { epoch: epoch + 1, nonce, owner: self.options.owner.clone() };
        let key = keys.lease(lease.epoch);
        if let Creation::Exists(other) = self.objects.create(&key, record::encode(&key, &lease)?).await? {
            return Err(in_use(&record::decode::<Lease>(&key, &other)?.owner));
        }
        self.exclude(OwnedCartridge::new(self.clone(), keys, lease, manifest, pages)).await
    }

    /// Name of the program that uses a cartridge; `None` if no program does. If the owner has not released the cartridge, this
    /// waits for three periods of its heartbeat.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if an object is damaged.
    pub async fn user_of(&self, manifest: &Manifest) -> Result<Option<String>, ShelfError> {
        Ok(match self.user(&CartridgeKeys::new(&manifest.barcode), manifest, &[]).await? {
            User::None { .. } => None,
            // The caller has an old manifest now.
            User::Daemon(owner) | User::Changed(owner) => Some(owner),
        })
    }

    /// Who uses a cartridge. If the owner has not released it, this waits.
    async fn user(&self, keys: &CartridgeKeys, manifest: &Manifest, ended: &[String]) -> Result<User, ShelfError> {
        let lease = newest_lease(&self.objects, keys, manifest.epoch).await?;
        let is_released = lease.is_none() && manifest.state == ManifestState::Closed;
        let nonce = match &lease {
            Some(lease) => Some(lease.nonce.clone()),
            None if ended.is_empty() || is_released => None,
            None => self.lease_nonce(&manifest.barcode, manifest.epoch).await?,
        };
        let (epoch, owner) = lease.map_or((manifest.epoch, manifest.owner.clone()), |lease| (lease.epoch, lease.owner));
        let has_ended = nonce.is_some_and(|nonce| ended.contains(&nonce));
        if is_released || has_ended {
            return Ok(User::None { epoch });
        }
        let activity = wait_for_owner(&self.objects, keys, epoch, manifest.version, self.options.beat).await?;
        Ok(match activity {
            Activity::None => User::None { epoch },
            Activity::Beat => User::Daemon(owner),
            Activity::Manifest => User::Changed(owner),
        })
    }

    /// Creates the next manifest with the epoch of the lease. Manifests that the former owner creates meanwhile come before it,
    /// and count.
    async fn exclude(&self, mut owned: OwnedCartridge) -> Result<(OwnedCartridge, Manifest), TakeError> {
        owned.beat().await?;
        loop {
            let newest = owned.newest().clone();
            match owned.try_create(ManifestState::Open, owned.content().clone()).await? {
                None => return Ok((owned, newest)),
                Some(other) if other.epoch > owned.epoch() => {
                    return Err(TakeError::InUse { barcode: other.barcode, owner: other.owner });
                }
                Some(other) => owned.follow(other).await?,
            }
        }
    }

    /// The nonce of the lease of an epoch; `None` if there is none.
    pub(crate) async fn lease_nonce(&self, barcode: &str, epoch: u64) -> Result<Option<String>, ShelfError> {
        let key = CartridgeKeys::new(barcode).lease(epoch);
        let Some(bytes) = self.objects.get(&key).await? else { return Ok(None) };
        Ok(Some(record::decode::<Lease>(&key, &bytes)?.nonce))
    }
}

/// The newest manifest: from the number in the hint on, each next one is read until there is none.
/// The second result has the names of the index pages of its content.
pub(crate) async fn newest(
    objects: &Objects,
    keys: &CartridgeKeys,
) -> Result<Option<(Manifest, PageNames)>, ShelfError> {
    let hint = objects.get(&keys.head()).await?;
    let hint = hint.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()?.trim().parse::<u64>().ok());
    let mut newest = match hint {
        Some(version) => Some(Manifest::decode(keys, version, &objects.get_existing(&keys.manifest(version)).await?)?),
        None => None,
    };
    loop {
        let version = newest.as_ref().map_or(Manifest::FIRST, |manifest| manifest.version + 1);
        let Some(bytes) = objects.get(&keys.manifest(version)).await? else { break };
        newest = Some(Manifest::decode(keys, version, &bytes)?);
    }
    let Some(mut newest) = newest else { return Ok(None) };
    let pages = index::expand(objects, keys, &mut newest.content).await?;
    Ok(Some((newest, pages)))
}
