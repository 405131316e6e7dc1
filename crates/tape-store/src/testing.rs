//! Bodies of fuzz targets. Their corpus is replayed by `cargo test`.

use crate::backend::Folder;
use crate::backend::memory::MemoryFolder;
use crate::mam::Mam;
use crate::medium::{Codec, Found, Medium, Unit};
use crate::model::Model;
use crate::three_file::{Shape, ThreeFile};
use std::io::{IoSlice, IoSliceMut};

/// Fuzz body: any bytes as the files of a cartridge. Two-byte lengths divide them into `data.0`, `indx.0` and `mark.0`.
///
/// # Panics
/// If a tape that opened cannot be walked to its end in as many steps as it has bytes.
pub fn store_open(data: &[u8]) {
    let _ = Mam::decode("fuzz", data);
    let mut rest = data;
    let mut folder = MemoryFolder::default();
    for name in ["mark.0", "indx.0", "data.0"] {
        let Some((len, after)) = rest.split_first_chunk::<2>() else { return };
        let (bytes, after) = after.split_at(usize::from(u16::from_be_bytes(*len)).min(after.len()));
        rest = after;
        let _ = folder.replace(name, bytes);
    }
    let Ok((mut tape, _)) = ThreeFile::open(Box::new(folder), Shape::ferric(1 << 30)) else { return };
    let mut buffer = vec![0; 4096];
    for _ in 0..=data.len() {
        if let Ok(Found::EndOfData) = tape.read(&mut [IoSliceMut::new(&mut buffer)]) {
            walk(&mut tape);
            return;
        }
    }
    panic_if_endless(&tape);
}

fn walk(tape: &mut ThreeFile) {
    for unit in [Unit::Blocks, Unit::Filemarks, Unit::SequentialFilemarks] {
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

/// Fuzz body: operations from the bytes on a tape in files and on the model; they must agree.
///
/// # Panics
/// If they do not.
pub fn store_ops(data: &[u8]) {
    let folder = MemoryFolder::default();
    let Ok((mut tape, _)) = ThreeFile::open(Box::new(folder.clone()), Shape::ferric(1 << 30)) else { return };
    let mut model = Model::new(1 << 30, 0);
    for (number, [op, argument]) in data.as_chunks().0.iter().enumerate().take(2000) {
        if op % 11 == 10 {
            let (object, _) = (tape.position().object, tape.close());
            let Ok((again, _)) = ThreeFile::open(Box::new(folder.clone()), Shape::ferric(1 << 30)) else { return };
            tape = again;
            let _ = tape.locate(0, object);
            continue;
        }
        let (ours, theirs) = (apply(&mut tape, *op, *argument), apply(&mut model, *op, *argument));
        assert_eq!(ours, theirs, "operation {number}: {op} {argument}");
        let (here, there) = (tape.position(), model.position());
        assert_eq!((here.object, here.file), (there.object, there.file), "operation {number}: {op} {argument}");
    }
}

fn apply(tape: &mut dyn Medium, op: u8, argument: u8) -> String {
    let mut buffer = [0; 64];
    let block = [argument; 40];
    let codecs = [Codec::NONE, Codec::zlib(1), Codec::zstd(1), Codec::NONE];
    let codec = codecs.get(usize::from(argument & 3)).copied().unwrap_or(Codec::NONE);
    let count = i64::from(argument) - 128;
    match op % 11 {
        0 | 1 => format!(
            "{:?}",
            tape.append(&[IoSlice::new(block.get(..=usize::from(argument % 40)).unwrap_or(&block))], codec).is_ok()
        ),
        2 => format!("{:?}", tape.append_filemark().is_ok()),
        3 => {
            let found = tape.read(&mut [IoSliceMut::new(&mut buffer)]).ok();
            let found = found.map(|found| {
                if let Found::Block { len, .. } = found { format!("{len} {buffer:?}") } else { format!("{found:?}") }
            });
            format!("{found:?}")
        }
        4 => format!("{:?}", tape.space(Unit::Blocks, count / 8).ok()),
        5 => format!("{:?}", tape.space(Unit::Filemarks, count / 16).ok()),
        6 => format!("{:?}", tape.space(Unit::SequentialFilemarks, count / 32).ok()),
        7 => format!("{:?}", tape.locate(0, argument.into()).ok()),
        8 => format!("{:?}", tape.locate_file(0, u64::from(argument) / 8).ok()),
        _ if argument < 16 => format!("{:?}", tape.truncate().is_ok()),
        _ => format!("{:?}", tape.sync().is_ok()),
    }
}
