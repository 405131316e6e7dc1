//! The system calls for which no crate has a safe form: ioctl(2) with a number that is not known at compile time, and
//! the result of close(2).
#![expect(unsafe_code, reason = "ioctl(2) and close(2) on descriptors that the caller owns")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};

/// ioctl(2) with an argument in memory. The memory that the call gets is as large as any argument whose size is in the
/// number of the request.
pub(crate) fn ioctl(file: &File, request: u32, argument: &mut [u8]) -> io::Result<()> {
    let mut memory = [0_u8; 16384];
    for (target, byte) in memory.iter_mut().zip(argument.iter()) {
        *target = *byte;
    }
    // SAFETY: the descriptor is open, and the call writes to at most 16383 bytes of `memory`.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request.into(), memory.as_mut_ptr()) };
    for (target, byte) in argument.iter_mut().zip(memory) {
        *target = byte;
    }
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// close(2), with its result.
pub(crate) fn close(file: File) -> io::Result<()> {
    // SAFETY: the descriptor was owned by `file`, which gave it up.
    let result = unsafe { libc::close(file.into_raw_fd()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
