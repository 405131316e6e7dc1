//! A file of a cartridge that is not taken, as a manifest names it: it is only read.

use super::Access;
use crate::manifest::FileContent;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use tape_store::backend::Backend;

/// Bytes that one miss fetches at least, and at most when the reader is sequential.
const WINDOW: Range<u64> = 64 << 10..8 << 20;

/// A file on the shelf. It has the bytes of the last request in memory.
pub(crate) struct SnapshotFile {
    access: Access,
    barcode: String,
    content: FileContent,
    /// Offset of the bytes in memory, and the bytes.
    window: (u64, Vec<u8>),
    step: u64,
}

impl SnapshotFile {
    pub(crate) const fn new(access: Access, barcode: String, content: FileContent) -> Self {
        Self { access, barcode, content, window: (0, Vec::new()), step: WINDOW.start }
    }

    /// The bytes in memory from an offset on.
    fn in_memory(&self, offset: u64) -> Option<&[u8]> {
        let (start, bytes) = &self.window;
        let at = usize::try_from(offset.checked_sub(*start)?).ok()?;
        bytes.get(at..).filter(|rest| !rest.is_empty())
    }

    fn fetch(&mut self, offset: u64) -> io::Result<()> {
        let is_sequential = offset == self.window.0 + self.window.1.len() as u64 && offset > 0;
        self.step = if is_sequential { (self.step * 2).min(WINDOW.end) } else { WINDOW.start };
        let range = offset..self.content.len.min(offset.saturating_add(self.step));
        let part = super::tracked_file::TrackedFile::shelved(self.content.clone()).extents(&range);
        let bytes = self.access.runtime.block_on(self.access.shelf.read_extents(&self.barcode, &part));
        self.window = (offset, bytes.map_err(io::Error::other)?);
        Ok(())
    }
}

impl Backend for SnapshotFile {
    fn len(&mut self) -> io::Result<u64> {
        Ok(self.content.len)
    }

    fn read_at(&mut self, mut offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut done = 0;
        for slice in into {
            let mut rest: &mut [u8] = slice;
            while !rest.is_empty() && offset < self.content.len {
                let Some(bytes) = self.in_memory(offset) else {
                    self.fetch(offset)?;
                    continue;
                };
                let len = bytes.len().min(rest.len());
                let (now, later) = rest.split_at_mut(len);
                now.copy_from_slice(bytes.get(..len).unwrap_or_default());
                rest = later;
                (done, offset) = (done + len, offset + len as u64);
            }
        }
        Ok(done)
    }

    fn write_at(&mut self, _offset: u64, _from: &[IoSlice<'_>]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&mut self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
