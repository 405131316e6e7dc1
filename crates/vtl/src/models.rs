//! The models of libraries and drives that a configuration can name.

use serde::{Deserialize, Serialize};
use smc::profile::ChangerProfile;
use ssc::profile::DriveProfile;
use tape_store::media::MediaSpec;

/// The models of libraries and drives: response to `models`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Models {
    /// Models of libraries, in the order of `ferric config models`.
    pub libraries: Vec<LibraryModel>,
    /// Models of drives, in the order of `ferric config models`.
    pub drives: Vec<DriveModel>,
}

/// A model of a library, with its maximum numbers of elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryModel {
    /// Value of the key `library.model` in a configuration.
    pub model: String,
    /// Maximum number of slots (storage elements).
    pub slots: u16,
    /// Maximum number of import/export elements.
    pub io_elements: u16,
    /// Maximum number of drives in one library.
    pub drives: u16,
}

/// A model of a drive, with the media that it can write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveModel {
    /// Value of the key `drive.model` in a configuration.
    pub model: String,
    /// Vendor identification in standard INQUIRY data.
    pub vendor: String,
    /// Media that the drive reads and writes; its native medium is the first.
    pub media: Vec<WritableMedium>,
}

/// A medium that a drive can write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritableMedium {
    /// Name of the medium, such as `LTO-8`.
    pub medium: String,
    /// Media identifier at the end of the barcode of a data cartridge, such as `L8`.
    pub suffix: String,
    /// Native capacity in bytes, without compression.
    pub capacity: u64,
}

impl From<&ChangerProfile> for LibraryModel {
    fn from(profile: &ChangerProfile) -> Self {
        let [slots, io_elements, drives] = profile.max_elements;
        Self { model: profile.name.into(), slots, io_elements, drives }
    }
}

impl From<&DriveProfile> for DriveModel {
    fn from(profile: &DriveProfile) -> Self {
        let native = profile.native_media;
        let writable = profile.supported_media.iter().filter(|support| support.can_write).map(|support| support.media);
        // A medium without an identifier needs a key in the configuration.
        let media = std::iter::once(native).chain(writable.rev().filter(|media| *media != native));
        let media = media.filter(|media| !media.suffix.is_empty()).map(WritableMedium::from).collect();
        Self { model: profile.name().into(), vendor: profile.model.vendor.into(), media }
    }
}

impl From<&MediaSpec> for WritableMedium {
    fn from(media: &MediaSpec) -> Self {
        Self { medium: media.name.into(), suffix: media.suffix.into(), capacity: media.capacity }
    }
}

impl Models {
    /// All models of this release.
    #[must_use]
    pub fn all() -> Self {
        Self {
            libraries: smc::profile::ALL.iter().copied().map(LibraryModel::from).collect(),
            drives: ssc::profile::ALL.iter().copied().map(DriveModel::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_have_their_native_medium_first() {
        let models = Models::all();
        let drive = |name: &str| models.drives.iter().find(|drive| drive.model == name).unwrap();
        let media = |name: &str| drive(name).media.iter().map(|medium| medium.suffix.as_str()).collect::<Vec<_>>();
        assert_eq!(media("ULT3580-TD8"), ["L8", "M8", "L7"]);
        assert_eq!(media("ULT3580-TD5"), ["L5", "L4"]);
        assert_eq!(media("ULT3580-TDA"), ["LA", "PA"]);
        assert_eq!(drive("ULT3580-TD8").media.first().unwrap().capacity, 12_000_000_000_000);
        let l700 = models.libraries.iter().find(|library| library.model == "STK L700").unwrap();
        assert_eq!((l700.slots, l700.drives), (678, 20));
    }
}
