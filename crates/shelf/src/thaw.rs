//! Thawing of segments in classes whose objects must be restored before they are read.

use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::object_lock::denied;
use crate::objects::Objects;
use crate::protection::Named;
use crate::storage_class::StorageClass;
use crate::{Content, Shelf};
use futures_util::{StreamExt, TryStreamExt, stream};

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
                None => Ok(self.objects().state_of(&key).await?.1),
            };
            if let Ok(State::Missing) = state { Err(ShelfError::malformed(&key, "it is missing")) } else { state }
        };
        let states: Vec<State> = stream::iter(named).map(look).buffer_unordered(PARALLEL).try_collect().await?;
        let count = |wanted: State| states.iter().filter(|state| **state == wanted).count() as u64;
        let (ready, thawing, frozen) = (count(State::Ready), count(State::Thawing), count(State::Frozen));
        Ok(Thaw { objects: states.len() as u64, ready, thawing, frozen })
    }
}

impl Objects {
    /// The state of an object. If it must be thawed first, the store is asked for that.
    pub(crate) async fn thaw_if_frozen(&self, key: &str, (days, tier): ThawRequest) -> Result<State, ShelfError> {
        match self.state_of(key).await?.1 {
            State::Frozen => self.thaw(key, days, tier).await,
            state => Ok(state),
        }
    }

    /// Whether an object is in a class whose objects must be thawed, and its state.
    pub(crate) async fn state_of(&self, key: &str) -> Result<(bool, State), ShelfError> {
        let response = self.send("reading", Some(key), ("HEAD", ""), "").await?;
        if response.status == 404 {
            return Ok((false, State::Missing));
        }
        if !response.is_success() {
            return Err(denied("reading", key, response.reason()));
        }
        let restore = response.restore.unwrap_or_default();
        let class = response.class.as_deref().and_then(StorageClass::by_name);
        if !class.is_some_and(StorageClass::must_be_thawed) {
            return Ok((false, State::Ready));
        }
        Ok((
            true,
            match restore {
                _ if restore.contains("ongoing-request=\"true\"") => State::Thawing,
                _ if restore.contains("ongoing-request=\"false\"") => State::Ready,
                _ => State::Frozen,
            },
        ))
    }

    async fn thaw(&self, key: &str, days: u16, tier: ThawTier) -> Result<State, ShelfError> {
        let tier = tier.name();
        let body = format!(
            "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>{days}</Days><GlacierJobParameters>\
             <Tier>{tier}</Tier></GlacierJobParameters></RestoreRequest>"
        );
        let response = self.send("thawing", Some(key), ("POST", "restore"), &body).await?;
        let is_asked = response.element("Code") == Some("RestoreAlreadyInProgress");
        if response.is_success() || is_asked {
            Ok(State::Thawing)
        } else {
            Err(denied("thawing", key, response.reason()))
        }
    }
}
