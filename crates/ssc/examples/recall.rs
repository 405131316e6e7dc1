//! Modelled hours for a recall of 1,000 files from a full LTO-9 cartridge, in file order, in random order and in the recommended
//! access order of a full-height drive.
//!
//! ```sh
//! cargo run --release -p ssc --example recall
//! ```
#![allow(clippy::print_stdout, reason = "it prints a table")]

use ssc::timing::{DriveModel, PhysicalPosition, Segment, WrapMap, locate_time, recommended_order};
use std::time::Duration;
use tape_store::media::LTO_9;
use tape_store::medium::PartitionUsage;

/// Blocks of 1 MB on the cartridge, and of each file.
const BLOCKS: u64 = 18_000_000;
const FILE: u64 = 1_000;
const FILES: usize = 1_000;

/// The first blocks of the files, in random order.
fn files() -> Vec<u64> {
    let next = |seed: &u64| Some(seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    let random = std::iter::successors(Some(2026), next).skip(1);
    random.map(|seed| (seed >> 33) % (BLOCKS - FILE)).take(FILES).collect()
}

fn hours(time: Duration) -> f64 {
    time.as_secs_f64() / 3600.0
}

fn main() {
    let usage =
        PartitionUsage { capacity: LTO_9.capacity, used: LTO_9.capacity, objects: BLOCKS, ..Default::default() };
    let map = WrapMap::new(LTO_9.wraps, LTO_9.length, LTO_9.capacity, &[usage]);
    let model = DriveModel::new(&ssc::profile::ULT3580_TD9, &LTO_9);
    let start = PhysicalPosition::default();
    let segments = |files: &[u64]| -> Vec<Segment> {
        let segment = |first: &u64| Segment { begin: map.position(0, *first), end: map.position(0, first + FILE) };
        files.iter().map(segment).collect()
    };
    let random = segments(&files());
    let sorted = {
        let mut files = files();
        files.sort_unstable();
        segments(&files)
    };
    let given: Vec<usize> = (0..FILES).collect();
    let transfer = model.transfer(LTO_9.capacity / BLOCKS * FILE) * u32::try_from(FILES).unwrap_or(u32::MAX);
    println!(
        "{FILES} files of 1 GB on a full LTO-9 cartridge, full-height drive: reading takes {:.2} h",
        hours(transfer)
    );
    for (name, files, order) in [
        ("random order", &random, given.clone()),
        ("file order", &sorted, given),
        ("recommended access order", &sorted, recommended_order(&model, start, &sorted)),
    ] {
        let locates = locate_time(&model, start, files, &order);
        println!("{name:<25} locates {:>6.2} h, total {:>6.2} h", hours(locates), hours(locates + transfer));
    }
}
