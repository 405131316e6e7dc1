//! Which bytes of a file of a taken cartridge are on the shelf, and which are in the local file. This does no I/O.

use crate::manifest::{Extent, FileContent};
use rangemap::RangeSet;
use std::collections::VecDeque;
use std::ops::Range;

/// Files up to this length are in the local file as a whole, and are put on the shelf as a whole.
pub(crate) const SMALL_LEN: u64 = 64 << 10;

/// Longest part that is given up at a time.
const PIECE_LEN: usize = 1 << 20;

/// A part of a file that a task puts on the shelf, before a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seal {
    number: u64,
    range: Range<u64>,
    /// The extent, when the segment is on the shelf.
    extent: Option<Extent>,
}

/// The state of one file. Bytes before `shelved` are those of the newest manifest; the local file has some of them. The bytes
/// after it are in the local file only.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrackedFile {
    len: u64,
    /// The bytes of the newest manifest, as far as they are still those of the file: its length is `shelved`.
    content: FileContent,
    /// The bytes before `shelved` that the local file has.
    present: RangeSet<u64>,
    /// The parts of `present` in the order in which they arrived.
    arrived: VecDeque<Range<u64>>,
    /// Parts after `shelved`, ascending.
    seals: VecDeque<Seal>,
    last_seal: u64,
    /// Whether a small file differs from the newest manifest.
    is_changed: bool,
    /// Number of changes of the bytes or of the length.
    changes: u64,
    /// Start of the bytes that were changed since the commit in progress began.
    changed_from: u64,
}

impl TrackedFile {
    /// A file of which the local file has no byte yet.
    pub(crate) fn shelved(content: FileContent) -> Self {
        Self { len: content.len, content, ..Self::default() }
    }

    /// A local file of this length: the shelf has its bytes before `shelved` in `content`.
    pub(crate) fn local(len: u64, shelved: u64, content: FileContent) -> Self {
        let mut file = Self { is_changed: true, ..Self::shelved(content) };
        file.cut(shelved.min(len));
        file.len = len;
        file
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) const fn shelved_len(&self) -> u64 {
        self.content.len
    }

    pub(crate) const fn is_small(&self) -> bool {
        self.len <= SMALL_LEN
    }

    /// Whether the file differs from that of the newest manifest.
    pub(crate) const fn is_changed(&self) -> bool {
        self.is_changed || self.content.len < self.len
    }

    /// Bytes that no manifest names.
    pub(crate) const fn unshelved_bytes(&self) -> u64 {
        let is_whole = self.is_small() && self.is_changed;
        if is_whole { self.len } else { self.len - self.content.len }
    }

    /// The parts of a range that the local file does not have.
    pub(crate) fn missing(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let end = range.end.min(self.content.len);
        if range.start >= end { Vec::new() } else { self.present.gaps(&(range.start..end)).collect() }
    }

    /// The extents of a part of the file before `shelved`, cut to it.
    pub(crate) fn extents(&self, range: &Range<u64>) -> FileContent {
        self.content.part(range)
    }

    /// The local file has these bytes now.
    pub(crate) fn filled(&mut self, range: Range<u64>) {
        for part in self.missing(&range) {
            self.present.insert(part.clone());
            let starts = (part.start..part.end).step_by(PIECE_LEN);
            self.arrived.extend(starts.map(|start| start..part.end.min(start + PIECE_LEN as u64)));
        }
    }

    /// Bytes before `shelved` that the local file has.
    pub(crate) fn cached_bytes(&self) -> u64 {
        self.present.iter().map(|part| part.end - part.start).sum()
    }

    /// Gives up the part that arrived first, but none of `keep`; the caller removes it from the local file.
    pub(crate) fn evict(&mut self, keep: &Range<u64>) -> Option<Range<u64>> {
        if self.is_small() {
            return None;
        }
        let oldest = self.arrived.iter().position(|part| part.end <= keep.start || part.start >= keep.end)?;
        let part = self.arrived.remove(oldest)?;
        self.present.remove(part.clone());
        Some(part)
    }

    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Start of the bytes that were changed since [`Self::begin_commit`].
    pub(crate) const fn changed_from(&self) -> u64 {
        self.changed_from
    }

    /// A commit of the present bytes begins.
    pub(crate) const fn begin_commit(&mut self) {
        self.changed_from = u64::MAX;
    }

