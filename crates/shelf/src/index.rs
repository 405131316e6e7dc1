//! Index pages: objects with the extents of long files, so that a manifest stays short.
//!
//! A file of a tape grows at its end: a full page never changes, and each further manifest names it again. The name of a page is a
//! hash of its bytes, so that a page that is created twice is the same.

use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::manifest::{Content, Extent, FileContent};
use crate::objects::{Creation, Objects};
use crate::record;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Extents of a page. With segments of 64 MiB, a page is 64 GiB of a file.
pub(crate) const PAGE_LEN: usize = 1024;
/// Pages that are read at the same time.
const PARALLEL: usize = 8;

#[derive(Serialize, Deserialize)]
struct Page {
    extents: Vec<Extent>,
}

/// The names of the pages of each file, in their order.
pub(crate) type PageNames = BTreeMap<String, Vec<String>>;

/// A content for a manifest: the extents in full pages are replaced by the names of the pages.
pub(crate) struct Compact {
    pub(crate) content: Content,
    /// The names of all pages.
    pub(crate) names: PageNames,
    /// The pages that the former content does not have, and their names.
    pub(crate) new: Vec<(String, Bytes)>,
}

fn name_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().chars().take(32).collect()
}

/// Moves the extents of long files to pages. `former` is a content whose pages, with these names, exist.
pub(crate) fn compact(content: &Content, former: &Content, former_names: &PageNames) -> Result<Compact, ShelfError> {
    let mut compact = Compact { content: Content::default(), names: PageNames::new(), new: Vec::new() };
    for (file, full) in &content.files {
        let mut pages = Vec::new();
        let chunks = full.extents.chunks_exact(PAGE_LEN);
        let tail = chunks.remainder().to_vec();
        for (number, chunk) in chunks.enumerate() {
            let former_page = || {
                let start = number * PAGE_LEN;
                let former = former.files.get(file)?.extents.get(start..start + PAGE_LEN)?;
                (former == chunk).then(|| former_names.get(file)?.get(number))?
            };
            pages.push(match former_page() {
                Some(name) => name.clone(),
                None => {
                    let bytes = record::encode(file, &Page { extents: chunk.to_vec() })?;
                    let name = name_of(&bytes);
                    compact.new.push((name.clone(), bytes));
                    name
                }
            });
        }
        if !pages.is_empty() {
            compact.names.insert(file.clone(), pages.clone());
        }
        compact.content.files.insert(file.clone(), FileContent { len: full.len, pages, extents: tail });
    }
    Ok(compact)
}

/// Creates pages.
pub(crate) async fn create(
    objects: &Objects,
    keys: &CartridgeKeys,
    new: Vec<(String, Bytes)>,
) -> Result<(), ShelfError> {
    for (name, bytes) in new {
        let key = keys.page(&name);
        if let Creation::Exists(_) = objects.create(&key, bytes).await? {
            return Err(ShelfError::malformed(&key, "it exists with other bytes"));
        }
    }
    Ok(())
}

/// Replaces the names of pages by their extents. Returns the names.
pub(crate) async fn expand(
    objects: &Objects,
    keys: &CartridgeKeys,
    content: &mut Content,
) -> Result<PageNames, ShelfError> {
    let mut names = PageNames::new();
    for (file, full) in &mut content.files {
        let pages = std::mem::take(&mut full.pages);
        if pages.is_empty() {
            continue;
        }
        let mut extents = read(objects, keys, &pages).await?;
        extents.append(&mut full.extents);
        full.extents = extents;
        names.insert(file.clone(), pages);
    }
    match content.files.iter().find(|(_, file)| !file.is_whole()) {
        Some((name, file)) => {
            let problem = format!("the index pages of {name} do not have its {} bytes", file.len);
            Err(ShelfError::malformed(keys.barcode(), problem))
        }
        None => Ok(names),
    }
}

async fn read(objects: &Objects, keys: &CartridgeKeys, pages: &[String]) -> Result<Vec<Extent>, ShelfError> {
    let (mut names, mut running, mut extents) = (pages.iter(), VecDeque::new(), Vec::new());
    loop {
        while running.len() < PARALLEL
            && let Some(name) = names.next()
        {
            let (objects, key, name) = (objects.clone(), keys.page(name), name.clone());
            running.push_back(tokio::spawn(async move { read_page(&objects, &key, &name).await }));
        }
        let Some(request) = running.pop_front() else { return Ok(extents) };
        let ended = |ended: tokio::task::JoinError| ShelfError::Interrupted(ended.to_string());
        extents.extend(request.await.map_err(ended)??);
    }
}

pub(crate) async fn read_page(objects: &Objects, key: &str, name: &str) -> Result<Vec<Extent>, ShelfError> {
    let bytes = objects.get_existing(key).await?;
    if name_of(&bytes) != name {
        return Err(ShelfError::malformed(key, "its name is not that of its content"));
    }
    Ok(record::decode::<Page>(key, &bytes)?.extents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RetryPolicy;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    fn content(extents: usize) -> Content {
        let extent = |at: u64| Extent { offset: at * 10, len: 10, segment: format!("s{at}"), at: 0 };
        let file = FileContent {
            len: extents as u64 * 10,
            pages: Vec::new(),
            extents: (0..extents as u64).map(extent).collect(),
        };
        Content { files: [("data.0".to_owned(), file), ("mark.0".to_owned(), FileContent::default())].into() }
    }

    #[tokio::test]
    async fn a_long_content_returns_from_its_pages() {
        let objects = Objects::new(Arc::new(InMemory::new()), "p", RetryPolicy::default()).unwrap();
        let keys = CartridgeKeys::new("V00001L8");
        let (mut former, mut names) = (Content::default(), PageNames::new());
        for (extents, new) in [(PAGE_LEN - 1, 0), (PAGE_LEN, 1), (3 * PAGE_LEN + 5, 2), (3 * PAGE_LEN + 6, 0), (7, 0)] {
            let full = content(extents);
            let Compact { content: mut stored, names: next, new: pages } = compact(&full, &former, &names).unwrap();
            assert_eq!((pages.len(), stored.files["data.0"].extents.len()), (new, extents % PAGE_LEN));
            create(&objects, &keys, pages).await.unwrap();
            assert_eq!(expand(&objects, &keys, &mut stored).await.unwrap(), next);
            assert!(stored == full, "{extents}");
            (former, names) = (full, next);
        }
    }

    #[tokio::test]
    async fn a_page_with_another_content_is_damage() {
        let objects =
            Objects::new(Arc::new(InMemory::new()), "p", RetryPolicy::new(1, std::time::Duration::ZERO)).unwrap();
        let keys = CartridgeKeys::new("V00001L8");
        let Compact { content: stored, new, .. } =
            compact(&content(2 * PAGE_LEN), &Content::default(), &PageNames::new()).unwrap();
        let error = expand(&objects, &keys, &mut stored.clone()).await.unwrap_err().to_string();
        assert!(error.contains("exists, but the store does not return it"), "{error}");
        let (first, other) = (keys.page(&new[0].0), new[1].1.clone());
        create(&objects, &keys, new).await.unwrap();
        objects.replace(&first, other).await.unwrap();
        let error = expand(&objects, &keys, &mut stored.clone()).await.unwrap_err().to_string();
        assert!(error.ends_with("is damaged: its name is not that of its content"), "{error}");
    }
}
