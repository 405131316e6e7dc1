//! The system calls for which no crate has a safe form: ioctl(2) with a number that is not known at compile time, and
//! the result of close(2), and fork(2).
#![expect(unsafe_code, reason = "ioctl(2) and close(2) on descriptors that the caller owns, and fork(2)")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use tape_script::memory::Memory;

/// ioctl(2) with a number or an address as its argument. Returns its result.
pub(crate) fn ioctl(file: &File, request: u32, _memory: &mut Memory, argument: u64) -> io::Result<i32> {
    // SAFETY: the descriptor is open. The addresses in the argument of a step are those of `_memory`, which has room for
    // any argument after them, or lead to no memory of this process.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request.into(), argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// close(2), with its result.
pub(crate) fn close(file: File) -> io::Result<()> {
    // SAFETY: the descriptor was owned by `file`, which gave it up.
    let result = unsafe { libc::close(file.into_raw_fd()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A duplicate of standard input, without a buffer.
pub(crate) fn standard_input() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// Calls a function in a child of this process, and returns the bytes that it returns there. The other threads of this
/// process must not hold locks that the function needs: it may allocate memory and use system calls.
pub(crate) fn in_child(call: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    let (mut reader, mut writer) = io::pipe()?;
    // SAFETY: the child runs the function, whose needs the caller knows, and ends without returning from this function.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    if child == 0 {
        let written = writer.write_all(&call());
        // SAFETY: this ends the child without the handlers that belong to the parent.
        unsafe { libc::_exit(written.is_err().into()) };
    }
    drop(writer);
    let mut bytes = Vec::new();
    let read = reader.read_to_end(&mut bytes);
    // SAFETY: the child is one of this process, and no status is stored.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    read.map(|_| bytes)
}
