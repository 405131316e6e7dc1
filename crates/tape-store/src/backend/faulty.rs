//! A simulated disk for tests. It fails from a given call on. After a simulated crash it has all synchronised changes,
//! and any part of the others. A failed synchronisation drops the changes it should have stored, though they can be read
//! until the crash, as operating systems do. The disk can also be the cache of a store that several daemons share.

use super::{Backend, CommitPoint, Folder, TakenOver};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug)]
enum FileChange {
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    SetLen(usize),
    /// The whole file, replaced by rename.
    Replace(Vec<u8>),
}

fn apply(image: &mut Vec<u8>, change: &FileChange) {
    match change {
        FileChange::SetLen(len) => image.resize(*len, 0),
        FileChange::Replace(bytes) => image.clone_from(bytes),
        FileChange::Write { at, bytes } => {
            let end = at + bytes.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            if let Some(slot) = image.get_mut(*at..end) {
                slot.copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Debug, Default)]
struct FileState {
    durable: Vec<u8>,
    since: Vec<FileChange>,
    live: Vec<u8>,
}

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<String, FileState>,
    calls: u64,
    fail_from_call: Option<u64>,
    error: Option<io::ErrorKind>,
    available: Option<u64>,
    bytes_read: u64,
    /// All calls since recording began: the file, and its change or, without one, its synchronisation. `None` if
    /// nothing is recorded.
    log: Option<Vec<(String, Option<FileChange>)>>,
    /// Calls of [`Folder::commit`], failed calls included.
    commits: Vec<CommitPoint>,
    commit_error: Option<io::ErrorKind>,
    /// The number of calls after which another daemon has the cartridge, and its name.
    owner: Option<(u64, String)>,
    may_wait: bool,
    /// `None`: as `may_wait`.
    appends_wait: Option<bool>,
    read_only: bool,
    hook: Option<CallHook>,
}

/// A function that is called before each call of a folder or of its files, with the name of the call.
#[derive(Clone)]
struct CallHook(Arc<dyn Fn(&'static str) + Send + Sync>);

impl fmt::Debug for CallHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallHook")
    }
}

impl Disk {
    /// Fails if another daemon has taken over the cartridge.
    fn check_owned(&self) -> io::Result<()> {
        match &self.owner {
            Some((at, owner)) if self.calls >= *at => Err(TakenOver { owner: owner.clone() }.into()),
            _ => Ok(()),
        }
    }

    /// Whether the call counted last has to fail.
    fn has_failed(&self) -> bool {
        self.fail_from_call.is_some_and(|at| self.calls > at)
    }
}

/// The effect of a power loss on a change that was not synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashOutcome {
    /// The change is on the disk in full.
    Written,
    /// The change is not on the disk.
    Dropped,
    /// Half of the bytes are on the disk.
    Torn,
}

/// All changes and synchronisations of a folder's files, except renames and removals, from which the disk at any moment
/// of a power loss is derived.
#[derive(Clone, Debug)]
pub struct CallHistory {
    before: BTreeMap<String, Vec<u8>>,
    log: Vec<(String, Option<FileChange>)>,
}

impl CallHistory {
    /// Number of moments at which the power can be lost: before the first call, and after each call.
    #[must_use]
    pub fn crash_points(&self) -> usize {
        self.log.len() + 1
    }

    /// Calls before a moment that are changes and were not synchronised before that moment.
    fn unsynced_calls(&self, moment: usize) -> Vec<usize> {
        let calls = self.log.get(..moment).unwrap_or_default();
        let synced_later = |at: usize, name: &str| {
            let later = calls.get(at..).unwrap_or_default();
            later.iter().any(|(other, change)| change.is_none() && other == name)
        };
        let unsynced = |(at, (name, change)): (usize, &(String, Option<FileChange>))| {
            (change.is_some() && !synced_later(at, name)).then_some(at)
        };
        calls.iter().enumerate().filter_map(unsynced).collect()
    }

    /// Number of changes that are not synchronised at a moment.
    #[must_use]
    pub fn unsynced_changes(&self, moment: usize) -> usize {
        self.unsynced_calls(moment).len()
    }

    /// The disk after a power loss at a moment, with one outcome for each change that was not synchronised.
    #[must_use]
    pub fn crash(&self, moment: usize, outcomes: &[CrashOutcome]) -> FaultyFolder {
        let outcomes: BTreeMap<usize, CrashOutcome> =
            self.unsynced_calls(moment).into_iter().zip(outcomes.iter().copied()).collect();
        let mut images = self.before.clone();
        for (at, (name, change)) in self.log.get(..moment).unwrap_or_default().iter().enumerate() {
            let Some(change) = change else { continue };
            // A replacement that was not renamed has no effect.
            if matches!(
                (outcomes.get(&at), change),
                (Some(CrashOutcome::Torn | CrashOutcome::Dropped), FileChange::Replace(_))
            ) {
                continue;
            }
            let image = images.entry(name.clone()).or_default();
            match (outcomes.get(&at), change) {
                (None | Some(CrashOutcome::Written), _) => apply(image, change),
                (Some(CrashOutcome::Torn), FileChange::Write { at, bytes }) => {
                    let bytes = bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec();
                    apply(image, &FileChange::Write { at: *at, bytes });
                }
                (Some(CrashOutcome::Torn | CrashOutcome::Dropped), _) => {}
            }
        }
        FaultyFolder::from_files(images)
    }
}

