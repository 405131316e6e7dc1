//! A file of a cartridge that is not taken, as a manifest names it: it is only read.

use super::Access;
use super::recent::Seen;
use super::tracked_file::SMALL_LEN;
use crate::manifest::FileContent;
use bytes::Bytes;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::sync::Arc;
use tape_store::backend::Backend;

/// Bytes that one miss fetches at least, and at most when the reader is sequential.
const WINDOW: Range<u64> = 64 << 10..8 << 20;

/// A file on the shelf. It has the bytes of the last request in memory.
pub(crate) struct SnapshotFile {
    access: Access,
    /// The manifest that names the file.
    seen: Arc<Seen>,
    name: String,
    content: FileContent,
    /// Offset of the bytes in memory, and the bytes.
    window: (u64, Bytes),
    step: u64,
}

impl SnapshotFile {
    /// A file of a manifest; `None` if it names no such file.
    pub(crate) fn open(access: &Access, seen: &Arc<Seen>, name: &str) -> Option<Self> {
        let content = seen.manifest().content.files.get(name)?.clone();
        let (seen, name, window) = (Arc::clone(seen), name.to_owned(), (0, Bytes::new()));
        Some(Self { access: access.clone(), seen, name, content, window, step: WINDOW.start })
    }

    /// The bytes in memory from an offset on.
    fn in_memory(&self, offset: u64) -> Option<&[u8]> {
        let (start, bytes) = &self.window;
        let at = usize::try_from(offset.checked_sub(*start)?).ok()?;
        bytes.get(at..).filter(|rest| !rest.is_empty())
    }

    fn fetch(&mut self, offset: u64) -> io::Result<()> {
        if self.content.len <= SMALL_LEN {
            let bytes = match self.seen.small_file(&self.name) {
                Some(bytes) => bytes,
                None => {
                    let bytes = self.read(&(0..self.content.len))?;
                    self.seen.add_small_file(&self.name, bytes.clone());
                    bytes
                }
            };
            self.window = (0, bytes);
            return Ok(());
        }
        let is_sequential = offset == self.window.0 + self.window.1.len() as u64 && offset > 0;
        self.step = if is_sequential { (self.step * 2).min(WINDOW.end) } else { WINDOW.start };
        let range = offset..self.content.len.min(offset.saturating_add(self.step));
        self.window = (offset, self.read(&range)?);
        Ok(())
    }

    fn read(&self, range: &Range<u64>) -> io::Result<Bytes> {
        let barcode = &self.seen.manifest().barcode;
        Ok(self.access.read_snapshot((barcode, &self.name), &self.content, range)?.into())
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
