//! Where buffers come from and go back to.

/// A source of buffers for one connection.
pub trait BufferSource {
    /// A buffer of at least `len` bytes, with any content. `None`: there is none now, and the owner calls
    /// [`Connection::resume`](crate::connection::Connection::resume) when there may be.
    fn acquire(&self, len: usize) -> Option<Vec<u8>>;
    /// A buffer that [`Self::take`] gave and that is no longer needed. An empty one is none.
    fn release(&self, buffer: Vec<u8>);
}

/// A pool that keeps nothing and always gives.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapBuffers;

impl BufferSource for HeapBuffers {
    fn acquire(&self, len: usize) -> Option<Vec<u8>> {
        Some(vec![0; len])
    }

    fn release(&self, _buffer: Vec<u8>) {}
}
