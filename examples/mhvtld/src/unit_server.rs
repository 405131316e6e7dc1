//! Serves one unit on its thread.

use crate::lock::Lock;
use crate::{Attachment, remove_unit};
use mhvtl_lld::abi::MAX_TRANSFER;
use mhvtl_lld::poll_interval::{PollInterval, poll_interval};
use mhvtl_lld::{Command, CommandResponse, CompletionOutcome, UnitDevice};
use scsi_core::command_spec::CommandRef;
use scsi_core::fault::Completion;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vtl::buffers::Buffers;
use vtl::clock::Clock;

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
        let mut last = Clock::real().monotonic().0;
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
                    // No effect if the command was completed before the panic.
                    let _ = self.device.complete(command.serial, &response(&Completion::internal_failure(), &[]));
                }
                *last = Clock::real().monotonic().0;
            }
            Ok(None) => {
                sleep_or_yield(poll_interval(Duration::from_micros(Clock::real().monotonic().0.saturating_sub(*last))))
            }
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
        let row = self.attachment.unit.look_up(command.cdb());
        self.attachment.before.iter_mut().for_each(|before| before(command.cdb(), row));
        if let Err(error) = self.execute(command, row) {
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
        let lost = Completion::command_lost();
        let interrupted = self.device.take_over(interrupted).unwrap_or_else(|error| {
            tracing::warn!(minor = self.attachment.minor, %error, "cannot abort interrupted commands");
            Vec::new()
        });
        for serial in interrupted {
            if self
                .device
                .complete(serial, &response(&lost, &[]))
                .is_ok_and(|outcome| outcome == CompletionOutcome::Completed)
            {
                tracing::warn!(
                    minor = self.attachment.minor,
                    serial,
                    "aborted a command that was interrupted by a crash"
                );
            }
        }
    }

    fn execute(&mut self, command: &Command, row: Option<CommandRef>) -> io::Result<()> {
        let cdb = command.cdb();
        let expected = self.attachment.unit.expected_data_out(cdb, row).min(MAX_TRANSFER + 1);
        let data = if expected == 0 { Some(Vec::new()) } else { self.buffers.acquire(expected) };
        let Some(mut data) = data else {
            // No memory for the data: the host repeats the command after BUSY.
            return self.complete(command, &Completion::busy(), &[]);
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
            return self.complete(command, &Completion::data_missing(), &[]);
        }
        let Some(done) = self.attachment.host.submit(self.attachment.lun, cdb, data, expected, MAX_TRANSFER) else {
            return Ok(());
        };
        let completed = if done.aborted {
            self.note_aborted(command, CompletionOutcome::CommandGone);
            Ok(())
        } else {
            let data = done.data.data_in.get(..done.completion.data_in).unwrap_or_default();
            self.complete(command, &done.completion, data)
        };
        self.buffers.release(done.data.data_in);
        self.buffers.release(done.data.data_out);
        completed
    }

    fn complete(&mut self, command: &Command, completion: &Completion, data: &[u8]) -> io::Result<()> {
        let outcome = self.device.complete(command.serial, &response(completion, data))?;
        self.note_aborted(command, outcome);
        Ok(())
    }

    /// Handles a command that the host has aborted, or that the module has ended with GOOD because it took too long.
    fn note_aborted(&self, command: &Command, outcome: CompletionOutcome) {
        if outcome == CompletionOutcome::CommandGone {
            tracing::warn!(
                minor = self.attachment.minor,
                serial = command.serial,
                cdb = ?command.cdb(),
                "command was aborted by the host before completion"
            );
            self.attachment.unit.report_lost_command();
        }
    }
}

fn response<'a>(completion: &'a Completion, data: &'a [u8]) -> CommandResponse<'a> {
    let sense = completion.sense.as_ref().map_or(&[][..], |sense| sense.as_slice());
    CommandResponse { status: completion.status.0, sense, data }
}

#[expect(clippy::disallowed_methods, reason = "the module cannot wake a thread, so this one polls")]
fn sleep_or_yield(wait: PollInterval) {
    match wait {
        PollInterval::Yield => std::thread::yield_now(),
        PollInterval::Sleep(time) => std::thread::sleep(time),
    }
}
