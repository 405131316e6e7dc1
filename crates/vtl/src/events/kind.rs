//! Names and levels of the events.

use super::Event;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How urgent an event is for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventLevel {
    /// Life of the service: start, login, move, reload and other changes.
    Info,
    /// A person should look at it: a TapeAlert flag, little disk space, a refused login.
    Warn,
    /// Data or service is lost: a damaged medium, an unusable cartridge, a faulty unit.
    Error,
}

impl EventLevel {
    /// The level of this name: `info`, `warn` or `error`; `None` for another one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Info, Self::Warn, Self::Error].into_iter().find(|level| level.name() == name)
    }

    /// The name of the level: `info`, `warn` or `error`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for EventLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Name and level of every event that a site sends, in the order of the documentation.
pub const EVENT_KINDS: &[(&str, EventLevel)] = &[
    ("started", EventLevel::Info),
    ("stopped", EventLevel::Info),
    ("reloaded", EventLevel::Info),
    ("login", EventLevel::Info),
    ("logout", EventLevel::Info),
    ("login_refused", EventLevel::Warn),
    ("loaded", EventLevel::Info),
    ("unloaded", EventLevel::Info),
    ("tape_thawing", EventLevel::Info),
    ("tape_loaded", EventLevel::Info),
    ("tape_unloaded", EventLevel::Info),
    ("moved", EventLevel::Info),
    ("imported", EventLevel::Info),
    ("exported", EventLevel::Info),
    ("door", EventLevel::Info),
    ("operator_state", EventLevel::Info),
    ("mode_changed", EventLevel::Info),
    ("alert_raised", EventLevel::Warn),
    ("alert_cleared", EventLevel::Info),
    ("acknowledged", EventLevel::Info),
    ("write_protect_changed", EventLevel::Info),
    ("retention_changed", EventLevel::Info),
    ("legal_hold_changed", EventLevel::Info),
    ("retention_enforced", EventLevel::Warn),
    ("unit_faulty", EventLevel::Error),
    ("unit_recovered", EventLevel::Info),
    ("reservation_changed", EventLevel::Info),
    ("encryption_on", EventLevel::Info),
    ("encryption_off", EventLevel::Info),
    ("removal_allowed", EventLevel::Info),
    ("job_started", EventLevel::Info),
    ("job_ended", EventLevel::Info),
    ("created", EventLevel::Info),
    ("deleted", EventLevel::Info),
    ("forgotten", EventLevel::Info),
    ("unusable", EventLevel::Error),
    ("usable", EventLevel::Info),
    ("damaged", EventLevel::Error),
    ("disk_space_low", EventLevel::Warn),
];

impl Event {
    /// Name of the event, as in the member `event` of its JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::Reloaded { .. } => "reloaded",
            Self::Login { .. } => "login",
            Self::Logout { .. } => "logout",
            Self::LoginRefused { .. } => "login_refused",
            Self::Loaded { .. } => "loaded",
            Self::Unloaded { .. } => "unloaded",
            Self::TapeThawing { .. } => "tape_thawing",
            Self::TapeLoaded => "tape_loaded",
            Self::TapeUnloaded { .. } => "tape_unloaded",
            Self::Moved { .. } => "moved",
            Self::Imported { .. } => "imported",
            Self::Exported { .. } => "exported",
            Self::Door { .. } => "door",
            Self::OperatorState { .. } => "operator_state",
            Self::ModeChanged { .. } => "mode_changed",
            Self::AlertRaised { .. } => "alert_raised",
            Self::AlertCleared { .. } => "alert_cleared",
            Self::Acknowledged { .. } => "acknowledged",
            Self::WriteProtectChanged { .. } => "write_protect_changed",
            Self::RetentionChanged { .. } => "retention_changed",
            Self::LegalHoldChanged { .. } => "legal_hold_changed",
            Self::RetentionEnforced { .. } => "retention_enforced",
            Self::UnitFaulty { .. } => "unit_faulty",
            Self::UnitRecovered => "unit_recovered",
            Self::ReservationChanged { .. } => "reservation_changed",
            Self::EncryptionOn => "encryption_on",
            Self::EncryptionOff => "encryption_off",
            Self::RemovalAllowed => "removal_allowed",
            Self::JobStarted { .. } => "job_started",
            Self::JobEnded { .. } => "job_ended",
            Self::Created { .. } => "created",
            Self::Deleted => "deleted",
            Self::Forgotten => "forgotten",
            Self::Unusable { .. } => "unusable",
            Self::Usable => "usable",
            Self::Damaged { .. } => "damaged",
            Self::DiskSpaceLow { .. } => "disk_space_low",
            Self::Lagged { .. } => "lagged",
            Self::Missed { .. } => "missed",
            Self::Test => "test",
        }
    }

    /// Level of the event. Events that only one client receives, such as [`Event::Missed`], have the level `warn`.
    #[must_use]
    pub fn level(&self) -> EventLevel {
        let kind = EVENT_KINDS.iter().find(|(name, _)| *name == self.name());
        kind.map_or(EventLevel::Warn, |(_, level)| *level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventRecord;
    use std::collections::BTreeSet;

    /// docs/control.md has a line of JSON for each event.
    #[test]
    fn names_are_those_in_json() {
        let page = include_str!("../../../../docs/control.md");
        let (mut documented, mut last) = (BTreeSet::new(), 0);
        for line in page.lines().filter(|line| line.starts_with("{\"seq\":")) {
            let record: EventRecord = serde_json::from_str(line).unwrap();
            // Events that only one notification target receives have no number.
            assert!(record.seq > last || record.seq == 0, "{line}");
            last = last.max(record.seq);
            assert!(line.contains(&format!("\"event\":\"{}\"", record.event.name())), "{line}");
            documented.insert(record.event.name());
        }
        let table: BTreeSet<&str> = EVENT_KINDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(table.len(), EVENT_KINDS.len());
        documented.retain(|name| !["lagged", "missed", "test"].contains(name));
        assert_eq!(documented, table);
    }

    #[test]
    fn levels_are_ordered_and_named() {
        assert!(EventLevel::Error > EventLevel::Warn && EventLevel::Warn > EventLevel::Info);
        assert_eq!(
            ["info", "warn", "error", "debug"].map(EventLevel::from_name).map(|level| level.map(EventLevel::name)),
            [Some("info"), Some("warn"), Some("error"), None]
        );
        assert_eq!(Event::Damaged { reason: String::new() }.level(), EventLevel::Error);
        assert_eq!(Event::Missed { missed: 1 }.level(), EventLevel::Warn);
    }
}
