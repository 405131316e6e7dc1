//! A tape in files: random operations against a tape in memory, failing storage calls, and power loss.

#![expect(clippy::cast_possible_truncation, reason = "patterns of test data")]
use super::*;
use crate::backend::faulty::FaultyFolder;
use crate::backend::memory::MemoryFolder;
use crate::encrypt::DecryptError;
use crate::encrypt::{Key, KeyAssociatedData};
use crate::memory_tape::{MemoryTape, Record};
use crate::workers::InlineWorkers;
use proptest::prelude::*;
use std::io::ErrorKind;

const CAPACITY: u64 = 1 << 20;

const FORMATS: [Format; 2] = [Format::Native, Format::Mhvtl];

/// A folder with a blank tape in this format.
fn blank(format: Format) -> FaultyFolder {
    let mut folder = FaultyFolder::default();
    if format == Format::Mhvtl {
        for (name, bytes) in [("data.0", &[][..]), ("indx.0", &[]), ("meta.0", &[0; 512])] {
            crate::backend::Folder::replace(&mut folder, name, bytes).unwrap();
        }
    }
    folder
}

fn open(folder: &FaultyFolder, format: Format) -> Result<(ThreeFile, Recovery), StoreError> {
    ThreeFile::open(Box::new(folder.clone()), TapeOptions { format, ..TapeOptions::native(CAPACITY) })
}

/// Numbers of parallel jobs.
const WIDTHS: [usize; 3] = [0, 1, 4];

fn open_with(folder: &FaultyFolder, format: Format, width: usize) -> ThreeFile {
    let (mut tape, _) = open(folder, format).unwrap();
    tape.set_workers(&InlineWorkers(width));
    tape
}

/// Checks what mhvtl relies on: the table of filemarks is complete and lists filemarks only.
fn check_filemark_table(folder: &FaultyFolder) {
    let (meta, indx) = (folder.bytes("meta.0"), folder.bytes("indx.0"));
    let count = u32::from_le_bytes(*meta.first_chunk().unwrap()) as usize;
    let table = meta[512..].as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number) as usize);
    assert!(table.len() >= count, "{count} filemarks are counted, {} are there", table.len());
    for number in table.take(count) {
        assert_eq!(indx[number * 512 + 8..][..4], [3, 0, 0, 0], "object {number}");
    }
}

fn block(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| seed.wrapping_add((at / 7) as u8)).collect()
}

/// Bytes that do not compress.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// All objects of a tape, read from the beginning.
fn contents(tape: &mut dyn Medium) -> Vec<Record> {
    tape.locate(0, 0).unwrap();
    let mut all = Vec::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap() {
            ReadOutcome::Block { len, .. } => all.push(Record::Block(buffer[..len].to_vec())),
            ReadOutcome::Filemark => all.push(Record::Filemark),
            ReadOutcome::EndOfData => return all,
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append(u8, usize, u8),
    Filemark,
    Read(usize),
    Space(u8, i64),
    End,
    Locate(u64),
    File(u64),
    Truncate,
    Sync,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![6 => 1..200_usize, 2 => 1000..9000_usize, 1 => 60_000..70_000_usize];
    prop_oneof![
        8 => (any::<u8>(), len, 0..3_u8).prop_map(|(seed, len, codec)| Op::Append(seed, len, codec)),
        4 => Just(Op::Filemark),
        6 => (0..300_usize).prop_map(Op::Read),
        6 => (0..3_u8, -6..7_i64).prop_map(|(unit, count)| Op::Space(unit, count)),
        2 => Just(Op::End),
        3 => (0..20_u64).prop_map(Op::Locate),
        3 => (0..6_u64).prop_map(Op::File),
        1 => Just(Op::Truncate),
        2 => Just(Op::Sync),
        1 => Just(Op::Reopen),
    ]
}

/// mhvtl's format stores zlib for Zstandard.
const CODECS: [Codec; 3] = [Codec::NONE, Codec::zlib(1), Codec::zstd(1)];
const UNITS: [SpaceUnit; 3] = [SpaceUnit::Blocks, SpaceUnit::Filemarks, SpaceUnit::SequentialFilemarks];

/// Runs one operation and returns its result as text, to compare two tapes.
fn run(tape: &mut dyn Medium, op: &Op) -> String {
    match op {
        Op::Append(seed, len, codec) => {
            let bytes = block(*seed, *len);
            let (front, back) = bytes.split_at(len / 3);
            let written = tape.append(&[IoSlice::new(front), IoSlice::new(back)], CODECS[usize::from(*codec)]).unwrap();
            format!("{}", matches!(written, WriteOutcome::Written { .. }))
        }
        Op::Filemark => format!("{}", matches!(tape.append_filemark().unwrap(), WriteOutcome::Written { .. })),
        Op::Read(capacity) => {
            let (mut a, mut b) = (vec![0; capacity / 2], vec![0; capacity - capacity / 2]);
            let found = tape.read(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]).unwrap();
            let len = if let ReadOutcome::Block { len, .. } = found { len } else { 0 };
            format!("{:?} {len} {a:?} {b:?}", std::mem::discriminant(&found))
        }
        Op::Space(unit, count) => format!("{:?}", tape.space(UNITS[usize::from(*unit)], *count).unwrap()),
        Op::End => format!("{:?}", tape.space_to_end().unwrap()),
        Op::Locate(object) => format!("{:?}", tape.locate(0, *object).unwrap()),
        Op::File(file) => format!("{:?}", tape.locate_file(0, *file).unwrap()),
        Op::Truncate => format!("{:?}", tape.truncate().unwrap()),
        Op::Sync | Op::Reopen => format!("{:?}", tape.sync().unwrap()),
    }
}

