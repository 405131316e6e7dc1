//! Logs on disk: changed, cut and torn files, a full disk, and readers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use audit::{Actor, ActorKind, AuditLog, Broken, Entry, Filter, Verified, read, verify};
use serde_json::json;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn entry(action: &str, object: &str) -> Entry {
    let actor = Actor { uid: Some(0), ..Actor::new(ActorKind::User, "root").with_origin("control socket") };
    Entry { objects: vec!["main".into(), object.into()], ..Entry::new(actor, action) }
}

/// A log of 12 records in several files, each of at most two records of changes.
fn twelve_records(directory: &Path) {
    let mut log = AuditLog::open_with_limit(directory, 1, 500).unwrap();
    for number in 0..12 {
        log.prepare().unwrap();
        log.append(1000 + number, [entry("move", &format!("A{number}L8"))]).unwrap();
    }
}

/// The files with records, and the content of each.
fn files(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some());
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn check(directory: &Path) -> Result<Verified, Broken> {
    verify(directory, None).unwrap()
}

/// The lines of a text with their line breaks, changed.
fn changed(text: &str, change: impl Fn(&mut Vec<String>)) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    change(&mut lines);
    lines.concat()
}

#[test]
fn every_change_of_every_line_is_found() {
    let directory = tempfile::tempdir().unwrap();
    twelve_records(directory.path());
    let intact = check(directory.path()).unwrap();
    let files = files(directory.path());
    assert!(files.len() > 3 && intact.files == files.len() && intact.last.seq > 12, "{intact:?}");
    let mut tried = 0;
    for (path, text) in &files {
        for line in 0..text.lines().count() {
            let own = text.lines().nth(line).unwrap().to_owned();
            let is_last = line + 1 == text.lines().count();
            let time = own.find("\"at\":").unwrap() + 5;
            let mut attempts = vec![
                // Another time; the line removed, doubled, and cut in the middle with all after it.
                (line + 1, changed(text, |lines| lines[line].replace_range(time..=time, "9"))),
                (line + 1, changed(text, |lines| drop(lines.remove(line)))),
                (line + 2, changed(text, |lines| lines.insert(line, lines[line].clone()))),
                (
                    line + 1,
                    changed(text, |lines| {
                        lines.truncate(line + 1);
                        lines[line].truncate(own.len() / 2);
                    }),
                ),
                (line + 1, changed(text, |lines| lines.truncate(line))),
                (line + 1, changed(text, |lines| lines[line] = lines[line].replace("\"hash\":\"", "\"hash\":\"0"))),
            ];
            if !is_last {
                attempts.push((line + 1, changed(text, |lines| lines.swap(line, line + 1))));
            }
            for (expected, content) in attempts {
                fs::write(path, content).unwrap();
                let broken = check(directory.path()).expect_err(&format!("{}:{}", path.display(), line + 1));
                // A missing end of a file is found in the next file, or at the end of the log.
                let is_here = broken.file == *path && broken.line == expected;
                let is_end = broken.file > *path || broken.reason.ends_with("are missing");
                assert!(is_here || is_end, "{broken} instead of line {expected} of {}", path.display());
                tried += 1;
            }
            fs::write(path, text).unwrap();
        }
        let aside = path.with_extension("aside");
        fs::rename(path, &aside).unwrap();
        assert!(check(directory.path()).is_err(), "{} is missing", path.display());
        fs::rename(&aside, path).unwrap();
    }
    assert!(tried > 80, "{tried}");
    assert_eq!(check(directory.path()).unwrap(), intact);
    fs::remove_file(directory.path().join("head")).unwrap();
    assert_eq!(check(directory.path()).unwrap_err().reason, "the file is missing or damaged");
}

