//! Programs that a program starts: they get the environment of `ferric run` too, and a message names those into
//! which this library cannot be loaded.

use crate::channel::warn;
use crate::path::PathBuffer;
use linux_scsi::program::{FIRST_BYTES, Program};
use rustix::fs::{Mode, OFlags};
use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most warnings of one process.
const MAX_WARNINGS: u32 = 5;

/// Warns about a program that will not see the devices.
pub(crate) fn check(path: &CStr) {
    static WARNINGS: AtomicU32 = AtomicU32::new(0);
    if let Some(reason) = reason(path)
        && WARNINGS.fetch_add(1, Ordering::Relaxed) < MAX_WARNINGS
        && let Some(text) = PathBuffer::concat([path.to_bytes(), reason])
    {
        warn(text.bytes());
    }
}

/// Reason why a program cannot be served; `None` if it can, or if it does not exist.
fn reason(path: &CStr) -> Option<&'static [u8]> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut first = [0; FIRST_BYTES];
    let read = rustix::io::read(&file, &mut first);
    crate::sys::kernel::release(file);
    match Program::of(first.get(..read.ok()?)?) {
        Program::Static => Some(b" is linked statically: it does not see the devices of ferric run"),
        Program::OtherLoader(_) => Some(b" uses another C library: it does not see the devices of ferric run"),
        Program::OtherMachine => Some(b" is for another kind of machine: it does not see the devices of ferric run"),
        Program::Dynamic | Program::Script(_) | Program::Unknown => None,
    }
}
