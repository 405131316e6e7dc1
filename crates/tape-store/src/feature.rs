//! The cargo features of this crate as values. An operation that needs a feature that the build lacks fails with an error
//! that names the feature; it never has another result.

use std::fmt;

/// A cargo feature that adds a codec or the encryption of blocks. All are in the default features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// `encryption`: encryption of blocks with AES-256-GCM, and wrapped keys.
    Encryption,
    /// `zlib`: compression with zlib (RFC 1950).
    Zlib,
    /// `zstd`: compression with Zstandard (RFC 8878).
    Zstd,
}

impl Feature {
    /// Name of the feature in `Cargo.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encryption => "encryption",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    /// Whether this build has the feature.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        match self {
            Self::Encryption => cfg!(feature = "encryption"),
            Self::Zlib => cfg!(feature = "zlib"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// The feature if this build lacks it.
    pub(crate) const fn if_missing(self) -> Option<Self> {
        if self.is_enabled() { None } else { Some(self) }
    }

    /// The codec or cipher that the feature adds.
    const fn provides(self) -> &'static str {
        match self {
            Self::Encryption => "AES-256-GCM",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} needs feature {:?}, which this build lacks", self.provides(), self.name())
    }
}
