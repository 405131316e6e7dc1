//! What the driver believes about the position of the tape.

/// The position within one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// Number of the file, -1 if unknown.
    pub(super) file: i32,
    /// Number of the block within the file, -1 if unknown.
    pub(super) block: i32,
    /// The mark that the last operation met.
    pub(super) boundary: Boundary,
    /// The last transfer since the last positioning.
    pub(super) last: LastTransfer,
}

/// What the position is next to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boundary {
    /// Data, or nothing known.
    None,
    /// A read met a filemark after data that it returned; the next read returns 0 bytes.
    FilemarkPending,
    /// The position is after a filemark.
    Filemark,
    /// A write met early warning and returned its bytes; the next one fails.
    EarlyWarning,
    /// A write failed because of early warning; the next one is sent to the drive.
    EarlyWarningReported,
    /// The end of the medium.
    EndOfMedium,
    /// A read met the end of data and returned 0 bytes once.
    EndOfDataOnce,
    /// The end of data.
    EndOfData,
}

/// The kind of the last transfer, which decides what close and positioning do first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastTransfer {
    /// Neither since the last positioning.
    None,
    /// A read.
    Read,
    /// A write of data: close writes a filemark.
    Write,
}

impl Position {
    /// No tape was seen.
    pub(super) const UNKNOWN: Self = Self { file: -1, block: -1, boundary: Boundary::None, last: LastTransfer::None };
    /// The beginning of a partition.
    pub(super) const BEGINNING: Self = Self { file: 0, block: 0, ..Self::UNKNOWN };

    /// After a forward movement over `count` filemarks.
    pub(super) fn pass_filemarks(&mut self, count: i32) {
        if self.file >= 0 {
            self.file = self.file.saturating_add(count);
        }
        self.block = 0;
        self.boundary = Boundary::Filemark;
    }

    /// After a forward movement over `count` blocks.
    pub(super) fn pass_blocks(&mut self, count: i32) {
        if self.block >= 0 {
            self.block = self.block.saturating_add(count);
        }
        self.boundary = Boundary::None;
    }
}
