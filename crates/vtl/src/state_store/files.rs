//! The files of a state: written, and read and mended at start.

use super::identities::{self, Identities};
use super::line::{Record, VERSION, header};
use super::merge::{Merged, Values, merge};
use super::state_file::{FILE_NAMES, StateFile, read_bytes};
use super::{StateError, Transaction, upgrade};
use std::io::{self, IoSlice};
use tape_store::backend::{Backend, Folder};

/// Every file that a state has or had.
pub(super) const ALL_NAMES: [&str; 4] = [FILE_NAMES[0], FILE_NAMES[1], identities::FILE_NAME, upgrade::FILE_NAME];
/// The database of before, when it has been read.
const UPGRADED_NAME: &str = "state.redb.upgraded";
/// Files grow by so much at a time, so that an append does not have to make a new length durable.
const GROW_STEP: u64 = 64 << 10;
/// A file is written anew when the changes in it are as long as what they change, and this.
const REWRITE_SLACK: u64 = 1 << 20;

/// One file, open for appending.
struct AppendFile {
    file: Box<dyn Backend>,
    end: u64,
    len: u64,
}

/// Both files of a state, and that of the identities.
pub(super) struct Files {
    folder: Box<dyn Folder>,
    message_prefix: String,
    store: String,
    /// Number of the last commit that was tried.
    commit: u64,
    /// Where the next change goes; none if the files are written anew first.
    append_files: Option<[AppendFile; 2]>,
    /// Length of what was last written anew.
    base_len: u64,
    /// `identities.toml` as it was last written or read.
    identities: Option<Identities>,
    repairs: Vec<String>,
}

impl Files {
    /// Files that are to be opened.
    pub(super) fn existing(folder: Box<dyn Folder>, place: &str) -> Self {
        Self::new(folder, place, String::new(), 0)
    }

    /// Files that are to be written, with commits behind a number.
    pub(super) fn new(folder: Box<dyn Folder>, place: &str, store: String, commit: u64) -> Self {
        Self {
            folder,
            message_prefix: place.into(),
            store,
            commit,
            append_files: None,
            base_len: 0,
            identities: None,
            repairs: Vec::new(),
        }
    }

    /// Has the next change write both files anew.
    #[cfg(test)]
    pub(super) fn force_rewrite(&mut self) {
        self.append_files = None;
    }

    /// What was mended.
    pub(super) fn take_repairs(&mut self) -> Vec<String> {
        std::mem::take(&mut self.repairs)
    }

    fn io(&self, name: &str) -> impl Fn(io::Error) -> StateError + use<> {
        let file = format!("{}{name}", self.message_prefix);
        move |source| StateError::Io { file: file.clone(), source }
    }

    fn unusable(&self, file: &str, what: &str) -> StateError {
        let file = format!("{}{file}", self.message_prefix);
        let what = format!("{what}; `ferric site recover` shows what can be restored");
        StateError::Unusable { file, reason: what }
    }

    /// Reads both files.
    pub(super) fn read_files(&mut self) -> Result<[StateFile; 2], StateError> {
        let [first, second] = FILE_NAMES;
        let mut read = |name| StateFile::read(self.folder.as_mut(), &self.message_prefix, name);
        Ok([read(first)?, read(second)?])
    }

    /// Reads the identities; what is wrong with them, if there are none.
    pub(super) fn read_identities(&mut self) -> Result<Result<Identities, String>, StateError> {
        let bytes = read_bytes(self.folder.as_mut(), &self.message_prefix, identities::FILE_NAME)?;
        Ok(bytes.map_or_else(|| Err("is missing".into()), |bytes| Identities::decode(&bytes)))
    }

    /// Whether one of the files of a state exists, whole or damaged.
    pub(super) fn any(&mut self) -> Result<bool, StateError> {
        let names = self.folder.list().map_err(self.io(""))?;
        Ok(names.iter().any(|name| ALL_NAMES.contains(&name.as_str()) || name == UPGRADED_NAME))
    }

    /// The database of before, if there is one.
    pub(super) fn read_database(&mut self, lenient: bool) -> Result<Option<Values>, StateError> {
        upgrade::read(self.folder.as_mut(), &self.message_prefix, lenient)
    }

