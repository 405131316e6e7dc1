//! Media that wait: an operation that may wait does not run on the thread that submits the command, and a slow cartridge
//! delays no other drive. The same holds for a slow state store.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

#[path = "common/faulty_store.rs"]
mod faulty_store;
#[path = "common/hooked_folder.rs"]
mod hooked_folder;

use faulty_store::FaultyStore;
use scsi_core::command_spec::MediumAccess;
use scsi_core::data::Data;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::{CdbBytes, DataBuffers, Request, Tag, TaskAttribute};
use scsi_core::time::Now;
use std::io::{IoSlice, IoSliceMut};
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;
use tape_store::backend::memory::{MemoryFolder, MemoryFolderStore};
use tape_store::cartridge::{Barcode, CartridgeFacts, Format, MamSave, MediumSource, OpenMode};
use tape_store::encrypt::Decryption;
use tape_store::error::StoreError;
use tape_store::mam::Mam;
use tape_store::medium::{
    Codec, DeferredLoss, Medium, MediumOperation, PartitionUsage, Position, ReadOutcome, SpaceOutcome, SpaceUnit,
    Warnings, WriteOutcome,
};
use tape_store::store::{MediaFactory, ThreeFiles};
use tape_store::three_file::{FolderOpener, Recovery};
use vtl::config::parse;
use vtl::control::{ControlError, ControlRequest, ControlResponse, ErrorCode};
use vtl::data_dir::DataDir;
use vtl::events::Event;
use vtl::site::{OpenSite, Site};
use vtl::target::Target;
use vtl::unit::{Command, CompletedCommand, CompletionHandler, Submitted};
use vtl::{ElementAddress, Motion, Status};

/// LUNs of the drives.
const DRIVE_1: u64 = 1 << 48;
const DRIVE_2: u64 = 2 << 48;

/// The behaviour of the media of a test, and the calls that they got.
#[derive(Default)]
struct Behaviour {
    /// The operations that may wait.
    slow: Mutex<Vec<MediumOperation>>,
    /// The threads that read, append or drain.
    calls: Mutex<Vec<(MediumOperation, ThreadId)>>,
    /// Appending fails.
    append_fails: AtomicBool,
    /// The threads that write the state.
    stores: Mutex<Vec<ThreadId>>,
    /// Reading the position panics.
    position_panics: AtomicBool,
    /// The access to a cartridge that waits.
    gate: Mutex<Option<Gate>>,
}

/// An access that sends a message and waits for one.
struct Gate {
    barcode: &'static str,
    access: Access,
    entered: Sender<()>,
    released: Receiver<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Open,
    Mam,
    Read,
    /// The writing of the site's state, as the access to the cartridge [`STATE`].
    Store,
}

/// The "barcode" of the state in a [`Gate`].
const STATE: &str = "state";

impl Behaviour {
    /// Lets the next such access wait. Returns what tells that it waits, and what ends the wait.
    fn hold(&self, barcode: &'static str, access: Access) -> (Receiver<()>, Sender<()>) {
        let ((entered, on_entry), (release, released)) = (channel(), channel());
        *self.gate.lock().unwrap() = Some(Gate { barcode, access, entered, released });
        (on_entry, release)
    }

    fn pass(&self, barcode: &str, access: Access) {
        let is_held = |gate: &mut Gate| gate.barcode == barcode && gate.access == access;
        let gate = self.gate.lock().unwrap().take_if(is_held);
        if let Some(Gate { entered, released, .. }) = gate {
            entered.send(()).unwrap();
            // A test that would never end fails instead.
            released.recv_timeout(Duration::from_secs(30)).unwrap();
        }
    }

    fn note(&self, operation: MediumOperation) {
        self.calls.lock().unwrap().push((operation, thread::current().id()));
    }

    /// Whether the state was written on this thread, and whether it was on others, since the last call.
    fn stores_of_threads(&self) -> (bool, bool) {
        let stores = std::mem::take(&mut *self.stores.lock().unwrap());
        let here = thread::current().id();
        (stores.contains(&here), stores.iter().any(|thread| *thread != here))
    }

    /// Whether the operation was done on this thread, and whether it was done on others, since the last call.
    fn threads_of(&self, operation: MediumOperation) -> (bool, bool) {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        let on = |here: bool| {
            calls.iter().any(|(done, thread)| *done == operation && (*thread == thread::current().id()) == here)
        };
        (on(true), on(false))
    }
}

struct Media(Arc<Behaviour>);

