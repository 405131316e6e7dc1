//! `[storage]`: the directories of cartridges.

use super::source::Source;
use crate::config::{ConfigError, StorageLines};
use std::path::PathBuf;
use toml::Spanned;

/// The directories of cartridges, and their lines.
pub(super) fn directories(
    source: &Source<'_>,
    given: Vec<Spanned<String>>,
) -> Result<(Vec<PathBuf>, StorageLines), ConfigError> {
    const KEY: &str = "storage.cartridges";
    let mut lines = StorageLines { file: source.file.into(), ..StorageLines::default() };
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in given {
        let at = path.span().start;
        let text = path.into_inner();
        if text.is_empty() || text.contains('\0') {
            return Err(source.error(at, KEY, format!("{text:?} is not a directory")));
        }
        if paths.contains(&PathBuf::from(&text)) {
            return Err(source.error(at, KEY, format!("directory {text:?} is given twice")));
        }
        lines.directories.push(source.line(at));
        paths.push(text.into());
    }
    Ok((paths, lines))
}
