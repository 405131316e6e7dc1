//! Control data protection mode page, 0Ah/F0h (SSC-4 §8.3.9): logical block protection settings of each nexus.

use crate::block_protection::{BlockProtection, LEN, ProtectionMethod};
use scsi_core::field::FieldPointer;
use scsi_core::mode::{ModePageDef, PageId};

/// Identifier of the page.
pub(crate) const ID: PageId = PageId { page: 0x0a, subpage: 0xf0 };
const DEFAULT: [u8; 32] = super::subpage(ID, 32, &[]);
const CHANGEABLE: [u8; 32] = super::subpage(ID, 32, &[(4, 0xff), (5, 0x3f), (6, LBP_W | LBP_R)]);

/// Protection is off by default. RBDP is fixed at zero: RECOVER BUFFERED DATA returns no data.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(ID, &DEFAULT, &CHANGEABLE).per_nexus();

const LBP_W: u8 = 0x80;
const LBP_R: u8 = 0x40;

/// Checks selected values, and returns the invalid field.
pub(crate) fn check(methods: &[ProtectionMethod], page: &[u8]) -> Result<(), FieldPointer> {
    let [_, _, _, _, method, length, flags, ..] = page else { return Ok(()) };
    let on = *method != 0;
    if on && !methods.iter().any(|known| known.code() == *method) {
        return Err(FieldPointer::byte(4));
    }
    if on && usize::from(*length) != LEN || !on && !matches!(*length, 0 | 4) {
        return Err(FieldPointer::bits(5, 0x3f));
    }
    // A method needs LBP_W or LBP_R, and these need a method.
    if on == (*flags == 0) { Err(FieldPointer::bits(6, LBP_W)) } else { Ok(()) }
}

/// Logical block protection that the page selects; `None` if it is off.
pub(crate) fn protection(methods: &[ProtectionMethod], page: &[u8]) -> Option<BlockProtection> {
    let [_, _, _, _, method, _, flags, ..] = page else { return None };
    let method = methods.iter().copied().find(|known| known.code() == *method)?;
    Some(BlockProtection { method, write: flags & LBP_W != 0, read: flags & LBP_R != 0 })
}
