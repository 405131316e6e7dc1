//! Reading a taken cartridge: what its local files do not have is fetched.

use super::cached_cartridge::{CachedCartridge, OpenFile, State};
use super::thawing::is_frozen;
use super::tracked_file::SMALL_LEN;
use super::{Fetch, fetched, lock, spawn_fetch};
use crate::manifest::FileContent;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes that are fetched for a reader that begins to read, and at most ahead of one that continues.
const FIRST_FETCH: u64 = 1 << 20;
const READ_AHEAD: u64 = 16 << 20;
/// Time for which a shelf is read without the cache when its disk was full.
const FULL_DISK_PAUSE: Duration = Duration::from_secs(10);
/// Bytes of the disk that the cache leaves to the records of cartridges and to the state of the site.
pub(super) const RESERVE: u64 = 4 << 20;
/// Fetched ranges begin at multiples of this.
const FETCH_ALIGNMENT: u64 = 256 << 10;

/// Whether the file system is full, or a quota is exhausted.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

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
            let bytes = self.finish_fetch(request).map_err(|error| self.thaw_all_files(state, name, error))?;
            self.write_local(state, name, part.start, &[IoSlice::new(&bytes)], part)?;
            if let Some(file) = state.files.get_mut(name) {
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
                Ok(missing) if let Err(being_thawed) = self.check_thawed(name, &missing) => return Err(being_thawed),
                Ok(_) if self.is_disk_full() => return self.read_directly(name, offset, into),
                Ok(missing) => self.fetch_or_note(name, &missing, &wanted)?,
            }
        }
    }

    /// As [`Self::fetch`]. If the disk is full, this is no error: it is noted.
    fn fetch_or_note(&self, name: &str, missing: &[Range<u64>], wanted: &Range<u64>) -> io::Result<()> {
        match self.fetch(name, missing, wanted) {
            Err(error) if is_full(&error) => {
                tracing::warn!(barcode = self.barcode, file = name, %error, "the shelf is read without the cache");
                lock(&self.state).disk_full_since = Some(Instant::now());
                Ok(())
            }
            fetched => fetched,
        }
    }

    /// Whether the disk was full a short time ago.
    fn is_disk_full(&self) -> bool {
        lock(&self.state).disk_full_since.is_some_and(|since| since.elapsed() < FULL_DISK_PAUSE)
    }

    /// Reads from the local file, and what it does not have from the shelf. The local file does not change: its disk is full.
    fn read_directly(&self, name: &str, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len: usize = into.iter().map(|slice| slice.len()).sum();
        let wanted = offset..offset.saturating_add(len as u64);
        let (mut bytes, missing) = self.with_file(name, |file| {
            let present = offset..wanted.end.min(file.tracked.len()).max(offset);
            let missing = file.tracked.missing(&wanted).into_iter().map(|part| (file.tracked.extents(&part), part));
            Ok((file.local.read_range(&present)?, missing.collect::<Vec<_>>()))
        })?;
        for (content, part) in missing {
            let fetched = self.finish_fetch(self.spawn_fetch(&content));
            let fetched = fetched.map_err(|error| self.thaw_for_read(name, part.start, error))?;
            let [start, end] = [part.start, part.end].map(|at| usize::try_from(at - offset));
            let part = bytes.get_mut(start.map_err(io::Error::other)?..end.map_err(io::Error::other)?);
            part.filter(|part| part.len() == fetched.len())
                .ok_or(io::ErrorKind::InvalidData)?
                .copy_from_slice(&fetched);
        }
        io::Read::read_vectored(&mut bytes.as_slice(), into)
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
            let (part, bytes) = match self.finish_fetch(request) {
                Err(error) if is_frozen(&error) => match self.fetch_needed(name, part, &missing, error)? {
                    Some(fetched) => fetched,
                    None => continue,
                },
                fetched => (part.clone(), fetched?),
            };
            let part = &part;
            let mut state = lock(&self.state);
            self.make_room_in(&mut state, name, bytes.len() as u64, wanted);
            let written = self.write_local(&mut state, name, part.start, &[IoSlice::new(&bytes)], wanted);
            let file = state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
            if written.is_err() {
                // A part of it may be there.
                let _ = file.local.punch(part);
                file.fetched = (0, 0);
                return written;
            }
            file.is_unsynchronised = true;
            file.tracked.filled(part.clone());
            self.recount(file);
        }
        Ok(())
    }

    /// Fetches what a read needs of a part that must be thawed: another segment of the part may be that which must be. `None` if the read needs
    /// nothing of it.
    fn fetch_needed(
        &self,
        name: &str,
        part: &Range<u64>,
        needed: &Range<u64>,
        error: io::Error,
    ) -> io::Result<Option<(Range<u64>, Vec<u8>)>> {
        let both = part.start.max(needed.start)..part.end.min(needed.end);
        if both.is_empty() {
            return Ok(None);
        }
        let fetched = if both == *part {
            Err(error)
        } else {
            let content = self.with_file(name, |file| Ok(file.tracked.extents(&both)))?;
            self.finish_fetch(self.spawn_fetch(&content))
        };
        let bytes = fetched.map_err(|error| self.thaw_for_read(name, both.start, error))?;
        Ok(Some((both, bytes)))
    }

    /// Writes to a local file. While its disk is nearly full, this removes cached files of released cartridges, then parts of this
    /// cartridge that are on the shelf, but none of `keep` of this file.
    pub(super) fn write_local(
        &self,
        state: &mut State,
        name: &str,
        offset: u64,
        from: &[IoSlice<'_>],
        keep: &Range<u64>,
    ) -> io::Result<()> {
        let len: u64 = from.iter().map(|slice| slice.len() as u64).sum();
        while self.shared.free_disk_bytes().is_some_and(|free| free < RESERVE + len)
            && self.free_space(state, name, keep)
        {}
        loop {
            let file = state.files.get(name).ok_or(io::ErrorKind::NotFound)?;
            match file.local.write_slices(offset, from) {
                Err(error) if is_full(&error) && self.free_space(state, name, keep) => {}
                ended => return ended,
            }
        }
    }

    /// Repeats a call while it fails because the disk is full, and something can be removed from it.
    pub(super) fn with_room(&self, state: &mut State, call: impl Fn() -> io::Result<()>) -> io::Result<()> {
        loop {
            match call() {
                Err(error) if is_full(&error) && self.free_space(state, "", &(0..0)) => {}
                ended => return ended,
            }
        }
    }

    /// Makes room on the disk. `false`: there is nothing that can be removed.
    fn free_space(&self, state: &mut State, name: &str, keep: &Range<u64>) -> bool {
        if self.shared.cache.remove_oldest() {
            return true;
        }
        // After a crash, bytes that the record does not count as shelved are taken for local data.
        self.may_evict(state)
            && state.files.iter_mut().any(|(other, file)| {
                let keep = if other == name { keep } else { &(0..0) };
                self.give_up(other, file, keep)
            })
    }

    /// Gives up the part of a file that arrived first, but none of `keep`. `false`: there is no such part.
    fn give_up(&self, name: &str, file: &mut OpenFile, keep: &Range<u64>) -> bool {
        let Some(part) = file.tracked.evict(keep) else { return false };
        let punched = file.local.punch(&part);
        self.recount(file);
        if let Err(error) = &punched {
            tracing::warn!(barcode = self.barcode, file = name, %error, "the cache keeps bytes that it does not need");
        }
        punched.is_ok()
    }

    /// Bytes that [`Self::write_local`] can remove.
    pub(super) fn removable_bytes(&self) -> u64 {
        let of = |file: &OpenFile| if file.tracked.is_small() { 0 } else { file.counted };
        self.shared.cache.unused_bytes() + lock(&self.state).files.values().map(of).sum::<u64>()
    }

    /// Keeps the cache within its limit, as far as this file has something that is not needed now.
    pub(super) fn make_room_in(&self, state: &mut State, name: &str, bytes: u64, keep: &Range<u64>) {
        while self.shared.cache.is_full_with(bytes) {
            // As for `free_space`.
            if !self.may_evict(state) {
                break;
            }
            let Some(file) = state.files.get_mut(name) else { break };
            if !self.give_up(name, file, keep) {
                break;
            }
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
