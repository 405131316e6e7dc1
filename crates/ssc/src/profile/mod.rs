//! Identities of real drives, as data.

mod hp;
mod ibm;

pub use hp::{ULTRIUM_5, ULTRIUM_6, ULTRIUM_7, ULTRIUM_8};
pub use ibm::{
    ULT3580_HH5, ULT3580_HH6, ULT3580_HH7, ULT3580_HH8, ULT3580_HH9, ULT3580_TD5, ULT3580_TD6, ULT3580_TD7,
    ULT3580_TD8, ULT3580_TD9,
};

use crate::protection::Method;
use scsi_core::identity::{Identity, Model};
use scsi_core::inquiry::Inquiry;
use scsi_core::log::LogId;
use scsi_core::lu::Check;
use scsi_core::mode::PageDef;
use scsi_core::spec::CommandSpec;
use scsi_core::writer::PageWriter;
use tape_store::cartridge::{Cartridge, Kind};
use tape_store::media::MediaSpec;

/// A generation of media that a drive takes.
#[derive(Debug)]
pub struct Format {
    /// The generation.
    pub media: &'static MediaSpec,
    /// It writes them too.
    pub writable: bool,
}

const fn rw(media: &'static MediaSpec) -> Format {
    Format { media, writable: true }
}

const fn ro(media: &'static MediaSpec) -> Format {
    Format { media, writable: false }
}

/// Who built the mechanism, and so how the drive speaks beyond the standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// IBM, under whatever name.
    Ibm,
    /// HP, up to LTO-6.
    Hp,
}

/// Logical block protection since LTO-5.
const REED_SOLOMON: &[Method] = &[Method::ReedSolomon];
/// Since LTO-7.
const BOTH: &[Method] = &[Method::ReedSolomon, Method::Crc32c];

/// Facts of one model.
#[derive(Debug)]
pub struct DriveProfile {
    /// Vendor, product and revision.
    pub model: Model,
    /// Who built it.
    pub maker: Maker,
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
    /// Writes the body of a VPD page of the maker.
    pub vendor_vpd: fn(page: u8, identity: &Identity, w: &mut PageWriter),
    /// Order of the checks before a command.
    pub order: &'static [Check],
    /// The ALGORITHM INDEX that SECURITY PROTOCOL IN names, and others that SECURITY PROTOCOL OUT takes for it.
    pub algorithm: (u8, &'static [u8]),
    /// Methods of logical block protection.
    pub protection: &'static [Method],
    /// It takes cartridges that are written once.
    pub worm: bool,
    /// It has READ END OF WRAP POSITION.
    pub end_of_wrap: bool,
}

impl DriveProfile {
    pub(crate) fn is_hp(&self) -> bool {
        self.maker == Maker::Hp
    }

    /// Whether a command of the table is not there.
    pub(crate) fn lacks(&self, spec: &CommandSpec) -> bool {
        !self.end_of_wrap && spec.name == crate::command::end_of_wrap::SPEC.name
    }

    /// MEDIUM TYPE of a cartridge.
    pub(crate) fn medium_type(&self, cartridge: &Cartridge) -> u8 {
        self.medium_type_of(cartridge.media(), cartridge.kind())
    }

    /// MEDIUM TYPE: IBM's names the generation, HP's only what the cartridge is for.
    pub(crate) fn medium_type_of(&self, media: &MediaSpec, kind: Kind) -> u8 {
        const WORM: u8 = 0x04;
        match (self.maker, kind) {
            (Maker::Ibm, Kind::Worm) => media.medium_type | WORM,
            (Maker::Ibm, _) => media.medium_type,
            (Maker::Hp, Kind::Worm) => 0x01,
            (Maker::Hp, _) => 0x00,
        }
    }
}

/// Every model.
pub const ALL: &[&DriveProfile] = &[
    &ULT3580_TD5,
    &ULT3580_TD6,
    &ULT3580_TD7,
    &ULT3580_TD8,
    &ULT3580_TD9,
    &ULT3580_HH5,
    &ULT3580_HH6,
    &ULT3580_HH7,
    &ULT3580_HH8,
    &ULT3580_HH9,
    &ULTRIUM_5,
    &ULTRIUM_6,
    &ULTRIUM_7,
    &ULTRIUM_8,
];

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
            assert_eq!(by_product(name).map(|found| found.model), Some(profile.model), "{name} stands once");
            assert!(profile.mode_pages.iter().all(PageDef::is_consistent), "{name}");
            assert!(profile.mode_pages.windows(2).all(|pair| pair[0].id < pair[1].id), "{name}");
            assert!(profile.log_pages.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            assert!(profile.vpd_pages.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            let densities: Vec<u8> = profile.formats.iter().map(|format| format.media.density).collect();
            assert!(densities.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            assert!(profile.formats.iter().any(|format| format.writable && format.media == profile.native), "{name}");
            assert_eq!(profile.inquiry.flags[0] & 1 == 1, !profile.protection.is_empty(), "{name}: PROTECT");
            assert_eq!(profile.vpd_pages.contains(&0xb5), !profile.protection.is_empty(), "{name}: page B5h");
            let crc32c = profile.protection.contains(&Method::Crc32c);
            assert_eq!(crc32c, profile.native.density >= 0x5c, "{name}: CRC-32C since LTO-7");
        }
    }
}
