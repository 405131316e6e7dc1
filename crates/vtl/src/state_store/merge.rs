//! Merges two state files into one state that has every acknowledged commit.

use super::line::Record;
use super::state_file::StateFile;
use std::collections::{BTreeMap, BTreeSet};

/// Keys and values of a state.
pub(crate) type Values = BTreeMap<String, Vec<u8>>;

/// Values by key, with the number of the commit that set each.
pub(crate) type ValuesByCommit = BTreeMap<String, (u64, Vec<u8>)>;

/// The state that two files have together.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) store: String,
    /// Number of the last commit.
    pub(super) commit: u64,
    pub(super) values: Values,
}

/// The lines of one commit from both files.
#[derive(Default)]
struct Commit<'a> {
    parts: u32,
    lines: BTreeMap<u32, &'a Record>,
}

impl Commit<'_> {
    fn is_complete(&self) -> bool {
        self.parts > 0 && self.lines.len() == usize::try_from(self.parts).unwrap_or(usize::MAX)
    }

    fn apply(&self, values: &mut Values) {
        for record in self.lines.values() {
            match &record.value {
                Some(value) => drop(values.insert(record.key.clone(), value.clone())),
                None => drop(values.remove(&record.key)),
            }
        }
    }
}

/// Commits by number: bases and changes.
#[derive(Default)]
struct Commits<'a> {
    bases: BTreeMap<u64, Commit<'a>>,
    changes: BTreeMap<u64, Commit<'a>>,
}

impl<'a> Commits<'a> {
    fn of(copies: &'a [StateFile; 2], store: &str) -> Result<Self, String> {
        let mut commits = Self::default();
        for record in copies.iter().flat_map(|copy| &copy.records).filter(|record| record.store == store) {
            let kind = if record.base { &mut commits.bases } else { &mut commits.changes };
            let commit = kind.entry(record.commit).or_default();
            let other = commit.lines.insert(record.part, record);
            if other.is_some_and(|other| other != record) || (commit.parts != 0 && commit.parts != record.parts) {
                return Err(format!("contradict each other in commit {}", record.commit));
            }
            commit.parts = record.parts;
        }
        Ok(commits)
    }

    /// The latest state that can be assembled: from each complete base with the complete changes that follow it.
    fn latest_complete_state(&self) -> Option<(u64, Values)> {
        let reach = |base: u64| {
            let mut last = base;
            while let Some(next) = last.checked_add(1).filter(|next| self.whole_change(*next).is_some()) {
                last = next;
            }
            (last, base)
        };
        let bases = self.bases.iter().filter(|(_, base)| base.is_complete());
        let (last, base) = bases.map(|(number, _)| reach(*number)).max()?;
        let mut values = Values::new();
        self.bases.get(&base)?.apply(&mut values);
        (base + 1..=last).filter_map(|number| self.whole_change(number)).for_each(|change| change.apply(&mut values));
        Some((last, values))
    }

    fn whole_change(&self, number: u64) -> Option<&Commit<'a>> {
        self.changes.get(&number).filter(|change| change.is_complete())
    }

    /// Number of the last commit that has a line.
    fn last(&self) -> u64 {
        let last = |commits: &BTreeMap<u64, Commit<'_>>| commits.keys().next_back().copied().unwrap_or(0);
        last(&self.bases).max(last(&self.changes))
    }
}

/// IDs of the states that the files belong to.
fn store_ids(copies: &[StateFile; 2]) -> Vec<&str> {
    let all: BTreeSet<&str> =
        copies.iter().flat_map(|copy| &copy.records).map(|record| record.store.as_str()).collect();
    all.into_iter().collect()
}

/// ID of the state whose lines are used: that of the identities file if it is known.
pub(super) fn select_store(copies: &[StateFile; 2], expected: Option<&str>) -> Result<String, String> {
    match (expected, store_ids(copies).as_slice()) {
        (_, []) => Err("hold no line that passes its checksum".into()),
        (Some(expected), stores) if stores.contains(&expected) => Ok(expected.into()),
        (Some(_), _) => Err("belong to another site than identities.toml".into()),
        (None, [one]) => Ok((*one).into()),
        (None, _) => Err("belong to two different sites".into()),
    }
}

/// Merges two state files.
///
/// A commit is acknowledged after it is durable in both files, written in the order of their names. So an intact file
/// has every acknowledged commit, and a last commit that only the first file has need not be acknowledged.
///
/// # Errors
/// Fails if it cannot be determined which commit was acknowledged last; the error says why.
pub(super) fn merge(copies: &[StateFile; 2], expected: Option<&str>) -> Result<Merged, String> {
    let store = select_store(copies, expected)?;
    // Rewriting would destroy the file of another site.
    if let Some(other) = copies.iter().find(|copy| copy.records.iter().any(|record| record.store != store)) {
        return Err(format!("belong to two different sites: remove {}, if it is the wrong one", other.name));
    }
    let commits = Commits::of(copies, &store)?;
    let (commit, values) = commits.latest_complete_state().ok_or("hold no complete state")?;
    let [_, second] = copies;
    let last = commits.last();
    // Power was lost while the first file was written: the second has no line of that commit yet.
    let torn = last == commit + 1 && second.last_commit() <= commit && second.clean_tail;
    if last > commit && !torn {
        return Err(format!("have no complete commit {}, but lines of commit {last}", commit + 1));
    }
    if !copies.iter().any(|copy| copy.clean_tail) {
        return Err(format!("are both damaged after commit {commit}"));
    }
    Ok(Merged { store, commit, values })
}

/// Everything that can still be read, with the number of its last commit; and descriptions of what is certainly lost.
pub(super) fn salvage(copies: &[StateFile; 2], store: &str) -> (ValuesByCommit, Vec<String>) {
    let (mut salvaged, mut lost) = (BTreeMap::new(), Vec::new());
    let complete = Commits::of(copies, store).ok().and_then(|commits| commits.latest_complete_state());
    let after = complete.as_ref().map_or(0, |(commit, _)| *commit);
    if let Some((commit, values)) = complete {
        salvaged.extend(values.into_iter().map(|(key, value)| (key, (commit, value))));
    } else {
        lost.push("no complete state: keys whose lines are damaged are missing".into());
    }
    let mut rest: Vec<&Record> = copies.iter().flat_map(|copy| &copy.records).collect();
    rest.retain(|record| record.store == store && record.commit > after);
    rest.sort_by_key(|record| (record.commit, record.part));
    if let Some(last) = rest.last() {
        lost.push(format!("commits {} to {} are incomplete: some of their changes are lost", after + 1, last.commit));
    }
    for record in rest {
        match &record.value {
            Some(value) => drop(salvaged.insert(record.key.clone(), (record.commit, value.clone()))),
            None => drop(salvaged.remove(&record.key)),
        }
    }
    (salvaged, lost)
}
