//! A logical unit with its command queue: it executes one command at a time, in order, on the submitting thread if the
//! command cannot block.

mod activity;
mod changes;
mod device;
mod device_counters;
mod failure;
mod inject;
mod observe;
mod queue;
mod run;
mod status;
mod submit;
#[cfg(test)]
mod tests;
mod thread;
mod turn;

use crate::clock::ClockListener;
use crate::events::Cause;
use crate::locks::lock;
use crate::observer::{CommandCounters, CommandOutcome, UnitCounters, UnitName};
use crate::shared::{Shared, UnitId};
use crate::state_store::StateError;
use crate::target::Target;
use crate::throttle::Throttle;
use activity::{Activity, BusyGuard};
use changes::{ModePagesBefore, Settings};
pub use device::Device;
use device_counters::DeviceCounters;
pub(crate) use device_counters::DriveCounts;
pub(crate) use observe::CommandEnd;
use observe::{NexusNames, unit_name};
use queue::CommandQueue;
pub(crate) use run::wipe_key;
use scsi_core::asc::Asc;
use scsi_core::command_spec::{CommandRef, MediumAccess};
use scsi_core::identity::Identity;
use scsi_core::nexus::NexusId;
use scsi_core::status::Status;
pub use scsi_core::target::{Command, CompletedCommand};
use scsi_core::target::{Request, Tag, TransportEvent};
use scsi_core::time::{Instant, Now};
use smc::bay::BayStatus;
use smc::library::MoveCounts;
use ssc::timing::Motion;
use status::MediumStatus;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
pub(crate) use turn::OperatorTurn;

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
    /// The time of the next step of an operation that continues after its status was returned (IMMED), or of a load that waits for a
    /// thawing.
    background: Option<Instant>,
    /// A command on the thread of a connection has changed lifetime counters, which are not stored yet.
    counters_changed: bool,
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

    /// Whether the unit's thread has something to do now. A caller that runs its command itself also handles the events.
    fn has_work_for_thread(&self, now: Instant) -> bool {
        self.has_work(now) && !self.queue.next_is_caller()
    }

    /// Whether a command, an event, a step of a background operation or the storing of counters waits.
    fn has_work(&self, now: Instant) -> bool {
        let is_due = self.background.is_some_and(|due| due <= now);
        !self.queue.is_empty() || !self.events.is_empty() || is_due || self.counters_changed
    }
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
    /// What was wrong with the saved state after a panic, and where it is kept.
    lost_state: Mutex<Option<String>>,
    /// Whether an initiator prevents medium removal from the changer.
    removal_prevented: AtomicBool,
    /// Reservation and encryption after the last command that can change them.
    settings: Mutex<Settings>,
    shared: Arc<Shared>,
    name: Arc<UnitName>,
    nexus_names: Mutex<NexusNames>,
    counters: UnitCounters,
    device_counters: DeviceCounters,
    /// Limits the events of commands that the retention of data has refused.
    retention_events: Throttle,
    /// Looks up the command of a CDB, once for each command.
    lookup: fn(&[u8]) -> Option<CommandRef>,
}

/// The payload of a panic.
type Panic = Box<dyn Any + Send>;

impl Unit {
    /// Index of a drive in its library, from 0; `None` for a changer.
    pub(crate) const fn drive_index(&self) -> Option<usize> {
        self.id.drive
    }