    fn changed(&mut self, from: u64) {
        self.changes += 1;
        self.changed_from = self.changed_from.min(from);
    }

    /// The bytes from `at` on are no longer those of the newest manifest.
    pub(crate) fn cut(&mut self, at: u64) {
        self.changed(at);
        if at < self.content.len {
            self.content = self.content.part(&(0..at));
        }
        let shelved = self.content.len;
        self.present.remove(shelved..u64::MAX);
        self.arrived.retain_mut(|part| {
            part.end = part.end.min(shelved);
            part.start < part.end
        });
        self.seals.retain(|seal| seal.range.end <= at);
    }

    /// Sets the length. The bytes before it stay those of the newest manifest.
    pub(crate) fn set_len(&mut self, len: u64) {
        self.changed(len.min(self.len));
        if len < self.len {
            self.cut(len);
        }
        self.is_changed |= len != self.len;
        let was_small = self.is_small();
        self.len = len;
        if was_small && !self.is_small() {
            // The changed parts of a small file are not known.
            self.cut(0);
        }
    }

    /// Bytes were written to the local file. Those before `shelved` were given up with [`Self::cut`] before, unless the file is small.
    pub(crate) fn written(&mut self, range: &Range<u64>) {
        self.changed(range.start);
        self.seals.retain(|seal| seal.range.end <= range.start);
        let was_small = self.is_small();
        self.len = self.len.max(range.end);
        if was_small {
            self.is_changed = true;
            if !self.is_small() {
                // The changed parts of a small file are not known.
                self.cut(0);
            }
        }
    }

    fn sealed_to(&self) -> u64 {
        self.seals.back().map_or(self.content.len, |seal| seal.range.end)
    }

    /// Bytes that no task puts on the shelf yet; none of a small file.
    pub(crate) fn unsealed_bytes(&self) -> u64 {
        if self.is_small() { 0 } else { self.len - self.sealed_to() }
    }

    /// The next part of this length that can be put on the shelf now, and its number. It ends before the offset `end`.
    pub(crate) fn next_seal(&mut self, len: u64, end: u64) -> Option<(u64, Range<u64>)> {
        let start = self.sealed_to();
        if self.is_small() || self.len.min(end).saturating_sub(start) < len {
            return None;
        }
        self.last_seal += 1;
        let range = start..start + len;
        self.seals.push_back(Seal { number: self.last_seal, range: range.clone(), extent: None });
        Some((self.last_seal, range))
    }

    /// A part is on the shelf (`None`: it is not). The part may have been given up meanwhile.
    pub(crate) fn sealed(&mut self, number: u64, extent: Option<Extent>) {
        match (self.seals.iter().position(|seal| seal.number == number), extent) {
            (Some(at), Some(extent)) => {
                if let Some(seal) = self.seals.get_mut(at) {
                    // A manifest may name the beginning of the part already.
                    seal.extent = extent.part(&seal.range);
                }
            }
            (Some(at), None) => drop(self.seals.remove(at)),
            (None, _) => {}
        }
    }

    /// Whether a part with this number is to be put on the shelf.
    pub(crate) fn is_sealing(&self, number: u64) -> bool {
        self.seals.iter().any(|seal| seal.number == number && seal.extent.is_none())
    }

    /// The number of tasks that put a part on the shelf which begins before the offset `end`.
    pub(crate) fn sealing(&self, end: u64) -> usize {
        self.seals.iter().filter(|seal| seal.extent.is_none() && seal.range.start < end).count()
    }

    /// The parts before the offset `end` that are on no segment yet. A small file is put on the shelf as a whole instead.
    pub(crate) fn unsealed(&self, end: u64) -> Vec<Range<u64>> {
        let mut start = self.content.len;
        let mut parts = Vec::new();
        for seal in self.seals.iter().filter(|seal| seal.extent.is_some()) {
            parts.push(start..seal.range.start.min(end));
            start = seal.range.end;
        }
        parts.push(start..end);
        parts.retain(|part| part.start < part.end);
        parts
    }

