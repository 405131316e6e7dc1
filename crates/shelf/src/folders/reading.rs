//! Reading a taken cartridge: what its local files do not have is fetched.

use super::cached_cartridge::{CachedCartridge, OpenFile, State};
use super::tracked_file::SMALL_LEN;
use super::{Fetch, fetched, lock, spawn_fetch};
use crate::manifest::FileContent;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;

/// Bytes that are fetched for a reader that begins to read, and at most ahead of one that continues.
const FIRST_FETCH: u64 = 1 << 20;
const READ_AHEAD: u64 = 16 << 20;
/// Fetched ranges begin at multiples of this.
const FETCH_ALIGNMENT: u64 = 256 << 10;

impl OpenFile {
    /// The range to fetch for missing bytes: longer and longer for a sequential reader, up to `most` bytes more.
    pub(super) fn range_to_fetch(&mut self, missing: &Range<u64>, most: u64) -> Range<u64> {
        let start = missing.start - missing.start % FETCH_ALIGNMENT;
        let (end, len) = self.fetched;
        let is_sequential = len > 0 && (start..=missing.start).contains(&end);
        let ahead = if is_sequential { len.saturating_mul(4) } else { FIRST_FETCH }.min(READ_AHEAD).min(most);
        let range = start..missing.end.saturating_add(ahead);
        self.fetched = (range.end, ahead);
        range
    }
}

impl CachedCartridge {
    pub(super) fn fetch_small_files(&self, state: &mut State) -> io::Result<()> {
        let small = |(name, file): (&String, &OpenFile)| {
            let missing = file.tracked.missing(&(0..SMALL_LEN));
            let extents = missing.into_iter().map(|part| (name.clone(), file.tracked.extents(&part), part));
            if file.tracked.is_small() { extents.collect() } else { Vec::new() }
        };
        let wanted: Vec<_> = state.files.iter().flat_map(small).collect();
        let requests: Vec<_> = wanted.iter().map(|(_, content, _)| self.spawn_fetch(content)).collect();
        for ((name, _, part), request) in wanted.iter().zip(requests) {
            let bytes = self.finish_fetch(request)?;
            if let Some(file) = state.files.get_mut(name) {
                file.local.write_slices(part.start, &[IoSlice::new(&bytes)])?;
                file.tracked.filled(part.clone());
                self.recount(file);
            }
        }
        Ok(())
    }

    fn spawn_fetch(&self, content: &FileContent) -> Fetch {
        spawn_fetch(&self.shelf, &self.runtime, &self.barcode, content.clone())
    }

    fn finish_fetch(&self, request: Fetch) -> io::Result<Vec<u8>> {
        fetched(self.runtime.block_on(request))
    }

    /// Reads from the local file; what it does not have is fetched first.
    pub(crate) fn read(&self, name: &str, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len: usize = into.iter().map(|slice| slice.len()).sum();
        let wanted = offset..offset.saturating_add(len as u64);
        Self::check_owned(&lock(&self.state))?;
        loop {
            let missing = self.with_file(name, |file| {
                let missing = file.tracked.missing(&wanted);
                if missing.is_empty() { file.local.read_slices(offset, into).map(Err) } else { Ok(Ok(missing)) }
            })?;
            match missing {
                Err(got) => return Ok(got),
                Ok(missing) => self.fetch(name, &missing, &wanted)?,
            }
        }
    }

    /// Fetches missing parts of a file, with what a sequential reader needs next.
    fn fetch(&self, name: &str, missing: &[Range<u64>], wanted: &Range<u64>) -> io::Result<()> {
        let (Some(first), Some(last)) = (missing.first(), missing.last()) else { return Ok(()) };
        let (missing, most) = (first.start..last.end, self.shared.cache.limit() / 4);
        let parts = self.with_file(name, |file| {
            let ahead = file.range_to_fetch(&missing, most);
            let all = file.tracked.missing(&ahead);
            Ok(all.into_iter().map(|part| (file.tracked.extents(&part), part)).collect::<Vec<_>>())
        })?;
        let requests: Vec<_> = parts.iter().map(|(content, _)| self.spawn_fetch(content)).collect();
        for ((_, part), request) in parts.iter().zip(requests) {
            let bytes = self.finish_fetch(request)?;
            self.with_file(name, |file| {
                self.make_room_in(name, file, bytes.len() as u64, wanted);
                file.local.write_slices(part.start, &[IoSlice::new(&bytes)])?;
                file.is_unsynchronised = true;
                file.tracked.filled(part.clone());
                self.recount(file);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Keeps the cache within its limit, as far as this file has something that is not needed now.
    pub(super) fn make_room_in(&self, name: &str, file: &mut OpenFile, bytes: u64, keep: &Range<u64>) {
        while self.shared.cache.is_full_with(bytes) {
            let Some(part) = file.tracked.evict(keep) else { break };
            if let Err(error) = file.local.punch(&part) {
                tracing::warn!(barcode = self.barcode, file = name, %error, "the cache keeps bytes that it does not need");
                break;
            }
            self.recount(file);
        }
    }

    /// Lets the local file have all bytes of a range.
    pub(super) fn fetch_all(&self, name: &str, range: Range<u64>) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let step = at..range.end.min(at + READ_AHEAD);
            let missing = self.with_file(name, |file| Ok(file.tracked.missing(&step)))?;
            self.fetch(name, &missing, &(range.start..range.end))?;
            at = step.end;
        }
        Ok(())
    }
}
