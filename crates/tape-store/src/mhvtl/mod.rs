//! The cartridge as mhvtl keeps it: its files beside the tape's, and what their numbers mean. The text is the part of
//! `docs/format.md` on level `mhvtl`.

mod mam_files;
pub mod media;
mod packed;

use crate::backend::Backend;
use crate::cartridge::CartridgeKind;
use crate::mam::{AttrId, Mam};
use std::io::{self, IoSliceMut};

pub(crate) use mam_files::{MhvtlMam, blank};

/// The cartridge's memory: attributes.
pub(crate) const MAM: &str = "mam";
/// What mhvtl keeps of its own.
pub(crate) const PRIVATE: &str = "mhvtl_data";
/// The filemarks of format 3 to 5, and in format 3 the memory before them.
pub(crate) const PLAIN_META: &str = "meta";

/// The longest block that mhvtl's drive has a buffer for.
pub const MAX_BLOCK: usize = 2 << 20;
/// The last number that mhvtl gives an object.
pub const MAX_OBJECT: u64 = 0xffff_fff0;

/// How often a cartridge cleans.
const CLEANINGS: u64 = 20;

/// Says in a memory what its cartridge is for, as mhvtl does.
pub fn set_kind(mam: &mut Mam, kind: CartridgeKind) {
    mam.set_kind(kind);
    mam.set_number(AttrId::MEDIUM_TYPE_INFORMATION, if kind == CartridgeKind::Cleaning { CLEANINGS } else { 0 });
}

/// Bytes of cartridge memory before the filemarks: format 3 of mhvtl has it there.
pub(crate) fn mam_bytes_in_meta(meta: &mut dyn Backend) -> io::Result<u64> {
    let mut words = [0; 8];
    let got = meta.read_at(0, &mut [IoSliceMut::new(&mut words)])?;
    let packed = got == 8 && words.starts_with(&[3, 0, 0, 0]) && matches!(words, [.., 2 | 3, 0, 0, 0]);
    Ok(if packed && meta.len()? >= 1536 { 1024 } else { 0 })
}
