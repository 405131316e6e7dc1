//! A unit and its thread.

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

/// CHECK CONDITION.
const CHECK_CONDITION: u8 = 0x02;
/// After the module has failed.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// A unit that is served.
pub(crate) struct UnitServer<D> {
    device: D,
    attachment: Attachment,
    buffers: Arc<Buffers>,
}

impl<D: UnitDevice> UnitServer<D> {
    pub(crate) fn new(device: D, placed: Attachment) -> Self {
        let buffers = Arc::clone(placed.host.target().buffers());
        Self { device, attachment: placed, buffers }
    }

    /// Asks for commands and answers them, until it is told to stop.
    pub(crate) fn serve(mut self, stop: &AtomicBool) {
        // The unit is served until it is to stop, whatever panics.
        let _ = catch_unwind(AssertUnwindSafe(|| self.abort_interrupted()));
        let mut last = clock::now().mono.0;
        while !stop.load(Ordering::Acquire) {
            let _ = catch_unwind(AssertUnwindSafe(|| self.poll(&mut last)));
        }
        let _ = catch_unwind(AssertUnwindSafe(|| remove_unit(&mut self.device, self.attachment.address)));
    }

    /// Runs the next command, or waits a moment for one.
    fn poll(&mut self, last: &mut u64) {
        match self.device.next_command() {
            Ok(Some(command)) => {
                if catch_unwind(AssertUnwindSafe(|| self.run(&command))).is_err() {
                    // 4/44/00, unless it was answered before the panic.
                    let sense = Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE);
                    let sense = sense.encode(SenseFormat::Fixed);
                    let answer = CommandResponse { status: CHECK_CONDITION, sense: sense.as_slice(), data: &[] };
                    let _ = self.device.complete(command.serial, &answer);
                }
                *last = clock::now().mono.0;
            }
            Ok(None) => sleep_or_yield(poll_interval(Duration::from_micros(clock::now().mono.0.saturating_sub(*last)))),
            Err(error) => {
                let log = || tracing::warn!(unit = self.attachment.minor, %error, "the module does not answer");
                let _ = catch_unwind(AssertUnwindSafe(log));
                sleep_or_yield(PollInterval::Sleep(RETRY_DELAY));
            }
        }
    }

    /// Runs a command.
    fn run(&mut self, command: &Command) {
        self.attachment.lock.iter_mut().for_each(|lock| lock.record(command.serial));
        self.attachment.before.iter_mut().for_each(|before| before(command.cdb()));
        if let Err(error) = self.execute(command) {
            tracing::warn!(unit = self.attachment.minor, ?command, %error, "a command could not be answered");
        }
        self.attachment.after.iter_mut().for_each(|after| after());
    }

    /// Aborts the command that a process before this one was at when it was killed: nobody else answers it, the host
    /// waits for it and sends no other, and in the end the module says that it was done.
    fn abort_interrupted(&mut self) {
        let Some(left) = self.attachment.lock.as_ref().and_then(Lock::interrupted_commands) else { return };
        let sense = Sense::new(SenseKey::ABORTED_COMMAND, Asc(0)).encode(SenseFormat::Fixed);
        let answer = CommandResponse { status: CHECK_CONDITION, sense: sense.as_slice(), data: &[] };
        let left = self.device.take_over(left).unwrap_or_else(|error| {
            tracing::warn!(unit = self.attachment.minor, %error, "what was left cannot be answered");
            Vec::new()
        });
        for serial in left {
            if self.device.complete(serial, &answer).is_ok_and(|taken| taken == CompletionOutcome::Completed) {
                tracing::warn!(unit = self.attachment.minor, serial, "a command that nobody answered was aborted");
            }
        }
    }

    fn execute(&mut self, command: &Command) -> io::Result<()> {
        let cdb = command.cdb();
        let expected = self.attachment.unit.expected_data_out(cdb).min(MAX_TRANSFER + 1);
        let data = if expected == 0 { Some(Vec::new()) } else { self.buffers.acquire(expected) };
        let Some(mut data) = data else {
            // The system has no memory: the host repeats the command.
            let busy = CommandResponse { status: Status::BUSY.0, sense: &[], data: &[] };
            let taken = self.device.complete(command.serial, &busy)?;
            self.note_aborted(command, taken);
            return Ok(());
        };
        if expected > 0
            && let Err(error) = self.device.fetch_data(command.serial, data.get_mut(..expected).unwrap_or_default())
        {
            // The host did not send what its CDB says, has given up, or the module failed.
            tracing::debug!(unit = self.attachment.minor, ?command, %error, "data did not come");
            // What came of it may be a part of a key.
            data.fill(0);
            self.buffers.release(data);
            let taken = self.reject_missing_data(command)?;
            self.note_aborted(command, taken);
            return Ok(());
        }
        let Some(done) = self.attachment.host.submit(self.attachment.lun, cdb, data, expected, MAX_TRANSFER) else {
            return Ok(());
        };
        let sense = done.completion.sense;
        let answer = CommandResponse {
            status: done.completion.status.0,
            data: done.data_in.get(..done.completion.data_in).unwrap_or_default(),
            sense: sense.as_ref().map_or(&[], |sense| sense.as_slice()),
        };
        let taken = if done.aborted {
            Ok(CompletionOutcome::CommandGone)
        } else {
            self.device.complete(command.serial, &answer)
        };
        self.buffers.release(done.data_in);
        self.buffers.release(done.data_out);
        self.note_aborted(command, taken?);
        Ok(())
    }

    /// The host has given up a command, or the module has said GOOD in our place because it took too long: whoever goes on
    /// hears 29/00, and does not take for done what may not be.
    fn note_aborted(&self, command: &Command, taken: CompletionOutcome) {
        if taken == CompletionOutcome::CommandGone {
            tracing::warn!(unit = self.attachment.minor, ?command, "nobody waits for the answer any more");
            let occurred = Asc::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED;
            self.attachment.unit.with_device(|device| device.lu().attentions.raise_all(occurred));
        }
    }

    /// B/4B/00: the data that the CDB announces did not come.
    fn reject_missing_data(&mut self, command: &Command) -> io::Result<CompletionOutcome> {
        let sense = Sense::new(SenseKey::ABORTED_COMMAND, Asc::DATA_PHASE_ERROR).encode(SenseFormat::Fixed);
        let answer = CommandResponse { status: CHECK_CONDITION, sense: sense.as_slice(), data: &[] };
        self.device.complete(command.serial, &answer)
    }
}

#[expect(clippy::disallowed_methods, reason = "the module cannot wake anyone: this thread's work is to wait and ask")]
fn sleep_or_yield(wait: PollInterval) {
    match wait {
        PollInterval::Yield => std::thread::yield_now(),
        PollInterval::Sleep(time) => std::thread::sleep(time),
    }
}
