//! The text of a configuration, and errors that name a line of it.

use crate::config::ConfigError;
use std::cell::RefCell;
use toml::Spanned;

/// The text of a configuration, from which errors and warnings get their line.
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    text: &'a str,
    /// Warnings about former words, in order of their occurrence in the parser.
    warnings: RefCell<Vec<ConfigError>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, warnings: RefCell::default() }
    }

    /// The line of an offset, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1
    }

    /// The column of an offset in its line, counted from 1 in characters.
    fn column(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
    }

    pub(super) fn error(&self, at: usize, key: &str, message: impl Into<String>) -> ConfigError {
        let message = crate::error_text::plain_error(message.into());
        ConfigError { file: self.file.into(), line: self.line(at), column: self.column(at), key: key.into(), message }
    }

    /// Adds a warning: the next release does not accept `former`, and `current` replaces it.
    pub(super) fn warn(&self, text: &Spanned<String>, key: &str, former: &str, current: &str) {
        let message = format!("write {current} instead of {former}, which the next release refuses");
        self.warnings.borrow_mut().push(self.error(text.span().start, key, message));
    }

    pub(super) fn into_warnings(self) -> Vec<ConfigError> {
        self.warnings.into_inner()
    }
}

/// An error of the TOML parser. Neither key nor message quotes a value: it could be a secret.
pub(super) fn syntax_error(source: &Source<'_>, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let start = source.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let line = source.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let key = line.split('=').next().filter(|_| line.contains('=')).unwrap_or_default().trim();
    let plain =
        |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let table = line.trim_start().starts_with('[');
    let secret = line.contains("secret");
    let message = match error.message() {
        message @ "duplicate key" => message.into(),
        _ if secret => crate::config::tables::NOT_A_SECRET.into(),
        message if is_of_users(source.text.get(..start).unwrap_or_default(), line) => without_value(message),
        // The former key is accepted, but not offered.
        message => message.replace(", `level`", ""),
    };
    let key = match () {
        () if table => header(line.trim()).to_owned(),
        () if line.trim_start().starts_with("secret") => {
            in_table(source.text.get(..start).unwrap_or_default(), "secret")
        }
        () if secret => "secret".to_owned(),
        () if plain(key) => in_table(source.text.get(..start).unwrap_or_default(), key),
        () => "(file)".to_owned(),
    };
    source.error(at, &key, message)
}

/// A key with the name of the table that it is in, as other errors have it.
fn in_table(before: &str, key: &str) -> String {
    // What looks like a header in a value is none, and could be part of a secret.
    const TABLES: [&str; 19] = [
        "library",
        "library.first",
        "library.page",
        "library.partition",
        "library.drive",
        "library.drive.page",
        "drive.page",
        "library.cartridges",
        "drive",
        "cartridges",
        "chassis",
        "pool",
        "storage",
        "shelf",
        "iscsi",
        "iscsi.user",
        "iscsi.mutual",
        "http",
        "notify",
    ];
    let table = before.lines().map(str::trim).rfind(|line| line.starts_with('[') && line.contains(']'));
    let name = table.map_or("", |table| header(table).trim_matches(['[', ']', ' ']));
    let name = match name {
        "library.drive" => "drive",
        "library.drive.page" => "drive.page",
        "library.cartridges" => "cartridges",
        name => name,
    };
    if TABLES.contains(&name) { format!("{name}.{key}") } else { key.into() }
}

/// The header of a table, without the rest of the line.
fn header(line: &str) -> &str {
    let end = line.find(']').map_or(line.len(), |at| at + 1);
    let end = if line.get(end..).is_some_and(|rest| rest.starts_with(']')) { end + 1 } else { end };
    line.get(..end).unwrap_or(line)
}

/// Whether a line is about CHAP users: by itself, or by the table that it is in.
fn is_of_users(before: &str, line: &str) -> bool {
    let table = before.lines().rev().find(|line| line.trim_start().starts_with('['));
    [Some(line), table].into_iter().flatten().any(|line| line.contains("user") || line.contains("mutual"))
}

/// A message of the TOML parser without the value that it quotes.
fn without_value(message: &str) -> String {
    crate::error_text::wrong_value(message)
        .map_or_else(|| message.into(), |(_, expected)| format!("expected {expected}"))
}
