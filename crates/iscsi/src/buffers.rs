//! The source of data buffers, which the owner of a connection provides.

use zeroize::Zeroize;

/// A source of data buffers for one connection. The owner limits its memory.
pub trait BufferSource {
    /// Returns a buffer of at least `len` bytes, with any content. `None`: no buffer is available now; the owner calls
    /// [`Connection::resume`](crate::connection::Connection::resume) when one may be.
    fn acquire(&self, len: usize) -> Option<Vec<u8>>;
    /// Returns a buffer from [`Self::acquire`] to the source. An empty vector is not a buffer and is ignored.
    fn release(&self, buffer: Vec<u8>);
}

/// Releases the data of a command that is not run. It is not known here which commands carry encryption keys, so all of it
/// is wiped.
pub(crate) fn release_wiped(mut buffer: Vec<u8>, buffers: &dyn BufferSource) {
    buffer.as_mut_slice().zeroize();
    buffers.release(buffer);
}

/// A buffer source without a limit: allocates each buffer on the heap and frees it on release.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapBuffers;

impl BufferSource for HeapBuffers {
    fn acquire(&self, len: usize) -> Option<Vec<u8>> {
        Some(vec![0; len])
    }

    fn release(&self, _buffer: Vec<u8>) {}
}
