//! A logical unit with its command queue: it executes one command at a time, in order, on the submitting thread if the
//! command cannot block.

mod changes;
mod delayed;
mod device;
mod failure;
mod inject;
mod observe;
mod queue;
mod status;
mod turn;

use crate::clock::ClockListener;
use crate::events::Cause;
use crate::locks::lock;
use crate::observer::{CommandCounters, UnitCounters, UnitName};
use crate::shared::{Shared, UnitId};
use crate::state_store::StateError;
use delayed::{Activity, DelayedStatus, Finished};
pub use device::Device;
use observe::{Executed, Initiators, tape_position, unit_name};
use queue::{CommandQueue, QueuedCommand, Ticket};
use scsi_core::asc::Asc;
use scsi_core::command_spec::{CommandRef, MediumAccess};
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::identity::Identity;
use scsi_core::nexus::NexusId;
use scsi_core::status::Status;
pub use scsi_core::target::{Command, CompletedCommand};
use scsi_core::target::{DataBuffers, Request, Tag, TransportEvent};
use smc::bay::BayStatus;
use ssc::timing::Motion;
use status::MediumStatus;
use std::any::Any;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
pub(crate) use turn::OperatorTurn;
use turn::ROBOT;
use zeroize::Zeroize;

use changes::{ModePagesBefore, Settings, host};

/// Receives commands that were executed on a unit's thread.
pub trait CompletionHandler: Send + Sync {
    /// Called once for each queued command after it was executed or aborted; not for commands that are dropped at
    /// shutdown.
    fn complete(&self, finished: CompletedCommand);
}

/// Whether a submitted command was executed or queued.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each command")]
pub enum Submitted {
    /// The command was executed on the caller's thread.
    Completed(CompletedCommand),
    /// The unit's thread will pass the command to its [`CompletionHandler`] after its execution, when its status is due.
    Queued,
}

/// Maximum number of commands that wait for a unit; further commands are completed with TASK SET FULL.
const MAX_QUEUED: usize = 4096;

/// An event that the unit has to handle before its next command.
enum UnitEvent {
    /// An event of an I_T nexus, or a reset.
    Transport(TransportEvent),
    /// The LUNs of the target, and whether UNIT ATTENTION 3Fh/0Eh is raised.
    LunList(Arc<[u64]>, bool),
}

#[derive(Default)]
struct UnitQueue {
    queue: CommandQueue,
    /// Events that the unit has not handled yet.
    events: VecDeque<UnitEvent>,
    activity: Activity,
    /// Number of operators' requests that wait for the end of the current command.
    operators: usize,
    /// The robot inserts or removes a cartridge.
    robot: bool,
    /// An operation continues after its status was returned (IMMED).
    background: bool,
    stopping: bool,
}

impl UnitQueue {
    /// Whether another command can be queued.
    fn accepts(&self) -> bool {
        !self.stopping && self.queue.len() < MAX_QUEUED
    }

    /// Whether the next command may run. A waiting operator's request goes first.
    const fn is_free(&self) -> bool {
        self.activity.is_idle() && self.operators == 0
    }

    /// Whether the unit's thread has something to do. A caller that runs its command itself also handles the events.
    fn has_work_for_thread(&self) -> bool {
        let idle = self.queue.is_empty() && self.events.is_empty() && !self.background;
        !idle && !self.queue.next_is_caller()
    }
}

impl QueuedCommand {
    /// Ends the command as aborted.
    fn abort(mut self) -> Finished {
        wipe_key(&mut self.command.data, self.row);
        Finished { nexus: self.command.nexus, command: self.command.abort(), reply: self.reply }
    }
}

/// Wipes the Data-Out buffer of a command that may carry an encryption key: the buffer will be used again.
pub(crate) fn wipe_key(data: &mut DataBuffers, row: Option<CommandRef>) {
    if row.is_some_and(|row| row.spec().carries_key) {
        data.data_out.as_mut_slice().zeroize();
    }
}

