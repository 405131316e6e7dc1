//! Serves one unit on its thread.

use crate::lock::Lock;
use crate::{Attachment, remove_unit};
use mhvtl_lld::abi::MAX_TRANSFER;
use mhvtl_lld::poll_interval::{PollInterval, poll_interval};
use mhvtl_lld::{Command, CommandResponse, CompletionOutcome, UnitDevice};
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseFormat, SenseKey};
use scsi_core::status::Status;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vtl::buffers::Buffers;
use vtl::clock;

/// Status CHECK CONDITION.
const CHECK_CONDITION: u8 = 0x02;
/// Delay after an error of the module.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// A unit that is served, and its device.
pub(crate) struct UnitServer<D> {
    device: D,
    attachment: Attachment,
    buffers: Arc<Buffers>,
}

impl<D: UnitDevice> UnitServer<D> {
    pub(crate) fn new(device: D, attachment: Attachment) -> Self {
        let buffers = Arc::clone(attachment.host.target().buffers());
        Self { device, attachment, buffers }
    }

    /// Polls for commands and executes them until `stop` is set.
    pub(crate) fn serve(mut self, stop: &AtomicBool) {
        // A panic must not end the service of the unit.
        let _ = catch_unwind(AssertUnwindSafe(|| self.abort_interrupted()));
        let mut last = clock::now().mono.0;
        while !stop.load(Ordering::Acquire) {
            let _ = catch_unwind(AssertUnwindSafe(|| self.poll(&mut last)));
        }
        let _ = catch_unwind(AssertUnwindSafe(|| remove_unit(&mut self.device, self.attachment.address)));
    }

