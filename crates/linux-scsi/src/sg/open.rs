//! Opening nodes of sg, with O_EXCL.

use crate::Errno;
use crate::st::Access;

/// The open file descriptions of one node of sg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Openings {
    files: u32,
    /// Whether the only one has O_EXCL.
    is_exclusive: bool,
}

impl Openings {
    /// Opens the node.
    ///
    /// # Errors
    /// EPERM for O_EXCL without access to write. EBUSY for O_EXCL while the node is open, and while it is open with O_EXCL;
    /// an open without O_NONBLOCK waits then, and tries again.
    pub const fn open(&mut self, access: Access, exclusive: bool) -> Result<(), Errno> {
        if exclusive && matches!(access, Access::Read) {
            return Err(Errno::EPERM);
        }
        if self.is_exclusive || exclusive && self.files > 0 {
            return Err(Errno::EBUSY);
        }
        self.files += 1;
        self.is_exclusive = exclusive;
        Ok(())
    }

    /// Closes an open file description of the node.
    pub const fn close(&mut self) {
        self.files = self.files.saturating_sub(1);
        self.is_exclusive = false;
    }
}
