//! Faults that tests inject into the commands of a unit.

use super::Unit;
use scsi_core::injected_fault::FaultRule;
use scsi_core::time::TimeMode;

impl Unit {
    /// Adds a rule by which commands of this unit fail. Rules end with the process. Returns false if the unit has
    /// [`MAX_RULES`](scsi_core::injected_fault::MAX_RULES) rules already.
    pub fn inject(&self, rule: FaultRule) -> bool {
        self.with_device(|device| device.lu().faults.push(rule))
    }

    /// Use of the time that hardware would take, by the unit.
    pub(crate) fn time_mode(&self) -> TimeMode {
        self.with_device(|device| device.time_mode())
    }

    /// Removes all rules of [`Self::inject`].
    pub fn clear_injected_faults(&self) {
        self.with_device(|device| device.lu().faults.clear());
    }
}