fn place(tape: &dyn Medium) -> (u64, u64) {
    let at = tape.position();
    (at.object, at.file)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_match_the_model(
        ops in prop::collection::vec(op(), 1..60),
        format in prop::sample::select(&FORMATS),
        width in prop::sample::select(&WIDTHS),
    ) {
        let folder = blank(format);
        let mut tape = open_with(&folder, format, width);
        let mut model = MemoryTape::new(CAPACITY, 0);
        for op in &ops {
            if let Op::Append(_, len, _) = op {
                // Capacity counts stored bytes, which differ; this test is not about the end of the tape.
                prop_assume!(model.usage(0).unwrap().used + (*len as u64) < CAPACITY);
            }
            prop_assert_eq!(run(&mut tape, op), run(&mut model, op), "{:?}", op);
            if matches!(op, Op::Reopen) {
                let object = tape.position().object;
                drop(tape);
                tape = open_with(&folder, format, width);
                tape.locate(0, object).unwrap();
            }
            prop_assert_eq!(place(&tape), place(&model), "{:?}", op);
        }
        prop_assert_eq!(contents(&mut tape), model.records());
    }

    /// After a power loss, the tape is in a state that it had at or after the last synchronisation.
    #[test]
    fn power_loss_keeps_synchronised_objects(
        ops in prop::collection::vec(op(), 1..40),
        choices in prop::collection::vec(0..4_u8, 64),
        format in prop::sample::select(&FORMATS),
        width in prop::sample::select(&WIDTHS),
    ) {
        let folder = blank(format);
        let mut tape = open_with(&folder, format, width);
        let mut model = MemoryTape::new(CAPACITY, 0);
        let mut history = vec![Vec::new()];
        for op in &ops {
            if let Op::Append(_, len, _) = op {
                prop_assume!(model.usage(0).unwrap().used + (*len as u64) < CAPACITY);
            }
            let cut_from = model.records().len();
            run(&mut tape, op);
            run(&mut model, op);
            if model.records().len() <= cut_from && !matches!(op, Op::Read(_) | Op::Space(..)) {
                // Overwriting truncates first: that state is possible too.
                let at = usize::try_from(model.position().object.saturating_sub(1)).unwrap();
                history.push(model.records()[..at.min(model.records().len())].to_vec());
            }
            history.push(model.records().to_vec());
            if matches!(op, Op::Sync | Op::Reopen) {
                history = vec![model.records().to_vec()];
            }
        }
        let mut choices = choices.into_iter().cycle();
        let after = folder.crash(|len| match choices.next() {
            Some(0) => 0,
            Some(1) => len / 2,
            _ => len,
        });
        if format == Format::Mhvtl {
            check_filemark_table(&after);
        }
        let mut again = open(&after, format).unwrap().0;
        let found = contents(&mut again);
        // Unsynchronised objects may be missing at the end of each of those states.
        let synced = history[0].len().min(found.len());
        let possible = history.iter().any(|moment| moment.starts_with(&found));
        prop_assert!(possible, "{found:?} is in none of {} moments", history.len());
        let first_kept = history.iter().filter(|moment| moment.len() < history[0].len()).count() == 0;
        prop_assert!(!first_kept || synced == history[0].len(), "lost synchronised objects");
    }
}

/// One step of a short history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A block that is buffered in memory.
    Small,
    /// A block that is written to the file directly.
    Large,
    /// A filemark, then a synchronisation.
    SyncedFilemark,
    /// A filemark without synchronisation.
    UnsyncedFilemark,
    /// Overwrites from the second object on.
    Overwrite,
    /// Unload and load.
    Reload,
    /// The process is killed and another one loads the tape: written data is in the page cache only.
    Kill,
}

const STEPS: [Step; 7] =
    [Step::Small, Step::Large, Step::SyncedFilemark, Step::UnsyncedFilemark, Step::Overwrite, Step::Reload, Step::Kill];

/// State of the tape at the end of a step.
struct Moment {
    /// Number of calls to the disk until then.
    calls: usize,
    records: Vec<Record>,
    /// Whether it was synchronised, and nothing was truncated since.
    synced: bool,
    /// The first object to which this step may have truncated the tape.
    max_cut: usize,
}

/// Runs a history; returns the calls to the disk, and the state after each step.
fn run_history(format: Format, steps: &[Step]) -> (crate::backend::faulty::CallHistory, Vec<Moment>) {
    let folder = blank(format);
    let mut tape = open_with(&folder, format, 0);
    let before = folder.start_recording();
    let mut records = Vec::new();
    let mut moments = vec![Moment { calls: 0, records: Vec::new(), synced: true, max_cut: 0 }];
    for (number, step) in steps.iter().enumerate() {
        let seed = number as u8;
        let mut max_cut = records.len();
        let append = |tape: &mut ThreeFile, records: &mut Vec<Record>, len| {
            let bytes = block(seed, len);
            tape.append(&[IoSlice::new(&bytes)], Codec::NONE).unwrap();
            records.push(Record::Block(bytes));
        };
        match step {
            Step::Small => append(&mut tape, &mut records, 30),
            Step::Large => append(&mut tape, &mut records, 64 * 1024),
            Step::SyncedFilemark | Step::UnsyncedFilemark => {
                tape.append_filemark().unwrap();
                records.push(Record::Filemark);
                if *step == Step::SyncedFilemark {
                    tape.sync().unwrap();
                }
            }
            Step::Overwrite => {
                tape.sync().unwrap();
                // The locate synchronises; that state counts from here on.
                moments.push(Moment {
                    calls: folder.recorded_calls(),
                    records: records.clone(),
                    synced: true,
                    max_cut,
                });
                max_cut = max_cut.min(1);
                tape.locate(0, 1).unwrap();
                records.truncate(1);
                append(&mut tape, &mut records, 20);
            }
            Step::Reload => {
                tape.close().unwrap();
                drop(tape);
                tape = open_with(&folder, format, 0);
                tape.space_to_end().unwrap();
            }
            Step::Kill => {
                drop(tape);
                tape = open_with(&folder, format, 0);
                let found = contents(&mut tape);
                assert!(records.starts_with(&found), "{steps:?}");
                max_cut = found.len();
                records = found;
            }
        }
        let synced = matches!(step, Step::SyncedFilemark | Step::Reload);
        moments.push(Moment { calls: folder.recorded_calls(), records: records.clone(), synced, max_cut });
    }
    (folder.history(before), moments)
}

/// Checks the disk after one power loss against the possible states.
fn after_loss(format: Format, folder: &FaultyFolder, moments: &[Moment], calls: usize, what: &str) {
    if format == Format::Mhvtl {
        check_filemark_table(folder);
    }
    // The step in progress is the first that ended later; those before it were completed.
    let pending_blocks = moments.iter().position(|moment| moment.calls > calls).unwrap_or(moments.len() - 1);
    let last_synced =
        (0..=pending_blocks).rev().find(|at| moments[*at].synced && moments[*at].calls <= calls).unwrap_or(0);
    let since = &moments[last_synced..=pending_blocks];
    let durable = since[1..].iter().map(|moment| moment.max_cut).chain([since[0].records.len()]).min().unwrap();
    let mut tape = open(folder, format).unwrap_or_else(|error| panic!("{what}: {error}")).0;
    let found = contents(&mut tape);
    assert!(found.len() >= durable, "{what}: {} of {durable} synchronised objects", found.len());
    assert!(since.iter().any(|moment| moment.records.starts_with(&found)), "{what}: {found:?}");
    // New objects can be written, and no old object reappears.
    tape.append(&[IoSlice::new(b"after")], Codec::NONE).unwrap();
    tape.append_filemark().unwrap();
    tape.close().unwrap();
    drop(tape);
    let again = contents(&mut open(folder, format).unwrap_or_else(|error| panic!("{what}: again: {error}")).0);
    assert_eq!(again.len(), found.len() + 2, "{what}");
    assert_eq!(again[..found.len()], found[..], "{what}");
}

