//! Functions that use a file descriptor: `read`, `write`, `close`, `dup`, `fcntl`, `ioctl`, `lseek`.

use super::kernel;
use super::memory::Memory;
use super::next::next;
use super::open::result;
use crate::{channel, descriptor, device};
use libc::{c_int, c_uint, c_ulong, c_void, iovec, off64_t, size_t, ssize_t};
use linux_scsi::Errno;

fn length(result: Result<usize, Errno>) -> ssize_t {
    match result.map(ssize_t::try_from) {
        Ok(Ok(length)) => length,
        Ok(Err(_)) => -1,
        Err(error) => {
            kernel::set_errno(error);
            -1
        }
    }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, size: size_t) -> ssize_t {
    match descriptor::channel(fd) {
        None => next!(c"read", fn(c_int, *mut c_void, size_t) -> ssize_t, (fd, buffer, size) else -1),
        Some(channel) => {
            let into = Memory { address: buffer.expose_provenance(), len: size };
            length(channel.and_then(|mut channel| channel.read(into)))
        }
    }
}

/// Replaces the function of the C library that checks the size of the buffer.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn __read_chk(fd: c_int, buffer: *mut c_void, size: size_t, buffer_size: size_t) -> ssize_t {
    if size > buffer_size || descriptor::description(fd).is_none() {
        return next!(c"__read_chk", fn(c_int, *mut c_void, size_t, size_t) -> ssize_t, (fd, buffer, size, buffer_size) else -1);
    }
    // SAFETY: the same call.
    unsafe { read(fd, buffer, size) }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, size: size_t) -> ssize_t {
    match descriptor::channel(fd) {
        None => next!(c"write", fn(c_int, *const c_void, size_t) -> ssize_t, (fd, buffer, size) else -1),
        Some(channel) => {
            let from = Memory { address: buffer.expose_provenance(), len: size };
            length(channel.and_then(|mut channel| channel.write(from)))
        }
    }
}

fn vectors(address: *const iovec, count: c_int) -> Result<Memory, Errno> {
    let count = usize::try_from(count).ok().filter(|count| *count <= 1024).ok_or(Errno::EINVAL)?;
    Ok(Memory { address: address.expose_provenance(), len: count * size_of::<Memory>() })
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn readv(fd: c_int, address: *const iovec, count: c_int) -> ssize_t {
    match descriptor::channel(fd) {
        None => next!(c"readv", fn(c_int, *const iovec, c_int) -> ssize_t, (fd, address, count) else -1),
        Some(channel) => {
            length(channel.and_then(|mut channel| device::read_vectors(&mut channel, vectors(address, count)?)))
        }
    }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, address: *const iovec, count: c_int) -> ssize_t {
    match descriptor::channel(fd) {
        None => next!(c"writev", fn(c_int, *const iovec, c_int) -> ssize_t, (fd, address, count) else -1),
        Some(channel) => {
            length(channel.and_then(|mut channel| device::write_vectors(&mut channel, vectors(address, count)?)))
        }
    }
}

/// Replaces the function of the C library.
#[unsafe(no_mangle)]
pub(super) extern "C" fn close(fd: c_int) -> c_int {
    result(descriptor::close(fd, || next!(c"close", fn(c_int) -> c_int, (fd) else -1)))
}

/// Replaces the function of the C library: the descriptors of this library stay open.
#[unsafe(no_mangle)]
extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    let close = |first: c_uint, last: c_uint| next!(c"close_range", fn(c_uint, c_uint, c_int) -> c_int, (first, last, flags) else -1);
    let mut first = first;
    while let Some(own) = channel::first_own(first, last) {
        if first < own && close(first, own - 1) != 0 {
            return -1;
        }
        first = own + 1;
    }
    if first <= last { close(first, last) } else { 0 }
}

/// Replaces the function of the C library: the descriptors of this library stay open.
#[unsafe(no_mangle)]
extern "C" fn closefrom(first: c_int) {
    if close_range(first.max(0).cast_unsigned(), c_uint::MAX, 0) != 0 {
        next!(c"closefrom", fn(c_int) -> (), (first) else ());
    }
}

fn duplicated(from: c_int, to: c_int) -> c_int {
    if to >= 0 {
        descriptor::duplicated(from, to);
    }
    to
}

