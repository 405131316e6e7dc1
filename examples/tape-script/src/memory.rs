//! The memory of a program, as system calls see it.

use linux_scsi::Errno;

/// Value of the bytes that nothing was written to.
pub const FILL: u8 = 0xa5;
/// Bytes after the memory: more than any argument of `ioctl(2)` has whose length is in the number of the request.
const SLACK: usize = 20 << 10;
const PAGE: usize = 4096;

/// Bytes from the beginning of a page on, with their addresses in this process.
pub struct Memory {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Memory {
    /// Memory of this length in bytes, filled with [`FILL`].
    #[must_use]
    pub fn new(len: usize) -> Self {
        let bytes = vec![FILL; len + PAGE + SLACK];
        let start = bytes.as_ptr().align_offset(PAGE);
        Self { bytes, start, len }
    }

    /// The address of the byte with this number. The kernel may write there.
    #[must_use]
    pub fn address(&mut self, at: usize) -> u64 {
        let first = self.bytes.as_mut_ptr().expose_provenance();
        u64::try_from(first + self.start + at).unwrap_or(u64::MAX)
    }

    /// Up to `len` bytes from the one with this number on.
    pub fn bytes(&mut self, at: usize, len: usize) -> &mut [u8] {
        let end = (at + len).min(self.len);
        self.bytes.get_mut(self.start + at.min(end)..self.start + end).unwrap_or_default()
    }

    /// The memory at an address, as a driver finds it.
    ///
    /// # Errors
    /// EFAULT if the address is not in this memory.
    pub fn at_address(&mut self, address: u64, len: usize) -> Result<&mut [u8], Errno> {
        let first = self.address(0);
        let at = address.checked_sub(first).and_then(|at| usize::try_from(at).ok()).ok_or(Errno::EFAULT)?;
        let end = at.checked_add(len).filter(|end| *end <= self.len).ok_or(Errno::EFAULT)?;
        self.bytes.get_mut(self.start + at..self.start + end).ok_or(Errno::EFAULT)
    }

    /// Writes bytes from the one with this number on.
    pub fn store(&mut self, at: usize, from: &[u8]) {
        self.bytes(at, from.len()).iter_mut().zip(from).for_each(|(byte, new)| *byte = *new);
    }
}