/// Runs all histories of `length` steps. The power is lost at each call to the disk, and each change that was not
/// synchronised is written, dropped or torn. Returns the number of disks checked.
fn every_loss_of_power(format: Format, length: u32) -> u64 {
    use crate::backend::faulty::CrashOutcome;
    const FATES: [CrashOutcome; 3] = [CrashOutcome::Written, CrashOutcome::Dropped, CrashOutcome::Torn];
    let mut disks = 0;
    for number in 0..STEPS.len().pow(length) {
        let steps: Vec<Step> = (0..length).map(|at| STEPS[number / STEPS.len().pow(at) % STEPS.len()]).collect();
        let (history, moments) = run_history(format, &steps);
        for calls in 0..history.crash_points() {
            let unsynced = u32::try_from(history.unsynced_changes(calls)).unwrap();
            for choice in 0..3_usize.pow(unsynced) {
                let outcomes: Vec<CrashOutcome> = (0..unsynced).map(|at| FATES[choice / 3_usize.pow(at) % 3]).collect();
                let folder = history.crash(calls, &outcomes);
                after_loss(
                    format,
                    &folder,
                    &moments,
                    calls,
                    &format!("{format:?} {steps:?} call {calls} {outcomes:?}"),
                );
                disks += 1;
            }
        }
    }
    disks
}

#[test]
fn power_loss_at_every_call_of_short_histories() {
    for format in FORMATS {
        let disks: u64 = (1..=3).map(|length| every_loss_of_power(format, length)).sum();
        assert!(disks > 5000, "{disks}");
    }
}

/// As above with one step more; `cargo xtask test` runs it optimised.
#[test]
#[ignore = "takes minutes unless it is optimised; cargo xtask test runs it so"]
fn power_loss_at_every_call_of_longer_histories() {
    for format in FORMATS {
        println!("{format:?}: {} disks", every_loss_of_power(format, 4));
    }
}

#[test]
fn every_failing_call_leaves_a_prefix_of_the_tape() {
    FORMATS.into_iter().for_each(fail_every_call);
}

fn fail_every_call(format: Format) {
    let ops: Vec<Op> = (0..12)
        .map(|n| match n % 4 {
            3 => Op::Filemark,
            _ => Op::Append(n, 70_000, 0),
        })
        .collect();
    for error in [ErrorKind::StorageFull, ErrorKind::Other] {
        let mut finished = false;
        for at in 0..200 {
            let folder = blank(format);
            let (mut tape, _) = open(&folder, format).unwrap();
            folder.fail_at(Some(folder.calls() + at), error);
            let mut expected = Vec::new();
            let mut failed = false;
            for op in &ops {
                let result = match op {
                    Op::Append(seed, len, _) => tape.append(&[IoSlice::new(&block(*seed, *len))], Codec::NONE),
                    _ => tape.append_filemark().and_then(|done| tape.sync().map(|()| done)),
                };
                match (result, op) {
                    (Ok(WriteOutcome::Written { .. }), Op::Append(seed, len, _)) => {
                        expected.push(Record::Block(block(*seed, *len)))
                    }
                    (Ok(WriteOutcome::Written { .. }), _) => expected.push(Record::Filemark),
                    _ => {
                        failed = true;
                        break;
                    }
                }
            }
            folder.fail_at(None, error);
            finished |= !failed;
            let found = contents(&mut tape);
            let lost = tape.take_deferred().map(|deferred| deferred.lost_from.object);
            assert!(found.starts_with(&expected) || lost.is_some() || failed, "call {at}");
            let mut again = open(&folder, format).unwrap().0;
            let reopened = contents(&mut again);
            assert!(found.starts_with(&reopened) || reopened.starts_with(&found), "call {at}");
        }
        assert!(finished, "200 calls are not enough to reach the end");
    }
}

#[test]
fn damage_is_reported_at_its_object_and_not_repaired() {
    let folder = MemoryFolder::default();
    let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), TapeOptions::native(CAPACITY)).unwrap();
    for n in 0..3 {
        tape.append(&[IoSlice::new(&block(n, 1000))], Codec::NONE).unwrap();
    }
    tape.sync().unwrap();
    drop(tape);
    let mut data = crate::backend::Folder::open(&mut folder.clone(), "data.0").unwrap();
    data.write_at(1500, &[IoSlice::new(&[0xff])]).unwrap();
    let (mut tape, recovery) = ThreeFile::open(Box::new(folder.clone()), TapeOptions::native(CAPACITY)).unwrap();
    assert_eq!(recovery, Recovery::default());
    let mut buffer = [0; 1000];
    assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap(), ReadOutcome::Block { len: 1000, stored: 1000 });
    let error = tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap_err();
    assert_eq!(error.to_string(), "partition 0, object 1: checksum mismatch");
    assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap(), ReadOutcome::Block { len: 1000, stored: 1000 });
    drop(tape);
    // Intact objects are read, others are errors at their object, and only the beginning accepts writes.
    for (file, cut, good) in [("indx.0", 64, 2), ("data.0", 3 * 1064 - 1, 2), ("mark.0", 0, 3), ("data.0", 0, 0)] {
        let broken = copy_of(&folder);
        crate::backend::Folder::open(&mut broken.clone(), file).unwrap().set_len(cut).unwrap();
        let (mut tape, recovery) = ThreeFile::open(Box::new(broken.clone()), TapeOptions::native(CAPACITY)).unwrap();
        assert!(recovery.damaged, "{file} cut to {cut}");
        for object in 0..3 {
            let read = tape.read(&mut [IoSliceMut::new(&mut buffer)]);
            // Object 1 was damaged above.
            assert_eq!(read.is_ok(), object < good && object != 1, "{file} cut to {cut}, object {object}");
        }
        assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap(), ReadOutcome::EndOfData);
        let refused = tape.append(&[IoSlice::new(b"x")], Codec::NONE).unwrap_err();
        assert!(matches!(refused, StoreError::Malformed { .. }), "{refused}");
        tape.close().unwrap();
        tape.locate(0, 0).unwrap();
        tape.append(&[IoSlice::new(b"anew")], Codec::NONE).unwrap();
        tape.close().unwrap();
        drop(tape);
        let (mut tape, recovery) = ThreeFile::open(Box::new(broken), TapeOptions::native(CAPACITY)).unwrap();
        assert_eq!((recovery.damaged, contents(&mut tape).len()), (false, 1), "{file} cut to {cut}");
    }
}

