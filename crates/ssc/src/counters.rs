//! Counters of a load, for log pages, the cartridge memory and the owner of the drive.

/// Bytes, blocks and errors of a load, or of all loads since power-on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes of the blocks that hosts have written.
    pub written_by_host: u64,
    /// Bytes stored on the medium for them, after compression.
    pub written_to_medium: u64,
    /// Bytes of the blocks that hosts have read.
    pub read_by_host: u64,
    /// Bytes stored on the medium for the blocks that hosts have read.
    pub read_from_medium: u64,
    /// Number of filemarks that hosts have written.
    pub filemarks: u64,
    /// Number of blocks that hosts have written.
    pub blocks_written: u64,
    /// Number of blocks that hosts have read.
    pub blocks_read: u64,
    /// Objects that could not be read.
    pub read_failures: u64,
    /// Objects that could not be written.
    pub write_failures: u64,
}

impl Counters {
    /// Counts since `base`.
    pub(crate) const fn since(self, base: Self) -> Self {
        Self {
            written_by_host: self.written_by_host - base.written_by_host,
            written_to_medium: self.written_to_medium - base.written_to_medium,
            read_by_host: self.read_by_host - base.read_by_host,
            read_from_medium: self.read_from_medium - base.read_from_medium,
            filemarks: self.filemarks - base.filemarks,
            blocks_written: self.blocks_written - base.blocks_written,
            blocks_read: self.blocks_read - base.blocks_read,
            read_failures: self.read_failures - base.read_failures,
            write_failures: self.write_failures - base.write_failures,
        }
    }

    /// These counts and those of `other` together.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            written_by_host: self.written_by_host + other.written_by_host,
            written_to_medium: self.written_to_medium + other.written_to_medium,
            read_by_host: self.read_by_host + other.read_by_host,
            read_from_medium: self.read_from_medium + other.read_from_medium,
            filemarks: self.filemarks + other.filemarks,
            blocks_written: self.blocks_written + other.blocks_written,
            blocks_read: self.blocks_read + other.blocks_read,
            read_failures: self.read_failures + other.read_failures,
            write_failures: self.write_failures + other.write_failures,
        }
    }

    /// Ratio of host bytes to medium bytes in percent; 100 if `medium` is 0.
    pub(crate) fn ratio(host: u64, medium: u64) -> u64 {
        (host.saturating_mul(100)).checked_div(medium).unwrap_or(100)
    }
}
