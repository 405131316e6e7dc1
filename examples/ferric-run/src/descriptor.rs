//! Which file descriptors of the program are devices of `ferric run`. A descriptor may come from a call of this program,
//! or from the program that started it.

use crate::channel::{self, Channel};
use crate::sys::kernel::{self, FileKind};
use crate::sys::run::{is_vfork_child, run};
use crate::sys::streams;
use linux_scsi::Errno;
use linux_scsi::call::Request;
use std::sync::atomic::{AtomicU8, Ordering};

/// Descriptors above this number are looked at in each call.
const REMEMBERED: usize = 1 << 16;
const UNKNOWN: u8 = 0;
const OTHER: u8 = 1;
const DEVICE: u8 = 2;

#[expect(clippy::declare_interior_mutable_const, reason = "the initial value of each entry of the table")]
const NEW: AtomicU8 = AtomicU8::new(UNKNOWN);
/// The facts about each descriptor. DEVICE is checked in each use, because a descriptor can be closed in many ways;
/// OTHER changes only where this library sees it: when a device is opened or duplicated.
static KNOWN: [AtomicU8; REMEMBERED] = [NEW; REMEMBERED];

fn entry(fd: i32) -> Option<&'static AtomicU8> {
    KNOWN.get(usize::try_from(fd).ok()?)
}

fn known(fd: i32) -> u8 {
    entry(fd).map_or(UNKNOWN, |entry| entry.load(Ordering::Relaxed))
}

fn remember(fd: i32, state: u8) {
    if known(fd) != state
        && let Some(entry) = entry(fd)
        && !is_vfork_child()
    {
        entry.store(state, Ordering::Relaxed);
    }
}

/// A descriptor that was opened as a device.
pub(crate) fn opened(fd: i32) {
    remember(fd, DEVICE);
    streams::now_device(fd);
}

/// A descriptor that was made from another.
pub(crate) fn duplicated(from: i32, to: i32) {
    // It may be inherited, and not used yet.
    let is_device = description(from).is_some();
    remember(to, known(from));
    if is_device {
        streams::now_device(to);
    }
}

/// The open file description of a device, as the inode number of its socket; `None` for any other descriptor.
pub(crate) fn description(fd: i32) -> Option<u64> {
    let state = known(fd);
    if state == OTHER {
        return None;
    }
    run()?;
    let found = kernel::inode(fd)?;
    let device = device(fd, state, found);
    remember(fd, if device.is_some() { DEVICE } else { OTHER });
    device
}

/// The inode number of an open file, if it is a device.
fn device(fd: i32, state: u8, (inode, kind): (u64, FileKind)) -> Option<u64> {
    let is_device = kind == FileKind::Socket
        && ((state == DEVICE && channel::exists(inode)) || kernel::is_connected_to(fd, run()?.socket()));
    is_device.then_some(inode)
}

/// A channel for the calls on a descriptor; `None` if it is not a device.
pub(crate) fn channel(fd: i32) -> Option<Result<Channel, Errno>> {
    description(fd).map(|description| Channel::of(fd, description))
}

/// Closes a descriptor with `close`, the function of the C library, and returns the error that the driver reports if it
/// was the last one of an open device.
pub(crate) fn close(fd: i32, close: impl FnOnce() -> i32) -> Result<i32, Errno> {
    if channel::is_own(fd) {
        return Err(Errno::EBADF);
    }
    let state = known(fd);
    let found = if state == OTHER || run().is_none() { None } else { kernel::inode(fd) };
    // Between vfork and exec, the parent has the device open too.
    let device = found.and_then(|found| device(fd, state, found)).filter(|_| !is_vfork_child());
    let device = device.map(|description| Channel::of(fd, description));
    remember(fd, UNKNOWN);
    let result = close();
    match device {
        None => Ok(result),
        Some(Err(error)) => Err(error),
        Some(Ok(mut channel)) => {
            let is_last = channel.call(Request::Closed, &[], &[]);
            if is_last != Ok(0) {
                channel.forget();
            }
            is_last.map(|_| 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_about_descriptors() {
        // Numbers that no file of the tests has.
        for (fd, has_entry) in [(-1, false), (i32::MIN, false), (65_535, true), (65_536, false), (i32::MAX, false)] {
            assert_eq!(known(fd), UNKNOWN);
            remember(fd, DEVICE);
            assert_eq!(known(fd) == DEVICE, has_entry, "{fd}");
        }
        // A descriptor that is not open is no device, whatever was known.
        remember(65_534, DEVICE);
        assert_eq!(description(65_534), None);
        assert_eq!(close(65_535, || 7), Ok(7));
        assert_eq!(known(65_535), UNKNOWN);
    }
}
