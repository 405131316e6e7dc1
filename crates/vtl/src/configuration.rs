//! The configuration of a running site as text, and the check of another text.

use crate::config::{self, Config, ConfigError, NotifySetup};
use crate::locks::read;
use crate::site::Site;
use serde::{Deserialize, Serialize};

/// Name of a checked text in place of the path of a file.
const FILE: &str = "text";

/// The configuration of a site: response to `configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationText {
    /// The effective configuration as a file, with defaults and the options of the command line; without secrets, the paths of
    /// the URLs of webhooks, and the arguments of commands.
    pub text: String,
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
    /// Key with its table, such as `library.slots`.
    pub key: String,
    /// The invalid value, and the expected ones.
    pub message: String,
}

impl From<ConfigError> for ConfigurationFinding {
    fn from(ConfigError { line, key, message, .. }: ConfigError) -> Self {
        Self { line, key, message }
    }
}

impl CheckedConfiguration {
    /// Checks a text as `ferric config check` checks a file.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let config = match config::parse(FILE, text) {
            Ok(config) => config,
            Err(error) => return Self { error: Some(error.into()), ..Self::default() },
        };
        let warnings = config.warnings.iter().cloned().map(Into::into).collect();
        match config::check(&config) {
            Err(error) => Self { error: Some(error.into()), warnings, ..Self::default() },
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
        ConfigurationText { text: read(&self.configuration).clone() }
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
        assert_eq!((unknown.line, &*unknown.key), (3, "library.slot"), "{unknown:?}");
        let large = found("[[library]]\nslots = 400000\n").error.unwrap();
        assert_eq!((large.line, &*large.key), (2, "library.slots"), "{large:?}");
        // The value of a secret is in no finding.
        let secret = found("[iscsi]\nusers = [\"host:short\"]\n").error.unwrap();
        assert!(!format!("{secret:?}").contains("short"), "{secret:?}");
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