impl MediaFactory for Media {
    fn source(&self, barcode: &Barcode, folder: Box<dyn FolderOpener>) -> Box<dyn MediumSource> {
        let files = ThreeFiles.source(barcode, folder);
        Box::new(Source { files, behaviour: Arc::clone(&self.0), barcode: barcode.clone() })
    }
}

struct Source {
    files: Box<dyn MediumSource>,
    behaviour: Arc<Behaviour>,
    barcode: Barcode,
}

impl MediumSource for Source {
    fn open(&mut self, facts: &mut CartridgeFacts, mode: OpenMode) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        self.behaviour.pass(self.barcode.as_str(), Access::Open);
        let (medium, recovery) = self.files.open(facts, mode)?;
        let (behaviour, barcode) = (Arc::clone(&self.behaviour), self.barcode.clone());
        Ok((Box::new(Recorded { medium, behaviour, barcode }), recovery))
    }
    fn mam(&mut self, facts: &mut CartridgeFacts) -> Result<Mam, StoreError> {
        self.behaviour.pass(self.barcode.as_str(), Access::Mam);
        self.files.mam(facts)
    }
    fn save_mam(&mut self, mam: &Mam, save: MamSave) -> Result<(), StoreError> {
        self.files.save_mam(mam, save)
    }
}

struct Recorded {
    medium: Box<dyn Medium>,
    behaviour: Arc<Behaviour>,
    barcode: Barcode,
}

