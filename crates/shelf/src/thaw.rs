//! Thawing of segments in classes whose objects must be restored before they are read.

use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::object_lock::{Archive, denied};
use crate::objects::Objects;
use crate::protection::Named;
use crate::{Content, Shelf};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::Duration;

/// Requests that are in progress at the same time.
pub(crate) const PARALLEL: usize = 8;

/// The speed of a restoring, which has a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThawTier {
    /// The cheapest one: objects can be read after up to two days.
    Bulk,
    /// The usual one: objects can be read after hours.
    #[default]
    Standard,
    /// The fastest one: minutes. The class DEEP_ARCHIVE does not have it.
    Expedited,
}

impl ThawTier {
    const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "Bulk",
            Self::Standard => "Standard",
            Self::Expedited => "Expedited",
        }
    }
}

/// How many objects of a cartridge can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thaw {
    /// Objects that the newest state names.
    pub objects: u64,
    /// Objects that can be read now.
    pub ready: u64,
    /// Objects that are being thawed.
    pub thawing: u64,
    /// Objects that must be thawed before they are read, and are not being thawed.
    pub frozen: u64,
}

/// The state of one object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Thawing,
    Frozen,
    /// The store has no such object: a newer state does not name it.
    Missing,
}

/// A request to thaw objects: the number of days for which they can be read then, and the speed.
pub(crate) type ThawRequest = (u16, ThawTier);

impl Shelf {
    /// Looks which objects of a content can be read, and lets the store thaw the others for a number of days, unless `request` is
    /// `None`. This does not wait for the end of the thawing. In a store without the S3 protocol, all objects count as ready.
    ///
    /// # Errors
    /// [`ShelfError::Denied`] if the store denies a request, or [`ShelfError::Store`] if it fails.
    pub async fn thaw(
        &self,
        barcode: &str,
        content: &Content,
        request: Option<(u16, ThawTier)>,
    ) -> Result<Thaw, ShelfError> {
        let keys = CartridgeKeys::new(barcode);
        let named = Named::new(content, std::iter::empty()).objects_since(None, &keys);
        if !self.objects().has_object_lock() {
            let objects = named.len() as u64;
            return Ok(Thaw { objects, ready: objects, ..Thaw::default() });
        }
        let look = |key: String| async move {
            let state = match request {
                Some(request) => self.objects().thaw_if_frozen(&key, request).await,
                None => Ok(self.objects().look(&key).await?.state),
            };
            if let Ok(State::Missing) = state { Err(ShelfError::malformed(&key, "it is missing")) } else { state }
        };
        let states: Vec<State> = stream::iter(named).map(look).buffer_unordered(PARALLEL).try_collect().await?;
        let count = |wanted: State| states.iter().filter(|state| **state == wanted).count() as u64;
        let (ready, thawing, frozen) = (count(State::Ready), count(State::Thawing), count(State::Frozen));
        Ok(Thaw { objects: states.len() as u64, ready, thawing, frozen })
    }
}

/// The state of an object, as the store shows it.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) state: State,
    /// The archive that has the object; `None` if it need not be thawed.
    pub(crate) archive: Option<Archive>,
    /// Time for which a restored copy can be read.
    expires_in: Option<Duration>,
}

impl Objects {
    /// The state of an object. If it must be thawed first, the store is asked for that.
    pub(crate) async fn thaw_if_frozen(&self, key: &str, request: ThawRequest) -> Result<State, ShelfError> {
        match self.look(key).await? {
            Look { state: State::Frozen, archive: Some(archive), .. } => self.thaw(key, request, archive).await,
            look => Ok(look.state),
        }
    }

    /// Lets a restored copy be readable for longer if it expires in less than half of the days of `request`. Returns whether it does now.
    pub(crate) async fn renew(&self, key: &str, request: ThawRequest) -> Result<bool, ShelfError> {
        let half = Duration::from_secs(u64::from(request.0) * 24 * 60 * 60 / 2);
        match self.look(key).await? {
            Look { state: State::Ready, archive: Some(archive), expires_in: Some(left) } if left < half => {
                self.thaw(key, request, archive).await.map(|_| true)
            }
            _ => Ok(false),
        }
    }

