//! The cost of the record of each command: WRITE(6) and READ(6) of 512 bytes through a target, with the standard observers
//! (counters, trace and log) and without any.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use scsi_core::data::Data;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::Request;
use scsi_core::time::Now;
use std::io::{IoSlice, IoSliceMut};
use vtl::target::{Target, encode_lun};
use vtl::{ElementAddress, Library};

const LEN: usize = 512;
/// Commands after which the tape is rewound.
const LAP: u32 = 16 * 1024;
const WRITE: [u8; 6] = [0x0a, 0, 0, 2, 0, 0];
const READ: [u8; 6] = [0x08, 0, 0, 2, 0, 0];
const REWIND: [u8; 6] = [0x01, 0, 0, 0, 0, 0];

fn run(target: &Target, nexus: NexusId, cdb: &[u8], out: &[u8], buffer: &mut [u8]) -> u8 {
    let request = Request { lun: encode_lun(1), ..Request::new(nexus, cdb, Now::default()) };
    target.execute(&request, Data::new(&[IoSlice::new(out)], &mut [IoSliceMut::new(buffer)])).status.0
}

fn record(criterion: &mut Criterion) {
    for (name, records) in [("none", false), ("standard", true), ("none again", false), ("standard again", true)] {
        let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "1GB");
        let site = if records { builder } else { builder.without_records() }.open().unwrap();
        site.libraries().remove(0).move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
        let target = site.targets().remove(0);
        let nexus = target.login(&TransportId::local(1));
        while run(&target, nexus, &[0; 6], &[], &mut []) != 0 {}
        let (block, mut buffer) = ([0x5a; LEN], [0; LEN]);
        for (command, cdb) in [("WRITE", WRITE), ("READ", READ)] {
            let mut count = 0;
            criterion.benchmark_group("record").bench_function(BenchmarkId::new(command, name), |bencher| {
                bencher.iter(|| {
                    count += 1;
                    if count % LAP == 0 {
                        assert_eq!(run(&target, nexus, &REWIND, &[], &mut []), 0);
                    }
                    run(&target, nexus, &cdb, &block, &mut buffer)
                });
            });
            // READ begins with a full lap.
            assert_eq!(run(&target, nexus, &REWIND, &[], &mut []), 0);
            for _ in 0..LAP {
                assert_eq!(run(&target, nexus, &WRITE, &block, &mut []), 0);
            }
            assert_eq!(run(&target, nexus, &REWIND, &[], &mut []), 0);
        }
    }
}

criterion_group!(benches, record);
criterion_main!(benches);
