//! The configuration of a running site as text, and the check of another text.

mod file;

pub use file::{AddedTables, ConfigurationFile, ConfigurationFileState, ConfigurationFileStatus, FormerText};

use crate::config::{self, Config, ConfigError, NotifySetup};
use crate::control::{ControlError, ReloadReport};
use crate::locks::{lock, read, write};
use crate::site::Site;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Name of a checked text in place of the path of a file.
const FILE: &str = "text";

/// The configuration of a site: response to `configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationText {
    /// The configuration in use as a file, with defaults and the options of the command line; without secrets, the paths of
    /// the URLs of webhooks, and the arguments of commands. It is never the content of the file as it is now.
    pub text: String,
    /// The configuration file of the program; `None` if it was started without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<ConfigurationFileStatus>,
}

/// The findings in a text: response to `configuration_check`. Nothing is changed by the check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedConfiguration {
    /// The first error; `None` if a daemon with a new data directory would start with the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ConfigurationFinding>,
    /// Words that the next release refuses.
    pub warnings: Vec<ConfigurationFinding>,
    /// Number of libraries; 0 after an error.
    pub libraries: usize,
    /// Number of drives; 0 after an error.
    pub drives: usize,
    /// Number of pools; 0 after an error.
    pub pools: usize,
}

/// An error or a warning, with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationFinding {
    /// Line, counted from 1; 0 for the text as a whole.
    pub line: usize,
    /// Column, counted from 1 in characters; 0 for the text as a whole.
    #[serde(default)]
    pub column: usize,
    /// Key with its table, such as `library.slots`.
    pub key: String,
    /// The invalid value, and the expected ones.
    pub message: String,
}

impl ConfigurationFinding {
    fn new(text: &str, ConfigError { line, column, key, message, .. }: ConfigError) -> Self {
        let start = || {
            let line = text.lines().nth(line.checked_sub(1)?)?;
            line.chars().position(|character| !character.is_whitespace())
        };
        // An error of which only the line is known is at the key.
        let column = if column > 0 { column } else { start().map_or(0, |before| before + 1) };
        Self { line, column, key, message }
    }
}

impl CheckedConfiguration {
    /// Checks a text as `ferric config check` checks a file.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let config = match config::parse(FILE, text) {
            Ok(config) => config,
            Err(error) => return Self { error: Some(ConfigurationFinding::new(text, error)), ..Self::default() },
        };
        let warnings = config.warnings.iter().map(|warning| ConfigurationFinding::new(text, warning.clone())).collect();
        match config::check(&config) {
            Err(error) => Self { error: Some(ConfigurationFinding::new(text, error)), warnings, ..Self::default() },
            Ok(()) => Self {
                error: None,
                warnings,
                libraries: config.libraries.len(),
                drives: config.libraries.iter().map(|library| library.drives.len()).sum(),
                pools: config.pools.len(),
            },
        }
    }
}

/// A configuration as text, without secrets and without what may contain one.
pub(crate) fn text_of(config: &Config) -> String {
    let mut shown = config.clone();
    shown.faults = config.faults.inlined();
    shown.notify = config.notify.iter().map(NotifySetup::without_secrets).collect();
    for command in shown.libraries.iter_mut().filter_map(|library| library.move_command.as_mut()) {
        command.command.truncate(1);
    }
    shown.to_string()
}

impl Site {
    /// The configuration that the site was opened with, or that of its last reload.
    #[must_use]
    pub fn configuration(&self) -> ConfigurationText {
        let file = lock(&self.configuration_file).clone();
        ConfigurationText { text: read(&self.configuration).clone(), file: file.and_then(|file| file.status()) }
    }

    /// Sets the configuration that is shown as the one in use. A program calls it after a reload of which only its own part
    /// was applied.
    pub fn set_configuration(&self, config: &Config) {
        *write(&self.configuration) = text_of(config);
    }

    /// Sets what reads and changes the configuration file of the program. It must not own the site, which would never be
    /// dropped.
    pub fn set_configuration_file(&self, file: Arc<dyn ConfigurationFile>) {
        *lock(&self.configuration_file) = Some(file);
    }