fn copy_of(folder: &MemoryFolder) -> MemoryFolder {
    let (mut from, mut to) = (folder.clone(), MemoryFolder::default());
    for name in from.list().unwrap() {
        let bytes = crate::backend::Folder::read(&mut from, &name).unwrap().unwrap();
        to.replace(&name, &bytes).unwrap();
    }
    to
}

/// One call fails, synchronisations included, and drops the data to be stored; then the disk works again.
/// Everything not reported as lost survives a power loss, without the tape being opened in between.
#[test]
fn writing_continues_after_a_failed_call() {
    for (format, error) in
        FORMATS.into_iter().flat_map(|format| [(format, ErrorKind::StorageFull), (format, ErrorKind::Other)])
    {
        let mut failures = 0;
        for at in 0..80 {
            let folder = blank(format);
            let mut tape = open_with(&folder, format, 0);
            folder.fail_at(Some(folder.calls() + at), error);
            let (mut expected, mut failed) = (Vec::new(), false);
            for number in 0..24_u8 {
                let bytes = block(number, if number % 5 == 1 { 70_000 } else { 100 });
                loop {
                    let done = match number % 4 {
                        3 => tape.append_filemark(),
                        _ => tape.append(&[IoSlice::new(&bytes)], Codec::NONE),
                    };
                    if matches!(done, Ok(WriteOutcome::Written { .. })) {
                        break;
                    }
                    assert!(!failed, "{format:?} {error} call {at}: {done:?}");
                    failed = true;
                    folder.fail_at(None, error);
                    if let Some(lost) = tape.take_deferred() {
                        assert_eq!(tape.position().object, lost.lost_from.object, "{format:?} call {at}");
                        expected.truncate(usize::try_from(lost.lost_from.object).unwrap());
                    }
                }
                expected.push(if number % 4 == 3 { Record::Filemark } else { Record::Block(bytes) });
                if number % 4 == 3
                    && let Err(cause) = tape.sync()
                {
                    assert!(!failed, "{format:?} {error} call {at}: {cause}");
                    failed = true;
                    folder.fail_at(None, error);
                    if let Some(lost) = tape.take_deferred() {
                        expected.truncate(usize::try_from(lost.lost_from.object).unwrap());
                    }
                    // Nothing else is written in between.
                    tape.sync().unwrap_or_else(|cause| panic!("{format:?} {error} call {at}: {cause}"));
                }
            }
            if let Err(cause) = tape.close() {
                assert!(!failed, "{format:?} {error} call {at}: {cause}");
                folder.fail_at(None, error);
                tape.close().unwrap_or_else(|cause| panic!("{format:?} {error} call {at}: {cause}"));
            }
            failures += u32::from(failed);
            drop(tape);
            let found = contents(&mut open(&folder.crash(|_| 0), format).unwrap().0);
            assert!(found == expected, "{format:?} {error} call {at}: {} of {}", found.len(), expected.len());
        }
        assert!(failures > 20, "{format:?}: {failures}");
    }
}

#[test]
fn early_warning_then_full() {
    let (mut tape, _) = ThreeFile::open(Box::new(MemoryFolder::default()), TapeOptions::native(160_000)).unwrap();
    let bytes = block(1, 10_000);
    let mut write = || tape.append(&[IoSlice::new(&bytes)], Codec::NONE).unwrap();
    for _ in 0..15 {
        assert_eq!(write(), WriteOutcome::Written { beyond_early_warning: false });
    }
    assert_eq!(write(), WriteOutcome::Written { beyond_early_warning: true });
    assert_eq!(write(), WriteOutcome::EndOfMedium);
    assert_eq!(tape.append_filemark().unwrap(), WriteOutcome::Written { beyond_early_warning: true });
    assert!(tape.warnings().early);
    assert_eq!(tape.position().object, 17);
}

/// The objects that reach early warning and the end do not depend on the number of workers.
#[test]
fn early_warning_is_independent_of_worker_count() {
    let run = |width: usize| {
        let (mut tape, _) = ThreeFile::open(Box::new(MemoryFolder::default()), TapeOptions::native(4 << 20)).unwrap();
        tape.set_workers(&InlineWorkers(width));
        let mut answers = Vec::new();
        let mut seed = 1_u32;
        for _ in 0..400 {
            // Blocks that compress well, little, and not at all.
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (len, random) = (40_000 + (seed >> 16) as usize, (seed >> 8) as usize % 40_000);
            let bytes = [noise(seed, random), vec![0; len - random]].concat();
            answers.push(tape.append(&[IoSlice::new(&bytes)], Codec::zstd(1)).unwrap());
        }
        tape.drain().unwrap();
        (answers, tape.usage(0).unwrap(), tape.position())
    };
    let inline = run(0);
    assert!(
        inline.0.contains(&WriteOutcome::Written { beyond_early_warning: true })
            && inline.0.contains(&WriteOutcome::EndOfMedium)
    );
    for width in [1, 3, 8] {
        assert_eq!(run(width), inline, "{width} workers");
    }
}

/// An accepted block that cannot be stored is a deferred error, at the first lost object.
#[test]
fn lost_queued_blocks_are_a_deferred_error() {
    for width in [1, 4] {
        let folder = FaultyFolder::default();
        let mut tape = open_with(&folder, Format::Native, width);
        let noise = |seed| noise(seed, 70_000);
        tape.append(&[IoSlice::new(&noise(0))], Codec::zstd(1)).unwrap();
        tape.sync().unwrap();
        folder.fail_at(Some(folder.calls()), ErrorKind::StorageFull);
        let mut accepted = 1;
        let error = loop {
            match tape.append(&[IoSlice::new(&noise(accepted))], Codec::zstd(1)) {
                Ok(WriteOutcome::Written { .. }) => accepted += 1,
                Ok(WriteOutcome::EndOfMedium) => panic!("end of medium is returned for an earlier block"),
                Err(error) => break error,
            }
        };
        assert!(accepted > 1 && matches!(error, StoreError::LostObjects { object: 1, .. }), "{error}");
        assert_eq!(tape.take_deferred().unwrap().lost_from.object, 1);
        assert_eq!(tape.position().object, 1);
        folder.fail_at(None, ErrorKind::Other);
        // With free space again, writing continues at the first lost object.
        tape.append(&[IoSlice::new(&noise(7))], Codec::zstd(1)).unwrap();
        tape.close().unwrap();
        drop(tape);
        let found = contents(&mut open(&folder, Format::Native).unwrap().0);
        assert_eq!(found, [Record::Block(noise(0)), Record::Block(noise(7))]);
    }
}

