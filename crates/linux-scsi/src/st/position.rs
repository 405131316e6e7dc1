//! What the driver believes about the position of the tape.

/// The position within one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// Number of the file; `None` if unknown.
    pub(super) file: Option<i32>,
    /// Number of the block within the file; `None` if unknown.
    pub(super) block: Option<i32>,
    /// What the last operation met.
    pub(super) boundary: Boundary,
    /// The last transfer since the last positioning.
    pub(super) last: LastTransfer,
}

/// What the last operation met at the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boundary {
    /// Data, or nothing known.
    None,
    /// A filemark that a read met after the data that it returned: the drive is after it, the next read returns 0 bytes.
    FilemarkPending,
    /// A filemark: the position is after it.
    Filemark,
    /// Early warning during a write that returned its bytes: the next write fails.
    EarlyWarning,
    /// Early warning that a failed write reported: the next write is sent to the drive.
    EarlyWarningReported,
    /// The end of data, where a read may return 0 bytes once more.
    EndOfDataOnce,
    /// The end of data: reads fail.
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
    pub(super) const UNKNOWN: Self =
        Self { file: None, block: None, boundary: Boundary::None, last: LastTransfer::None };
    /// The beginning of a partition.
    pub(super) const BEGINNING: Self = Self { file: Some(0), block: Some(0), ..Self::UNKNOWN };

    /// Moves `count` filemarks towards the end: the position is after a filemark.
    pub(super) fn pass_filemarks(&mut self, count: i32) {
        self.file = self.file.map(|file| file.saturating_add(count));
        self.block = Some(0);
        self.boundary = Boundary::Filemark;
    }

    /// Moves `count` blocks towards the end.
    pub(super) fn pass_blocks(&mut self, count: i32) {
        self.block = self.block.map(|block| block.saturating_add(count));
    }

    /// After a transfer that met nothing. Early warning lasts until the tape is positioned.
    pub(super) fn after_transfer(&mut self) {
        self.boundary = match self.boundary {
            Boundary::EarlyWarning | Boundary::EarlyWarningReported => Boundary::EarlyWarning,
            _ => Boundary::None,
        };
    }

    /// Whether this is the beginning of the first file.
    pub(super) fn is_beginning(&self) -> bool {
        (self.file, self.block) == (Some(0), Some(0))
    }
}
