//! The address of a shelf.

use crate::error::ShelfError;
#[cfg(feature = "s3")]
use crate::s3_requests::S3Requests;
use crate::{Entropy, Shelf, ShelfOptions};
#[cfg(feature = "s3")]
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
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
        #[cfg_attr(
            not(any(feature = "s3", feature = "gcs", feature = "azure")),
            expect(unused_variables, reason = "of the clients")
        )]
        let (scheme, path) = ObjectStoreScheme::parse(&parsed).map_err(|error| invalid(error.into()))?;
        #[cfg_attr(
            not(any(feature = "s3", feature = "gcs", feature = "azure")),
            expect(unused_variables, reason = "of the clients")
        )]
        let settings: Vec<_> = settings.into_iter().collect();
        #[cfg(feature = "s3")]
        if scheme == ObjectStoreScheme::AmazonS3 {
            let (store, requests) = s3(url, &settings).map_err(|error| invalid(error.into()))?;
            let shelf = Self::new(store, path.as_ref(), options, entropy)?;
            return Ok(Self { objects: shelf.objects.with_requests(requests), ..shelf });
        }
        let (store, prefix): (Arc<dyn ObjectStore>, String) = match scheme {
            ObjectStoreScheme::Local => (directory(&parsed).map_err(invalid)?, String::new()),
            #[cfg(feature = "gcs")]
            ObjectStoreScheme::GoogleCloudStorage => {
                (gcs(url, &settings).map_err(|error| invalid(error.into()))?, path.into())
            }
            #[cfg(feature = "azure")]
            ObjectStoreScheme::MicrosoftAzure => {
                (azure(url, &settings).map_err(|error| invalid(error.into()))?, path.into())
            }
            other => return Err(invalid(unsupported(&other).into())),
        };
        Self::new(store, &prefix, options, entropy)
    }
}

/// A directory of this machine. An object is durable when it has been put.
fn directory(url: &Url) -> Result<Arc<dyn ObjectStore>, Box<dyn std::error::Error + Send + Sync>> {
    let directory = url.to_file_path().map_err(|()| "it names no directory of this machine")?;
    match directory.metadata() {
        Ok(found) if !found.is_dir() => return Err("it is not a directory".into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("the directory does not exist; create it, or mount its disk".into());
        }
        _ => {}
    }
    Ok(Arc::new(LocalFileSystem::new_with_prefix(directory)?.with_fsync(true)))
}

/// The reason why a kind of store is not supported.
fn unsupported(scheme: &ObjectStoreScheme) -> String {
    let feature = match scheme {
        ObjectStoreScheme::AmazonS3 => "s3",
        ObjectStoreScheme::GoogleCloudStorage => "gcs",
        ObjectStoreScheme::MicrosoftAzure => "azure",
        _ => return "the scheme is none of s3, gs, az and file".into(),
    };
    format!("this build has no support for it; build with feature `{feature}`")
}

/// A client whose requests this crate repeats and ends: the time limit depends on their length.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn client() -> (object_store::RetryConfig, object_store::ClientOptions) {
    let retry = object_store::RetryConfig { max_retries: 0, ..object_store::RetryConfig::default() };
    (retry, object_store::ClientOptions::new().with_timeout_disabled())
}

/// The settings whose names a builder knows.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn known<K: std::str::FromStr>(settings: &[(String, String)]) -> impl Iterator<Item = (K, &str)> {
    settings.iter().filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.as_str())))
}

#[cfg(feature = "s3")]
fn s3(url: &str, settings: &[(String, String)]) -> object_store::Result<(Arc<dyn ObjectStore>, Arc<S3Requests>)> {
    let (retry, client) = client();
    // If a connection ends before the first byte of a body, SeaweedFS 4.48 creates an empty object, unless the request has a checksum.
    let checksum = object_store::aws::Checksum::SHA256;
    let builder = AmazonS3Builder::new().with_client_options(client.clone()).with_retry(retry);
    let builder = builder.with_checksum_algorithm(checksum);
    let builder = known(settings).fold(builder, |builder, (key, value)| builder.with_config(key, value));
    let client = known(settings).fold(client, |client, (key, value)| match key {
        AmazonS3ConfigKey::Client(key) => client.with_config(key, value),
        _ => client,
    });
    // A denied deletion is then a separate error.
    let store = Arc::new(builder.with_url(url).with_disable_bulk_delete(true).build()?);
    let requests = Arc::new(S3Requests::new(Arc::clone(&store), &client)?);
    Ok((store, requests))
}

#[cfg(feature = "gcs")]
fn gcs(url: &str, settings: &[(String, String)]) -> object_store::Result<Arc<dyn ObjectStore>> {
    let (retry, client) = client();
    let builder = object_store::gcp::GoogleCloudStorageBuilder::new().with_client_options(client).with_retry(retry);
    let builder = known(settings).fold(builder, |builder, (key, value)| builder.with_config(key, value));
    Ok(Arc::new(builder.with_url(url).build()?))
}

#[cfg(feature = "azure")]
fn azure(url: &str, settings: &[(String, String)]) -> object_store::Result<Arc<dyn ObjectStore>> {
    let (retry, client) = client();
    let builder = object_store::azure::MicrosoftAzureBuilder::new().with_client_options(client).with_retry(retry);
    let builder = known(settings).fold(builder, |builder, (key, value)| builder.with_config(key, value));
    Ok(Arc::new(builder.with_url(url).build()?))
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
            ("file:///does/not/exist", "the directory does not exist; create it, or mount its disk"),
            ("file:///etc/passwd", "it is not a directory"),
            ("memory:///", "the scheme is none of s3, gs, az and file"),
            ("http://127.0.0.1/x", "the scheme is none of s3, gs, az and file"),
        ] {
            let error = open(url).unwrap_err().to_string();
            assert!(error.starts_with(&format!("shelf {url:?}: ")) && error.contains(problem), "{error}");
        }
    }
}