    /// Reads the state and mends the files; `None` if there is none.
    ///
    /// # Errors
    /// The storage failed, or the files are not certain to have what was acknowledged.
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
        let merged = merge(&copies, expected).map_err(|what| self.unusable(&both, &damage_report(&what, &copies)))?;
        let Merged { store, commit, values } = merged;
        (self.store, self.commit) = (store, commit);
        if let Some(known) = known.as_ref().ok().filter(|known| known.commit > commit) {
            let what =
                format!("have commit {commit} as their last, but {} has seen {}", identities::FILE_NAME, known.commit);
            return Err(self.unusable(&both, &damage_report(&what, &copies)));
        }
        self.repair_files(&copies, &values)?;
        self.repair_identities(known, &values)?;
        self.set_aside_database()?;
        Ok(Some(values))
    }

    /// Writes each file anew that is not as the other, and opens both.
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
            // The process ended while it wrote one file after the other: no fault of either.
            let interrupted = last > commit || (is_second && last + 1 == commit);
            let fault = fault.or_else(|| (!interrupted).then(|| format!("ends with commit {last} of {commit}")));
            if let Some(fault) = fault {
                let (place, name, other) =
                    (&self.message_prefix, copy.name, if is_second { FILE_NAMES[0] } else { FILE_NAMES[1] });
                self.repairs.push(format!("{place}{name} {fault}: written again from {other}, and nothing was lost"));
            }
            self.folder.replace(copy.name, &image).map_err(self.io(copy.name))?;
            *end = (self.base_len, self.base_len);
        }
        self.open_append_files(ends)
    }

    /// Opens both files behind what they hold, where that ends and how long they are.
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
            // The process ended before it had written the names that the last commit has.
            Ok(_) => self.write_identities(values)?,
            Err(_) if now.is_empty() => {}
            Err(why) => {
                self.repairs.push(format!(
                    "{}{} {why}: written again from the state",
                    self.message_prefix,
                    identities::FILE_NAME
                ));
                self.write_identities(values)?;
            }
        }
        Ok(())
    }

    /// Takes over the database of before, which is then set aside.
    fn upgrade(&mut self) -> Result<Option<Values>, StateError> {
        let read = self.read_database(false).map_err(|error| match error {
            StateError::Unusable { reason: what, .. } => self.unusable(upgrade::FILE_NAME, &what),
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

    /// The database is not to be taken for the state once more.
    fn set_aside_database(&mut self) -> Result<(), StateError> {
        if self.folder.open_read_only(upgrade::FILE_NAME).map_err(self.io(upgrade::FILE_NAME))?.is_none() {
            return Ok(());
        }
        tracing::info!("{}{} was taken over, and is {UPGRADED_NAME} now", self.message_prefix, upgrade::FILE_NAME);
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

    /// A whole file.
    fn base_image(&self, values: &Values) -> Vec<u8> {
        let mut image = header();
        image.extend(self.lines(true, values.iter().map(|(key, value)| (key, Some(value)))));
        image
    }

    /// Writes both files anew, with a new commit.
    ///
    /// # Errors
    /// The storage failed.
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

    /// Makes a change of the state durable in both files. A file that takes no change any more, as one that was removed, is
    /// written anew.
    ///
    /// # Errors
    /// The storage failed. Neither file is trusted any more: the next change writes them anew.
    pub(super) fn append(&mut self, change: &Transaction, values: &Values) -> Result<(), StateError> {
        let long = |tail: &AppendFile| tail.end > 2 * self.base_len + REWRITE_SLACK;
        if let Some(tails) = self.append_files.take().filter(|tails| !tails.iter().any(long)) {
            match self.append_to(tails, change) {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "the state files are written anew"),
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

    /// Writes the identities of a state.
    ///
    /// # Errors
    /// The storage failed.
    pub(super) fn write_identities(&mut self, values: &Values) -> Result<(), StateError> {
        let identities = Identities::of(&self.store, self.commit, values);
        let failed = self.io(identities::FILE_NAME);
        let text = identities.encode().map_err(|error| failed(io::Error::other(error)))?;
        self.folder.replace(identities::FILE_NAME, text.as_bytes()).map_err(failed)?;
        self.identities = Some(identities);
        Ok(())
    }

    /// Looks that both files are as they were written, and has the identities name the last commit: files of an older
    /// state are known for what they are.
    ///
    /// # Errors
    /// The storage failed.
    pub(super) fn close(&mut self, values: &Values) -> Result<(), StateError> {
        let commit = self.commit;
        let whole = |copy: &StateFile| copy.damage_text().is_none() && copy.clean_tail && copy.last_commit() == commit;
        let copies = self.read_files()?;
        let faults = copies.iter().filter(|copy| !whole(copy)).map(|copy| copy.name).collect::<Vec<_>>().join(" and ");
        if !faults.is_empty() {
            // Where the last commit failed, the files are not as they should be, and that was said.
            if self.append_files.is_some() {
                tracing::warn!("{}{faults}: damaged while in use, and written again", self.message_prefix);
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

/// A state always has a key, and so a line: its version.
pub(super) fn with_version(mut values: Values) -> Values {
    values.insert("version".into(), VERSION.to_string().into_bytes());
    values
}

/// What is wrong with the files together, and with each.
fn damage_report(what: &str, copies: &[StateFile; 2]) -> String {
    let each = copies.iter().filter_map(|copy| Some(format!("{} {}", copy.name, copy.damage_text()?)));
    let each = each.collect::<Vec<_>>().join(", ");
    if each.is_empty() { what.into() } else { format!("{what} ({each})") }
}