/// A power loss during the write of the last record: its line is cut anywhere, and the file `head` is that of the record
/// before.
#[test]
fn a_torn_last_line_is_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let append = |number| {
        let mut log = AuditLog::open(directory.path(), number).unwrap();
        log.prepare().unwrap();
        log.append(number, [entry("load", "A1L8")]).unwrap();
    };
    append(1);
    let (head, path) = (fs::read(directory.path().join("head")).unwrap(), directory.path().join("000001.jsonl"));
    let before = fs::read(&path).unwrap();
    append(2);
    let whole = fs::read(&path).unwrap();
    for len in before.len() + 1..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        fs::write(directory.path().join("head"), &head).unwrap();
        assert_eq!(check(directory.path()).unwrap_err().reason, "the line is incomplete");
        drop(AuditLog::open(directory.path(), 3).unwrap());
        check(directory.path()).unwrap();
        let records = read(directory.path(), &Filter::default(), 100).unwrap();
        let last = records.last().unwrap();
        assert_eq!((last.entry.action.as_str(), last.at), ("audit_repaired", 3));
        assert_eq!(last.entry.details, json!({ "dropped_bytes": len - before.len(), "file": "000001.jsonl" }));
    }
    // The same cut after the head was written is no power loss: the record was durable.
    fs::write(&path, &before).unwrap();
    fs::write(directory.path().join("head"), &head).unwrap();
    append(2);
    fs::write(&path, &before).unwrap();
    assert_eq!(check(directory.path()).unwrap_err().reason, "records 3 to 3 are missing");
    drop(AuditLog::open(directory.path(), 4).unwrap());
    let reason = check(directory.path()).unwrap_err().reason;
    assert!(reason.starts_with("records before this one were lost: {\"expected\":{"), "{reason}");
}

#[test]
fn a_full_disk_refuses_the_next_change() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = AuditLog::open(directory.path(), 1).unwrap();
    log.prepare().unwrap();
    log.append(1, [entry("load", "A1L8")]).unwrap();
    log.set_reserve(|_, _, _| Err(io::Error::from_raw_os_error(28)));
    let error = log.prepare().unwrap_err().to_string();
    assert!(error.ends_with("000001.jsonl: No space left on device (os error 28)"), "{error}");
    log.set_reserve(|_, _, _| Ok(()));
    log.prepare().unwrap();
    log.append(2, [entry("unload", "A1L8")]).unwrap();
    drop(log);
    assert_eq!(check(directory.path()).unwrap().last.seq, 3);
}

#[test]
fn reserved_space_is_on_the_disk_and_returned() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("000001.jsonl");
    let mut log = AuditLog::open(directory.path(), 1).unwrap();
    log.prepare().unwrap();
    for number in 0..3 {
        log.append(number, [entry("load", "A1L8")]).unwrap();
    }
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.len() < 2000 && metadata.blocks() * 512 >= 1 << 20, "{metadata:?}");
    assert_eq!(metadata.mode() & 0o777, 0o600);
    drop(log);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn readers_select_records() {
    let directory = tempfile::tempdir().unwrap();
    twelve_records(directory.path());
    let all = read(directory.path(), &Filter::default(), usize::MAX).unwrap();
    let moves = |filter: Filter, max| -> Vec<String> {
        let records = read(directory.path(), &filter, max).unwrap();
        records
            .iter()
            .filter(|record| record.entry.action == "move")
            .map(|record| record.entry.objects[1].clone())
            .collect()
    };
    let filter = Filter { object: Some("A3L8".into()), ..Filter::default() };
    assert_eq!(moves(filter, 10), ["A3L8"]);
    assert_eq!(moves(Filter { since: 1010, ..Filter::default() }, 10), ["A10L8", "A11L8"]);
    assert_eq!(moves(Filter { actor: Some("alice".into()), ..Filter::default() }, 10), [""; 0]);
    let root = Filter { actor: Some("root".into()), ..Filter::default() };
    assert_eq!(moves(root.clone(), usize::MAX).len(), 12);
    // In pages of five.
    let mut after = 0;
    let mut paged = Vec::new();
    loop {
        let page = read(directory.path(), &Filter { after, ..root.clone() }, 5).unwrap();
        let Some(last) = page.last() else { break };
        (after, paged) = (last.seq, [paged, page].concat());
    }
    assert_eq!(paged.len(), 12);
    assert!(all.len() > 12);
}

#[test]
fn large_values_are_replaced_by_their_size() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = AuditLog::open(directory.path(), 1).unwrap();
    log.append(1, [Entry { after: json!("x".repeat(10_000)), ..entry("create", "scratch") }]).unwrap();
    let records = read(directory.path(), &Filter::default(), 10).unwrap();
    assert_eq!(records[1].entry.after, json!({ "omitted_bytes": 10_002 }));
}
