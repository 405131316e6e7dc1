//! Counters of a load, for log pages and the cartridge memory.

/// Bytes, blocks and errors of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Bytes written by hosts.
    pub(crate) written_by_host: u64,
    /// Bytes stored on the medium for them, after compression.
    pub(crate) written_to_medium: u64,
    /// Bytes read by hosts.
    pub(crate) read_by_host: u64,
    /// Bytes stored on the medium for them.
    pub(crate) read_from_medium: u64,
    /// Filemarks written.
    pub(crate) filemarks: u64,
    /// Blocks written.
    pub(crate) blocks_written: u64,
    /// Blocks read.
    pub(crate) blocks_read: u64,
    /// Objects that could not be read.
    pub(crate) read_failures: u64,
    /// Objects that could not be written.
    pub(crate) write_failures: u64,
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

    /// Ratio of host bytes to medium bytes in percent; 100 if `medium` is 0.
    pub(crate) fn ratio(host: u64, medium: u64) -> u64 {
        (host.saturating_mul(100)).checked_div(medium).unwrap_or(100)
    }
}
