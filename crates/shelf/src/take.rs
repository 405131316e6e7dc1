//! Taking a cartridge: the newest manifest, the lease, and the manifest that excludes the former owner.

use crate::beat::{Activity, Lease, newest_lease, wait_for_owner};
use crate::error::ShelfError;
use crate::index::{self, PageNames};
use crate::keys::CartridgeKeys;
use crate::manifest::{Manifest, ManifestState};
use crate::objects::{Creation, Objects};
use crate::owned::OwnedCartridge;
use crate::{Shelf, record};
use futures_util::future::try_join_all;

/// Manifests that are read at the same time.
const MAX_PARALLEL: u64 = 8;

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

/// The user of a cartridge.
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
        self.take_with(barcode, self.nonce()?, &[], None).await.map(|(owned, _)| owned)
    }

    /// As [`Self::take`], with the nonce of the lease. `ended` are nonces of leases whose programs have ended for certain: their
    /// heartbeats are not waited for. `known` is a manifest of the cartridge that may be old. The second result is the last
    /// manifest before those of the new owner.
    pub(crate) async fn take_with(
        &self,
        barcode: &str,
        nonce: String,
        ended: &[String],
        known: Option<&FoundManifest>,
    ) -> Result<(OwnedCartridge, Manifest), TakeError> {
        if let Some(known) = known.filter(|known| known.manifest.state == ManifestState::Closed)
            && let Ok(taken) = self.take_released(barcode, &nonce, known).await?
        {
            return Ok(taken);
        }
        self.data_keys.forget(barcode);
        let keys = CartridgeKeys::new(barcode);
        let in_use = |owner: &str| TakeError::InUse { barcode: barcode.into(), owner: owner.into() };
        let (manifest, pages, epoch) = loop {
            let found = newest(&self.objects, &keys).await?;
            let missing = || TakeError::Missing { barcode: barcode.into() };
            let FoundManifest { manifest, pages } = found.ok_or_else(missing)?;
            match self.user(&keys, &manifest, ended).await? {
                User::None { epoch } => break (manifest, pages, epoch),
                // A release ends the waiting; another commit shows that the owner works.
                User::Changed(owner) => {
                    let newest = newest(&self.objects, &keys).await?;
                    if newest.is_none_or(|newest| newest.manifest.state != ManifestState::Closed) {
                        return Err(in_use(&owner));
                    }
                }
                User::Daemon(owner) => return Err(in_use(&owner)),
            }
        };
        match self.create_lease(&keys, epoch + 1, nonce).await? {
            Ok(lease) => self.exclude(OwnedCartridge::new(self.clone(), keys, lease, manifest, pages)).await,
            Err(other) => Err(in_use(&other.owner)),
        }
    }

    /// Takes a cartridge that was free after a manifest, without looking for newer ones. The inner error is that there is a newer
    /// lease: then nothing was changed.
    ///
    /// The manifest may be old, because the creations decide as they do for one that was read just now. Leases and manifests are
    /// never removed. So if a program has taken the cartridge since, its lease has this epoch or a later one, and the lease of this
    /// epoch exists: epochs have no gaps. If the owner of the manifest has created another one, the creation of the
    /// manifest that excludes this owner finds it, and its content counts.
    async fn take_released(
        &self,
        barcode: &str,
        nonce: &str,
        known: &FoundManifest,
    ) -> Result<Result<(OwnedCartridge, Manifest), Lease>, TakeError> {
        let (keys, FoundManifest { manifest, pages }) = (CartridgeKeys::new(barcode), known.clone());
        Ok(match self.create_lease(&keys, manifest.epoch + 1, nonce.to_owned()).await? {
            Ok(lease) => Ok(self.exclude(OwnedCartridge::new(self.clone(), keys, lease, manifest, pages)).await?),
            Err(other) => Err(other),
        })
    }

    /// Creates the lease of an epoch. The inner error is the lease of another program.
    async fn create_lease(
        &self,
        keys: &CartridgeKeys,
        epoch: u64,
        nonce: String,
    ) -> Result<Result<Lease, Lease>, ShelfError> {
        let lease = Lease { epoch, nonce, owner: self.options.owner.clone() };
        let key = keys.lease(epoch);
        Ok(match self.objects.create(&key, record::encode(&key, &lease)?).await? {
            Creation::Created => Ok(lease),
            Creation::Exists(other) => Err(record::decode(&key, &other)?),
        })
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

    /// The user of a cartridge. If the owner has not released it, this waits.
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
        let activity =
            wait_for_owner(&self.objects, &keys.beat(epoch), &keys.manifest(manifest.version + 1), self.options.beat)
                .await?;
        Ok(match activity {
            Activity::None => User::None { epoch },
            Activity::Beat => User::Daemon(owner),
            Activity::Other => User::Changed(owner),
        })
    }

    /// Creates the next manifest with the epoch of the lease. Manifests that the former owner creates meanwhile come before it,
    /// and count.
    async fn exclude(&self, mut owned: OwnedCartridge) -> Result<(OwnedCartridge, Manifest), TakeError> {
        // The lease exists already, so that it makes no difference which of the two is first.
        let mut first_beat = Some(owned.next_beat_request()?);
        loop {
            let newest = owned.newest().clone();
            let create = owned.try_create_same();
            let created = match first_beat.take() {
                Some(beat) => tokio::try_join!(create, beat)?.0,
                None => create.await?,
            };
            match created {
                None => return Ok((owned, newest)),
                Some(other) if other.epoch > owned.epoch() => {
                    return Err(TakeError::InUse { barcode: other.barcode, owner: other.owner });
                }
                Some(other) => owned.follow(other).await?,
            }
        }
    }

    /// The manifest with this number, with all its extents; `None` if there is none.
    pub(crate) async fn manifest(&self, barcode: &str, version: u64) -> Result<Option<Manifest>, ShelfError> {
        let keys = CartridgeKeys::new(barcode);
        let Some(bytes) = self.objects.get(&keys.manifest(version)).await? else { return Ok(None) };
        let mut manifest = Manifest::decode(&keys, version, &bytes)?;
        index::expand(&self.objects, &keys, &mut manifest.content).await?;
        Ok(Some(manifest))
    }

    /// The nonce of the lease of an epoch; `None` if there is none.
    pub(crate) async fn lease_nonce(&self, barcode: &str, epoch: u64) -> Result<Option<String>, ShelfError> {
        let key = CartridgeKeys::new(barcode).lease(epoch);
        let Some(bytes) = self.objects.get(&key).await? else { return Ok(None) };
        Ok(Some(record::decode::<Lease>(&key, &bytes)?.nonce))
    }
}