    pub(crate) fn add_to_configuration(&self, text: &str) -> Result<ReloadReport, ControlError> {
        let file = lock(&self.configuration_file).clone();
        file.ok_or_else(|| ControlError::unavailable("this site has no configuration file"))?.add(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn findings_have_their_line() {
        let found = |text: &str| CheckedConfiguration::of(text);
        let valid = found("[[library]]\nslots = 4\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n");
        assert_eq!((&valid.error, valid.libraries, valid.drives, valid.pools), (&None, 1, 2, 0));
        let unknown = found("[[library]]\n\nslot = 4\n").error.unwrap();
        assert_eq!((unknown.line, unknown.column, &*unknown.key), (3, 1, "library.slot"), "{unknown:?}");
        let large = found("[[library]]\nslots = 400000\n").error.unwrap();
        assert_eq!((large.line, large.column, &*large.key), (2, 9, "library.slots"), "{large:?}");
        // Only the line of a layout that does not fit is known: the finding is at its key.
        let layout = found("[[library]]\nname = \"é\"\n").error.unwrap();
        assert_eq!((layout.line, layout.column), (2, 8), "{layout:?}");
        let slots = found("[[library]]\n  slots = 2000\n").error.unwrap();
        assert_eq!((slots.line, slots.column, &*slots.key), (2, 3, "library.slots"), "{slots:?}");
        // The value of a secret is in no finding.
        let secret = found("[iscsi]\nusers = [\"host:short\"]\n").error.unwrap();
        assert!(!format!("{secret:?}").contains("short"), "{secret:?}");
    }

    /// A text of a client names neither a file that makes the daemon wait nor more cartridges than it can hold.
    #[test]
    fn hostile_texts_are_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let error = |text: &str| CheckedConfiguration::of(text).error.unwrap();
        for (path, found) in
            [(pipe.as_path(), "a named pipe"), (directory.path(), "a directory"), ("/dev/zero".as_ref(), "a device")]
        {
            for key in ["secret_file", "ca_file"] {
                let found_error =
                    error(&format!("[[notify]]\nname = \"a\"\nurl = \"https://a.example\"\n{key} = {path:?}\n"));
                let expected = format!("{}: is {found}; expected a regular file", path.display());
                assert_eq!((found_error.key, found_error.message), (format!("notify.{key}"), expected));
            }
        }
        let many = "[[library.cartridges]]\npattern = \"V#####L8\"\ncount = 65000\n".repeat(1000);
        let cartridges = error(&format!("[[library]]\n{many}"));
        let expected = "the tables up to this one list 260000 cartridges; a file lists at most 250000";
        assert_eq!((cartridges.line, cartridges.column, &*cartridges.message), (13, 9, expected));
        let many = "[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 9000\n".repeat(1000);
        let drives = error(&format!("[[library]]\n{many}"));
        assert_eq!(drives.message, "the tables up to this one list 18000 drives; a file lists at most 16384");
    }

    #[test]
    fn checks_at_the_same_time_do_not_collide() {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("[storage]\ncartridges = [{:?}]\n", directory.path());
        std::thread::scope(|scope| {
            let check = || (0..200).all(|_| CheckedConfiguration::of(&text).error.is_none());
            let checks: Vec<_> = (0..4).map(|_| scope.spawn(check)).collect();
            assert!(checks.into_iter().all(|check| check.join().unwrap()));
        });
    }

    #[test]
    fn text_leaves_out_what_may_be_a_secret() {
        let text = "[[library]]\nslots = 4\nmove_command = [\"/bin/move\", \"hidden\"]\n\
                    [[notify]]\nname = \"a\"\nurl = \"https://example.org/hidden?hidden\"\n\
                    [[notify]]\nname = \"b\"\ncommand = [\"/bin/tell\", \"hidden\"]\n";
        let shown = text_of(&parse("f", text).unwrap());
        for expected in ["move_command = [\"/bin/move\"]", "url = \"https://example.org\"", "command = [\"/bin/tell\"]"]
        {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        assert!(!shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn text_is_that_of_the_last_reload_and_without_secrets() {
        let text = |slots: u16| {
            format!(
                "[[library]]\nslots = {slots}\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n[[iscsi.user]]\nname = \"host\"\nsecret = \"0123456789abcdef\"\n"
            )
        };
        let directory = tempfile::tempdir().unwrap();
        let site = Site::open(directory.path(), &parse("f", &text(4)).unwrap()).unwrap();
        let shown = site.configuration().text;
        assert!(shown.contains("slots = 4\n") && shown.contains("host"), "{shown}");
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
        site.reload(&parse("f", &text(6)).unwrap()).unwrap();
        assert!(site.configuration().text.contains("slots = 6\n"));
        // A reload that is refused changes nothing.
        site.reload(&parse("f", &text(5)).unwrap()).unwrap_err();
        assert!(site.configuration().text.contains("slots = 6\n"));
    }
}
