//! The ioctls. All unsafe code of this crate, and why it is sound.
#![allow(unsafe_code, reason = "ioctl takes addresses")]

use crate::abi::{CommandHeader, DataTransfer, GET_DATA, HostAddress, POLL, PUT_DATA, REMOVE_LU, SENSE_LEN};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// The value of an ioctl that did not fail.
fn checked(result: libc::c_int) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Whether there is a command, which is in `header` then.
pub(crate) fn poll(file: &File, header: &mut CommandHeader) -> io::Result<i32> {
    // SAFETY: the module writes at most the 32 bytes of a `Header`, which takes any bytes; the borrow outlives the call.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), POLL.into(), std::ptr::from_mut(header)) })
}

/// Fetches data of a command from its beginning.
pub(crate) fn get_data(file: &File, serial: u64, into: &mut [u8]) -> io::Result<i32> {
    let buffer = into.as_mut_ptr() as u64;
    let data = DataTransfer { buffer, count: length(into), serial, ..DataTransfer::default() };
    // SAFETY: the module reads the 40 bytes of `data`, and writes at most `count` bytes at `buffer`, which is borrowed
    // mutably for the call and has that many.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), GET_DATA.into(), std::ptr::from_ref(&data)) })
}

/// Completes a command.
pub(crate) fn put_data(file: &File, serial: u64, status: u8, from: &[u8], sense: &[u8; SENSE_LEN]) -> io::Result<i32> {
    let (buffer, sense) = (from.as_ptr() as u64, sense.as_ptr() as u64);
    let data = DataTransfer { buffer, count: length(from), serial, sense, status, ..DataTransfer::default() };
    // SAFETY: the module reads the 40 bytes of `data`, at most `count` bytes at `buffer` and `SENSE_LEN` bytes at `sense`; both
    // are borrowed for the call and have that many.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), PUT_DATA.into(), std::ptr::from_ref(&data)) })
}

/// Removes the unit at an address, if there is one.
pub(crate) fn remove_lu(file: &File, address: HostAddress) -> io::Result<i32> {
    // SAFETY: the module reads the 12 bytes of `address`.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), REMOVE_LU.into(), std::ptr::from_ref(&address)) })
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Makes a character device, as mhvtl's daemons do: for its owner and group.
pub(crate) fn make_node(path: &std::ffi::CStr, device: libc::dev_t) -> io::Result<()> {
    // SAFETY: `path` is a C string that outlives the call.
    checked(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o660, device) }).map(drop)
}

/// Opens the queue of a key; if it is not there it is made, for its owner and group, or not.
pub(crate) fn queue(key: i32, make: bool) -> io::Result<i32> {
    let flags = if make { libc::IPC_CREAT | 0o660 } else { 0 };
    // SAFETY: no memory is passed.
    checked(unsafe { libc::msgget(key, flags) })
}

/// Removes a queue with what is in it.
pub(crate) fn remove_queue(queue: i32) -> io::Result<i32> {
    // SAFETY: with IPC_RMID the buffer is not looked at.
    checked(unsafe { libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut()) })
}

/// Puts a message into a queue if there is room: its type in the first eight bytes.
pub(crate) fn send(queue: i32, message: &[u8]) -> io::Result<i32> {
    let Some(length) = message.len().checked_sub(size_of::<libc::c_long>()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the kernel reads a `c_long` and `length` bytes behind it at `message`, which is borrowed and has that many;
    // it copies bytes, and asks for no alignment.
    checked(unsafe { libc::msgsnd(queue, message.as_ptr().cast(), length, libc::IPC_NOWAIT) })
}

/// Takes the first message of a type (0 is any), cut to the buffer: its type comes first. How many bytes are behind that.
/// It may wait for one.
pub(crate) fn receive(queue: i32, kind: i64, wait: bool, into: &mut [u8]) -> io::Result<usize> {
    let Some(length) = into.len().checked_sub(size_of::<libc::c_long>()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = libc::MSG_NOERROR | if wait { 0 } else { libc::IPC_NOWAIT };
    // SAFETY: the kernel writes a `c_long` and at most `length` bytes behind it at `into`, which is borrowed mutably and has
    // that many; any bytes are good there.
    let got = unsafe { libc::msgrcv(queue, into.as_mut_ptr().cast(), length, kind, flags) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}
