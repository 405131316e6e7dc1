//! The notifications of the daemon, in builds that have them.

use vtl::config::NotifySetup;
use vtl::control::{ControlError, ReloadChange};
use vtl::site::Site;

#[cfg(feature = "notify")]
use vtl_notify::NotifyPlan;

/// Targets of a configuration whose files were read.
#[cfg(not(feature = "notify"))]
pub(crate) struct NotifyPlan;

/// Delivers the events of the site to the targets of the configuration.
pub(crate) struct Notifier {
    #[cfg(feature = "notify")]
    notifier: vtl_notify::Notifier,
}

/// Reads the files of the targets.
pub(crate) fn plan(setups: &[NotifySetup]) -> Result<NotifyPlan, ControlError> {
    #[cfg(feature = "notify")]
    let plan = NotifyPlan::new(setups);
    #[cfg(not(feature = "notify"))]
    let plan = match setups.first() {
        None => Ok(NotifyPlan),
        Some(setup) => Err(setup.error("name", "this daemon was built without the feature notify".into())),
    };
    plan.map_err(|error| ControlError::invalid(error.to_string()).with_file(error.file))
}

/// Starts the delivery of events.
pub(crate) fn open(site: &Site, setups: &[NotifySetup]) -> Result<Notifier, String> {
    let plan = plan(setups).map_err(|error| error.to_string())?;
    #[cfg(feature = "notify")]
    let opened = {
        let notifier = vtl_notify::Notifier::open(site, plan, random);
        notifier.map(|notifier| Notifier { notifier }).map_err(|error| format!("cannot start notifications: {error}"))
    };
    #[cfg(not(feature = "notify"))]
    let opened = {
        let _ = (site, plan);
        Ok(Notifier {})
    };
    opened
}

impl Notifier {
    /// Replaces the targets. Returns the changes.
    pub(crate) fn reload(&self, plan: NotifyPlan) -> Result<Vec<ReloadChange>, ControlError> {
        #[cfg(feature = "notify")]
        let changes = self.notifier.reload(plan);
        #[cfg(not(feature = "notify"))]
        let changes: std::io::Result<_> = {
            let _ = plan;
            Ok(Vec::new())
        };
        changes.map_err(|error| ControlError::unavailable(format!("cannot start notifications: {error}")))
    }

    /// Delivers what waits, for a limited time.
    pub(crate) fn close(&self) {
        #[cfg(feature = "notify")]
        self.notifier.close();
    }
}

/// A random number of the operating system; without one, all delays are the longest.
#[cfg(feature = "notify")]
fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = vtl::entropy::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
