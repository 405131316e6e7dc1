//! A unit and its thread.

use crate::lock::Lock;
use crate::{Placed, leave};
use mhvtl_lld::abi::TRANSFER;
use mhvtl_lld::pace::{Wait, wait};
use mhvtl_lld::{Answer, Command, Device, Taken};
use scsi_core::asc::Asc;
use scsi_core::sense::{Format, Sense, SenseKey};
use scsi_core::status::Status;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vtl::buffers::Buffers;
use vtl::clock;

/// CHECK CONDITION.
const CHECK: u8 = 0x02;
/// After the module has failed.
const PAUSE: Duration = Duration::from_millis(100);

/// A unit that is served.
pub(crate) struct Served<D> {
    device: D,
    placed: Placed,
    buffers: Arc<Buffers>,
}

impl<D: Device> Served<D> {
    pub(crate) fn new(device: D, placed: Placed) -> Self {
        let buffers = Arc::clone(placed.host.target().buffers());
        Self { device, placed, buffers }
    }

    /// Asks for commands and answers them, until it is told to stop.
    pub(crate) fn serve(mut self, stop: &AtomicBool) {
        // The unit is served until it is to stop, whatever panics.
        let _ = catch_unwind(AssertUnwindSafe(|| self.abort_left()));
        let mut last = clock::now().mono.0;
        while !stop.load(Ordering::Acquire) {
            let _ = catch_unwind(AssertUnwindSafe(|| self.poll(&mut last)));
        }
        let _ = catch_unwind(AssertUnwindSafe(|| leave(&mut self.device, self.placed.address)));
    }

    /// Runs the next command, or waits a moment for one.
    fn poll(&mut self, last: &mut u64) {
        match self.device.next() {
            Ok(Some(command)) => {
                if catch_unwind(AssertUnwindSafe(|| self.run(&command))).is_err() {
                    // 4/44/00, unless it was answered before the panic.
                    let sense = Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE);
                    let sense = sense.encode(Format::Fixed);
                    let answer = Answer { status: CHECK, sense: sense.as_slice(), data: &[] };
                    let _ = self.device.complete(command.serial, &answer);
                }
                *last = clock::now().mono.0;
            }
            Ok(None) => rest(wait(Duration::from_micros(clock::now().mono.0.saturating_sub(*last)))),
            Err(error) => {
                let log = || tracing::warn!(unit = self.placed.minor, %error, "the module does not answer");
                let _ = catch_unwind(AssertUnwindSafe(log));
                rest(Wait::Sleep(PAUSE));
            }
        }
    }

    /// Runs a command.
    fn run(&mut self, command: &Command) {
        self.placed.lock.iter_mut().for_each(|lock| lock.note(command.serial));
        self.placed.before.iter_mut().for_each(|before| before(command.cdb()));
        if let Err(error) = self.answer(command) {
            tracing::warn!(unit = self.placed.minor, ?command, %error, "a command could not be answered");
        }
        self.placed.after.iter_mut().for_each(|after| after());
    }

    /// Aborts the command that a process before this one was at when it was killed: nobody else answers it, the host
    /// waits for it and sends no other, and in the end the module says that it was done.
    fn abort_left(&mut self) {
        let Some(left) = self.placed.lock.as_ref().and_then(Lock::left) else { return };
        let sense = Sense::new(SenseKey::ABORTED_COMMAND, Asc(0)).encode(Format::Fixed);
        let answer = Answer { status: CHECK, sense: sense.as_slice(), data: &[] };
        let left = self.device.adopt(left).unwrap_or_else(|error| {
            tracing::warn!(unit = self.placed.minor, %error, "what was left cannot be answered");
            Vec::new()
        });
        for serial in left {
            if self.device.complete(serial, &answer).is_ok_and(|taken| taken == Taken::Answered) {
                tracing::warn!(unit = self.placed.minor, serial, "a command that nobody answered was aborted");
            }
        }
    }

    fn answer(&mut self, command: &Command) -> io::Result<()> {
        let cdb = command.cdb();
        let expected = self.placed.unit.expected_data_out(cdb).min(TRANSFER + 1);
        let data = if expected == 0 { Some(Vec::new()) } else { self.buffers.take(expected) };
        let Some(mut data) = data else {
            // The system has no memory: the host repeats the command.
            let busy = Answer { status: Status::BUSY.0, sense: &[], data: &[] };
            let taken = self.device.complete(command.serial, &busy)?;
            self.note(command, taken);
            return Ok(());
        };
        if expected > 0
            && let Err(error) = self.device.fetch(command.serial, data.get_mut(..expected).unwrap_or_default())
        {
            // The host did not send what its CDB says, has given up, or the module failed.
            tracing::debug!(unit = self.placed.minor, ?command, %error, "data did not come");
            // What came of it may be a part of a key.
            data.fill(0);
            self.buffers.give(data);
            let taken = self.refuse(command)?;
            self.note(command, taken);
            return Ok(());
        }
        let Some(done) = self.placed.host.submit(self.placed.lun, cdb, data, expected, TRANSFER) else { return Ok(()) };
        let sense = done.completion.sense;
        let answer = Answer {
            status: done.completion.status.0,
            data: done.data_in.get(..done.completion.data_in).unwrap_or_default(),
            sense: sense.as_ref().map_or(&[], |sense| sense.as_slice()),
        };
        let taken = if done.aborted { Ok(Taken::Gone) } else { self.device.complete(command.serial, &answer) };
        self.buffers.give(done.data_in);
        self.buffers.give(done.data_out);
        self.note(command, taken?);
        Ok(())
    }

    /// The host has given up a command, or the module has said GOOD in our place because it took too long: whoever goes on
    /// hears 29/00, and does not take for done what may not be.
    fn note(&self, command: &Command, taken: Taken) {
        if taken == Taken::Gone {
            tracing::warn!(unit = self.placed.minor, ?command, "nobody waits for the answer any more");
            let occurred = Asc::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED;
            self.placed.unit.with(|device| device.lu().attention.raise_all(occurred));
        }
    }

    /// B/4B/00: the data that the CDB announces did not come.
    fn refuse(&mut self, command: &Command) -> io::Result<Taken> {
        let sense = Sense::new(SenseKey::ABORTED_COMMAND, Asc::DATA_PHASE_ERROR).encode(Format::Fixed);
        let answer = Answer { status: CHECK, sense: sense.as_slice(), data: &[] };
        self.device.complete(command.serial, &answer)
    }
}

#[expect(clippy::disallowed_methods, reason = "the module cannot wake anyone: this thread's work is to wait and ask")]
fn rest(wait: Wait) {
    match wait {
        Wait::Yield => std::thread::yield_now(),
        Wait::Sleep(time) => std::thread::sleep(time),
    }
}
