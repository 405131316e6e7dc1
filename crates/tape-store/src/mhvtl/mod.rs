//! The cartridge as mhvtl keeps it: its files beside the tape's, and what their numbers mean. The text is the part of
//! `docs/format.md` on level `mhvtl`.

mod chip;
pub mod media;
mod packed;

pub(crate) use chip::{Chip, blank};

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