#[test]
fn capacity_counts_compressed_bytes() {
    let (mut tape, _) = ThreeFile::open(Box::new(MemoryFolder::default()), TapeOptions::native(160_000)).unwrap();
    for _ in 0..100 {
        let written = tape.append(&[IoSlice::new(&vec![0; 100_000])], Codec::zstd(1)).unwrap();
        assert_eq!(written, WriteOutcome::Written { beyond_early_warning: false });
    }
}

#[test]
fn filemarks_are_located_by_bisection() {
    let (mut tape, _) = ThreeFile::open(Box::new(MemoryFolder::default()), TapeOptions::native(CAPACITY)).unwrap();
    for n in 0..10_000_u32 {
        tape.append(&[IoSlice::new(&n.to_le_bytes())], Codec::NONE).unwrap();
        tape.append_filemark().unwrap();
    }
    let mut buffer = [0; 4];
    for file in [0, 1, 77, 5000, 9999_u32] {
        assert!(tape.locate_file(0, file.into()).unwrap());
        assert_eq!(tape.position().object, u64::from(file) * 2);
        tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap();
        assert_eq!(u32::from_le_bytes(buffer), file);
    }
    assert!(tape.locate_file(0, 10_000).unwrap());
    assert!(!tape.locate_file(0, 10_001).unwrap());
    assert_eq!(tape.position().object, 20_000);
}

#[test]
fn opening_reads_only_the_ends() {
    let cost = |objects: u32| {
        let folder = FaultyFolder::default();
        let (mut tape, _) = open(&folder, Format::Native).unwrap();
        for n in 0..objects {
            if n % 100 == 99 {
                tape.append_filemark().unwrap();
            } else {
                tape.append(&[IoSlice::new(&[7])], Codec::NONE).unwrap();
            }
        }
        tape.close().unwrap();
        drop(tape);
        let before = folder.bytes_read();
        let (mut tape, _) = open(&folder, Format::Native).unwrap();
        tape.space_to_end().unwrap();
        assert_eq!(tape.position().object, u64::from(objects));
        folder.bytes_read() - before
    };
    assert_eq!(cost(1000), cost(50_000));
    assert!(cost(1000) < 10_000);
}

#[test]
fn full_disk_ends_the_tape() {
    let folder = FaultyFolder::default();
    let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), TapeOptions::native(1 << 50)).unwrap();
    let bytes = block(1, 100_000);
    folder.set_available(FREE_RESERVE + 150_000);
    let mut write = || tape.append(&[IoSlice::new(&bytes)], Codec::NONE).unwrap();
    assert_eq!(write(), WriteOutcome::Written { beyond_early_warning: false });
    assert_eq!(write(), WriteOutcome::Written { beyond_early_warning: true });
    // Another program uses up the space: it is queried again before the tape reports end of medium, and after space is
    // freed.
    folder.set_available(50_000);
    tape.locate(0, 2).unwrap();
    let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), TapeOptions::native(1 << 50)).unwrap();
    tape.space_to_end().unwrap();
    assert_eq!(tape.append(&[IoSlice::new(&bytes)], Codec::NONE).unwrap(), WriteOutcome::EndOfMedium);
    folder.set_available(FREE_RESERVE);
    assert!(matches!(
        tape.append(&[IoSlice::new(&bytes)], Codec::NONE).unwrap(),
        WriteOutcome::Written { beyond_early_warning: true, .. }
    ));
    // On a full disk a tape can still be overwritten: the truncation frees space.
    folder.set_available(0);
    tape.locate(0, 0).unwrap();
    assert!(matches!(tape.append(&[IoSlice::new(&bytes)], Codec::NONE).unwrap(), WriteOutcome::Written { .. }));
}

/// LTFS requests a zone of up to 65,535 MB, and writes no user data after its beginning.
#[test]
fn programmable_early_warning_zone_is_measured_on_the_tape() {
    let folder = FaultyFolder::default();
    let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), TapeOptions::native(12_000_000_000_000)).unwrap();
    tape.set_programmable_early_warning(65_535_000_000);
    folder.set_available(FREE_RESERVE + 10_000_000);
    let bytes = block(1, 1_000_000);
    let mut warned = Vec::new();
    for _ in 0..12 {
        tape.append(&[IoSlice::new(&bytes)], Codec::NONE).unwrap();
        let warnings = tape.warnings();
        warned.push((warnings.programmable, warnings.early));
    }
    // Both warnings are reported where the file system has only its reserve left.
    assert_eq!(warned[..9], [(false, false); 9]);
    assert_eq!(warned[11], (true, true));
    assert!(warned.iter().all(|(programmable, early)| *programmable || !early));
    // On the tape, the zone has its size before early warning.
    let (mut tape, _) = ThreeFile::open(Box::new(FaultyFolder::default()), TapeOptions::native(32_000_000)).unwrap();
    tape.set_programmable_early_warning(4_000_000);
    let warned: Vec<bool> = (0..30)
        .map(|_| {
            tape.append(&[IoSlice::new(&bytes)], Codec::NONE).unwrap();
            tape.warnings().programmable
        })
        .collect();
    assert_eq!(warned.iter().filter(|warned| !**warned).count(), 26);
}

/// Salt and counter of an encrypted block at this offset of `data.0`.
fn nonce_at(folder: &MemoryFolder, offset: u64) -> Vec<u8> {
    let bytes = crate::backend::Folder::read(&mut folder.clone(), "data.0").unwrap().unwrap();
    bytes[usize::try_from(offset).unwrap()..][..40].to_vec()
}

fn key(seed: u8) -> Key {
    Key::new(&[seed; 32]).unwrap()
}

fn encryption() -> Encryption {
    Encryption {
        key: key(1),
        kads: KeyAssociatedData { authenticated: b"akad".to_vec(), ..KeyAssociatedData::default() },
        raw_read_disabled: false,
        entropy: crate::testing::entropy,
    }
}

fn open_large(folder: &MemoryFolder, width: usize) -> ThreeFile {
    let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), TapeOptions::native(1 << 30)).unwrap();
    tape.set_workers(&InlineWorkers(width));
    tape
}

fn write_encrypted(tape: &mut ThreeFile, seed: u8, codec: Codec) {
    tape.append_encrypted(&[IoSlice::new(&block(seed, 50_000))], codec, &encryption()).unwrap();
}

