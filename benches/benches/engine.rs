//! WRITE(6) and READ(6) of a drive on a file, by record size and codec, compared with plain `pwrite` and `pread` of the
//! same bytes: the ratio is the result, not the rate.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use scsi_core::data::Data;
use scsi_core::identity::Identity;
use scsi_core::lu;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::port::TargetPort;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::Now;
use ssc::drive::{Drive, DriveConfig};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, CartridgeKind};
use tape_store::media::LTO_8;
use tape_store::medium::Codec;
use tape_store::store::{NewCartridge, TapeStore};
use tape_store::workers::Workers;
use vtl::workers::ThreadedWorkers;

const SIZES: [usize; 5] = [512, 8 << 10, 64 << 10, 256 << 10, 1 << 20];
/// Bytes after which the tape is rewound, so that the pages of the file are allocated once and used again.
const LAP: u64 = 256 << 20;

fn drive(path: &Path, codec: Codec, workers: Option<Arc<dyn Workers>>) -> Drive {
    let store = TapeStore::new(Box::new(OsFolderStore::at(path).unwrap()));
    let barcode = Barcode::new("B00001L8").unwrap();
    store.create(&barcode, &NewCartridge::data(&LTO_8)).unwrap();
    let profile = &ssc::profile::ULT3580_TD8;
    let identity = Identity::new(profile.model, "B", 1, TargetPort::ISCSI);
    let mut drive = Drive::new(
        profile,
        identity,
        DriveConfig::default().with_codec(codec).with_random(vtl::entropy::SYSTEM),
        lu::SavedState::default(),
    );
    if let Some(workers) = workers {
        drive.set_workers(workers);
    }
    drive.insert(store.cartridge(&barcode, &LTO_8, CartridgeKind::Data, LTO_8.capacity)).unwrap();
    let port = TransportId::local(1);
    drive.handle_event(
        TransportEvent::NexusEstablished { nexus: NexusId(1), port, reestablished: false },
        Now::default(),
    );
    while run(&mut drive, &[0; 6], &[], &mut []) != 0 {}
    drive
}

fn run(drive: &mut Drive, cdb: &[u8], out: &[u8], buffer: &mut [u8]) -> u8 {
    let request = Request::new(NexusId(1), cdb, Now::default());
    drive.execute(&request, Data::new(&[IoSlice::new(out)], &mut [IoSliceMut::new(buffer)])).status.0
}

fn cdb(opcode: u8, len: usize) -> [u8; 6] {
    let [_, a, b, c] = u32::try_from(len).unwrap().to_be_bytes();
    [opcode, 0, a, b, c, 0]
}

fn random_bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(len).collect()
}

/// Text of words, which takes a compressor some work.
fn text(len: usize) -> Vec<u8> {
    let random = random_bytes(len * 2);
    let words = random.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair) % 4096);
    words.flat_map(|word| format!("w{:x}{:03}rd ", word * 7, word % 577).into_bytes()).take(len).collect()
}

fn engine(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let shared_workers: Arc<dyn Workers> = Arc::new(ThreadedWorkers::new());
    for (name, codec, workers) in [
        ("none", Codec::NONE, None),
        ("zstd", Codec::zstd(1), None),
        ("zstd-text", Codec::zstd(1), None),
        ("zstd-text-workers", Codec::zstd(1), Some(shared_workers)),
    ] {
        let mut drive = drive(&folder.path().join(name), codec, workers);
        let sizes = if name.contains("text") { &SIZES[2..4] } else { &SIZES[..] };
        for size in sizes.iter().copied() {
            let record = if name.contains("text") { text(size) } else { random_bytes(size) };
            let mut buffer = vec![0; size];
            let laps = LAP / size as u64;
            let mut group = criterion.benchmark_group(format!("{size}"));
            group.throughput(Throughput::Bytes(size as u64));
            let mut count = 0;
            let mut lap = |drive: &mut Drive| {
                count += 1;
                if count % laps == 0 {
                    assert_eq!(run(drive, &[1, 0, 0, 0, 0, 0], &[], &mut []), 0);
                }
            };
            group.bench_function(BenchmarkId::new("WRITE", name), |bencher| {
                bencher.iter(|| {
                    lap(&mut drive);
                    assert_eq!(run(&mut drive, &cdb(0x0a, size), &record, &mut []), 0);
                });
            });
            for _ in 0..laps {
                run(&mut drive, &cdb(0x0a, size), &record, &mut []);
            }
            run(&mut drive, &[1, 0, 0, 0, 0, 0], &[], &mut []);
            group.bench_function(BenchmarkId::new("READ", name), |bencher| {
                bencher.iter(|| {
                    if run(&mut drive, &cdb(0x08, size), &[], &mut buffer) != 0 {
                        run(&mut drive, &[1, 0, 0, 0, 0, 0], &[], &mut []);
                    }
                });
            });
            run(&mut drive, &[1, 0, 0, 0, 0, 0], &[], &mut []);
            match name {
                "none" => plain(&mut group, folder.path(), &record, laps),
                "zstd-text" => codec_alone(&mut group, &record),
                _ => {}
            }
        }
    }
}

/// Measures the compressor alone, with the same record.
fn codec_alone(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>, record: &[u8]) {
    let (mut compressor, mut decompressor) =
        (zstd::bulk::Compressor::new(1).unwrap(), zstd::bulk::Decompressor::new().unwrap());
    let (mut compressed, mut decompressed) = (vec![0; record.len()], vec![0; record.len()]);
    let len = compressor.compress_to_buffer(record, &mut compressed).unwrap();
    println!("zstd makes {len} of {} bytes", record.len());
    group.bench_function("compress", |bencher| bencher.iter(|| compressor.compress_to_buffer(record, &mut compressed)));
    group.bench_function("decompress", |bencher| {
        bencher.iter(|| decompressor.decompress_to_buffer(&compressed[..len], &mut decompressed).unwrap());
    });
}

fn plain(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    folder: &Path,
    record: &[u8],
    laps: u64,
) {
    let file = File::options().create(true).truncate(true).read(true).write(true).open(folder.join("plain")).unwrap();
    let mut buffer = vec![0; record.len()];
    let mut count = 0;
    // As a rewound tape does: synchronise, then truncate to nothing.
    let mut offset = |writes: bool| {
        count += 1;
        if writes && count % laps == 0 {
            file.sync_data().unwrap();
            file.set_len(0).unwrap();
        }
        count % laps * record.len() as u64
    };
    group.bench_function("pwrite", |bencher| bencher.iter(|| file.write_all_at(record, offset(true)).unwrap()));
    for at in 0..laps {
        file.write_all_at(record, at * record.len() as u64).unwrap();
    }
    group.bench_function("pread", |bencher| bencher.iter(|| file.read_exact_at(&mut buffer, offset(false)).unwrap()));
}

criterion_group!(benches, engine);
criterion_main!(benches);
