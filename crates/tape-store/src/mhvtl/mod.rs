//! Cartridges in mhvtl's format: the files of their cartridge memory, and mhvtl's numbers. Specified in
//! `docs/format.md`.

pub mod block_flags;
mod mam_files;
pub mod media;
mod packed;

use crate::backend::Backend;
use crate::cartridge::CartridgeKind;
use crate::mam::{AttrId, Mam};
use std::io::{self, IoSliceMut};

pub(crate) use mam_files::{MhvtlMam, blank};

/// File of the MAM attributes.
pub(crate) const MAM: &str = "mam";
/// File of mhvtl's private attributes.
pub(crate) const PRIVATE: &str = "mhvtl_data";
/// File of the filemarks in formats 3 to 5; in format 3 the cartridge memory is before them.
pub(crate) const PLAIN_META: &str = "meta";

/// The longest block in bytes: the buffer size of mhvtl's drive.
pub const MAX_BLOCK: usize = 2 << 20;
/// The largest object number that mhvtl assigns.
pub const MAX_OBJECT: u64 = 0xffff_fff0;

/// Cleanings of a new cleaning cartridge.
const CLEANINGS: u64 = 20;

/// Sets the attributes for the kind of a cartridge, as mhvtl does.
pub fn set_kind(mam: &mut Mam, kind: CartridgeKind) {
    mam.set_kind(kind);
    mam.set_number(AttrId::MEDIUM_TYPE_INFORMATION, if kind == CartridgeKind::Cleaning { CLEANINGS } else { 0 });
}

/// Length in bytes of the cartridge memory before the filemarks in `meta`: format 3 stores it there; 0 in other
/// formats.
pub(crate) fn mam_bytes_in_meta(meta: &mut dyn Backend) -> io::Result<u64> {
    let mut words = [0; 8];
    let got = meta.read_at(0, &mut [IoSliceMut::new(&mut words)])?;
    let packed = got == 8 && words.starts_with(&[3, 0, 0, 0]) && matches!(words, [.., 2 | 3, 0, 0, 0]);
    Ok(if packed && meta.len()? >= 1536 { 1024 } else { 0 })
}
