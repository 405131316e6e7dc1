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

/// The thawing of the objects of a tape for a load. The store is asked in the background, until this value is dropped; what it was
/// asked for goes on after that.
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
