//! The cartridge memory of formats 3 and 4: a packed structure of 1024 bytes, before the filemarks in `meta` or alone
//! in `mam`. It is converted to the attribute lists of format 5.

use super::mam_files::{Attributes, id};

/// Length of the structure in bytes.
pub(super) const SIZE: usize = 1024;

/// Identifier, offset and length of each field that is an attribute.
const MAM_FIELDS: [(u16, usize, usize); 32] = [
    (0x0000, 8, 8),
    (0x0001, 16, 8),
    (0x0002, 24, 8),
    (0x0003, 32, 8),
    (0x0004, 40, 8),
    (0x0005, 48, 8),
    (0x0006, 318, 1),
    (0x0007, 56, 2),
    (0x020a, 58, 40),
    (0x020b, 98, 40),
    (0x020c, 138, 40),
    (0x020d, 178, 40),
    (0x0220, 218, 8),
    (0x0221, 226, 8),
    (0x0222, 234, 8),
    (0x0223, 242, 8),
    (0x0400, 250, 8),
    (0x0401, 258, 32),
    (0x0402, 290, 4),
    (0x0403, 294, 4),
    (0x0404, 298, 8),
    (0x0405, 319, 1),
    (0x0406, 306, 12),
    (0x0407, 322, 8),
    (0x0408, 320, 1),
    (0x0409, 330, 2),
    (0x0800, 332, 8),
    (0x0801, 340, 32),
    (0x0802, 372, 8),
    (0x0803, 380, 160),
    (0x0804, 540, 12),
    (0x0805, 552, 1),
];
const HOST_FIELDS: [(u16, usize, usize); 3] = [(0x0806, 553, 32), (0x0807, 585, 80), (0x0808, 665, 160)];
const PRIVATE_FIELDS: [(u16, usize, usize); 7] = [
    (id::DIRTY, 825, 1),
    (id::FLAGS, 826, 2),
    (id::MEDIA_TYPE, 321, 1),
    (id::BITS_PER_MM, 828, 4),
    (id::TRACKS, 832, 2),
    (id::DENSITY_NAME, 834, 8),
    (id::DESCRIPTION, 842, 32),
];

/// The attributes of a packed structure, and mhvtl's private attributes.
pub(super) fn unpack(bytes: &[u8; SIZE]) -> (Attributes, Attributes) {
    let field = |(id, offset, len): &(u16, usize, usize)| Some((*id, bytes.get(*offset..offset + len)?.to_vec()));
    let mam = MAM_FIELDS.iter().chain(&HOST_FIELDS).filter_map(field).collect();
    (mam, PRIVATE_FIELDS.iter().filter_map(field).collect())
}
