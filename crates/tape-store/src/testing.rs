//! Bodies of the fuzz targets, and random values for tests. `cargo test` replays the corpus of the targets.

mod frozen;

use crate::backend::memory::{MemoryFolder, MemoryFolderStore};
use crate::backend::{Folder, FolderStore};
use crate::cartridge::{Barcode, CartridgeKind, Format};
use crate::compress::CodecContexts;
use crate::error::StoreError;
use crate::image::{self, AwsReader, SimhReader};
use crate::key_wrapping::KeyWrappingPair;
use crate::mam::Mam;
use crate::media::LTO_8;
use crate::medium::{Codec, CodecId, Medium, ReadOutcome, SpaceUnit};
use crate::memory_tape::MemoryTape;
use crate::store::{NewCartridge, TapeStore};
use crate::three_file::{TapeOptions, ThreeFile};
use crate::workers::InlineWorkers;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::atomic::{AtomicU64, Ordering};

pub use frozen::{FrozenState, FrozenStore};

/// A source of bytes that are different in each call and the same in each process.
///
/// # Errors
/// None.
pub fn entropy(bytes: &mut [u8]) -> io::Result<()> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed).to_le_bytes();
    bytes.iter_mut().zip(call.into_iter().cycle()).for_each(|(byte, value)| *byte = value);
    Ok(())
}

/// An RSA-2048 key pair. `None` if the system provides no random bytes.
#[must_use]
pub fn key_wrapping_pair() -> Option<KeyWrappingPair> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let document: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    KeyWrappingPair::from_pkcs8(document.as_ref())
}

/// Fuzz target: arbitrary bytes as the files of a cartridge. The first byte selects the file names; two-byte lengths
/// divide the remaining bytes into files.
///
/// # Panics
/// If an opened tape has more objects than the input has bytes.
pub fn store_open(data: &[u8]) {
    let Some((kind, mut rest)) = data.split_first() else { return };
    let names: &[&str] = match kind % 4 {
        0 => &["mark.0", "indx.0", "data.0"],
        1 => &["mam", "mhvtl_data", "meta.0", "mark.0", "indx.0", "data.0"],
        2 => &["mam", "mhvtl_data", "meta", "indx", "data"],
        _ => &["meta", "indx", "data"],
    };
    let folders = MemoryFolderStore::default();
    let store = TapeStore::new(Box::new(folders.clone()));
    let Some(barcode) = Barcode::new("FUZZ") else { return };
    let Ok(mut folder) = folders.create(barcode.as_str()) else { return };
    for name in names {
        let Some((len, after)) = rest.split_first_chunk::<2>() else { return };
        let (bytes, after) = after.split_at(usize::from(u16::from_be_bytes(*len)).min(after.len()));
        rest = after;
        let _ = folder.replace(name, bytes);
    }
    if kind % 4 == 0 {
        let _ = folder.replace("ferric.mam", &Mam::new(&NewCartridge::data(&LTO_8)).encode());
    }
    let mut cartridge = store.cartridge(&barcode, &LTO_8, CartridgeKind::Data, 1 << 30);
    let Ok(mam) = cartridge.mam() else { return };
    if let Ok((mut tape, _)) = cartridge.open_read_only() {
        read_all(&mut tape, data.len());
    }
    if let Ok((mut tape, _)) = cartridge.open_three_file() {
        read_all(&mut tape, data.len());
        read_and_space(&mut tape);
    }
    let _ = cartridge.save_mam(&mam);
    if let Ok(mut tape) = cartridge.salvage(false) {
        let end = tape.first_damaged(0).unwrap_or(0);
        let _ = tape.cut_before(0, end);
    }
}

fn read_all(tape: &mut ThreeFile, most: usize) {
    let mut buffer = vec![0; 4096];
    for _ in 0..=most {
        let _ = (tape.next_object(), tape.next_encryption());
        match tape.read(&mut [IoSliceMut::new(&mut buffer)]) {
            Ok(ReadOutcome::EndOfData) => return,
            // An encrypted block is not passed by a failed read; it can be skipped.
            Err(StoreError::CannotDecrypt { .. }) => drop(tape.verify_next()),
            _ => {}
        }
    }
    panic_if_endless(tape);
}

/// Fuzz target: arbitrary bytes as input of a codec, an attribute file or a tape image.
pub fn store_codecs(data: &[u8]) {
    let Some(([kind, len], rest)) = data.split_first_chunk::<2>() else { return };
    let mut into = vec![0; usize::from(*len) * 16];
    match kind % 6 {
        0 => drop(CodecContexts::default().decompress(rest, CodecId::LZO, &mut into)),
        1 => drop(CodecContexts::default().decompress(rest, CodecId::ZLIB, &mut into)),
        2 => drop(CodecContexts::default().decompress(rest, CodecId::ZSTD, &mut into)),
        3 => drop(Mam::decode("fuzz", rest)),
        4 => drop(image::import(&mut SimhReader::new(rest), &mut MemoryTape::new(1 << 30, 0), Codec::NONE)),
        _ => drop(image::import(&mut AwsReader::new(rest), &mut MemoryTape::new(1 << 30, 0), Codec::NONE)),
    }
}

