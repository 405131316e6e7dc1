//! The objects of a shelf, with requests that are repeated when the store fails.

use crate::error::ShelfError;
use crate::object_lock::SignedRequests;
use crate::segment::SEGMENT_LEN;
use crate::storage_class::StorageClass;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::path::Path;
use object_store::{Attributes, Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The attempts and pauses of a request when the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Number of attempts, at least 1.
    pub attempts: u32,
    /// Pause after the first attempt. Each further pause is twice as long, up to [`Self::MAX_PAUSE`].
    pub pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 8, pause: Duration::from_millis(100) }
    }
}

impl RetryPolicy {
    /// The longest pause between two attempts.
    pub const MAX_PAUSE: Duration = Duration::from_secs(5);

    /// A policy with this number of attempts and this first pause.
    #[must_use]
    pub const fn new(attempts: u32, pause: Duration) -> Self {
        Self { attempts, pause }
    }

    async fn wait(&self, attempt: u32) {
        let pause = self.pause.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX));
        tokio::time::sleep(pause.min(Self::MAX_PAUSE)).await;
    }
}

/// Result of creating an object that must not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The object has the bytes of this call, which may have been written by an earlier attempt of it.
    Created,
    /// The object exists with these other bytes.
    Exists(Bytes),
}

/// A store whose last request has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreFailure {
    /// The error of the last request.
    pub error: String,
    /// Time since the first failed request after the last one that succeeded.
    pub failing_for: Duration,
}

/// Time after which requests to a store that does not respond fail at once, if the process is going to end.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// The failed requests since the last one that succeeded.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Option<(Instant, String)>>>, Arc<AtomicBool>);

impl Failures {
    /// Whether further requests are useless: the process is going to end, and the store has not responded for a while.
    fn are_final(&self) -> bool {
        let failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.1.load(Ordering::Relaxed) && failing.as_ref().is_some_and(|(since, _)| since.elapsed() >= STOP_LIMIT)
    }

    /// The error of a request that is not made.
    fn refused(&self) -> Error {
        let failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let source = failing.as_ref().map_or_else(String::new, |(_, error)| error.clone());
        Error::Generic { store: "object store", source: source.into() }
    }

    fn note<T>(&self, response: &object_store::Result<T>) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match response {
            // The store has answered.
            Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. }) => {
                *failing = None
            }
            Err(error) => {
                let since = failing.as_ref().map_or_else(Instant::now, |(since, _)| *since);
                *failing = Some((since, error.to_string()));
            }
        }
    }
}

/// The objects under the prefix of a shelf.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    retry: RetryPolicy,
    failures: Failures,
    requests: Option<Arc<dyn SignedRequests>>,
    class: Option<StorageClass>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.store, self.prefix)
    }
}

/// Time limit in seconds of a request that transfers few bytes.
const LIMIT_SECONDS: u64 = 30;
/// The slowest rate in bytes in a second at which a longer transfer is not ended.
const SLOWEST_RATE: u64 = 100_000;

/// Ends a request that transfers `len` bytes if it takes too long.
async fn within<T>(len: u64, request: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    let limit = Duration::from_secs(LIMIT_SECONDS + len / SLOWEST_RATE);
    tokio::time::timeout(limit, request).await.unwrap_or_else(|_| {
        let source = format!("no response in {} s", limit.as_secs()).into();
        Err(Error::Generic { store: "object store", source })
    })
}

