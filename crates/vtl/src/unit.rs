//! The owner of one logical unit: commands one at a time, in order, on the caller's thread where that cannot block.

use crate::buffers::Buffers;
use crate::clock;
use crate::events;
use crate::locks::lock;
use crate::shared::{Shared, UnitId};
use crate::state_store::StateError;
use scsi_core::alert::AlertSet;
use scsi_core::asc::Asc;
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::identity::Identity;
use scsi_core::lu::Lu;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseFormat, SenseKey};
use scsi_core::status::Status;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use smc::bay::BayStatus;
use smc::changer::Changer;
use ssc::alert::Alert;
use ssc::drive::{Drive, LoadState};
use ssc::timing::{Delays, Motion};
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
use tape_store::cartridge::Barcode;
use zeroize::Zeroize;

/// What a unit is.
pub enum Device {
    /// A drive.
    Drive(Box<Drive>),
    /// A changer.
    Changer(Box<Changer>),
}

impl Device {
    /// It, as a transport sees it.
    pub fn unit(&mut self) -> &mut dyn LogicalUnit {
        match self {
            Self::Drive(drive) => drive.as_mut(),
            Self::Changer(changer) => changer.as_mut(),
        }
    }

    /// Raises or lowers a TapeAlert flag, 1 to 64, as if its cause had come about or were gone.
    pub fn set_alert(&mut self, flag: u8, raised: bool) {
        let (of_drive, of_changer) = (ssc::alert::Alert(flag), smc::alert::Alert(flag));
        match self {
            Self::Drive(drive) if raised => drive.raise_alert(of_drive),
            Self::Drive(drive) => drive.clear_alert(of_drive),
            Self::Changer(changer) if raised => changer.raise_alert(of_changer),
            Self::Changer(changer) => changer.clear_alert(of_changer),
        }
    }

    /// TapeAlert flags, whether hosts have read them or not.
    #[must_use]
    pub const fn alerts(&self) -> AlertSet {
        match self {
            Self::Drive(drive) => drive.alerts(),
            Self::Changer(changer) => changer.alerts(),
        }
    }

    /// Its SPC state.
    pub fn lu(&mut self) -> &mut Lu {
        match self {
            Self::Drive(drive) => drive.lu(),
            Self::Changer(changer) => changer.lu(),
        }
    }
}

/// One command, with buffers of its own.
pub struct CommandRequest {
    /// Who asks.
    pub nexus: NexusId,
    /// The door's name for it.
    pub tag: u32,
    /// The CDB.
    pub cdb: [u8; 16],
    /// What the initiator sent: a buffer, and how much of it.
    pub data_out: Vec<u8>,
    /// How much of the buffer.
    pub data_len: usize,
    /// A buffer of at least [`Self::room`] bytes for data for the initiator. One that is too short is replaced.
    pub data_in: Vec<u8>,
    /// How much the initiator takes.
    pub capacity: usize,
}

impl fmt::Debug for CommandRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was sent may hold a key.
        let Self { nexus, tag, cdb, data_len, capacity: room, .. } = self;
        write!(f, "Job({nexus:?}, tag {tag}, {cdb:02x?}, {data_len} bytes out, room for {room})")
    }
}

impl CommandRequest {
    /// Gets a buffer for data-in if there is none; false if the system has no memory for it.
    pub(crate) fn ensure_buffer(&mut self, buffers: &Buffers) -> bool {
        if self.data_in.len() < self.capacity {
            let Some(buffer) = buffers.acquire(self.capacity) else { return false };
            self.data_in = buffer;
        }
        true
    }

    /// The answer TASK SET FULL.
    pub(crate) fn task_set_full(self) -> CompletedCommand {
        let mut completion = Completion::new(Ok(()), SenseFormat::Fixed);
        completion.status = Status::TASK_SET_FULL;
        let Self { tag, data_in, data_out, .. } = self;
        CompletedCommand { tag, completion, data_in, data_out, aborted: false }
    }