    pub(crate) fn new(owner: UnitId, mut device: Device, target: &Target, shared: Arc<Shared>) -> Arc<Self> {
        let identity = device.lu().identity.clone();
        let lookup: fn(&[u8]) -> Option<CommandRef> = match &device {
            Device::Drive(_) => |cdb| ssc::table::COMMANDS.lookup(cdb),
            Device::Changer(_) => |cdb| smc::table::COMMANDS.lookup(cdb),
        };
        let name = Arc::new(unit_name(&owner, &device));
        let unit = Arc::new(Self {
            nexus_names: Mutex::new(NexusNames::new(Arc::clone(target.shared_name()), Arc::clone(&name))),
            name,
            counters: UnitCounters::default(),
            device_counters: DeviceCounters::default(),
            retention_events: Throttle::default(),
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
            lost_state: Mutex::default(),
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

    /// Sets how long a motion of the drive takes from now on.
    pub fn set_delay(&self, motion: Motion, delay: Duration) {
        self.with_device(|device| {
            if let Device::Drive(drive) = device {
                *drive.delays_mut().delay_mut(motion) = delay;
            }
        });
    }

    /// Aborts the queued commands, and the one that runs or whose status is delayed, that `wanted` selects by nexus and
    /// tag. Each is passed to its [`CompletionHandler`] as aborted, the running one when its execution ends; a command of
    /// [`Self::execute`] ends with TASK ABORTED.
    pub fn abort(&self, wanted: impl Fn(NexusId, Tag) -> bool) {
        let (removed, delayed) = {
            let mut work = lock(&self.queue);
            (work.queue.remove(&wanted), BusyGuard::abort(self, &mut work, &wanted))
        };
        self.wake.notify_all();
        if let Some((busy, finished)) = delayed {
            busy.end(&finished.command, &finished.end);
            finished.send();
        }
        for queued in removed {
            self.finish_unexecuted(queued, Status::TASK_ABORTED, CommandOutcome::Aborted).send();
        }
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
        let Ok(mut device) = self.device.try_lock() else { return self.wake.notify_all() };
        // An event that clears encryption keys writes the blocks that are encrypted with them: this thread must not wait.
        let slow = self.catch_panic(&mut device, |device| device.slow_accesses());
        if slow.is_ok_and(|slow| slow.contains(MediumAccess::DRAIN)) {
            drop(device);
            return self.wake.notify_all();
        }
        let _ = self.catch_panic(&mut device, |device| self.apply_events(device));
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
    /// length. `row` is the row that [`Self::look_up`] returns for the CDB.
    #[must_use]
    pub fn expected_data_out(&self, cdb: &[u8], row: Option<CommandRef>) -> usize {
        let mut device = lock(&self.device);
        let request = Request { row, ..Request::new(NexusId(0), cdb, Now::default()) };
        self.catch_panic(&mut device, |device| device.unit().expected_data_out(&request)).unwrap_or(0)
    }

    /// The name of the unit in its site, such as `main/drive1`.
    #[must_use]
    pub fn name(&self) -> &UnitName {
        &self.name
    }

    pub(crate) const fn shared_name(&self) -> &Arc<UnitName> {
        &self.name
    }

    /// The counters of the commands that the unit has executed since it was opened.
    #[must_use]
    pub fn counters(&self) -> CommandCounters {
        self.counters.counts()
    }

    /// The counters of a drive after its last command.
    pub(crate) fn drive_counts(&self) -> DriveCounts {
        self.device_counters.drive()
    }

    /// The time that hardware would have taken for what the unit has done.
    pub(crate) fn modelled_time(&self) -> Duration {
        self.device_counters.modelled()
    }

    /// The moves of a changer, by their result.
    pub(crate) fn move_counts(&self) -> MoveCounts {
        self.device_counters.moves()
    }

    /// Number of commands that wait, run or have a delayed status.
    pub(crate) fn queue_depth(&self) -> usize {
        let work = lock(&self.queue);
        work.queue.len() + usize::from(work.activity.is_command())
    }

    /// When the delayed status of a submitted command is due; `None` if no status is delayed.
    pub(crate) fn delayed_until(&self) -> Option<Instant> {
        lock(&self.queue).activity.due()
    }

    /// The identity of the unit: INQUIRY strings, serial number and designators.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The row of a command in the table of the device type; `None` if the table does not have it.
    #[must_use]
    pub fn look_up(&self, cdb: &[u8]) -> Option<CommandRef> {
        (self.lookup)(cdb)
    }

    /// Calls `call` with the device, between two commands. Changes of its state are stored; if that fails, they stay
    /// pending.
    pub fn with_device<T>(&self, call: impl FnOnce(&mut Device) -> T) -> T {
        let (result, stored) = self.with_saved_as(&Cause::unit(), call);
        if let Err(error) = stored {
            tracing::warn!(unit = %self.name, %error, "cannot store the state");
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
}
