//! Retention and legal holds of objects: requests of the S3 protocol that the client of the store does not have.

use crate::error::ShelfError;
use crate::objects::Objects;
use crate::storage_class::StorageClass;
use object_store::path::Path;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// The namespace of the documents of S3.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A request for a subresource of an object, or of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedRequest {
    /// The method of HTTP.
    pub(crate) method: &'static str,
    /// The name of the object in the bucket; `None` for the bucket.
    pub(crate) object: Option<Path>,
    /// The subresource, such as `retention`.
    pub(crate) query: &'static str,
    /// A document, or nothing.
    pub(crate) body: String,
}

/// The response to a [`SignedRequest`].
#[derive(Clone, Debug, Default)]
pub(crate) struct SignedResponse {
    /// The status code of HTTP.
    pub(crate) status: u16,
    /// The header `Date`: the clock of the store.
    pub(crate) date: Option<String>,
    /// The header `x-amz-storage-class`: absent for the usual class.
    pub(crate) class: Option<String>,
    /// The header `x-amz-restore`: the state of a restore.
    pub(crate) restore: Option<String>,
    /// The header `x-amz-archive-status`: the archive of an object in INTELLIGENT_TIERING.
    pub(crate) archive: Option<String>,
    pub(crate) body: String,
}

/// The archive of an object that must be thawed before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Archive {
    Glacier,
    Deep,
    /// The archive tiers of INTELLIGENT_TIERING, from which a restore moves the object back for an unlimited time.
    Tiering,
    TieringDeep,
}

/// Future of a request.
pub(crate) type Sent<'a> = Pin<Box<dyn Future<Output = object_store::Result<SignedResponse>> + Send + 'a>>;

/// Sends requests that are signed with the credentials of a store.
pub(crate) trait SignedRequests: fmt::Debug + Send + Sync {
    /// Sends a request once. Responses that a repetition may change (5xx, 408, 429) are errors; others are results.
    fn send(&self, request: SignedRequest) -> Sent<'_>;
}

/// Result of locking an object until a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    Yes,
    /// The time has passed by the clock of the store, which locks nothing until then.
    Ended,
}

/// The lock of an object until a time.
#[derive(Clone, Copy, Debug)]
struct Retention {
    mode: Mode,
    /// The time in seconds since 1970.
    until: u64,
}

/// The mode of a lock.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// No user can shorten it.
    Compliance,
    /// Governance: users with a permission for it can shorten or remove it.
    Other,
}

impl SignedResponse {
    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The content of the first element with this name.
    pub(crate) fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.trim())
    }

    /// The error of the store in words.
    pub(crate) fn reason(&self) -> String {
        let status = self.status;
        match (self.element("Code"), self.element("Message")) {
            (Some(code), Some(message)) => format!("status {status}, {code}: {message}"),
            _ => format!("status {status}"),
        }
    }

    /// The state of an object in the header of a response to HEAD.
    pub(crate) fn archived(&self) -> Option<Archive> {
        match self.class.as_deref().and_then(StorageClass::by_name)? {
            StorageClass::Glacier => Some(Archive::Glacier),
            StorageClass::DeepArchive => Some(Archive::Deep),
            StorageClass::IntelligentTiering => match self.archive.as_deref()? {
                "DEEP_ARCHIVE_ACCESS" => Some(Archive::TieringDeep),
                _ => Some(Archive::Tiering),
            },
            _ => None,
        }
    }

    /// Time for which a restored copy can be read, by the clock of the store; `None` if the response does not show it.
    pub(crate) fn expires_in(&self) -> Option<Duration> {
        let date = |text: &str| OffsetDateTime::parse(text, &Rfc2822).ok();
        let (_, expiry) = self.restore.as_deref()?.split_once("expiry-date=\"")?;
        let left = date(expiry.split_once('"')?.0)? - date(self.date.as_deref()?)?;
        Some(left.try_into().unwrap_or_default())
    }

    /// Whether a time in seconds since 1970 has passed by the clock of the store.
    fn is_after(&self, seconds: u64) -> bool {
        let now = self.date.as_ref().and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
        now.and_then(|now| u64::try_from(now.unix_timestamp()).ok()).is_some_and(|now| now >= seconds)
    }
}

/// A time in seconds since 1970, such as `2030-01-31T00:00:00Z`.
pub(crate) fn time_text(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let text = time.and_then(|time| time.format(&Rfc3339).ok());
    text.unwrap_or_else(|| format!("{seconds} seconds after 1970"))
}

fn seconds(text: &str) -> Option<u64> {
    u64::try_from(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp()).ok()
}

impl Objects {
    pub(crate) async fn send(
        &self,
        operation: &'static str,
        key: Option<&str>,
        (method, query): (&'static str, &'static str),
        body: &str,
    ) -> Result<SignedResponse, ShelfError> {
        let name = key.unwrap_or("the bucket");
        let Some(requests) = self.requests() else {
            return Err(ShelfError::NoObjectLock { problem: "it has no Object Lock of the S3 protocol".into() });
        };
        let object = key.map(|key| self.path(key));
        let request = || SignedRequest { method, object: object.clone(), query, body: body.to_owned() };
        self.repeat_limited(operation, name, || requests.send(request())).await
    }

