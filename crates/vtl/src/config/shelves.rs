//! Shelves on object storage.

use super::barcodes::Pattern;
use super::file::{SHELF_CACHE, THAW_DAYS, check_shelf_url};
use super::{Config, ConfigError, PoolReplica, PoolSetup};

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
    /// When an unload of a cartridge ends that has data which is not on the shelf yet.
    pub unload: ShelfUnload,
    /// Maximum number of bytes of the local files that the shelf also has, at least 1 GB.
    pub cache: u64,
    /// Place of the key with which new data is encrypted, such as `file:/etc/ferric/shelf.key`; `None`: it is not encrypted.
    pub encrypt: Option<String>,
    /// Places of former keys, with which cartridges can be read.
    pub former_keys: Vec<String>,
    /// Whether the store locks the objects of retained cartridges, and of cartridges under a legal hold.
    pub object_lock: bool,
    /// Storage class in which new segments of the data are created; `None`: that of the store.
    pub class: Option<ShelfClass>,
    /// Speed with which the store thaws the segments of a cartridge that a drive loads.
    pub thaw_tier: ShelfThawTier,
    /// Number of days for which thawed segments can be read, 1 to 365.
    pub thaw_days: u16,
    /// Name of another shelf, which comes later in the file: cartridges are copied to it, and read from it while this one does not
    /// respond.
    pub replica: Option<String>,
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

/// The end of an unload of a cartridge that has data which is not on the shelf yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShelfUnload {
    /// When the shelf has the data.
    Wait,
    /// At once. The daemon puts the data on the shelf in the background, and no other daemon can load the cartridge meanwhile.
    Later,
}

impl ShelfUnload {
    /// The value in the configuration: `wait` or `later`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Later => "later",
        }
    }
}

/// A storage class of the S3 protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShelfClass {
    /// STANDARD, the usual class: objects are read at once.
    Standard,
    /// STANDARD_IA: storage costs less, reads cost more.
    StandardIa,
    /// ONEZONE_IA: as [`Self::StandardIa`], at one place.
    OnezoneIa,
    /// INTELLIGENT_TIERING: the store chooses by the last use.
    IntelligentTiering,
    /// GLACIER_IR: an archive whose objects are read at once.
    GlacierIr,
    /// GLACIER: objects must be thawed before they are read.
    Glacier,
    /// DEEP_ARCHIVE: objects must be thawed before they are read, which takes longer.
    DeepArchive,
}

impl ShelfClass {
    /// All classes, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::StandardIa,
        Self::OnezoneIa,
        Self::IntelligentTiering,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// The value in the configuration, which is the name in the S3 protocol.
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

    /// Whether objects must be thawed before they are read.
    #[must_use]
    pub const fn must_be_thawed(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }
}

/// The speed of a thawing, which has a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShelfThawTier {
    /// The cheapest one: up to two days.
    Bulk,
    /// The usual speed: objects can be read after hours.
    Standard,
    /// The fastest one: minutes. The class DEEP_ARCHIVE does not have it.
    Expedited,
}

impl ShelfThawTier {
    /// All tiers, the slowest first.
    pub const ALL: [Self; 3] = [Self::Bulk, Self::Standard, Self::Expedited];

    /// The value in the configuration: `bulk`, `standard` or `expedited`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Standard => "standard",
            Self::Expedited => "expedited",
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

impl Config {
    /// Name of the shelf of a site that is stored in an object store, unless the configuration has a shelf with its URL.
    pub const SITE_SHELF: &str = "site";

