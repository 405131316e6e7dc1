//! Names and contents of the files of a log.

use crate::chain::Link;
use crate::{AuditError, at};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Name of the file with the end of the chain.
const HEAD: &str = "head";
/// Length of the head file in bytes. It is written in place.
const HEAD_LEN: usize = 128;

/// The name of a file of records, from 1.
pub(crate) fn name(number: u32) -> String {
    format!("{number:06}.jsonl")
}

/// The path of a file of records, from 1.
pub(crate) fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(name(number))
}

/// Numbers of the files of records, ascending.
pub(crate) fn list(directory: &Path) -> Result<Vec<u32>, AuditError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let name = entry.map_err(at(directory))?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        numbers.extend(stem.filter(|stem| stem.len() == 6).and_then(|stem| stem.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The content of a file of records. Bytes that are not UTF-8 are replaced, so that their line is not a record.
pub(crate) fn read(path: &Path) -> Result<String, AuditError> {
    let bytes = fs::read(path).map_err(at(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first line of a file of records, without its line break.
pub(crate) fn first_line(path: &Path) -> Result<String, AuditError> {
    let mut file = io::BufReader::new(File::open(path).map_err(at(path))?);
    let mut line = Vec::new();
    io::BufRead::read_until(&mut file, b'\n', &mut line).map_err(at(path))?;
    Ok(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned())
}

/// The path of the head file.
pub(crate) fn head_path(directory: &Path) -> PathBuf {
    directory.join(HEAD)
}

/// The end of the chain in the head file; `None` if there is no such file, or it is damaged.
pub(crate) fn read_head(directory: &Path) -> Result<Option<Link>, AuditError> {
    let path = head_path(directory);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => Ok(serde_json::from_slice(&bytes.map_err(at(&path))?).ok()),
    }
}

/// Writes the end of the chain into the head file, in place.
pub(crate) fn write_head(file: &File, link: &Link) -> io::Result<()> {
    let text = serde_json::to_string(link)?;
    file.write_all_at(format!("{text:<width$}\n", width = HEAD_LEN - 1).as_bytes(), 0)
}

/// The whole content of an open file.
pub(crate) fn content(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
