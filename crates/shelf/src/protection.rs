//! The retention and the legal hold of a cartridge, as its manifests record them and the store enforces them.
//!
//! The cartridge memory has both. A manifest repeats them, so that programs without the key of an encrypted cartridge know them.
//! On a shelf with Object Lock, a manifest is created after the store has locked every segment and index page that it names. So
//! a record of a manifest holds for all that it names, and a commit locks only what is new.

use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::manifest::Content;
use crate::object_lock::{Locked, time_text};
use crate::objects::Objects;
use crate::segment;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};
use tape_store::mam::{AttrId, Mam};

/// Requests for locks of objects that are in progress at the same time.
const PARALLEL: usize = 8;

/// The retention and the legal hold of a cartridge, which a manifest records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Protection {
    /// End of the retention in seconds since 1970-01-01 UTC; 0 if the cartridge was never retained.
    pub retained_until: u64,
    /// Whether the cartridge is under a legal hold, which has no end until it is released.
    pub is_held: bool,
    /// Whether the store enforces both for the segments and index pages of the manifest.
    pub in_store: bool,
    /// Whether the release of the legal hold has begun: until the next state, the store may hold only some of the objects.
    #[serde(default, skip_serializing_if = "is_false")]
    pub release_begun: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Protection {
    /// Whether the cartridge was never retained, and is not under a legal hold.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.retained_until == 0 && !self.is_held
    }

    /// The reason why the cartridge must not be destroyed at a time, such as `is under a legal hold`; `None` if it may be.
    #[must_use]
    pub fn reason(&self, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        match (self.is_held, self.retained_until > now) {
            (true, _) => Some("is under a legal hold".to_owned()),
            (false, true) => Some(format!("is retained until {}", time_text(self.retained_until))),
            (false, false) => None,
        }
    }

    /// The protection in the bytes of a cartridge memory; `None` if they are none. Only the attribute releases the
    /// legal hold of the `former` protection: a memory that was rebuilt, or is older than the hold, does not have it.
    pub(crate) fn of_memory(bytes: &[u8], former: Self) -> Option<Self> {
        let mam = Mam::decode(Mam::FILE, bytes).ok()?;
        let is_held = if mam.get(AttrId::LEGAL_HOLD, 0).is_some() { mam.is_held() } else { former.is_held };
        Some(Self { retained_until: mam.number(AttrId::RETAINED_UNTIL), is_held, ..Self::default() })
    }

    /// A cartridge memory with this protection, if its `bytes` have a shorter retention, or do not say whether there is a legal hold;
    /// otherwise `None`.
    pub(crate) fn added_to_memory(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut mam = Mam::decode(Mam::FILE, bytes).ok()?;
        let lacks_hold = self.is_held && mam.get(AttrId::LEGAL_HOLD, 0).is_none();
        let lacks_retention = mam.number(AttrId::RETAINED_UNTIL) < self.retained_until;
        if lacks_hold {
            mam.set_number(AttrId::LEGAL_HOLD, 1);
        }
        if lacks_retention {
            mam.set_number(AttrId::RETAINED_UNTIL, self.retained_until);
        }
        (lacks_hold || lacks_retention).then(|| mam.encode())
    }

    /// Whether all that is locked as this says is also locked as `other` says.
    pub(crate) const fn covers(&self, other: &Self) -> bool {
        self.in_store && self.is_as_long_as(other)
    }

    /// Whether this has a retention and a legal hold that are at least those of `other`.
    pub(crate) const fn is_as_long_as(&self, other: &Self) -> bool {
        self.retained_until >= other.retained_until && (self.is_held || !other.is_held)
    }
}

/// The names of the segments and index pages of a manifest.
pub(crate) struct Named {
    segments: BTreeSet<String>,
    pages: BTreeSet<String>,
}

impl Named {
    pub(crate) fn new<'a>(content: &Content, pages: impl Iterator<Item = &'a String>) -> Self {
        Self { segments: content.segments().into_keys().collect(), pages: pages.cloned().collect() }
    }

    /// The objects that `former` does not name, and the key of their encryption.
    pub(crate) fn objects_since(&self, former: Option<&Self>, keys: &CartridgeKeys) -> Vec<String> {
        let is_new = |name: &&String, of: fn(&Self) -> &BTreeSet<String>| {
            former.is_none_or(|former| !of(former).contains(*name))
        };
        let segments: Vec<&String> = self.segments.iter().filter(|name| is_new(name, |it| &it.segments)).collect();
        let pages = self.pages.iter().filter(|name| is_new(name, |it| &it.pages)).map(|name| keys.page(name));
        let is_encrypted = segments.iter().any(|name| segment::is_encrypted(name));
        let all = segments.iter().map(|name| keys.segment(name)).chain(pages);
        all.chain(is_encrypted.then(|| keys.key())).collect()
    }
}

/// Locks objects in the store as `protection` says. Nothing is locked by a retention that has ended by the clock of the store.
pub(crate) async fn lock(objects: Objects, keys: Vec<String>, protection: Protection) -> Result<Locked, ShelfError> {
    let (objects, until) = (&objects, protection.retained_until);
    let lock = |key: String| async move {
        if protection.is_held {
            objects.set_legal_hold(&key, true).await?;
        }
        if until == 0 { Ok(Locked::Yes) } else { objects.retain(&key, until).await }
    };
    let locked: Vec<Locked> = stream::iter(keys).map(lock).buffer_unordered(PARALLEL).try_collect().await?;
    Ok(if locked.contains(&Locked::Ended) { Locked::Ended } else { Locked::Yes })
}

/// Releases the legal hold of all objects of a cartridge, also of the objects that only former manifests name.
pub(crate) async fn release_holds(objects: Objects, keys: CartridgeKeys) -> Result<(), ShelfError> {
    let mut all = Vec::new();
    for directory in [keys.manifests(), keys.segments(), keys.pages()] {
        let found = objects.list(&directory).await?;
        all.extend(found.into_iter().map(|object| format!("{directory}/{}", object.name)));
    }
    if objects.exists(&keys.key()).await? {
        all.push(keys.key());
    }
    let objects = &objects;
    let release = |key: String| async move { objects.set_legal_hold(&key, false).await };
    stream::iter(all).map(release).buffer_unordered(PARALLEL).try_collect().await
}
