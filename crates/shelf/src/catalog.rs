//! The catalog of a shelf: the barcodes of its cartridges in a few objects, so that a list of very many needs no listing of the
//! store.
//!
//! It has one shard for each directory of cartridges, whose name is the hash of the barcodes. The states of a shard are numbered
//! objects, which are created once; the newest one counts. The catalog is a hint: a cartridge is on the shelf if it has a
//! manifest, and the catalog can be rebuilt from these at any time ([`Shelf::rebuild_catalog`]).

use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::objects::Creation;
use crate::{Shelf, record};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Number of shards.
const SHARDS: u16 = 256;
/// Shards that are read or written at the same time.
const PARALLEL: usize = 16;
/// Attempts to create the next state of a shard, while other programs create theirs.
const ATTEMPTS: usize = 32;
/// The states of a shard that stay: a reader whose hint is old finds the newest one from them.
const KEPT_STATES: u64 = 8;

/// One state of a shard.
#[derive(Serialize, Deserialize)]
struct Shard {
    /// Another one in each object: a repeated creation finds its own object by it.
    nonce: String,
    /// The barcodes, ascending.
    barcodes: BTreeSet<String>,
}

/// A change of the catalog: which cartridges are on the shelf from now on, and which are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogChange {
    /// The barcodes, and whether a cartridge with this barcode is on the shelf.
    pub cartridges: BTreeMap<String, bool>,
}

/// The number of cartridges in a rebuilt catalog, and of the differences from the former one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuiltCatalog {
    /// Number of cartridges on the shelf.
    pub cartridges: u64,
    /// Number of cartridges that the catalog did not have.
    pub added: u64,
    /// Number of cartridges that the catalog had, but not the shelf.
    pub removed: u64,
}

fn directory(shard: &str) -> String {
    format!("catalog/{shard}")
}

fn state_key(shard: &str, number: u64) -> String {
    format!("catalog/{shard}/{number:08}")
}

fn hint_key(shard: &str) -> String {
    format!("catalog/{shard}/head")
}

fn shards() -> impl Iterator<Item = String> {
    (0..SHARDS).map(|shard| format!("{shard:02x}"))
}

