//! Thawing of segments in classes whose objects must be restored before they are read.

use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::object_lock::denied;
use crate::objects::Objects;
use crate::protection::Named;
use crate::{Content, Shelf};
use futures_util::{StreamExt, TryStreamExt, stream};

/// Requests that are in progress at the same time.
const PARALLEL: usize = 8;
/// The classes of S3 whose objects must be restored.
const FROZEN_CLASSES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

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
enum State {
    Ready,
    Thawing,
    Frozen,
}

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
            match self.objects().state_of(&key).await? {
                State::Frozen if let Some((days, tier)) = request => self.objects().thaw(&key, days, tier).await,
                state => Ok(state),
            }
        };
        let states: Vec<State> = stream::iter(named).map(look).buffer_unordered(PARALLEL).try_collect().await?;
        let count = |wanted: State| states.iter().filter(|state| **state == wanted).count() as u64;
        let (ready, thawing, frozen) = (count(State::Ready), count(State::Thawing), count(State::Frozen));
        Ok(Thaw { objects: states.len() as u64, ready, thawing, frozen })
    }
}

impl Objects {
    async fn state_of(&self, key: &str) -> Result<State, ShelfError> {
        let response = self.send("reading", Some(key), ("HEAD", ""), "").await?;
        if !response.is_success() {
            return Err(denied("reading", key, response.reason()));
        }
        let restore = response.restore.unwrap_or_default();
        Ok(match response.class {
            Some(class) if FROZEN_CLASSES.contains(&class.as_str()) => {
                if restore.contains("ongoing-request=\"true\"") {
                    State::Thawing
                } else if restore.contains("ongoing-request=\"false\"") {
                    State::Ready
                } else {
                    State::Frozen
                }
            }
            _ => State::Ready,
        })
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