/// Completes a command that is not executed with the status TASK SET FULL.
fn task_set_full(mut command: Command, row: Option<CommandRef>) -> CompletedCommand {
    wipe_key(&mut command.data, row);
    command.complete(Completion::with_status(Status::TASK_SET_FULL))
}

/// A logical unit: its device server, its command queue and its published status.
pub struct Unit {
    id: UnitId,
    identity: Identity,
    device: Mutex<Device>,
    queue: Mutex<UnitQueue>,
    wake: Condvar,
    bay_status: Mutex<BayStatus>,
    medium: Mutex<MediumStatus>,
    /// TapeAlert flags after the last command, as [`scsi_core::alert::AlertSet::bits`].
    alerts: AtomicU64,
    /// Accesses to the medium that may wait, after the last command, as [`MediumAccess::bits`].
    slow_accesses: AtomicU8,
    /// Whether the unit is faulty after a panic.
    faulty: AtomicBool,
    /// Whether an initiator prevents medium removal from the changer.
    removal_prevented: AtomicBool,
    /// Reservation and encryption after the last command that can change them.
    settings: Mutex<Settings>,
    shared: Arc<Shared>,
    /// The name of the unit in records.
    label: Arc<UnitName>,
    initiators: Mutex<Initiators>,
    counters: UnitCounters,
    /// Looks up the command of a CDB, once for each command.
    lookup: fn(&[u8]) -> Option<CommandRef>,
}

/// The payload of a panic.
type Panic = Box<dyn Any + Send>;

/// The right to execute a command of a unit; dropping it releases the unit.
struct BusyGuard<'a> {
    unit: &'a Unit,
    /// Name of the command, for people.
    name: &'static str,
    /// What the unit does afterwards.
    next: Activity,
}

impl Drop for BusyGuard<'_> {
    fn drop(&mut self) {
        let mut work = lock(&self.unit.queue);
        work.activity = std::mem::take(&mut self.next);
        // Also if a background operation continues: the unit's thread has waited for this command.
        let has_work = !work.queue.is_empty() || !work.events.is_empty() || work.background;
        if has_work || !work.is_free() {
            self.unit.wake.notify_all();
        }
    }
}

impl<'a> BusyGuard<'a> {
    /// Makes an idle unit busy with a command of this row.
    fn new(unit: &'a Unit, work: &mut UnitQueue, row: Option<CommandRef>) -> Self {
        Self::named(unit, work, row.map_or("a command", |row| row.spec().name))
    }

    /// Makes an idle unit busy with what the name says.
    fn named(unit: &'a Unit, work: &mut UnitQueue, name: &'static str) -> Self {
        work.activity = Activity::Running(name);
        Self { unit, name, next: Activity::Idle }
    }

    /// Releases the unit for the next command when the status of this one is due.
    fn release_later(mut self, status: DelayedStatus) {
        self.next = Activity::Delayed(status.of(self.name));
    }
}

/// What the unit's thread has to do.
enum ThreadTask<'a> {
    /// Execute the next command, or advance a background operation.
    Run(BusyGuard<'a>),
    /// Send a status that is due now.
    Send(Finished),
}

impl Unit {
    pub(crate) fn new(owner: UnitId, mut device: Device, shared: Arc<Shared>) -> Arc<Self> {
        let identity = device.lu().identity.clone();
        let lookup: fn(&[u8]) -> Option<CommandRef> = match &device {
            Device::Drive(_) => |cdb| ssc::table::COMMANDS.lookup(cdb),
            Device::Changer(_) => |cdb| smc::table::COMMANDS.lookup(cdb),
        };
        let unit = Arc::new(Self {
            label: Arc::new(unit_name(&owner, &device)),
            initiators: Mutex::default(),
            counters: UnitCounters::default(),
            id: owner,
            identity,
            device: Mutex::new(device),
            queue: Mutex::default(),
            wake: Condvar::new(),
            bay_status: Mutex::default(),
            medium: Mutex::default(),
            alerts: AtomicU64::new(0),
            slow_accesses: AtomicU8::new(0),
            faulty: AtomicBool::new(false),
            removal_prevented: AtomicBool::new(false),
            settings: Mutex::default(),
            shared,
            lookup,
        });
        let listener: Arc<dyn ClockListener> = Arc::clone(&unit) as _;
        unit.shared.clock.add_listener(Arc::downgrade(&listener));
        unit.publish_status(&mut lock(&unit.device));
        unit
    }