/// Ten encrypted blocks, of which the last five were overwritten by three others; then a filemark and a block in clear.
fn encrypted_tape(width: usize, codec: Codec) -> MemoryFolder {
    let folder = MemoryFolder::default();
    let mut tape = open_large(&folder, width);
    (0..10).for_each(|seed| write_encrypted(&mut tape, seed, codec));
    tape.append(&[IoSlice::new(b"in clear")], codec).unwrap();
    tape.locate(0, 5).unwrap();
    (20..23).for_each(|seed| write_encrypted(&mut tape, seed, codec));
    tape.append_filemark().unwrap();
    tape.append(&[IoSlice::new(b"in clear")], codec).unwrap();
    tape.close().unwrap();
    folder
}

const ENCRYPTED: [(usize, Codec); 3] = [(0, Codec::NONE), (0, Codec::zstd(1)), (4, Codec::zstd(1))];

#[test]
fn encrypted_blocks_need_their_key() {
    for (width, codec) in ENCRYPTED {
        let folder = encrypted_tape(width, codec);
        let mut tape = open_large(&folder, width);
        let mut buffer = vec![0; 50_000];
        let raw = crate::backend::Folder::read(&mut folder.clone(), "data.0").unwrap().unwrap();
        for (at, seed) in (0..5).chain(20..23).enumerate() {
            assert_eq!(
                tape.next_encryption().unwrap(),
                Some(EncryptionInfo { kads: encryption().kads, ..EncryptionInfo::default() })
            );
            for (decryption, reason) in [
                (Decryption::Disable, DecryptError::NoKey),
                (Decryption::Decrypt(&key(2)), DecryptError::WrongKey),
                (Decryption::Mixed(&key(2)), DecryptError::WrongKey),
            ] {
                let error = tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], decryption).unwrap_err();
                assert!(matches!(error, StoreError::CannotDecrypt { reason: other, .. } if other == reason), "{error}");
                assert_eq!(tape.position().object, at as u64);
            }
            let found =
                tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], Decryption::Decrypt(&key(1))).unwrap();
            assert!(matches!(found, ReadOutcome::Block { len: 50_000, .. }));
            assert_eq!(buffer, block(seed, 50_000));
            assert!(!raw.windows(100).any(|window| window == &buffer[..100]), "the block is there in clear");
        }
        let mut read = |decryption| tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], decryption);
        let key = key(1);
        assert_eq!(read(Decryption::Decrypt(&key)).unwrap(), ReadOutcome::Filemark);
        assert!(matches!(
            read(Decryption::Decrypt(&key)),
            Err(StoreError::CannotDecrypt { reason: DecryptError::NotEncrypted, .. })
        ));
        assert!(matches!(read(Decryption::Mixed(&key)), Ok(ReadOutcome::Block { len: 8, .. })));
        // Damage is distinguished from a wrong key: the checksum covers the stored bytes.
        let mut data = crate::backend::Folder::open(&mut folder.clone(), "data.0").unwrap();
        data.write_at(124, &[IoSlice::new(&[0xff, 0xff])]).unwrap();
        tape.locate(0, 0).unwrap();
        let error = tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], Decryption::Mixed(&key)).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { object: 0, .. }), "{error}");
    }
    // mhvtl would have to store the key.
    let mut tape = open(&blank(Format::Mhvtl), Format::Mhvtl).unwrap().0;
    assert!(matches!(
        tape.append_encrypted(&[IoSlice::new(b"x")], Codec::NONE, &encryption()),
        Err(StoreError::EncryptionUnsupported)
    ));
}

/// An encrypted block that is read raw and written to another tape is decrypted there with its key.
#[test]
fn raw_encrypted_blocks_can_be_copied() {
    for (width, codec) in ENCRYPTED {
        let mut tape = open_large(&encrypted_tape(width, codec), width);
        let elsewhere = MemoryFolder::default();
        let mut other = open_large(&elsewhere, width);
        other.append(&[IoSlice::new(b"something before")], codec).unwrap();
        let mut buffer = vec![0; 70_000];
        for _ in 0..3 {
            let read = tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], Decryption::Raw).unwrap();
            let ReadOutcome::Block { len, .. } = read else { panic!("{read:?}") };
            other.append_raw(&[IoSlice::new(&buffer[..len])]).unwrap();
        }
        other.close().unwrap();
        drop(other);
        let mut other = open_large(&elsewhere, width);
        other.locate(0, 1).unwrap();
        assert_eq!(
            other.next_encryption().unwrap(),
            Some(EncryptionInfo { kads: encryption().kads, raw_read_disabled: false, written_raw: true })
        );
        let first =
            tape.locate(0, 0).and_then(|_| tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], Decryption::Raw));
        let Ok(ReadOutcome::Block { len, .. }) = first else { panic!("{first:?}") };
        let mut again = vec![0; len];
        other.read_decrypting(&mut [IoSliceMut::new(&mut again)], Decryption::Raw).unwrap();
        assert_eq!(again, buffer[..len]);
        other.locate(0, 1).unwrap();
        for seed in 0..3 {
            let found =
                other.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], Decryption::Decrypt(&key(1))).unwrap();
            assert!(matches!(found, ReadOutcome::Block { len: 50_000, .. }));
            assert_eq!(buffer[..50_000], block(seed, 50_000));
        }
        // Other bytes are rejected, and blocks with RDMD set cannot be read raw.
        for bad in [&b"x"[..], &again[1..], &again[..30]] {
            assert!(matches!(other.append_raw(&[IoSlice::new(bad)]), Err(StoreError::NotRawEncryptedBlock)));
        }
        other
            .append_encrypted(
                &[IoSlice::new(b"secret")],
                codec,
                &Encryption { raw_read_disabled: true, ..encryption() },
            )
            .unwrap();
        other.locate(0, 4).unwrap();
        let error = other.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], Decryption::Raw).unwrap_err();
        assert!(
            matches!(error, StoreError::CannotDecrypt { reason: DecryptError::RawReadDisabled, object: 4, .. }),
            "{error}"
        );
    }
}

/// A folder restored from an older copy, and written again.
#[test]
fn restored_folder_never_reuses_a_nonce() {
    for (width, codec) in ENCRYPTED {
        let folder = encrypted_tape(width, codec);
        let copy = copy_of(&folder);
        let mut nonces = std::collections::BTreeSet::new();
        let mut note = |folder: &MemoryFolder, tape: &mut ThreeFile, objects: std::ops::Range<u64>| {
            for number in objects {
                tape.locate(0, number).unwrap();
                let offset = tape.next_object().unwrap().unwrap().offset;
                assert!(nonces.insert(nonce_at(folder, offset)), "object {number}");
            }
        };
        note(&folder, &mut open_large(&folder, width), 0..8);
        for folder in [&folder, &copy] {
            let mut tape = open_large(folder, width);
            tape.locate(0, 5).unwrap();
            (0..3).for_each(|_| write_encrypted(&mut tape, 20, codec));
            // Overwritten again, during the same load.
            tape.locate(0, 7).unwrap();
            write_encrypted(&mut tape, 20, codec);
            tape.close().unwrap();
            note(folder, &mut tape, 5..8);
        }
    }
}

