//! The shelves of the daemon on object storage, in builds that have them.

use std::path::Path;
use vtl::config::{Config, ConfigError};
use vtl::data_dir::DataDir;

/// Adds the shelves of the configuration to the data directory, which has their local files in `shelves/NAME`.
///
/// # Errors
/// A shelf cannot be used, or its store fails; the error names the shelf.
pub(crate) fn open(data: DataDir, directory: &Path, config: &Config) -> Result<DataDir, ConfigError> {
    #[cfg(feature = "shelf")]
    let opened = config.shelves.iter().try_fold(data, |data, setup| {
        let folders = enabled::open(setup, config, &directory.join("shelves").join(&setup.name))?;
        Ok(data.with_shelf(&setup.name, Box::new(folders)))
    });
    #[cfg(not(feature = "shelf"))]
    let opened = {
        let _ = directory;
        let built_without = |setup: &vtl::config::ShelfSetup| {
            setup.error("name", "this daemon was built without the feature shelf".into())
        };
        config.shelves.first().map_or(Ok(data), |setup| Err(built_without(setup)))
    };
    opened
}

#[cfg(feature = "shelf")]
mod enabled {
    use command_line::shelf::{open_shelf, read_keys};
    use shelf::trust::{self, Verdict};
    use shelf::{
        Durability, FoldersSetup, ReplicaSetup, Shelf, ShelfError, ShelfFolders, StorageClass, ThawTier, Unload,
    };
    use std::fmt::Display;
    use std::io;
    use std::path::Path;
    use std::sync::Arc;
    use tape_store::backend::Folder;
    use tape_store::backend::file::{OsFolder, create_private_folders};
    use tape_store::cartridge::Barcode;
    use vtl::config::{Config, ConfigError, ShelfDurability, ShelfSetup, ShelfThawTier, ShelfUnload};

    /// File in the local directory of a shelf, with the URL whose store was checked.
    const CHECKED: &str = "checked";

    /// Opens a shelf with its replicas and its local directory. The first time, its store is checked.
    pub(super) fn open(setup: &ShelfSetup, config: &Config, local: &Path) -> Result<ShelfFolders, ConfigError> {
        let error_of_directory = |error: io::Error| setup.error("name", format!("{}: {error}", local.display()));
        create_private_folders(local).map_err(error_of_directory)?;
        let mut folder = OsFolder::at(local.into());
        let checked = folder.read(CHECKED).map_err(error_of_directory)?;
        check_url(setup, local, checked.as_deref())?;
        if checked.is_none() {
            tracing::info!(shelf = setup.name, url = setup.url, "checking whether daemons can share the store");
            check_store(setup)?;
            folder.replace(CHECKED, format!("{}\n", setup.url).as_bytes()).map_err(error_of_directory)?;
        }
        if setup.object_lock {
            check_object_lock(setup)?;
        }
        if setup.url.starts_with("file:") {
            check_mounted(setup, local)?;
        }
        let durability = match setup.durability {
            ShelfDurability::Local => Durability::Local,
            ShelfDurability::Remote => Durability::Remote,
        };
        let mut folders = FoldersSetup::new(local.into()).with_durability(durability).with_cache(setup.cache);
        for replica in replicas(setup, config)? {
            folders = folders.with_replica(replica);
        }
        let unload = match setup.unload {
            ShelfUnload::Wait => Unload::Wait,
            ShelfUnload::Later => Unload::Later,
        };
        ShelfFolders::open(open_with_keys(setup)?, folders.with_unload(unload)).map_err(error_of_directory)
    }

    /// The replicas of a shelf: first those of its pools.
    fn replicas(setup: &ShelfSetup, config: &Config) -> Result<Vec<ReplicaSetup>, ConfigError> {
        let all = config.replicas_of(setup);
        // If a pool gets another replica, all cartridges are compared.
        let rules: Vec<String> = all
            .iter()
            .map(|(name, patterns)| {
                let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
                format!("{name}={}", patterns.join(","))
            })
            .collect();
        let mut replicas = Vec::new();
        for (name, patterns) in all {
            let Some(shelf) = config.shelves.iter().find(|shelf| shelf.name == name) else { continue };
            let place = format!("{} {}", shelf.url, rules.join(" "));
            let matches =
                move |barcode: &str| patterns.is_empty() || patterns.iter().any(|one| one.number(barcode).is_some());
            replicas.push(ReplicaSetup::new(name, place, open_with_keys(shelf)?).with_cartridges(Arc::new(matches)));
        }
        Ok(replicas)
    }

