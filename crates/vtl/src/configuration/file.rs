//! The configuration file of a running program: its state, and chassis, libraries and pools that are added to it.

use crate::config;
use crate::control::{ControlError, ReloadReport};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Tables that a request can add.
const ADDED_TABLES: [&str; 3] = ["chassis", "library", "pool"];
/// Keys of a library that name programs. A request cannot add them: it could run any program of the machine.
const COMMAND_KEYS: [&str; 2] = ["move_command", "move_command_timeout"];

/// The configuration file of the program that opened a site.
pub trait ConfigurationFile: Send + Sync {
    /// Path and state of the file; `None` if the program was started without one.
    fn status(&self) -> Option<ConfigurationFileStatus>;

    /// Adds chassis, libraries and pools to the end of the file, and reloads it.
    ///
    /// # Errors
    /// The program has no such file, the text has other tables, the file with the text is invalid or cannot be written, or
    /// the reload is refused. The file is then as before.
    fn add(&self, text: &str) -> Result<ReloadReport, ControlError>;
}

/// The configuration file of a program, compared with the configuration in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationFileStatus {
    /// Path of the file, as the program got it.
    pub path: String,
    /// The state of its content.
    pub state: ConfigurationFileState,
    /// Reason why the content is not in use, after a reload that was refused, or why the file cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// State of the content of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationFileState {
    /// The content is the configuration in use, apart from the options of the command line.
    InUse,
    /// The file was changed since it was read; a reload or a start reads it.
    Changed,
    /// The last reload has refused the content.
    Refused,
    /// The file cannot be read.
    Unreadable,
}

/// A configuration file, with tables that are to be added to it. Dropped without [`Self::commit`], it leaves the file as
/// it is.
#[derive(Debug)]
pub struct AddedTables {
    /// The file itself, after symbolic links.
    path: PathBuf,
    /// The text of the file before the change.
    before: String,
    text: String,
    /// A file with the new text beside it.
    staged: Option<PathBuf>,
}

impl AddedTables {
    /// Reads a configuration file and adds tables to its text. Nothing is written.
    ///
    /// # Errors
    /// `invalid` if the text has other tables than `[[library]]` and `[[pool]]`, or names programs; `unavailable` if the
    /// file cannot be read.
    pub fn new(path: &Path, text: &str) -> Result<Self, ControlError> {
        check_tables(text)?;
        let failed = |error: io::Error| file_error(path, "cannot be read", &error);
        let path = fs::canonicalize(path).map_err(failed)?;
        let before = config::read_regular_text(&path).map_err(failed)?;
        let text = format!("{}\n\n{}\n", without_empty_list(&before).trim_end(), text.trim_end());
        Ok(Self { path, before, text: text.trim_start().to_owned(), staged: None })
    }

    /// The text of the file with the added tables.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes the text, durably, to a new file beside the configuration file.
    ///
    /// # Errors
    /// `unavailable`: the directory or its file system does not allow it.
    pub fn stage(&mut self) -> Result<(), ControlError> {
        let failed = |error: io::Error| file_error(&self.path, "cannot be written", &error);
        let owner = fs::metadata(&self.path).map_err(failed)?;
        let staged = staged_path(&self.path);
        let mode = owner.permissions().mode() & 0o777;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&staged).map_err(failed)?;
        let written = (|| {
            file.set_permissions(owner.permissions())?;
            if file.metadata()?.uid() != owner.uid() || file.metadata()?.gid() != owner.gid() {
                // Only root can give a file to another user.
                let _ = std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()));
            }
            file.write_all(self.text.as_bytes())?;
            file.sync_all()
        })();
        self.staged = Some(staged);
        written.map_err(failed)
    }

    /// Replaces the configuration file by the staged one. Returns the former text, which can be restored.
    ///
    /// # Errors
    /// `conflict`: the file was changed since it was read; `unavailable`: it cannot be replaced, or was not staged.
    pub fn commit(mut self) -> Result<FormerText, ControlError> {
        let failed = |error: io::Error| file_error(&self.path, "cannot be written", &error);
        if config::read_regular_text(&self.path).map_err(failed)? != self.before {
            let path = self.path.display().to_string();
            let message = format!("the configuration file {path} was changed meanwhile; nothing was added");
            return Err(ControlError::conflict(message).with_file(path));
        }
        let staged = self.staged.take().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        fs::rename(&staged, &self.path).map_err(failed)?;
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        Ok(FormerText { path: self.path.clone(), before: self.before.clone(), text: self.text.clone() })
    }
}

/// The text of a configuration file before tables were added to it.
#[derive(Debug)]
pub struct FormerText {
    path: PathBuf,
    before: String,
    text: String,
}

impl FormerText {
    /// Writes the former text again.
    ///
    /// # Errors
    /// As [`AddedTables::commit`].
    pub fn restore(self) -> Result<(), ControlError> {
        let mut former = AddedTables { path: self.path, before: self.text, text: self.before, staged: None };
        former.stage()?;
        former.commit().map(drop)
    }
}