    /// The buffer, wiped if what it held is a secret: it will be another command's.
    fn into_wiped_buffer(self) -> Vec<u8> {
        let Self { cdb, mut data_out, .. } = self;
        if ssc::table::carries_key(&cdb) {
            data_out.as_mut_slice().zeroize();
        }
        data_out
    }
}

/// A job that ran.
#[derive(Debug)]
pub struct CompletedCommand {
    /// The door's name for it.
    pub tag: u32,
    /// Status, sense and counts.
    pub completion: Completion,
    /// The buffer that holds the data for the initiator.
    pub data_in: Vec<u8>,
    /// The buffer that the initiator's data came in.
    pub data_out: Vec<u8>,
    /// It did not run: it was aborted while it waited, and gets no answer.
    pub aborted: bool,
}

/// Where jobs report that ran on a unit's own thread.
pub trait CompletionHandler: Send + Sync {
    /// A job is done.
    fn complete(&self, finished: CompletedCommand);
}

/// What became of a job.
#[derive(Debug)]
pub enum Submitted {
    /// It ran, on the caller's thread.
    Completed(CompletedCommand),
    /// It will run on the unit's thread and report to its [`Reply`].
    Queued,
}

/// Jobs that one unit keeps waiting; more end with TASK SET FULL at the door.
const MAX_QUEUED: usize = 4096;

/// What a unit is to hear.
enum UnitEvent {
    /// Of its nexuses, or a reset.
    Transport(TransportEvent),
    /// The LUNs of its target, and whether hosts are told that they have changed.
    LunList(Arc<[u64]>, bool),
}

#[derive(Default)]
struct UnitQueue {
    queue: VecDeque<(CommandRequest, Arc<dyn CompletionHandler>)>,
    /// What happened around the unit and it has not heard of.
    events: VecDeque<UnitEvent>,
    /// Someone is running a job.
    busy: bool,
    /// A command was answered whose work goes on.
    background: bool,
    stopping: bool,
}

/// What a drive has made of the cartridge in it.
#[derive(Default)]
struct MediumStatus {
    threaded: bool,
    refused: Option<String>,
}

/// A logical unit and its owner.
pub struct Unit {
    id: UnitId,
    identity: Identity,
    device: Mutex<Device>,
    queue: Mutex<UnitQueue>,
    wake: Condvar,
    bay_status: Mutex<BayStatus>,
    medium: Mutex<MediumStatus>,
    /// TapeAlert flags after the last command, as [`AlertSet::bits`].
    alerts: AtomicU64,
    /// A host prevents removal from the changer.
    removal_prevented: AtomicBool,
    /// How long a drive's mechanics take, and whether they take any time.
    delays: Mutex<Delays>,
    has_delays: AtomicBool,
    shared: Arc<Shared>,
    may_block: fn(&[u8]) -> bool,
}

/// What a call panicked with.
type Panic = Box<dyn Any + Send>;

/// The right to run a job of a unit; it is given back whatever happens.
struct BusyGuard<'a>(&'a Unit);

impl Drop for BusyGuard<'_> {
    fn drop(&mut self) {
        let mut work = lock(&self.0.queue);
        work.busy = false;
        // Also where an operation behind an answer goes on: the unit's thread has waited for this job.
        if !work.queue.is_empty() || !work.events.is_empty() || work.background {
            self.0.wake.notify_one();
        }
    }
}

/// 4/44/00.
fn internal_failure() -> Completion {
    let sense = Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE);
    Completion::new(Err(sense.into()), SenseFormat::Fixed)
}