/// A manifest whose content has all extents.
#[derive(Clone, Debug)]
pub(crate) struct FoundManifest {
    pub(crate) manifest: Manifest,
    /// The index pages of its content.
    pub(crate) pages: PageNames,
}

/// The newest manifest: from the number in the hint on, each next one is read until there is none.
pub(crate) async fn newest(objects: &Objects, keys: &CartridgeKeys) -> Result<Option<FoundManifest>, ShelfError> {
    let hint = objects.hint(&keys.head()).await?;
    let (first, mut newest) = (hint.unwrap_or(Manifest::FIRST), None);
    // The manifest of the hint and the next one are read at the same time, then twice as many.
    let (mut version, mut count) = (first, 2);
    'manifests: loop {
        let read = |version: u64| async move {
            match hint {
                // It exists.
                Some(hint) if hint == version => objects.get_existing(&keys.manifest(version)).await.map(Some),
                _ => objects.get(&keys.manifest(version)).await,
            }
        };
        for bytes in try_join_all((version..version + count).map(read)).await? {
            let Some(bytes) = bytes else { break 'manifests };
            newest = Some(Manifest::decode(keys, version, &bytes)?);
            version += 1;
        }
        count = (count * 2).min(MAX_PARALLEL);
    }
    let Some(mut manifest) = newest else { return Ok(None) };
    let pages = index::expand(objects, keys, &mut manifest.content).await?;
    Ok(Some(FoundManifest { manifest, pages }))
}
