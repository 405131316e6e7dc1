//! The notifications of a site, as its frontends see them. The crate `vtl-notify` delivers them.

use crate::control::ControlError;
use crate::locks::lock;
use crate::site::Site;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Delivers the events of a site to its notification targets. The program that opens the site supplies it.
pub trait Notifications: Send + Sync {
    /// The state of each target, in the order of the configuration. It must not wait for a delivery.
    fn status(&self) -> Vec<NotifyStatus>;

    /// Sends a test event to a target, and waits for the result.
    ///
    /// # Errors
    /// `not_found` if there is no such target; `unavailable` with the reason if the event was not delivered.
    fn test(&self, target: &str) -> Result<NotifyTest, ControlError>;
}

/// State of a notification target: an item of the response to `notify_list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyStatus {
    /// Name of the target, unique in the site.
    pub target: String,
    /// Kind of the target: `webhook`, `mail` or `command`.
    pub kind: String,
    /// Scheme, host and port of a URL, the mail server, or the path of the program.
    pub destination: String,
    /// Number of events that are not delivered yet.
    pub waiting: u64,
    /// Number of events that were delivered since the start of the daemon.
    pub delivered: u64,
    /// Number of attempts that failed since the start of the daemon.
    pub failed_attempts: u64,
    /// Number of events that were given up since the start of the daemon: too old, or too many.
    pub dead_letters: u64,
    /// Time of the last delivery in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivery: Option<u64>,
    /// Reason why the last attempt that failed did so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Time of that attempt in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<u64>,
    /// Number of attempts that failed since the last delivery; 0 while the target works.
    pub failures: u32,
}

/// A test event was delivered: response to `notify_test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyTest {
    /// Name of the target in the configuration.
    pub target: String,
    /// Answer of the target, such as `HTTP status 204`.
    pub answer: String,
}

impl Site {
    /// Sets what delivers the events of the site to notification targets. It must not own the site, which would never be
    /// dropped.
    pub fn set_notifications(&self, notifications: Arc<dyn Notifications>) {
        *lock(&self.notifications) = Some(notifications);
    }

    /// The state of each notification target; empty if nothing delivers notifications.
    #[must_use]
    pub fn notify_status(&self) -> Vec<NotifyStatus> {
        let notifications = lock(&self.notifications).clone();
        notifications.map_or_else(Vec::new, |notifications| notifications.status())
    }

    pub(crate) fn test_notification(&self, target: &str) -> Result<NotifyTest, ControlError> {
        let notifications = lock(&self.notifications).clone();
        match notifications {
            Some(notifications) => notifications.test(target),
            None => {
                let message = format!("there is no notification target {target:?}");
                Err(ControlError::not_found(message).with_member("target"))
            }
        }
    }
}
