//! The logical unit below a driver: commands, their outcome, and waiting.

use core::time::Duration;
use scsi_core::data::Data;
use scsi_core::{Completion, Sense, Status};
use std::io::{IoSlice, IoSliceMut};
use thiserror::Error;

/// A logical unit as a driver sees it. One call at a time: the drivers serialise the system calls of a unit.
pub trait ScsiDevice {
    /// Sends a command and waits for its status. `timeout` is the time after which the driver would abort the command.
    ///
    /// # Errors
    /// [`NoStatus`] if there is no status within the timeout, or at all.
    fn execute(&mut self, cdb: &[u8], data: Data<'_, '_>, timeout: Duration) -> Result<Completion, NoStatus>;

    /// Sends a command with data in one piece of memory each way, either of which may be empty, and repeats it while the unit
    /// is busy.
    ///
    /// # Errors
    /// As [`Self::execute`].
    fn transfer(
        &mut self,
        cdb: &[u8],
        data_out: &[u8],
        data_in: &mut [u8],
        timeout: Duration,
    ) -> Result<Completion, NoStatus> {
        let mut waited = Duration::ZERO;
        loop {
            let (data_out, mut data_in) = ([IoSlice::new(data_out)], [IoSliceMut::new(data_in)]);
            let completion = self.execute(cdb, Data::new(&data_out, &mut data_in), timeout)?;
            let is_busy = completion.status == Status::BUSY || completion.status == Status::TASK_SET_FULL;
            if !is_busy || waited >= timeout || self.wait(BUSY_INTERVAL).is_err() {
                return Ok(completion);
            }
            waited += BUSY_INTERVAL;
        }
    }

    /// Waits, as a driver does between two attempts while a drive becomes ready.
    ///
    /// # Errors
    /// [`Interrupted`] if a signal ended the system call, or if its caller no longer exists.
    fn wait(&mut self, duration: Duration) -> Result<(), Interrupted>;
}

/// Time between two attempts of a command while the unit is busy.
const BUSY_INTERVAL: Duration = Duration::from_millis(5);

/// Timeouts of a command after which Linux' iSCSI initiator aborts it, and the time by which its timers are late.
const TIMEOUTS: u32 = 3;
const LATENESS: Duration = Duration::from_secs(1);

/// The time after which Linux aborts a command of an iSCSI target that answers NOP-Outs: not the timeout of the command, but
/// three times as much, and 0 to 3 s more. With a timeout of 1 s, Linux 6.1 waits for a response of 4 s, but aborted commands
/// of 5 s and more; with 4 s, one of 12 s.
#[must_use]
pub fn abort_time(timeout: Duration) -> Duration {
    timeout.saturating_mul(TIMEOUTS).saturating_add(LATENESS)
}

/// The CDB of TEST UNIT READY.
pub const TEST_UNIT_READY: [u8; 6] = [0; 6];
/// Most TEST UNIT READY that Linux sends after it has reset a unit: the first one returns the unit attention.
pub const RESET_TESTS: usize = 2;

/// The sense data of a command, decoded, if the device sent any.
pub(crate) fn sense(completion: &Completion) -> Option<Sense> {
    completion.sense.and_then(|bytes| Sense::decode(bytes.as_slice()))
}

/// The reason why a command has no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoStatus {
    /// The device was removed, or the connection to it is lost (DID_NO_CONNECT).
    #[error("the device is gone: the command has no status")]
    DeviceGone,
    /// There was no response within the timeout, and the command was aborted (DID_TIME_OUT).
    #[error("the device did not respond: the command was aborted")]
    Aborted,
    /// There was no response within the timeout, and the logical unit was reset, because the device had no command to abort
    /// (DID_ERROR).
    #[error("the device did not respond: the logical unit was reset")]
    Reset,
}

/// A signal ended the wait of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the wait was interrupted")]
pub struct Interrupted;
