//! Identities of real drives, as data.

mod lto;

pub use lto::{ULT3580_TD5, ULT3580_TD6, ULT3580_TD7, ULT3580_TD8, ULT3580_TD9};

use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::log::LogId;
use scsi_core::lu::Check;
use scsi_core::mode::PageDef;
use tape_store::media::MediaSpec;

/// A generation of media that a drive takes.
#[derive(Debug)]
pub struct Format {
    /// The generation.
    pub media: &'static MediaSpec,
    /// It writes them too.
    pub writable: bool,
}

/// Facts of one model.
#[derive(Debug)]
pub struct DriveProfile {
    /// Vendor, product and revision.
    pub model: Model,
    /// Standard INQUIRY data.
    pub inquiry: Inquiry,
    /// Media it takes, ascending by density.
    pub formats: &'static [Format],
    /// Its own generation of media.
    pub native: &'static MediaSpec,
    /// Mode pages, ascending.
    pub mode_pages: &'static [PageDef],
    /// Log pages, ascending.
    pub log_pages: &'static [LogId],
    /// VPD pages, ascending.
    pub vpd_pages: &'static [u8],
    /// Order of the checks before a command.
    pub order: &'static [Check],
    /// The ALGORITHM INDEX that SECURITY PROTOCOL IN names, and others that SECURITY PROTOCOL OUT takes for it.
    pub algorithm: (u8, &'static [u8]),
}

/// Every model.
pub const ALL: &[&DriveProfile] = &[&ULT3580_TD5, &ULT3580_TD6, &ULT3580_TD7, &ULT3580_TD8, &ULT3580_TD9];

/// The model with this product identification.
#[must_use]
pub fn by_product(product: &str) -> Option<&'static DriveProfile> {
    ALL.iter().copied().find(|profile| profile.model.product == product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_consistent() {
        for profile in ALL {
            let name = profile.model.product;
            assert!(profile.model.vendor.len() <= 8 && name.len() <= 16 && profile.model.revision.len() == 4, "{name}");
            assert!(profile.mode_pages.iter().all(PageDef::is_consistent), "{name}");
            assert!(profile.mode_pages.windows(2).all(|pair| pair[0].id < pair[1].id), "{name}");
            assert!(profile.log_pages.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            assert!(profile.vpd_pages.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            let densities: Vec<u8> = profile.formats.iter().map(|format| format.media.density).collect();
            assert!(densities.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            assert!(profile.formats.iter().any(|format| format.writable && format.media == profile.native), "{name}");
        }
    }
}
