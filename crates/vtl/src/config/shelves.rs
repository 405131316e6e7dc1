//! Shelves on object storage.

use super::ConfigError;

/// Configuration of a shelf on object storage, which has cartridges of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShelfSetup {
    /// Name of the shelf, unique in the site.
    pub name: String,
    /// URL of the shelf, such as `s3://bucket/prefix`, without credentials.
    pub url: String,
    /// When a synchronised filemark ends.
    pub durability: ShelfDurability,
    /// Maximum number of bytes of the local files that the shelf also has, at least 1 GB.
    pub cache: u64,
    /// Place of the key with which new data is encrypted, such as `file:/etc/ferric/shelf.key`; `None`: it is not encrypted.
    pub encrypt: Option<String>,
    /// Places of former keys, with which cartridges can be read.
    pub former_keys: Vec<String>,
    /// Path of the configuration file, as the caller gave it, and line of the table in it.
    pub place: (String, usize),
}

/// The storage that has the data before a synchronised filemark when the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShelfDurability {
    /// The local disk. The shelf has the data when the cartridge is unloaded.
    Local,
    /// The shelf, as objects of its store.
    Remote,
}

impl ShelfDurability {
    /// The value in the configuration: `local` or `remote`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

impl ShelfSetup {
    /// Whether two tables say the same, possibly at different places of their files.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        Self { place: other.place.clone(), ..self.clone() } == *other
    }

    /// The error that the shelf, or one of its values, cannot be used.
    #[must_use]
    pub fn error(&self, key: &str, message: String) -> ConfigError {
        let (file, line) = self.place.clone();
        ConfigError { file, line, key: format!("shelf.{key}"), column: 0, message }
    }
}
