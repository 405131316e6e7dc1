//! The unit's thread: executes the commands that may block, and those queued after them, and sends each delayed status.

use super::activity::{BusyGuard, Finished, send};
use super::queue::QueuedCommand;
use super::run::{CounterSave, name_of};
use super::turn::ROBOT;
use super::{Device, Unit, UnitQueue};
use crate::events::Cause;
use crate::locks::lock;
use crate::observer::CommandOutcome;
use scsi_core::fault::Save;
use scsi_core::status::Status;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{MutexGuard, PoisonError};

/// The next work of the unit's thread.
enum ThreadTask<'a> {
    /// Execute the next command, or advance a background operation.
    Run(BusyGuard<'a>),
    /// Send a status that is due now.
    Send(BusyGuard<'a>, Box<Finished>),
}

impl UnitQueue {
    /// Name of the next task of the unit's thread, in words. Events that arrive while the robot uses the drive wait for
    /// the robot.
    fn name_of_task(&self) -> &'static str {
        match (self.queue.is_empty(), self.robot) {
            (false, _) => name_of(self.queue.next_row()),
            (true, true) => ROBOT,
            (true, false) => "a background operation",
        }
    }
}

impl Unit {
    /// The loop of the unit's thread, until the site is shut down.
    pub(crate) fn run_thread(&self) {
        while let Some(task) = self.wait_for_task() {
            match task {
                ThreadTask::Send(busy, finished) => {
                    busy.end(&finished.command, &finished.end);
                    finished.send();
                }
                ThreadTask::Run(busy) => {
                    // This thread serves the unit as long as the site is open, even after a panic.
                    let Ok(Some(finished)) = catch_unwind(AssertUnwindSafe(|| self.run_next())) else { continue };
                    let Finished { command, end, reply } = finished;
                    if let Some(completed) = busy.finish(command, end, &reply) {
                        send(&*reply, completed);
                    }
                }
            }
        }
    }

    /// Waits for the next task of the unit's thread; `None` when the site is shut down. A delayed status is sent before
    /// that.
    fn wait_for_task(&self) -> Option<ThreadTask<'_>> {
        let mut work = lock(&self.queue);
        loop {
            if let Some(due) = work.activity.due() {
                let delayed = |work: &mut UnitQueue| !work.stopping && work.activity.due() == Some(due);
                let (ready, reached) = self.shared.clock.wait_while(&self.wake, work, due, delayed);
                work = ready;
                if (reached || work.stopping)
                    && let Some((busy, finished)) = BusyGuard::take_delayed(self, &mut work)
                {
                    return Some(ThreadTask::Send(busy, finished));
                }
                continue;
            }
            if work.stopping {
                return None;
            }
            let now = self.shared.monotonic();
            if work.is_free() && work.has_work_for_thread(now) {
                let name = work.name_of_task();
                return Some(ThreadTask::Run(BusyGuard::new(self, &mut work, name, None)));
            }
            work = match work.background.filter(|due| *due > now && work.is_free()) {
                Some(due) => {
                    let waits = |work: &mut UnitQueue| {
                        let is_same = work.background == Some(due) && work.is_free();
                        is_same && !work.stopping && !work.has_work_for_thread(now)
                    };
                    self.shared.clock.wait_while(&self.wake, work, due, waits).0
                }
                None => self.wake.wait(work).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Executes the first command in the queue; if there is none, stores changed counters and advances a background
    /// operation by one step.
    fn run_next(&self) -> Option<Finished> {
        let mut device = lock(&self.device);
        let next = self.dequeue(&mut device, |work| {
            let queued = work.queue.pop()?;
            let (row, task) = (queued.row, (queued.command.nexus, queued.command.tag));
            Some((queued, row, task))
        });
        let Some(QueuedCommand { mut command, row, arrived, reply }) = next else {
            self.resume(device);
            return None;
        };
        let end = self.run_submitted(device, &mut command, row, self.elapsed_us(arrived), CounterSave::Now);
        Some(Finished { command, end, reply })
    }

    /// Advances a background operation by one step while no command is queued, or continues a load whose thawing has ended.
    fn resume(&self, mut device: MutexGuard<'_, Device>) {
        let _ = self.catch_panic(&mut device, |device| {
            self.save_counters(device);
            let was_thawing = matches!(device, Device::Drive(drive) if drive.thawing().is_some());
            if let Device::Drive(drive) = device {
                drive.poll_background(self.shared.now());
            }
            self.schedule_background(device);
            if was_thawing {
                self.publish_status(device);
                self.publish_settings(device, &Cause::unit());
                lock(&self.queue).counters_changed = true;
                self.save_counters(device);
            } else {
                self.publish_after_command(device, self.shared.monotonic());
            }
        });
    }

    /// Sets the time at which the unit's thread advances the background operation of the device.
    pub(super) fn schedule_background(&self, device: &Device) {
        let due = if let Device::Drive(drive) = device { drive.background_due() } else { None };
        let mut work = lock(&self.queue);
        let is_new = due.is_some() && work.background != due;
        work.background = due;
        drop(work);
        if is_new {
            self.wake.notify_all();
        }
    }

    /// Stores the lifetime counters that a command on the thread of a connection has changed.
    fn save_counters(&self, device: &mut Device) {
        let changed = std::mem::take(&mut lock(&self.queue).counters_changed);
        let save = if changed { device.lu().take_save() } else { Save::empty() };
        if !save.is_empty()
            && let Err(error) = self.shared.commit(&self.id, device, save, &Cause::unit())
        {
            tracing::warn!(unit = %self.name, %error, "cannot store the state");
        }
    }

    /// Stops the unit's thread and drops the queued commands.
    pub(crate) fn stop(&self) {
        let removed = {
            let mut work = lock(&self.queue);
            work.stopping = true;
            work.queue.remove(|_, _| true)
        };
        self.wake.notify_all();
        for queued in removed {
            drop(self.finish_unexecuted(queued, Status::TASK_ABORTED, CommandOutcome::Aborted));
        }
    }
}
