//! The file `site.lease` of a data directory: the site whose state it has, and the leases that it has had of this site.

use serde::{Deserialize, Serialize};
use shelf::FormerSiteLeases;
use std::path::Path;
use tape_store::backend::Folder;
use tape_store::backend::file::OsFolder;

/// Name of the file in the data directory.
pub(super) const NAME: &str = "site.lease";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeaseFile {
    /// Name of the site in the store.
    site: String,
    /// URL of the store, without a slash at its end.
    url: String,
    pub(super) leases: FormerSiteLeases,
    /// Whether the files of the site are being replaced by those of its copy: if this was interrupted, they mean nothing.
    pub(super) is_restoring: bool,
}

impl LeaseFile {
    /// That of a directory without a state of the site.
    pub(super) fn new(site: &str, url: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { site: site.to_owned(), url, leases: FormerSiteLeases::default(), is_restoring: false }
    }

    /// The file of a directory that is going to be used for a site; a new one if there is none, or it names another site, but the
    /// directory was never used for that.
    ///
    /// # Errors
    /// The directory has the state of another site, the file is damaged, or it cannot be read.
    pub(super) fn read(folder: &mut OsFolder, data: &Path, site: &str, url: &str) -> Result<Self, String> {
        let path = data.join(NAME);
        let new = Self::new(site, url);
        let Some(bytes) = folder.read(NAME).map_err(|error| format!("{}: {error}", path.display()))? else {
            return Ok(new);
        };
        let found: Self = serde_json::from_slice(&bytes).map_err(|error| {
            format!(
                "{} is damaged: {error}; use an empty directory, into which the site returns from its copy in the store",
                path.display()
            )
        })?;
        if (&found.site, &found.url) == (&new.site, &new.url) {
            return Ok(found);
        }
        if found.leases.epoch == 0 && !found.is_restoring {
            return Ok(new);
        }
        Err(format!(
            "{} has the state of site {} in {}, not that of site {} in {}; use an empty directory, or the --site and --name of its \
             state",
            data.display(),
            found.site,
            found.url,
            new.site,
            new.url
        ))
    }

    /// Whether the state of the directory is known to be that of the site.
    pub(super) const fn has_site(&self) -> bool {
        self.leases.epoch > 0 || self.is_restoring
    }

    /// Replaces the file durably.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn write(&self, folder: &mut OsFolder, data: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", data.join(NAME).display());
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::other).map_err(failed)?;
        folder.replace(NAME, &bytes).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn a_directory_that_was_never_used_for_a_site_is_free_for_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let (data, mut folder) = (directory.path(), OsFolder::at(directory.path().to_path_buf()));
        let read = |folder: &mut OsFolder, site, url| LeaseFile::read(folder, data, site, url);
        let mut file = read(&mut folder, "rack1", "s3://tapes/").unwrap();
        file.leases.nonces.push("asked".into());
        file.write(&mut folder, data).unwrap();
        assert_eq!(read(&mut folder, "rack1", "s3://tapes").unwrap(), file);
        assert!(read(&mut folder, "rack2", "s3://tapes").unwrap().leases.nonces.is_empty());
        for (epoch, is_restoring) in [(1, false), (0, true)] {
            file.leases.epoch = epoch;
            file.is_restoring = is_restoring;
            file.write(&mut folder, data).unwrap();
            assert_eq!(read(&mut folder, "rack1", "s3://tapes").unwrap(), file);
            assert!(read(&mut folder, "rack2", "s3://tapes").is_err());
            assert!(read(&mut folder, "rack1", "s3://other").is_err());
        }
    }
}