fn read_and_space(tape: &mut ThreeFile) {
    for unit in [SpaceUnit::Blocks, SpaceUnit::Filemarks, SpaceUnit::SequentialFilemarks] {
        for count in [1, -1, 3, -3, i64::MAX, i64::MIN] {
            let _ = tape.space(unit, count);
        }
    }
    let _ = tape.locate_file(0, 1);
    let _ = tape.locate(0, 1);
    let _ = tape.append(&[IoSlice::new(b"x")], Codec::NONE);
    let _ = tape.append_filemark();
    let _ = tape.close();
}

#[expect(clippy::panic, reason = "a fuzz finding")]
fn panic_if_endless(tape: &ThreeFile) {
    panic!("no end of data at object {}", tape.position().object);
}

/// Fuzz target: the bytes select operations, which run on a tape in files and on the model.
///
/// # Panics
/// If the results differ.
pub fn store_ops(data: &[u8]) {
    let Some(([shape, _], data)) = data.split_first_chunk::<2>() else { return };
    let mut folder = MemoryFolder::default();
    let level = if shape & 1 == 0 { Format::Native } else { Format::Mhvtl };
    if level == Format::Mhvtl {
        for (name, bytes) in [("data.0", &[][..]), ("indx.0", &[]), ("meta.0", &[0; 512])] {
            let _ = folder.replace(name, bytes);
        }
    }
    let open = |folder: &MemoryFolder| {
        let shape_of = TapeOptions { format: level, ..TapeOptions::native(1 << 30) };
        let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), shape_of).ok()?;
        tape.set_workers(&InlineWorkers(usize::from(shape >> 1 & 3)));
        Some(tape)
    };
    let Some(mut tape) = open(&folder) else { return };
    let mut model = MemoryTape::new(1 << 30, 0);
    for (number, [op, argument]) in data.as_chunks().0.iter().enumerate().take(2000) {
        if op % 11 == 10 {
            let (object, _) = (tape.position().object, tape.close());
            let Some(again) = open(&folder) else { return };
            tape = again;
            let _ = tape.locate(0, object);
            continue;
        }
        let (tape_result, model_result) = (apply(&mut tape, *op, *argument), apply(&mut model, *op, *argument));
        assert_eq!(tape_result, model_result, "operation {number}: {op} {argument}");
        let (here, there) = (tape.position(), model.position());
        assert_eq!((here.object, here.file), (there.object, there.file), "operation {number}: {op} {argument}");
    }
}

fn apply(tape: &mut dyn Medium, op: u8, argument: u8) -> String {
    let mut buffer = [0; 64];
    // Some blocks are long enough for workers.
    let long = if argument % 16 == 3 { 33_000 } else { 0 };
    let block = vec![argument; 40 + long];
    let codecs = [Codec::NONE, Codec::zlib(1), Codec::zstd(1), Codec::NONE];
    let codec = codecs.get(usize::from(argument & 3)).copied().unwrap_or(Codec::NONE);
    let count = i64::from(argument) - 128;
    match op % 11 {
        0 | 1 => format!(
            "{:?}",
            tape.append(&[IoSlice::new(block.get(..=usize::from(argument % 40) + long).unwrap_or(&block))], codec)
                .is_ok()
        ),
        2 => format!("{:?}", tape.append_filemark().is_ok()),
        3 => {
            let found = tape.read(&mut [IoSliceMut::new(&mut buffer)]).ok();
            let found = found.map(|found| {
                if let ReadOutcome::Block { len, .. } = found {
                    format!("{len} {buffer:?}")
                } else {
                    format!("{found:?}")
                }
            });
            format!("{found:?}")
        }
        4 => format!("{:?}", tape.space(SpaceUnit::Blocks, count / 8).ok()),
        5 => format!("{:?}", tape.space(SpaceUnit::Filemarks, count / 16).ok()),
        6 => format!("{:?}", tape.space(SpaceUnit::SequentialFilemarks, count / 32).ok()),
        7 => format!("{:?}", tape.locate(0, argument.into()).ok()),
        8 => format!("{:?}", tape.locate_file(0, u64::from(argument) / 8).ok()),
        _ if argument < 16 => format!("{:?}", tape.truncate().is_ok()),
        _ => format!("{:?}", tape.sync().is_ok()),
    }
}
