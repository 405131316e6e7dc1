//! The files of a state: writing, and reading and repairing at start.

use super::identities::{self, Identities};
use super::line::{Record, VERSION, header};
use super::merge::{Merged, Values, merge};
use super::state_file::{FILE_NAMES, StateFile, read_bytes};
use super::{StateError, Transaction, upgrade};
use std::io::{self, IoSlice};
use tape_store::backend::{Backend, Folder};

/// Every file that a state has or had in an earlier version.
pub(super) const ALL_NAMES: [&str; 4] = [FILE_NAMES[0], FILE_NAMES[1], identities::FILE_NAME, upgrade::FILE_NAME];
/// Name of the redb database after its upgrade.
const UPGRADED_NAME: &str = "state.redb.upgraded";
/// Files grow in steps of this size, so that most appends need not make a new length durable.
const GROW_STEP: u64 = 64 << 10;
/// A file is rewritten when its changes are longer than its base, and longer than this.
const REWRITE_SLACK: u64 = 1 << 20;

/// A state file that is open for appending.
struct AppendFile {
    file: Box<dyn Backend>,
    end: u64,
    len: u64,
}

/// The two state files and the identities file.
pub(super) struct Files {
    folder: Box<dyn Folder>,
    message_prefix: String,
    store: String,
    /// Number of the last commit that was attempted.
    commit: u64,
    /// The offset at which the next change is appended; `None` if the files must be rewritten first.
    append_files: Option<[AppendFile; 2]>,
    /// Length of the files when they were last rewritten.
    base_len: u64,
    /// Contents of `identities.toml` when it was last written or read.
    identities: Option<Identities>,
    repairs: Vec<String>,
}

impl Files {
    /// The files of an existing state, before they are opened.
    pub(super) fn existing(folder: Box<dyn Folder>, prefix: &str) -> Self {
        Self::new(folder, prefix, String::new(), 0)
    }

    /// The files of a new state, whose commit numbers follow `commit`.
    pub(super) fn new(folder: Box<dyn Folder>, prefix: &str, store: String, commit: u64) -> Self {
        Self {
            folder,
            message_prefix: prefix.into(),
            store,
            commit,
            append_files: None,
            base_len: 0,
            identities: None,
            repairs: Vec::new(),
        }
    }

    /// Makes the next commit rewrite both files.
    #[cfg(test)]
    pub(super) fn force_rewrite(&mut self) {
        self.append_files = None;
    }

    /// Returns the repairs that opening has made.
    pub(super) fn take_repairs(&mut self) -> Vec<String> {
        std::mem::take(&mut self.repairs)
    }

    fn io(&self, name: &str) -> impl Fn(io::Error) -> StateError + use<> {
        let file = format!("{}{name}", self.message_prefix);
        move |source| StateError::Io { file: file.clone(), source }
    }

    fn unusable(&self, file: &str, problem: &str) -> StateError {
        let file = format!("{}{file}", self.message_prefix);
        let problem = format!("{problem}; `ferric site recover` shows what can be restored");
        StateError::Unusable { file, reason: problem }
    }

    /// Reads both state files.
    pub(super) fn read_files(&mut self) -> Result<[StateFile; 2], StateError> {
        let [first, second] = FILE_NAMES;
        let mut read = |name| StateFile::read(self.folder.as_mut(), &self.message_prefix, name);
        Ok([read(first)?, read(second)?])
    }

    /// Reads the identities file; the inner error says what is wrong with it.
    pub(super) fn read_identities(&mut self) -> Result<Result<Identities, String>, StateError> {
        let bytes = read_bytes(self.folder.as_mut(), &self.message_prefix, identities::FILE_NAME)?;
        Ok(bytes.map_or_else(|| Err("is missing".into()), |bytes| Identities::decode(&bytes)))
    }

    /// Whether any state file exists, intact or damaged.
    pub(super) fn any(&mut self) -> Result<bool, StateError> {
        let names = self.folder.list().map_err(self.io(""))?;
        Ok(names.iter().any(|name| ALL_NAMES.contains(&name.as_str()) || name == UPGRADED_NAME))
    }

    /// Reads the redb database of format version 2, if there is one.
    pub(super) fn read_database(&mut self, lenient: bool) -> Result<Option<Values>, StateError> {
        upgrade::read(self.folder.as_mut(), &self.message_prefix, lenient)
    }