impl Medium for Recorded {
    fn may_wait(&self, operation: MediumOperation) -> bool {
        self.behaviour.slow.lock().unwrap().contains(&operation)
    }
    fn file_format(&self) -> Option<Format> {
        self.medium.file_format()
    }
    fn append(&mut self, block: &[IoSlice<'_>], codec: Codec) -> Result<WriteOutcome, StoreError> {
        self.behaviour.note(MediumOperation::Append);
        if self.behaviour.append_fails.load(Ordering::Acquire) {
            let source = Arc::new(std::io::Error::other("the error that the test wants"));
            return Err(StoreError::Io { operation: "writing data.0".into(), source });
        }
        self.medium.append(block, codec)
    }
    fn read_decrypting(&mut self, into: &mut [IoSliceMut<'_>], key: Decryption<'_>) -> Result<ReadOutcome, StoreError> {
        self.behaviour.note(MediumOperation::Read);
        self.behaviour.pass(self.barcode.as_str(), Access::Read);
        self.medium.read_decrypting(into, key)
    }
    fn drain(&mut self) -> Result<(), StoreError> {
        self.behaviour.note(MediumOperation::Drain);
        self.medium.drain()
    }
    fn partitions(&self) -> u8 {
        self.medium.partitions()
    }
    fn position(&self) -> Position {
        if self.behaviour.position_panics.load(Ordering::Acquire) {
            panic_any("the panic that the test wants");
        }
        self.medium.position()
    }
    fn warnings(&self) -> Warnings {
        self.medium.warnings()
    }
    fn at_end_of_data(&self) -> bool {
        self.medium.at_end_of_data()
    }
    fn usage(&self, partition: u8) -> Result<PartitionUsage, StoreError> {
        self.medium.usage(partition)
    }
    fn append_filemark(&mut self) -> Result<WriteOutcome, StoreError> {
        self.medium.append_filemark()
    }
    fn space(&mut self, unit: SpaceUnit, count: i64) -> Result<SpaceOutcome, StoreError> {
        self.medium.space(unit, count)
    }
    fn space_to_end(&mut self) -> Result<(), StoreError> {
        self.medium.space_to_end()
    }
    fn locate(&mut self, partition: u8, object: u64) -> Result<bool, StoreError> {
        self.medium.locate(partition, object)
    }
    fn locate_file(&mut self, partition: u8, file: u64) -> Result<bool, StoreError> {
        self.medium.locate_file(partition, file)
    }
    fn truncate(&mut self) -> Result<(), StoreError> {
        self.medium.truncate()
    }
    fn stored_bytes(&self) -> u64 {
        self.medium.stored_bytes()
    }
    fn format(&mut self, sizes: &[u64]) -> Result<(), StoreError> {
        self.medium.format(sizes)
    }
    fn sync(&mut self) -> Result<(), StoreError> {
        self.medium.sync()
    }
    fn close(&mut self) -> Result<(), StoreError> {
        self.medium.close()
    }
    fn take_deferred(&mut self) -> Option<DeferredLoss> {
        self.medium.take_deferred()
    }
}

/// Sends completed commands to the test.
struct Replies(Mutex<Sender<CompletedCommand>>);

impl CompletionHandler for Replies {
    fn complete(&self, finished: CompletedCommand) {
        self.0.lock().unwrap().send(finished).unwrap();
    }
}

/// A host with a nexus, whose commands are submitted like those of a connection.
struct Host {
    target: Arc<Target>,
    nexus: NexusId,
    reply: Arc<dyn CompletionHandler>,
    replies: Receiver<CompletedCommand>,
}

impl Host {
    fn login(target: &Arc<Target>) -> Self {
        let (sender, replies) = channel();
        let (target, nexus) = (Arc::clone(target), target.login(&TransportId::local(2)));
        Self { target, nexus, reply: Arc::new(Replies(Mutex::new(sender))), replies }
    }

    fn submit(&self, lun: u64, cdb: &[u8], data: &[u8]) -> Submitted {
        let data = DataBuffers {
            data_out: data.to_vec(),
            data_out_len: data.len(),
            data_in_capacity: 4096,
            ..DataBuffers::default()
        };
        let (nexus, tag, attribute) = (self.nexus, Tag(1), TaskAttribute::Simple);
        let command = Command { nexus, lun, tag, attribute, priority: 0, cdb: CdbBytes::from_slice(cdb), data };
        self.target.submit(command, &self.reply)
    }

    /// Waits for the end of the last queued command.
    fn wait(&self) -> CompletedCommand {
        self.replies.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    /// Runs a command. Returns its status, and whether it was queued for the thread of the unit.
    fn run(&self, lun: u64, cdb: &[u8], data: &[u8]) -> (Status, bool) {
        match self.submit(lun, cdb, data) {
            Submitted::Completed(done) => (done.completion.status, false),
            Submitted::Queued => (self.wait().completion.status, true),
        }
    }
}

const REWIND: [u8; 6] = [0x01, 0, 0, 0, 0, 0];
const READ: [u8; 6] = [0x08, 0, 0, 0, 5, 0];
const WRITE: [u8; 6] = [0x0a, 0, 0, 0, 5, 0];
const LOG_SENSE: [u8; 10] = [0x4d, 0, 0x4c, 0, 0, 0, 0, 4, 0, 0];
const HERE: (Status, bool) = (Status::GOOD, false);
const QUEUED: (Status, bool) = (Status::GOOD, true);

/// Two drives with loaded tapes, and a host without unit attentions.
fn site(behaviour: &Arc<Behaviour>) -> (OpenSite, Host) {
    let hook = {
        let behaviour = Arc::clone(behaviour);
        Arc::new(move || {
            behaviour.pass(STATE, Access::Store);
            behaviour.stores.lock().unwrap().push(thread::current().id());
        })
    };
    let shelves = Box::<MemoryFolderStore>::default();
    let data = DataDir::from_folders(shelves, hooked_folder::folder(hook));
    let (site, host) = open_site(data.with_media(Arc::new(Media(Arc::clone(behaviour)))));
    behaviour.calls.lock().unwrap().clear();
    behaviour.stores.lock().unwrap().clear();
    (site, host)
}

/// Two drives with loaded tapes in these directories, and a host without unit attentions.
fn open_site(data: DataDir) -> (OpenSite, Host) {
    let text = "[[library]]\nname = \"main\"\nslots = 5\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
        [[library.cartridges]]\npattern = \"A#L8\"\ncount = 4\nsize = \"64MB\"\n\
        [[library]]\nname = \"other\"\nslots = 2\n[[library.cartridges]]\npattern = \"B#L8\"\ncount = 1\nsize = \"64MB\"\n";
    let site = Site::open_data_dir(data, &parse("f", text).unwrap()).unwrap();
    for (slot, drive) in [(1000, 500), (1001, 501)] {
        site.libraries()[0].move_medium(ElementAddress(slot), ElementAddress(drive)).unwrap();
    }
    let host = Host::login(&site.targets()[0]);
    for drive in [DRIVE_1, DRIVE_2] {
        while host.run(drive, &[0; 6], b"").0 != Status::GOOD {}
    }
    (site, host)
}

/// PERSISTENT RESERVE OUT with REGISTER AND IGNORE EXISTING KEY, SET IDENTIFYING INFORMATION of an identifier of 4 bytes, and
/// MODE SELECT(6) with SP=1 of the device configuration page.
fn commands_that_store_state(host: &Host) -> [(Vec<u8>, Vec<u8>); 3] {
    let Submitted::Completed(sensed) = host.submit(DRIVE_1, &[0x1a, 0x08, 0x10, 0, 0xff, 0], b"") else {
        panic!("MODE SENSE(6) was queued")
    };
    let page = &sensed.data.data_in[4..sensed.completion.data_in];
    let register = [&[0; 15][..], &[1], &[0; 8]].concat();
    [
        (vec![0x5f, 0x06, 0, 0, 0, 0, 0, 0, 24, 0], register),
        (vec![0xa4, 0x06, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0], b"name".to_vec()),
        (vec![0x15, 0x11, 0, 0, 20, 0], [&[0, 0, 0x10, 0], page].concat()),
    ]
}

#[test]
fn state_is_stored_on_the_thread_of_the_unit_only() {
    let behaviour = Arc::new(Behaviour::default());
    let (_site, host) = site(&behaviour);
    for (cdb, data) in commands_that_store_state(&host) {
        assert_eq!(host.run(DRIVE_1, &cdb, &data), QUEUED, "{cdb:02x?}");
        assert_eq!(behaviour.stores_of_threads(), (false, true), "{cdb:02x?}");
        // While the state store does not respond, the thread that submits serves other units.
        let (on_entry, release) = behaviour.hold(STATE, Access::Store);
        assert!(matches!(host.submit(DRIVE_1, &cdb, &data), Submitted::Queued), "{cdb:02x?}");
        on_entry.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(host.run(DRIVE_2, &WRITE, b"hello"), HERE);
        release.send(()).unwrap();
        assert_eq!(host.wait().completion.status, Status::GOOD);
        behaviour.stores_of_threads();
    }
}

/// INITIALIZE ELEMENT STATUS counts a scan of the library, and does not block.
#[test]
fn counters_of_a_short_command_are_stored_after_its_status() {
    let behaviour = Arc::new(Behaviour::default());
    let (site, host) = site(&behaviour);
    while host.run(0, &[0; 6], b"").0 != Status::GOOD {}
    behaviour.stores_of_threads();
    let (on_entry, release) = behaviour.hold(STATE, Access::Store);
    assert_eq!(host.run(0, &[0x07, 0, 0, 0, 0, 0], b""), HERE);
    // No other command is needed.
    on_entry.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(host.run(DRIVE_2, &WRITE, b"hello"), HERE);
    release.send(()).unwrap();
    site.shut_down().unwrap();
    assert!(behaviour.stores_of_threads().1);
}

#[test]
fn operation_that_waits_runs_on_the_thread_of_the_unit_only() {
    let behaviour = Arc::new(Behaviour::default());
    *behaviour.slow.lock().unwrap() = vec![MediumOperation::Read];
    let (_site, host) = site(&behaviour);
    // Appending and draining do not wait.
    for _ in 0..3 {
        assert_eq!(host.run(DRIVE_1, &WRITE, b"hello"), HERE);
    }
    assert_eq!(behaviour.threads_of(MediumOperation::Append), (true, false));
    assert_eq!(host.run(DRIVE_1, &LOG_SENSE, b""), HERE);
    assert_eq!(behaviour.threads_of(MediumOperation::Drain), (true, false));
    assert_eq!(host.run(DRIVE_1, &REWIND, b""), QUEUED);
    for _ in 0..3 {
        assert_eq!(host.run(DRIVE_1, &READ, b""), QUEUED);
    }
    assert_eq!(behaviour.threads_of(MediumOperation::Read), (false, true));
    // VERIFY(6) with IMMED=1 reads in the background, not in the commands that poll it: NO SENSE 00h/1Ch until it ends.
    assert_eq!(host.run(DRIVE_1, &REWIND, b""), QUEUED);
    assert_eq!(host.run(DRIVE_1, &[0x13, 0x04, 0, 0, 3, 0], b""), QUEUED);
    while host.run(DRIVE_1, &[0; 6], b"").0 != Status::GOOD {}
    assert_eq!(behaviour.threads_of(MediumOperation::Read), (false, true));

    *behaviour.slow.lock().unwrap() = vec![MediumOperation::Append, MediumOperation::Drain];
    assert_eq!(host.run(DRIVE_1, &REWIND, b""), QUEUED);
    assert_eq!(host.run(DRIVE_1, &READ, b""), HERE);
    assert_eq!(behaviour.threads_of(MediumOperation::Read), (true, false));
    assert_eq!(host.run(DRIVE_1, &WRITE, b"hello"), QUEUED);
    assert_eq!(behaviour.threads_of(MediumOperation::Append), (false, true));
    // LOG SENSE and READ ATTRIBUTE report exact sizes.
    assert_eq!(host.run(DRIVE_1, &LOG_SENSE, b""), QUEUED);
    assert_eq!(host.run(DRIVE_1, &[0x8c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0], b""), QUEUED);
    assert_eq!(behaviour.threads_of(MediumOperation::Drain), (false, true));
}

/// The answer of the medium counts, also if it has changed since the unit asked for it after the last command.
#[test]
fn medium_that_becomes_slow_is_not_read_on_the_submitting_thread() {
    let behaviour = Arc::new(Behaviour::default());
    let (_site, host) = site(&behaviour);
    host.run(DRIVE_1, &WRITE, b"hello");
    host.run(DRIVE_1, &REWIND, b"");
    behaviour.slow.lock().unwrap().push(MediumOperation::Read);
    assert_eq!(host.run(DRIVE_1, &READ, b""), QUEUED);
    assert_eq!(behaviour.threads_of(MediumOperation::Read), (false, true));
}

/// As for tapes in files: READ(6), WRITE(6) and LOG SENSE run on the submitting thread.
#[test]
fn medium_that_does_not_wait_is_used_on_the_submitting_thread() {
    let behaviour = Arc::new(Behaviour::default());
    let (_site, host) = site(&behaviour);
    assert_eq!(host.run(DRIVE_1, &WRITE, b"hello"), HERE);
    assert_eq!(behaviour.threads_of(MediumOperation::Append), (true, false));
    assert_eq!(host.run(DRIVE_1, &LOG_SENSE, b""), HERE);
    assert_eq!(host.run(DRIVE_1, &REWIND, b""), QUEUED);
    assert_eq!(host.run(DRIVE_1, &READ, b""), HERE);
    assert_eq!(behaviour.threads_of(MediumOperation::Read), (true, false));
}

/// WRITE(6) runs on the submitting thread; the event is sent before its status, without a command that may block.
#[test]
fn damage_that_a_short_command_finds_is_reported() {
    let behaviour = Arc::new(Behaviour::default());
    let (site, host) = site(&behaviour);
    let mut events = site.subscribe();
    behaviour.append_fails.store(true, Ordering::Release);
    assert_eq!(host.run(DRIVE_1, &WRITE, b"hello"), (Status::CHECK_CONDITION, false));
    let damaged = events.try_iter().find(|record| matches!(record.event, Event::Damaged { .. })).unwrap();
    assert_eq!((damaged.unit.as_deref(), damaged.barcode.as_deref()), (Some("drive1"), Some("A1L8")));
}

/// HARDWARE ERROR 44h/00h, as after a panic in a command.
#[test]
fn panic_while_the_position_is_read_makes_the_unit_faulty() {
    let behaviour = Arc::new(Behaviour::default());
    let (site, host) = site(&behaviour);
    behaviour.position_panics.store(true, Ordering::Release);
    assert_eq!(host.run(DRIVE_1, &[0; 6], b"").0, Status::CHECK_CONDITION);
    behaviour.position_panics.store(false, Ordering::Release);
    let Submitted::Completed(done) = host.submit(DRIVE_1, &[0; 6], b"") else { panic!("queued") };
    let sense = done.completion.sense.unwrap();
    assert_eq!((sense.as_slice()[2], &sense.as_slice()[12..14]), (4, &[0x44, 0][..]));
    assert!(site.status().libraries[0].drives[0].faulty.is_some());
    assert_eq!(host.run(DRIVE_2, &[0; 6], b"").0, Status::GOOD);
}

/// The command is aborted while it is executed, and the unit is free at its end although its status would be due in ten
/// minutes. Both for a submitted command and for one of a caller.
#[test]
fn abort_of_the_running_command_ends_its_delay() {
    let behaviour = Arc::new(Behaviour::default());
    let (site, host) = site(&behaviour);
    let unit = site.targets()[0].unit(DRIVE_1).unwrap();
    unit.set_delay(Motion::Load, Duration::from_secs(600));
    for is_submitted in [true, false] {
        assert_eq!(host.run(DRIVE_1, &UNLOAD, b""), QUEUED);
        let (on_entry, release) = behaviour.hold("A1L8", Access::Open);
        let load = Request { lun: DRIVE_1, tag: Tag(1), ..Request::new(host.nexus, &LOAD, Now::default()) };
        let status = thread::scope(|scope| {
            let call = (!is_submitted).then(|| scope.spawn(|| host.target.execute(&load, Data::new(&[], &mut []))));
            if is_submitted {
                assert!(matches!(host.submit(DRIVE_1, &LOAD, b""), Submitted::Queued));
            }
            on_entry.recv().unwrap();
            unit.abort(|nexus, tag| (nexus, tag) == (host.nexus, Tag(1)));
            release.send(()).unwrap();
            match call {
                Some(call) => call.join().unwrap().status,
                None => {
                    let done = host.wait();
                    assert!(done.aborted);
                    done.completion.status
                }
            }
        });
        assert_eq!(status, Status::TASK_ABORTED);
        while host.run(DRIVE_1, &[0; 6], b"").0 != Status::GOOD {}
    }
}

const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];
const LOAD: [u8; 6] = [0x1b, 0, 0, 0, 1, 0];

#[test]
fn slow_load_delays_no_other_drive() {
    let behaviour = Arc::new(Behaviour::default());
    let (site, host) = site(&behaviour);
    assert_eq!(host.run(DRIVE_1, &UNLOAD, b""), QUEUED);
    let (on_entry, release) = behaviour.hold("A1L8", Access::Open);
    assert!(matches!(host.submit(DRIVE_1, &LOAD, b""), Submitted::Queued));
    on_entry.recv().unwrap();
    // Drive 1 opens its cartridge.
    let other = Host::login(&site.targets()[0]);
    while other.run(DRIVE_2, &[0; 6], b"").0 != Status::GOOD {}
    for cdb in [UNLOAD, LOAD] {
        assert_eq!(other.run(DRIVE_2, &cdb, b""), QUEUED);
    }
    while other.run(DRIVE_2, &[0; 6], b"").0 != Status::GOOD {}
    assert_eq!(other.run(DRIVE_2, &WRITE, b"hello").0, Status::GOOD);
    // The robot moves the third cartridge, and the cartridges are listed.
    site.libraries()[0].move_medium(ElementAddress(1002), ElementAddress(1004)).unwrap();
    assert_eq!(site.cartridges().len(), 5);
    release.send(()).unwrap();
    assert_eq!(host.wait().completion.status, Status::GOOD);
}

fn control(site: &Site, request: &str) -> Result<ControlResponse, ControlError> {
    let request: ControlRequest = serde_json::from_str(request).unwrap();
    site.control(&request)
}

/// The code, the unit, what it does, and the barcode of the error.
fn refusal(site: &Site, request: &str) -> (ErrorCode, String, String, String) {
    let error = control(site, request).unwrap_err();
    let text = |field: Option<String>| field.unwrap_or_default();
    let fields = *error.fields;
    (error.code, text(fields.unit), text(fields.activity), text(fields.barcode))
}

fn busy(unit: &str, activity: &str, barcode: &str) -> (ErrorCode, String, String, String) {
    (ErrorCode::Busy, unit.into(), activity.into(), barcode.into())
}

/// The cartridge in a slot of the first library, as the status shows it.
fn in_slot(site: &Site, index: usize) -> Option<String> {
    site.status().libraries[0].slots[index].cartridge.clone()
}

/// An operator uses a cartridge whose cartridge memory is slow.
#[test]
fn slow_cartridge_delays_no_other_cartridge() {
    let behaviour = Arc::new(Behaviour::default());
    let (site, host) = site(&behaviour);
    let changer = Host::login(&site.targets()[0]);
    while changer.run(0, &[0; 6], b"").0 != Status::GOOD {}
    let (on_entry, release) = behaviour.hold("A3L8", Access::Mam);
    thread::scope(|scope| {
        let protect = scope.spawn(|| control(&site, r#"{"op":"protect","cartridge":"A3L8","on":true}"#).map(drop));
        on_entry.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(in_slot(&site, 2).as_deref(), Some("A3L8"));
        // Another operator, and a host with MOVE MEDIUM from 1003 to 1004.
        control(&site, r#"{"op":"protect","cartridge":"A4L8","on":true}"#).unwrap();
        assert_eq!(changer.run(0, &[0xa5, 0, 0, 0, 0x03, 0xeb, 0x03, 0xec, 0, 0, 0, 0], b""), QUEUED);
        control(&site, r#"{"op":"unload","library":"main","drive":"drive2"}"#).unwrap();
        assert_eq!(host.run(DRIVE_1, &WRITE, b"hello").0, Status::GOOD);
        // The same cartridge.
        assert_eq!(refusal(&site, r#"{"op":"protect","cartridge":"A3L8","on":false}"#), busy("", "", "A3L8"));
        assert_eq!(refusal(&site, r#"{"op":"load","cartridge":"A3L8"}"#), busy("", "", "A3L8"));
        // It moves between slots, but a host that loads it waits: MOVE MEDIUM from 1003 to 501.
        control(&site, r#"{"op":"move","from":"A3L8","to":"slot4"}"#).unwrap();
        let load = [0xa5, 0, 0, 0, 0x03, 0xeb, 0x01, 0xf5, 0, 0, 0, 0];
        assert!(matches!(changer.submit(0, &load, b""), Submitted::Queued));
        release.send(()).unwrap();
        protect.join().unwrap().unwrap();
        assert_eq!(changer.wait().completion.status, Status::GOOD);
    });
    let drive = &site.status().libraries[0].drives[1];
    assert_eq!((drive.element.cartridge.as_deref(), drive.threaded), (Some("A3L8"), true));
}

/// A host moves a slow cartridge into a drive: the robot is busy, and nothing else waits.
#[test]
fn slow_move_delays_neither_the_status_nor_another_library() {
    let behaviour = Arc::new(Behaviour::default());
    let (site, host) = site(&behaviour);
    control(&site, r#"{"op":"unload","library":"main","drive":"drive1"}"#).unwrap();
    while host.run(0, &[0; 6], b"").0 != Status::GOOD {}
    let (on_entry, release) = behaviour.hold("A1L8", Access::Open);
    let load = [0xa5, 0, 0, 0, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
    assert!(matches!(host.submit(0, &load, b""), Submitted::Queued));
    on_entry.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(in_slot(&site, 0).as_deref(), Some("A1L8"));
    control(&site, r#"{"op":"find","element":"A1L8"}"#).unwrap();
    control(&site, r#"{"op":"alerts"}"#).unwrap();
    assert_eq!(site.overview(&site.targets()[0]).len(), 3);
    control(&site, r#"{"op":"protect","cartridge":"A3L8","on":true}"#).unwrap();
    control(&site, r#"{"op":"move","from":"B1L8","to":"slot2"}"#).unwrap();
    let other = Host::login(&site.targets()[0]);
    while other.run(DRIVE_2, &[0; 6], b"").0 != Status::GOOD {}
    control(&site, r#"{"op":"alert","library":"main","drive":"drive2","flag":3,"raised":true}"#).unwrap();
    let moved = r#"{"op":"move","from":"A4L8","to":"slot5"}"#;
    assert_eq!(refusal(&site, moved), busy("changer", "MOVE MEDIUM", ""));
    let alert = r#"{"op":"alert","library":"main","drive":"drive1","flag":3,"raised":true}"#;
    assert_eq!(refusal(&site, alert), busy("drive1", "a move of the robot", ""));
    release.send(()).unwrap();
    assert_eq!(host.wait().completion.status, Status::GOOD);
    control(&site, moved).unwrap();
    control(&site, alert).unwrap();
}

/// A request of an operator that needs a drive during a long command.
#[test]
fn request_for_a_drive_with_a_long_command_is_refused() {
    let behaviour = Arc::new(Behaviour::default());
    *behaviour.slow.lock().unwrap() = vec![MediumOperation::Read];
    let (site, host) = site(&behaviour);
    host.run(DRIVE_1, &WRITE, b"hello");
    host.run(DRIVE_1, &REWIND, b"");
    let (on_entry, release) = behaviour.hold("A1L8", Access::Read);
    assert!(matches!(host.submit(DRIVE_1, &READ, b""), Submitted::Queued));
    on_entry.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(site.status().libraries[0].drives[0].threaded);
    let unload = r#"{"op":"unload","library":"main","drive":"drive1"}"#;
    let error = control(&site, unload).unwrap_err();
    assert_eq!(error.message, "drive1 is busy with READ(6); try again later");
    assert_eq!(refusal(&site, unload), busy("drive1", "READ(6)", "A1L8"));
    for request in [
        r#"{"op":"alert","library":"main","drive":"drive1","flag":3,"raised":true}"#,
        r#"{"op":"online","library":"main","drive":"drive1","online":false}"#,
    ] {
        assert_eq!(refusal(&site, request), busy("drive1", "READ(6)", ""));
    }
    control(&site, r#"{"op":"unload","library":"main","drive":"drive2"}"#).unwrap();
    release.send(()).unwrap();
    assert_eq!(host.wait().completion.status, Status::GOOD);
    control(&site, unload).unwrap();
}

/// A site whose first drive has a cartridge in a folder that may wait for a network, and the disks of all cartridges.
fn site_with_slow_folder() -> (OpenSite, Host, FaultyStore) {
    let store = FaultyStore::default();
    let data = DataDir::from_folders(Box::new(store.clone()), Box::<MemoryFolder>::default());
    let (site, host) = open_site(data);
    assert_eq!(host.run(DRIVE_1, &WRITE, b"hello"), HERE);
    store.disk("A1L8").set_may_wait(true);
    // A load reads the property of the folder once.
    for cdb in [UNLOAD, LOAD] {
        assert_eq!(host.run(DRIVE_1, &cdb, b""), QUEUED);
    }
    (site, host, store)
}

/// No command of the drive calls the folder, or a file of it, on the thread that submits the command. Nor does an event of an
/// I_T nexus.
#[test]
fn folder_that_may_wait_is_used_on_the_thread_of_the_unit_only() {
    let (site, host, store) = site_with_slow_folder();
    let (sender, calls) = channel();
    let sender = Mutex::new(sender);
    let submitting = thread::current().id();
    store.disk("A1L8").set_hook(Arc::new(move |call| {
        sender.lock().unwrap().send((call, thread::current().id())).unwrap();
    }));
    for cdb in [&WRITE[..], &REWIND, &READ, &LOG_SENSE] {
        assert_eq!(host.run(DRIVE_1, cdb, b"hello"), QUEUED, "{cdb:02x?}");
    }
    let mut made: Vec<_> = calls.try_iter().collect();
    // The loss of a nexus writes the block that a worker has compressed, since it could be encrypted with a key of the nexus. A
    // worker that was fast enough has let the command itself write it.
    let other = Host::login(&site.targets()[0]);
    while other.run(DRIVE_1, &[0; 6], b"").0 != Status::GOOD {}
    assert_eq!(other.run(DRIVE_1, &REWIND, b""), QUEUED);
    let (mut seed, mut block) = (1_u32, vec![0; 100_000]);
    for byte in &mut block {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = seed.to_be_bytes()[0];
    }
    assert_eq!(other.run(DRIVE_1, &[0x0a, 0, 1, 0x86, 0xa0, 0], &block), QUEUED);
    site.targets()[0].logout(other.nexus);
    loop {
        made.push(calls.recv_timeout(Duration::from_secs(10)).unwrap());
        if made.last().unwrap().0 == "write_at" {
            break;
        }
    }
    while host.run(DRIVE_1, &[0; 6], b"").0 != Status::GOOD {}
    let mut commands = 0;
    for row in ssc::table::COMMANDS.0 {
        let mut cdb = vec![0; row.spec.cdb_usage.len()];
        (cdb[0], commands) = (row.spec.opcode.0, commands + 1);
        if let Some(action) = row.spec.service_action {
            cdb[1] = u8::try_from(action.0).unwrap();
        }
        let (_, queued) = host.run(DRIVE_1, &cdb, b"");
        let may_wait = row.spec.may_wait(MediumAccess::all());
        assert!(queued || !may_wait, "{} ran on this thread", row.spec.name);
        if cdb == UNLOAD {
            assert_eq!(host.run(DRIVE_1, &LOAD, b""), QUEUED);
        }
    }
    assert_eq!(commands, 77);
    made.extend(calls.try_iter());
    let here: Vec<_> = made.iter().filter(|(_, thread)| *thread == submitting).map(|(call, _)| call).collect();
    assert_eq!(here, [&""; 0], "calls on this thread");
    for call in ["read_at", "write_at", "commit", "replace", "open"] {
        assert!(made.iter().any(|(name, _)| *name == call), "no {call}");
    }
}

/// The read of a block waits for the network. The thread that has submitted it serves the other drive, and queues more commands.
#[test]
fn folder_that_waits_delays_no_other_drive() {
    let (site, host, store) = site_with_slow_folder();
    let ((entered, on_entry), (release, released)) = (channel(), channel::<()>());
    let gate = Mutex::new(Some((entered, released)));
    store.disk("A1L8").set_hook(Arc::new(move |call| {
        if call == "read_at"
            && let Some((entered, released)) = gate.lock().unwrap().take()
        {
            entered.send(()).unwrap();
            // A test that would never end fails instead.
            released.recv_timeout(Duration::from_secs(30)).unwrap();
        }
    }));
    assert!(matches!(host.submit(DRIVE_1, &READ, b""), Submitted::Queued));
    on_entry.recv_timeout(Duration::from_secs(10)).unwrap();
    let other = Host::login(&site.targets()[0]);
    while other.run(DRIVE_2, &[0; 6], b"").0 != Status::GOOD {}
    for cdb in [&WRITE[..], &LOG_SENSE, &[0; 6]] {
        assert_eq!(other.run(DRIVE_2, cdb, b"hello"), HERE, "{cdb:02x?}");
    }
    assert_eq!(other.run(DRIVE_2, &REWIND, b""), QUEUED);
    assert_eq!(other.run(DRIVE_2, &READ, b""), HERE);
    // Events and commands for the drive that waits do not wait themselves.
    site.targets()[0].logout(other.nexus);
    assert!(matches!(host.submit(DRIVE_1, &[0; 6], b""), Submitted::Queued));
    assert!(host.replies.try_recv().is_err());
    release.send(()).unwrap();
    let read = host.wait();
    assert_eq!((read.completion.status, &read.data.data_in[..5]), (Status::GOOD, &b"hello"[..]));
    assert_eq!(host.wait().completion.status, Status::GOOD);
}