impl Unit {
    pub(crate) fn new(owner: UnitId, mut device: Device, shared: Arc<Shared>) -> Self {
        let identity = device.lu().identity.clone();
        let may_block = match &device {
            Device::Drive(_) => ssc::table::may_block,
            Device::Changer(_) => smc::table::may_block,
        };
        let unit = Self {
            id: owner,
            identity,
            device: Mutex::new(device),
            queue: Mutex::default(),
            wake: Condvar::new(),
            bay_status: Mutex::default(),
            medium: Mutex::default(),
            alerts: AtomicU64::new(0),
            removal_prevented: AtomicBool::new(false),
            delays: Mutex::default(),
            has_delays: AtomicBool::new(false),
            shared,
            may_block,
        };
        unit.publish_status(&mut lock(&unit.device));
        unit
    }

    /// Runs a job, now and here if it cannot block and nothing waits before it.
    ///
    /// # Errors
    /// Too many wait already, or the site is shut down; the job comes back.
    pub fn submit(&self, job: CommandRequest, reply: &Arc<dyn CompletionHandler>) -> Result<Submitted, CommandRequest> {
        let blocks = (self.may_block)(&job.cdb) || !self.command_delay(&job.cdb).is_zero();
        {
            let mut work = lock(&self.queue);
            if work.stopping {
                return Err(job);
            }
            if blocks || work.busy || !work.queue.is_empty() {
                if work.queue.len() >= MAX_QUEUED {
                    return Err(job);
                }
                work.queue.push_back((job, Arc::clone(reply)));
                self.wake.notify_one();
                return Ok(Submitted::Queued);
            }
            work.busy = true;
        }
        let busy = BusyGuard(self);
        // A robot may have the drive although no command is running: then this thread must not wait either.
        let device = match self.device.try_lock() {
            Ok(device) => Some(device),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let finished = match device {
            Some(mut device) => {
                let _ = self.catch_panic(&mut device, |device| self.apply_events(device));
                Some(self.run(device, job))
            }
            None => {
                lock(&self.queue).queue.push_front((job, Arc::clone(reply)));
                None
            }
        };
        drop(busy);
        Ok(finished.map_or(Submitted::Queued, Submitted::Completed))
    }

    /// The unit's own thread: jobs that may block, and those behind them.
    pub(crate) fn run_thread(&self) {
        loop {
            let mut work = lock(&self.queue);
            let idle = |work: &UnitQueue| work.queue.is_empty() && work.events.is_empty() && !work.background;
            while !work.stopping && (work.busy || idle(&work)) {
                work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
            }
            if work.stopping {
                return;
            }
            work.busy = true;
            drop(work);
            // This thread serves the unit for as long as the site is open, whatever panics in it.
            let busy = BusyGuard(self);
            let done = catch_unwind(AssertUnwindSafe(|| self.run_next()));
            drop(busy);
            if let Ok(Some((finished, reply))) = done {
                let _ = catch_unwind(AssertUnwindSafe(|| reply.complete(finished)));
            }
        }
    }

    /// Runs the job that is first in the queue; without one, an operation behind an answer goes on by a step.
    fn run_next(&self) -> Option<(CompletedCommand, Arc<dyn CompletionHandler>)> {
        let mut device = lock(&self.device);
        // Taken only now: what was aborted while the device was held does not run. And only when no event waits: the loss of a
        // nexus that comes later is applied behind a command of that nexus, not before it, where the command could leave a
        // reservation of a nexus that is gone.
        let next = loop {
            let _ = self.catch_panic(&mut device, |device| self.apply_events(device));
            let mut work = lock(&self.queue);
            if work.events.is_empty() {
                break work.queue.pop_front();
            }
        };
        let Some((job, reply)) = next else {
            self.resume(device);
            return None;
        };
        let delay = self.command_delay(&job.cdb);
        let finished = self.run(device, job);
        if finished.completion.status == Status::GOOD {
            self.wait_for_motion(delay);
        }
        Some((finished, reply))
    }

    /// Calls with the device. After a panic, the device is put into a defined state: see [`Self::recover`].
    fn catch_panic<T>(&self, device: &mut Device, call: impl FnOnce(&mut Device) -> T) -> Result<T, Panic> {
        catch_unwind(AssertUnwindSafe(|| call(device))).inspect_err(|_| self.recover_from_panic(device))
    }

    /// A call panicked, which is a defect of this program. A drive does not continue what was left half done; a changer
    /// puts every cartridge back to its place. Nothing here depends on what the log does.
    fn recover_from_panic(&self, device: &mut Device) {
        let inside = self.bay_status().barcode;
        lock(&self.queue).background = false;
        // Each step by itself: what caused the panic may cause another one.
        let mut step = |call: &dyn Fn(&mut Device)| drop(catch_unwind(AssertUnwindSafe(|| call(device))));
        step(&|device| match device {
            Device::Drive(drive) => drive.fail_after_panic(),
            Device::Changer(changer) => self.shared.restore_locations(&self.id, changer),
        });
        step(&|device| self.restore_cartridge(device, inside.as_ref()));
        step(&|device| self.publish_status(device));
        step(&|_| tracing::error!(unit = self.name(), "a command was ended by an internal error"));
    }

    /// Puts back the cartridge that a drive lost in a panic.
    fn restore_cartridge(&self, device: &mut Device, inside: Option<&Barcode>) {
        if let Device::Drive(drive) = device
            && drive.loaded().is_none()
            && let Some(cartridge) = inside.and_then(|barcode| self.shared.recreate_cartridge(barcode))
        {
            let _ = drive.restore_cartridge(cartridge);
        }
    }

    /// How long the answer of a command waits.
    fn command_delay(&self, cdb: &[u8]) -> Duration {
        if self.has_delays.load(Ordering::Acquire) { lock(&self.delays).delay_of_command(cdb) } else { Duration::ZERO }
    }

    /// Lets the mechanics take their time, unless everything ends.
    fn wait_for_motion(&self, delay: Duration) {
        if !delay.is_zero() {
            let work = lock(&self.queue);
            let _ = self.wake.wait_timeout_while(work, delay, |work| !work.stopping);
        }
    }

    /// Has a motion of a drive take so long from now on.
    pub fn set_delay(&self, motion: Motion, delay: Duration) {
        let delays = {
            let mut delays = lock(&self.delays);
            *delays.delay_mut(motion) = delay;
            *delays
        };
        self.has_delays.store(delays != Delays::default(), Ordering::Release);
        self.with_device(|device| {
            if let Device::Drive(drive) = device {
                *drive.delays_mut() = delays;
            }
        });
    }

    /// Nothing waits: an operation behind an answer goes on by a step.
    fn resume(&self, mut device: MutexGuard<'_, Device>) {
        let working = self.catch_panic(&mut device, |device| match device {
            Device::Drive(drive) => drive.poll_background(),
            Device::Changer(_) => false,
        });
        self.publish_alerts(&device);
        lock(&self.queue).background = working.unwrap_or(false);
    }

    /// Ends the unit's thread; jobs that wait are dropped.
    pub(crate) fn stop(&self) {
        let mut work = lock(&self.queue);
        work.stopping = true;
        work.queue.drain(..).for_each(|(job, _)| drop(job.into_wiped_buffer()));
        self.wake.notify_all();
    }

    /// Drops waiting jobs that `wanted` selects; each reports to its [`Reply`] as aborted.
    pub fn abort(&self, wanted: impl Fn(NexusId, u32) -> bool) {
        let dropped = {
            let mut work = lock(&self.queue);
            let (dropped, kept): (VecDeque<_>, _) =
                work.queue.drain(..).partition(|(job, _)| wanted(job.nexus, job.tag));
            work.queue = kept;
            dropped
        };
        for (mut job, reply) in dropped {
            let completion = Completion::new(Ok(()), SenseFormat::Fixed);
            let (tag, data_in) = (job.tag, std::mem::take(&mut job.data_in));
            reply.complete(CompletedCommand {
                tag,
                completion,
                data_in,
                data_out: job.into_wiped_buffer(),
                aborted: true,
            });
        }
    }

    /// Tells the unit what happened around it: after the command it is running, and before every other. Does not wait.
    pub fn post(&self, event: TransportEvent) {
        self.notify(UnitEvent::Transport(event));
    }

    /// Tells the unit which LUNs its target has, as [`Self::post`] does; with `changed`, every nexus hears 3F/0E.
    pub(crate) fn post_luns(&self, luns: Arc<[u64]>, changed: bool) {
        self.notify(UnitEvent::LunList(luns, changed));
    }

    fn notify(&self, news: UnitEvent) {
        lock(&self.queue).events.push_back(news);
        match self.device.try_lock() {
            Ok(mut device) => drop(self.catch_panic(&mut device, |device| self.apply_events(device))),
            Err(_) => self.wake.notify_one(),
        }
    }

    fn apply_events(&self, device: &mut Device) {
        let mut any = false;
        // One by one: those behind one that panics are not lost.
        while let Some(news) = self.next_event() {
            any = true;
            match news {
                UnitEvent::Transport(event) => device.unit().handle_event(event, clock::now()),
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
        }
    }

    fn next_event(&self) -> Option<UnitEvent> {
        lock(&self.queue).events.pop_front()
    }

    /// Publishes `RemovalAllowed` when the last host allows medium removal.
    fn publish_removal_prevention(&self, device: &mut Device) {
        if !matches!(device, Device::Changer(_)) {
            return;
        }
        let locked = device.lu().removal_prevented();
        if self.removal_prevented.swap(locked, Ordering::AcqRel) && !locked {
            self.shared.events.notify(events::Event::RemovalAllowed { library: self.id.library.clone() });
        }
    }

    /// Bytes that a command brings, by its CDB and what the unit is set to.
    #[must_use]
    pub fn expected_data_out(&self, cdb: &[u8]) -> usize {
        lock(&self.device).unit().expected_data_out(cdb)
    }

    /// Who it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it is called: its library, and its place there.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.id.library, self.id.unit)
    }

    /// The device, between two commands. What changes is kept; if that fails, it stays due.
    pub fn with_device<T>(&self, call: impl FnOnce(&mut Device) -> T) -> T {
        let (result, kept) = self.with_saved(call);
        if let Err(error) = kept {
            tracing::warn!(unit = self.name(), %error, "state could not be saved");
        }
        result
    }

    /// As [`Self::with`], and says whether what changed is durable.
    pub(crate) fn with_saved<T>(&self, call: impl FnOnce(&mut Device) -> T) -> (T, Result<(), StateError>) {
        let mut device = lock(&self.device);
        let changed = self.catch_panic(&mut device, |device| {
            self.apply_events(device);
            let result = call(device);
            self.publish_status(device);
            let save = device.lu().take_save();
            let kept = if save.is_empty() { Ok(()) } else { self.shared.commit(&self.id, device, save) };
            (result, kept)
        });
        // Released first: a lock that is held while its thread panics counts as poisoned.
        drop(device);
        changed.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// What can be seen of a drive from outside.
    pub(crate) fn bay_status(&self) -> BayStatus {
        lock(&self.bay_status).clone()
    }

    /// Why a drive cannot use the cartridge in it, if so. A cleaning cartridge is not refused until it has no use left.
    pub(crate) fn refused(&self) -> Option<String> {
        lock(&self.medium).refused.clone()
    }

    /// Whether a tape is threaded.
    pub(crate) fn is_threaded(&self) -> bool {
        lock(&self.medium).threaded
    }

    fn medium_status(&self, drive: &Drive) -> MediumStatus {
        let Some((cartridge, threaded)) = drive.loaded() else { return MediumStatus::default() };
        let refused = drive.refusal().and_then(|sense| match sense.asc {
            Asc::CLEANING_CARTRIDGE_INSTALLED if !drive.alerts().is_set(Alert::EXPIRED_CLEANING_MEDIA.0) => None,
            Asc::CLEANING_CARTRIDGE_INSTALLED => Some("the cleaning cartridge has no uses left".into()),
            Asc::INCOMPATIBLE_MEDIUM_INSTALLED => {
                let (medium, drive) = (cartridge.media().name, &self.identity.strings.product);
                Some(format!("incompatible medium: {drive} does not take {medium} {}", cartridge.kind().name()))
            }
            asc => self.shared.unusable.reason(cartridge.barcode()).or_else(|| asc.name().map(str::to_lowercase)),
        });
        MediumStatus { threaded: threaded == LoadState::Threaded, refused }
    }

    /// TapeAlert flags after the last command. Does not wait for the command that is running.
    #[must_use]
    pub fn alerts(&self) -> AlertSet {
        AlertSet::from_bits(self.alerts.load(Ordering::Acquire))
    }

    fn publish_alerts(&self, device: &Device) {
        self.alerts.store(device.alerts().bits(), Ordering::Release);
    }

    fn publish_status(&self, device: &mut Device) {
        self.publish_alerts(device);
        let Device::Drive(drive) = device else { return };
        self.shared.record_medium_faults(drive.take_faults());
        if let Some((cartridge, LoadState::Threaded)) = drive.loaded() {
            self.shared.mark_usable(cartridge.barcode());
        }
        let status = drive.loaded().map_or_else(BayStatus::default, |(cartridge, threaded)| BayStatus {
            barcode: Some(cartridge.barcode().clone()),
            kind: cartridge.kind(),
            accessible: threaded == LoadState::Ejected,
        });
        let medium = self.medium_status(drive);
        *lock(&self.bay_status) = status;
        *lock(&self.medium) = medium;
    }

    fn run(&self, mut device: MutexGuard<'_, Device>, mut job: CommandRequest) -> CompletedCommand {
        if !job.ensure_buffer(&self.shared.buffers) {
            return job.task_set_full();
        }
        let CommandRequest { nexus, tag, cdb, mut data_out, data_len, mut data_in, capacity: room } = job;
        let now = clock::now();
        let out = [IoSlice::new(data_out.get(..data_len).unwrap_or(&data_out))];
        let mut into = [IoSliceMut::new(data_in.get_mut(..room).unwrap_or_default())];
        let request = Request { nexus, cdb: &cdb, now };
        let ran = self.catch_panic(&mut device, |device| self.execute(device, &request, Data::new(&out, &mut into)));
        let mut completion = ran.unwrap_or_else(|_| internal_failure());
        if matches!(*device, Device::Drive(_)) && ssc::table::carries_key(&cdb) {
            // The buffer will be another command's.
            data_out.as_mut_slice().zeroize();
        }
        drop(device);
        for victim in completion.abort_nexuses.drain(..) {
            self.abort(|nexus, _| nexus == victim);
        }
        CompletedCommand { tag, completion, data_in, data_out, aborted: false }
    }

    /// A command, and what follows from it before its status leaves.
    fn execute(&self, device: &mut Device, request: &Request<'_>, data: Data<'_, '_>) -> Completion {
        let mut completion = device.unit().execute(request, data);
        if !completion.save.is_empty() {
            self.save(device, &mut completion);
        }
        self.publish_removal_prevention(device);
        self.publish_alerts(device);
        if (self.may_block)(request.cdb) {
            self.publish_status(device);
            // What goes on behind its answer came with a command that may block.
            lock(&self.queue).background = matches!(&*device, Device::Drive(drive) if drive.has_background_work());
        }
        completion
    }

    /// What changed is durable before the status leaves; if that fails, the status says so.
    fn save(&self, device: &mut Device, completion: &mut Completion) {
        if let Err(error) = self.shared.commit(&self.id, device, completion.save) {
            tracing::warn!(unit = self.name(), %error, "state could not be saved");
            *completion = internal_failure();
        }
    }
}
