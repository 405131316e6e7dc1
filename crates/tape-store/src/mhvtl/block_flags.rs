//! Flags of a block in mhvtl's index.

/// The block is compressed with zlib.
pub const ZLIB: u8 = 0x01;
/// The block is encrypted, which mhvtl emulates.
pub const ENCRYPTED: u8 = 0x02;
/// The block is compressed with LZO.
pub const LZO: u8 = 0x04;
/// The record contains the CRC of the uncompressed block.
pub const CRC: u8 = 0x08;
