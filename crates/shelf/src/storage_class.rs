//! Storage classes of the S3 protocol.

use crate::Shelf;
use crate::error::ShelfError;
use crate::objects::{Creation, Objects};
use bytes::Bytes;
use object_store::{Attribute, Attributes};
use std::fmt;

/// Shortest segment in bytes that is created in the class of the shelf. Shorter ones cost more in such a class than in the usual
/// one, and the cartridge memory is in one of them, which lists and loads read at once.
pub(crate) const MIN_CLASSED: u64 = 1 << 20;

/// A storage class of the S3 protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageClass {
    /// STANDARD, the usual class: objects are read at once.
    Standard,
    /// Storage costs less, reads cost more.
    StandardIa,
    /// As [`Self::StandardIa`], at one place.
    OnezoneIa,
    /// The store chooses by the last use.
    IntelligentTiering,
    /// An archive whose objects are read at once.
    GlacierIr,
    /// Objects must be thawed before they are read.
    Glacier,
    /// Objects must be thawed before they are read, which takes longer.
    DeepArchive,
}

impl StorageClass {
    /// All storage classes that are known.
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::StandardIa,
        Self::OnezoneIa,
        Self::IntelligentTiering,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// The name in the S3 protocol, such as `STANDARD_IA`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// The class with this [`name`](Self::name); `None` if there is none.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether objects must be thawed before they are read.
    #[must_use]
    pub const fn must_be_thawed(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Shelf {
    /// The same shelf, whose new segments of at least 1 MiB are created in a storage class. All other objects, which must be readable at
    /// once, are created in the class of the store.
    ///
    /// # Errors
    /// [`ShelfError::NoStorageClass`] if the store does not have the S3 protocol.
    pub fn with_class(self, class: StorageClass) -> Result<Self, ShelfError> {
        if self.objects.requests().is_none() {
            return Err(ShelfError::NoStorageClass { class: class.name() });
        }
        Ok(Self { objects: self.objects.with_class(class), ..self })
    }

    /// The storage class of new segments; `None` for that of the store.
    #[must_use]
    pub const fn class(&self) -> Option<StorageClass> {
        self.objects.class()
    }
}

impl Objects {
    /// Creates a segment in the storage class of the shelf. Its name has a nonce: an existing object of this name with other bytes is not
    /// of this program.
    pub(crate) async fn create_segment(&self, key: &str, object: Bytes) -> Result<(), ShelfError> {
        let class = self.class().filter(|_| object.len() as u64 >= MIN_CLASSED);
        let attributes: Attributes = class.map(|class| (Attribute::StorageClass, class.name())).into_iter().collect();
        match self.create_with(key, object, attributes).await? {
            Creation::Created => Ok(()),
            Creation::Exists(_) => Err(ShelfError::malformed(key, "it exists with other bytes")),
        }
    }
}
