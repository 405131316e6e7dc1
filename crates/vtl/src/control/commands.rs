//! The commands that hosts have sent to the units: a trace, and counters.

use super::ControlError;
use crate::observer::{CommandCounters, TraceBatch, TraceRecord, UnitName};
use crate::site::Site;
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Most commands in one response.
const MAX_COMMANDS: usize = 1000;
/// Longest time that a request waits for a command, in milliseconds.
const MAX_WAIT_MS: u64 = 1000;

/// The last commands of a site: response to `trace`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandTrace {
    /// Identifier of the start of the daemon, as in its events: numbers of another start are not related to these.
    #[serde(default)]
    pub start: String,
    /// Number of the last command that this response considers: `since` of the next request.
    pub last: u64,
    /// Number of commands after `since` that the daemon no longer has.
    pub lost: u64,
    /// The commands, ascending by their number.
    pub commands: Vec<TraceRecord>,
}

/// The counters of the commands that one unit has executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitCommandCounters {
    /// The changer or drive that executed the commands.
    #[serde(flatten)]
    pub unit: UnitName,
    /// Its counters since the start of the daemon.
    #[serde(flatten)]
    pub counters: CommandCounters,
}

impl Site {
    /// The commands after number `since`, or the last ones: at most `max`, of one unit or of all. Waits up to `wait_ms`
    /// for one if there is none.
    pub(super) fn trace_commands(
        &self,
        library: Option<&str>,
        unit: Option<&str>,
        since: Option<u64>,
        max: Option<usize>,
        wait_ms: Option<u64>,
    ) -> Result<CommandTrace, ControlError> {
        let max = max.unwrap_or(MAX_COMMANDS).min(MAX_COMMANDS);
        if max == 0 {
            return Err(ControlError::invalid("max is 0; expected at least 1".to_owned()).with_member("max"));
        }
        let library = library.map(|name| self.resolve_library(Some(name))).transpose()?;
        let unit = unit.map(|unit| self.unit_names(unit)).transpose()?;
        let ring = &self.shared.trace;
        if let (Some(since), Some(ms)) = (since, wait_ms) {
            ring.wait(since, Duration::from_millis(ms.min(MAX_WAIT_MS)));
        }
        let TraceBatch { records, last, lost } = ring.read(since, max, |name| {
            library.as_ref().is_none_or(|library| *name.library == *library.name())
                && unit.as_deref().is_none_or(|unit| *name.unit == *unit)
        });
        Ok(CommandTrace { start: ring.start().to_string(), last, lost, commands: records })
    }

    /// The name of a unit that exists in any library: `changer`, or a drive such as `drive1`.
    fn unit_names(&self, unit: &str) -> Result<String, ControlError> {
        let known = self.command_units().into_iter().any(|existing| *existing.name().unit == *unit);
        known.then(|| unit.to_owned()).ok_or_else(|| {
            ControlError::not_found(format!("{unit:?} is not a unit; expected changer, or a drive such as drive1"))
                .with_member("unit")
        })
    }

    /// All units of all libraries that this process serves.
    fn command_units(&self) -> Vec<Arc<Unit>> {
        let units = self.libraries().into_iter().map(|library| {
            let mut units = vec![library.changer_unit()];
            units.extend(library.drives());
            units
        });
        units.flatten().collect()
    }

    /// The counters of all units, or of those of one library.
    pub(super) fn command_counters(&self, library: Option<&str>) -> Result<Vec<UnitCommandCounters>, ControlError> {
        let library = library.map(|name| self.resolve_library(Some(name))).transpose()?;
        let is_wanted =
            |unit: &Arc<Unit>| library.as_ref().is_none_or(|library| *unit.name().library == *library.name());
        let units = self.command_units().into_iter().filter(is_wanted);
        Ok(units.map(|unit| UnitCommandCounters { unit: unit.name().clone(), counters: unit.counters() }).collect())
    }
}