    fn open_with_keys(setup: &ShelfSetup) -> Result<Shelf, ConfigError> {
        let tier = match setup.thaw_tier {
            ShelfThawTier::Bulk => ThawTier::Bulk,
            ShelfThawTier::Standard => ThawTier::Standard,
            ShelfThawTier::Expedited => ThawTier::Expedited,
        };
        let shelf = open_url(setup)?.with_thaw(setup.thaw_days, tier);
        let shelf = if setup.object_lock { shelf.with_object_lock() } else { shelf };
        let shelf = match setup.class.and_then(|class| StorageClass::by_name(class.name())) {
            None => shelf,
            Some(class) => {
                shelf.with_class(class).map_err(|error| setup.error("class", format!("{}: {error}", setup.url)))?
            }
        };
        let Some(key) = &setup.encrypt else { return Ok(shelf) };
        let keys = read_keys(key, &setup.former_keys).map_err(|error| setup.error("encrypt", error.to_string()))?;
        Ok(shelf.with_keys(keys))
    }

    fn open_url(setup: &ShelfSetup) -> Result<Shelf, ConfigError> {
        open_shelf(&setup.url, "ferric-iscsid", vtl::entropy::fill).map_err(|error| match error {
            // The error of a file already names the URL.
            ShelfError::Url { source, .. } => setup.error("url", format!("{:?}: {source}", setup.url)),
            other => error_of_store(setup, &other),
        })
    }

    fn error_of_store(setup: &ShelfSetup, error: &dyn Display) -> ConfigError {
        setup.error("url", format!("{}: {error}", setup.url))
    }

    /// Refuses the local files of another shelf: their content would be put on this one.
    fn check_url(setup: &ShelfSetup, local: &Path, checked: Option<&[u8]>) -> Result<(), ConfigError> {
        let Some(before) = checked.map(|bytes| String::from_utf8_lossy(bytes)) else { return Ok(()) };
        let (before, now) = (before.trim_end(), setup.url.as_str());
        if before.trim_end_matches('/') == now.trim_end_matches('/') {
            return Ok(());
        }
        let message = format!("{} has the local files of {before}; use another name for {now}", local.display());
        Err(setup.error("url", message))
    }

    /// Calls an asynchronous function on dedicated threads.
    fn block_on<T>(setup: &ShelfSetup, call: impl Future<Output = Result<T, ConfigError>>) -> Result<T, ConfigError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(|error| setup.error("name", format!("starting threads: {error}")))?.block_on(call)
    }

    /// Refuses a shelf in a directory that has no cartridges although there are local files of some: the directory is probably an
    /// empty mount point, where a commit would succeed.
    fn check_mounted(setup: &ShelfSetup, local: &Path) -> Result<(), ConfigError> {
        let entries = std::fs::read_dir(local).into_iter().flatten().flatten();
        let known = entries.filter(|entry| entry.file_name().to_str().and_then(Barcode::new).is_some()).count();
        if known == 0 {
            return Ok(());
        }
        let has_cartridges = block_on(setup, async {
            open_url(setup)?.has_cartridges().await.map_err(|error| error_of_store(setup, &error))
        })?;
        if has_cartridges {
            return Ok(());
        }
        let local = local.display();
        let message = format!(
            "the shelf has no cartridges, but {local} has local files of {known}; mount its disk, or remove {local} if the \
             shelf is new"
        );
        Err(error_of_store(setup, &message))
    }

    /// Refuses a store that cannot lock objects. One that does not respond may be able to.
    fn check_object_lock(setup: &ShelfSetup) -> Result<(), ConfigError> {
        let checked = block_on(setup, async { Ok(open_url(setup)?.check_object_lock().await) })?;
        match checked {
            Ok(()) => Ok(()),
            Err(ShelfError::Store { operation, key, source }) => {
                let (shelf, error) = (&setup.name, ShelfError::Store { operation, key, source });
                tracing::warn!(shelf, %error, "whether the store can lock objects is unknown");
                Ok(())
            }
            Err(error) => Err(setup.error("object_lock", format!("{}: {error}", setup.url))),
        }
    }

    /// Refuses a store on which another daemon would overwrite what this one writes.
    fn check_store(setup: &ShelfSetup) -> Result<(), ConfigError> {
        let verdict = block_on(setup, async {
            let shelf = open_url(setup)?;
            let nonce = shelf.nonce().map_err(|error| error_of_store(setup, &error))?;
            let verdict =
                trust::first_check(shelf.objects(), &nonce).await.map_err(|error| error_of_store(setup, &error))?;
            // A new shelf has a catalog from its first cartridge on.
            shelf.begin_catalog().await.map_err(|error| error_of_store(setup, &error))?;
            Ok(verdict)
        })?;
        match verdict {
            Verdict::Once => Ok(()),
            other => Err(error_of_store(setup, &other)),
        }
    }
}