/// A folder on the simulated disk; clones share it.
#[derive(Clone, Debug, Default)]
pub struct FaultyFolder(Arc<Mutex<Disk>>);

impl FaultyFolder {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call. The hook may wait: the disk is not locked yet.
    fn begin(&self, call: &'static str) -> io::Result<MutexGuard<'_, Disk>> {
        let hook = self.disk().hook.clone();
        if let Some(CallHook(hook)) = hook {
            hook(call);
        }
        let disk = self.disk();
        disk.check_owned()?;
        Ok(disk)
    }

    /// Sets a function that is called before each call of the folder or of its files, with the name of the call. It may wait.
    pub fn set_hook(&self, hook: Arc<dyn Fn(&'static str) + Send + Sync>) {
        self.disk().hook = Some(CallHook(hook));
    }

    /// A folder with these files, all durable.
    #[must_use]
    pub fn from_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        let state = |bytes: Vec<u8>| FileState { durable: bytes.clone(), since: Vec::new(), live: bytes };
        let files = files.into_iter().map(|(name, bytes)| (name, state(bytes))).collect();
        Self(Arc::new(Mutex::new(Disk { files, ..Disk::default() })))
    }

    /// Starts to record calls; the present content counts as durable. Returns it for [`Self::history`].
    pub fn start_recording(&self) -> BTreeMap<String, Vec<u8>> {
        let mut disk = self.disk();
        disk.log = Some(Vec::new());
        disk.files.iter().map(|(name, file)| (name.clone(), file.live.clone())).collect()
    }

    /// The recorded calls; `before` is the result of [`Self::start_recording`].
    #[must_use]
    pub fn history(&self, before: BTreeMap<String, Vec<u8>>) -> CallHistory {
        CallHistory { before, log: self.disk().log.clone().unwrap_or_default() }
    }

    /// Number of calls recorded so far.
    #[must_use]
    pub fn recorded_calls(&self) -> usize {
        self.disk().log.as_ref().map_or(0, Vec::len)
    }

    /// Number of calls so far that change or synchronise a file.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.disk().calls
    }

    /// The content of a file as a reader sees it; empty if it is missing.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.disk().files.get(name).map(|file| file.live.clone()).unwrap_or_default()
    }

    /// Number of bytes read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.disk().bytes_read
    }

    /// Sets the number of bytes that [`Folder::available`] reports.
    pub fn set_available(&self, bytes: u64) {
        self.disk().available = Some(bytes);
    }

    /// Makes calls from number `at` on fail with this error; `None` ends it.
    pub fn fail_at(&self, at: Option<u64>, error: io::ErrorKind) {
        let mut disk = self.disk();
        (disk.fail_from_call, disk.error) = (at, Some(error));
    }

    /// Takes the calls of [`Folder::commit`] since the last time, failed calls included.
    #[must_use]
    pub fn take_commits(&self) -> Vec<CommitPoint> {
        std::mem::take(&mut self.disk().commits)
    }

    /// Makes [`Folder::commit`] fail with this error; `None` ends it.
    pub fn fail_commits(&self, error: Option<io::ErrorKind>) {
        self.disk().commit_error = error;
    }

    /// Makes every call after call number `at` fail, because this daemon has taken over the cartridge.
    pub fn take_over_at(&self, at: u64, owner: &str) {
        self.disk().owner = Some((at, owner.into()));
    }

    /// Makes the calls succeed again: the other daemon has released the cartridge.
    pub fn give_back(&self) {
        self.disk().owner = None;
    }

    /// Sets whether [`Folder::may_wait`] returns that calls may wait for a network.
    pub fn set_may_wait(&self, may_wait: bool) {
        self.disk().may_wait = may_wait;
    }

    /// Sets whether [`Folder::append_may_wait`] returns that writes may wait for a network: as [`Self::set_may_wait`] until then.
    pub fn set_append_may_wait(&self, may_wait: bool) {
        self.disk().appends_wait = Some(may_wait);
    }

    /// Sets whether [`Folder::is_read_only`] returns that the files can only be read. They can be written nevertheless.
    pub fn set_read_only(&self, read_only: bool) {
        self.disk().read_only = read_only;
    }

    /// The folder after a power loss. For each change that was not synchronised, `choose(len)` returns how many of its
    /// bytes are on the disk; a change of length or a replacement counts as one byte.
    #[must_use]
    pub fn crash(&self, mut choose: impl FnMut(usize) -> usize) -> Self {
        let disk = self.disk();
        let mut after = BTreeMap::new();
        for (name, file) in &disk.files {
            let mut image = file.durable.clone();
            for change in &file.since {
                match change {
                    FileChange::SetLen(_) | FileChange::Replace(_) if choose(1) == 0 => {}
                    FileChange::SetLen(_) | FileChange::Replace(_) => apply(&mut image, change),
                    FileChange::Write { at, bytes } => {
                        let kept = bytes.get(..choose(bytes.len()).min(bytes.len())).unwrap_or_default().to_vec();
                        if !kept.is_empty() {
                            apply(&mut image, &FileChange::Write { at: *at, bytes: kept });
                        }
                    }
                }
            }
            after.insert(name.clone(), image);
        }
        Self::from_files(after)
    }

    fn change(&self, call: &'static str, name: &str, change: Option<FileChange>) -> io::Result<()> {
        let mut disk = self.begin(call)?;
        disk.calls += 1;
        if disk.has_failed() {
            if let (None, Some(file)) = (&change, disk.files.get_mut(name)) {
                file.since.clear();
            }
            return Err(disk.error.unwrap_or(io::ErrorKind::Other).into());
        }
        if let Some(log) = &mut disk.log {
            log.push((name.into(), change.clone()));
        }
        let file = disk.files.entry(name.into()).or_default();
        match change {
            Some(change) => {
                apply(&mut file.live, &change);
                file.since.push(change);
            }
            None => {
                let FileState { durable, since, .. } = file;
                since.drain(..).for_each(|change| apply(durable, &change));
            }
        }
        Ok(())
    }
}