impl Shelf {
    /// Begins the catalog of a shelf that has no cartridges: it is complete. A shelf with a catalog stays as it is.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn begin_catalog(&self) -> Result<(), ShelfError> {
        if self.objects.get(COMPLETE).await?.is_some() || self.has_cartridges().await? {
            return Ok(());
        }
        self.objects.replace(COMPLETE, "complete".into()).await
    }

    /// The barcodes in the catalog, ascending; `None` if the shelf has no catalog. It may lack a cartridge that was added a moment ago,
    /// or by a program that ended before it wrote the catalog.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if an object is damaged.
    pub async fn catalog(&self) -> Result<Option<Vec<String>>, ShelfError> {
        // The last rebuild has written it for all shards.
        if self.objects.get(COMPLETE).await?.is_none() {
            return Ok(None);
        }
        let states = stream::iter(shards()).map(|shard| async move { self.newest_state(&shard).await });
        let states: Vec<_> = states.buffered(PARALLEL).try_collect().await?;
        let mut barcodes: Vec<String> = states.into_iter().flat_map(|(_, barcodes)| barcodes).collect();
        barcodes.sort_unstable();
        Ok(Some(barcodes))
    }

    /// The barcodes of the cartridges on the shelf, ascending: those of the catalog; if there is none, those of a listing of the
    /// store, as of [`Self::barcodes`].
    ///
    /// # Errors
    /// As [`Self::barcodes`]. A damaged catalog is not used.
    pub async fn listed_barcodes(&self) -> Result<Vec<String>, ShelfError> {
        match self.catalog().await {
            Ok(Some(barcodes)) => Ok(barcodes),
            Ok(None) => self.barcodes().await,
            Err(error @ ShelfError::Malformed { .. }) => {
                tracing::warn!(%error, "the catalog of the shelf is damaged; `ferric shelf catalog --rebuild` rebuilds it");
                self.barcodes().await
            }
            Err(error) => Err(error),
        }
    }

    /// Changes the catalog: the shards with the cartridges of the change. A change of another program at the same time counts, too.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: a part of the change may be written, and it can be repeated.
    pub async fn change_catalog(&self, change: &CatalogChange) -> Result<(), ShelfError> {
        let mut by_shard: BTreeMap<String, Vec<(&String, bool)>> = BTreeMap::new();
        for (barcode, exists) in &change.cartridges {
            by_shard.entry(CartridgeKeys::new(barcode).hash().to_owned()).or_default().push((barcode, *exists));
        }
        let changed = by_shard.into_iter().map(|(shard, changes)| async move {
            let change = |barcodes: &mut BTreeSet<String>| {
                for (barcode, exists) in &changes {
                    if *exists {
                        barcodes.insert((*barcode).clone())
                    } else {
                        barcodes.remove(*barcode)
                    };
                }
            };
            self.change_shard(&shard, change).await
        });
        stream::iter(changed).buffer_unordered(PARALLEL).try_collect::<()>().await
    }

    /// Rebuilds the catalog from the newest manifests of all cartridges that a listing of the store has. A cartridge without files,
    /// which a removed one leaves, is not in it. `progress` is called with the number of shards that are done, up to 256.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: the shards that are done are rebuilt.
    pub async fn rebuild_catalog(&self, mut progress: impl FnMut(u16)) -> Result<RebuiltCatalog, ShelfError> {
        let mut rebuilt = RebuiltCatalog::default();
        for (shard, done) in shards().zip(1..) {
            let known = self.newest_or_none(&shard).await?;
            let present = self.present(&shard).await?;
            rebuilt.cartridges += present.len() as u64;
            rebuilt.added += present.difference(&known).count() as u64;
            let gone: BTreeSet<String> = known.difference(&present).cloned().collect();
            rebuilt.removed += gone.len() as u64;
            // Not replaced: another program may have added a cartridge since the listing.
            self.change_shard(&shard, |barcodes| {
                barcodes.retain(|barcode| !gone.contains(barcode));
                barcodes.extend(present.iter().cloned());
            })
            .await?;
            progress(done);
        }
        self.objects.replace(COMPLETE, "complete".into()).await?;
        Ok(rebuilt)
    }

    /// The cartridges of a shard that have files.
    async fn present(&self, shard: &str) -> Result<BTreeSet<String>, ShelfError> {
        let listed = self.objects.directories(shard).await?;
        let checked = listed.into_iter().map(|barcode| async move {
            let exists = self.newest(&barcode).await?.is_some_and(|newest| !newest.content.files.is_empty());
            Ok::<_, ShelfError>(exists.then_some(barcode))
        });
        let checked: Vec<Option<String>> = stream::iter(checked).buffer_unordered(PARALLEL).try_collect().await?;
        Ok(checked.into_iter().flatten().collect())
    }

    async fn newest_or_none(&self, shard: &str) -> Result<BTreeSet<String>, ShelfError> {
        match self.newest_state(shard).await {
            Ok((_, barcodes)) => Ok(barcodes),
            Err(ShelfError::Malformed { .. }) => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// Number and barcodes of the newest state of a shard; 0 and none if there is no state.
    async fn newest_state(&self, shard: &str) -> Result<(u64, BTreeSet<String>), ShelfError> {
        let (number, bytes) = self.newest_bytes(shard).await?;
        let Some(bytes) = bytes else { return Ok((number, BTreeSet::new())) };
        let Shard { barcodes, .. } = record::decode(&state_key(shard, number), &bytes)?;
        Ok((number, barcodes))
    }

    async fn newest_bytes(&self, shard: &str) -> Result<(u64, Option<bytes::Bytes>), ShelfError> {
        let hint = self.objects.get(&hint_key(shard)).await?;
        let parse = |hint: &bytes::Bytes| std::str::from_utf8(hint).ok()?.trim().parse::<u64>().ok();
        let mut number = hint.as_ref().and_then(parse).unwrap_or(0);
        let mut newest = if number > 0 { self.objects.get_long(&state_key(shard, number)).await? } else { None };
        if newest.is_none() && hint.is_some() {
            // The hint is so old that its state was removed.
            let listed = self.objects.list(&directory(shard)).await?;
            number = listed.iter().filter_map(|object| object.name.parse().ok()).max().unwrap_or(0);
            newest = self.objects.get_long(&state_key(shard, number)).await?;
        }
        while let Some(next) = self.objects.get_long(&state_key(shard, number + 1)).await? {
            (number, newest) = (number + 1, Some(next));
        }
        Ok((number, newest))
    }

    /// Creates the next state of a shard, unless it would be equal to the newest one.
    async fn change_shard(&self, shard: &str, change: impl Fn(&mut BTreeSet<String>)) -> Result<(), ShelfError> {
        for _ in 0..ATTEMPTS {
            let (number, bytes) = self.newest_bytes(shard).await?;
            let key = state_key(shard, number);
            // A damaged state is followed by a correct one.
            let before = bytes.as_deref().and_then(|bytes| record::decode::<Shard>(&key, bytes).ok());
            let is_damaged = bytes.is_some() && before.is_none();
            let before = before.map(|shard| shard.barcodes).unwrap_or_default();
            let mut barcodes = before.clone();
            change(&mut barcodes);
            if barcodes == before && !is_damaged {
                return Ok(());
            }
            let next = state_key(shard, number + 1);
            let state = record::encode(&next, &Shard { nonce: self.nonce()?, barcodes })?;
            match self.objects.create(&next, state).await? {
                Creation::Created => {
                    self.objects.replace(&hint_key(shard), (number + 1).to_string().into()).await?;
                    if let Some(old) = (number + 1).checked_sub(KEPT_STATES).filter(|old| *old > 0) {
                        self.objects.remove(&state_key(shard, old)).await?;
                    }
                    return Ok(());
                }
                // Another program was faster. Its state comes before this one.
                Creation::Exists(_) => {}
            }
        }
        Err(ShelfError::Interrupted(format!("other programs change shard {shard} of the catalog all the time")))
    }
}

/// The object whose existence shows that the catalog has all cartridges of the shelf.
const COMPLETE: &str = "catalog/complete";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, FileContent, ShelfOptions};
    use object_store::memory::InMemory;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn shelf() -> Shelf {
        let count = AtomicU64::new(0);
        let entropy = Arc::new(move |into: &mut [u8]| {
            into[..8].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_le_bytes());
            Ok(())
        });
        Shelf::new(Arc::new(InMemory::new()), "p", ShelfOptions::new("test"), entropy).unwrap()
    }

    fn content() -> Content {
        Content { files: [("mam".to_owned(), FileContent::default())].into() }
    }

    fn change(barcodes: &[&str], exists: bool) -> CatalogChange {
        CatalogChange { cartridges: barcodes.iter().map(|barcode| ((*barcode).to_owned(), exists)).collect() }
    }

    /// Barcodes of the same shard.
    fn of_one_shard(count: usize) -> Vec<String> {
        let all = (0..100_000).map(|number| format!("V{number:05}L8"));
        all.filter(|barcode| CartridgeKeys::new(barcode).hash() == "07").take(count).collect()
    }

    #[tokio::test]
    async fn changes_of_several_programs_at_the_same_time_all_count() {
        let shelf = shelf();
        shelf.begin_catalog().await.unwrap();
        assert_eq!(shelf.catalog().await.unwrap(), Some(Vec::new()));
        let barcodes = of_one_shard(20);
        let programs = barcodes.iter().map(|barcode| {
            let (shelf, change) = (shelf.clone(), change(&[barcode], true));
            async move { shelf.change_catalog(&change).await }
        });
        futures_util::future::try_join_all(programs).await.unwrap();
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), barcodes);
        shelf.change_catalog(&change(&[&barcodes[3]], false)).await.unwrap();
        assert_eq!(shelf.catalog().await.unwrap().unwrap().len(), 19);
        // Former states are removed, and what changes nothing creates none.
        let states = || async { shelf.objects().list("catalog/07").await.unwrap().len() };
        let before = states().await;
        shelf.change_catalog(&change(&[&barcodes[3]], false)).await.unwrap();
        assert_eq!((before, states().await), (9, 9));
    }

    #[tokio::test]
    async fn an_old_hint_leads_to_the_newest_state() {
        let shelf = shelf();
        shelf.begin_catalog().await.unwrap();
        let barcodes = of_one_shard(12);
        for barcode in &barcodes {
            shelf.change_catalog(&change(&[barcode], true)).await.unwrap();
        }
        for hint in ["1", "0", "5", "11", "x", "99999"] {
            shelf.objects().replace("catalog/07/head", hint.into()).await.unwrap();
            assert_eq!(shelf.catalog().await.unwrap().unwrap(), barcodes, "{hint}");
        }
        shelf.objects().remove("catalog/07/head").await.unwrap();
        shelf.change_catalog(&change(&["V00000L8"], true)).await.unwrap();
    }

    #[tokio::test]
    async fn the_catalog_is_rebuilt_from_the_manifests() {
        let shelf = shelf();
        for barcode in ["V00001L8", "V00002L8", "V00003L8"] {
            shelf.add(barcode, content()).await.unwrap();
        }
        // The manifest that a removed cartridge has left.
        shelf.add("V00004L8", Content::default()).await.unwrap();
        shelf.begin_catalog().await.unwrap();
        assert_eq!(shelf.catalog().await.unwrap(), None, "the shelf has cartridges that no catalog names");
        assert_eq!(shelf.listed_barcodes().await.unwrap().len(), 4);
        shelf.change_catalog(&change(&["V00001L8", "V00009L8"], true)).await.unwrap();
        let rebuilt = shelf.rebuild_catalog(|_| {}).await.unwrap();
        assert_eq!((rebuilt.cartridges, rebuilt.added, rebuilt.removed), (3, 2, 1));
        let all = ["V00001L8", "V00002L8", "V00003L8"];
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), all);
        // A damaged state is not used, and is followed by a correct one.
        let shard = CartridgeKeys::new("V00002L8").hash().to_owned();
        shelf.objects().replace(&state_key(&shard, 1), "damaged".into()).await.unwrap();
        assert!(matches!(shelf.catalog().await, Err(ShelfError::Malformed { .. })));
        assert_eq!(shelf.listed_barcodes().await.unwrap().len(), 4);
        assert_eq!(shelf.rebuild_catalog(|_| {}).await.unwrap().added, 1);
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), all);
        // Catalogs are no cartridges.
        assert_eq!(shelf.barcodes().await.unwrap().len(), 4);
    }
}