    /// The content before the offset `end`, with the extents of the parts of [`Self::unsealed`].
    pub(crate) fn content_with(&self, new: Vec<Extent>, end: u64) -> FileContent {
        let sealed = self.seals.iter().filter_map(|seal| seal.extent.as_ref()?.part(&(0..end)));
        let shelved = self.content.extents.iter().cloned();
        let mut extents: Vec<Extent> = shelved.chain(sealed).chain(new).collect();
        extents.sort_by_key(|extent| extent.offset);
        FileContent { len: end, extents, ..FileContent::default() }
    }

    /// A manifest names this content, which the file had after `changes` changes: the local file has all of its bytes that were not
    /// shelved before. What was changed since the commit began is not on the shelf.
    pub(crate) fn committed(&mut self, content: FileContent, changes: u64) {
        let is_same = self.changes == changes;
        if self.is_small() && !is_same {
            return;
        }
        let (from, to) = (self.content.len, content.len.min(self.changed_from));
        self.content = if to < content.len { content.part(&(0..to)) } else { content };
        self.seals.retain_mut(|seal| {
            seal.range.start = seal.range.start.max(to);
            seal.extent = seal.extent.take().and_then(|extent| extent.part(&seal.range));
            seal.range.start < seal.range.end
        });
        self.is_changed &= !is_same;
        if from < to {
            self.filled(from..to);
        }
    }

    /// The parts that the local file has, for a later load.
    pub(crate) fn cached(&self) -> Vec<Range<u64>> {
        self.present.iter().cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of ranges")]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn extent(offset: u64, len: u64, segment: &str) -> Extent {
        Extent { offset, len, segment: segment.into(), at: 7 }
    }

    fn shelved() -> TrackedFile {
        TrackedFile::shelved(FileContent {
            len: 3 * MB,
            extents: vec![extent(0, 2 * MB, "a"), extent(2 * MB, MB, "b")],
            ..FileContent::default()
        })
    }

    #[test]
    fn bytes_are_fetched_once_and_given_up_in_their_order() {
        let mut file = shelved();
        assert_eq!(file.missing(&(MB..9 * MB)), [MB..3 * MB]);
        file.filled(MB..2 * MB);
        file.filled(0..2 * MB);
        assert_eq!(file.missing(&(0..9 * MB)), [2 * MB..3 * MB]);
        assert_eq!(file.cached_bytes(), 2 * MB);
        assert_eq!(file.evict(&(MB..MB + 1)), Some(0..MB));
        assert_eq!(file.evict(&(MB..MB + 1)), None);
        assert_eq!(file.missing(&(0..9 * MB)), [0..MB, 2 * MB..3 * MB]);
        assert_eq!(
            file.extents(&(MB..2 * MB + 5)).extents,
            [
                Extent { offset: MB, len: MB, segment: "a".into(), at: 7 + MB },
                Extent { offset: 2 * MB, len: 5, segment: "b".into(), at: 7 },
            ]
        );
    }

    #[test]
    fn appended_bytes_become_segments_and_a_cut_gives_them_up() {
        let mut file = shelved();
        assert!(!file.is_changed());
        file.written(&(3 * MB..6 * MB));
        assert_eq!((file.is_changed(), file.unshelved_bytes()), (true, 3 * MB));
        let (first, range) = file.next_seal(MB, u64::MAX).unwrap();
        assert_eq!(range, 3 * MB..4 * MB);
        let (second, _) = file.next_seal(MB, u64::MAX).unwrap();
        assert_eq!(file.next_seal(2 * MB, u64::MAX), None);
        file.sealed(second, Some(extent(4 * MB, MB, "d")));
        assert_eq!(file.unsealed(file.len()), [3 * MB..4 * MB, 5 * MB..6 * MB]);
        file.sealed(first, None);
        let new = vec![extent(3 * MB, MB, "c"), extent(5 * MB, MB, "e")];
        let content = file.content_with(new, file.len());
        assert_eq!(content.extents.iter().map(|extent| extent.segment.as_str()).collect::<String>(), "abcde");
        file.begin_commit();
        file.committed(content, file.changes());
        assert_eq!(file.cached_bytes(), 3 * MB);
        assert_eq!((file.is_changed(), file.missing(&(0..6 * MB))), (false, vec![0..3 * MB]));

        // Cut within the second segment: what follows is not that of the shelf.
        file.written(&(6 * MB..8 * MB));
        let (late, _) = file.next_seal(MB, u64::MAX).unwrap();
        file.set_len(2 * MB + 100);
        file.sealed(late, Some(extent(6 * MB, MB, "x")));
        assert_eq!((file.shelved_len(), file.unsealed(file.len())), (2 * MB + 100, vec![]));
        file.written(&(2 * MB + 100..2 * MB + 300));
        assert_eq!(file.unsealed(file.len()), [2 * MB + 100..2 * MB + 300]);
        let content = file.content_with(vec![extent(2 * MB + 100, 200, "f")], file.len());
        assert_eq!(content.extents.iter().map(|extent| extent.len).collect::<Vec<_>>(), [2 * MB, 100, 200]);
    }

