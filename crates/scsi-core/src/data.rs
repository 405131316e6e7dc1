//! The Data-Out and Data-In buffers of a command, as cursors over lists of borrowed slices. The memory can be that of a
//! socket, a guest or a `Vec`.

use crate::parameter_list;
use crate::sense::Sense;
use smallvec::SmallVec;
use std::io::{IoSlice, IoSliceMut};

/// Slices of one Data-Out transfer. Up to four need no allocation.
pub type Slices<'a> = SmallVec<[IoSlice<'a>; 4]>;
/// Writable slices of one Data-In transfer. Up to four need no allocation.
pub type SlicesMut<'a> = SmallVec<[IoSliceMut<'a>; 4]>;

/// The Data-Out and Data-In buffers of one command.
#[derive(Debug)]
pub struct Data<'a, 'b> {
    /// Data from the initiator, complete before the command runs.
    pub data_out: DataOut<'a>,
    /// Buffer for data to the initiator.
    pub data_in: DataIn<'a, 'b>,
}

impl<'a, 'b> Data<'a, 'b> {
    /// The data of a command, in buffers that the transport provides.
    #[must_use]
    pub fn new(data_out: &'a [IoSlice<'a>], data_in: &'a mut [IoSliceMut<'b>]) -> Self {
        Self { data_out: DataOut::new(data_out), data_in: DataIn::new(data_in) }
    }

    /// The same buffers, lent to a command: the caller can read them after it.
    #[must_use]
    pub const fn reborrow(&mut self) -> Data<'_, 'b> {
        let DataOut { slices, len, consumed, missing } = self.data_out;
        let DataIn { slices: ref mut data_in, capacity, limit, wanted } = self.data_in;
        Data {
            data_out: DataOut { slices, len, consumed, missing },
            data_in: DataIn { slices: data_in, capacity, limit, wanted },
        }
    }
}

/// The Data-Out buffer: the bytes that the initiator sent.
#[derive(Debug)]
pub struct DataOut<'a> {
    slices: &'a [IoSlice<'a>],
    len: usize,
    consumed: usize,
    missing: usize,
}

impl<'a> DataOut<'a> {
    /// A buffer of all bytes of these slices, in order.
    #[must_use]
    pub fn new(slices: &'a [IoSlice<'a>]) -> Self {
        Self { slices, len: slices.iter().map(|slice| slice.len()).sum(), consumed: 0, missing: 0 }
    }

    /// Number of bytes that the initiator sent.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the initiator sent no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the `len` bytes at `offset` as slices of the buffer, without copying; fewer if the buffer ends before.
    #[must_use]
    pub fn window(&self, offset: usize, len: usize) -> Slices<'a> {
        let (mut skip, mut left) = (offset, len);
        let mut out = Slices::new();
        for slice in self.slices {
            let slice: &'a [u8] = slice;
            let Some(rest) = slice.get(skip..) else {
                skip -= slice.len();
                continue;
            };
            skip = 0;
            let part = rest.get(..left).unwrap_or(rest);
            left -= part.len();
            if !part.is_empty() {
                out.push(IoSlice::new(part));
            }
        }
        out
    }

    /// Copies the first `len` bytes; `None` if the initiator sent fewer.
    fn copy_front(&mut self, len: usize) -> Option<Vec<u8>> {
        if len > self.len {
            self.missing = len - self.len;
            return None;
        }
        self.consumed = len;
        Some(self.window(0, len).iter().flat_map(|slice| slice.iter().copied()).collect())
    }

    /// Copies a parameter list of `len` bytes from the beginning of the buffer.
    ///
    /// # Errors
    /// ILLEGAL REQUEST 1Ah/00h if the initiator sent fewer bytes.
    pub fn parameters(&mut self, len: usize) -> Result<Vec<u8>, Sense> {
        self.copy_front(len).ok_or_else(parameter_list::length_error)
    }

    /// Counts `len` more bytes as consumed by the device.
    pub const fn consume(&mut self, len: usize) {
        self.consumed += len;
    }

    /// Records that the CDB requests `wanted` bytes. Returns whether the initiator sent as many.
    pub const fn require(&mut self, wanted: usize) -> bool {
        self.missing = wanted.saturating_sub(self.len);
        self.missing == 0
    }

    /// Number of bytes that the device consumed.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// Number of bytes that the CDB requests and the initiator did not send.
    #[must_use]
    pub const fn missing(&self) -> usize {
        self.missing
    }
}

/// The Data-In buffer. Bytes that do not fit are dropped and counted; data is truncated here and nowhere else.
#[derive(Debug)]
pub struct DataIn<'a, 'b> {
    slices: &'a mut [IoSliceMut<'b>],
    capacity: usize,
    limit: usize,
    wanted: usize,
}