    /// Reads the state and repairs its files; `None` if there is none.
    ///
    /// # Errors
    /// Fails if the storage failed, or the files may lack acknowledged commits.
    pub(super) fn open(&mut self) -> Result<Option<Values>, StateError> {
        let (copies, known) = (self.read_files()?, self.read_identities()?);
        if copies.iter().all(|copy| !copy.has_content) {
            let new = identities::FILE_NAME;
            let there = copies.iter().any(|copy| copy.exists)
                || self.folder.open_read_only(new).map_err(self.io(new))?.is_some();
            return if there { Ok(None) } else { self.upgrade() };
        }
        let expected = known.as_ref().ok().map(|known| known.store.as_str());
        let both = FILE_NAMES.join(" and ");
        let merged =
            merge(&copies, expected).map_err(|problem| self.unusable(&both, &damage_report(&problem, &copies)))?;
        let Merged { store, commit, values } = merged;
        (self.store, self.commit) = (store, commit);
        if let Some(known) = known.as_ref().ok().filter(|known| known.commit > commit) {
            let problem =
                format!("end with commit {commit}, but {} names commit {}", identities::FILE_NAME, known.commit);
            return Err(self.unusable(&both, &damage_report(&problem, &copies)));
        }
        self.repair_files(&copies, &values)?;
        self.repair_identities(known, &values)?;
        self.set_aside_database()?;
        Ok(Some(values))
    }

    /// Rewrites each file that is damaged or incomplete, and opens both.
    fn repair_files(&mut self, copies: &[StateFile; 2], values: &Values) -> Result<(), StateError> {
        let image = self.base_image(values);
        self.base_len = image.len() as u64;
        let mut ends = [(0, 0); 2];
        for (copy, end) in copies.iter().zip(&mut ends) {
            let (last, commit, is_second) = (copy.last_commit(), self.commit, copy.name == FILE_NAMES[1]);
            let fault = copy.damage_text();
            if fault.is_none() && last == commit {
                *end = (copy.end, copy.len);
                continue;
            }
            // The process ended between writing the first and the second file: this is not damage.
            let interrupted = last > commit || (is_second && last + 1 == commit);
            let fault = fault.or_else(|| (!interrupted).then(|| format!("ends with commit {last} of {commit}")));
            if let Some(fault) = fault {
                let (prefix, name, other) =
                    (&self.message_prefix, copy.name, if is_second { FILE_NAMES[0] } else { FILE_NAMES[1] });
                self.repairs.push(format!("{prefix}{name} {fault}: rewritten from {other}, and nothing was lost"));
            }
            self.folder.replace(copy.name, &image).map_err(self.io(copy.name))?;
            *end = (self.base_len, self.base_len);
        }
        self.open_append_files(ends)
    }

    /// Opens both files for appending after their last line, given its end and the length of the file.
    fn open_append_files(&mut self, ends: [(u64, u64); 2]) -> Result<(), StateError> {
        let [first, second] = ends;
        let mut tail = |name, (end, len)| {
            let file = self.folder.open(name).map_err(self.io(name))?;
            Ok::<_, StateError>(AppendFile { file, end, len })
        };
        self.append_files = Some([tail(FILE_NAMES[0], first)?, tail(FILE_NAMES[1], second)?]);
        Ok(())
    }

    fn repair_identities(&mut self, known: Result<Identities, String>, values: &Values) -> Result<(), StateError> {
        let now = Identities::of(&self.store, self.commit, values);
        match known {
            Ok(known) if known.same_names(&now) => self.identities = Some(known),
            // The process ended before it had written the identities of the last commit.
            Ok(_) => self.write_identities(values)?,
            Err(_) if now.is_empty() => {}
            Err(problem) => {
                self.repairs.push(format!(
                    "{}{} {problem}: rewritten from the state",
                    self.message_prefix,
                    identities::FILE_NAME
                ));
                self.write_identities(values)?;
            }
        }
        Ok(())
    }

    /// Upgrades the redb database, and then renames it.
    fn upgrade(&mut self) -> Result<Option<Values>, StateError> {
        let read = self.read_database(false).map_err(|error| match error {
            StateError::Unusable { reason: problem, .. } => self.unusable(upgrade::FILE_NAME, &problem),
            other => other,
        })?;
        let Some(values) = read else { return Ok(None) };
        self.store = super::new_store_id(&self.message_prefix)?;
        let values = with_version(values);
        self.rewrite(&values)?;
        self.write_identities(&values)?;
        self.set_aside_database()?;
        Ok(Some(values))
    }

    /// Renames the redb database, so that it is not upgraded again.
    fn set_aside_database(&mut self) -> Result<(), StateError> {
        if self.folder.open_read_only(upgrade::FILE_NAME).map_err(self.io(upgrade::FILE_NAME))?.is_none() {
            return Ok(());
        }
        tracing::info!(path = %self.message_prefix, from = upgrade::FILE_NAME, to = UPGRADED_NAME, "state upgraded");
        self.folder.rename(upgrade::FILE_NAME, UPGRADED_NAME).map_err(self.io(upgrade::FILE_NAME))
    }

