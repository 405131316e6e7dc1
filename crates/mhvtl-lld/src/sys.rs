//! The system calls: ioctls, `mknod` and System V queues. All unsafe code of this crate, with the reasons why it is
//! sound.
#![allow(unsafe_code, reason = "ioctl takes addresses")]

use crate::abi::{CommandHeader, DataTransfer, GET_DATA, HostAddress, POLL, PUT_DATA, REMOVE_LU, SENSE_LEN};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Converts the result of a system call.
fn checked(result: libc::c_int) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Polls for a command and writes it to `header`. Returns [`POLL_HAS_COMMAND`] if there is one.
pub(crate) fn poll(file: &File, header: &mut CommandHeader) -> io::Result<i32> {
    // SAFETY: the module writes at most the 32 bytes of a `CommandHeader`, for which any bytes are valid; the borrow
    // outlives the call.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), POLL.into(), std::ptr::from_mut(header)) })
}

/// Copies the Data-Out bytes of a command, from their beginning.
pub(crate) fn get_data(file: &File, serial: u64, into: &mut [u8]) -> io::Result<i32> {
    let buffer = into.as_mut_ptr() as u64;
    let data = DataTransfer { buffer, count: length(into), serial, ..DataTransfer::default() };
    // SAFETY: the module reads the 40 bytes of `data`, and writes at most `count` bytes at `buffer`, which is borrowed
    // mutably for the call and has that many.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), GET_DATA.into(), std::ptr::from_ref(&data)) })
}

/// Completes a command with a status, Data-In bytes and sense data.
pub(crate) fn put_data(file: &File, serial: u64, status: u8, from: &[u8], sense: &[u8; SENSE_LEN]) -> io::Result<i32> {
    let (buffer, sense) = (from.as_ptr() as u64, sense.as_ptr() as u64);
    let data = DataTransfer { buffer, count: length(from), serial, sense, status, ..DataTransfer::default() };
    // SAFETY: the module reads the 40 bytes of `data`, at most `count` bytes at `buffer` and `SENSE_LEN` bytes at
    // `sense`; both are borrowed for the call and have that many.
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

/// Creates a character device node with mode 0660, as mhvtl's daemons do.
pub(crate) fn make_node(path: &std::ffi::CStr, device: libc::dev_t) -> io::Result<()> {
    // SAFETY: `path` is a C string that outlives the call.
    checked(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o660, device) }).map(drop)
}

/// Opens the queue of a key. With `create`, creates it with mode 0660 if it does not exist.
pub(crate) fn queue(key: i32, create: bool) -> io::Result<i32> {
    let flags = if create { libc::IPC_CREAT | 0o660 } else { 0 };
    // SAFETY: no memory is passed.
    checked(unsafe { libc::msgget(key, flags) })
}

/// Removes a queue and its messages.
pub(crate) fn remove_queue(queue: i32) -> io::Result<i32> {
    // SAFETY: the kernel does not access the buffer with IPC_RMID.
    checked(unsafe { libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut()) })
}

/// Sends a message, whose first eight bytes are its type, without waiting.
pub(crate) fn send(queue: i32, message: &[u8]) -> io::Result<i32> {
    let Some(length) = message.len().checked_sub(size_of::<libc::c_long>()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the kernel reads a `c_long` and `length` bytes after it at `message`, which is borrowed and has as many;
    // it copies bytes and requires no alignment.
    checked(unsafe { libc::msgsnd(queue, message.as_ptr().cast(), length, libc::IPC_NOWAIT) })
}

/// Receives the first message of a type (0 is any type), truncated to the buffer: its type, then its bytes. Returns the
/// number of bytes after the type. With `wait`, waits for a message.
pub(crate) fn receive(queue: i32, kind: i64, wait: bool, into: &mut [u8]) -> io::Result<usize> {
    let Some(length) = into.len().checked_sub(size_of::<libc::c_long>()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = libc::MSG_NOERROR | if wait { 0 } else { libc::IPC_NOWAIT };
    // SAFETY: the kernel writes a `c_long` and at most `length` bytes after it at `into`, which is borrowed mutably and
    // has as many; any bytes are valid there.
    let received = unsafe { libc::msgrcv(queue, into.as_mut_ptr().cast(), length, kind, flags) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}
