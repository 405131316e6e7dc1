//! In steady state nothing is allocated for a record; the protocol, the library and the drive run on one thread.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use iscsi::buffers::BufferSource;
use iscsi::config::TargetConfig;
use iscsi::connection::{Connection, ConnectionEvent, Slices};
use iscsi::text;
use iscsi::wire::{self, BHS, Opcode};
use scsi_core::nexus::{NexusId, TransportId};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use vtl::buffers::Buffers;
use vtl::site::Site;
use vtl::target::Target;
use vtl::unit::{CompletedCommand, CompletionHandler, Submitted};
use zerocopy::IntoBytes;

const RECORD: usize = 8192;

struct SharedBuffers(Arc<Buffers>);

impl BufferSource for SharedBuffers {
    fn acquire(&self, len: usize) -> Option<Vec<u8>> {
        self.0.acquire(len)
    }

    fn release(&self, buffer: Vec<u8>) {
        self.0.release(buffer);
    }
}

struct CompletionQueue(Sender<CompletedCommand>);

impl CompletionHandler for CompletionQueue {
    fn complete(&self, finished: CompletedCommand) {
        self.0.send(finished).unwrap();
    }
}

struct TestBench {
    connection: Connection,
    target: Arc<Target>,
    nexus: NexusId,
    buffers: SharedBuffers,
    reply: Arc<dyn CompletionHandler>,
    completions: Receiver<CompletedCommand>,
    number: u32,
    pdu: Vec<u8>,
}

impl TestBench {
    fn feed(&mut self) {
        let mut at = 0;
        while at < self.pdu.len() {
            let space = self.connection.receive_buffer();
            let len = space.len().min(self.pdu.len() - at);
            assert!(len > 0, "the connection accepts no more input");
            space[..len].copy_from_slice(&self.pdu[at..at + len]);
            self.connection.received(len, 0, &self.buffers);
            at += len;
        }
    }

    /// Executes the commands of the connection and discards its output. Returns the status of the last command.
    fn run_pending(&mut self) -> Option<u8> {
        let mut status = None;
        while let Some(event) = self.connection.next_event() {
            let command = match event {
                ConnectionEvent::Login(_) => {
                    self.connection.accept_login(1, self.nexus);
                    continue;
                }
                ConnectionEvent::Command(command) => command,
                ConnectionEvent::TaskManagement(_)
                | ConnectionEvent::Logout
                | ConnectionEvent::NopOut(_)
                | ConnectionEvent::LoginRejected(_)
                | ConnectionEvent::CommandRejected(_) => {
                    panic!("unexpected event")
                }
            };
            let done = match self.target.submit(command, &self.reply) {
                Submitted::Completed(done) => done,
                Submitted::Queued => self.completions.recv_timeout(Duration::from_secs(10)).unwrap(),
            };
            status = Some(done.completion.status.0);
            self.connection.complete_command(done, &self.buffers);
        }
        while self.connection.has_output() {
            let mut slices = Slices::new();
            self.connection.pending_output(&mut slices);
            let sent = slices.iter().map(|slice| slice.len()).sum();
            drop(slices);
            self.connection.sent(sent, &self.buffers);
        }
        status
    }

    /// Sends a command to a LUN and returns its status.
    fn command(&mut self, lun: u64, cdb: &[u8], flags: u8, expected: u32, data: usize) -> u8 {
        let mut header: wire::ScsiCommand = wire::with_opcode(Opcode::COMMAND);
        (header.flags, header.itt, header.cmd_sn) = (0x80 | flags, self.number.into(), self.number.into());
        header.expected_length = expected.into();
        header.lun = (lun << 48).into();
        header.cdb[..cdb.len()].copy_from_slice(cdb);
        wire::set_data_length(&mut header.data_length, data);
        self.pdu.clear();
        self.pdu.extend_from_slice(header.as_bytes());
        self.pdu.resize(BHS + data, 0x5a);
        self.number += 1;
        self.feed();
        self.run_pending().unwrap()
    }

    fn write(&mut self) {
        let [_, _, high, low] = u32::try_from(RECORD).unwrap().to_be_bytes();
        assert_eq!(self.command(1, &[0x0a, 0, 0, high, low, 0], 0x20, 8192, RECORD), 0);
    }

    fn read(&mut self) {
        let [_, _, high, low] = u32::try_from(RECORD).unwrap().to_be_bytes();
        assert_eq!(self.command(1, &[0x08, 0, 0, high, low, 0], 0x40, 8192, 0), 0);
    }
}

/// Logs in, clears the unit attentions, and moves the first cartridge into the drive.
fn test_bench(target: Arc<Target>) -> TestBench {
    const MOVE_SLOT_1000_TO_DRIVE_500: [u8; 12] = [0xa5, 0, 0, 0, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
    let nexus = target.login(&TransportId::local(1));
    let (sender, completions) = channel();
    let reply: Arc<dyn CompletionHandler> = Arc::new(CompletionQueue(sender));
    let mut config = TargetConfig::new("iqn.t", "t");
    config.limits.idle_timeout_us = u64::MAX / 4;
    let buffers = SharedBuffers(Arc::clone(target.buffers()));
    let connection = Connection::new(Arc::new(config), "127.0.0.1:3260".into(), [3; 32], 0);
    let mut rig = TestBench { connection, target, nexus, buffers, reply, completions, number: 0, pdu: Vec::new() };
    let mut keys = Vec::new();
    for (key, value) in [("InitiatorName", "iqn.i"), ("TargetName", "iqn.t"), ("ImmediateData", "Yes")] {
        text::push_pair(&mut keys, key, value);
    }
    let mut header: wire::Login = wire::with_opcode(Opcode(0x43));
    header.flags = 0x87;
    wire::set_data_length(&mut header.data_length, keys.len());
    rig.pdu.extend_from_slice(header.as_bytes());
    rig.pdu.extend_from_slice(&keys);
    rig.pdu.resize(rig.pdu.len().next_multiple_of(4), 0);
    rig.feed();
    rig.run_pending();
    rig.command(0, &[0; 6], 0, 0, 0);
    assert_eq!(rig.command(0, &MOVE_SLOT_1000_TO_DRIVE_500, 0, 0, 0), 0);
    while rig.command(1, &[0; 6], 0, 0, 0) != 0 {}
    rig
}

#[test]
fn records_are_written_and_read_without_the_allocator() {
    for codec in ["none", "zlib", "zstd"] {
        let dir = tempfile::tempdir().unwrap();
        let config = format!("[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"{codec}\"\n");
        let site = Site::open(dir.path(), &vtl::config::parse("test", &config).unwrap()).unwrap();
        let mut rig = test_bench(Arc::clone(&site.targets()[0]));
        let count = |rig: &mut TestBench, one: fn(&mut TestBench)| {
            (0..200).for_each(|_| one(rig));
            allocation_counter::measure(|| (0..2000).for_each(|_| one(rig))).count_total
        };
        let written = count(&mut rig, TestBench::write);
        assert_eq!(rig.command(1, &[1, 0, 0, 0, 0, 0], 0, 0, 0), 0);
        let read = count(&mut rig, TestBench::read);
        assert_eq!((written, read), (0, 0), "allocations for 2000 writes and 2000 reads, {codec}");
    }
}