/// A damaged object can be overwritten.
#[test]
fn damaged_index_record_can_be_overwritten() {
    for (format, size) in [(Format::Native, 32), (Format::Mhvtl, 512)] {
        let folder = blank(format);
        let mut tape = open(&folder, format).unwrap().0;
        for n in 0..10 {
            tape.append(&[IoSlice::new(&block(n, 100))], Codec::NONE).unwrap();
        }
        tape.close().unwrap();
        drop(tape);
        let mut indx = crate::backend::Folder::open(&mut folder.clone(), "indx.0").unwrap();
        for at in [5, 9] {
            indx.write_at(at * size + 8, &[IoSlice::new(&[0xff, 0xff])]).unwrap();
        }
        // The last record too: the tape opens and reports it.
        let mut tape = open(&folder, format).unwrap().0;
        let mut buffer = [0; 100];
        for at in 0..10 {
            let read = tape.read(&mut [IoSliceMut::new(&mut buffer)]);
            assert_eq!(read.is_err(), at == 5 || at == 9, "{format:?} {at}");
        }
        assert!(tape.locate(0, 6).unwrap());
        assert_eq!(
            tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap(),
            ReadOutcome::Block { len: 100, stored: 100 }
        );
        assert!(tape.locate(0, 5).unwrap());
        tape.append(&[IoSlice::new(b"new")], Codec::NONE).unwrap();
        tape.close().unwrap();
        drop(tape);
        assert_eq!(contents(&mut open(&folder, format).unwrap().0).len(), 6);
    }
}

/// The map of a tape comes from its index alone, also past damaged records.
#[test]
fn files_are_summarized_from_the_index() {
    use super::inspect::FileEnd::{EndOfData, Filemark, Limit};
    for (format, size) in [(Format::Native, 32), (Format::Mhvtl, 512)] {
        let folder = blank(format);
        let mut tape = open(&folder, format).unwrap().0;
        for len in [10, 300, 20, 40] {
            tape.append(&[IoSlice::new(&block(1, len))], Codec::NONE).unwrap();
        }
        tape.append_filemark().unwrap();
        tape.append_filemark().unwrap();
        tape.append(&[IoSlice::new(&block(2, 7))], Codec::NONE).unwrap();
        tape.close().unwrap();
        let mut summary = |object, max| {
            tape.summarize_file(0, object, max).unwrap().map(|found| {
                let sizes = (found.blocks, found.bytes, found.stored, found.smallest, found.largest);
                (found.number, sizes, found.damaged, found.end, found.next_object())
            })
        };
        assert_eq!(summary(0, 100), Some((0, (4, 370, 370, 10, 300), 0, Filemark, 5)));
        assert_eq!(summary(0, 3), Some((0, (3, 330, 330, 10, 300), 0, Limit, 3)));
        assert_eq!(summary(3, 100), Some((0, (1, 40, 40, 40, 40), 0, Filemark, 5)));
        assert_eq!(summary(5, 100), Some((1, (0, 0, 0, 0, 0), 0, Filemark, 6)));
        assert_eq!(summary(6, 100), Some((2, (1, 7, 7, 7, 7), 0, EndOfData, 7)));
        assert_eq!(summary(6, 1), Some((2, (1, 7, 7, 7, 7), 0, EndOfData, 7)));
        assert_eq!((summary(7, 100), summary(u64::MAX, 100)), (None, None));
        assert!(matches!(tape.summarize_file(1, 0, 100), Err(StoreError::NoPartition(1))));
        drop(tape);
        let mut indx = crate::backend::Folder::open(&mut folder.clone(), "indx.0").unwrap();
        indx.write_at(size + 8, &[IoSlice::new(&[0xff, 0xff])]).unwrap();
        let mut tape = open(&folder, format).unwrap().0;
        let found = tape.summarize_file(0, 0, 100).unwrap().unwrap();
        assert_eq!((found.blocks, found.bytes, found.smallest, found.largest), (3, 70, 10, 40), "{format:?}");
        assert_eq!((found.damaged, found.end, found.next_object()), (1, Filemark, 5), "{format:?}");
    }
}

/// A truncation that fails half way blocks further writes and leaves no table that mhvtl would misread.
#[test]
fn failed_truncate_blocks_writes() {
    for format in FORMATS {
        for at in 0..12 {
            let folder = blank(format);
            let mut tape = open(&folder, format).unwrap().0;
            for n in 0..4 {
                tape.append(&[IoSlice::new(&block(n, 100))], Codec::NONE).unwrap();
                tape.append_filemark().unwrap();
            }
            tape.close().unwrap();
            tape.locate(0, 2).unwrap();
            folder.fail_at(Some(folder.calls() + at), ErrorKind::Other);
            let appended = tape.append(&[IoSlice::new(b"new")], Codec::NONE);
            folder.fail_at(None, ErrorKind::Other);
            if appended.is_err() && tape.locate(0, 8).unwrap() {
                assert!(tape.locate_file(0, 3).unwrap());
                assert_eq!(tape.position().object, 6, "{format:?} {at}");
            }
            let _ = tape.close();
            drop(tape);
            if format == Format::Mhvtl {
                check_filemark_table(&folder);
            }
            let found = contents(&mut open(&folder, format).unwrap().0);
            assert!([2, 3, 8].contains(&found.len()), "{format:?} {at}: {}", found.len());
        }
    }
}

/// Whether a long block is compressed depends on its bytes alone: workers store the same as the writer.
#[test]
fn stored_bytes_are_independent_of_worker_count() {
    let mixed = [noise(1, 20_000), vec![0; 44_000]].concat();
    for codec in [Codec::zlib(1), Codec::zstd(1)] {
        let used = |width| {
            let mut tape = open_with(&FaultyFolder::default(), Format::Native, width);
            for block in [&noise(2, 64_000), &mixed, &mixed, &noise(3, 70_000), &mixed] {
                tape.append(&[IoSlice::new(block)], codec).unwrap();
            }
            tape.drain().unwrap();
            tape.usage(0).unwrap().used
        };
        assert_eq!(used(0), used(4), "{codec:?}");
    }
}