    /// Executes a command on this thread if it cannot block and no other command is queued or running; else queues it
    /// in the order of its task attribute.
    ///
    /// If the queue is full or the site is shut down, the command is completed with TASK SET FULL.
    pub fn submit(&self, command: Command, reply: &Arc<dyn CompletionHandler>) -> Submitted {
        let row = (self.lookup)(&command.cdb);
        let may_wait = |slow| row.is_some_and(|row| row.spec().may_wait(slow));
        let slow = MediumAccess::from_bits_retain(self.slow_accesses.load(Ordering::Acquire));
        let queued =
            |command| QueuedCommand { command, row, arrived: self.shared.now().mono, reply: Arc::clone(reply) };
        let busy = {
            let mut work = lock(&self.queue);
            if may_wait(slow) || !work.is_free() || !work.queue.is_empty() || work.stopping {
                if !work.accepts() {
                    return Submitted::Completed(task_set_full(command, row));
                }
                work.queue.push(queued(command));
                self.wake.notify_all();
                return Submitted::Queued;
            }
            BusyGuard::new(self, &mut work, row)
        };
        // The robot may have locked the drive although no command is running: this thread must not wait for it either.
        let device = match self.device.try_lock() {
            Ok(device) => Some(device),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        // The robot may also have loaded a slow medium since.
        let Some(mut device) = device.filter(|device| !may_wait(device.slow_accesses())) else {
            let mut work = lock(&self.queue);
            if work.stopping {
                return Submitted::Completed(task_set_full(command, row));
            }
            work.queue.push_front(queued(command));
            return Submitted::Queued;
        };
        let _ = self.catch_panic(&mut device, |device| self.apply_events(device));
        let nexus = command.nexus;
        let command = self.run_queued(device, command, row, 0);
        match self.due_later(&command.completion) {
            None => Submitted::Completed(command),
            Some(due) => {
                let finished = Finished { command, nexus, reply: Arc::clone(reply) };
                busy.release_later(DelayedStatus::for_handler(due, finished));
                Submitted::Queued
            }
        }
    }

    /// Executes a command with data in memory of the caller, such as segments of guest memory or of a mapped file. It
    /// runs on this thread, which waits for the commands before it, in the order of the task attribute. The caller
    /// wipes Data-Out that may contain an encryption key.
    ///
    /// The row and the time of the request are replaced. The status is TASK SET FULL if the queue is full or the site
    /// is shut down, and TASK ABORTED if the command was aborted, or the site shut down while it waited.
    #[must_use]
    pub fn execute(&self, request: &Request<'_>, data: Data<'_, '_>) -> Completion {
        let row = (self.lookup)(request.cdb);
        let ticket = {
            let mut work = lock(&self.queue);
            if !work.accepts() {
                return Completion::with_status(Status::TASK_SET_FULL);
            }
            work.queue.push_caller(request)
        };
        let arrived = self.shared.now().mono;
        let Some(busy) = self.wait_for_turn(ticket, row) else { return Completion::with_status(Status::TASK_ABORTED) };
        let mut device = lock(&self.device);
        if !self.dequeue(&mut device, |work| work.queue.take(ticket)) {
            return Completion::with_status(Status::TASK_ABORTED);
        }
        let request = Request { row, now: self.shared.now(), ..*request };
        let executed = self.run(device, &request, data);
        let queued_us = request.now.mono.0.saturating_sub(arrived.0);
        self.observe(&request, queued_us, &executed, (&[], &[]));
        if let Some(due) = self.due_later(&executed.completion) {
            busy.release_later(DelayedStatus::for_caller(due, ticket, &request));
            if !self.wait_until_due(ticket, due) {
                return Completion::with_status(Status::TASK_ABORTED);
            }
        }
        executed.completion
    }

    /// Waits until the command of this ticket is the next one and no other is running. `None` if it was aborted.
    fn wait_for_turn(&self, ticket: Ticket, row: Option<CommandRef>) -> Option<BusyGuard<'_>> {
        let mut work = lock(&self.queue);
        while !work.queue.is_next(ticket)? || !work.is_free() {
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        Some(BusyGuard::new(self, &mut work, row))
    }

    /// The unit's thread: executes the commands that may block, and those queued after them, and sends each delayed
    /// status.
    pub(crate) fn run_thread(&self) {
        while let Some(task) = self.wait_for_task() {
            match task {
                ThreadTask::Send(finished) => finished.send(),
                ThreadTask::Run(busy) => {
                    // This thread serves the unit as long as the site is open, even after a panic.
                    let Ok(Some(finished)) = catch_unwind(AssertUnwindSafe(|| self.run_next())) else { continue };
                    match self.due_later(&finished.command.completion) {
                        Some(due) => busy.release_later(DelayedStatus::for_handler(due, finished)),
                        None => {
                            drop(busy);
                            finished.send();
                        }
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
                    && let Some(finished) = work.activity.take_finished()
                {
                    self.wake.notify_all();
                    return Some(ThreadTask::Send(finished));
                }
                continue;
            }
            if work.stopping {
                return None;
            }
            if work.is_free() && work.has_work_for_thread() {
                return Some(ThreadTask::Run(match work.queue.is_empty() {
                    true => {
                        // Events that have arrived while the robot uses the drive wait for the robot.
                        let name = if work.robot { ROBOT } else { "a background operation" };
                        BusyGuard::named(self, &mut work, name)
                    }
                    false => {
                        let row = work.queue.next_row();
                        BusyGuard::new(self, &mut work, row)
                    }
                }));
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Executes the first command in the queue; if there is none, advances a background operation by one step.
    fn run_next(&self) -> Option<Finished> {
        let mut device = lock(&self.device);
        let Some(QueuedCommand { command, row, arrived, reply }) = self.dequeue(&mut device, |work| work.queue.pop())
        else {
            self.resume(device);
            return None;
        };
        let nexus = command.nexus;
        let command = self.run_queued(device, command, row, self.elapsed_us(arrived));
        Some(Finished { command, nexus, reply })
    }

    /// Removes a command from the queue to run it on the locked device, when no event is pending.
    ///
    /// A command that was aborted while the device was locked is not executed. The loss of a nexus is handled after a
    /// command of that nexus, not before it: the command could leave a reservation of a lost nexus.
    fn dequeue<T>(&self, device: &mut Device, take: impl FnOnce(&mut UnitQueue) -> T) -> T {
        loop {
            let _ = self.catch_panic(device, |device| self.apply_events(device));
            let mut work = lock(&self.queue);
            if work.events.is_empty() {
                return take(&mut work);
            }
        }
    }

    /// Calls `call` with the device. A panic makes the unit faulty, in a defined state.
    fn catch_panic<T>(&self, device: &mut Device, call: impl FnOnce(&mut Device) -> T) -> Result<T, Panic> {
        catch_unwind(AssertUnwindSafe(|| call(device))).inspect_err(|_| self.recover_from_panic(device))
    }

    /// Sets how long a motion of the drive takes from now on.
    pub fn set_delay(&self, motion: Motion, delay: Duration) {
        self.with_device(|device| {
            if let Device::Drive(drive) = device {
                *drive.delays_mut().delay_mut(motion) = delay;
            }
        });
    }

    /// Advances a background operation by one step while no command is queued.
    fn resume(&self, mut device: MutexGuard<'_, Device>) {
        let working = self.catch_panic(&mut device, |device| match device {
            Device::Drive(drive) => drive.poll_background(),
            Device::Changer(_) => false,
        });
        self.publish_alerts(&device);
        lock(&self.queue).background = working.unwrap_or(false);
    }

    /// Stops the unit's thread and drops the queued commands.
    pub(crate) fn stop(&self) {
        let mut work = lock(&self.queue);
        work.stopping = true;
        work.queue.remove(|_, _| true).into_iter().for_each(|queued| drop(queued.abort()));
        self.wake.notify_all();
    }

    /// Aborts the queued commands, and the one whose status is delayed, that `wanted` selects by nexus and tag. Each is
    /// passed to its [`CompletionHandler`] as aborted; a command of [`Self::execute`] ends with TASK ABORTED.
    pub fn abort(&self, wanted: impl Fn(NexusId, Tag) -> bool) {
        let (removed, delayed) = {
            let mut work = lock(&self.queue);
            (work.queue.remove(&wanted), work.activity.abort_delayed(&wanted))
        };
        self.wake.notify_all();
        if let Some(finished) = delayed {
            finished.abort();
        }
        removed.into_iter().for_each(|queued| queued.abort().send());
    }

    /// Posts an event, which is handled after the running command and before all others. Does not wait.
    pub fn post(&self, event: TransportEvent) {
        self.notify(UnitEvent::Transport(event));
    }

    /// Posts the LUNs of the target, as [`Self::post`] does; with `changed`, raises UNIT ATTENTION 3Fh/0Eh for every
    /// I_T nexus.
    pub(crate) fn post_luns(&self, luns: Arc<[u64]>, changed: bool) {
        self.notify(UnitEvent::LunList(luns, changed));
    }

    fn notify(&self, event: UnitEvent) {
        lock(&self.queue).events.push_back(event);
        match self.device.try_lock() {
            Ok(mut device) => drop(self.catch_panic(&mut device, |device| self.apply_events(device))),
            Err(_) => self.wake.notify_all(),
        }
    }

    fn apply_events(&self, device: &mut Device) {
        let mut any = false;
        // One by one, so that a panic does not lose the events after it.
        while let Some(event) = self.next_event() {
            any = true;
            match event {
                UnitEvent::Transport(event) => {
                    self.note_initiator(&event);
                    let before = ModePagesBefore::event(device, &event);
                    device.unit().handle_event(event, self.shared.now());
                    if let Some(before) = before {
                        self.publish_reset(device, &before);
                    }
                }
                UnitEvent::LunList(luns, changed) => {
                    device.lu().luns = luns.to_vec();
                    if changed {
                        device.lu().attentions.raise_all(Asc::REPORTED_LUNS_DATA_HAS_CHANGED);
                    }
                }
            }
        }
        if any {
            self.publish_removal_prevention(device);
            self.publish_settings(device, &Cause::unit());
        }
    }

    fn next_event(&self) -> Option<UnitEvent> {
        lock(&self.queue).events.pop_front()
    }

    /// The Data-Out length of a command in bytes, from its CDB and the current settings of the unit, such as the block
    /// length.
    #[must_use]
    pub fn expected_data_out(&self, cdb: &[u8]) -> usize {
        lock(&self.device).unit().expected_data_out(cdb)
    }

    /// The name of the unit in records and for people.
    #[must_use]
    pub fn label(&self) -> &UnitName {
        &self.label
    }

    /// The counters of the commands that the unit has executed since it was opened.
    #[must_use]
    pub fn counters(&self) -> CommandCounters {
        self.counters.counts()
    }

    /// The identity of the unit: INQUIRY strings, serial number and designators.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The name of the unit in the site, such as `main/drive/0`: its library and its name there.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.id.library, self.id.unit)
    }

    /// Calls `call` with the device, between two commands. Changes of its state are stored; if that fails, they stay
    /// pending.
    pub fn with_device<T>(&self, call: impl FnOnce(&mut Device) -> T) -> T {
        let (result, stored) = self.with_saved_as(&Cause::unit(), call);
        if let Err(error) = stored {
            tracing::warn!(unit = self.name(), %error, "cannot store the state");
        }
        result
    }

    /// Does the same as [`Self::with_device`], and returns whether the changes are durable.
    pub(crate) fn with_saved<T>(&self, call: impl FnOnce(&mut Device) -> T) -> (T, Result<(), StateError>) {
        self.with_saved_as(&Cause::site(), call)
    }

    /// Does the same as [`Self::with_saved`]; `cause` is the cause in the events of the changes.
    pub(crate) fn with_saved_as<T>(
        &self,
        cause: &Cause,
        call: impl FnOnce(&mut Device) -> T,
    ) -> (T, Result<(), StateError>) {
        let mut device = lock(&self.device);
        let changed = self.catch_panic(&mut device, |device| {
            self.apply_events(device);
            let result = call(device);
            self.publish_status(device);
            self.publish_settings(device, cause);
            let save = device.lu().take_save();
            let stored = if save.is_empty() { Ok(()) } else { self.shared.commit(&self.id, device, save, cause) };
            (result, stored)
        });
        // Unlocked first: a lock that is held during a panic is poisoned.
        drop(device);
        changed.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Runs a command with owned buffers, and wipes its Data-Out if that may contain a key.
    fn run_queued(
        &self,
        device: MutexGuard<'_, Device>,
        mut command: Command,
        row: Option<CommandRef>,
        queued_us: u64,
    ) -> CompletedCommand {
        let mut data = std::mem::take(&mut command.data);
        let completion = if self.shared.buffers.ensure_data_in(&mut data) {
            let out = [IoSlice::new(data.data_out.get(..data.data_out_len).unwrap_or(&data.data_out))];
            let mut into = [IoSliceMut::new(data.data_in.get_mut(..data.data_in_capacity).unwrap_or_default())];
            let request = command.request(row, self.shared.now());
            let executed = self.run(device, &request, Data::new(&out, &mut into));
            self.observe(&request, queued_us, &executed, (&data.data_out, &data.data_in));
            executed.completion
        } else {
            Completion::with_status(Status::TASK_SET_FULL)
        };
        wipe_key(&mut data, row);
        command.data = data;
        command.complete(completion)
    }

    /// Runs a command; aborts the commands of other nexuses that it preempted.
    fn run(&self, mut device: MutexGuard<'_, Device>, request: &Request<'_>, data: Data<'_, '_>) -> Executed {
        let before = tape_position(&device);
        let ran = self.catch_panic(&mut device, |device| self.run_and_publish(device, request, data));
        let mut completion = ran.unwrap_or_else(|_| Completion::internal_failure());
        let positions = (before, tape_position(&device));
        drop(device);
        for victim in completion.abort_nexuses.drain(..) {
            self.abort(|nexus, _| nexus == victim);
        }
        Executed { completion, positions, run_us: self.elapsed_us(request.now.mono) }
    }

    /// Runs a command, and stores and publishes its effects before the status is returned.
    fn run_and_publish(&self, device: &mut Device, request: &Request<'_>, data: Data<'_, '_>) -> Completion {
        let before = ModePagesBefore::command(device, request);
        let mut completion = device.unit().execute(request, data);
        if !completion.save.is_empty() {
            self.save(device, request.nexus, &mut completion);
        }
        if let Some(before) = before {
            self.publish_changes(device, request.nexus, &before);
        }
        self.publish_removal_prevention(device);
        self.publish_alerts(device);
        self.publish_slow_accesses(device);
        if request.row.is_some_and(|row| row.spec().may_block) {
            self.publish_status(device);
            self.shared.disk_space.check(request.now.mono, &self.shared.events);
            // Only a command that may block can start a background operation.
            lock(&self.queue).background = matches!(&*device, Device::Drive(drive) if drive.has_background_work());
        }
        completion
    }

    /// Stores the changed state; if that fails, replaces the status by CHECK CONDITION, HARDWARE ERROR 44h/00h.
    fn save(&self, device: &mut Device, nexus: NexusId, completion: &mut Completion) {
        let cause = host(device, nexus);
        if let Err(error) = self.shared.commit(&self.id, device, completion.save, &cause) {
            tracing::warn!(unit = self.name(), %error, "cannot store the state");
            // The other changes of the command are in effect, so the commands that it preempted are aborted.
            let abort_nexuses = std::mem::take(&mut completion.abort_nexuses);
            *completion = Completion { abort_nexuses, ..Completion::internal_failure() };
        }
    }
}