/// Replaces the function of the C library.
#[unsafe(no_mangle)]
extern "C" fn dup(fd: c_int) -> c_int {
    duplicated(fd, next!(c"dup", fn(c_int) -> c_int, (fd) else -1))
}

/// Replaces the function of the C library.
#[unsafe(no_mangle)]
pub(super) extern "C" fn dup2(fd: c_int, to: c_int) -> c_int {
    duplicated(fd, next!(c"dup2", fn(c_int, c_int) -> c_int, (fd, to) else -1))
}

/// Replaces the function of the C library.
#[unsafe(no_mangle)]
extern "C" fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int {
    duplicated(fd, next!(c"dup3", fn(c_int, c_int, c_int) -> c_int, (fd, to, flags) else -1))
}

/// Defines both forms of `fcntl`. Its third argument, an integer or a pointer, is passed on as one word.
macro_rules! define_fcntl {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, command: c_int, argument: usize) -> c_int {
            let result = next!(c"fcntl64", fn(c_int, c_int; ...) -> c_int, (fd, command, argument) else -1);
            match command {
                libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => duplicated(fd, result),
                libc::F_GETFL if result >= 0 => device::status_flags(fd, result),
                _ => result,
            }
        }
    )*};
}

define_fcntl! { fcntl fcntl64 }

/// Whether one of two descriptors is a device; sets EINVAL then, as the kernel does for devices without pages.
fn is_refused(one: c_int, other: c_int) -> bool {
    let refused = [one, other].into_iter().any(|fd| descriptor::description(fd).is_some());
    if refused {
        kernel::set_errno(Errno::EINVAL);
    }
    refused
}

/// Defines both forms of `sendfile`: the kernel would divide the data into messages of other lengths.
macro_rules! define_sendfile {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(to: c_int, from: c_int, offset: *mut off64_t, count: size_t) -> ssize_t {
            if is_refused(to, from) {
                return -1;
            }
            next!(c"sendfile64", fn(c_int, c_int, *mut off64_t, size_t) -> ssize_t, (to, from, offset, count) else -1)
        }
    )*};
}

define_sendfile! { sendfile sendfile64 }

/// Defines `splice` and `copy_file_range`, as `define_sendfile`.
macro_rules! define_splice {
    ($($name:ident $next:literal),*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            from: c_int,
            from_offset: *mut off64_t,
            to: c_int,
            to_offset: *mut off64_t,
            count: size_t,
            flags: c_uint,
        ) -> ssize_t {
            if is_refused(to, from) {
                return -1;
            }
            next!(
                $next,
                fn(c_int, *mut off64_t, c_int, *mut off64_t, size_t, c_uint) -> ssize_t,
                (from, from_offset, to, to_offset, count, flags) else -1
            )
        }
    )*};
}

define_splice! { splice c"splice", copy_file_range c"copy_file_range" }

/// Requests of `ioctl` about the descriptor itself, which the kernel handles for every file.
const FOR_EVERY_FILE: [c_ulong; 3] = [libc::FIOCLEX, libc::FIONCLEX, libc::FIONBIO];

/// Replaces the function of the C library. Its third argument, an integer or a pointer, is passed on as one word.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: usize) -> c_int {
    let device = if FOR_EVERY_FILE.contains(&request) { None } else { descriptor::channel(fd) };
    let Some(channel) = device else {
        return next!(c"ioctl", fn(c_int, c_ulong; ...) -> c_int, (fd, request, argument) else -1);
    };
    // The kernel uses 32 bits of the request; programs may pass them with their sign.
    let [a, b, c, d, ..] = request.to_le_bytes();
    let code = u32::from_le_bytes([a, b, c, d]);
    let done = channel.and_then(|mut channel| device::ioctl(&mut channel, code, argument));
    result(done.map(|value| c_int::try_from(value).unwrap_or(c_int::MAX)))
}

/// Defines both forms of `lseek`.
macro_rules! define_lseek {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, offset: off64_t, origin: c_int) -> off64_t {
            // The drivers of tapes and changers accept it and do nothing; that of generic devices refuses it.
            match descriptor::channel(fd) {
                Some(Ok(channel)) if !device::is_generic(channel.device()) => 0,
                _ => next!(c"lseek64", fn(c_int, off64_t, c_int) -> off64_t, (fd, offset, origin) else -1),
            }
        }
    )*};
}

define_lseek! { lseek lseek64 }
