//! Commands to the first drive of a target, and their completions.

use std::sync::Mutex;
use std::thread;
use vtl::scsi_core::nexus::NexusId;
use vtl::scsi_core::target::{CdbBytes, DataBuffers, Tag, TaskAttribute};
use vtl::unit::{Command, CompletedCommand, CompletionHandler};

/// LUN 1.
pub(crate) const DRIVE: u64 = 0x0001_0000_0000_0000;

/// A command to the drive, with this Data-Out.
pub(crate) fn command(nexus: NexusId, tag: u64, attribute: TaskAttribute, cdb: &[u8], data: &[u8]) -> Command {
    let data = DataBuffers { data_out: data.to_vec(), data_out_len: data.len(), ..DataBuffers::default() };
    Command { nexus, lun: DRIVE, tag: Tag(tag), attribute, priority: 0, cdb: CdbBytes::from_slice(cdb), data }
}

/// Records tag, status and abort of commands in the order of their completion.
#[derive(Default)]
pub(crate) struct Completions(Mutex<Vec<(u64, u8, bool)>>);

impl CompletionHandler for Completions {
    fn complete(&self, done: CompletedCommand) {
        self.0.lock().unwrap().push((done.tag.0, done.completion.status.0, done.aborted));
    }
}

impl Completions {
    pub(crate) fn get(&self) -> Vec<(u64, u8, bool)> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn wait_for(&self, count: usize) -> Vec<(u64, u8, bool)> {
        while self.get().len() < count {
            thread::yield_now();
        }
        self.get()
    }
}