    #[test]
    fn bytes_that_are_written_during_a_commit_are_not_shelved_with_it() {
        let mut file = shelved();
        file.written(&(3 * MB..6 * MB));
        let (end, changes) = (file.len(), file.changes());
        file.begin_commit();
        file.written(&(6 * MB..8 * MB));
        // A part of the next manifest, which a task puts on the shelf now, begins before the end of this one.
        let (first, _) = file.next_seal(2 * MB, end).unwrap();
        let (second, range) = file.next_seal(2 * MB, u64::MAX).unwrap();
        assert_eq!((range, file.next_seal(2 * MB, end)), (5 * MB..7 * MB, None));
        assert_eq!((file.sealing(end), file.changed_from()), (2, end));
        file.sealed(first, Some(extent(3 * MB, 2 * MB, "c")));
        assert_eq!((file.sealing(end), file.unsealed(end)), (1, vec![5 * MB..6 * MB]));
        let content = file.content_with(vec![extent(5 * MB, MB, "d")], end);
        assert!(content.is_whole());
        file.committed(content, changes);
        assert_eq!((file.shelved_len(), file.unshelved_bytes(), file.is_changed()), (end, 2 * MB, true));
        file.sealed(second, Some(extent(5 * MB, 2 * MB, "e")));
        assert_eq!(file.unsealed(8 * MB), [7 * MB..8 * MB]);
        let content = file.content_with(vec![extent(7 * MB, MB, "f")], 8 * MB);
        let last = Extent { offset: 6 * MB, len: MB, segment: "e".into(), at: 7 + MB };
        assert_eq!((content.is_whole(), &content.extents[4]), (true, &last));

        // Bytes that are overwritten meanwhile are not on the shelf, although the manifest names the former bytes.
        let changes = file.changes();
        file.begin_commit();
        file.cut(4 * MB);
        file.written(&(4 * MB..5 * MB));
        file.committed(content, changes);
        assert_eq!(
            (file.shelved_len(), file.is_changed(), file.unsealed(8 * MB)),
            (4 * MB, true, vec![4 * MB..8 * MB])
        );
    }

    #[test]
    fn a_small_file_is_shelved_as_a_whole() {
        let mut file = TrackedFile::shelved(FileContent {
            len: 1024,
            extents: vec![extent(0, 1024, "a")],
            ..FileContent::default()
        });
        file.filled(0..1024);
        file.written(&(512..600));
        assert_eq!((file.is_changed(), file.unshelved_bytes()), (true, 1024));
        let changes = file.changes();
        let content = FileContent { len: 1024, extents: vec![extent(0, 1024, "b")], ..FileContent::default() };
        file.begin_commit();
        file.written(&(0..1));
        file.committed(content.clone(), changes);
        assert!(file.is_changed());
        file.begin_commit();
        file.committed(content.clone(), file.changes());
        assert!(!file.is_changed() && file.extents(&(0..1024)) == content);
        // It grows, and no byte of it counts as shelved.
        file.written(&(10..20));
        file.written(&(1024..MB));
        assert_eq!((file.shelved_len(), file.unsealed(file.len())), (0, vec![0..MB]));
    }

    #[test]
    fn after_a_crash_the_local_bytes_count_from_where_they_differ() {
        let file = TrackedFile::local(4 * MB, MB, shelved().content_with(Vec::new(), 3 * MB));
        assert_eq!((file.missing(&(0..4 * MB)), file.unsealed(file.len())), (vec![0..MB], vec![MB..4 * MB]));
        let shorter = TrackedFile::local(100, 0, FileContent::default());
        assert_eq!((shorter.len(), shorter.is_changed()), (100, true));
    }
}
