//! The logical unit below a driver: commands, their outcome, and waiting.

use core::time::Duration;
use scsi_core::data::Data;
use scsi_core::sense::SenseBytes;
use scsi_core::{Completion, Sense, Status};
use std::io::{IoSlice, IoSliceMut};
use thiserror::Error;

/// A logical unit as a driver sees it. One call at a time: the drivers serialise the system calls of a unit.
pub trait ScsiDevice {
    /// Sends a command and waits for its status. `timeout` is the time after which the driver would abort the command.
    ///
    /// # Errors
    /// [`DeviceGone`] only if there is no status: the device was removed, or the connection to it is lost.
    fn execute(&mut self, cdb: &[u8], data: Data<'_, '_>, timeout: Duration) -> Result<Outcome, DeviceGone>;

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
    ) -> Result<Outcome, DeviceGone> {
        let mut waited = Duration::ZERO;
        loop {
            let (data_out, mut data_in) = ([IoSlice::new(data_out)], [IoSliceMut::new(data_in)]);
            let outcome = self.execute(cdb, Data::new(&data_out, &mut data_in), timeout)?;
            if !is_busy(outcome.status) || waited >= timeout || self.wait(BUSY_INTERVAL).is_err() {
                return Ok(outcome);
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
pub const BUSY_INTERVAL: Duration = Duration::from_millis(5);

/// Whether Linux repeats a command that ended with this status: BUSY or TASK SET FULL.
#[must_use]
pub fn is_busy(status: Status) -> bool {
    status == Status::BUSY || status == Status::TASK_SET_FULL
}

/// The status of a command, its decoded sense data, and the bytes that it moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the command.
    pub status: Status,
    /// The sense data, if the status is CHECK CONDITION and the device sent sense data.
    pub sense: Option<Sense>,
    /// The same sense data as the device encoded it, for fields that have no meaning in general.
    pub sense_bytes: Option<SenseBytes>,
    /// Bytes that the command stored into the data-in buffer.
    pub data_in: usize,
}

impl From<&Completion> for Outcome {
    fn from(completion: &Completion) -> Self {
        let sense = completion.sense.and_then(|bytes| Sense::decode(bytes.as_slice()));
        Self { status: completion.status, sense, sense_bytes: completion.sense, data_in: completion.data_in }
    }
}

/// The device was removed, or the connection to it is lost: a command has no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the device is gone: the command has no status")]
pub struct DeviceGone;

/// A signal ended the wait of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the wait was interrupted")]
pub struct Interrupted;