impl Objects {
    /// Whether these are the objects of the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.store, &other.store) && self.prefix == other.prefix
    }

    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: &str, retry: RetryPolicy) -> Result<Self, ShelfError> {
        let parsed = Path::parse(prefix).map_err(|source| ShelfError::Prefix { prefix: prefix.to_owned(), source })?;
        Ok(Self { store, prefix: parsed, retry, failures: Failures::default(), requests: None, class: None })
    }

    /// The failure of the store, if its last request has failed. A request that is repeated counts each attempt.
    #[must_use]
    pub fn failure(&self) -> Option<StoreFailure> {
        let failing = self.failures.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failing.map(|(since, error)| StoreFailure { error, failing_for: since.elapsed() })
    }

    /// The process is going to end: a store that has not responded for 20 seconds is not waited for any longer, by any request.
    pub(crate) fn stop(&self) {
        self.failures.1.store(true, Ordering::Relaxed);
    }

    /// The same objects, with requests that the client of the store does not have.
    #[cfg_attr(
        not(any(test, feature = "s3")),
        expect(dead_code, reason = "only stores with the S3 protocol have them")
    )]
    pub(crate) fn with_requests(self, requests: Arc<dyn SignedRequests>) -> Self {
        Self { requests: Some(requests), ..self }
    }

    /// The same objects, whose new segments have this storage class.
    pub(crate) fn with_class(self, class: StorageClass) -> Self {
        Self { class: Some(class), ..self }
    }

    /// The storage class of new segments; `None` for that of the store.
    pub(crate) const fn class(&self) -> Option<StorageClass> {
        self.class
    }

    /// The same objects, whose requests are made once.
    pub(crate) fn without_repetition(&self) -> Self {
        Self { retry: RetryPolicy { attempts: 1, ..self.retry }, ..self.clone() }
    }

    pub(crate) fn requests(&self) -> Option<&dyn SignedRequests> {
        self.requests.as_deref()
    }

    pub(crate) fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// Creates an object unless it exists.
    ///
    /// The bytes must differ from those of every other call for this object, which a nonce in them ensures: if the object
    /// exists with the same bytes, an earlier attempt has created it, whose response was lost.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: the object may be created, also later. [`ShelfError::Hidden`] if it exists and
    /// cannot be read.
    pub async fn create(&self, key: &str, bytes: Bytes) -> Result<Creation, ShelfError> {
        self.create_with(key, bytes, Attributes::new()).await
    }

    /// Creates an object with attributes, such as its storage class; otherwise as [`Self::create`].
    pub(crate) async fn create_with(
        &self,
        key: &str,
        bytes: Bytes,
        attributes: Attributes,
    ) -> Result<Creation, ShelfError> {
        let options = PutOptions { attributes, ..PutMode::Create.into() };
        let path = self.path(key);
        let mut last = None;
        for attempt in 0..self.retry.attempts {
            if self.failures.are_final() {
                return Err(store_error("creating", key, self.failures.refused()));
            }
            let put = self.store.put_opts(&path, bytes.clone().into(), options.clone());
            let response = within(bytes.len() as u64, put).await;
            self.failures.note(&response);
            match response {
                Ok(_) => return Ok(Creation::Created),
                // Some stores also give this response while another creation is not finished.
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                    last = Some(ShelfError::Hidden { key: key.to_owned() });
                    match self.get(key).await? {
                        Some(existing) if existing == bytes => return Ok(Creation::Created),
                        Some(existing) => return Ok(Creation::Exists(existing)),
                        None => {}
                    }
                }
                Err(source) if is_refusal(&source) => return Err(store_error("creating", key, source)),
                Err(source) => last = Some(store_error("creating", key, source)),
            }
            self.retry.wait(attempt).await;
        }
        Err(last.unwrap_or_else(|| ShelfError::Hidden { key: key.to_owned() }))
    }

    /// Writes an object, and replaces one that exists.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: whether it was written is unknown.
    pub async fn replace(&self, key: &str, bytes: Bytes) -> Result<(), ShelfError> {
        let path = self.path(key);
        let len = bytes.len() as u64;
        self.repeat("writing", key, || {
            within(len, async { self.store.put(&path, bytes.clone().into()).await.map(drop) })
        })
        .await
    }

    /// The bytes of an object; `None` if the store has no such object, or does not show it yet.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, ShelfError> {
        self.get_with(key, 0, GetOptions::default).await
    }

    /// A range of the bytes of an object; `None` if the store has no such object.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or the object is shorter.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, ShelfError> {
        let len = range.end.saturating_sub(range.start);
        self.get_with(key, len, || GetOptions::new().with_range(Some(range.clone()))).await
    }

    /// Removes an object; a missing one is not an error.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Denied`] if it does not permit it: the object may be locked.
    pub async fn remove(&self, key: &str) -> Result<(), ShelfError> {
        let path = self.path(key);
        let remove = || {
            within(0, async {
                match self.store.delete(&path).await {
                    Err(Error::NotFound { .. }) => Ok(()),
                    other => other,
                }
            })
        };
        match self.repeat("removing", key, remove).await {
            Err(ShelfError::Store { source: source @ Error::PermissionDenied { .. }, .. }) => {
                Err(self.denied_removal(key, &source).await)
            }
            other => other,
        }
    }

    /// The number in an object that is a hint; `None` if there is no such object, or it is damaged.
    pub(crate) async fn hint(&self, key: &str) -> Result<Option<u64>, ShelfError> {
        let bytes = self.get(key).await?;
        Ok(bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok()).filter(|hint| *hint > 0))
    }

    /// Whether the store shows an object.
    pub(crate) async fn exists(&self, key: &str) -> Result<bool, ShelfError> {
        let path = self.path(key);
        let head = || {
            within(0, async {
                match self.store.head(&path).await {
                    Ok(_) => Ok(true),
                    Err(Error::NotFound { .. }) => Ok(false),
                    Err(other) => Err(other),
                }
            })
        };
        self.repeat("reading", key, head).await
    }

    /// The bytes of an object of up to the length of a segment; `None` if the store has no such object.
    pub(crate) async fn get_long(&self, key: &str) -> Result<Option<Bytes>, ShelfError> {
        self.get_with(key, SEGMENT_LEN as u64, GetOptions::default).await
    }

    async fn get_with(
        &self,
        key: &str,
        len: u64,
        options: impl Fn() -> GetOptions,
    ) -> Result<Option<Bytes>, ShelfError> {
        let path = self.path(key);
        let read = || {
            within(len, async {
                match self.store.get_opts(&path, options()).await {
                    Ok(found) => found.bytes().await.map(Some),
                    Err(Error::NotFound { .. }) => Ok(None),
                    Err(other) => Err(other),
                }
            })
        };
        match self.repeat("reading", key, read).await {
            Err(ShelfError::Store { source: source @ Error::PermissionDenied { .. }, .. })
                if source.to_string().contains("InvalidObjectState") =>
            {
                Err(ShelfError::Frozen { key: key.to_owned() })
            }
            other => other,
        }
    }

    async fn repeat<T, F: Future<Output = object_store::Result<T>>>(
        &self,
        operation: &'static str,
        key: &str,
        request: impl Fn() -> F,
    ) -> Result<T, ShelfError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            if self.failures.are_final() {
                return Err(store_error(operation, key, self.failures.refused()));
            }
            let response = request().await;
            self.failures.note(&response);
            match response {
                Ok(done) => return Ok(done),
                Err(source) if attempt >= self.retry.attempts || is_refusal(&source) => {
                    return Err(store_error(operation, key, source));
                }
                Err(_) => self.retry.wait(attempt - 1).await,
            }
        }
    }

    /// As [`Self::repeat`], for requests that transfer few bytes.
    pub(crate) async fn repeat_limited<T, F: Future<Output = object_store::Result<T>>>(
        &self,
        operation: &'static str,
        key: &str,
        request: impl Fn() -> F,
    ) -> Result<T, ShelfError> {
        self.repeat(operation, key, || within(0, request())).await
    }

    /// The names of the directories below a directory, as the store lists them.
    pub(crate) async fn directories(&self, below: &str) -> Result<Vec<String>, ShelfError> {
        let path = if below.is_empty() { self.prefix.clone() } else { self.path(below) };
        let list = || within(0, async { self.store.list_with_delimiter(Some(&path)).await });
        let found = self.repeat("listing", if below.is_empty() { "the cartridges" } else { below }, list).await?;
        Ok(found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// The objects of a directory, ascending by name; empty if there is none.
    pub(crate) async fn list(&self, directory: &str) -> Result<Vec<StoredObject>, ShelfError> {
        let path = self.path(directory);
        let list = || async { within_each(self.store.list(Some(&path))).await };
        let mut found: Vec<StoredObject> =
            self.repeat("listing", directory, list).await?.into_iter().filter_map(StoredObject::new).collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The time of the last change of an object, by the clock of the store.
    pub(crate) async fn modified(&self, key: &str) -> Result<SystemTime, ShelfError> {
        let path = self.path(key);
        let head = || within(0, async { self.store.head(&path).await });
        Ok(self.repeat("reading", key, head).await?.last_modified.into())
    }

    /// Reads an object that exists, several times if the store does not show it.
    pub(crate) async fn get_existing(&self, key: &str) -> Result<Bytes, ShelfError> {
        for attempt in 0..self.retry.attempts {
            if let Some(bytes) = self.get(key).await? {
                return Ok(bytes);
            }
            self.retry.wait(attempt).await;
        }
        Err(ShelfError::Hidden { key: key.to_owned() })
    }
}

/// An object that was listed.
#[derive(Clone, Debug)]
pub(crate) struct StoredObject {
    /// The last part of its name.
    pub(crate) name: String,
    pub(crate) len: u64,
    /// Time of the last change, by the clock of the store.
    pub(crate) modified: SystemTime,
}

impl StoredObject {
    fn new(meta: ObjectMeta) -> Option<Self> {
        let name = meta.location.filename()?.to_owned();
        Some(Self { name, len: meta.size, modified: meta.last_modified.into() })
    }
}

/// All objects of a list, each page of which comes within the time limit.
async fn within_each(
    mut list: impl Stream<Item = object_store::Result<ObjectMeta>> + Unpin,
) -> object_store::Result<Vec<ObjectMeta>> {
    let mut found = Vec::new();
    while let Some(next) = within(0, async { list.next().await.transpose() }).await? {
        found.push(next);
    }
    Ok(found)
}

/// Whether the store refuses a request, so that it is not repeated.
const fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::InvalidPath { .. }
            | Error::UnknownConfigurationKey { .. }
    )
}

fn store_error(operation: &'static str, key: &str, source: Error) -> ShelfError {
    ShelfError::Store { operation, key: key.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::local::LocalFileSystem;
    use tokio::runtime::Builder;

    #[test]
    fn when_the_process_ends_a_store_that_does_not_respond_is_not_waited_for() {
        // An object cannot be in a file, so that every request fails.
        let file = tempfile::NamedTempFile::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap());
        std::fs::copy(file.path(), directory.path().join("file")).unwrap();
        let objects = Objects::new(store, "file", RetryPolicy::default()).unwrap();
        Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
            let attempt = || async {
                let start = Instant::now();
                assert!(objects.create("key", Bytes::from_static(b"1")).await.is_err());
                start.elapsed()
            };
            let usual = attempt().await;
            assert!(usual > Duration::from_secs(10), "{usual:?}");
            let failing_for = objects.failure().unwrap().failing_for;
            assert!(failing_for <= usual && failing_for > Duration::from_secs(10));
            objects.stop();
            let last = attempt().await;
            assert!(last < usual && objects.failure().unwrap().failing_for >= STOP_LIMIT, "{last:?} of {usual:?}");
            assert_eq!(attempt().await, Duration::ZERO);
        });
    }
}
