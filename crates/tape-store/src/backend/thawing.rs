//! The thawing of the objects of a tape, in a store whose objects must be thawed before they are read.

use std::io;

/// How many objects of a tape can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThawProgress {
    /// Objects that can be read now; at most `objects`.
    pub ready: u64,
    /// Objects that a load of the tape needs.
    pub objects: u64,
}

/// The error of a call for bytes in an object that must be thawed first: an [`io::Error`] of a [`Folder`](super::Folder) or a
/// [`Backend`](super::Backend) carries it. The store was asked to thaw what the caller needs, and the call can be repeated; until the bytes can
/// be read, it fails with this error. It becomes [`StoreError::BeingThawed`](crate::error::StoreError::BeingThawed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is thawing the data: {} of {} objects can be read", .0.ready, .0.objects)]
pub struct BeingThawed(
    /// The objects that are thawed for the call, and for the calls that may follow it.
    pub ThawProgress,
);

impl From<BeingThawed> for io::Error {
    fn from(being_thawed: BeingThawed) -> Self {
        Self::new(io::ErrorKind::ResourceBusy, being_thawed)
    }
}

impl BeingThawed {
    /// The value that an I/O error carries, directly or as the cause of another I/O error.
    #[must_use]
    pub fn carried_by(error: &io::Error) -> Option<&Self> {
        let carried = error.get_ref()?;
        carried.downcast_ref().or_else(|| Self::carried_by(carried.downcast_ref()?))
    }
}

/// The thawing of the objects of a tape for a load. The store is asked in the background, until this value is dropped; the
/// requests stay in effect after that.
pub trait Thawing: Send {
    /// Whether the load must wait for the end of the thawing. This may wait for the first response of the store, but not for a
    /// thawing. It is called once, before the other methods.
    fn is_needed(&mut self) -> bool;
    /// How many objects can be read now. This never waits.
    fn progress(&self) -> ThawProgress;
    /// The end of the thawing: all objects can be read, or the store has failed or has denied a request. `None` before that. This
    /// never waits. After the end, it is not called again.
    fn end(&mut self) -> Option<io::Result<()>>;
}
