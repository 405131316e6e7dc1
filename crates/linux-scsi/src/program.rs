//! Which programs the library of `ferric run` can be loaded into, by the first bytes of their files.

/// Bytes at the beginning of a file that are enough to decide.
pub const FIRST_BYTES: usize = 4096;

/// The way in which the kernel starts a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program<'a> {
    /// The loader of the GNU C library loads it, with the libraries of LD_PRELOAD.
    Dynamic,
    /// The program needs no loader: it is linked statically.
    Static,
    /// Another loader, by its path: that of another C library.
    OtherLoader(&'a [u8]),
    /// A program for another kind of machine, such as one of 32 bits.
    OtherMachine,
    /// A script, and the path of its interpreter.
    Script(&'a [u8]),
    /// Neither a script nor a program: the caller of `exec` decides.
    Unknown,
}

/// `e_machine` of this machine: 62 for x86-64, 183 for AArch64.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
/// First bytes of a program of 64 bits, little-endian.
const MAGIC: &[u8] = b"\x7fELF\x02\x01";
/// `p_type` of the path of the loader.
const INTERPRETER: u32 = 3;
/// Length in bytes of a program header.
const PROGRAM_HEADER: usize = 56;

impl<'a> Program<'a> {
    /// Decides by the first bytes of a file, up to [`FIRST_BYTES`].
    #[must_use]
    pub fn of(first: &'a [u8]) -> Self {
        if let Some(line) = first.strip_prefix(b"#!") {
            let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_start();
            return Self::Script(line.split(u8::is_ascii_whitespace).next().unwrap_or_default());
        }
        if !first.starts_with(b"\x7fELF") {
            return Self::Unknown;
        }
        let machine = bytes(first, 18).map(u16::from_le_bytes);
        if !first.starts_with(MAGIC) || machine != Some(MACHINE) {
            return Self::OtherMachine;
        }
        match loader(first) {
            None => Self::Static,
            Some(path) if is_gnu(path) => Self::Dynamic,
            Some(path) => Self::OtherLoader(path),
        }
    }
}

fn is_gnu(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.starts_with(b"ld-linux") || name.starts_with(b"ld-2.") || name == b"ld.so"
}

/// The path of the loader in the program header PT_INTERP.
fn loader(file: &[u8]) -> Option<&[u8]> {
    let table = usize::try_from(u64::from_le_bytes(bytes(file, 32)?)).ok()?;
    let count = u16::from_le_bytes(bytes(file, 56)?);
    (0..usize::from(count)).find_map(|index| {
        let header = file.get(table.checked_add(index * PROGRAM_HEADER)?..)?;
        if u32::from_le_bytes(bytes(header, 0)?) != INTERPRETER {
            return None;
        }
        let offset = usize::try_from(u64::from_le_bytes(bytes(header, 8)?)).ok()?;
        // A path beyond the first bytes is that of a loader, too.
        let path = file.get(offset..).unwrap_or_default();
        path.split(|byte| *byte == 0).next()
    })
}

fn bytes<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with two program headers, of which the second has this type and, at 0xb0, this path.
    fn program(kind: u8, path: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(64 + 2 * 56, 0);
        for (at, byte) in [
            (18, if cfg!(target_arch = "x86_64") { 62 } else { 183 }),
            (32, 64),
            (56, 2),
            (64, 1),
            (120, kind),
            (128, 0xb0),
        ] {
            file[at] = byte;
        }
        file.extend(path);
        file.push(0);
        file
    }

    #[test]
    fn programs_by_their_loader() {
        for (file, expected) in [
            (program(3, b"/lib64/ld-linux-x86-64.so.2"), Program::Dynamic),
            (program(3, b"/lib/ld-linux-aarch64.so.1"), Program::Dynamic),
            (program(3, b"/lib/ld-musl-x86_64.so.1"), Program::OtherLoader(b"/lib/ld-musl-x86_64.so.1")),
            (program(2, b""), Program::Static),
            (b"\x7fELF\x01\x01\x01".to_vec(), Program::OtherMachine),
            (b"#!/bin/sh\nexit".to_vec(), Program::Script(b"/bin/sh")),
            (b"#! /usr/bin/env python3\n".to_vec(), Program::Script(b"/usr/bin/env")),
            (b"MZ".to_vec(), Program::Unknown),
            (Vec::new(), Program::Unknown),
        ] {
            assert_eq!(Program::of(&file), expected, "{file:?}");
        }
        let mut other = program(3, b"/lib64/ld-linux-x86-64.so.2");
        other[18] = 3;
        assert_eq!(Program::of(&other), Program::OtherMachine);
    }

    #[test]
    fn truncated_programs_do_not_panic() {
        let file = program(3, b"/lib64/ld-linux-x86-64.so.2");
        (0..file.len()).for_each(|len| drop(format!("{:?}", Program::of(&file[..len]))));
        let huge = [&b"\x7fELF\x02\x01\x01"[..], &[0xff; 200]].concat();
        assert_eq!(Program::of(&huge), Program::OtherMachine);
    }
}
