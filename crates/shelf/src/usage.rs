//! The objects of a shelf, counted.

use crate::Shelf;
use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::transfer::FETCH_LEN;

/// The objects of a shelf, and the requests that they stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Number of cartridges on the shelf.
    pub cartridges: u64,
    /// Number of objects of all kinds.
    pub objects: u64,
    /// Length of all objects in bytes.
    pub stored_bytes: u64,
    /// Length of the files of all cartridges in bytes.
    pub used_bytes: u64,
    /// Number of manifests, leases and index pages.
    pub records: u64,
    /// Number of segments of all cartridges.
    pub segments: u64,
    /// Requests that read the present content of all segments and pages.
    reads: u64,
}

impl Usage {
    /// Requests that have written the objects: one for each segment, manifest, lease and page.
    #[must_use]
    pub const fn write_requests(&self) -> u64 {
        self.segments + self.records
    }

    /// Requests that read all files once, as a drive does.
    #[must_use]
    pub const fn read_requests(&self) -> u64 {
        self.reads
    }
}

impl Shelf {
    /// Counts the objects of all cartridges. This lists the store.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails, or [`ShelfError::Malformed`] if a manifest is damaged.
    pub async fn usage(&self) -> Result<Usage, ShelfError> {
        let mut usage = Usage::default();
        for barcode in self.barcodes().await? {
            let keys = CartridgeKeys::new(&barcode);
            usage.cartridges += 1;
            for object in self.objects().list(&keys.segments()).await? {
                usage.segments += 1;
                usage.objects += 1;
                usage.stored_bytes += object.len;
            }
            for directory in [keys.manifests(), keys.leases(), keys.pages()] {
                for object in self.objects().list(&directory).await? {
                    usage.records += 1;
                    usage.objects += 1;
                    usage.stored_bytes += object.len;
                }
            }
            let Some(newest) = self.newest(&barcode).await? else { continue };
            usage.used_bytes += newest.content.bytes();
            let files = newest.content.files.values();
            usage.reads +=
                files.flat_map(|file| &file.extents).map(|extent| extent.len.div_ceil(FETCH_LEN)).sum::<u64>();
        }
        Ok(usage)
    }
}