impl<'a, 'b> DataIn<'a, 'b> {
    /// A buffer over all of these slices, in order.
    #[must_use]
    pub fn new(slices: &'a mut [IoSliceMut<'b>]) -> Self {
        let capacity = slices.iter().map(|slice| slice.len()).sum();
        Self { slices, capacity, limit: usize::MAX, wanted: 0 }
    }

    /// Applies an ALLOCATION LENGTH in bytes: data beyond it is neither sent nor counted as residual overflow.
    pub const fn limit(&mut self, allocation_length: usize) {
        self.limit = allocation_length;
    }

    /// Appends `bytes`, truncated to the ALLOCATION LENGTH and to the capacity of the buffer.
    pub fn append(&mut self, bytes: &[u8]) {
        let allowed = bytes.get(..self.limit - self.wanted.min(self.limit)).unwrap_or(bytes);
        self.copy_at(self.written(), allowed);
        self.wanted += allowed.len();
    }

    /// Copies `bytes` to `offset` from the start of the buffer, truncated to its capacity. Call [`Self::advance`]
    /// afterwards.
    pub fn copy_at(&mut self, offset: usize, bytes: &[u8]) {
        let mut rest = bytes;
        for slice in &mut self.window(offset, bytes.len()) {
            let (now, later) = rest.split_at(slice.len().min(rest.len()));
            slice.copy_from_slice(now);
            rest = later;
        }
    }

    /// Returns writable slices for up to `len` bytes at `offset` from the start of the buffer. Call [`Self::advance`]
    /// afterwards.
    pub fn window(&mut self, offset: usize, len: usize) -> SlicesMut<'_> {
        let (mut skip, mut left) = (offset, len);
        let mut out = SlicesMut::new();
        for slice in self.slices.iter_mut() {
            let size = slice.len();
            if skip >= size {
                skip -= size;
                continue;
            }
            let take = left.min(size - skip);
            if take > 0
                && let Some(part) = slice.get_mut(skip..skip + take)
            {
                out.push(IoSliceMut::new(part));
            }
            skip = 0;
            left -= take;
        }
        out
    }

    /// Returns the first `len` bytes of the buffer as slices, without copying; fewer if the buffer is shorter.
    #[must_use]
    pub fn front(&self, len: usize) -> Slices<'_> {
        let mut left = len;
        let mut out = Slices::new();
        for slice in self.slices.iter() {
            let part = slice.get(..left).unwrap_or(slice);
            left -= part.len();
            if !part.is_empty() {
                out.push(IoSlice::new(part));
            }
        }
        out
    }

    /// Inverts the last valid byte of the buffer, for an injected fault; does nothing if there is none.
    pub(crate) fn invert_last_byte(&mut self) {
        let Some(last) = self.written().checked_sub(1) else { return };
        self.window(last, 1).iter_mut().flat_map(|slice| slice.iter_mut()).for_each(|byte| *byte = !*byte);
    }

    /// Counts `len` more bytes as produced, whether or not all of them fit into the buffer.
    pub const fn advance(&mut self, len: usize) {
        self.wanted += len;
    }

    /// Size of the transport's buffer in bytes.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Number of valid bytes in the buffer.
    #[must_use]
    pub fn written(&self) -> usize {
        self.wanted.min(self.capacity)
    }

    /// Number of bytes produced within the ALLOCATION LENGTH, whether or not they fit into the buffer.
    #[must_use]
    pub const fn wanted(&self) -> usize {
        self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_span_slices() {
        let slices = [IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"defg")];
        let mut out = DataOut::new(&slices);
        let joined = |window: Slices<'_>| window.iter().flat_map(|s| s.to_vec()).collect::<Vec<u8>>();
        assert_eq!(joined(out.window(2, 3)), b"cde");
        assert_eq!(joined(out.window(5, 9)), b"fg");
        assert_eq!(joined(out.window(9, 1)), b"");
        assert_eq!(out.copy_front(7).unwrap(), b"abcdefg");
        assert_eq!(out.copy_front(8), None);
        assert_eq!((out.consumed(), out.missing()), (7, 1));
    }

    #[test]
    fn allocation_length_and_buffer_capacity_truncate_differently() {
        let (mut a, mut b) = ([0; 2], [0; 3]);
        let mut slices = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        let mut data_in = DataIn::new(&mut slices);
        data_in.limit(6);
        data_in.append(b"abcd");
        data_in.append(b"efgh");
        assert_eq!((data_in.written(), data_in.wanted()), (5, 6));
        let front = |len| data_in.front(len).iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
        assert_eq!((front(3), front(9)), (b"abc".to_vec(), b"abcde".to_vec()));
        data_in.invert_last_byte();
        assert_eq!((&a, &b), (b"ab", &[b'c', b'd', !b'e']));
        DataIn::new(&mut [IoSliceMut::new(&mut a)]).invert_last_byte();
        assert_eq!(&a, b"ab");
    }
}
