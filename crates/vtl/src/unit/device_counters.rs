//! Counters and the position that a device has, published after each command for readers that do not wait for it.

use super::Device;
use crate::observer::{Histogram, HistogramCounts, TapePosition};
use smc::library::MoveCounts;
use ssc::drive::Counters;
use ssc::timing::ModelledTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The published counters of a device. The owner of the device is the only writer.
#[derive(Debug, Default)]
pub(super) struct DeviceCounters {
    written_by_host: AtomicU64,
    written_to_medium: AtomicU64,
    read_by_host: AtomicU64,
    read_from_medium: AtomicU64,
    filemarks: AtomicU64,
    blocks_written: AtomicU64,
    blocks_read: AtomicU64,
    read_failures: AtomicU64,
    write_failures: AtomicU64,
    written_sizes: Histogram,
    read_sizes: Histogram,
    /// The partition, plus 1; 0 without a threaded tape.
    partition: AtomicU64,
    object: AtomicU64,
    /// Microseconds that hardware would have taken.
    modelled_us: AtomicU64,
    repositions: AtomicU64,
    loads: AtomicU64,
    cleanings: AtomicU64,
    /// Moves that were done, refused and failed.
    moves: [AtomicU64; 3],
}

/// The counters that a drive had after its last command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DriveCounts {
    pub(crate) counters: Counters,
    pub(crate) written_sizes: HistogramCounts,
    pub(crate) read_sizes: HistogramCounts,
    pub(crate) position: Option<TapePosition>,
    /// What hardware would have done.
    pub(crate) modelled: ModelledTime,
    pub(crate) loads: u64,
    pub(crate) cleanings: u64,
}

impl DeviceCounters {
    /// Publishes what any command can change. Returns how many blocks and filemarks could not be read since the last call.
    pub(super) fn publish(&self, device: &Device) -> u64 {
        match device {
            Device::Drive(drive) => {
                let failed = self.publish_drive(&drive.counters());
                let ModelledTime { total, repositions } = drive.modelled_time();
                self.store_modelled(total);
                self.repositions.store(repositions, Ordering::Relaxed);
                let (partition, object) =
                    drive.position().map_or((0, 0), |(partition, at)| (1 + u64::from(partition), at));
                self.partition.store(partition, Ordering::Relaxed);
                self.object.store(object, Ordering::Relaxed);
                failed
            }
            Device::Changer(changer) => {
                let MoveCounts { done, refused, failed } = changer.move_counts();
                self.moves
                    .iter()
                    .zip([done, refused, failed])
                    .for_each(|(counter, count)| counter.store(count, Ordering::Relaxed));
                self.store_modelled(changer.modelled_time());
                0
            }
        }
    }

    fn store_modelled(&self, total: Duration) {
        self.modelled_us.store(u64::try_from(total.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The published time that hardware would have taken.
    pub(super) fn modelled(&self) -> Duration {
        Duration::from_micros(load(&self.modelled_us))
    }

    /// Publishes what only a command that may block, or a request of the owner, can change.
    pub(super) fn publish_loads(&self, device: &Device) {
        if let Device::Drive(drive) = device {
            self.loads.store(drive.loads(), Ordering::Relaxed);
            self.cleanings.store(drive.cleanings(), Ordering::Relaxed);
        }
    }

    fn publish_drive(&self, now: &Counters) -> u64 {
        let (blocks, bytes) =
            (replace(&self.blocks_written, now.blocks_written), replace(&self.written_by_host, now.written_by_host));
        add_sizes(&self.written_sizes, blocks, bytes);
        let (blocks, bytes) =
            (replace(&self.blocks_read, now.blocks_read), replace(&self.read_by_host, now.read_by_host));
        add_sizes(&self.read_sizes, blocks, bytes);
        self.written_to_medium.store(now.written_to_medium, Ordering::Relaxed);
        self.read_from_medium.store(now.read_from_medium, Ordering::Relaxed);
        self.filemarks.store(now.filemarks, Ordering::Relaxed);
        self.write_failures.store(now.write_failures, Ordering::Relaxed);
        replace(&self.read_failures, now.read_failures)
    }

    /// The published counters of a drive.
    pub(super) fn drive(&self) -> DriveCounts {
        let partition = load(&self.partition).checked_sub(1).and_then(|partition| u8::try_from(partition).ok());
        DriveCounts {
            counters: Counters {
                written_by_host: load(&self.written_by_host),
                written_to_medium: load(&self.written_to_medium),
                read_by_host: load(&self.read_by_host),
                read_from_medium: load(&self.read_from_medium),
                filemarks: load(&self.filemarks),
                blocks_written: load(&self.blocks_written),
                blocks_read: load(&self.blocks_read),
                read_failures: load(&self.read_failures),
                write_failures: load(&self.write_failures),
            },
            written_sizes: self.written_sizes.counts(),
            read_sizes: self.read_sizes.counts(),
            position: partition.map(|partition| TapePosition { partition, object: load(&self.object) }),
            modelled: ModelledTime { total: self.modelled(), repositions: load(&self.repositions) },
            loads: load(&self.loads),
            cleanings: load(&self.cleanings),
        }
    }

    /// The published counters of a changer.
    pub(super) fn moves(&self) -> MoveCounts {
        let [done, refused, failed] = self.moves.each_ref().map(load);
        MoveCounts { done, refused, failed }
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Stores a count, and returns how much it has grown.
fn replace(counter: &AtomicU64, now: u64) -> u64 {
    let before = load(counter);
    counter.store(now, Ordering::Relaxed);
    now.wrapping_sub(before)
}

/// Adds the size of the blocks that a command has transferred, which is the same for all of them.
fn add_sizes(sizes: &Histogram, blocks: u64, bytes: u64) {
    match blocks {
        0 => {}
        1 => sizes.add_sizes(bytes, 1),
        _ => sizes.add_sizes(bytes / blocks, blocks),
    }
}
