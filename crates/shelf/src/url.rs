//! The address of a shelf.

use crate::error::ShelfError;
use crate::{Entropy, Shelf, ShelfOptions};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreScheme};
use std::sync::Arc;
use url::Url;

impl Shelf {
    /// The shelf at a URL, such as `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///directory`.
    ///
    /// `settings` are names and values such as `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT` and `AWS_ALLOW_HTTP`, as in the environment
    /// of a process; others are ignored. A directory of files must exist. It has no heartbeats of other machines unless they
    /// share it.
    ///
    /// # Errors
    /// [`ShelfError::Url`] if the URL has no such form, this build lacks the feature for it, or the settings do not fit.
    pub fn open(
        url: &str,
        settings: impl IntoIterator<Item = (String, String)>,
        options: ShelfOptions,
        entropy: Entropy,
    ) -> Result<Self, ShelfError> {
        let invalid =
            |source: Box<dyn std::error::Error + Send + Sync>| ShelfError::Url { url: url.to_owned(), source };
        let parsed = Url::parse(url).map_err(|error| invalid(error.into()))?;
        let (scheme, _) = ObjectStoreScheme::parse(&parsed).map_err(|error| invalid(error.into()))?;
        if let ObjectStoreScheme::Local = scheme {
            let directory =
                parsed.to_file_path().map_err(|()| invalid("it names no directory of this machine".into()))?;
            let store = LocalFileSystem::new_with_prefix(directory).map_err(|error| invalid(error.into()))?;
            return Self::new(Arc::new(store), "", options, entropy);
        }
        if let Some(feature) = missing_feature(&scheme) {
            return Err(invalid(format!("this build has no support for it; build with feature `{feature}`").into()));
        }
        let (store, prefix) = object_store::parse_url_opts(&parsed, settings).map_err(|error| invalid(error.into()))?;
        let store: Arc<dyn ObjectStore> = store.into();
        Self::new(store, prefix.as_ref(), options, entropy)
    }
}

/// The cargo feature for a kind of store that this build lacks.
fn missing_feature(scheme: &ObjectStoreScheme) -> Option<&'static str> {
    match scheme {
        ObjectStoreScheme::AmazonS3 if !cfg!(feature = "s3") => Some("s3"),
        ObjectStoreScheme::GoogleCloudStorage if !cfg!(feature = "gcs") => Some("gcs"),
        ObjectStoreScheme::MicrosoftAzure if !cfg!(feature = "azure") => Some("azure"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Content;

    fn open(url: &str) -> Result<Shelf, ShelfError> {
        Shelf::open(
            url,
            [],
            ShelfOptions::new("test"),
            Arc::new(|into: &mut [u8]| {
                into.fill(7);
                Ok(())
            }),
        )
    }

    #[tokio::test]
    async fn a_directory_is_a_shelf() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = open(&format!("file://{}", directory.path().display())).unwrap();
        assert!(shelf.add("V00001L8", Content::default()).await.unwrap());
        assert!(
            open(&format!("file://{}", directory.path().display()))
                .unwrap()
                .newest("V00001L8")
                .await
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn errors_name_the_url() {
        for (url, problem) in [
            ("bucket/prefix", "relative URL without a base"),
            ("ftp://host/x", "ftp://host/x"),
            ("file:///does/not/exist", "/does/not/exist"),
            ("s3:///", "s3:///"),
        ] {
            let error = open(url).unwrap_err().to_string();
            assert!(error.starts_with(&format!("shelf {url:?}: ")) && error.contains(problem), "{error}");
        }
    }
}
