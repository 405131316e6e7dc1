//! Copies of the files of a site, from which another machine restores it. Cartridges are not part of them.

use crate::Shelf;
use crate::error::ShelfError;
use crate::manifest::is_file_name;
use crate::record;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The files of a site at one time: its state, its identities and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteCopy {
    /// Identifier of the site, eight hexadecimal digits.
    pub site: String,
    /// The files by their names.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl SiteCopy {
    /// Name of the configuration file in a copy, whatever its name was.
    pub const CONFIGURATION: &str = "site.toml";
}

/// The object of a copy.
#[derive(Serialize, Deserialize)]
struct StoredCopy {
    site: String,
    /// The content of each file in Base64.
    files: BTreeMap<String, String>,
}

/// The directory of the sites. No hash of a barcode has this name.
const DIRECTORY: &str = "sites";

fn key_of(site: &str) -> String {
    format!("{DIRECTORY}/{site}/copy")
}

impl Shelf {
    /// Replaces the copy of a site.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: the former copy or the new one is there.
    pub async fn put_site(&self, copy: &SiteCopy) -> Result<(), ShelfError> {
        let key = key_of(&copy.site);
        self.objects().replace(&key, encode_copy(&key, copy)?).await
    }

    /// The identifiers of the sites that have a copy on the shelf.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn sites(&self) -> Result<Vec<String>, ShelfError> {
        self.objects().directories(DIRECTORY).await
    }

    /// The newest copy of a site; `None` if there is none.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if the copy is damaged.
    pub async fn site(&self, site: &str) -> Result<Option<SiteCopy>, ShelfError> {
        match self.leased_copy(site).await? {
            None => self.unleased_copy(site).await,
            found => Ok(found),
        }
    }

    /// The copy of a site without a lease.
    pub(crate) async fn unleased_copy(&self, site: &str) -> Result<Option<SiteCopy>, ShelfError> {
        let key = key_of(site);
        let Some(bytes) = self.objects().get_long(&key).await? else { return Ok(None) };
        decode_copy(&key, &bytes).map(Some)
    }
}

/// The object of a copy.
pub(crate) fn encode_copy(key: &str, copy: &SiteCopy) -> Result<Bytes, ShelfError> {
    let files = copy.files.iter().map(|(name, bytes)| (name.clone(), STANDARD.encode(bytes))).collect();
    record::encode(key, &StoredCopy { site: copy.site.clone(), files })
}

/// The copy in an object. Its names are those of files in one directory: the object may come from elsewhere.
pub(crate) fn decode_copy(key: &str, bytes: &[u8]) -> Result<SiteCopy, ShelfError> {
    let stored: StoredCopy = record::decode(key, bytes)?;
    let mut files = BTreeMap::new();
    for (name, text) in stored.files {
        if !is_file_name(&name) {
            return Err(ShelfError::malformed(key, format!("{name:?} is not the name of a file")));
        }
        let bytes = STANDARD.decode(text).map_err(|error| ShelfError::malformed(key, format!("{name}: {error}")))?;
        files.insert(name, bytes);
    }
    Ok(SiteCopy { site: stored.site, files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, ShelfOptions};
    use object_store::memory::InMemory;
    use std::sync::Arc;

    fn shelf() -> Shelf {
        let entropy = Arc::new(|_: &mut [u8]| Ok(()));
        Shelf::new(Arc::new(InMemory::new()), "p", ShelfOptions::new("test"), entropy).unwrap()
    }

    fn copy(site: &str, files: &[(&str, &[u8])]) -> SiteCopy {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        SiteCopy { site: site.into(), files }
    }

    #[tokio::test]
    async fn the_newest_copy_of_each_site_returns() {
        let shelf = shelf();
        assert_eq!(shelf.sites().await.unwrap(), Vec::<String>::new());
        shelf.add("V00001L8", Content::default()).await.unwrap();
        shelf.put_site(&copy("0a1b2c3d", &[("state.1", b"old")])).await.unwrap();
        let newest = copy("0a1b2c3d", &[("state.1", b"new\0\xff"), ("site.toml", b"")]);
        shelf.put_site(&newest).await.unwrap();
        shelf.put_site(&copy("ffffffff", &[])).await.unwrap();
        assert_eq!(shelf.sites().await.unwrap(), ["0a1b2c3d", "ffffffff"]);
        assert_eq!(shelf.site("0a1b2c3d").await.unwrap(), Some(newest));
        assert_eq!(shelf.site("00000000").await.unwrap(), None);
        // Sites are no cartridges.
        assert_eq!(shelf.barcodes().await.unwrap(), ["V00001L8"]);
    }

    #[tokio::test]
    async fn a_copy_with_names_of_other_places_is_refused() {
        let shelf = shelf();
        for name in ["../x", "/etc/passwd", "", ".hidden", "a/b"] {
            shelf.put_site(&copy("a", &[(name, b"x")])).await.unwrap();
            let error = shelf.site("a").await.unwrap_err().to_string();
            assert_eq!(error, format!("sites/a/copy is damaged: {name:?} is not the name of a file"));
        }
    }
}