impl Drop for AddedTables {
    fn drop(&mut self) {
        if let Some(staged) = &self.staged {
            let _ = fs::remove_file(staged);
        }
    }
}

fn file_error(path: &Path, what: &str, error: &io::Error) -> ControlError {
    let path = path.display().to_string();
    ControlError::unavailable(format!("the configuration file {path} {what}: {error}")).with_file(path)
}

/// A name beside a file that no other request and no other process uses.
fn staged_path(path: &Path) -> PathBuf {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.ferric-{}-{number}", std::process::id()))
}

/// Refuses a text with other tables than chassis, libraries and pools, and libraries that name programs.
fn check_tables(text: &str) -> Result<(), ControlError> {
    let invalid = |message: String| ControlError::invalid(message).with_member("text");
    let tables: toml::Table = toml::from_str(text).map_err(|error| {
        let message = crate::error_text::plain_error(error.message().to_owned());
        invalid(format!("the text is not TOML: {message}"))
    })?;
    if tables.is_empty() {
        return Err(invalid("the text has no table; expected [[chassis]], [[library]] and [[pool]]".into()));
    }
    for (name, value) in &tables {
        let elements = value.as_array().filter(|_| ADDED_TABLES.contains(&name.as_str()));
        let tables = elements.filter(|elements| !elements.is_empty() && elements.iter().all(toml::Value::is_table));
        let Some(tables) = tables else {
            let message = format!("{name:?} cannot be added; expected tables [[chassis]], [[library]] and [[pool]]");
            return Err(invalid(message));
        };
        let has = |key: &&&str| tables.iter().any(|table| table.get(**key).is_some());
        if let Some(key) = COMMAND_KEYS.iter().find(has) {
            let message = format!("{name}.{key} cannot be added by a request; write it into the configuration file");
            return Err(invalid(message).with_setting(format!("{name}.{key}")));
        }
    }
    Ok(())
}

/// The text of a file without the line `library = []`, after which no library could be added.
fn without_empty_list(text: &str) -> String {
    let mut is_top_level = true;
    let is_kept = |line: &&str| {
        is_top_level &= !line.trim_start().starts_with('[');
        let value = line.split('#').next().unwrap_or_default();
        !(is_top_level && value.chars().filter(|c| !c.is_whitespace()).eq("library=[]".chars()))
    };
    text.split_inclusive('\n').filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str =
        "[[library]]\nname = \"new\"\nslots = 4\ncartridges = []\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";

    #[test]
    fn tables_are_added_to_the_end_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("site.toml"), directory.path().join("link.toml"));
        let before = "# a site\nlibrary = []  # none yet\n\n[iscsi]\nbind = \"127.0.0.1:0\"\n";
        fs::write(&file, before).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut added = AddedTables::new(&link, LIBRARY).unwrap();
        assert!(added.text().starts_with("# a site\n\n[iscsi]\nbind"), "{}", added.text());
        let config = config::parse("f", added.text()).unwrap();
        assert_eq!((&*config.libraries[0].name, &*config.iscsi.bind), ("new", "127.0.0.1:0"));
        added.stage().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        let text = added.text().to_owned();
        added.commit().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        // A second one follows the first; without a commit nothing remains.
        let mut second = AddedTables::new(&file, &LIBRARY.replace("new", "other")).unwrap();
        assert_eq!(config::parse("f", second.text()).unwrap().libraries.len(), 2);
        second.stage().unwrap();
        drop(second);
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn only_libraries_and_pools_without_commands_are_added() {
        for (text, expected) in [
            ("", "the text has no table; expected [[chassis]], [[library]] and [[pool]]"),
            (
                "[http]\ninsecure = true\n",
                "\"http\" cannot be added; expected tables [[chassis]], [[library]] and [[pool]]",
            ),
            (
                "insecure = true\n[[library]]\n",
                "\"insecure\" cannot be added; expected tables [[chassis]], [[library]] and [[pool]]",
            ),
            ("library = []\n", "\"library\" cannot be added; expected tables [[chassis]], [[library]] and [[pool]]"),
            (
                "[[library]]\nmove_command = [\"/bin/sh\"]\n",
                "library.move_command cannot be added by a request; write it into the configuration file",
            ),
        ] {
            assert_eq!(check_tables(text).unwrap_err().message, expected, "{text}");
        }
        assert!(check_tables("[[library]\n").unwrap_err().message.starts_with("the text is not TOML: "));
        check_tables("[[library]]\nslots = 4\n[[pool]]\nname = \"a\"\n").unwrap();
        check_tables("[[chassis]]\nname = \"c\"\n[[library]]\npartition = { chassis = \"c\" }\n").unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_named() {
        let missing = AddedTables::new(Path::new("/nonexistent/site.toml"), LIBRARY).unwrap_err();
        assert!(missing.message.starts_with("the configuration file /nonexistent/site.toml cannot be read: "));
        // No file can be created in /proc, also by root.
        let mut added = AddedTables::new(Path::new("/proc/self/limits"), LIBRARY).unwrap();
        let error = added.stage().unwrap_err();
        assert!(error.message.contains("/limits cannot be written: "), "{error}");
    }
}
