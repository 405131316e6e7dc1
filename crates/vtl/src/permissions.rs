//! Corrects file permissions of a site: access for the owner only, or also read access for a configured group.

use crate::data_dir::AUDIT_DIRECTORY;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use tape_store::cartridge::Barcode;

/// Prefixes of the file names in a data directory that belong to the site; other files are not touched.
const DATA_DIR_FILES: [&str; 6] = ["lock", "control.sock", "state", "identities", "inventory", "unit-"];
/// Files among these that the group does not need.
const OWNER_ONLY_FILES: [&str; 2] = ["lock", "control.sock"];
/// Files that identify the folder of a cartridge: its cartridge memory in either format, or the copy of it.
const MAM_FILES: [&str; 3] = ["ferric.mam", "ferric.mam.copy", "mam"];
/// The sticky bit of a directory that all users may write to, such as `/tmp`.
const STICKY_BIT: u32 = 0o1000;

/// The ID of a group, given by its name in `/etc/group` or as a number.
///
/// # Errors
/// Fails if there is no such group, or the file cannot be read.
pub(crate) fn group_id(group: &str) -> Result<u32, String> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let text = fs::read_to_string("/etc/group").map_err(|error| format!("/etc/group: {error}"))?;
    let number = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    number.ok_or_else(|| format!("there is no group {group:?} in /etc/group; a number is also taken"))
}

/// The name of a user in `/etc/passwd`; `None` if it is not there.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    let (text, uid) = (fs::read_to_string("/etc/passwd").ok()?, uid.to_string());
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(&uid)).then(|| name.to_owned())
    })
}

/// Removes excess permissions from the files and directories of a site, and sets those of the group.
pub(crate) struct PermissionFixer {
    group: Option<u32>,
    changed: usize,
}

impl PermissionFixer {
    /// Corrects permissions for the owner only, or for a group that may read.
    pub(crate) const fn new(group: Option<u32>) -> Self {
        Self { group, changed: 0 }
    }

    /// Corrects a data directory with its state files and its cartridges.
    pub(crate) fn fix_data_dir(&mut self, path: &Path) {
        if self.is_world_writable(path) {
            return;
        }
        self.fix_folder(path);
        for (name, path) in entries(path) {
            if DATA_DIR_FILES.iter().any(|ours| name.starts_with(ours)) {
                let group = self.group.take_if(|_| OWNER_ONLY_FILES.contains(&name.as_str()));
                self.fix_file(&path);
                self.group = self.group.or(group);
            }
        }
        self.fix_folder_with_files(&path.join(AUDIT_DIRECTORY));
        let cartridges = path.join("cartridges");
        self.fix_folder(&cartridges);
        self.fix_cartridges(&cartridges);
        self.log_changes(path);
    }

    /// Corrects cartridge directories outside the data directory. A directory that also contains other entries keeps
    /// its permissions, and so do those entries.
    pub(crate) fn fix_cartridge_directories(&mut self, paths: &[PathBuf]) {
        for path in paths {
            let only_cartridges = entries(path).iter().all(|(name, _)| Barcode::new(name).is_some());
            if only_cartridges && !self.is_world_writable(path) {
                self.fix_folder(path);
            }
            self.fix_cartridges(path);
            self.log_changes(path);
        }
    }

    /// Logs how many permissions were corrected.
    fn log_changes(&mut self, path: &Path) {
        let changed = std::mem::take(&mut self.changed);
        if changed > 0 {
            tracing::warn!(path = %path.display(), files = changed, "permissions of existing files and directories were corrected");
        }
    }

    /// Whether all users share a directory, so that its permissions must not be changed.
    fn is_world_writable(&self, path: &Path) -> bool {
        let shared = fs::metadata(path).is_ok_and(|metadata| metadata.mode() & STICKY_BIT != 0);
        if shared {
            tracing::warn!(path = %path.display(), "directory is shared by all users; permissions not changed");
        }
        shared
    }

    fn fix_cartridges(&mut self, path: &Path) {
        for (name, path) in entries(path) {
            let is_folder = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
            if Barcode::new(&name).is_none() || !is_folder || !MAM_FILES.iter().any(|file| path.join(file).exists()) {
                continue;
            }
            self.fix_folder_with_files(&path);
        }
    }

    fn fix_folder_with_files(&mut self, path: &Path) {
        self.fix_folder(path);
        for (_, file) in entries(path) {
            self.fix_file(&file);
        }
    }

    fn fix_folder(&mut self, path: &Path) {
        if let Ok(metadata) = fs::metadata(path)
            && metadata.is_dir()
        {
            self.set_permissions(path, &metadata, 0o700, 0o2750);
        }
    }

    fn fix_file(&mut self, path: &Path) {
        // A symbolic link is not followed: its target may be outside the site.
        if let Ok(metadata) = fs::symlink_metadata(path)
            && !metadata.is_symlink()
            && !metadata.is_dir()
        {
            self.set_permissions(path, &metadata, 0o600, 0o640);
        }
    }

    /// Without a group, permissions are only removed.
    fn set_permissions(&mut self, path: &Path, metadata: &Metadata, owner: u32, group: u32) {
        let old = metadata.mode() & 0o7777;
        let new = if self.group.is_some() { group } else { old & owner };
        let other_group = self.group.filter(|group| *group != metadata.gid());
        if new == old && other_group.is_none() {
            return;
        }
        let owned = other_group.map_or(Ok(()), |group| lchown(path, None, Some(group)));
        let set = owned.and_then(|()| fs::set_permissions(path, Permissions::from_mode(new)));
        match set {
            Ok(()) => self.changed += 1,
            Err(error) => tracing::warn!(path = %path.display(), %error, "permissions cannot be corrected"),
        }
    }
}

fn entries(path: &Path) -> Vec<(String, PathBuf)> {
    let list = || -> io::Result<Vec<(String, PathBuf)>> {
        let entries = fs::read_dir(path)?.map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
        });
        entries.collect()
    };
    list().unwrap_or_default()
}
