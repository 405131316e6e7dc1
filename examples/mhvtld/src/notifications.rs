//! The notification targets of `--notify FILE`: mhvtl's configuration has none.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use vtl::config::{Config, parse_notify, read_text};
use vtl::control::{ControlError, ReloadReport};
use vtl::site::Site;
use vtl_notify::{Notifier, NotifyPlan};

/// A file with tables `[[notify]]`, and the delivery to its targets.
pub struct Notifications {
    file: PathBuf,
    config: Config,
    site: Weak<Site>,
    notifier: Notifier,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Notifications {
    /// Reads the file and starts to deliver the events of a site. `config` is the configuration of the site.
    ///
    /// # Errors
    /// The file cannot be read or is invalid, a file that it names cannot be used, or a thread cannot be spawned.
    pub fn open(site: &Arc<Site>, file: &Path, config: &Config) -> Result<Arc<Self>, ControlError> {
        let (plan, warnings) = read(file, config)?;
        let opened = Notifier::open(site, plan, random);
        let notifier = opened.map_err(|error| unavailable(&error))?;
        site.set_warnings(warnings);
        Ok(Arc::new(Self { file: file.into(), config: config.clone(), site: Arc::downgrade(site), notifier }))
    }

    /// Reads the file again, and returns the targets that were added, changed or removed.
    ///
    /// # Errors
    /// As [`Self::open`]; the targets are then as before.
    pub fn reload(&self) -> Result<ReloadReport, ControlError> {
        let (plan, warnings) = read(&self.file, &self.config)?;
        let changes = self.notifier.reload(plan).map_err(|error| unavailable(&error))?;
        if let Some(site) = self.site.upgrade() {
            site.set_warnings(warnings);
        }
        Ok(ReloadReport { changes })
    }

    /// Delivers what waits, for at most five seconds; no event follows.
    pub fn close(&self) {
        self.notifier.close();
    }
}

fn unavailable(error: &std::io::Error) -> ControlError {
    ControlError::unavailable(format!("cannot start notifications: {error}"))
}

/// The targets of a file, and conditions that need an operator.
fn read(file: &Path, config: &Config) -> Result<(NotifyPlan, Vec<String>), ControlError> {
    let name = file.display().to_string();
    let invalid = |message: String| ControlError::invalid(message).with_file(name.clone());
    let text = read_text(file).map_err(|error| invalid(format!("{name}: {error}")))?;
    let setups = parse_notify(&name, &text, &config.libraries).map_err(|error| invalid(error.to_string()))?;
    let warnings: Vec<String> = setups.iter().filter_map(|setup| setup.warning()).collect();
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let plan = NotifyPlan::new(&setups).map_err(|error| invalid(error.to_string()))?;
    Ok((plan, warnings))
}

/// A random number of the operating system; without one, all delays are the longest.
fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = vtl::entropy::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtl::control::{ControlRequest, ReloadChange};
    use vtl::data_dir::DataDir;

    #[test]
    fn events_are_delivered_and_targets_reloaded() {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("notify.toml"), dir.path().join("events"));
        let target = |name: &str| {
            format!(
                "[[notify]]\nname = \"{name}\"\nevents = [\"alert_raised\"]\nlibraries = [\"lib10\"]\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {}\"]\n",
                out.display()
            )
        };
        std::fs::write(&file, target("one")).unwrap();
        let config = vtl::config::parse("f", "[library]\nname = \"lib10\"\nslots = 2\ncartridges = []\n").unwrap();
        let site = Site::open_data_dir(DataDir::in_memory(), &config).unwrap();
        let notifications = Notifications::open(&site, &file, &config).unwrap();
        assert_eq!(site.notify_status().len(), 1);
        let raise = ControlRequest::Alert { library: None, drive: Some("drive1".into()), flag: 3, raised: true };
        site.control(&raise).unwrap();
        while site.notify_status()[0].delivered == 0 {
            std::thread::yield_now();
        }
        std::fs::write(&file, format!("{}{}", target("one"), target("two"))).unwrap();
        let changes = notifications.reload().unwrap().changes;
        assert_eq!(changes, [ReloadChange::NotifyTargetChanged { target: "two".into() }]);
        // A file that is refused changes nothing.
        for (text, expected) in [
            ("[[library]]\n", "unknown field `library`"),
            (&target("x").replace("lib10", "other"), "there is no library \"other\"; the file has \"lib10\""),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = notifications.reload().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(site.notify_status().len(), 2);
        site.shut_down().unwrap();
        notifications.close();
        let delivered = std::fs::read_to_string(&out).unwrap();
        assert_eq!(delivered.matches("alert_raised").count(), 1, "{delivered}");
    }
}