    fn lines<'a>(
        &self,
        base: bool,
        changes: impl ExactSizeIterator<Item = (&'a String, Option<&'a Vec<u8>>)>,
    ) -> Vec<u8> {
        let parts = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        let mut lines = Vec::new();
        for (part, (key, value)) in (1..).zip(changes) {
            let (store, commit) = (self.store.clone(), self.commit);
            let record = Record { store, commit, part, parts, base, key: key.clone(), value: value.cloned() };
            lines.extend(record.encode());
        }
        lines
    }

    /// The contents of a complete file.
    fn base_image(&self, values: &Values) -> Vec<u8> {
        let mut image = header();
        image.extend(self.lines(true, values.iter().map(|(key, value)| (key, Some(value)))));
        image
    }

    /// Rewrites both files as a new commit.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub(super) fn rewrite(&mut self, values: &Values) -> Result<(), StateError> {
        self.append_files = None;
        self.commit += 1;
        let image = self.base_image(values);
        for name in FILE_NAMES {
            self.folder.replace(name, &image).map_err(self.io(name))?;
        }
        self.base_len = image.len() as u64;
        self.open_append_files([(self.base_len, self.base_len); 2])
    }

    /// Makes a transaction durable in both files. If a file cannot be appended to, such as a removed one, both are
    /// rewritten.
    ///
    /// # Errors
    /// Fails if the storage failed; the next commit then rewrites both files.
    pub(super) fn append(&mut self, change: &Transaction, values: &Values) -> Result<(), StateError> {
        let long = |tail: &AppendFile| tail.end > 2 * self.base_len + REWRITE_SLACK;
        if let Some(tails) = self.append_files.take().filter(|tails| !tails.iter().any(long)) {
            match self.append_to(tails, change) {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "rewriting the state files"),
            }
        }
        let mut values = values.clone();
        change.apply(&mut values);
        self.rewrite(&values)
    }

    fn append_to(&mut self, mut tails: [AppendFile; 2], change: &Transaction) -> Result<(), StateError> {
        self.commit += 1;
        let lines = self.lines(false, change.0.iter().map(|(key, value)| (key, value.as_ref())));
        for (tail, name) in tails.iter_mut().zip(FILE_NAMES) {
            tail.append(&lines).map_err(self.io(name))?;
        }
        self.append_files = Some(tails);
        Ok(())
    }

    /// Writes the identities file of a state.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub(super) fn write_identities(&mut self, values: &Values) -> Result<(), StateError> {
        let identities = Identities::of(&self.store, self.commit, values);
        let failed = self.io(identities::FILE_NAME);
        let text = identities.encode().map_err(|error| failed(io::Error::other(error)))?;
        self.folder.replace(identities::FILE_NAME, text.as_bytes()).map_err(failed)?;
        self.identities = Some(identities);
        Ok(())
    }

    /// Checks that both files are unchanged, and stores the last commit number in the identities file, so that older
    /// copies of the state files are detected.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub(super) fn close(&mut self, values: &Values) -> Result<(), StateError> {
        let commit = self.commit;
        let intact = |copy: &StateFile| copy.damage_text().is_none() && copy.clean_tail && copy.last_commit() == commit;
        let copies = self.read_files()?;
        let faults = copies.iter().filter(|copy| !intact(copy)).map(|copy| copy.name).collect::<Vec<_>>().join(" and ");
        if !faults.is_empty() {
            // After a failed commit the files are incomplete, which was reported before.
            if self.append_files.is_some() {
                tracing::warn!(path = %self.message_prefix, files = %faults, "state files damaged while in use; rewritten");
            }
            self.rewrite(values)?;
        }
        self.append_files = None;
        if self.identities.as_ref().is_none_or(|known| known.commit != self.commit) {
            self.write_identities(values)?;
        }
        Ok(())
    }
}

impl AppendFile {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let end = self.end + lines.len() as u64;
        let mut padding = Vec::new();
        if end > self.len {
            self.len = end.next_multiple_of(GROW_STEP);
            padding.resize(usize::try_from(self.len - end).unwrap_or_default(), 0);
        }
        self.file.write_at(self.end, &[IoSlice::new(lines), IoSlice::new(&padding)])?;
        self.file.sync()?;
        self.end = end;
        Ok(())
    }
}

/// A state always has at least one key, its version, and so at least one line.
pub(super) fn with_version(mut values: Values) -> Values {
    values.insert("version".into(), VERSION.to_string().into_bytes());
    values
}

/// Describes what is wrong with both files together, and with each of them.
fn damage_report(problem: &str, copies: &[StateFile; 2]) -> String {
    let each = copies.iter().filter_map(|copy| Some(format!("{} {}", copy.name, copy.damage_text()?)));
    let each = each.collect::<Vec<_>>().join(", ");
    if each.is_empty() { problem.into() } else { format!("{problem} ({each})") }
}
