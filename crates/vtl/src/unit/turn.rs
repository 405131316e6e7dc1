//! Turns of operators' requests: a request runs on a unit between two commands, and waits for the current one only for a
//! short time.

use super::{Activity, Unit, UnitQueue};
use crate::control::ControlError;
use crate::locks::lock;
use crate::observer::DeviceKind;
use scsi_core::time::Instant;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// Activity of a drive while the robot inserts or removes a cartridge.
pub(super) const ROBOT: &str = "a move of the robot";
/// Longest time for which an operator's request waits for the end of the current command of a unit.
const OPERATOR_WAIT: Duration = Duration::from_millis(500);

/// The right of an operator's request to use a unit. Until it is dropped, the unit runs no command.
pub(crate) struct OperatorTurn<'a>(&'a Unit);

impl OperatorTurn<'_> {
    /// Keeps the unit busy until a monotonic time, or until the site is shut down, on the thread of the caller.
    pub(crate) fn wait_until(&self, due: Instant) {
        let clock = &self.0.shared.clock;
        if due > clock.monotonic() {
            drop(clock.wait_while(&self.0.wake, lock(&self.0.queue), due, |work| !work.stopping));
        }
    }
}

impl Drop for OperatorTurn<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).activity = Activity::Idle;
        self.0.wake.notify_all();
    }
}

/// The access of the robot to a drive. Until it is dropped, an operator's request that needs the drive waits.
pub(crate) struct RobotAccess<'a>(&'a Unit);

impl Drop for RobotAccess<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).robot = false;
        self.0.wake.notify_all();
    }
}

impl UnitQueue {
    /// The activity of the unit in words; `None` if an operator's request may use it.
    fn occupation(&self) -> Option<&'static str> {
        match &self.activity {
            Activity::Idle => self.robot.then_some(ROBOT),
            Activity::Running { name, .. } | Activity::Delayed { name, .. } => Some(name),
            Activity::Operator | Activity::Robot => Some("another request of an operator"),
        }
    }
}

impl Unit {
    /// Waits for the end of the current command and makes the unit busy with an operator's request.
    ///
    /// # Errors
    /// `busy` if the command does not end within [`OPERATOR_WAIT`]; the error names the unit and what it does.
    pub(crate) fn operator_turn(&self) -> Result<OperatorTurn<'_>, ControlError> {
        self.turn(Activity::Operator)
    }

    /// Does the same as [`Self::operator_turn`], for a request that uses a drive through the robot.
    pub(crate) fn robot_turn(&self) -> Result<OperatorTurn<'_>, ControlError> {
        self.turn(Activity::Robot)
    }

    fn turn(&self, activity: Activity) -> Result<OperatorTurn<'_>, ControlError> {
        let mut work = lock(&self.queue);
        if work.occupation().is_some() {
            let until = self.shared.monotonic().saturating_add(OPERATOR_WAIT);
            work.operators += 1;
            let is_busy = |work: &mut UnitQueue| !work.stopping && work.occupation().is_some();
            (work, _) = self.shared.clock.wait_while(&self.wake, work, until, is_busy);
            work.operators -= 1;
            // The commands that have waited for this request.
            self.wake.notify_all();
        }
        if work.stopping {
            return Err(ControlError::unavailable("the site is shut down"));
        }
        if let Some(occupation) = work.occupation() {
            return Err(self.busy(occupation));
        }
        work.activity = activity;
        Ok(OperatorTurn(self))
    }

    fn busy(&self, activity: &str) -> ControlError {
        let (library, unit) = (&*self.name.library, &*self.name.unit);
        let name = match self.name.device {
            DeviceKind::Drive | DeviceKind::Target => unit.to_owned(),
            DeviceKind::Changer => format!("the changer of library {library:?}"),
        };
        ControlError::busy(format!("{name} is busy with {activity}; try again later"))
            .with_library(library)
            .with_unit(unit)
            .with_activity(activity)
    }

    /// Gives the robot access to a drive, after an operator's request that uses the drive directly.
    pub(crate) fn robot_access(&self) -> RobotAccess<'_> {
        let mut work: MutexGuard<'_, UnitQueue> = lock(&self.queue);
        while matches!(work.activity, Activity::Operator) {
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        work.robot = true;
        RobotAccess(self)
    }
}
