//! The position of the tape as the driver counts it.

/// The position within one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// Number of the file.
    pub(super) file: Number,
    /// Number of the block within the file.
    pub(super) block: Number,
    /// The event of the last operation.
    pub(super) boundary: Boundary,
    /// The last transfer since the last positioning.
    pub(super) last: LastTransfer,
}

/// The number of a file or a block, as MTIOCGET returns it: unknown if it is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) i32);

impl Number {
    pub(super) const ZERO: Self = Self(0);
    pub(super) const UNKNOWN: Self = Self(-1);

    /// Adds a count to a number that is known. A negative sum is unknown.
    pub(super) fn advance(&mut self, count: i32) {
        if self.0 >= 0 {
            *self = Self(self.0.saturating_add(count).max(-1));
        }
    }

    /// Adds the count of a command that spaces to a number that is known. Linux' driver returns a negative sum as it is.
    pub(super) fn space(&mut self, count: i32) {
        if self.0 >= 0 {
            *self = Self(self.0.saturating_add(count));
        }
    }
}

/// The event of the last operation at the position.
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
        Self { file: Number::UNKNOWN, block: Number::UNKNOWN, boundary: Boundary::None, last: LastTransfer::None };
    /// The beginning of a partition.
    pub(super) const BEGINNING: Self = Self { file: Number::ZERO, block: Number::ZERO, ..Self::UNKNOWN };

    /// Moves `count` filemarks towards the end: the position is after a filemark.
    pub(super) fn pass_filemarks(&mut self, count: i32) {
        self.file.advance(count);
        self.block = Number::ZERO;
        self.boundary = Boundary::Filemark;
    }

    /// Writes `count` filemarks. Unlike after a filemark that was passed, a read then fails at the end of data.
    pub(super) fn write_filemarks(&mut self, count: i32) {
        self.pass_filemarks(count);
        self.boundary = Boundary::None;
    }

    /// Moves `count` blocks towards the end.
    pub(super) fn pass_blocks(&mut self, count: i32) {
        self.block.advance(count);
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
        (self.file, self.block) == (Number::ZERO, Number::ZERO)
    }
}
