//! The execution of a command by the device of a unit, with the storing and publishing of its effects.

use super::activity::TaskId;
use super::changes::{ModePagesBefore, host};
use super::observe::{CommandEnd, tape_position};
use super::{Device, Panic, Unit, UnitQueue};
use crate::locks::lock;
use crate::observer::CommandOutcome;
use scsi_core::command_spec::CommandRef;
use scsi_core::data::Data;
use scsi_core::fault::{Completion, FaultEvent, Save};
use scsi_core::nexus::NexusId;
use scsi_core::status::Status;
use scsi_core::target::{Command, DataBuffers, Request};
use std::io::{IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::MutexGuard;
use zeroize::Zeroize;

/// Name of the command of this row in messages.
pub(super) fn name_of(row: Option<CommandRef>) -> &'static str {
    row.map_or("a command", |row| row.spec().name)
}

/// Wipes the Data-Out buffer of a command that may carry an encryption key: the buffer will be used again.
pub(crate) fn wipe_key(data: &mut DataBuffers, row: Option<CommandRef>) {
    if row.is_some_and(|row| row.spec().carries_key) {
        data.data_out.as_mut_slice().zeroize();
    }
}

/// When the lifetime counters that a command has changed are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CounterSave {
    /// Before its status: the command runs on a thread that may wait.
    Now,
    /// By the unit's thread, after its status: the command runs on the thread of a connection.
    Later,
}

impl Unit {
    /// Removes a command from the queue to run it on the locked device, when no event is pending. `take` returns it with
    /// its row, nexus and tag; from then on it can be aborted as the running command.
    ///
    /// A command that was aborted while the device was locked is not executed. The loss of a nexus is handled after a
    /// command of that nexus, not before it: the command could leave a reservation of a lost nexus.
    pub(super) fn dequeue<T>(
        &self,
        device: &mut Device,
        take: impl FnOnce(&mut UnitQueue) -> Option<(T, Option<CommandRef>, TaskId)>,
    ) -> Option<T> {
        loop {
            let _ = self.catch_panic(device, |device| self.apply_events(device));
            let mut work = lock(&self.queue);
            if work.events.is_empty() {
                let (taken, row, task) = take(&mut work)?;
                work.activity.begin(name_of(row), task);
                return Some(taken);
            }
        }
    }

    /// Calls `call` with the device. A panic makes the unit faulty, in a defined state.
    pub(super) fn catch_panic<T>(&self, device: &mut Device, call: impl FnOnce(&mut Device) -> T) -> Result<T, Panic> {
        catch_unwind(AssertUnwindSafe(|| call(device))).inspect_err(|_| self.recover_from_panic(device))
    }

    /// Runs a command with owned buffers, and wipes its Data-Out if that may contain a key.
    pub(super) fn run_submitted(
        &self,
        device: MutexGuard<'_, Device>,
        command: &mut Command,
        row: Option<CommandRef>,
        queued_us: u64,
        counters: CounterSave,
    ) -> CommandEnd {
        let mut data = std::mem::take(&mut command.data);
        let now = self.shared.now();
        let end = if self.shared.buffers.ensure_data_in(&mut data) {
            let out = [IoSlice::new(data.data_out.get(..data.data_out_len).unwrap_or(&data.data_out))];
            let mut into = [IoSliceMut::new(data.data_in.get_mut(..data.data_in_capacity).unwrap_or_default())];
            self.run(device, &command.request(row, now), Data::new(&out, &mut into), queued_us, counters)
        } else {
            CommandEnd::unexecuted(row, now, Status::TASK_SET_FULL, CommandOutcome::Rejected)
        };
        wipe_key(&mut data, row);
        command.data = data;
        end
    }

    /// Runs a command; aborts the commands that it preempted.
    pub(super) fn run(
        &self,
        mut device: MutexGuard<'_, Device>,
        request: &Request<'_>,
        data: Data<'_, '_>,
        queued_us: u64,
        counters: CounterSave,
    ) -> CommandEnd {
        let mut positions = (None, None);
        let ran = self.catch_panic(&mut device, |device| {
            positions.0 = tape_position(device);
            let completion = self.run_and_publish(device, request, data, counters);
            positions.1 = tape_position(device);
            completion
        });
        let mut completion = ran.unwrap_or_else(|_| Completion::internal_failure());
        drop(device);
        for victim in std::mem::take(&mut completion.abort_nexuses) {
            self.abort(|nexus, tag| nexus == victim && (nexus, tag) != (request.nexus, request.tag));
        }
        if let Some(FaultEvent::LosePower(outage)) = completion.event {
            self.shared.lose_power(outage);
        }
        let outcome = if completion.dropped { CommandOutcome::Dropped } else { CommandOutcome::Completed };
        let run_us = self.elapsed_us(request.now.mono);
        CommandEnd { row: request.row, now: request.now, completion, outcome, positions, queued_us, run_us }
    }

    /// Runs a command, and stores and publishes its effects before the status is returned.
    fn run_and_publish(
        &self,
        device: &mut Device,
        request: &Request<'_>,
        data: Data<'_, '_>,
        counters: CounterSave,
    ) -> Completion {
        let before = ModePagesBefore::command(device, request);
        let mut completion = device.unit().execute(request, data);
        if counters == CounterSave::Later && completion.save == Save::COUNTERS {
            device.lu().request_save(Save::COUNTERS);
            lock(&self.queue).counters_changed = true;
        } else if !completion.save.is_empty() {
            self.save(device, request.nexus, &mut completion);
        }
        if let Some(before) = before {
            self.publish_changes(device, request.nexus, &before);
        }
        if let Some(sense) = &completion.sense {
            self.publish_refusal(device, request, sense);
        }
        self.publish_removal_prevention(device);
        if request.row.is_some_and(|row| row.spec().may_block) {
            // Only such a command can start a background operation, or a load that waits for a thawing.
            self.publish_status(device);
        }
        self.publish_after_command(device, request.now.mono);
        completion
    }

    /// Stores the changed state; if that fails, replaces the status by CHECK CONDITION, HARDWARE ERROR 44h/00h.
    fn save(&self, device: &mut Device, nexus: NexusId, completion: &mut Completion) {
        let cause = host(device, nexus);
        if let Err(error) = self.shared.commit(&self.id, device, completion.save, &cause) {
            tracing::warn!(unit = %self.name, %error, "cannot store the state");
            // The other changes of the command are in effect, so the commands that it preempted are aborted.
            let abort_nexuses = std::mem::take(&mut completion.abort_nexuses);
            *completion = Completion { abort_nexuses, ..Completion::internal_failure() };
        }
    }
}
