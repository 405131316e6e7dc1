//! Allocator settings and inherited descriptors: all unsafe code of this program, and why it is sound.
#![allow(unsafe_code, reason = "mallopt is a function of C, and an inherited descriptor is a number")]

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Limits the address space of a daemon with many threads. By default glibc reserves an arena of 64 MiB for each
/// thread, up to eight for each processor, which count against a limit on the address space, and freed buffers stay in
/// the arenas.
#[cfg(target_env = "gnu")]
pub(crate) fn limit_arenas() {
    const ARENAS: libc::c_int = 2;
    /// Allocations of at least this size, in bytes, return to the system when they are freed.
    const MAPPED: libc::c_int = 256 * 1024;
    for (option, value) in [(libc::M_ARENA_MAX, ARENAS), (libc::M_MMAP_THRESHOLD, MAPPED)] {
        // SAFETY: mallopt takes numbers only, and is called before there is another thread.
        let _ = unsafe { libc::mallopt(option, value) };
    }
}

/// Other C libraries have no such settings.
#[cfg(not(target_env = "gnu"))]
pub(crate) const fn limit_arenas() {}

/// Duplicates an inherited descriptor of a file, a pipe or a socket.
///
/// # Errors
/// The number is not an open descriptor.
pub(crate) fn duplicate(number: u16) -> io::Result<File> {
    // SAFETY: F_DUPFD_CLOEXEC takes numbers only; a number that is not open is an error.
    let copy = unsafe { libc::fcntl(number.into(), libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fcntl has just created this descriptor, and no other value owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) }.into())
}
