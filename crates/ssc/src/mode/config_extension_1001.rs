//! Device configuration extension mode page, 10h/01h (SSC-4 §8.3.8): append-only mode and programmable early warning.

use super::ModeState;
use crate::media::MediaState;
use scsi_core::field::FieldPointer;
use scsi_core::mode::{ModePageDef, PageId};

/// Identifier of the page.
pub(crate) const ID: PageId = PageId { page: 0x10, subpage: 0x01 };
/// SHORT ERASE MODE 2h: a short erase records end of data.
const DEFAULT: [u8; 32] = super::subpage(ID, 32, &[(5, 0x02)]);
const CHANGEABLE: [u8; 32] = super::subpage(ID, 32, &[(5, 0xf0), (6, 0xff), (7, 0xff)]);

/// WRITE MODE and PEWS are changeable and saveable: PS as captured from an LTO-9 drive (D0 01 00 1C).
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &DEFAULT, &CHANGEABLE).saveable();

/// WRITE MODE 1h (append-only) in byte 5.
pub(crate) const APPEND_ONLY: u8 = 0x10;
/// Unit of PEWS in bytes.
const MB: u64 = 1_000_000;

/// Checks selected values, and returns the invalid field. Append-only mode cannot be turned off while a volume is
/// mounted.
pub(crate) fn check(media: &MediaState, settings: &ModeState, page: &[u8]) -> Result<(), FieldPointer> {
    let [_, _, _, _, _, modes, ..] = page else { return Ok(()) };
    let mounted = media.opened().is_some();
    let ends = mounted && settings.append_only && modes >> 4 == 0;
    if modes >> 4 > 1 || ends { Err(FieldPointer::bits(5, 0xf0)) } else { Ok(()) }
}

/// Whether append-only mode is on, and PEWS in bytes.
pub(crate) fn settings(page: &[u8]) -> (bool, u64) {
    let [_, _, _, _, _, modes, high, low, ..] = page else { return (false, 0) };
    (modes >> 4 == 1, u64::from(u16::from_be_bytes([*high, *low])) * MB)
}