    /// Whether the store has requests for locks.
    pub(crate) fn has_object_lock(&self) -> bool {
        self.requests().is_some()
    }

    /// Checks that the store locks objects.
    ///
    /// # Errors
    /// [`ShelfError::NoObjectLock`] if it does not, or does not show it; [`ShelfError::Store`] if it does not respond.
    pub(crate) async fn check_object_lock(&self) -> Result<(), ShelfError> {
        let once = self.without_repetition();
        let response = once.send("reading the Object Lock configuration of", None, ("GET", "object-lock"), "").await?;
        if response.is_success() && response.element("ObjectLockEnabled") == Some("Enabled") {
            return Ok(());
        }
        let problem = match response.status {
            200..300 | 404 => "Object Lock is not enabled for the bucket".to_owned(),
            _ => format!("the store does not show the Object Lock configuration of the bucket: {}", response.reason()),
        };
        Err(ShelfError::NoObjectLock { problem })
    }

    /// Locks an object until a time in seconds since 1970, in the mode in which no lock can be shortened. A longer lock stays; if it is
    /// in the mode in which it can be shortened, its mode is changed.
    pub(crate) async fn retain(&self, key: &str, until: u64) -> Result<Locked, ShelfError> {
        let response = self.put_retention(key, until).await?;
        if response.is_success() {
            return Ok(Locked::Yes);
        }
        if response.status == 400 && response.is_after(until) {
            return Ok(Locked::Ended);
        }
        let reason = format!("until {}: {}", time_text(until), response.reason());
        if response.status != 403 {
            return Err(denied("retaining", key, reason));
        }
        // The bucket may have locked the object for longer when it was created.
        match self.retention(key).await?.filter(|now| now.until >= until) {
            Some(Retention { mode: Mode::Compliance, .. }) => Ok(Locked::Yes),
            Some(Retention { mode: Mode::Other, until: later }) => {
                let response = self.put_retention(key, later).await?;
                let reason = || {
                    let later = time_text(later);
                    format!(
                        "its lock until {later} can be shortened, and cannot be made a lock in compliance mode: {}",
                        response.reason()
                    )
                };
                if response.is_success() { Ok(Locked::Yes) } else { Err(denied("retaining", key, reason())) }
            }
            None => Err(denied("retaining", key, reason)),
        }
    }

    /// Asks the store to lock an object in compliance mode until a time in seconds since 1970.
    async fn put_retention(&self, key: &str, until: u64) -> Result<SignedResponse, ShelfError> {
        let date = time_text(until);
        let body = format!(
            "<Retention xmlns=\"{NAMESPACE}\"><Mode>COMPLIANCE</Mode><RetainUntilDate>{date}</RetainUntilDate></Retention>"
        );
        self.send("retaining", Some(key), ("PUT", "retention"), &body).await
    }

    /// Sets or releases the legal hold of an object.
    pub(crate) async fn set_legal_hold(&self, key: &str, on: bool) -> Result<(), ShelfError> {
        let (operation, status) = if on { ("holding", "ON") } else { ("releasing", "OFF") };
        let body = format!("<LegalHold xmlns=\"{NAMESPACE}\"><Status>{status}</Status></LegalHold>");
        let response = self.send(operation, Some(key), ("PUT", "legal-hold"), &body).await?;
        if response.is_success() { Ok(()) } else { Err(denied(operation, key, response.reason())) }
    }

    /// The lock of an object; `None` if there is none, or the store does not show it.
    async fn retention(&self, key: &str) -> Result<Option<Retention>, ShelfError> {
        let response = self.send("reading", Some(key), ("GET", "retention"), "").await?;
        let until = response.element("RetainUntilDate").filter(|_| response.is_success()).and_then(seconds);
        let mode = if response.element("Mode") == Some("COMPLIANCE") { Mode::Compliance } else { Mode::Other };
        Ok(until.map(|until| Retention { mode, until }))
    }

    /// The error of a removal that the store denies: with the lock of the object, if the store shows one.
    pub(crate) async fn denied_removal(&self, key: &str, source: &object_store::Error) -> ShelfError {
        let hold = self.send("reading", Some(key), ("GET", "legal-hold"), "").await;
        let is_held = hold.is_ok_and(|hold| hold.is_success() && hold.element("Status") == Some("ON"));
        let until = self.retention(key).await.ok().flatten().map(|retention| retention.until);
        let reason = match (is_held, until) {
            (true, _) => "under a legal hold".to_owned(),
            (false, Some(until)) => format!("retained until {}", time_text(until)),
            (false, None) => {
                let response = SignedResponse { status: 403, body: source.to_string(), ..SignedResponse::default() };
                if response.element("Code").is_some() { response.reason() } else { response.body }
            }
        };
        denied("removing", key, reason)
    }
}

pub(crate) fn denied(operation: &'static str, key: &str, reason: String) -> ShelfError {
    ShelfError::Denied { operation, key: key.to_owned(), reason }
}
