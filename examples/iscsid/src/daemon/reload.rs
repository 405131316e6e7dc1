//! The configuration file of the running daemon: reads it again, and adds libraries to it.

use crate::Portal;
use crate::daemon::arguments::Arguments;
use crate::daemon::notify::{self, Notifier};
use crate::daemon::report_warnings;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use vtl::config::{Config, read_regular_text};
use vtl::configuration::{AddedTables, ConfigurationFile, ConfigurationFileState, ConfigurationFileStatus};
use vtl::control::{ControlError, ReloadChange, ReloadReport};
use vtl::site::Site;

/// The parts of the daemon that a reload changes, and the command line that applies to every configuration.
pub(crate) struct Reloader {
    arguments: Arguments,
    site: Weak<Site>,
    portal: Arc<Portal>,
    notifier: Arc<Notifier>,
    current: Mutex<Current>,
}

/// The configuration in use, and the last texts of its file.
struct Current {
    config: Config,
    /// The text of the file that is in use.
    text: Option<String>,
    /// A text that a reload has refused, and the reason.
    refused: Option<(String, String)>,
}

impl Reloader {
    pub(crate) fn new(
        arguments: &Arguments,
        config: &Config,
        text: Option<String>,
        site: &Arc<Site>,
        portal: &Arc<Portal>,
        notifier: &Arc<Notifier>,
    ) -> Self {
        Self {
            arguments: arguments.clone(),
            site: Arc::downgrade(site),
            portal: Arc::clone(portal),
            notifier: Arc::clone(notifier),
            current: Mutex::new(Current { config: config.clone(), text, refused: None }),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the configuration again and applies it.
    ///
    /// # Errors
    /// The file cannot be read or is invalid, or the site refuses the change; the status of the file has the reason, too.
    pub(crate) fn reload(&self) -> Result<ReloadReport, ControlError> {
        let mut current = self.current();
        let Some(path) = self.arguments.config_path() else {
            return Err(ControlError::unavailable("the daemon was started without a configuration file"));
        };
        let text = self.arguments.read_config_text().map_err(|message| invalid(path, message))?;
        let result = self.apply(&mut current, path, text.as_deref());
        match &result {
            Ok(_) => (current.text, current.refused) = (text, None),
            Err(error) => current.refused = text.map(|text| (text, error.to_string())),
        }
        result
    }

    /// Number of libraries of the site.
    fn libraries(&self) -> usize {
        self.site.upgrade().map_or(0, |site| site.libraries().len())
    }

    /// Applies a text of the configuration file.
    fn apply(&self, current: &mut Current, path: &Path, text: Option<&str>) -> Result<ReloadReport, ControlError> {
        let site = self.site.upgrade().ok_or_else(|| ControlError::unavailable("the daemon is shutting down"))?;
        let config = self.arguments.read_config(text).map_err(|message| invalid(path, message))?;
        let before = &current.config;
        ControlError::check_restart([
            ("iscsi.bind", self.arguments.bind.is_none() && config.iscsi.bind != before.iscsi.bind),
            ("iscsi.buffer_memory", config.iscsi.limits.buffer_memory != before.iscsi.limits.buffer_memory),
            ("http", config.http != before.http),
        ])?;
        let plan = notify::plan(&config.notify)?;
        let result = site.reload(&config);
        // Also after an error: what was applied before it must be served.
        self.portal.reload(&site, &config.iscsi);
        let targets = self.notifier.reload(plan);
        report_warnings(&site, &self.portal, &config);
        let access_changed = before.iscsi != config.iscsi;
        if result.is_ok() {
            current.config = config;
        } else {
            (current.config.iscsi, current.config.notify) = (config.iscsi, config.notify);
        }
        site.set_configuration(&current.config);
        let mut report = result?;
        report.changes.extend(targets?);
        if access_changed {
            report.changes.push(ReloadChange::AccessChanged);
        }
        Ok(report)
    }
}

fn invalid(path: &Path, message: String) -> ControlError {
    ControlError::invalid(message).with_file(path.display().to_string())
}

impl ConfigurationFile for Reloader {
    fn status(&self) -> Option<ConfigurationFileStatus> {
        let path = self.arguments.config_file()?;
        let current = self.current();
        let (state, reason) = match (read_regular_text(path), &current.refused) {
            (Err(error), _) => (ConfigurationFileState::Unreadable, Some(error.to_string())),
            (Ok(text), Some((refused, reason))) if text == *refused => {
                (ConfigurationFileState::Refused, Some(reason.clone()))
            }
            (Ok(text), _) if current.text.as_ref() == Some(&text) => (ConfigurationFileState::InUse, None),
            (Ok(_), _) => (ConfigurationFileState::Changed, None),
        };
        Some(ConfigurationFileStatus { path: path.display().to_string(), state, reason })
    }

    fn add(&self, text: &str) -> Result<ReloadReport, ControlError> {
        let mut current = self.current();
        let path = self.arguments.config_file().ok_or_else(|| {
            ControlError::unavailable(
                "the daemon was started without --config FILE: write the text into a file, and start the daemon with it",
            )
        })?;
        let mut added = AddedTables::new(path, text)?;
        // A file that cannot be written is refused before anything is changed.
        added.stage()?;
        let new = added.text().to_owned();
        self.arguments.read_config(Some(&new)).map_err(|message| invalid(path, message))?;
        let libraries = self.libraries();
        // The file is first: cartridges of a library that the file does not have would prevent the next start.
        let former = added.commit()?;
        let result = self.apply(&mut current, path, Some(&new));
        match &result {
            Ok(_) => (current.text, current.refused) = (Some(new), None),
            Err(_) if self.libraries() == libraries => former.restore()?,
            Err(error) => current.refused = Some((new, error.to_string())),
        }
        result
    }
}
