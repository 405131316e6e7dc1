//! `docs/compatibility.md`: the programs that the tests run, from the records that the tests write.
//!
//! A record is a line of a file in `target/compatibility`: program, version, what it did, interface and result, separated by
//! tabs. The tests of `ferric run` write a file for each record, the jobs of the guest one for all of theirs.

use crate::guest::workspace;
use crate::shell::{file_error, output, print_line};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

type Outcome<T = ()> = Result<T, String>;

/// The page up to its rows.
const HEAD: &str = "# Compatibility

This page lists the programs that the tests of Ferric run, for users who look for theirs. It is generated: `cargo xtask compatibility`
writes it from the records of a run of the tests. The interface is the one between the program and Ferric: `ferric run`
([run.md](run.md)), or the drivers of Debian's kernel in a guest, over iSCSI ([iscsi.md](iscsi.md)). A row is in the page only if the
test ended without a failure on that date. Rows with \"not run by CI\" are those of a run by hand.

| program | version | what it did | interface | result | date |
|---|---|---|---|---|---|
";

/// In the result of a row that was added by hand, after a run that `cargo xtask test` does not do.
const BY_HAND: &str = "not run by CI";

/// A row, in the order of its columns.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    program: String,
    version: String,
    done: String,
    interface: String,
    result: String,
    date: String,
}

impl Row {
    fn new(columns: [&str; 6]) -> Self {
        let [program, version, done, interface, result, date] = columns.map(|column| column.trim().to_owned());
        Self { program, version, done, interface, result, date }
    }

    /// The facts that a test decides, and not the machine or the day of its run.
    fn facts(&self) -> [&str; 4] {
        [&self.program, &self.done, &self.interface, &self.result]
    }

    fn by_hand(&self) -> bool {
        self.result.contains(BY_HAND)
    }
}

/// The directory of the records.
pub(crate) fn directory() -> PathBuf {
    workspace().join("target/compatibility")
}

fn page() -> PathBuf {
    workspace().join("docs/compatibility.md")
}

/// Removes the records of former runs.
pub(crate) fn clear() -> Outcome {
    let directory = directory();
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).map_err(file_error(&directory))
}

/// Writes the page. Rows that were added by hand are preserved.
pub(crate) fn write() -> Outcome {
    let mut rows = records()?;
    if page().exists() {
        rows.extend(rows_of_page()?.into_iter().filter(Row::by_hand));
    }
    let rows = rows.iter().map(|row| {
        let Row { program, version, done, interface, result, date } = row;
        format!("| {program} | {version} | {done} | {interface} | {result} | {date} |\n")
    });
    fs::write(page(), HEAD.to_owned() + &rows.collect::<String>()).map_err(file_error(&page()))
}

/// Checks that the tests of this run did what each row of the page contains. Versions and dates may differ.
pub(crate) fn check() -> Outcome {
    let (records, rows) = (records()?, rows_of_page()?);
    for row in without_equal(&records, &rows) {
        print_line(&format!("docs/compatibility.md lacks {:?}: run `cargo xtask compatibility`", row.facts()));
    }
    match without_equal(&rows, &records).find(|row| !row.by_hand()) {
        Some(row) => Err(format!("docs/compatibility.md: no test recorded {:?}", row.facts())),
        None => {
            print_line(&format!("\ncompatibility: {} rows", rows.len()));
            Ok(())
        }
    }
}

/// The rows whose facts no row of the others has.
fn without_equal<'a>(rows: &'a BTreeSet<Row>, others: &'a BTreeSet<Row>) -> impl Iterator<Item = &'a Row> {
    rows.iter().filter(|row| !others.iter().any(|other| other.facts() == row.facts()))
}

/// The records of the last run, each with the date of its file.
fn records() -> Outcome<BTreeSet<Row>> {
    let directory = directory();
    let mut rows = BTreeSet::new();
    for entry in fs::read_dir(&directory).map_err(file_error(&directory))? {
        let path = entry.map_err(file_error(&directory))?.path();
        let date = output("date", ["-u", "+%F", "-r", &path.display().to_string()])?;
        let date = String::from_utf8_lossy(&date);
        for line in fs::read_to_string(&path).map_err(file_error(&path))?.lines() {
            let row = parse_record(line, &date);
            rows.insert(row.ok_or_else(|| format!("{}: {line:?} has not five columns", path.display()))?);
        }
    }
    Ok(rows)
}

fn parse_record(line: &str, date: &str) -> Option<Row> {
    match line.split('\t').collect::<Vec<_>>()[..] {
        [program, version, done, interface, result] => {
            Some(Row::new([program, version, done, interface, result, date]))
        }
        _ => None,
    }
}

fn rows_of_page() -> Outcome<BTreeSet<Row>> {
    parse_page(&fs::read_to_string(page()).map_err(file_error(&page()))?)
}

fn parse_page(text: &str) -> Outcome<BTreeSet<Row>> {
    let rows = text.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| match line.trim_matches('|').split(" | ").collect::<Vec<_>>()[..] {
        [program, version, done, interface, result, date] => {
            Ok(Row::new([program, version, done, interface, result, date]))
        }
        _ => Err(format!("docs/compatibility.md: {line:?} has not six columns")),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_needs_a_record_with_the_same_facts() {
        let page = "| program | version | what it did | interface | result | date |\n|---|---|---|---|---|---|\n\
                    | mt | 1.7 | status | `ferric run` | passed | 2026-01-01 |\n\
                    | tar | 1.34 | backup | `ferric run` | passed | 2026-01-01 |\n";
        let rows = parse_page(page).unwrap();
        let of = |done: &str| {
            let lines =
                [format!("mt\t1.8\t{done}\t`ferric run`\tpassed"), "tar\t1.34\tbackup\t`ferric run`\tpassed".into()];
            lines.iter().map(|line| parse_record(line, "2026-02-02\n").unwrap()).collect::<BTreeSet<_>>()
        };
        assert_eq!(without_equal(&rows, &of("status")).count(), 0);
        let missing: Vec<_> = without_equal(&rows, &of("offline")).map(|row| row.program.clone()).collect();
        assert_eq!(missing, ["mt"]);
        assert!(parse_record("mt\t1.8", "2026-02-02").is_none() && parse_page("|\n|\n| mt | 1.7 |").is_err());
    }
}