    /// The state of an object.
    pub(crate) async fn look(&self, key: &str) -> Result<Look, ShelfError> {
        let response = self.send("reading", Some(key), ("HEAD", ""), "").await?;
        if response.status == 404 {
            return Ok(Look { state: State::Missing, archive: None, expires_in: None });
        }
        if !response.is_success() {
            return Err(denied("reading", key, response.reason()));
        }
        let (archive, restore) = (response.archived(), response.restore.as_deref().unwrap_or_default());
        let state = match restore {
            _ if archive.is_none() => State::Ready,
            _ if restore.contains("ongoing-request=\"true\"") => State::Thawing,
            _ if restore.contains("ongoing-request=\"false\"") => State::Ready,
            _ => State::Frozen,
        };
        Ok(Look { state, archive, expires_in: response.expires_in() })
    }

    async fn thaw(&self, key: &str, request: ThawRequest, archive: Archive) -> Result<State, ShelfError> {
        let response = self.send("thawing", Some(key), ("POST", "restore"), &document(request, archive)).await?;
        let is_asked = response.element("Code") == Some("RestoreAlreadyInProgress");
        if response.is_success() || is_asked {
            Ok(State::Thawing)
        } else {
            Err(denied("thawing", key, response.reason()))
        }
    }
}

/// The document of a restore request (RestoreObject of the S3 API). The archives for the longest time have no tier Expedited, and what is
/// restored from INTELLIGENT_TIERING does not expire.
fn document((days, tier): ThawRequest, archive: Archive) -> String {
    let is_deep = matches!(archive, Archive::Deep | Archive::TieringDeep);
    let tier = if is_deep && tier == ThawTier::Expedited { ThawTier::Standard } else { tier }.name();
    let days = match archive {
        Archive::Glacier | Archive::Deep => format!("<Days>{days}</Days>"),
        Archive::Tiering | Archive::TieringDeep => String::new(),
    };
    format!(
        "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{days}<GlacierJobParameters>\
         <Tier>{tier}</Tier></GlacierJobParameters></RestoreRequest>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_lock::SignedResponse;

    #[test]
    fn documents_of_restore_requests() {
        let text = |tier, archive| {
            let document = document((3, tier), archive);
            let (_, rest) = document.split_once("2006-03-01/\">").unwrap();
            rest.strip_suffix("</GlacierJobParameters></RestoreRequest>").unwrap().to_owned()
        };
        let days = "<Days>3</Days><GlacierJobParameters>";
        assert_eq!(text(ThawTier::Expedited, Archive::Glacier), format!("{days}<Tier>Expedited</Tier>"));
        assert_eq!(text(ThawTier::Expedited, Archive::Deep), format!("{days}<Tier>Standard</Tier>"));
        assert_eq!(text(ThawTier::Bulk, Archive::Deep), format!("{days}<Tier>Bulk</Tier>"));
        assert_eq!(text(ThawTier::Expedited, Archive::Tiering), "<GlacierJobParameters><Tier>Expedited</Tier>");
        assert_eq!(text(ThawTier::Expedited, Archive::TieringDeep), "<GlacierJobParameters><Tier>Standard</Tier>");
    }

    #[test]
    fn headers_of_archived_objects() {
        let of = |class: &str, archive: Option<&str>| {
            let (class, archive) = (Some(class.to_owned()), archive.map(str::to_owned));
            SignedResponse { class, archive, ..SignedResponse::default() }.archived()
        };
        assert_eq!((of("GLACIER", None), of("GLACIER_IR", None)), (Some(Archive::Glacier), None));
        assert_eq!(of("INTELLIGENT_TIERING", None), None);
        assert_eq!(of("INTELLIGENT_TIERING", Some("ARCHIVE_ACCESS")), Some(Archive::Tiering));
        assert_eq!(of("INTELLIGENT_TIERING", Some("DEEP_ARCHIVE_ACCESS")), Some(Archive::TieringDeep));
        let expiry = |date: &str, restore: &str| {
            let (date, restore) = (Some(date.to_owned()), Some(restore.to_owned()));
            SignedResponse { date, restore, ..SignedResponse::default() }.expires_in().map(|left| left.as_secs())
        };
        let now = "Mon, 30 Nov 2026 23:00:00 GMT";
        let restored = "ongoing-request=\"false\", expiry-date=\"Tue, 01 Dec 2026 00:00:00 GMT\"";
        assert_eq!(expiry(now, restored), Some(3600));
        assert_eq!(expiry("Tue, 01 Dec 2026 01:00:00 GMT", restored), Some(0));
        assert_eq!(expiry(now, "ongoing-request=\"true\""), None);
    }
}