struct FaultyFile {
    name: String,
    folder: FaultyFolder,
}

fn usize_of(value: u64) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

impl Backend for FaultyFile {
    fn len(&mut self) -> io::Result<u64> {
        Ok(self.folder.begin("len")?.files.get(&self.name).map_or(0, |file| file.live.len() as u64))
    }

    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut disk = self.folder.begin("read_at")?;
        disk.bytes_read += into.iter().map(|slice| slice.len() as u64).sum::<u64>();
        let Some(file) = disk.files.get(&self.name) else { return Ok(0) };
        let mut rest = file.live.get(usize_of(offset)?..).unwrap_or_default();
        let mut done = 0;
        for slice in into {
            let (now, later) = rest.split_at(slice.len().min(rest.len()));
            if let Some(slot) = slice.get_mut(..now.len()) {
                slot.copy_from_slice(now);
            }
            (rest, done) = (later, done + now.len());
        }
        Ok(done)
    }

    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes = from.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.folder.change("write_at", &self.name, Some(FileChange::Write { at: usize_of(offset)?, bytes }))
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.folder.change("set_len", &self.name, Some(FileChange::SetLen(usize_of(len)?)))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.folder.change("sync", &self.name, None)
    }
}

impl Folder for FaultyFolder {
    fn lock(&mut self, _shared: bool) -> io::Result<()> {
        self.begin("lock").map(drop)
    }

    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        let exists = self.begin("open_read_only")?.files.contains_key(name);
        if exists { Ok(Some(self.open(name)?)) } else { Ok(None) }
    }

    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(Box::new(self.clone()))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.begin("rename")?;
        disk.calls += 1;
        if disk.has_failed() {
            return Err(disk.error.unwrap_or(io::ErrorKind::Other).into());
        }
        // The new name is durable at once; content that was not synchronised is not.
        let file = disk.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.files.insert(to.into(), file);
        Ok(())
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        let mut disk = self.begin("open")?;
        disk.files.entry(name.into()).or_default();
        Ok(Box::new(FaultyFile { name: name.into(), folder: self.clone() }))
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.begin("read")?.files.get(name).map(|file| file.live.clone()))
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change("replace", name, Some(FileChange::Replace(bytes.to_vec())))?;
        let mut disk = self.disk();
        if let Some(log) = &mut disk.log {
            log.push((name.into(), None));
        }
        let whole = FileState { durable: bytes.to_vec(), since: Vec::new(), live: bytes.to_vec() };
        disk.files.insert(name.into(), whole);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.begin("remove")?;
        disk.calls += 1;
        if disk.has_failed() {
            return Err(disk.error.unwrap_or(io::ErrorKind::Other).into());
        }
        disk.files.remove(name);
        Ok(())
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.begin("list")?.files.keys().cloned().collect())
    }

    fn available(&mut self) -> Option<u64> {
        self.begin("available").ok()?.available
    }

    fn commit(&mut self, point: CommitPoint) -> io::Result<()> {
        self.disk().commits.push(point);
        let disk = self.begin("commit")?;
        disk.commit_error.map_or(Ok(()), |error| Err(error.into()))
    }

    fn may_wait(&self) -> bool {
        self.disk().may_wait
    }

    fn append_may_wait(&self) -> bool {
        let disk = self.disk();
        disk.appends_wait.unwrap_or(disk.may_wait)
    }

    fn is_read_only(&self) -> bool {
        self.disk().read_only
    }
}
