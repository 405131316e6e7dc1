//! Media that wait: an operation that may wait does not run on the thread that submits the command, and a slow cartridge
//! delays no other drive.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::{CdbBytes, DataBuffers, Tag, TaskAttribute};
use std::io::{IoSlice, IoSliceMut};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;
use tape_store::cartridge::{Barcode, CartridgeFacts, Format, MamSave, MediumSource, OpenMode};
use tape_store::encrypt::Decryption;
use tape_store::error::StoreError;
use tape_store::mam::Mam;
use tape_store::medium::{
    Codec, DeferredLoss, Medium, MediumOperation, PartitionUsage, Position, ReadOutcome, SpaceOutcome, SpaceUnit,
    WriteOutcome,
};
use tape_store::store::{MediaFactory, ThreeFiles};
use tape_store::three_file::{FolderOpener, Recovery};
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::site::{OpenSite, Site};
use vtl::target::Target;
use vtl::unit::{Command, CompletedCommand, CompletionHandler, Submitted};
use vtl::{ElementAddress, Status};

/// LUNs of the drives.
const DRIVE_1: u64 = 1 << 48;
const DRIVE_2: u64 = 2 << 48;

/// What the media of a test do, and what was done with them.
#[derive(Default)]
struct Behaviour {
    /// The operations that may wait.
    slow: Mutex<Vec<MediumOperation>>,
    /// The threads that read, append or drain.
    calls: Mutex<Vec<(MediumOperation, ThreadId)>>,
    /// If set, opening the medium of `A1L8` sends a message and waits for one.
    gate: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Behaviour {
    fn note(&self, operation: MediumOperation) {
        self.calls.lock().unwrap().push((operation, thread::current().id()));
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
        let gated = barcode.as_str() == "A1L8";
        Box::new(Source { files: ThreeFiles.source(barcode, folder), behaviour: Arc::clone(&self.0), gated })
    }
}

struct Source {
    files: Box<dyn MediumSource>,
    behaviour: Arc<Behaviour>,
    gated: bool,
}

impl MediumSource for Source {
    fn open(&mut self, facts: &mut CartridgeFacts, mode: OpenMode) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        let gate = self.behaviour.gate.lock().unwrap().take_if(|_| self.gated);
        if let Some((entered, released)) = gate {
            entered.send(()).unwrap();
            // A test that would never end fails instead.
            released.recv_timeout(Duration::from_secs(30)).unwrap();
        }
        let (medium, recovery) = self.files.open(facts, mode)?;
        Ok((Box::new(Recorded { medium, behaviour: Arc::clone(&self.behaviour) }), recovery))
    }
    fn mam(&mut self, facts: &mut CartridgeFacts) -> Result<Mam, StoreError> {
        self.files.mam(facts)
    }
    fn save_mam(&mut self, mam: &Mam, save: MamSave) -> Result<(), StoreError> {
        self.files.save_mam(mam, save)
    }
}

struct Recorded {
    medium: Box<dyn Medium>,
    behaviour: Arc<Behaviour>,
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
        self.medium.append(block, codec)
    }
    fn read_decrypting(&mut self, into: &mut [IoSliceMut<'_>], key: Decryption<'_>) -> Result<ReadOutcome, StoreError> {
        self.behaviour.note(MediumOperation::Read);
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
        self.medium.position()
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
    let text = "[library]\nslots = 4\n[[drive]]\nmodel = \"ULT3580-TD8\"\n[[drive]]\nmodel = \"ULT3580-TD8\"\n\
        [[cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n";
    let data = DataDir::in_memory().with_media(Arc::new(Media(Arc::clone(behaviour))));
    let site = Site::open_data_dir(data, &parse("f", text).unwrap()).unwrap();
    for (slot, drive) in [(1000, 500), (1001, 501)] {
        site.libraries()[0].move_medium(ElementAddress(slot), ElementAddress(drive)).unwrap();
    }
    let host = Host::login(&site.targets()[0]);
    for drive in [DRIVE_1, DRIVE_2] {
        while host.run(drive, &[0; 6], b"").0 != Status::GOOD {}
    }
    behaviour.calls.lock().unwrap().clear();
    (site, host)
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

#[test]
fn slow_load_delays_no_other_drive() {
    const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];
    const LOAD: [u8; 6] = [0x1b, 0, 0, 0, 1, 0];
    let behaviour = Arc::new(Behaviour::default());
    let (site, host) = site(&behaviour);
    assert_eq!(host.run(DRIVE_1, &UNLOAD, b""), QUEUED);
    let ((entered, on_entry), (release, released)) = (channel(), channel());
    *behaviour.gate.lock().unwrap() = Some((entered, released));
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
    site.libraries()[0].move_medium(ElementAddress(1002), ElementAddress(1003)).unwrap();
    assert_eq!(site.cartridges().len(), 3);
    release.send(()).unwrap();
    assert_eq!(host.wait().completion.status, Status::GOOD);
}
