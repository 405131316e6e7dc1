//! Directories of cartridges that a configuration names: a site that is new can use them.

use super::{CartridgeSetup, Config, ConfigError};
use crate::permissions::group_id;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Refuses directories of cartridges that do not exist (unless they are to be created), that cannot be read, or where the new
/// cartridges cannot be created. To find that out, a directory is created in the first one, and removed.
pub(crate) fn check_directories(config: &Config) -> Result<(), ConfigError> {
    for (at, path) in config.cartridge_directories.iter().enumerate() {
        let creates = at == 0 && creates_cartridges(config);
        check(path, config.create_directories, creates).map_err(|message| {
            let line = config.storage_lines.directories.get(at).copied().unwrap_or(1);
            let (file, key) = (config.storage_lines.file.clone(), "storage.cartridges".into());
            ConfigError { file, line, key, column: 0, message }
        })?;
    }
    Ok(())
}

/// The number of the group that may read the site, if the configuration names one.
pub(crate) fn group_number(config: &Config) -> Result<Option<u32>, ConfigError> {
    config.group.as_deref().map(group_id).transpose().map_err(|message| {
        let (file, key) = (config.storage_lines.file.clone(), "storage.group".into());
        ConfigError { file, line: config.storage_lines.group, key, column: 0, message }
    })
}

fn check(path: &Path, create: bool, creates_cartridges: bool) -> Result<(), String> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(data) if data.is_dir() => {}
        Ok(_) => return Err(format!("{shown} is not a directory")),
        Err(error) if error.kind() == ErrorKind::NotFound && create => {
            let parent = path.ancestors().skip(1).find(|parent| parent.as_os_str().is_empty() || parent.exists());
            let parent = parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return try_to_create_in(parent).map_err(|error| {
                format!("directory {shown} cannot be created in {}: {}", parent.display(), reason(&error))
            });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!("directory {shown} does not exist; create it, correct the path, or set create = true"));
        }
        Err(error) => return Err(format!("directory {shown}: {error}")),
    }
    fs::read_dir(path).map_err(|error| format!("directory {shown} cannot be read: {error}"))?;
    if creates_cartridges {
        let failed = |error| format!("cartridges cannot be created in directory {shown}: {}", reason(&error));
        try_to_create_in(path).map_err(failed)?;
    }
    Ok(())
}

/// Whether a site that is new creates cartridges in a directory: a pool has blank ones, or the files of a listed one do not exist.
fn creates_cartridges(config: &Config) -> bool {
    let exists = |setup: &CartridgeSetup| {
        config.cartridge_directories.iter().any(|path| path.join(setup.barcode.as_str()).exists())
    };
    config.new_cartridges.is_none()
        && (config.pools.iter().any(|pool| pool.scratch > 0)
            || config.libraries.iter().any(|library| !library.cartridges.iter().all(exists)))
}

/// Creates a directory and removes it. The name is not a barcode, so that no other process takes it for a cartridge, and no
/// other check uses it.
fn try_to_create_in(path: &Path) -> io::Result<()> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let probe = path.join(format!(".ferric-check-{}-{number}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&probe)?;
    fs::remove_dir(&probe)?;
    let space = rustix::fs::statvfs(path)?;
    if space.f_blocks > 0 && space.f_bavail == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
}

/// Reason why a directory cannot be created, for an operator.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull => "the file system is full".into(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        // In an existing directory, a file system that has no directories of users, such as /proc.
        ErrorKind::NotFound | ErrorKind::Unsupported => "its file system does not store files".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{check, parse};

    /// The error of a configuration with this line of `[storage]`, by `config check`.
    fn error(storage: &str) -> String {
        check(&parse("f.toml", &format!("[storage]\n{storage}\n")).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn directories_where_no_cartridge_can_be_created() {
        let error_of_proc = error("cartridges = [\"/proc\"]");
        assert!(
            error_of_proc
                .starts_with("f.toml:2: storage.cartridges: cartridges cannot be created in directory /proc: "),
            "{error_of_proc}"
        );
        let created = error("create = true\ncartridges = [\"/proc/tapes/a\"]");
        assert!(
            created.starts_with("f.toml:3: storage.cartridges: directory /proc/tapes/a cannot be created in /proc: "),
            "{created}"
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for create in ["", "create = true\n"] {
            assert!(error(&format!("{create}cartridges = [{file:?}]")).ends_with("/file is not a directory"));
            let below = file.join("below");
            let error = error(&format!("{create}cartridges = [{below:?}]"));
            assert!(error.contains("/file/below: Not a directory"), "{error}");
        }
        // Nothing is created in the second directory; what the check has created is removed.
        let good = dir.path().join("good");
        std::fs::create_dir(&good).unwrap();
        check(&parse("f.toml", &format!("[storage]\ncartridges = [{good:?}, \"/proc\"]\n")).unwrap()).unwrap();
        assert_eq!(std::fs::read_dir(&good).unwrap().count(), 0);
    }
}
