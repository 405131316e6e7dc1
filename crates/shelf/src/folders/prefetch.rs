//! The bytes that a load needs first, fetched while the cartridge is being taken.

use super::cached_cartridge::{CachedCartridge, State};
use super::local::LocalRecord;
use super::reading::is_full;
use super::recent::Seen;
use super::tracked_file::{SMALL_LEN, TrackedFile};
use super::{Fetch, fetched, spawn_fetch};
use crate::manifest::ManifestState;
use crate::{Manifest, Shelf};
use bytes::Bytes;
use std::io::{self, IoSlice};
use std::ops::Range;
use tokio::runtime::Handle;

/// Bytes at the beginning and at the end of a long file that a load fetches: the first records, and the last index entries, which are
/// compared with the watermark.
const FIRST_LEN: u64 = 512 << 10;
const LAST_LEN: u64 = 16 << 10;

enum Source {
    Seen(Bytes),
    Request(Fetch),
}

/// A part of a file of the manifest that is known before a taking.
struct Part {
    file: String,
    range: Range<u64>,
    /// Whether this is a whole small file, or what the local file lacks of it.
    is_small: bool,
    bytes: Source,
}

/// The parts that are being fetched.
#[derive(Default)]
pub(super) struct Prefetch {
    /// Nonce of the manifest that names the parts.
    nonce: String,
    parts: Vec<Part>,
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        for part in &self.parts {
            if let Source::Request(request) = &part.bytes {
                request.abort();
            }
        }
    }
}

impl Prefetch {
    /// Begins to fetch the small files of a known manifest, and the ends of each long one, as far as the local files do not have
    /// them.
    pub(super) fn spawn(shelf: &Shelf, runtime: &Handle, known: Option<&Seen>, old: Option<&LocalRecord>) -> Self {
        let Some(known) = known.filter(|known| known.manifest().state == ManifestState::Closed) else {
            return Self::default();
        };
        let (manifest, mut parts) = (known.manifest(), Vec::new());
        let is_cached = |old: &&LocalRecord| (old.version, &old.nonce) == (manifest.version, &manifest.nonce);
        let old = old.filter(|old| old.is_released).filter(is_cached);
        for (name, content) in &manifest.content.files {
            let mut file = TrackedFile::shelved(content.clone());
            for part in old.and_then(|old| old.files.get(name)).map_or(&[][..], |file| &file.cached) {
                file.filled(part.clone());
            }
            let last = file.len().saturating_sub(LAST_LEN).max(FIRST_LEN)..file.len();
            let wanted = if file.is_small() { [0..SMALL_LEN, 0..0] } else { [0..FIRST_LEN, last] };
            for range in wanted.iter().flat_map(|part| file.missing(part)).collect::<Vec<_>>() {
                let from_seen = |bytes: Bytes| {
                    let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
                    (end <= bytes.len()).then(|| bytes.slice(start..end))
                };
                let bytes = match known.small_file(name).and_then(from_seen) {
                    Some(bytes) => Source::Seen(bytes),
                    None => Source::Request(spawn_fetch(shelf, runtime, &manifest.barcode, file.extents(&range))),
                };
                parts.push(Part { file: name.clone(), range, is_small: file.is_small(), bytes });
            }
        }
        Self { nonce: manifest.nonce.clone(), parts }
    }

    /// The same, if the parts are those of this manifest, which is the last one before those of the new owner.
    pub(super) fn of(self, former: &Manifest) -> Self {
        if self.nonce == former.nonce { self } else { Self::default() }
    }
}

impl CachedCartridge {
    /// Writes the fetched small files to the local files.
    pub(super) fn use_small_files(&self, state: &mut State, prefetch: &mut Prefetch) -> io::Result<()> {
        let (small, long) = std::mem::take(&mut prefetch.parts).into_iter().partition(|part| part.is_small);
        prefetch.parts = long;
        self.use_parts(state, small)
    }

    /// Writes the fetched parts of long files to the local files. Others may be removed from the cache for them, so that the record
    /// that counts these as cached was replaced before.
    pub(super) fn use_long_files(&self, state: &mut State, mut prefetch: Prefetch) -> io::Result<()> {
        self.use_parts(state, std::mem::take(&mut prefetch.parts))
    }

    fn use_parts(&self, state: &mut State, parts: Vec<Part>) -> io::Result<()> {
        for Part { file: name, range, is_small, bytes } in parts {
            let bytes = match bytes {
                Source::Seen(bytes) => bytes,
                Source::Request(request) => match fetched(self.runtime.block_on(request)) {
                    Ok(bytes) => bytes.into(),
                    // It is fetched again when it is needed.
                    Err(error) => {
                        tracing::debug!(barcode = self.barcode, file = name, %error, "a part was not fetched ahead");
                        continue;
                    }
                },
            };
            let Some(file) = state.files.get_mut(&name) else { continue };
            if file.tracked.missing(&range) != [range.clone()] {
                continue;
            }
            if !is_small {
                if range.start == 0 {
                    file.fetched = (range.end, FIRST_LEN);
                }
                self.make_room_in(state, &name, bytes.len() as u64, &range);
            }
            let written = self.write_local(state, &name, range.start, &[IoSlice::new(&bytes)], &range);
            let Some(file) = state.files.get_mut(&name) else { continue };
            match written {
                Err(error) if !is_small && is_full(&error) => {
                    let _ = file.local.punch(&range);
                    continue;
                }
                written => written?,
            }
            file.is_unsynchronised = true;
            file.tracked.filled(range);
            self.recount(file);
        }
        Ok(())
    }
}
