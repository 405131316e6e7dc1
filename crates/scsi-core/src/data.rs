//! A command's data as cursors over borrowed slice lists: what a socket, a guest's memory or a `Vec` offer.

use crate::parameter_list;
use crate::sense::Sense;
use smallvec::SmallVec;
use std::io::{IoSlice, IoSliceMut};

/// Slices of one transfer; four are enough for every transport but a guest's.
pub type Slices<'a> = SmallVec<[IoSlice<'a>; 4]>;
/// Writable slices of one transfer.
pub type SlicesMut<'a> = SmallVec<[IoSliceMut<'a>; 4]>;

/// Both directions of one command.
#[derive(Debug)]
pub struct Data<'a, 'b> {
    /// From the initiator; complete before the command runs.
    pub data_out: DataOut<'a>,
    /// To the initiator.
    pub data_in: DataIn<'a, 'b>,
}

impl<'a, 'b> Data<'a, 'b> {
    /// Data of a command whose transport offers these buffers.
    #[must_use]
    pub fn new(out: &'a [IoSlice<'a>], room: &'a mut [IoSliceMut<'b>]) -> Self {
        Self { data_out: DataOut::new(out), data_in: DataIn::new(room) }
    }
}

/// What the initiator sent.
#[derive(Debug)]
pub struct DataOut<'a> {
    slices: &'a [IoSlice<'a>],
    len: usize,
    consumed: usize,
    missing: usize,
}

impl<'a> DataOut<'a> {
    /// All of these slices, in order.
    #[must_use]
    pub fn new(slices: &'a [IoSlice<'a>]) -> Self {
        Self { slices, len: slices.iter().map(|slice| slice.len()).sum(), consumed: 0, missing: 0 }
    }

    /// Bytes offered.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was offered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The `len` bytes at `offset`, as they lie.
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

    /// The first `len` bytes, copied, or `None` if fewer were offered.
    fn copy_front(&mut self, len: usize) -> Option<Vec<u8>> {
        if len > self.len {
            self.missing = len - self.len;
            return None;
        }
        self.consumed = len;
        Some(self.window(0, len).iter().flat_map(|slice| slice.iter().copied()).collect())
    }

    /// A parameter list of `len` bytes, copied.
    ///
    /// # Errors
    /// 5/1A/00: the initiator sent fewer.
    pub fn parameters(&mut self, len: usize) -> Result<Vec<u8>, Sense> {
        self.copy_front(len).ok_or_else(parameter_list::length_error)
    }

    /// Counts `len` bytes more as taken by the device.
    pub const fn consume(&mut self, len: usize) {
        self.consumed += len;
    }

    /// Notes that the CDB asked for `wanted` bytes; says whether they were offered.
    pub const fn require(&mut self, wanted: usize) -> bool {
        self.missing = wanted.saturating_sub(self.len);
        self.missing == 0
    }

    /// Bytes taken by the device.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// Bytes the CDB asked for beyond those offered.
    #[must_use]
    pub const fn missing(&self) -> usize {
        self.missing
    }
}

/// Where the answer goes. What does not fit is dropped and counted: the one place of truncation.
#[derive(Debug)]
pub struct DataIn<'a, 'b> {
    slices: &'a mut [IoSliceMut<'b>],
    capacity: usize,
    limit: usize,
    wanted: usize,
}

impl<'a, 'b> DataIn<'a, 'b> {
    /// Room in all of these slices, in order.
    #[must_use]
    pub fn new(slices: &'a mut [IoSliceMut<'b>]) -> Self {
        let room = slices.iter().map(|slice| slice.len()).sum();
        Self { slices, capacity: room, limit: usize::MAX, wanted: 0 }
    }

    /// Applies an ALLOCATION LENGTH: more than that is neither sent nor missed.
    pub const fn limit(&mut self, allocation_length: usize) {
        self.limit = allocation_length;
    }

    /// Appends `bytes` as far as ALLOCATION LENGTH and room allow.
    pub fn append(&mut self, bytes: &[u8]) {
        let allowed = bytes.get(..self.limit - self.wanted.min(self.limit)).unwrap_or(bytes);
        self.copy_at(self.written(), allowed);
        self.wanted += allowed.len();
    }

    /// Copies `bytes` to `offset` from the start, as far as there is room; follow with [`Self::fill`].
    pub fn copy_at(&mut self, offset: usize, bytes: &[u8]) {
        let mut rest = bytes;
        for slice in &mut self.window(offset, bytes.len()) {
            let (now, later) = rest.split_at(slice.len().min(rest.len()));
            slice.copy_from_slice(now);
            rest = later;
        }
    }

    /// Writable slices for up to `len` bytes at `offset` from the start; follow with [`Self::fill`].
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

    /// Counts `len` bytes more as produced, whether or not there was room for all of them.
    pub const fn advance(&mut self, len: usize) {
        self.wanted += len;
    }

    /// Room that the transport offers.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes that stand in the buffers.
    #[must_use]
    pub fn written(&self) -> usize {
        self.wanted.min(self.capacity)
    }

    /// Bytes produced within ALLOCATION LENGTH, room or not.
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
        let mut room = DataIn::new(&mut slices);
        room.limit(6);
        room.append(b"abcd");
        room.append(b"efgh");
        assert_eq!((room.written(), room.wanted()), (5, 6));
        assert_eq!((&a, &b), (b"ab", b"cde"));
    }
}