    /// Adds the shelf of a site that is stored in an object store, as `place` names the URL: for new cartridges, unless the
    /// configuration names another shelf for them. A `[[shelf]]` with this URL stays as it is. Returns the name of the shelf.
    ///
    /// # Errors
    /// The URL is not that of a shelf, or the configuration has another shelf with the name [`Self::SITE_SHELF`].
    pub fn add_site_shelf(&mut self, url: &str, place: &str) -> Result<String, ConfigError> {
        let error = |message| ConfigError { file: place.into(), line: 0, key: String::new(), column: 0, message };
        check_shelf_url(url).map_err(error)?;
        let is_same = |shelf: &&ShelfSetup| shelf.url.trim_end_matches('/') == url.trim_end_matches('/');
        let name = match self.shelves.iter().find(is_same) {
            Some(shelf) => shelf.name.clone(),
            None if self.shelves.iter().any(|shelf| shelf.name == Self::SITE_SHELF) => {
                return Err(error(format!(
                    "the configuration has a shelf {:?} with another URL; use another name for it",
                    Self::SITE_SHELF
                )));
            }
            None => {
                self.shelves.push(ShelfSetup {
                    name: Self::SITE_SHELF.into(),
                    url: url.into(),
                    unload: ShelfUnload::Wait,
                    durability: ShelfDurability::Remote,
                    cache: SHELF_CACHE,
                    encrypt: None,
                    former_keys: Vec::new(),
                    object_lock: false,
                    class: None,
                    thaw_tier: ShelfThawTier::Standard,
                    thaw_days: THAW_DAYS,
                    replica: None,
                    place: (place.into(), 0),
                });
                Self::SITE_SHELF.into()
            }
        };
        let of_other = |pool: &&PoolSetup| pool.replica.as_ref().is_some_and(|replica| replica.shelf != name);
        if let Some(pool) = self.pools.iter().find(of_other).filter(|_| self.new_cartridges.is_none()) {
            return Err(error(format!(
                "pool {:?} has a replica, but its new cartridges would be on shelf {name:?}; give storage.new_cartridges",
                pool.name
            )));
        }
        self.new_cartridges.get_or_insert_with(|| name.clone());
        Ok(name)
    }

    /// The replicas of a shelf, with the patterns of the barcodes that are copied to each; without a pattern, those of no
    /// pool that has another replica. A cartridge is copied to the first one that it matches.
    #[must_use]
    pub fn replicas_of(&self, shelf: &ShelfSetup) -> Vec<(String, Vec<Pattern>)> {
        let mut replicas: Vec<(String, Vec<Pattern>)> = Vec::new();
        for pool in &self.pools {
            let Some(PoolReplica { replica, .. }) = pool.replica.as_ref().filter(|of| of.shelf == shelf.name) else {
                continue;
            };
            match replicas.iter_mut().find(|(name, _)| name == replica) {
                // The replica of the shelf has them anyway, after all pools.
                _ if shelf.replica.as_ref() == Some(replica) => {}
                Some((_, patterns)) => patterns.push(pool.pattern.clone()),
                None => replicas.push((replica.clone(), vec![pool.pattern.clone()])),
            }
        }
        replicas.extend(shelf.replica.iter().map(|name| (name.clone(), Vec::new())));
        replicas
    }

    /// Names of shelves, each with the name of one of its replicas.
    pub(crate) fn replicas(&self) -> Vec<(String, String)> {
        let of = |shelf: &ShelfSetup| {
            let name = shelf.name.clone();
            self.replicas_of(shelf).into_iter().map(move |(replica, _)| (name.clone(), replica))
        };
        self.shelves.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn the_shelf_of_a_site_is_added_unless_the_configuration_has_it() {
        let mut config = Config::default();
        assert_eq!(config.add_site_shelf("s3://tapes/x", "--site").unwrap(), "site");
        assert_eq!(config.new_cartridges.as_deref(), Some("site"));
        assert_eq!((config.shelves.len(), config.shelves[0].url.as_str()), (1, "s3://tapes/x"));
        let text = "[[shelf]]\nname = \"a\"\nurl = \"s3://tapes/x/\"\ndurability = \"local\"\n";
        let mut config = parse("f", text).unwrap();
        assert_eq!(config.add_site_shelf("s3://tapes/x", "--site").unwrap(), "a");
        assert_eq!((config.shelves.len(), config.shelves[0].durability), (1, ShelfDurability::Local));
        assert_eq!(config.new_cartridges.as_deref(), Some("a"));
        let mut config = parse("f", &text.replace("\"a\"", "\"site\"")).unwrap();
        assert!(config.add_site_shelf("s3://tapes/y", "--site").unwrap_err().message.contains("with another URL"));
        let error = config.add_site_shelf("tapes", "--site").unwrap_err().to_string();
        assert!(error.starts_with("--site: \"tapes\" is not the URL of a shelf; expected"), "{error}");
    }
}
