//! The setup of a daemon that serves drives of a site: the configuration of the site, and the identities of the drives.

use crate::error::ShelfError;
use crate::{Shelf, record};
use serde::{Deserialize, Serialize};

/// The setup that the daemon which runs a site leaves in the store for another one, which serves some of its drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrivesSetup {
    /// Text of the configuration file of the site.
    pub configuration: String,
    /// The identities of the drives of this daemon.
    pub drives: Vec<DriveIdentity>,
}

/// The identity of a drive, which its own daemon and the element of the library show alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveIdentity {
    /// Name of the library in the configuration.
    pub library: String,
    /// Number of the drive in the library, from 1.
    pub number: usize,
    /// Unit serial number of the drive.
    pub serial: String,
    /// NAA designator, sixteen hexadecimal digits.
    pub naa: String,
}

impl Shelf {
    /// Replaces the setup of a daemon that serves drives of a site.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn put_drives_setup(&self, site: &str, daemon: &str, setup: &DrivesSetup) -> Result<(), ShelfError> {
        let key = key_of(site, daemon);
        self.objects().replace(&key, record::encode(&key, setup)?).await
    }

    /// The setup of a daemon that serves drives of a site; `None` if the site has no drives of this daemon, or its own daemon
    /// never ran.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if the object is damaged.
    pub async fn drives_setup(&self, site: &str, daemon: &str) -> Result<Option<DrivesSetup>, ShelfError> {
        let key = key_of(site, daemon);
        let found = self.objects().get_long(&key).await?;
        found.map(|bytes| record::decode(&key, &bytes)).transpose()
    }

    /// The names of the daemons that have a setup for drives of a site.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails.
    pub async fn drives_daemons(&self, site: &str) -> Result<Vec<String>, ShelfError> {
        let objects = self.objects().list(&format!("sites/{site}/drives/setup")).await?;
        Ok(objects.into_iter().map(|object| object.name).collect())
    }
}

fn key_of(site: &str, daemon: &str) -> String {
    format!("sites/{site}/drives/setup/{daemon}")
}