    /// Runs the next command, or waits for one poll interval.
    fn poll(&mut self, last: &mut u64) {
        match self.device.next_command() {
            Ok(Some(command)) => {
                if catch_unwind(AssertUnwindSafe(|| self.run(&command))).is_err() {
                    // HARDWARE ERROR 44h/00h, unless the command was completed before the panic.
                    let sense = Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE);
                    let sense = sense.encode(SenseFormat::Fixed);
                    let response = CommandResponse { status: CHECK_CONDITION, sense: sense.as_slice(), data: &[] };
                    let _ = self.device.complete(command.serial, &response);
                }
                *last = clock::now().mono.0;
            }
            Ok(None) => sleep_or_yield(poll_interval(Duration::from_micros(clock::now().mono.0.saturating_sub(*last)))),
            Err(error) => {
                let log = || tracing::warn!(minor = self.attachment.minor, %error, "kernel module error");
                let _ = catch_unwind(AssertUnwindSafe(log));
                sleep_or_yield(PollInterval::Sleep(RETRY_DELAY));
            }
        }
    }

    /// Runs a command between its hooks.
    fn run(&mut self, command: &Command) {
        self.attachment.lock.iter_mut().for_each(|lock| lock.record(command.serial));
        self.attachment.before.iter_mut().for_each(|before| before(command.cdb()));
        if let Err(error) = self.execute(command) {
            tracing::warn!(
                minor = self.attachment.minor,
                serial = command.serial,
                cdb = ?command.cdb(),
                %error,
                "cannot complete a command"
            );
        }
        self.attachment.after.iter_mut().for_each(|after| after());
    }

    /// Aborts the command that an earlier process was executing when it was killed. Otherwise the host would wait for
    /// it, send no other command, and get GOOD from the module in the end.
    fn abort_interrupted(&mut self) {
        let Some(interrupted) = self.attachment.lock.as_ref().and_then(Lock::interrupted_commands) else { return };
        let sense = Sense::new(SenseKey::ABORTED_COMMAND, Asc(0)).encode(SenseFormat::Fixed);
        let response = CommandResponse { status: CHECK_CONDITION, sense: sense.as_slice(), data: &[] };
        let interrupted = self.device.take_over(interrupted).unwrap_or_else(|error| {
            tracing::warn!(minor = self.attachment.minor, %error, "cannot abort interrupted commands");
            Vec::new()
        });
        for serial in interrupted {
            if self.device.complete(serial, &response).is_ok_and(|outcome| outcome == CompletionOutcome::Completed) {
                tracing::warn!(
                    minor = self.attachment.minor,
                    serial,
                    "aborted a command that was interrupted by a crash"
                );
            }
        }
    }

    fn execute(&mut self, command: &Command) -> io::Result<()> {
        let cdb = command.cdb();
        let expected = self.attachment.unit.expected_data_out(cdb).min(MAX_TRANSFER + 1);
        let data = if expected == 0 { Some(Vec::new()) } else { self.buffers.acquire(expected) };
        let Some(mut data) = data else {
            // No memory for the data: the host repeats the command after BUSY.
            let busy = CommandResponse { status: Status::BUSY.0, sense: &[], data: &[] };
            let outcome = self.device.complete(command.serial, &busy)?;
            self.note_aborted(command, outcome);
            return Ok(());
        };
        if expected > 0
            && let Err(error) = self.device.fetch_data(command.serial, data.get_mut(..expected).unwrap_or_default())
        {
            // The host sent less than its CDB announces or has aborted the command, or the module failed.
            tracing::debug!(
                minor = self.attachment.minor,
                serial = command.serial,
                cdb = ?command.cdb(),
                %error,
                "cannot fetch the data of a command"
            );
            // The received part may contain a part of a key.
            data.fill(0);
            self.buffers.release(data);
            let outcome = self.reject_missing_data(command)?;
            self.note_aborted(command, outcome);
            return Ok(());
        }
        let Some(done) = self.attachment.host.submit(self.attachment.lun, cdb, data, expected, MAX_TRANSFER) else {
            return Ok(());
        };
        let sense = done.completion.sense;
        let response = CommandResponse {
            status: done.completion.status.0,
            data: done.data_in.get(..done.completion.data_in).unwrap_or_default(),
            sense: sense.as_ref().map_or(&[], |sense| sense.as_slice()),
        };
        let outcome = if done.aborted {
            Ok(CompletionOutcome::CommandGone)
        } else {
            self.device.complete(command.serial, &response)
        };
        self.buffers.release(done.data_in);
        self.buffers.release(done.data_out);
        self.note_aborted(command, outcome?);
        Ok(())
    }

    /// Handles a command that the host has aborted, or that the module has ended with GOOD because it took too long:
    /// UNIT ATTENTION 29h/00h is raised for every I_T nexus, so that no initiator takes the command for done.
    fn note_aborted(&self, command: &Command, outcome: CompletionOutcome) {
        if outcome == CompletionOutcome::CommandGone {
            tracing::warn!(
                minor = self.attachment.minor,
                serial = command.serial,
                cdb = ?command.cdb(),
                "command was aborted by the host before completion"
            );
            let occurred = Asc::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED;
            self.attachment.unit.with_device(|device| device.lu().attentions.raise_all(occurred));
        }
    }

    /// Ends a command with ABORTED COMMAND 4Bh/00h: the data that its CDB announces was not received.
    fn reject_missing_data(&mut self, command: &Command) -> io::Result<CompletionOutcome> {
        let sense = Sense::new(SenseKey::ABORTED_COMMAND, Asc::DATA_PHASE_ERROR).encode(SenseFormat::Fixed);
        let response = CommandResponse { status: CHECK_CONDITION, sense: sense.as_slice(), data: &[] };
        self.device.complete(command.serial, &response)
    }
}

#[expect(clippy::disallowed_methods, reason = "the module cannot wake a thread, so this one polls")]
fn sleep_or_yield(wait: PollInterval) {
    match wait {
        PollInterval::Yield => std::thread::yield_now(),
        PollInterval::Sleep(time) => std::thread::sleep(time),
    }
}