/// Partitions are created and removed; each keeps its objects and its size through a reload.
#[test]
fn partitions_survive_reload() {
    for format in FORMATS {
        let folder = blank(format);
        let mut tape = open(&folder, format).unwrap().0;
        tape.append(&[IoSlice::new(b"old")], Codec::NONE).unwrap();
        tape.format(&[300_000, 700_000]).unwrap();
        assert_eq!((tape.partitions(), tape.position().object), (2, 0));
        assert_eq!(contents(&mut tape), []);
        for partition in 0..2 {
            assert!(tape.locate(partition, 0).unwrap());
            for n in 0..=partition {
                tape.append(&[IoSlice::new(&block(n, 100))], Codec::NONE).unwrap();
                tape.append_filemark().unwrap();
            }
        }
        assert_eq!(tape.usage(0).unwrap().capacity, 300_000);
        assert_eq!((tape.usage(1).unwrap().capacity, tape.usage(1).unwrap().used), (700_000, 200));
        tape.close().unwrap();
        drop(tape);
        let options = TapeOptions { format, partition_sizes: vec![300_000, 700_000], ..TapeOptions::native(CAPACITY) };
        let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), options).unwrap();
        assert_eq!(tape.partitions(), 2);
        assert!(tape.locate_file(1, 2).unwrap());
        assert_eq!(tape.position(), Position { partition: 1, object: 4, file: 2 });
        if format == Format::Mhvtl {
            check_filemark_table(&folder);
            assert_eq!(folder.bytes("indx.1")[144], 1);
        }
        // A full partition is full, regardless of free space in the other.
        tape.locate(0, 2).unwrap();
        let full = (0..).find(|_| {
            tape.append(&[IoSlice::new(&block(1, 50_000))], Codec::NONE).unwrap() == WriteOutcome::EndOfMedium
        });
        assert_eq!(full, Some(5));
        tape.format(&[CAPACITY]).unwrap();
        tape.close().unwrap();
        drop(tape);
        let mut tape = open(&folder, format).unwrap().0;
        assert_eq!((tape.partitions(), contents(&mut tape)), (1, vec![]));
        assert!(matches!(tape.format(&[1; 5]), Err(StoreError::NoPartition(5))));
    }
}

/// A failed motion leaves the position unchanged, in its partition.
#[test]
fn failed_motion_keeps_the_position() {
    let folder = blank(Format::Native);
    let mut tape = open(&folder, Format::Native).unwrap().0;
    tape.format(&[CAPACITY / 2; 2]).unwrap();
    for partition in 0..2 {
        tape.locate(partition, 0).unwrap();
        for n in 0..6 {
            tape.append(&[IoSlice::new(&block(n, 100))], Codec::NONE).unwrap();
        }
    }
    tape.close().unwrap();
    drop(tape);
    let mut indx = crate::backend::Folder::open(&mut folder.clone(), "indx.1").unwrap();
    indx.write_at(2 * 32, &[IoSlice::new(&[0xff; 64])]).unwrap();
    let mut tape = open(&folder, Format::Native).unwrap().0;
    tape.locate(0, 4).unwrap();
    assert!(tape.locate(1, 3).is_err());
    assert_eq!(tape.position().partition_and_object(), (0, 4));
    tape.append(&[IoSlice::new(b"here")], Codec::NONE).unwrap();
    tape.locate(1, 6).unwrap();
    assert!(tape.at_end_of_data());
}

#[test]
fn interrupted_format_leaves_a_blank_tape() {
    for format in FORMATS {
        for (from, to) in [(vec![1000], vec![1000; 3]), (vec![1000; 4], vec![1000, 2000])] {
            for at in 0..40 {
                let folder = blank(format);
                let mut tape = open(&folder, format).unwrap().0;
                tape.format(&from).unwrap();
                tape.append_filemark().unwrap();
                tape.close().unwrap();
                folder.fail_at(Some(folder.calls() + at), ErrorKind::Other);
                let formatted = tape.format(&to);
                folder.fail_at(None, ErrorKind::Other);
                drop(tape);
                let mut tape = open(&folder, format).unwrap().0;
                assert!(formatted.is_err() || usize::from(tape.partitions()) == to.len());
                assert!(contents(&mut tape).len() <= 1, "{format:?} {at}");
                tape.format(&to).unwrap();
                assert_eq!(usize::from(tape.partitions()), to.len());
            }
        }
    }
}

/// A checkpoint follows every 256 MiB without a synchronisation, so that opening has no more to verify.
#[test]
fn checkpoint_after_256_mib() {
    let folder = FaultyFolder::default();
    let options = TapeOptions { discard_data: true, ..TapeOptions::native(1 << 40) };
    let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), options).unwrap();
    let megabyte = vec![7; 1 << 20];
    let marked = || {
        let file = folder.bytes("mark.0");
        watermark::Watermark::newest(0, &file).unwrap().0.objects
    };
    for written in 1..=600 {
        tape.append(&[IoSlice::new(&megabyte)], Codec::NONE).unwrap();
        assert!(written - marked() <= 257, "{written} objects, {} of them marked", marked());
    }
    assert!(marked() >= 512);
}

/// mhvtl's format has no larger object number.
#[test]
fn object_numbers_end_at_the_format_limit() {
    let mut tape = open(&blank(Format::Mhvtl), Format::Mhvtl).unwrap().0;
    tape.limits.object = 2;
    for _ in 0..3 {
        tape.append(&[IoSlice::new(b"x")], Codec::NONE).unwrap();
    }
    assert!(matches!(tape.append_filemark(), Err(StoreError::TooManyObjects { object: 3, .. })));
    let error = tape.append(&[IoSlice::new(b"x")], Codec::NONE).unwrap_err();
    assert_eq!(error.to_string(), "partition 0: object number 3 exceeds the limit of the format");
    assert!(matches!(
        tape.append(&[IoSlice::new(&vec![0; (2 << 20) + 1])], Codec::NONE),
        Err(StoreError::BlockTooLong { max: 0x20_0000, .. })
    ));
}

/// Otherwise leftovers of overwritten objects could follow new ones after a power loss.
#[test]
fn truncation_of_the_data_is_durable_before_new_data_is_written() {
    for format in FORMATS {
        let folder = blank(format);
        let mut tape = open(&folder, format).unwrap().0;
        for number in 0..10 {
            tape.append(&[IoSlice::new(&block(number, 100_000))], Codec::NONE).unwrap();
        }
        tape.close().unwrap();
        tape.locate(0, 3).unwrap();
        tape.append(&[IoSlice::new(&block(99, 70_000))], Codec::NONE).unwrap();
        let end = folder.bytes("data.0").len();
        assert!((370_000..371_000).contains(&end), "{format:?}: {end}");
        // Changes of length are lost unless they were synchronised; written bytes are on the disk.
        let after = folder.crash(|len| if len == 1 { 0 } else { len });
        assert_eq!(after.bytes("data.0").len(), end, "{format:?}");
    }
}
