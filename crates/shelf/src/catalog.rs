//! The catalog of a shelf: the barcodes of its cartridges in a few objects, so that a list of very many needs no listing of the
//! store.
//!
//! It has one shard for each directory of cartridges, whose name is the hash of the barcodes. The states of a shard are numbered
//! objects, which are created once; the newest one counts. The catalog is a hint: a cartridge is on the shelf if it has a
//! manifest, and the catalog can be rebuilt from these at any time ([`Shelf::rebuild_catalog`]).

use crate::error::ShelfError;
use crate::garbage::KEPT_FOR;
use crate::keys::CartridgeKeys;
use crate::manifest::{Manifest, ManifestState};
use crate::objects::Creation;
use crate::{Shelf, record};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Number of shards.
const SHARDS: u16 = 256;
/// Shards that are read or written at the same time.
const PARALLEL: usize = 16;
/// Attempts to create the next state of a shard, while other programs create theirs.
const ATTEMPTS: usize = 32;
/// After so many new states of a shard, the old ones are removed.
const CLEANING: u64 = 32;

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

pub(crate) fn shards() -> impl Iterator<Item = String> {
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
            let changed = async |barcodes: &mut BTreeSet<String>| {
                for (barcode, exists) in &changes {
                    if *exists {
                        barcodes.insert((*barcode).clone())
                    } else {
                        barcodes.remove(*barcode)
                    };
                }
                Ok(())
            };
            self.change_shard(&shard, changed).await
        });
        stream::iter(changed).buffer_unordered(PARALLEL).try_collect::<()>().await
    }

    /// Rebuilds the catalog from the newest manifests of all cartridges that a listing of the store has. A released cartridge without
    /// files, which a removed one leaves, is not in it. `progress` is called with the number of shards that are done, up to 256.
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
            let missing: BTreeSet<String> = known.difference(&present).cloned().collect();
            rebuilt.removed += self.rebuild_shard(&shard, &present, &missing).await?;
            progress(done);
        }
        self.objects.replace(COMPLETE, "complete".into()).await?;
        Ok(rebuilt)
    }

    /// Adds the present cartridges to a shard, and removes the missing ones. Returns how many were removed.
    async fn rebuild_shard(
        &self,
        shard: &str,
        present: &BTreeSet<String>,
        missing: &BTreeSet<String>,
    ) -> Result<u64, ShelfError> {
        let removed = AtomicU64::new(0);
        // Not replaced: another program may have added a cartridge since the listing. A program that creates one of the missing
        // cartridges adds it after its manifest: if that manifest is not seen here, it adds it to a later state than this one.
        let changed = async |barcodes: &mut BTreeSet<String>| {
            removed.store(0, Ordering::Relaxed);
            for barcode in missing {
                if barcodes.contains(barcode) && !self.is_present(barcode).await? {
                    barcodes.remove(barcode);
                    removed.fetch_add(1, Ordering::Relaxed);
                }
            }
            barcodes.extend(present.iter().cloned());
            Ok(())
        };
        self.change_shard(shard, changed).await?;
        Ok(removed.into_inner())
    }

    /// Whether the shelf has a cartridge: it has files, or a program uses it, which may be creating it.
    async fn is_present(&self, barcode: &str) -> Result<bool, ShelfError> {
        let is_present = |newest: Manifest| !newest.content.files.is_empty() || newest.state == ManifestState::Open;
        Ok(self.newest(barcode).await?.is_some_and(is_present))
    }

    /// The cartridges of a shard that a listing of the store has.
    async fn present(&self, shard: &str) -> Result<BTreeSet<String>, ShelfError> {
        let listed = self.objects.directories(shard).await?;
        let checked = listed.into_iter().map(|barcode| async move {
            let is_present = self.is_present(&barcode).await?;
            Ok::<_, ShelfError>(is_present.then_some(barcode))
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
        let mut number = self.objects.hint(&hint_key(shard)).await?.unwrap_or(0);
        let mut newest = if number > 0 { self.objects.get_long(&state_key(shard, number)).await? } else { None };
        if newest.is_none() {
            // There is no hint, or it is so old that its state was removed, as that of number 1 may be.
            let listed = self.objects.list(&directory(shard)).await?;
            number = listed.iter().filter_map(|object| object.name.parse().ok()).max().unwrap_or(0);
            newest = if number > 0 { self.objects.get_long(&state_key(shard, number)).await? } else { None };
        }
        while let Some(next) = self.objects.get_long(&state_key(shard, number + 1)).await? {
            (number, newest) = (number + 1, Some(next));
        }
        Ok((number, newest))
    }

    /// Creates the next state of a shard, unless it would be equal to the newest one.
    async fn change_shard(
        &self,
        shard: &str,
        change: impl AsyncFn(&mut BTreeSet<String>) -> Result<(), ShelfError>,
    ) -> Result<(), ShelfError> {
        for _ in 0..ATTEMPTS {
            let state = self.shard_state(shard).await?;
            let mut barcodes = state.barcodes.clone();
            change(&mut barcodes).await?;
            if self.replace_shard(shard, &state, barcodes).await? {
                return Ok(());
            }
        }
        Err(always_changed(shard))
    }

    /// Adds a cartridge to the catalog.
    pub(crate) async fn add_to_catalog(&self, barcode: &str) -> Result<(), ShelfError> {
        let keys = CartridgeKeys::new(barcode);
        for _ in 0..ATTEMPTS {
            let state = self.shard_state(keys.hash()).await?;
            let mut barcodes = state.barcodes.clone();
            barcodes.insert(barcode.to_owned());
            if self.replace_shard(keys.hash(), &state, barcodes).await? {
                return Ok(());
            }
        }
        Err(always_changed(keys.hash()))
    }

    /// The newest state of a shard. A damaged one is followed by a correct one.
    async fn shard_state(&self, shard: &str) -> Result<ShardState, ShelfError> {
        let (number, bytes) = self.newest_bytes(shard).await?;
        let known = bytes.as_deref().and_then(|bytes| record::decode::<Shard>(&state_key(shard, number), bytes).ok());
        let is_damaged = bytes.is_some() && known.is_none();
        Ok(ShardState { number, barcodes: known.map(|shard| shard.barcodes).unwrap_or_default(), is_damaged })
    }

    /// Creates the state after another one, unless it would be the same. `false` if another program was faster.
    async fn replace_shard(
        &self,
        shard: &str,
        before: &ShardState,
        barcodes: BTreeSet<String>,
    ) -> Result<bool, ShelfError> {
        if barcodes == before.barcodes && !before.is_damaged {
            return Ok(true);
        }
        let number = before.number + 1;
        let key = state_key(shard, number);
        let state = record::encode(&key, &Shard { nonce: self.nonce()?, barcodes })?;
        // If another program was faster, its state comes before this one.
        if !matches!(self.objects.create(&key, state).await?, Creation::Created)
            || !self.raise_hint(shard, number).await?
        {
            return Ok(false);
        }
        if number.is_multiple_of(CLEANING) {
            self.remove_old_states(shard, number, KEPT_FOR).await?;
        }
        Ok(true)
    }
}

/// A state of a shard.
struct ShardState {
    /// Its number; 0 if there is none.
    number: u64,
    barcodes: BTreeSet<String>,
    is_damaged: bool,
}

fn always_changed(shard: &str) -> ShelfError {
    ShelfError::Interrupted(format!("other programs change shard {shard} of the catalog all the time"))
}

impl Shelf {
    /// Writes the number of a new state into the hint of its shard. `false` if there is a newer state: then the new one may be that
    /// of a program that was stopped until the former state with this number was removed, so that it does not count.
    async fn raise_hint(&self, shard: &str, number: u64) -> Result<bool, ShelfError> {
        let hint = self.objects.hint(&hint_key(shard)).await?;
        if hint.is_none_or(|hint| hint > number) && self.newest_bytes(shard).await?.0 > number {
            return Ok(false);
        }
        if hint != Some(number) {
            self.objects.replace(&hint_key(shard), number.to_string().into()).await?;
        }
        Ok(true)
    }

    /// Removes the states of a shard before a new one that are older than the time `kept_for`, by the clock of the store.
    async fn remove_old_states(&self, shard: &str, newest: u64, kept_for: Duration) -> Result<(), ShelfError> {
        let listed = self.objects.list(&directory(shard)).await?;
        let states = || listed.iter().filter_map(|object| Some((object.name.parse::<u64>().ok()?, object.modified)));
        let Some((_, now)) = states().find(|(number, _)| *number == newest) else { return Ok(()) };
        for (number, modified) in states() {
            if number < newest && now.duration_since(modified).is_ok_and(|age| age > kept_for) {
                self.objects.remove(&state_key(shard, number)).await?;
            }
        }
        Ok(())
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
        // What changes nothing creates no state.
        let states = || async { shelf.objects().list("catalog/07").await.unwrap().len() };
        let before = states().await;
        shelf.change_catalog(&change(&[&barcodes[3]], false)).await.unwrap();
        assert_eq!((before, states().await), (22, 22));
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
        // Without a hint, the shard does not begin again, also if its first states were removed.
        shelf.objects().remove("catalog/07/head").await.unwrap();
        shelf.objects().remove("catalog/07/00000001").await.unwrap();
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), barcodes);
        shelf.change_catalog(&change(&[&barcodes[0]], false)).await.unwrap();
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), barcodes[1..]);
        assert_eq!(shelf.objects().get("catalog/07/head").await.unwrap().unwrap(), "13");
        // A hint to a state that never was is corrected.
        shelf.objects().replace("catalog/07/head", "99999".into()).await.unwrap();
        shelf.change_catalog(&change(&[&barcodes[1]], false)).await.unwrap();
        assert_eq!(shelf.objects().get("catalog/07/head").await.unwrap().unwrap(), "14");
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), barcodes[2..]);
    }

    #[tokio::test]
    async fn a_writer_that_was_stopped_for_long_hides_no_later_states() {
        let shelf = shelf();
        shelf.begin_catalog().await.unwrap();
        let barcodes = of_one_shard(16);
        let add = async |barcode: &String| shelf.change_catalog(&change(&[barcode], true)).await.unwrap();
        for barcode in &barcodes[..3] {
            add(barcode).await;
        }
        let is_first = std::cell::Cell::new(true);
        let late = async |present: &mut BTreeSet<String>| {
            present.insert(barcodes[15].clone());
            // It has read state 3. Meanwhile others write many states, of which the old ones are removed.
            if is_first.replace(false) {
                for barcode in &barcodes[3..15] {
                    add(barcode).await;
                }
                for number in 1..=8 {
                    shelf.objects().remove(&state_key("07", number)).await.unwrap();
                }
            }
            Ok(())
        };
        shelf.change_shard("07", late).await.unwrap();
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), barcodes);
        assert_eq!(shelf.objects().get("catalog/07/head").await.unwrap().unwrap(), "16");
    }

    #[tokio::test]
    async fn only_old_states_are_removed() {
        const COUNT: usize = 64;
        let shelf = shelf();
        shelf.begin_catalog().await.unwrap();
        let barcodes = of_one_shard(COUNT + 1);
        let states = async || shelf.objects().list("catalog/07").await.unwrap().len() - 1;
        for barcode in &barcodes[..COUNT] {
            shelf.change_catalog(&change(&[barcode], true)).await.unwrap();
        }
        assert_eq!(states().await, COUNT);
        tokio::time::sleep(Duration::from_millis(50)).await;
        shelf.change_catalog(&change(&[&barcodes[COUNT]], true)).await.unwrap();
        shelf.remove_old_states("07", COUNT as u64 + 1, KEPT_FOR).await.unwrap();
        assert_eq!(states().await, COUNT + 1);
        shelf.remove_old_states("07", COUNT as u64 + 1, Duration::from_millis(40)).await.unwrap();
        assert_eq!(states().await, 1);
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), barcodes);
    }

    #[tokio::test]
    async fn cartridges_that_are_being_created_stay_in_a_rebuilt_catalog() {
        let shelf = shelf();
        // A program creates a cartridge: its manifest has no files yet.
        shelf.add("V00001L8", Content::default()).await.unwrap();
        let mut created = shelf.take("V00001L8").await.unwrap();
        shelf.change_catalog(&change(&["V00001L8", "V00002L8", "V00003L8"], true)).await.unwrap();
        let rebuilt = shelf.rebuild_catalog(|_| {}).await.unwrap();
        assert_eq!((rebuilt.cartridges, rebuilt.added, rebuilt.removed), (1, 0, 2));
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), ["V00001L8"]);
        // A cartridge that was created after the listing is not removed.
        shelf.change_catalog(&change(&["V00002L8"], true)).await.unwrap();
        let hash = CartridgeKeys::new("V00002L8").hash().to_owned();
        shelf.add("V00002L8", content()).await.unwrap();
        let missing = BTreeSet::from(["V00002L8".to_owned()]);
        assert_eq!(shelf.rebuild_shard(&hash, &BTreeSet::new(), &missing).await.unwrap(), 0);
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), ["V00001L8", "V00002L8"]);
        created.release(Content::default()).await.unwrap();
        assert_eq!(shelf.rebuild_catalog(|_| {}).await.unwrap().removed, 1);
        assert_eq!(shelf.catalog().await.unwrap().unwrap(), ["V00002L8"]);
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
