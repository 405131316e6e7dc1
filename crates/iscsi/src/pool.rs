//! Where buffers come from and go back to.

/// A source of buffers, shared by the connections of a process.
pub trait Pool {
    /// A buffer of at least `len` bytes, with any content.
    fn take(&self, len: usize) -> Vec<u8>;
    /// A buffer that is no longer needed.
    fn give(&self, buffer: Vec<u8>);
}

/// A pool that keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPool;

impl Pool for NoPool {
    fn take(&self, len: usize) -> Vec<u8> {
        vec![0; len]
    }

    fn give(&self, _buffer: Vec<u8>) {}
}
